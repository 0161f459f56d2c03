"""``PolymarketPlatform``: Polymarket behind the methods that trading programs call."""

from typing import Any

from bookfeed.compat.platform import Platform, at
from bookfeed.venues.base import Endpoint
from bookfeed.venues.polymarket import polymarket


class PolymarketPlatform(Platform):
    """Polymarket; symbols are token ids. ``url`` and ``rest_url`` are other addresses than its own.

    The other arguments are those of ``Platform``.
    """

    def __init__(
        self, *, url: str | None = None, rest_url: str | None = None, **arguments: Any
    ) -> None:
        venue = polymarket()
        super().__init__(
            at(Endpoint(venue, venue.ws_url, venue.rest_url), url, rest_url), **arguments
        )
