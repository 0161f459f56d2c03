"""What any simulated venue needs to serve on loopback: a socket, a pace, an orderly end.

A server lets its markets step at ``rate`` frames a second over all connections while anyone is
subscribed. It listens on loopback and refuses to do otherwise.
"""

import asyncio
import ipaddress
import logging
import os
import signal
import ssl
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from bookfeed.sim.beside import ANSWERS, ELSEWHERE, HANDSHAKES, PAGE, status_of
from bookfeed.sim.certificates import SimTls
from bookfeed.sim.faults import Injector, Mishap
from bookfeed.sim.gate import NO_TLS, Gates
from bookfeed.sim.peer import Peer

if TYPE_CHECKING:
    # It needs aiohttp, which a server without REST does without.
    from bookfeed.sim.rest_faults import RestFaults

# Steps of one turn of the loop when nothing paces them: enough to fill a few socket writes.
_STEPS_PER_TURN: Final = 64
# When the pace cannot be kept, what is owed beyond this much time is forgiven.
_DEBT_S_MAX: Final = 0.1
_IDLE_S_MAX: Final = 0.02
NS_PER_MS: Final = 1_000_000
TRADES_MAX: Final = 5_000
"""How many prints a venue remembers."""

_log = logging.getLogger("bookfeed.sim")


class Listening(Protocol):
    """What a server's configuration says about where and how fast it serves."""

    @property
    def host(self) -> str:
        """A loopback address."""

    @property
    def port(self) -> int:
        """WebSocket port; 0 picks a free one."""

    @property
    def rest_port(self) -> int:
        """REST port; 0 picks a free one."""

    @property
    def rest(self) -> bool:
        """Whether to serve REST, if aiohttp is installed."""

    @property
    def rate(self) -> float:
        """Frames a second over all connections; 0 as fast as the clients read."""

    @property
    def faults(self) -> Sequence[Mishap]:
        """What is to go wrong."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """Encrypts both ports; a ``SimTls`` of its own where faults of TLS may come."""


class RestService(Protocol):
    """The REST side of a simulated venue."""

    url: str
    requests: int

    @property
    def faults(self) -> "RestFaults":
        """What goes wrong with its answers."""

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listens."""

    async def close(self) -> None:
        """Stops listening."""


