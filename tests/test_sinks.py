"""Sinks at work: threads and tasks, errors, stalls, opening and closing."""

import asyncio
import logging
import threading
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_records import Records, seqs
from waiting import until, wait_until

from bookfeed import Batch, Names, SessionError
from bookfeed.sinks import Given, NotTaken, SinkOptions, SinkSet, SinkStatus, runner, sink_set


class Keeping:
    """Keeps the numbers of what it is given; ``during`` is called with each batch before that."""

    def __init__(self, during: Callable[[Batch], object] = lambda _: None) -> None:
        self.during = during
        self.names: Names | None = None
        self.kept: list[int] = []
        self.sizes: list[int] = []
        self.threads: set[int] = set()
        self.closed = 0

    def open(self, names: Names) -> None:
        self.threads.add(threading.get_ident())
        self.names = names

    def write(self, batch: Batch) -> None:
        self.threads.add(threading.get_ident())
        self.during(batch)
        self.kept += seqs(batch)
        self.sizes.append(len(batch))

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed += 1


class KeepingTask:
    """The same as a task."""

    def __init__(
        self, during: Callable[[Batch], Coroutine[Any, Any, object]] | None = None
    ) -> None:
        self.during = during
        self.names: Names | None = None
        self.kept: list[int] = []
        self.closed = 0

    async def open(self, names: Names) -> None:
        await asyncio.sleep(0)
        self.names = names

    async def write(self, batch: Batch) -> None:
        if self.during is not None:
            await self.during(batch)
        self.kept += seqs(batch)

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1


