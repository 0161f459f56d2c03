"""The auditor's model of a journal: connections, instruments, and their books."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit.books import Awaited, Instrument, OwnBook, Side
from bookfeed.audit.fees import listed_fees
from bookfeed.audit.numbers import NS_PER_S
from bookfeed.recordings.kinds import Kind

# Asks the engine for its size at a price: number of the instrument, side, price.
Peek = Callable[[int, Side, Decimal], Decimal]


@dataclass(slots=True)
class Stream:
    """A numbered stream of a connection (Kalshi: a subscription, ``sid``)."""

    seq: int | None = None
    ended: bool = False
    """Whether the venue has ended it; what still comes on it is of no use."""
    ts_venue: int | None = None
    """Newest venue time heard on it."""


@dataclass(slots=True)
class Connection:
    """One connection and what is numbered on it."""

    venue: str
    up: bool = True
    yes_prices: bool = False
    streams: dict[int, Stream] = field(default_factory=dict)
    ts_venue: int | None = None
    """Newest venue time heard on it."""

    def reset(self, *, up: bool) -> None:
        """It came up or was lost: all numbering begins anew."""
        self.up, self.ts_venue = up, None
        self.streams.clear()


@dataclass(slots=True)
class Message:
    """One message of a frame, read but not yet applied."""

    kind: str
    ts_event: int | None = None
    named: list[int] = field(default_factory=list)
    """Instruments it is about."""
    everyone: bool = False
    """Whether it concerns every book of its connection."""
    body: Any = None
    claims: dict[int, tuple[Decimal | None, Decimal | None] | None] = field(default_factory=dict)
    """The venue's own best bid and ask after it; ``None`` where it did not say."""


@dataclass(slots=True)
class Effects:
    """What applying a message did, as far as it must show in the engine's records."""

    broken: dict[int, str] = field(default_factory=dict)
    """Books that must leave live with it, and why."""
    repriced: set[int] = field(default_factory=set)
    """Instruments whose market status or fees changed."""
    overtaken: int = 0
    """Changes of which the engine's book told whether they were history."""


class Model:
    """All connections and instruments of a journal. Frames are read and applied by the venues."""

    def __init__(self) -> None:
        self.instruments: Final[list[Instrument]] = []
        self.connections: Final[dict[int, Connection]] = {}
        self._numbers: Final[dict[tuple[str, str], int]] = {}
        self._outcomes: Final[dict[tuple[str, str], list[int]]] = {}

    def find(self, venue: str, symbol: object) -> int | None:
        """Number of the instrument called ``symbol``."""
        return self._numbers.get((venue, symbol)) if isinstance(symbol, str) else None

    def of_market(self, venue: str, market: object) -> list[int]:
        """All instruments of a market."""
        return self._outcomes.get((venue, market), []) if isinstance(market, str) else []

    def on(self, conn: int) -> list[Instrument]:
        """All instruments of a connection."""
        return [each for each in self.instruments if each.conn == conn]

    def connection(self, conn: int, venue: str) -> Connection:
        """The connection, up if it was not known before."""
        return self.connections.setdefault(conn, Connection(venue))

    def control(self, kind: int, conn: int, payload: bytes, options: dict[str, Any]) -> None:
        """A record that is no data; ``options`` is its JSON, if it has any."""
        if kind == Kind.CONNECTED:
            venue, _, mode = payload.decode().partition(" ")
            connection = self.connection(conn, venue)
            connection.venue, connection.yes_prices = venue, mode == "use_yes_price"
            connection.reset(up=True)
            self.unbase(conn)
        elif kind == Kind.DISCONNECTED:
            if conn in self.connections:
                self.connections[conn].reset(up=False)
            self.unbase(conn)
        elif kind == Kind.INVALIDATE:
            self.unbase(conn)
        elif kind == Kind.SUBSCRIBE:
            self._subscribe(conn, dict(options))
        elif kind == Kind.UNSUBSCRIBE:
            self._unsubscribe(self.instruments[options["instrument"]])
        elif kind == Kind.RESYNC_BEGIN:
            self._resync(self.instruments[options["instrument"]])

    def unbase(self, conn: int) -> None:
        """Nothing that came on a connection so far is a basis any more."""
        for each in self.on(conn):
            each.based, each.sid = False, None

    def _subscribe(self, conn: int, options: dict[str, Any]) -> None:
        venue, symbol = options["venue"], options["symbol"]
        self.connection(conn, venue)
        number = self.find(venue, symbol)
        if number is None:
            number = len(self.instruments)
            market = options.get("market")
            self.instruments.append(Instrument(number, venue, symbol, conn, market=market))
            self._numbers[venue, symbol] = number
            if market is not None:
                self._pair(venue, market, number)
        one = self.instruments[number]
        one.conn, one.based, one.sid = conn, False, None
        # Said when it is done: `over` must not outlive a new subscription.
        one.state, one.cause = "idle", "none"
        one.fees = listed_fees(venue, options) or one.fees
        one.event = options.get("event") or one.event
        one.open_ts, one.close_ts = options.get("open_ts"), options.get("close_ts")

    def _pair(self, venue: str, market: str, number: int) -> None:
        """Two outcomes of a market complement each other; of three, none do."""
        outcomes = self._outcomes.setdefault((venue, market), [])
        outcomes.append(number)
        if len(outcomes) == 2:
            first, second = (self.instruments[each] for each in outcomes)
            first.sibling, second.sibling = second.number, first.number
        elif len(outcomes) == 3:
            for each in outcomes[:2]:
                self.instruments[each].sibling = None

    def _unsubscribe(self, one: Instrument) -> None:
        one.conn, one.based, one.awaited = -1, False, None
        one.book = OwnBook()

    def _resync(self, one: Instrument) -> None:
        connection = self.connections.get(one.conn)
        if connection is None or not connection.up or one.over or one.state in ("live", "idle"):
            return
        if one.venue == "polymarket":
            one.awaited = Awaited(one.ts_seen)
        one.based = False

    def told(self, number: int, state: str, cause: str, *, snapshot: bool) -> None:
        """A state record; ``snapshot`` if the message in hand holds a whole book of it."""
        one = self.instruments[number]
        one.state, one.cause = state, cause
        if state == "live" and cause != "evidence":
            one.ts_discarded = None
        if state in ("syncing", "stale"):
            one.recent.clear()
            if (state, cause) != ("syncing", "resync"):
                one.awaited = None
            if not snapshot:
                one.based = False
        if (state, cause) == ("syncing", "subscribed"):
            one.ts_seen = one.ts_discarded = None


def seconds(value: object) -> int | None:
    """Whole Unix seconds as nanoseconds; ``None`` if they are not that."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= 10:
        return int(value) * NS_PER_S
    return None
