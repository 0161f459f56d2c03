"""Venues by name: the one place that lists them.

A new venue is its decoder in the core, its module here, and its row below.
"""

from typing import Final

from bookfeed.venues.base import Endpoint, RestRequest, Row, Venue
from bookfeed.venues.binance import ROW as BINANCE
from bookfeed.venues.bitstamp import ROW as BITSTAMP
from bookfeed.venues.coinbase import ROW as COINBASE
from bookfeed.venues.cryptocom import ROW as CRYPTOCOM
from bookfeed.venues.gemini import ROW as GEMINI
from bookfeed.venues.kalshi import ROW as KALSHI
from bookfeed.venues.kalshi import KalshiFee
from bookfeed.venues.kraken import ROW as KRAKEN
from bookfeed.venues.polymarket import ROW as POLYMARKET
from bookfeed.venues.polymarket import FeeSchedule
from bookfeed.venues.relay import Relay
from bookfeed.venues.user import ROW as USER
from bookfeed.venues.user import UserFee

VENUES: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        POLYMARKET,
        KALSHI,
        BINANCE,
        KRAKEN,
        COINBASE,
        BITSTAMP,
        GEMINI,
        CRYPTOCOM,
        USER,
    )
}

RELAYS: Final[dict[str, Relay]] = {
    relay.venue.name: relay for row in VENUES.values() for relay in row.relays
}
"""What venues tell beside their books, by name."""


def venue_of(relay: Relay) -> str:
    """The name of the venue whose relay it is."""
    return next(row.name for row in VENUES.values() if relay in row.relays)


__all__ = [
    "RELAYS",
    "VENUES",
    "Endpoint",
    "FeeSchedule",
    "KalshiFee",
    "Relay",
    "RestRequest",
    "Row",
    "UserFee",
    "Venue",
    "venue_of",
]
