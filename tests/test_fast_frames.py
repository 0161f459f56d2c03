"""The fast ways change nothing: recordings and captures, replayed with them and without.

The core's own tests compare frame by frame (``twins`` and ``asking.rs`` in
``rust/bookfeed-core/tests/all``); here are streams of the simulated venues with all their faults,
and the captures.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from audit_journals import (
    Records,
    kalshi_recorded,
    recorded,
    spot_recorded,
    two_venues_recorded,
)
from lengths import seeds

from bookfeed._bookfeed import Engine
from bookfeed.recordings.capture import CAPTURE_ENGINE, Capture
from bookfeed.recordings.replay import replay
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures"
CAPTURES = sorted(SHARED.glob("*/*.ndjson.gz"))

SIDES: Final[tuple[Literal["bid", "ask"], ...]] = ("bid", "ask")

Found = dict[str, Any]


def replayed(records: Iterable[Any], options: dict[str, Any]) -> Found:
    """All that can be asked of an engine after a replay."""
    engine = Engine(**options | {"digest": True})
    (*_, progress) = replay(engine, records)
    books = [
        (view.state, view.cause, view.epoch, [view.levels_exact(s).tolist() for s in SIDES])
        for view in engine.books()
    ]
    return {
        "digest": engine.digest(),
        "evidence": engine.evidence(),
        "counters": engine.counters(),
        "refusals": engine.refusals(),
        "messages": engine.messages(),
        "books": books,
        "progress": progress,
    }


def alike(records: Records | Capture, options: dict[str, Any]) -> Found:
    fast = replayed(records, options)
    assert replayed(records, options | {"fast_frames": False}) == fast
    assert replayed(records, options | {"ask_always": True}) == fast
    assert fast["books"] and fast["counters"]["frames"] > 10
    return fast


@pytest.mark.parametrize("seed", seeds(2))
def test_of_streams_with_faults(seed: int) -> None:
    alike(*recorded(seed, items=400))
    alike(kalshi_recorded(seed, use_yes_price=seed % 2 == 0, items=600), {})
    for venue in ("binance", "kraken", "coinbase", "bitstamp", "gemini", "cryptocom"):
        alike(*spot_recorded(venue, seed, items=300))
    alike(two_venues_recorded(TwoVenueConfig(seed=seed), items=400), {})


@pytest.mark.slow
@pytest.mark.skipif(not CAPTURES, reason="no captures beside the project")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_of_captures(path: Path) -> None:
    alike(Capture(path), CAPTURE_ENGINE)
