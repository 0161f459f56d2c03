"""One seeded Polymarket corpus, with the answers every row of the benchmarks must give.

A corpus is a list of WebSocket frames as the venue prints them: 2 % ``book``, 90 %
``price_change`` with two mirrored entries, 5 % ``last_trade_price``, 3 % ``best_bid_ask``.
The first frames are the initial snapshots, one array of both outcomes for each market.
Prices lie on a 0.001 grid, because a 0.01 grid has 99 prices and cannot hold 97 levels a
side. Every venue time is distinct and rises, no book is ever crossed, and every entry really
changes a level, so that each is worth one record.

``python -m benches.corpus --write FILE`` writes it for other programs: each frame as a
little-endian u32 length and its bytes.
"""

import argparse
import hashlib
import json
import random
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from benches.market import (
    LEVELS_HARD_MIN,
    LEVELS_MAX,
    LEVELS_SOFT_MIN,
    PRICES,
    TICK_SIZE,
    TICKS,
    Market,
    MarketModel,
    draw_units,
    size_text,
)

Hashes = Literal["random", "valid"]

TS_START_MS = 1_790_000_000_000
TRANSIT_NS = 12_000_000
"""Receive time minus venue time, constant: the corpus has no jitter."""
CACHE = Path(__file__).parent / ".cache"
FORMAT = 4
"""Raised when the generator changes, so that an old cache is not taken for the new corpus."""


@dataclass(frozen=True)
class Spec:
    """What a corpus is made from; equal specs give equal bytes."""

    frames: int = 200_000
    markets: int = 100
    seed: int = 20_261_120
    hashes: Hashes = "random"

    @property
    def name(self) -> str:
        """File stem of the cached corpus."""
        return f"v{FORMAT}-{self.frames}-{self.markets}-{self.seed}-{self.hashes}"


@dataclass(frozen=True)
class Answers:
    """What a row must find.

    ``touch_sum_e8`` adds best bid times best ask (each in 1e-4 USD), after each frame, of each
    asset that the frame's ``book`` or ``price_change`` names. A plain sum would not do: the two
    outcomes mirror each other, and theirs is always 2 USD. ``books_sha256`` digests the final
    books.
    """

    touch_sum_e8: int
    touch_reads: int
    books_sha256: str


@dataclass(frozen=True)
class Corpus:
    """Frames, receive times (Unix ns), the markets they speak of, and the right answers."""

    spec: Spec
    markets: tuple[Market, ...]
    frames: list[bytes]
    ts_recv: list[int]
    answers: Answers
    touch_moved: int
    """Entries that changed the price or the size of a best level."""

    @property
    def assets(self) -> list[str]:
        """Every asset id, both outcomes of a market together."""
        return [a for m in self.markets for a in (m.yes, m.no)]

    @property
    def mean_bytes(self) -> float:
        """Mean length of a frame in bytes."""
        return sum(map(len, self.frames)) / len(self.frames)


def books_sha256(books: dict[str, tuple[dict[int, int], dict[int, int]]]) -> str:
    """Digest of final books: asset id -> (bids, asks), each price 1e-9 -> size 1e-8.

    The text is one line a level, ``<asset id> <B|A> <price_e9> <qty_e8>\\n``: assets in order of
    their id as text, bids before asks, prices ascending.
    """
    digest = hashlib.sha256()
    for asset in sorted(books):
        for letter, side in zip("BA", books[asset], strict=True):
            for price in sorted(side):
                digest.update(f"{asset} {letter} {price} {side[price]}\n".encode())
    return digest.hexdigest()


