"""What a frame costs as an engine grows: by instruments, by instruments that are quiet, by levels.

``python -m benches.growth [--quick]`` prints the rows as JSON. Every point is an engine of its own
that lives through all rounds, the spread and the complement rule on; frames are made anew for each
round, untimed, and taken as a socket leaves them. At the end each book must hold the levels of the
model and be live.
"""

import argparse
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benches.frames import TRANSIT_NS, TS_START_MS
from benches.ingest import fresh_us_per_frame
from benches.market import MIN_ORDER_SIZE, PRICES, TICK_SIZE, TICKS
from benches.ours import COMPLEMENT_RULE, CONN, FEE, SPREAD_RULE, BookfeedStack
from benches.timing import Row, interleave, pin, write_rows
from bookfeed import Engine

ALL = "growth: instruments, all of them changing"
QUIET = "growth: instruments, ten of them changing"
LEVELS = "growth: levels a side of 200 instruments"
INSTRUMENTS: Final = (10, 100, 1_000, 10_000, 50_000)
DEPTHS: Final = (10, 30, 100, 300, 480)
DEPTH: Final = 10
CHANGING: Final = 10
MIDDLE: Final = TICKS // 2
SIZE: Final = 100
QTY_E8: Final = 10**8
PRICE_E9: Final = 10**9 // TICKS


@dataclass(frozen=True)
class Size:
    """An engine to be: its instruments, how many of them change, levels a side."""

    instruments: int
    changing: int
    depth: int


