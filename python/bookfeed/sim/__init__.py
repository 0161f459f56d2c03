"""Venue simulators: the wire protocols on loopback, with a known truth and faults on demand.

They are written from the venues' documents and from recorded frames, and share no code with
the engine, so that an engine and a simulator which agree have both read the protocol rightly.

Each venue has a folder of its own, which serves its WebSocket and REST calls over real sockets
(``server``) and yields the same frames in process under a virtual clock, for seeded campaigns
(``stream``); ``paired`` holds the worlds of two venues at once. What lies beside the folders is
what venues share, and names none of them.
"""

import os
from typing import Final

BOTH: Final = "both"
"""The name of the world of two venues."""

PACKAGES: Final = {BOTH: "paired"}
"""Simulators whose package is not called as they are."""


def names() -> tuple[str, ...]:
    """The venues that there is a simulator of, in alphabetical order."""
    # Not `pkgutil`, which takes long to import: the command line asks before it does anything.
    found = {entry.name for entry in os.scandir(__path__[0]) if entry.is_dir()}
    found = {name for name in found if not name.startswith("_")}
    return tuple(sorted(found - set(PACKAGES.values())))
