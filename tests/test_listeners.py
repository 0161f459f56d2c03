"""Listeners: any number, plain and async, that come and go and do each other no harm."""

import asyncio
import functools
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from record_bytes import batch, dispatcher, signal_batch, update_bytes

from bookfeed import Batch, Engine, Feed, SessionError, Signal, Update
from bookfeed.dispatch.dispatcher import Dispatcher
from bookfeed.dispatch.listeners import WAITING_MAX, Listener
from bookfeed.recordings.inputs import EngineInput
from bookfeed.status import ConnectionStatus


def hand_over(hub: Dispatcher, *seqs: int) -> None:
    hub.dispatch(batch(*(update_bytes(seq) for seq in seqs)))


async def settled(listener: Listener) -> None:
    """Until the async calls of a listener are done."""
    while listener.task is not None:
        await asyncio.wait({listener.task})


def test_there_may_be_any_number_and_each_counts_its_own() -> None:
    hub = dispatcher()
    seen: list[tuple[int, int]] = []

    def note(place: int) -> Callable[[Update], None]:
        return lambda update: seen.append((update.seq, place))

    listeners = [hub.on_update(note(place)) for place in range(3)]
    hand_over(hub, 1)
    listeners[1].close()
    listeners[1].close()
    hand_over(hub, 2)
    assert seen == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 2)]
    assert [one.calls for one in listeners] == [2, 1, 2]
    assert [one.closed for one in listeners] == [False, True, False]


def test_a_listener_is_its_function_and_a_context() -> None:
    hub = dispatcher()
    seen: list[int] = []

    @hub.on_update
    def noted(update: Update) -> int:
        seen.append(update.seq)
        return update.seq

    with noted:
        hand_over(hub, 1)
    hand_over(hub, 2)
    assert seen == [1]
    assert noted(Update.from_bytes(update_bytes(3))) == 3
    assert noted.calls == 1
    assert "on_update" in repr(noted) and "noted" in repr(noted) and "closed" in repr(noted)


def test_listeners_may_come_and_go_while_a_batch_is_handed_over() -> None:
    hub = dispatcher()
    seen: list[tuple[str, int]] = []
    late: list[Listener] = []

    def first(update: Update) -> None:
        seen.append(("first", update.seq))
        if update.seq == 1:
            second.close()
            late.append(hub.on_update(lambda u: seen.append(("late", u.seq))))

    hub.on_update(first)
    second = hub.on_update(lambda update: seen.append(("second", update.seq)))
    hand_over(hub, 1, 2)
    hand_over(hub, 3)
    assert seen == [("first", 1), ("first", 2), ("first", 3), ("late", 3)]

    def once(update: Update) -> None:
        seen.append(("once", update.seq))
        leaving.close()

    leaving = hub.on_update(once)
    hand_over(hub, 4, 5)
    assert [seq for word, seq in seen if word == "once"] == [4]


def test_what_a_callback_causes_comes_after_what_it_was_called_for() -> None:
    hub = dispatcher()
    seen: list[tuple[str, int]] = []

    def causing(update: Update) -> None:
        seen.append(("first", update.seq))
        if update.seq == 1:
            hand_over(hub, 10, 11)

    hub.on_update(causing)
    hub.on_update(lambda update: seen.append(("second", update.seq)))
    hand_over(hub, 1, 2)
    hand_over(hub, 12)
    assert [seq for word, seq in seen if word == "second"] == [1, 2, 10, 11, 12]


def test_what_cannot_be_called_is_refused_at_once() -> None:
    hub = dispatcher()

    async def endless(_update: Update) -> AsyncIterator[None]:
        yield

    def generating(_update: Update) -> Iterator[None]:
        yield

    for wrong in (endless, generating):
        with pytest.raises(TypeError, match="yield"):
            hub.on_update(wrong)
    with pytest.raises(TypeError, match="on_batch needs a function"):
        hub.on_batch(None)  # type: ignore[arg-type]
    hand_over(hub, 1)
    assert hub.callback_errors == 0


