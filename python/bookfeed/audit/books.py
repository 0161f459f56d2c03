"""The auditor's own books: plain dictionaries of decimals, and what is known of each instrument."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from bookfeed.audit.fees import Fees
from bookfeed.audit.numbers import ONE, PRICE_MAX, PRICE_UNITS, QTY_UNITS, units

Side = Literal["bid", "ask"]
Level = tuple[Decimal, Decimal]


class Touch(NamedTuple):
    """Best price and size of both sides; ``None`` where a side is empty."""

    bid: Decimal | None = None
    bid_qty: Decimal | None = None
    ask: Decimal | None = None
    ask_qty: Decimal | None = None

    def in_units(self) -> tuple[int | None, int | None, int | None, int | None]:
        """The same as the engine's integers, which hold no ask above ``PRICE_MAX``."""
        if self.ask is not None and self.ask > PRICE_MAX:
            return Touch(self.bid, self.bid_qty).in_units()
        scales = (PRICE_UNITS, QTY_UNITS, PRICE_UNITS, QTY_UNITS)
        bid, bid_qty, ask, ask_qty = (
            None if value is None else units(value, scale)
            for value, scale in zip(self, scales, strict=True)
        )
        return bid, bid_qty, ask, ask_qty


class OwnBook:
    """Two ladders, price to size, in no particular order."""

    def __init__(self) -> None:
        self._sides: dict[Side, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}
        self._touch: Touch | None = None
        self._in_units: dict[Side, list[list[int]]] = {}
        """Sides as they were asked for, as long as they are so."""
        self._converted: dict[Side, dict[Decimal, list[int]]] = {"bid": {}, "ask": {}}
        """Levels of both sides as they were asked for, each as long as it is so."""

    def load(self, bids: Mapping[Decimal, Decimal], asks: Mapping[Decimal, Decimal]) -> None:
        """Replaces both sides."""
        self._sides = {"bid": dict(bids), "ask": dict(asks)}
        self._converted = {"bid": {}, "ask": {}}
        self._touch = None
        self._in_units.clear()

    def set(self, side: Side, price: Decimal, qty: Decimal) -> None:
        """Sets a level's size; zero removes it."""
        self._touch = None
        self._in_units.pop(side, None)
        self._converted[side].pop(price, None)
        if qty:
            self._sides[side][price] = qty
        else:
            self._sides[side].pop(price, None)

    def copy(self) -> "OwnBook":
        """Another one with the same levels."""
        other = OwnBook()
        other.load(self._sides["bid"], self._sides["ask"])
        return other

    def qty(self, side: Side, price: Decimal) -> Decimal:
        """Size at a price, zero if there is no such level."""
        return self._sides[side].get(price, Decimal(0))

    def holds(self, changes: Iterable[tuple[Side, Decimal, Decimal]]) -> bool:
        """Whether changes leave it as it is; of two of one level the last counts."""
        last = {(side, price): qty for side, price, qty in changes}
        return all(self.qty(side, price) == qty for (side, price), qty in last.items())

    @property
    def size(self) -> int:
        """How many levels it has."""
        return sum(map(len, self._sides.values()))

    def levels(self, side: Side) -> list[Level]:
        """Levels of a side, best first."""
        return sorted(self._sides[side].items(), reverse=side == "bid")

    def in_units(self, side: Side) -> list[list[int]]:
        """The same as the engine's integers, which hold no price above ``PRICE_MAX``."""
        if side not in self._in_units:
            converted, sizes = self._converted[side], self._sides[side]
            for at in sizes.keys() - converted.keys():
                converted[at] = [units(at, PRICE_UNITS), units(sizes[at], QTY_UNITS)]
            prices = sorted(sizes, reverse=side == "bid")
            self._in_units[side] = [converted[at] for at in prices if at <= PRICE_MAX]
        return self._in_units[side]

    @property
    def touch(self) -> Touch:
        """Best price and size of both sides."""
        if self._touch is None:
            bids, asks = self._sides["bid"], self._sides["ask"]
            bid = max(bids) if bids else None
            ask = min(asks) if asks else None
            self._touch = Touch(
                bid, None if bid is None else bids[bid], ask, None if ask is None else asks[ask]
            )
        return self._touch


@dataclass(slots=True)
class Instrument:
    """One book and its market, as the journal tells of them."""

    number: int
    venue: str
    symbol: str
    conn: int
    market: str | None = None
    event: str | None = None
    fees: Fees | None = None
    listed_fees: Fees | None = None
    """As the subscription stated them."""
    sibling: int | None = None
    open_ts: int | None = None
    close_ts: int | None = None
    listed_hours: tuple[int | None, int | None] = (None, None)
    """When it opens and closes, as the subscription stated them."""
    listed_terms: str | None = None
    """The same of its fees, in words."""
    min_order_size: Decimal = Decimal(0)
    """Smallest order, 0 if it is not known."""
    paused: bool = False
    unheard: set[str] = field(default_factory=set)
    """What may have changed without being heard: ``"pause"``, ``"close"``."""
    pauses: Callable[[int], bool] | None = None
    """Whether the venue as a whole pauses at a time."""
    determined: bool = False
    book: OwnBook = field(default_factory=OwnBook)
    deeper: OwnBook | None = None
    """The book with levels behind those that were known, as a whole one beside it has them: the
    engine may have taken them."""
    state: str = "idle"
    """As the newest state record has it: taken from the engine."""
    cause: str = "none"
    ts_event: int | None = None
    """Venue time of the newest message applied."""
    payout: Decimal | None = ONE
    """What a contract pays; ``None`` where there is no contract, and so no complement."""
    depth: int | None = None
    """Levels a side that were subscribed, where the venue keeps no more."""
    based: bool = False
    """Whether it rests on a whole book, and nothing broke it since."""
    gone: bool = False
    """Whether its number means nothing any more."""
    own: dict[tuple[Side, Decimal], Decimal] = field(default_factory=dict)
    """What rests of the user's own, as he told."""

    @property
    def running(self) -> bool:
        """Whether changes are applied to the book."""
        return self.state in ("live", "suspect")

    @property
    def mid_twice(self) -> int | None:
        """Twice the mid, in 1e-9; ``None`` while a side is empty."""
        bid, _, ask, _ = self.book.touch.in_units()
        return None if bid is None or ask is None else bid + ask

    @property
    def over(self) -> bool:
        """Whether only a new subscription could bring the book back."""
        return self.state == "stale" and self.cause in ("resolved", "unsubscribed", "poisoned")

    def status_ok(self, now: int) -> bool:
        """Whether its market trades at ``now``."""
        if self.paused or self.determined or self.unheard:
            return False
        if self.pauses is not None and self.pauses(now):
            return False
        opened = self.open_ts is None or now >= self.open_ts
        return opened and (self.close_ts is None or now < self.close_ts)


def newest(a: int | None, b: int | None) -> int | None:
    """The later of two times, either of which may be unknown."""
    return max((ts for ts in (a, b) if ts is not None), default=None)
