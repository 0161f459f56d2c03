"""A simulated spot venue without sockets: what any of them has in common under a virtual clock.

One iteration is one thing that a client would witness, or fail to witness. The same seed gives
the same bytes, in any process. What the client says takes effect before the next moment.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any, Literal, NamedTuple

from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.spot import SpotSpec
from bookfeed.sim.spot_faults import Out, SpotDelivery, SpotInjector
from bookfeed.sim.spot_truth import SpotTruth
from bookfeed.sim.virtual import VirtualRun


class SpotItem(NamedTuple):
    """One thing that happens to a client.

    ``frame``: the payload arrives. ``lost``: the venue sent a frame of this connection, but it
    is not here, or not yet. ``rest``: an answer arrives; ``poll``: one that was asked for as such.
    ``ping``: a sign of life that is no text frame. ``connected`` and ``disconnected``: the
    connection itself.
    """

    kind: Literal["frame", "lost", "rest", "poll", "ping", "connected", "disconnected"]
    ts_ns: int
    """Receive time, Unix ns; never decreases."""
    conn: int
    payload: bytes = b""
    """Empty unless something arrives."""
    channel: str = ""
    """What it is, in the venue's word."""
    symbol: str = ""
    """The venue's symbol, where it speaks of one."""
    first: int = 0
    last: int = 0
    """First and last version of the book that it tells, 0 for none."""
    is_book: bool = False
    """Whether a book is changed or told by it."""
    status: int = 0
    """HTTP status of an answer."""
    whole: bool = False
    """Whether it tells all of a book, which nothing in it says."""


class SpotStream(VirtualRun[SpotItem]):
    """Connections, faults and delays; ``rate`` is turns of the markets a second."""

    venue: Any
    """What is traded."""

    def __init__(self, rng: Random, injector: SpotInjector, conns: int, rate: float) -> None:
        super().__init__(rng, conns, rate)
        injector.only_frames()
        self.injector = injector

    @property
    def fault_log(self) -> list[FaultEvent]:
        """What went wrong so far, in order."""
        return self.injector.log

    @property
    def now_ns(self) -> int:
        """The venue's time as of the last item, Unix ns."""
        return self._now_ns

    def symbols(self, conn: int) -> tuple[str, ...]:
        """The symbols that ``conn`` follows: they are dealt out in turn."""
        return tuple(self.listed)[conn :: self.conns]

    def conn_of(self, symbol: str) -> int:
        """The connection that follows a symbol; ``ValueError`` if there is no such symbol."""
        return tuple(self.listed).index(symbol) % self.conns

    @property
    def truth(self) -> SpotTruth:
        """The true books, by the venue's symbol and by version; what that is, the venue says."""
        truth: SpotTruth = self.venue.truth
        return truth

    @property
    def listed(self) -> Mapping[str, SpotSpec]:
        """Every market, by the venue's symbol, in order."""
        listed: Mapping[str, SpotSpec] = self.venue.listed
        return listed

    # what each venue does in its own way

    @abstractmethod
    def _open(self, conn: int) -> Iterator[Out]:
        """Begins a connection; what the venue says to it at once."""

    @abstractmethod
    def _answers(self) -> Iterator[SpotItem]:
        """What the venue answers to what was said since the last moment."""

    @abstractmethod
    def _happen(self) -> Iterator[SpotItem]:
        """What the markets do now."""

    @abstractmethod
    def _beat(self, conn: int) -> SpotItem:
        """A sign of life without news."""

    # what happens

    def _moment(self) -> Iterator[SpotItem]:
        self._pass_time()
        yield from self._connections()
        yield from self._arriving()
        yield from self._answers()
        yield from self._happen()

    def _connections(self) -> Iterator[SpotItem]:
        for conn in self._departures():
            yield self._gone(conn)
        for conn in self._arrivals():
            self.injector.connected(conn)
            yield SpotItem("connected", self._arrival_ns(), conn)
            for out in self._open(conn):
                yield from self._hand_over(conn, out)
        for conn in self._heartbeats():
            if self.injector.alive(conn, self._now_ns):
                yield self._beat(conn)

    def _hand_over(self, conn: int, out: Out) -> Iterator[SpotItem]:
        """Delivers one frame, or what a fault leaves of it, to a connection."""
        if conn in self._back_ns:
            yield self._lost(conn, out)
            return
        delivery = self.injector.deliver(conn, out, self._now_ns)
        for frame in delivery.frames:
            item = self._lost(conn, frame)._replace(kind="frame", payload=frame.payload)
            yield from self._post(item, delivery.late_ns)
        if not delivery.frames:
            yield self._lost(conn, out)
        if delivery.end == "stumble":
            self._stumble(conn, out.symbol)
        yield from self._end(conn, delivery)

    @abstractmethod
    def _stumble(self, conn: int, symbol: str) -> None:
        """Has the venue stumble, after a frame about ``symbol``."""

    def _end(self, conn: int, delivery: SpotDelivery) -> Iterator[SpotItem]:
        """The end that a fault makes of the connection, or of all of them."""
        if delivery.end not in ("disconnect", "reset", "restart"):
            return
        ends: Iterable[int] = range(self.conns) if delivery.end == "restart" else (conn,)
        for one in ends:
            if one not in self._back_ns:
                self._down(one, delivery.fault.duration_s if delivery.fault else None)
                yield self._gone(one)

    def _gone(self, conn: int) -> SpotItem:
        return SpotItem("disconnected", self._arrival_ns(), conn)

    def _lost(self, conn: int, out: Out) -> SpotItem:
        return SpotItem(
            "lost",
            self._arrival_ns(),
            conn,
            channel=out.kind,
            symbol=out.symbol,
            first=out.first,
            last=out.last,
            is_book=out.is_book,
            whole=out.whole,
        )
