"""Seeded corpora of the spot venues that number, sum or date their changes each in its own way.

Books of one symbol each are told whole, then by changes in the venue's own words: Kraken's with the
checksum of the best ten levels, Coinbase's with a number that counts the connection, Bitstamp's
behind what REST answered, Gemini's and Crypto.com's with the updates they follow. Levels lie on a
grid of 0.01 around 61,000; most that a message names come or go. A book has at most as many levels
a side as its venue tells, so that nobody has to guess which of them fall out.

The answers are read from the printed frames by :func:`read_answers`, in decimals and dictionaries,
and must be what the generator's own model says.
"""

import json
import random
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zlib import crc32

from benches.binance import CENTS, E8_PER_TICKS, draw_units, exact
from benches.frames import Answers, FrameWriter, Recording, books_sha256, decimal_answers

Level = tuple[int, int]
"""A tick of 0.01, and a size in units of 1e-5; 0 removes the level."""
Sides = tuple[Sequence[Level], Sequence[Level]]
MEAN_DEPTH: Final = 12
MEAN_TICKS: Final = 40
BETTER_SHARE: Final = 0.2
"""How far from the touch levels change and come, and how many of those come before it, where there
is room."""
SUMMED: Final = 10
"""Levels a side that Kraken's checksum covers."""


class Venue(NamedTuple):
    """How a venue speaks."""

    symbol: str
    """With ``{}`` for the coin."""
    levels: int
    """A side of a book has so many at most."""
    told: int
    """Levels that a message changes, on average: what a venue sends at once."""
    depth: int | None = None
    """Levels a side that are asked for, where that is asked."""


VENUES: Final = {
    "kraken": Venue("{}/USD", 400, 3, 500),
    "coinbase": Venue("{}-USD", 1_000, 8),
    "bitstamp": Venue("{}usd", 1_000, 20),
    "gemini": Venue("{}usd", 1_000, 12),
    "cryptocom": Venue("{}_USD", 50, 4, 50),
}


@dataclass(frozen=True)
class Spec:
    """What a corpus is made from; equal specs give equal bytes."""

    venue: str
    frames: int = 20_000
    books: int = 10
    seed: int = 20_261_130


@dataclass(frozen=True)
class Market:
    """A symbol, its book before the first frame, and what tells it: frames, or what REST answers
    after them.
    """

    symbol: str
    sides: Sides
    before: tuple[bytes, ...]
    answer: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Corpus(Recording):
    """The frames of a venue, and the markets they speak of."""

    spec: Spec
    markets: tuple[Market, ...]
    venue: str  # type: ignore[misc] # of each corpus its own


def price_text(tick: int) -> str:
    """A price with two decimals."""
    return f"{tick // CENTS}.{tick % CENTS:02}"


def size_text(units: int) -> str:
    """A size with eight decimals."""
    return f"{units // 100_000}.{units % 100_000:05}000"


class Side:
    """Sizes by tick, and ``step * tick`` in ascending order: the best level first."""

    def __init__(self, rng: random.Random, best: int, step: int, levels: int) -> None:
        self.step, self.most = step, levels
        away = rng.sample(range(1, 6 * levels), levels - 1)
        self.units = {best + step * each: draw_units(rng) for each in (0, *away)}
        self.keys = sorted(step * tick for tick in self.units)

    @property
    def best(self) -> int:
        """Tick of the best level."""
        return self.step * self.keys[0]

    def levels(self) -> list[Level]:
        """All of them, the best first."""
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

    def change(self, rng: random.Random, count: int, limit: int) -> list[Level]:
        """Changes so many levels, mostly near the touch, and never past ``limit``, what the other
        side begins with; the worst goes where there are too many. What changed, the best first.
        """
        changes: dict[int, int] = {}
        before = set(self.units)
        for _ in range(count):
            if rng.random() < 0.5:
                depth = min(int(rng.expovariate(1 / MEAN_DEPTH)), len(self.keys) - 1)
                tick = self.step * self.keys[depth]
                units = 0 if rng.random() < 0.7 and len(self.keys) > self.most // 2 else -1
            else:
                gap, units = abs(limit - self.best), -1
                better = gap > 1 and rng.random() < BETTER_SHARE
                away = -rng.randrange(1, gap) if better else int(rng.expovariate(1 / MEAN_TICKS))
                tick = self.best + self.step * away
            if self.step * (limit - tick) < 0:
                changes[tick] = units = draw_units(rng) if units else 0
                self.set(tick, units)
        while len(self.keys) > self.most:
            worst = self.step * self.keys[-1]
            changes[worst] = 0
            self.set(worst, 0)
        # Of what came and went at once nobody is told.
        told = [(tick, units) for tick, units in changes.items() if units or tick in before]
        return sorted(told, key=lambda level: self.step * level[0])


