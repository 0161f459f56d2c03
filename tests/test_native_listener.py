"""The compiled listener against Python's: whatever is on the wire, the same comes of both."""

import gc
import logging
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import picows
import pytest
from frame_cases import (
    CASES,
    PING,
    SIZE_MAX,
    T0,
    TEXT,
    Stage,
    Tape,
    books,
    engine_input,
    hear,
    random_wire,
)
from picows import WSFrame
from session_server import MARKET, YES, FailingEngine, Server, book_frame, raw_frame, serving
from waiting import PATIENCE_S, until

from bookfeed import Feed
from bookfeed._bookfeed import Engine, FrameDoor, FrameIntake
from bookfeed.live import native, trial
from bookfeed.live.listener import FeedListener, SlottedListener
from bookfeed.live.native import NativeListener
from bookfeed.live.options import SessionOptions
from bookfeed.live.trial import Conversation
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.writer import JournalWriter
from bookfeed.venues.polymarket import polymarket

QUICK = SessionOptions(backoff_min_s=0.01, backoff_max_s=0.05, advance_s=0.01)
READS = (1, 7, 100, 1_000_000)


def same(wire: bytes) -> int:
    """Both listeners, however the wire is cut into reads; the frames that were taken natively."""
    taken = 0
    for read_bytes in READS:
        (python, _), (compiled, frames) = (hear(wire, read_bytes, native=n) for n in (False, True))
        assert compiled == python, f"in reads of {read_bytes}"
        taken += frames
    return taken


def test_this_picows_is_the_one_that_is_known() -> None:
    assert native.DIFFERENCE == ""
    assert trial.difference() == ""


@pytest.mark.parametrize("case", CASES)
def test_a_case_between_data(case: str) -> None:
    assert same(books(3) + CASES[case] + books(3)) > len(READS), "most data is taken natively"


@pytest.mark.parametrize("case", CASES)
def test_a_case_first(case: str) -> None:
    same(CASES[case] + books(2))


@pytest.mark.parametrize("seed", range(60))
def test_random_wires(seed: int) -> None:
    same(random_wire(seed))


def conversation(
    inputs: EngineInput, stage: Stage | None = None
) -> tuple[NativeListener, Stage, Conversation]:
    """A native listener at work, its first frame behind it."""
    stage = Stage(inputs) if stage is None else stage
    session: Any = stage
    assert inputs.door is not None
    listener = NativeListener(session, polymarket(), inputs.door)
    talk = Conversation(listener, [], size_max=SIZE_MAX * 100)
    talk.hear(raw_frame(PING, b""))
    return listener, stage, talk


def test_whoever_wants_every_frame_has_every_frame() -> None:
    inputs = engine_input()
    listener, _, talk = conversation(inputs)
    seen: list[bytes] = []
    talk.hear(books(2))
    inputs.tap(lambda conn, payload, ts: seen.append(payload))
    frame = book_frame(YES)
    talk.hear(raw_frame(TEXT, frame))
    assert seen == [frame]
    inputs.tap(None)
    talk.hear(books(1))
    assert (len(seen), listener.intake.frames) == (1, 3)
    assert inputs.engine.counters()["frames"] == 4


def test_frames_are_recorded_with_their_attempt() -> None:
    tape = Tape()
    listener, stage, talk = conversation(engine_input(tape))
    talk.hear(books(2))
    session: Any = stage
    assert stage.inputs.door is not None
    # The connection comes back.
    again = NativeListener(session, polymarket(), stage.inputs.door)
    talk = Conversation(again, [])
    talk.hear(raw_frame(PING, b""))
    talk.hear(books(1))
    frames = [(ts, epoch) for kind, ts, _, epoch, _ in tape.read() if kind == Kind.FRAME]
    assert [epoch for _, epoch in frames] == [1, 1, 2]
    assert frames[0][0] == frames[1][0] < frames[2][0], "one receive time a read"
    assert listener.intake.frames == 2


def test_a_full_block_wakes_the_recorder_and_others_do_not() -> None:
    tape = Tape()
    _, _, talk = conversation(engine_input(tape))
    talk.hear(books(20))
    assert tape.attended == 0
    talk.hear(books(300))
    assert tape.attended == tape.encoder.pending // (64 * 1024) > 0


