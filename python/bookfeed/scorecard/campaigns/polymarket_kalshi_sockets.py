"""All simulated venues at once, over real sockets, with a fault at each of them every few seconds.

Each venue is a process of its own and has a plan of faults: all that its campaign knows, in an
order that a seed shuffles. It writes down which of them struck.
One feed follows them all, with sinks that write lines, rows and to a reader beside it. What it saw
is recorded, and audited afterwards; what it showed as live is held against the true books, which
the venues write down. As a program it does so for ``--seconds`` (1800) with 400 books, prints its
figures as a JSON line before the audit and again with what that found, and exits with 1 if
``problems`` finds any.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from bookfeed import loops
from bookfeed.feed.feed import Endpoint, Feed
from bookfeed.live.options import SessionOptions
from bookfeed.market import Market
from bookfeed.recordings.writer import JournalWriter
from bookfeed.scorecard.campaigns import true_books
from bookfeed.scorecard.campaigns.polymarket_kalshi_churn import (
    RULES,
    Listing,
    audited,
    listing_of,
    started,
)
from bookfeed.scorecard.campaigns.polymarket_soak import GROWTH_MAX_BYTES, resident_bytes
from bookfeed.scorecard.campaigns.socket_faults import (
    SEED,
    Strike,
    begin,
    plan_of,
    read_struck,
    schedule,
    struck_of,
)
from bookfeed.scorecard.campaigns.stalls import Stalls
from bookfeed.scorecard.campaigns.true_books import Shown, faults_beside, judged
from bookfeed.scorecard.campaigns.world import venues as all_venues
from bookfeed.sinks import NdjsonSink, SinkOptions, SinkStatus, SocketSink, SqliteSink
from bookfeed.sinks.tables import Choice
from bookfeed.venues.binance import BinanceMarket, BinanceSection
from bookfeed.venues.bitstamp import BitstampMarket, BitstampSection
from bookfeed.venues.coinbase import CoinbaseMarket, CoinbaseSection
from bookfeed.venues.cryptocom import CryptocomMarket, CryptocomSection
from bookfeed.venues.gemini import GeminiMarket, GeminiSection
from bookfeed.venues.kraken import KrakenMarket, KrakenSection

Markets = Mapping[str, int]
FEW: Final[Markets] = {
    "polymarket": 20,
    "kalshi": 20,
    "binance": 3,
    "kraken": 3,
    "coinbase": 3,
    "bitstamp": 3,
    "gemini": 3,
    "cryptocom": 3,
}
MANY: Final[Markets] = {
    "polymarket": 100, "kalshi": 264, "binance": 8, "kraken": 8, "coinbase": 8, "bitstamp": 8,
    "gemini": 8, "cryptocom": 8,
}  # fmt: skip
"""400 books: a market of the first has two, and of the second's a third are windows that end."""
RATE: Final = 200
"""Frames a second of each venue."""
LIVE_MIN: Final = 0.98
STALL_MAX_S: Final = 0.1
STALL_PERMILLE_MAX_S: Final = 0.02
SHOWN_EACH: Final = 12
"""Books that are held against the truth, a look."""
LOOK_S: Final = 0.05
LIVE_WITHIN_S: Final = 60
CLOSE_S: Final = 30.0
"""How long sinks may take to write what waits at the end."""
REMEMBERED_S: Final = 300
"""Memory is measured from then on in runs that last twice as long: books remember the trades of so
many seconds, and until then that grows as it should."""
KEPT_BACK: Final = "deltas-stop"
"""What leaves no trace in a stream: only a comparison shows it."""
OPTIONS: Final = SessionOptions(backoff_min_s=0.2, backoff_max_s=2.0, connect_stagger_s=0.1)


def _binance(told: dict[str, Any]) -> Listing:
    section = BinanceSection(ws_url=told["ws"], rest_url=told["rest"], depth=100)
    names = [one["symbol"] for one in told["markets"]]
    markets = [BinanceMarket("binance", name).to_market(None) for name in names]
    return markets, section.endpoint("simulated")


