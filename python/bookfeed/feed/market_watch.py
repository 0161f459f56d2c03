"""``MarketWatch``: looks at what venues list, and tells a feed what is new and what changed.

    async with Feed(...) as feed, Catalogue() as catalogue:
        feed.on_market(print, tag="crypto")
        async with MarketWatch(feed, catalogue, [Watched(venue, tag="crypto")]):
            ...

Venues are asked by REST, page by page; what is listed when it begins is no news.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from bookfeed.catalogue.listing import ListedEvent, Listing
from bookfeed.catalogue.news import MarketNews, news_since
from bookfeed.errors import BookfeedError
from bookfeed.feed.feed import Feed

EVERY_S: Final = 60.0
"""How often it is looked, by default."""

SEEN_MAX: Final = 200_000
"""So many markets are told apart; those that are no longer listed go first."""

# How long the books of a new market are waited for.
_READY_S: Final = 600.0

_log: Final = logging.getLogger("bookfeed.feed.market_watch")


class Watched(NamedTuple):
    """What is looked at: the open events of a venue, of a series or a tag if they are given."""

    venue: str
    series: str | None = None
    tag: str | None = None


class Listings(Protocol):
    """What is asked of a catalogue."""

    def events(
        self, venue: str, *, series: str | None = None, tag: str | None = None
    ) -> AsyncIterator[ListedEvent]:
        """Every open event that fits."""

    async def ready(self, listing: Listing, *, timeout_s: float = ...) -> Listing:
        """The listing as soon as its market has books."""


class MarketWatch:
    """Looks every ``every_s`` seconds for as long as its context lasts.

    With ``follow`` new markets are added to the feed as soon as they have books, at most
    ``follow_max`` of them.
    """

    def __init__(
        self,
        feed: Feed,
        catalogue: Listings,
        watched: Sequence[Watched],
        *,
        every_s: float = EVERY_S,
        follow: bool = False,
        follow_max: int = 100,
    ) -> None:
        self._feed: Final = feed
        self._catalogue: Final = catalogue
        self._watched: Final = tuple(watched)
        self._every_s: Final = every_s
        self._follow_left = follow_max if follow else 0
        self._seen: Final[dict[tuple[str, str], Listing]] = {}
        self._begun: Final[set[Watched]] = set()
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    async def __aenter__(self) -> Self:
        self._begin(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Look once at everything that is watched; what cannot be had is logged, and left."""
        for one in self._watched:
            try:
                await self._look_at(one)
            except BookfeedError as error:
                _log.warning("%s: what is listed is not known: %s", one.venue, error)

    async def _look_at(self, watched: Watched) -> None:
        events = self._catalogue.events(watched.venue, series=watched.series, tag=watched.tag)
        async for event in events:
            for listing in event.markets:
                self._compare(listing, event.tags, begun=watched in self._begun)
        self._begun.add(watched)

    def _compare(self, listing: Listing, tags: Sequence[str], *, begun: bool) -> None:
        key = listing.venue, listing.market or listing.slug
        before = self._seen.pop(key, None)
        news = news_since(before, listing, tags)
        if before is None and begun:
            news = MarketNews(kind="new", listing=listing, tags=tuple(tags), witness="listing")
            if self._follow_left > 0:
                self._follow_left -= 1
                self._begin(self._follow(listing))
        # Of all that is listed only what is new or changed is told, to spare recordings the rest.
        if news is not None and news.kind != "known":
            self._feed.tell(news)
        self._seen[key] = listing if news is None else news.listing
        if len(self._seen) > SEEN_MAX:
            del self._seen[next(iter(self._seen))]

    async def _follow(self, listing: Listing) -> None:
        try:
            ready = await self._catalogue.ready(listing, timeout_s=_READY_S)
            market = ready.to_market()
            known = {symbol for one in self._feed.markets for symbol in one.symbols}
            if known.isdisjoint(market.symbols):
                await self._feed.add_markets([market])
                _log.info("%s: %s is followed", listing.venue, listing.slug)
        except (BookfeedError, ValueError) as error:
            _log.warning("%s: %s is not followed: %s", listing.venue, listing.slug, error)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
