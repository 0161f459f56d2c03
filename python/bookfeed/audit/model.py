"""The auditor's model of a journal: connections, instruments, and their books."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

from bookfeed.audit import fees
from bookfeed.audit.books import Instrument, OwnBook, Side
from bookfeed.audit.moves import Waiting
from bookfeed.audit.numbers import NS_PER_S, PRICE_UNITS, QTY_UNITS, plain
from bookfeed.audit.reading import Heard, Peek, Reading
from bookfeed.audit.readings import reading_class
from bookfeed.audit.terms import Fair
from bookfeed.recordings.kinds import Kind


class Waits(NamedTuple):
    """What an engine was told of how long to wait for a venue's word, and of its calendar."""

    calendar: bool = True
    unheard_s: float = 300.0
    poll_age_s: float = 10.0
    batch_grace_s: float = 0.25


WAITS: Final = Waits()
"""What an engine does that was told nothing else."""


@dataclass(slots=True)
class Connection:
    """One connection."""

    venue: str
    up: bool = True
    opened: bool = False
    """Whether it was said to be open; one that is only listed counts as up as well."""
    mode: str = ""
    """How the venue was asked to speak, in the venue's own words."""
    heard: Heard = field(default_factory=Heard)
    """Newest venue time heard on it."""


# Asks the engine for its number of a book: venue, symbol; ``None`` if it has no such book.
Number = Callable[[str, str], int | None]


def _nothing(number: int, side: Side, price: Decimal) -> Decimal:
    del number, side, price
    return Decimal(0)