def _kraken(told: dict[str, Any]) -> Listing:
    section = KrakenSection(ws_url=told["ws"], rest_url=told["rest"] or "", depth=10)
    names = [one["symbol"] for one in told["markets"]]
    markets = [KrakenMarket("kraken", name).to_market(None) for name in names]
    return markets, section.endpoint("simulated")


def _coinbase(told: dict[str, Any]) -> Listing:
    names = [one["symbol"] for one in told["markets"]]
    markets = [CoinbaseMarket("coinbase", name).to_market(None) for name in names]
    section = CoinbaseSection(ws_url=told["ws"], rest_url=told["rest"] or "")
    return markets, section.endpoint("simulated")


def _bitstamp(told: dict[str, Any]) -> Listing:
    names = [one["symbol"] for one in told["markets"]]
    markets = [BitstampMarket("bitstamp", name).to_market(None) for name in names]
    return markets, BitstampSection(told["ws"], told["rest"]).endpoint("simulated")


def _gemini(told: dict[str, Any]) -> Listing:
    names = [one["symbol"] for one in told["markets"]]
    markets = [GeminiMarket("gemini", name).to_market(None) for name in names]
    section = GeminiSection(ws_url=told["ws"], rest_url=told["rest"] or "")
    return markets, section.endpoint("simulated")


def _cryptocom(told: dict[str, Any]) -> Listing:
    names = [one["symbol"] for one in told["markets"]]
    markets = [CryptocomMarket("cryptocom", name).to_market(None) for name in names]
    return markets, CryptocomSection(ws_url=told["ws"], depth=10).endpoint("simulated")


_TOLD: Final[dict[str, Callable[[dict[str, Any]], Listing]]] = {
    "polymarket": partial(listing_of, "polymarket"),
    "kalshi": partial(listing_of, "kalshi"),
    "binance": _binance,
    "kraken": _kraken,
    "coinbase": _coinbase,
    "bitstamp": _bitstamp,
    "gemini": _gemini,
    "cryptocom": _cryptocom,
}


def listed(name: str, told: dict[str, Any]) -> Listing:
    """The markets of any simulated venue, and where it is, by what it tells."""
    return _TOLD[name](told)


LISTED: Final = listed
"""For other campaigns."""


class Looking:
    """How much of the time books are live, and what they show."""

    def __init__(self, feed: Feed, shown: Shown) -> None:
        self._feed = feed
        self._shown = shown
        self.looks = 0
        self.live = 0.0
        self.resident: list[int] = []
        """Resident bytes, once a minute."""
        self.warm_bytes: int | None = None
        """Resident bytes once books remember as many trades as they ever do."""

    async def until(self, end_s: float) -> None:
        """Looks now and then until that time of the loop."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while loop.time() < end_s:
            if loop.time() >= begun_s + 60 * len(self.resident):
                self.resident.append(resident_bytes())
            if self.warm_bytes is None and loop.time() >= begun_s + REMEMBERED_S:
                self.warm_bytes = resident_bytes()
            books = [book for book in self._feed.engine.books() if book.cause != "resolved"]
            self._shown.look(books)
            self.looks += 1
            self.live += sum(book.live for book in books) / max(1, len(books))
            await asyncio.sleep(LOOK_S)

    @property
    def live_share(self) -> float:
        """Of all books and looks."""
        return self.live / max(1, self.looks)


@dataclass(frozen=True)
class Venues:
    """The simulated venues of a run, as far as a feed has to know them."""

    markets: list[Market]
    endpoints: dict[str, Endpoint]
    truth: dict[str, Path]
    """Where each writes its true books down."""
    due: dict[str, list[Strike]]
    """What strikes each, and when."""
    relays: dict[str, str]
    """Where the touch of books is told besides."""
    pids: list[int]
    """Their processes."""


@asynccontextmanager
async def venues(
    seconds: float, every_s: float, counts: Markets, directory: Path, seed: int = SEED
) -> AsyncIterator[Venues]:
    """All of them, each in a process of its own."""
    found = Venues([], {}, {}, {}, {}, [])
    async with AsyncExitStack() as stack:
        for world in all_venues():
            plan, name = directory / f"{world.name}.toml", world.name
            found.due[name] = schedule(world, seconds, every_s, seed)
            plan.write_text(plan_of(found.due[name]))
            found.truth[name] = directory / f"{name}.truth"
            command = (
                *("-m", true_books.__name__, "--venue", name, "--markets", str(counts[name])),
                *("--rate", str(RATE), "--faults", str(plan), "--truth", str(found.truth[name])),
            )
            told = await stack.enter_async_context(started(*command))
            listed, found.endpoints[name] = _TOLD[name](lasting(told, LIVE_WITHIN_S + seconds))
            found.markets.extend(listed)
            found.pids.append(told["pid"])
            if told["relay"] is not None:
                found.relays["polybolt"] = told["relay"]
        yield found


def lasting(told: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Of what a venue lists, the markets that are open for so many seconds more."""
    until_s = time.time() + seconds

    def stays(market: dict[str, Any]) -> bool:
        closes = market.get("close_time")
        return closes is None or datetime.fromisoformat(closes).timestamp() > until_s

    return told | {"markets": [one for one in told["markets"] if stays(one)]}


