"""Several venues' books read as one, level by level and by fractions: what ``Consolidated`` says,
had in the slowest way. Nothing is shared with the engine's.

A book is a side by its name, ``"bid"`` or ``"ask"``, of prices in 1e-9 to sizes in 1e-8.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from statistics import median
from typing import Final, Literal

Side = Literal["bid", "ask"]
Sides = Mapping[Side, Mapping[int, int]]

_PPM: Final = 10**6
_MOVE_MAX: Final = 2**40


def ladder(books: Mapping[str, Sides], side: Side) -> list[tuple[int, int, dict[str, int]]]:
    """Each price that a venue has: size of all, and of each; the best first."""
    prices = {price for book in books.values() for price in book[side]}
    rows = []
    for price in sorted(prices, reverse=side == "bid"):
        sizes = {name: book[side][price] for name, book in books.items() if price in book[side]}
        rows.append((price, sum(sizes.values()), sizes))
    return rows


@dataclass
class Taken:
    """What was taken of one venue, or of all."""

    qty: int = 0
    notional: int = 0
    worst_price: int | None = None
    levels: int = 0

    def take(self, price: int, qty: int) -> None:
        """So much more, at a price that is no better."""
        self.qty += qty
        self.notional += price * qty
        self.worst_price = price
        self.levels += 1


def sweep(books: Mapping[str, Sides], side: Side, qty: int) -> tuple[Taken, dict[str, Taken]]:
    """What taking ``qty`` would execute in all, and at each venue that does any of it."""
    whole, shares = Taken(), defaultdict[str, Taken](Taken)
    for price, _, sizes in ladder(books, side):
        for name, size in sizes.items():
            here = min(size, qty - whole.qty)
            if here > 0:
                whole.take(price, here)
                shares[name].take(price, here)
    return whole, dict(shares)


@dataclass
class Crossed:
    """What bids above asks of other venues come to."""

    qty: int = 0
    gain: int = 0
    last: tuple[int, int] | None = None
    sold: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    bought: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def crossing(books: Mapping[str, Sides]) -> Crossed:
    """Matches the best bid with the best ask as long as it is above it."""
    found = Crossed()
    left = {name: {side: dict(book[side]) for side in book} for name, book in books.items()}
    while True:
        bids = [(price, -at, name) for at, name in enumerate(left) for price in left[name]["bid"]]
        asks = [(price, at, name) for at, name in enumerate(left) for price in left[name]["ask"]]
        if not bids or not asks or max(bids)[0] <= min(asks)[0]:
            return found
        (bid, _, buyer), (ask, _, seller) = max(bids), min(asks)
        qty = min(left[buyer]["bid"][bid], left[seller]["ask"][ask])
        found.qty += qty
        found.gain += qty * (bid - ask)
        found.last = (bid, ask)
        found.sold[buyer] += qty
        found.bought[seller] += qty
        for name, side, price in ((buyer, "bid", bid), (seller, "ask", ask)):
            sizes = left[name]["bid" if side == "bid" else "ask"]
            sizes[price] -= qty
            if not sizes[price]:
                del sizes[price]


def mids(books: Mapping[str, Sides]) -> dict[str, Fraction]:
    """The mid of each venue that has both sides, in 1e-9."""
    return {
        name: Fraction(max(book["bid"]) + min(book["ask"]), 2)
        for name, book in books.items()
        if book["bid"] and book["ask"]
    }


def basis(books: Mapping[str, Sides]) -> dict[str, Fraction]:
    """How far each venue's mid is above the median of all, in 1e-9."""
    known = mids(books)
    middle = median(known.values()) if known else Fraction(0)
    return {name: mid - middle for name, mid in known.items()}


def lead(
    looks: Sequence[Mapping[str, Fraction]], venue: str, reach: int, moves_min: int
) -> tuple[int, int, int] | None:
    """Steps by which a venue is ahead of the others, their correlation in millionths, and how many
    moves of its own that rests on. ``looks`` are mids in 1e-9, a step apart.
    """
    own = [_move(a, b, venue) for a, b in pairwise(looks)]
    others: list[int | None] = []
    for a, b in pairwise(looks):
        known = [
            move for name in sorted({*a, *b} - {venue}) if (move := _move(a, b, name)) is not None
        ]
        others.append(_bounded(sum(known)) if known else None)
    count = sum(1 for move in own if move)
    if count < moves_min or sum(1 for move in others if move) < moves_min:
        return None
    best: tuple[int, int, int, int] | None = None
    for by in range(-reach, reach + 1):
        pairs = [
            (x, y)
            for at, x in enumerate(own)
            if 0 <= at + by < len(others) and x is not None and (y := others[at + by]) is not None
        ]
        total = sum(x * y for x, y in pairs)
        roots = isqrt(sum(x * x for x, _ in pairs)) * isqrt(sum(y * y for _, y in pairs))
        # The nearest of equals; before it, the one that is ahead.
        rank = (total, -abs(by), by, total * _PPM // roots if roots else 0)
        if total > 0 and (best is None or rank > best):
            best = rank
    return (best[2], best[3], count) if best else None


def _move(a: Mapping[str, Fraction], b: Mapping[str, Fraction], name: str) -> int | None:
    """Twice the difference of two mids, if both are known."""
    return _bounded(int(2 * (b[name] - a[name]))) if name in a and name in b else None


def _bounded(move: int) -> int:
    return max(-_MOVE_MAX, min(_MOVE_MAX, move))
