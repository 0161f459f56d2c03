"""Kraken's WebSocket v2, as the auditor reads it: books of so many levels, proved by checksums.

A whole book comes first, then changes with absolute sizes. Each side holds the levels that were
subscribed and no more: what a better level pushes out is gone, and no message says so. Every
message ends with a CRC-32 over the digits of the ten best levels of both sides, as printed.
"""

from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zlib import crc32

from bookfeed.audit.books import Instrument, Side, newest
from bookfeed.audit.broadcasts import Broken
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
from bookfeed.audit.reading import Effects, Message, Reading, Trade

# Levels a side that a checksum is over.
_CHECKED: Final = 10
# Changes of a book that are remembered, to know a copy by.
_REMEMBERED: Final = 16
_SIDES: Final[tuple[tuple[Side, str], ...]] = (("bid", "bids"), ("ask", "asks"))


class Level(NamedTuple):
    """A level; both numbers keep the zeros they were printed with."""

    price: Decimal
    qty: Decimal


class Levels(NamedTuple):
    """What a message says of one book."""

    symbol: str
    changes: list[tuple[Side, Level]]
    checksum: int


@dataclass(slots=True)
class Printed:
    """Both sides of a book by price, as printed."""

    bid: dict[Decimal, Level] = field(default_factory=dict)
    ask: dict[Decimal, Level] = field(default_factory=dict)

    def side(self, side: Side) -> dict[Decimal, Level]:
        """One of them."""
        return self.bid if side == "bid" else self.ask

    def best_first(self, side: Side) -> list[Decimal]:
        """Prices of a side."""
        return sorted(self.side(side), reverse=side == "bid")


