"""Messages of Crypto.com's WebSocket of the Exchange, as its documents of 2026 have them."""

from typing import Any, Final

from bookfeed.audit.drift import Shape, Shapes

_REPLY: Final = "reply"
_NEWS: Final[Shape] = {
    "id": "n",
    "method": "s",
    "code": "n",
    "result.instrument_name": "s",
    "result.subscription": "s",
    "result.channel": "s",
}
_TIMES: Final[Shape] = {
    "result.depth": "n",
    "result.data[].t": "n",
    "result.data[].tt": "n",
    "result.data[].u": "n",
    "result.data[].cs": "n",
}

_KNOWN: Final[dict[str, Shape]] = {
    "book": {
        **_NEWS,
        **_TIMES,
        "result.data[].bids[][]": "s",
        "result.data[].asks[][]": "s",
    },
    "book.update": {
        **_NEWS,
        **_TIMES,
        "result.data[].pu": "n",
        "result.data[].update.bids[][]": "s",
        "result.data[].update.asks[][]": "s",
    },
    "trade": {
        **_NEWS,
        "result.data[].d": "s",
        "result.data[].t": "n",
        "result.data[].tn": "s",
        "result.data[].p": "s",
        "result.data[].q": "s",
        "result.data[].s": "s",
        "result.data[].i": "s",
    },
    _REPLY: {
        "id": "n",
        "method": "s",
        "code": "n",
        "channel": "s",
        "message": "s",
        "original": "s",
    },
}


def _kind(message: dict[str, Any]) -> str:
    news = message.get("result")
    return str(news.get("channel")) if isinstance(news, dict) else _REPLY


SHAPES: Final = Shapes(split=lambda frame: [frame], kind=_kind, known=_KNOWN)
