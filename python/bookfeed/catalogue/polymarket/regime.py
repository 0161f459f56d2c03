"""What the address of the price says of how a market of Polymarket is decided."""

import re
from typing import Final

from bookfeed.catalogue.regime import Stated

_STREAM: Final = re.compile(r"https?://data\.chain\.link/streams/[a-z0-9-]+")
_TWAP: Final = re.compile(r"-twap-([0-9]{1,4})s\b")
_CANDLES: Final = re.compile(r"https?://(?:www\.)?binance\.com/")


def in_source(address: str) -> Stated | None:
    """A stream of means, a stream of prices, or candles; ``None`` for any other address."""
    if _STREAM.match(address):
        twap = _TWAP.search(address)
        return ("price", None) if twap is None else ("mean", int(twap[1]))
    return ("candle", None) if _CANDLES.match(address) else None
