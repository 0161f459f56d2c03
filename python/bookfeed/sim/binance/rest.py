"""The REST side of the simulated Binance: books with their ids, the listing, and what it weighs.

Needs aiohttp.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from bookfeed.sim.binance import wire
from bookfeed.sim.binance.faults import REST_ERRORS, STALE_UPDATES
from bookfeed.sim.binance.venue import SimBinance, depth_limit
from bookfeed.sim.rest import RestBase, json_answer
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_rest_faults import LATE_S, SHORT_LEVELS, damaged

_NO_SYMBOL: Final = '{"code":-1102,"msg":"Mandatory parameter \'symbol\' was not sent."}'
_BAD_SYMBOL: Final = '{"code":-1121,"msg":"Invalid symbol."}'
_BAD_LIMIT: Final = '{"code":-1100,"msg":"Illegal characters found in parameter \'limit\'."}'
_RETRY_AFTER_S: Final = "1"
_WEIGHT_HEADER: Final = "X-MBX-USED-WEIGHT-1M"


class BinanceRest(RestBase):
    """Serves the books of ``venue``; ``fault`` says what goes wrong with the next of a symbol."""

    def __init__(
        self,
        venue: SimBinance,
        fault: Callable[[str], SpotFault | None],
        now_ms: Callable[[], int],
    ) -> None:
        self._venue = venue
        self._fault = fault
        self._now_ms = now_ms
        super().__init__(
            (
                web.get("/api/v3/ping", self._ping),
                web.get("/api/v3/time", self._time),
                web.get("/api/v3/depth", self._depth),
                web.get("/api/v3/exchangeInfo", self._exchange_info),
            )
        )

    async def _ping(self, request: web.Request) -> web.Response:
        return json_answer("{}")

    async def _time(self, request: web.Request) -> web.Response:
        return json_answer(wire.dump({"serverTime": self._now_ms()}))

    async def _exchange_info(self, request: web.Request) -> web.Response:
        wanted, specs = request.query.get("symbol"), self._venue.specs
        if wanted is not None:
            specs = [spec for spec in specs if wire.symbol_of(spec) == wanted]
            if not specs:
                return json_answer(_BAD_SYMBOL, 400)
        return json_answer(wire.exchange_info(specs, self._now_ms()))

    async def _depth(self, request: web.Request) -> web.Response:
        symbol = request.query.get("symbol", "")
        if not symbol:
            return json_answer(_NO_SYMBOL, 400)
        if symbol not in self._venue.symbols:
            return json_answer(_BAD_SYMBOL, 400)
        try:
            limit = depth_limit(request.query.get("limit", ""))
        except ValueError:
            return json_answer(_BAD_LIMIT, 400)
        used = self._venue.weigh(limit, self._now_ms())
        if used is None:
            return _error(429)
        answer = await self._answer(symbol, limit)
        answer.headers[_WEIGHT_HEADER] = str(used)
        return answer

    async def _answer(self, symbol: str, limit: int) -> web.Response:
        """The book as it is now, with what goes wrong with it."""
        fault = self._fault(symbol)
        match fault.kind if fault else "":
            case "rest_error" if fault:
                return _error(int(fault.variant))
            case "rest_short":
                limit = min(limit, SHORT_LEVELS)
        behind = STALE_UPDATES if fault and fault.kind == "rest_stale" else 0
        body = self._venue.depth(symbol, limit, behind=behind)
        if fault and fault.kind == "rest_malformed":
            body = damaged(body, fault.variant)
        if fault and fault.kind == "rest_late":
            await asyncio.sleep(fault.duration_s or LATE_S)
        return json_answer(body)


def _error(status: int) -> web.Response:
    answer = json_answer(REST_ERRORS[status], status)
    if status != 500:
        answer.headers["Retry-After"] = _RETRY_AFTER_S
    return answer
