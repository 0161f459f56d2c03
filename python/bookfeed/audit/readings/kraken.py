"""Kraken's WebSocket v2, as the auditor reads it: books of so many levels, proved by checksums.

A whole book comes first, then changes with absolute sizes. Each side holds the levels that were
subscribed and no more: what a better level pushes out is gone, and no message says so. Every
message ends with a CRC-32 over the digits of the ten best levels of both sides, as printed.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zlib import crc32

from bookfeed.audit.books import Instrument, Side, newest
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import count, plain, positive_price, read_json, rfc3339
from bookfeed.audit.reading import Effects, Message, Reading, Trade

# Levels a side that a checksum is over.
_CHECKED: Final = 10
_SIDES: Final[tuple[tuple[Side, str], ...]] = (("bid", "bids"), ("ask", "asks"))


class Level(NamedTuple):
    """A level; both numbers keep the zeros they were printed with."""

    price: Decimal
    qty: Decimal


class Levels(NamedTuple):
    """What a message says of one book."""

    symbol: str
    changes: list[tuple[Side, Level]]
    checksum: int | None


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

    def _of(self, one: Instrument) -> Printed:
        return self._printed.setdefault(one.number, Printed())

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The messages of a frame: one for each book, one for all trades of it."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return [Message("broken", everyone=True)]
        channel, data = document.get("channel"), document.get("data")
        if channel == "book":
            if not isinstance(data, list):
                return [Message("malformed", everyone=True)]
            return [self._book(str(document.get("type")), each) for each in data]
        if channel == "trade" and document.get("type") == "update":
            return [self._trades(data)]
        if document.get("method") == "unsubscribe" and document.get("success") is True:
            return [self._unsubscribed(document.get("result"))]
        return [Message("nothing")]

    def _book(self, kind: str, element: Any) -> Message:
        members = element if isinstance(element, dict) else {}
        symbol = members.get("symbol")
        number = self.model.find(self.venue, symbol)
        named = [] if number is None else [number]
        ts_event = rfc3339(members.get("timestamp"))
        try:
            levels = _levels(kind, symbol, members)
        except ValueError:
            return Message("malformed", ts_event, named, everyone=not named)
        return Message(kind, ts_event, named, levels=True, whole=kind == "snapshot", body=levels)

    def _trades(self, data: object) -> Message:
        message = Message("trade", trades=[])
        try:
            for each in data if isinstance(data, list) else []:
                message.ts_event = newest(message.ts_event, rfc3339(each.get("timestamp")))
                number = self.model.find(self.venue, each.get("symbol"))
                if number is not None:
                    message.named += [] if number in message.named else [number]
                    assert message.trades is not None
                    message.trades.append(_trade(number, each))
        except (ValueError, AttributeError):
            message.kind, message.trades = "malformed", None
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

    def _cut(self, one: Instrument, side: Side) -> None:
        """Drops what lies beyond the levels that were subscribed."""
        printed = self._of(one)
        if one.depth is None or len(printed.side(side)) <= one.depth:
            return
        for at in printed.best_first(side)[one.depth :]:
            del printed.side(side)[at]
            one.book.set(side, at, Decimal(0))

    def _check(self, one: Instrument, claim: int | None, effects: Effects) -> None:
        mine = self.checksum(one)
        if claim is None:
            return
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
    if kind not in ("snapshot", "update"):
        raise ValueError("a book that is neither whole nor a change")
    if not isinstance(symbol, str):
        raise ValueError("a book without a symbol")
    checksum = element.get("checksum")
    claim = count(checksum)
    if checksum is not None and (claim is None or claim >= 2**32):
        raise ValueError("a checksum that is none")
    changes: list[tuple[Side, Level]] = []
    for side, key in _SIDES:
        listed = element.get(key)
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise ValueError("levels are not an array of objects")
        levels = [
            Level(positive_price(each.get("price")), plain(each.get("qty"), 8)) for each in listed
        ]
        if kind == "snapshot" and len({level.price for level in levels}) < len(levels):
            raise ValueError("a price stands twice in one side")
        changes += [(side, level) for level in levels]
    return Levels(symbol, changes, claim)


def _trade(number: int, element: dict[str, Any]) -> Trade:
    side = element.get("side")
    if side not in ("buy", "sell"):
        raise ValueError("a trade without a side")
    at, qty = positive_price(element.get("price")), plain(element.get("qty"), 8)
    return Trade(number, side, at, qty)


READING = KrakenReading
