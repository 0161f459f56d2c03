"""The private channel of a simulated account on loopback, and the REST calls beside it.

Messages go to whoever has subscribed; those that are lost on the way are lost for good, as they are
out there. Needs aiohttp.
"""

import asyncio
import contextlib
from collections.abc import Callable

from aiohttp import WSMsgType, web

from bookfeed.sim.account import SimAccount
from bookfeed.sim.rest import RestBase, json_answer


class PrivateServer(RestBase):
    """Serves one account; ``rate`` is how many steps a second it takes, 0 for none by itself."""

    def __init__(self, account: SimAccount, *, ws_path: str, rest_path: str, rate: float) -> None:
        super().__init__(
            [
                web.get(ws_path, self._socket),
                web.get(f"{rest_path}/{{tail:.*}}", self._asked),
            ]
        )
        self.account = account
        self.muted = False
        """Whether messages are lost although connections stay."""
        self.refused = 0
        """Connections and requests with wrong credentials."""
        self.connections = 0
        """Connections so far."""
        self._ws_path, self._rest_path, self._rate = ws_path, rest_path, rate
        self._sockets: set[web.WebSocketResponse] = set()
        self._subscribed: set[web.WebSocketResponse] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def ws_url(self) -> str:
        """Address of the channel."""
        return self.url.replace("http", "ws", 1) + self._ws_path

    @property
    def rest_url(self) -> str:
        """Address of the REST calls."""
        return self.url + self._rest_path

    async def begin(self) -> None:
        """Listen on loopback, and let the account trade."""
        await self.start("127.0.0.1", 0, None)
        if self._rate:
            self._task = asyncio.get_running_loop().create_task(self._trade())

    async def end(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.drop()
        await self.close()

    async def drop(self) -> None:
        """End every connection."""
        await asyncio.gather(*(socket.close() for socket in list(self._sockets)))

    async def step(self, steps: int = 1) -> None:
        """Let things happen, and tell of them."""
        for _ in range(steps):
            for message in self.account.step():
                await self.tell(message)

    async def tell(self, message: str) -> None:
        """Send a message to whoever has subscribed."""
        for socket in list(self._subscribed):
            if not self.muted:
                with contextlib.suppress(ConnectionError):
                    await socket.send_str(self.framed(socket, message))

    async def _trade(self) -> None:
        while True:
            await asyncio.sleep(1 / self._rate)
            await self.step()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        denied = self.denied(request)
        if denied is not None:
            self.refused += 1
            return denied
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self._sockets.add(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._received(socket, message.data)
        finally:
            self._sockets.discard(socket)
            self._subscribed.discard(socket)
        return socket

    async def _received(self, socket: web.WebSocketResponse, text: str) -> None:
        answers, subscribes = self.received(text)
        if subscribes:
            self._subscribed.add(socket)
        if answers is None:
            self.refused += 1
            await socket.close()
            return
        for answer in answers:
            await socket.send_str(answer)

    async def _asked(self, request: web.Request) -> web.Response:
        if not self.signed(request):
            self.refused += 1
            return json_answer('{"error":"Unauthorized/Invalid api key"}', 401)
        target = request.path_qs.removeprefix(self._rest_path)
        status, body = self.answer(target)
        return json_answer(body, status)

    # What a venue's has of its own.

    answer: Callable[[str], tuple[int, str]]
    """Status and body of a GET."""

    def denied(self, request: web.Request) -> web.Response | None:
        """The answer to a handshake that is refused; ``None`` if it is in order."""
        return None

    def signed(self, request: web.Request) -> bool:
        """Whether a request is signed as it should be."""
        raise NotImplementedError

    def received(self, text: str) -> tuple[list[str] | None, bool]:
        """Answers to a frame, ``None`` to end the connection, and whether it subscribes."""
        raise NotImplementedError

    def framed(self, socket: web.WebSocketResponse, message: str) -> str:
        """A message of the account's as this connection gets it."""
        return message