class Model:
    """All connections and instruments of a journal. Frames are read and applied by readings.

    With ``number_of`` a whole book of a symbol that nobody subscribed subscribes it.
    """

    def __init__(
        self,
        peek: Peek = _nothing,
        number_of: Number | None = None,
        waits: Waits = WAITS,
    ) -> None:
        self.peek: Final = peek
        self.calendar: Final = waits.calendar
        self.unheard_ns: Final = round(waits.unheard_s * NS_PER_S)
        self.poll_age_ns: Final = round(waits.poll_age_s * NS_PER_S)
        self.batch_ns: Final = round(waits.batch_grace_s * NS_PER_S)
        self._number_of: Final = number_of
        self.disputed: Final[list[str]] = []
        """Books that came by themselves here, but not in the engine."""
        self.instruments: Final[list[Instrument]] = []
        """By number, those that are gone included."""
        self.present: Final[dict[int, Instrument]] = {}
        """Those that are not."""
        self.connections: Final[dict[int, Connection]] = {}
        self.now = 0
        """Receive time of the journal record in hand."""
        self.expires: Final[dict[int, int]] = {}
        """From when on books hold no longer, by instrument, where that was said."""
        self.asked: Final[dict[int, int]] = {}
        """When the newest answer to a poll was asked for, by instrument."""
        self.fairs: Final[dict[int, Fair]] = {}
        """What contracts are worth by their references, by instrument: taken from the engine."""
        self.waiting: Final[dict[int, Waiting]] = {}
        """The moves of references that books have not answered yet, by instrument."""
        self.unread: Final[set[str]] = set()
        """Venues that no reading is written for."""
        self._readings: Final[dict[str, Reading | None]] = {}
        self._numbers: Final[dict[tuple[str, str], int]] = {}
        self._outcomes: Final[dict[tuple[str, str], list[int]]] = {}

    def reading(self, venue: str) -> Reading | None:
        """How ``venue`` is read; ``None`` if nobody has written that down."""
        if venue not in self._readings:
            found = reading_class(venue)
            self._readings[venue] = None if found is None else found(self)
            if found is None:
                self.unread.add(venue)
        return self._readings[venue]

    def pass_time(self, now: int) -> None:
        """Time has passed; what it ends is told to the readings."""
        for reading in self._readings.values():
            if reading is not None:
                reading.pass_time(now)

    def reading_of(self, one: Instrument) -> Reading | None:
        """How the venue of ``one`` is read."""
        return self.reading(one.venue)

    def find(self, venue: str, symbol: object) -> int | None:
        """Number of the instrument called ``symbol``."""
        return self._numbers.get((venue, symbol)) if isinstance(symbol, str) else None

    def of_market(self, venue: str, market: object) -> list[int]:
        """All instruments of a market."""
        return self._outcomes.get((venue, market), []) if isinstance(market, str) else []

    def on(self, conn: int) -> list[Instrument]:
        """All instruments of a connection."""
        return [each for each in self.present.values() if each.conn == conn]

    def control(self, kind: int, conn: int, payload: bytes, options: dict[str, Any]) -> None:
        """A record that is no data; ``options`` is its JSON, if it has any."""
        if kind == Kind.CONNECTED:
            venue, _, mode = payload.decode().partition(" ")
            self._renew(conn, Connection(venue, opened=True, mode=mode))
        elif kind == Kind.DISCONNECTED:
            if conn in self.connections:
                self._renew(conn, Connection(self.connections[conn].venue, up=False))
        elif kind == Kind.INVALIDATE:
            self._unbase(conn)
        elif kind == Kind.SUBSCRIBE:
            self._subscribe(conn, dict(options))
        elif kind == Kind.UNSUBSCRIBE:
            self._unsubscribe(self.instruments[options["instrument"]])
        elif kind == Kind.OWN:
            self.instruments[options["instrument"]].own = _own_levels(options)
        elif kind == Kind.FORGET:
            self._gone(self.instruments[options["instrument"]])
        elif kind == Kind.RESYNC_BEGIN:
            asked = options.get("asked") is True
            self._resync(self.instruments[options["instrument"]], asked=asked)

    def _renew(self, conn: int, connection: Connection) -> None:
        """A connection came up or was lost: what came on it so far is no basis any more."""
        self.connections[conn] = connection
        reading = self.reading(connection.venue)
        if reading is not None:
            reading.renewed(conn)
        self._unbase(conn)

    def _unbase(self, conn: int) -> None:
        for each in self.on(conn):
            self._forget(each)

    def _forget(self, one: Instrument) -> None:
        one.based = False
        reading = self.reading_of(one)
        if reading is not None:
            reading.forget(one)

    def _subscribe(self, conn: int, options: dict[str, Any]) -> None:
        venue, symbol = options["venue"], options["symbol"]
        self.connections.setdefault(conn, Connection(venue))
        number = self.find(venue, symbol)
        if number is None:
            number = self._add(conn, venue, symbol, self._spelled(venue, options.get("market")))
            if options.get("base") is not None:
                self.instruments[number].payout = None  # a pair of currencies is no contract
            if options.get("min_order_size") is not None:
                least = plain(str(options["min_order_size"]), 8)
                self.instruments[number].min_order_size = least
        one = self.instruments[number]
        reading, followed = self.reading_of(one), one.conn >= 0
        came = reading is not None and reading.hears(one)
        one.conn = conn
        self._forget(one)
        # Said when it is done: `over` must not outlive a new subscription.
        one.state, one.cause = "idle", "none"
        # What news said since is newer than the same listing again.
        terms = fees.stated(venue, options)
        new = terms is not None and not (followed and terms == one.listed_terms)
        if terms is not None and new:
            one.fees = one.listed_fees = fees.parse(terms)
        one.event = options.get("event") or one.event
        one.depth = options.get("depth") or one.depth
        hours = options.get("open_ts"), options.get("close_ts")
        if not (followed and hours == one.listed_hours):
            one.open_ts, one.close_ts = hours
        one.listed_hours, one.listed_terms = hours, terms or one.listed_terms
        if reading is not None:
            reading.listed(one, new_fees=new, news_came=came)

    def _spelled(self, venue: str, market: str | None) -> str | None:
        """The id of a market as the venue writes it, whatever was subscribed."""
        reading = self.reading(venue)
        lower = market is not None and reading is not None and reading.lower_case
        return market.lower() if market is not None and lower else market

    @property
    def meets(self) -> bool:
        """Whether books may come that nobody subscribed."""
        return self._number_of is not None

    def meet(self, conn: int, venue: str, symbol: object, market: object = None) -> list[int]:
        """Subscribes what a whole book is of, where that is wanted: its number, if it is new."""
        known = self._number_of is None or self.find(venue, symbol) is not None
        if known or not isinstance(symbol, str) or not symbol:
            return []
        assert self._number_of is not None
        number, theirs = len(self.instruments), self._number_of(venue, symbol)
        if theirs != number:
            self.disputed.append(f"{venue} {symbol!r}: book {number} here, {theirs} there")
            return []
        self._add(conn, venue, symbol, market if isinstance(market, str) else None)
        self.instruments[number].state = "syncing"
        return [number]

    def _add(self, conn: int, venue: str, symbol: str, market: str | None) -> int:
        number = len(self.instruments)
        reading = self.reading(venue)
        one = Instrument(number, venue, symbol, conn, market=market)
        if reading is not None:
            one.payout = reading.payout
            one.pauses = partial(reading.pauses, one)
            reading.added(one)
        one.fees = fees.unstated(venue)
        self.instruments.append(one)
        self.present[number] = one
        self._numbers[venue, symbol] = number
        if market is not None:
            self._pair(venue, market, number)
        return number

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
        self._forget(one)
        one.conn = -1
        one.book = OwnBook()

    def _gone(self, one: Instrument) -> None:
        """Its number is not given again; its symbol may be, and is another instrument's then."""
        one.gone = True
        del self.present[one.number]
        del self._numbers[one.venue, one.symbol]
        if one.sibling is not None:
            self.instruments[one.sibling].sibling = None
        one.sibling = None
        if one.market is not None:
            self._outcomes[one.venue, one.market].remove(one.number)
        one.event = None

    def _resync(self, one: Instrument, *, asked: bool) -> None:
        connection = self.connections.get(one.conn)
        stays = ("idle",) if asked else ("live", "idle")
        if connection is None or not connection.up or one.over or one.state in stays:
            return
        one.based = False
        reading = self.reading_of(one)
        if reading is not None:
            reading.resync(one)

    def state_changed(self, number: int, state: str, cause: str, *, snapshot: bool) -> None:
        """A state record; ``snapshot`` if the message in hand holds a whole book of it."""
        one = self.instruments[number]
        one.state, one.cause = state, cause
        if state in ("syncing", "stale") and not snapshot:
            one.based = False
        reading = self.reading_of(one)
        if reading is not None:
            reading.state_changed(one)


def _own_levels(told: dict[str, Any]) -> dict[tuple[Side, Decimal], Decimal]:
    """What of the user's own rests in a book: sizes by side and price."""
    sides: tuple[tuple[Side, str], ...] = (("bid", "bids"), ("ask", "asks"))
    return {
        (side, Decimal(price) / PRICE_UNITS): Decimal(qty) / QTY_UNITS
        for side, name in sides
        for price, qty in told[name]
    }
