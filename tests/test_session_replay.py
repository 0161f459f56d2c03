"""Inputs and replay: what was recorded live gives the same records again, byte for byte."""

import json
import random

import orjson
import pytest
from session_server import MARKET, NO, YES, book_message, raw_frame, serving
from waiting import PATIENCE_S

from bookfeed._bookfeed import Batch, Engine
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.market import Market, Outcome
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.replay import apply_record, replay
from bookfeed.records import SIGNAL_BYTES
from bookfeed.rules.estimate import IndexEstimate
from bookfeed.rules.rule import Rule
from bookfeed.rules.terms import SettlementTerms
from bookfeed.venues import FeeSchedule

Record = tuple[int, int, int, int, bytes]


class Tape:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        self.records.append((kind, ts, conn, epoch, payload))

    def poll(self, now_ns: int) -> None:
        assert now_ns > 0

    def close(self, timeout_s: float) -> None:
        self.closed = True


class BrokenTape(Tape):
    """A recorder that breaks the promise not to fail."""

    def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
        raise OSError("disk")

    def poll(self, now_ns: int) -> None:
        raise OSError("disk")


def test_every_changing_call_is_one_record_with_its_time() -> None:
    tape = Tape()
    inputs = EngineInput(Engine(), tape)
    market = Market(
        "0xabc",
        (Outcome("Yes", YES), Outcome("No", NO)),
        tick_size="0.01",
        min_order_size="5",
        neg_risk=False,
        fee=FeeSchedule("0.07"),
    )
    inputs.add_rule(Rule("spread", {"mode": "bps", "open": "20", "close": "10"}), 1)
    number = inputs.subscribe(market, market.outcomes[0], 3, 2)
    inputs.connected(3, "polymarket", 3)
    inputs.ingest(3, b"PONG", 4)
    inputs.resync_begin(number, 5)
    inputs.ingest_rest(3, b"[]", 6)
    inputs.advance(7)
    inputs.invalidate(3, "transport", 8)
    inputs.disconnected(3, "gone", 9)
    inputs.own_resting(number, [(1, 2)], [(3, 4), (5, 6)], 9)
    inputs.unsubscribe(number, 10)
    inputs.note({"hello": "world"}, 11)
    inputs.forget(number, 12)
    inputs.remove_rule(0, 13)
    inputs.add_line(4, 3, 14)
    inputs.end_line(4, 15)
    inputs.add_index(IndexEstimate("x", "BTC", {"kraken": "BTC/USD"}, {"tick_ms": 100}), 16)
    up = inputs.subscribe(market, market.outcomes[1], 4, 17)
    inputs.add_terms(up, SettlementTerms("told x", 100 * 10**9, at_least="5"), 18)
    inputs.tell_strike(up, 7, 19)
    inputs.tell_touch(up, None, 20)
    inputs.tell_reference("x", 20, 8, 21)
    kinds = [Kind(record[0]) for record in tape.records]
    assert kinds == [
        Kind.RULE, Kind.SUBSCRIBE, Kind.CONNECTED, Kind.FRAME, Kind.RESYNC_BEGIN, Kind.REST,
        Kind.ADVANCE, Kind.INVALIDATE, Kind.DISCONNECTED, Kind.OWN, Kind.UNSUBSCRIBE, Kind.NOTE,
        Kind.FORGET, Kind.RULE_END, Kind.LINE, Kind.LINE, Kind.INDEX,
        Kind.SUBSCRIBE, Kind.TERMS, Kind.STRIKE, Kind.TOUCH, Kind.REFERENCE,
    ]  # fmt: skip
    assert [record[1] for record in tape.records] == [*range(1, 10), *range(9, 22)]
    assert [json.loads(record[4]) for record in tape.records[-4:]] == [
        {"instrument": up, "params": {
            "reference": "told x", "end_ts": 100 * 10**9, "at_least": "5", "opening": "mean",
            "closing": "mean", "tie": "yes",
        }},
        {"instrument": up, "strike_e18": 7},
        {"instrument": up, "bid_e9": None, "ask_e9": None},
        {"name": "x", "ts_event": 20, "value_e18": 8},
    ]  # fmt: skip
    assert [json.loads(record[4]) for record in tape.records[-8:-5]] == [
        {"beside": 3}, {"beside": None},
        {"name": "x", "params": {
            "tick_ms": 100, "asset": "BTC", "constituents": "kraken BTC/USD",
        }},
    ]  # fmt: skip
    assert json.loads(tape.records[9][4]) == {
        "instrument": number, "bids": [[1, 2]], "asks": [[3, 4], [5, 6]],
    }  # fmt: skip
    # The epoch counts the connection's attempts from the moment it is open.
    assert [record[3] for record in tape.records if record[2] == 3] == [0, 1, 1, 1, 1, 1]
    assert json.loads(tape.records[1][4]) == {
        "venue": "polymarket", "symbol": YES, "market": "0xabc", "outcome": "Yes",
        "tick_size": "0.01", "min_order_size": "5", "fee": "polymarket:0.07;1",
            "hints": "neg_risk=false",
    }  # fmt: skip


