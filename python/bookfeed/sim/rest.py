"""The REST side of the simulated venue: books on request, in the key order that is hashed.

Needs aiohttp. ``GET /book?token_id=``, ``POST /books``, ``GET /time``; answers are the venue's
books of this moment, unless a ``ghost`` fault says otherwise.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

_SHUTDOWN_S: Final = 1.0
_MISSING: Final = '{"error":"No orderbook exists for the requested token id"}'
_BAD: Final = '{"error":"Invalid payload"}'


class RestBase:
    """Serves ``routes``, paths and their handlers, and counts what it answers."""

    def __init__(self, routes: Iterable[web.RouteDef]) -> None:
        app = web.Application(middlewares=[self._count])
        app.router.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        self.url = ""
        self.requests = 0
        """Requests answered so far."""

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        return await handler(request)

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


def json_answer(body: str, status: int = 200) -> web.Response:
    """A response whose body is JSON text."""
    return web.Response(text=body, status=status, content_type="application/json")