class Gate:
    """What a sink stands at for as long as it is told."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reached = threading.Event()

    def __call__(self, _batch: Batch) -> None:
        self.reached.set()
        assert self.event.wait(60)


def fail(_batch: Batch) -> None:
    raise RuntimeError("mine")


async def opened(*sinks: Given) -> SinkSet:
    made = SinkSet(sinks, Names())
    await made.open()
    return made


def status(sinks: SinkSet, index: int = 0) -> SinkStatus:
    found = sinks.status()[index]
    assert found.received == found.written + found.dropped + found.conflated + found.queued
    return found


@pytest.mark.parametrize("kind", [Keeping, KeepingTask])
async def test_a_sink_is_opened_written_to_and_closed(kind: type[Keeping | KeepingTask]) -> None:
    sink, records, names = kind(), Records(), Names()
    sinks = SinkSet([sink], names)
    await sinks.open()
    assert sink.names is names
    for _ in range(20):
        sinks.write(records.any_batch())
    await until(lambda: status(sinks).queued == 0)
    sinks.write(records.any_batch())
    await sinks.close()
    await sinks.close()
    assert sink.kept == list(records.kinds)
    assert sink.closed == 1
    found = status(sinks)
    assert (found.state, found.written, found.errors) == ("closed", len(records.kinds), 0)
    assert sinks.counters()[f"sink_{found.name}_written"] == found.written


async def test_a_plain_sink_has_one_thread_for_everything() -> None:
    sink, records = Keeping(), Records()
    sinks = await opened(sink)
    sinks.write(records.books(1))
    await until(lambda: sink.kept)
    await sinks.close()
    assert len(sink.threads) == 1
    assert threading.get_ident() not in sink.threads


async def test_what_comes_close_together_is_written_together() -> None:
    sink, records = Keeping(), Records()
    sinks = await opened(sink)
    for _ in range(100):
        sinks.write(records.books(1, 2))
    await until(lambda: len(sink.kept) == 200)
    await sinks.close()
    assert len(sink.sizes) <= 5


@pytest.mark.parametrize("wrong", [fail, KeyError, SystemExit])
async def test_a_sink_that_raises_is_counted_and_goes_on(wrong: Callable[[Batch], object]) -> None:
    def sometimes(batch: Batch) -> None:
        if 3 in seqs(batch):
            if isinstance(wrong, type):
                raise wrong()
            wrong(batch)

    sink, records = Keeping(sometimes), Records()
    sinks = await opened(sink)
    for expected in ([1, 2], [1, 2], [1, 2, 5, 6]):
        sinks.write(records.books(1, 2))
        await until(lambda: status(sinks).queued == 0)
        assert sink.kept == expected
    found = status(sinks)
    assert (found.written, found.dropped, found.errors, found.state) == (4, 2, 1, "running")
    await sinks.close()
    assert sink.closed == 1


async def test_a_sink_that_always_raises_is_left_alone_longer_and_longer() -> None:
    calls: list[float] = []

    def timed(batch: Batch) -> None:
        calls.append(time.monotonic())
        fail(batch)

    sinks = await opened((Keeping(timed), SinkOptions(name="bad", queue_max=10)))
    records = Records()
    while len(calls) < 7:
        sinks.write(records.books(1))
        await asyncio.sleep(0.002)
    pauses = [b - a for a, b in pairwise(calls)]
    assert all(a >= b for a, b in zip(pauses[2:], (0.1, 0.2, 0.4, 0.8), strict=True))
    await until(lambda: status(sinks).errors == 7)
    found = status(sinks)
    assert (found.state, found.written) == ("failing", 0)
    assert found.error == "write: RuntimeError: mine"
    await sinks.close()
    assert status(sinks).state == "closed", "a pause of 1.6 s ends when the feed does"
    assert status(sinks).dropped + status(sinks).conflated == len(records.kinds)


async def test_a_stalling_sink_holds_up_nobody_and_is_bounded() -> None:
    gate = Gate()
    stalling, healthy = Keeping(gate), Keeping()
    options = SinkOptions(full="drop_oldest", queue_max=50, name="slow")
    sinks = await opened((stalling, options), healthy)
    records = Records()
    sinks.write(records.books(1))
    await asyncio.to_thread(gate.reached.wait)
    for _ in range(200):
        sinks.write(records.books(1, 2))
    assert status(sinks).queued == 51
    assert status(sinks).dropped == 350
    # What is being written is the oldest of all, and waits on.
    first_s = status(sinks).lag_s
    await asyncio.sleep(0.05)
    assert 0 < first_s + 0.05 <= status(sinks).lag_s + 0.01
    await until(lambda: len(healthy.kept) == 401)
    gate.event.set()
    await until(lambda: status(sinks).queued == 0)
    assert status(sinks).lag_s == 0
    assert stalling.kept == [1, *range(352, 402)]
    await sinks.close()


@pytest.mark.parametrize("full", ["conflate", "drop_oldest", "spill"])
async def test_a_sink_that_hangs_is_left_behind_in_time(
    full: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    hanging, healthy = Keeping(gate), Keeping()
    options = SinkOptions(full=full, queue_max=40, close_timeout_s=0.2, name="hung")
    sinks = await opened((hanging, options), healthy)
    records = Records()
    sinks.write(records.books(1, 2, 3))
    await asyncio.to_thread(gate.reached.wait)
    sinks.write(records.books(1, 2, 3))
    started_s = time.monotonic()
    with caplog.at_level(logging.ERROR, "bookfeed.sinks"):
        await sinks.close()
    assert 0.15 < time.monotonic() - started_s < 30
    assert "sink hung did not close within 0.2 s and is left behind; 6 records are dropped" in (
        caplog.text
    )
    found = status(sinks)
    assert (found.state, found.dropped, found.queued) == ("abandoned", 6, 0)
    assert healthy.kept == list(records.kinds) and healthy.closed == 1
    gate.event.set()
    # When it comes back it may close what it has open; what is counted stays.
    await until(lambda: hanging.closed == 1)
    assert status(sinks) == found


async def test_a_task_that_hangs_is_cancelled() -> None:
    hangs = asyncio.Event()

    async def hang(_batch: Batch) -> None:
        hangs.set()
        await asyncio.Event().wait()

    sinks = await opened((KeepingTask(hang), SinkOptions(close_timeout_s=0.1)))
    records = Records()
    sinks.write(records.books(1, 2))
    await hangs.wait()
    await sinks.close()
    assert (status(sinks).state, status(sinks).dropped) == ("abandoned", 2)
    await until(lambda: not [t for t in asyncio.all_tasks() if "sink" in t.get_name()])


async def test_what_a_task_waits_for_may_be_cancelled() -> None:
    """That is an error like any other, and no end of the sink."""

    async def impatient(batch: Batch) -> None:
        if seqs(batch) == [1]:
            waiting = asyncio.ensure_future(asyncio.Event().wait())
            waiting.cancel()
            await waiting

    sink, records = KeepingTask(impatient), Records()
    sinks = await opened(sink)
    sinks.write(records.books(1))
    await until(lambda: status(sinks).errors == 1)
    sinks.write(records.books(1))
    await until(lambda: sink.kept == [2])
    await sinks.close()
    assert (status(sinks).state, status(sinks).dropped) == ("closed", 1)


async def test_a_task_that_never_waits_leaves_the_loop_to_others() -> None:
    sink, records = KeepingTask(), Records()
    sinks = await opened(sink)
    for _ in range(8):
        sinks.write(records.books(*[1] * 4_096))
    turns: list[int] = []
    while len(sink.kept) < 8 * 4_096:
        turns.append(len(sink.kept))
        await asyncio.sleep(0)
    await sinks.close()
    assert len({turn for turn in turns if turn}) >= 6


async def test_who_does_not_keep_up_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    options = SinkOptions(full="drop_oldest", queue_max=5, name="tardy")
    sinks = await opened((Keeping(gate), options))
    records = Records()
    sinks.write(records.books(1))
    await asyncio.to_thread(gate.reached.wait)
    sinks.write(records.books(1, 2, 3, 4, 5))
    sinks.write(records.books(1, 2, 3, 4, 5))
    said = "sink tardy does not keep up: 5 records are dropped so far"
    await until(lambda: said in caplog.text)
    gate.event.set()
    await sinks.close()


@pytest.mark.parametrize("full", ["conflate", "drop_oldest", "spill"])
async def test_memory_is_bounded_however_long_a_sink_stalls(full: Any) -> None:
    gate = Gate()
    sinks = await opened((Keeping(gate), SinkOptions(full=full, queue_max=2_000)))
    records = Records()
    sinks.write(records.books(1))
    await asyncio.to_thread(gate.reached.wait)
    tracemalloc.start()
    try:
        for _ in range(300):
            for _ in range(20):
                sinks.write(records.any_batch(8))
            records.kinds.clear()
            await asyncio.sleep(0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status(sinks).received > 20_000
    # Records of 96 bytes and signals of up to 400, one or a few to a batch with three objects.
    assert peak < 2_000 * 1_000
    gate.event.set()
    await sinks.close()


async def test_what_cannot_be_written_in_time_is_dropped_and_the_sink_still_closes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "DRAIN_PART", 0.05)
    sink, records = Keeping(lambda _: time.sleep(0.1)), Records()
    sinks = await opened((sink, SinkOptions(close_timeout_s=10)))
    for _ in range(10):
        sinks.write(records.books(*[1] * 4_096))
    await sinks.close()
    found = status(sinks)
    assert (found.state, sink.closed, found.errors) == ("closed", 1, 0)
    assert 0 < found.written < 40_960
    assert found.written + found.dropped == 40_960
    assert f"{found.dropped} records were not written in time" in caplog.text


async def test_cancelling_close_leaves_everybody_behind() -> None:
    gate = Gate()
    sinks = await opened((Keeping(gate), SinkOptions(close_timeout_s=30)))
    sinks.write(Records().books(1))
    await asyncio.to_thread(gate.reached.wait)
    closing = asyncio.create_task(sinks.close())
    await asyncio.sleep(0.02)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (status(sinks).state, status(sinks).dropped) == ("abandoned", 1)
    gate.event.set()


# Opening.


class Refusing(Keeping):
    """Cannot be opened."""

    def open(self, names: Names) -> None:
        raise PermissionError("wrong password")


class RefusingTask(KeepingTask):
    """Cannot be opened either."""

    async def open(self, names: Names) -> None:
        raise PermissionError("wrong password")


@pytest.mark.parametrize("kind", [Refusing, RefusingTask])
async def test_a_sink_that_cannot_be_opened_is_told_at_once(kind: type[Any]) -> None:
    healthy = Keeping()
    sinks = SinkSet([healthy, (kind(), SinkOptions(name="remote"))], Names())
    with pytest.raises(SessionError, match=r"sink remote .*Error: wrong password") as told:
        await sinks.open()
    assert isinstance(told.value.__cause__, PermissionError)
    assert healthy.closed == 1


async def test_a_spill_directory_that_cannot_be_used_is_told_at_once(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    options = SinkOptions(full="spill", spill_dir=tmp_path / "file" / "below")
    for sink in (Keeping(), KeepingTask()):
        with pytest.raises(SessionError, match="file/below: Not a directory; a part of the path"):
            await opened((sink, options))


async def test_opening_waits_for_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who is late, and even fails then, is opened in the end and has lost nothing."""
    monkeypatch.setattr(sink_set, "OPEN_TIMEOUT_S", 0.05)
    gate, tries = threading.Event(), 0

    class Late(Keeping):
        def open(self, names: Names) -> None:
            nonlocal tries
            tries += 1
            gate.wait(60)
            if tries < 3:
                raise ConnectionError("not yet")

    sink, records = Late(), Records()
    sinks = await opened((sink, SinkOptions(name="late")))
    assert "sink late is not open" in caplog.text
    assert status(sinks).state == "opening"
    sinks.write(records.books(1, 2))
    gate.set()
    await until(lambda: sink.kept == [1, 2])
    await sinks.close()
    assert (tries, status(sinks).errors, sink.closed) == (3, 2, 1)


