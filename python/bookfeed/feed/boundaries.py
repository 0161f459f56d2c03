"""``BoundaryPrices``: what relays tell at the very start of windows, which is the strike of some.

    prices = BoundaryPrices()
    feed.on_price(prices.heard)
    async with Deciding(feed, catalogue, strike_at=prices):
        ...

Which price counts the market itself says, by the address of the stream that decides it: a mean of
so many seconds, or the plain price. Of a market that is decided by anything else nothing is told,
nor where the very second is missing: relays leave some out, and the venue will say it.
"""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S
from bookfeed.feed.question import strike_ts
from bookfeed.records.points import PricePoint

KEPT_MAX: Final = 4_096
"""So many prices are remembered; the one heard longest ago goes first."""

# All windows begin at multiples of it.
_STEP_NS: Final = 300 * NS_PER_S
_STREAM: Final = re.compile(
    r"https?://data\.chain\.link/streams/([a-z0-9]+)-([a-z]+)(?:-twap-([0-9]{1,4})s(?:-streams)?)?"
)
_ORIGIN: Final = "chainlink"


class _Key(NamedTuple):
    """A price of a reference at a time."""

    symbol: str
    """As ``"btcusd"``."""
    mean_s: int | None
    """Of how many seconds it is the mean; ``None`` for the plain price."""
    ts: int


class BoundaryPrices:
    """Remembers the prices that relays tell for starts of windows, and tells them as strikes."""

    def __init__(self) -> None:
        self._prices: Final[dict[_Key, Decimal]] = {}

    def heard(self, point: PricePoint) -> None:
        """Take note of a price; only one that is exact, its source's, and of that second counts."""
        if point.ts_event % _STEP_NS or point.carried or not point.exact:
            return
        if point.origin != _ORIGIN:
            return
        key = _Key(point.symbol.replace("/", ""), point.window_s, point.ts_event)
        self._prices.pop(key, None)
        self._prices[key] = point.value
        if len(self._prices) > KEPT_MAX:
            del self._prices[next(iter(self._prices))]

    def __call__(self, listing: Listing) -> Decimal | None:
        """The price at the very start of a market's window; ``None`` if it is not known."""
        stream, start_ts = _STREAM.fullmatch(listing.regime.source), strike_ts(listing)
        if stream is None or start_ts is None:
            return None
        asset, quote, mean = stream.groups()
        mean_s = None if mean is None else int(mean)
        stated = ("price", None) if mean_s is None else ("mean", mean_s)
        if (listing.regime.kind, listing.regime.seconds) != stated:
            return None  # its address and its rules contradict each other
        return self._prices.get(_Key(asset + quote, mean_s, start_ts))
