"""PolyBolt, the numbered socket of prices: what is sent to it, and its limits.

Four of its five channels want an API key, which is shown in a frame of its own. Every topic is
asked for in a frame of its own with a number (``rid``) that an error repeats.
"""

from typing import Any, Final

import orjson

from bookfeed.venues.base import Venue
from bookfeed.venues.polymarket_keys import clob_credentials
from bookfeed.venues.relay import Relay, Topic
from bookfeed.venues.secret import Secret

NAME: Final = "polybolt"
URL: Final = "wss://ws-live-v2.polymarket.com/ws"

# Channels of means; other windows have no data.
_MEANS: Final = ".twap"
_WINDOW_S: Final = 60
_TOUCHES: Final = "price.polymarket"
_EQUITIES: Final = "price.equity"
_PATIENCE_S: Final = 30.0
_EQUITY_PATIENCE_S: Final = 90.0

_NO_KEY: Final = (
    "it needs the API key of an account: export POLYMARKET_API_KEY, POLYMARKET_API_SECRET, "
    "POLYMARKET_API_PASSPHRASE and POLYMARKET_ADDRESS"
)

# Close codes: a key that is refused; too slow; draining; a limit that was exceeded.
AUTH: Final = 4001
DRAINING: Final = 4003
POLICY: Final = 4008


def _frame(op: str, topic: Topic, rid: str) -> str:
    wanted: dict[str, str | int] = {}
    if topic.name == _TOUCHES:
        wanted = dict(asset_id=topic.symbol)
    elif topic.symbol:
        wanted = dict(symbol=topic.symbol)
    if topic.name.endswith(_MEANS):
        wanted["window_seconds"] = _WINDOW_S
    wanted |= topic.filter
    asked = {"channel": topic.name, "filter": wanted}
    return orjson.dumps({"op": op, "rid": rid, "subscriptions": [asked]}).decode()


def _patience_s(topic: Topic) -> float | None:
    if topic.name == _TOUCHES:
        return None  # A token may rest.
    return _EQUITY_PATIENCE_S if topic.name.startswith(_EQUITIES) else _PATIENCE_S


def _authenticate(credentials: Any, rid: str) -> Secret:
    key = {
        "apiKey": credentials.api_key.reveal(),
        "secret": credentials.secret.reveal(),
        "passphrase": credentials.passphrase.reveal(),
    }
    return Secret(orjson.dumps({"op": "auth", "rid": rid, "auth": key}).decode())


RELAY: Final = Relay(
    venue=Venue(
        name=NAME,
        ws_url=URL,
        rest_url=None,
        subscription=lambda _symbols: (),
        ping_text='{"op":"ping"}',
        is_pong=lambda text: b'"pong"' in text,
        ping_interval_s=30.0,
        pong_timeout_s=75.0,
    ),
    subscribe=lambda topic, rid: _frame("subscribe", topic, rid),
    unsubscribe=lambda topic, rid: _frame("unsubscribe", topic, rid),
    patience_s=_patience_s,
    needs_key=lambda topic: topic.name != _TOUCHES,
    authenticate=_authenticate,
    credentials=clob_credentials,
    no_key=_NO_KEY,
    topics_max=64,
    frames_burst=5,
    frame_interval_s=0.11,
    silence_s=_PATIENCE_S,
    touch_topic=_TOUCHES,
    denied_codes=frozenset((AUTH, POLICY)),
    draining_codes=frozenset((DRAINING,)),
)