def test_an_error_is_counted_logged_and_told_of_whom(caplog: pytest.LogCaptureFixture) -> None:
    hub = dispatcher()

    def wrong(_batch: Batch) -> None:
        raise ValueError("not this one")

    listener = hub.on_batch(wrong)
    for seq in range(100):
        hand_over(hub, seq)
    assert (listener.calls, listener.errors, hub.callback_errors) == (100, 100, 100)
    (record,) = caplog.records
    assert "on_batch" in record.message and "wrong" in record.message
    assert "not this one" in record.message


# Async callbacks.


class Called:
    """Async callbacks of every form, and what they were called with."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def method(self, update: Update) -> None:
        await asyncio.sleep(0)
        self.seen.append(update.seq)

    async def __call__(self, update: Update) -> None:
        await self.method(update)

    async def two(self, _word: str, update: Update) -> None:
        await self.method(update)


@pytest.mark.parametrize(
    "form",
    [
        lambda called: called,
        lambda called: called.method,
        lambda called: functools.partial(called.two, "word"),
        lambda called: lambda update: called.method(update),
        lambda called: lambda update: asyncio.ensure_future(called.method(update)),
    ],
    ids=["object", "method", "partial", "lambda", "task"],
)
async def test_every_form_of_async_callback_runs_in_order(
    form: Callable[[Called], Callable[[Update], Awaitable[None]]],
) -> None:
    hub, called = dispatcher(), Called()
    listener = hub.on_update(form(called))
    hand_over(hub, 1, 2, 3)
    assert called.seen == []
    await settled(listener)
    hand_over(hub, 4)
    await settled(listener)
    assert called.seen == [1, 2, 3, 4]
    assert (listener.calls, listener.errors, listener.dropped, listener.pending) == (4, 0, 0, 0)


async def test_async_calls_of_a_listener_run_one_at_a_time() -> None:
    hub = dispatcher()
    running = most = 0

    async def slow(_update: Update) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    one, other = hub.on_update(slow), hub.on_update(slow)
    hand_over(hub, 1, 2, 3)
    await settled(one)
    await settled(other)
    assert most == 2


async def test_an_async_error_is_counted_and_the_next_call_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = dispatcher()
    seen: list[int] = []

    async def wrong(update: Update) -> None:
        if update.seq == 1:
            raise ValueError("in a task")
        if update.seq == 2:
            raise asyncio.CancelledError
        seen.append(update.seq)

    listener = hub.on_update(wrong)
    hand_over(hub, 1, 2, 3)
    await settled(listener)
    assert seen == [3]
    assert (listener.errors, hub.callback_errors) == (2, 2)
    assert "in a task" in caplog.text


async def test_so_many_async_calls_wait_and_then_the_oldest_is_dropped() -> None:
    hub = dispatcher()
    gate = asyncio.Event()
    seen: list[int] = []

    async def stalled(update: Update) -> None:
        await gate.wait()
        seen.append(update.seq)

    listener = hub.on_update(stalled)
    hand_over(hub, 0)
    await asyncio.sleep(0)
    for seq in range(1, WAITING_MAX + 11):
        hand_over(hub, seq)
    assert (listener.pending, listener.dropped) == (WAITING_MAX, 10)
    assert hub.callbacks_dropped() == 10
    gate.set()
    await settled(listener)
    assert seen == [0, *range(11, WAITING_MAX + 11)]
    listener.close()
    assert hub.callbacks_dropped() == 10


async def test_a_task_that_waits_too_long_is_cancelled_when_it_is_dropped() -> None:
    hub = dispatcher()
    tasks: list[asyncio.Future[None]] = []

    def begun(_update: Update) -> asyncio.Future[None]:
        tasks.append(asyncio.ensure_future(asyncio.sleep(60)))
        return tasks[-1]

    listener = hub.on_update(begun)
    hand_over(hub, 1)
    await asyncio.sleep(0)
    hand_over(hub, 2)
    listener.close()
    await asyncio.sleep(0)
    assert [task.cancelled() for task in tasks] == [False, True]
    tasks[0].cancel()


async def test_closing_drops_what_waits_and_lets_the_running_call_end() -> None:
    hub = dispatcher()
    seen: list[int] = []

    async def closing(update: Update) -> None:
        listener.close()
        await asyncio.sleep(0)
        seen.append(update.seq)

    listener = hub.on_update(closing)
    hand_over(hub, 1, 2, 3)
    await settled(listener)
    assert seen == [1]
    assert (listener.dropped, hub.callbacks_dropped()) == (2, 2)


def test_without_a_loop_an_async_callback_is_an_error_and_not_silence() -> None:
    hub = dispatcher()

    async def never(_update: Update) -> None:
        raise AssertionError

    listener = hub.on_update(never)
    hand_over(hub, 1)
    assert (listener.errors, listener.pending, hub.callback_errors) == (1, 0, 1)


def test_an_exit_wish_of_an_async_callback_ends_the_program() -> None:
    async def leave(_update: Update) -> None:
        raise SystemExit(5)

    async def main() -> None:
        hub = dispatcher()
        hub.on_update(leave)
        hand_over(hub, 1)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SystemExit):
        asyncio.run(main())


def test_a_loop_that_ends_takes_what_waits_along() -> None:
    listeners: list[Listener] = []

    async def endless(_update: Update) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        hub = dispatcher()
        listeners.append(hub.on_update(endless))
        hand_over(hub, 1, 2, 3)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert (listeners[0].dropped, listeners[0].errors, listeners[0].task) == (2, 0, None)


async def test_the_end_waits_for_async_calls_but_not_for_ever() -> None:
    hub = dispatcher()
    seen: list[int] = []

    async def quick(update: Update) -> None:
        await asyncio.sleep(0.001)
        seen.append(update.seq)

    async def endless(_update: Update) -> None:
        await asyncio.sleep(60)

    hub.on_update(quick)
    stuck = hub.on_update(endless)
    hand_over(hub, 1, 2)
    assert stuck.task is not None
    running = stuck.task
    await hub.finish(0.1)
    assert seen == [1, 2]
    assert (stuck.closed, stuck.dropped) == (True, 1)
    hand_over(hub, 3)
    assert (stuck.calls, hub.callback_errors) == (2, 0)
    running.cancel()


async def test_the_end_can_come_from_an_async_callback_itself() -> None:
    hub = dispatcher()

    async def last(_update: Update) -> None:
        await hub.finish(60)

    listener = hub.on_update(last)
    hand_over(hub, 1, 2)
    async with asyncio.timeout(5):
        await settled(listener)
    assert (listener.calls, listener.dropped, listener.errors) == (2, 1, 0)


# What they are called with.


def test_statuses_and_signals_have_listeners_too() -> None:
    hub = dispatcher()
    statuses: list[ConnectionStatus] = []
    ids: list[int] = []
    hub.on_status(statuses.append)
    hub.on_signal(lambda signal: ids.append(signal.id))
    status = ConnectionStatus("kalshi", 3, "down", "closed", 5, 0, 0, None, 0)
    hub.status(status)
    hub.dispatch(signal_batch())
    assert statuses == [status]
    assert ids == [9]


def test_frames_are_tapped_before_the_engine_has_them_and_only_while_somebody_listens() -> None:
    engine = Engine(auto_subscribe=True)
    inputs = EngineInput(engine)
    hub = Dispatcher(inputs)
    for conn, venue in enumerate(("polymarket", "kalshi")):
        inputs.connected(conn, venue, 1)
    seen: list[tuple[str, int, bytes, int]] = []

    def note(word: str) -> Callable[[int, bytes, int], None]:
        return lambda conn, payload, ts: seen.append((word, conn, payload, ts))

    frames = engine.counters()["frames"]
    everybody = hub.on_raw(note("all"))
    hub.on_raw(lambda *_: seen.append(("frames", engine.counters()["frames"] - frames, b"", 0)))
    kalshi = hub.on_raw(note("kalshi"), venue="kalshi")
    inputs.ingest(0, b"[]", 5)
    inputs.ingest(1, b"{}", 6)
    assert seen == [
        ("all", 0, b"[]", 5),
        ("frames", 0, b"", 0),
        ("all", 1, b"{}", 6),
        ("frames", 1, b"", 0),
        ("kalshi", 1, b"{}", 6),
    ]
    assert (everybody.calls, kalshi.calls) == (2, 1)
    assert everybody(7, b"x", 8) is None and seen[-1] == ("all", 7, b"x", 8)


def test_a_tap_is_gone_with_its_last_listener_and_may_raise() -> None:
    engine = Engine()
    inputs = EngineInput(engine)
    inputs.connected(0, "polymarket", 1)
    hub = Dispatcher(inputs)
    plain = inputs.ingest

    def wrong(_conn: int, _payload: bytes, _ts: int) -> None:
        raise SessionError("no")

    first, second = hub.on_raw(wrong), hub.on_raw(wrong)
    inputs.ingest(0, b"[]", 5)
    assert (first.errors, second.errors, engine.counters()["frames"]) == (1, 1, 1)
    first.close()
    assert inputs.ingest != plain
    second.close()
    assert inputs.ingest == plain


def test_every_way_to_listen_is_a_decorator_with_options_too() -> None:
    feed = Feed()
    seen: list[object] = []

    @feed.on_signal(rule="box", min_edge="0.01")
    def signal(found: Signal) -> None:
        seen.append(found)

    @feed.on_update(symbols=["a"], min_change="0.01", max_rate=5)
    def update(one: Update) -> None:
        seen.append(one)

    listeners = [
        signal,
        update,
        feed.on_batch()(seen.append),
        feed.on_status()(seen.append),
        feed.on_raw(venue="kalshi")(lambda conn, payload, ts_recv: None),
        feed.on_levels(symbols=["a"])(seen.append),
        feed.every(60)(seen.append),
    ]
    for listener in listeners:
        assert isinstance(listener, Listener) and not listener.closed, listener
    update(Update.from_bytes(update_bytes(3)))
    assert len(seen) == 1
    with pytest.raises(ValueError, match="nope"):
        feed.on_signal(rule="nope")


def test_none_is_a_mistake_not_a_function_that_comes_later() -> None:
    feed = Feed()
    nothing: Any = None
    for listen in (feed.on_update, feed.on_signal, feed.on_batch, feed.on_status, feed.on_raw):
        with pytest.raises(TypeError, match="needs a function"):
            listen(nothing)
    with pytest.raises(TypeError, match="needs a function"):
        feed.every(1, nothing)


def test_frames_of_a_venue_that_there_is_not_are_not_waited_for() -> None:
    with pytest.raises(ValueError, match="no venue 'polymarkt': there are polymarket"):
        dispatcher().on_raw(print, venue="polymarkt")


def test_an_error_that_is_not_logged_is_not_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    formatted: set[str] = set()

    def format_exception(error: BaseException) -> list[str]:
        formatted.add(str(error))
        return ["text"]

    monkeypatch.setattr(traceback, "format_exception", format_exception)
    hub = dispatcher()

    def bad(update: Update) -> None:
        raise RuntimeError(update.seq)

    listener = hub.on_update(bad)
    hand_over(hub, *range(1, 100))
    assert listener.errors == hub.callback_errors == 99
    assert formatted <= {"1"}


def test_what_a_callback_is_bound_to_is_not_shown() -> None:
    class Secretive:
        def __repr__(self) -> str:
            raise AssertionError("nobody asked")

        def __call__(self, update: Update) -> None:
            raise RuntimeError("mine")

        def method(self, update: Update) -> None:
            self(update)

    hub, one = dispatcher(), Secretive()
    partial: Callable[[Update], None] = functools.partial(functools.partial(one.method))
    callbacks: list[Callable[[Update], None]] = [one, one.method, partial]
    listeners = [hub.on_update(callback) for callback in callbacks]
    hand_over(hub, 1)
    assert [listener.errors for listener in listeners] == [1, 1, 1]
    assert [repr(one).rpartition(".")[2] for one in listeners] == [
        "Secretive>",
        "method>",
        "method>",
    ]
