"""What the simulated spot venues have in common on sockets: where they listen and what may be asked
of them, peers with faults, and their server.

A venue's package offers ``configured`` of its own, and of its server ``serve``, ``ready``,
``ready_line`` and ``run_blocking``, which are the same for all.
"""

import json
import ssl
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from bookfeed.sim.entry import OptionError, Options
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.peer import Peer
from bookfeed.sim.server import (
    NS_PER_MS,
    RestService,
    VenueServer,
    check_listening,
    serve_until_told,
    started,
)
from bookfeed.sim.spot_faults import Out, SpotFault, SpotInjector
from bookfeed.sim.spot_truth import SpotTruth
from bookfeed.sim.spot_venue import SpotVenueConfig


@dataclass(frozen=True)
class SpotSimConfig(SpotVenueConfig):
    """A simulated venue and where it listens. ``ValueError`` for what cannot be.

    It has no slots of its own, so that a venue may join it to what it trades.
    """

    host: str = "127.0.0.1"
    port: int = 0
    """WebSocket port; 0 picks a free one."""
    rest_port: int = 0
    """REST port; 0 picks a free one."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""
    rate: float = 1000.0
    """Frames a second over all connections; 0 as fast as the clients read."""
    faults: tuple[SpotFault, ...] = ()
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_listening(self)


@dataclass(frozen=True)
class SpotSimConfigWithoutRest(SpotSimConfig):
    """The same of a venue whose books come on the stream alone."""

    rest: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rest or self.rest_port:
            raise ValueError("no REST side is simulated: books come on the stream")


G = TypeVar("G", bound=SpotSimConfig)


def configured_as(kind: type[G], options: Options, faults: type[SpotFault], **more: Any) -> G:
    """The configuration of a kind that fits what is asked for, with ``more`` of the venue's own.

    Raises ``OptionError`` for an option that no spot venue serves, ``ValueError`` for what cannot
    be.
    """
    options.only_mirrored("a spot market has one book")
    if options.rest_port and issubclass(kind, SpotSimConfigWithoutRest):
        raise OptionError("--rest-port", options.rest_port, "books come on the stream, not by REST")
    return kind(
        port=options.port,
        rest_port=options.rest_port,
        markets=options.markets,
        rate=options.rate,
        seed=options.seed,
        faults=options.faults_of(faults),
        tls=options.tls,
        **more,
    )


class SpotPeer(Peer):
    """The server's end of one connection: frames through faults, in order, late where one says."""

    def __init__(self, server: "SpotServer[Any, Any]") -> None:
        super().__init__(server)
        self._server = server
        self.injector = server.injector

    def hand_over(self, out: Out) -> None:
        """Queues what faults leave of a frame; ends what they end."""
        if not self.open:
            return
        delivery = self.injector.deliver(self.conn, out, time.time_ns())
        for frame in delivery.frames:
            self._post(frame.payload, delivery.late_ns)
        match delivery.end, delivery.fault:
            case "restart", _:
                self._server.restart(out.payload)
            case "reset", _:
                self.reset()
            case "disconnect", SpotFault() as fault:
                self.close_as(fault.variant)
            case "shutdown", _:
                self.warn()
            case "stumble", _:
                self._server.stumble(self, out.symbol)

    def warn(self) -> None:
        """Tells that the connection will end, and ends it; a venue that warns says how."""
        self.close(1001, b"going away")

    def tear(self, payload: bytes) -> None:
        """Sends the beginning of a frame and hangs up."""
        self._queue(payload)
        self._out[-1] = payload[: len(payload) // 2]
        self.flush()
        self.reset()


C = TypeVar("C", bound=SpotPeer)
M = TypeVar("M")


class SpotServer(VenueServer[C], Generic[C, M]):
    """A running simulator of a spot venue, whose messages are of type ``M``.

    ``NAME`` is the venue's, ``INJECTOR`` makes what goes wrong of faults, a seed and the time in
    Unix nanoseconds.
    """

    NAME: str
    INJECTOR: Callable[[Sequence[SpotFault], int, int], SpotInjector]

    injector: SpotInjector
    venue: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        now_ns = time.time_ns()
        self.config = config
        self.injector = self.INJECTOR(config.faults, config.seed, now_ns)
        self.venue = self._make_venue(now_ns)
        self._among: list[str] = []

    @classmethod
    async def serve(cls, config: Any) -> Self:
        """Starts a simulator in the running event loop; ``OSError`` if it cannot listen."""
        return await started(cls(config))

    @classmethod
    def run_blocking(cls, config: Any, *, exit_with_parent: bool = False) -> None:
        """Serves until SIGINT or SIGTERM; prints ``ready_line`` on stdout once it listens.

        With ``exit_with_parent`` it also ends when its stdin closes. ``OSError`` if it cannot
        listen; whatever broke the markets, should that happen.
        """
        serve_until_told(lambda: cls.serve(config), ready_line, exit_with_parent=exit_with_parent)

    def ready(self) -> dict[str, Any]:
        """What a client needs to know: where it listens, and its markets."""
        markets = [
            {
                "symbol": spec.name,
                "venue_symbol": symbol,
                "base": spec.base,
                "quote": spec.quote,
                "tick_size": spec.tick_size,
                "step_size": spec.step_size,
            }
            for symbol, spec in self.venue.listed.items()
        ]
        return {"venue": self.NAME, "ws": self.url, "rest": self.rest_url, "markets": markets}

    @property
    def truth(self) -> SpotTruth:
        """The true books; ``truth(symbol)`` is one of them."""
        truth: SpotTruth = self.venue.truth
        return truth

    @property
    def fault_log(self) -> list[FaultEvent]:
        """What went wrong so far, in order."""
        return self.injector.log

    def inject(self, fault: SpotFault) -> None:
        """Adds a fault to the schedule; ``at_s`` still counts from the start."""
        self.injector.add(fault)

    def restart(self, payload: bytes) -> None:
        """Tears every connection down, in the middle of a frame."""
        for client in list(self._clients.values()):
            if client.open:
                client.tear(payload)

    def _follow(self) -> None:
        followed = {
            symbol for one in self._clients.values() if one.open for symbol in self._followed(one)
        }
        self._among = sorted(followed)
        self._set_awake(bool(followed))

    def _welcome(self, conn: int) -> None:
        self.injector.connected(conn)

    # what each venue does in its own way

    @abstractmethod
    def _make_venue(self, now_ns: int) -> Any:
        """What is traded, as ``config`` says."""

    @abstractmethod
    def stumble(self, client: C, symbol: str) -> None:
        """Has the venue stumble, after a frame for ``client`` about ``symbol``."""

    @abstractmethod
    def _followed(self, client: C) -> Sequence[str]:
        """The symbols that a client follows."""

    @abstractmethod
    def _messages_due(self, now_ms: int) -> Sequence[M]:
        """What was waiting for its time."""

    @abstractmethod
    def _messages_of_a_turn(self, now_ms: int) -> Sequence[M]:
        """What a market's next turn causes."""

    @abstractmethod
    def _carry(self, client: C, message: M) -> Out | None:
        """The frame that a client gets for a message, if any."""

    def _make_rest(self) -> RestService:
        raise NotImplementedError("a venue that serves REST says how")

    # the markets

    @property
    def _active(self) -> bool:
        return True

    def _due(self, now_ms: int) -> int:
        return self._publish(self._messages_due(now_ms))

    def _step(self, now_ms: int) -> int:
        return self._publish(self._messages_of_a_turn(now_ms)) if self._among else 0

    def _publish(self, messages: Sequence[M]) -> int:
        sent = 0
        for message in messages:
            for client in list(self._clients.values()):
                out = self._carry(client, message) if client.open else None
                if out is not None:
                    client.hand_over(out)
                    sent += 1
        return sent


def ready(server: SpotServer[Any, Any]) -> dict[str, Any]:
    """What a client needs to know: where it listens, and its markets."""
    return server.ready()


def ready_line(server: SpotServer[Any, Any]) -> str:
    """What a process that started a simulator needs to know, as one line of JSON."""
    return json.dumps(server.ready())


def now_ms() -> int:
    """The venue's time, Unix ms."""
    return time.time_ns() // NS_PER_MS
