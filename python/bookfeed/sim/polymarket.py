"""Polymarket's market channel and book REST calls, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(SimConfig(markets=3, rate=500))
    ...  # connect to server.url, subscribe to server.markets[0].asset_ids
    await server.close()

Markets move only while somebody is subscribed to them. Everything a client may be shown can be
checked against ``server.truth``. It listens on loopback and refuses to do otherwise.
"""

import asyncio
import ipaddress
import json
import logging
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from picows import WSUpgradeRequest, ws_create_server

from bookfeed.sim.connection import Client
from bookfeed.sim.faults import Fault, FaultEvent, FaultInjector
from bookfeed.sim.market import Market
from bookfeed.sim.truth import Truth
from bookfeed.sim.venue import SimVenue, VenueConfig
from bookfeed.sim.wire import Message

if TYPE_CHECKING:
    from bookfeed.sim.rest import RestServer

WS_PATH: Final = "/ws/market"

# Steps of one turn of the loop when nothing paces them: enough to fill a few socket writes.
_STEPS_PER_TURN: Final = 64
# When the pace cannot be kept, what is owed beyond this much time is forgiven.
_DEBT_S_MAX: Final = 0.1
_IDLE_S_MAX: Final = 0.02
_NS_PER_MS: Final = 1_000_000

_log = logging.getLogger("bookfeed.sim")


