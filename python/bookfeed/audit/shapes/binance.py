"""Messages of Binance's spot streams, as its documents of 2026 have them; Binance.US likewise."""

from typing import Any, Final

from bookfeed.audit.drift import Shape, Shapes

_REPLY: Final = "reply"
_TOUCH: Final = "bookTicker"

_KNOWN: Final[dict[str, Shape]] = {
    "depthUpdate": {"e": "s", "E": "n", "s": "s", "U": "n", "u": "n", "b[][]": "s", "a[][]": "s"},
    "trade": {
        "e": "s",
        "E": "n",
        "s": "s",
        "t": "n",
        "p": "s",
        "q": "s",
        "b": "n",
        "a": "n",
        "T": "n",
        "m": "b",
        "M": "b",
    },
    _TOUCH: {"u": "n", "s": "s", "b": "s", "B": "s", "a": "s", "A": "s"},
    "serverShutdown": {"e": "s", "E": "n"},
    _REPLY: {
        "result": "0",
        "result[]": "s",
        "id": "ns0",
        "error.code": "n",
        "error.msg": "s",
        "code": "n",
        "msg": "s",
        "status": "n",
    },
}


def _split(frame: Any) -> list[Any]:
    """A combined connection wraps its messages."""
    wrapped = isinstance(frame, dict) and frame.keys() == {"stream", "data"}
    return [frame["data"] if wrapped else frame]


def _kind(message: dict[str, Any]) -> str:
    if "e" in message:
        return str(message["e"])
    return _TOUCH if {"u", "B", "A"} <= message.keys() else _REPLY


SHAPES: Final = Shapes(split=_split, kind=_kind, known=_KNOWN)
