"""``Deciding``: asks witnesses for strikes and results of the markets that a feed knows of.

    async with Feed(...) as feed, Catalogue() as catalogue, Deciding(feed, catalogue):
        feed.on_market(print)

The stream is heard first; then, from the end of a market on, the venue is asked in all the ways in
which it says how it ended. What comes of it is news of the feed, recorded like all others.

Each venue is asked one question at a time, the strikes of windows that have begun first: whoever
looks for the next window beside it waits for one answer, however many markets have just ended.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from bookfeed._bookfeed import UPDATE_KINDS, Batch
from bookfeed.catalogue.deciding import Decision, Verdict
from bookfeed.catalogue.listing import Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.clock import NS_PER_S
from bookfeed.errors import BookfeedError
from bookfeed.feed.feed import Feed
from bookfeed.feed.question import strike_ts
from bookfeed.feed.source import LISTINGS_MAX

LOOK_S: Final = 1.0
"""How often it is looked for what is due."""

# How long after a start or an end the venue is asked first, and how long at most between questions.
_FIRST_NS: Final = 5 * NS_PER_S
_WAIT_NS_MAX: Final = 60 * NS_PER_S
# Some markets are never closed: so long after its end it is asked about no more.
_ASKED_NS_MAX: Final = 86_400 * NS_PER_S
_RESOLVED: Final = UPDATE_KINDS.index("resolved")
_SCALE: Final = Decimal(1).scaleb(-9)

_log: Final = logging.getLogger("bookfeed.feed.deciding")

StrikeAt = Callable[[Listing], Decimal | None]
"""The price at the very start of a market's window, as an index tells it; ``None``: not known."""


class Witnesses(Protocol):
    """What is asked of a catalogue."""

    async def listed_now(self, listing: Listing) -> Listing:
        """How a market is listed now."""

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        """How a market ended, as each of the venue's witnesses tells it that tells it."""


class _Asked:
    """A market whose strike or end is waited for, and when it is asked about."""

    def __init__(self, listing: Listing) -> None:
        self.decision: Final = Decision(listing)
        self.due_ns = 0
        self.asked = self.failed = False
        """Whether it was asked about, and whether it was told that this failed."""
        self._start_ts: Final = strike_ts(listing)
        self._wait_ns = _FIRST_NS

    def next(self, now_ns: int) -> None:
        """It is asked about now; then again later, and later still."""
        self.asked = True
        self.due_ns = now_ns + self._wait_ns
        self._wait_ns = min(self._wait_ns * 2, _WAIT_NS_MAX)

    def lacks_strike(self, now_ns: int) -> bool:
        """Whether its window has begun, and what its price is compared with is not certain."""
        begun = self._start_ts is not None and self._start_ts <= now_ns
        return begun and not self.decision.strike_known

    def over(self, now_ns: int) -> bool:
        """Whether it has ended."""
        close_ts = self.decision.listing.close_ts
        return close_ts is not None and close_ts <= now_ns

    def done(self, now_ns: int) -> bool:
        """Whether there is nothing left to ask about."""
        close_ts = self.decision.listing.close_ts
        given_up = close_ts is not None and close_ts + _ASKED_NS_MAX <= now_ns
        return self.decision.ended or (given_up and self.asked)


class _Paid(NamedTuple):
    """What the stream says that a share pays."""

    price: Decimal
    ts: int
    """When it said so, Unix nanoseconds."""


