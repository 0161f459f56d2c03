"""What an index of given books is: the true one, by a reading of the published method that shares
nothing with the engine's, and the short cuts that are taken instead of it.

Each short cut is as it is usually met, with the gates it usually has, and nothing that would make
it worse than it need be.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from bookfeed.scorecard.index_worlds.books import E9, Floats, S, Seen, Side
from bookfeed.scorecard.index_worlds.figures import CONSTITUENTS, SHORTER, THREE

Books = Mapping[str, Seen]
_HALF_SPREAD_MAX: Final = 0.005
_DECAY: Final = 0.3
_SAMPLE_MIN: Final = 50
_NEAR: Final = 0.05
_ERRONEOUS: Final = 0.05
_LAG_MAX: Final = 10 * S
_STALE: Final = 2 * S
_TOP: Final = 100
"""Levels that some venues' shorter channels have."""


def true_index(books: Sequence[Seen]) -> float:
    """The published method over sound books, in dollars: the cap, the merged curves, the depth at
    which they are tight, and the exponentially weighted mid of the marginal prices up to it.
    """
    cap = _cap(books)
    bid_ends, bid_prices = _curve([book.bids for book in books], cap, -1)
    ask_ends, ask_prices = _curve([book.asks for book in books], cap, 1)
    deepest = min(bid_ends[-1], ask_ends[-1])
    ends = np.union1d(bid_ends, ask_ends)
    ends = ends[ends <= deepest]
    bid = bid_prices[np.searchsorted(bid_ends, ends)]
    ask = ask_prices[np.searchsorted(ask_ends, ends)]
    mid = (bid + ask) / 2
    tight = ask / mid - 1 <= _HALF_SPREAD_MAX
    if not tight.any():
        return float(mid[0]) / E9
    ends, mid = ends[tight].astype(np.float64), mid[tight]
    starts = np.concatenate([[0.0], ends[:-1]])
    rate = 1 / (_DECAY * ends[-1])
    weights = np.exp(-rate * starts) - np.exp(-rate * ends)
    return float(weights @ mid / weights.sum()) / E9


def _cap(books: Sequence[Seen]) -> float:
    """Sizes above this count as this: a trimmed mean and five winsorised deviations."""
    sizes = []
    for sides, sign in (([b.bids for b in books], -1), ([b.asks for b in books], 1)):
        prices = np.concatenate([side.prices for side in sides])
        each = np.concatenate([side.sizes for side in sides])
        order = np.argsort(sign * prices, kind="stable")
        prices, each = prices[order], each[order]
        near = sign * prices <= sign * prices[0] * (1 + sign * _NEAR)
        sizes.append(each[: max(int(near.sum()), _SAMPLE_MIN)])
    both = np.sort(np.concatenate(sizes)).astype(np.float64)
    n, k = len(both), len(both) // 100
    winsorised = np.clip(both, both[k], both[n - k - 1])
    return float(both[k : n - k].mean() + 5 * winsorised.std(ddof=1))


def _curve(sides: Sequence[Side], cap: float, sign: int) -> tuple[Floats, Floats]:
    """Where each step of the marginal price ends, and the price of it."""
    prices = np.concatenate([side.prices for side in sides])
    sizes = np.minimum(np.concatenate([side.sizes for side in sides]), round(cap))
    order = np.argsort(sign * prices, kind="stable")
    return np.cumsum(sizes[order]).astype(np.float64), prices[order].astype(np.float64)


# Short cuts. Each gets what was heard by an effective time, and says a price or nothing.

Proxy = Callable[[int, Books], float | None]


def mean_of_mids(_: int, books: Books) -> float | None:
    """Three venues' mids, as they stand, in equal parts."""
    return float(np.mean([books[name].mid for name in THREE])) / E9


def median_of_mids(now: int, books: Books) -> float | None:
    """The middle of all mids that are not older than 2 s, and within 5 % of each other."""
    mids = _sound_mids(now, books, _STALE)
    return float(np.median(list(mids.values()))) / E9 if mids else None


def weighted_mid(now: int, books: Books) -> float | None:
    """Mids weighted by the smaller of the two sizes at the touch, with the same gates."""
    mids = _sound_mids(now, books, _STALE)
    if not mids:
        return None
    weights = [float(min(books[name].bids.sizes[0], books[name].asks.sizes[0])) for name in mids]
    return float(np.average(list(mids.values()), weights=weights)) / E9


def truncated_curves(now: int, books: Books) -> float | None:
    """The whole method, but of the 100 best levels where a shorter channel has no more, and
    with a gate that remembers nothing.
    """
    kept = []
    for name in _sound_mids(now, books, _LAG_MAX):
        book = books[name]
        if name in SHORTER:
            book = Seen(book.bids.top(_TOP), book.asks.top(_TOP), book.retrieved)
        kept.append(book)
    return true_index(kept) if kept else None


def _sound_mids(now: int, books: Books, old: int) -> dict[str, float]:
    """Mids of constituents that were heard of lately and stand near the middle of all of them."""
    mids = {name: books[name].mid for name in CONSTITUENTS if now - books[name].retrieved < old}
    if not mids:
        return {}
    middle = float(np.median(list(mids.values())))
    return {name: mid for name, mid in mids.items() if abs(mid / middle - 1) <= _ERRONEOUS}


PROXIES: Final[dict[str, Proxy]] = {
    "mean of three mids": mean_of_mids,
    "median of mids": median_of_mids,
    "size-weighted mid": weighted_mid,
    "truncated curves": truncated_curves,
}
