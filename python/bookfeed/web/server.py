"""``Server``: hands out what a feed tells over its socket, to browsers, bots and Prometheus.

It is a process of its own, so that nothing that happens here costs the feed more than a copy of its
records. Whatever is sent is made at ticks, once for all who want the same.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import WSCloseCode, WSMsgType, web

from bookfeed.errors import SessionError
from bookfeed.log import RateLimitedLog
from bookfeed.sinks.remote import RemoteFeed
from bookfeed.web import dashboard
from bookfeed.web.channels import Channels, Subscription, Unknown
from bookfeed.web.clients import COMMAND_BYTES_MAX, Client, Frame, Refused
from bookfeed.web.door import Door, Rules
from bookfeed.web.formats import as_asked, of_socket
from bookfeed.web.rest import Rest
from bookfeed.web.world import World

TICK_S: Final = 0.1
"""How often clients are told what is new."""
HANDSHAKE_S: Final = 5.0
"""How long a connection may take to say what it wants, and a client to show its token."""
CLOSE_S: Final = 2.0
"""How long a client that is closed may take to say that it has heard so."""
CLIENTS_MAX: Final = 20_000
"""Unless it is told otherwise, or has descriptors for fewer."""
SEND_BYTES: Final = 64 * 1024
"""What the system may keep of what is sent to one client."""
DESCRIPTORS_LEFT: Final = 64
"""Of the descriptors that the process may have, so many are no client's."""
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_OPEN: Final = frozenset({"/health", "/ready"})
"""What who watches over processes asks without a token; it tells nothing of books."""

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.web"))


