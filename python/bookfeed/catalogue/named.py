"""From what people paste to the market of a feed in one step: ``Market.from_<venue>(…)``."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from bookfeed.catalogue import VENUES
from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.errors import CatalogueError
from bookfeed.market import Market

WAIT_S: Final = 60.0
"""How long the books of a new market are waited for, unless told otherwise."""


def finder(venue: str) -> Callable[..., Awaitable[Market]]:
    """``Market.from_<venue>``; ``AttributeError`` for a venue that does not list."""
    if venue not in VENUES:
        raise AttributeError(f"nothing is looked up at {venue!r}, only at {', '.join(VENUES)}")

    async def found(
        target: str, *, catalogue: Catalogue | None = None, wait_s: float = WAIT_S
    ) -> Market:
        """The one market that a name of this venue stands for, as it is listed.

        ``target``: the address of a page, a slug or ticker, an event or a rolling series of one
        market, on some venues the id of a market or of a book. It is asked by REST what the venue
        lists, or ``catalogue`` if it is given, and for up to ``wait_s`` seconds whether the books
        of a new market are there. No key is needed, but aiohttp.

        Raises ``CatalogueError`` for what is not listed, for a name of another venue, and, naming
        them, where there are several markets: ``Catalogue.markets`` gives all.
        """
        async with AsyncExitStack() as stack:
            if catalogue is None:
                catalogue = await stack.enter_async_context(Catalogue())
            other = catalogue.venue_of(target)
            if other not in (None, venue):
                raise CatalogueError(f"{target!r} is a name of {other}, not of {venue}")
            listing = await catalogue.market(target)
            return (await catalogue.ready(listing, timeout_s=wait_s)).to_market()

    found.__name__ = found.__qualname__ = f"from_{venue}"
    return found
