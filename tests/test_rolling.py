"""A short form of ``make rolling``: 250 markets come and go under traffic."""

import asyncio
from pathlib import Path

import pytest

from bookfeed.scorecard.campaigns import polymarket_rolling as rolling


@pytest.mark.slow
def test_markets_that_come_and_go_leave_nothing_and_disturb_nobody(tmp_path: Path) -> None:
    figures = asyncio.run(rolling.roll(5.0, 2.0, tmp_path))
    assert figures["markets"] == 250
    assert (figures["disturbed"], figures["reconnects"], figures["callback_errors"]) == ([], 0, 0)
    assert float(str(figures["growth_mib"])) < 5
    assert int(str(figures["books_live"])) > 250
    audit = rolling.audited(tmp_path)
    assert (audit["wrong"], audit["refused"]) == ([], 0)
    assert int(str(audit["compared"])) > 1000
