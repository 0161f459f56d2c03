"""A bot on two venues: one event on Polymarket and on Kalshi, followed as a pair.

As it is, it runs on two simulated venues: no network, no account. For the real ones call ``bot``
with two markets of your own and ``None`` for ``where``, write into ``FACTS`` what decides them, and
export KALSHI_API_KEY_ID and KALSHI_PRIVATE_KEY_PATH. Ctrl-C, SIGTERM or a number of seconds end it.
"""

import asyncio
import signal
import sys

from bookfeed import Feed, FeeSchedule, KalshiFee, Market, Outcome, Pair, PairLeg, Signal
from bookfeed.sim.polymarket_kalshi import PairedConfig, demo, ready, serve
from bookfeed.venues import Endpoint, kalshi, polymarket

FACTS = {"oracle": "the official record", "strike": "it happens", "cut_off": "2026-11-30T00:00Z"}


def leg(market: Market) -> PairLeg:
    yes = market.outcomes[0]
    return PairLeg(market.venue, yes.symbol, yes.name, "same", **FACTS)


def show(found: Signal) -> None:
    if found.phase != "update":
        print(f"{found.phase} ({found.reason}): {found.qty:g} shares, net ${found.net_total:.2f}")
        for part in found.legs:
            print(f"    {part.side} {part.outcome} on {part.venue} at {part.avg_price:.4f}")


async def bot(a: Market, b: Market, where: dict[str, Endpoint] | None, seconds: float) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.call_later(seconds, stop.set)
    rule = Pair("one event, two venues", leg=(leg(a), leg(b)), min_edge="0.005").rule()
    async with Feed([a, b], rules=[rule], endpoints=where, on_signal=show) as feed:
        await feed.wait_live(timeout_s=10)
        for book in feed.books():
            if fill := book.sweep("buy", 100):  # VWAP: the asks, walked down to the hundredth share
                print(f"{book.venue} {book.outcome} {book.bid} / {book.ask}, 100: {fill.avg_price}")
        await stop.wait()
        print("socket to signal, p99:", feed.latency()["recv_to_emit"].percentile(99), "ns")


async def main(seconds: float) -> None:
    venues = await serve(PairedConfig(markets=1, apart_every_s=1))
    listed, ticker = venues.polymarket.markets[0], venues.kalshi.venue.markets[0].spec.ticker
    key = kalshi.credentials(environ=demo.take_keys(ready(venues))["kalshi"])
    here = Endpoint(polymarket.polymarket(), venues.polymarket.url)
    there = Endpoint(kalshi.kalshi(credentials=key), venues.kalshi.url, venues.kalshi.rest_url)
    outcomes = tuple(map(Outcome, listed.outcomes, listed.asset_ids))
    a = Market(listed.condition_id, outcomes, fee=FeeSchedule(listed.fee_rate))
    b = Market(ticker, (Outcome("yes", ticker),), venue="kalshi", fee=KalshiFee("quadratic"))
    await bot(a, b, {"polymarket": here, "kalshi": there}, seconds)
    await venues.close()


asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3600))
