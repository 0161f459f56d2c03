"""Two spot venues as one book: best prices, a sweep, each venue's basis, and who is out.

As it is, it runs on two simulated venues: no network, no account. For the real ones leave
``endpoints`` away.
"""

import asyncio

from bookfeed import Consolidated, Feed
from bookfeed.sim import coinbase as coinbase_sim
from bookfeed.sim import kraken as kraken_sim
from bookfeed.venues import Endpoint, coinbase, kraken
from bookfeed.venues.spot import spot_market

PAIR = "BTC-USD"


async def follow(endpoints: dict[str, Endpoint] | None) -> None:
    markets = [spot_market("coinbase", PAIR, "-"), spot_market("kraken", PAIR, "/")]
    async with Feed(markets, endpoints=endpoints) as feed:
        await feed.wait_live(timeout_s=10)
        btc = Consolidated(["coinbase", "kraken", "binance"], PAIR, feed, max_age_s=2.0)
        print("left out:", btc.out)
        print("best bid:", btc.bid)
        print("best ask:", btc.ask)
        if fill := btc.sweep("buy", 50):
            shares = {venue: share.qty for venue, share in fill.venues.items()}
            print(f"50 BTC at {fill.whole.avg_price:.2f}: {shares}")
        for venue, bps in btc.basis_bps().items():
            print(f"{venue}: {bps:+.2f} bps from the middle")
        crossed = btc.crossing()
        print(f"crossed: {crossed.qty:g} BTC, worth {crossed.gain:.2f} before fees")


async def main() -> None:
    one = await coinbase_sim.serve(coinbase_sim.CoinbaseSimConfig(markets=1))
    two = await kraken_sim.serve(kraken_sim.KrakenSimConfig(markets=1))
    here = Endpoint(coinbase.coinbase(), one.url)
    there = Endpoint(kraken.kraken(), two.url)
    await follow({"coinbase": here, "kraken": there})
    await one.close()
    await two.close()


asyncio.run(main())
