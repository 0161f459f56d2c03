"""Dispatching: order, conflation, bounds, and callbacks that misbehave."""

import asyncio
import copy
import dataclasses
import pickle
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from record_bytes import (
    LEG,
    UPDATE,
    append_to,
    batch,
    dispatcher,
    named,
    signal_batch,
    update_bytes,
)

from bookfeed import ABSENT, Lagged, Leg, Names, SessionError, Signal, Stream, Update, records
from bookfeed.records import LEG_BYTES, SIGNAL_BYTES, UPDATE_BYTES


async def drained(stream: Stream[Update]) -> list[Update]:
    """All that waits in a stream; it is ended for that."""
    stream.end()
    return [update async for update in stream]


def test_record_sizes_are_those_of_the_engine() -> None:
    assert UPDATE.size == UPDATE_BYTES == 96
    assert (SIGNAL_BYTES, LEG_BYTES) == (144, 64)


def test_update_fields() -> None:
    update = Update.from_bytes(update_bytes(5, 2, "trade", "stale", "silence"), 0, {2: "abc"})
    assert (update.seq, update.instrument, update.symbol, update.kind) == (5, 2, "abc", "trade")
    assert (update.state, update.cause, update.live) == ("stale", "silence", False)
    assert (update.ts_recv, update.ts_event, update.ts_evidence) == (1005, None, 900)
    assert (update.bid_e9, update.bid, update.bid_qty) == (400_000_000, 0.4, 5.0)
    assert (update.ask, update.ask_qty, update.price, update.price_decimal) == (None,) * 4
    assert (update.epoch, update.conn, update.touch_changed, update.aggressor) == (3, 7, True, None)


def test_an_update_that_was_read_is_a_whole_and_frozen_one() -> None:
    update = Update.from_bytes(update_bytes(5, 2, "trade"), 0, {2: "abc"})
    fields = {one.name: getattr(update, one.name) for one in dataclasses.fields(Update)}
    assert type(update) is Update
    assert update == Update(**fields) == copy.deepcopy(update) == pickle.loads(pickle.dumps(update))
    assert hash(update) == hash(Update(**fields))
    assert replace(update, seq=6).seq == 6
    with pytest.raises(dataclasses.FrozenInstanceError):
        update.seq = 6  # type: ignore[misc]


def test_signal_fields_and_legs() -> None:
    seen: list[Signal] = []
    hub = dispatcher(names=named())
    hub.on_signal(seen.append)
    hub.dispatch(signal_batch())
    (signal,) = seen
    assert (signal.id, signal.rule, signal.phase, signal.direction) == (
        9,
        "complement",
        "open",
        "buy",
    )
    assert (signal.net_edge_e9, signal.value, signal.skew_ns) == (20, None, 5)
    assert [(leg.instrument, leg.symbol, leg.side, leg.state) for leg in signal.legs] == [
        (1, "a", "sell", "live"),
        (2, "b", "buy", "live"),
    ]
    assert signal.legs[1].avg_price_e9 == 20
    assert signal.legs[1].age_ns is signal.legs[1].age_s is None


def test_a_signal_knows_its_rule_and_the_places_of_its_legs() -> None:
    (signal,) = records.signals(signal_batch(), named())
    assert signal.name == "rain"
    assert [(leg.venue, leg.market, leg.outcome) for leg in signal.legs] == [
        ("kalshi", "K", "Yes"),
        ("polymarket", "0x1", "No"),
    ]
    (bare,) = records.signals(signal_batch(), {2: "b"})
    assert (bare.name, [leg.symbol for leg in bare.legs]) == ("", ["", "b"])
    assert {(leg.venue, leg.market, leg.outcome) for leg in bare.legs} == {("", "", "")}


@pytest.mark.parametrize(
    ("own", "opposite"), [("Yes", "No"), ("no", "yes"), ("Ada", "not Ada"), ("", "")]
)
def test_a_leg_names_the_outcome_that_is_traded(own: str, opposite: str) -> None:
    names = Names()
    names.learn(1, venue="polymarket", symbol="b", market="0x1", outcome=own, title="")
    for view, traded in enumerate((own, opposite)):
        data = LEG.pack(1, 4, 10, 11, 200, 5, ABSENT, 2, 0, view)
        leg = Leg.from_bytes(data, 0, names)
        assert (leg.view, leg.outcome) == (("yes", "no")[view], traded)


