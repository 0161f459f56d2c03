"""The simulated Binance in process: shapes, ids, books and faults, held against the document."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from lengths import TIMES
from spot_reader import BinanceReader

from bookfeed.sim.binance.faults import (
    BINANCE_VARIANTS,
    STREAM_VARIANTS,
    BinanceFault,
    random_binance_faults,
)
from bookfeed.sim.binance.session import BinanceSession
from bookfeed.sim.binance.stream import BinanceStream
from bookfeed.sim.binance.venue import BinanceVenueConfig, SimBinance
from bookfeed.sim.faults import LATER_FRAMES
from bookfeed.sim.spot_stream import SpotItem

AT = 60
MS = 1_000_000
S = 1_000_000_000


def stream(*faults: BinanceFault, **options: Any) -> BinanceStream:
    config = BinanceVenueConfig(seed=options.pop("seed", 7), markets=options.pop("markets", 2))
    return BinanceStream(config, faults=faults, **options)


def data(item: SpotItem) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(item.payload)
    inner: dict[str, Any] = told.get("data", told)
    return inner


def books(items: list[SpotItem], symbol: str = "BTCUSDT") -> list[SpotItem]:
    """The frames that change the book of a symbol."""
    return [i for i in items if i.kind == "frame" and i.is_book and i.symbol == symbol]


# shapes


def test_messages_look_as_documented() -> None:
    found = {item.channel: item.payload for item in stream().items(400) if item.kind == "frame"}
    assert re.fullmatch(
        rb'\{"stream":"\w+@depth@100ms","data":\{"e":"depthUpdate","E":\d{13},"s":"\w+",'
        rb'"U":\d+,"u":\d+,"b":\[(\["\d+\.\d{8}","\d+\.\d{8}"\],?)*\],"a":\[.*\]\}\}',
        found["@depth@100ms"],
    )
    assert re.fullmatch(
        rb'\{"stream":"\w+@trade","data":\{"e":"trade","E":\d{13},"s":"\w+","t":\d+,'
        rb'"p":"\d+\.\d{8}","q":"\d+\.\d{8}","T":\d{13},"m":(true|false),"M":true\}\}',
        found["@trade"],
    )
    assert re.fullmatch(
        rb'\{"stream":"\w+@bookTicker","data":\{"u":\d+,"s":"\w+","b":"[\d.]+","B":"[\d.]+",'
        rb'"a":"[\d.]+","A":"[\d.]+"\}\}',
        found["@bookTicker"],
    )
    assert found["reply"] == b'{"result":null,"id":1}'


def test_bare_streams_have_no_envelope_and_micros_are_told_on_request() -> None:
    session = BinanceSession(
        SimBinance(BinanceVenueConfig(markets=1), 0), 0, "/ws/btcusdt@trade?timeUnit=MICROSECOND"
    )
    venue = SimBinance(BinanceVenueConfig(markets=1), 1_790_000_000_123)
    trades = (m for _ in range(500) for m in venue.step(1_790_000_000_123) if m.kind == "@trade")
    out = session.carry(next(trades))
    assert out is not None
    told = json.loads(out.payload)
    assert told["E"] == told["T"] == 1_790_000_000_123_000 and "stream" not in told


def test_binance_us_names_dollars_and_orders() -> None:
    run = BinanceStream(BinanceVenueConfig(us=True, markets=1), channels=("@trade",))
    trade = data(next(item for item in run.items(2_000) if item.channel == "@trade"))
    assert list(trade) == ["e", "E", "s", "t", "p", "q", "b", "a", "T", "m", "M"]
    assert trade["s"] == "BTCUSD"


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (
        [item.payload for item in stream(seed=seed).items(800)] for seed in (3, 3, 4)
    )
    assert one == same != other


# ids and books


@pytest.mark.parametrize("channel", ["@depth@100ms", "@depth"])
def test_ids_go_on_without_a_gap_in_every_stream(channel: str) -> None:
    last: dict[str, int] = {}
    period_ms = 100 if channel == "@depth@100ms" else 1_000
    spoke: Counter[tuple[str, int]] = Counter()
    for item in stream(channels=(channel,), rate=60.0).items(600):
        if not item.is_book:
            continue
        event = data(item)
        assert event["U"] <= event["u"]
        if item.symbol in last:
            assert event["U"] == last[item.symbol] + 1
        last[item.symbol] = event["u"]
        spoke[item.symbol, event["E"] // period_ms] += 1
    assert len(last) == 2 and len(spoke) > 8 and set(spoke.values()) == {1}


@pytest.mark.slow
def test_books_built_by_the_documented_procedure_are_the_truth() -> None:
    run = stream()
    readers = {symbol: BinanceReader() for symbol in run.venue.symbols}
    run.ask("BTCUSDT")
    checks: Counter[str] = Counter()
    for item in run.items(3_000 * min(TIMES, 2)):
        if item.is_book and item.kind == "frame":
            readers[item.symbol].event(data(item))
            if item.symbol == "ETHUSDT" and len(readers["ETHUSDT"].waiting) == 3:
                run.ask("ETHUSDT")
        elif item.kind == "rest":
            assert readers[item.symbol].snapshot(item.payload)
        reader = readers.get(item.symbol)
        if reader is None or reader.book_id is None:
            continue
        truth = run.truth.at(item.symbol, reader.book_id)
        assert truth is not None and reader.sides == (truth.bids, truth.asks)
        checks[item.channel] += 1
        if item.channel == "@bookTicker":
            told, book = data(item), run.truth.at(item.symbol, item.last)
            assert book is not None
            assert book.bids[0] == (nano(told["b"]), nano(told["B"]) // 10)
            assert book.asks[0] == (nano(told["a"]), nano(told["A"]) // 10)
    assert min(checks["@depth@100ms"], checks["@bookTicker"], checks["@trade"]) > 100, checks
    assert not any(reader.gaps for reader in readers.values())


def nano(text: str) -> int:
    whole, part = text.split(".")
    return int(whole) * 10**9 + int(part.ljust(9, "0"))


def test_a_taker_sells_where_the_buyer_was_the_maker() -> None:
    sides: Counter[bool] = Counter()
    run = stream(markets=1)
    before = run.truth("BTCUSDT")
    for item in run.items(4_000):
        if item.channel == "@trade":
            trade = data(item)
            mid = before.bids[0][0] + before.asks[0][0]
            sides[trade["m"] == (2 * nano(trade["p"]) < mid)] += 1
        elif item.channel == "@bookTicker":
            before = run.truth("BTCUSDT")
    assert sides[True] > 10 * sides[False]


def test_levels_that_nobody_was_told_of_are_told_to_be_gone() -> None:
    run, reader, unknown = stream(markets=1), BinanceReader(), 0
    run.ask("BTCUSDT")
    for item in run.items(4_000):
        if item.kind == "rest":
            reader.snapshot(item.payload)
        elif item.is_book:
            event = data(item)
            for side, known in (("b", reader.bids), ("a", reader.asks)):
                unknown += sum(
                    not float(size) and all(float(price) != float(p) for p in known)
                    for price, size in event[side]
                )
            reader.event(event)
    assert unknown > 10


def test_rest_knows_no_more_levels_than_asked() -> None:
    run = stream(markets=1)
    run.ask("BTCUSDT", 5)
    run.ask("BTCUSDT")
    short, whole = [json.loads(i.payload) for i in run.items(400) if i.kind == "rest"]
    if len(short["bids"]) > len(whole["bids"]):
        short, whole = whole, short
    assert list(whole) == ["lastUpdateId", "bids", "asks"]
    assert len(short["bids"]) == len(short["asks"]) == 5 < len(whole["bids"])


# commands


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ('{"method":"LIST_SUBSCRIPTIONS","id":3}', {"result": ["btcusdt@trade"], "id": 3}),
        ('{"method":"SUBSCRIBE","params":["btcusdt@depth"],"id":"x"}', {"result": None, "id": "x"}),
        (
            '{"method":"SUBSCRIBE","params":["nosuch@depth"],"id":null}',
            {"result": None, "id": None},
        ),
        ('{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":2}', {"result": None, "id": 2}),
        ('{"method":"GET_PROPERTY","params":["combined"],"id":5}', {"result": True, "id": 5}),
    ],
)
def test_commands_are_answered(said: str, answer: dict[str, Any]) -> None:
    venue = SimBinance(BinanceVenueConfig(markets=1), 0)
    session = BinanceSession(venue, 0, "/stream?streams=btcusdt@trade")
    assert json.loads(session.receive(said).payload) == answer


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ('{"method":"SING","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[5],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["a@trade"],"id":1.5}', 2),
        ('{"method":"SUBSCRIBE","params":["a@trade"],"id":"' + "x" * 37 + '"}', 2),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0),
    ],
)
def test_other_commands_are_refused(said: str, code: int) -> None:
    session = BinanceSession(SimBinance(BinanceVenueConfig(markets=1), 0), 0, "/ws")
    answer = json.loads(session.receive(said).payload)
    assert answer["code"] == code and answer["msg"]


def test_a_connection_has_room_for_1024_streams() -> None:
    session = BinanceSession(SimBinance(BinanceVenueConfig(markets=1), 0), 0, "/ws")
    names = [f"x{n}@trade" for n in range(1_024)]
    said = {"method": "SUBSCRIBE", "params": names, "id": 1}
    assert json.loads(session.receive(json.dumps(said)).payload) == {"result": None, "id": 1}
    one_more = json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 2})
    assert json.loads(session.receive(one_more).payload)["code"] == 2
    assert len(session.streams) == 1_024


def test_five_messages_a_second_are_enough() -> None:
    session = BinanceSession(SimBinance(BinanceVenueConfig(markets=1), 0), 0, "/ws")
    assert [session.flooded(ms) for ms in (0, 1, 2, 3, 4, 5)] == [False] * 5 + [True]
    assert not session.flooded(2_000)


@pytest.mark.parametrize("path", ["/", "/wss", "/stream2", "/wsx/btcusdt@trade"])
def test_other_paths_lead_nowhere(path: str) -> None:
    with pytest.raises(ValueError, match="nothing is at"):
        BinanceSession(SimBinance(BinanceVenueConfig(markets=1), 0), 0, path)


# faults


def hit(kind: str, variant: str = "", **options: Any) -> tuple[BinanceStream, list[SpotItem]]:
    fault = BinanceFault(kind, at_frame=AT, variant=variant, asset="BTCUSDT", **options)
    run = stream(fault)
    return run, list(run.items(1_500))


@pytest.mark.parametrize("kind", [kind for kind in STREAM_VARIANTS if kind != "unknown"])
def test_every_kind_strikes_once_and_is_logged(kind: str) -> None:
    for variant in STREAM_VARIANTS[kind]:
        run, _ = hit(kind, variant)
        (event,) = run.fault_log
        assert event.fault.kind == kind and event.frame >= AT and event.conn == 0
        assert event.duty in ("none", "prompt", "resync", "silence", "reconnect", "unprovable")


def ids(items: list[SpotItem]) -> list[tuple[int, int]]:
    return [(data(item)["U"], data(item)["u"]) for item in books(items)]


def clean_ids(items: list[SpotItem]) -> list[tuple[int, int]]:
    """What was told, without what is damaged."""
    return [(item.first, item.last) for item in books(items)]


@pytest.mark.parametrize(
    ("kind", "steps"),
    [("drop", 1), ("swap", 3), ("gap", 1), ("rewind", 2)],
)
def test_ids_give_the_fault_away(kind: str, steps: int) -> None:
    _, items = hit(kind)
    told = ids(items)
    broken = sum(after[0] != before[1] + 1 for before, after in pairwise(told))
    assert broken == steps


@pytest.mark.parametrize("variant", ["at_once", "later"])
def test_a_copy_comes_again(variant: str) -> None:
    run, items = hit("duplicate", variant)
    told = clean_ids(items)
    (twice,) = {one for one in told if told.count(one) == 2}
    frames = [item for item in items if item.kind == "frame"]
    first, second = (n for n, i in enumerate(frames) if i.is_book and (i.first, i.last) == twice)
    assert second - first == (1 if variant == "at_once" else LATER_FRAMES + 1)
    assert run.fault_log[0].duty == "none"


@pytest.mark.parametrize("variant", STREAM_VARIANTS["malformed"])
def test_malformed_frames_are_no_messages(variant: str) -> None:
    run, items = hit("malformed", variant)
    (event,) = run.fault_log
    assert event.duty == "prompt"
    bad = []
    for item in items:
        if item.kind == "frame" and item.channel == "@depth@100ms":
            try:
                numbers = re.findall(r'"([^"]*)"\]', json.dumps(json.loads(item.payload)["data"]))
                bad += [n for n in numbers if not re.fullmatch(r"\d+\.\d+", n)]
            except (ValueError, KeyError):
                bad.append(variant)
    assert len(bad) == 1


def test_one_bit_is_another() -> None:
    run, items = hit("bit_flip")
    (event,) = run.fault_log
    assert event.duty == "unprovable"
    clean = list(stream().items(1_500))
    differing = [
        (one.payload, two.payload)
        for one, two in zip(items, clean, strict=False)
        if one.payload != two.payload
    ]
    ((hurt, sound),) = differing
    assert sum((a ^ b).bit_count() for a, b in zip(hurt, sound, strict=True)) == 1


def test_late_frames_come_in_order() -> None:
    run, items = hit("delay", duration_s=0.7)
    told = clean_ids(items)
    assert told == sorted(told) and run.fault_log[0].duty == "none"
    ages = [item.ts_ns / MS - data(item)["E"] for item in books(items)]
    assert max(ages) > 650 and min(ages) < 20 and ages[-1] < 20


def test_strangers_leave_the_books_alone() -> None:
    for kind, variant in (("unknown", "type"), ("unknown", "member"), ("foreign", "")):
        run, items = hit(kind, variant)
        told = ids(items)
        assert all(b[0] == a[1] + 1 for a, b in pairwise(told))
        assert run.fault_log[0].duty == "none"
        strange = [i for i in items if i.channel in ("unknown", "foreign")]
        assert len(strange) == (variant != "member")


@pytest.mark.parametrize("variant", STREAM_VARIANTS["freeze"])
def test_a_freeze_holds_back_what_it_says(variant: str) -> None:
    run, items = hit("freeze", variant, duration_s=12.0)
    (event,) = run.fault_log
    assert event.assets == (("BTCUSDT",) if variant == "symbol" else ())
    while items[-1].ts_ns < event.ts_ns + 20 * S:
        items += run.items(500)
    during = [i for i in items if event.ts_ns + 10 * MS < i.ts_ns < event.ts_ns + 12 * S]
    frames = Counter(
        (item.symbol, item.is_book) for item in during if item.kind == "frame" and item.symbol
    )
    assert frames[("BTCUSDT", True)] == 0
    assert (frames[("ETHUSDT", True)] > 0) == (variant == "symbol")
    assert (frames[("BTCUSDT", False)] > 0) == (variant == "symbol")
    assert any(i.kind == "ping" for i in during) == (variant != "connection")
    assert any(i.is_book and i.kind == "frame" for i in items if i.ts_ns > event.ts_ns + 13 * S)


@pytest.mark.parametrize("kind", ["disconnect", "reset", "restart", "shutdown"])
def test_connections_end_and_come_back(kind: str) -> None:
    run = stream(BinanceFault(kind, at_frame=AT, conn=0), conns=2)
    items = list(run.items(2_500))
    gone = [item.conn for item in items if item.kind == "disconnected"]
    assert gone == ([0, 1] if kind == "restart" else [0])
    assert [item.conn for item in items if item.kind == "connected"] == [0, 1, *gone]
    assert bool([i for i in items if b"serverShutdown" in i.payload]) == (kind == "shutdown")
    assert run.fault_log[0].duty == ("none" if kind == "shutdown" else "reconnect")


def rest_of(fault: BinanceFault) -> tuple[SpotItem, BinanceStream, int]:
    run = stream(fault, markets=1)
    first_id, asked_ns = 0, 0
    for item in run.items(20_000):
        if item.is_book and item.kind == "frame" and not first_id:
            first_id, asked_ns = data(item)["U"], item.ts_ns
        if first_id and item.ts_ns > asked_ns + 2 * S and asked_ns:
            run.ask("BTCUSDT")
            asked_ns = 0
            sent_ns = item.ts_ns
        if item.kind == "rest":
            return item, run, item.ts_ns - sent_ns
    raise AssertionError("no answer")


def test_answers_of_rest_can_be_late_stale_short_broken_or_errors() -> None:
    answer, run, took_ns = rest_of(BinanceFault("rest_late"))
    told = json.loads(answer.payload)
    assert took_ns > 2_900 * MS
    assert told["lastUpdateId"] < run.truth.version("BTCUSDT") - 100

    answer, run, _ = rest_of(BinanceFault("rest_stale"))
    told = json.loads(answer.payload)
    truth = run.truth.at("BTCUSDT", told["lastUpdateId"])
    assert truth is not None and truth.bids[0][0] == nano(told["bids"][0][0])
    reader = BinanceReader()
    for item in run.items(200):
        if item.is_book:
            reader.event(data(item))
    assert not reader.snapshot(answer.payload), "an older book than the stream was taken"

    answer, _, _ = rest_of(BinanceFault("rest_short"))
    assert len(json.loads(answer.payload)["asks"]) == 5

    answer, _, _ = rest_of(BinanceFault("rest_malformed"))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(answer.payload)

    for variant in BINANCE_VARIANTS["rest_error"]:
        answer, run, _ = rest_of(BinanceFault("rest_error", variant=variant))
        assert answer.status == int(variant) and "code" in json.loads(answer.payload)
        assert run.fault_log[0].assets == ("BTCUSDT",)


def test_schedules_are_seeded_and_in_order() -> None:
    one = random_binance_faults(5, count=30, frames=1_000)
    assert one == random_binance_faults(5, count=30, frames=1_000)
    assert one != random_binance_faults(6, count=30, frames=1_000)
    places = [fault.at_frame for fault in one]
    assert places == sorted(places, key=lambda at: at or 0) and len({f.kind for f in one}) > 8