async def test_a_sink_that_never_opens_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_set, "OPEN_TIMEOUT_S", 0.02)
    gate = threading.Event()

    class Never(Keeping):
        def open(self, names: Names) -> None:
            gate.wait(60)

    sinks = await opened((Never(), SinkOptions(close_timeout_s=0.05)))
    sinks.write(Records().books(1))
    await sinks.close()
    assert (status(sinks).state, status(sinks).dropped) == ("abandoned", 1)
    gate.set()


def test_names_are_unique_and_what_is_no_sink_is_refused() -> None:
    def names(*sinks: Given) -> list[str]:
        return [name for name, _, _ in SinkSet(sinks, Names())._sinks]  # noqa: SLF001

    assert names(Keeping(), KeepingTask(), Keeping()) == ["keeping", "keeping_task", "keeping_2"]
    own = SinkOptions(name="own")
    assert names((Keeping(), own)) == ["own"]
    with pytest.raises(ValueError, match="two sinks are called 'own'"):
        names((Keeping(), own), (Keeping(), own))
    with pytest.raises(TypeError, match="lacks open, write, close"):
        names(print)  # type: ignore[arg-type]


async def test_half_an_async_sink_is_told_so() -> None:
    class Half(Keeping):
        async def open(self, names: Names) -> None:  # type: ignore[override]
            pass

    with pytest.raises(SessionError, match="Half returned an awaitable: make its methods"):
        await opened(Half())


