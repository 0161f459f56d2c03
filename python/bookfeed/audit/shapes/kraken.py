"""Messages of Kraken's WebSocket of version 2, as its documents of 2026 have them."""

from typing import Final

from bookfeed.audit.drift import Shape, Shapes

_DATA: Final[Shape] = {"channel": "s", "type": "s"}
_LEVELS: Final[Shape] = {
    f"data[].{side}[].{name}": "n" for side in ("bids", "asks") for name in ("price", "qty")
}
_REPLY: Final = "reply"

_KNOWN: Final[dict[str, Shape]] = {
    "book": {
        **_DATA,
        **_LEVELS,
        "data[].symbol": "s",
        "data[].checksum": "n",
        "data[].timestamp": "s",
    },
    "trade": {
        **_DATA,
        "data[].symbol": "s",
        "data[].side": "s",
        "data[].price": "n",
        "data[].qty": "n",
        "data[].ord_type": "s",
        "data[].trade_id": "n",
        "data[].timestamp": "s",
    },
    "status": {
        **_DATA,
        "data[].api_version": "s",
        "data[].connection_id": "n",
        "data[].system": "s",
        "data[].version": "s",
    },
    "heartbeat": {"channel": "s"},
    _REPLY: {
        "method": "s",
        "req_id": "n",
        "success": "b",
        "error": "s",
        "symbol": "s",
        "time_in": "s",
        "time_out": "s",
        "result.*": "snb",
        "result.warnings[]": "s",
        "warnings[]": "s",
    },
}

SHAPES: Final = Shapes(
    split=lambda frame: [frame],
    kind=lambda message: _REPLY if "method" in message else str(message.get("channel")),
    known=_KNOWN,
)
