"""A short tier of the two-venue campaign; ``make arbitrage`` plays hundreds of scenarios."""

import pytest
from lengths import TIMES, seeds

from bookfeed.scorecard.campaigns import polymarket_kalshi as arbitrage
from bookfeed.scorecard.campaigns import polymarket_kalshi_quiet as arbitrage_quiet

# What is made once for the whole file is made in one process.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("arbitrage")]

# In the short form one scenario in which there is some of everything.
SEEDS = seeds(1, first=2) if TIMES == 1 else seeds(2)
QUIET = range(1, 2 if TIMES == 1 else 3)


@pytest.fixture(scope="module")
def reports() -> list[arbitrage.Report]:
    """A few scenarios, each with everything in it."""
    return [arbitrage.play(seed, seconds=8.0) for seed in SEEDS]


def test_no_signal_is_false(reports: list[arbitrage.Report]) -> None:
    for report in reports:
        assert report.problems == [], f"seed {report.seed}: {report.problems}"


def test_what_lasts_is_reported(reports: list[arbitrage.Report]) -> None:
    owed = sum(report.owed for report in reports)
    assert owed > 20 * len(SEEDS)
    missed = [miss for report in reports for miss in report.misses]
    assert len(missed) <= owed // 1_000, missed


def test_every_rule_has_something_to_say(reports: list[arbitrage.Report]) -> None:
    for rule in ("pair", "basket", "ladder"):
        assert sum(report.opened[rule] for report in reports) > 2 * len(SEEDS), rule


def test_there_is_much_to_fall_for(reports: list[arbitrage.Report]) -> None:
    """The same rules without their gates are wrong again and again: the referee does object."""
    assert sum(report.fallen_for for report in reports) > 20 * len(SEEDS)
    for trap in ("lead_lag", "frozen", "torn", "fee_change", "override", "tiny", "paused"):
        assert sum(report.traps[trap] for report in reports) > len(SEEDS), trap
    for reason in ("unconfirmed", "lag", "polarity", "augmented", "min_qty", "status", "not_live"):
        assert sum(report.refused[reason] for report in reports) > 0, reason


@pytest.mark.skipif(TIMES == 1, reason="a long scenario: make test-long")
@pytest.mark.parametrize("seed", [9034])
def test_seeds_that_once_failed(seed: int) -> None:
    assert arbitrage.play(seed).problems == []


def test_quiet_markets_are_signalled_and_a_frozen_leg_is_not() -> None:
    reports = [arbitrage_quiet.play(seed) for seed in QUIET]
    assert [report.problems for report in reports] == [[] for _ in QUIET]
    stood_s = sum(report.stood_s for report in reports)
    assert stood_s > 500 * len(QUIET)
    signalled_s = sum(report.signalled_s for report in reports)
    assert signalled_s / stood_s >= arbitrage_quiet.SIGNALLED_MIN
    assert sum(report.fallen_for for report in reports) > 2 * len(QUIET), "a frozen leg is a trap"
