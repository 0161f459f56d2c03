"""Live books in ten lines: a feed on a simulated venue, which needs no network.

For the real venue leave ``venue`` and ``url`` out and write the market's ids yourself.
"""

import asyncio

from bookfeed import Feed, Market, Outcome
from bookfeed.sim.polymarket import SimConfig, serve


async def main() -> None:
    venue = await serve(SimConfig(markets=1))
    listed = venue.markets[0]
    market = Market(listed.condition_id, tuple(map(Outcome, listed.outcomes, listed.asset_ids)))
    async with Feed([market], url=venue.url) as feed:
        async for update in feed:
            print(update.symbol[:6], update.state, update.cause, update.bid, update.ask)
            if update.seq > 50:
                break
    await venue.close()


asyncio.run(main())
