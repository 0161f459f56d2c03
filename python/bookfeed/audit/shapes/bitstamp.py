"""Messages of Bitstamp's WebSocket, as recorded in January 2022 and documented since."""

from typing import Any, Final

from bookfeed.audit.drift import Shape, Shapes

_REPLY: Final = "reply"
_BOOK: Final[Shape] = {
    "event": "s",
    "channel": "s",
    "data.timestamp": "s",
    "data.microtimestamp": "s",
    "data.bids[][]": "s",
    "data.asks[][]": "s",
}

_KNOWN: Final[dict[str, Shape]] = {
    "diff_order_book": _BOOK,
    "order_book": _BOOK,
    "live_trades": {
        "event": "s",
        "channel": "s",
        "data.id": "n",
        "data.timestamp": "s",
        "data.amount": "n",
        "data.amount_str": "s",
        "data.price": "n",
        "data.price_str": "s",
        "data.type": "n",
        "data.microtimestamp": "s",
        "data.buy_order_id": "n",
        "data.sell_order_id": "n",
    },
    _REPLY: {
        "event": "s",
        "channel": "s",
        "data": "0e",
        "data.status": "s",
        "data.code": "n0",
        "data.message": "s",
    },
}


def _kind(message: dict[str, Any]) -> str:
    if str(message.get("event")).startswith("bts:"):
        return _REPLY
    return str(message.get("channel")).rpartition("_")[0]


SHAPES: Final = Shapes(split=lambda frame: [frame], kind=_kind, known=_KNOWN)
