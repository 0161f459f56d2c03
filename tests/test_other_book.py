"""Our books and nautilus_trader's, told the same changes: the scorecard's row C2.

Without an environment that has nautilus_trader (`make nautilus`) these tests are skipped.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from audit_journals import MS, Records, kalshi_recorded, recorded, spot_recorded
from lengths import TIMES
from other_book import Compared, compared, levels
from spot_captures import (
    BINANCE,
    BINANCE_SYMBOL,
    DIFFS_MIN,
    KRAKEN,
    KRAKEN_DEPTH,
    Recorded,
    binance_frames,
    binance_snapshot,
    kraken_frames,
    kraken_symbols,
)

from bookfeed._bookfeed import Engine
from bookfeed.audit.books import Side
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.opened import open_source
from bookfeed.scorecard.campaigns.binance_kraken import PLAYS
from bookfeed.scorecard.row import NotMeasuredError
from bookfeed.scorecard.rows.oracle import nautilus

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures"
SEEDS = int(os.environ.get("BOOKFEED_OTHER_BOOK_SEEDS", "1"))


def missing() -> str:
    """Why nothing can be compared here; empty if it can."""
    try:
        nautilus()
    except NotMeasuredError as error:
        return str(error)
    return ""


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


def of_kalshi(seed: int) -> tuple[Records, dict[str, Any]]:
    return kalshi_recorded(seed, use_yes_price=seed % 2 == 0, items=1_500), {}


def of_spot(venue: str) -> Callable[[int], tuple[Records, dict[str, Any]]]:
    return lambda seed: spot_recorded(venue, seed, items=1_500)


SIMULATED: dict[str, Callable[[int], tuple[Records, dict[str, Any]]]] = {
    "polymarket": lambda seed: recorded(seed, items=1_500),
    "kalshi": of_kalshi,
    **{venue: of_spot(venue) for venue in PLAYS},
}


@pytest.mark.parametrize("venue", SIMULATED)
def test_simulated_books_are_those_of_nautilus(venue: str) -> None:
    """Every kind of fault is in them: what is compared is what the engine calls live."""
    for seed in range(1, SEEDS + 1):
        told = compared(*SIMULATED[venue](seed))
        assert told.different == 0, (seed, told.shown)
        assert told.compared > 300 and told.changes > 1_500, (seed, told)


def beginning(records: Iterable[Sequence[Any]], most: int) -> Iterable[Sequence[Any]]:
    """As many in the short form, all in the long one."""
    return islice(records, most if TIMES == 1 else None)


def capture(name: str) -> Callable[[], Compared]:
    def play() -> Compared:
        recording = open_source(SHARED / name)
        return compared(beginning(recording.records, 5_000), recording.engine)

    return play


def frames_of(
    frames: list[Recorded], venue: str, listings: list[dict[str, Any]], begun_ns: int
) -> Records:
    records: Records = [(int(Kind.CONNECTED), begun_ns, 0, 0, venue.encode())]
    for listing in listings:
        payload = json.dumps({"venue": venue, **listing}).encode()
        records.append((int(Kind.SUBSCRIBE), begun_ns, 0, 0, payload))
    return records + [(int(Kind.FRAME), each.ts_recv, 0, 0, each.payload) for each in frames]


def binance() -> Compared:
    """Changes alone, which are one frame of twenty: the auditor looks at whole books after each."""
    frames = [frame for frame in binance_frames() if b'"depthUpdate"' in frame.payload]
    snapshot = binance_snapshot(frames)
    listing = {"symbol": BINANCE_SYMBOL, "depth": 5_000}
    records = frames_of(frames, "binance", [listing], frames[0].ts_recv - MS)
    answer = json.dumps({"instrument": 0, "stands_at": snapshot.stands_at}).encode()
    at = frames[snapshot.frames].ts_recv
    place = 2 + snapshot.frames
    records.insert(place, (int(Kind.REST_BOOK), at, 0, 0, answer + b"\n" + snapshot.body))
    return compared(beginning(records, 1_000), {})


def kraken() -> Compared:
    frames = list(kraken_frames())
    listings = [{"symbol": one, "depth": KRAKEN_DEPTH} for one in kraken_symbols(frames)]
    records = frames_of(frames, "kraken", listings, frames[0].ts_recv - MS)
    return compared(beginning(records, 1_500), {})


# One of the two quarters of an hour is for the long form.
LONG = () if TIMES > 1 else ("kalshi/gold15m-26AUG101830-30.ndjson.gz",)
LEAST = (20_000, DIFFS_MIN * 5 // 6, 1_000) if TIMES > 1 else (4_000, 300, 300)
RECORDED: dict[str, tuple[Path, Callable[[], Compared], int]] = {
    **{
        name: (SHARED / name, capture(name), least)
        for name, least in (
            ("polymarket/burst-2026-09.ndjson.gz", 40),
            ("polymarket/books-and-trades-2026-02.ndjson.gz", 10),
            ("kalshi/gold15m-26AUG101830-30.ndjson.gz", 20_000),
            ("kalshi/gold15m-26AUG102030-30.ndjson.gz", LEAST[0]),
        )
        if name not in LONG
    },
    "binance": (BINANCE, binance, LEAST[1]),
    "kraken": (KRAKEN, kraken, LEAST[2]),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_books_are_those_of_nautilus(name: str) -> None:
    path, play, least = RECORDED[name]
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    told = play()
    assert told.different == 0, told.shown
    assert told.compared >= least, told


def test_a_level_that_is_wrong_is_seen_beside_nautilus() -> None:
    """From the hundredth time it is asked on, the engine's third bid is of another size."""
    asked = count()

    def mistaken(engine: Engine, number: int, side: Side, depth: int | None) -> list[list[int]]:
        wrong = next(asked) > 100 and side == "bid"
        held = levels(engine, number, side, depth)
        return [[at, qty + (wrong and place == 2)] for place, (at, qty) in enumerate(held)]

    records, options = recorded(1, items=300)
    right, wrong = compared(records, options), compared(records, options, mistaken)
    assert (right.different, right.compared) == (0, wrong.compared)
    assert wrong.different > 50 and " bids: [[" in wrong.shown[0], wrong


def test_a_change_that_the_other_book_is_not_told_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    records, options = recorded(1, items=300)
    monkeypatch.setattr("other_book.told", lambda side, price, qty: [side, f"{price:f}", "1"])
    assert compared(records, options).different > 50
