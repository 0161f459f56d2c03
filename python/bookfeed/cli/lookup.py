"""Where a command looks names up: at which addresses, in which file, and whether venues are asked.

What is found is remembered in one file for all commands. What simulators and other addresses answer
is not, unless a file is named: it would pass for the venues' own.
"""

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bookfeed.catalogue.catalogue import Catalogue

NOWHERE: Final = "-"
"""In place of a file: nothing is remembered."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a command looks names up."""

    urls: Mapping[str, str] = field(default_factory=dict)
    """Addresses in place of the venues' own, by ``VENUE.WHAT``."""
    path: Path | None = None
    """The file of what was found; ``None`` for none."""
    offline: bool = False
    """Whether nobody is asked but that file."""

    @asynccontextmanager
    async def catalogue(self) -> "AsyncIterator[Catalogue]":
        """The catalogue; raises ``CatalogueError`` for an address that nobody asks."""
        # Not before: it needs aiohttp, which symbols do without.
        from bookfeed.catalogue.catalogue import Catalogue
        from bookfeed.catalogue.store import Store

        if self.path is None:
            async with Catalogue(urls=self.urls, offline=self.offline) as catalogue:
                yield catalogue
            return
        async with (
            Store(self.path) as store,
            Catalogue(urls=self.urls, store=store, offline=self.offline) as catalogue,
        ):
            yield catalogue


def lookup(args: argparse.Namespace, urls: Mapping[str, str]) -> Lookup:
    """What ``--catalogue`` and ``--offline`` say; ``urls`` are those of ``--url`` or ``--sim``."""
    if args.catalogue == NOWHERE:
        return Lookup(urls, None, args.offline)
    if args.catalogue is not None:
        return Lookup(urls, Path(args.catalogue), args.offline)
    if urls and not args.offline:
        return Lookup(urls)
    from bookfeed.catalogue.store import default_path

    return Lookup(urls, default_path(), args.offline)
