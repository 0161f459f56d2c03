"""Binance's market streams and depth snapshots, simulated on loopback.

``serve`` starts it inside a running event loop, ``run_blocking`` as a process of its own::

    server = await serve(BinanceSimConfig(rate=500))
    ...  # connect to f"{server.url}/stream?streams=btcusdt@depth@100ms", ask server.rest_url
    await server.close()

Markets move only while somebody follows them. It listens on loopback and refuses to do otherwise.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from picows import WSFrame, WSMsgType, WSTransport, WSUpgradeRequest

from bookfeed.sim.binance import wire
from bookfeed.sim.binance.faults import BinanceFault, BinanceInjector
from bookfeed.sim.binance.session import BinanceSession
from bookfeed.sim.binance.venue import BinanceVenueConfig, SimBinance
from bookfeed.sim.binance.wire import Message
from bookfeed.sim.entry import Options
from bookfeed.sim.peer import POLICY_VIOLATION
from bookfeed.sim.server import NS_PER_MS, RestService
from bookfeed.sim.spot_faults import Out
from bookfeed.sim.spot_server import SpotPeer, SpotServer, SpotSimConfig, configured_as, now_ms

_DAY_S: Final = 86_400.0


@dataclass(frozen=True)
class BinanceSimConfig(SpotSimConfig, BinanceVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be."""

    ping_every_s: float | None = None
    """By default 20 s, on Binance.US 180 s."""
    pong_within_s: float | None = None
    """By default 60 s, on Binance.US 600 s."""
    lifetime_s: float = _DAY_S
    """How long a connection may last."""
    warning_s: float = 10.0
    """How long before its end a connection is told of it; Binance.US says nothing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(*self.ping_rule, self.lifetime_s, self.warning_s) <= 0:
            raise ValueError("times must be above 0 seconds")

    @property
    def ping_rule(self) -> tuple[float, float]:
        """How often the server pings, and how long it waits for the answer, seconds."""
        every_s, within_s = (180.0, 600.0) if self.us else (20.0, 60.0)
        every_s = every_s if self.ping_every_s is None else self.ping_every_s
        return every_s, within_s if self.pong_within_s is None else self.pong_within_s


def configured(options: Options) -> BinanceSimConfig:
    """The configuration that fits what is asked for; ``ValueError`` for what cannot be."""
    us = options.variant_of(["us"]) == "us"
    return configured_as(BinanceSimConfig, options, BinanceFault, us=us)


class Client(SpotPeer):
    """The server's end of one connection."""

    def __init__(self, server: "BinanceSimServer", session: BinanceSession) -> None:
        super().__init__(server)
        self.session = session
        self._venue = server
        self._ping = b""
        """The payload of the ping that waits for its pong."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service; its pings and its end are planned."""
        super().on_ws_connected(transport)
        config = self._venue.config
        self.session.conn = self.conn
        self._venue.joined(self)
        self._after(config.ping_rule[0], self._beat)
        self._after(config.lifetime_s, self._expire)
        if not config.us and config.warning_s < config.lifetime_s:
            self._after(config.lifetime_s - config.warning_s, self._say_shutdown)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Counts what the client sends, pings and pongs too, and acts on it."""
        if frame.msg_type == WSMsgType.PONG and frame.get_payload_as_bytes() == self._ping:
            self._ping = b""
        if frame.msg_type != WSMsgType.CLOSE and self.session.flooded(now_ms()):
            self.close(POLICY_VIOLATION, b"too many requests")
            return
        if frame.msg_type == WSMsgType.PING:
            self.flush()
            transport.send_pong(frame.get_payload_as_bytes())
        super().on_ws_frame(transport, frame)

    def warn(self) -> None:
        """Tells that the connection will end, and ends it half a second later."""
        self._say_shutdown()
        self._after(0.5, self._expire)

    def _receive(self, text: bytes) -> None:
        self.hand_over(self.session.receive(text))
        self.flush()
        self._venue.joined(self)

    def _beat(self) -> None:
        every_s, within_s = self._venue.config.ping_rule
        if self._transport and self._venue.injector.alive(self.conn, time.time_ns()):
            self.flush()
            if not self._ping:
                self._ping = str(now_ms()).encode()
                sent = self._ping
                self._after(within_s, lambda: self._check(sent))
            self._transport.send_ping(self._ping)
        self._after(every_s, self._beat)

    def _check(self, sent: bytes) -> None:
        if self._ping == sent:
            self.close(POLICY_VIOLATION, b"pong timeout")

    def _say_shutdown(self) -> None:
        out = self.session.carry(wire.server_shutdown(now_ms()))
        if out is not None:
            self.hand_over(out)
            self.flush()

    def _expire(self) -> None:
        self.close(1001, b"disconnected after its lifetime")


class BinanceSimServer(SpotServer[Client, Message]):
    """A running simulator; made by ``serve``."""

    NAME = "binance"
    INJECTOR = BinanceInjector
    WS_PATH = ""
    ANSWERS_PINGS = False  # they count

    config: BinanceSimConfig
    venue: SimBinance
    injector: BinanceInjector

    def _make_venue(self, now_ns: int) -> SimBinance:
        return SimBinance(self.config, now_ns // NS_PER_MS)

    def stumble(self, client: Client, symbol: str) -> None:
        """Leaves update ids of a symbol out."""
        self.venue.skip(symbol)

    def _accept(self, request: WSUpgradeRequest) -> Client | None:
        try:
            session = BinanceSession(self.venue, -1, request.path.decode("ascii", "replace"))
        except ValueError:
            return None
        return Client(self, session)

    def _make_rest(self) -> RestService:
        from bookfeed.sim.binance.rest import BinanceRest

        return BinanceRest(
            self.venue, lambda symbol: self.injector.rest(symbol, time.time_ns()), now_ms
        )

    def _followed(self, client: Client) -> Sequence[str]:
        names = {stream.partition("@")[0].upper() for stream in client.session.streams}
        return [symbol for symbol in self.venue.symbols if symbol in names]

    def _messages_due(self, now_ms: int) -> Sequence[Message]:
        return self.venue.due(now_ms)

    def _messages_of_a_turn(self, now_ms: int) -> Sequence[Message]:
        return self.venue.step(now_ms, self._among)

    def _carry(self, client: Client, message: Message) -> Out | None:
        return client.session.carry(message)


serve = BinanceSimServer.serve
run_blocking = BinanceSimServer.run_blocking
