"""Feeds of any venue opened and closed again and again leave nothing behind, memory among it.

The venue is simulated by a process of its own, so that what grows here is the feed's.
"""

import asyncio
import gc
import os

import pytest
from spot_live import OPTIONS
from test_feed_cycles import descriptors, threads
from waiting import PATIENCE_S, until

from bookfeed.feed.feed import Feed
from bookfeed.scorecard.campaigns.polymarket_kalshi_churn import simulated
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import FEW, LISTED
from bookfeed.scorecard.campaigns.polymarket_soak import GROWTH_MAX_BYTES, resident_bytes

CYCLES = int(os.environ.get("BOOKFEED_VENUE_CYCLES", "12"))
"""Of each venue; ``bookfeed score G3 --full`` plays a thousand."""
WARM = CYCLES // 4
"""After so many, memory is measured: until then the first of everything is made."""


@pytest.mark.parametrize("venue", sorted(FEW))
async def test_sessions_of_no_venue_leave_anything_behind(venue: str) -> None:
    arguments = ("--venue", venue, "--markets", "2", "--rate", "100")
    async with simulated(*arguments) as told:
        markets, endpoint = LISTED(venue, told)
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: failures.append(context)
        )

        async def cycle(number: int) -> None:
            """Most are closed when they are live, some while they begin."""
            feed = Feed(markets, endpoints={venue: endpoint}, options=OPTIONS)
            async with feed:
                if number % 4:
                    await feed.wait_live(PATIENCE_S)
                else:
                    await asyncio.sleep(0.001 * (number % 32))

        before_any = len(asyncio.all_tasks())
        await cycle(1)
        await until(lambda: len(asyncio.all_tasks()) == before_any)
        before = descriptors(), threads()
        for number in range(2, WARM + 2):
            await cycle(number)
        gc.collect()
        baseline = resident_bytes()
        for number in range(WARM + 2, CYCLES + 2):
            await cycle(number)
        gc.collect()
        await until(lambda: descriptors() <= before[0] and threads() <= before[1])
        await until(lambda: len(asyncio.all_tasks()) == before_any)
        assert failures == []
        assert resident_bytes() - baseline <= GROWTH_MAX_BYTES
