"""Rolling series on an open feed: the next window comes before it begins, the old one to its end.

    async with Feed(...) as feed, Catalogue() as catalogue:
        async with Rolling(feed, catalogue, [Series("btc-updown-15m")]):
            ...

A window is followed from some time before its start until it is settled and its result recorded;
then its books go. One that nobody settles goes some time after its end.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from bookfeed.catalogue.client import NotListed
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.series import Series
from bookfeed.catalogue.windows import Window
from bookfeed.clock import NS_PER_S
from bookfeed.errors import BookfeedError
from bookfeed.feed.feed import Feed
from bookfeed.market import Market

# The next window is looked up so long before it begins, and again as often if it is not listed.
LEAD_S: Final = 120.0
AGAIN_S: Final = 10.0
# A window that nobody settles is followed so long after its end: days and hours are settled by
# hand, a quarter of an hour after it.
UNSETTLED_S: Final = 1_800.0
# How long it is waited for the books of what is listed before it is asked for again.
READY_S: Final = 5.0
# How often it is looked at what is settled.
LOOK_S: Final = 1.0

_log: Final = logging.getLogger("bookfeed.feed.rolling")


class Listings(Protocol):
    """What is asked of a catalogue."""

    async def window(self, series: Series, ts: int | None = None) -> tuple[Listing, ...]:
        """The markets of the window at a time."""

    async def ready(self, listing: Listing, *, timeout_s: float = ...) -> Listing:
        """The listing as soon as its market has books."""


@dataclass(slots=True)
class Followed:
    """The windows of one series that are followed, by their ends, and what is due for it."""

    series: Series
    windows: dict[int, list[Market]] = field(default_factory=dict)
    due_ns: int = 0
    missed: bool = False
    """Whether it was said that its next window is not listed."""


class Rolling:
    """Follows the windows of series on a feed for as long as its context lasts.

    Markets that the feed follows already are taken over. ``now_ns`` is the wall clock.
    """

    def __init__(
        self,
        feed: Feed,
        catalogue: Listings,
        series: Sequence[Series],
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._feed: Final = feed
        self._catalogue: Final = catalogue
        self._all: Final = [Followed(one) for one in series]
        self._now_ns: Final = now_ns
        self._tasks: Final[list[asyncio.Task[None]]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks.extend(loop.create_task(self._run(one)) for one in self._all)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, one: Followed) -> None:
        while True:
            try:
                await self.step(one)
            except Exception as error:  # what failed for one window is tried again for it
                one.due_ns = self._now_ns() + round(AGAIN_S * NS_PER_S)
                expected = isinstance(error, BookfeedError)
                _log.warning("%s: %s", one.series.name, error, exc_info=not expected)
            await asyncio.sleep(LOOK_S)

    async def step(self, one: Followed) -> None:
        """Have the windows followed that are due, and let those go that are over."""
        now_ns = self._now_ns()
        await self._let_go(one, now_ns)
        if now_ns < one.due_ns:
            return
        present = one.series.window(now_ns)
        wanted = [present]
        following = one.series.after(present)
        lead_ns = round(LEAD_S * NS_PER_S)
        if following.start_ts - lead_ns <= now_ns:
            wanted.append(following)
        for window in wanted:
            if window.end_ts not in one.windows:
                await self._follow(one, window, now_ns)
        if one.due_ns <= now_ns:
            one.due_ns = one.series.after(wanted[-1]).start_ts - lead_ns

    async def _follow(self, one: Followed, window: Window, now_ns: int) -> None:
        try:
            listed = await self._catalogue.window(one.series, window.start_ts)
        except NotListed as error:
            one.due_ns = now_ns + round(AGAIN_S * NS_PER_S)
            if not one.missed:
                _log.warning("%s; asked for again every %g s", error, AGAIN_S)
            one.missed = True
            return
        ready = [await self._catalogue.ready(listing, timeout_s=READY_S) for listing in listed]
        known = {symbol: market for market in self._feed.markets for symbol in market.symbols}
        markets = [listing.to_market() for listing in ready]
        fresh = [market for market in markets if market.symbols[0] not in known]
        await self._feed.add_markets(fresh)
        one.windows[window.end_ts] = [known.get(m.symbols[0], m) for m in markets]
        one.missed = False
        if fresh:
            _log.info("%s: %s is followed", one.series.name, window.event)

    async def _let_go(self, one: Followed, now_ns: int) -> None:
        for end_ns, markets in list(one.windows.items()):
            if end_ns > now_ns:
                continue
            unsettled = [market for market in markets if not self._settled(market)]
            if unsettled and now_ns < end_ns + round(UNSETTLED_S * NS_PER_S):
                continue
            for market in unsettled:
                _log.warning("%s: nobody settled %s", one.series.name, market.name or market.market)
            del one.windows[end_ns]
            await self._feed.remove_markets(markets)

    def _settled(self, market: Market) -> bool:
        """Whether it is over, or somebody else took it off the feed."""
        if market not in self._feed.markets:
            return True
        return all(self._feed.book(symbol).cause == "resolved" for symbol in market.symbols)
