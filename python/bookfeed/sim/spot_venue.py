"""What the simulated spot venues have in common whatever they speak: what is traded, on which grid,
by which names, and the true books.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bookfeed.sim.chance import seeded
from bookfeed.sim.spot import E9, Change, Pair, SpotMarket, SpotSpec, pair
from bookfeed.sim.spot_truth import SpotTruth, Told

LEVELS_MIN: Final = 6
_TICKS_IN_PRICE_MIN: Final = 10_000


@dataclass(frozen=True, slots=True)
class SpotVenueConfig:
    """What is traded. ``ValueError`` for what cannot be."""

    markets: int = 4
    seed: int = 1
    levels: int = 300
    """Levels a side of each book, about."""

    def __post_init__(self) -> None:
        if self.markets < 1:
            raise ValueError(f"markets must be at least 1, not {self.markets}")
        if self.levels < LEVELS_MIN:
            raise ValueError(f"levels must be at least {LEVELS_MIN}, not {self.levels}")


def spot_markets(
    venue: str,
    config: SpotVenueConfig,
    *,
    tick_e9: int,
    quote: str = "USD",
    lot_e8: Callable[[Pair], int] = lambda _: 1,
) -> list[SpotMarket]:
    """The markets of a venue on its grid: ticks of ``tick_e9`` for the dearest, finer ones where a
    price has too few of them, and lots as it says.
    """
    markets = []
    for index in range(config.markets):
        traded, tick = pair(index), tick_e9
        while traded.price * E9 / tick < _TICKS_IN_PRICE_MIN:
            tick //= 10
        spec = SpotSpec(
            index=index,
            base=traded.base,
            quote=quote,
            price=int(traded.price * E9 / tick),
            tick_e9=tick,
            lot_e8=lot_e8(traded),
            size=traded.size,
            levels=config.levels,
        )
        markets.append(SpotMarket(spec, seeded(f"{venue} market", config.seed, index)))
    return markets


class SpotListed:
    """One market of a venue, by the venue's name for it."""

    def __init__(self, market: SpotMarket, symbol: str) -> None:
        self.market = market
        self.spec = market.spec
        self.symbol = symbol


L = TypeVar("L", bound=SpotListed)


class SpotVenue(Generic[L]):
    """Every market of a venue by its symbol, in order, and what is true of each."""

    def __init__(self) -> None:
        self.truth = SpotTruth()
        """The true books, by symbol; what a version is, the venue says."""
        self._listed: dict[str, L] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is listed, in order."""
        return tuple(self._listed)

    @property
    def listed(self) -> dict[str, SpotSpec]:
        """Every market, by its symbol, in order."""
        return {symbol: one.spec for symbol, one in self._listed.items()}

    @property
    def specs(self) -> list[SpotSpec]:
        """Every market, in order."""
        return [one.spec for one in self._listed.values()]

    @property
    def markets(self) -> list[SpotMarket]:
        """The books and their crowds, in the same order."""
        return [one.market for one in self._listed.values()]

    def _list(self, one: L, version: int) -> None:
        """Takes a market in, whose book has this version now."""
        spec, market = one.spec, one.market
        bids, asks = (
            {price * spec.tick_e9: size * spec.lot_e8 for price, size in side.levels().items()}
            for side in (market.bids, market.asks)
        )
        self._listed[one.symbol] = one
        self.truth.start(one.symbol, version, bids, asks)


def told(spec: SpotSpec, changes: Iterable[Change]) -> list[Told]:
    """Changes as the truth knows them."""
    return [
        Told(is_bid, price * spec.tick_e9, size * spec.lot_e8) for is_bid, price, size in changes
    ]


def in_grid(
    spec: SpotSpec, side: Iterable[tuple[int, int]], levels: int | None = None
) -> list[tuple[int, int]]:
    """The best levels of a true book as ticks and lots."""
    return [(price // spec.tick_e9, size // spec.lot_e8) for price, size in side][:levels]
