"""Markets come and go under traffic; as a program for the ``--seconds`` that are given.

Each second 50 markets of a simulated venue (``--venue``) come onto an open feed, and each leaves a
second later; others stay. A recording of it is audited afterwards. Prints one JSON line; exits with
1 if memory grew by more than 5 MiB beyond what the first seconds took, a book that went is still
there, one that stayed changed its state, or one was wrong while live.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor
from bookfeed.feed.feed import Endpoint, Feed
from bookfeed.live.supervisor import FORGET_NS
from bookfeed.market import Market, Outcome
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.writer import JournalWriter
from bookfeed.records import Update
from bookfeed.rules.rule import Rule
from bookfeed.scorecard.campaigns.polymarket_soak import GROWTH_MAX_BYTES, resident_bytes
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.venues.kalshi import credentials, kalshi
from bookfeed.venues.polymarket import polymarket

RATE: Final = 50
STAYING: Final = 10
# Longer than the names of a market's books are known, so that each comes again as another.
MARKETS: Final = STAYING + RATE * (FORGET_NS // 1_000_000_000 + 5)
WARM_S: Final = 20
RULES: Final = (Rule("spread", {"open": "0.02"}), Rule("complement", {"min_edge": "0.01"}))


Listing = tuple[list[Market], Endpoint]


def simulated(*arguments: str) -> AbstractAsyncContextManager[dict[str, Any]]:
    """What a simulated venue tells that is a process of its own, so that memory is the feed's."""
    return started("-m", "bookfeed", "sim", *arguments, "-q", "--exit-with-parent")


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[dict[str, Any]]:
    """What a Python program tells when it is ready, which ends when its input does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
        if process.returncode is not None:
            raise RuntimeError("a simulated venue ended by itself")
    finally:
        process.stdin.close()
        await process.wait()


def _polymarket(told: dict[str, Any]) -> Listing:
    markets = []
    for one in told["markets"]:
        outcomes = tuple(Outcome(each["name"], each["asset"]) for each in one["outcomes"])
        markets.append(Market(one["market"], outcomes, tick_size=one.get("tick_size")))
    return markets, Endpoint(polymarket(), told["ws"], told["rest"])


def _kalshi(told: dict[str, Any]) -> Listing:
    # All that is listed is open; windows go on for longer than this lasts.
    markets = [
        Market(one["ticker"], (Outcome("Yes", one["ticker"]),), venue="kalshi")
        for one in told["markets"]
        if one["status"] == "active"
    ]
    key = {"KALSHI_API_KEY_ID": told["key_id"], "KALSHI_PRIVATE_KEY": told["private_key"]}
    venue = kalshi(credentials=credentials(environ=key))
    return markets, Endpoint(venue, told["ws"], told["rest"])


_OPTIONS: Final = {"polymarket": (), "kalshi": ("--venue", "kalshi")}
_TOLD: Final = {"polymarket": _polymarket, "kalshi": _kalshi}


def listing_of(venue: str, told: dict[str, Any]) -> Listing:
    """The markets of a simulated venue, and where it is, by what it tells."""
    return _TOLD[venue](told)


class Rolling:
    """Those that come and go on one feed, and what was seen meanwhile."""

    def __init__(self, feed: Feed, markets: list[Market]) -> None:
        self.feed = feed
        self.rolling = markets
        self.at = 0
        self.live: set[str] = set()

    async def for_seconds(self, seconds: float) -> None:
        """Each step one comes, and the one that came a second ago goes."""
        loop = asyncio.get_running_loop()
        begun_s, steps = loop.time(), round(seconds * RATE)
        for step in range(steps):
            await asyncio.sleep(max(begun_s + step / RATE - loop.time(), 0))
            await self.feed.add_markets([self.rolling[self.at % len(self.rolling)]])
            if self.at >= RATE:
                await self.feed.remove_markets([self.rolling[(self.at - RATE) % len(self.rolling)]])
            self.at += 1

    async def end(self) -> None:
        """The last ones go, and are let go of."""
        last = [self.rolling[at % len(self.rolling)] for at in range(self.at - RATE, self.at)]
        await self.feed.remove_markets(last)
        async with asyncio.timeout(3 * FORGET_NS / 1e9):
            staying = sum(len(market.symbols) for market in self.feed.markets)
            while len(self.feed.engine.books()) > staying:  # noqa: ASYNC110 - rings no bell
                await asyncio.sleep(0.1)


async def roll(
    seconds: float, warm_s: float, directory: Path, venue: str = "polymarket"
) -> dict[str, object]:
    """The figures of so many seconds, after so many others."""
    arguments = (*_OPTIONS[venue], "--markets", str(MARKETS), "--rate", "400")
    async with simulated(*arguments) as told:
        markets, endpoint = listing_of(venue, told)
        recorder = JournalWriter(directory, prefix="churn")
        where = {venue: endpoint}
        left: list[str] = []
        came: set[int] = set()

        def seen(update: Update) -> None:
            if update.kind == "state" and update.symbol in staying and update.state != "live":
                left.append(f"{update.symbol} {update.state} {update.cause}")
            if update.kind == "state" and update.state == "live":
                came.add(update.instrument)

        staying = {symbol for market in markets[:STAYING] for symbol in market.symbols}
        feed = Feed(markets[:STAYING], endpoints=where, rules=RULES, recorder=recorder)
        async with feed:
            await feed.wait_live(30)
            feed.on_update(seen)
            rolling = Rolling(feed, markets[STAYING:])
            await rolling.for_seconds(warm_s)
            await asyncio.sleep(0)
            gc.collect()
            baseline, before = resident_bytes(), rolling.at
            await rolling.for_seconds(seconds)
            await rolling.end()
            gc.collect()
            grew = resident_bytes() - baseline
            counters, disturbed = feed.counters(), list(left)
    return {
        "venue": venue,
        "markets": rolling.at - before,
        "books_live": len(came),
        "baseline_mib": round(baseline / 2**20, 2),
        "growth_mib": round(grew / 2**20, 2),
        "disturbed": disturbed,
        "reconnects": counters["reconnects"],
        "connects": counters["connects"],
        "callback_errors": counters["callback_errors"],
    }


def audited(directory: Path) -> dict[str, object]:
    """What the auditor finds in the recording."""
    report = Auditor(EngineWitness(Engine())).run(Journal(directory))
    wrong = [finding.what for finding in report.findings]
    return {"compared": report.books, "refused": report.refused, "wrong": wrong[:5]}


def churn(seconds: float, warm_s: float, venue: str = "polymarket") -> dict[str, object]:
    """All figures of so many seconds, after so many others."""
    with tempfile.TemporaryDirectory() as directory:
        figures = asyncio.run(roll(seconds, warm_s, Path(directory), venue))
        return figures | audited(Path(directory))


CHURN: Final = churn
"""What the scorecard plays."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Has markets come and go under traffic.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=WARM_S, help="before the baseline, s")
    parser.add_argument("--venue", choices=tuple(_TOLD), default="polymarket")
    options = parser.parse_args(argv)
    figures = churn(options.seconds, options.warm_up, options.venue)
    print(json.dumps(figures))
    bad = figures["disturbed"] or figures["wrong"] or figures["refused"] or figures["reconnects"]
    grew = float(str(figures["growth_mib"])) * 2**20 > GROWTH_MAX_BYTES
    return 1 if bad or grew or figures["callback_errors"] or not figures["books_live"] else 0


if __name__ == "__main__":
    sys.exit(main())
