"""Books that two connections carry, as the auditor reads them: each line by itself.

What a line told is applied to books of its own, as if there were no other. A book that is live is
then what one of its lines has told, or what it was before: whatever the rules are by which the
engine chooses, it may neither mix up two moments nor make up a third one. What only a union of both
lines can be, where each lost something, has to be one of theirs again within ``LATE_NS``.
"""

from collections.abc import Iterator
from typing import Any, Final

from bookfeed.audit.answers import rest_book
from bookfeed.audit.books import Instrument, Side
from bookfeed.audit.model import Model, Waits
from bookfeed.audit.numbers import NS_PER_S
from bookfeed.recordings.kinds import Kind

# How long a book may be what neither line has told: so late a line may be.
LATE_NS: Final = 3 * NS_PER_S

_SUBSCRIPTIONS: Final = (Kind.SUBSCRIBE, Kind.UNSUBSCRIBE, Kind.FORGET)
_OF_BOOKS: Final = (*_SUBSCRIPTIONS, Kind.RESYNC_BEGIN)
_SIDES: Final[tuple[Side, Side]] = ("bid", "ask")

# Levels of both sides in the engine's integers, the best first.
Sides = tuple[list[list[int]], list[list[int]]]


def sides_of(one: Instrument) -> Sides:
    """Levels of a book in the engine's integers."""
    bids, asks = (one.book.in_units(side) for side in _SIDES)
    return bids, asks


