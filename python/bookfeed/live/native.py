"""The listener whose ordinary frames pass no Python, where picows is laid out as it is known.

picows calls a listener through a table of compiled methods. ``NativeListener`` has another entry in
that table (``rust/bookfeed-py/src/listening``), which hands market data straight to the engine and
leaves every other frame to ``FeedListener``, the same object. ``difference`` says why that cannot
be; then, and wherever a first frame looks otherwise than its getters say, ``FeedListener`` alone
takes the frames. Nothing but speed depends on which of them it is.
"""

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import picows
from picows import WSFrame, WSTransport

from bookfeed._bookfeed import VENUES, Engine, FrameDoor, FrameIntake
from bookfeed.live.listener import FeedListener, SlottedListener
from bookfeed.live.trial import Conversation, server_frame
from bookfeed.log import RateLimitedLog
from bookfeed.venues.base import Venue

if TYPE_CHECKING:
    from bookfeed.live.session import Session

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.live.native"), interval_s=3600.0)

# What the compiled side rests on, as picows publishes it, without comments and empty lines.
_DECLARED: Final = (
    """\
cdef class WSFrame:
    cdef:
        bytes _payload_obj
        char* payload_ptr
        readonly Py_ssize_t payload_size
        readonly Py_ssize_t tail_size
        readonly WSMsgType msg_type
        readonly uint8_t fin
        readonly uint8_t rsv1
        readonly uint8_t rsv2
        readonly uint8_t rsv3
        readonly uint8_t last_in_buffer
    cpdef bytes get_payload_as_bytes(self)
    cpdef str get_payload_as_utf8_text(self)
    cpdef str get_payload_as_ascii_text(self)
    cpdef object get_payload_as_memoryview(self)
    cpdef WSCloseCode get_close_code(self)
    cpdef bytes get_close_message(self)
    cpdef str get_close_reason(self)
""",
    """\
cdef class WSListener:
    cdef object __weakref__
    cpdef on_ws_connected(self, WSTransport transport)
    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame)
    cpdef on_ws_disconnected(self, WSTransport transport)
    cpdef send_user_specific_ping(self, WSTransport transport)
    cpdef is_user_specific_pong(self, WSFrame frame)
    cpdef pause_writing(self)
    cpdef resume_writing(self)
""",
)


def _shared(name: str) -> Any:
    """An attribute that a listener and its intake share."""

    def read(listener: "NativeListener") -> Any:
        return getattr(listener.intake, name)

    def write(listener: "NativeListener", value: Any) -> None:
        setattr(listener.intake, name, value)

    return property(read, write)


class NativeListener(FeedListener):
    """As ``FeedListener``, but whole text frames are taken by ``FrameIntake``."""

    __slots__ = ("_proved",)

    _plain = _shared("plain")
    _ts = _shared("ts")
    _pending = _shared("pending")
    data_ns = _shared("data_ns")

    def __init__(self, session: "Session", venue: Venue, door: FrameDoor) -> None:
        self.intake = FrameIntake(door, session.conn, session.clock.now_ns, session.host.flush)
        super().__init__(session, venue)
        self._proved = False
        self.native = self._may_be(self.intake.install(self))

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self.intake.epoch = self._inputs.epoch(self._conn)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame that is not ordinary, or the first, by which the others are judged."""
        if self.native and not self._proved:
            self._prove(frame)
        super().on_ws_frame(transport, frame)

    def on_parser_failure(self, said: tuple[Any, ...]) -> None:
        super().on_parser_failure(said)
        # What still comes is for the method that looks at the violation.
        self.intake.direct = False

    def _prove(self, frame: WSFrame) -> None:
        self._proved = True
        try:
            differs = None if FrameIntake.agrees(frame) else "a frame is not laid out as it says"
        except Exception as error:  # a getter that is gone
            differs = f"a frame cannot be asked: {error!r}"
        if self._may_be(differs):
            self.intake.direct = self.violation is None
        else:
            self.native = False
            self._session.counters.python_listeners += 1

    def _may_be(self, differs: str | None) -> bool:
        if differs is not None:
            _tell(differs)
        return differs is None


def listener_of(session: "Session", venue: Venue) -> FeedListener:
    """The listener for one attempt of ``session``."""
    door = session.inputs.door
    if door is None or DIFFERENCE or not session.native:
        return FeedListener(session, venue)
    return NativeListener(session, venue, door)


def _tell(why: str) -> None:
    _log.warning("native", "frames are taken in Python, which is slower: this picows %s", why)


def difference() -> str:
    """Why frames have to be taken in Python; empty if they need not."""
    try:
        declared = _declared_otherwise()
        return declared or FrameIntake.learn(SlottedListener, WSFrame) or _heard_otherwise()
    except Exception as error:  # whatever it has become, it is not the one that is known
        return f"cannot be compared: {error!r}"


def _declared_otherwise() -> str:
    text = Path(picows.__file__).with_name("picows.pxd").read_text(encoding="utf-8")
    lines = (re.sub(r"\s*#.*", "", line).rstrip() for line in text.splitlines())
    declared = "\n".join(line for line in lines if line) + "\n"
    for block in _DECLARED:
        # The whole block: nothing may be added at its end.
        if not re.search(re.escape(block) + r"(?!\s)", declared):
            return f"declares another {block.split(':')[0].split()[-1]}"
    return ""


class _Trial(SlottedListener):
    """Counts the frames that come to Python; the first is compared."""

    __slots__ = ("agreed", "came")

    def __init__(self, intake: FrameIntake) -> None:
        self.intake = intake
        self.agreed = False
        self.came = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.came += 1
        self.agreed = self.intake.direct = self.agreed or FrameIntake.agrees(frame)


def _heard_otherwise() -> str:
    """Frames that picows itself hands to an installed listener: who takes them."""
    engine, data = Engine(), b"[" + b" " * FrameIntake.BARE_TEXT_BYTES_MAX + b"]"
    engine.connected(0, next(iter(VENUES)), 1)
    intake = FrameIntake(FrameDoor(engine), 0, lambda: 1, lambda conn: None)
    listener = _Trial(intake)
    if differs := intake.install(listener):
        return differs
    conversation = Conversation(listener, [])
    for opcode, payload in ((9, b"?"), (1, data), (1, b"PONG"), (1, data)):
        conversation.hear(server_frame(opcode, payload))
    counted = engine.counters()
    seen = (listener.agreed, listener.came, intake.frames, counted["frames"], counted["bytes"])
    if seen != (True, 2, 2, 2, 2 * len(data)):
        return f"hands frames over otherwise: {seen}"
    return ""


DIFFERENCE: Final = difference()
"""Why all listeners of this process are Python's; empty if they are not."""
if DIFFERENCE:
    _tell(DIFFERENCE)
