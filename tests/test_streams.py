"""Streams that are left, drained and read: whoever is gone costs nothing."""

import asyncio
import gc
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from record_bytes import batch, dispatcher, signal_batch, update_bytes

from bookfeed import Lagged, Stream, Update
from bookfeed.dispatch.dispatcher import Dispatcher

ABANDONED = 1_500


def streams_of(hub: Dispatcher) -> int:
    """How many streams the dispatcher serves."""
    return len(hub._update_streams) + len(hub._signal_streams)  # noqa: SLF001


def say(hub: Dispatcher, seq: int, kind: str = "trade") -> None:
    hub.dispatch(batch(update_bytes(seq, kind=kind)))


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """What is dropped must go at once: the collector may come late, or never."""
    gc.disable()
    yield
    gc.enable()


@asynccontextmanager
async def talking(hub: Dispatcher) -> AsyncIterator[None]:
    """A record at every turn of the loop."""

    async def talk() -> None:
        for seq in itertools.count():
            say(hub, seq)
            await asyncio.sleep(0)

    task = asyncio.ensure_future(talk())
    yield
    task.cancel()


async def by_break(hub: Dispatcher) -> None:
    async for _update in hub.updates():
        break


async def by_return(hub: Dispatcher) -> Update:
    async for update in hub.updates(symbols=[0], max_rate=1e6):
        return update
    raise AssertionError


async def by_error(hub: Dispatcher) -> None:
    with suppress(KeyError):
        async for update in hub.updates():
            raise KeyError(update)


async def by_next(hub: Dispatcher) -> None:
    await anext(hub.updates())


async def by_never_reading(hub: Dispatcher) -> None:
    hub.updates()
    hub.signals(rule="box")
    await asyncio.sleep(0)


async def by_cancelling(hub: Dispatcher) -> None:
    async def wait() -> None:
        async for _signal in hub.signals():
            pass

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def by_time(hub: Dispatcher) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(anext(hub.signals()), 0.0001)


@pytest.mark.parametrize(
    "leave",
    [by_break, by_return, by_error, by_next, by_never_reading, by_cancelling, by_time],
)
async def test_streams_that_are_left_leave_nothing_behind(
    leave: Callable[[Dispatcher], Awaitable[object]],
) -> None:
    hub = dispatcher()
    most = 0
    async with talking(hub):
        for _ in range(ABANDONED):
            await leave(hub)
            most = max(most, streams_of(hub))
        await asyncio.sleep(0.01)
        assert streams_of(hub) == 0
    assert most <= 4


async def test_a_stream_whose_reader_waits_lives_until_it_has_read() -> None:
    hub = dispatcher()
    reading = asyncio.ensure_future(anext(hub.updates()))
    await asyncio.sleep(0)
    assert streams_of(hub) == 1
    say(hub, 1)
    assert (await reading).seq == 1
    del reading
    await asyncio.sleep(0)
    assert streams_of(hub) == 0


async def test_a_stream_that_somebody_keeps_stays() -> None:
    hub = dispatcher()
    stream = hub.updates()
    async with talking(hub):
        async for _update in stream:
            break
        await asyncio.sleep(0)
    say(hub, 100)
    assert streams_of(hub) == 1
    assert stream.drain()[-1].seq == 100


async def test_a_stream_that_is_collected_on_another_thread_is_left_by_the_loop() -> None:
    hub = dispatcher()
    kept: list[Stream[Update]] = [hub.updates()]
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert streams_of(hub) == 1
    await asyncio.sleep(0.01)
    assert streams_of(hub) == 0


def test_without_a_loop_a_stream_that_is_left_goes_with_the_next_record() -> None:
    hub = dispatcher()
    hub.updates()
    hub.signals()
    assert streams_of(hub) == 2
    say(hub, 1)
    hub.dispatch(signal_batch())
    assert streams_of(hub) == 0


def test_a_stream_that_outlives_its_loop_can_be_left() -> None:
    kept: list[Stream[Update]] = []

    async def main() -> None:
        kept.append(dispatcher().updates())

    asyncio.run(main())
    kept.clear()


async def test_streams_left_after_the_end_leave_nothing_behind() -> None:
    hub = dispatcher()
    stream = hub.updates()
    hub.end(RuntimeError("engine"))
    del stream
    await asyncio.sleep(0.01)
    assert streams_of(hub) == 0


async def test_a_stream_that_is_closed_from_a_callback_takes_nothing_more() -> None:
    hub = dispatcher()
    stream = hub.updates()
    hub.on_update(lambda _update: stream.close())
    hub.dispatch(batch(update_bytes(1, kind="trade"), update_bytes(2)))
    assert stream.drain() == []
    assert [update async for update in stream] == []


# Draining.


async def test_drain_returns_what_waits_and_never_waits() -> None:
    hub = dispatcher()
    stream = hub.updates()
    assert stream.drain() == []
    for seq in range(5):
        say(hub, seq)
    say(hub, 5, "book")
    assert [u.seq for u in stream.drain(2)] == [0, 1]
    assert (await anext(stream)).seq == 2
    assert [u.seq for u in stream.drain(100)] == [3, 4, 5]
    assert stream.drain() == []
    with pytest.raises(ValueError, match="max_items"):
        stream.drain(0)


async def test_drain_says_what_was_dropped_and_how_it_ended() -> None:
    hub = dispatcher()
    stream = hub.updates(queue_max=2)
    for seq in range(5):
        say(hub, seq)
    with pytest.raises(Lagged) as caught:
        stream.drain()
    assert caught.value.missed == stream.dropped == 3
    hub.end(RuntimeError("engine"))
    assert stream.ended
    assert [u.seq for u in stream.drain()] == [3, 4]
    with pytest.raises(RuntimeError, match="engine"):
        stream.drain()


async def test_what_streams_dropped_is_counted_after_they_are_gone() -> None:
    hub = dispatcher()
    stream = hub.updates(queue_max=2)
    for seq in range(5):
        say(hub, seq)
    assert hub.dropped() == 3
    del stream
    await asyncio.sleep(0)
    assert (streams_of(hub), hub.dropped()) == (0, 3)