class Deciding:
    """Asks for as long as its context lasts, about every market of ``feed.listings``.

    ``strike_at`` tells strikes before the venue does, such as ``BoundaryPrices``; they are
    provisional until it does.
    ``now_ns`` is the time, by default the wall clock's.
    """

    def __init__(
        self,
        feed: Feed,
        catalogue: Witnesses,
        *,
        strike_at: StrikeAt = lambda _listing: None,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        self._feed: Final = feed
        self._catalogue: Final = catalogue
        self._strike_at: Final = strike_at
        self._now_ns: Final = time.time_ns if now_ns is None else now_ns
        self._asked: Final[dict[tuple[str, str], _Asked]] = {}
        self._done: Final[set[tuple[str, str]]] = set()
        self._paid: Final[dict[str, _Paid]] = {}
        self._task: asyncio.Task[None] | None = None
        self._asking: Final[dict[str, asyncio.Task[None]]] = {}

    async def __aenter__(self) -> Self:
        self._listener = self._feed.on_batch(self._heard)
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        tasks = [*self._asking.values(), *filter(None, [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self, batch: Batch) -> None:
        """What the stream says that shares pay."""
        updates = batch.updates
        kinds = updates["kind"]
        if not (kinds == _RESOLVED).any():
            return
        for record in updates[kinds == _RESOLVED]:
            name = self._feed.names.get(int(record["instrument"]))
            if name is not None and record["price_e9"] >= 0:
                price = int(record["price_e9"]) * _SCALE
                self._paid[name.symbol] = _Paid(price, int(record["ts_recv_ns"]))
                if len(self._paid) > LISTINGS_MAX:
                    del self._paid[next(iter(self._paid))]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for venue in self._hear():
                asking = self._asking.get(venue)
                if asking is None or asking.done():
                    self._asking[venue] = loop.create_task(self._ask_due(venue))
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Hear what there is to be heard, and ask what is due."""
        await asyncio.gather(*map(self._ask_due, self._hear()))

    def _hear(self) -> set[str]:
        """Tell what is known without asking; returns the venues of which something is due."""
        now_ns = self._now_ns()
        listings = self._feed.listings
        for key in self._asked.keys() - listings.keys():
            del self._asked[key]
        self._done.intersection_update(listings.keys())
        for key, listing in list(listings.items()):
            if key in self._done:
                continue
            one = self._asked.get(key)
            if one is None:
                one = self._asked[key] = _Asked(listing)
            one.decision.moved(listing.close_ts)
            try:
                self._hear_of(one, now_ns)
            except Exception as error:  # one market is no reason to stop
                _complain(one, error)
            if one.done(now_ns):
                self._done.add(key)
                del self._asked[key]
        return {one.decision.listing.venue for one in self._due(now_ns)}

    def _hear_of(self, one: _Asked, now_ns: int) -> None:
        decision = one.decision
        listing = decision.listing
        if one.lacks_strike(now_ns):
            price = self._strike_at(listing)
            if price is not None:
                strike = Strike("greater_or_equal", price, None)
                self._tell(decision.strike(strike, "index", final=False))
        paid = [self._paid.get(outcome.symbol) for outcome in listing.outcomes]
        # A symbol may be another window's before it is this one's.
        since_ns = listing.close_ts if listing.closes_firmly and listing.close_ts else 0
        told = tuple(said.price for said in paid if said is not None and said.ts >= since_ns)
        if told and len(told) == len(paid):
            self._tell(decision.verdict(Verdict("stream", told, final=False)))
        if one.asked:
            self._tell(decision.passed(now_ns))

    def _due(self, now_ns: int) -> Iterator[_Asked]:
        for one in self._asked.values():
            wanted = one.over(now_ns) or one.lacks_strike(now_ns)
            if wanted and one.due_ns <= now_ns and not one.done(now_ns):
                yield one

    async def _ask_due(self, venue: str) -> None:
        """Ask a venue about one market after the other, those that lack a strike first."""
        while True:
            now_ns = self._now_ns()
            due = [one for one in self._due(now_ns) if one.decision.listing.venue == venue]
            if not due:
                return
            one = min(due, key=lambda one: (one.over(now_ns), one.due_ns))
            one.next(now_ns)
            try:
                await self._ask(one, now_ns)
            except Exception as error:  # what failed for one market is asked of others
                _complain(one, error)

    async def _ask(self, one: _Asked, now_ns: int) -> None:
        decision = one.decision
        if one.lacks_strike(now_ns):
            listing = await self._catalogue.listed_now(decision.listing)
            if listing.strike is not None:
                self._tell(decision.strike(listing.strike, "listing", final=True))
        if one.over(now_ns):
            for verdict in await self._catalogue.verdicts(decision.listing):
                self._tell(decision.verdict(verdict))

    def _tell(self, news: list[MarketNews]) -> None:
        for one in news:
            self._feed.tell(one)


def _complain(one: _Asked, error: Exception) -> None:
    """Once of each market, unless it is a defect; it is asked about again."""
    if not isinstance(error, BookfeedError):
        _log.error("%s", one.decision.listing.slug, exc_info=error)
        return
    level = logging.DEBUG if one.failed else logging.WARNING
    one.failed = True
    _log.log(level, "%s: %s", one.decision.listing.slug, error)