# Tasks and disks.


async def test_a_task_with_a_disk_gets_everything_in_order() -> None:
    gate = asyncio.Event()

    async def wait(_batch: Batch) -> None:
        await gate.wait()

    sink, records = KeepingTask(wait), Records(5)
    sinks = await opened((sink, SinkOptions(full="spill", queue_max=200)))
    for _ in range(300):
        sinks.write(records.any_batch())
        await asyncio.sleep(0.0005)
    assert status(sinks).spilled > 0
    gate.set()
    await until(lambda: status(sinks).queued == 0)
    await sinks.close()
    assert sink.kept == list(records.kinds)


# Replays.


@pytest.mark.parametrize("full", ["conflate", "drop_oldest", "spill"])
@pytest.mark.parametrize("kind", [Keeping, KeepingTask])
def test_a_replay_waits_for_its_sinks(kind: type[Keeping | KeepingTask], full: Any) -> None:
    sink, records = kind(), Records(9)
    sinks = SinkSet([(sink, SinkOptions(full=full, queue_max=10))], Names())
    sinks.open_waiting()
    for _ in range(300):
        sinks.write_waiting(records.any_batch(30))
    sinks.close_waiting()
    assert sink.kept == list(records.kinds)
    assert sink.closed == 1
    found = status(sinks)
    assert (found.written, found.dropped, found.conflated) == (len(records.kinds), 0, 0)


