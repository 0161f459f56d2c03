"""Kalshi's WebSocket and its market REST calls, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(KalshiSimConfig(rate=500))
    ...  # sign in with server.key, subscribe to server.venue.markets[0].spec.ticker
    await server.close()

Markets move only while somebody is subscribed to something; their clocks go on regardless.
Every handshake must be signed. It listens on loopback and refuses to do otherwise.
"""

import json
import ssl
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from picows import WSTransport

from bookfeed.sim.entry import Options
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.kalshi import rest_text
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.events import Event
from bookfeed.sim.kalshi.faults import KalshiFault, KalshiInjector
from bookfeed.sim.kalshi.market import Market
from bookfeed.sim.kalshi.session import KalshiSession, Out
from bookfeed.sim.kalshi.signed import (
    HEARTBEAT_S,
    TIMESTAMP_TOLERANCE_S,
    SignedPeer,
    SignedServer,
)
from bookfeed.sim.kalshi.venue import KalshiTruth, SimKalshi
from bookfeed.sim.kalshi.wire import Message
from bookfeed.sim.server import (
    NS_PER_MS,
    TRADES_MAX,
    RestService,
    check_listening,
    serve_until_told,
    started,
)

# Fewer markets than these are short windows only.
_SHAPES_MIN: Final = 6


@dataclass(frozen=True, slots=True)
class KalshiSimConfig(KalshiVenueConfig):
    """A simulated venue, where it listens and who may come. ``ValueError`` for what cannot be."""

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[KalshiFault, ...] = ()
    tls: ssl.SSLContext | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    """Public keys (PEM) by key id; with none, the server makes one key pair for its clients."""
    timestamp_tolerance_s: float = TIMESTAMP_TOLERANCE_S
    """How far a handshake's timestamp may be from now, either way."""
    heartbeat_s: float = HEARTBEAT_S

    def __post_init__(self) -> None:
        KalshiVenueConfig.__post_init__(self)
        check_listening(self)
        if self.timestamp_tolerance_s <= 0 or self.heartbeat_s <= 0:
            raise ValueError("timestamp_tolerance_s and heartbeat_s must be above 0")


class Shapes(TypedDict, total=False):
    """The part of a configuration that says how many markets there are."""

    quarters: int
    baskets: int
    basket_markets: int
    ladders: int
    ladder_markets: int


def shapes(markets: int) -> Shapes:
    """How so many markets that are open at the start divide: windows, one basket, one ladder."""
    if markets < _SHAPES_MIN:
        return {"quarters": markets, "baskets": 0, "ladders": 0}
    quarters = markets // 3
    basket = (markets - quarters) // 2
    ladder = markets - quarters - basket
    return {"quarters": quarters, "basket_markets": basket, "ladder_markets": ladder}


def configured(options: Options) -> KalshiSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    options.only_mirrored("Kalshi has one book a market")
    return KalshiSimConfig(
        port=options.port,
        rest_port=options.rest_port,
        rate=options.rate,
        seed=options.seed,
        faults=options.faults_of(KalshiFault),
        tls=options.tls,
        **shapes(options.markets),
    )


