"""How each venue is read, one file a venue, found by the venue's name: there is no list to keep.

A file ``<venue>.py`` here has ``READING``, a ``bookfeed.audit.reading.Reading``.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from bookfeed.audit.reading import Reading

VENUES: Final = frozenset(module.name for module in iter_modules(__path__))


def reading_class(venue: str) -> type[Reading] | None:
    """How ``venue`` is read; ``None`` if nobody has written that down."""
    if venue not in VENUES:
        return None
    found: type[Reading] = import_module(f"{__name__}.{venue}").READING
    return found