@pytest.mark.parametrize("kind", [Keeping, KeepingTask])
async def test_what_a_sink_does_not_take_comes_again(kind: type[Keeping | KeepingTask]) -> None:
    refusals = 4

    def refuse(_batch: Batch) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise NotTaken("not now")

    async def refuse_too(batch: Batch) -> None:
        refuse(batch)

    sink, records = Keeping(refuse) if kind is Keeping else KeepingTask(refuse_too), Records()
    sinks = await opened(sink)
    for _ in range(5):
        sinks.write(records.any_batch())
        await asyncio.sleep(0.01)
    await until(lambda: status(sinks).queued == 0)
    found = status(sinks)
    assert (found.written, found.dropped, found.errors) == (len(records.kinds), 0, 4)
    assert "not now" in found.error
    assert sink.kept == list(records.kinds), "in order, and each once"
    refusals = 10**9
    sinks.write(records.any_batch())
    await sinks.close()
    found = status(sinks)
    assert found.dropped == len(records.kinds) - len(sink.kept) > 0, "it was offered to the end"
    assert found.state == "closed" and 4 < found.errors < 100, "but not without a pause"


def test_a_replay_goes_on_without_a_sink_that_fails() -> None:
    sink, records = Keeping(fail), Records()
    sinks = SinkSet([(sink, SinkOptions(queue_max=10))], Names())
    sinks.open_waiting()
    started_s = time.monotonic()
    for _ in range(100):
        sinks.write_waiting(records.books(1, 2, 3))
    sinks.close_waiting()
    assert time.monotonic() - started_s < 30
    assert (status(sinks).dropped, sink.closed) == (300, 1)


def test_a_replay_is_told_of_a_sink_that_cannot_be_opened() -> None:
    with pytest.raises(SessionError, match="sink refusing cannot be opened"):
        SinkSet([Refusing()], Names()).open_waiting()


# The invariant, with sinks of every kind.


class Moody(Keeping):
    """Takes its time, raises, or does its work, as it likes."""

    def __init__(self, seed: int) -> None:
        super().__init__(self.mood)
        self.records = Records(seed)

    def mood(self, _batch: Batch) -> None:
        match self.records.rng.randrange(4):
            case 0:
                raise RuntimeError("mood")
            case 1:
                time.sleep(self.records.rng.random() / 300)


class MoodyTask(KeepingTask):
    """The same as a task."""

    def __init__(self, seed: int) -> None:
        super().__init__(self.mood)
        self.records = Records(seed)

    async def mood(self, _batch: Batch) -> None:
        match self.records.rng.randrange(4):
            case 0:
                raise RuntimeError("mood")
            case 1:
                await asyncio.sleep(self.records.rng.random() / 300)


@given(
    seed=st.integers(0, 1 << 30),
    kinds=st.lists(
        st.tuples(
            st.sampled_from([Moody, MoodyTask]),
            st.sampled_from(["conflate", "drop_oldest", "spill"]),
            st.integers(1, 40),
        ),
        min_size=1,
        max_size=4,
    ),
    close_timeout_s=st.sampled_from([0.0, 0.02, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_every_record_is_accounted_for(
    seed: int, kinds: list[tuple[Any, Any, int]], close_timeout_s: float
) -> None:
    made = [
        (
            kind(seed + index),
            SinkOptions(
                full=full,
                queue_max=queue_max,
                spill_bytes_max=5_000,
                close_timeout_s=close_timeout_s,
                name=f"s{index}",
            ),
        )
        for index, (kind, full, queue_max) in enumerate(kinds)
    ]
    records = Records(seed)
    sinks = SinkSet(made, Names())

    async def work() -> None:
        await sinks.open()
        for _ in range(60):
            sinks.write(records.any_batch())
            for index, (_, options) in enumerate(made):
                assert status(sinks, index).received == len(records.kinds)
                queue = sinks._runners[index].queue  # noqa: SLF001
                assert queue.in_memory <= options.queue_max
            await asyncio.sleep(records.rng.choice([0, 0, 0.001]))
        await sinks.close()

    asyncio.run(work())
    for index, (sink, _) in enumerate(made):
        found = status(sinks, index)
        assert found.received == len(records.kinds)
        assert found.queued == 0
        if found.state == "closed":
            assert len(sink.kept) == found.written
        else:
            wait_until(lambda s=sink: s.closed or isinstance(s, MoodyTask))  # type: ignore[misc]
            assert len(sink.kept) >= found.written
        assert sink.kept == sorted(set(sink.kept))
