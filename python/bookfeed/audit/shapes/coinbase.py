"""Messages of Coinbase's Advanced Trade WebSocket, as recorded in August 2026."""

from typing import Final

from bookfeed.audit.drift import Shape, Shapes

_NUMBERED: Final[Shape] = {"channel": "s", "timestamp": "s", "sequence_num": "n"}
_EVENT: Final = "events[]"
_LEVEL: Final = ("side", "event_time", "price_level", "new_quantity")
_TRADE: Final = ("product_id", "trade_id", "price", "size", "time", "side")

_KNOWN: Final[dict[str, Shape]] = {
    "l2_data": {
        **_NUMBERED,
        f"{_EVENT}.type": "s",
        f"{_EVENT}.product_id": "s",
        **{f"{_EVENT}.updates[].{name}": "s" for name in _LEVEL},
    },
    "market_trades": {
        **_NUMBERED,
        f"{_EVENT}.type": "s",
        **{f"{_EVENT}.trades[].{name}": "s" for name in _TRADE},
    },
    "heartbeats": {
        **_NUMBERED,
        f"{_EVENT}.current_time": "s",
        f"{_EVENT}.heartbeat_counter": "n",
    },
    "subscriptions": {
        **_NUMBERED,
        **{
            f"{_EVENT}.subscriptions.{channel}[]": "s"
            for channel in ("level2", "market_trades", "heartbeats")
        },
    },
    "error": {"type": "s", "message": "s"},
}

SHAPES: Final = Shapes(
    split=lambda frame: [frame],
    kind=lambda message: str(message.get("channel", message.get("type"))),
    known=_KNOWN,
)
