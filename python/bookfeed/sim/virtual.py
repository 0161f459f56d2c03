"""The virtual clock of an in-process run: when things happen, which connections are down.

A stream of any venue is one of these: it says what one moment brings, this counts and dates it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import log
from random import Random
from typing import Final, Generic, Protocol, TypeVar

START_NS: Final = 1_790_000_000_000_000_000
"""When every run begins, Unix ns."""
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
TRANSIT_NS: Final = 8 * NS_PER_MS
"""How long a frame is under way."""
HEARTBEAT_EVERY_NS: Final = 10 * NS_PER_S
RECONNECT_S: Final = 0.5


class Happening(Protocol):
    """What a stream yields: at least its kind, in words."""

    @property
    def kind(self) -> str:
        """``frame`` for what is delivered."""


I = TypeVar("I", bound=Happening)  # noqa: E741 (an item)


class VirtualRun(ABC, Generic[I]):
    """Time that passes in random steps, ``rate`` a second on average, and ``conns`` clients."""

    def __init__(self, rng: Random, conns: int, rate: float) -> None:
        if conns < 1 or rate <= 0:
            raise ValueError("a stream needs at least 1 connection and a rate above 0")
        self.conns = conns
        self._rng = rng
        self._step_ns = NS_PER_S / rate
        self._now_ns = START_NS
        self._heartbeat_ns = START_NS + HEARTBEAT_EVERY_NS
        self._back_ns: dict[int, int] = dict.fromkeys(range(conns), START_NS)
        """Connections that are down, and when each will be up again."""
        self._leave: set[int] = set()

    def reconnect(self, conn: int) -> None:
        """Has the client drop ``conn``; it comes back with fresh books half a second later."""
        self._leave.add(conn)

    def items(self, count: int) -> Iterator[I]:
        """The next ``count`` items, or a few more where several belong to one moment."""
        while count > 0:
            for item in self._moment():
                count -= 1
                yield item

    def frames(self, count: int) -> Iterator[I]:
        """The next ``count`` items that deliver a frame, and the others between them."""
        while count > 0:
            for item in self._moment():
                count -= item.kind == "frame"
                yield item

    @abstractmethod
    def _moment(self) -> Iterator[I]:
        """All items of the next instant of virtual time."""

    def _pass_time(self) -> None:
        self._now_ns += int(-log(1 - self._rng.random()) * self._step_ns)

    def _departures(self) -> Iterator[int]:
        """The connections that their clients drop now."""
        while self._leave:
            conn = self._leave.pop()
            if conn not in self._back_ns:
                self._down(conn, RECONNECT_S)
                yield conn

    def _down(self, conn: int, for_s: float | None) -> None:
        """Takes ``conn`` down, for as long as a reconnect takes by default."""
        away_s = RECONNECT_S if for_s is None else for_s
        self._back_ns[conn] = self._now_ns + int(away_s * NS_PER_S)

    def _arrivals(self) -> Iterator[int]:
        """The connections that are up again now."""
        for conn, back_ns in list(self._back_ns.items()):
            if self._now_ns >= back_ns:
                del self._back_ns[conn]
                yield conn

    def _heartbeats(self) -> Iterator[int]:
        """The connections whose heartbeat is due."""
        if self._now_ns >= self._heartbeat_ns:
            self._heartbeat_ns = self._now_ns + HEARTBEAT_EVERY_NS
            yield from (conn for conn in range(self.conns) if conn not in self._back_ns)
