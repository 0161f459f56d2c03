"""Recorded frames of Kalshi's: every book at every checkpoint, and what damage does.

The recordings are not part of the project; without them these tests are skipped. What they show
is shown on data of our own as well (``test_kalshi_campaign.py``, ``tests/data/kalshi``).
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookfeed import Engine
from bookfeed.recordings.capture import CAPTURE_ENGINE, Capture, CaptureRecord
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind

FOLDER = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures" / "kalshi"
CAPTURES = sorted(FOLDER.glob("*.ndjson.gz"))
BOOK_TYPES = ("orderbook_snapshot", "orderbook_delta")

pytestmark = pytest.mark.skipif(not CAPTURES, reason="no recordings of Kalshi beside the project")


@pytest.fixture(params=CAPTURES, ids=lambda path: path.name.removesuffix(".ndjson.gz"))
def capture(request: pytest.FixtureRequest) -> Path:
    """One recording."""
    path: Path = request.param
    return path


def turned(levels: list[list[str]]) -> list[tuple[float, str]]:
    return [(round(1 - float(price), 9), size) for price, size in levels]


@pytest.mark.slow
def test_every_book_at_every_checkpoint(capture: Path) -> None:
    expected = json.loads(capture.with_suffix("").with_suffix(".expected.json").read_text())
    checkpoints = {point["frames"]: point["books"] for point in expected["checkpoints"]}
    engine = Engine(**CAPTURE_ENGINE)
    door, frames, seen = EngineInput(engine), 0, 0
    for record in Capture(capture):
        door.apply(*record)
        frames += record.kind == Kind.FRAME
        if record.kind == Kind.FRAME and frames in checkpoints:
            seen += 1
            for ticker, book in checkpoints[frames].items():
                check_book(engine, ticker, book)
        if frames % 1_000 == 0:
            engine.drain()
    assert seen == len(checkpoints) and frames == expected["frames"]
    assert {k: n for k, n in engine.messages().items() if n} == expected["types"]
    counters = engine.counters()
    for name in ("decode_errors", "malformed", "gaps", "regressions", "underflows"):
        assert counters[name] == 0, name
    assert engine.evidence()["batch_settled"] == engine.evidence()["crossed"] == 0


def check_book(engine: Engine, ticker: str, book: dict[str, Any]) -> None:
    """The book, and its other side."""
    instrument = engine.instrument("kalshi", ticker)
    assert instrument is not None
    view = engine.book(instrument)
    assert view.live, (view.state, view.cause)
    assert view.as_strings("bid") == book["bids"] and view.as_strings("ask") == book["asks"]
    no = view.complement
    shown = [(float(price), size) for price, size in no.as_strings("bid")]
    assert shown == turned(book["asks"])
    shown = [(float(price), size) for price, size in no.as_strings("ask")]
    assert shown == turned(book["bids"])


def books(engine: Engine) -> list[tuple[str, list[list[str]], list[list[str]]]]:
    return [
        (view.symbol, view.as_strings("bid"), view.as_strings("ask")) for view in engine.books()
    ]


def fed(records: list[CaptureRecord]) -> Engine:
    engine = Engine(**CAPTURE_ENGINE)
    door = EngineInput(engine)
    for record in records:
        door.apply(*record)
    return engine


def spots(records: list[CaptureRecord], count: int, seed: int) -> Iterator[int]:
    """Places of book messages, well behind the beginning, each followed by another."""
    rng = random.Random(seed)
    of_books = [
        place
        for place in range(100, len(records) - 1)
        if all(
            record.kind == Kind.FRAME and json.loads(record.payload)["type"] in BOOK_TYPES
            for record in records[place : place + 2]
        )
    ]
    yield from rng.sample(of_books, count)


def test_damage_shows_in_that_very_message(capture: Path) -> None:
    """A frame removed, told twice, or out of order: no book of the stream is live after the
    message that shows it.
    """
    records = list(Capture(capture))[:4_000]
    for place in spots(records, 12, seed=len(records)):
        before, one, two = records[:place], records[place], records[place + 1]
        for shown in ([two], [one, one], [two, one]):
            engine = fed(before)
            assert engine.book(0).live
            door = EngineInput(engine)
            for record in shown[:-1]:
                door.apply(*record)
            door.apply(*shown[-1])
            assert not any(view.live for view in engine.books()), (place, shown)
        assert fed([*before, one]).book(0).live


def test_a_damaged_byte_never_makes_a_book_wrong_that_is_live(capture: Path) -> None:
    """Unless it makes another plausible number, which nothing gives away."""
    records = list(Capture(capture))[:2_000]
    rng = random.Random(7)
    caught = 0
    for place in spots(records, 40, seed=3):
        payload = bytearray(records[place].payload)
        at = rng.randrange(len(payload))
        if chr(payload[at]).isdigit() or payload[at] in b".-":
            continue
        payload[at] = rng.choice([byte for byte in range(32, 127) if byte != payload[at]])
        damaged = records[place]._replace(payload=bytes(payload))
        engine = fed([*records[:place], damaged])
        live = engine.book(0).live
        caught += not live
        assert not live or books(engine) == books(fed(records[: place + 1])), damaged.payload
    assert caught > 10
