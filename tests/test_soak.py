"""A short tier of the memory soak; ``make soak`` feeds 10^7 frames."""

import sys

import pytest

from bookfeed.scorecard.campaigns import polymarket_soak as soak

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident set from /proc")
def test_memory_stays_flat() -> None:
    figures = soak.soak(frames=900_000, warm_up=300_000)
    assert figures["errors"] == 0
    assert figures["live"] == 2 * soak.MARKETS
    assert float(str(figures["growth_mib"])) < 5
