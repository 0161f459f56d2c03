"""The cases: what a client is handed, step by step, and what is true after each step.

A case is one market of a simulated venue for ten seconds with one fault in them. Nobody answers
the venue, so that all clients get the same bytes: a client that sees the fault has done its part.
Cases are files of JSON lines, which programs without bookfeed can read.
"""

import argparse
import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookfeed.sim.binance.faults import BinanceFault
from bookfeed.sim.binance.stream import BinanceStream
from bookfeed.sim.binance.venue import BinanceVenueConfig
from bookfeed.sim.bitstamp.faults import BitstampFault
from bookfeed.sim.bitstamp.stream import BitstampStream
from bookfeed.sim.bitstamp.wire import DIFF, TOP
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.sim.coinbase.stream import CoinbaseStream
from bookfeed.sim.coinbase.wire import LEVEL2
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.kalshi.stream import KalshiStream
from bookfeed.sim.kraken.faults import KrakenFault
from bookfeed.sim.kraken.stream import KrakenStream
from bookfeed.sim.polymarket.faults import Fault
from bookfeed.sim.polymarket.stream import Stream
from bookfeed.sim.polymarket.venue import VenueConfig
from bookfeed.sim.spot_rest_stream import SpotRestStream
from bookfeed.sim.spot_stream import SpotItem, SpotStream
from bookfeed.sim.spot_venue import SpotVenueConfig
from bookfeed.sim.truth import BookTruth

SEEDS: Final = range(1, 11)
ITEMS: Final = 600
RATE: Final = 60.0
AT_FRAME: Final = 60
DEPTHS: Final = {
    "polymarket": 1_000, "kalshi": 1_000, "binance": 20, "kraken": 10, "coinbase": 1_000,
    "bitstamp": 1_000,
}  # fmt: skip
"""Levels a side that are compared: all that there are, or a part that every client knows."""
NONE: Final = "none"

Step = tuple[str, int, bytes, BookTruth | None]
"""What happens, when (Unix ns), the payload, and the book if it is whole after it."""


@dataclass(frozen=True)
class Case:
    """One seed of one fault at one venue."""

    venue: str
    fault: str
    seed: int
    symbols: tuple[str, ...]
    """Of the market; the book of the first is compared."""
    market: dict[str, str]
    """What else a client may want to know of it."""
    steps: tuple[Step, ...]

    def write(self, folder: Path) -> None:
        """As a file: a line for the market, then one for each step."""
        name = f"{self.venue}-{self.fault.replace(':', '_')}-{self.seed}.jsonl"
        about = {
            "venue": self.venue, "fault": self.fault, "seed": self.seed, "symbols": self.symbols,
            "depth": DEPTHS[self.venue], "market": self.market,
        }  # fmt: skip
        lines = [about, *(_told(step, DEPTHS[self.venue]) for step in self.steps)]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def _told(step: Step, depth: int) -> dict[str, Any]:
    kind, ts_ns, payload, truth = step
    text = base64.b64encode(payload).decode()
    told: dict[str, Any] = {"kind": kind, "ts_ns": ts_ns, "payload": text}
    if truth is not None and not truth.torn:
        told["bids"], told["asks"] = truth.bids[:depth], truth.asks[:depth]
    return told


def _fault(kind: Callable[..., Any], text: str) -> tuple[Any, ...]:
    if text == NONE:
        return ()
    name, _, variant = text.partition(":")
    return (kind(name, at_frame=AT_FRAME, variant=variant),)


def polymarket(fault: str, seed: int) -> Case:
    """Both outcomes of a market; the first's book is compared."""
    config = VenueConfig(markets=1, seed=seed, new_market_every=0)
    stream = Stream(config, faults=_fault(Fault, fault), rate=RATE)
    symbols = tuple(stream.asset_ids(0))
    steps = list[Step]()
    for item in stream.items(ITEMS):
        if item.kind == "lost" or item.payload == b"PONG":  # which is no affair of books
            continue
        told = item.message is not None or item.payload.startswith(b"[")
        steps.append(
            (item.kind, item.ts_ns, item.payload, stream.truth(symbols[0]) if told else None)
        )
    market = stream.venue.markets[0]
    about = {"condition_id": market.spec.condition_id, "tick_size": market.tick_text}
    return Case("polymarket", fault, seed, symbols, about, tuple(steps))


def kalshi(fault: str, seed: int) -> Case:
    """One window."""
    config = KalshiVenueConfig(seed=seed, quarters=1, windows=1, baskets=0, ladders=0)
    stream = KalshiStream(
        config, faults=_fault(KalshiFault, fault), rate=RATE, channels=("orderbook_delta",),
        use_yes_price=None,
    )  # fmt: skip
    symbols = (stream.venue.markets[0].spec.ticker,)
    steps = [
        (item.kind, item.ts_ns, item.payload, stream.truth(symbols[0]) if item.tickers else None)
        for item in stream.items(ITEMS)
        if item.kind not in ("lost", "ping")
    ]
    return Case("kalshi", fault, seed, symbols, {}, tuple(steps))


