"""A simulated relay on loopback: sessions on sockets, told the time ten times a second."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from picows import WSListener, WSTransport, WSUpgradeRequest, ws_create_server

from bookfeed.sim.entry import OptionError, Options
from bookfeed.sim.faults import Mishap
from bookfeed.sim.peer import Peer
from bookfeed.sim.relay_prices import Prices
from bookfeed.sim.server import Listening, check_listening, serve_until_told, started

_TURN_S: Final = 0.05
_NS_PER_MS: Final = 1_000_000


class RelaySession(Protocol):
    """The relay's end of one connection; times in Unix milliseconds."""

    def greeting(self) -> list[str]:
        """What is said first."""

    def receive(self, text: str, now_ms: int) -> list[str]:
        """What a client says, and the answers."""

    def tick(self, now_ms: int) -> list[str]:
        """What is to be told by now."""


@dataclass(frozen=True, slots=True)
class RelaySimConfig:
    """Where a simulated relay listens, and the seed of its truth."""

    host: str = "127.0.0.1"
    port: int = 0
    rest_port: int = 0
    rest: bool = False
    rate: float = 0.0
    tls: ssl.SSLContext | None = None
    faults: tuple[Mishap, ...] = ()
    """None: tests give a relay its faults."""
    seed: int = 1
    late: bool = False
    """Whether values come as late as they were seen to; else as soon as their second is over."""

    def __post_init__(self) -> None:
        check_listening(_listening(self))


def _listening(config: RelaySimConfig) -> Listening:
    return config


def configured(options: Options) -> RelaySimConfig:
    """The configuration that fits what is asked for; ``OptionError`` for what cannot be."""
    options.variant_of(())
    options.only_mirrored("a relay has no markets")
    if options.rest_port:
        raise OptionError("--rest-port", options.rest_port, "a relay has no REST side")
    if options.faults:
        raise OptionError("--fault", options.faults[0], "tests give a relay its faults")
    if options.plan is not None:
        raise OptionError("--faults", options.plan.path, "tests give a relay its faults")
    return RelaySimConfig(port=options.port, seed=options.seed, tls=options.tls)


class RelayClient(Peer):
    """The server's end of one connection."""

    def __init__(self, server: "RelaySimServer") -> None:
        super().__init__(server)
        self._server = server
        self.session: RelaySession

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service and greets it."""
        super().on_ws_connected(transport)
        self.session = self._server.session(self.conn, now_ms())
        self.tell(self.session.greeting())

    def _receive(self, text: bytes) -> None:
        self._server.heard.append(text.decode())
        self.tell(self.session.receive(text.decode(), now_ms()))

    def tell(self, frames: list[str]) -> None:
        """Sends frames, then closes if the session is to be."""
        for frame in frames:
            self._queue(frame.encode())
        self.flush()
        code = getattr(self.session, "closing", 0)
        if code:
            self.close(code, b"")


class RelaySimServer:
    """A running simulator. ``sessions`` makes the other side of connection ``n``, from 0."""

    def __init__(
        self,
        name: str,
        config: RelaySimConfig,
        sessions: Callable[[Prices, int, int], RelaySession],
        path: str = "/",
    ) -> None:
        self.name = name
        self.config = config
        self.prices = Prices(config.seed)
        self.url = ""
        self.connections_seen = 0
        self.heard: list[str] = []
        """What clients said."""
        self._path = path
        self._sessions = sessions
        self._clients: dict[int, RelayClient] = {}
        self._server: asyncio.Server | None = None
        self._pump: asyncio.Task[None] | None = None

    def session(self, conn: int, opened_ms: int) -> RelaySession:
        """The relay's end of connection ``conn``."""
        return self._sessions(self.prices, conn, opened_ms)

    async def start(self) -> None:
        """Listens; ``OSError`` if that cannot be."""
        config = self.config
        self._server = await ws_create_server(
            self._accept, config.host, config.port, ssl=config.tls, enable_auto_pong=True
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'wss' if config.tls else 'ws'}://{config.host}:{port}{self._path}"
        self._pump = asyncio.create_task(self._run(), name="bookfeed-sim-relay")

    def _accept(self, request: WSUpgradeRequest) -> WSListener | None:
        return RelayClient(self) if request.path.decode() == self._path else None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TURN_S)
            at_ms = now_ms()
            for client in list(self._clients.values()):
                if client.open:
                    client.tell(client.session.tick(at_ms))

    async def close(self) -> None:
        """Stops listening, and closes every connection."""
        if self._pump is not None:
            self._pump.cancel()
        if self._server is not None:
            self._server.close()
        for client in list(self._clients.values()):
            client.close(1001, b"going away")

    async def wait(self) -> None:
        """Returns when it stops."""
        if self._pump is not None:
            await asyncio.wait([self._pump])
            if not self._pump.cancelled():
                self._pump.result()

    def drop(self) -> None:
        """Hangs up on everybody, without a word."""
        for client in list(self._clients.values()):
            client.reset()

    def arrived(self, client: Any) -> int:
        """Takes in a client; returns its number."""
        conn, self.connections_seen = self.connections_seen, self.connections_seen + 1
        self._clients[conn] = client
        return conn

    def left(self, client: Any) -> None:
        """Forgets a client."""
        self._clients.pop(client.conn, None)

    def writable_changed(self) -> None:
        """Nothing waits for that: what is told is little."""


def now_ms() -> int:
    """The wall clock, in Unix milliseconds."""
    return time.time_ns() // _NS_PER_MS


def ready_line(server: RelaySimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps({"venue": server.name, "ws": server.url, "rest": None, "markets": []})


def run_blocking(made: Callable[[], RelaySimServer], *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM, or with ``exit_with_parent`` the end of stdin."""
    serve_until_told(lambda: started(made()), ready_line, exit_with_parent=exit_with_parent)
