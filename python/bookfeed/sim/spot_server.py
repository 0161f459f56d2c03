"""What the simulated spot venues have in common on sockets: peers with faults, and their server."""

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.peer import Peer
from bookfeed.sim.server import NS_PER_MS, Listening, VenueServer
from bookfeed.sim.spot_faults import Out, SpotFault, SpotInjector
from bookfeed.sim.spot_truth import SpotTruth


class SpotPeer(Peer):
    """The server's end of one connection: frames through faults, in order, late where one says."""

    def __init__(self, server: "SpotServer[Any, Any]") -> None:
        super().__init__(server)
        self._server = server

    def hand_over(self, out: Out) -> None:
        """Queues what faults leave of a frame; ends what they end."""
        if not self.open:
            return
        delivery = self._server.injector.deliver(self.conn, out, time.time_ns())
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
    """A running simulator of a spot venue, whose messages are of type ``M``."""

    injector: SpotInjector

    def __init__(self, listening: Listening, injector: SpotInjector) -> None:
        super().__init__(listening)
        self.injector = injector
        self._among: list[str] = []

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

    @property
    @abstractmethod
    def truth(self) -> SpotTruth:
        """The true books."""

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


def now_ms() -> int:
    """The venue's time, Unix ms."""
    return time.time_ns() // NS_PER_MS
