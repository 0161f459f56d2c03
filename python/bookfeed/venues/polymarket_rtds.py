"""RTDS, the real-time data socket: what is sent to it.

A topic and a type are the key; one unknown topic silences all others of its frame, so each has a
frame of its own. Filters are JSON in a string that is compared as it stands: no blanks. The socket
never answers its heartbeat, and stops telling anything without it; only data shows that it lives.
"""

from typing import Final

import orjson

from bookfeed.venues.base import Venue
from bookfeed.venues.relay import Relay, Topic

NAME: Final = "rtds"
URL: Final = "wss://ws-live-data.polymarket.com"

# What is asked for where a topic says no type.
_TYPES: Final = {"activity": "orders_matched", "comments": "*", "rfq": "*"}
_PRICES: Final = ("crypto_prices", "equity_prices")
_EQUITIES: Final = "equity_prices"
_PATIENCE_S: Final = 15.0
# Shares rest outside hours; what is carried forward comes rarely.
_EQUITY_PATIENCE_S: Final = 90.0
# No answer to a heartbeat ever comes.
_NEVER_S: Final = 366 * 86_400.0


def _frame(action: str, topic: Topic) -> str:
    of_type = topic.type or _TYPES.get(topic.name, "update")
    asked: dict[str, str] = {"topic": topic.name, "type": of_type}
    wanted = dict(topic.filter)
    if topic.symbol:
        wanted["symbol"] = topic.symbol
    if wanted:
        asked["filters"] = orjson.dumps(wanted).decode()
    return orjson.dumps({"action": action, "subscriptions": [asked]}).decode()


def _patience_s(topic: Topic) -> float | None:
    if topic.name == _EQUITIES:
        return _EQUITY_PATIENCE_S
    if topic.name.startswith(_PRICES) or (topic.name == "activity" and not topic.filter):
        return _PATIENCE_S
    return None


RELAY: Final = Relay(
    venue=Venue(
        name=NAME,
        ws_url=URL,
        rest_url=None,
        subscription=lambda _symbols: (),
        ping_text="PING",
        is_pong=lambda text: text.lower() == b"pong",
        ping_interval_s=5.0,
        pong_timeout_s=_NEVER_S,
    ),
    subscribe=lambda topic, _rid: _frame("subscribe", topic),
    unsubscribe=lambda topic, _rid: _frame("unsubscribe", topic),
    patience_s=_patience_s,
    needs_key=lambda _topic: False,
    authenticate=None,
    credentials=lambda: None,
    no_key="",
    topics_max=100,
    frames_burst=10,
    frame_interval_s=0.05,
    silence_s=_PATIENCE_S,
)
