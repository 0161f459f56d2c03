"""Each fault does what its name says, where it was told to, and is logged."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from bookfeed.sim.binance.faults import BINANCE_VARIANTS
from bookfeed.sim.bitstamp.faults import BITSTAMP_VARIANTS
from bookfeed.sim.coinbase.faults import COINBASE_VARIANTS
from bookfeed.sim.cryptocom.faults import CRYPTOCOM_VARIANTS
from bookfeed.sim.faults import BROKEN, OF_ANY, FaultEvent
from bookfeed.sim.gemini.faults import GEMINI_VARIANTS
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import HEARTBEAT, KALSHI_VARIANTS, KalshiFault
from bookfeed.sim.kalshi.stream import KalshiItem, KalshiStream
from bookfeed.sim.kraken.faults import KRAKEN_VARIANTS
from bookfeed.sim.polymarket.faults import (
    DRAWN_KINDS,
    VARIANTS,
    Fault,
    FaultInjector,
    FaultKind,
    random_faults,
)
from bookfeed.sim.polymarket.stream import START_NS, Item, Stream
from bookfeed.sim.polymarket.venue import VenueConfig

AT = 40
CONFIG = VenueConfig(markets=2, seed=21, new_market_every=0)


def run(*faults: Fault, items: int = 300, rate: float = 200.0) -> tuple[list[Item], Stream]:
    stream = Stream(CONFIG, faults=faults, rate=rate)
    return list(stream.items(items)), stream


def clean(items: int = 300) -> list[bytes]:
    return [item.payload for item in run(items=items)[0] if item.kind == "frame"]


def frames(items: list[Item]) -> list[bytes]:
    return [item.payload for item in items if item.kind == "frame"]


def only_event(stream: Stream) -> FaultEvent:
    (event,) = stream.fault_log
    return event


def difference(faulty: list[bytes], sound: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return ((ours, theirs) for ours, theirs in zip(faulty, sound, strict=True) if ours != theirs)


def test_drop_leaves_out_one_book_frame() -> None:
    items, stream = run(Fault("drop", at_frame=AT))
    sound, faulty = clean(), frames(items)
    event = only_event(stream)
    assert event.frame >= AT
    # The initial array is the first frame of all.
    assert faulty == sound[: event.frame + 1] + sound[event.frame + 2 :]
    lost = next(item for item in items if item.kind == "lost")
    assert lost.message and lost.message.kind in ("book", "price_change")
    assert lost.payload == b""
    assert event.assets == stream.venue.markets[lost.message.market].spec.asset_ids
    assert items[items.index(lost)].ts_ns - event.ts_ns == 8_000_000


def test_truth_goes_on_without_the_dropped_frame() -> None:
    items, stream = run(Fault("drop", at_frame=AT))
    _, sound = run()
    for asset_id in stream.asset_ids(0):
        assert stream.truth(asset_id) == sound.truth(asset_id)
    assert len(frames(items)) == 300 - 2


@pytest.mark.parametrize("variant", ["at_once", "reversed", "later"])
def test_duplicate(variant: str) -> None:
    items, stream = run(Fault("duplicate", at_frame=AT, variant=variant))
    event = only_event(stream)
    place = event.frame + 1
    faulty, sound = frames(items), clean()
    again = place + 1 if variant != "later" else place + 6
    extra = faulty.pop(again)
    assert faulty == sound[: len(faulty)]
    if variant == "reversed":
        first, second = json.loads(extra)["price_changes"]
        assert json.loads(sound[place])["price_changes"] == [second, first]
        assert extra != sound[place]
    else:
        assert extra == sound[place]


def test_freeze_of_a_connection_keeps_only_pong() -> None:
    items, stream = run(Fault("freeze", at_frame=AT), items=600, rate=10)
    event = only_event(stream)
    assert (event.assets, event.frame) == ((), AT)
    after = [item for item in items if item.ts_ns > event.ts_ns + 8_000_000]
    assert {item.payload for item in after} == {b"", b"PONG"}
    assert {item.kind for item in after} == {"lost", "frame"}
    assert stream.venue.truth.version(stream.asset_ids(0)[0]) > AT


def test_frozen_connections_get_no_broadcasts_and_can_be_cut() -> None:
    config = VenueConfig(markets=1, new_market_every=10)
    faults = (Fault("freeze", at_frame=AT), Fault("disconnect", at_frame=200, duration_s=0.1))
    stream = Stream(config, faults=faults)
    items = list(stream.items(500))
    freeze, cut = stream.fault_log
    frozen = [item for item in items if item.ts_ns - 8_000_000 - freeze.ts_ns >= 0
              and item.ts_ns - 8_000_000 < cut.ts_ns]  # fmt: skip
    assert {item.kind for item in frozen} == {"lost"}
    assert "new_market" in {item.message.kind for item in frozen if item.message}
    assert cut.frame == 200
    assert items[-1].kind == "frame"


def test_freeze_ends() -> None:
    items, stream = run(Fault("freeze", at_frame=AT, duration_s=0.5))
    lost = [item for item in items if item.kind == "lost"]
    assert 0 <= (lost[-1].ts_ns - lost[0].ts_ns) <= 500_000_000
    assert items[-1].kind == "frame"
    assert len(lost) > 40
    assert only_event(stream).frame == AT


def test_freeze_of_one_asset_spares_its_sibling() -> None:
    asset_id = Stream(CONFIG).asset_ids(0)[0]
    items, stream = run(Fault("freeze", at_frame=AT, asset=asset_id))
    sibling = stream.asset_ids(0)[1]
    since = only_event(stream).ts_ns + 8_000_000
    text = b" ".join(item.payload for item in items if item.ts_ns >= since)
    assert asset_id.encode() not in text
    assert sibling.encode() in text
    assert only_event(stream).assets == (asset_id,)


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
def test_lost_connections_come_back_with_fresh_books(kind: FaultKind) -> None:
    items, stream = run(Fault(kind, at_frame=AT, duration_s=0.3))
    down = next(i for i, item in enumerate(items) if item.kind == "disconnected")
    up = next(i for i, item in enumerate(items) if item.kind == "connected" and i > down)
    assert {item.kind for item in items[down + 1 : up]} == {"lost"}
    assert 0.3 <= (items[up].ts_ns - items[down].ts_ns) / 1e9 < 0.4
    books = json.loads(items[up + 1].payload)
    assert [book["asset_id"] for book in books] == stream.asset_ids(0)
    assert only_event(stream).assets == ()


def test_reconnect_on_request() -> None:
    stream = Stream(CONFIG)
    list(stream.items(50))
    stream.reconnect(0)
    kinds = [item.kind for item in stream.items(300)]
    assert kinds[0] == "disconnected"
    assert kinds.count("connected") == 1
    assert kinds[-1] == "frame"


@pytest.mark.parametrize("variant", ["one", "all"])
def test_wrong_hash_changes_nothing_but_hashes(variant: str) -> None:
    items, stream = run(Fault("wrong_hash", at_frame=AT, variant=variant))
    ((ours, theirs),) = difference(frames(items), clean())
    wrong, right = (json.loads(data)["price_changes"] for data in (ours, theirs))
    changed = [a["hash"] != b["hash"] for a, b in zip(wrong, right, strict=True)]
    assert changed == ([True, False] if variant == "one" else [True, True])
    for entry in wrong + right:
        del entry["hash"]
    assert wrong == right
    named = [entry["asset_id"] for entry in wrong]
    assert set(only_event(stream).assets) == set(named[:1] if variant == "one" else named)


def test_a_change_without_effect_takes_the_place_of_a_lost_one() -> None:
    items, stream = run(Fault("drop+noop", at_frame=AT))
    ((ours, theirs),) = difference(frames(items), clean())
    told, lost = (json.loads(data) for data in (ours, theirs))
    for mine, true in zip(told["price_changes"], lost["price_changes"], strict=True):
        assert (mine["price"], mine["side"]) != (true["price"], true["side"])
        for member in ("asset_id", "hash", "best_bid", "best_ask"):
            assert mine[member] == true[member]
    assert set(only_event(stream).assets) == {e["asset_id"] for e in told["price_changes"]}


def test_foreign_hashes_are_those_of_changes_from_then_on() -> None:
    items, stream = run(Fault("hash", at_frame=AT, variant="foreign"))
    place = only_event(stream).frame + 1
    faulty, sound = frames(items), clean()
    for index, (ours, theirs) in enumerate(zip(faulty, sound, strict=True)):
        foreign = index >= place and b"price_changes" in theirs
        assert (ours != theirs) == foreign, index
        if foreign:
            told, true = (json.loads(data)["price_changes"] for data in (ours, theirs))
            for mine, right in zip(told, true, strict=True):
                assert mine.pop("hash") != right.pop("hash")
            assert told == true


@pytest.mark.parametrize("variant", ["one", "all"])
def test_corrupt_size(variant: str) -> None:
    items, stream = run(Fault("corrupt_size", at_frame=AT, variant=variant))
    ((ours, theirs),) = difference(frames(items), clean())
    wrong, right = (json.loads(data)["price_changes"] for data in (ours, theirs))
    changed = [a["size"] != b["size"] for a, b in zip(wrong, right, strict=True)]
    assert changed == ([True, False] if variant == "one" else [True, True])
    assert [entry["hash"] for entry in wrong] == [entry["hash"] for entry in right]
    assert "became" in only_event(stream).detail


STAMP = re.compile(rb'"timestamp":"([^"]*)"')


def read_wrongly(variant: str, stamp: int, detail: str) -> str:
    off_by_ms = int(detail.split()[-2])
    numbers = {
        "ahead": stamp + off_by_ms,
        "back": stamp - off_by_ms,
        "seconds": stamp // 1_000,
        "micros": stamp * 1_000,
        "negative": -stamp,
    }
    moment = datetime.fromtimestamp(stamp / 1_000, UTC).isoformat()
    return str(numbers[variant]) if variant in numbers else moment


@pytest.mark.parametrize("variant", OF_ANY["stamp"])
def test_wrong_time_stamps_are_in_the_hashes_too(variant: str) -> None:
    items, stream = run(Fault("stamp", at_frame=AT, variant=variant, duration_s=0.5))
    event = only_event(stream)
    sent = [item for item in items if item.kind == "frame"]
    hashed = 0
    for item, sound in zip(sent, clean(), strict=True):
        if event.ts_ns <= item.ts_ns - 8_000_000 <= event.ts_ns + 500_000_000 and item.message:
            stamp = int(STAMP.findall(sound)[0])
            wrong = read_wrongly(variant, stamp, event.detail).encode()
            assert STAMP.findall(item.payload) == [wrong]
            sound = STAMP.sub(b'"timestamp":"%b"' % wrong, sound)
            for right, text in item.message.hashed.items():
                text = STAMP.sub(b'"timestamp":"%b"' % wrong, text)
                sound = sound.replace(right.encode(), hashlib.sha1(text).hexdigest().encode())
                hashed += 1
        assert item.payload == sound
    assert hashed > 40


def test_one_frame_alone_may_have_a_wrong_stamp() -> None:
    items, _ = run(Fault("stamp", at_frame=AT, variant="seconds", duration_s=0.0))
    told = list(difference(frames(items), clean()))
    moments = {STAMP.findall(sound)[0] for _, sound in told}
    assert len(moments) == 1


@pytest.mark.parametrize("variant", OF_ANY["late"])
def test_a_connection_falls_behind_in_order_and_catches_up(variant: str) -> None:
    items, _ = run(Fault("late", at_frame=AT, variant=variant, duration_s=3.0), items=2_000)
    assert frames(items) == clean(2_500)[: len(frames(items))]
    sent = [item for item in items if item.kind == "frame" and item.message]
    late = [item.ts_ns / 1e9 - item.message.ts_ms / 1e3 for item in sent if item.message]
    assert max(late) == pytest.approx(min(3.0, float(variant)), abs=0.1)
    assert max(b - a for a, b in pairwise(late)) < 0.2, "little by little"
    assert all(a.ts_ns <= b.ts_ns for a, b in pairwise(items))
    assert late[-1] < 0.1


@pytest.mark.parametrize("variant", VARIANTS["malformed"])
def test_malformed(variant: str) -> None:
    items, stream = run(Fault("malformed", at_frame=AT, variant=variant))
    ((ours, theirs),) = difference(frames(items), clean())
    event = only_event(stream)
    named = [asset.encode() in ours for asset in event.assets]
    if variant == "invalid_utf8":
        with pytest.raises(UnicodeDecodeError):
            ours.decode()
    elif variant == "bad_number":
        assert json.loads(ours)["price_changes"][0]["size"].endswith("e1")
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(ours)
        assert theirs.startswith(ours)
    if variant == "unattributable":
        assert event.assets == ()
        assert b"asset_id" not in ours
    else:
        assert any(named)


def test_swap_lets_the_next_frame_of_the_market_overtake() -> None:
    items, stream = run(Fault("swap", at_frame=AT))
    faulty, sound = frames(items), clean()
    place = only_event(stream).frame + 1
    held = sound[place]
    market = json.loads(held)["market"]
    after = next(
        i for i in range(place + 1, len(sound)) if json.loads(sound[i])["market"] == market
    )
    expected = sound[:place] + sound[place + 1 : after + 1] + [held] + sound[after + 1 :]
    assert faulty == expected[: len(faulty)]
    assert len(faulty) >= len(sound) - 1


def test_faults_wait_for_their_time_asset_and_connection() -> None:
    stream = Stream(CONFIG, conns=2)
    asset_id = stream.asset_ids(1)[0]
    stream = Stream(
        CONFIG,
        conns=2,
        faults=(
            Fault("drop", at_s=0.7, asset=asset_id),
            Fault("drop", at_frame=10, conn=1),
            Fault("drop", at_frame=10, conn=0),
        ),
    )
    list(stream.items(600))
    assert len(stream.fault_log) == 3
    for event in stream.fault_log:
        if event.fault.at_s:
            assert event.ts_ns - START_NS >= 700_000_000
            assert asset_id in event.assets
            assert event.conn == 1
        else:
            assert event.conn == event.fault.conn
            assert event.frame >= 10


def test_all_random_faults_happen_and_repeat() -> None:
    faults = random_faults(5, count=8, frames=200)
    assert faults == random_faults(5, count=8, frames=200)
    assert faults != random_faults(6, count=8, frames=200)
    assert all(fault.kind in DRAWN_KINDS for fault in faults)
    kinds: tuple[FaultKind, ...] = ("drop", "swap", "wrong_hash", "duplicate")
    mild = random_faults(5, count=8, frames=200, kinds=kinds)
    logs = []
    for _ in range(2):
        stream = Stream(CONFIG, faults=mild)
        digest = hashlib.sha256()
        for item in stream.items(500):
            digest.update(item.payload)
        logs.append((stream.fault_log, digest.hexdigest()))
    assert logs[0] == logs[1]
    assert sorted(e.fault.at_frame or 0 for e in logs[0][0]) == [f.at_frame for f in mild]


KALSHI_CONFIG = KalshiVenueConfig(seed=21, pause_every=0)


def kalshi_run(*faults: KalshiFault, items: int = 300) -> tuple[list[KalshiItem], KalshiStream]:
    channels = ("orderbook_delta", "trade", "market_lifecycle_v2")
    stream = KalshiStream(KALSHI_CONFIG, faults=faults, channels=channels)
    return list(stream.items(items)), stream


def inserted(faulty: list[bytes], sound: list[bytes]) -> bytes:
    """The one frame that is more; all others are as they should be."""
    place = next(i for i, (a, b) in enumerate(zip(faulty, sound, strict=True)) if a != b)
    extra = faulty[place]
    assert [*faulty[:place], *faulty[place + 1 :]] == sound[: len(faulty) - 1]
    return extra


@pytest.mark.parametrize("variant", OF_ANY["broadcast"])
def test_a_broadcast_is_one_frame_more_and_names_no_book(variant: str) -> None:
    items, stream = run(Fault("broadcast", at_frame=AT, variant=variant))
    extra = inserted(frames(items), clean())
    assert not any(asset.encode() in extra for asset in stream.asset_ids(0))
    told, kalshi = kalshi_run(KalshiFault("broadcast", at_frame=AT, variant=variant))
    extra = inserted([i.payload for i in told], [i.payload for i in kalshi_run()[0]])
    assert not any(ticker.encode() in extra for ticker in kalshi.tickers(0))


def test_a_broken_broadcast_is_no_json_in_one_of_three_ways() -> None:
    places = range(AT, AT + 20)
    items, _ = run(*(Fault("broadcast", at_frame=n, variant="broken") for n in places))
    told, _ = kalshi_run(*(KalshiFault("broadcast", at_frame=n, variant="broken") for n in places))
    for payloads in (frames(items), [item.payload for item in told]):
        broken = [data for data in payloads if b'"new_market"' in data or b"KXBROKEN" in data]
        for data in broken:
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(data)
        ways = {next(end for end in BROKEN if end.encode() in data) for data in broken}
        assert ways == {*BROKEN}


@pytest.mark.parametrize(("variant", "said"), [("none", None), ("odd", b' "pong"\n')])
def test_signs_of_life_that_fail(variant: str, said: bytes | None) -> None:
    items, _ = run(Fault("pong", at_s=12, variant=variant), items=600, rate=10)
    pongs = [i.payload for i in items if i.message is None and b"pong" in i.payload.lower()]
    assert pongs[0] == b"PONG"
    assert set(pongs[1:]) == ({said} if said else set())
    told, _ = kalshi_run(KalshiFault("pong", at_s=12, variant=variant), items=5_000)
    pings = [item.payload for item in told if item.kind == "ping"]
    assert pings[0] == HEARTBEAT
    assert set(pings[1:]) == ({said} if said else set())


def test_a_reset_behind_data_comes_after_the_frame() -> None:
    items, stream = run(Fault("reset-behind-data", at_frame=AT))
    place = only_event(stream).frame + 1
    assert [item.kind for item in items[place + 1 : place + 4]] == ["frame", "disconnected", "lost"]
    told, _ = kalshi_run(KalshiFault("reset-behind-data", at_frame=AT))
    down = next(n for n, item in enumerate(told) if item.kind == "disconnected")
    assert told[down - 1].kind == "frame"


def test_an_absent_asset_is_spoken_of_by_nobody() -> None:
    items, stream = run(Fault("absent"))
    gone, *others = stream.asset_ids(0)
    assert only_event(stream).assets == (gone,)
    text = b"".join(frames(items))
    assert gone.encode() not in text
    assert all(asset.encode() in text for asset in others)
    with pytest.raises(KeyError):
        stream.rest_book(gone)
    told, kalshi = kalshi_run(KalshiFault("absent"))
    gone, *others = kalshi.tickers(0)
    text = b"".join(i.payload for i in told if b'"orderbook_' in i.payload)
    with pytest.raises(KeyError):
        kalshi.rest_book(gone)
    assert gone.encode() not in text
    assert all(ticker.encode() in text for ticker in others)


def test_ghosts_are_counted() -> None:
    injector = FaultInjector([Fault("ghost", asset="7", count=2, at_s=1.0)], 1, 0)
    assert not injector.ghost("7", 999_999_999)
    assert not injector.ghost("8", 1_000_000_000)
    assert [injector.ghost("7", 1_000_000_000) for _ in range(3)] == [True, True, False]
    assert [event.conn for event in injector.log] == [-1]


def test_a_ghost_of_one_outcome_is_fresh_and_its_sibling_is_not_touched() -> None:
    items, stream = run(Fault("sibling-ghost", at_frame=20))
    event = only_event(stream)
    (asset,) = event.assets
    pairs = list(zip(frames(items), frames(items)[1:], strict=False))
    (told, ghost), *_ = [(a, b) for a, b in pairs if b'"price":"0.99"' in b and b"[{" in b]
    assert asset.encode() in told
    book = json.loads(ghost)
    assert (book["event_type"], book["asset_id"]) == ("book", asset)
    assert [level["price"] for level in book["bids"] + book["asks"]] == ["0.01", "0.99"]
    assert len(stream.truth(asset).bids) > 1


def test_a_ghost_of_one_outcome_may_be_the_answer_of_rest() -> None:
    stream = Stream(VenueConfig(markets=2, seed=3), faults=[Fault("sibling-ghost", variant="rest")])
    asset = stream.asset_ids(0)[0]
    ghost, book = (json.loads(stream.rest_book(asset)) for _ in range(2))
    assert ghost["timestamp"] == book["timestamp"]
    assert ghost["bids"] != book["bids"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "explode"}, "unknown fault 'explode'"),
        ({"kind": "drop", "variant": "later"}, "no variant 'later'"),
    ],
)
def test_unknown_faults_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**arguments)


@pytest.mark.parametrize(
    "known",
    [
        VARIANTS,
        KALSHI_VARIANTS,
        BINANCE_VARIANTS,
        KRAKEN_VARIANTS,
        COINBASE_VARIANTS,
        BITSTAMP_VARIANTS,
        GEMINI_VARIANTS,
        CRYPTOCOM_VARIANTS,
    ],
)
def test_every_fault_is_explained(known: Mapping[str, tuple[str, ...]]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "simulator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\* (`[^:(]*?)(?: \((.*?)\))?: ", page, re.MULTILINE | re.DOTALL)
    for kind, variants in known.items():
        told = [names for kinds, names in rows if f"`{kind}`" in kinds]
        assert told, kind
        for variant in variants:
            assert f"`{variant}`" in " ".join(told) or variant == "", (kind, variant)
