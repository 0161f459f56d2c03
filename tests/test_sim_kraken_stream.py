"""The simulated Kraken in process: shapes, sums, windows and faults, held against the document."""

import json
import re
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import pytest
from lengths import TIMES
from spot_reader import KrakenReader, Printed, crc32

from bookfeed.sim.kraken import wire
from bookfeed.sim.kraken.faults import KRAKEN_VARIANTS, KrakenFault, random_kraken_faults
from bookfeed.sim.kraken.session import REQUESTS_PER_S_MAX, KrakenSession
from bookfeed.sim.kraken.stream import KrakenStream
from bookfeed.sim.kraken.venue import SimKraken
from bookfeed.sim.kraken.wire import DEPTHS
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_truth import top
from bookfeed.sim.spot_venue import SpotVenueConfig

AT: Final = 60
WINDOWED: Final = 1_000 if TIMES == 1 else 2_500
"""Items in which windows are held against the truth."""
MS: Final = 1_000_000
S: Final = 1_000_000_000

# The two published sums: asks and bids as printed, best first.
V2_ASKS: Final = (
    "45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 "
    "45290.2 0.15890660 45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 "
    "45297.5 0.09945542 45299.5 0.18772827"
)
V2_BIDS: Final = (
    "45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 "
    "45280.3 1.54592586 45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 "
    "45277.3 1.54602737 45276.6 0.15445238"
)
V1_BIDS: Final = "0.05000 0.04995 0.04990 0.04980 0.04975 0.04970 0.04965 0.04960 0.04955 0.04950"


def pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


def stream(*faults: KrakenFault, **options: Any) -> KrakenStream:
    config = SpotVenueConfig(
        seed=options.pop("seed", 7),
        markets=options.pop("markets", 2),
        levels=options.pop("levels", 60),
    )
    return KrakenStream(config, faults=faults, **options)


def books(items: list[SpotItem], symbol: str = "BTC/USD") -> list[SpotItem]:
    """The frames that change the book of a symbol."""
    return [i for i in items if i.kind == "frame" and i.is_book and i.symbol == symbol]


def told(item: SpotItem) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(item.payload)
    return message


# sums


def test_the_published_sums_are_these() -> None:
    assert wire.checksum(pairs(V2_ASKS), pairs(V2_BIDS)) == 3310070434
    asks = [(f"0.05{n:03}", "0.00000500") for n in range(5, 55, 5)]
    bids = [(price, "0.00000500") for price in V1_BIDS.split()]
    assert wire.checksum(asks, bids) == 974947235


def test_only_ten_levels_a_side_are_summed_or_as_many_as_there_are() -> None:
    asks, bids = pairs(V2_ASKS), pairs(V2_BIDS)
    more = [*asks, ("99999.9", "1.00000000")]
    assert wire.checksum(more, bids) == wire.checksum(asks, bids)
    assert wire.checksum(asks[:2], []) == crc32(b"4528521000004528641" + b"54571953")


def test_the_sum_is_that_of_a_bit_at_a_time() -> None:
    assert crc32(b"123456789") == 0xCBF43926


# shapes


def test_messages_look_as_documented() -> None:
    found: dict[tuple[str, str], bytes] = {}
    for item in stream().items(500):
        if item.kind == "frame":
            named = re.search(rb'"type":"(\w+)"', item.payload)
            found[item.channel, named.group(1).decode() if named else ""] = item.payload
    stamp = rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"'
    level = rb'(\{"price":\d+\.\d+,"qty":\d+(\.\d{8})?\},?)*'
    for kind in ("snapshot", "update"):
        assert re.fullmatch(
            rb'\{"channel":"book","type":"' + kind.encode() + rb'","data":\[\{"symbol":"\w+/USD",'
            rb'"bids":\[' + level + rb'\],"asks":\[' + level + rb'\],"checksum":\d+,"timestamp":'
            + stamp + rb"\}\]\}",
            found["book", kind],
        )  # fmt: skip
    trade = (
        rb'\{"symbol":"\w+/USD","side":"(buy|sell)","price":\d+\.\d+,"qty":\d+\.\d{8},'
        rb'"ord_type":"(market|limit)","trade_id":\d+,"timestamp":' + stamp + rb"\},?"
    )
    assert re.fullmatch(
        rb'\{"channel":"trade","type":"update","data":\[(' + trade + rb")+\]\}",
        found["trade", "update"],
    )
    (status,) = json.loads(found["status", "update"])["data"]
    assert (status["system"], status["api_version"]) == ("online", "v2")


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (
        [item.payload for item in stream(seed=seed).items(800)] for seed in (3, 3, 4)
    )
    assert one == same != other


