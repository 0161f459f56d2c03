"""``bookfeed sim --venue kalshi``."""

import json
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

from bookfeed.sim.entry import OptionError, fault_of
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import KalshiFault
from bookfeed.sim.kalshi.server import shapes
from bookfeed.sim.kalshi.venue import SimKalshi


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop@500", KalshiFault("drop", at_frame=500)),
        ("terminal:10@2.5s", KalshiFault("terminal", at_s=2.5, variant="10")),
        ("zombie@1s+3s", KalshiFault("zombie", at_s=1, duration_s=3)),
    ],
)
def test_faults_are_read(text: str, fault: KalshiFault) -> None:
    assert fault_of(text, KalshiFault) == fault


@pytest.mark.parametrize("text", ["wrong_hash@5", "drop@0.5", "freeze:asset", "drop 5"])
def test_other_faults_are_refused(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        fault_of(text, KalshiFault)
    assert caught.value.option == "--fault"


@pytest.mark.parametrize("markets", [1, 5, 6, 10, 37])
def test_so_many_markets_are_open_at_the_start(markets: int) -> None:
    venue = SimKalshi(KalshiVenueConfig(**shapes(markets)), 1_790_000_000_000)
    assert sum(market.trading for market in venue.markets) == markets


def test_the_command_prints_a_ready_line_and_ends_with_its_parent() -> None:
    command = [sys.executable, "-m", "bookfeed", "sim", "-q", "--venue", "kalshi"]
    command += ["--markets", "7", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "kalshi"
        assert [m["status"] for m in ready["markets"]].count("active") == 7
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def test_unmirrored_markets_are_no_matter_of_kalshis() -> None:
    command = [sys.executable, "-m", "bookfeed", "sim", "--venue", "kalshi", "--unmirrored", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and "--unmirrored" in done.stderr
