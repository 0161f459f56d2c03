"""Candles decide some of Kalshi's markets; nobody tells here what any of them is made of."""

from bookfeed.catalogue.listing import Listing


def candle_of(listing: Listing, _start_ts: int, _end_ts: int) -> str:
    """Why the candle of a market cannot be followed, in words."""
    source = listing.regime.source or "somebody"
    return f"it settles on a candle of {source}, of which nothing is told here"
