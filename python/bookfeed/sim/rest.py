"""The REST side of the simulated venue: books on request, in the key order that is hashed.

Needs aiohttp. ``GET /book?token_id=``, ``POST /books``, ``GET /time``; answers are the venue's
books of this moment, unless a ``ghost`` fault says otherwise.
"""

import json
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

_SHUTDOWN_S: Final = 1.0
_MISSING: Final = '{"error":"No orderbook exists for the requested token id"}'
_BAD: Final = '{"error":"Invalid payload"}'


class RestServer:
    """Serves ``book_text(asset_id)``, which raises ``KeyError`` for an unknown asset."""

    def __init__(self, book_text: Callable[[str], str]) -> None:
        self._book_text = book_text
        app = web.Application()
        app.router.add_get("/book", self._book)
        app.router.add_post("/books", self._books)
        app.router.add_get("/time", self._time)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        self.url = ""
        self.requests = 0
        """Requests answered so far."""

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listens; port 0 picks a free one. ``OSError`` if it cannot."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls).start()
        bound = self._runner.addresses[0][1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{name}:{bound}"

    async def close(self) -> None:
        """Stops listening and ends what is open."""
        await self._runner.cleanup()

    async def _book(self, request: web.Request) -> web.Response:
        self.requests += 1
        try:
            return _json(self._book_text(request.query.get("token_id", "")))
        except KeyError:
            return _json(_MISSING, 404)

    async def _books(self, request: web.Request) -> web.Response:
        self.requests += 1
        try:
            wanted: Any = json.loads(await request.text())
            asset_ids = [str(entry["token_id"]) for entry in wanted]
        except (ValueError, KeyError, TypeError):
            return _json(_BAD, 400)
        books = []
        for asset_id in asset_ids:
            try:
                books.append(self._book_text(asset_id))
            except KeyError:
                continue  # the venue leaves out what it does not know
        return _json(f"[{','.join(books)}]")

    async def _time(self, request: web.Request) -> web.Response:
        self.requests += 1
        return _json(str(int(time.time())))


def _json(body: str, status: int = 200) -> web.Response:
    return web.Response(text=body, status=status, content_type="application/json")
