"""A short tier of the never-wrong-while-live campaign; ``make campaign`` runs 1,000 seeds."""

from itertools import islice

import pytest
from lengths import seeds

from bookfeed.scorecard.campaigns import polymarket as campaign
from bookfeed.sim.polymarket.faults import Fault

pytestmark = pytest.mark.slow

SEEDS = seeds(12)


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_no_live_book_is_wrong_beyond_the_bound(hash_check: str) -> None:
    frames = faults = calm_ns = live_ns = 0
    for seed in SEEDS:
        report = campaign.run(seed, items=600, hash_check=hash_check)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        frames += report.frames
        faults += sum(report.faults.values())
        calm_ns, live_ns = calm_ns + report.calm_ns, live_ns + report.calm_live_ns
    assert live_ns > 0.99 * calm_ns > 0
    assert frames > 400 * len(SEEDS)
    assert faults > 3 * len(SEEDS)


@pytest.mark.parametrize(
    "seed", [12, 39, 57, 61, 88, 106, 126, 148, 351, 385, 706, 1269, 1292, 2690, 3031]
)
def test_seeds_that_once_failed(seed: int) -> None:
    assert campaign.run(seed).problems == []


@pytest.mark.parametrize("hash_check", ["always", "sampled", "off"])
def test_clean_runs_change_no_state(hash_check: str) -> None:
    for seed in seeds(5):
        report = campaign.run(seed, items=500, hash_check=hash_check, clean=True)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        assert report.live_ns > 0.98 * report.total_ns


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_changes_whose_hashes_are_no_book_hashes_cost_a_few_fetches_and_are_said(
    hash_check: str,
) -> None:
    for seed in seeds(1, first=2):
        foreign = (Fault("hash", at_frame=50),)
        report = campaign.run(seed, items=6_000, hash_check=hash_check, schedule=foreign)
        assert report.problems == []
        assert report.causes["untrusted_hash"] > 0
        # Four convictions of each book, and then quiet.
        assert report.causes["resync"] <= 2 * 5 * 2 * (2 + seed % 3)
        assert report.live_ns > 0.85 * report.total_ns


@pytest.mark.parametrize("variant", ["late", "unstamped"])
def test_first_books_behind_changes_are_brought_up_to_date(variant: str) -> None:
    for seed in seeds(3):
        late = (Fault("first-book", variant=variant),)
        report = campaign.run(seed, items=400, schedule=late)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        assert report.faults["first-book"] == 1
        assert report.live_ns > 0.9 * report.total_ns, seed


def test_the_referee_notices_lies() -> None:
    """With hash checks off, changes lost deep in a book go unnoticed: the referee must object."""
    reports = (campaign.run(seed, items=600, hash_check="off") for seed in range(1, 21))
    wrong = (report for report in reports if report.problems)
    assert len(list(islice(wrong, 5))) == 5, "of twenty"
