"""picows on trial, when it is imported: whether it does what the listener rests on.

Part of that is no promise of picows: how it tells that it refused a frame, and in which order.
``Conversation`` is a connection through picows without socket and event loop, which any bytes can
be said on; ``difference`` says what the installed one does otherwise than the one that is known.
"""

import asyncio
import base64
import functools
import hashlib
import logging
import struct
from collections.abc import Callable
from typing import Any, Final

from picows import WSAutoPingStrategy, WSListener, picows

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SIZE_MAX: Final = 1000


class _Future:
    """A future that nobody waits for."""

    _done = False

    def done(self) -> bool:
        return self._done

    def exception(self) -> None:
        return None

    def set_result(self, result: object) -> None:
        self._done = True

    set_exception = set_result


class _Later:
    """A call that never comes."""

    def cancel(self) -> None:
        """It does not anyway."""


class _Loop:
    """What is asked of an event loop during a read; ``soon`` is what is to come after it."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []

    def create_future(self) -> _Future:
        return _Future()

    def call_later(self, *_: object) -> _Later:
        return _Later()

    def call_soon(self, call: Callable[..., object], *args: object) -> _Later:
        self.soon.append(lambda: call(*args))
        return _Later()


class _Socket:
    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: object) -> None:
        """There are no options."""

    def getsockopt(self, *_: object) -> int:
        return 0


class _Transport:
    """Keeps what is written. It passes for TLS: else picows writes to the socket's number."""

    def __init__(self) -> None:
        self.written = b""

    def get_extra_info(self, name: str) -> object:
        return _Socket() if name == "socket" else name

    def write(self, data: bytes) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to close."""

    abort = close


class ComplaintLog(logging.LoggerAdapter[logging.Logger]):
    """Notes what picows complains of, and logs nothing."""

    def __init__(self, notes: list[object]) -> None:
        super().__init__(logging.getLogger("bookfeed.live.session.picows"), {})
        self._notes = notes

    def isEnabledFor(self, level: int) -> bool:
        return False

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self._notes.append(args[0] if len(args) == 1 else args)

    exception = error


class Conversation:
    """A client's connection, already open. What picows complains of goes to ``complaints``."""

    def __init__(
        self,
        listener: WSListener,
        complaints: list[object],
        *,
        size_max: int = _SIZE_MAX,
        log: logging.LoggerAdapter[logging.Logger] | None = None,
    ) -> None:
        self._transport: Final = _Transport()
        self._loop: Final = _Loop()
        protocol: Any = vars(picows)["WSProtocol"]
        log = ComplaintLog(complaints) if log is None else log
        self._protocol: Any = self._on_loop(
            lambda: protocol(
                "localhost", "/", True, lambda *_: listener, log, False, None, False, 1.0, 1.0,
                WSAutoPingStrategy.PING_WHEN_IDLE, False, size_max, None, 4096,
            )
        )  # fmt: skip
        self._on_loop(lambda: self._protocol.connection_made(self._transport))
        key = self._transport.written.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accepted = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self._transport.written = b""
        self.hear(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
        )

    @property
    def said(self) -> bytes:
        """What the client wrote since its handshake, masked as it does."""
        return self._transport.written

    def hear(self, data: bytes) -> None:
        """One socket read of ``data``, or several if the buffer of picows does not hold it."""
        while data:
            buffer = self._protocol.get_buffer(-1)
            part, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(part)] = part
            buffer.release()
            self._on_loop(functools.partial(self._protocol.buffer_updated, len(part)))
            while self._loop.soon:
                self._on_loop(self._loop.soon.pop(0))

    def _on_loop(self, work: Callable[[], Any]) -> Any:
        """picows asks for the running loop, and asyncio knows only what it is told."""
        running = asyncio._get_running_loop()  # noqa: SLF001 - meant for loops, which this is
        asyncio._set_running_loop(self._loop)  # type: ignore[arg-type]  # noqa: SLF001
        try:
            return work()
        finally:
            asyncio._set_running_loop(running)  # noqa: SLF001


def server_frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a server sends it."""
    head = bytes((0x80 | opcode,))
    if len(payload) < 126:
        return head + bytes((len(payload),)) + payload
    return head + struct.pack("!BH", 126, len(payload)) + payload


class _Witness(WSListener):
    """Notes which frames come."""

    def __init__(self, notes: list[object]) -> None:
        self._notes = notes

    def on_ws_frame(self, transport: object, frame: Any) -> None:
        self._notes.append((frame.msg_type.value, frame.get_payload_as_bytes()))


def difference() -> str:
    """What the installed picows does otherwise than the listener needs; empty if nothing."""
    try:
        return _complaint() or _size()
    except Exception as error:  # whatever it has become, it is not the one that is known
        return f"a conversation through it fails: {error!r}"


def _heard(data: bytes) -> list[object]:
    notes: list[object] = []
    Conversation(_Witness(notes), notes).hear(data)
    return notes


def _complaint() -> str:
    """A refused frame is an error line in the same read, with its close code."""
    match _heard(server_frame(1, b"good") + server_frame(3, b"no such type")):
        case [(1002, str()), (1, b"good")] | [(1, b"good"), (1002, str())]:
            return ""
        case other:
            return f"a frame that it refuses shows as {other!r}"


def _size() -> str:
    """One that is too long says how long it is, and how long it may be."""
    match _heard(server_frame(1, b"x" * (_SIZE_MAX + 1))):
        case [(1009, str(text))] if f"{_SIZE_MAX + 1} > {_SIZE_MAX}" in text:
            return ""
        case other:
            return f"a frame that is too long shows as {other!r}"
