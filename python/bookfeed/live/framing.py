"""RFC 6455 message assembly: what a WebSocket message is, decided strictly and without I/O.

The socket layer hands over single frames. ``MessageAssembler`` joins the frames of a fragmented
text message, lets control frames through between them, and refuses what the protocol forbids with
the close code the protocol names. It is the slow path: a whole text frame that arrives outside any
fragmented message needs none of this and never comes here.

Binary messages are refused with 1003. No venue served here sends one, and a message that cannot
be read may have changed a book.
"""

import codecs
from enum import IntEnum
from typing import Final

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
CONTROL_BYTES_MAX: Final = 125
# What a close frame may say besides its code.
REASON_BYTES_MAX: Final = CONTROL_BYTES_MAX - 2

# Codes a peer may put on the wire (RFC 6455 section 7.4 and the registry); 3000 to 4999 besides.
_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))


class Opcode(IntEnum):
    """Frame types of RFC 6455."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """The close codes this client sends."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011


# What is reported for a connection that ended without a close frame; never sent.
CLOSE_CODE_ABNORMAL: Final = 1006
CLOSE_CODE_ABSENT: Final = 1005


class ProtocolViolation(Exception):
    """The peer broke the protocol; ``code`` is the close code to answer with."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def too_big(size: int | str, most: int | str) -> ProtocolViolation:
    """A message of ``size`` bytes, or of more, where ``most`` are taken; says what to do."""
    return ProtocolViolation(
        CloseCode.TOO_BIG,
        f"a message of {size} bytes is more than is taken, {most} (close code 1009): raise "
        "frame_bytes_max in [feed] or SessionOptions",
    )


def check_text(payload: bytes) -> None:
    """Raise ``ProtocolViolation`` (1007) unless ``payload`` is valid UTF-8."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise ProtocolViolation(
            CloseCode.INVALID_TEXT, f"invalid UTF-8 at byte {error.start}"
        ) from None


def may_close_with(code: int) -> bool:
    """Whether a peer may put the close code on the wire."""
    return code in _CLOSE_CODES or 3000 <= code <= 4999


def close_reason(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame; raise ``ProtocolViolation`` if it is malformed."""
    if not payload:
        return CLOSE_CODE_ABSENT, ""
    if len(payload) == 1:
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "close frame of one byte")
    code = int.from_bytes(payload[:2])
    if not may_close_with(code):
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, f"close code {code} is not allowed")
    check_text(payload[2:])
    return code, payload[2:].decode()


class MessageAssembler:
    """Turns the frames of one connection into whole messages."""

    __slots__ = ("_begun", "_decoder", "_max_bytes")

    def __init__(self, max_bytes: int = MESSAGE_BYTES_MAX) -> None:
        self._max_bytes = max_bytes
        # Not a list of fragments: a peer may send any number of them, and empty ones, too.
        self._begun: bytearray | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def open(self) -> bool:
        """Whether a fragmented message has begun and not ended."""
        return self._begun is not None

    def frame(self, opcode: int, fin: bool, reserved: bool, payload: bytes) -> bytes | None:
        """Take one frame and return the text message it completes, if it completes one.

        Control frames (ping, pong, close) are only checked; acting on them is the caller's.
        Raises ``ProtocolViolation``; after that the assembler is of no further use.
        """
        if reserved:
            raise ProtocolViolation(
                CloseCode.PROTOCOL_ERROR, "reserved bit set, and no extension was negotiated"
            )
        if opcode >= Opcode.CLOSE:
            _check_control(opcode, fin, payload)
            return None
        if opcode == Opcode.CONTINUATION:
            if self._begun is None:
                raise ProtocolViolation(
                    CloseCode.PROTOCOL_ERROR, "continuation without a message to continue"
                )
            return self._extend(self._begun, payload, fin)
        if self._begun is not None:
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "new message inside a fragmented one")
        if opcode == Opcode.BINARY:
            raise ProtocolViolation(CloseCode.UNSUPPORTED_DATA, "binary message")
        if opcode != Opcode.TEXT:
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, f"unknown opcode {opcode}")
        self._begun = bytearray()
        return self._extend(self._begun, payload, fin)

    def _extend(self, begun: bytearray, payload: bytes, fin: bool) -> bytes | None:
        size = len(begun) + len(payload)
        if size > self._max_bytes:
            raise too_big(size, self._max_bytes)
        try:
            # Decoded piece by piece to fail at the first bad byte, which may be long before
            # the end; the text itself is not wanted.
            self._decoder.decode(payload, fin)
        except UnicodeDecodeError:
            raise ProtocolViolation(CloseCode.INVALID_TEXT, "invalid UTF-8") from None
        begun += payload
        if not fin:
            return None
        self._begun = None
        self._decoder.reset()
        return bytes(begun)


def _check_control(opcode: int, fin: bool, payload: bytes) -> None:
    if opcode > Opcode.PONG:
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, f"unknown opcode {opcode}")
    if not fin:
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR, "fragmented control frame")
    if len(payload) > CONTROL_BYTES_MAX:
        raise ProtocolViolation(
            CloseCode.PROTOCOL_ERROR, f"control frame larger than {CONTROL_BYTES_MAX} bytes"
        )
    if opcode == Opcode.CLOSE:
        close_reason(payload)