class Book:
    """The true book of one symbol, and the newest update of it."""

    def __init__(self, rng: random.Random, venue: Venue, number: int) -> None:
        self.symbol = venue.symbol.format(f"COIN{number}")
        if "usd" in venue.symbol:
            self.symbol = self.symbol.lower()
        mid = rng.randrange(61_000 * CENTS, 62_000 * CENTS)
        self.bids = Side(rng, mid, -1, venue.levels)
        self.asks = Side(rng, mid + 1, 1, venue.levels)
        self.last = rng.randrange(50_000_000_000, 60_000_000_000)

    @property
    def sides(self) -> Sides:
        """All levels, the best first."""
        return self.bids.levels(), self.asks.levels()

    @property
    def touch_key(self) -> tuple[Level, Level]:
        """Best prices and sizes."""
        bid, ask = self.bids.best, self.asks.best
        return (bid, self.bids.units[bid]), (ask, self.asks.units[ask])


class Writer:
    """What all messages of a connection share: the number of the newest, for Coinbase."""

    def __init__(self) -> None:
        self.number = -1

    def kraken(self, book: Book, sides: Sides, ts_ms: int, *, whole: bool) -> str:
        """A message of ``book``, with the sum of what is best now."""
        bids, asks = (
            ",".join(f'{{"price":{price_text(t)},"qty":{size_text(u)}}}' for t, u in side)
            for side in sides
        )
        best = (*book.asks.levels()[:SUMMED], *book.bids.levels()[:SUMMED])
        digits = (
            f"{price_text(t).replace('.', '').lstrip('0')}"
            f"{size_text(u).replace('.', '').lstrip('0')}"
            for t, u in best
        )
        kind = "snapshot" if whole else "update"
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{book.symbol}",'
            f'"bids":[{bids}],"asks":[{asks}],"checksum":{crc32("".join(digits).encode())},'
            f'"timestamp":"{stamp(ts_ms)}"}}]}}'
        )

    def coinbase(self, book: Book, sides: Sides, ts_ms: int, *, whole: bool) -> str:
        """A message of ``level2``."""
        self.number += 1
        told = ",".join(
            f'{{"side":"{name}","event_time":"{stamp(ts_ms)}","price_level":"{price_text(t)}",'
            f'"new_quantity":"{size_text(u)}"}}'
            for name, side in zip(("bid", "offer"), sides, strict=True)
            for t, u in side
        )
        kind = "snapshot" if whole else "update"
        return (
            f'{{"channel":"l2_data","timestamp":"{stamp(ts_ms)}","sequence_num":{self.number},'
            f'"events":[{{"type":"{kind}","product_id":"{book.symbol}","updates":[{told}]}}]}}'
        )

    def bitstamp(self, book: Book, sides: Sides, ts_ms: int, *, whole: bool) -> str:
        """A message of ``diff_order_book``, or what REST answers."""
        bids, asks = map(pairs, sides)
        data = (
            f'{{"timestamp":"{ts_ms // 1_000}","microtimestamp":"{ts_ms}000",'
            f'"bids":{bids},"asks":{asks}}}'
        )
        channel = f"diff_order_book_{book.symbol}"
        return data if whole else f'{{"event":"data","channel":"{channel}","data":{data}}}'

    def gemini(self, book: Book, sides: Sides, ts_ms: int, *, whole: bool) -> str:
        """A ``depthUpdate``; the first of a book is all of it."""
        first = book.last + 1
        book.last += 3
        bids, asks = map(pairs, sides)
        return (
            f'{{"e":"depthUpdate","E":{ts_ms}000000,"s":"{book.symbol}","U":{first},'
            f'"u":{book.last},"b":{bids},"a":{asks}}}'
        )

    def cryptocom(self, book: Book, sides: Sides, ts_ms: int, *, whole: bool) -> str:
        """A message of ``book``, whole or not; each says which one it follows."""
        before, book.last = book.last, book.last + 3
        bids, asks = (
            ",".join(f'["{price_text(t)}","{size_text(u)}","1"]' for t, u in side) for side in sides
        )
        levels, at = f'"bids":[{bids}],"asks":[{asks}]', f'"t":{ts_ms},"tt":{ts_ms}'
        told = (
            f'{{{levels},{at},"u":{book.last}}}'
            if whole
            else f'{{"update":{{{levels}}},{at},"u":{book.last},"pu":{before}}}'
        )
        kind, name = ("book" if whole else "book.update"), book.symbol
        return (
            f'{{"id":-1,"method":"subscribe","code":0,"result":{{"instrument_name":"{name}",'
            f'"subscription":"book.{name}.50","channel":"{kind}","depth":50,"data":[{told}]}}}}'
        )


def pairs(levels: Iterable[Level]) -> str:
    """Levels as a JSON array."""
    return "[" + ",".join(f'["{price_text(t)}","{size_text(u)}"]' for t, u in levels) + "]"