def check_listening(config: Listening) -> None:
    """Raises ``ValueError`` for an address that is not loopback, for a rate that cannot be, and for
    faults of TLS where there is none of the simulator's own.
    """
    if config.rate < 0:
        raise ValueError(f"rate must be 0 or more frames a second, not {config.rate}")
    if not isinstance(config.tls, SimTls) and any(one.kind == "tls" for one in config.faults):
        raise ValueError(f"fault tls {NO_TLS}")
    if not _is_loopback(config.host):
        raise ValueError(
            f"the simulator listens on loopback only (127.0.0.1, ::1, localhost), "
            f"not on {config.host!r}"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


C = TypeVar("C", bound=Peer)


class VenueServer(ABC, Generic[C]):
    """A running simulator of some venue, serving clients of type ``C``."""

    WS_PATH: str
    """Where the WebSocket is."""
    ANSWERS_PINGS = True
    """Whether pings are answered without a client's end hearing of them."""
    injector: Injector[Any, Any]
    """What goes wrong, and when."""

    def __init__(self, listening: Listening) -> None:
        self.url = ""
        self.rest_url: str | None = None
        self.frames_sent = 0
        """Frames meant for connections so far, first books and replies aside."""
        self.idle_s_max = _IDLE_S_MAX
        """How long paced markets rest at most before they look what is due."""
        self.refusing: HTTPStatus | None = None
        """With what handshakes are refused, whoever asks; ``None`` if they are not."""
        self._roused = False
        self._listening = listening
        # One address, so that one port is free on it.
        self._host = "127.0.0.1" if listening.host == "localhost" else listening.host
        self._clients: dict[int, C] = {}
        self._conns = 0
        self._awake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._server: asyncio.Server | None = None
        self._rest: RestService | None = None
        self._gates: Gates | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._clients)

    @property
    def connections_seen(self) -> int:
        """Clients connected so far; the next one gets this number."""
        return self._conns

    @property
    def rest_requests(self) -> int:
        """REST requests answered so far."""
        return self._rest.requests if self._rest else 0

    @property
    def rest_faults(self) -> "RestFaults":
        """What goes wrong with REST; ``RuntimeError`` where there is none."""
        if self._rest is None:
            raise RuntimeError("this simulator serves no REST")
        return self._rest.faults

    def rouse(self) -> None:
        """All markets move from now on, whether or not anybody is subscribed; not of spot venues,
        which are not polled.
        """
        self._roused = True
        self._follow()

    def block(self, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        """Ends every connection and refuses further ones, until ``refusing`` is ``None``."""
        self.refusing = status
        for client in list(self._clients.values()):
            client.close(1001, b"going away")

    def _admit(
        self, request: WSUpgradeRequest
    ) -> WSListener | WSUpgradeResponseWithListener | None:
        refusing = self.refusing
        for fault in self.injector.beside(HANDSHAKES, time.time_ns()):
            if fault.kind != "refuse":
                return WSUpgradeResponseWithListener(_instead(fault), None)
            refusing = status_of(fault.variant)
        if refusing is None:
            return self._accept(request)
        answer = WSUpgradeResponse.create_error_response(refusing, b"")
        return WSUpgradeResponseWithListener(answer, None)

    # life

    async def start(self) -> None:
        """Listens and starts the markets; ``OSError`` if a port cannot be had."""
        config = self._listening
        gates = self._gates = Gates(self.injector, self._host, config.tls)
        self._server = await ws_create_server(
            self._admit,
            self._host,
            gates.port_behind(config.port),
            ssl=config.tls,
            max_frame_size=1 << 24,
            enable_auto_pong=self.ANSWERS_PINGS,
        )
        port = self._server.sockets[0].getsockname()[1]
        name = f"[{self._host}]" if ":" in self._host else self._host
        port = await gates.before(port, config.port)
        self.url = f"{'wss' if config.tls else 'ws'}://{name}:{port}{self.WS_PATH}"
        if config.rest:
            await self._start_rest(gates)
        self._pump = asyncio.create_task(self._run(), name="bookfeed-sim")
        self._pump.add_done_callback(_report)

    async def _start_rest(self, gates: Gates) -> None:
        try:
            rest = self._make_rest()
        except ModuleNotFoundError as error:
            _log.warning("no REST: %s is not installed", error.name)
            return
        self._rest = rest
        rest.faults.scheduled = lambda: self.injector.beside(ANSWERS, time.time_ns())
        wanted = self._listening.rest_port
        await rest.start(self._host, gates.port_behind(wanted), self._listening.tls)
        port = urlsplit(rest.url).port or 0
        self.rest_url = rest.url.replace(f":{port}", f":{await gates.before(port, wanted)}", 1)

    async def stop_markets(self) -> None:
        """Nothing happens any more, while connections stay open."""
        if self._pump:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump

    async def close(self) -> None:
        """Closes every connection (1001) and stops listening."""
        await self.stop_markets()
        if self._server:
            self._server.close()
        for client in list(self._clients.values()):
            client.close(1001, b"going away")
        if self._gates:
            await self._gates.close()
        if self._rest:
            await self._rest.close()

    async def wait(self) -> None:
        """Returns when the markets stop: after ``close``, or by raising what broke them."""
        if self._pump:
            await asyncio.wait([self._pump])
            if not self._pump.cancelled():
                self._pump.result()

    # the hub of the connections

    def arrived(self, client: C) -> int:
        """Takes a client in; returns its number."""
        conn = self._conns
        self._conns += 1
        self._clients[conn] = client
        self._welcome(conn)
        return conn

    def left(self, client: C) -> None:
        """Forgets a client."""
        self._clients.pop(client.conn, None)
        self.joined(client)
        self.writable_changed()

    def writable_changed(self) -> None:
        """Opens or shuts the gate that unpaced markets wait at."""
        if any(client.paused for client in self._clients.values()):
            self._writable.clear()
        else:
            self._writable.set()

    def _set_awake(self, awake: bool) -> None:
        if awake:
            self._awake.set()
        else:
            self._awake.clear()

    # what each venue does in its own way

    def joined(self, client: C) -> None:
        """Is told when what ``client`` follows may have changed."""
        del client
        self._follow()

    @abstractmethod
    def _follow(self) -> None:
        """Brings the lists of who follows what up to date."""

    @abstractmethod
    def _accept(
        self, request: WSUpgradeRequest
    ) -> WSListener | WSUpgradeResponseWithListener | None:
        """Answers a handshake: a client, a refusal, or ``None`` where nothing is."""

    @abstractmethod
    def _make_rest(self) -> RestService:
        """The REST side; ``ModuleNotFoundError`` if aiohttp is not installed."""

    @abstractmethod
    def _welcome(self, conn: int) -> None:
        """Is told of a new connection by number."""

    @property
    @abstractmethod
    def _active(self) -> bool:
        """Whether any market still trades."""

    @abstractmethod
    def _due(self, now_ms: int) -> int:
        """Sends what was waiting for its time; returns how many frames that were."""

    @abstractmethod
    def _step(self, now_ms: int) -> int:
        """Lets a market step once; returns how many frames that sent."""

    # the markets

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        rate = self._listening.rate
        start_s, owed, since_ms = loop.time(), 0.0, _now_ms()
        while True:
            if not self._awake.is_set():
                await self._awake.wait()
                start_s, owed, since_ms = loop.time(), 0.0, _now_ms()
            if not rate:
                await self._writable.wait()
                now_ms = _now_ms()
                self.turn(now_ms, now_ms, _STEPS_PER_TURN)
                await asyncio.sleep(0 if self._active else _IDLE_S_MAX)
                continue
            now_s = loop.time()
            owed = min(owed + (now_s - start_s) * rate, max(1.0, rate * _DEBT_S_MAX))
            now_ms = max(since_ms, _now_ms())
            owed -= self.turn(since_ms, now_ms, owed)
            start_s, since_ms = now_s, now_ms
            await asyncio.sleep(min(self.idle_s_max, max(0.0, (1 - owed) / rate)))

    def turn(self, since_ms: int, now_ms: int, frames: float) -> int:
        """Lets the markets step until ``frames`` whole ones have gone out, evenly from one time in
        Unix milliseconds to another, and sends what is due by then; returns how many went out.

        So a server that was kept waiting sends late what happened meanwhile, and does not let it
        all happen in one millisecond, in which a book could come and go and come again.
        A step that sent nothing counts as one, so that silent markets do not run away.
        """
        whole = int(frames)
        sent = done = 0
        while done < whole:
            at_ms = since_ms + (now_ms - since_ms) * (done + 1) // whole
            step = self._due(at_ms) + self._step(at_ms)
            sent += step
            done += step or 1
        late = self._due(now_ms)
        sent, done = sent + late, done + late
        self.frames_sent += sent
        for client in list(self._clients.values()):
            client.flush()
        return done


def _instead(fault: Mishap) -> WSUpgradeResponse:
    """What a handshake is answered with that is neither taken nor refused."""
    if fault.kind == "redirect":
        moved: WSUpgradeResponse
        moved = WSUpgradeResponse.create_redirect_response(HTTPStatus.FOUND, ELSEWHERE)
        return moved
    html = {"Content-Type": "text/html; charset=utf-8"}
    page: WSUpgradeResponse
    page = WSUpgradeResponse.create_error_response(HTTPStatus.FORBIDDEN, PAGE.encode(), html)
    page.status = status_of(fault.variant)  # 200, too, which makes no error
    return page


def _now_ms() -> int:
    return time.time_ns() // NS_PER_MS


def _report(pump: asyncio.Task[None]) -> None:
    if not pump.cancelled() and (error := pump.exception()):
        _log.error("the simulated markets stopped", exc_info=error)


class Service(Protocol):
    """What is started, waited for and closed as one: a venue, or several."""

    async def start(self) -> None:
        """Listens; ``OSError`` if that cannot be."""

    async def close(self) -> None:
        """Stops listening."""

    async def wait(self) -> None:
        """Returns when it stops, or raises what broke it."""


S = TypeVar("S", bound=Service)


async def started(server: S) -> S:
    """Starts a server in the running event loop; ``OSError`` if it cannot listen."""
    try:
        await server.start()
    except BaseException:
        await server.close()
        raise
    return server


async def either(*services: Service) -> None:
    """Returns when one of several stops, or raises what broke it."""
    waits = [asyncio.create_task(one.wait()) for one in services]
    done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    for one in done:
        one.result()


def serve_until_told(
    serve: Callable[[], Awaitable[S]],
    ready_line: Callable[[S], str],
    *,
    exit_with_parent: bool = False,
) -> None:
    """Serves until SIGINT or SIGTERM; prints the ready line on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    main = _until_told(serve, ready_line, exit_with_parent)
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _until_told(
    serve: Callable[[], Awaitable[S]], ready_line: Callable[[S], str], exit_with_parent: bool
) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    server = await serve()
    print(ready_line(server), flush=True)
    if exit_with_parent:
        threading.Thread(target=_watch_stdin, args=(loop, told), daemon=True).start()
    ends = [asyncio.create_task(told.wait()), asyncio.create_task(server.wait())]
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await server.close()
    for end in ends:
        end.cancel()
    for end in done:
        end.result()


def _watch_stdin(loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> None:
    """Blocks in a thread of its own until stdin ends; signals cannot tell of that.

    It reads the descriptor: a buffered read would hold a lock that interpreter exit wants.
    """
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with suppress(RuntimeError):  # the loop may have closed first
        loop.call_soon_threadsafe(told.set)
