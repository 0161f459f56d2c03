"""The REST side of the simulated Gemini: the best levels of a book, as they are. Needs aiohttp."""

import sys
import time
from typing import Final

from aiohttp import web

from bookfeed.sim.gemini.venue import SimGemini
from bookfeed.sim.rest import RestBase, json_answer

PATH: Final = "/v1/book/{symbol}"
_LEVELS: Final = 50
"""How many levels a side are told if nothing is said of it; all of them for 0."""


class GeminiRest(RestBase):
    """Serves the books of ``venue``, whichever way their symbols are spelled."""

    def __init__(self, venue: SimGemini) -> None:
        self._venue = venue
        self._names = {symbol.lower(): symbol for symbol in venue.symbols}
        super().__init__((web.get(PATH, self._book),))

    async def _book(self, request: web.Request) -> web.Response:
        symbol = self._names.get(request.match_info["symbol"].lower())
        if symbol is None:
            return json_answer('{"result":"error","reason":"InvalidSymbol"}', 400)
        bids, asks = (_levels(request.query.get(name)) for name in ("limit_bids", "limit_asks"))
        return json_answer(self._venue.book(symbol, bids, asks, time.time_ns()))


def _levels(text: str | None) -> int:
    """How many levels of a side are asked for."""
    if text is None or not (text.isascii() and text.isdigit()):
        return _LEVELS
    return int(text) or sys.maxsize
