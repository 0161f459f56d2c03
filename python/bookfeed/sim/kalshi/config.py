"""What the simulated Kalshi trades, and how its venue behaves."""

from dataclasses import dataclass

from bookfeed.sim.kalshi.grid import STRUCTURES


@dataclass(frozen=True, slots=True)
class KalshiVenueConfig:
    """What is traded. Counts of 0 for ``*_every`` mean never; the others are mean step counts."""

    seed: int = 1
    quarters: int = 2
    """Series of short windows, one market at a time."""
    windows: int = 2
    """Windows in each of those series; the first is open at the start."""
    window_s: float = 900.0
    gap_s: float = 3.0
    """Time between two windows in which neither is open."""
    elapsed_s: float = 120.0
    """How much of the first window is over at the start."""
    baskets: int = 1
    basket_markets: int = 4
    """Mutually exclusive markets in each basket."""
    ladders: int = 1
    ladder_markets: int = 5
    """Strikes in each ladder."""
    long_s: float = 86_400.0
    """When baskets and ladders close."""
    levels_min: int = 4
    levels_max: int = 30
    structure: str | None = None
    """One price structure for all; by default windows are tapered and the others linear."""
    indices: tuple[str, ...] = ("BRTI", "ETHUSD_RTI")
    use_yes_price_default: bool = False
    """What a subscription gets that does not say."""
    sending_ts: bool = True
    """Whether frames carry ``sending_ts_ms``."""
    private_channels: bool = True
    """Whether fills, orders and positions may be subscribed to."""
    markets_per_subscription_max: int = 1_000
    commands_per_s_max: int = 10_000
    pause_every: int = 0
    early_close_every: int = 0
    fee_change_every: int = 0
    structure_change_every: int = 0

    def __post_init__(self) -> None:
        if self.quarters + self.baskets + self.ladders < 1 or min(self.quarters, self.baskets,
                                                                  self.ladders) < 0:  # fmt: skip
            raise ValueError("there must be at least one event")
        if min(self.windows, self.basket_markets, self.ladder_markets) < 1:
            raise ValueError("windows, basket_markets and ladder_markets must be at least 1")
        if self.window_s < 1:
            raise ValueError("window_s must be at least 1: tickers tell windows apart by seconds")
        if not 0 <= self.elapsed_s < self.window_s:
            raise ValueError("elapsed_s must be at least 0 and below window_s")
        if self.gap_s < 0 or self.long_s <= 0:
            raise ValueError("gap_s must be 0 or more and long_s above 0")
        if not 1 <= self.levels_min <= self.levels_max:
            raise ValueError("levels_min must be at least 1 and at most levels_max")
        if self.structure is not None and self.structure not in STRUCTURES:
            raise ValueError(f"structure must be one of {', '.join(STRUCTURES)}")