def test_a_size_of_nothing_is_printed_in_either_way() -> None:
    forms = set()
    for seed in range(8):
        for item in books(list(stream(seed=seed, markets=1).items(200))):
            forms |= set(re.findall(rb'"qty":(0|0\.0+)\}', item.payload))
    assert forms == {b"0", b"0.00000000"}


def test_precisions_are_those_that_numbers_are_printed_with() -> None:
    run = stream(markets=4, channels=("instrument", "book"))
    items = list(run.items(300))
    (listing,) = [item for item in items if item.channel == "instrument"]
    message = json.loads(listing.payload, parse_float=Printed)
    listed = {pair["symbol"]: pair for pair in message["data"]["pairs"]}
    assert list(listed) == ["BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD"]
    assert (listed["BTC/USD"]["price_increment"], listed["BTC/USD"]["price_precision"]) == (
        "0.1",
        1,
    )
    assert listed["XRP/USD"]["qty_increment"] == "0.00000001"
    for symbol, pair in listed.items():
        for item in books(items, symbol):
            for price in re.findall(rb'"price":\d+\.(\d+)', item.payload):
                assert len(price) == pair["price_precision"]


# windows


@pytest.mark.slow
@pytest.mark.parametrize("depth", [10, 25, 100])
@pytest.mark.parametrize("levels", [6, 60])
def test_windows_kept_by_the_documented_rules_are_the_truth(depth: int, levels: int) -> None:
    run = stream(depth=depth, levels=levels)
    readers = {symbol: KrakenReader(depth) for symbol in run.venue.symbols}
    checks = 0
    for item in run.items(WINDOWED):
        if not item.is_book:
            continue
        reader = readers[item.symbol]
        assert reader.take(item.payload), "the sum is wrong"
        truth = run.truth.at(item.symbol, item.last)
        assert truth is not None
        assert reader.sides == (top(truth, depth).bids, top(truth, depth).asks)
        checks += 1
    assert checks > WINDOWED * 2 // 5
    assert sum(reader.unknown_ends for reader in readers.values()) > WINDOWED // 250
    if depth < levels:
        assert sum(reader.came_back for reader in readers.values()) > WINDOWED // 250


def test_levels_beyond_the_window_are_told_now_and_then() -> None:
    beyond = 0
    run = stream(depth=10, markets=1)
    for item in run.items(3_000):
        if item.is_book and b'"type":"update"' in item.payload:
            truth = run.truth.at(item.symbol, item.last)
            assert truth is not None
            worst = top(truth, 10).bids[-1][0]
            for level in told(item)["data"][0]["bids"]:
                beyond += bool(level["qty"]) and Decimal(str(level["price"])) * 10**9 < worst
    assert beyond > 5


def test_trades_are_counted_without_a_gap() -> None:
    numbers: list[int] = []
    batched = 0
    for item in stream(markets=1).items(4_000):
        if item.channel == "trade":
            trades = told(item)["data"]
            batched += len(trades) > 1
            numbers += [trade["trade_id"] for trade in trades]
    assert len(numbers) > 100 and batched > 10
    assert all(after == before + 1 for before, after in pairwise(numbers))


def test_heartbeats_come_only_when_nothing_else_does() -> None:
    items = [i for i in stream(markets=1, rate=0.5).items(200) if i.kind == "frame"]
    beats = [(a.ts_ns, b.ts_ns) for a, b in pairwise(items) if b.channel == "heartbeat"]
    assert len(beats) > 20 and all(now - before >= S for before, now in beats)
    busy = [i for i in stream(rate=200.0).items(2_000) if i.channel == "heartbeat"]
    assert busy == []


# requests


def ask(session: KrakenSession, method: str, **params: Any) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"method": method, "req_id": 9}
    if params:
        body["params"] = params
    return [json.loads(out.payload) for out in session.receive(json.dumps(body), 1_790 * 10**15)]


def fresh(seed: int = 1) -> KrakenSession:
    return KrakenSession(SimKraken(SpotVenueConfig(markets=2, seed=seed, levels=20)), 0)


def test_every_symbol_is_acknowledged_by_itself_in_either_order() -> None:
    orders = set()
    for seed in range(8):
        answers = ask(
            fresh(seed), "subscribe", channel="book", symbol=["BTC/USD", "ETH/USD"], depth=25
        )
        acks = [answer for answer in answers if "method" in answer]
        assert [ack["result"] for ack in acks] == [
            {"channel": "book", "symbol": symbol, "depth": 25, "snapshot": True}
            for symbol in ("BTC/USD", "ETH/USD")
        ]
        assert all(ack["success"] and ack["req_id"] == 9 for ack in acks)
        assert list(acks[0]) == ["method", "req_id", "result", "success", "time_in", "time_out"]
        orders.add(tuple("method" in answer for answer in answers))
    assert orders == {(True, True, False, False), (True, False, True, False)}


