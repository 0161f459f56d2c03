"""Crowds at the server in a short form, and what of their figures is wrong; the scorecard's rows G4
to G6 and F34 have the long one.
"""

import copy
import random
import sys
from typing import Any

import pytest

from bookfeed import Histogram
from bookfeed.scorecard.campaigns import polymarket_crowd as crowd
from bookfeed.scorecard.campaigns.polymarket_crowd_feed import since

GOOD: dict[str, dict[str, Any]] = {
    "full": {
        "asked": 10, "open": 10, "connect_s": 1.0, "idle_bytes": 1e4, "left": {"open": 10},
        "told": {"after_first_ms": {"p99": 100.0}}, "ingest_ns": [100, 110],
    },
    "stalled": {
        "told": [{"age_ms": {"p99": 50.0}}, {"age_ms": {"p99": 55.0}}], "grown_bytes": 1e5,
        "cut_s": 6.0, "left": {"healthy_lost": 0},
    },
    "flood": {
        "told": [{"age_ms": {"p99": 50.0}}, {"age_ms": {"p99": 55.0}}], "flooding": 2,
        "cut_s": [0.1, 0.2], "codes": [1008], "left": {"healthy_lost": 0},
    },
    "loris": {
        "cut_s": [4.9, 5.1], "beyond": ["HTTP/1.1 503 Service Unavailable"], "grown_bytes": 1e3,
        "left": {"healthy_lost": 0},
    },
}  # fmt: skip
BAD = [
    ("full", "open", 9), ("full", "connect_s", 11.0), ("full", "idle_bytes", 1e5),
    ("full", "left", {"open": 9}), ("full", "told", {"after_first_ms": {"p99": 251.0}}),
    ("full", "ingest_ns", [100, 121]),
    ("stalled", "told", [{"age_ms": {"p99": 500.0}}, {"age_ms": {"p99": 601.0}}]),
    ("stalled", "grown_bytes", 2e6), ("stalled", "cut_s", None), ("stalled", "cut_s", 20.0),
    ("stalled", "left", {"healthy_lost": 1}),
    ("flood", "cut_s", [0.1]), ("flood", "cut_s", [0.1, 5.1]), ("flood", "codes", [0, 1008]),
    ("loris", "cut_s", [5.0, 9.0]), ("loris", "beyond", ["HTTP/1.1 101 Switching"]),
    ("loris", "grown_bytes", 1e6),
]  # fmt: skip


@pytest.mark.parametrize("play", crowd.PLAYS)
def test_figures_as_they_should_be_are_no_problem(play: str) -> None:
    assert crowd.problems(play, GOOD[play]) == []


@pytest.mark.parametrize(("play", "name", "value"), BAD)
def test_each_figure_that_is_wrong_is_one(play: str, name: str, value: object) -> None:
    figures = copy.deepcopy(GOOD[play])
    figures[name] = value
    assert len(crowd.problems(play, figures)) == 1


def test_a_percentile_since_a_look_is_of_what_came_since() -> None:
    draw, histogram = random.Random(1), Histogram()
    for _ in range(5_000):
        histogram.record(int(draw.expovariate(1e-6)))
    before = Histogram()
    draw = random.Random(1)
    for _ in range(2_000):
        before.record(int(draw.expovariate(1e-6)))
    later = sorted(int(draw.expovariate(1e-6)) for _ in range(3_000))
    for percent in (50.0, 99.0):
        true = later[int(len(later) * percent / 100)]
        assert abs(since(before, histogram, percent) - true) < 0.1 * true
    with pytest.raises(ValueError, match="nothing was counted"):
        since(histogram, histogram, 50.0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident set from /proc")
def test_a_few_clients_are_let_in_and_told() -> None:
    """How fast is not asked of a machine that has tests to run; it may need longer."""
    for seconds in (5.0, 15.0, 60.0):
        try:
            figures, _ = crowd.played("full", 20, seconds)
        except RuntimeError as error:  # in a fifth of that time
            assert "no client was told anything" in str(error)
        else:
            break
    else:
        raise AssertionError("no client was told anything for twelve seconds")
    assert figures["open"] == figures["left"]["open"] == 20
    assert figures["told"]["texts"] >= 20
    assert 0 <= figures["told"]["after_first_ms"]["p50"] <= figures["told"]["age_ms"]["max"]
    assert all(figures["ingest_ns"])
