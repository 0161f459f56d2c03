"""The REST side of the simulated Kraken: the best levels of a book. Needs aiohttp."""

import time
from typing import Final

from aiohttp import web

from bookfeed.sim.kraken import wire
from bookfeed.sim.kraken.venue import SimKraken
from bookfeed.sim.rest import RestBase, json_answer

COUNT_MAX: Final = 500
_COUNT_DEFAULT: Final = 100


class KrakenRest(RestBase):
    """Serves the books of ``venue``."""

    def __init__(self, venue: SimKraken) -> None:
        self._venue = venue
        self._names = {wire.rest_name(symbol): symbol for symbol in venue.symbols}
        super().__init__((web.get("/0/public/Depth", self._depth),))

    async def _depth(self, request: web.Request) -> web.Response:
        symbol = self._names.get(request.query.get("pair", ""))
        if symbol is None:
            return json_answer('{"error":["EQuery:Unknown asset pair"]}')
        count = request.query.get("count", str(_COUNT_DEFAULT))
        if not (count.isascii() and count.isdigit() and 1 <= int(count) <= COUNT_MAX):
            return json_answer('{"error":["EGeneral:Invalid arguments:count"]}')
        return json_answer(self._venue.depth(symbol, int(count), time.time_ns()))
