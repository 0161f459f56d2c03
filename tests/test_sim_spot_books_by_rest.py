"""Books of the simulated Kraken, Coinbase and Gemini by REST: the true best levels, as each prints
them.
"""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from bookfeed.sim import coinbase, gemini, kraken
from bookfeed.sim.coinbase import CoinbaseSimConfig
from bookfeed.sim.gemini import GeminiSimConfig
from bookfeed.sim.gemini.wire import Api
from bookfeed.sim.kraken import KrakenSimConfig
from bookfeed.sim.spot_truth import SpotTruth


async def asked(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


def true_levels(truth: SpotTruth, symbol: str, count: int) -> list[list[tuple[Decimal, Decimal]]]:
    book = truth(symbol)
    return [
        [(Decimal(price) / 10**9, Decimal(size) / 10**8) for price, size in side[:count]]
        for side in (book.bids, book.asks)
    ]


async def test_kraken_tells_the_best_levels_and_when_each_was_set() -> None:
    server = await kraken.serve(KrakenSimConfig(markets=1, levels=40))
    try:
        url = f"{server.rest_url}/0/public/Depth?pair="
        status, told = await asked(f"{url}XBTUSD&count=7")
        assert (status, told["error"]) == (200, [])
        (book,) = told["result"].values()
        sides = [
            [(Decimal(price), Decimal(size)) for price, size, _ in book[side]]
            for side in ("bids", "asks")
        ]
        assert sides == true_levels(server.truth, "BTC/USD", 7)
        assert all(second > 1_600_000_000 for _, _, second in book["bids"] + book["asks"])
        for bad in ("NOTUSD", "XBTUSD&count=0", "XBTUSD&count=501", "XBTUSD&count=x"):
            assert (await asked(f"{url}{bad}"))[1]["error"]
    finally:
        await server.close()


@pytest.mark.parametrize("limit", [5, 1_000])
async def test_coinbase_tells_a_book_and_of_when_it_is(limit: int) -> None:
    server = await coinbase.serve(CoinbaseSimConfig(markets=1, levels=40))
    try:
        url = f"{server.rest_url}/api/v3/brokerage/market/product_book?product_id="
        status, told = await asked(f"{url}BTC-USD&limit={limit}")
        book = told["pricebook"]
        sides = [
            [(Decimal(level["price"]), Decimal(level["size"])) for level in book[side]]
            for side in ("bids", "asks")
        ]
        assert (status, book["product_id"]) == (200, "BTC-USD")
        assert sides == true_levels(server.truth, "BTC-USD", limit)
        assert book["time"].endswith("Z")
        assert (await asked(f"{url}NOT-USD"))[0] == 404
    finally:
        await server.close()


@pytest.mark.parametrize("api", ["fast", "v2"])
@pytest.mark.parametrize(("query", "count"), [("", 50), ("limit_bids=7&limit_asks=7", 7)])
async def test_gemini_tells_a_book_and_neither_whose_nor_when(
    api: Api, query: str, count: int
) -> None:
    server = await gemini.serve(GeminiSimConfig(markets=1, levels=90, api=api))
    try:
        url = f"{server.rest_url}/v1/book/"
        status, told = await asked(f"{url}btcusd?{query}")
        assert (status, told.keys()) == (200, {"bids", "asks"})
        sides = [
            [(Decimal(level["price"]), Decimal(level["amount"])) for level in told[side]]
            for side in ("bids", "asks")
        ]
        (symbol,) = server.venue.symbols
        assert sides == true_levels(server.truth, symbol, count)
        whole = (await asked(f"{url}BTCUSD?limit_bids=0&limit_asks=0"))[1]
        assert [len(whole[side]) for side in whole] == [
            len(side) for side in true_levels(server.truth, symbol, 10**9)
        ]
        assert (await asked(f"{url}notusd"))[0] == 400
    finally:
        await server.close()
