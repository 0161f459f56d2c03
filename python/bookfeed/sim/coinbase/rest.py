"""The REST side of the simulated Coinbase: a book as of a time. Needs aiohttp."""

import time
from typing import Final

from aiohttp import web

from bookfeed.sim.coinbase.venue import SimCoinbase
from bookfeed.sim.rest import RestBase, json_answer

PATH: Final = "/api/v3/brokerage/market/product_book"


class CoinbaseRest(RestBase):
    """Serves the books of ``venue``."""

    def __init__(self, venue: SimCoinbase) -> None:
        self._venue = venue
        super().__init__((web.get(PATH, self._book),))

    async def _book(self, request: web.Request) -> web.Response:
        symbol = request.query.get("product_id", "")
        if symbol not in self._venue.symbols:
            return json_answer(
                '{"error":"NOT_FOUND","message":"valid product_id is required"}', 404
            )
        limit = request.query.get("limit", "")
        levels = int(limit) if limit.isascii() and limit.isdigit() else 10**9
        return json_answer(self._venue.product_book(symbol, levels, time.time_ns()))