@dataclass(frozen=True, slots=True)
class SimConfig(VenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[Fault, ...] = ()
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        VenueConfig.__post_init__(self)
        if self.rate < 0:
            raise ValueError(f"rate must be 0 or more frames a second, not {self.rate}")
        if not _is_loopback(self.host):
            raise ValueError(
                f"the simulator listens on loopback only (127.0.0.1, ::1, localhost), "
                f"not on {self.host!r}"
            )


class MarketListing(NamedTuple):
    """A market as a client needs to know it; decimals as printed."""

    condition_id: str
    asset_ids: tuple[str, str]
    question: str
    fee_rate: str
    fee_exponent: int
    outcomes: tuple[str, str]
    tick_size: str
    min_order_size: str
    neg_risk: bool

    def as_json(self) -> dict[str, Any]:
        """The form of the line that ``run_blocking`` prints."""
        pairs = zip(self.outcomes, self.asset_ids, strict=True)
        return {
            "market": self.condition_id,
            "question": self.question,
            "outcomes": [{"name": name, "asset": asset} for name, asset in pairs],
            "tick_size": self.tick_size,
            "min_order_size": self.min_order_size,
            "neg_risk": self.neg_risk,
            "fee_rate": self.fee_rate,
            "fee_exponent": self.fee_exponent,
        }


class SimServer:
    """A running simulator; made by ``serve``."""

    def __init__(self, config: SimConfig) -> None:
        now_ns = time.time_ns()
        self.config = config
        self.venue = SimVenue(config, now_ns // _NS_PER_MS)
        self.injector = FaultInjector(config.faults, config.seed, now_ns)
        self.url = ""
        self.rest_url: str | None = None
        self.frames_sent = 0
        """Frames meant for connections so far, initial books and bare texts aside."""
        # One address, so that one port is free on it.
        self._host = "127.0.0.1" if config.host == "localhost" else config.host
        self._clients: dict[int, Client] = {}
        self._conns = 0
        self._audience: dict[int, list[Client]] = {}
        self._among: list[Market] = []
        self._awake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._server: asyncio.Server | None = None
        self._rest: RestServer | None = None
        self._pump: asyncio.Task[None] | None = None

    # what tests and callers ask

    @property
    def markets(self) -> list[MarketListing]:
        """Every market, with its tick size of this moment."""
        return [
            MarketListing(
                market.spec.condition_id,
                market.spec.asset_ids,
                market.spec.question,
                market.spec.fee_rate,
                market.spec.fee_exponent,
                market.spec.outcomes,
                market.tick_text,
                market.spec.min_order_size,
                market.spec.neg_risk,
            )
            for market in self.venue.markets
        ]

    @property
    def truth(self) -> Truth:
        """The true books; ``truth(asset_id)`` is one of them."""
        return self.venue.truth

    @property
    def fault_log(self) -> list[FaultEvent]:
        """What went wrong so far, in order."""
        return self.injector.log

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

    def inject(self, fault: Fault) -> None:
        """Adds a fault to the schedule; ``at_s`` still counts from the start."""
        self.injector.add(fault)

    # life

    async def start(self) -> None:
        """Listens and starts the markets; ``OSError`` if a port cannot be had."""
        config = self.config
        self._server = await ws_create_server(
            self._accept, self._host, config.port, ssl=config.tls, max_frame_size=1 << 24
        )
        port = self._server.sockets[0].getsockname()[1]
        name = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"{'wss' if config.tls else 'ws'}://{name}:{port}{WS_PATH}"
        if config.rest:
            await self._start_rest()
        self._pump = asyncio.create_task(self._run(), name="bookfeed-sim")
        self._pump.add_done_callback(_report)

    async def _start_rest(self) -> None:
        try:
            from bookfeed.sim.rest import RestServer
        except ModuleNotFoundError as error:
            _log.warning("no REST: %s is not installed", error.name)
            return
        self._rest = RestServer(self._book_text)
        await self._rest.start(self._host, self.config.rest_port, self.config.tls)
        self.rest_url = self._rest.url

    async def close(self) -> None:
        """Closes every connection (1001) and stops listening."""
        if self._pump:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
        if self._server:
            self._server.close()
        for client in list(self._clients.values()):
            client.close(1001, b"going away")
        if self._rest:
            await self._rest.close()

    async def wait(self) -> None:
        """Returns when the markets stop: after ``close``, or by raising what broke them."""
        if self._pump:
            await asyncio.wait([self._pump])
            if not self._pump.cancelled():
                self._pump.result()

    # the hub of the connections

    def _accept(self, request: WSUpgradeRequest) -> Client | None:
        if request.path.split(b"?")[0] != WS_PATH.encode():
            return None
        return Client(self, time.time_ns)

    def arrived(self, client: Client) -> int:
        """Takes a client in; returns its number."""
        conn = self._conns
        self._conns += 1
        self._clients[conn] = client
        self.injector.connected(conn)
        return conn

    def joined(self, client: Client) -> None:
        """Brings the lists of who follows what up to date."""
        self._audience = {}
        for one in self._clients.values():
            for market in one.masks:
                self._audience.setdefault(market, []).append(one)
        self._among = [self.venue.markets[index] for index in sorted(self._audience)]
        if not self._among and any(one.custom for one in self._clients.values()):
            self._among = self.venue.markets
        if self._among:
            self._awake.set()
        else:
            self._awake.clear()

    def left(self, client: Client) -> None:
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

    def _book_text(self, asset_id: str) -> str:
        if self.injector.ghost(asset_id, time.time_ns()):
            return self.venue.ghost_book(asset_id)
        return self.venue.rest_book(asset_id)

    # the markets

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        rate = self.config.rate
        start_s, owed = loop.time(), 0.0
        while True:
            if not self._awake.is_set():
                await self._awake.wait()
                start_s, owed = loop.time(), 0.0
            if not rate:
                await self._writable.wait()
                self._turn(_STEPS_PER_TURN)
                await asyncio.sleep(0 if self.venue.active else _IDLE_S_MAX)
                continue
            now_s = loop.time()
            owed = min(owed + (now_s - start_s) * rate, max(1.0, rate * _DEBT_S_MAX))
            start_s = now_s
            owed -= self._turn(owed)
            await asyncio.sleep(min(_IDLE_S_MAX, max(0.0, (1 - owed) / rate)))

    def _turn(self, frames: float) -> int:
        """Lets the markets step until ``frames`` whole ones have gone out; returns how many did.

        A step that sent nothing counts as one, so that silent markets do not run away.
        """
        venue = self.venue
        now_ms = time.time_ns() // _NS_PER_MS
        done = self._publish(venue.due(now_ms))
        while done < int(frames):
            done += self._publish(venue.step(now_ms, self._among)) or 1
        for client in list(self._clients.values()):
            client.flush()
        return done

    def _publish(self, messages: Sequence[Message]) -> int:
        sent = 0
        for message in messages:
            self.venue.truth.apply(message)
            if not message.mask:
                for client in list(self._clients.values()):
                    if client.custom:
                        sent += client.push(message, 0, None)
                continue
            market = self.venue.markets[message.market]
            for client in self._audience.get(message.market, ()):
                mask = message.mask & client.masks.get(message.market, 0)
                if mask and (client.custom or not message.custom):
                    sent += client.push(message, mask, market)
        self.frames_sent += sent
        return sent


def _report(pump: asyncio.Task[None]) -> None:
    if not pump.cancelled() and (error := pump.exception()):
        _log.error("the simulated markets stopped", exc_info=error)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def serve(config: SimConfig) -> SimServer:
    """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
    server = SimServer(config)
    try:
        await server.start()
    except BaseException:
        await server.close()
        raise
    return server


def ready_line(server: SimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    markets = [listing.as_json() for listing in server.markets]
    return json.dumps({"ws": server.url, "rest": server.rest_url, "markets": markets})


def run_blocking(config: SimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve_until_told(config, exit_with_parent))
    else:
        uvloop.run(_serve_until_told(config, exit_with_parent))


async def _serve_until_told(config: SimConfig, exit_with_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    server = await serve(config)
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
