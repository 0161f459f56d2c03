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
from math import log
from typing import Final, Literal, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import Delivery, Fault, FaultEvent, FaultInjector
from bookfeed.sim.truth import Truth
from bookfeed.sim.venue import SimVenue, VenueConfig
from bookfeed.sim.wire import Message

START_NS: Final = 1_790_000_000_000_000_000
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_TRANSIT_NS: Final = 8 * _NS_PER_MS
_PONG_EVERY_NS: Final = 10 * _NS_PER_S
_RECONNECT_S: Final = 0.5

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


class Stream:
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
        if conns < 1 or rate <= 0:
            raise ValueError("a stream needs at least 1 connection and a rate above 0")
        self.venue = SimVenue(config, START_NS // _NS_PER_MS)
        self.conns = conns
        self._rng = seeded("stream", config.seed)
        self._injector = FaultInjector(faults, config.seed, START_NS)
        self._step_ns = _NS_PER_S / rate
        self._custom = custom_features
        self._now_ns = START_NS
        self._pong_ns = START_NS + _PONG_EVERY_NS
        self._back_ns: dict[int, int] = dict.fromkeys(range(conns), START_NS)
        """Connections that are down, and when each will be up again."""
        self._leave: set[int] = set()

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
        return self.venue.rest_book(asset_id).encode()

    def reconnect(self, conn: int) -> None:
        """Has the client drop ``conn``; it comes back with fresh books half a second later."""
        self._leave.add(conn)

    def items(self, count: int) -> Iterator[Item]:
        """The next ``count`` items, or a few more where several belong to one moment."""
        while count > 0:
            for item in self._moment():
                count -= 1
                yield item

    def frames(self, count: int) -> Iterator[Item]:
        """The next ``count`` items that deliver a frame, and the others between them."""
        while count > 0:
            for item in self._moment():
                count -= item.kind == "frame"
                yield item

    def _moment(self) -> Iterator[Item]:
        """All items of the next instant of virtual time."""
        venue = self.venue
        self._now_ns += int(-log(1 - self._rng.random()) * self._step_ns)
        if not venue.active:
            self._now_ns = max(self._now_ns, self._next_event_ns())
        yield from self._connections()
        now_ms = self._now_ns // _NS_PER_MS
        for message in venue.due(now_ms):
            yield from self._carry(message)
        for message in venue.step(now_ms):
            yield from self._carry(message)

    def _next_event_ns(self) -> int:
        """When something will happen if no market does anything."""
        due_ms = self.venue.next_due_ms()
        events = [self._pong_ns, *self._back_ns.values()]
        return min(events if due_ms is None else [*events, due_ms * _NS_PER_MS])

    def _connections(self) -> Iterator[Item]:
        ts_ns = self._now_ns + _TRANSIT_NS
        while self._leave:
            conn = self._leave.pop()
            if conn not in self._back_ns:
                self._back_ns[conn] = self._now_ns + int(_RECONNECT_S * _NS_PER_S)
                yield Item("disconnected", ts_ns, conn, _NOTHING, None)
        for conn, back_ns in list(self._back_ns.items()):
            if self._now_ns >= back_ns:
                del self._back_ns[conn]
                self._injector.connected(conn)
                yield Item("connected", ts_ns, conn, _NOTHING, None)
                books = self.venue.initial_books(self.asset_ids(conn))
                yield Item("frame", ts_ns, conn, books, None)
        if self._now_ns >= self._pong_ns:
            self._pong_ns = self._now_ns + _PONG_EVERY_NS
            for conn in range(self.conns):
                if conn not in self._back_ns:
                    yield Item("frame", ts_ns, conn, b"PONG", None)

    def _carry(self, message: Message) -> Iterator[Item]:
        """Delivers one message to whom it concerns, or to whom a fault lets it through."""
        self.venue.truth.apply(message)
        if message.custom and not self._custom:
            return
        if message.mask:
            yield from self._hand_over(self.conn_of(message.market), message, message.mask)
        else:
            for conn in range(self.conns):
                yield from self._hand_over(conn, message, 0)

    def _hand_over(self, conn: int, message: Message, mask: int) -> Iterator[Item]:
        ts_ns = self._now_ns + _TRANSIT_NS
        if conn in self._back_ns:
            yield Item("lost", ts_ns, conn, _NOTHING, message)
            return
        first, second = self.venue.markets[message.market].assets
        ids = (first.asset_id, second.asset_id)
        delivery = self._injector.deliver(conn, message, mask, ids, self._now_ns)
        for payload in delivery.payloads:
            yield Item("frame", ts_ns, conn, payload, message)
        if delivery.end:
            self._back_ns[conn] = self._now_ns + self._away_ns(delivery)
            yield Item("disconnected", ts_ns, conn, _NOTHING, None)
        if not delivery.payloads:
            yield Item("lost", ts_ns, conn, _NOTHING, message)

    def _away_ns(self, delivery: Delivery) -> int:
        fault = delivery.fault
        away_s = fault.duration_s if fault and fault.duration_s is not None else _RECONNECT_S
        return int(away_s * _NS_PER_S)
