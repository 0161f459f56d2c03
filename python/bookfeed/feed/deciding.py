"""``Deciding``: asks witnesses for strikes and results of the markets that a feed knows of.

    async with Feed(...) as feed, Catalogue() as catalogue, Deciding(feed, catalogue):
        feed.on_market(print)

The stream is heard first; then, from the end of a market on, the venue is asked in all the ways in
which it says how it ended. What comes of it is news of the feed, recorded like all others.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Final, Protocol, Self

from bookfeed._bookfeed import UPDATE_KINDS, Batch
from bookfeed.catalogue import part
from bookfeed.catalogue.deciding import Decision, Verdict
from bookfeed.catalogue.listing import Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.clock import NS_PER_S
from bookfeed.errors import BookfeedError
from bookfeed.feed.feed import Feed
from bookfeed.feed.source import LISTINGS_MAX

LOOK_S: Final = 1.0
"""How often it is looked for what is due."""

# How long after a start or an end the venue is asked first, and how long at most between questions.
_FIRST_NS: Final = 5 * NS_PER_S
_WAIT_NS_MAX: Final = 60 * NS_PER_S
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
        self.wait_ns = _FIRST_NS
        self.due_ns = 0

    def next(self, now_ns: int) -> None:
        """Ask again later, and later still."""
        self.due_ns = now_ns + self.wait_ns
        self.wait_ns = min(self.wait_ns * 2, _WAIT_NS_MAX)


class Deciding:
    """Asks for as long as its context lasts, about every market of ``feed.listings``.

    ``strike_at`` tells strikes before the venue does; they are provisional until it does.
    ``now_ns`` is the wall clock.
    """

    def __init__(
        self,
        feed: Feed,
        catalogue: Witnesses,
        *,
        strike_at: StrikeAt = lambda _listing: None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._feed: Final = feed
        self._catalogue: Final = catalogue
        self._strike_at: Final = strike_at
        self._now_ns: Final = now_ns
        self._asked: Final[dict[tuple[str, str], _Asked]] = {}
        self._paid: Final[dict[str, Decimal]] = {}
        self._task: asyncio.Task[None] | None = None

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
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _heard(self, batch: Batch) -> None:
        """What the stream says that shares pay."""
        updates = batch.updates
        kinds = updates["kind"]
        if not (kinds == _RESOLVED).any():
            return
        for record in updates[kinds == _RESOLVED]:
            name = self._feed.names.get(int(record["instrument"]))
            if name is not None and record["price_e9"] >= 0:
                self._paid[name.symbol] = int(record["price_e9"]) * _SCALE
                if len(self._paid) > LISTINGS_MAX:
                    del self._paid[next(iter(self._paid))]

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Hear what there is to be heard, and ask what is due."""
        now_ns = self._now_ns()
        for key, listing in list(self._feed.listings.items()):
            one = self._asked.get(key)
            if one is None:
                one = self._asked[key] = _Asked(listing)
            one.decision.moved(listing.close_ts)
            try:
                await self._look_at(one, now_ns)
            except BookfeedError as error:
                _log.warning("%s: %s", listing.slug, error)
        for key in self._asked.keys() - self._feed.listings.keys():
            del self._asked[key]

    async def _look_at(self, one: _Asked, now_ns: int) -> None:
        decision = one.decision
        listing = decision.listing
        if decision.ended:
            return
        start_ts, close_ts = strike_ts(listing), listing.close_ts
        waits = not decision.strike_known and start_ts is not None and start_ts <= now_ns
        if waits:
            price = self._strike_at(listing)
            if price is not None:
                strike = Strike("greater_or_equal", price, None)
                self._tell(decision.strike(strike, "index", final=False))
        paid = [self._paid.get(outcome.symbol) for outcome in listing.outcomes]
        told = tuple(price for price in paid if price is not None)
        if told and len(told) == len(paid):
            self._tell(decision.verdict(Verdict("stream", told, final=False)))
        over = close_ts is not None and close_ts <= now_ns
        if (over or waits) and one.due_ns <= now_ns:
            one.next(now_ns)
            await self._ask(decision, over=over)
        self._tell(decision.passed(now_ns))

    async def _ask(self, decision: Decision, *, over: bool) -> None:
        if not decision.strike_known:
            listing = await self._catalogue.listed_now(decision.listing)
            if listing.strike is not None:
                self._tell(decision.strike(listing.strike, "listing", final=True))
        if over:
            for verdict in await self._catalogue.verdicts(decision.listing):
                self._tell(decision.verdict(verdict))

    def _tell(self, news: list[MarketNews]) -> None:
        for one in news:
            self._feed.tell(one)


def strike_ts(listing: Listing) -> int | None:
    """When the strike of a window is made: at its start; ``None`` for what is no window."""
    if listing.start_ts is not None:
        return listing.start_ts
    rolls = part(listing.venue, "series").grammar(listing.series) is not None
    return listing.open_ts if rolls else None
