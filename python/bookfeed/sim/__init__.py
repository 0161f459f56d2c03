"""Venue simulators: the wire protocols on loopback, with a known truth and faults on demand.

They are written from the venues' documents and from recorded frames, and share no code with
the engine, so that an engine and a simulator which agree have both read the protocol rightly.

Each venue has a folder of its own, which serves its WebSocket and REST calls over real sockets
(``server``) and yields the same frames in process under a virtual clock, for seeded campaigns
(``stream``); a folder that is called after two venues holds the worlds of both at once.
What lies beside the folders is what venues share, and names none of them. A folder in that of a
venue is a relay, which tells other things beside the venue's books.
"""

import os
from typing import Final

BOTH: Final = "both"
"""The name of the world of two venues."""


def names() -> tuple[str, ...]:
    """The venues, and then relays, that there is a simulator of, each in alphabetical order."""
    venues = tuple(name for name in _folders() if "_" not in name)
    return (*venues, *sorted(relay for venue in venues for relay in _folders(venue)))


def alone() -> frozenset[str]:
    """The venues that have a simulator of their own and no part in the world of ``BOTH``."""
    venues = _folders()
    both = next(found for found in venues if "_" in found)
    return frozenset(venues) - {both, *both.split("_")}


def package(name: str) -> str:
    """The package of the simulator of a venue or relay, or of that of ``BOTH``."""
    venues = _folders()
    if name == BOTH:
        name = next(found for found in venues if "_" in found)
    within = "".join(f"{venue}." for venue in venues if name in _folders(venue))
    return f"{__name__}.{within}{name}"


def _folders(venue: str = "") -> list[str]:
    # Not `pkgutil`, which takes long to import: the command line asks before it does anything.
    found = (entry.name for entry in os.scandir(f"{__path__[0]}/{venue}") if entry.is_dir())
    return sorted(name for name in found if not name.startswith("_"))