def test_a_recorder_that_is_full_is_asked_for_each_frame(tmp_path: Path) -> None:
    """What it drops is counted as if every frame had come through ``append``."""
    with JournalWriter(tmp_path, buffer_bytes_max=1) as writer:
        inputs = EngineInput(Engine(), writer)
        listener, _, talk = conversation(inputs)
        for _ in range(50):
            talk.hear(books(4))
        status = writer.status()
        assert writer.encoder is not None
        assert status.records_dropped > 0
        assert status.records_appended + status.records_dropped >= 200
    assert inputs.engine.counters()["frames"] == 200
    assert 0 < listener.intake.frames < 200


def test_a_recorder_with_an_append_of_its_own_is_called() -> None:
    class Own(JournalWriter):
        def append(self, kind: int, ts: int, conn: int, epoch: int, payload: Any) -> None:
            """Nothing is kept."""

    assert Own.__new__(Own).encoder is None


def test_records_wait_for_no_more_than_so_many() -> None:
    """Both listeners: in one read of megabytes records are handed over in between."""
    for compiled in (True, False):
        stage = Stage(engine_input())
        session: Any = stage
        assert stage.inputs.door is not None
        listener = (
            NativeListener(session, polymarket(), stage.inputs.door)
            if compiled
            else FeedListener(session, polymarket())
        )
        talk = Conversation(listener, [], size_max=1 << 20)
        talk.hear(raw_frame(PING, b"") + books(1))
        wire = books(2000)
        # picows makes its buffer larger as it fills: in the end it holds everything.
        for _ in range(12):
            stage.batches.clear()
            talk.hear(wire)
        assert len(stage.batches) > 1
        assert max(stage.batches) < FrameIntake.DRAIN_RECORDS_MAX + 10
        assert sum(stage.batches) >= 2000


def test_records_wait_no_longer_than_a_millisecond_of_work() -> None:
    """Frames that take long bring few records each."""
    stage = Stage(EngineInput(Engine()))
    listener, stage, talk = conversation(stage.inputs, stage)
    slow = books(1)[:-1] + b" " * 60_000 + b"}"
    slow = raw_frame(TEXT, slow[4:])
    stage.inputs.subscribe(MARKET, MARKET.outcomes[0], 0, T0)
    talk.hear(books(1) + slow * 300 + books(1))
    assert listener.intake.frames > 300
    assert max(stage.batches) < FrameIntake.DRAIN_RECORDS_MAX


def test_an_error_goes_to_the_session_as_from_python() -> None:
    listener, stage, talk = conversation(engine_input())
    stage.now = 1 << 62
    talk.hear(books(2))
    (kind, error, text), *_ = stage.notes[1:]
    assert (kind, getattr(error, "__name__", "")) == ("error", "EngineError")
    assert "Unix nanoseconds" in str(text)
    assert not listener.active
    talk.hear(books(2))
    assert listener.intake.frames == 0


def test_an_error_of_a_callback_goes_to_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worse(Stage):
        def flush(self, conn: int | None = None) -> None:
            if conn is not None:
                raise KeyError("a callback")
            super().flush()

    inputs = engine_input()
    listener, stage, talk = conversation(inputs, Worse(inputs))
    talk.hear(books(2))
    assert stage.notes[1] == ("error", KeyError, "'a callback'")
    assert not listener.active


