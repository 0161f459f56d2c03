"""The simulated Crypto.com in process: shapes, chains, windows and faults, held to the page."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from bookfeed.sim.cryptocom.faults import (
    CRYPTOCOM_VARIANTS,
    CryptocomFault,
    random_cryptocom_faults,
)
from bookfeed.sim.cryptocom.session import ANSWER_NS, ASKS_EVERY_NS, CryptocomSession
from bookfeed.sim.cryptocom.stream import CryptocomStream
from bookfeed.sim.cryptocom.venue import QUIET_NS, SimCryptocom
from bookfeed.sim.cryptocom.wire import BOOK, TRADES
from bookfeed.sim.spot_stream import SpotItem
from bookfeed.sim.spot_truth import top
from bookfeed.sim.spot_venue import SpotVenueConfig

S = 1_000_000_000
T0 = 1_790_000_000 * S

Side = dict[str, str]


def stream(*faults: CryptocomFault, **options: Any) -> CryptocomStream:
    config = SpotVenueConfig(
        seed=options.pop("seed", 7),
        markets=options.pop("markets", 2),
        levels=options.pop("levels", 60),
    )
    return CryptocomStream(config, faults=faults, **options)


def told(item: SpotItem) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(item.payload)
    return message


def entries(item: SpotItem) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = told(item)["result"]["data"]
    return listed


def frames(items: list[SpotItem]) -> list[SpotItem]:
    return [item for item in items if item.kind == "frame"]


def test_messages_look_as_documented() -> None:
    seen = frames(list(stream().items(900)))
    level = rb'\["[\d.]+","[\d.]+","\d+"\],?'
    change = next(item for item in seen if item.is_book and not item.whole)
    assert re.fullmatch(
        rb'\{"id":-1,"method":"subscribe","code":0,"result":\{"instrument_name":"\w+_USD",'
        rb'"subscription":"book\.\w+_USD\.50","channel":"book\.update","depth":50,'
        rb'"data":\[\{"update":\{"asks":\[(' + level + rb')*\],"bids":\[(' + level
        + rb')*\]\},"t":\d{13},"tt":\d{13},"u":\d+,"pu":\d+,"cs":-?\d+\}\]\}\}',
        change.payload,
    )  # fmt: skip
    whole = next(item for item in seen if item.whole)
    assert told(whole)["result"]["channel"] == "book"
    assert entries(whole)[0].keys() == {"asks", "bids", "t", "tt", "u", "cs"}
    (trade, *_) = entries(next(item for item in seen if item.channel == TRADES))
    assert trade.keys() == {"d", "t", "tn", "q", "p", "s", "i"}


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, same, other = (
        [item.payload for item in stream(seed=seed).items(800)] for seed in (3, 3, 4)
    )
    assert one == same != other


def put(side: Side, levels: list[list[str]]) -> None:
    for price, size, _ in levels:
        if float(size):
            side[price] = size
        else:
            side.pop(price, None)


def units(text: str, places: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(places, "0"))


@pytest.mark.parametrize("depth", [10, 50])
@pytest.mark.parametrize("seed", [7, 8])
def test_a_whole_book_and_the_chain_behind_it_are_the_window(seed: int, depth: int) -> None:
    run, books = stream(levels=60, seed=seed, depth=depth), dict[str, tuple[Side, Side]]()
    last: dict[str, int] = {}
    checked = 0
    for item in run.items(2_500):
        if item.kind != "frame" or item.channel != BOOK:
            continue
        (entry,) = entries(item)
        assert item.whole == (item.symbol not in books)
        if item.whole:
            books[item.symbol] = dict[str, str](), dict[str, str]()
        else:
            assert entry["pu"] == last[item.symbol] <= entry["u"] == item.last
        last[item.symbol] = entry["u"]
        truth = run.truth.at(item.symbol, entry["u"])
        assert truth is not None
        true = top(truth, depth)
        levels = entry if item.whole else entry["update"]
        for is_bid, mine in enumerate(books[item.symbol][::-1]):
            put(mine, levels["bids" if is_bid else "asks"])
            worst = sorted(mine, key=float, reverse=bool(is_bid))[depth:]
            for price in worst:
                del mine[price]
            exact = {(units(price, 9), units(size, 8)) for price, size in mine.items()}
            assert exact == set(true.bids if is_bid else true.asks)
        checked += 1
    assert checked > 300 and len(books) == 2


@pytest.mark.parametrize("seed", [7, 8])
def test_where_nothing_happens_the_venue_says_so(seed: int) -> None:
    run = stream(markets=8, rate=1.0, seed=seed)
    empty = [
        entry
        for item in frames(list(run.items(400)))
        if item.is_book and not item.whole
        for entry in entries(item)
        if not any(entry["update"].values())
    ]
    assert len(empty) > 10
    if seed % 2 == 0:
        assert all(entry["u"] == entry["pu"] for entry in empty)


def test_trades_name_who_took_and_the_newest_stands_first() -> None:
    run = stream(markets=1, rate=400.0)
    sides, several, middle = Counter[bool](), 0, 0.0
    for item in run.items(6_000):
        if item.kind != "frame" or item.channel not in (BOOK, TRADES):
            continue
        if item.channel == BOOK:
            truth = run.truth(item.symbol)
            middle = (truth.bids[0][0] + truth.asks[0][0]) / 2e9
            continue
        listed = entries(item)
        several += len(listed) > 1
        numbers = [int(one["d"]) for one in listed]
        assert numbers == sorted(numbers, reverse=True)
        for one in listed:
            sides[(one["s"] == "BUY") == (float(one["p"]) > middle)] += 1
    assert several > 10
    assert sides[True] > 2 * sides[False]


def session(seed: int = 1, opened_ns: int = T0 - S) -> CryptocomSession:
    venue = SimCryptocom(SpotVenueConfig(markets=2, levels=10, seed=seed))
    return CryptocomSession(venue, 0, opened_ns)


def say(
    one: CryptocomSession, method: str, *channels: str, at_ns: int = T0, **params: Any
) -> list[dict[str, Any]]:
    how = {"book_subscription_type": "SNAPSHOT_AND_UPDATE"} | params
    asked = {"channels": list(channels), **how}
    command = json.dumps({"id": 4, "nonce": 1, "method": method, "params": asked})
    return [json.loads(out.payload) for out in one.receive(command, at_ns)]


def test_every_subscription_begins_with_a_whole_book() -> None:
    ways = set()
    for seed in range(1, 9):
        one = session(seed)
        for _ in range(2):
            *acks, book = say(one, "subscribe", "book.BTC_USD.10", "trade.BTC_USD")
            assert book["result"]["channel"] == "book"
            assert book["id"] == (-1 if acks else 4)
            assert all(ack["code"] == 0 and ack["id"] == 4 for ack in acks)
            ways.add(tuple(ack.get("channel") for ack in acks))
            assert one.symbols() == {"BTC_USD"}
            done = {"id": 4, "method": "unsubscribe", "code": 0}
            assert say(one, "unsubscribe", "book.BTC_USD.10") == [done]
    each = ("book.BTC_USD.10", "trade.BTC_USD")
    assert ways == {(), (None,), each}, "it answers the command, or follows the answer or answers"


def test_a_channel_that_cannot_be_costs_the_others_nothing() -> None:
    one = session()
    told = say(one, "subscribe", "book.XXX_USD.10", "book.BTC_USD.10")
    refusal, book = told[0], told[-1]
    assert (refusal["code"], refusal["channel"]) == (40003, "book.XXX_USD.10")
    assert book["result"]["subscription"] == "book.BTC_USD.10"
    assert list(one.channels) == ["book.BTC_USD.10"]


def test_commands_of_the_first_second_are_counted_by_how_much_of_it_passed() -> None:
    one = session(opened_ns=T0)
    for at_ns, code in ((T0, 42901), (T0 + 5_000_000, 42901), (T0 + S, 0)):
        assert say(one, "unsubscribe", "trade.BTC_USD", at_ns=at_ns)[0]["code"] == code


def test_who_does_not_answer_is_hung_up_on() -> None:
    answering, silent = session(), session()
    for number in range(3):
        at_ns = T0 + (number + 1) * ASKS_EVERY_NS
        question = answering.ask(at_ns)
        assert question is not None
        told_id = json.loads(question.payload)["id"]
        answer = {"id": told_id, "method": "public/respond-heartbeat"}
        assert answering.receive(json.dumps(answer), at_ns) == []
        assert answering.ask(at_ns + ANSWER_NS) is None and not answering.over
    assert silent.ask(T0 + ASKS_EVERY_NS) is not None
    assert silent.ask(T0 + ASKS_EVERY_NS + ANSWER_NS) is None and silent.over


def test_what_cannot_be_is_answered_with_an_error() -> None:
    one = session()
    for method, channel in (
        ("look", "trade.BTC_USD"),
        ("subscribe", "trade.XXX_USD"),
        ("subscribe", "book.BTC_USD"),
        ("subscribe", "book.BTC_USD.20"),
        ("subscribe", "candlestick.1m.BTC_USD"),
    ):
        (answer,) = say(one, method, channel)
        assert answer["code"] == 40003 and answer["message"]
    assert json.loads(one.receive(b"[", T0)[0].payload)["code"] == 40001
    (answer,) = say(one, "subscribe", "book.BTC_USD.50", book_subscription_type="SNAPSHOT")
    assert answer["code"] == 40003
    assert not one.channels


@pytest.mark.parametrize("kind", CRYPTOCOM_VARIANTS)
def test_every_fault_strikes_and_is_logged(kind: str) -> None:
    for variant in CRYPTOCOM_VARIANTS[kind]:
        at_frame = 0 if kind == "snapshot" else 60
        fault = CryptocomFault(kind, at_frame=at_frame, variant=variant, duration_s=1.0)
        runs = (stream(fault), stream())
        items, plain = ([(i.ts_ns, i.kind, i.payload) for i in run.items(900)] for run in runs)
        assert [event.fault for event in runs[0].fault_log] == [fault]
        if kind != "refused":  # which shows with the next command
            assert items != plain


def test_a_refusal_strikes_the_next_command() -> None:
    run = stream(CryptocomFault("refused", at_frame=20), markets=1)
    list(run.items(100))
    run.resubscribe("BTC_USD")
    replies = [told(item) for item in frames(list(run.items(50))) if item.channel == "reply"]
    assert [reply["code"] for reply in replies][:1] == [50001]


def test_a_quiet_window_stays_behind_no_longer_than_is_said() -> None:
    venue = SimCryptocom(SpotVenueConfig(markets=1, levels=40, seed=3))
    venue.whole("BTC_USD", 10, T0)
    assert venue.due(T0 + QUIET_NS - 1) == []
    (message,) = venue.due(T0 + QUIET_NS)
    assert message.last >= message.first - 1 and not message.whole


def test_a_schedule_is_the_seeds() -> None:
    one, same, other = (random_cryptocom_faults(seed, count=9, frames=500) for seed in (1, 1, 2))
    assert one == same != other and len(one) == 9
