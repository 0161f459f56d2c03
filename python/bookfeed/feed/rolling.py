"""Rolling series on an open feed: the next window comes before it begins, the old one to its end.

    async with Feed(...) as feed, Catalogue() as catalogue:
        async with Rolling(feed, catalogue, [Series("btc-updown-15m")]):
            ...

A window is followed from some time before its start until it is settled and its result recorded;
then its books go. One that nobody settles goes some time after its end. A window is asked for by
the name that it should have, once; if nothing is listed under it, it is searched for.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from bookfeed.catalogue.client import NotListed
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.series import Series
from bookfeed.catalogue.windows import Window
from bookfeed.clock import NS_PER_S
from bookfeed.errors import BookfeedError
from bookfeed.feed.feed import Feed
from bookfeed.feed.series_pairs import SeriesPairs
from bookfeed.feed.windows import Followed, Held, Lacking, WindowEnd, ended
from bookfeed.market import Market
from bookfeed.rules.pairs import SeriesPair

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
        """The markets of the window at a time, by its name."""

    async def searched_window(self, series: Series, ts: int | None = None) -> tuple[Listing, ...]:
        """The same by search."""

    async def ready(self, listing: Listing, *, timeout_s: float = ...) -> Listing:
        """The listing as soon as its market has books."""


class Rolling:
    """Follows the windows of series on a feed for as long as its context lasts.

    Markets that the feed follows already are taken over. ``pairs`` of these series are watched
    window by window. ``on_end`` is called with each window that is followed no more. ``now_ns`` is
    the time, by default the wall clock's.
    """

    def __init__(
        self,
        feed: Feed,
        catalogue: Listings,
        series: Sequence[Series],
        *,
        pairs: Iterable[SeriesPair] = (),
        on_end: Callable[[WindowEnd], None] | None = None,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self._feed: Final = feed
        self._catalogue: Final = catalogue
        self.followed: Final = [Followed(one) for one in series]
        """Each series with its windows."""
        self._pairs: Final = SeriesPairs(feed, self.followed, pairs)
        self._on_end: Final = on_end
        self._now_ns: Final = time.time_ns if now_ns is None else now_ns
        self._tasks: Final[list[asyncio.Task[None]]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tasks.extend(loop.create_task(self._run(one)) for one in self.followed)
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
                expected = isinstance(error, BookfeedError)
                _log.warning("%s: %s", one.series.name, error, exc_info=not expected)
            await asyncio.sleep(LOOK_S)

    async def step(self, one: Followed) -> None:
        """Have the windows followed that are due, and let those go that are over."""
        now_ns = self._now_ns()
        self._give_up(one, now_ns)
        # Those that come first: they are wanted more than the others need to go.
        for window in _wanted(one.series, now_ns):
            if window.end_ts not in one.windows:
                await self._follow(one, window, now_ns)
        await self._let_go(one, now_ns)
        for held in self._pairs.without_strike(one, now_ns):
            held.asked_ns = now_ns
            held.listings = await self._listed_again(one, held)
        await self._pairs.look()

    # Windows that come.

    async def _follow(self, one: Followed, window: Window, now_ns: int) -> None:
        """Follow a window, or note that it cannot be followed yet."""
        lacking = one.lacking.setdefault(window.end_ts, Lacking(window))
        if now_ns < lacking.due_ns:
            return
        try:
            listed = await self._listed(one, lacking)
            # A market that is listed before there are books of it is waited for.
            ready = [await self._catalogue.ready(each, timeout_s=READY_S) for each in listed]
        except BookfeedError as error:
            lacking.due_ns = now_ns + round(AGAIN_S * NS_PER_S)
            if not lacking.told:
                _log.warning("%s; asked for again every %g s", error, AGAIN_S)
            lacking.told = True
            return
        known = {symbol: market for market in self._feed.markets for symbol in market.symbols}
        markets = [listing.to_market() for listing in ready]
        if any(_another(market, known.get(market.symbols[0])) for market in markets):
            # In the hour that clocks show twice two windows may share a symbol: it goes with the
            # first one, as soon as that is settled.
            lacking.due_ns = now_ns + round(LOOK_S * NS_PER_S)
            return
        fresh = [market for market in markets if market.symbols[0] not in known]
        await self._feed.add_markets(fresh)
        theirs = [known.get(market.symbols[0], market) for market in markets]
        for listing in ready:
            self._feed.know(listing)
        one.windows[window.end_ts] = Held(window, tuple(ready), theirs)
        del one.lacking[window.end_ts]
        if fresh:
            _log.info("%s: %s is followed", one.series.name, ready[0].event or window.event)

    async def _listed(self, one: Followed, lacking: Lacking) -> tuple[Listing, ...]:
        """What is listed of a window: by its name, and where that leads nowhere by search."""
        at = lacking.window.start_ts
        if not lacking.named_in_vain:
            try:
                return await self._catalogue.window(one.series, at)
            except NotListed as error:
                lacking.named_in_vain = True
                _log.warning("%s; searched for by its series from now on", error)
        found = await self._catalogue.searched_window(one.series, at)
        names = ", ".join(dict.fromkeys(listing.event or listing.slug for listing in found))
        _log.warning("%s: found by search: %s", one.series.name, names)
        return found

    def _give_up(self, one: Followed, now_ns: int) -> None:
        """Count the windows that ended before they could be followed."""
        for end_ns, lacking in list(one.lacking.items()):
            if end_ns <= now_ns:
                del one.lacking[end_ns]
                one.missed += 1
                _log.error("%s: missed %s", one.series.name, lacking.window.event)

    # Windows that go.

    async def _let_go(self, one: Followed, now_ns: int) -> None:
        for end_ns, held in list(one.windows.items()):
            if end_ns > now_ns:
                continue
            unsettled = [market for market in held.markets if not self._settled(market)]
            if unsettled and now_ns < end_ns + round(UNSETTLED_S * NS_PER_S):
                continue
            for market in unsettled:
                _log.warning("%s: nobody settled %s", one.series.name, market.name or market.market)
            del one.windows[end_ns]
            await self._pairs.look()
            await self._feed.remove_markets(held.markets)
            held.listings = await self._listed_again(one, held)
            for listing in held.listings:
                self._feed.know(listing)
            # The stream, or the chain, may have told how it ended before it is listed so.
            held.listings = tuple(map(self._feed.known, held.listings))
            self._tell(one, held, now_ns)

    def _tell(self, one: Followed, held: Held, now_ns: int) -> None:
        present = one.windows.get(one.series.window(now_ns).end_ts)
        following = None if present is None else present.listings[0].event or present.window.event
        end = WindowEnd(one.series.venue, held.window, ended(held.listings), following)
        _log.info("%s", end.line())
        if self._on_end is not None:
            self._on_end(end)

    def _settled(self, market: Market) -> bool:
        """Whether it is over, or somebody else took it off the feed."""
        if market not in self._feed.markets:
            return True
        return all(self._feed.book(symbol).cause == "resolved" for symbol in market.symbols)

    async def _listed_again(self, one: Followed, held: Held) -> tuple[Listing, ...]:
        """How a window is listed by now; as before, where that cannot be had."""
        name, at = held.window.event, held.window.start_ts
        by_name = all(listing.event in ("", name) for listing in held.listings)
        ask = self._catalogue.window if by_name else self._catalogue.searched_window
        try:
            return await ask(one.series, at)
        except BookfeedError as error:
            _log.warning("%s: how it is listed now is not known: %s", name, error)
            return held.listings


def _another(market: Market, followed: Market | None) -> bool:
    """Whether what is followed under its symbol is another market, which ends at another time."""
    if followed is None or None in (market.close_ts, followed.close_ts):
        return False
    return market.close_ts != followed.close_ts


def _wanted(series: Series, now_ns: int) -> list[Window]:
    """The window that is on, and the next one if it begins soon."""
    present = series.window(now_ns)
    following = series.after(present)
    soon = following.start_ts - round(LEAD_S * NS_PER_S) <= now_ns
    return [present, following] if soon else [present]
