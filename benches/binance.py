"""One seeded Binance corpus: books as REST answers them, then differences as the stream tells them.

A frame is a ``depthUpdate`` of 20 to 100 levels, wrapped by the name of its stream, in the key
order of real frames; each begins at the update behind the last one of its book. Levels lie on a
grid of 0.01 around 61,000, each side 1,000 deep, and some far away from all others, as in real
books. Most levels that a message names come or go; the rest change their sizes.

The answers are read from the printed frames by :func:`read_answers`, in decimals and
dictionaries, and must be what the generator's own model says.
"""

import json
import random
from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from benches.frames import (
    Answers,
    FrameWriter,
    Recording,
    books_sha256,
    decimal_answers,
    read_stored,
    store,
)

CENTS = 100
"""Ticks in a price of 1."""
PRICE_E9_PER_TICK = 10_000_000
QTY_E8_PER_UNIT = 1_000
"""Sizes are drawn in units of 1e-5, the venue's lot."""
LEVELS = 1_000
FAR = 20
"""Levels a side that lie tens of thousands of ticks apart from the others."""
NEAR_TICKS = 6_000
LEVELS_TOLD_MIN = 20
LEVELS_TOLD_MORE = 80
LEVELS_TOLD_SKEW = 1.2
"""A message tells of 20 to 100 levels, 56 on average: 1.9 kB."""
KNOWN_SHARE = 0.5
KNOWN_MEAN_DEPTH = 200
NEW_MEAN_TICKS = 1_200
BETTER_SHARE = 0.01
UNSEEN_SHARE = 0.1
E8_PER_TICKS = 10_000
"""(1e-4)**2 in a price of one tick times another."""
FORMAT = 1
"""Raised when the generator changes, so that an old cache is not taken for the new corpus."""


@dataclass(frozen=True)
class Spec:
    """What a corpus is made from; equal specs give equal bytes."""

    frames: int = 20_000
    books: int = 10
    seed: int = 20_261_128

    @property
    def name(self) -> str:
        """File stem of the cached corpus."""
        return f"binance-v{FORMAT}-{self.frames}-{self.books}-{self.seed}"


@dataclass(frozen=True)
class Market:
    """A symbol, and its whole book before the first frame as REST answers it."""

    symbol: str
    whole: str


@dataclass(frozen=True)
class Corpus(Recording):
    """The frames of Binance, and the markets they speak of."""

    spec: Spec
    markets: tuple[Market, ...]
    venue = "binance"


def price_text(tick: int) -> str:
    """A price as the venue prints it: eight decimals."""
    return f"{tick // CENTS}.{tick % CENTS:02}000000"


def size_text(units: int) -> str:
    """A size of ``units`` x 1e-5 as the venue prints it: eight decimals."""
    return f"{units // 100_000}.{units % 100_000:05}000"


def draw_units(rng: random.Random) -> int:
    """A size: small mostly, some of several whole coins."""
    return 1 + int(rng.lognormvariate(8.5, 2.0))


def pairs(levels: Iterable[tuple[int, int]]) -> str:
    """Levels as a JSON array."""
    return "[" + ",".join(f'["{price_text(t)}","{size_text(u)}"]' for t, u in levels) + "]"


class Side:
    """Sizes by tick, and ``step * tick`` in ascending order: the best level first."""

    def __init__(self, rng: random.Random, best: int, step: int) -> None:
        self.step = step
        near = rng.sample(range(NEAR_TICKS), LEVELS)
        far = [rng.randrange(200_000, 4_000_000) for _ in range(FAR)]
        self.units = {best + step * away: draw_units(rng) for away in (0, *near, *far)}
        self.keys = sorted(step * tick for tick in self.units)

    @property
    def best(self) -> int:
        """Tick of the best level."""
        return self.step * self.keys[0]

    def levels(self) -> list[tuple[int, int]]:
        """Tick and size of each level, the best first."""
        return [(self.step * key, self.units[self.step * key]) for key in self.keys]

    def set(self, tick: int, units: int) -> None:
        """Sets an absolute size; 0 removes the level, if it is there."""
        if units == 0:
            if self.units.pop(tick, None) is not None:
                del self.keys[bisect_left(self.keys, self.step * tick)]
            return
        if tick not in self.units:
            insort(self.keys, self.step * tick)
        self.units[tick] = units

    def draw_new(self, rng: random.Random, limit: int) -> int:
        """A price for a new order: mostly behind the best, now and then between it and
        ``limit``, what the other side begins with."""
        best, gap = self.best, abs(limit - self.best)
        if gap > 1 and rng.random() < BETTER_SHARE:
            return best - self.step * rng.randrange(1, gap)
        return best + self.step * int(rng.expovariate(1 / NEW_MEAN_TICKS))

    def draw_changes(self, rng: random.Random, count: int, limit: int) -> dict[int, int]:
        """New sizes of so many levels, by tick: half of them of levels that are there, most of
        which go; half of new ones, of which some are gone before they are told."""
        changes: dict[int, int] = {}
        while len(changes) < count:
            if rng.random() < KNOWN_SHARE:
                depth = min(int(rng.expovariate(1 / KNOWN_MEAN_DEPTH)), len(self.keys) - 1)
                tick = self.step * self.keys[depth]
                gone = rng.random() < (0.9 if len(self.keys) > LEVELS + FAR else 0.6)
            else:
                tick = self.draw_new(rng, limit)
                gone = tick not in self.units and rng.random() < UNSEEN_SHARE
            changes[tick] = 0 if gone else draw_units(rng)
        return changes

    def apply(self, changes: dict[int, int]) -> str:
        """Sets the levels, and prints them as a JSON array, the best first."""
        for tick, units in changes.items():
            self.set(tick, units)
        return pairs(sorted(changes.items(), key=lambda level: self.step * level[0]))


