"""A short tier of the campaign with second sources; ``make campaign`` runs more seeds of it."""

from typing import Any

import pytest
from lengths import seeds

from bookfeed.scorecard.campaigns.coinbase_gemini_second import BEAT_NS, KINDS, Checked, run

pytestmark = pytest.mark.slow

VENUES = tuple(BEAT_NS)
ITEMS = 2_500


@pytest.mark.parametrize("venue", VENUES)
def test_no_true_book_is_lost_and_what_is_kept_back_is_found(venue: str) -> None:
    for seed in seeds(len(KINDS)):
        report = run(seed, venue=venue, items=ITEMS)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        assert report.frames > ITEMS // 2


@pytest.mark.parametrize("venue", VENUES)
def test_without_a_second_source_it_would_not_be_found(
    monkeypatch: pytest.MonkeyPatch, venue: str
) -> None:
    def deaf(checked: Checked, item: Any) -> None:
        """Nothing that is told of levels is taken."""
        if item.kind != "frame":
            take(checked, item)

    take = Checked.take
    monkeypatch.setattr(Checked, "take", deaf)
    reports = [run(seed, venue=venue, items=4_000, kind="withheld") for seed in (1, 2)]
    assert any("wrong at" in problem for report in reports for problem in report.problems)


@pytest.mark.parametrize("venue", VENUES)
def test_a_true_book_that_is_lost_for_nothing_is_noticed(
    monkeypatch: pytest.MonkeyPatch, venue: str
) -> None:
    """A second source that lies is no fault of the schedule."""
    take = Checked.take

    def lied_to(checked: Checked, item: Any) -> None:
        lie = item.payload.replace(b'["buy","', b'["buy","7')
        take(checked, item._replace(payload=lie) if item.kind == "frame" else item)

    monkeypatch.setattr(Checked, "take", lied_to)
    numbers = (KINDS.index("true") + len(KINDS) * turn for turn in range(1, 5))
    reports = (run(number, venue=venue, items=ITEMS) for number in numbers)
    told = (problem for report in reports for problem in report.problems)
    assert any("sound second source" in problem for problem in told)
