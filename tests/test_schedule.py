"""Calls at instants of feed time: when they are due, and that a recording comes to the same."""

import asyncio
import math
from typing import Any

import pytest
from session_server import MARKET, YES, book_frame, serving
from test_session_replay import Tape
from waiting import PATIENCE_S, PatientClock

from bookfeed.dispatch.schedule import Schedule, distance_ns
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.feed.replay import Replay

S = 1_000_000_000
MS = 1_000_000


def scheduled(*every_ns: int) -> tuple[Schedule[int], list[tuple[int, int]]]:
    schedule: Schedule[int] = Schedule()
    calls: list[tuple[int, int]] = []
    for owner, distance in enumerate(every_ns):
        schedule.add(owner, distance, lambda ts, owner=owner: calls.append((owner, ts)), None)  # type: ignore[misc]
    return schedule, calls


def test_instants_are_multiples_of_their_distance() -> None:
    schedule, calls = scheduled(10 * S)
    schedule.run(103 * S)
    assert (schedule.due_ns, calls) == (110 * S, [])
    schedule.run(109 * S)
    schedule.run(110 * S)
    schedule.run(111 * S)
    assert (schedule.due_ns, calls) == (120 * S, [(0, 110 * S)])


def test_a_loop_that_is_late_makes_up_for_nothing() -> None:
    schedule, calls = scheduled(S)
    schedule.run(0)
    schedule.run(1000 * S + 1)
    schedule.run(1001 * S)
    assert calls == [(0, 1000 * S), (0, 1001 * S)]


def test_several_are_called_in_the_order_of_their_instants() -> None:
    schedule, calls = scheduled(4 * S, 3 * S, 3 * S)
    schedule.run(0)
    schedule.run(11 * S)
    assert calls == [(0, 8 * S), (1, 9 * S), (2, 9 * S)]
    schedule.run(12 * S)
    assert calls[3:] == [(0, 12 * S), (1, 12 * S), (2, 12 * S)]


def test_who_leaves_is_not_called_and_may_leave_meanwhile() -> None:
    schedule, calls = scheduled(S, S)
    schedule.add(7, S, lambda _ts: schedule.remove(7), None)
    schedule.run(0)
    schedule.run(S)
    assert schedule.remove(0)
    assert not schedule.remove(7)
    schedule.run(2 * S)
    assert calls == [(0, S), (1, S), (1, 2 * S)]


@pytest.mark.parametrize("seconds", [0, -1.0, 0.0001, math.nan, math.inf, 1e10, 1e300, "1", None])
def test_distances_that_cannot_be_are_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match=r"0\.001 to 1000000000 seconds"):
        distance_ns(seconds)
    with pytest.raises(ValueError, match=r"0\.001 to 1000000000 seconds"):
        Feed([MARKET]).every(seconds, print)


OPTIONS = SessionOptions(advance_s=0.05, backoff_min_s=0.01)


async def test_a_replay_calls_at_the_same_instants_with_the_same_books() -> None:
    """Live, an instant falls between two beats of the timer, and is met all the same."""

    def watching(source: Any, calls: list[Any]) -> Any:
        def look(ts: int) -> None:
            engine = source.engine
            states = [(b.state, b.cause, b.epoch, b.bid_e9, b.ts_recv) for b in engine.books()]
            calls.append((ts, states, len(updates[id(calls)]), engine.counters()["frames"]))

        return look

    updates: dict[int, list[Any]] = {}
    tape, live, again = Tape(), list[Any](), list[Any]()
    updates[id(live)], updates[id(again)] = [], []
    async with serving() as server:
        feed = Feed(
            [MARKET],
            url=server.url,
            options=OPTIONS,
            recorder=tape,
            clock=PatientClock(),
            on_update=updates[id(live)].append,
        )
        for seconds in (0.02, 0.03):
            feed.every(seconds, watching(feed, live))
        async with feed:
            await feed.wait_live(PATIENCE_S)
            peer = await server.peer(0)
            for n in range(12):
                peer.text(book_frame(YES, f"0.{300 + n}"))
                await server.until(lambda n=n: feed.book(YES).bid == (300 + n) / 1000)  # type: ignore[misc]
                seen = len(live)
                await server.until(lambda seen=seen: len(live) > seen)  # type: ignore[misc]
            peer.abort()
            await server.recovered(feed, YES)
    replayed = Replay(tape.records, on_update=updates[id(again)].append)
    for seconds in (0.02, 0.03):
        replayed.every(seconds, watching(replayed, again))
    replayed.run()
    assert len(live) > 12
    assert again == live
    assert updates[id(again)] == updates[id(live)]
    instants = [ts for ts, *_ in live]
    assert all(ts % (20 * MS) == 0 or ts % (30 * MS) == 0 for ts in instants)
    assert instants == sorted(instants)


async def test_one_that_is_asked_for_while_open_begins_and_ends_at_once() -> None:
    async with serving() as server:
        clock = PatientClock()
        options = SessionOptions(advance_s=60)
        async with Feed([MARKET], url=server.url, options=options, clock=clock) as feed:
            calls: list[int] = []
            begin = clock.now_ns()
            with feed.every(0.01, calls.append) as listener:
                await server.until(lambda: len(calls) >= 3)
                assert listener.calls == len(calls)
            assert begin < calls[0] <= begin + 10 * MS
            assert calls[1] - calls[0] == 10 * MS
            count = len(calls)
            await asyncio.sleep(0.05)
            assert len(calls) == count
        assert feed.counters()["callback_errors"] == 0


async def test_one_that_raises_is_counted_and_called_again() -> None:
    async with serving() as server:
        feed = Feed([MARKET], url=server.url, clock=PatientClock())

        @lambda fn: feed.every(0.01, fn)
        def fail(_ts: int) -> None:
            raise RuntimeError("mine")

        async with feed:
            await server.until(lambda: fail.errors >= 3)
            assert feed.counters()["callback_errors"] >= 3
            await feed.wait_live(PATIENCE_S)


async def test_an_async_one_runs() -> None:
    async with serving() as server:
        ran: list[int] = []

        async def run(ts: int) -> None:
            await asyncio.sleep(0)
            ran.append(ts)

        feed = Feed([MARKET], url=server.url, clock=PatientClock())
        feed.every(0.01, run)
        async with feed:
            await server.until(lambda: len(ran) >= 3)
        assert ran == sorted(ran)
