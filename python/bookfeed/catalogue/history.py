"""What a market traded at before now, as typed rows: candles and prices, the same of every venue.

Numbers are exact. Where a venue has no candles they are computed from its trades.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from bookfeed.catalogue.listing import ListedTrade
from bookfeed.clock import NS_PER_S

CandleMinutes = Literal[1, 60, 1440]
"""How long a candle may be."""

CANDLE_MINUTES: Final[tuple[CandleMinutes, ...]] = (1, 60, 1440)
ROWS_MAX: Final = 100_000
"""How many rows can be asked for at once."""


class Prices(NamedTuple):
    """First, highest, lowest and last price of a time; ``None`` where there was none."""

    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None


NO_PRICES: Final = Prices(None, None, None, None)


class Candle(NamedTuple):
    """What happened in one period of a market's outcome."""

    start_ts: int
    end_ts: int
    """When the period begins and ends, Unix nanoseconds; the end belongs to the next one."""
    outcome: str
    traded: Prices
    """Prices of trades."""
    bid: Prices
    """Best bids, where the venue remembers them."""
    ask: Prices
    volume: Decimal
    """How many shares were traded."""
    open_interest: Decimal | None


class PricePoint(NamedTuple):
    """The price of an outcome at one moment, as its venue draws it."""

    ts: int
    """Unix nanoseconds."""
    outcome: str
    price: Decimal


def candles_of(
    trades: Iterable[ListedTrade], outcome: str, minutes: int, since_ts: int, until_ts: int
) -> tuple[Candle, ...]:
    """The candles of an outcome's trades, which are newest first; periods without one are left out.

    Periods begin at whole multiples of their length since 1970.
    """
    length_ns = minutes * 60 * NS_PER_S
    periods: dict[int, list[ListedTrade]] = {}
    for trade in reversed(list(trades)):
        if trade.outcome == outcome and since_ts <= trade.ts < until_ts:
            periods.setdefault(trade.ts // length_ns, []).append(trade)
    return tuple(
        Candle(
            start_ts=number * length_ns,
            end_ts=(number + 1) * length_ns,
            outcome=outcome,
            traded=_prices([trade.price for trade in own]),
            bid=NO_PRICES,
            ask=NO_PRICES,
            volume=sum((trade.qty for trade in own), Decimal(0)),
            open_interest=None,
        )
        for number, own in sorted(periods.items())
    )


def _prices(prices: list[Decimal]) -> Prices:
    return Prices(prices[0], max(prices), min(prices), prices[-1])
