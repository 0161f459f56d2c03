"""The REST side of the simulated Polymarket: books on request, in the key order that is hashed.

Needs aiohttp. ``GET /book?token_id=``, ``POST /books``, ``GET /time``; answers are the venue's
books of this moment, unless a ``ghost`` fault says otherwise.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from bookfeed.sim.rest import RestBase, json_answer

_MISSING: Final = '{"error":"No orderbook exists for the requested token id"}'
_BAD: Final = '{"error":"Invalid payload"}'


class RestServer(RestBase):
    """Serves ``book_text(asset_id)``, which raises ``KeyError`` for an unknown asset."""

    def __init__(self, book_text: Callable[[str], str]) -> None:
        self._book_text = book_text
        super().__init__(
            (
                web.get("/book", self._book),
                web.post("/books", self._books),
                web.get("/time", self._time),
            )
        )

    async def _book(self, request: web.Request) -> web.Response:
        try:
            return json_answer(self._book_text(request.query.get("token_id", "")))
        except KeyError:
            return json_answer(_MISSING, 404)

    async def _books(self, request: web.Request) -> web.Response:
        try:
            wanted: Any = json.loads(await request.text())
            asset_ids = [str(entry["token_id"]) for entry in wanted]
        except (ValueError, KeyError, TypeError):
            return json_answer(_BAD, 400)
        books = []
        for asset_id in asset_ids:
            try:
                books.append(self._book_text(asset_id))
            except KeyError:
                continue  # the venue leaves out what it does not know
        return json_answer(f"[{','.join(books)}]")

    async def _time(self, request: web.Request) -> web.Response:
        return json_answer(str(int(time.time())))
