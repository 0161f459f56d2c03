"""Opportunities with a life: they open, are updated, and close for a reason that is told.

Every second simulated market trades its outcomes apart, so that buying both really costs less than
one dollar now and then. The edge is after fees and walked through both books.
"""

import asyncio

from bookfeed import Feed, FeeSchedule, Market, Outcome
from bookfeed.rules.rule import Rule
from bookfeed.sim.polymarket import MarketListing, SimConfig, serve


def market_of(listed: MarketListing) -> Market:
    """A market with the fees it charges: without them no complement would be signalled."""
    return Market(
        listed.condition_id,
        tuple(map(Outcome, listed.outcomes, listed.asset_ids)),
        name=listed.question,
        fee=FeeSchedule(listed.fee_rate, listed.fee_exponent),
    )


async def main() -> None:
    venue = await serve(SimConfig(markets=4, unmirrored=2, rate=500, dislocation_every_s=0.3))
    rules = [Rule("complement", {"min_edge": "0.001", "max_skew_ms": 5_000})]
    async with Feed([market_of(m) for m in venue.markets], url=venue.url, rules=rules) as feed:
        closed = 0
        async for signal in feed.signals():
            legs = " + ".join(
                f"{leg.side} {leg.symbol[:4]} @ {leg.avg_price}" for leg in signal.legs
            )
            print(
                f"#{signal.id} {signal.phase:6} {legs}, {signal.qty} shares, net {signal.net_edge}"
            )
            closed += signal.phase == "close"
            if closed == 3:
                break
        print("not signalled, and why:", {k: n for k, n in feed.engine.refusals().items() if n})
    await venue.close()


asyncio.run(main())
