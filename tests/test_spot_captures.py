"""Recorded frames of Binance and Kraken, by the auditor's reading alone: no engine is in here.

The recordings are not part of the project; without them these tests are skipped. What they show
is shown on data of our own as well (``test_audit_spot.py``).
"""

import json
from copy import deepcopy
from decimal import Decimal

import pytest
from lengths import TIMES
from spot_captures import (
    BINANCE,
    BINANCE_SYMBOL,
    BOTH_MIN,
    CHECKPOINTS,
    DIFFS_MIN,
    KRAKEN,
    KRAKEN_DEPTH,
    NS_PER_S,
    Recorded,
    SpotBooks,
    binance_expected,
    binance_frames,
    binance_snapshot,
    kraken_expected,
    kraken_frames,
    kraken_symbols,
)

from bookfeed.audit.books import Instrument
from bookfeed.audit.readings.binance import BinanceReading
from bookfeed.audit.readings.kraken import KrakenReading

# What is made once for the whole file is made in one process.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("spot_captures")]

needs_binance = pytest.mark.skipif(not BINANCE.exists(), reason=f"{BINANCE.name} is not here")
needs_kraken = pytest.mark.skipif(not KRAKEN.exists(), reason=f"{KRAKEN.name} is not here")


@pytest.fixture(scope="module")
def binance() -> list[Recorded]:
    return list(binance_frames())


@pytest.fixture(scope="module")
def kraken() -> list[Recorded]:
    return list(kraken_frames())


@needs_binance
def test_the_recording_of_binance_alone_is_never_a_basis(binance: list[Recorded]) -> None:
    books = SpotBooks("binance", [BINANCE_SYMBOL])
    for frame in binance:
        for effects in books.take(frame.payload):
            assert effects.broken == {}
    assert not books.book(BINANCE_SYMBOL).based


@needs_binance
def test_the_rebuilt_touch_is_the_venues_wherever_both_exist(binance: list[Recorded]) -> None:
    snapshot = binance_snapshot(binance)
    books = SpotBooks("binance", [BINANCE_SYMBOL])
    reading, one = books.reading, books.book(BINANCE_SYMBOL)
    assert isinstance(reading, BinanceReading)
    diffs, told_at, reached = 0, set(), set()
    for number, frame in enumerate(binance):
        if number == snapshot.frames:
            books.take_rest(BINANCE_SYMBOL, snapshot.body)
            assert reading.stands_at(one) == snapshot.stands_at
        (effects,) = books.take(frame.payload)
        assert effects.broken == {}, number
        data = json.loads(frame.payload)["data"]
        if "B" in data:
            told_at.add(data["u"])
        elif data.get("e") == "depthUpdate" and one.based:
            diffs += 1
            assert reading.stands_at(one) == data["u"]
            reached.add(data["u"])
    assert one.based
    both = told_at & (reached | {snapshot.stands_at})
    assert len(both) > BOTH_MIN and diffs > DIFFS_MIN
    assert reading.touches_agreed == len(both)


@needs_binance
def test_the_snapshot_of_the_first_minute_says_where_it_stands(binance: list[Recorded]) -> None:
    snapshot = binance_snapshot(binance)
    before, behind = binance[: snapshot.frames], binance[snapshot.frames :]
    assert (
        behind[0].ts_recv - binance[0].ts_recv
        >= 60 * NS_PER_S
        > (before[-1].ts_recv - binance[0].ts_recv)
    )
    ids = [json.loads(frame.payload)["data"] for frame in before]
    assert snapshot.stands_at == max(each["u"] for each in ids if each.get("e") == "depthUpdate")
    assert json.loads(snapshot.body)["lastUpdateId"] == snapshot.stands_at


@needs_kraken
def test_every_recorded_checksum_verifies(kraken: list[Recorded]) -> None:
    symbols = kraken_symbols(kraken)
    books = SpotBooks("kraken", symbols, depth=KRAKEN_DEPTH)
    assert isinstance(books.reading, KrakenReading)
    for number, frame in enumerate(kraken):
        for effects in books.take(frame.payload):
            assert effects.broken == {}, number
    assert books.reading.checksums_agreed == len(kraken) > 4_000
    assert len(symbols) == 10 and all(books.book(symbol).based for symbol in symbols)


@needs_kraken
def test_a_checksum_of_kraken_notices_one_digit(kraken: list[Recorded]) -> None:
    """Of updates of one bid near the touch, the last digit of its size is changed."""
    books = SpotBooks("kraken", kraken_symbols(kraken), depth=KRAKEN_DEPTH)
    noticed = tried = 0
    enough = 10 * min(3, TIMES)
    for frame in kraken:
        one, bid = near_the_touch(books, frame)
        if bid and tried < enough:
            tried += 1
            at = frame.payload.index(b"}")
            digit = b"2" if frame.payload[at - 1 : at] == b"1" else b"1"
            altered = frame.payload[: at - 1] + digit + frame.payload[at:]
            (effects,) = deepcopy(books).take(altered)
            noticed += "checksum_mismatch" in effects.broken.get(one.number, "")
        books.take(frame.payload)
    assert noticed == tried == enough


def near_the_touch(books: SpotBooks, frame: Recorded) -> tuple[Instrument, bool]:
    """The book that a frame is about, and whether it is one bid among the ten best."""
    data = json.loads(frame.payload, parse_float=Decimal)["data"][0]
    one = books.book(data["symbol"])
    ten = one.book.levels("bid")[:10]
    bids = [level["price"] for level in data["bids"] if level["qty"]]
    alone = len(bids) == len(data["bids"]) == 1 and not data["asks"]
    return one, alone and len(ten) == 10 and bids[0] >= ten[-1][0]


@needs_binance
def test_full_books_of_binance_at_every_checkpoint(binance: list[Recorded]) -> None:
    """The oracle that an engine is held against, against one that is simpler still."""
    snapshot = binance_snapshot(binance)
    found = binance_expected(binance, snapshot)
    assert len(found) == CHECKPOINTS and max(found) == len(binance)
    sides = json.loads(snapshot.body)
    simple = {key: {Decimal(p): Decimal(q) for p, q in sides[key]} for key in ("bids", "asks")}
    for number, frame in enumerate(binance, 1):
        data = json.loads(frame.payload)["data"]
        if number > snapshot.frames and data.get("e") == "depthUpdate":
            for key, short in (("bids", "b"), ("asks", "a")):
                simple[key] |= {Decimal(p): Decimal(q) for p, q in data[short]}
        if number in found:
            for key, levels in zip(("bids", "asks"), found[number], strict=True):
                pairs = [(p, q) for p, q in simple[key].items() if q]
                assert [(Decimal(p), Decimal(q)) for p, q in levels] == sorted(
                    pairs, reverse=key == "bids"
                )


@needs_kraken
def test_full_books_of_kraken_at_every_checkpoint(kraken: list[Recorded]) -> None:
    found = kraken_expected(kraken)
    assert len(found) == CHECKPOINTS and max(found) == len(kraken)
    assert len(found[len(kraken)]) == 10
    for books in found.values():
        for bids, asks in books.values():
            assert 0 < len(bids) <= KRAKEN_DEPTH and 0 < len(asks) <= KRAKEN_DEPTH
            assert Decimal(bids[0][0]) < Decimal(asks[0][0])