class Server:
    """Serves the feed that listens at ``path`` (by default the user's own), as ``rules`` allow.

    At most ``clients_max`` connections are open at once; further ones are answered with 503.
    """

    message_bytes_max = COMMAND_BYTES_MAX
    """A longer message of a client ends its connection."""

    def __init__(
        self, rules: Rules, path: str | None = None, *, clients_max: int = CLIENTS_MAX
    ) -> None:
        self.clients_max = min(clients_max, _descriptors() - DESCRIPTORS_LEFT)
        self._rules: Final = rules
        self._door: Final = Door(rules)
        self.world: Final = World()
        self._channels: Final = Channels(self.world)
        self._remote: Final = RemoteFeed(
            path,
            on_batch=self.world.take,
            on_piece=self.world.take_piece,
            on_begin=lambda: self.world.begin(self._remote.names),
            on_lost=self._look,
        )
        self._rest: Final = Rest(self.world, self._channels, self._remote.book, self.counts)
        self._page: Final = tuple(dashboard.page())
        self._open: Final = _OPEN | {file.path for file in self._page}
        self._clients: Final[set[Client]] = set()
        self._cut = 0
        # Of clients that have left.
        self._left_out = 0
        self._silent: Final[dict[object, asyncio.TimerHandle]] = {}
        self._stood = True
        self._passed_s = 0.0
        """Seconds so far, without what the server was late."""
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> int:
        """Listen, and follow the feed; returns the port. ``SessionError`` if it is taken."""
        app = web.Application(middlewares=[self._let_in], client_max_size=COMMAND_BYTES_MAX)
        for route in self._rest.routes:
            app.router.add_get(route.path, route.handler)
        for file in self._page:
            app.router.add_get(file.path, file.handler)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/ws/arbitrage", self._arbitrage_socket)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(
                self._accepted, self._rules.host, self._rules.port, backlog=1_024
            )
        except OSError as error:
            await self._runner.cleanup()
            where = f"{self._rules.host}:{self._rules.port}"
            raise SessionError(f"cannot listen at {where}: {error.strerror or error}") from error
        port: int = self._listening.sockets[0].getsockname()[1]
        self._door.listens(port)
        self._tasks = [
            asyncio.create_task(self._remote.run(), name="bookfeed-remote"),
            asyncio.create_task(self._tick(), name="bookfeed-ticks"),
            asyncio.create_task(self._show_ladders(), name="bookfeed-ladders"),
        ]
        return port

    async def run(self) -> None:
        """Go on until cancelled; raises what ended it, such as a feed of another version."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Let go of everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        for client in tuple(self._clients):
            with contextlib.suppress(Exception):
                await client.socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()

    def counts(self) -> dict[str, float]:
        """What the server counts of itself."""
        return {
            "clients": len(self._clients),
            "clients_cut_total": self._cut,
            "messages_left_out_total": self._left_out + sum(c.dropped for c in self._clients),
            "trades_left_out_total": self.world.trades_dropped,
            "signals_left_out_total": self.world.signals_dropped,
            "requests_refused_total": self._door.refused,
            "updates_total": self.world.updates,
            "feed_conflated": self._remote.conflated,
            "feed_dropped": self._remote.dropped,
            "feed_attaches_total": self._remote.attaches,
        }

    # Connections.

    def _accepted(self) -> asyncio.BaseProtocol:
        """The protocol of a new connection, which is cut if it does not say what it wants."""
        assert self._runner is not None and self._runner.server is not None
        server = self._runner.server
        if len(server.connections) >= self.clients_max:
            return _Full()
        protocol = server()
        loop = asyncio.get_running_loop()
        self._silent[protocol] = loop.call_later(HANDSHAKE_S, self._abort, protocol)
        return protocol

    def _abort(self, protocol: Any) -> None:
        self._silent.pop(protocol, None)
        if protocol.transport is not None:
            protocol.transport.abort()

    @web.middleware
    async def _let_in(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        response: web.StreamResponse
        try:
            self._door.check(request)
            shown = self._door.shown(request)
            sockets = request.path.startswith("/ws")
            if not shown and sockets and not self._door.may_show_later(request):
                raise web.HTTPForbidden(text="show the token: Authorization: Bearer …")
            if not shown and not sockets and request.path not in self._open:
                raise web.HTTPUnauthorized(text="show the token: Authorization: Bearer …")
            response = as_asked(request, await handler(request))
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.text)
        if not response.prepared:
            response.headers.update(_HEADERS)
            # What comes after it on this connection would have no time limit.
            response.force_close()
        return response

    async def _arbitrage_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, [Subscription("arbitrage")])

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, [])

    async def _serve(self, request: web.Request, begin: list[Subscription]) -> web.StreamResponse:
        speaks = of_socket(request)
        opened = await self._upgraded(request)
        loop = asyncio.get_running_loop()
        client = Client(opened, request.transport, self._passed_s, speaks)
        try:
            if not self._door.shown(request):
                await self._await_token(client, request.remote or "")
            self._clients.add(client)
            for wanted in begin:
                self._channels.subscribe(client, wanted)
            async for message in opened:
                client.heard(self._passed_s)
                if message.type == WSMsgType.PING:
                    await opened.pong(message.data)
                    continue
                if message.type == WSMsgType.PONG:
                    continue
                if message.type != WSMsgType.TEXT:
                    raise Refused(WSCloseCode.UNSUPPORTED_DATA, "text alone is taken")
                self._obey(client, client.command(message.data, loop.time()))
            await self._answer_close(opened)
        except Refused as refused:
            await opened.close(code=refused.code, message=refused.reason.encode())
        finally:
            if client in self._clients:
                self._clients.remove(client)
                self._left_out += client.dropped
            self._channels.gone(client)
            client.leave()
        return opened

    async def _upgraded(self, request: web.Request) -> web.WebSocketResponse:
        """The connection as a WebSocket."""
        opened = web.WebSocketResponse(
            timeout=CLOSE_S,
            max_msg_size=self.message_bytes_max,
            autoping=False,
            autoclose=False,
            protocols=("bookfeed",),
        )
        await opened.prepare(request)
        _bound(request)
        return opened

    async def _answer_close(self, opened: web.WebSocketResponse) -> None:
        """Answer a client that closes; aiohttp lets a code pass that no frame may have."""
        bad = opened.close_code == WSCloseCode.ABNORMAL_CLOSURE
        await opened.close(code=WSCloseCode.PROTOCOL_ERROR if bad else WSCloseCode.OK)

    async def _await_token(self, client: Client, remote: str) -> None:
        """A page shows the token in its first message; raises ``Refused`` if it does not."""
        loop = asyncio.get_running_loop()
        try:
            text = await client.socket.receive_str(timeout=HANDSHAKE_S)
        except (TimeoutError, TypeError) as error:
            raise Refused(WSCloseCode.POLICY_VIOLATION, "no token came") from error
        said = client.command(text, loop.time())
        if said.get("op") != "auth" or not self._door.fits(said.get("token"), remote):
            raise Refused(WSCloseCode.POLICY_VIOLATION, "a wrong token")

    def _obey(self, client: Client, said: dict[str, Any]) -> None:
        """Do what a client asks for; what it may not ask for is answered with an error."""
        number = said.get("id")
        try:
            operation = said.get("op")
            if operation == "ping":
                client.send(Frame({"type": "pong", "id": number}), None)
                return
            if operation not in ("subscribe", "unsubscribe"):
                raise Unknown("op is one of subscribe, unsubscribe, ping")
            wanted = Subscription.of(said)
            told = {"type": f"{operation}d", "id": number, **wanted.told()}
            client.send(Frame(told), None)
            if operation == "subscribe":
                self._channels.subscribe(client, wanted)
            else:
                self._channels.unsubscribe(client, wanted)
        except Unknown as error:
            client.send(Frame({"type": "error", "id": number, "error": str(error)}), None)

    # Time.

    def _look(self) -> None:
        """Whether the feed is heard; if that is new, clients are told at the next tick."""
        heard = self._remote.heard
        feed = "heard" if heard else "silent" if self._remote.attached else "lost"
        if self.world.stand(feed):  # type: ignore[arg-type]
            self._stood = False
            _log.warning(feed, "the feed is %s", feed)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._look()
            now_s = loop.time()
            stood, self._stood = self._stood, True
            self._channels.tick(stands=stood)
            for client in tuple(self._clients):
                if client.lost(self._passed_s):
                    self._cut += 1
            await asyncio.sleep(max(TICK_S - (loop.time() - now_s), 0.005))
            self._passed_s += min(loop.time() - now_s, 2 * TICK_S)

    async def _show_ladders(self) -> None:
        """Ladders that somebody follows are asked of the feed a few times a second."""
        while True:
            for wanted in self._channels.ladders():
                number = self.world.instrument(wanted.venue, wanted.symbol)
                book = None
                if number is not None and self.world.feed == "heard":
                    with contextlib.suppress(SessionError):
                        book = await self._remote.book(number, wanted.depth)
                self._channels.tell_ladder(wanted, book)
            await asyncio.sleep(0.25)


def _descriptors() -> int:
    """How many descriptors the process may have: from now on as many as it may ask for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _bound(request: web.Request) -> None:
    """Have the system keep little for a client that reads nothing; by itself it takes megabytes."""
    if request.transport is not None:
        wire = request.transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)


class _Full(asyncio.Protocol):
    """Answers a connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so, and let go."""
        # Not asked whether it is one: uvloop's are no subclass of asyncio's.
        writing = cast(asyncio.WriteTransport, transport)
        writing.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        transport.close()