class Generator:
    """Writes the frames of a corpus while keeping the true books."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        # Not for secrets: a seeded stream is the point.
        self.rng = random.Random(spec.seed)
        self.hash_rng = random.Random(spec.seed + 1)
        self.models = [MarketModel(self.rng) for _ in range(spec.markets)]
        self.ts_ms = TS_START_MS
        self.frames: list[bytes] = []
        self.ts_recv: list[int] = []
        self.touch_sum_e8 = 0
        self.touch_reads = 0
        self.touch_moved = 0
        self.moved_last = self.models[0]

    def tick_clock(self) -> int:
        """Moves venue time on and returns it."""
        self.ts_ms += self.rng.randrange(1, 3)
        return self.ts_ms

    def emit(self, text: str) -> None:
        """Adds a frame, received a constant time after it was sent."""
        self.frames.append(text.encode())
        self.ts_recv.append(self.ts_ms * 1_000_000 + TRANSIT_NS)

    def count_reads(self, model: MarketModel, *outcomes: bool) -> None:
        """Adds the touches a reader of these outcomes finds now."""
        for yes in outcomes:
            self.touch_sum_e8 += model.touch_product_e8(yes=yes)
            self.touch_reads += 1

    def hash_of(self, model: MarketModel, *, yes: bool, ts_ms: int) -> str:
        """A book hash: the venue's, or 40 random hex digits."""
        if self.spec.hashes == "valid":
            return model.book_hash(yes=yes, ts_ms=ts_ms)
        return f"{self.hash_rng.getrandbits(160):040x}"

    def book_json(self, model: MarketModel, *, yes: bool, ts_ms: int) -> str:
        """One ``book`` message in the key order of the venue's snapshots."""
        asset = model.market.yes if yes else model.market.no
        bids, asks = model.sides_json(yes=yes)
        return (
            f'{{"market":"{model.market.condition}","asset_id":"{asset}","timestamp":"{ts_ms}",'
            f'"hash":"{self.hash_of(model, yes=yes, ts_ms=ts_ms)}","bids":{bids},"asks":{asks},'
            f'"tick_size":"{TICK_SIZE}","event_type":"book",'
            f'"last_trade_price":"{model.last_trade[asset]}"}}'
        )

    def snapshots(self) -> None:
        """The initial dump: one array a market."""
        for model in self.models:
            ts_ms = self.tick_clock()
            yes = self.book_json(model, yes=True, ts_ms=ts_ms)
            no = self.book_json(model, yes=False, ts_ms=ts_ms)
            self.emit(f"[{yes},{no}]")
            self.count_reads(model, True, False)

    def trade_and_books(self) -> None:
        """A taker eats into one side: both outcomes' books are sent anew, one frame each.

        A level is only ever taken away, so that neither outcome crosses in between.
        """
        rng = self.rng
        model = rng.choice(self.models)
        side, top = (model.asks, 0) if rng.random() < 0.5 else (model.bids, -1)
        tick = side.ticks[top]
        units = side.units[tick]
        if rng.random() < 0.4 and len(side.ticks) > LEVELS_HARD_MIN:
            side.set(tick, 0)
        elif units > 1:
            side.set(tick, rng.randrange(1, units))
        else:
            side.set(tick, draw_units(rng, unlike=units))
        first = rng.random() < 0.5
        for yes in (first, not first):
            self.emit(self.book_json(model, yes=yes, ts_ms=self.tick_clock()))
            self.count_reads(model, yes)
        self.moved_last = model

    def draw_change(self, model: MarketModel) -> tuple[bool, int, int]:
        """An order placed, changed or cancelled: (bid side of YES?, tick, new size)."""
        rng = self.rng
        bid = rng.random() < 0.5
        side = model.bids if bid else model.asks
        count = len(side.ticks)
        shape = rng.random()
        if count < LEVELS_SOFT_MIN and shape >= 0.85:
            shape = 0.75
        elif count >= LEVELS_MAX and 0.70 <= shape < 0.85:
            shape = 0.95
        tick: int | None = None
        if 0.70 <= shape < 0.85:
            tick = self.new_tick(model, bid=bid)
        if tick is None:
            depth = min(int(rng.expovariate(1 / 8)), count - 1)
            tick = side.ticks[-1 - depth] if bid else side.ticks[depth]
            if shape >= 0.85:
                return bid, tick, 0
        return bid, tick, draw_units(rng, unlike=side.units.get(tick, 0))

    def new_tick(self, model: MarketModel, *, bid: bool) -> int | None:
        """A price for a new order, inside the spread now and then; None if off the grid."""
        rng = self.rng
        gap = model.best_ask - model.best_bid
        step = 1 if bid else -1
        best = model.best_bid if bid else model.best_ask
        if gap > 1 and rng.random() < (0.45 if gap > 4 else 0.12):
            return best + step * rng.randrange(1, min(gap, 4))
        tick = best - step * (1 + int(rng.expovariate(1 / 30)))
        return tick if 1 <= tick < TICKS else None

    def price_change(self) -> None:
        """One order seen from both outcomes."""
        rng = self.rng
        model = rng.choice(self.models)
        bid, tick, units = self.draw_change(model)
        before = self.touch_key(model)
        (model.bids if bid else model.asks).set(tick, units)
        if self.touch_key(model) != before:
            self.touch_moved += 1
            self.moved_last = model
        ts_ms = self.tick_clock()
        entries = []
        first = rng.random() < 0.5
        for yes in (first, not first):
            best_bid, best_ask = model.touch(yes=yes)
            entries.append(
                f'{{"asset_id":"{model.market.yes if yes else model.market.no}",'
                f'"price":"{PRICES[tick if yes else TICKS - tick]}","size":"{size_text(units)}",'
                f'"side":"{"BUY" if bid == yes else "SELL"}",'
                f'"hash":"{self.hash_of(model, yes=yes, ts_ms=ts_ms)}",'
                f'"best_bid":"{best_bid}","best_ask":"{best_ask}"}}'
            )
        self.emit(
            f'{{"market":"{model.market.condition}","price_changes":[{entries[0]},{entries[1]}],'
            f'"timestamp":"{ts_ms}","event_type":"price_change"}}'
        )
        self.count_reads(model, True, False)

    @staticmethod
    def touch_key(model: MarketModel) -> tuple[int, int, int, int]:
        """Best prices and sizes."""
        bid, ask = model.best_bid, model.best_ask
        return bid, model.bids.units[bid], ask, model.asks.units[ask]

    def last_trade_price(self) -> None:
        """A print; the books say separately what it took."""
        rng = self.rng
        model = rng.choice(self.models)
        yes = rng.random() < 0.5
        asset = model.market.yes if yes else model.market.no
        buy = rng.random() < 0.5
        best_bid, best_ask = model.touch(yes=yes)
        price = best_ask if buy else best_bid
        model.last_trade[asset] = price
        self.emit(
            f'{{"market":"{model.market.condition}","asset_id":"{asset}","price":"{price}",'
            f'"size":"{size_text(draw_units(rng))}","fee_rate_bps":"0",'
            f'"side":"{"BUY" if buy else "SELL"}","timestamp":"{self.tick_clock()}",'
            f'"event_type":"last_trade_price","transaction_hash":"0x{rng.getrandbits(256):064x}"}}'
        )

    def best_bid_ask(self) -> None:
        """The venue's own touch of the market that moved last."""
        model = self.moved_last
        yes = self.rng.random() < 0.5
        best_bid, best_ask = model.touch(yes=yes)
        spread = PRICES[model.best_ask - model.best_bid]
        self.emit(
            f'{{"market":"{model.market.condition}",'
            f'"asset_id":"{model.market.yes if yes else model.market.no}",'
            f'"best_bid":"{best_bid}","best_ask":"{best_ask}","spread":"{spread}",'
            f'"timestamp":"{self.tick_clock()}","event_type":"best_bid_ask"}}'
        )

    def run(self) -> Corpus:
        """The whole corpus."""
        spec = self.spec
        self.snapshots()
        books = round(spec.frames * 0.02)
        trades = round(spec.frames * 0.05)
        touches = round(spec.frames * 0.03)
        pairs = max(0, (books - spec.markets) // 2)
        kinds = [self.trade_and_books] * pairs
        kinds += [self.last_trade_price] * trades + [self.best_bid_ask] * touches
        kinds += [self.price_change] * (spec.frames - spec.markets - 2 * pairs - trades - touches)
        self.rng.shuffle(kinds)
        for kind in kinds:
            kind()
        final: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        for model in self.models:
            final.update(model.books())
        answers = Answers(self.touch_sum_e8, self.touch_reads, books_sha256(final))
        markets = tuple(m.market for m in self.models)
        return Corpus(spec, markets, self.frames, self.ts_recv, answers, self.touch_moved)


def write_frames(frames: Iterable[bytes], path: Path) -> None:
    """Writes each frame as a little-endian u32 length and its bytes."""
    with path.open("wb") as out:
        for frame in frames:
            out.write(struct.pack("<I", len(frame)))
            out.write(frame)


def read_frames(path: Path) -> Iterator[bytes]:
    """Frames of a file written by :func:`write_frames`."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def load(spec: Spec) -> Corpus:
    """The corpus of a spec, from the cache beside this file when it is there."""
    frames_path = CACHE / f"{spec.name}.bin"
    facts_path = CACHE / f"{spec.name}.json"
    if not (frames_path.exists() and facts_path.exists()):
        corpus = Generator(spec).run()
        CACHE.mkdir(exist_ok=True)
        (CACHE / ".gitignore").write_text("*\n")
        write_frames(corpus.frames, frames_path)
        facts = {
            "markets": [asdict(m) for m in corpus.markets],
            "ts_recv": corpus.ts_recv,
            "answers": asdict(corpus.answers),
            "touch_moved": corpus.touch_moved,
        }
        facts_path.write_text(json.dumps(facts))
        return corpus
    facts = json.loads(facts_path.read_text())
    return Corpus(
        spec,
        tuple(Market(**m) for m in facts["markets"]),
        list(read_frames(frames_path)),
        facts["ts_recv"],
        Answers(**facts["answers"]),
        facts["touch_moved"],
    )


def main(argv: list[str]) -> int:
    """Command line: build a corpus, say what it is, write it if asked."""
    parser = argparse.ArgumentParser(prog="python -m benches.corpus", description=__doc__)
    parser.add_argument("--frames", type=int, default=Spec.frames)
    parser.add_argument("--hashes", choices=["random", "valid"], default=Spec.hashes)
    parser.add_argument("--write", type=Path, help="file for the length-prefixed frames")
    options = parser.parse_args(argv)
    started = time.perf_counter()
    corpus = load(Spec(frames=options.frames, hashes=options.hashes))
    elapsed = time.perf_counter() - started
    if options.write is not None:
        write_frames(corpus.frames, options.write)
    facts = {
        "frames": len(corpus.frames),
        "bytes_mean": round(corpus.mean_bytes, 1),
        "touch_moved": corpus.touch_moved,
        "elapsed_s": round(elapsed, 1),
        **asdict(corpus.answers),
    }
    sys.stdout.write(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
