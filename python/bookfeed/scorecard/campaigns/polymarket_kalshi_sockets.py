"""All simulated venues at once, over real sockets, with a fault at each of them every few seconds.

Each venue is a process of its own and has a plan of faults: all that its campaign knows, in turn.
One feed follows them all. What it saw is recorded, and audited afterwards. As a program with
``--seconds 1800`` it prints one JSON line, and exits with 1 if a book was wrong while live by what
the auditor reads, a callback failed, or memory grew by more than 5 MiB.
"""

import argparse
import asyncio
import gc
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from bookfeed.feed.feed import Feed
from bookfeed.live.options import SessionOptions
from bookfeed.market import Market
from bookfeed.recordings.writer import JournalWriter
from bookfeed.scorecard.campaigns.polymarket_kalshi_churn import (
    RULES,
    Listing,
    audited,
    listing_of,
    simulated,
)
from bookfeed.scorecard.campaigns.polymarket_soak import GROWTH_MAX_BYTES, resident_bytes
from bookfeed.scorecard.campaigns.world import World, worlds
from bookfeed.venues.binance import BinanceMarket, BinanceSection
from bookfeed.venues.kraken import KrakenMarket, KrakenSection

MARKETS: Final = {"polymarket": 20, "kalshi": 20, "binance": 3, "kraken": 3}
RATE: Final = 200
FAULT_S: Final = 2
"""How long a fault goes on that would go on for ever."""
LOOK_S: Final = 0.05
LIVE_WITHIN_S: Final = 60
# What ends a stream for good, or takes the venue with it.
_LEFT_OUT: Final = frozenset({"hash", "absent", "restart", "pause"})
OPTIONS: Final = SessionOptions(backoff_min_s=0.2, backoff_max_s=2.0, connect_stagger_s=0.1)


def plan_of(world: World, seconds: float, every_s: float) -> str:
    """A plan for so many seconds: one fault after the other, all that the venue knows in turn."""
    alone = [one for faults in world.cells.values() for one in faults if " & " not in one]
    usable = [one for one in alone if one.partition(":")[0] not in _LEFT_OUT]
    tables = []
    for number, text in zip(range(int(seconds / every_s)), itertools.cycle(usable), strict=False):
        kind, _, variant = text.partition(":")
        tables.append(
            f'[[fault]]\nkind = "{kind}"\nvariant = "{variant}"\nat_s = {every_s * (number + 1)}\n'
            f"duration_s = {FAULT_S}\n"
        )
    return "\n".join(tables)


def _binance(told: dict[str, Any]) -> Listing:
    section = BinanceSection(ws_url=told["ws"], rest_url=told["rest"], depth=100)
    names = [one["symbol"] for one in told["markets"]]
    markets = [BinanceMarket("binance", name).to_market(None) for name in names]
    return markets, section.endpoint("simulated")


def _kraken(told: dict[str, Any]) -> Listing:
    section = KrakenSection(ws_url=told["ws"], depth=10)
    names = [one["symbol"] for one in told["markets"]]
    markets = [KrakenMarket("kraken", name).to_market(None) for name in names]
    return markets, section.endpoint("simulated")


_TOLD: Final[dict[str, Callable[[dict[str, Any]], Listing]]] = {
    "polymarket": partial(listing_of, "polymarket"),
    "kalshi": partial(listing_of, "kalshi"),
    "binance": _binance,
    "kraken": _kraken,
}


class Looking:
    """How much of the time books are live, and how long the loop stood still."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.looks = 0
        self.live = 0.0
        self.stall_s = 0.0

    async def until(self, end_s: float) -> None:
        """Looks now and then until that time of the loop."""
        loop = asyncio.get_running_loop()
        while (now_s := loop.time()) < end_s:
            books = self._feed.engine.books()
            self.looks += 1
            self.live += sum(book.live for book in books) / max(1, len(books))
            await asyncio.sleep(LOOK_S)
            self.stall_s = max(self.stall_s, loop.time() - now_s - LOOK_S)


async def sockets(seconds: float, every_s: float, directory: Path) -> dict[str, Any]:
    """The figures of so many seconds."""
    loop = asyncio.get_running_loop()
    markets: list[Market] = []
    endpoints = {}
    async with AsyncExitStack() as stack:
        for world in worlds():
            path = directory / f"{world.name}.toml"
            path.write_text(plan_of(world, seconds, every_s))
            count = str(MARKETS[world.name])
            arguments = ("--venue", world.name, "--markets", count, "--faults", str(path))
            told = await stack.enter_async_context(simulated(*arguments, "--rate", str(RATE)))
            listed, endpoints[world.name] = _TOLD[world.name](told)
            markets += listed
        recorder = JournalWriter(directory / "journal", prefix="sockets")
        feed = Feed(markets, endpoints=endpoints, rules=RULES, recorder=recorder, options=OPTIONS)
        async with feed:
            await feed.wait_live(LIVE_WITHIN_S)
            gc.collect()
            begun_s, baseline = loop.time(), resident_bytes()
            looking = Looking(feed)
            await looking.until(begun_s + seconds)
            gc.collect()
            grew = resident_bytes() - baseline
            counters = feed.counters()
    return {
        "seconds": seconds,
        "books": sum(len(market.symbols) for market in markets),
        "frames": counters["frames"],
        "connects": counters["connects"],
        "live_share": round(looking.live / max(1, looking.looks), 4),
        "stall_ms_max": round(looking.stall_s * 1e3),
        "growth_mib": round(grew / 2**20, 2),
        "callback_errors": counters["callback_errors"],
    }


def run(seconds: float, every_s: float) -> dict[str, Any]:
    """All figures of so many seconds, with a fault at each venue every so many."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        figures = asyncio.run(sockets(seconds, every_s, directory))
        return figures | audited(directory / "journal")


SOCKETS: Final = run
"""What the scorecard plays."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two faults")
    options = parser.parse_args(argv)
    figures = run(options.seconds, options.every)
    print(json.dumps(figures))
    grew = figures["growth_mib"] * 2**20 > GROWTH_MAX_BYTES
    return 1 if grew or figures["wrong"] or figures["callback_errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
