"""A user's own quotes, as the auditor reads them: whole books that hold as long as was stated."""

import json
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from bookfeed.audit.books import Instrument
from bookfeed.audit.numbers import plain, positive_price
from bookfeed.audit.reading import Effects, Message, Reading

_AGE_MAX_NS = 10**18 - 1


class Quote(NamedTuple):
    """At most one level a side, price and size, and how long it holds from its receipt."""

    symbol: str
    bid: dict[Decimal, Decimal]
    ask: dict[Decimal, Decimal]
    max_age_ns: int

    @property
    def overlaps(self) -> bool:
        """Whether the bid is at the ask or above it."""
        return bool(self.bid and self.ask) and max(self.bid) >= min(self.ask)


class UserReading(Reading):
    """See ``Reading``."""

    venue = "user"
    stands_by_itself = True

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The one quote of a frame."""
        del conn
        try:
            document = json.loads(payload.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return [Message("broken", everyone=True)]
        members = document if isinstance(document, dict) else {}
        symbol = members.get("symbol")
        if not isinstance(symbol, str) or not symbol:
            return [Message("malformed", everyone=True)]
        number = self.model.find(self.venue, symbol)
        named = [] if number is None else [number]
        payout = self.payout if number is None else self.model.instruments[number].payout
        try:
            quote = _quote(symbol, members, payout)
        except ValueError:
            return [Message("malformed", named=named)]
        return [Message("quote", named=named, levels=True, whole=True, body=quote)]

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.everyone:
            for one in self.model.on(conn):
                effects.breaks(one, message.kind)
        if message.kind == "quote" and not message.named:
            message.named = self.model.meet(conn, self.venue, message.body.symbol)
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn or one.over or one.state == "idle":
                continue
            if message.kind == "quote":
                self._take(one, message.body, effects)
            else:
                effects.breaks(one, message.kind)
        return effects

    def _take(self, one: Instrument, quote: Quote, effects: Effects) -> None:
        one.book.load(quote.bid, quote.ask)
        one.based = True
        self.model.expires[one.number] = self.model.now + quote.max_age_ns
        if quote.overlaps:
            effects.breaks(one, "crossed")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _quote(symbol: str, members: dict[str, Any], payout: Decimal | None) -> Quote:
    """A quote of a contract that pays so much; ``ValueError`` if it is not that."""
    age = members.get("max_age_ns")
    if isinstance(age, bool) or not isinstance(age, int) or not 1 <= age <= _AGE_MAX_NS:
        raise ValueError("a quote that does not say how long it holds")
    return Quote(symbol, _side(members, "bid", payout), _side(members, "ask", payout), age)


def _side(members: dict[str, Any], name: str, payout: Decimal | None) -> dict[Decimal, Decimal]:
    if name not in members:
        raise ValueError(f"a quote without {name}")
    side = members[name]
    if side is None:
        return {}
    if not isinstance(side, list) or len(side) != 2:
        raise ValueError(f"{name} is no price and size")
    price, qty = positive_price(side[0]), plain(side[1], 8)
    if not qty or (payout is not None and price >= payout):
        raise ValueError(f"{name} cannot be executed")
    return {price: qty}


READING = UserReading