async def followed(found: Venues, seconds: float, directory: Path) -> dict[str, Any]:
    """What a feed makes of them in so many seconds."""
    loop = asyncio.get_running_loop()
    recorder = JournalWriter(directory / "journal", prefix="sockets")
    options = {
        "endpoints": found.endpoints,
        "rules": RULES,
        "options": OPTIONS,
        "relay_urls": found.relays,
    }
    socket = SocketSink(directory / "feed.sock")
    sinks = [
        NdjsonSink(directory / "records.ndjson"),
        SqliteSink(directory / "kept.sqlite", choice=Choice(trades=True, prices_s=1, books_s=10)),
        socket,
    ]
    # However slow the machine: what is lost is not lost because there was no time at the end.
    patient = SinkOptions(close_timeout_s=CLOSE_S)
    given = [(one, patient) for one in sinks]
    feed = Feed(found.markets, recorder=recorder, sinks=given, **options)  # type: ignore[arg-type]
    shown = Shown(directory / "shown", SHOWN_EACH)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(feed)
        await stack.enter_async_context(reading(socket.path))
        await feed.wait_live(LIVE_WITHIN_S)
        gc.collect()
        begin(found.pids)
        begun_s, baseline = loop.time(), resident_bytes()
        looking = Looking(feed, shown)
        async with Stalls() as stalls:
            await looking.until(begun_s + seconds)
        gc.collect()
        warm = looking.warm_bytes if seconds >= 2 * REMEMBERED_S else None
        grew = resident_bytes() - (baseline if warm is None else warm)
        counters = feed.counters()
    shown.close()
    statuses = feed.sink_status()
    return {
        "seconds": seconds,
        "books": sum(len(market.symbols) for market in found.markets),
        "frames": counters["frames"],
        "connects": counters["connects"],
        "touches_told": counters["touches_told"],
        "touches_refuted": counters["touches_refuted"],
        "live_share": round(looking.live_share, 4),
        "stall_ms_max": round(stalls.longest_s * 1e3, 1),
        "own_stall_ms_max": round(stalls.own_longest_s * 1e3, 1),
        "own_stall_ms_permille": round(stalls.own_permille_s() * 1e3, 1),
        "growth_mib": round(grew / 2**20, 2),
        "growth_mib_by_minute": [round((at - baseline) / 2**20, 2) for at in looking.resident],
        "callback_errors": counters["callback_errors"],
        "sinks": {one.name: one.written for one in statuses},
        "sinks_lost": [asdict(one) for one in statuses if _lost(one)],
    }


