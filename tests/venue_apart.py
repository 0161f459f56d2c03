"""A simulated venue on a thread of its own, for programs that hold up the thread they run on."""

from collections.abc import Iterator

import pytest

from bookfeed import Market, Outcome
from bookfeed.sim.polymarket import SimConfig, serve
from bookfeed.sim.polymarket.server import SimServer
from bookfeed.sync.thread import LoopThread


@pytest.fixture
def venue() -> Iterator[SimServer]:
    """A simulated venue of two markets, which talk."""
    thread = LoopThread("venue")
    thread.start()
    server = thread.run(serve(SimConfig(markets=2, rate=200)))
    yield server
    thread.run(server.close())
    thread.stop()


def markets_of(venue: SimServer) -> list[Market]:
    """What a feed follows there."""
    return [
        Market(one.condition_id, tuple(map(Outcome, one.outcomes, one.asset_ids)))
        for one in venue.markets
    ]
