"""bookfeed behind the classes that programs for these markets already have.

The names of classes and methods are those that such programs use; what comes back is bookfeed's
own: plain dictionaries whose keys ``shapes.py`` lists. Every answer about a book says where it is
from (``source``) and whether it may be believed. ``docs/faces.md`` shows each of them.

Every class of this room can be imported from here; those of a venue are in its file.
"""

import pkgutil
from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """A class, whichever file of this room it is in, imported now."""
    if name[:1].isupper():
        for file in pkgutil.iter_modules(__path__):
            found = vars(import_module(f"{__name__}.{file.name}")).get(name)
            if getattr(found, "__module__", "") == f"{__name__}.{file.name}":
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
