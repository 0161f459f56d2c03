"""The simulated Coinbase in process: shapes, numbers, lists and faults, held against the page."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from bookfeed.sim.coinbase.faults import (
    COINBASE_VARIANTS,
    CoinbaseFault,
    random_coinbase_faults,
)
from bookfeed.sim.coinbase.session import COMMANDS_PER_S_MAX, CoinbaseSession
from bookfeed.sim.coinbase.stream import CoinbaseStream
from bookfeed.sim.coinbase.venue import SimCoinbase
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig

S = 1_000_000_000
T0 = 1_790_000_000 * S

Sides = tuple[dict[str, str], dict[str, str]]


def stream(*faults: CoinbaseFault, **options: Any) -> CoinbaseStream:
    config = SpotVenueConfig(
        seed=options.pop("seed", 7),
        markets=options.pop("markets", 2),
        levels=options.pop("levels", 60),
    )
    return CoinbaseStream(config, faults=faults, **options)


def told(item: SpotItem) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(item.payload)
    return message


def frames(items: list[SpotItem]) -> list[SpotItem]:
    return [item for item in items if item.kind == "frame"]


def test_messages_look_as_documented() -> None:
    found: dict[tuple[str, str], bytes] = {}
    for item in frames(list(stream().items(900))):
        named = re.search(rb'"events":\[\{"type":"(\w+)"', item.payload)
        found[item.channel, named.group(1).decode() if named else ""] = item.payload
    time = rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"'
    number = rb'"(0|[1-9]\d*)(\.\d*[1-9])?"'
    level = (
        rb'\{"side":"(bid|offer)","event_time":' + time + rb',"price_level":' + number
        + rb',"new_quantity":' + number + rb"\},?"
    )  # fmt: skip
    head = rb'\{"channel":"%s","timestamp":' + time + rb',"sequence_num":\d+,"events":\[\{'
    for kind in (b"snapshot", b"update"):
        assert re.fullmatch(
            head % b"l2_data" + rb'"type":"' + kind + rb'","product_id":"\w+-USD","updates":\[('
            + level + rb")+\]\}\]\}",
            found["l2_data", kind.decode()],
        )  # fmt: skip
    trade = (
        rb'\{"product_id":"\w+-USD","trade_id":"\d+","price":' + number + rb',"size":' + number
        + rb',"time":' + time + rb',"side":"(BUY|SELL)"\},?'
    )  # fmt: skip
    assert re.fullmatch(
        head % b"market_trades" + rb'"type":"update","trades":\[(' + trade + rb")+\]\}\]\}",
        found["market_trades", "update"],
    )
    beat = json.loads(found["heartbeats", ""])["events"][0]
    assert beat.keys() == {"current_time", "heartbeat_counter"}
    listed = json.loads(found["subscriptions", ""])["events"][0]["subscriptions"]
    assert listed == {
        "heartbeats": ["heartbeats"],
        "level2": ["BTC-USD", "ETH-USD"],
        "market_trades": ["BTC-USD", "ETH-USD"],
    }


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (
        [item.payload for item in stream(seed=seed).items(800)] for seed in (3, 3, 4)
    )
    assert one == same != other


def test_every_message_of_a_connection_takes_the_next_number() -> None:
    numbers: dict[int, list[int]] = {0: [], 1: []}
    sent: dict[int, list[str]] = {0: [], 1: []}
    for item in frames(list(stream(conns=2).items(900))):
        numbers[item.conn].append(told(item)["sequence_num"])
        sent[item.conn].append(told(item)["timestamp"])
    for conn, mine in numbers.items():
        assert mine == list(range(len(mine))) and len(mine) > 100
        assert sent[conn][1:] != sent[conn][:-1]


def test_books_are_the_truth_at_every_message() -> None:
    run = stream(levels=40)
    books: dict[str, Sides] = {}
    checked = removed_unknown = 0
    for item in run.items(1_500):
        if item.kind != "frame" or not item.is_book:
            continue
        (event,) = told(item)["events"]
        if event["type"] == "snapshot":
            books[item.symbol] = ({}, {})
        for update in event["updates"]:
            side = books[item.symbol][update["side"] == "offer"]
            if update["new_quantity"] == "0":
                removed_unknown += side.pop(update["price_level"], None) is None
            else:
                side[update["price_level"]] = update["new_quantity"]
        truth = run.truth.at(item.symbol, item.last)
        assert truth is not None
        for mine, true in zip(books[item.symbol], (truth.bids, truth.asks), strict=True):
            assert {(units(p, 9), units(q, 8)) for p, q in mine.items()} == set(true)
        checked += 1
    assert checked > 500 and removed_unknown > 3


def units(text: str, places: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(places, "0"))


def test_trades_come_by_the_quarter_of_a_second_and_name_who_rested() -> None:
    run = stream(markets=1, rate=400.0)
    batches, sides = [], Counter[bool]()
    bid = ask = 0
    for item in run.items(6_000):
        if item.kind != "frame":
            continue
        (event,) = told(item)["events"]
        if item.is_book:
            book = run.truth.at(item.symbol, item.last)
            assert book is not None
            bid, ask = book.bids[0][0], book.asks[0][0]
        elif item.channel == "market_trades" and event["type"] == "update":
            batches.append(item.ts_ns)
            ids = [int(trade["trade_id"]) for trade in event["trades"]]
            assert ids == sorted(ids, reverse=True)
            for trade in event["trades"]:
                above = 2 * units(trade["price"], 9) > bid + ask
                sides[(trade["side"] == "SELL") == above] += 1
    assert len(batches) > 20
    assert all(later - one >= S // 5 for one, later in pairwise(batches))
    # The touch has moved on by then; most of them still show whose order rested.
    assert sides[True] > 2 * sides[False] > 0


def session(**options: Any) -> CoinbaseSession:
    return CoinbaseSession(SimCoinbase(SpotVenueConfig(markets=2, levels=10, **options)), 0)


def say(one: CoinbaseSession, at_ns: int = T0, **command: Any) -> list[dict[str, Any]]:
    return [json.loads(out.payload) for out in one.receive(json.dumps(command), at_ns)]


def test_what_cannot_be_is_answered_with_an_error_that_has_no_number() -> None:
    one = session()
    commands: tuple[dict[str, Any], ...] = (
        {},
        {"type": "look", "channel": "level2", "product_ids": ["BTC-USD"]},
        {"type": "subscribe", "channel": "level3", "product_ids": ["BTC-USD"]},
        {"type": "subscribe", "channel": "level2", "product_ids": []},
        {"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USD", "NOT-USD"]},
    )
    for command in commands:
        (answer,) = say(one, **command)
        assert answer.keys() == {"type", "message"} and answer["type"] == "error"
        assert not one.subscribed
    assert json.loads(one.receive(b"[", T0 + 2 * S)[0].payload)["type"] == "error"


def test_who_sends_too_much_is_refused() -> None:
    one = session()
    answers = [say(one, type="subscribe", channel="heartbeats") for _ in range(10)]
    assert [a[-1].get("type") for a in answers] == [None] * COMMANDS_PER_S_MAX + ["error"] * 2
    assert "type" not in say(one, T0 + S, type="subscribe", channel="heartbeats")[-1]


def test_a_pair_in_usdc_is_told_in_usd() -> None:
    answers = say(session(), type="subscribe", channel="level2", product_ids=["BTC-USDC"])
    (book,) = [a for a in answers if a["channel"] == "l2_data"]
    assert book["events"][0]["product_id"] == "BTC-USD"


def test_a_subscription_is_given_up_and_had_again() -> None:
    one = session()
    say(one, type="subscribe", channel="level2", product_ids=["BTC-USD", "ETH-USD"])
    (left,) = say(one, type="unsubscribe", channel="level2", product_ids=["BTC-USD"])
    assert left["events"] == [{"subscriptions": {"level2": ["ETH-USD"]}}]
    again = say(one, type="subscribe", channel="level2", product_ids=["BTC-USD"])
    assert [a["events"][0].get("type") for a in again if a["channel"] == "l2_data"] == ["snapshot"]
    ended = json.loads(one.end("ETH-USD", T0).payload)
    assert ended["events"] == [{"subscriptions": {"level2": ["BTC-USD"]}}]


@pytest.mark.parametrize("kind", COINBASE_VARIANTS)
def test_every_fault_strikes_and_is_logged(kind: str) -> None:
    for variant in COINBASE_VARIANTS[kind]:
        at_frame = 0 if kind == "snapshot" else 60
        fault = CoinbaseFault(kind, at_frame=at_frame, variant=variant, duration_s=1.0)
        run = stream(fault)
        items = list(run.items(400))
        assert [event.fault for event in run.fault_log] == [fault]
        if kind != "refused":  # that shows when a command is sent
            plain = list(stream().items(400))
            assert [(i.ts_ns, i.payload) for i in items] != [(i.ts_ns, i.payload) for i in plain]


def test_what_is_dropped_is_missing_from_the_numbers() -> None:
    run = stream(CoinbaseFault("drop", at_frame=60))
    numbers = [told(item)["sequence_num"] for item in frames(list(run.items(400)))]
    holes = [later for one, later in pairwise(numbers) if later != one + 1]
    assert len(holes) == 1
    assert run.fault_log[0].duty == "resync"


def test_a_schedule_is_the_seeds() -> None:
    one, same, other = (random_coinbase_faults(seed, count=9, frames=500) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 9


@pytest.mark.parametrize("settings", [{"markets": 0}, {"levels": 5}])
def test_what_cannot_be_simulated_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        SpotVenueConfig(**settings)