def random_records(seed: int) -> list[Record]:
    """A recording of two books with everything that can happen to them."""
    rng = random.Random(seed)
    tape = Tape()
    inputs = EngineInput(Engine(), tape)
    ts = 1_800_000_000_000_000_000
    inputs.add_rule(Rule("spread", {"mode": "bps", "open": "20", "close": "10"}), ts)
    inputs.add_rule(Rule("complement", {}), ts)
    numbers = [inputs.subscribe(MARKET, outcome, 0, ts) for outcome in MARKET.outcomes]
    for _ in range(400):
        ts += rng.randrange(1, 400_000_000)
        symbol = rng.choice([YES, NO])
        bid = rng.randrange(1, 90)
        book = orjson.dumps(
            book_message(symbol, f"0.{bid:02}", f"0.{bid + 9:02}", ts_ms=ts // 1_000_000)
        )
        match rng.randrange(11):
            case 10:
                own = [(bid * 10_000_000, rng.randrange(1, 10**10))]
                inputs.own_resting(rng.choice(numbers), own, [], ts)
            case 0:
                inputs.connected(0, "polymarket", ts)
            case 1:
                inputs.disconnected(0, "x", ts)
            case 2:
                inputs.invalidate(0, "transport", ts)
            case 3:
                inputs.resync_begin(rng.choice(numbers), ts)
            case 4:
                inputs.ingest_rest(0, b"[" + book + b"]", ts)
            case 5:
                inputs.ingest(0, book[: rng.randrange(len(book))], ts)
            case 6:
                inputs.advance(ts)
            case _:
                inputs.ingest(0, book, ts)
    return tape.records


class Output:
    """Everything an engine gave out, apart from where the legs lie within each batch."""

    def __init__(self) -> None:
        self.updates = self.signals = self.legs = b""

    def keep(self, batch: Batch) -> None:
        signals = bytearray(batch.signal_bytes)
        for offset in range(0, len(signals), SIGNAL_BYTES):
            signals[offset + 108 : offset + 112] = bytes(4)
        self.updates += batch.update_bytes
        self.signals += signals
        self.legs += batch.leg_bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Output) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def outcome(records: list[Record], drain_every: int = 0) -> Output:
    """What a recording gives, drained in any rhythm."""
    engine = Engine()
    output = Output()
    for number, (kind, ts, conn, _, payload) in enumerate(records):
        assert apply_record(engine, kind, ts, conn, payload)
        if drain_every and number % drain_every == 0:
            output.keep(engine.drain(ts))
    output.keep(engine.drain())
    return output


@pytest.mark.parametrize("seed", range(10))
def test_a_replay_gives_the_same_records(seed: int) -> None:
    records = random_records(seed)
    first = outcome(records)
    assert len(first.updates) > 96 * 100
    assert first.signals
    assert outcome(records) == first
    assert outcome(records, drain_every=7) == first


def test_a_replay_through_a_recorder_gives_the_same_recording() -> None:
    records = random_records(1)
    tape = Tape()
    engine = Engine()
    list(replay(engine, records, inputs=EngineInput(engine, tape)))
    assert tape.records == records


def test_progress_and_the_limit_on_frames() -> None:
    records = random_records(2)
    frames = sum(record[0] == Kind.FRAME for record in records)
    *_, last = replay(Engine(), records)
    assert (last.frames, last.records, last.refused) == (frames, len(records), 0)
    assert last.ts == records[-1][1]
    batches: list[Batch] = []
    engine = Engine()
    *_, last = replay(engine, records * 5, frames_max=25, on_batch=batches.append)
    assert last.frames == engine.counters()["frames"] + engine.counters()["late_frames"] == 25
    assert sum(len(batch) for batch in batches) > 0
    (only,) = replay(Engine(), [])
    assert (only.records, only.ts) == (0, None)


