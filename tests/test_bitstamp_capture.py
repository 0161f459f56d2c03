"""Recorded frames of Bitstamp through the engine, against two readings that share nothing with it.

The recording is not part of the project; without it these tests are skipped. It has nine pairs that
changed, the whole books that REST answered, and the changes from five seconds before them on. It
has no best levels: what those do is held by the simulator.
"""

import gzip
import json
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest
from spot_captures import CHECKPOINTS, FOLDER, SpotBooks, checkpoints
from spot_reader import PlainBook

from bookfeed._bookfeed import BookView, Engine

CAPTURE: Final = FOLDER / "bitstamp-diff-2022-01-05.jsonl.gz"
DIFF: Final = "diff_order_book_"

# What is read once for the whole file is read in one process.
pytestmark = [
    pytest.mark.skipif(not CAPTURE.exists(), reason=f"{CAPTURE.name} is not here"),
    pytest.mark.xdist_group("bitstamp_capture"),
]

Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]


class Seen(NamedTuple):
    """A frame, or, of a pair, an answer by REST."""

    ts_recv: int
    pair: str
    payload: bytes


@pytest.fixture(scope="module")
def seen() -> list[Seen]:
    """In the order of the venue's times: the recorder read its socket only after REST."""
    found = []
    with gzip.open(CAPTURE, "rt") as file:
        for line in file:
            record = json.loads(line)
            url, ts = record.get("url", ""), record.get("ts")
            if record["t"] == "recv":
                found.append(Seen(int(Decimal(str(ts)) * 10**9), "", record["data"].encode()))
            elif "/order_book/" in url:
                pair = url.rpartition("/")[2]
                found.append(Seen(int(Decimal(str(ts)) * 10**9), pair, record["data"].encode()))
    return sorted(found, key=stamp)


def stamp(one: Seen) -> int:
    message: Any = json.loads(one.payload)
    data = message if one.pair else message["data"]
    # An answer comes after the changes that it holds, and after one that it does not.
    return int(data.get("microtimestamp", 0)) + (1_500_000 if one.pair else 0)


def pairs_of(seen: list[Seen]) -> list[str]:
    changed = b"".join(one.payload for one in seen if not one.pair and b'"data"' in one.payload)
    pairs = [one.pair for one in seen if one.pair]
    return [pair for pair in pairs if f'{DIFF}{pair}","event"'.encode() in changed]


class Reader(PlainBook):
    """One pair: changes wait for an answer, and are put on it by their times."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[dict[str, Any]] = []
        self.at: int | None = None
        self.skipped = 0

    def change(self, data: dict[str, Any]) -> None:
        micros = int(data["microtimestamp"])
        if self.at is None:
            self.waiting.append(data)
        elif micros <= self.at:
            self.skipped += 1
        else:
            self.put(True, data["bids"])
            self.put(False, data["asks"])
            self.at = micros

    def answer(self, data: dict[str, Any]) -> None:
        assert int(self.waiting[0]["microtimestamp"]) <= int(data["microtimestamp"])
        self.put(True, data["bids"])
        self.put(False, data["asks"])
        self.at = int(data["microtimestamp"])
        for one in self.waiting:
            self.change(one)

    @property
    def held(self) -> Sides:
        """The levels whose prices a book can hold: sellers ask others, too."""
        bids, asks = self.sides
        return bids, [(price, size) for price, size in asks if price < 2**63]


def sides_of(view: BookView) -> Sides:
    bids, asks = (
        [(int(price), int(qty)) for price, qty in view.levels_exact(side)]
        for side in ("bid", "ask")
    )
    return bids, asks


def test_books_equal_the_independent_readings(seen: list[Seen]) -> None:
    pairs = pairs_of(seen)
    last_answer = max(number for number, one in enumerate(seen) if one.pair)
    points = set(checkpoints(last_answer + 2, len(seen) - 1))
    assert len(pairs) == 9 and len(points) == CHECKPOINTS
    engine, readers = Engine(), {pair: Reader() for pair in pairs}
    engine.connected(0, "bitstamp", seen[0].ts_recv)
    views = {p: engine.book(engine.subscribe("bitstamp", p, 0, seen[0].ts_recv)) for p in pairs}
    audited = SpotBooks("bitstamp", pairs)
    audited.model.now = seen[0].ts_recv
    compared, now = 0, seen[0].ts_recv
    for number, (ts_recv, pair, payload) in enumerate(seen):
        now = max(now, ts_recv)
        message = json.loads(payload)
        if pair and pair not in readers:
            continue
        if pair:
            engine.ingest_rest(0, payload, now, instrument=views[pair].instrument)
            audited.take_rest(pair, payload)
            readers[pair].answer(message)
        else:
            engine.ingest(0, payload, now)
            assert all(not effects.broken for effects in audited.take(payload))
            if message.get("channel", "").startswith(DIFF) and message["event"] == "data":
                readers[message["channel"][len(DIFF) :]].change(message["data"])
        engine.drain()
        for other, view in views.items() if number in points else ():
            assert view.live, (number, other, view.cause)
            assert sides_of(view) == readers[other].held, (number, other)
            assert view.update_id == readers[other].at
            book = audited.book(other).book
            for mine, side in zip(readers[other].held, ("bid", "ask"), strict=True):
                assert [list(level) for level in mine] == book.in_units(side)  # type: ignore[arg-type]
            compared += 1
    assert compared == CHECKPOINTS * len(pairs)
    assert sum(reader.skipped for reader in readers.values()) > 50
    counters = engine.counters()
    assert (counters["malformed"], counters["decode_errors"], counters["regressions"]) == (0, 0, 0)
    assert engine.messages()["trade"] == 10


def test_an_answer_from_before_the_stream_is_refused(seen: list[Seen]) -> None:
    (answer,) = (one for one in seen if one.pair == "galaeur")
    engine = Engine()
    engine.connected(0, "bitstamp", answer.ts_recv)
    number = engine.subscribe("bitstamp", "galaeur", 0, answer.ts_recv)
    late = [one for one in seen if b"diff_order_book_galaeur" in one.payload][-1]
    engine.ingest(0, late.payload, late.ts_recv)
    engine.ingest_rest(0, answer.payload, late.ts_recv, instrument=number)
    assert (engine.book(number).state, engine.book(number).cause) == ("stale", "resync")
