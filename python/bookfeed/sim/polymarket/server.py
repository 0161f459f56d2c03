"""Polymarket's market channel and book REST calls, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(SimConfig(markets=3, rate=500))
    ...  # connect to server.url, subscribe to server.markets[0].asset_ids
    await server.close()

Markets move only while somebody is subscribed to them. Everything a client may be shown can be
checked against ``server.truth``. It listens on loopback and refuses to do otherwise.
"""

import json
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from picows import WSUpgradeRequest

from bookfeed.sim.entry import Options
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.polymarket.connection import Client
from bookfeed.sim.polymarket.faults import Fault, FaultInjector
from bookfeed.sim.polymarket.market import Market, MarketSpec
from bookfeed.sim.polymarket.truth import Truth
from bookfeed.sim.polymarket.venue import SimVenue, VenueConfig
from bookfeed.sim.polymarket.wire import Message
from bookfeed.sim.server import (
    NS_PER_MS,
    TRADES_MAX,
    RestService,
    VenueServer,
    check_listening,
    serve_until_told,
    started,
)

WS_PATH: Final = "/ws/market"


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
        check_listening(self)


def configured(options: Options) -> SimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    options.variant_of(())
    return SimConfig(
        port=options.port,
        rest_port=options.rest_port,
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        unmirrored=options.unmirrored,
        faults=options.faults_of(Fault),
        tls=options.tls,
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


class SimServer(VenueServer[Client]):
    """A running simulator; made by ``serve``."""

    injector: FaultInjector

    WS_PATH = WS_PATH

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        now_ns = time.time_ns()
        self.config = config
        self.venue = SimVenue(config, now_ns // NS_PER_MS)
        self.injector = FaultInjector(config.faults, config.seed, now_ns, self.venue.fresh_ghost)
        self.trades: deque[Message] = deque(maxlen=TRADES_MAX)
        """The newest prints, oldest first."""
        self.not_yet: set[str] = set()
        """Condition ids of markets that REST calls do not know yet, as with new ones."""
        self._audience: dict[int, list[Client]] = {}
        self._among: list[Market] = []

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

    def inject(self, fault: Fault) -> None:
        """Adds a fault to the schedule; ``at_s`` still counts from the start."""
        self.injector.add(fault)

    def resolve(self, market: Market, winner: int | None = None) -> None:
        """Ends a market, if it has not ended, by chance unless a ``winner`` is given."""
        if market.active:
            now_ms = time.time_ns() // NS_PER_MS
            self.frames_sent += self._publish(self.venue.resolve(market, now_ms, winner))

    # the hub of the connections

    def _accept(self, request: WSUpgradeRequest) -> Client | None:
        if request.path.split(b"?")[0] != WS_PATH.encode():
            return None
        return Client(self, time.time_ns)

    def _welcome(self, conn: int) -> None:
        self.injector.connected(conn)
        first = self.venue.markets[0].spec.asset_ids[0]
        self.venue.withdraw(self.injector.absent(conn, first, time.time_ns()))

    def _follow(self) -> None:
        self._audience = {}
        for one in self._clients.values():
            for market in one.masks:
                self._audience.setdefault(market, []).append(one)
        self._among = [self.venue.markets[index] for index in sorted(self._audience)]
        custom = any(one.custom for one in self._clients.values())
        if self._roused or (not self._among and custom):
            self._among = self.venue.markets
        self._set_awake(bool(self._among))

    def _make_rest(self) -> RestService:
        from bookfeed.sim.polymarket.rest import RestServer

        specs = {market.spec.condition_id: market.spec for market in self.venue.markets}
        return RestServer(
            self._book_text,
            specs,
            self.not_yet,
            self.trades,
            self._winner,
            touch=self.venue.touch,
            ghost_text=self.venue.newest_ghost,
        )

    def _winner(self, spec: MarketSpec) -> int | None:
        return self.venue.markets[spec.index].winner

    def _book_text(self, asset_id: str) -> str:
        if self.injector.ghost(asset_id, time.time_ns()):
            return self.venue.ghost_book(asset_id)
        book = self.venue.rest_book(asset_id)
        return self.injector.sibling_ghost(asset_id, time.time_ns()) or book

    # the markets

    @property
    def _active(self) -> bool:
        return self.venue.active

    def _due(self, now_ms: int) -> int:
        return self._publish(self.venue.due(now_ms))

    def _step(self, now_ms: int) -> int:
        return self._publish(self.venue.step(now_ms, self._among))

    def _publish(self, messages: Sequence[Message]) -> int:
        sent = 0
        for message in messages:
            self.venue.truth.apply(message)
            if message.kind == "last_trade_price":
                self.trades.append(message)
            if not message.mask:
                for client in list(self._clients.values()):
                    if client.custom:
                        sent += client.push(message, 0, None)
                continue
            market = self.venue.markets[message.market]
            for client in self._audience.get(message.market, ()):
                mask = self.venue.mask(message) & client.masks.get(message.market, 0)
                if mask and (client.custom or not message.custom):
                    sent += client.push(message, mask, market)
        return sent


async def serve(config: SimConfig) -> SimServer:
    """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
    return await started(SimServer(config))


def ready(server: SimServer) -> dict[str, Any]:
    """What a client needs to know: where it listens, and its markets."""
    markets = [listing.as_json() for listing in server.markets]
    return {"ws": server.url, "rest": server.rest_url, "markets": markets}


def ready_line(server: SimServer) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(ready(server))


def run_blocking(config: SimConfig, *, exit_with_parent: bool = False) -> None:
    """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

    With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
    listen; whatever broke the markets, should that happen.
    """
    serve_until_told(lambda: serve(config), ready_line, exit_with_parent=exit_with_parent)
