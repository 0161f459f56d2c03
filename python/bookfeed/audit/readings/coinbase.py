"""Coinbase's Advanced Trade WebSocket, as the auditor reads it: one count for a whole connection;
and that of its Exchange, a second source.

Whatever a message is about, it takes the next number, so a hole may hide a change of any book of
the connection. A whole book comes with its subscription, then changes with absolute sizes; both
sides of either stand in one list. After each command the venue lists what is subscribed.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument, Side, newest
from bookfeed.audit.fills import Named, named
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    count,
    is_text,
    is_too_high,
    plain,
    positive_price,
    read_json,
    rfc3339,
)
from bookfeed.audit.reading import Effects, Heard, Message, Proof, Reading, SecondTold, Trade

_SIDES: Final[dict[object, Side]] = {"bid": "bid", "offer": "ask"}
_SIDES_OF_THE_EXCHANGE: Final[dict[object, Side]] = {"buy": "bid", "sell": "ask"}
# The side of the order that rested, and what whoever met it did.
_TAKERS: Final = {"BUY": "sell", "SELL": "buy"}
# Channels that say nothing of books.
_OTHERS: Final = ("heartbeats", "ticker", "ticker_batch", "candles", "status")
# So many copies in a row are borne; after more, numbers began anew.
_COPIES_MAX: Final = 8


class Part(NamedTuple):
    """What one message says, and where it stands in its connection."""

    number: int | None
    """``None`` without one."""
    first: bool
    """Whether it is the first of its frame, which takes the number."""
    content: Any = None
    sent: int | None = None
    """When the venue says that it sent the frame, Unix nanoseconds."""


@dataclass(slots=True)
class Restart:
    """Numbers in a row that came before: copies, or a new beginning that nobody announced."""

    above: int
    """The newest number when it began."""
    number: int
    """The newest of the run."""
    whole: dict[int, Message] = field(default_factory=dict)
    """The newest whole book of each product in it."""


@dataclass(slots=True)
class Line:
    """The count of one connection."""

    number: int | None = None
    heard: Heard = field(default_factory=Heard)
    sent: int | None = None
    """The newest time at which a frame was sent."""
    restart: Restart | None = None
    copies: tuple[int, int] = (0, 0)
    """How many messages came as copies do, behind which number."""


class CoinbaseReading(Reading):
    """See ``Reading``."""

    venue = "coinbase"
    payout = None

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._lines: Final[dict[int, Line]] = {}
        self._placed: Final[set[int]] = set()
        self._told: Final[defaultdict[int, Named]] = defaultdict(Named)

    # What the journal says besides data.

    def renewed(self, conn: int) -> None:
        """See ``Reading``."""
        self._lines.pop(conn, None)
        self._placed.difference_update(one.number for one in self.model.on(conn))

    def forget(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._placed.discard(one.number)

    def heard(self, one: Instrument) -> Heard:
        """See ``Reading``."""
        line = self._lines.get(one.conn)
        on_it = line is not None and one.number in self._placed
        return line.heard if line is not None and on_it else super().heard(one)

    def proved(self, one: Instrument) -> Proof:
        """See ``Reading``."""
        if one.number not in self._placed:
            return super().proved(one)
        return Proof((one.conn, 1), self.heard(one).ts)

    # Frames.

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The messages of a frame: one for each book, one for all trades of it."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return [Message("broken", everyone=True, body=Part(None, True))]
        number, sent = count(document.get("sequence_num")), _time(document.get("timestamp"))
        messages = self._messages(document, number) or [Message("nothing")]
        for place, message in enumerate(messages):
            message.body = Part(number, place == 0, message.body, sent)
        return messages

    def read_second(self, payload: bytes) -> SecondTold | None:
        """See ``Reading``: the WebSocket of the Exchange."""
        try:
            document = read_json(payload)
            kind, symbol = document.get("type"), document.get("product_id")
            if kind not in ("snapshot", "l2update") or not is_text(symbol):
                return None
            whole = kind == "snapshot"
            listed = (
                document["changes"]
                if not whole
                else [
                    *(("buy", *pair[:2]) for pair in document["bids"]),
                    *(("sell", *pair[:2]) for pair in document["asks"]),
                ]
            )
            levels = [
                (_SIDES_OF_THE_EXCHANGE[side], positive_price(at), plain(size, 8))
                for side, at, size in listed
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return SecondTold(symbol, whole, levels)

    def _messages(self, document: dict[str, Any], number: int | None) -> list[Message]:
        channel, events = document.get("channel"), document.get("events")
        sent = _time(document.get("timestamp"))
        if channel == "l2_data":
            if not _are_objects(events):
                return [*self._books(events, number), Message("malformed", everyone=True)]
            return self._books(events, number)
        if channel == "market_trades":
            return [self._trades(events)]
        if channel == "subscriptions":
            return [Message("subscriptions", sent, body=_listed(events))]
        if channel in _OTHERS:
            return [Message("nothing", sent)]
        if is_text(channel):
            return [Message("unknown", sent)]
        may_be_one = events is not None or document.get("sequence_num") is not None
        return [Message("malformed" if may_be_one else "nothing", everyone=may_be_one)]

    def _books(self, events: object, number: int | None) -> list[Message]:
        listed = events if isinstance(events, list) else []
        return [self._book(each, number) for each in listed if isinstance(each, dict)]

    def _book(self, event: dict[str, Any], number: int | None) -> Message:
        symbol, kind = event.get("product_id"), event.get("type")
        known = self.model.find(self.venue, symbol)
        named = [] if known is None else [known]
        try:
            if number is None or not is_text(symbol) or kind not in ("snapshot", "update"):
                raise ValueError("no number, no product, or neither of the two kinds")
            changes, ts_event = _updates(event.get("updates"), whole=kind == "snapshot")
        except ValueError:
            return Message("malformed", None, named, everyone=not named)
        content = (symbol, changes)
        return Message(
            str(kind), ts_event, named, levels=True, whole=kind == "snapshot", body=content
        )

    def _trades(self, events: object) -> Message:
        """All of a frame, at the time of the first; what cannot be read takes nothing with it."""
        message = Message("trade", trades=[])
        first = True
        for event in events if isinstance(events, list) else []:
            if not isinstance(event, dict) or event.get("type") == "snapshot":
                continue
            listed = event.get("trades")
            for each in listed if isinstance(listed, list) else []:
                if isinstance(each, dict):
                    self._trade(each, message, first=first)
                    first = False
        return message

    def _trade(self, each: dict[str, Any], message: Message, *, first: bool) -> None:
        ts_event = _time(each.get("time"))
        if first:
            message.ts_event = ts_event
        number = self.model.find(self.venue, each.get("product_id"))
        if number is None:
            return
        with suppress(ValueError):
            at, qty = positive_price(each.get("price")), plain(each.get("size"), 8)
            side, name = _TAKERS.get(str(each.get("side"))), each.get("trade_id")
            trade = Trade(number, side, at, qty, ts_event, named(name))
            assert message.trades is not None
            if self._told[number].take(name, trade):
                message.trades.append(trade)
            message.named += [] if number in message.named else [number]

    # What they do.

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        part: Part = message.body
        if message.kind == "broken":
            self._break_all(conn, "not JSON", effects)
            return effects
        self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
        current = self._advance(conn, part, message, effects)
        if message.kind == "malformed":
            for number in message.named:
                effects.breaks(self.model.instruments[number], "malformed")
            if message.everyone:
                self._break_all(conn, "malformed", effects)
        elif message.kind == "unknown" and part.number is not None:
            self._break_all(conn, "of an unknown channel", effects)
        elif message.kind == "subscriptions" and part.content is not None:
            for one in self.model.on(conn):
                if one.based and one.running and one.symbol not in part.content:
                    effects.breaks(one, "not subscribed")
        elif message.levels and current:
            self._take(conn, message, effects)
        return effects

    def _advance(self, conn: int, part: Part, message: Message, effects: Effects) -> bool:
        """Whether the message may be applied: its number is the newest."""
        if part.number is None:
            return True
        line = self._lines.setdefault(conn, Line())
        last = line.number
        if not part.first:
            return last == part.number
        if last is not None and part.number <= last:
            return self._again(conn, line, part, message, effects)
        if last is not None and part.number > last + 1:
            self._break_all(conn, f"gap: {last} then {part.number}", effects)
        line.number = part.number
        line.heard.hear(message.ts_event, self.model.now)
        line.sent = newest(line.sent, part.sent)
        return True

    def _again(self, conn: int, line: Line, part: Part, message: Message, effects: Effects) -> bool:
        """A number that came before. In a row, and up to something later than all that was heard,
        numbers began anew: true if that is known now.
        """
        run, line.restart, number = line.restart, None, part.number
        assert number is not None, "it has one that came before"
        if run is not None and (run.above, run.number + 1) != (line.number, number):
            run = None
        ts, latest = message.ts_event, line.heard.ts
        later = ts is not None and (latest is None or ts > latest)
        if run is not None and later and not message.whole:
            line.number = number
            line.heard.hear(ts, self.model.now)
            line.sent = newest(line.sent, part.sent)
            for instrument, whole in run.whole.items():
                if not self.model.instruments[instrument].running:
                    self._load(conn, whole)
            return True
        if message.whole:
            assert line.number is not None
            run = run or Restart(line.number, number)
            run.number, line.restart = number, run
            ours = (n for n in message.named if self.model.instruments[n].conn == conn)
            run.whole |= dict.fromkeys(ours, message)
        if not self._may_be_copy(line, part, message, later=later):
            self._break_all(conn, f"out_of_order: {line.number} then {number}", effects)
        return False

    def _may_be_copy(self, line: Line, part: Part, message: Message, *, later: bool) -> bool:
        """Whether what bears a number that came before is discarded and nothing else. Neither a
        whole book nor a list is: numbers begin anew with them. A copy was sent before what came
        since, and that of the newest message when that was.
        """
        behind, before = line.copies
        before = before if behind == line.number else 0
        line.copies = line.number or 0, before + 1
        begins = message.whole or message.kind == "subscriptions"
        sent, latest, at_once = part.sent, line.sent, part.number == line.number
        if sent is None or latest is None:
            return False
        was_sent = sent < latest or (sent == latest and at_once)
        return was_sent and not (begins or later) and before < _COPIES_MAX

    def _take(self, conn: int, message: Message, effects: Effects) -> None:
        symbol, changes = message.body.content
        if message.whole:
            if not message.named:
                message.named = self.model.meet(conn, self.venue, symbol)
            self._load(conn, message)
            return
        if not message.named and not self.model.meets:
            self._break_all(conn, "a change of an unknown product", effects)
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn or not one.based:
                continue
            for side, at, qty in changes:
                one.book.set(side, at, qty)
            one.ts_event = newest(one.ts_event, message.ts_event)

    def _load(self, conn: int, message: Message) -> None:
        """A whole book is the basis of what follows."""
        _, changes = message.body.content
        for number in message.named:
            one = self.model.instruments[number]
            if one.over or one.state == "idle" or one.conn != conn:
                continue
            sides: dict[Side, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}
            for side, at, qty in changes:
                sides[side][at] = qty
            one.book.load(sides["bid"], sides["ask"])
            one.ts_event, one.based = message.ts_event, True
            self._placed.add(number)

    def _break_all(self, conn: int, why: str, effects: Effects) -> None:
        for one in self.model.on(conn):
            effects.breaks(one, why)


def _are_objects(listed: object) -> bool:
    return isinstance(listed, list) and all(isinstance(each, dict) for each in listed)


def _time(value: object) -> int | None:
    """A time as nanoseconds; one of no clock, such as that of the year 1, is none."""
    ts = rfc3339(value)
    return ts if ts is not None and ts > 0 else None


def _updates(
    listed: object, *, whole: bool
) -> tuple[Sequence[tuple[Side, Decimal, Decimal]], int | None]:
    """Levels and the newest of their times; ``ValueError`` for anything that is no level."""
    if not isinstance(listed, list) or not _are_objects(listed):
        raise ValueError("updates are not an array of objects")
    changes: list[tuple[Side, Decimal, Decimal]] = []
    ts_event = None
    for each in listed:
        ts_event = newest(ts_event, _time(each.get("event_time")))
        side = _SIDES.get(each.get("side") if is_text(each.get("side")) else None)
        if side is None:
            raise ValueError("a level of no side")
        qty = plain(each.get("new_quantity"), 8)
        if side == "ask" and is_too_high(each.get("price_level")):
            continue
        at = positive_price(each.get("price_level"))
        if qty or not whole:
            changes.append((side, at, qty))
    if whole and len({(side, at) for side, at, _ in changes}) < len(changes):
        raise ValueError("a price stands twice in one side")
    return changes, ts_event


def _listed(events: object) -> list[object] | None:
    """Whose books a connection is subscribed to; ``None`` if that is no such list."""
    if not isinstance(events, list) or not events or not _are_objects(events):
        return None
    listed = events[-1].get("subscriptions")
    if not isinstance(listed, dict):
        return None
    books = listed.get("level2", [])
    return books if isinstance(books, list) else None


READING = CoinbaseReading