class Grown:
    """An engine of a size, and its markets as they are."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.rng = random.Random(size.instruments * 1_000 + size.depth)
        self.ms = TS_START_MS
        # Size of a YES level, where it is no longer SIZE.
        self.changed: dict[tuple[int, int], int] = {}
        before = resident_bytes()
        self.stack = BookfeedStack(self.engine())
        self.bytes_a_book = (resident_bytes() - before) / size.instruments

    def symbols(self, n: int) -> tuple[str, str]:
        """Ids of a market's outcomes, as long as real ones."""
        return f"{10**76 + 2 * n}", f"{10**76 + 2 * n + 1}"

    def engine(self) -> Engine:
        """Watches every instrument, each with its first book."""
        engine = Engine(hash_check="off")
        ts = self.ts_recv() - 1
        engine.add_rule("spread", SPREAD_RULE)
        engine.add_rule("complement", COMPLEMENT_RULE)
        engine.connected(CONN, "polymarket", ts)
        for n in range(self.size.instruments // 2):
            for outcome, symbol in zip(("Yes", "No"), self.symbols(n), strict=True):
                engine.subscribe(
                    "polymarket",
                    symbol,
                    CONN,
                    ts,
                    market=f"0x{n:064x}",
                    outcome=outcome,
                    tick_size=TICK_SIZE,
                    min_order_size=MIN_ORDER_SIZE,
                    hints="neg_risk=false",
                    fee=FEE,
                )
        for n in range(self.size.instruments // 2):
            engine.ingest(CONN, self.books(n).encode(), self.ts_recv())
            engine.drain()
        return engine

    def ts_recv(self) -> int:
        """Receive time of a frame that is sent now."""
        return self.ms * 1_000_000 + TRANSIT_NS

    def books(self, n: int) -> str:
        """Both outcomes' first books: they mirror each other, and every size is the same."""
        below = range(MIDDLE - self.size.depth, MIDDLE)
        above = range(MIDDLE + self.size.depth, MIDDLE, -1)
        bids, asks = (
            ",".join(f'{{"price":"{PRICES[t]}","size":"{SIZE}"}}' for t in ticks)
            for ticks in (below, above)
        )
        books = (
            f'{{"market":"0x{n:064x}","asset_id":"{symbol}","timestamp":"{self.ms}",'
            f'"hash":"{n:040x}","bids":[{bids}],"asks":[{asks}],"tick_size":"{TICK_SIZE}",'
            f'"event_type":"book","last_trade_price":""}}'
            for symbol in self.symbols(n)
        )
        return f"[{','.join(books)}]"

    def change(self) -> bytes:
        """The size of one level, as both outcomes see it."""
        rng = self.rng
        self.ms += 1
        n, away = rng.randrange(self.size.changing // 2), rng.randrange(1, self.size.depth + 1)
        buy, size = rng.random() < 0.5, rng.randrange(1, 100_000)
        tick = MIDDLE - away if buy else MIDDLE + away
        self.changed[n, tick] = size
        touch = f'"best_bid":"{PRICES[MIDDLE - 1]}","best_ask":"{PRICES[MIDDLE + 1]}"'
        yes, no = (
            f'{{"asset_id":"{symbol}","price":"{PRICES[at]}","size":"{size}",'
            f'"side":"{side}","hash":"{rng.getrandbits(160):040x}",{touch}}}'
            for symbol, at, side in zip(
                self.symbols(n),
                (tick, TICKS - tick),
                ("BUY", "SELL") if buy else ("SELL", "BUY"),
                strict=True,
            )
        )
        return (
            f'{{"market":"0x{n:064x}","price_changes":[{yes},{no}],'
            f'"timestamp":"{self.ms}","event_type":"price_change"}}'
        ).encode()

    def measure(self, count: int) -> float:
        """A round of so many frames, µs a frame."""
        frames, ts_recv = [], []
        for _ in range(count):
            frames.append(self.change())
            ts_recv.append(self.ts_recv())

        def take(block: list[bytes], times: list[int]) -> None:
            self.stack.take(block, times, read=False)

        return fresh_us_per_frame(frames, ts_recv, take)

    def check(self) -> None:
        """Raises ``ValueError`` unless every book is live and holds the model's levels."""
        of_symbol = {view.symbol: view for view in self.stack.engine.books()}
        ticks = [MIDDLE + side * away for side in (-1, 1) for away in range(1, self.size.depth + 1)]
        for n in range(self.size.instruments // 2):
            sizes = {tick: self.changed.get((n, tick), SIZE) for tick in ticks}
            for symbol, mirrored in zip(self.symbols(n), (False, True), strict=True):
                view = of_symbol[symbol]
                found = {
                    int(price): int(qty)
                    for side in ("bid", "ask")
                    for price, qty in view.levels_exact(side)
                }
                right = {
                    (TICKS - t if mirrored else t) * PRICE_E9: size * QTY_E8
                    for t, size in sizes.items()
                }
                if not view.live or found != right:
                    raise ValueError(f"{self.size}: the book of {symbol} is wrong or not live")


def resident_bytes() -> int:
    """Memory this process holds; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4_096 if statm.exists() else 0


def points(instruments_max: int) -> dict[str, dict[str, Size]]:
    """Every point: table, row, size."""
    counts = [n for n in INSTRUMENTS if n <= instruments_max]
    return {
        ALL: {f"{n:,}": Size(n, n, DEPTH) for n in counts},
        QUIET: {f"{n:,}": Size(n, CHANGING, DEPTH) for n in counts},
        LEVELS: {f"{depth:,}": Size(200, 200, depth) for depth in DEPTHS},
    }


def growth_rows(instruments_max: int, frames: int, rounds: int) -> list[Row]:
    """All points, rounds interleaved."""
    rows: dict[str, Row] = {}
    grown: dict[str, Grown] = {}
    measures: dict[str, Callable[[], float]] = {}
    for table, named in points(instruments_max).items():
        for name, size in named.items():
            key = f"{table}/{name}"
            one = grown[key] = Grown(size)
            facts = {
                "x": float(size.depth if table == LEVELS else size.instruments),
                "bytes a book": one.bytes_a_book,
            }
            rows[key] = Row(table, name, "µs a frame", facts=facts)
            measures[key] = partial(one.measure, frames)
    for key, values in interleave(measures, rounds).items():
        rows[key].rounds = values
    for one in grown.values():
        one.check()
    return list(rows.values())


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer instruments and rounds")
    options = parser.parse_args(argv)
    pin(0)
    write_rows(growth_rows(*((1_000, 2_000, 3) if options.quick else (50_000, 10_000, 9))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
