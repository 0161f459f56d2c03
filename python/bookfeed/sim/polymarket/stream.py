"""The simulated venue without sockets: seeded frames under a virtual clock.

One iteration is one thing that a client would witness, or fail to witness, and at each of them
``Stream.truth`` is the truth of that moment. The same seed gives the same bytes, in any
process. A campaign feeds ``frame`` items to an engine, tells it of ``connected`` and
``disconnected``, and compares books after every item, ``lost`` ones included::

    stream = Stream(VenueConfig(markets=2, seed=7), faults=random_faults(7, count=3, frames=500))
    for item in stream.items(1000):
        if item.kind == "frame":
            engine.ingest(item.conn, item.payload, item.ts_ns)
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.polymarket.faults import Fault, FaultInjector
from bookfeed.sim.polymarket.truth import Truth
from bookfeed.sim.polymarket.venue import SimVenue, VenueConfig
from bookfeed.sim.polymarket.wire import Message
from bookfeed.sim.virtual import NS_PER_MS, START_NS, VirtualRun

__all__ = ["START_NS", "Item", "Stream"]

_NOTHING: Final = b""


class Item(NamedTuple):
    """One thing that happens to a client.

    ``frame``: the payload arrives. ``lost``: the venue sent a frame of this connection, but it
    is not here, or not yet. ``connected`` and ``disconnected``: the connection itself.
    """

    kind: Literal["frame", "lost", "connected", "disconnected"]
    ts_ns: int
    """Receive time, Unix ns; never decreases."""
    conn: int
    payload: bytes
    """Empty unless the kind is ``frame``."""
    message: Message | None
    """What the venue meant, where the frame is one of its messages."""


class Stream(VirtualRun[Item]):
    """A seeded run of a venue, seen by clients that subscribe to everything at once.

    Markets are dealt out over ``conns`` connections, both outcomes of one together. ``rate`` is
    the mean number of market steps a second of virtual time; one step is one frame or a few.
    """

    def __init__(
        self,
        config: VenueConfig,
        *,
        faults: Sequence[Fault] = (),
        conns: int = 1,
        rate: float = 200.0,
        custom_features: bool = True,
    ) -> None:
        super().__init__(seeded("stream", config.seed), conns, rate)
        self.venue = SimVenue(config, START_NS // NS_PER_MS)
        self._injector = FaultInjector(faults, config.seed, START_NS, self.venue.fresh_ghost)
        self._injector.only_frames()
        self._custom = custom_features

    @property
    def truth(self) -> Truth:
        """The true books as of the last item."""
        return self.venue.truth

    @property
    def fault_log(self) -> list[FaultEvent]:
        """What went wrong so far, in order."""
        return self._injector.log

    def conn_of(self, market: int) -> int:
        """The connection that carries market number ``market``."""
        return market % self.conns

    def asset_ids(self, conn: int) -> list[str]:
        """The assets subscribed to on ``conn``."""
        markets = self.venue.markets[conn :: self.conns]
        return [asset.asset_id for market in markets for asset in market.assets]

    def rest_book(self, asset_id: str) -> bytes:
        """What REST would answer now; ``KeyError`` if there is no such asset."""
        book = self.venue.rest_book(asset_id)
        return (self._injector.sibling_ghost(asset_id, self._now_ns) or book).encode()

    def _moment(self) -> Iterator[Item]:
        """All items of the next instant of virtual time."""
        venue = self.venue
        self._pass_time()
        if not venue.active:
            self._now_ns = max(self._now_ns, self._next_event_ns())
        yield from self._connections()
        yield from self._arriving()
        now_ms = self._now_ns // NS_PER_MS
        for message in venue.due(now_ms):
            yield from self._carry(message)
        for message in venue.step(now_ms):
            yield from self._carry(message)

    def _next_event_ns(self) -> int:
        """When something will happen if no market does anything."""
        due_ms = self.venue.next_due_ms()
        events = [self._heartbeat_ns, *self._back_ns.values()]
        return min(events if due_ms is None else [*events, due_ms * NS_PER_MS])

    def _connections(self) -> Iterator[Item]:
        ts_ns = self._arrival_ns()
        for conn in self._departures():
            yield Item("disconnected", ts_ns, conn, _NOTHING, None)
        for conn in self._arrivals():
            self._injector.connected(conn)
            gone = self._injector.absent(conn, self.asset_ids(conn)[0], self._now_ns)
            self.venue.withdraw(gone)
            yield Item("connected", ts_ns, conn, _NOTHING, None)
            initial = self.venue.initial_books(self.asset_ids(conn))
            books = self._injector.first_books(conn, initial, self._now_ns)
            if books is not None:
                yield Item("frame", ts_ns, conn, books, None)
            for trade in self._injector.trades_anew(self.asset_ids(conn)):
                yield Item("frame", ts_ns, conn, trade, None)
        for conn in self._heartbeats():
            pong = self._injector.pong(conn, b"PONG", self._now_ns)
            if pong is not None:
                yield Item("frame", ts_ns, conn, pong, None)

    def _carry(self, message: Message) -> Iterator[Item]:
        """Delivers one message to whom it concerns, or to whom a fault lets it through."""
        self.venue.truth.apply(message)
        if message.custom and not self._custom:
            return
        if message.mask:
            mask = self.venue.mask(message)
            if mask:
                yield from self._hand_over(self.conn_of(message.market), message, mask)
        else:
            for conn in range(self.conns):
                yield from self._hand_over(conn, message, 0)

    def _hand_over(self, conn: int, message: Message, mask: int) -> Iterator[Item]:
        ts_ns = self._arrival_ns()
        if conn in self._back_ns:
            yield Item("lost", ts_ns, conn, _NOTHING, message)
            return
        first, second = self.venue.markets[message.market].assets
        ids = (first.asset_id, second.asset_id)
        delivery = self._injector.deliver(conn, message, mask, ids, self._now_ns)
        for payload in delivery.payloads:
            item = Item("frame", ts_ns, conn, payload, message)
            yield from self._post(item, delivery.late_ns)
        if delivery.end:
            self._down(conn, delivery.fault.duration_s if delivery.fault else None)
            yield Item("disconnected", ts_ns, conn, _NOTHING, None)
        if not delivery.payloads:
            yield Item("lost", ts_ns, conn, _NOTHING, message)