def stamp(ts_ms: int) -> str:
    """A time as RFC 3339 has it."""
    at = datetime.fromtimestamp(ts_ms / 1e3, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


class Generator(FrameWriter):
    """Writes the frames of a corpus while keeping the true books."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec.seed)
        self.spec, self.venue = spec, VENUES[spec.venue]
        self.books = [Book(self.rng, self.venue, number) for number in range(spec.books)]
        self.say: Callable[..., str] = getattr(Writer(), spec.venue)

    def difference(self, book: Book) -> None:
        """One message about some levels of a book."""
        before, told = book.touch_key, self.venue.told
        count = 1 + int(self.rng.expovariate(1 / told))
        # Asks are drawn when the bids are set: the two never overlap.
        bids: Sequence[Level] = ()
        asks: Sequence[Level] = ()
        while not (bids or asks):
            bids = book.bids.change(self.rng, (count + 1) // 2, book.asks.best)
            asks = book.asks.change(self.rng, count // 2, book.bids.best)
        self.touch_moved += book.touch_key != before
        self.emit(self.say(book, (bids, asks), self.tick_clock(), whole=False))
        self.touch_sum_e8 += book.bids.best * book.asks.best * E8_PER_TICKS
        self.touch_reads += 1

    def run(self) -> Corpus:
        """The whole corpus. Raises ``ValueError`` if frames and model tell different books."""
        markets = []
        for book in self.books:
            whole = self.say(book, book.sides, self.tick_clock(), whole=True).encode()
            if self.spec.venue == "bitstamp":
                # The answer is taken once the stream has come so far.
                nothing = self.say(book, ((), ()), self.ts_ms, whole=False).encode()
                markets.append(Market(book.symbol, book.sides, (nothing,), whole))
            else:
                markets.append(Market(book.symbol, book.sides, (whole,)))
        while len(self.frames) < self.spec.frames:
            self.difference(self.rng.choice(self.books))
        final = {
            book.symbol: (exact(book.bids.units), exact(book.asks.units)) for book in self.books
        }
        model_says = Answers(self.touch_sum_e8, self.touch_reads, books_sha256(final))
        answers = read_answers(self.spec.venue, markets, self.frames)
        if answers != model_says:
            raise ValueError(f"frames tell {answers}, the model says {model_says}")
        recording = Recording(self.frames, self.ts_recv, answers, self.touch_moved)
        return Corpus(
            **vars(recording), spec=self.spec, markets=tuple(markets), venue=self.spec.venue
        )


Told = tuple[str, Iterable[tuple[Any, Any]], Iterable[tuple[Any, Any]]]


def told(venue: str, message: Any) -> Told:
    """Symbol, bids and asks of a change, as any JSON reader gives it: price and size a level."""
    match venue:
        case "kraken":
            (data,) = message["data"]
            sides = ([(x["price"], x["qty"]) for x in data[name]] for name in ("bids", "asks"))
            return data["symbol"], *sides
        case "coinbase":
            (event,) = message["events"]
            each = [(x["side"], x["price_level"], x["new_quantity"]) for x in event["updates"]]
            bids = [(price, size) for side, price, size in each if side == "bid"]
            asks = [(price, size) for side, price, size in each if side != "bid"]
            return event["product_id"], bids, asks
        case "bitstamp":
            data = message["data"]
            return message["channel"][len("diff_order_book_") :], data["bids"], data["asks"]
        case "gemini":
            return message["s"], message["b"], message["a"]
        case _:
            result = message["result"]
            update = result["data"][0]["update"]
            bids, asks = ([(x[0], x[1]) for x in update[name]] for name in ("bids", "asks"))
            return result["instrument_name"], bids, asks


def read_answers(venue: str, markets: Iterable[Market], frames: Iterable[bytes]) -> Answers:
    """What the frames say, read with nothing but decimals and dictionaries."""
    books = {
        market.symbol: tuple(
            {Decimal(price_text(t)): Decimal(size_text(u)) for t, u in side}
            for side in market.sides
        )
        for market in markets
    }
    touch_sum, touch_reads = Decimal(0), 0
    for frame in frames:
        symbol, *changed = told(venue, json.loads(frame, parse_float=Decimal))
        for side, levels in zip(books[symbol], changed, strict=True):
            for price, size in levels:
                side[Decimal(price)] = Decimal(size)
                if side[Decimal(price)] == 0:
                    del side[Decimal(price)]
        bids, asks = books[symbol]
        touch_sum += max(bids) * min(asks)
        touch_reads += 1
    return decimal_answers(books, touch_sum, touch_reads)


def make(spec: Spec) -> Corpus:
    """The corpus of a spec: it takes seconds, and is not kept."""
    return Generator(spec).run()
