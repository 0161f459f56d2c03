"""A short tier of the numbered streams' campaign; ``make campaign`` runs 1,000 seeds."""

from functools import partial
from itertools import islice

import pytest
from lengths import seeds

from bookfeed import Engine
from bookfeed.scorecard.campaigns import kalshi as kalshi_campaign
from bookfeed.scorecard.campaigns import kalshi_schedule
from bookfeed.sim.kalshi.stream import KalshiStream

pytestmark = pytest.mark.slow

SEEDS = seeds(15)


def test_no_live_book_is_wrong_after_a_frame_of_its_stream() -> None:
    frames = faults = calm_ns = live_ns = 0
    for seed in SEEDS:
        report = kalshi_campaign.run(seed, items=600)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        frames += report.frames
        faults += sum(report.faults.values())
        calm_ns, live_ns = calm_ns + report.calm_ns, live_ns + report.calm_live_ns
    assert live_ns > 0.99 * calm_ns > 0
    assert frames > 400 * len(SEEDS)
    assert faults > 3 * len(SEEDS)


@pytest.mark.parametrize("seed", [11, 12, 26, 827, 4533, 5559])
def test_seeds_that_once_failed(seed: int) -> None:
    assert kalshi_campaign.run(seed).problems == []


def test_clean_runs_change_no_state() -> None:
    for seed in seeds(5):
        report = kalshi_campaign.run(seed, items=500, clean=True)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        assert report.live_ns > 0.95 * report.total_ns


def test_the_referee_notices_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plausible other numbers give nothing away: the referee must object to what they leave."""
    monkeypatch.setattr(kalshi_schedule, "detectable", lambda _fault: True)
    reports = (kalshi_campaign.run(seed, items=600) for seed in range(1, 61))
    assert len(list(islice((each for each in reports if each.problems), 4))) == 4, "of sixty"


def called_open(numbers: range, enough: int) -> int:
    """How many seeds end with markets called open that were not, and no more than enough."""
    reports = (kalshi_campaign.run(seed, items=600) for seed in numbers)
    wrong = (one for one in reports if any("called so" in each for each in one.problems))
    return len(list(islice(wrong, enough)))


def test_news_that_is_lost_and_believed_unchanged_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    believing = partial(Engine, unheard_s=0.001)
    monkeypatch.setattr(kalshi_campaign, "Engine", believing)
    assert called_open(range(1, 61), 4) == 4


def test_a_pause_of_the_exchange_that_nobody_asks_for_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KalshiStream, "rest_status", lambda _stream: b"{}")
    assert called_open(range(5, 41, 5), 2) == 2
