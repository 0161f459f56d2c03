"""One asset that is dead, slow or lying costs its neighbours nothing, on any venue: in one feed of
all simulated venues three assets of each are ill all the time, and no other book changes its state.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any, NamedTuple

from spot_live import OPTIONS
from waiting import PATIENCE_S

from bookfeed.feed.feed import Feed
from bookfeed.records import Update
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import FEW, LISTED
from bookfeed.sim.entry import Options
from bookfeed.venues import Endpoint

SECONDS = float(os.environ.get("BOOKFEED_NEIGHBOURS_S", "13"))
EVERY_S = 0.3
MARKETS = 8
RATE = 120.0


class Illness(NamedTuple):
    """What is wrong with three assets of a venue; faults are ``kind:variant``."""

    dead: str
    """Once, for good: nothing more is told of the first. Empty where the venue itself ends it."""
    lying: tuple[str, ...]
    """In turn, of the second."""
    slow: tuple[str, ...]
    """In turn, of the third: what it is lost by, and what keeps it from coming back soon."""


ILL = {
    "polymarket": Illness("freeze", ("corrupt_size:one", "malformed:bad_number"), ("drop",)),
    # What its stream keeps back or says wrongly is held against the whole stream, whose numbers
    # count for all of its markets together.
    "kalshi": Illness("", ("malformed:bad_number",), ()),
    "binance": Illness(
        "freeze:symbol", ("corrupt:price", "malformed:bad_number", "gap"), ("drop", "rest_late")
    ),
    "bitstamp": Illness(
        "freeze:symbol", ("corrupt", "malformed:bad_number"), ("malformed:bad_number", "rest_late")
    ),
    "kraken": Illness("freeze:symbol", ("checksum", "corrupt:top", "malformed:bad_number"), ()),
    "coinbase": Illness("", ("corrupt", "malformed:bad_number"), ()),
    "gemini": Illness("freeze:symbol", ("corrupt", "malformed:bad_number", "gap"), ("drop",)),
    "cryptocom": Illness(
        "freeze:symbol", ("corrupt", "malformed:bad_number", "chain:later"), ("drop",)
    ),
}


class Ward:
    """A venue with its ill assets; the others are the neighbours."""

    def __init__(self, venue: str, server: Any, fault: Any, markets: list[Any]) -> None:
        self.venue = venue
        self.server = server
        self._fault = fault
        self._markets = markets
        self.ill = {symbol for market in markets[:3] for symbol in market.symbols}
        self._turns = self._turn()

    def begin(self) -> None:
        """The dead one dies; the slow one is not given by REST, where that can be."""
        ill = ILL[self.venue]
        if ill.dead:
            self._inject(ill.dead, 0)
        elif self.venue == "kalshi":
            self.server.pause(self._markets[0].symbols[0])
        else:
            self.server.end_subscription(self._markets[0].symbols[0])
        if self.venue in ("polymarket", "kalshi"):
            self.server.rest_faults.begin("hidden", symbol=self._markets[2].symbols[0])

    def turn(self) -> None:
        """The next lie, and the next loss."""
        next(self._turns)

    def _turn(self) -> Iterator[None]:
        number = 0
        while True:
            ill = ILL[self.venue]
            self._inject(ill.lying[number % len(ill.lying)], 1)
            if ill.slow:
                self._inject(ill.slow[number % len(ill.slow)], 2)
            number += 1
            yield

    def _inject(self, text: str, market: int) -> None:
        kind, _, variant = text.partition(":")
        asset = self._markets[market].symbols[0]
        self.server.inject(self._fault(kind, variant=variant, asset=asset))


async def ward_of(venue: str, stack: AsyncExitStack) -> tuple[Ward, list[Any], Endpoint]:
    sim = import_module(f"bookfeed.sim.{venue}")
    later = "disconnect@900000000s"
    config = sim.configured(Options(markets=MARKETS, rate=RATE, seed=5, faults=(later,)))
    server = await sim.serve(config)
    stack.push_async_callback(server.close)
    markets, endpoint = LISTED(venue, sim.ready(server))
    return Ward(venue, server, type(config.faults[0]), markets), markets, endpoint


async def test_one_ill_asset_costs_its_neighbours_nothing() -> None:
    assert set(ILL) == set(FEW), "every venue has its ill"
    left: list[str] = []
    changes: Counter[str] = Counter()

    def on_update(update: Update) -> None:
        if update.kind != "state" or not begun:
            return
        book = feed.engine.book(update.instrument)
        if (book.venue, book.symbol) in ill:
            changes[book.venue] += 1
        elif update.state != "live":
            left.append(f"{book.venue} {book.symbol} {update.state} {update.cause}")

    begun = False
    async with AsyncExitStack() as stack:
        wards: list[Ward] = []
        followed: list[Any] = []
        endpoints: dict[str, Endpoint] = {}
        for venue in sorted(ILL):
            ward, markets, endpoints[venue] = await ward_of(venue, stack)
            wards.append(ward)
            followed += markets
        ill = {(ward.venue, symbol) for ward in wards for symbol in ward.ill}
        feed = Feed(followed, endpoints=endpoints, on_update=on_update, options=OPTIONS)
        await stack.enter_async_context(feed)
        await feed.wait_live(PATIENCE_S)
        begun = True
        for ward in wards:
            ward.begin()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + SECONDS
        while loop.time() < end_s:
            for ward in wards:
                ward.turn()
            await asyncio.sleep(EVERY_S)
        assert left == []
        # They were ill indeed.
        assert set(changes) == set(ILL), changes
        assert feed.counters()["callback_errors"] == 0
        books = feed.engine.books()
        assert all(book.live for book in books if (book.venue, book.symbol) not in ill)