def _lost(sink: SinkStatus) -> bool:
    """Whether a sink dropped records, or has not accounted for all."""
    ends = sink.written + sink.dropped + sink.conflated + sink.queued
    return bool(sink.dropped or ends != sink.received)


@asynccontextmanager
async def reading(path: str) -> AsyncIterator[None]:
    """A process that follows a feed, as a server does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bookfeed", "serve", path, "--port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def sockets(
    seconds: float, every_s: float, counts: Markets, directory: Path, seed: int = SEED
) -> dict[str, Any]:
    """The figures of so many seconds, without those of the auditor."""
    async with venues(seconds, every_s, counts, directory, seed) as found:
        figures = await followed(found, seconds, directory)
    logs = {name: read_struck(faults_beside(path)) for name, path in found.truth.items()}
    kept_back_s = {
        name: [one.struck_s for one in log if one.kind == KEPT_BACK] for name, log in logs.items()
    }
    told = judged(directory / "shown", found.truth, kept_back_s)
    return (
        figures
        | struck_of(all_venues(), found.due, logs).figures()
        | {
            "shown": told.shown,
            "mistaken": told.never,
            "mistaken_s_max": round(told.mistaken_s_max, 2),
            "old_s_max": round(told.old_s_max, 2),
            "untrue_count": len(told.wrong),
            "untrue": told.wrong[:5],
        }
    )


def run(
    seconds: float,
    every_s: float,
    counts: Markets = FEW,
    told: Callable[[dict[str, Any]], None] | None = None,
    seed: int = SEED,
) -> dict[str, Any]:
    """All figures of so many seconds, with a fault at each venue every so many, in the order of a
    seed. ``told`` has those that are known before the recording is audited, which takes about half
    as long again.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        figures = loops.run(sockets(seconds, every_s, counts, directory, seed))
        if told is not None:
            told(figures)
        return figures | audited(directory / "journal")


SOCKETS: Final = run
"""What the scorecard plays."""
MANY_OVER_SOCKETS: Final = MANY
"""With which books its full tier does."""


def problems(figures: dict[str, Any]) -> list[str]:
    """What of a run is not as it has to be."""
    bad = ("wrong", "untrue", "callback_errors", "sinks_lost")
    found = [f"{name}: {figures[name]}" for name in bad if figures[name]]
    if figures["live_share"] < LIVE_MIN:
        found.append(f"live {figures['live_share']:.2%} of the time")
    if figures["growth_mib"] * 2**20 > GROWTH_MAX_BYTES:
        found.append(f"memory grew by {figures['growth_mib']} MiB")
    if figures["cells_missed"]:
        found.append(f"never struck: {', '.join(figures['cells_missed'])}")
    return [*found, *stood_still(figures)]


def stood_still(figures: dict[str, Any]) -> list[str]:
    """What is wrong with how long the loop stood still by its own doing."""
    longest_ms, permille_ms = figures["own_stall_ms_max"], figures["own_stall_ms_permille"]
    found = []
    if longest_ms > STALL_MAX_S * 1e3:
        found.append(f"the loop stood still for {longest_ms} ms")
    if permille_ms > STALL_PERMILLE_MAX_S * 1e3:
        found.append(f"one in a thousand stalls of the loop was longer than {permille_ms} ms")
    return found


STOOD_STILL: Final = stood_still
"""What the scorecard judges such a run by."""


def _say(figures: dict[str, Any]) -> None:
    print(json.dumps(figures), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1_800.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=SEED, help="of the order of the faults")
    parser.add_argument("--few", action="store_true", help="with few books of each venue")
    options = parser.parse_args(argv)
    counts = FEW if options.few else MANY
    figures = run(options.seconds, options.every, counts, told=_say, seed=options.seed)
    found = problems(figures)
    _say(figures | {"problems": found})
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
