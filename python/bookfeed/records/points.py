"""``PricePoint``: one value of a reference at a time, read from the 72 bytes of a relay's record.

The value is an integer of 1e-18, which is how Chainlink states it; ``price_e9`` is the nearest
multiple of 1e-9. Times are Unix nanoseconds. Absent is ``None``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from struct import Struct
from typing import Final

from bookfeed._bookfeed import MARKET_STATUSES, ORIGINS, RELAY_TOPICS
from bookfeed.records.values import known

POINT_BYTES: Final = 72

# Exact whatever precision the caller's own context has.
_EXACT: Final = Context(prec=40)

_POINT: Final = Struct("<qqqqqQqIIHBBBB2x")

_BACKFILL: Final = 1
_DOUBLE: Final = 2
_ROUNDED: Final = 4
_CARRIED: Final = 8
_REVISED: Final = 16


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One value of a reference, such as Chainlink's BTC/USD, at one time."""

    topic: str
    """The topic of the relay, one of ``RELAY_TOPICS``: ``"crypto_prices_twap_sixty"``."""
    symbol: str
    """What it is the price of, in lower case: ``"btc/usd"``, ``"btcusdt"``, ``"aapl"``."""
    value_e18: int
    """The value, in 1e-18."""
    price_e9: int
    """The nearest price, in 1e-9."""
    ts_event: int
    """The time it is the value of, in Unix nanoseconds."""
    ts_recv: int
    """When it was received, in Unix nanoseconds."""
    ts_sent: int | None
    """When the relay sent it, in Unix nanoseconds; ``None`` if it does not say."""
    ts_source: int | None
    """When the relay had it of its source, in Unix nanoseconds; ``None`` if it does not say."""
    window_s: int | None
    """Of how many seconds it is the mean; ``None`` if it is none."""
    origin: str
    """Who states it: ``"chainlink"``; empty where nobody says."""
    market_status: str
    """``"open"``, ``"closed"`` or ``"unknown"``; empty where nobody says."""
    conn: int
    """The number of the connection."""
    backfill: bool
    """Whether it came with the past, as the topic was subscribed."""
    exact: bool
    """Whether it was given exactly; if not, it is what was printed of a double."""
    rounded: bool
    """Whether ``price_e9`` is not exactly the value."""
    carried: bool
    """Whether it is an older value, since nothing newer is known."""
    revised: bool
    """Whether another value was told for this time before."""

    @property
    def value(self) -> Decimal:
        """The value, exactly, in units of its price."""
        return Decimal(self.value_e18).scaleb(-18, _EXACT)


def points(data: bytes, symbol: Callable[[int], str | None]) -> Iterator[PricePoint]:
    """The points of packed records; ``symbol`` is what a symbol's number means."""
    for fields in _POINT.iter_unpack(data):
        (
            ts_recv, ts_event, ts_sent, ts_source, high, low, price, number, conn, window,
            topic, origin, status, flags,
        ) = fields  # fmt: skip
        yield PricePoint(
            topic=RELAY_TOPICS[topic],
            symbol=symbol(number) or "",
            value_e18=(high << 64) + low,
            price_e9=price,
            ts_event=ts_event,
            ts_recv=ts_recv,
            ts_sent=known(ts_sent),
            ts_source=known(ts_source),
            window_s=window or None,
            origin=ORIGINS[origin],
            market_status=MARKET_STATUSES[status],
            conn=conn,
            backfill=bool(flags & _BACKFILL),
            exact=not flags & _DOUBLE,
            rounded=bool(flags & _ROUNDED),
            carried=bool(flags & _CARRIED),
            revised=bool(flags & _REVISED),
        )
