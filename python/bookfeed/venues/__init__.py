"""Venues by name. A new venue is its decoder in the core, its module here, and one line below."""

from collections.abc import Callable
from typing import Final

from bookfeed.venues.base import FeeSchedule, Market, Outcome, RestRequest, Venue
from bookfeed.venues.polymarket import polymarket

VENUES: Final[dict[str, Callable[[], Venue]]] = {
    "polymarket": polymarket,
}

__all__ = ["VENUES", "FeeSchedule", "Market", "Outcome", "RestRequest", "Venue", "polymarket"]
