"""Polymarket's market channel: addresses, the subscription, the heartbeat, whole books by REST.

The subscription must be the first frame of a connection and must not be repeated; a ``PING``
before it closes the connection with 1008. Above 500 assets a connection stops sending initial
books, hence the ceiling.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from bookfeed.venues.base import RestRequest, Venue

NAME: Final = "polymarket"
WS_URL: Final = "wss://ws-subscriptions-clob.polymarket.com/ws/market"
REST_URL: Final = "https://clob.polymarket.com"


def polymarket(*, custom_features: bool = True, ping_interval_s: float = 10.0) -> Venue:
    """Return the venue.

    ``custom_features`` asks for ``best_bid_ask`` (an independent check of the touch),
    ``new_market`` and ``market_resolved``.
    """

    def subscription(symbols: Sequence[str]) -> tuple[str, ...]:
        frame = {
            "type": "market",
            "assets_ids": list(symbols),
            "initial_dump": True,
            "custom_feature_enabled": custom_features,
        }
        return (orjson.dumps(frame).decode(),)

    return Venue(
        name=NAME,
        ws_url=WS_URL,
        rest_url=REST_URL,
        subscription=subscription,
        books_request=_books_request,
        rest_symbols_max=50,
        ping_text="PING",
        is_pong=_is_pong,
        ping_interval_s=ping_interval_s,
    )


def _is_pong(text: bytes) -> bool:
    return text.upper() == b"PONG"


def _books_request(symbols: Sequence[str]) -> RestRequest:
    return RestRequest("POST", "/books", orjson.dumps([{"token_id": s} for s in symbols]))