def test_a_signal_says_what_the_whole_size_would_leave_and_how_long_it_stood() -> None:
    (signal,) = records.signals(signal_batch())
    # 3.00000001 shares at 0.02 USD leave 0.0600000002 USD, rounded down to a whole 1e-9.
    whole = replace(
        signal, qty_e8=300_000_001, net_edge_e9=20_000_000, capital_e9=3_000_000_000,
        ts_open=1_000_000_000, ts_recv=2_500_001_999, skew_ns=250_000_000, lag_ns=-5_000_000,
    )  # fmt: skip
    assert whole.net_total_e9 == 60_000_000
    assert (whole.net_total, whole.roi) == (0.06, 0.02)
    assert replace(whole, net_edge_e9=-20_000_000).net_total_e9 == -60_000_001
    assert whole.duration == timedelta(seconds=1, microseconds=500_001)
    assert whole.duration_s == 1.500001999
    assert (whole.skew_s, whole.lag_s) == (0.25, -0.005)
    for absent in (replace(whole, net_edge_e9=None), replace(whole, qty_e8=None)):
        assert (absent.net_total_e9, absent.net_total, absent.roi) == (None, None, None)
    assert replace(whole, capital_e9=None).roi is replace(whole, capital_e9=0).roi is None
    assert replace(whole, skew_ns=None, lag_ns=None).skew_s is None


def test_the_old_word_for_names_is_answered_with_the_new_one() -> None:
    for read in (records.updates, records.signals):
        with pytest.raises(TypeError, match="names"):
            read(signal_batch(), symbols={1: "a"})  # type: ignore[arg-type]


def test_callbacks_run_in_the_documented_order() -> None:
    order: list[str] = []
    hub = dispatcher(append_to(order, "state"))
    hub.on_update(append_to(order, "update"))
    hub.on_batch(append_to(order, "batch"))
    hub.dispatch(batch(update_bytes(1), update_bytes(2, kind="state")))
    assert order == ["batch", "update", "update", "state"]


def test_only_states_go_to_the_state_callback() -> None:
    seen: list[Update] = []
    hub = dispatcher(seen.append)
    kinds = ["book", "state", "trade", "state", "tick_size", "resolved", "state"]
    hub.dispatch(batch(*(update_bytes(n, kind=kind) for n, kind in enumerate(kinds))))
    assert [update.seq for update in seen] == [1, 3, 6]


class Panic(BaseException):
    """Like the panic of a compiled extension: not an ``Exception``."""


@pytest.mark.parametrize("error", [ValueError, Panic, asyncio.CancelledError])
async def test_a_raising_callback_stops_nobody_else(error: type[BaseException]) -> None:
    seen: list[int] = []

    def fail(_record: object) -> None:
        raise error("no")

    hub = dispatcher(lambda update: seen.append(update.seq))
    listeners = hub.on_batch(fail), hub.on_update(fail)
    stream = hub.updates()
    hub.dispatch(batch(update_bytes(1, kind="state"), update_bytes(2, kind="state")))
    assert hub.callback_errors == 3
    assert [one.errors for one in listeners] == [1, 2]
    assert seen == [1, 2]
    assert [u.seq for u in await drained(stream)] == [1, 2]


def test_an_exit_wish_leaves_through_the_loop_and_not_through_the_read() -> None:
    seen: list[int] = []

    def leave(_update: Update) -> None:
        raise SystemExit(5)

    async def main() -> None:
        hub = dispatcher(lambda update: seen.append(update.seq))
        hub.on_update(leave)
        hub.dispatch(batch(update_bytes(1, kind="state")))
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert seen == [1]


