"""Books of a served recording of Kalshi by REST, as they stood at the moment.

Needs aiohttp.
"""

import ssl
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

from bookfeed.sim.kalshi.rest import BASE_PATH
from bookfeed.sim.kalshi.wire import Identity, Levels, levels_text
from bookfeed.sim.rest import RestBase, json_answer

_MISSING: Final = '{"error":{"code":"not_found","message":"not found"}}'
_BAD: Final = '{"error":{"code":"bad_request","message":"tickers must be given 1 to 100 times"}}'
_BATCH_MAX: Final = 100


class RecordedRest(RestBase):
    """Serves ``known``, the books among some tickers that may be believed now."""

    def __init__(self, known: Callable[[Iterable[str]], Iterable[tuple[Identity, Levels]]]) -> None:
        self._known = known
        super().__init__(
            (
                web.get(f"{BASE_PATH}/markets/orderbooks", self._orderbooks),
                web.get(f"{BASE_PATH}/markets/{{ticker}}/orderbook", self._orderbook),
            )
        )

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listens; port 0 picks a free one. ``OSError`` if it cannot."""
        await super().start(host, port, tls)
        self.url += BASE_PATH

    async def _orderbook(self, request: web.Request) -> web.Response:
        depth = request.query.get("depth", "0")
        for _, book in self._known([request.match_info["ticker"]]):
            best = int(depth) if depth.isdecimal() else 0
            return json_answer(f'{{"orderbook_fp":{_ladders(book, best)}}}')
        return json_answer(_MISSING, 404)

    async def _orderbooks(self, request: web.Request) -> web.Response:
        tickers = request.query.getall("tickers", [])
        if not 1 <= len(tickers) <= _BATCH_MAX:
            return json_answer(_BAD, 400)
        books = ",".join(
            f'{{"ticker":"{identity.ticker}","orderbook_fp":{_ladders(book, 0)}}}'
            for identity, book in self._known(tickers)
        )
        return json_answer(f'{{"orderbooks":[{books}]}}')


def _ladders(book: Levels, best: int) -> str:
    """Both sides, NO at NO prices; the best ``best`` levels of each, 0 for all."""
    sides = (dict(sorted(side.items())[-best:]) for side in book)
    yes, no = (f"[{levels_text(side)}]" for side in sides)
    return f'{{"yes_dollars":{yes},"no_dollars":{no}}}'
