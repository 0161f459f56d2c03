"""The virtual clock of an in-process run: when things happen, which connections are down.

A stream of any venue is one of these: it says what one moment brings, this counts and dates it.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from math import log
from random import Random
from typing import Final, Generic, Protocol, Self, TypeVar

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

    @property
    def conn(self) -> int:
        """The connection it happens to."""

    def _replace(self, *, ts_ns: int) -> Self:
        """The same at another time."""


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
        self._late: dict[int, deque[tuple[int, I]]] = {conn: deque() for conn in range(conns)}
        """By connection: frames under way for longer than usual, by when they arrive."""
        self._behind: set[int] = set()
        """Connections whose newest frame was one of those."""

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

    def lateness(self, conn: int) -> int:
        """How many frames of ``conn`` are under way for longer than usual."""
        return len(self._late[conn])

    def is_behind(self, conn: int) -> bool:
        """Whether the newest frame that ``conn`` got was late, or others are under way."""
        return conn in self._behind or bool(self._late[conn])

    @abstractmethod
    def _moment(self) -> Iterator[I]:
        """All items of the next instant of virtual time."""

    def _pass_time(self) -> None:
        self._now_ns += int(-log(1 - self._rng.random()) * self._step_ns)

    def _arrival_ns(self) -> int:
        return self._now_ns + TRANSIT_NS

    def _post(self, item: I, late_ns: int) -> Iterator[I]:
        """Has a frame arrive, now or later, after those that are under way."""
        late = self._late[item.conn]
        if not late_ns and not late:
            self._behind.discard(item.conn)
            yield item
            return
        late.append((max(self._now_ns + late_ns, late[-1][0] if late else 0), item))

    def _arriving(self) -> Iterator[I]:
        """Frames that were late and are here now."""
        for conn, late in self._late.items():
            while late and late[0][0] <= self._now_ns:
                self._behind.add(conn)
                yield late.popleft()[1]._replace(ts_ns=self._arrival_ns())

    def _departures(self) -> Iterator[int]:
        """The connections that their clients drop now."""
        while self._leave:
            conn = self._leave.pop()
            if conn not in self._back_ns:
                self._down(conn, RECONNECT_S)
                yield conn

    def _down(self, conn: int, for_s: float | None) -> None:
        """Takes ``conn`` down, for as long as a reconnect takes by default."""
        self._late[conn].clear()
        self._behind.discard(conn)
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
