"""The path of every frame: from the socket layer into the engine.

``FeedListener`` hands whole text frames to the engine and has the records drained at the end of
each socket read, and in a long one in between. It is written for speed and does nothing else; what
is not an ordinary text frame goes to the message assembler. ``native.py`` has one that does the
same without Python for each frame: what it does is decided here.

Whatever goes wrong here, the books of the connection leave ``live`` first: frames already
buffered are delivered even after a callback raised, so the engine has to know before they come.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from picows import WSFrame, WSListener, WSMsgType, WSTransport
from picows.version import __version__ as PICOWS_INSTALLED

from bookfeed._bookfeed import FrameIntake
from bookfeed.live import trial
from bookfeed.live.framing import (
    CLOSE_CODE_ABNORMAL,
    CloseCode,
    MessageAssembler,
    Opcode,
    ProtocolViolation,
    check_text,
    close_reason,
    may_close_with,
    too_big,
)
from bookfeed.venues.base import Venue

if TYPE_CHECKING:
    from bookfeed.live.session import Session

# Bare text messages of a venue are shorter than this; market data never is.
BARE_TEXT_BYTES_MAX: Final = FrameIntake.BARE_TEXT_BYTES_MAX
# Bytes that may wait for a peer that does not read; a subscription has some 100,000.
UNREAD_BYTES_MAX: Final = 1 << 20

PICOWS_VERSION: Final = "2.3"

_TEXT: Final = WSMsgType.TEXT
# Refused frames are learned from what picows logs (``PicowsLog``): no promise of its interface, so
# only the versions are taken whose behaviour the tests know, and only if it still is that.
if PICOWS_INSTALLED.split(".")[:2] != PICOWS_VERSION.split("."):
    raise ImportError(
        f"bookfeed needs picows {PICOWS_VERSION}, not {PICOWS_INSTALLED}: "
        f"pip install 'picows=={PICOWS_VERSION}.*'"
    )
if _behaves_otherwise := trial.difference():
    raise ImportError(
        f"picows {PICOWS_INSTALLED} does not behave as bookfeed needs it: {_behaves_otherwise}; "
        f"install another release: pip install 'picows=={PICOWS_VERSION}.*'"
    )

# How big a frame was and how big one may be, as the socket layer says it.
_SIZES: Final = re.compile(r"(\d+) > (\d+)")
_JSON_STARTS: Final = (b"[", b"{")


class SlottedListener(WSListener):
    """Where compiled code finds the intake of a listener, if it has one: nothing else is here."""

    __slots__ = ("intake",)
    intake: Any


class FeedListener(SlottedListener):
    """Receives the frames of one connection attempt and hands them to the engine."""

    __slots__ = (
        "_assembler",
        "_begin",
        "_conn",
        "_flush",
        "_inputs",
        "_is_pong",
        "_pending",
        "_plain",
        "_session",
        "_since_ns",
        "_ts",
        "active",
        "close_code",
        "close_reason",
        "data_ns",
        "heard_ns",
        "native",
        "transport",
        "violation",
    )

    def __init__(self, session: "Session", venue: Venue) -> None:
        self._session = session
        self._conn = session.conn
        self._inputs = session.inputs
        self._flush = session.host.flush
        self._begin = session.clock.now_ns
        self._is_pong = venue.is_pong
        self._assembler = MessageAssembler(session.frame_bytes_max)
        self.transport: WSTransport | None = None
        # Whether ordinary frames are taken without Python.
        self.native = False
        # Whether this attempt is the session's present one.
        self.active = True
        # Whether the next whole text frame can be taken as it is: active, nothing fragmented.
        self._plain = True
        # Receive time of the socket read in progress; 0 between reads.
        self._ts = 0
        # Since when records may have waited in this read, by a clock of its own.
        self._since_ns = 0
        self._pending = 0
        self.data_ns = 0
        # When something else came; all of it shows that the venue is there.
        self.heard_ns = 0
        self.close_code = CLOSE_CODE_ABNORMAL
        self.close_reason = ""
        self.violation: ProtocolViolation | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is complete."""
        self.transport = transport
        self._session.on_opened(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone."""
        self._session.on_closed(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame. Ordinary text frames take the first branch and leave."""
        try:
            ts = self._ts
            if not ts:
                ts = self._ts = self._begin()
                self._since_ns = time.monotonic_ns()
            if (
                self._plain
                and frame.fin
                and frame.msg_type is _TEXT
                and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
            ):
                payload = frame.get_payload_as_bytes()
                if len(payload) > BARE_TEXT_BYTES_MAX and payload.isascii():
                    ingest = self._inputs.ingest  # anew each time: it changes with taps
                    self._pending = ingest(self._conn, payload, ts)
                    self.data_ns = ts
                else:
                    self._text(payload, ts)
            elif self.active:
                self._uncommon(frame, ts)
            else:
                self._late(frame)
            if frame.last_in_buffer:
                self._end_read()
            elif self._pending and self._overdue():
                self._hand_over()
                self._since_ns = time.monotonic_ns()
        except ProtocolViolation as violation:
            self._ts = 0
            self._session.on_violation(self, violation)
        except BaseException as error:  # nothing may escape into the socket layer
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self._ts = 0
        self._session.on_error(self, error)

    def _end_read(self) -> None:
        self._ts = 0
        if self.violation is not None and self.active:
            raise self.violation
        if self._pending:
            self._hand_over()

    def _overdue(self) -> bool:
        """Whether records should not wait for the end of the read: a socket may have megabytes."""
        waited_ns = time.monotonic_ns() - self._since_ns
        return self._pending >= FrameIntake.DRAIN_RECORDS_MAX or (
            waited_ns >= FrameIntake.DRAIN_AFTER_NS
        )

    def _hand_over(self) -> None:
        self._pending = 0
        self._flush(self._conn)

    def _text(self, payload: bytes, ts: int) -> None:
        """A whole text message that is short or not plain ASCII."""
        check_text(payload)
        if not payload:
            return  # An empty message says nothing, not even something malformed.
        if len(payload) > BARE_TEXT_BYTES_MAX:
            self.data_ns = ts
        else:
            self._remark(payload, ts)
        self._pending = self._inputs.ingest(self._conn, payload, ts)

    def _remark(self, payload: bytes, ts: int) -> None:
        """A text too short to be market data: an answer to a ping, however it looks, or words."""
        self.heard_ns = ts
        if self._is_pong(payload):
            self._session.counters.pongs += 1
        elif payload[:1] not in _JSON_STARTS and not payload.isspace():
            self._session.on_notice(payload)

    def _uncommon(self, frame: WSFrame, ts: int) -> None:
        """Control frames, fragments, and what the protocol forbids."""
        opcode = frame.msg_type.value
        payload = frame.get_payload_as_bytes()
        reserved = bool(frame.rsv1 or frame.rsv2 or frame.rsv3)
        self.heard_ns = ts
        text = self._assembler.frame(opcode, bool(frame.fin), reserved, payload)
        self._plain = not self._assembler.open
        if text is not None:
            self._text(text, ts)
        elif opcode == Opcode.PING and self.transport is not None:
            self._answer_ping(self.transport, payload)
        elif opcode == Opcode.CLOSE:
            self.close_code, self.close_reason = close_reason(payload)
            self._session.on_peer_close(self)

    def _answer_ping(self, transport: WSTransport, payload: bytes) -> None:
        """A peer that pings and reads no answer would have them all kept for it."""
        transport.send_pong(payload)
        waiting = transport.underlying_transport.get_write_buffer_size()
        if waiting > UNREAD_BYTES_MAX:
            raise ProtocolViolation(
                CloseCode.POLICY_VIOLATION,
                f"it pings without reading the answers: {waiting} bytes wait to be sent",
            )

    def _late(self, frame: WSFrame) -> None:
        """A frame after the connection was given up: only the peer's goodbye matters."""
        if frame.msg_type is WSMsgType.CLOSE and self.transport is not None:
            self.transport.disconnect()

    def end_error(self) -> Exception | None:
        """By what error the socket ended; to be asked once it has.

        The socket layer keeps it for whoever waits for the end. If nobody ever asks, asyncio logs
        it by itself, in many lines.
        """
        if self.transport is None:
            return None
        end = self.transport.wait_disconnected()
        try:
            end.send(None)
        except StopIteration:
            return None
        except Exception as error:
            return error
        finally:
            end.close()
        return None

    def read_on(self, on: bool) -> None:
        """Whether anything is read from the socket; what is not waits there, and with the venue."""
        if self.transport is None or self.transport.is_disconnected:
            return
        socket = self.transport.underlying_transport
        if socket.is_closing() or socket.is_reading() == on:
            return
        if on:
            socket.resume_reading()
        else:
            socket.pause_reading()

    def detach(self) -> None:
        """From now on every frame is dropped."""
        self.active = self._plain = False

    def on_parser_failure(self, said: tuple[Any, ...]) -> None:
        """The socket layer refused a frame; it has answered with a close frame itself.

        The frame before the bad one is delivered only after this, and still counts. So this is
        acted upon at the end of the read, or right after it if nothing else was in it.
        """
        if self._goodbye_answered():
            return
        if self.active and self.violation is None:
            self.violation = _violation(said)
            asyncio.get_running_loop().call_soon(self._session.on_parser_failure, self)

    def _goodbye_answered(self) -> bool:
        """Whether the bad frame stands behind a close frame, where nothing is to be read.

        The close frame is then answered as it should be, before the socket layer complains.
        """
        transport = self.transport
        if transport is None or transport.close_handshake is None:
            return False
        said = transport.close_handshake.recv
        if said is None:
            return False
        code: Any = said.code or CloseCode.NORMAL
        if not may_close_with(code):
            return False
        transport.send_close(code)
        return True


def _violation(said: tuple[Any, ...]) -> ProtocolViolation:
    """What the socket layer refused, from what it logs: a close code and a text, or neither."""
    code, text = said[0] if said and isinstance(said[0], tuple) and len(said[0]) == 2 else (0, "")
    sizes = _SIZES.search(str(text))
    if code == CloseCode.TOO_BIG and sizes is not None:
        return too_big(sizes[1], sizes[2])
    return ProtocolViolation(CloseCode.PROTOCOL_ERROR, "a frame that breaks the protocol")


class PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """Carries the socket layer's log lines, and tells when its parser refuses a frame.

    picows has no callback for that; an error line is the only thing it does in the same read.
    """

    def __init__(self, on_error: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__(logging.getLogger("bookfeed.live.session.picows"), {})
        self._on_error = on_error

    def isEnabledFor(self, level: int) -> bool:
        """Nothing below debug: there it logs handshakes, signed headers and all."""
        return level >= logging.DEBUG and super().isEnabledFor(level)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """One line a connection is too much at this level."""
        self.debug(msg, *args, **kwargs)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        """The parser, or a callback, failed."""
        self.debug(msg, *args, **kwargs)
        self._on_error(args)

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        """The parser failed in an unforeseen way."""
        self.debug(msg, *args, exc_info=exc_info, **kwargs)
        self._on_error(())