def test_captures_replay_too() -> None:
    frame = orjson.dumps(book_message(YES))
    engine = Engine(auto_subscribe=True)
    list(replay(engine, [(Kind.CONNECTED, 1, 0, b"polymarket"), (Kind.FRAME, 2, 0, frame)]))
    assert [(view.symbol, view.state) for view in engine.books()] == [(YES, "live")]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.CONNECTED, b"no such venue"),
        (Kind.CONNECTED, b"\xff"),
        (Kind.INVALIDATE, b"no such cause"),
        (Kind.SUBSCRIBE, b"{"),
        (Kind.SUBSCRIBE, b"[]"),
        (Kind.SUBSCRIBE, b"{}"),
        (Kind.SUBSCRIBE, b'{"venue": "polymarket", "symbol": "1", "surprise": 1}'),
        (Kind.SUBSCRIBE, b'{"venue": "polymarket", "symbol": 1}'),
        (Kind.UNSUBSCRIBE, b'{"instrument": 77}'),
        (Kind.UNSUBSCRIBE, b'{"instrument": -1}'),
        (Kind.UNSUBSCRIBE, b'{"instrument": "x"}'),
        (Kind.FORGET, b'{"instrument": 77}'),
        (Kind.FORGET, b"{}"),
        (Kind.RULE_END, b'{"rule": 0}'),
        (Kind.RULE_END, b'{"rule": "x"}'),
        (Kind.LINE, b"{}"),
        (Kind.LINE, b'{"beside": 9}'),
        (Kind.LINE, b'{"beside": "x"}'),
        (Kind.OWN, b"{}"),
        (Kind.OWN, b'{"instrument": 77, "bids": [], "asks": []}'),
        (Kind.RESYNC_BEGIN, b"{}"),
        (Kind.RULE, b'{"kind": "no such rule", "params": {}}'),
        (Kind.RULE, b'{"kind": "spread", "params": 5}'),
    ],
)
def test_a_bad_record_is_counted_and_left_out(kind: Kind, payload: bytes) -> None:
    inputs = EngineInput(Engine())
    assert inputs.apply(kind, 1, 0, payload) is False
    assert inputs.records_refused == 1
    assert inputs.apply(Kind.FRAME, 2, 0, b"PONG")


@pytest.mark.parametrize("kind", [Kind.NOTE, Kind.DROPPED, 99])
def test_records_that_change_nothing_are_passed_over(kind: int) -> None:
    assert apply_record(Engine(), kind, 1, 0, b"{}")


async def test_a_live_session_replays_byte_for_byte() -> None:
    """Connect, trade, break the protocol, reconnect; then do it all again from the recording."""
    tape, live = Tape(), Output()
    rule = Rule("spread", {"mode": "bps", "open": "20", "close": "10"})
    options = SessionOptions(backoff_min_s=0.01, advance_s=0.01)
    async with serving() as server:
        feed = Feed(
            [MARKET],
            url=server.url,
            rules=[rule],
            recorder=tape,
            on_batch=live.keep,
            options=options,
        )
        async with feed:
            await feed.wait_live(PATIENCE_S)
            peer = await server.peer(0)
            for bid in range(10, 40):
                peer.text(orjson.dumps(book_message(YES, f"0.{bid}", f"0.{bid + 5}")))
                await server.until(lambda n=bid: feed.book(YES).bid == n / 100)  # type: ignore[misc]
            peer.raw(raw_frame(0x1, b"x" * 100, reserved=4))
            peer = await server.peer(1)
            await feed.wait_live(PATIENCE_S)
            peer.text(orjson.dumps(book_message(NO))[:150])
            await server.peer(2)
            await feed.wait_live(PATIENCE_S)
            times = len([record for record in tape.records if record[0] == Kind.ADVANCE])
            await server.until(
                lambda: len([r for r in tape.records if r[0] == Kind.ADVANCE]) > times
            )
    assert tape.closed
    assert {Kind.RULE, Kind.SUBSCRIBE, Kind.CONNECTED, Kind.FRAME, Kind.ADVANCE, Kind.INVALIDATE,
            Kind.DISCONNECTED} <= {record[0] for record in tape.records}  # fmt: skip
    assert len(live.updates) > 96 * 30
    assert live.signals
    assert outcome(tape.records) == live


async def test_a_recorder_that_fails_does_not_stop_the_feed() -> None:
    async with (
        serving() as server,
        Feed([MARKET], url=server.url, recorder=BrokenTape()) as feed,
    ):
        await feed.wait_live(PATIENCE_S)
        assert feed.counters()["records_failed"] > 0


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]\n{}", b'{"instrument": "7", "stands_at": null}\n{}', b'{"instrument"'],
)
def test_a_rest_book_that_does_not_say_which_it_is_is_left_out(payload: bytes) -> None:
    inputs = EngineInput(Engine())
    inputs.connected(0, "binance", 1)
    assert not inputs.apply(Kind.REST_BOOK, 2, 0, payload)
    assert inputs.records_refused == 1
