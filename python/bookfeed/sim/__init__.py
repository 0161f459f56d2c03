"""Venue simulators: the wire protocols on loopback, with a known truth and faults on demand.

They are written from the venues' documents and from recorded frames, and share no code with
the engine, so that an engine and a simulator which agree have both read the protocol rightly.

Each venue has a folder of its own, which serves its WebSocket and REST calls over real sockets
(``server``) and yields the same frames in process under a virtual clock, for seeded campaigns
(``stream``); a folder that is called after two venues holds the worlds of both at once.
What lies beside the folders is what venues share, and names none of them.
"""

import os
from typing import Final

BOTH: Final = "both"
"""The name of the world of two venues."""


def names() -> tuple[str, ...]:
    """The venues that there is a simulator of, in alphabetical order."""
    return tuple(name for name in _folders() if "_" not in name)


def package(name: str) -> str:
    """The package of a venue's simulator, or of that of ``BOTH``."""
    folder = next(found for found in _folders() if "_" in found) if name == BOTH else name
    return f"{__name__}.{folder}"


def _folders() -> list[str]:
    # Not `pkgutil`, which takes long to import: the command line asks before it does anything.
    found = (entry.name for entry in os.scandir(__path__[0]) if entry.is_dir())
    return sorted(name for name in found if not name.startswith("_"))
