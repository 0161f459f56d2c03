"""Recorded frames of Binance and Kraken through the engine, against the independent reading.

The recordings are not part of the project; without them these tests are skipped.
"""

import json
from decimal import Decimal
from typing import Final

import pytest
from spot_captures import (
    BINANCE,
    BINANCE_SYMBOL,
    BOTH_MIN,
    CHECKPOINTS,
    KRAKEN,
    KRAKEN_DEPTH,
    Recorded,
    Sides,
    Snapshot,
    binance_expected,
    binance_frames,
    binance_snapshot,
    kraken_expected,
    kraken_frames,
    kraken_symbols,
    plain,
)

from bookfeed._bookfeed import BookView, Engine

# What is read once for the whole file is read in one process.
pytestmark = pytest.mark.xdist_group("spot_captures_engine")
needs_binance = pytest.mark.skipif(not BINANCE.exists(), reason=f"{BINANCE.name} is not here")
needs_kraken = pytest.mark.skipif(not KRAKEN.exists(), reason=f"{KRAKEN.name} is not here")

PRICE_ONE: Final = 10**9
QTY_ONE: Final = 10**8
# The highest price that a book can hold.
PRICE_MAX: Final = Decimal(2**63 - 1) / PRICE_ONE


@pytest.fixture(scope="module")
def binance() -> list[Recorded]:
    return list(binance_frames())


@pytest.fixture(scope="module")
def kraken() -> list[Recorded]:
    return list(kraken_frames())


def sides_of(view: BookView) -> Sides:
    """Bids and asks as the independent reading writes them."""
    bids, asks = (
        [
            [plain(Decimal(int(price)) / PRICE_ONE), plain(Decimal(int(qty)) / QTY_ONE)]
            for price, qty in view.levels_exact(side)
        ]
        for side in ("bid", "ask")
    )
    return bids, asks


def begun(venue: str, symbols: list[str], ts: int, depth: int) -> tuple[Engine, list[BookView]]:
    """An engine that follows symbols on connection 0, and their books."""
    engine = Engine()
    engine.connected(0, venue, ts)
    books = [engine.book(engine.subscribe(venue, one, 0, ts, depth=depth)) for one in symbols]
    return engine, books


def play_binance(engine: Engine, frame: Recorded) -> None:
    engine.ingest(0, frame.payload, frame.ts_recv)
    engine.drain()


@needs_binance
def test_without_a_rest_book_the_recording_of_binance_stays_syncing(
    binance: list[Recorded],
) -> None:
    engine, (view,) = begun("binance", [BINANCE_SYMBOL], binance[0].ts_recv, 5_000)
    states = set()
    for frame in binance:
        play_binance(engine, frame)
        states.add((view.state, view.cause))
    assert states == {("syncing", "subscribed")}
    counters = engine.counters()
    assert (counters["gaps"], counters["malformed"], counters["decode_errors"]) == (0, 0, 0)


@needs_binance
@pytest.mark.parametrize("stated", [False, True])
def test_numbered_books_equal_the_independent_reading(
    binance: list[Recorded], stated: bool
) -> None:
    snapshot = binance_snapshot(binance)
    expected = binance_expected(binance, snapshot)
    assert len(expected) == CHECKPOINTS
    engine, (view,) = begun("binance", [BINANCE_SYMBOL], binance[0].ts_recv, 5_000)
    compared = 0
    for number, frame in enumerate(binance):
        if number == snapshot.frames:
            fetch(engine, view, snapshot, frame.ts_recv, stated)
        play_binance(engine, frame)
        assert view.live == (number >= snapshot.frames), number
        if number + 1 in expected:
            assert sides_of(view) == expected[number + 1], number
            compared += 1
    assert compared == CHECKPOINTS
    assert engine.counters()["gaps"] == 0


def fetch(engine: Engine, view: BookView, snapshot: Snapshot, ts: int, stated: bool) -> None:
    """The REST book comes, with its id in the body or also beside it."""
    stands_at = snapshot.stands_at if stated else None
    engine.ingest_rest(0, snapshot.body, ts, instrument=view.instrument, stands_at=stands_at)
    assert view.update_id == snapshot.stands_at


@needs_binance
def test_the_touch_of_binance_is_the_venues_wherever_both_exist(binance: list[Recorded]) -> None:
    """Compared here at every id at which the book stands, and by the engine itself likewise."""
    snapshot = binance_snapshot(binance)
    engine, (view,) = begun("binance", [BINANCE_SYMBOL], binance[0].ts_recv, 5_000)
    told: dict[int, tuple[Decimal, ...]] = {}
    rebuilt: dict[int, tuple[Decimal, ...]] = {}
    for number, frame in enumerate(binance):
        data = json.loads(frame.payload)["data"]
        if number == snapshot.frames:
            fetch(engine, view, snapshot, frame.ts_recv, False)
            rebuilt[snapshot.stands_at] = touch_of(view)
        play_binance(engine, frame)
        if "B" in data:
            told[data["u"]] = tuple(Decimal(data[key]) for key in "bBaA")
        elif data.get("e") == "depthUpdate" and view.live:
            assert view.update_id == data["u"]
            rebuilt[data["u"]] = touch_of(view)
    both = told.keys() & rebuilt.keys()
    assert len(both) > BOTH_MIN
    for update_id in both:
        assert rebuilt[update_id] == told[update_id], update_id
    evidence = view.evidence
    assert evidence.get("touch_mismatch", 0) == 0
    assert evidence["touch_match"] >= len(both) - 1


def touch_of(view: BookView) -> tuple[Decimal, ...]:
    """Best bid and its size, best ask and its size."""
    (bid, bid_qty), (ask, ask_qty) = (view.levels_exact(side, 1)[0] for side in ("bid", "ask"))
    prices = (Decimal(int(price)) / PRICE_ONE for price in (bid, ask))
    sizes = (Decimal(int(qty)) / QTY_ONE for qty in (bid_qty, ask_qty))
    return tuple(number for pair in zip(prices, sizes, strict=True) for number in pair)


@needs_kraken
def test_books_with_checksums_equal_the_independent_reading(kraken: list[Recorded]) -> None:
    """Every checksum verifies. Asks too high to be held are left out, and nothing else is."""
    symbols = kraken_symbols(kraken)
    engine, books = begun("kraken", symbols, kraken[0].ts_recv, KRAKEN_DEPTH)
    views = dict(zip(symbols, books, strict=True))
    expected = kraken_expected(kraken)
    assert len(expected) == CHECKPOINTS
    left_out = 0
    for number, frame in enumerate(kraken, 1):
        engine.ingest(0, frame.payload, frame.ts_recv)
        engine.drain()
        for symbol, (bids, asks) in expected.get(number, {}).items():
            view = views[symbol]
            assert view.live, (number, symbol)
            held = [level for level in asks if Decimal(level[0]) <= PRICE_MAX]
            assert sides_of(view) == (bids, held), (number, symbol)
            left_out += len(asks) - len(held)
    evidence = engine.evidence()
    assert evidence["checksum_match"] == len(kraken) > 4_000
    assert evidence.get("checksum_mismatch", 0) == 0
    assert all(view.live for view in views.values()) and len(views) == 10
    assert 0 < left_out <= CHECKPOINTS, "one ask of one pair"