def test_a_first_frame_that_looks_otherwise_leaves_all_to_python(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Doubting:
        agrees = staticmethod(lambda frame: False)

    monkeypatch.setattr(native, "FrameIntake", Doubting)
    inputs = engine_input()
    stage = Stage(inputs)
    session: Any = stage
    monkeypatch.setattr(native, "FrameIntake", FrameIntake)
    assert inputs.door is not None
    listener = NativeListener(session, polymarket(), inputs.door)
    monkeypatch.setattr(native, "FrameIntake", Doubting)
    monkeypatch.setattr(native, "_log", logging.getLogger("bookfeed.live.native"))
    talk = Conversation(listener, [])
    with caplog.at_level(logging.WARNING):
        monkeypatch.setattr(native, "_tell", lambda why: logging.warning("python: %s", why))
        talk.hear(books(3))
    assert "a frame is not laid out as it says" in caplog.text
    assert (listener.intake.frames, listener.native) == (0, False)
    assert stage.counters.python_listeners == 1
    assert inputs.engine.counters()["frames"] == 3


def test_another_declaration_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = Path(picows.__file__).with_name("picows.pxd").read_text()
    monkeypatch.setattr(picows, "__file__", str(tmp_path / "__init__.py"))
    for old, new in [
        ("readonly uint8_t fin\n", "readonly uint32_t fin\n"),
        ("readonly Py_ssize_t tail_size\n", ""),
        ("cpdef on_ws_frame(", "cpdef on_ws_data(self)\n    cpdef on_ws_frame("),
        ("    cpdef resume_writing(self)", "    cpdef resume_writing(self)\n    cpdef more(self)"),
    ]:
        assert old in text
        (tmp_path / "picows.pxd").write_text(text.replace(old, new))
        assert native.difference().startswith("declares another WS")
    (tmp_path / "picows.pxd").unlink()
    assert native.difference().startswith("cannot be compared: FileNotFoundError")


def test_another_layout_is_seen() -> None:
    class Wider(SlottedListener):
        __slots__ = ("more",)

    assert FrameIntake.learn(Wider, WSFrame) == "SlottedListener has 40 bytes, not 32"
    assert "bytes, not" in str(FrameIntake.learn(SlottedListener, picows.WSTransport))
    intake = FrameIntake(FrameDoor(Engine()), 0, lambda: 1, lambda conn: None)
    listener: Any = SlottedListener()
    listener.intake = None
    assert intake.install(listener) == "the slot of a listener is not where it should be"
    for other in (object(), WSFrame, intake, picows.WSListener()):
        with pytest.raises(TypeError, match="not a listener"):
            intake.install(other)
    listener.intake = intake
    assert intake.install(listener) is None
    assert intake.install(listener) == "the table of a listener is not that of its type"


def test_a_slot_that_is_emptied_leaves_frames_to_python() -> None:
    class Counting(SlottedListener):
        __slots__ = ("came",)
        came: int

        def on_ws_frame(self, transport: object, frame: object) -> None:
            self.came += 1

    intake = FrameIntake(FrameDoor(Engine()), 0, lambda: 1, lambda conn: None)
    listener: Any = Counting()
    listener.came, listener.intake = 0, intake
    assert intake.install(listener) is None
    intake.direct = True
    talk = Conversation(listener, [])
    talk.hear(books(1))
    assert (listener.came, intake.frames) == (0, 1)
    listener.intake = 5
    talk.hear(books(1))
    del listener.intake
    talk.hear(books(1))
    assert (listener.came, intake.frames) == (2, 1)


def test_listeners_are_collected_with_what_they_hold() -> None:
    class Owner(Stage):
        """Can be referred to weakly."""

    gone: list[weakref.ref[Any]] = []
    for _ in range(3):
        inputs = engine_input(Tape())
        stage = Owner(inputs)
        listener, _, talk = conversation(inputs, stage)
        stage.notes.append((listener, talk, inputs))  # a circle
        talk.hear(books(5))
        gone += [weakref.ref(stage), weakref.ref(listener)]
        del inputs, stage, listener, talk, _
    gc.collect()
    assert [one() for one in gone] == [None] * len(gone)


def test_what_picows_does_otherwise_is_no_picows_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.ComplaintLog, "error", lambda *args, **kwargs: None)
    assert "a frame that it refuses shows as" in trial.difference()
    monkeypatch.setattr(trial, "server_frame", lambda *args: 1 / 0)
    assert trial.difference() == (
        "a conversation through it fails: ZeroDivisionError('division by zero')"
    )


async def test_a_feed_says_how_many_connections_python_serves() -> None:
    async with serving() as server:
        for options, served in ((QUICK, 0), (replace(QUICK, native=False), 1)):
            async with Feed([MARKET], url=server.url, options=options) as feed:
                await feed.wait_live(PATIENCE_S)
                assert feed.counters()["python_listeners"] == served


async def test_an_engine_of_another_kind_is_served_in_python() -> None:
    engine: Any = FailingEngine()
    async with (
        serving() as server,
        Feed([MARKET], url=server.url, options=QUICK, engine=engine) as feed,
    ):
        await feed.wait_live(PATIENCE_S)
        assert feed.counters()["python_listeners"] == 1


async def test_a_server_that_closes_is_left_by_a_native_listener() -> None:
    async with serving() as server, Feed([MARKET], url=server.url, options=QUICK) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        peer.raw(books(2) + raw_frame(3, b"") + books(1))
        await until(lambda: feed.counters()["protocol_violations"] == 1)
        await until(lambda: feed.counters()["reconnects"] == 1)
        assert isinstance(server, Server)