def test_a_ping_is_answered() -> None:
    (pong,) = ask(fresh(), "ping")
    assert (pong["method"], pong["req_id"]) == ("pong", 9)


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("sing", {}, "Unsupported method"),
        ("subscribe", {"channel": "ohlc2"}, "Unsupported channel"),
        ("subscribe", {"channel": "book"}, "missing"),
        ("subscribe", {"channel": "book", "symbol": ["XBT/USD"]}, "not supported XBT/USD"),
        ("subscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": 50}, "depth"),
        ("subscribe", {"channel": "book", "symbol": ["ETH/USD"], "depth": 10}, "Already"),
        ("unsubscribe", {"channel": "book", "symbol": ["BTC/USD"]}, "Not Found"),
        ("unsubscribe", {"channel": "book", "symbol": ["ETH/USD"], "depth": 100}, "Not Found"),
    ],
)
def test_other_requests_are_refused(method: str, params: dict[str, Any], error: str) -> None:
    session = fresh()
    ask(session, "subscribe", channel="book", symbol=["ETH/USD"])
    (answer,) = ask(session, method, **params)
    assert answer["success"] is False and error in answer["error"]


def test_one_bad_symbol_does_not_spoil_the_others() -> None:
    answers = ask(fresh(), "subscribe", channel="trade", symbol=["BTC/USD", "X/Y"], snapshot=True)
    assert [answer.get("success") for answer in answers if "method" in answer] == [True, False]
    assert [answer["type"] for answer in answers if "type" in answer] == ["snapshot"]


def test_too_many_requests_are_refused() -> None:
    session = fresh()
    answers = [ask(session, "ping")[0] for _ in range(REQUESTS_PER_S_MAX + 1)]
    assert answers[-1]["error"] == "Exceeded msg rate" and "error" not in answers[-2]


def test_subscribing_anew_brings_a_fresh_book() -> None:
    run = stream(markets=2, depth=10)
    list(run.items(300))
    run.resubscribe("ETH/USD")
    items = list(run.items(300))
    kinds = [(item.symbol, told(item)["type"]) for item in items if item.is_book]
    assert kinds.count(("ETH/USD", "snapshot")) == 1 and ("BTC/USD", "snapshot") not in kinds
    replies = [told(item) for item in items if item.channel == "reply"]
    assert [reply["method"] for reply in replies] == ["unsubscribe", "subscribe"]
    assert all(depth in DEPTHS for depth in (10, 25, 100, 500, 1000))


# faults


def hit(kind: str, variant: str = "", **options: Any) -> tuple[KrakenStream, list[SpotItem]]:
    # Whole books come when a connection begins.
    at_frame = 0 if kind == "snapshot" else AT
    fault = KrakenFault(kind, at_frame=at_frame, variant=variant, asset="BTC/USD", **options)
    run = stream(fault, depth=25)
    return run, list(run.items(1_500))


def reading(items: list[SpotItem]) -> tuple[KrakenReader, list[int]]:
    """A reader after all frames that can be read, and the times of sums that were wrong."""
    reader, wrong = KrakenReader(25), []
    for item in books(items):
        try:
            right = reader.take(item.payload)
        except (ValueError, ArithmeticError, LookupError):
            continue
        if not right:
            wrong.append(item.ts_ns)
    return reader, wrong


@pytest.mark.parametrize("kind", KRAKEN_VARIANTS)
def test_every_kind_strikes_once_and_is_logged(kind: str) -> None:
    for variant in KRAKEN_VARIANTS[kind]:
        run, _ = hit(kind, variant)
        (event,) = run.fault_log
        assert (
            event.fault.kind == kind and event.frame >= (event.fault.at_frame or 0) and event.duty
        )


@pytest.mark.parametrize(
    ("kind", "variant"), [("checksum", ""), ("level", "top"), ("corrupt", "top")]
)
def test_sums_give_it_away_at_once(kind: str, variant: str) -> None:
    run, items = hit(kind, variant)
    (event,) = run.fault_log
    _, wrong = reading(items)
    assert event.duty == "prompt" and wrong and wrong[0] == event.ts_ns + 8 * MS
    assert len(wrong) == 1 if kind == "checksum" else len(wrong) >= 1


