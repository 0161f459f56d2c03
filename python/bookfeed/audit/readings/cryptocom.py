"""Crypto.com spot, as the auditor reads it: a chain of changes behind a whole book of few levels.

A whole book says at which number it stands, and a change at which it stood before and at which it
stands now: so it follows one message and no other. A change of nothing that moves no number is a
sign of life. Sizes are absolute. Each side holds the levels that were subscribed and no more: what
a better level pushes out is gone, and no message says so. Trades stand newest first.
"""

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, NamedTuple

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
from bookfeed.audit.reading import Effects, Message, Reading, Trade

Changes = list[tuple[Side, Decimal, Decimal]]

_SIDES: Final[tuple[tuple[Side, str], ...]] = (("bid", "bids"), ("ask", "asks"))
_TAKERS: Final = {"BUY": "buy", "SELL": "sell"}
_SAY_NOTHING: Final = frozenset(
    {
        "ticker", "candlestick", "funding", "index", "mark", "settlement", "otc_book",
        "estimatedfunding",
    }
)  # fmt: skip


class Levels(NamedTuple):
    """Levels as of number ``stands_at``; all of them, or those that changed since ``stood_at``."""

    stood_at: int
    stands_at: int
    changes: Changes


class CryptocomReading(Reading):
    """See ``Reading``."""

    venue = "cryptocom"
    payout = None

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._stands_at: Final[dict[int, int]] = {}
        """The newest number told of each instrument on its connection."""
        self._told: Final[defaultdict[int, Named]] = defaultdict(Named)

    def stands_at(self, one: Instrument) -> int | None:
        """The number at which a book stands; ``None`` without a basis."""
        return self._stands_at.get(one.number) if one.based else None

    def renewed(self, conn: int) -> None:
        """See ``Reading``."""
        for one in self.model.on(conn):
            self._stands_at.pop(one.number, None)

    # Frames.

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The messages of a frame: one for each entry of a book, one for all trades of it."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return [Message("broken", everyone=True)]
        news = document.get("result")
        news = news if isinstance(news, dict) else {}
        channel, data = news.get("channel"), news.get("data")
        if data is None:
            return [Message("nothing") if channel != "book.update" else self._broken(news)]
        failed = document.get("code") is not None and count(document["code"]) != 0
        if channel == "trade":
            return [self._trades(news)]
        if channel in ("book", "book.update"):
            if failed or not isinstance(data, list) or not data:
                return [self._broken(news)]
            return [self._book(news, each, whole=channel == "book") for each in data]
        if not is_text(channel) or str(channel).startswith("book"):
            return [self._broken(news)]
        of_a_book = str(news.get("subscription")).startswith("book")
        if of_a_book and channel not in _SAY_NOTHING:
            return [self._broken(news)]
        return [Message("nothing")]

    def _broken(self, news: dict[str, Any]) -> Message:
        number = self.model.find(self.venue, news.get("instrument_name"))
        named = [] if number is None else [number]
        return Message("malformed", None, named, everyone=not named)

    def _book(self, news: dict[str, Any], entry: object, *, whole: bool) -> Message:
        message = self._broken(news)
        if not isinstance(entry, dict):
            return message
        message.ts_event = millis(entry.get("t")) or millis(entry.get("tt"))
        try:
            if not is_text(news.get("instrument_name")):
                raise ValueError("a book of no instrument")
            body = _whole(entry) if whole else _update(entry)
        except ValueError:
            return message
        kind = "book" if whole else "update"
        named, symbol = message.named, news["instrument_name"]
        return Message(kind, message.ts_event, named, levels=True, whole=whole, body=(symbol, body))

    def _trades(self, news: dict[str, Any]) -> Message:
        """All of a frame, as they happened; one that cannot be read takes nothing with it."""
        trades: list[Trade] = []
        message = Message("trade", trades=trades)
        data = news.get("data")
        for each in reversed(data) if isinstance(data, list) else ():
            if not isinstance(each, dict):
                continue
            ts_event = (is_text(each.get("tn")) and nanos(each["tn"])) or millis(each.get("t"))
            message.ts_event = newest(message.ts_event, ts_event)
            symbol = each["i"] if is_text(each.get("i")) else news.get("instrument_name")
            number = self.model.find(self.venue, symbol)
            if number is None:
                continue
            with suppress(ValueError):
                at, qty = positive_price(each.get("p")), plain(each.get("q"), 8)
                side = _TAKERS.get(str(each.get("s")))
                trade = Trade(number, side, at, qty, ts_event, named(each.get("d")))
                if self._told[number].take(each.get("d"), trade):
                    trades.append(trade)
                message.named += [] if number in message.named else [number]
        return message

    # Books.

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.everyone:
            for one in self.model.on(conn):
                effects.breaks(one, message.kind)
        if message.levels:
            self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
        if message.whole and not message.named:
            message.named = self.model.meet(conn, self.venue, message.body[0])
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn:
                continue
            if message.levels:
                self._take(one, message, effects)
            elif message.kind == "malformed":
                effects.breaks(one, message.kind)
        return effects

    def _take(self, one: Instrument, message: Message, effects: Effects) -> None:
        if one.over or one.state == "idle":
            return
        levels: Levels = message.body[1]
        last = self._stands_at.get(one.number)
        if message.whole:
            self._begin(one, levels, last, message, effects)
            return
        if last is not None and levels.stands_at == last:
            # Once more, or a sign of life.
            if one.based and not one.book.holds(_within(one, levels.changes)):
                effects.breaks(one, f"out_of_order: {last} again, with other sizes")
            return
        if not one.based:
            self._stands_at[one.number] = levels.stands_at
            return
        self._stands_at[one.number] = levels.stands_at
        if last is None or levels.stands_at < last:
            effects.breaks(one, f"out_of_order: {last} then {levels.stands_at}")
        elif levels.stood_at != last:
            effects.breaks(one, f"gap: {last} then what follows {levels.stood_at}")
        else:
            self._put(one, levels.changes, message.ts_event)

    def _begin(
        self,
        one: Instrument,
        levels: Levels,
        last: int | None,
        message: Message,
        effects: Effects,
    ) -> None:
        """A whole book; one that is older than what was told after it is none."""
        if last is not None and levels.stands_at < last:
            message.whole = False
            return
        if one.based and levels.stands_at == last:
            message.whole = False
            whole = OwnBook()
            for change in levels.changes:
                whole.set(*change)
            if any(whole.levels(side) != one.book.levels(side) for side, _ in _SIDES):
                effects.breaks(one, f"withheld: another book at {last}")
            return
        one.book.load({}, {})
        one.based, one.ts_event = True, None
        self._stands_at[one.number] = levels.stands_at
        self._put(one, levels.changes, message.ts_event)

    def _put(self, one: Instrument, changes: Changes, ts_event: int | None) -> None:
        for side, at, qty in changes:
            one.book.set(side, at, qty)
        for side, _ in _SIDES:
            beyond = [] if one.depth is None else one.book.levels(side)[one.depth :]
            for at, _ in beyond:
                one.book.set(side, at, Decimal(0))
        one.ts_event = newest(one.ts_event, ts_event)