class Lines:
    """The lines of a journal, and what each of them told."""

    def __init__(self, waits: Waits) -> None:
        self._waits: Final = waits
        self._beside: Final[dict[int, int]] = {}
        """The other line, by connection; the same one, if it is the only one left."""
        self._told: Final[dict[int, Model]] = {}
        """What each line told, by connection."""
        self._subscribed: Final[list[tuple[int, int, bytes, dict[str, Any]]]] = []
        self._homes: Final[dict[int, int]] = {}
        """On which connection a book was subscribed, by number."""
        self._moved: dict[int, int] = {}
        """Where books are whose connection ended, by connection."""
        self._agreed: Final[dict[int, Sides]] = {}
        """The levels of a book when they were last those of a line."""
        self._unlike_since: Final[dict[int, int]] = {}

    def carries(self, conn: int) -> bool:
        """Whether a connection is a line, or is what is left of two."""
        return conn in self._beside

    def has(self, number: int) -> bool:
        """Whether a book has two lines."""
        return self._homes.get(number, -1) in self._beside

    # What the journal says besides data.

    def control(self, kind: int, conn: int, payload: bytes, options: dict[str, Any]) -> None:
        """A record that is no data; ``options`` is its JSON, if it has any."""
        if kind == Kind.LINE:
            self._line(conn, options.get("beside"))
            return
        if kind in _SUBSCRIPTIONS:
            self._subscribed.append((kind, conn, payload, options))
        for line, model in self._told.items():
            if kind in _OF_BOOKS:
                self._subscribe(model, line, kind, conn, payload, options)
            elif conn == line:
                model.control(kind, conn, payload, options)
                self._follow(model)

    def subscribed(self, number: int, conn: int) -> None:
        """The book of this number was subscribed on a connection."""
        self._homes[number] = conn

    def _line(self, conn: int, beside: object) -> None:
        if not isinstance(beside, int):
            self._end(conn)
            return
        self._beside[conn], self._beside[beside] = beside, conn
        for line in (beside, conn):
            if line in self._told:
                continue
            self._told[line] = model = Model(waits=self._waits)
            for kind, on, payload, options in self._subscribed:
                self._subscribe(model, line, kind, on, payload, options)

    def _end(self, conn: int) -> None:
        """The books rest on the line that is left, by itself, however they are subscribed."""
        other = self._beside.pop(conn, conn)
        if other == conn:
            return
        self._beside[other] = other
        del self._told[conn]
        self._moved = {at: other if to == conn else to for at, to in self._moved.items()}
        self._moved[conn] = other
        for number in [n for n, home in self._homes.items() if home == conn]:
            self._homes[number] = other

    def _subscribe(
        self,
        model: Model,
        line: int,
        kind: int,
        conn: int,
        payload: bytes,
        options: dict[str, Any],
    ) -> None:
        """Numbers are those of the journal; what is on the other line is on this one, too."""
        conn = self._moved.get(conn, conn)
        on = line if kind == Kind.SUBSCRIBE and conn == self._beside.get(line) else conn
        model.control(kind, on, payload, options)
        if kind == Kind.SUBSCRIBE and on == line:
            one = model.instruments[model.find(options["venue"], options["symbol"]) or 0]
            model.state_changed(one.number, "syncing", "subscribed", snapshot=False)

    # Data.

    def take(self, kind: int, conn: int, payload: bytes, now: int) -> list[int]:
        """A frame or an answer, on the books of its line; whom it named."""
        named: set[int] = set()
        lines = {conn} if kind == Kind.FRAME else {conn, self._beside[conn]}
        for line in sorted(lines):
            model = self._told[line]
            model.now = now
            named.update(self._apply(model, kind, line, payload))
            self._follow(model)
        return sorted(named)

    def _apply(self, model: Model, kind: int, line: int, payload: bytes) -> Iterator[int]:
        connection = model.connections.get(line)
        reading = None if connection is None else model.reading(connection.venue)
        if connection is None or reading is None or not connection.up:
            return
        if kind == Kind.FRAME:
            for message in reading.read(line, payload):
                effects = reading.apply(line, message)
                yield from message.named
                yield from effects.broken
                if message.whole:
                    for number in message.named:
                        self._begin(model, number)
            return
        for message in self._answers(model, kind, payload):
            of = model.reading_of(model.instruments[message.named[0]]) if message.named else None
            if of is not None:
                of.apply_rest(message)
                yield from message.named
                for number in message.named:
                    self._begin(model, number)

    def _answers(self, model: Model, kind: int, payload: bytes) -> list[Any]:
        if kind == Kind.REST_BOOK:
            try:
                answer = rest_book(payload)
                reading = model.reading_of(model.instruments[answer.instrument])
            except (ValueError, IndexError):
                return []
            at = answer.stands_at
            return [] if reading is None else reading.read_rest(answer.body, answer.instrument, at)
        found = [model.reading(connection.venue) for connection in model.connections.values()]
        reading = next((each for each in found if each is not None), None)
        return (
            [] if reading is None or kind != Kind.REST else reading.read_rest(payload, None, None)
        )

    def _begin(self, model: Model, number: int) -> None:
        """A whole book came: what comes after it is applied."""
        one = model.instruments[number]
        reading = model.reading_of(one)
        if not one.running and reading is not None and (one.based or not reading.judges):
            model.state_changed(number, "live", "snapshot", snapshot=True)

    def _follow(self, model: Model) -> None:
        """What broke is not applied to, until a whole book comes."""
        for one in model.present.values():
            reading = model.reading_of(one)
            if one.running and reading is not None and reading.judges and not one.based:
                model.state_changed(one.number, "stale", "line", snapshot=False)

    # What came of it.

    def like(self, number: int, theirs: Sides, now: int) -> Instrument | None:
        """The book of a line that has these levels; ``None`` if there is none."""
        for model in self._told.values():
            one = model.instruments[number] if number < len(model.instruments) else None
            if one is not None and one.running and sides_of(one) == theirs:
                self._agreed[number] = theirs
                self._unlike_since.pop(number, None)
                return one
        if self._agreed.get(number) == theirs:
            self._unlike_since.pop(number, None)
        else:
            self._unlike_since.setdefault(number, now)
        return None

    def unlike(self, number: int, now: int) -> bool:
        """Whether a book has been what neither of its lines has told for too long."""
        since = self._unlike_since.get(number, now)
        home = self._homes[number]
        lines = (self._told[home], self._told[self._beside[home]])
        known = (model.instruments[number].running for model in lines)
        return now - since > LATE_NS and all(known)
