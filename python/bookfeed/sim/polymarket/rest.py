"""The REST side of the simulated Polymarket: books on request, in the key order that is hashed.

Needs aiohttp. ``GET /book?token_id=``, ``POST /books``, ``POST /prices``, ``GET /clob-markets/…``,
``GET /time``; answers are the venue's books of this moment, unless a fault says otherwise. What
must be asked for by POST is refused by GET. ``GET /prices-history`` draws the prints of a token,
and one point of now that nobody asked for; ``GET /markets/…`` says who won.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.polymarket.ladder import PRICE_TEXT
from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket.wire import Message
from bookfeed.sim.rest import RestBase, json_answer

_MISSING: Final = '{"error":"No orderbook exists for the requested token id"}'
_BAD: Final = '{"error":"Invalid payload"}'
_TOO_MANY: Final = '{"error":"Payload exceeds the limit"}'
_UNKNOWN: Final = '{"error":"market not found"}'
_BOOKS_MAX: Final = 500
_POST_ONLY: Final = ("/books", "/prices", "/midpoints", "/last-trades-prices")


class RestServer(RestBase):
    """Serves ``book_text(asset_id)``, which raises ``KeyError`` for an unknown asset, and ``specs``
    by condition id, without those that are ``not_yet`` known here. ``touch`` is the best bid and
    ask of an asset as printed, ``ghost_text`` a book of it that says nothing, under a fresh time.
    """

    def __init__(
        self,
        book_text: Callable[[str], str],
        specs: Mapping[str, MarketSpec] | None = None,
        not_yet: Collection[str] = (),
        trades: Collection[Message] = (),
        winner: Callable[[MarketSpec], int | None] = lambda _spec: None,
        *,
        touch: Callable[[str], tuple[str, str]],
        ghost_text: Callable[[str], str],
    ) -> None:
        """``trades`` are prints, oldest first; ``winner`` is the index of what came true."""
        self._book_text = book_text
        self._specs = specs or {}
        self._not_yet = not_yet
        self._trades = trades
        self._winner = winner
        self._touch = touch
        self._ghost_text = ghost_text
        super().__init__(
            (
                web.get("/book", self._book),
                web.post("/books", self._books),
                web.post("/prices", self._best_prices),
                web.get("/clob-markets/{condition}", self._market),
                web.get("/markets/{condition}", self._whole_market),
                web.get("/prices-history", self._prices),
                web.get("/time", self._time),
                *(web.get(path, self._refuse) for path in _POST_ONLY),
            )
        )

    def _text_of(self, asset_id: str) -> str:
        """A book, or what is told in its place; ``KeyError`` for one that is not known."""
        text = self._book_text(asset_id)
        return self._ghost_text(asset_id) if self.faults.is_ghost(asset_id) else text

    async def _book(self, request: web.Request) -> web.Response:
        try:
            (asset_id,) = self.faults.given([request.query.get("token_id", "")]) or [""]
            return json_answer(self._text_of(asset_id))
        except KeyError:
            return json_answer(_MISSING, 404)

    async def _books(self, request: web.Request) -> web.Response:
        try:
            wanted: Any = json.loads(await request.text())
            asset_ids = [str(entry["token_id"]) for entry in wanted]
        except (ValueError, KeyError, TypeError):
            return json_answer(_BAD, 400)
        if len(asset_ids) > _BOOKS_MAX:
            return json_answer(_TOO_MANY, 400)
        books = []
        for asset_id in self.faults.given(asset_ids):
            try:
                books.append(self._text_of(asset_id))
            except KeyError:
                continue  # the venue leaves out what it does not know
        return json_answer(f"[{','.join(books)}]")

    async def _best_prices(self, request: web.Request) -> web.Response:
        """Best prices by asset: ``BUY`` is the best bid, ``SELL`` the best ask."""
        found: dict[str, dict[str, str]] = {}
        try:
            for entry in json.loads(await request.text()):
                asset_id, side = str(entry["token_id"]), str(entry.get("side", "SELL"))
                bid, ask = self._touch(asset_id)
                found.setdefault(asset_id, {})[side] = bid if side == "BUY" else ask
        except (ValueError, KeyError, TypeError, AttributeError):
            return json_answer(_BAD, 400)
        return json_answer(json.dumps(found))

    async def _market(self, request: web.Request) -> web.Response:
        condition = request.match_info["condition"]
        if condition not in self._specs or condition in self._not_yet:
            return json_answer(_UNKNOWN, 404)
        spec = self._specs[condition]
        tokens = zip(spec.asset_ids, spec.outcomes, strict=True)
        body = {
            "c": condition,
            "t": [{"t": token, "o": outcome} for token, outcome in tokens],
            "mts": float(PRICE_TEXT[spec.tick]),
            "mos": float(spec.min_order_size),
            "fd": {"r": float(spec.fee_rate), "e": spec.fee_exponent, "to": True},
            "ao": True,
            "cbos": True,
        }
        return json_answer(json.dumps(body | ({"nr": True} if spec.neg_risk else {})))

    async def _whole_market(self, request: web.Request) -> web.Response:
        condition = request.match_info["condition"]
        if condition not in self._specs or condition in self._not_yet:
            return json_answer(_UNKNOWN, 404)
        spec = self._specs[condition]
        won = self._winner(spec)
        body = {
            "condition_id": condition,
            "closed": won is not None,
            "accepting_orders": won is None,
            "tokens": [
                {"token_id": token, "outcome": outcome, "price": 0.5, "winner": at == won}
                for at, (token, outcome) in enumerate(
                    zip(spec.asset_ids, spec.outcomes, strict=True)
                )
            ],
        }
        return json_answer(json.dumps(body))

    async def _prices(self, request: web.Request) -> web.Response:
        query, now_s = request.query, int(time.time())
        numbers = (query.get(name, "") for name in ("startTs", "endTs", "fidelity"))
        try:
            start_s, end_s, minutes = map(int, numbers)
        except ValueError:
            return json_answer(_BAD, 400)
        last: dict[int, float] = {}
        for message in self._trades:
            told = json.loads(message.text(message.mask))
            at_s = message.ts_ms // 1_000
            if told["asset_id"] == query.get("market") and start_s <= at_s <= end_s:
                last[at_s // (minutes * 60)] = float(told["price"])
        points = [{"t": number * minutes * 60, "p": price} for number, price in last.items()]
        now = [{"t": now_s, "p": points[-1]["p"]}] if points else []
        return json_answer(json.dumps({"history": points + now}))

    async def _refuse(self, _request: web.Request) -> web.Response:
        return json_answer(_BAD, 400)

    async def _time(self, request: web.Request) -> web.Response:
        return json_answer(str(int(time.time())))
