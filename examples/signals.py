"""Opportunities with a life: they open, change, and close for a reason.

Every second simulated market trades its outcomes apart, so that buying both really costs less than
one dollar now and then. The edge is after fees and walked through both books.
"""

import asyncio

from bookfeed import Feed, FeeSchedule, Market, Outcome, Rule, Signal
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
    rule = Rule("complement", {"min_edge": "0.001", "max_skew_ms": 5_000}, name="both outcomes")
    three_closed = asyncio.Event()
    closed: list[Signal] = []

    def show(signal: Signal) -> None:
        legs = " + ".join(f"{leg.side} {leg.outcome} @ {leg.avg_price}" for leg in signal.legs)
        print(f"#{signal.id} {signal.phase:6} {legs}, {signal.qty} shares, net {signal.net_edge}")
        if signal.phase == "close":
            print(f"   {signal.name}: {signal.duration_s:.3f} s, closed by {signal.reason}")
            closed.append(signal)
        if len(closed) == 3:
            three_closed.set()

    async with Feed([market_of(m) for m in venue.markets], url=venue.url, rules=[rule]) as feed:
        feed.on_signal(show)
        await three_closed.wait()
        for refused in feed.why():
            print(refused.name, refused.reason, refused.count, refused.text)
    await venue.close()


asyncio.run(main())
