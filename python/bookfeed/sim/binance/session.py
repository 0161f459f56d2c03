"""One connection to the simulated Binance, without its socket: streams, commands, their limits.

The path says what the connection begins with, ``/ws/<stream>`` one stream told bare,
``/stream?streams=a/b`` several told in an envelope; commands change both. A stream that nobody has
heard of is taken and stays silent.
"""

import json
from collections import deque
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from bookfeed.sim.binance import wire
from bookfeed.sim.binance.venue import SimBinance
from bookfeed.sim.binance.wire import DEPTH_PERIODS_MS, SHUTDOWN, Message
from bookfeed.sim.spot_faults import Out

STREAMS_MAX: Final = 1_024
MESSAGES_PER_S_MAX: Final = 5
_ID_CHARS_MAX: Final = 36
_METHODS: Final = (
    "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY",
)  # fmt: skip


class _Refused(Exception):
    """A command that is answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class BinanceSession:
    """The venue's end of one connection; ``path`` is that of the handshake, query included.

    ``ValueError`` for a path that leads nowhere.
    """

    def __init__(self, venue: SimBinance, conn: int, path: str) -> None:
        self.conn = conn
        self.streams: dict[str, None] = {}
        """What is subscribed to, in order."""
        self._venue = venue
        self._said_ms: deque[int] = deque()
        where, _, query = path.partition("?")
        options = parse_qs(query)
        self.micros = options.get("timeUnit", [""])[0].upper() == "MICROSECOND"
        if where == "/stream":
            self.combined = True
            begin = options.get("streams", [""])[0].split("/")
        elif where == "/ws" or where.startswith("/ws/"):
            self.combined = False
            begin = unquote(where[4:]).split("/")
        else:
            raise ValueError(f"nothing is at {where}")
        self.streams.update((stream, None) for stream in begin if stream)

    # what the venue says

    def carry(self, message: Message) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        if message.stream not in self.streams and message.kind != SHUTDOWN:
            return None
        text = message.text(self.micros)
        if self.combined:
            text = wire.wrapped(message.stream, text)
        return Out(
            text.encode(),
            message.kind,
            message.symbol,
            message.first,
            message.last,
            message.kind in DEPTH_PERIODS_MS,
        )

    # what the client says

    def flooded(self, now_ms: int) -> bool:
        """Counts one more frame of the client's, pings and pongs too: is it one too many?"""
        said = self._said_ms
        while said and said[0] <= now_ms - 1_000:
            said.popleft()
        said.append(now_ms)
        return len(said) > MESSAGES_PER_S_MAX

    def receive(self, text: bytes | str) -> Out:
        """Acts on one command; returns the answer."""
        try:
            request = json.loads(text)
        except ValueError:
            return _reply({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})
        id = request.get("id") if isinstance(request, dict) else None
        try:
            return _reply({"result": self._act(request), "id": _checked(id)})
        except _Refused as refusal:
            return _reply({"code": refusal.code, "msg": str(refusal), "id": id})

    def _act(self, request: object) -> Any:
        if not isinstance(request, dict):
            raise _Refused(2, "Invalid request: an object is expected")
        method, params = request.get("method"), request.get("params", [])
        if method not in _METHODS:
            known = ", ".join(_METHODS)
            raise _Refused(2, f"Invalid request: unknown variant {method}, expected one of {known}")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.streams)
        if not isinstance(params, list):
            raise _Refused(2, "Invalid request: params must be an array")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(params, method == "SET_PROPERTY")
        if not params or not all(isinstance(stream, str) for stream in params):
            raise _Refused(2, "Invalid request: stream names must be strings")
        if method == "UNSUBSCRIBE":
            for stream in params:
                self.streams.pop(stream, None)
            return None
        if len({*self.streams, *params}) > STREAMS_MAX:
            raise _Refused(2, f"Invalid request: at most {STREAMS_MAX} streams a connection")
        self.streams.update(dict.fromkeys(params))
        return None

    def _property(self, params: list[Any], change: bool) -> bool | None:
        if not params or params[0] != "combined":
            raise _Refused(0, "Unknown property")
        if not change:
            return self.combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise _Refused(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None


def _checked(id: object) -> object:
    """The id of a command: an integer of 64 bits, a short string, or nothing."""
    if (isinstance(id, str) and len(id) <= _ID_CHARS_MAX) or id is None:
        return id
    if isinstance(id, int) and not isinstance(id, bool) and -(1 << 63) <= id < 1 << 63:
        return id
    raise _Refused(2, "Invalid request: request ID must be an integer, a short string or null")


def _reply(body: dict[str, Any]) -> Out:
    return Out(wire.dump(body).encode(), "reply")
