"""What venues list: rolling series by name, markets and events as typed results.

A folder here is a venue's: how it spells names, how it lists, how it is asked. It is found by its
name; there is no list to keep.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Final

VENUES: Final = tuple(module.name for module in iter_modules(__path__) if module.ispkg)


def part(venue: str, name: str) -> ModuleType:
    """The module ``name`` of a venue's folder."""
    return import_module(f"{__name__}.{venue}.{name}")