def binance(fault: str, seed: int) -> Case:
    """A market whose book REST tells, after each connection, and the changes since."""
    stream = BinanceStream(
        BinanceVenueConfig(seed=seed, markets=1), faults=_fault(BinanceFault, fault), rate=RATE,
        channels=("@depth@100ms",),
    )  # fmt: skip
    return Case("binance", fault, seed, stream.symbols(0), {}, _spot_steps(stream))


def _spot_steps(stream: SpotStream, *, asked_after: int = 0) -> tuple[Step, ...]:
    """What happens; the truth is the newest version that was told, whatever came after it.

    Where REST tells whole books, one is asked for on each connection, after so many changes.
    """
    (symbol,), steps, newest, heard = stream.symbols(0), list[Step](), 0, 0
    items, begun_ns = stream.items(ITEMS), 0
    for item in items:
        begun_ns = begun_ns or item.ts_ns
        if item.ts_ns - begun_ns > ITEMS / RATE * 1e9:
            break
        told = item.kind == "frame" and item.is_book
        heard = 0 if item.kind == "connected" else heard + told
        if isinstance(stream, SpotRestStream) and _is_to_ask(item, heard, asked_after):
            stream.ask(symbol, 1_000)
        if item.kind in ("lost", "ping"):
            continue
        # What REST answers may be older than what waits to be put on it, and newer.
        newest = max(newest, item.last) if told or asked_after else newest
        truth = stream.truth.at(symbol, newest) if told else None
        steps.append((item.kind, item.ts_ns, item.payload, truth))
    return tuple(steps)


def _is_to_ask(item: SpotItem, heard: int, asked_after: int) -> bool:
    if not asked_after:
        return item.kind == "connected"
    return item.kind == "frame" and item.is_book and heard == asked_after


def kraken(fault: str, seed: int) -> Case:
    """A market whose book has a window and a sum."""
    stream = KrakenStream(
        SpotVenueConfig(seed=seed, markets=1), faults=_fault(KrakenFault, fault), rate=RATE,
        depth=DEPTHS["kraken"], channels=("book",),
    )  # fmt: skip
    return Case("kraken", fault, seed, stream.symbols(0), {}, _spot_steps(stream))


def coinbase(fault: str, seed: int) -> Case:
    """A market whose book comes on the stream, one count for all messages."""
    stream = CoinbaseStream(
        SpotVenueConfig(seed=seed, markets=1), faults=_fault(CoinbaseFault, fault), rate=RATE,
        channels=(LEVEL2,),
    )  # fmt: skip
    return Case("coinbase", fault, seed, stream.symbols(0), {}, _spot_steps(stream))


def bitstamp(fault: str, seed: int) -> Case:
    """A market whose changes have times alone, with its best levels on a channel of their own."""
    stream = BitstampStream(
        SpotVenueConfig(seed=seed, markets=1), faults=_fault(BitstampFault, fault), rate=RATE,
        channels=(DIFF, TOP),
    )  # fmt: skip
    # One who asks after six changes has the seventh before he is answered.
    steps = _spot_steps(stream, asked_after=7)
    return Case("bitstamp", fault, seed, stream.symbols(0), {}, steps)


_BYTES: Final = ("malformed:truncated", "malformed:bad_number")
_ORDER: Final = ("drop", "duplicate:at_once", "duplicate:later", "swap")
MADE: Final[dict[Callable[[str, int], Case], Sequence[str]]] = {
    polymarket: (
        NONE, *_ORDER, "corrupt_size:one", "corrupt_size:all", "sibling-ghost:stream",
        "disconnect", *_BYTES,
    ),
    kalshi: (NONE, *_ORDER, "corrupt:size", "disconnect", *_BYTES),
    binance: (NONE, *_ORDER, "gap", "corrupt:size", "disconnect", *_BYTES),
    kraken: (NONE, *_ORDER, "level:top", "corrupt:top", "checksum", "disconnect", *_BYTES),
    coinbase: (NONE, *_ORDER, "corrupt", "disconnect", *_BYTES),
    bitstamp: (NONE, *_ORDER, "corrupt", "disconnect", *_BYTES),
}  # fmt: skip
"""What is thrown at each venue's clients."""


def cases(seeds: Sequence[int] = SEEDS) -> Iterator[Case]:
    """All of them."""
    for make, faults in MADE.items():
        for fault in faults:
            yield from (make(fault, seed) for seed in seeds)


def main() -> None:
    """Writes all cases into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases():
        case.write(folder)


if __name__ == "__main__":
    main()