class Book:
    """The true book of one symbol, and the newest update of it."""

    def __init__(self, rng: random.Random, symbol: str) -> None:
        self.symbol = symbol
        mid = rng.randrange(61_000 * CENTS, 62_000 * CENTS)
        self.bids, self.asks = Side(rng, mid, -1), Side(rng, mid + 1, 1)
        self.last = rng.randrange(50_000_000_000, 60_000_000_000)
        self.market = Market(
            symbol=symbol,
            whole=f'{{"lastUpdateId":{self.last},"bids":{pairs(self.bids.levels())},'
            f'"asks":{pairs(self.asks.levels())}}}',
        )

    @property
    def touch_key(self) -> tuple[int, int, int, int]:
        """Best prices and sizes."""
        bid, ask = self.bids.best, self.asks.best
        return bid, self.bids.units[bid], ask, self.asks.units[ask]


class Generator(FrameWriter):
    """Writes the frames of a corpus while keeping the true books."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.seed)
        self.spec = spec
        self.books = [Book(self.rng, f"COIN{n}USDT") for n in range(spec.books)]

    def difference(self, book: Book) -> None:
        """One message about some levels of a book."""
        count = LEVELS_TOLD_MIN + int(LEVELS_TOLD_MORE * self.rng.random() ** LEVELS_TOLD_SKEW)
        of_bids = self.rng.randrange(count // 3, count - count // 3)
        before = book.touch_key
        # Asks are drawn when the bids are set: the two never overlap.
        bids = book.bids.apply(book.bids.draw_changes(self.rng, of_bids, book.asks.best))
        asks = book.asks.apply(book.asks.draw_changes(self.rng, count - of_bids, book.bids.best))
        first, book.last = book.last + 1, book.last + self.rng.randrange(count, 3 * count)
        self.touch_moved += book.touch_key != before
        self.emit(
            f'{{"stream":"{book.symbol.lower()}@depth@100ms","data":{{"e":"depthUpdate",'
            f'"E":{self.tick_clock()},"s":"{book.symbol}","U":{first},"u":{book.last},'
            f'"b":{bids},"a":{asks}}}}}'
        )
        self.touch_sum_e8 += book.bids.best * book.asks.best * E8_PER_TICKS
        self.touch_reads += 1

    def run(self) -> Corpus:
        """The whole corpus. Raises ``ValueError`` if frames and model tell different books."""
        while len(self.frames) < self.spec.frames:
            self.difference(self.rng.choice(self.books))
        final = {
            book.symbol: (exact(book.bids.units), exact(book.asks.units)) for book in self.books
        }
        model_says = Answers(self.touch_sum_e8, self.touch_reads, books_sha256(final))
        markets = tuple(book.market for book in self.books)
        answers = read_answers(markets, self.frames)
        if answers != model_says:
            raise ValueError(f"frames tell {answers}, the model says {model_says}")
        recording = Recording(self.frames, self.ts_recv, answers, self.touch_moved)
        return Corpus(**vars(recording), spec=self.spec, markets=markets)


def exact(units: dict[int, int]) -> dict[int, int]:
    """A side in prices of 1e-9 and sizes of 1e-8, from ticks and units."""
    return {t * PRICE_E9_PER_TICK: u * QTY_E8_PER_UNIT for t, u in units.items()}


def read_answers(markets: Iterable[Market], frames: Iterable[bytes]) -> Answers:
    """What the frames say, read with nothing but decimals and dictionaries."""
    books: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}
    for market in markets:
        whole = json.loads(market.whole)
        bids, asks = ({Decimal(p): Decimal(s) for p, s in whole[k]} for k in ("bids", "asks"))
        books[market.symbol] = (bids, asks)
    touch_sum, touch_reads = Decimal(0), 0
    for frame in frames:
        told = json.loads(frame)["data"]
        bids, asks = books[told["s"]]
        for side, levels in ((bids, told["b"]), (asks, told["a"])):
            for price, size in levels:
                side[Decimal(price)] = Decimal(size)
                if side[Decimal(price)] == 0:
                    del side[Decimal(price)]
        touch_sum += max(bids) * min(asks)
        touch_reads += 1
    return decimal_answers(books, touch_sum, touch_reads)


def load(spec: Spec) -> Corpus:
    """The corpus of a spec, from the cache beside this file when it is there."""
    stored = read_stored(spec.name)
    if stored is None:
        corpus = Generator(spec).run()
        store(spec.name, corpus, corpus.markets)
        return corpus
    recording, markets = stored
    return Corpus(**vars(recording), spec=spec, markets=tuple(Market(**m) for m in markets))
