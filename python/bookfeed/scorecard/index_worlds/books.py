"""The spot books of one world: five venues around one latent price, by seed.

A venue's middle is what the price was a moment ago, plus a basis of its own that wanders. Levels
lie as deep, as many and as unequal as recordings have them (``figures.py``), and as many of them
are replaced a second. The two sides are never equally heavy: the market leans one way or the
other, and each venue a little differently, which is why an index of depth is no mean of mids.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bookfeed.scorecard.index_worlds.figures import BANDS_BPS, VENUES, Figures
from bookfeed.sim.latent import Latent

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
E8: Final = 10**8
E9: Final = 10**9
S: Final = 10**9
T0: Final = 1_790_000_000 * S
"""When every world begins, Unix nanoseconds."""

# Beyond the last band there are levels up to this, as dense as in it.
_REACH_BPS: Final = 100.0
_BASIS_BPS: Final = 0.6
_BASIS_LASTS_S: Final = 120.0
_LEAN_LASTS_S: Final = 45.0


class Side(NamedTuple):
    """Levels of one side, the best first: prices in 1e-9, sizes in 1e-8."""

    prices: Ints
    sizes: Ints

    def top(self, count: int) -> "Side":
        """The best so many."""
        return Side(self.prices[:count], self.sizes[:count])

    def pairs(self) -> list[tuple[int, int]]:
        """As the engine and the slow reading take them."""
        return list(zip(self.prices.tolist(), self.sizes.tolist(), strict=True))


class Seen(NamedTuple):
    """A book at one moment, and when its venue last gave a sign of life (Unix nanoseconds)."""

    bids: Side
    asks: Side
    retrieved: int

    @property
    def mid(self) -> float:
        """Mean of the best prices, in 1e-9."""
        return (int(self.bids.prices[0]) + int(self.asks.prices[0])) / 2


@dataclass
class _Wander:
    """A value that is drawn back to 0: its deviation, and how long it remembers."""

    deviation: float
    lasts_s: float
    value: float = 0.0

    def step(self, rng: np.random.Generator, dt_s: float = 1.0) -> float:
        keep = float(np.exp(-dt_s / self.lasts_s))
        drawn = float(rng.standard_normal())
        self.value = keep * self.value + (1 - keep**2) ** 0.5 * self.deviation * drawn
        return self.value


class _Levels:
    """One side of a venue's book: how far from its middle each level is, and how large."""

    def __init__(self, figures: Figures, rng: np.random.Generator) -> None:
        self._figures, self._rng = figures, rng
        # Bands from the touch outwards, and one more behind them.
        edges = np.array([0.0, *BANDS_BPS, _REACH_BPS])
        counts = np.diff([0, *figures.levels_within])
        sizes = np.diff([0.0, *figures.size_within])
        density = counts[-1] / (BANDS_BPS[-1] - BANDS_BPS[-2])
        behind = density * (_REACH_BPS - BANDS_BPS[-1])
        counts = np.append(counts, behind)
        usual = np.append(sizes / np.maximum(counts[:-1], 1), sizes[-1] / max(counts[-2], 1))
        self._edges, self._usual = edges, usual
        self._share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
        count = int(counts.sum())
        self.away = np.zeros(count)
        self.size = np.zeros(count)
        self._renew(np.arange(count))

    def step(self, replaced: float) -> None:
        """About so many levels are others than before."""
        count = int(replaced + self._rng.random())
        self._renew((self._rng.random(count) * len(self.away)).astype(np.int64))

    def _renew(self, places: Ints) -> None:
        drawn = self._rng.random(len(places))
        away = np.interp(drawn, self._share, self._edges)
        band = np.minimum(np.searchsorted(self._edges, away, "right") - 1, len(self._usual) - 1)
        spread, dust = self._figures.spread_of_log_size, self._figures.dust_share
        unequal = np.exp(spread * self._rng.standard_normal(len(places)) - spread**2 / 2)
        unequal *= (self._rng.random(len(places)) >= dust) / (1 - dust)
        self.away[places] = away
        self.size[places] = self._usual[band] * unequal


class _Venue:
    """A venue's book from second to second."""

    def __init__(self, figures: Figures, seed: int) -> None:
        self.figures = figures
        self._rng = np.random.Generator(np.random.PCG64([seed, figures.number]))
        self._basis = _Wander(_BASIS_BPS / 1e4, _BASIS_LASTS_S)
        self._lean = _Wander(figures.lean, _LEAN_LASTS_S)
        self._bids, self._asks = (_Levels(figures, self._rng) for _ in range(2))
        for wander in (self._basis, self._lean):
            wander.value = wander.deviation * float(self._rng.standard_normal())

    def step(self, latent: float, lean: float, now: int) -> Seen:
        """The book a second later."""
        figures = self.figures
        middle = latent * (1 + self._basis.step(self._rng))
        leaning = lean + self._lean.step(self._rng)
        for side in (self._bids, self._asks):
            side.step(figures.changes_a_second / 2)
        bids = self._side(self._bids, middle, -1, float(np.exp(leaning / 2)))
        asks = self._side(self._asks, middle, 1, float(np.exp(-leaning / 2)))
        return Seen(bids, asks, now)

    def _side(self, levels: _Levels, middle: float, sign: int, weight: float) -> Side:
        figures = self.figures
        away = (levels.away + figures.spread_bps / 2) / 1e4
        ticks = middle * E9 * (1 + sign * away) / figures.tick_e9
        whole = (np.floor(ticks) if sign < 0 else np.ceil(ticks)).astype(np.int64)
        prices, places = np.unique(whole, return_inverse=True)
        sizes = np.bincount(places, weights=levels.size * weight * E8, minlength=len(prices))
        side = Side(prices * figures.tick_e9, np.maximum(sizes.astype(np.int64), 1))
        return side if sign > 0 else Side(side.prices[::-1], side.sizes[::-1])


class BookWorld:
    """All books of a world; ``step`` makes them a second older."""

    def __init__(self, seed: int) -> None:
        self.seed: Final = seed
        self.latent: Final = Latent(seed)
        self._venues = [_Venue(figures, seed) for figures in VENUES]
        self._rng = np.random.Generator(np.random.PCG64([seed, len(VENUES)]))
        self._lean = _Wander(max(figures.lean for figures in VENUES), _LEAN_LASTS_S)
        self._lean.value = self._lean.deviation * float(self._rng.standard_normal())
        self._second = 0

    def step(self) -> tuple[int, dict[str, Seen]]:
        """The next second: its time (Unix nanoseconds), and the books by venue."""
        now = T0 + self._second * S
        lean = self._lean.step(self._rng)
        books = {}
        for venue in self._venues:
            price = self.latent.at(self._second + 10.0 - venue.figures.behind_s)
            books[venue.figures.venue] = venue.step(price, lean, now)
        self._second += 1
        return now, books