class KrakenReading(Reading):
    """See ``Reading``."""

    venue = "kraken"
    digests = True
    payout = None

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.checksums_agreed = 0
        self._printed: Final[dict[int, Printed]] = {}
        self._told: Final[defaultdict[int, Named]] = defaultdict(Named)
        self._lately: Final[defaultdict[int, deque[object]]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )
        """Times and contents of the newest changes of each book."""

    def _of(self, one: Instrument) -> Printed:
        return self._printed.setdefault(one.number, Printed())

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The messages of a frame: one for each book, one for all trades of it."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
            if self._is_notice_to_all(Broken(payload)):
                return [Message("nothing")]
        if not isinstance(document, dict):
            return [Message("broken", everyone=True)]
        if document.get("error") is not None or document.get("success") is False:
            return [Message("nothing")]
        if is_text(document.get("method")):
            if document["method"] != "unsubscribe":
                return [Message("nothing")]
            return [self._unsubscribed(document.get("result"))]
        return self._news(document.get("channel"), document.get("type"), document.get("data"))

    def _is_notice_to_all(self, broken: Broken) -> bool:
        """Whether a frame that is no JSON says how the exchange stands, or that it is there."""
        of_a_book = broken.has_any(("symbol", "bids", "asks", "method"))
        if of_a_book or broken.name("channel") not in ("status", "heartbeat"):
            return False
        ours = (each.symbol for each in self.model.instruments if each.venue == self.venue)
        return broken.is_one_object() and not broken.names_any(ours)

    def _news(self, channel: object, kind: object, data: object) -> list[Message]:
        """Of a channel; what is none of it may be about any book."""
        kind = kind if is_text(kind) else None
        if channel == "trade" and kind == "snapshot":
            return [Message("nothing")]  # what was traded before the subscription
        if channel in ("book", "trade") and (channel == "trade" or kind in ("snapshot", "update")):
            if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
                return [Message("malformed", everyone=True)]
            if channel == "trade":
                return [self._trades(data)]
            return [self._book(str(kind), each) for each in data]
        untyped = data is not None and (channel == "book" or not is_text(channel))
        return [Message("malformed" if untyped else "nothing", everyone=untyped)]

    def _book(self, kind: str, members: dict[str, Any]) -> Message:
        symbol = members.get("symbol")
        number = self.model.find(self.venue, symbol)
        named = [] if number is None else [number]
        ts_event = rfc3339(members.get("timestamp"))
        try:
            levels = _levels(kind, symbol, members)
        except ValueError:
            return Message("malformed", ts_event, named, everyone=not named)
        return Message(kind, ts_event, named, levels=True, whole=kind == "snapshot", body=levels)

    def _trades(self, data: list[dict[str, Any]]) -> Message:
        """All of a frame; one that cannot be read takes no book, and no other trade, with it."""
        trades: list[Trade] = []
        message = Message("trade", trades=trades)
        for each in data:
            ts_event = rfc3339(each.get("timestamp"))
            message.ts_event = newest(message.ts_event, ts_event)
            number = self.model.find(self.venue, each.get("symbol"))
            if number is None:
                continue
            with suppress(ValueError):
                trade = _trade(number, each, ts_event)
                if self._told[number].take(each.get("trade_id"), trade):
                    trades.append(trade)
                message.named += [] if number in message.named else [number]
        return message

    def _unsubscribed(self, result: object) -> Message:
        members = result if isinstance(result, dict) else {}
        number = self.model.find(self.venue, members.get("symbol"))
        named = [number] if number is not None and members.get("channel") == "book" else []
        return Message("unsubscribed", named=named)

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.everyone:
            for one in self.model.on(conn):
                effects.breaks(one, message.kind)
        if message.levels:
            self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
        if message.whole and not message.named:
            message.named = self.model.meet(conn, self.venue, message.body.symbol)
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn:
                continue
            if message.levels:
                self._take(one, message, effects)
            elif message.kind in ("malformed", "unsubscribed"):
                effects.breaks(one, message.kind)
        return effects

    def _take(self, one: Instrument, message: Message, effects: Effects) -> None:
        if one.over or one.state == "idle":
            return
        if self._is_old_news(one, message, effects):
            message.whole = False
            return
        if message.whole:
            self._printed[one.number] = Printed()
            one.book.load({}, {})
            one.based = True
        if not one.based:
            return
        printed = self._of(one)
        for side, level in message.body.changes:
            printed.side(side).pop(level.price, None)
            if level.qty:
                printed.side(side)[level.price] = level
            one.book.set(side, level.price, level.qty)
        for side, _ in _SIDES:
            self._cut(one, side)
        one.ts_event = newest(one.ts_event, message.ts_event)
        self._check(one, message.body.checksum, effects)

    def _is_old_news(self, one: Instrument, message: Message, effects: Effects) -> bool:
        """Whether a message takes a running book back: a whole book of an earlier time, or the copy
        of a change. A whole one without a time has to be the same.
        """
        lately = self._lately[one.number]
        if message.whole:
            if not (one.running and one.based) or one.ts_event is None:
                lately.clear()
                return False
            if message.ts_event is None and self._differs(one, message.body):
                effects.breaks(one, "out_of_order: another whole book, of no time")
            return message.ts_event is None or message.ts_event < one.ts_event
        if not one.running:
            return False
        known = (message.ts_event, message.body)
        if message.ts_event is not None and known in lately:
            return True
        lately.append(known)
        return False

    def _differs(self, one: Instrument, levels: Levels) -> bool:
        """Whether a whole book has another level than the running one, or another size of one."""
        told: dict[Side, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}
        for side, level in levels.changes:
            told[side][level.price] = level.qty
        mine = {
            side: {at: level.qty for at, level in self._of(one).side(side).items()} for side in told
        }
        return told != mine

    def _cut(self, one: Instrument, side: Side) -> None:
        """Drops what lies beyond the levels that were subscribed."""
        printed = self._of(one)
        if one.depth is None or len(printed.side(side)) <= one.depth:
            return
        for at in printed.best_first(side)[one.depth :]:
            del printed.side(side)[at]
            one.book.set(side, at, Decimal(0))

    def _check(self, one: Instrument, claim: int, effects: Effects) -> None:
        mine = self.checksum(one)
        if claim != mine:
            effects.breaks(one, f"checksum_mismatch: {mine}, told {claim}")
        self.checksums_agreed += claim == mine

    def checksum(self, one: Instrument) -> int:
        """CRC-32 over the best levels: asks from the lowest up, then bids from the highest down."""
        printed, text = self._of(one), ""
        sides: tuple[Side, Side] = ("ask", "bid")
        for side in sides:
            for at in printed.best_first(side)[:_CHECKED]:
                text += "".join(_digits(number) for number in printed.side(side)[at])
        return crc32(text.encode())


def _digits(number: Decimal) -> str:
    """The digits a number was printed with, without the point and the zeros before the first."""
    return format(number, "f").replace(".", "").lstrip("0")


def _levels(kind: str, symbol: object, element: dict[str, Any]) -> Levels:
    """Both sides of a message; ``ValueError`` if it is not that."""
    if not isinstance(symbol, str) or not is_text(symbol):
        raise ValueError("a book without a symbol")
    claim = count(element.get("checksum"))
    if claim is None or claim >= 2**32:
        raise ValueError("a checksum that is none")
    told = [(side, key) for side, key in _SIDES if key in element]
    if len(told) < (2 if kind == "snapshot" else 1):
        raise ValueError("a whole book without a side, or a change without any")
    changes: list[tuple[Side, Level]] = []
    for side, key in told:
        listed = element[key]
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise ValueError("levels are not an array of objects")
        levels = [
            Level(positive_price(each.get("price")), plain(each.get("qty"), 8))
            for each in listed
            if side == "bid" or not is_too_high(each.get("price"))
        ]
        if kind == "snapshot" and len({level.price for level in levels}) < len(levels):
            raise ValueError("a price stands twice in one side")
        changes += [(side, level) for level in levels]
    return Levels(symbol, changes, claim)


def _trade(number: int, element: dict[str, Any], ts: int | None) -> Trade:
    side, name = element.get("side"), named(element.get("trade_id"))
    at, qty = positive_price(element.get("price")), plain(element.get("qty"), 8)
    return Trade(number, side if side in ("buy", "sell") else None, at, qty, ts, name)


READING = KrakenReading
