"""What is watched: markets, their outcomes, and what trading them costs.

The words in which a user names markets to a feed and in which venues describe theirs.
"""

from dataclasses import dataclass
from typing import Literal

FeeRounding = Literal["direct", "non_direct", "intermediate", "legacy"]


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Taker fee of a market: ``shares * rate * (price * (1 - price)) ** exponent`` USD.

    ``rate`` is a decimal string, exactly as the venue states it (``"0.07"``).
    """

    rate: str
    exponent: int = 1

    def options(self) -> dict[str, str | int]:
        """The same as arguments of ``Engine.subscribe``."""
        return {"fee_rate": self.rate, "fee_exponent": self.exponent}


@dataclass(frozen=True, slots=True)
class KalshiFee:
    """Fee of a Kalshi market: the venue's formula by name, and how its members are rounded.

    ``fee_type`` and ``multiplier`` (a decimal string) are the series' or its event's;
    ``rounding`` depends on who trades: the default is dearer than what direct members pay.
    """

    fee_type: str
    multiplier: str = "1"
    rounding: FeeRounding = "non_direct"

    def options(self) -> dict[str, str | int]:
        """The same as arguments of ``Engine.subscribe``."""
        return {
            "fee_type": self.fee_type,
            "fee_multiplier": self.multiplier,
            "fee_rounding": self.rounding,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of a market: its name and the venue's symbol for its book."""

    name: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Market:
    """One market and its outcomes, each of which has a book.

    ``market`` is the venue's id of the market (Polymarket: the condition id, Kalshi: the ticker),
    ``event`` that of the event it belongs to, ``name`` is for people. ``tick_size`` and
    ``min_order_size`` are decimal strings, ``open_ts`` and ``close_ts`` Unix nanoseconds; ``None``
    where unknown. No book is expected before ``open_ts``.
    Raises ``ValueError`` if there is no outcome or a symbol is empty or repeated.
    """

    market: str
    outcomes: tuple[Outcome, ...]
    name: str = ""
    venue: str = "polymarket"
    tick_size: str | None = None
    min_order_size: str | None = None
    neg_risk: bool | None = None
    fee: FeeSchedule | KalshiFee | None = None
    event: str | None = None
    open_ts: int | None = None
    close_ts: int | None = None

    def __post_init__(self) -> None:
        symbols = [outcome.symbol for outcome in self.outcomes]
        if not symbols or not all(symbols):
            raise ValueError(f"market {self.market!r} needs outcomes, each with a symbol")
        if len(set(symbols)) != len(symbols):
            raise ValueError(f"market {self.market!r} names a symbol twice")

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of all outcomes, in order."""
        return tuple(outcome.symbol for outcome in self.outcomes)
