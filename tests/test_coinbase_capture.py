"""Recorded frames of Coinbase through the engine, against two readings that share nothing with it.

The recording is not part of the project; without it these tests are skipped.
"""

import gzip
import json
from collections import Counter
from decimal import Decimal
from typing import Final

import pytest
from spot_captures import CHECKPOINTS, FOLDER, Recorded, SpotBooks, checkpoints
from spot_reader import PlainBook

from bookfeed._bookfeed import BookView, Engine
from bookfeed.records import Update

CAPTURE: Final = FOLDER / "coinbase-advanced-2026-08-09.jsonl.gz"
SYMBOLS: Final = ["BTC-USD", "ETH-USD"]
# Less than this share of buys above the middle would say that sides are taken the wrong way round.
TAKERS_RIGHT_MIN: Final = 0.7

# What is read once for the whole file is read in one process.
pytestmark = [
    pytest.mark.skipif(not CAPTURE.exists(), reason=f"{CAPTURE.name} is not here"),
    pytest.mark.xdist_group("coinbase_capture"),
]

Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]


@pytest.fixture(scope="module")
def frames() -> list[Recorded]:
    found = []
    with gzip.open(CAPTURE, "rt") as file:
        for line in file:
            record = json.loads(line)
            if record["t"] == "recv":
                ts_recv = int(Decimal(str(record["ts"])) * 10**9)
                found.append(Recorded(ts_recv, record["data"].encode()))
    return found


def begun(ts: int) -> tuple[Engine, dict[str, BookView]]:
    engine = Engine()
    engine.connected(0, "coinbase", ts)
    numbers = {symbol: engine.subscribe("coinbase", symbol, 0, ts) for symbol in SYMBOLS}
    return engine, {symbol: engine.book(number) for symbol, number in numbers.items()}


def sides_of(view: BookView) -> Sides:
    bids, asks = (
        [(int(price), int(qty)) for price, qty in view.levels_exact(side)]
        for side in ("bid", "ask")
    )
    return bids, asks


def plain_books(frames: list[Recorded], points: set[int]) -> dict[int, dict[str, Sides]]:
    """The books after so many frames, by dictionaries of decimals alone."""
    books, found = {}, {}
    for number, frame in enumerate(frames, 1):
        message = json.loads(frame.payload)
        for event in message["events"] if message["channel"] == "l2_data" else ():
            if event["type"] == "snapshot":
                books[event["product_id"]] = PlainBook()
            book = books[event["product_id"]]
            for update in event["updates"]:
                entry = update["price_level"], update["new_quantity"]
                book.put(update["side"] == "bid", [entry])
        if number in points:
            found[number] = {symbol: book.sides for symbol, book in books.items()}
    return found


def test_books_equal_the_independent_readings(frames: list[Recorded]) -> None:
    points = set(checkpoints(60, len(frames)))
    expected = plain_books(frames, points)
    assert len(expected) == CHECKPOINTS
    engine, views = begun(frames[0].ts_recv)
    audited = SpotBooks("coinbase", SYMBOLS)
    for number, frame in enumerate(frames, 1):
        engine.ingest(0, frame.payload, frame.ts_recv)
        engine.drain()
        assert all(not effects.broken for effects in audited.take(frame.payload))
        for symbol, sides in expected.get(number, {}).items():
            assert views[symbol].live, (number, symbol)
            assert sides_of(views[symbol]) == sides, (number, symbol)
            book = audited.book(symbol).book
            assert tuple(map(len, sides)) == tuple(len(book.levels(s)) for s in ("bid", "ask"))
            assert [list(level) for level in sides[0]] == book.in_units("bid")
            assert [list(level) for level in sides[1]] == book.in_units("ask")
    counters = engine.counters()
    assert (counters["gaps"], counters["malformed"], counters["decode_errors"]) == (0, 0, 0)
    assert engine.messages().keys() >= {"book_snapshot", "book_update", "heartbeat"}


def test_a_frame_that_is_missing_costs_both_books(frames: list[Recorded]) -> None:
    engine, views = begun(frames[0].ts_recv)
    for number, frame in enumerate(frames[:100]):
        if number != 90:
            engine.ingest(0, frame.payload, frame.ts_recv)
    assert {(view.state, view.cause) for view in views.values()} == {("stale", "gap")}


def test_takers_are_told(frames: list[Recorded]) -> None:
    """Buyers trade above the middle of the book, sellers below it."""
    engine, _ = begun(frames[0].ts_recv)
    found: Counter[bool] = Counter()
    for frame in frames:
        engine.ingest(0, frame.payload, frame.ts_recv)
        batch = engine.drain()
        for offset in range(0, len(batch.update_bytes), batch.updates.dtype.itemsize):
            update = Update.from_bytes(batch.update_bytes, offset)
            if update.kind == "trade" and None not in (update.bid_e9, update.ask_e9):
                assert update.bid_e9 and update.ask_e9 and update.price_e9
                above = 2 * update.price_e9 > update.bid_e9 + update.ask_e9
                found[above == (update.aggressor == "buy")] += 1
    assert found.total() > 50
    assert found[True] / found.total() > TAKERS_RIGHT_MIN
