"""Socket to record under pytest-benchmark; answers are compared after every round.

pytest-benchmark times whole rounds, connecting and comparing included; the figure that counts is
``us_per_frame`` (or ``p50_us``) in the extra information.
"""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches.competitors import peer
from benches.corpus import Corpus
from benches.loopback import (
    Lane,
    Pass,
    Saturated,
    Sender,
    saturated_ours,
    saturated_peer,
)
from benches.paced import USUAL, Paced, Round
from benches.pedantic import time_rounds

ROUNDS = 3
PACED_FRAMES = 5_000
TRANSPORTS = ["plain", "tls"]


@pytest.fixture(params=TRANSPORTS)
def lane(request: pytest.FixtureRequest, sender: Sender, sent_corpus: Corpus) -> Lane:
    """A way to the sender."""
    if request.param == "tls" and sender.tls is None:
        pytest.skip("trustme is not installed")
    return Lane(sender, sent_corpus, request.param)


def run_saturated(benchmark: BenchmarkFixture, client: Saturated) -> None:
    """Benchmarks a client and notes its own figures."""
    rounds: list[Pass] = []
    time_rounds(benchmark, lambda: rounds.append(client()), rounds=ROUNDS)
    assert len(rounds) == ROUNDS
    benchmark.extra_info["us_per_frame"] = [one.wall_us for one in rounds]
    benchmark.extra_info["cpu_us_per_frame"] = [one.cpu_us for one in rounds]


def test_saturated_count_only(benchmark: BenchmarkFixture, lane: Lane) -> None:
    run_saturated(benchmark, saturated_peer(lane, None))


def test_saturated_best_peer(benchmark: BenchmarkFixture, lane: Lane) -> None:
    make = peer("msgspec + dict, cached touch")
    if isinstance(make, str):
        pytest.skip(make)
    run_saturated(benchmark, saturated_peer(lane, make))


def test_saturated_bookfeed(benchmark: BenchmarkFixture, lane: Lane) -> None:
    run_saturated(benchmark, saturated_ours(lane))


@pytest.mark.parametrize("busy_poll", [False, True], ids=["default", "busy_poll"])
@pytest.mark.parametrize("client", ["bare", "ours"])
def test_paced(benchmark: BenchmarkFixture, lane: Lane, client: str, busy_poll: bool) -> None:
    paced = Paced(lane, USUAL[1], PACED_FRAMES, busy_poll)
    measure: Callable[[], Round] = {"bare": paced.bare, "ours": paced.ours}[client]
    p50_us: list[float] = []
    time_rounds(benchmark, lambda: p50_us.append(measure().spread["p50"]), rounds=ROUNDS)
    assert len(p50_us) == ROUNDS
    benchmark.extra_info["p50_us"] = p50_us
