"""The index of spot books, read from its published method word by word: slow, and by decimals.

Nothing is shared with the engine's. Each curve is asked anew at each size; what is not stated in
the method is a field of ``Method``, named as the engine's switch is.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from itertools import accumulate
from statistics import median
from typing import Final, Literal

Entry = tuple[int, int]
"""Price in 1e-9 and size in 1e-8."""

_DIGITS: Final = 50
_DECAY: Final = Fraction(3, 10)


@dataclass(frozen=True)
class Seen:
    """A venue's book at one moment, sides in any order."""

    bids: Sequence[Entry]
    asks: Sequence[Entry]
    retrieved: int
    """When the venue last vouched for it, Unix nanoseconds."""
    believed: bool = True


@dataclass(frozen=True)
class Method:
    """Parameters and switches."""

    lag_max: int = 10 * 10**9
    erroneous: Fraction = Fraction(5, 100)
    half_spread: Fraction = Fraction(5, 1000)
    spacing: Literal["integral", "hundredth"] | int = "integral"
    sample: tuple[Literal["at_least", "at_most"], int] = ("at_least", 50)
    order: Literal["level", "price"] = "level"
    crossed: Literal["kept", "matched"] = "kept"
    median: Literal["valid", "all"] = "valid"


@dataclass
class Oracle:
    """The index from one effective time to the next."""

    method: Method = Method()
    sticky: set[str] = field(default_factory=set)
    """Who is excluded as potentially erroneous."""
    standing: dict[str, str] = field(default_factory=dict)
    """How each constituent stood the last time."""

    def tick(self, at: int, books: Mapping[str, Seen]) -> tuple[Decimal, Decimal, int] | None:
        """Value in 1e-9, utilised depth and cap in 1e-8; ``None`` if no book is left."""
        self.screen(at, books)
        return self.value(books, self.standing)

    def value(
        self, books: Mapping[str, Seen], standings: Mapping[str, str]
    ) -> tuple[Decimal, Decimal, int] | None:
        """The same of books that were screened."""
        left = [book for name, book in books.items() if standings[name] == "included"]
        if not left:
            return None
        bids = [_best_first(sound(book.bids), -1) for book in left]
        asks = [_best_first(sound(book.asks), 1) for book in left]
        cap = self._cap(bids, asks)
        both = [self._capped(side, sign, cap) for side, sign in ((bids, -1), (asks, 1))]
        if self.method.crossed == "matched":
            both = list(_matched(*both))
        if not all(both):
            return None
        value, depth = self._value(_Curve(both[0]), _Curve(both[1]))
        return value, depth, cap

    def screen(self, at: int, books: Mapping[str, Seen]) -> None:
        """Says of each book whether it counts at an effective time (``standing``)."""
        mids: dict[str, Fraction] = {}
        for name, book in books.items():
            if at - book.retrieved >= self.method.lag_max:
                self.standing[name] = "delayed"
            elif (mid := _mid(book)) is None:
                self.standing[name] = "erroneous"
            else:
                mids[name] = mid
        valid = {name: mid for name, mid in mids.items() if name not in self.sticky}
        compared = valid if self.method.median == "valid" and valid else mids
        if not compared:
            return
        middle = median(compared.values())
        for name, mid in mids.items():
            apart = abs(mid / middle - 1)
            if name in self.sticky:
                if apart < self.method.erroneous / 2:
                    self.sticky.discard(name)
            elif apart > self.method.erroneous:
                self.sticky.add(name)
            self.standing[name] = "potentially_erroneous" if name in self.sticky else "included"

    def _orders(self, sides: Iterable[Sequence[Entry]], sign: int) -> list[Entry]:
        """Orders of one side, the best first, of one price in the order of the venues."""
        entries = sorted((e for side in sides for e in side), key=lambda entry: sign * entry[0])
        if self.method.order == "level":
            return entries
        together: dict[int, int] = {}
        for price, size in entries:
            together[price] = together.get(price, 0) + size
        return list(together.items())

    def _cap(self, bids: Sequence[Sequence[Entry]], asks: Sequence[Sequence[Entry]]) -> int:
        sizes = []
        kind, count = self.method.sample
        for sides, sign in ((bids, -1), (asks, 1)):
            orders = self._orders(sides, sign)
            bound = orders[0][0] * (1 + sign * Fraction(5, 100))
            near = [size for price, size in orders if sign * price <= sign * bound]
            if kind == "at_most":
                near = near[:count]
            elif len(near) < count:
                near = [size for _, size in orders[:count]]
            sizes += near
        sizes.sort()
        n, k = len(sizes), len(sizes) // 100
        trimmed = Fraction(sum(sizes[k : n - k]), n - 2 * k)
        wins = [min(max(size, sizes[k]), sizes[n - k - 1]) for size in sizes]
        mean = Fraction(sum(wins), n)
        variance = sum(((s - mean) ** 2 for s in wins), Fraction(0)) / (n - 1) if n > 1 else 0
        with localcontext(prec=_DIGITS):
            cap = _decimal(trimmed) + 5 * _decimal(Fraction(variance)).sqrt()
            return max(1, int(cap.quantize(Decimal(1), rounding=ROUND_HALF_UP)))

    def _capped(self, sides: Iterable[Sequence[Entry]], sign: int, cap: int) -> list[Entry]:
        return [(price, min(size, cap)) for price, size in self._orders(sides, sign)]

    def _value(self, bids: "_Curve", asks: "_Curve") -> tuple[Decimal, Decimal]:
        method = self.method
        ends = sorted({end for end in bids.ends + asks.ends if bids.at(end) and asks.at(end)})
        tight = [end for end in ends if _half_spread(bids, asks, end) <= method.half_spread]
        depth = Fraction(max(tight, default=0))
        if method.spacing == "integral":
            if not tight:
                return _decimal(_mid_at(bids, asks, ends[0])), Decimal(0)
            return self._integral(bids, asks, tight, depth), _decimal(depth)
        step = method.spacing if isinstance(method.spacing, int) else max(1, int(depth) // 100)
        points = int(depth) // step
        if not points:
            size = step if bids.at(step) and asks.at(step) else ends[0]
            return _decimal(_mid_at(bids, asks, size)), Decimal(step)
        with localcontext(prec=_DIGITS):
            lam = 1 / (_decimal(_DECAY) * points)
            weights = [(-lam * i).exp() for i in range(1, points + 1)]
            mids = [_decimal(_mid_at(bids, asks, i * step)) for i in range(1, points + 1)]
            total = sum((w * m for w, m in zip(weights, mids, strict=True)), Decimal(0))
            return total / sum(weights), Decimal(points * step)

    def _integral(
        self, bids: "_Curve", asks: "_Curve", ends: Sequence[int], depth: Fraction
    ) -> Decimal:
        with localcontext(prec=_DIGITS):
            lam = 1 / _decimal(_DECAY * depth)
            total = Decimal(0)
            for start, end in zip([0, *ends], ends, strict=False):
                share = (-lam * start).exp() - (-lam * end).exp()
                total += _decimal(_mid_at(bids, asks, end)) * share
            return total / (1 - (-lam * _decimal(depth)).exp())


class _Curve:
    """Marginal price by size of one side, the best price first."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.prices = [price for price, _ in entries]
        self.ends = list(accumulate(size for _, size in entries))

    def at(self, size: int) -> int | None:
        """The price that the size reaches, ``None`` beyond the depth."""
        step = bisect_left(self.ends, size)
        return self.prices[step] if step < len(self.prices) else None


def sound(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries that are no errors of their own."""
    return ((price, size) for price, size in entries if price > 0 and size > 0)


def _best_first(entries: Iterable[Entry], sign: int) -> list[Entry]:
    return sorted(entries, key=lambda entry: sign * entry[0])


def _mid(book: Seen) -> Fraction | None:
    """Mid of a book, ``None`` of one that is erroneous."""
    if not book.believed or not book.bids or not book.asks:
        return None
    if max(price for price, _ in book.bids) >= min(price for price, _ in book.asks):
        return None
    bids, asks = list(sound(book.bids)), list(sound(book.asks))
    if not bids or not asks:
        return None
    return Fraction(max(bids)[0] + min(asks)[0], 2)


def _matched(bids: list[Entry], asks: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Both sides without what they would trade with each other."""
    bids, asks = bids[::-1], asks[::-1]
    while bids and asks and bids[-1][0] >= asks[-1][0]:
        (bid, sold), (ask, bought) = bids.pop(), asks.pop()
        if sold > bought:
            bids.append((bid, sold - bought))
        elif bought > sold:
            asks.append((ask, bought - sold))
    return bids[::-1], asks[::-1]


def _mid_at(bids: _Curve, asks: _Curve, size: int) -> Fraction:
    bid, ask = bids.at(size), asks.at(size)
    assert bid is not None and ask is not None
    return Fraction(bid + ask, 2)


def _half_spread(bids: _Curve, asks: _Curve, size: int) -> Fraction:
    ask = asks.at(size)
    assert ask is not None
    return ask / _mid_at(bids, asks, size) - 1


def _decimal(number: Fraction) -> Decimal:
    with localcontext(prec=_DIGITS):
        return Decimal(number.numerator) / Decimal(number.denominator)
