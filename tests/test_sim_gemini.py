"""The simulated Gemini in process: shapes, numbers and faults, held against the page."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from bookfeed.sim.gemini.faults import GEMINI_VARIANTS, GeminiFault, random_gemini_faults
from bookfeed.sim.gemini.session import GeminiSession
from bookfeed.sim.gemini.stream import GeminiStream
from bookfeed.sim.gemini.venue import GeminiVenueConfig, SimGemini
from bookfeed.sim.gemini.wire import DEPTH, L2, L2_TRADES, TICKER, TRADES
from bookfeed.sim.spot_stream import SpotItem

S = 1_000_000_000
T0 = 1_790_000_000 * S

Side = dict[str, str]


def stream(*faults: GeminiFault, **options: Any) -> GeminiStream:
    config = GeminiVenueConfig(
        seed=options.pop("seed", 7),
        markets=options.pop("markets", 2),
        levels=options.pop("levels", 60),
        api=options.pop("api", "fast"),
    )
    return GeminiStream(config, faults=faults, **options)


def told(item: SpotItem) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(item.payload)
    return message


def frames(items: list[SpotItem]) -> list[SpotItem]:
    return [item for item in items if item.kind == "frame"]


def test_messages_look_as_documented() -> None:
    found = {item.channel: item.payload for item in frames(list(stream().items(900)))}
    level = rb'\["\d+(\.\d+)?","\d+(\.\d+)?"\],?'
    assert re.fullmatch(
        rb'\{"e":"depthUpdate","E":\d{19},"s":"\w+usd","U":\d+,"u":\d+,"b":\[(' + level
        + rb')*\],"a":\[(' + level + rb")*\]\}",
        found[DEPTH],
    )  # fmt: skip
    assert re.fullmatch(
        rb'\{"u":\d+,"E":\d{19},"s":"\w+usd","b":"[\d.]+","B":"[\d.]+","a":"[\d.]+","A":"[\d.]+"\}',
        found[TICKER],
    )
    trade = json.loads(found[TRADES])
    assert trade.keys() == {"E", "s", "t", "p", "q", "m"}
    assert json.loads(found["reply"]) == {"id": "1", "status": 200, "result": {}}


def test_messages_of_version_2_look_as_recorded() -> None:
    found = {item.channel: told(item) for item in frames(list(stream(api="v2").items(900)))}
    assert found.keys() == {L2, L2_TRADES}
    assert list(found[L2]) == ["changes", "symbol", "type"]
    assert found[L2_TRADES]["side"] in ("buy", "sell")


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (
        [item.payload for item in stream(seed=seed).items(800)] for seed in (3, 3, 4)
    )
    assert one == same != other


def put(side: Side, levels: list[list[str]]) -> None:
    for price, size in levels:
        if float(size):
            side[price] = size
        else:
            side.pop(price, None)


def units(text: str, places: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(places, "0"))


@pytest.mark.parametrize("seed", [7, 8])
def test_the_first_message_and_what_follows_it_are_the_truth(seed: int) -> None:
    run, books = stream(levels=40, seed=seed), dict[str, tuple[Side, Side]]()
    last: dict[str, int] = {}
    checked = overlaps = spans = 0
    for item in run.items(2_500):
        if item.kind != "frame" or item.channel != DEPTH:
            continue
        message = told(item)
        first = item.symbol not in books
        assert item.whole == first
        if first:
            books[item.symbol] = dict[str, str](), dict[str, str]()
            spans += message["U"] < message["u"]
        else:
            assert message["U"] <= last[item.symbol] + 1 <= message["u"]
            overlaps += message["U"] <= last[item.symbol]
        last[item.symbol] = message["u"]
        for side, name in zip(books[item.symbol], ("b", "a"), strict=True):
            put(side, message[name])
        truth = run.truth.at(item.symbol, message["u"])
        assert truth is not None
        for mine, true in zip(books[item.symbol], (truth.bids, truth.asks), strict=True):
            assert {(units(p, 9), units(q, 8)) for p, q in mine.items()} == set(true)
        checked += 1
    assert checked > 100 and len(books) == 2
    assert overlaps <= 2 * (seed == 8), "of the moment by even seeds alone"


@pytest.mark.parametrize("seed", [7, 8])
def test_books_of_version_2_are_the_truth(seed: int) -> None:
    run, checked = stream(levels=40, seed=seed, api="v2"), 0
    books: dict[str, dict[str, Side]] = {}
    for item in run.items(2_500):
        if item.kind != "frame" or item.channel != L2:
            continue
        message = told(item)
        assert ("trades" in message) == item.whole == (item.symbol not in books)
        sides = books.setdefault(item.symbol, {"buy": {}, "sell": {}})
        for side, price, size in message["changes"]:
            put(sides[side], [[price, size]])
        truth = run.truth.at(item.symbol, item.last)
        assert truth is not None
        for name, true in (("buy", truth.bids), ("sell", truth.asks)):
            assert {(units(p, 9), units(q, 8)) for p, q in sides[name].items()} == set(true)
        checked += 1
    assert checked > 500


def test_changes_come_not_too_often_and_best_prices_at_once() -> None:
    times: dict[str, list[int]] = {}
    tickers = agreed = 0
    run = stream(rate=400.0)
    for item in run.items(4_000):
        if item.kind == "frame" and item.channel == DEPTH:
            times.setdefault(item.symbol, []).append(told(item)["E"])
        if item.kind == "frame" and item.channel == TICKER:
            message, truth = told(item), run.truth(item.symbol)
            tickers += 1
            agreed += units(message["b"], 9) == truth.bids[0][0]
    assert tickers == agreed > 200
    for mine in times.values():
        assert len(mine) > 20
        assert all(later - one >= S // 10 for one, later in pairwise(mine[1:]))


def test_trades_name_who_took() -> None:
    run = stream(markets=1, rate=400.0)
    sides, middle = Counter[bool](), 0
    for item in run.items(6_000):
        if item.kind != "frame":
            continue
        message = told(item)
        if item.channel == TICKER:
            middle = units(message["b"], 9) + units(message["a"], 9)
        elif item.channel == TRADES and middle:
            sides[message["m"] == (2 * units(message["p"], 9) < middle)] += 1
    assert sides[True] > 2 * sides[False]


def session(path: str = "/?snapshot=-1", api: Any = "fast") -> GeminiSession:
    config = GeminiVenueConfig(markets=2, levels=10, api=api)
    return GeminiSession(SimGemini(config, T0), 0, path)


def say(one: GeminiSession, method: str, *streams: str) -> list[dict[str, Any]]:
    command = json.dumps({"id": 4, "method": method, "params": list(streams)})
    return [json.loads(out.payload) for out in one.receive(command, T0)]


def test_a_book_begins_once_a_connection() -> None:
    one = session()
    answer, book = say(one, "subscribe", "btcusd@depth@100ms", "btcusd@trade")
    assert answer == {"id": 4, "status": 200, "result": {}}
    assert min(len(book["b"]), len(book["a"])) >= 6
    assert one.symbols() == {"btcusd"}
    assert len(say(one, "unsubscribe", "btcusd@depth@100ms")) == 1
    assert len(say(one, "SUBSCRIBE", "btcusd@depth@100ms")) == 1, "and not again"


@pytest.mark.parametrize(
    ("path", "levels"), [("/", None), ("/?snapshot=0", None), ("/?snapshot=2", 2)]
)
def test_an_address_that_asks_for_no_whole_book_gets_none(path: str, levels: int | None) -> None:
    _, *books = say(session(path), "subscribe", "btcusd@depth@100ms")
    assert [len(book["b"]) for book in books] == ([] if levels is None else [levels])


def test_version_2_begins_with_every_subscription() -> None:
    one = session(api="v2")
    subscriptions = [{"name": "l2", "symbols": ["BTCUSD"]}]
    for _ in range(2):
        command = json.dumps({"type": "subscribe", "subscriptions": subscriptions})
        (out,) = one.receive(command, T0)
        assert "trades" in json.loads(out.payload) and out.whole
        gone = json.dumps({"type": "unsubscribe", "subscriptions": subscriptions})
        assert one.receive(gone, T0) == [] and not one.symbols()


def test_what_cannot_be_is_answered_with_an_error() -> None:
    one = session()
    for method, stream_ in (
        ("look", "btcusd@trade"),
        ("subscribe", "xxxusd@trade"),
        ("subscribe", "BTCUSD@trade"),
        ("subscribe", "btcusd@candles"),
    ):
        (answer,) = say(one, method, stream_)
        assert answer["status"] == 400 and answer["error"]["msg"]
    assert json.loads(one.receive(b"[", T0)[0].payload)["status"] == 400
    assert not one.streams
    assert say(one, "ping") == [{"id": 4, "status": 200, "result": {}}]


@pytest.mark.parametrize("kind", GEMINI_VARIANTS)
def test_every_fault_strikes_and_is_logged(kind: str) -> None:
    for variant in GEMINI_VARIANTS[kind]:
        at_frame = 0 if kind in ("part", "snapshot") else 60
        fault = GeminiFault(kind, at_frame=at_frame, variant=variant, duration_s=1.0)
        runs = (stream(fault), stream())
        items, plain = ([(i.ts_ns, i.kind, i.payload) for i in run.items(500)] for run in runs)
        assert [event.fault for event in runs[0].fault_log] == [fault]
        assert items != plain


def test_a_whole_book_that_is_lost_shows_in_no_number() -> None:
    run = stream(GeminiFault("drop", at_frame=0), markets=1)
    first = next(item for item in run.items(300) if item.kind == "frame" and item.is_book)
    assert not first.whole
    assert [event.duty for event in run.fault_log] == ["unprovable"]


def test_a_schedule_is_the_seeds() -> None:
    one, same, other = (random_gemini_faults(seed, count=9, frames=500) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 9


@pytest.mark.parametrize("settings", [{"markets": 0}, {"levels": 5}])
def test_what_cannot_be_simulated_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        GeminiVenueConfig(**settings)
