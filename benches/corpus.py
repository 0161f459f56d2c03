"""One seeded Polymarket corpus, with the answers every row of the benchmarks must give.

A corpus is a list of WebSocket frames as the venue prints them: 2 % ``book``, 90 %
``price_change`` with two mirrored entries, 5 % ``last_trade_price``, 3 % ``best_bid_ask``.
The first frames are the initial snapshots, one array of both outcomes for each market.
Prices lie on a 0.001 grid, because a 0.01 grid has 99 prices and cannot hold 97 levels a
side. Venue times rise, and each is one frame's unless ``frames_per_ms`` says how many share one:
what is sent to a feed has the times at which it is sent. No book is ever crossed, and every entry
really changes a level, so that each is worth one record.

``python -m benches.corpus --write FILE`` writes it for other programs: each frame as a
little-endian u32 length and its bytes.
"""

import argparse
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from benches.frames import (
    TS_START_MS,
    Answers,
    FrameWriter,
    Recording,
    books_sha256,
    read_stored,
    store,
    write_frames,
)
from benches.market import (
    LEVELS_HARD_MIN,
    PRICES,
    TICK_SIZE,
    TICKS,
    Market,
    MarketModel,
    draw_units,
    size_text,
)

Hashes = Literal["random", "valid"]

FORMAT = 5
"""Raised when the generator changes, so that an old cache is not taken for the new corpus."""


@dataclass(frozen=True)
class Spec:
    """What a corpus is made from; equal specs give equal bytes."""

    frames: int = 200_000
    markets: int = 100
    seed: int = 20_261_120
    hashes: Hashes = "random"
    frames_per_ms: int = 0
    """Frames of one venue time; 0: each has its own, which are 1 to 2 ms apart."""

    @property
    def name(self) -> str:
        """File stem of the cached corpus."""
        dense = f"-{self.frames_per_ms}" if self.frames_per_ms else ""
        return f"v{FORMAT}-{self.frames}-{self.markets}-{self.seed}-{self.hashes}{dense}"


@dataclass(frozen=True)
class Corpus(Recording):
    """The frames of Polymarket, and the markets they speak of."""

    spec: Spec
    markets: tuple[Market, ...]
    venue = "polymarket"

    @property
    def assets(self) -> list[str]:
        """Every asset id, both outcomes of a market together."""
        return [a for m in self.markets for a in (m.yes, m.no)]


class Generator(FrameWriter):
    """Writes the frames of a corpus while keeping the true books."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.seed)
        self.spec = spec
        self.hash_rng = random.Random(spec.seed + 1)
        self.models = [MarketModel(self.rng) for _ in range(spec.markets)]
        self.moved_last = self.models[0]
        self.sent_whole_ms = [0] * spec.markets
        self.ticks = 0

    def tick_clock(self) -> int:
        """Moves venue time on and returns it."""
        if not self.spec.frames_per_ms:
            return super().tick_clock()
        self.ts_ms = TS_START_MS + self.ticks // self.spec.frames_per_ms
        self.ticks += 1
        return self.ts_ms

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

        A level is only ever taken away, so that neither outcome crosses in between. Books of one
        venue time with two touches are doubted until the next word, which would show both at once
        and be worth one record: a market's next books have another time.
        """
        rng = self.rng
        at = rng.randrange(len(self.models))
        while self.sent_whole_ms[at] == self.ts_ms:
            at = rng.randrange(len(self.models))
        model = self.models[at]
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
        self.sent_whole_ms[at] = self.ts_ms
        self.moved_last = model

    def price_change(self) -> None:
        """One order seen from both outcomes."""
        rng = self.rng
        model = rng.choice(self.models)
        bid, tick, units = model.draw_change(rng)
        before = model.touch_key
        (model.bids if bid else model.asks).set(tick, units)
        if model.touch_key != before:
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
        recording = Recording(self.frames, self.ts_recv, answers, self.touch_moved)
        return Corpus(**vars(recording), spec=spec, markets=markets)


def load(spec: Spec) -> Corpus:
    """The corpus of a spec, from the cache beside this file when it is there."""
    stored = read_stored(spec.name)
    if stored is None:
        corpus = Generator(spec).run()
        store(spec.name, corpus, corpus.markets)
        return corpus
    recording, markets = stored
    return Corpus(**vars(recording), spec=spec, markets=tuple(Market(**m) for m in markets))


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
