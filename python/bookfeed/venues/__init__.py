"""Venues by name. A new venue is its decoder in the core, its module here, and one line below."""

from collections.abc import Callable
from typing import Final

from bookfeed.market import FeeSchedule, KalshiFee, Market, Outcome
from bookfeed.venues.base import RestRequest, Venue
from bookfeed.venues.kalshi import from_environment, kalshi
from bookfeed.venues.polymarket import polymarket

VENUES: Final[dict[str, Callable[[], Venue]]] = {
    "polymarket": polymarket,
    "kalshi": from_environment,
}

__all__ = [
    "VENUES",
    "FeeSchedule",
    "KalshiFee",
    "Market",
    "Outcome",
    "RestRequest",
    "Venue",
    "kalshi",
    "polymarket",
]
