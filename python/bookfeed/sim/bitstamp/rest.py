"""The REST side of the simulated Bitstamp: whole books with the time they are of. Needs aiohttp."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from bookfeed.sim.bitstamp.faults import REST_ERRORS, STALE_US
from bookfeed.sim.bitstamp.venue import SimBitstamp
from bookfeed.sim.rest import RestBase, json_answer
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_rest_faults import LATE_S, SHORT_LEVELS, damaged

_RETRY_AFTER_S: Final = "1"


class BitstampRest(RestBase):
    """Serves the books of ``venue``; ``fault`` says what goes wrong with the next of a symbol."""

    def __init__(self, venue: SimBitstamp, fault: Callable[[str], SpotFault | None]) -> None:
        self._venue = venue
        self._fault = fault
        super().__init__((web.get("/api/v2/order_book/{pair}/", self._book),))

    async def _book(self, request: web.Request) -> web.Response:
        pair = request.match_info["pair"]
        if pair not in self._venue.symbols:
            return json_answer('{"status":"error","reason":"Not found"}', 404)
        fault = self._fault(pair)
        kind = fault.kind if fault else ""
        if fault and kind == "rest_error":
            return _error(int(fault.variant))
        behind_us = STALE_US if kind == "rest_stale" else 0
        levels = SHORT_LEVELS if kind == "rest_short" else 10**9
        body, _ = self._venue.book(pair, behind_us=behind_us, levels=levels)
        if fault and kind == "rest_malformed":
            body = damaged(body, fault.variant)
        if fault and kind == "rest_late":
            await asyncio.sleep(fault.duration_s or LATE_S)
        return json_answer(body)


def _error(status: int) -> web.Response:
    answer = json_answer(REST_ERRORS[status], status)
    if status != 500:
        answer.headers["Retry-After"] = _RETRY_AFTER_S
    return answer
