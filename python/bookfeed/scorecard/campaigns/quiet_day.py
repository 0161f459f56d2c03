"""A day of quiet markets on every simulated venue, by a virtual clock: nothing is wrong with any.

As a program with ``--hours 24`` it lets the markets of each venue be silent for up to half an hour,
move for a moment, and be silent again. It prints one JSON line, and exits with 1 if connections
were replaced needlessly more than once a day each, or books were called stale without a reason, or
are not live in the end.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from bookfeed.clock import NS_PER_S
from bookfeed.feed.feed import Feed
from bookfeed.live.options import SessionOptions
from bookfeed.market import Market
from bookfeed.records import Update
from bookfeed.scorecard import virtual_time
from bookfeed.scorecard.campaigns.world import found
from bookfeed.scorecard.campaigns.world import venues as all_venues
from bookfeed.sim.entry import Options, simulator
from bookfeed.venues import Endpoint

SILENT_S_MAX: Final = 1_800.0
FRAMES_MAX: Final = 40
"""What a market says at most when it moves."""
OFFERED: Final = 12
MARKETS: Final = 3
"""How many are followed of those."""
RATE: Final = 50
RECONNECTS_A_DAY_MAX: Final = 1.0
# Virtual time costs by the timer.
_STEP_S: Final = 1.0
_ADVANCE_S: Final = 0.5
_WARM_S: Final = 30.0
_DAY_S: Final = 86_400.0
# A connection is replaced before its venue would end it, at the earliest at so much of its life.
_OLD: Final = 0.9


class QuietVenue:
    """A simulated venue whose markets move now and then, and what a feed makes of it."""

    def __init__(self, name: str, seed: int) -> None:
        self.name: Final = name
        self._rng: Final = Random(f"quiet {name} {seed}")
        self._seed: Final = seed
        self.server: Any = None
        self.markets: list[Market] = []
        self.endpoint: Endpoint | None = None
        self.causes: Counter[str] = Counter()
        """Why books left ``live``."""
        self._moves_ns = 0
        self.silent_s_max = 0.0

    async def begin(self, seconds: float) -> None:
        """Serves it, its markets moving until ``hush``; those are followed that last so long."""
        venue: Any = simulator(self.name)
        options = Options(markets=OFFERED, rate=RATE, seed=self._seed, venue=self.name)
        self.server = await venue.serve(venue.configured(options))
        told = venue.ready(self.server)
        end_s = time.time() + seconds - 1.0
        told["markets"] = [one for one in told["markets"] if _lasts(one, end_s)][:MARKETS]
        (listed,) = found("LISTED")
        self.markets, self.endpoint = listed(self.name, told)

    async def hush(self) -> None:
        """From now on they move when ``step`` has them do so."""
        await self.server.stop_markets()

    def step(self, since_ns: int, now_ns: int, *, moves: bool) -> None:
        """What the venue does by itself, and what its markets do if it is time and they move."""
        frames = 0
        if moves and now_ns >= self._moves_ns:
            frames = self._rng.randint(1, FRAMES_MAX)
            # Half of the silences are short, and one in eight is as long as they get.
            silent_s = min(SILENT_S_MAX, self._rng.expovariate(2.0 / SILENT_S_MAX))
            self._moves_ns = now_ns + round(silent_s * NS_PER_S)
            self.silent_s_max = max(self.silent_s_max, silent_s)
        self.server.turn(since_ns // 1_000_000, now_ns // 1_000_000, frames)

    def take(self, update: Update) -> None:
        """A change of state of a book of it."""
        if update.kind == "state" and update.state == "stale" and update.cause != "resolved":
            self.causes[update.cause] += 1

    def figures(self, feed: Feed, seconds: float) -> dict[str, Any]:
        """What came of it; replacements beyond those that the age of connections calls for."""
        assert self.endpoint is not None
        lifetime_s = self.endpoint.venue.lifetime_s
        planned = int(seconds // (lifetime_s * _OLD)) if lifetime_s else 0
        mine = [one for one in feed.status().connections if one.venue == self.name]
        needless = sum(max(0, one.reconnects - planned) for one in mine)
        books = [book for book in feed.status().books if book.venue == self.name]
        return {
            "connections": len(mine),
            "needless_reconnects": needless,
            "reconnects_a_day": round(needless / max(1, len(mine)) / (seconds / _DAY_S), 2),
            "stale": dict(self.causes),
            "live": sum(book.live or book.cause == "resolved" for book in books),
            "books": len(books),
            "silent_s_max": round(self.silent_s_max),
        }


def _lasts(listing: dict[str, Any], end_s: float) -> bool:
    """Whether a market is open until then."""
    close = listing.get("close_time")
    return close is None or datetime.fromisoformat(close).timestamp() >= end_s


async def pass_day(hours: float, seed: int) -> dict[str, Any]:
    """The figures of so many hours by the clock of the process."""
    seconds = hours * 3_600.0
    venues = {world.name: QuietVenue(world.name, seed) for world in all_venues()}
    for venue in venues.values():
        await venue.begin(seconds)
    endpoints = {name: one.endpoint for name, one in venues.items() if one.endpoint is not None}
    clock = virtual_time.clock()
    feed = Feed(
        [market for one in venues.values() for market in one.markets],
        endpoints=endpoints,
        options=SessionOptions(advance_s=_ADVANCE_S),
        clock=clock,
        seed=seed,
    )
    async with feed:
        await feed.wait_live(_WARM_S)
        for venue in venues.values():
            await venue.hush()
        # What was on its way is told: nothing is held back but what happens.
        await _pass(venues.values(), _WARM_S, moves=False)
        venue_of = {book.symbol: venues[book.venue] for book in feed.status().books}
        feed.on_update(lambda update: venue_of[update.symbol].take(update))
        await _pass(venues.values(), seconds, moves=True)
        figures = {name: one.figures(feed, seconds) for name, one in venues.items()}
        counters = feed.counters()
    for venue in venues.values():
        await venue.server.close()
    return {
        "hours": hours,
        "seed": seed,
        "frames": counters["frames"],
        "handler_errors": counters["handler_errors"],
        "venues": figures,
    }


async def _pass(venues: Any, seconds: float, *, moves: bool) -> None:
    loop = asyncio.get_running_loop()
    end_s, since_ns = loop.time() + seconds, virtual_time.clock().now_ns()
    while loop.time() < end_s:
        await asyncio.sleep(_STEP_S)
        now_ns = virtual_time.clock().now_ns()
        for venue in venues:
            venue.step(since_ns, now_ns, moves=moves)
        since_ns = now_ns


def problems(figures: dict[str, Any]) -> list[str]:
    """What of the figures is worse than may be."""
    wrong = []
    for name, one in figures["venues"].items():
        if one["reconnects_a_day"] > RECONNECTS_A_DAY_MAX:
            wrong.append(f"{name}: {one['needless_reconnects']} needless reconnects")
        if false := sum(one["stale"].values()):
            wrong.append(f"{name}: {false} times stale")
        if one["live"] < one["books"]:
            wrong.append(f"{name}: {one['live']} of {one['books']} books live in the end")
    if figures["handler_errors"]:
        wrong.append(f"{figures['handler_errors']} errors of handlers")
    return wrong


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-v", action="store_true", help="log what happens")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO if options.v else logging.CRITICAL)
    start_ns = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp()) * NS_PER_S
    loop = virtual_time.VirtualLoop()
    virtual_time.begin(loop, start_ns)
    figures = virtual_time.run(pass_day(options.hours, options.seed), loop)
    wrong = problems(figures)
    print(json.dumps(figures | {"problems": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
