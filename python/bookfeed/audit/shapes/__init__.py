"""What each venue's messages look like, one file a venue, found by the venue's name.

A file ``<venue>.py`` here has ``SHAPES``, a ``bookfeed.audit.drift.Shapes``.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from bookfeed.audit.drift import Shapes

VENUES: Final = frozenset(module.name for module in iter_modules(__path__))


def shapes_of(venue: str) -> Shapes | None:
    """What ``venue`` says, as far as it is known; ``None`` if nobody has written that down."""
    if venue not in VENUES:
        return None
    found: Shapes = import_module(f"{__name__}.{venue}").SHAPES
    return found
