"""Gemini spot, as the auditor reads it: numbered changes behind a whole book, or version 2.

On the fast WebSocket a change says which updates of its book it spans, first and last. The first
message about a book on a connection is all of it, and nothing marks it: one that removes a level,
or lacks a side, is no beginning, and no other on that connection is one. ``bookTicker`` has numbers
of its own, so that its time says where it belongs: a difference from the book that stays is
something that is missing. Version 2 (``type``) numbers nothing; its whole book comes with trades or
auctions of the past, once a connection.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.beside import GRACE_NS, Beside, Pace, differences
from bookfeed.audit.books import Instrument, OwnBook, Side, newest
from bookfeed.audit.fills import Named, named
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    count,
    is_text,
    is_too_high,
    millis,
    nanos,
    plain,
    positive_price,
    read_json,
)
from bookfeed.audit.reading import Effects, Message, Reading, SecondTold, Trade

Changes = list[tuple[Side, Decimal, Decimal]]

# A time at which no patience is over: what counts is how often changes came.
NEVER: Final = 0

_TYPES_OF_VERSION_2: Final = frozenset({"l2_updates", "trade", "block_trade"})
_BOTH: Final[tuple[Side, Side]] = ("bid", "ask")
_SIDES_OF_VERSION_2: Final[dict[object, Side]] = {"buy": "bid", "sell": "ask"}


class Diff(NamedTuple):
    """Levels that have new sizes (zero removes) by these updates, 0 where nothing is numbered."""

    first: int
    last: int
    changes: Changes


class Whole(NamedTuple):
    """All levels of a book, of version 2; or the best ones."""

    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


@dataclass(slots=True)
class Numbers:
    """Where a book stands."""

    last: int = 0
    """The newest update heard, 0 where there are no numbers."""
    beside: Beside = field(default_factory=Beside)
    touch: tuple[Whole, int] | None = None
    """The best prices that were told last, and their time."""
    unmet: int | None = None
    """Since when they are others than the book's, while no change came."""
    changed_at: int | None = None
    """The time of the newest change, if it has one that counts."""

    def note_time(self, ts_event: int | None) -> None:
        """A change came. Best prices from before a clock ran back are of no time of its own."""
        before, self.changed_at = self.changed_at, ts_event
        if ts_event is None or (before is not None and ts_event < before):
            self.touch, self.unmet, self.beside.strikes = None, None, 0


