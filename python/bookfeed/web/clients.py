"""One WebSocket client: what it may send, and what becomes of it if it does not read.

Messages go to a thousand clients as they go to one: the frame is made once, plain and deflated, and
handed to each socket. A client whose socket does not take more misses messages, and has what it
missed as a whole when it reads again; one that reads nothing for some seconds is cut.
"""

import zlib
from typing import Any, Final

import orjson
from aiohttp import WSCloseCode, web

from bookfeed.web.formats import Format, as_msgpack

COMMAND_BYTES_MAX: Final = 4_096
COMMANDS_A_SECOND: Final = 20
DEPTH_MAX: Final = 16
"""How deep JSON of a command may be nested."""
WAITING_BYTES_MAX: Final = 256 * 1024
"""What may wait in the buffer of a socket before messages are left out."""
STALLED_S: Final = 5.0
"""A client that takes nothing for so long is cut, and so is one that is behind for so long."""
HEARTBEAT_S: Final = 10.0
"""A client that has said nothing for so long is asked whether it is there."""
PONG_S: Final = 5.0
"""How long it may take to answer."""

_PING: Final = b"\x89\x00"
# The first byte of a message: whole, of text or bytes, and whether it is deflated.
_FIRST: Final[dict[Format, int]] = {"json": 0x81, "msgpack": 0x82}
_DEFLATED: Final = 0x40
# Shorter messages grow by being deflated.
_DEFLATE_BYTES_MIN: Final = 128


class Frame:
    """One message as it goes out, the same bytes to everybody; made once a format and window."""

    def __init__(self, content: object) -> None:
        self._payload: Final = content if isinstance(content, bytes) else orjson.dumps(content)
        self._made: Final[dict[tuple[Format, int], bytes]] = {}

    def packed(self, window_bits: int, wanted: Format = "json") -> bytes:
        """The frame; ``window_bits`` is 0 for who takes nothing deflated.

        Each message begins with an empty window, which the other side need not know.
        """
        if len(self._payload) < _DEFLATE_BYTES_MIN:
            window_bits = 0
        made = self._made.get((wanted, window_bits))
        if made is None:
            made = self._made[wanted, window_bits] = self._make(window_bits, wanted)
        return made

    def _make(self, window_bits: int, wanted: Format) -> bytes:
        payload = as_msgpack(self._payload) if wanted == "msgpack" else self._payload
        if not window_bits:
            return _framed(_FIRST[wanted], payload)
        packer = zlib.compressobj(1, zlib.DEFLATED, -max(window_bits, 9))
        packed = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
        return _framed(_FIRST[wanted] | _DEFLATED, packed[:-4])


def _framed(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


class Refused(Exception):
    """What a client sent ends its connection, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code: Final = code
        self.reason: Final = reason


class Client:
    """One client; ``now_s`` in its methods is a time that does not pass while the server is busy,
    so that nobody is cut for what the server did not get to read.
    """

    __slots__ = (
        "_asked_s",
        "_commands",
        "_format",
        "_heard_s",
        "_left",
        "_second",
        "_sent",
        "_taken_s",
        "_transport",
        "_window_bits",
        "cut",
        "dropped",
        "missed",
        "socket",
        "subscriptions",
    )

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: Any,
        now_s: float,
        wanted: Format = "json",
    ) -> None:
        self.socket: Final = socket
        self._format: Final = wanted
        self._transport: Final = transport
        self._window_bits: Final[int] = socket.compress or 0
        self._taken_s = self._heard_s = self._asked_s = now_s
        self._sent = self._left = 0
        self._second = 0
        self._commands = 0
        self.subscriptions: Final[set[Any]] = set()
        self.missed: Final[set[Any]] = set()
        """Subscriptions of which it has missed messages."""
        self.dropped = 0
        """Messages that it has missed."""
        self.cut = False

    @property
    def behind(self) -> bool:
        """Whether its socket takes no more for now."""
        waiting: int = self._transport.get_write_buffer_size()
        return waiting > WAITING_BYTES_MAX

    def send(self, frame: Frame, subscription: object) -> None:
        """Send a message, or remember that it was missed."""
        transport = self._transport
        if transport.is_closing() or self.cut:
            return
        if transport.get_write_buffer_size() > WAITING_BYTES_MAX:
            self.dropped += 1
            if subscription is not None:
                self.missed.add(subscription)
            return
        packed = frame.packed(self._window_bits, self._format)
        self._sent += len(packed)
        transport.write(packed)

    def heard(self, now_s: float) -> None:
        """It has said something, if only that it is there."""
        self._heard_s = now_s

    def lost(self, now_s: float) -> bool:
        """Whether it takes nothing, or always too little, or answers no ping, and is cut."""
        waiting = self._transport.get_write_buffer_size()
        left = self._sent - waiting
        if not waiting or (left > self._left and waiting <= WAITING_BYTES_MAX):
            self._taken_s = now_s
        self._left = left
        silent_s = now_s - self._heard_s
        if now_s - self._taken_s < STALLED_S and silent_s < HEARTBEAT_S + PONG_S:
            if silent_s >= HEARTBEAT_S and self._asked_s <= self._heard_s:
                self._ask(now_s)
            return False
        self.cut = True
        # It reads nothing, so a close frame would wait as all else does.
        self._transport.abort()
        return True

    def _ask(self, now_s: float) -> None:
        self._asked_s = now_s
        if not self._transport.is_closing():
            self._sent += len(_PING)
            self._transport.write(_PING)

    def leave(self) -> None:
        """Its conversation is over: let go of a connection that would never be closed."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()

    def command(self, text: str, loop_s: float) -> dict[str, Any]:
        """What a message says; raises ``Refused`` for one that may not be."""
        if int(loop_s) != self._second:
            self._second, self._commands = int(loop_s), 0
        self._commands += 1
        if self._commands > COMMANDS_A_SECOND:
            raise Refused(WSCloseCode.POLICY_VIOLATION, "too many messages a second")
        if _nested(text) > DEPTH_MAX:
            raise Refused(WSCloseCode.POLICY_VIOLATION, "nested too deeply")
        try:
            said = orjson.loads(text)
        except ValueError:
            raise Refused(WSCloseCode.POLICY_VIOLATION, "no JSON") from None
        if not isinstance(said, dict):
            raise Refused(WSCloseCode.POLICY_VIOLATION, "no JSON object")
        return said


def _nested(text: str) -> int:
    """How deep brackets are nested, those in texts included: it errs on the safe side."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