class Client(SignedPeer):
    """The server's end of one connection."""

    def __init__(self, server: "KalshiSimServer") -> None:
        super().__init__(server, server.config.heartbeat_s)
        self._server = server
        self.session: KalshiSession

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service; heartbeats begin."""
        super().on_ws_connected(transport)
        self.session = KalshiSession(self._server.venue, self.conn)

    def _next_heartbeat(self) -> bytes | None:
        return self._server.injector.heartbeat(self.conn, time.time_ns())

    def _receive(self, text: bytes) -> None:
        self._server.catch_up()
        for out in self.session.receive(text, time.time_ns() // NS_PER_MS):
            self._hand_over(out)
        self.flush()
        self._server.joined(self)

    def push(self, message: Message, now_ms: int) -> int:
        """Queues what faults leave of the venue's message; returns how many frames were meant."""
        if not self.open:
            return 0
        out = self.session.carry(message, now_ms)
        if out is None:
            return 0
        self._hand_over(out)
        return 1

    def end(self, sid: int, code: int) -> None:
        """Ends a subscription with an error."""
        last = self.session.end(sid, code, time.time_ns() // NS_PER_MS)
        if last is not None:
            self._post(last.payload, 0)
            self.flush()
            self._server.joined(self)

    def _hand_over(self, out: Out) -> None:
        if not self.open:
            return
        session = self.session
        delivery = self._server.injector.deliver(self.conn, out, session, time.time_ns())
        for frame in delivery.frames:
            self._post(frame.payload, delivery.late_ns)
        match delivery.end, delivery.fault:
            case "pause", KalshiFault() as fault:
                self._server.venue.halt(time.time_ns() // NS_PER_MS, fault.duration_s)
            case "terminal", KalshiFault() as fault:
                self.end(out.sid, int(fault.variant))
            case "reset", _:
                self.reset()
            case "reset-behind-data", _:
                self.reset_behind_data()
            case "disconnect", KalshiFault() as fault:
                self.close_as(fault.variant)


class KalshiSimServer(SignedServer[Client]):
    """A running simulator; made by ``serve``."""

    injector: KalshiInjector

    def __init__(self, config: KalshiSimConfig, events: Sequence[Event] | None = None) -> None:
        """``events`` is what there is to trade, by default what the configuration draws."""
        super().__init__(config)
        self._take_keys(config.keys, config.timestamp_tolerance_s)
        now_ns = time.time_ns()
        self.config = config
        self.venue = self._made_venue(now_ns // NS_PER_MS, events)
        self.injector = KalshiInjector(config.faults, config.seed, now_ns)
        self.trades: deque[Message] = deque(maxlen=TRADES_MAX)
        """The newest prints, oldest first."""
        self.archived: set[str] = set()
        """Tickers of markets that were settled so long ago that they stand among old ones."""
        self.followed: list[Market] = []
        """The markets that somebody follows; the others stand still."""

    def _made_venue(self, now_ms: int, events: Sequence[Event] | None) -> SimKalshi:
        return SimKalshi(self.config, now_ms, events)

    # what tests and callers ask

    @property
    def truth(self) -> KalshiTruth:
        """The true books; ``truth(ticker)`` is one of them, in YES terms."""
        return self.venue.truth

    @property
    def fault_log(self) -> list[FaultEvent]:
        """What went wrong so far, in order."""
        return self.injector.log

    def inject(self, fault: KalshiFault) -> None:
        """Adds a fault to the schedule; ``at_s`` still counts from the start."""
        self.injector.add(fault)

    def force_error(self, code: int, count: int = 1, *, conn: int | None = None) -> None:
        """Answers the next commands of a connection (of each by default) with an error."""
        for client in self._chosen(conn):
            client.session.force(code, count)

    def end_subscription(self, channel: str, code: int, *, conn: int | None = None) -> None:
        """Ends the subscriptions to a channel with a terminal error, 10 or 25."""
        for client in self._chosen(conn):
            sub = client.session.subscriptions.get(channel)
            if sub is not None:
                client.end(sub.sid, code)

    def own_fill(self, ticker: str, lots: int = 100) -> None:
        """The clients' user buys YES: fill, order and position go to the private channels."""
        now_ms = time.time_ns() // NS_PER_MS
        self._send(self.venue.by_ticker[ticker].own_fill(now_ms, lots))

    def pause(self, ticker: str) -> None:
        """Pauses a market for up to two seconds."""
        now_ms = time.time_ns() // NS_PER_MS
        self._send(self.venue.pause(self.venue.by_ticker[ticker], now_ms))

    def change_fee(self, event_ticker: str, multiplier: float | None) -> None:
        """Overrides the fee multiplier of an event; ``None`` takes the override back."""
        now_ms = time.time_ns() // NS_PER_MS
        self._send(self.venue.set_fee(event_ticker, multiplier, now_ms))

    def _chosen(self, conn: int | None) -> list[Client]:
        return [c for c in self._clients.values() if conn is None or c.conn == conn]

    def _send(self, messages: Sequence[Message]) -> None:
        self.frames_sent += self._publish(messages)
        for client in list(self._clients.values()):
            client.flush()

    def catch_up(self) -> None:
        """Brings the markets' lives up to date: they go on while nobody listens."""
        self.frames_sent += self._due(time.time_ns() // NS_PER_MS)

    # the hub of the connections

    def _client(self) -> Client:
        return Client(self)

    def _welcome(self, conn: int) -> None:
        self.injector.connected(conn)
        first = self.venue.markets[0].spec.ticker
        self.venue.absent.update(self.injector.absent(conn, first, time.time_ns()))

    def _follow(self) -> None:
        subs = [
            sub
            for one in self._clients.values()
            if one.open
            for sub in one.session.subscriptions.values()
        ]
        if self._roused or any(sub.names is None for sub in subs):
            self.followed = self.venue.markets
        else:
            named = dict.fromkeys(name for sub in subs for name in sub.names or ())
            self.followed = list(self.venue.known(named))
        self._set_awake(self._roused or bool(subs))

    def _make_rest(self) -> RestService:
        from bookfeed.sim.kalshi.rest import KalshiRest

        return KalshiRest(self.venue, self.catch_up, self.trades, self.archived)

    # the markets

    @property
    def _active(self) -> bool:
        return self.venue.active

    def _due(self, now_ms: int) -> int:
        listed = len(self.venue.markets)
        sent = self._publish(self.venue.due(now_ms))
        if len(self.venue.markets) > listed:
            self._follow()  # somebody may have named them before they were there
        return sent

    def _step(self, now_ms: int) -> int:
        return self._publish(self.venue.step(now_ms, self.followed)) if self.followed else 0

    def _publish(self, messages: Sequence[Message]) -> int:
        sent = 0
        now_ms = time.time_ns() // NS_PER_MS
        for message in messages:
            self.venue.truth.apply(message)
            if message.kind == "trade":
                self.trades.append(message)
            for client in list(self._clients.values()):
                sent += client.push(message, now_ms)
        return sent


async def serve(config: KalshiSimConfig) -> KalshiSimServer:
    """Starts a simulator in the running event loop.

    ``OSError`` if it cannot listen, ``ModuleNotFoundError`` without the ``cryptography`` package.
    """
    return await started(KalshiSimServer(config))


def ready(server: KalshiSimServer) -> dict[str, Any]:
    """What a client needs to know: where it listens, a key to sign in with, and its listing.

    The private key is one of the simulator's own making; it opens nothing else.
    """
    venue, key = server.venue, server.key
    return {
        "venue": "kalshi",
        "ws": server.url,
        "rest": server.rest_url,
        "key_id": key.key_id if key else None,
        "private_key": key.private_pem if key else None,
        "series": [rest_text.series_object(series) for series in venue.series.values()],
        "events": [rest_text.event_object(event) for event in venue.events.values()],
        "markets": [rest_text.market_object(market) for market in venue.markets],
    }


def ready_line(server: KalshiSimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(ready(server))


def run_blocking(config: KalshiSimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    serve_until_told(lambda: serve(config), ready_line, exit_with_parent=exit_with_parent)
