"""Short forms of ``make rolling`` and ``make rolling-day``: markets that come and go."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from lengths import TIMES

from bookfeed.scorecard.campaigns import polymarket_kalshi_churn as churn

DAY = "bookfeed.scorecard.campaigns.polymarket_kalshi_rolling"


@pytest.mark.slow
@pytest.mark.parametrize("venue", ["polymarket", "kalshi"])
def test_markets_that_come_and_go_leave_nothing_and_disturb_nobody(
    tmp_path: Path, venue: str
) -> None:
    figures = asyncio.run(churn.roll(2.0 * TIMES, 1.0, tmp_path, venue))
    assert figures["markets"] == 100 * TIMES
    assert (figures["disturbed"], figures["reconnects"], figures["callback_errors"]) == ([], 0, 0)
    assert float(str(figures["growth_mib"])) < 5
    assert int(str(figures["books_live"])) > 80 * TIMES
    audit = churn.audited(tmp_path)
    assert (audit["wrong"], audit["refused"]) == ([], 0)
    # One venue has two books a market, the other one.
    assert int(str(audit["compared"])) > (400 if venue == "polymarket" else 200) * TIMES


def days(*options: str) -> dict[str, object]:
    """The figures of some hours, in a process with a clock of its own."""
    command = [sys.executable, "-m", DAY, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    figures: dict[str, object] = json.loads(done.stdout)
    assert done.returncode == 0, (figures, done.stderr)
    return figures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "hours", "windows", "odd"),
    [
        # A quarter of an hour need not have a window that is odd.
        ("2026-11-28T16:40:00+00:00", *((0.25, 5, 0) if TIMES == 1 else (2.0, 40, 1))),
        # Clocks are put back at six, and what is named by them has one name twice.
        ("2026-11-01T05:40:00+00:00", *((0.5, 8, 0) if TIMES == 1 else (4.0, 64, 0))),
    ],
)
def test_hours_of_rolling_series(start: str, hours: float, windows: int, odd: int) -> None:
    """No window is missed, none comes late, and nothing of those that are over stays."""
    figures = days("--start", start, "--hours", str(hours))
    assert int(str(figures["windows"])) >= windows
    assert int(str(figures["odd"])) >= odd