@pytest.mark.parametrize("kind", ["level", "corrupt"])
def test_what_is_wrong_deep_in_a_book_shows_to_nobody(kind: str) -> None:
    run, items = hit(kind, "deep")
    (event,) = run.fault_log
    assert event.duty == "unprovable"
    before = [item for item in items if item.ts_ns <= event.ts_ns + 8 * MS]
    reader, wrong = reading(before)
    truth = run.truth.at("BTC/USD", books(before)[-1].last)
    assert truth is not None and not wrong
    assert reader.sides != (top(truth, 25).bids, top(truth, 25).asks)
    assert reader.sides[0][:10] == top(truth, 10).bids
    assert reader.sides[1][:10] == top(truth, 10).asks


@pytest.mark.slow
def test_lost_frames_show_in_the_sum() -> None:
    shown = owed = 0
    for at in range(20, 120, 10 if TIMES == 1 else 5):
        run = stream(KrakenFault("drop", at_frame=at, asset="BTC/USD"), depth=25)
        _, wrong = reading(list(run.items(600)))
        (event,) = run.fault_log
        owed += event.duty == "resync"
        shown += bool(wrong)
        assert wrong == [] or wrong[0] > event.ts_ns
    assert shown >= owed * 0.8 and owed > (2 if TIMES == 1 else 5)


def test_the_next_request_is_refused() -> None:
    run, items = hit("refused")
    assert run.fault_log[0].duty == "none" and reading(items)[1] == []
    run.resubscribe("BTC/USD")
    run.resubscribe("ETH/USD")
    answers = [told(item) for item in run.items(300) if item.channel == "reply"]
    assert [answer["success"] for answer in answers] == [False, False, True, True]
    assert [answer.get("error") for answer in answers][:2] == [
        "Internal error",
        "Already subscribed",
    ]


def test_a_copy_at_once_changes_nothing() -> None:
    run, items = hit("duplicate", "at_once")
    assert run.fault_log[0].duty == "none" and reading(items)[1] == []
    versions = [item.last for item in books(items)]
    assert len(versions) - len(set(versions)) == 1


@pytest.mark.parametrize("variant", KRAKEN_VARIANTS["malformed"])
def test_malformed_frames_are_no_messages(variant: str) -> None:
    run, items = hit("malformed", variant)
    bad = 0
    for item in [item for item in items if item.kind == "frame" and item.is_book]:
        try:
            text = item.payload.decode()
            bad += bool(re.search(r"\d[eE]\d", text)) or not isinstance(json.loads(text), dict)
        except ValueError:
            bad += 1
    assert bad == 1 and run.fault_log[0].duty == "prompt"


def test_strangers_leave_the_books_alone() -> None:
    for kind, variant in (("unknown", "type"), ("unknown", "member"), ("foreign", "")):
        run, items = hit(kind, variant)
        assert reading(items)[1] == [] and run.fault_log[0].duty == "none"
        strange = [item for item in items if item.channel in ("unknown", "foreign")]
        assert len(strange) == (variant != "member")
        if kind == "foreign":
            assert told(strange[0])["data"][0]["symbol"] == "BBBBTC/USD"


@pytest.mark.parametrize("variant", KRAKEN_VARIANTS["freeze"])
def test_a_freeze_holds_back_what_it_says(variant: str) -> None:
    run, items = hit("freeze", variant, duration_s=4.0)
    (event,) = run.fault_log
    while items[-1].ts_ns < event.ts_ns + 6 * S:
        items += run.items(500)
    during = [i for i in items if event.ts_ns + 10 * MS < i.ts_ns < event.ts_ns + 4 * S]
    seen = Counter((item.channel, item.symbol) for item in during if item.kind == "frame")
    assert seen["book", "BTC/USD"] == 0
    assert (seen["book", "ETH/USD"] > 0) == (seen["trade", "BTC/USD"] > 0) == (variant == "symbol")
    after = [i for i in books(items) if i.ts_ns > event.ts_ns + 4 * S]
    assert len(after) > 20


@pytest.mark.parametrize("kind", ["disconnect", "reset", "restart"])
def test_connections_end_and_come_back_with_fresh_books(kind: str) -> None:
    run = stream(KrakenFault(kind, at_frame=AT, conn=0), conns=2, depth=10)
    items = list(run.items(1_500))
    gone = [item.conn for item in items if item.kind == "disconnected"]
    assert gone == ([0, 1] if kind == "restart" else [0])
    snapshots = [i.conn for i in items if i.is_book and b'"snapshot","data"' in i.payload]
    assert sorted(snapshots) == sorted([0, 1, *gone])


def test_schedules_are_seeded_and_in_order() -> None:
    one = random_kraken_faults(5, count=30, frames=1_000)
    assert one == random_kraken_faults(5, count=30, frames=1_000)
    assert one != random_kraken_faults(6, count=30, frames=1_000)
    places = [fault.at_frame or 0 for fault in one]
    assert places == sorted(places) and len({fault.kind for fault in one}) > 8
