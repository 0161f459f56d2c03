"""The REST side of any simulated venue: routes on loopback, answers counted.

Needs aiohttp.
"""

import ssl
from collections.abc import Iterable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from bookfeed.sim.rest_faults import RestFaults

_SHUTDOWN_S: Final = 1.0


class RestBase:
    """Serves ``routes``, paths and their handlers, and counts what it answers."""

    def __init__(self, routes: Iterable[web.RouteDef]) -> None:
        app = web.Application(middlewares=[self._count])
        app.router.add_routes(routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        self.url = ""
        self.requests = 0
        """Requests answered so far."""
        self.faults: Final = RestFaults()
        """What goes wrong with them."""

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        return await self.faults.answer(request, handler)

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


def json_answer(body: str, status: int = 200) -> web.Response:
    """A response whose body is JSON text."""
    return web.Response(text=body, status=status, content_type="application/json")