async def test_books_conflate_and_nothing_else_does() -> None:
    hub = dispatcher()
    stream = hub.updates()
    hub.dispatch(batch(*(update_bytes(n, n % 2) for n in range(10))))
    hub.dispatch(batch(*(update_bytes(n, n % 2, "trade") for n in range(10, 14))))
    hub.dispatch(batch(update_bytes(14, 0), update_bytes(15, 0)))
    assert [(u.seq, u.kind) for u in await drained(stream)] == [
        (10, "trade"), (11, "trade"), (12, "trade"), (13, "trade"), (15, "book"),
    ]  # fmt: skip
    assert stream.conflated == 11


async def test_records_of_an_instrument_come_in_order_and_end_with_the_newest() -> None:
    rng = random.Random(11)
    hub = dispatcher()
    stream = hub.updates()
    got: list[Update] = []
    newest: dict[int, int] = {}
    kept = 0
    for seq in range(3000):
        instrument = rng.randrange(5)
        kind = rng.choice(["book"] * 6 + ["state", "trade"])
        kept += kind != "book"
        newest[instrument] = seq
        hub.dispatch(batch(update_bytes(seq, instrument, kind)))
        if rng.random() < 0.2:
            got.append(await anext(stream))
    got += await drained(stream)
    for instrument, last in newest.items():
        seqs = [u.seq for u in got if u.instrument == instrument]
        assert seqs == sorted(seqs)
        assert seqs[-1] == last
    assert sum(u.kind != "book" for u in got) == kept
    assert len(got) + stream.conflated == 3000


async def test_a_busy_instrument_does_not_starve_behind_others() -> None:
    hub = dispatcher()
    stream = hub.updates()
    read: list[int] = []
    for turn in range(200):
        hub.dispatch(batch(*(update_bytes(turn, i) for i in (0, 0, 0, 1, 2, 3))))
        read.append((await anext(stream)).instrument)
    assert read.count(0) == 50


async def test_overflow_drops_the_oldest_and_says_so_once() -> None:
    hub = dispatcher()
    stream = hub.updates(queue_max=3)
    hub.dispatch(batch(*(update_bytes(n, kind="trade") for n in range(10))))
    hub.dispatch(batch(update_bytes(10, 1)))
    with pytest.raises(Lagged) as caught:
        await anext(stream)
    assert caught.value.missed == 7
    assert [u.seq for u in await drained(stream)] == [7, 8, 9, 10]
    assert hub.dropped() == 7


async def test_memory_is_bounded_however_slow_the_reader() -> None:
    hub = dispatcher()
    stream = hub.updates(queue_max=10)
    for n in range(2000):
        kind = "trade" if n % 3 else "book"
        hub.dispatch(batch(update_bytes(n, n % 4, kind)))
    with pytest.raises(Lagged):
        await anext(stream)
    kinds = [update.kind for update in await drained(stream)]
    assert kinds.count("trade") == 10
    assert kinds.count("book") <= 4


async def test_streams_are_independent_and_can_be_left() -> None:
    hub = dispatcher()
    left, right = hub.updates(), hub.updates()
    left.close()
    left.close()
    hub.dispatch(batch(update_bytes(1)))
    assert (await anext(right)).seq == 1
    assert [u async for u in left] == []


async def test_a_reader_waits_wakes_and_ends() -> None:
    hub = dispatcher()
    stream = hub.updates()
    reader = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    with pytest.raises(SessionError, match="one task"):
        await anext(stream)
    hub.dispatch(batch(update_bytes(1)))
    assert (await reader).seq == 1
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    hub.dispatch(batch(update_bytes(2)))
    hub.end(RuntimeError("engine"))
    assert (await anext(stream)).seq == 2
    with pytest.raises(RuntimeError, match="engine"):
        await anext(stream)


async def test_signals_are_never_merged() -> None:
    hub = dispatcher()
    stream = hub.signals()
    for _ in range(5):
        hub.dispatch(signal_batch())
    stream.end()
    assert len([s async for s in stream]) == 5


def test_a_stream_needs_room() -> None:
    with pytest.raises(ValueError, match="queue_max"):
        dispatcher().updates(queue_max=0)