class GeminiReading(Reading):
    """See ``Reading``."""

    venue = "gemini"
    payout = None
    shows = ("bbo_mismatch",)

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.touches_agreed = 0
        """Comparisons with the best prices that found no difference."""
        self._numbers: Final[dict[int, Numbers]] = {}
        self._begun: Final[defaultdict[int, set[str]]] = defaultdict(set)
        """By connection: symbols whose beginning is past."""
        self._overtaken: Final[defaultdict[int, set[int]]] = defaultdict(set)
        """By connection: books of version 2 of which a change came before the whole."""
        self._paces: Final[dict[int, Pace]] = {}
        self._told: Final[defaultdict[int, Named]] = defaultdict(Named)

    def _of(self, one: Instrument) -> Numbers:
        return self._numbers.setdefault(one.number, Numbers())

    def stands_at(self, one: Instrument) -> int | None:
        """The update at which a book stands; ``None`` without a basis or without numbers."""
        return (self._of(one).last or None) if one.based else None

    def renewed(self, conn: int) -> None:
        """See ``Reading``."""
        self._begun.pop(conn, None)
        self._overtaken.pop(conn, None)
        self._paces.pop(conn, None)

    def forget(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._numbers[one.number] = Numbers()

    # Frames.

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The one message of a frame."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return [Message("broken", everyone=True)]
        kind = _kind(document)
        if kind == "nothing":
            return [Message("nothing")]
        message = Message(kind, _stamp(document), levels=kind in ("depth", "l2", "l2_book"))
        symbol = next(
            (document[key] for key in ("symbol", "s") if is_text(document.get(key))), None
        )
        number = self.model.find(self.venue, symbol)
        message.named = [] if number is None else [number]
        try:
            self._content(message, document, named=symbol is not None)
        except ValueError:
            of_a_book = message.levels or kind == "malformed"
            message.kind, message.levels = "malformed" if of_a_book else "nothing", False
            message.everyone = of_a_book and not message.named
        return [message]

    def _content(self, message: Message, document: dict[str, Any], *, named: bool) -> None:
        """What a message of this type holds; ``ValueError`` if it is not that."""
        if message.kind == "malformed" or not named:
            raise ValueError("levels without a type, or of no symbol")
        if message.kind == "depth":
            message.body = _diff(document)
        elif message.kind == "touch":
            message.body = _touch(document)
        elif message.kind == "trade":
            self._trade(message, document)
        elif message.kind == "l2":
            message.body = Diff(0, 0, _changes_2(document))
        else:
            message.body = _whole(_changes_2(document))
            message.whole = bool(message.body.bids or message.body.asks)
            message.levels = message.whole

    def _trade(self, message: Message, document: dict[str, Any]) -> None:
        fast = "type" not in document
        price, size, name = ("p", "q", "t") if fast else ("price", "quantity", "tid")
        at, qty = positive_price(document.get(price)), plain(document.get(size), 8)
        side: str | None = None
        if fast:
            maker_bought = document.get("m")
            if isinstance(maker_bought, bool):
                side = "sell" if maker_bought else "buy"
        elif document.get("side") in ("buy", "sell"):
            side = str(document["side"])
        message.trades = [
            Trade(number, side, at, qty, message.ts_event, named(document.get(name)))
            for number in message.named
            if self._told[number].take(document.get(name), (message.ts_event, side, at, qty))
        ]

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.everyone:
            for one in self.model.on(conn):
                self._miss(conn, one, message.kind, effects)
        fits = True
        if message.kind in ("depth", "touch") and message.ts_event is not None:
            pace = self._paces.setdefault(conn, Pace())
            fits = pace.fits(self.model.now - message.ts_event, self.model.now)
        if fits and (message.levels or message.kind == "touch"):
            self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
        ts_event = message.ts_event if fits else None
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn or one.over or one.state == "idle":
                continue
            if message.kind == "depth":
                self._take(conn, one, message, ts_event, effects)
            elif message.kind == "l2_book" and message.whole:
                self._begin(one, message, effects)
            elif message.kind == "l2" and one.based and self._of(one).last:
                effects.breaks(one, "malformed: a change without a number")
            elif message.kind == "l2" and one.based:
                self._put(one, message.body.changes, None)
            elif message.kind == "l2":
                self._overtaken[conn].add(one.number)
            elif message.kind == "touch":
                self._hear_touch(one, message.body, ts_event, effects)
            elif message.kind == "malformed":
                self._miss(conn, one, message.kind, effects)
        return effects

    def _miss(self, conn: int, one: Instrument, why: str, effects: Effects) -> None:
        effects.breaks(one, why)
        self._begun[conn].add(one.symbol)

    def read_second(self, payload: bytes) -> SecondTold | None:
        """See ``Reading``: version 2, whose symbols are those of the fast one in upper case."""
        try:
            document = read_json(payload)
            kind = _kind(document) if isinstance(document, dict) else ""
            if kind not in ("l2", "l2_book") or not is_text(document.get("symbol")):
                return None
            return SecondTold(document["symbol"].lower(), kind == "l2_book", _changes_2(document))
        except ValueError:
            return None

    def _take(
        self, conn: int, one: Instrument, message: Message, ts_event: int | None, effects: Effects
    ) -> None:
        """A numbered change, or the whole book with which its connection begins."""
        diff: Diff = message.body
        numbers = self._of(one)
        if one.symbol not in self._begun[conn]:
            self._begun[conn].add(one.symbol)
            removes = any(not qty for _, _, qty in diff.changes)
            sides = {side for side, _, _ in diff.changes}
            whole = None if removes or len(sides) < 2 else _unambiguous(diff.changes)
            if whole is not None and self.model.connections[conn].opened:
                one.book.load(whole.bids, whole.asks)
                one.based, one.ts_event, message.whole = True, ts_event, True
                self._numbers[one.number] = Numbers(diff.last, changed_at=ts_event)
            return
        if not one.based:
            return
        if not numbers.last:
            effects.breaks(one, "malformed: a number where changes had none")
        elif diff.last < numbers.last:
            effects.breaks(one, f"out_of_order: {numbers.last} then {diff.last}")
        elif diff.last == numbers.last:
            if not one.book.holds(diff.changes):
                effects.breaks(one, f"out_of_order: {diff.last} again, with other sizes")
        elif diff.first > numbers.last + 1:
            effects.breaks(one, f"gap: {numbers.last} then {diff.first}")
        else:
            numbers.last = diff.last
            self._put(one, diff.changes, ts_event)
            numbers.note_time(ts_event)
            self._meet_touch(one, effects)

    def _begin(self, one: Instrument, message: Message, effects: Effects) -> None:
        """A whole book of version 2, which begins once; what comes again is the same."""
        whole: Whole = message.body
        if one.state == "syncing" and one.cause == "subscribed":
            if one.number in self._overtaken[one.conn]:
                message.whole = False
                effects.breaks(one, "out_of_order: a change came before the whole book")
                return
            one.book.load(whole.bids, whole.asks)
            one.based, self._numbers[one.number] = True, Numbers()
            return
        message.whole = False
        told = OwnBook()
        told.load(whole.bids, whole.asks)
        if one.based and any(told.levels(side) != one.book.levels(side) for side in _BOTH):
            effects.breaks(one, "out_of_order: another whole book")

    def _put(self, one: Instrument, changes: Changes, ts_event: int | None) -> None:
        for side, at, qty in changes:
            one.book.set(side, at, qty)
        one.ts_event = newest(one.ts_event, ts_event)

    def _hear_touch(
        self, one: Instrument, touch: Whole, ts_event: int | None, effects: Effects
    ) -> None:
        """The best prices: the changes may not have come to them, unless they are silent."""
        numbers, now = self._of(one), self.model.now
        if not one.running or not one.based or numbers.changed_at is None or ts_event is None:
            return
        if ts_event < numbers.changed_at:
            return
        numbers.touch = (touch, ts_event)
        if not differences(one, touch.bids, touch.asks):
            numbers.unmet = None
            self.touches_agreed += 1
            return
        numbers.unmet = now if numbers.unmet is None else numbers.unmet
        if now - numbers.unmet >= GRACE_NS:
            effects.breaks(one, f"bbo_mismatch: unmet since {numbers.unmet}")

    def _meet_touch(self, one: Instrument, effects: Effects) -> None:
        """The changes have come to where the book stands: it has the touch that was told last."""
        numbers = self._of(one)
        numbers.unmet, stands_at = None, numbers.changed_at
        if numbers.touch is None or stands_at is None or numbers.touch[1] > stands_at:
            return
        (bids, asks), _ = numbers.touch
        found = numbers.beside.compare(one, bids, asks, stands_at, stands_at, NEVER)
        self.touches_agreed += found == "same"
        if found == "missing":
            effects.breaks(one, f"bbo_mismatch: {sorted(numbers.beside.differences)[:2]}")


def _kind(document: dict[str, Any]) -> str:
    """The type of a message. On the fast WebSocket only changes of books name theirs."""
    given = {key for key, value in document.items() if value is not None}
    has_levels = any(isinstance(document.get(key), list) for key in ("b", "a"))
    has_levels = has_levels or bool(given & {"bids", "asks", "changes"})
    event, kind = document.get("e"), document.get("type")
    if is_text(event):
        known = {"depthUpdate": "depth", "bookTicker": "touch", "trade": "trade"}.get(str(event))
        return known or ("malformed" if has_levels else "nothing")
    if is_text(kind):
        if kind == "l2_updates":
            return "l2_book" if given & {"trades", "auction_events"} else "l2"
        if kind in _TYPES_OF_VERSION_2:
            return "trade"
        known_2 = str(kind) in _OTHERS_OF_VERSION_2
        return "malformed" if has_levels and not known_2 else "nothing"
    if event is not None or kind is not None:
        return "malformed" if has_levels else "nothing"
    if "lastUpdateId" in given:
        return "nothing"
    if has_levels:
        return "malformed"
    if given >= {"B", "A"}:
        return "touch"
    return "trade" if "t" in given and "p" in given else "nothing"


_OTHERS_OF_VERSION_2: Final = frozenset(
    {
        "heartbeat", "auction_open", "auction_indicative", "auction_result",
        "candles_1m_updates", "top", "subscription_ack", "error",
    }
)  # fmt: skip


def _diff(document: dict[str, Any]) -> Diff:
    first, last = count(document.get("U")), count(document.get("u"))
    if not first or last is None or first > last:
        raise ValueError("a change that does not say which updates it spans")
    changes: Changes = []
    sides: tuple[tuple[Side, str], ...] = (("bid", "b"), ("ask", "a"))
    for side, key in sides:
        listed = document.get(key)
        if not isinstance(listed, list):
            raise ValueError("levels are not an array")
        changes += [level for each in listed for level in _level(side, each)]
    return Diff(first, last, changes)


def _level(side: Side, pair: object) -> Changes:
    """A level, or none if its price is too high to be held."""
    if not isinstance(pair, list) or len(pair) < 2:
        raise ValueError("a level is not a pair")
    qty = plain(pair[1], 8)
    if side == "ask" and is_too_high(pair[0]):
        return []
    return [(side, positive_price(pair[0]), qty)]


def _changes_2(document: dict[str, Any]) -> Changes:
    listed = document.get("changes")
    if not isinstance(listed, list):
        raise ValueError("changes are not an array")
    changes: Changes = []
    for each in listed:
        if not isinstance(each, list) or not each or not isinstance(each[0], str):
            raise ValueError("a level is not an array that begins with its side")
        side = _SIDES_OF_VERSION_2.get(each[0])
        if side is None:
            raise ValueError("a level of no side")
        changes += _level(side, each[1:])
    return changes


def _unambiguous(changes: Changes) -> Whole | None:
    """Both sides of a whole book; ``None`` if a price stands twice."""
    sides: dict[Side, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}
    for side, at, qty in changes:
        if at in sides[side]:
            return None
        sides[side][at] = qty
    return Whole(sides["bid"], sides["ask"])


def _whole(changes: Changes) -> Whole:
    whole = _unambiguous([change for change in changes if change[2]])
    if whole is None:
        raise ValueError("a price stands twice in one side")
    return whole


def _touch(document: dict[str, Any]) -> Whole:
    sides: list[dict[Decimal, Decimal]] = []
    for price, size in (("b", "B"), ("a", "A")):
        at, qty = plain(document.get(price), 9), plain(document.get(size), 8)
        sides.append({at: qty} if at else {})
    return Whole(*sides)


def _stamp(document: dict[str, Any]) -> int | None:
    """Nanoseconds, or milliseconds in version 2."""
    if document.get("E") is not None:
        return nanos(document["E"])
    return millis(document.get("timestamp"))


READING = GeminiReading
