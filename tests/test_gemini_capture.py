"""Recorded frames of Gemini's version 2 through the engine, against two readings that share nothing
with it.

The recording is not part of the project; without it these tests are skipped. It has seven seconds
of ten pairs: each whole book, and what changed. Of the fast WebSocket there is none: what it does
is held by the simulator.
"""

import gzip
import json
from collections import Counter
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest
from spot_captures import CHECKPOINTS, FOLDER, SpotBooks, checkpoints
from spot_reader import PlainBook

from bookfeed._bookfeed import BookView, Engine
from bookfeed.audit.drift import Drift
from bookfeed.audit.shapes.gemini import SHAPES

CAPTURE: Final = FOLDER / "gemini-v2-2026-08-09.jsonl.gz"

# What is read once for the whole file is read in one process.
pytestmark = [
    pytest.mark.skipif(not CAPTURE.exists(), reason=f"{CAPTURE.name} is not here"),
    pytest.mark.xdist_group("gemini_capture"),
]

Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]


class Seen(NamedTuple):
    """A frame."""

    ts_recv: int
    payload: bytes

    @property
    def message(self) -> dict[str, Any]:
        """What it says."""
        message: dict[str, Any] = json.loads(self.payload)
        return message


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    found = []
    with gzip.open(CAPTURE, "rt") as file:
        for line in file:
            record = json.loads(line)
            if record["t"] == "recv":
                ts = int(Decimal(str(record["ts"])) * 10**9)
                found.append(Seen(ts, record["data"].encode()))
    return found


def sides_of(view: BookView) -> Sides:
    bids, asks = (
        [(int(price), int(qty)) for price, qty in view.levels_exact(side)]
        for side in ("bid", "ask")
    )
    return bids, asks


def held(book: PlainBook) -> Sides:
    """The levels whose prices a book can hold: sellers ask others, too."""
    bids, asks = book.sides
    return bids, [(price, size) for price, size in asks if price < 2**63]


def put(book: PlainBook, message: dict[str, Any]) -> None:
    for side, price, size in message["changes"]:
        book.put(side == "buy", [(price, size)])


def test_books_equal_the_independent_readings(seen: list[Seen]) -> None:
    symbols = sorted({one.message["symbol"] for one in seen if "symbol" in one.message})
    assert len(symbols) == 10
    engine, readers = Engine(), {symbol: PlainBook() for symbol in symbols}
    engine.connected(0, "gemini", seen[0].ts_recv)
    views = {s: engine.book(engine.subscribe("gemini", s, 0, seen[0].ts_recv)) for s in symbols}
    audited = SpotBooks("gemini", symbols)
    audited.model.now = seen[0].ts_recv
    told: Counter[str] = Counter()
    last_whole = max(number for number, one in enumerate(seen) if "trades" in one.message)
    points, compared = set(checkpoints(last_whole, len(seen) - 1)), 0
    assert len(points) == CHECKPOINTS
    for number, one in enumerate(seen):
        engine.ingest(0, one.payload, one.ts_recv)
        assert all(not effects.broken for effects in audited.take(one.payload))
        engine.drain()
        message = one.message
        told[message["type"]] += 1
        if message["type"] == "l2_updates":
            put(readers[message["symbol"]], message)
        for symbol, view in views.items() if number in points else ():
            assert view.live, (number, symbol, view.cause)
            assert sides_of(view) == held(readers[symbol]), (number, symbol)
            book = audited.book(symbol).book
            for mine, side in zip(held(readers[symbol]), ("bid", "ask"), strict=True):
                assert [list(level) for level in mine] == book.in_units(side)  # type: ignore[arg-type]
            compared += 1
    assert compared == CHECKPOINTS * len(symbols)
    counters = engine.counters()
    assert (counters["malformed"], counters["decode_errors"]) == (0, 0)
    messages = engine.messages()
    assert messages["l2_book"] == 10
    assert messages["l2_book"] + messages["l2_updates"] == told["l2_updates"]
    assert messages["l2_trade"] == told["trade"] and messages["heartbeat"] == told["heartbeat"]


def test_frames_look_as_they_are_known(seen: list[Seen]) -> None:
    drift = Drift(SHAPES)
    for one in seen:
        drift.hear(one.payload)
    assert drift.found() == []