def _within(one: Instrument, changes: Changes) -> Changes:
    """Those of no level behind a window that is full."""
    ends = {side: one.book.levels(side)[-1][0] for side, _ in _SIDES if _is_full(one, side)}
    return [
        (side, at, qty)
        for side, at, qty in changes
        if side not in ends or (at >= ends[side] if side == "bid" else at <= ends[side])
    ]


def _is_full(one: Instrument, side: Side) -> bool:
    return one.depth is not None and len(one.book.levels(side)) >= one.depth > 0


def _whole(entry: dict[str, Any]) -> Levels:
    stands_at = _number(entry.get("u"))
    changes = [level for level in _levels(entry) if level[2]]
    if len({(side, at) for side, at, _ in changes}) < len(changes):
        raise ValueError("a price stands twice in one side")
    return Levels(stands_at, stands_at, changes)


def _update(entry: dict[str, Any]) -> Levels:
    stands_at, stood_at = _number(entry.get("u")), _number(entry.get("pu"))
    update = entry.get("update")
    if not isinstance(update, dict) or stood_at > stands_at:
        raise ValueError("a change of nothing, or one that runs backwards")
    changes = _levels(update)
    if changes and stood_at == stands_at:
        raise ValueError("a change without a number of its own")
    return Levels(stood_at, stands_at, changes)


def _number(value: object) -> int:
    number = count(value)
    if not number or number >= 2**64 - 1:
        raise ValueError("a number that is none")
    return number


def _levels(members: dict[str, Any]) -> Changes:
    """Levels of both sides; those whose price is too high to be held are left out."""
    changes: Changes = []
    for side, key in _SIDES:
        listed = members.get(key)
        if not isinstance(listed, list):
            raise ValueError("a side is missing or no array")
        for each in listed:
            if not isinstance(each, list) or len(each) < 2:
                raise ValueError("a level is not an array of price and size")
            qty = plain(each[1], 8)
            if side == "bid" or not is_too_high(each[0]):
                changes.append((side, positive_price(each[0]), qty))
    return changes


READING = CryptocomReading
