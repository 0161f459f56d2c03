"""The doctor's word on PolyBolt as a witness of Polymarket's books."""

from typing import Any

import pytest

from bookfeed.config import parse
from bookfeed.doctor import touches
from bookfeed.sim.polymarket import polybolt
from bookfeed.sim.polymarket.server import SimConfig, serve
from bookfeed.sim.relay_server import RelaySimConfig


@pytest.mark.parametrize(
    ("told", "wait_s", "grade", "words"),
    [("venue", 10.0, "ok", "tells the touch"), ("nobody", 0.3, "skip", "tells no touch")],
)
async def test_what_it_finds(told: str, wait_s: float, grade: str, words: str) -> None:
    venue = await serve(SimConfig(markets=1, rate=50.0))
    relay = polybolt.made(RelaySimConfig(), None, venue.venue)
    await relay.start()
    try:
        url = relay.url if told == "venue" else "ws://127.0.0.1:9/ws"
        table: dict[str, Any] = {
            "polymarket": {"ws_url": venue.url, "rest_url": venue.rest_url},
            "relays": {"polybolt_url": url},
        }
        config = parse(table)
        endpoint = config.sections["polymarket"].endpoint("test")
        symbol = venue.markets[0].asset_ids[0]
        found = await touches.asked(config, endpoint, symbol, wait_s)
        assert found is not None and found.grade == grade and words in found.found, found
        assert (found.where, found.check) == ("polymarket", touches.CHECK)
        # Where no feed would ask, nothing is said.
        none = parse(table | {"relays": {"polybolt_url": url, "touches": 0}})
        assert await touches.asked(none, endpoint, symbol, wait_s) is None
        assert await touches.asked(parse({}), endpoint, symbol, wait_s) is None
    finally:
        await relay.close()
        await venue.close()
