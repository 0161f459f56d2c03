"""What a server may put on the wire, and a listener that hears it without socket or event loop.

``CASES`` follow the sections of the Autobahn suite; ``random_wire`` mixes their pieces. ``hear``
plays one of them to a listener of either kind and tells everything that came of it.
"""

import random
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from session_server import MARKET, NO, YES, book_frame, raw_frame

from bookfeed._bookfeed import Engine, JournalEncoder, JournalReader
from bookfeed.live.framing import ProtocolViolation
from bookfeed.live.host import SessionCounters
from bookfeed.live.listener import FeedListener, PicowsLog
from bookfeed.live.native import NativeListener
from bookfeed.live.trial import Conversation
from bookfeed.recordings.inputs import EngineInput
from bookfeed.rules.rule import Rule
from bookfeed.venues.polymarket import polymarket

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
T0: Final = time.time_ns()
SIZE_MAX: Final = 4000
OTHER_WORD: Final = '{"event_type":"новость","what":"' + "é" * 40 + '"}'


def books(count: int = 1) -> bytes:
    """Frames of market data."""
    frames = (book_frame((YES, NO)[n % 2], f"0.{40 + n % 9}") for n in range(count))
    return b"".join(raw_frame(TEXT, frame) for frame in frames)


def close(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return raw_frame(CLOSE, struct.pack("!H", code) + reason)


def fragments(payload: bytes, *sizes: int, between: bytes = b"") -> bytes:
    """A text message in pieces, with frames ``between`` them."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(payload[start : start + size])
        start += size
    pieces.append(payload[start:])
    last = len(pieces) - 1
    return between.join(
        raw_frame(CONT if n else TEXT, piece, fin=n == last) for n, piece in enumerate(pieces)
    )


def _cases() -> Iterator[tuple[str, bytes]]:
    book = book_frame(YES)
    for size in (0, 1, 63, 64, 65, 125, 126, 127, 128):
        text = (b"[" + b" " * size)[: max(size - 1, 0)] + b"]" * (size > 0)
        yield f"text of {size} bytes", raw_frame(TEXT, text)
    for word in (b"PONG", b"pong", b"INVALID OPERATION", b"{}", b"   ", b"x" * 64, b"x" * 65):
        yield f"words {word[:20]!r}", raw_frame(TEXT, word)
    yield "two in one read", books(2)
    yield "many in one read", books(60)
    yield "text that is not ASCII", raw_frame(TEXT, OTHER_WORD.encode())
    yield "a book with letters", raw_frame(TEXT, book[:-1] + ',"é":"€"}'.encode())
    for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"):
        yield f"text that is none, {bad!r}", raw_frame(TEXT, book[:-1] + bad + b"}")
        yield f"short text that is none, {bad!r}", raw_frame(TEXT, bad)
    yield "binary", raw_frame(BINARY, book)
    yield "empty binary", raw_frame(BINARY, b"")
    for opcode in (PING, PONG):
        for size in (0, 1, 125, 126):
            yield f"control {opcode} of {size} bytes", raw_frame(opcode, b"p" * size)
        yield f"control {opcode} in pieces", raw_frame(opcode, b"p", fin=False)
    for opcode in (CONT, TEXT, BINARY, CLOSE, PING, PONG):
        for reserved in (1, 2, 4, 7):
            yield (
                f"reserved {reserved} on {opcode}",
                raw_frame(opcode, book[:100], reserved=reserved),
            )
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"opcode {opcode}", raw_frame(opcode, b"x")
    yield "in two pieces", fragments(book, 70)
    yield "in many pieces", fragments(book, *[1] * 40)
    yield "pieces with pings between", fragments(book, 80, 20, between=raw_frame(PING, b"?"))
    yield "pieces with data between", fragments(book, 80, between=books())
    yield "empty pieces", fragments(b"", 0, 0)
    yield "pieces of letters", fragments(OTHER_WORD.encode(), 35, 1, 1)
    yield "pieces that are no text", fragments(book + b"\xc3", len(book)) + books()
    yield "a piece of nothing", raw_frame(CONT, book)
    yield "a piece of nothing, not the last", raw_frame(CONT, book, fin=False)
    yield "pieces that never end", raw_frame(TEXT, book, fin=False)
    yield "masked", bytes((0x81, 0x80 | 4)) + b"mask" + b"text"
    yield "too long", raw_frame(TEXT, b"x" * (SIZE_MAX + 1))
    yield "pieces that are too long", fragments(b"[" * (SIZE_MAX + 1), SIZE_MAX // 2)
    yield "a length of two bytes for one", bytes((0x81, 126, 0, 10)) + b"x" * 10
    yield "a length of eight bytes for two", bytes((0x81, 127)) + (200).to_bytes(8, "big")
    yield "a length below zero", bytes((0x81, 127)) + b"\xff" * 8
    yield "an empty goodbye", raw_frame(CLOSE, b"")
    yield "a goodbye of one byte", raw_frame(CLOSE, b"\x03")
    yield "a goodbye that is no text", close(1000, b"\xff")
    yield "a long goodbye", close(1000, b"x" * 124)
    for code in (0, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1016, 2999, 3000, 4999, 5000, 65535):
        yield f"a goodbye with {code}", close(code, b"bye")
    yield "two goodbyes", close(1000) + close(1001)
    yield "a goodbye in pieces", raw_frame(CLOSE, b"", fin=False)


CASES: Final = dict(_cases())


def random_wire(seed: int) -> bytes:
    """Many pieces in a row, mostly data; some seeds end in what is forbidden."""
    rng = random.Random(seed)
    harmless: list[Callable[[], bytes]] = [
        lambda: books(rng.randrange(1, 8)),
        lambda: raw_frame(TEXT, OTHER_WORD.encode()),
        lambda: raw_frame(PING, rng.randbytes(rng.randrange(126))),
        lambda: raw_frame(TEXT, rng.choice([b"PONG", b"", b"no", b" " * 64])),
        lambda: fragments(book_frame(NO), rng.randrange(1, 200), between=raw_frame(PONG, b"")),
        lambda: raw_frame(TEXT, book_frame(YES)[: rng.randrange(66, 200)]),
    ]
    weights = [8, 1, 1, 1, 2, 1]
    parts = [make() for make in rng.choices(harmless, weights, k=rng.randrange(1, 12))]
    if seed % 2:
        parts.append(rng.choice(list(CASES.values())))
    return b"".join(parts) + books(2)


@dataclass
class Stage:
    """Stands in for a session, its host and its clock, and notes what it is told."""

    inputs: EngineInput
    conn: int = 0
    frame_bytes_max: int = SIZE_MAX
    native: bool = True
    counters: SessionCounters = field(default_factory=SessionCounters)
    notes: list[tuple[object, ...]] = field(default_factory=list)
    updates: bytearray = field(default_factory=bytearray)
    signals: bytearray = field(default_factory=bytearray)
    legs: bytearray = field(default_factory=bytearray)
    batches: list[int] = field(default_factory=list)
    now: int = T0

    @property
    def host(self) -> "Stage":
        return self

    @property
    def clock(self) -> "Stage":
        return self

    def now_ns(self) -> int:
        self.now += 1_000
        return self.now

    def flush(self, conn: int | None = None) -> None:
        """Drains, as the owner of a session does."""
        batch = self.inputs.engine.drain(self.now)
        self.batches.append(len(batch))
        signals = bytearray(batch.signal_bytes)
        # It counts within a batch, and time decides where one ends.
        np.frombuffer(signals, batch.signals.dtype)["leg_start"] = 0
        self.updates += batch.update_bytes
        self.signals += signals
        self.legs += batch.leg_bytes

    def on_opened(self, listener: FeedListener) -> None:
        self.inputs.connected(self.conn, "polymarket", T0)
        self.notes.append(("opened",))

    def on_notice(self, payload: bytes) -> None:
        self.notes.append(("notice", payload))

    def on_peer_close(self, listener: FeedListener) -> None:
        self._part(listener, "goodbye", listener.close_code, listener.close_reason)

    def on_violation(self, listener: FeedListener, violation: ProtocolViolation) -> None:
        self._part(listener, "violation", int(violation.code), violation.reason)

    def on_parser_failure(self, listener: FeedListener) -> None:
        if listener.active and listener.violation is not None:
            self.on_violation(listener, listener.violation)

    def on_error(self, listener: FeedListener, error: BaseException) -> None:
        self._part(listener, "error", type(error), str(error))

    def _part(self, listener: FeedListener, *what: object) -> None:
        self.notes.append(what)
        if listener.active:
            listener.detach()
            self.inputs.disconnected(self.conn, str(what[0]), self.now)
            self.flush()


class Tape:
    """A recorder in memory, whose encoder may be given frames."""

    def __init__(self) -> None:
        self.encoder = JournalEncoder()
        self.attended = 0
        self._header = self.encoder.header(b"{}")

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        self.encoder.append(kind, ts, conn, epoch, payload)

    def attend(self) -> None:
        self.attended += 1

    def poll(self, now_ns: int) -> None:
        """Nothing is written."""

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""

    def read(self) -> list[tuple[int, int, int, int, bytes]]:
        """Everything that was recorded; once."""
        data = self._header
        while block := self.encoder.take_block():
            data += block
        return list(JournalReader(data))


def engine_input(tape: Tape | None = None) -> EngineInput:
    """The door into a fresh engine with two books and a rule."""
    inputs = EngineInput(Engine(digest=True, hash_check="off"), tape)
    for outcome in MARKET.outcomes:
        inputs.subscribe(MARKET, outcome, 0, T0)
    inputs.add_rule(Rule("spread", {"mode": "absolute", "open": "0.15", "close": "0.12"}), T0)
    return inputs


@dataclass(frozen=True)
class Heard:
    """Everything that came of a wire, but for who took the frames."""

    notes: list[tuple[object, ...]]
    said: list[tuple[int, bytes]]
    records: tuple[bytes, ...]
    recorded: list[tuple[int, int, int, int, bytes]]
    digest: str
    counters: dict[str, Any]
    state: tuple[object, ...]


def hear(wire: bytes, read_bytes: int, *, native: bool) -> tuple[Heard, int]:
    """Plays ``wire`` in reads of so many bytes; what came of it, and the frames taken natively."""
    tape = Tape()
    stage = Stage(engine_input(tape))
    session: Any = stage
    door = stage.inputs.door
    assert door is not None
    venue = polymarket()
    listener = NativeListener(session, venue, door) if native else FeedListener(session, venue)
    log = PicowsLog(listener.on_parser_failure)
    conversation = Conversation(listener, [], size_max=SIZE_MAX, log=log)
    for start in range(0, len(wire), read_bytes):
        conversation.hear(wire[start : start + read_bytes])
    stage.flush()
    counted = vars(stage.counters) if hasattr(stage.counters, "__dict__") else stage.counters
    engine = stage.inputs.engine
    heard = Heard(
        stage.notes,
        unmasked(conversation.said),
        (bytes(stage.updates), bytes(stage.signals), bytes(stage.legs)),
        tape.read(),
        engine.digest(),
        {**engine.counters(), "messages": engine.messages(), "session": str(counted)},
        (listener.data_ns, listener.heard_ns, listener.active, str(listener.violation)),
    )
    return heard, listener.intake.frames if isinstance(listener, NativeListener) else 0


def unmasked(said: bytes) -> list[tuple[int, bytes]]:
    """The frames that a client wrote."""
    frames = []
    while said:
        size, start = said[1] & 0x7F, 2
        assert size < 126, "a client says little here"
        mask = said[start : start + 4]
        payload = said[start + 4 : start + 4 + size]
        frames.append((said[0], bytes(b ^ mask[n % 4] for n, b in enumerate(payload))))
        said = said[start + 4 + size :]
    return frames
