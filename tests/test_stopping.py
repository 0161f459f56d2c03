"""A feed that has more to read than it can take ends as soon as any other: nothing more is read."""

import asyncio
import time

from session_server import MARKET
from spot_live import OPTIONS
from waiting import PATIENCE_S, until

from bookfeed.feed.feed import Feed
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import LISTED
from bookfeed.sim import kraken


async def test_nothing_more_is_read_and_the_end_is_in_good_order() -> None:
    server = await kraken.serve(kraken.KrakenSimConfig(markets=2, levels=20, rate=3_000.0))
    try:
        markets, endpoint = LISTED("kraken", kraken.ready(server))
        feed = Feed(markets, endpoints={"kraken": endpoint}, options=OPTIONS)
        async with feed:
            await feed.wait_live(PATIENCE_S)
            taken = feed.counters()["frames"]
            await until(lambda: feed.counters()["frames"] > taken + 100)
            feed.stop_reading()
            stopped = feed.counters()["frames"]
            feed.stop_reading()
            await asyncio.sleep(0.5)
            assert feed.counters()["frames"] == stopped
            begun = time.monotonic()
        # Well below the second after which the venue's goodbye is not waited for.
        assert time.monotonic() - begun < 0.9
    finally:
        await server.close()


async def test_a_feed_that_is_not_open_has_nothing_to_stop() -> None:
    Feed([MARKET], url="ws://127.0.0.1:9").stop_reading()
