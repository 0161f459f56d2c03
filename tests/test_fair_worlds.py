"""Simulated worlds in which it is known what comes true; ``bookfeed score V2`` plays more."""

from dataclasses import replace

import pytest

from bookfeed.fair.estimates import Volatilities
from bookfeed.fair.recorded import Recorded
from bookfeed.fair.scores import Bucket, Score
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.campaigns.polymarket_fair import (
    LEFTS_S,
    Worlds,
    came_to,
    forecasts,
    world_records,
)

BY_WINDOW = Volatilities(half_life_s=150, step_s=5)


def test_a_world_is_a_recording_with_mids_beside() -> None:
    records = world_records(3, windows=2)
    assert {record[0] for record in records} >= {Kind.FRAME, Kind.RELAY_FRAME, Kind.MARKET}
    assert records == world_records(3, windows=2) != world_records(4, windows=2)
    recorded = Recorded(records, lefts_s=LEFTS_S, volatility=BY_WINDOW)
    made = recorded.run()
    assert not recorded.left_out and not recorded.problems
    assert len(made) == 2 * len(LEFTS_S)
    assert all(one.mid is not None and 0 < one.mid < 1 for one in made)
    # A book around what the window was worth seconds ago is not far from what it is worth.
    near = [abs(one.said - one.mid) for one in made if one.mid is not None]
    assert sum(near) / len(near) < 0.15


@pytest.mark.slow
def test_fair_values_are_right_and_nearer_than_late_makers() -> None:
    worlds = came_to([one for seed in (1, 2) for one in forecasts(seed)])
    assert worlds.problems() == []


def test_what_is_not_right_is_said() -> None:
    good = Worlds(
        Score(100, 0.05, 0.2), Score(100, 0.06, 0.3), [Bucket(0.4, 0.6, 100, 0.5, 0.53, 0.05)]
    )
    assert good.problems() == []
    off = [Bucket(0.4, 0.6, 100, 0.5, 0.71, 0.05)]
    assert "came true 0.71" in replace(good, reliability=off).problems()[0]
    assert "of mids 0.0600" in replace(good, fair=Score(100, 0.07, 0.2)).problems()[0]


def test_a_forecast_without_a_mid_is_an_error() -> None:
    records = world_records(5, windows=1)
    made = Recorded(records, lefts_s=LEFTS_S, volatility=BY_WINDOW).run()
    with pytest.raises(RuntimeError, match="lacks the mid"):
        came_to([replace(made[0], mid=None), *made[1:]])
