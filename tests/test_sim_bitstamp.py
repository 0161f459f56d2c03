"""The simulated Bitstamp in process: shapes, times and faults, held against the page."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from bookfeed.sim.bitstamp.faults import (
    BITSTAMP_VARIANTS,
    STALE_US,
    BitstampFault,
    random_bitstamp_faults,
)
from bookfeed.sim.bitstamp.session import CHANNELS_MAX, BitstampSession
from bookfeed.sim.bitstamp.stream import BitstampStream
from bookfeed.sim.bitstamp.venue import SimBitstamp
from bookfeed.sim.bitstamp.wire import DIFF, TOP, TRADES
from bookfeed.sim.spot_rest_faults import REST_VARIANTS
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_venue import SpotVenueConfig

S = 1_000_000_000
T0 = 1_790_000_000 * S

Side = dict[str, str]


def stream(*faults: BitstampFault, **options: Any) -> BitstampStream:
    config = SpotVenueConfig(
        seed=options.pop("seed", 7),
        markets=options.pop("markets", 2),
        levels=options.pop("levels", 60),
    )
    return BitstampStream(config, faults=faults, **options)


def told(item: SpotItem) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(item.payload)
    return message


def frames(items: list[SpotItem]) -> list[SpotItem]:
    return [item for item in items if item.kind == "frame"]


def test_messages_look_as_recorded() -> None:
    found = {item.channel: item.payload for item in frames(list(stream().items(900)))}
    level = rb'\["\d+(\.\d+)?","\d+\.\d{8}"\],?'
    for channel in (DIFF, TOP):
        assert re.fullmatch(
            rb'\{"data":\{"timestamp":"\d{10}","microtimestamp":"\d{16}","bids":\[(' + level
            + rb')*\],"asks":\[(' + level + rb')*\]\},"channel":"' + channel.encode()
            + rb'_\w+usd","event":"data"\}',
            found[channel],
        )  # fmt: skip
    trade = json.loads(found[TRADES])
    assert trade["event"] == "trade" and trade["channel"].startswith("live_trades_")
    assert float(trade["data"]["price_str"]) == trade["data"]["price"]
    assert json.loads(found["reply"])["event"] == "bts:subscription_succeeded"


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (
        [item.payload for item in stream(seed=seed).items(800)] for seed in (3, 3, 4)
    )
    assert one == same != other


def put(side: Side, levels: list[list[str]]) -> int:
    removed_unknown = 0
    for price, size in levels:
        if float(size):
            side[price] = size
        else:
            removed_unknown += side.pop(price, None) is None
    return removed_unknown


def units(text: str, places: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(places, "0"))


@pytest.mark.parametrize("seed", [7, 8])
def test_an_answer_and_what_is_newer_are_the_truth(seed: int) -> None:
    run, books = stream(levels=40, seed=seed), dict[str, tuple[Side, Side]]()
    held: dict[str, list[dict[str, Any]]] = {symbol: [] for symbol in run.listed}
    checked = removed_unknown = asked = 0
    for item in run.items(2_500):
        if item.kind == "rest":
            body = json.loads(item.payload)
            at = int(body["microtimestamp"])
            if int(held[item.symbol][0]["microtimestamp"]) > at:
                run.ask(item.symbol)
                continue
            books[item.symbol] = dict[str, str](), dict[str, str]()
            for data in (body, *(d for d in held[item.symbol] if int(d["microtimestamp"]) > at)):
                for side, name in zip(books[item.symbol], ("bids", "asks"), strict=True):
                    put(side, data[name])
        if item.kind != "frame" or not item.is_book:
            continue
        data = told(item)["data"]
        if item.symbol not in books:
            held[item.symbol].append(data)
            if len(held[item.symbol]) == 2:
                run.ask(item.symbol)
                asked += 1
            continue
        for side, name in zip(books[item.symbol], ("bids", "asks"), strict=True):
            removed_unknown += put(side, data[name])
        truth = run.truth.at(item.symbol, int(data["microtimestamp"]))
        assert truth is not None
        for mine, true in zip(books[item.symbol], (truth.bids, truth.asks), strict=True):
            assert {(units(p, 9), units(q, 8)) for p, q in mine.items()} == set(true)
        checked += 1
    assert asked == 2 and checked > 100
    assert (removed_unknown > 3) == (seed == 8), "one of the two tells of what came and went"


@pytest.mark.parametrize("behind_us", [0, STALE_US])
def test_no_answer_is_of_between_two_messages_where_they_keep_what_came_and_went(
    behind_us: int,
) -> None:
    run, told_us, apart = stream(seed=7), set[int](), 0
    for item in run.items(2_000):
        if item.kind == "frame" and item.is_book:
            told_us.add(item.last)
            at_us = run.venue.book(item.symbol, behind_us=behind_us)[1]
            if at_us > T0 // 1_000 + STALE_US:
                assert at_us in told_us
                apart += at_us < item.last
    assert len(told_us) > 50 and (apart > 50) == (behind_us > 0)


def test_changes_come_in_the_order_of_their_times_and_not_too_often() -> None:
    times: dict[str, list[tuple[int, int]]] = {}
    for item in frames(list(stream(rate=400.0).items(4_000))):
        if item.is_book:
            micros = int(told(item)["data"]["microtimestamp"])
            times.setdefault(item.symbol, []).append((micros, item.ts_ns))
    for mine in times.values():
        assert len(mine) > 20
        assert all(one < later for (one, _), (later, _) in pairwise(mine))
        assert all(later - one >= S // 10 for (_, one), (_, later) in pairwise(mine))


def test_best_levels_are_the_truth_of_their_time() -> None:
    run, checked = stream(levels=150), 0
    for item in run.items(2_500):
        if item.kind != "frame" or item.channel != TOP:
            continue
        data = told(item)["data"]
        truth = run.truth.at(item.symbol, int(data["microtimestamp"]))
        assert truth is not None
        for name, true in (("bids", truth.bids), ("asks", truth.asks)):
            assert [(units(p, 9), units(q, 8)) for p, q in data[name]] == true[:100]
        checked += 1
    assert checked > 50


def test_trades_name_who_took() -> None:
    run = stream(markets=1, rate=400.0)
    sides, bid, ask = Counter[bool](), 0, 0
    for item in run.items(6_000):
        if item.kind != "frame":
            continue
        if item.channel == TOP:
            truth = run.truth.at(item.symbol, item.last)
            assert truth is not None
            bid, ask = truth.bids[0][0], truth.asks[0][0]
        elif item.channel == TRADES and bid:
            data = told(item)["data"]
            above = 2 * units(data["price_str"], 9) > bid + ask
            sides[(data["type"] == 0) == above] += 1
    assert sides[True] > 2 * sides[False] > 0


def session() -> BitstampSession:
    return BitstampSession(SimBitstamp(SpotVenueConfig(markets=2, levels=10), T0), 0)


def say(one: BitstampSession, event: str, channel: str = "") -> dict[str, Any]:
    (out,) = one.receive(json.dumps({"event": event, "data": {"channel": channel}}), T0)
    answer: dict[str, Any] = json.loads(out.payload)
    return answer


def test_what_cannot_be_is_answered_with_an_error() -> None:
    one = session()
    for event, channel in (
        ("bts:look", ""),
        ("bts:subscribe", "order_book_xxxusd"),
        ("bts:subscribe", "books_btcusd"),
        ("bts:unsubscribe", "order_book_btcusd"),
    ):
        assert say(one, event, channel)["event"] == "bts:error"
    assert json.loads(one.receive(b"[", T0)[0].payload)["event"] == "bts:error"
    assert not one.channels
    assert say(one, "bts:heartbeat")["data"] == {"status": "success"}


def test_one_channel_too_many_ends_the_connection_without_a_word() -> None:
    one = session()
    one.channels.update(dict.fromkeys(map(str, range(CHANNELS_MAX - 1))))
    assert say(one, "bts:subscribe", "order_book_btcusd")["event"].endswith("succeeded")
    assert not one.over
    say(one, "bts:subscribe", "live_trades_btcusd")
    assert one.over


def test_a_subscription_is_given_up_and_had_again() -> None:
    one = session()
    assert say(one, "bts:subscribe", "order_book_btcusd")["channel"] == "order_book_btcusd"
    assert one.symbols() == {"btcusd"}
    assert say(one, "bts:unsubscribe", "order_book_btcusd")["event"].startswith("bts:unsub")
    assert one.symbols() == set()


@pytest.mark.parametrize("kind", BITSTAMP_VARIANTS)
def test_every_fault_strikes_and_is_logged(kind: str) -> None:
    for variant in BITSTAMP_VARIANTS[kind]:
        fault = BitstampFault(kind, at_frame=60, variant=variant, duration_s=1.0)
        items: list[tuple[int, int, bytes]] = []
        plain: list[tuple[int, int, bytes]] = []
        runs = (stream(fault), stream())
        for run, found in zip(runs, (items, plain), strict=True):
            for item in run.items(500):
                found.append((item.ts_ns, item.status, item.payload))
                if len(found) == 250:
                    run.ask("btcusd")
        assert [event.fault for event in runs[0].fault_log] == [fault]
        if kind != "refused":  # that shows when a command is sent
            assert items != plain
    assert set(REST_VARIANTS) < set(BITSTAMP_VARIANTS)


def test_a_schedule_is_the_seeds() -> None:
    one, same, other = (random_bitstamp_faults(seed, count=9, frames=500) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 9


@pytest.mark.parametrize("settings", [{"markets": 0}, {"levels": 5}])
def test_what_cannot_be_simulated_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        SpotVenueConfig(**settings)
