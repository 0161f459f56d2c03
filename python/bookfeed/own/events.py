"""What private channels tell, as typed events: orders, fills, claims of positions, order groups.

Prices are integers of 1e-9 USD a share, quantities of 1e-8 shares, fees of 1e-9 USD, costs of 1e-17
USD (a price times a quantity, exactly). Times are Unix nanoseconds. What a venue does not say is
``None``. ``side`` is what the user does with the book of ``symbol``: where a market has one book,
buying NO is selling it, and ``price_e9`` is the price of YES.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE

Side: TypeAlias = Literal["buy", "sell"]
OrderStatus: TypeAlias = Literal["unknown", "delayed", "open", "filled", "canceled", "invalid"]
FillStatus: TypeAlias = Literal["matched", "retrying", "mined", "confirmed", "failed"]
AccountState: TypeAlias = Literal["idle", "syncing", "live", "suspect", "stale"]
Source: TypeAlias = Literal["stream", "rest"]

# Of an order of which nothing more can become.
ENDED: Final = frozenset({"filled", "canceled", "invalid"})
# Of a fill of which nothing more can become.
SETTLED: Final = frozenset({"confirmed", "failed"})


class FillKey(NamedTuple):
    """What is unique about a fill. A trade may fill an order in several pieces, which look alike:
    ``ordinal`` counts them.
    """

    trade_id: str
    order_id: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An order of the user's, as it is now."""

    venue: str
    """Name of the venue."""
    market: str
    """The venue's id of the market."""
    symbol: str
    """The venue's string for the book it is for."""
    order_id: str
    """The venue's id of the order."""
    side: Side
    """What it does with the book of ``symbol``."""
    price_e9: int | None
    """Its limit; ``None`` where the venue does not say it."""
    qty_e8: int
    """How much was ordered."""
    filled_e8: int
    """How much of it was filled, trades that failed later included."""
    remaining_e8: int
    """How much of it rests; 0 once it has ended."""
    status: OrderStatus
    """``delayed`` is not in the book yet; ``unknown`` is a status that this version cannot read."""
    detail: str
    """The venue's own words for the status, such as ``CANCELED_MARKET_RESOLVED``."""
    order_type: str
    """The venue's word for how long it stands (``GTC``, ``FAK``); empty if it does not say."""
    client_order_id: str | None
    """The user's own id."""
    group: str | None
    """Its order group."""
    ts_created: int | None
    """When it was placed."""
    ts_expires: int | None
    """When it ends by itself."""
    ts_event: int | None
    """The venue's time of this state."""
    ts_recv: int
    """When it was told."""
    source: Source
    """Who told it: the channel, or an answer by REST."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can become of it."""
        return self.status in ENDED

    @property
    def price(self) -> float | None:
        """The limit in USD a share, for people."""
        return None if self.price_e9 is None else self.price_e9 / PRICE_SCALE

    @property
    def remaining(self) -> float:
        """How many shares rest, for people."""
        return self.remaining_e8 / QTY_SCALE


@dataclass(frozen=True, slots=True)
class OwnFill:
    """One fill of one order of the user's; told again whenever its status changes."""

    venue: str
    """Name of the venue."""
    market: str
    """The venue's id of the market."""
    symbol: str
    """The venue's string for the book it changed hands in."""
    key: FillKey
    """What is unique about it."""
    side: Side
    """What the user did with the book of ``symbol``."""
    price_e9: int
    """What a share cost."""
    qty_e8: int
    """How many shares."""
    fee_e9: int | None
    """What the venue took for it, negative for a rebate; ``None`` where it does not say."""
    maker: bool
    """Whether the user's order rested."""
    status: FillStatus
    """How far it is settled; one that ``failed`` never happened."""
    transaction: str | None
    """Hash of the transaction that settles it."""
    post_position_e8: int | None
    """The position after it, as the venue says it."""
    ts_event: int | None
    """When it was matched, by the venue's clock."""
    ts_recv: int
    """When this status was told."""
    source: Source
    """Who told it."""

    @property
    def signed_e8(self) -> int:
        """What it adds to the position."""
        return self.qty_e8 if self.side == "buy" else -self.qty_e8

    @property
    def price(self) -> float:
        """USD a share, for people."""
        return self.price_e9 / PRICE_SCALE

    @property
    def qty(self) -> float:
        """Shares, for people."""
        return self.qty_e8 / QTY_SCALE


@dataclass(frozen=True, slots=True)
class OwnClaim:
    """What a venue says of a position; evidence for or against the one that fills give."""

    venue: str
    """Name of the venue."""
    symbol: str
    """The venue's string for the book."""
    qty_e8: int
    """Shares held; negative are shares of the other side, NO."""
    cost_e17: int | None
    """What they cost."""
    realised_e17: int | None
    """Profit of what is not held any more, before fees."""
    fees_e9: int | None
    """Fees paid so far."""
    volume_e8: int | None
    """Shares that changed hands so far."""
    ts_recv: int
    """When it was told."""
    source: Source
    """Who told it."""


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """What became of an order group."""

    venue: str
    """Name of the venue."""
    group: str
    """The venue's id of the group."""
    what: str
    """The venue's word: ``created``, ``triggered``, ``reset``, ``deleted``, ``limit_updated``."""
    limit_e8: int | None
    """How many contracts it may trade; ``None`` where the message does not say."""
    ts_event: int | None
    """The venue's time."""
    ts_recv: int
    """When it was told."""


@dataclass(frozen=True, slots=True)
class OwnStatus:
    """Whether what is known of the user's orders and positions on a venue may be believed."""

    venue: str
    """Name of the venue."""
    state: AccountState
    """``live``: the channel is open and REST agreed since; ``syncing``: REST has not been heard
    yet; ``suspect``: messages contradict each other; ``stale``: the channel is down."""
    cause: str
    """Why, in words."""
    ts_evidence: int | None
    """When REST agreed last."""
    ts_recv: int
    """Since when it is so."""


OwnEvent: TypeAlias = OwnOrder | OwnFill | OwnClaim | OwnGroup | OwnStatus
OnOwn: TypeAlias = Callable[[OwnEvent], object]


@dataclass(frozen=True, slots=True)
class OwnPosition:
    """What is held of one book, from anchor and fills."""

    venue: str
    """Name of the venue."""
    market: str
    """The venue's id of the market."""
    symbol: str
    """The venue's string for the book."""
    qty_e8: int
    """Shares held; negative are shares of the other side, NO."""
    pending_e8: int
    """How many of the shares that changed hands are not settled yet; they may still fail."""
    cost_e17: int | None
    """What the shares held cost, at the average, without fees. ``None`` where more was sold than
    the trades say was bought: shares also come and go by splits, merges and transfers."""
    realised_e17: int | None
    """Profit of what is not held any more, without fees."""
    fees_e9: int | None
    """Fees paid so far; ``None`` where the venue's messages do not say."""

    @property
    def qty(self) -> float:
        """Shares held, for people."""
        return self.qty_e8 / QTY_SCALE
