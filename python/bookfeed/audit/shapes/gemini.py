"""Messages of Gemini's fast WebSocket, as documented in 2026, and of version 2, as recorded."""

from typing import Any, Final

from bookfeed.audit.drift import Shape, Shapes

_REPLY: Final = "reply"
_DEPTH: Final = "depthUpdate"
_TICKER: Final = "bookTicker"
_TRADE: Final = "trade"
_PARTIAL: Final = "partial_depth"

_KNOWN: Final[dict[str, Shape]] = {
    _DEPTH: {"e": "s", "E": "n", "s": "s", "U": "n", "u": "n", "b[][]": "s", "a[][]": "s"},
    _TICKER: {
        "u": "n",
        "E": "n",
        "s": "s",
        "b": "s",
        "B": "s",
        "a": "s",
        "A": "s",
        "c": "s",
        "C": "s",
    },
    _TRADE: {"E": "n", "s": "s", "t": "n", "p": "s", "q": "s", "m": "b"},
    _PARTIAL: {"lastUpdateId": "n", "bids[][]": "s", "asks[][]": "s"},
    "l2_updates": {
        "type": "s",
        "symbol": "s",
        "changes[][]": "s",
        "auction_events": "e",
        "trades[].type": "s",
        "trades[].symbol": "s",
        "trades[].event_id": "n",
        "trades[].tid": "n",
        "trades[].timestamp": "n",
        "trades[].price": "s",
        "trades[].quantity": "s",
        "trades[].side": "s",
    },
    "l2_trade": {
        "type": "s",
        "symbol": "s",
        "event_id": "n",
        "tid": "n",
        "timestamp": "n",
        "price": "s",
        "quantity": "s",
        "side": "s",
    },
    "heartbeat": {"type": "s", "timestamp": "n"},
    _REPLY: {
        "id": "sn0",
        "status": "n",
        "result": "e0",
        "error": "s",
        "error.code": "n",
        "error.msg": "s",
    },
}


def _kind(message: dict[str, Any]) -> str:
    kind = message.get("e", message.get("type"))
    if kind == "trade" and "type" in message:
        return "l2_trade"
    if kind is not None:
        return str(kind)
    if "B" in message:
        return _TICKER
    if "lastUpdateId" in message:
        return _PARTIAL
    return _TRADE if "t" in message else _REPLY


SHAPES: Final = Shapes(split=lambda frame: [frame], kind=_kind, known=_KNOWN)
