"""A market and an event as a venue lists them, in the same words for every venue.

Numbers are exact, times Unix nanoseconds; what the venue did not tell is ``None`` or empty. Every
field that has no place here is kept in ``more``, as it came.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeVar

from bookfeed.catalogue.fields import Malformed, plain
from bookfeed.catalogue.regime import NOT_STATED, Regime
from bookfeed.errors import CatalogueError
from bookfeed.market import Fee, Market, Outcome

T = TypeVar("T")

NAME_MAX: Final = 200
"""How long the name of a market may be in a configuration."""

Status = Literal["unopened", "open", "paused", "closed", "settled", "unknown"]
"""``closed``: no longer traded, ``settled``: paid out; ``unknown``: a word that is not known."""


class ListedOutcome(NamedTuple):
    """One outcome of a listed market."""

    name: str
    symbol: str
    """The venue's string for its book; empty while there is none."""
    payout: Decimal | None = None
    """What a share paid, in dollars; ``None`` while it is not decided."""


class PriceBand(NamedTuple):
    """From which price to which prices are multiples of which step, in dollars."""

    start: Decimal
    end: Decimal
    step: Decimal


class Strike(NamedTuple):
    """What a price is compared with; ``kind`` is the venue's word."""

    kind: str
    floor: Decimal | None
    cap: Decimal | None

    def __str__(self) -> str:
        """Its numbers, for people."""
        return " to ".join(plain(one) for one in (self.floor, self.cap) if one is not None)


class Reference(NamedTuple):
    """The price that decides a market, as far as the listing states it in fields."""

    config: str
    """The venue's id of it."""
    asset: str
    twap_s: int | None
    """The seconds of its time-weighted mean; ``None`` where it is not one."""


class RewardPool(NamedTuple):
    """What is shared out a day among those who quote."""

    amount_per_day: Decimal | None
    asset: str
    start_ts: int | None
    end_ts: int | None


@dataclass(frozen=True, slots=True)
class Rewards:
    """What a quote must be to earn rewards, and the pools it shares in."""

    min_qty: Decimal | None
    max_spread_cents: Decimal | None
    """The furthest from the midpoint."""
    pools: tuple[RewardPool, ...] = ()


class Skipped(NamedTuple):
    """Something that a venue listed and that cannot be read."""

    name: str
    """What it calls itself; empty if not even that can be read."""
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One market as its venue lists it."""

    venue: str
    market: str
    """The venue's id of it; empty where a search does not tell it."""
    slug: str
    """What people paste: a slug, a ticker."""
    title: str
    subtitle: str = ""
    """Which of its event's markets it is."""
    label: str = ""
    """What tells it from others of its title, where the title does not."""
    event: str = ""
    """The venue's name of its event."""
    series: str = ""
    outcomes: tuple[ListedOutcome, ...] = ()
    status: Status
    status_word: str = ""
    """The venue's own word for it, if it has one."""
    result: str | None = None
    """What came true, in the venue's word; ``None`` while it is not decided."""
    decided_by: Decimal | None = None
    """The value that decided it."""
    listed_ts: int | None = None
    open_ts: int | None = None
    """When trading begins."""
    start_ts: int | None = None
    """When what it is about begins: its window, its game."""
    close_ts: int | None = None
    """When it ends, by its listing."""
    closes_firmly: bool = False
    """Whether trading ends at ``close_ts``, and not about then."""
    closed_ts: int | None = None
    """When it really ended."""
    updated_ts: int | None = None
    tick_size: Decimal | None = None
    """The smallest step between prices."""
    price_bands: tuple[PriceBand, ...] = ()
    """Where the step depends on the price."""
    min_order_size: Decimal | None = None
    qty_step: Decimal | None = None
    fee: Fee | None = None
    """What trading it costs; ``None`` if it cannot be told from the listing."""
    neg_risk: bool | None = None
    augmented: bool | None = None
    """Whether outcomes may be added to its event's set."""
    rules: str = ""
    resolution_source: str = ""
    strike: Strike | None = None
    reference: Reference | None = None
    regime: Regime = NOT_STATED
    """By which price it is decided, where it is about a price."""
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    volume: Decimal | None = None
    volume_24h: Decimal | None = None
    liquidity: Decimal | None = None
    open_interest: Decimal | None = None
    rewards: Rewards | None = None
    more: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)

    @property
    def called(self) -> str:
        """What people are shown: its title, with what tells it from others of the same one."""
        return f"{self.title} ({self.label})" if self.label else self.title

    def to_market(self) -> Market:
        """The market for a feed; ``CatalogueError`` if it has no books yet."""
        if not self.outcomes or not all(outcome.symbol for outcome in self.outcomes):
            problem = "has no order books: ask for it by its name again, a new market gets them"
            raise CatalogueError(f"{self.venue}: {self.slug} {problem} some minutes after listing")
        return Market(
            market=self.market,
            outcomes=tuple(Outcome(outcome.name, outcome.symbol) for outcome in self.outcomes),
            name=self.called,
            venue=self.venue,
            tick_size=None if self.tick_size is None else plain(self.tick_size),
            min_order_size=None if self.min_order_size is None else plain(self.min_order_size),
            neg_risk=self.neg_risk,
            fee=self.fee,
            event=self.event or None,
            open_ts=self.open_ts,
            close_ts=self.close_ts if self.closes_firmly else None,
        )


def listing_of_market(market: Market) -> Listing:
    """What the market of a feed says of itself, where nobody looked it up."""
    symbol = market.symbols[0]
    return Listing(
        venue=market.venue,
        market=market.market or symbol,
        slug=market.market or symbol,
        title=market.name,
        event=market.event or "",
        outcomes=tuple(ListedOutcome(one.name, one.symbol) for one in market.outcomes),
        status="unknown",
        open_ts=market.open_ts,
        close_ts=market.close_ts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """An event as its venue lists it, with those of its markets that can be read."""

    venue: str
    event: str
    """The venue's name of it: a slug, a ticker."""
    title: str
    subtitle: str = ""
    series: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    exclusive: bool | None = None
    """Whether at most one of its markets comes true."""
    augmented: bool | None = None
    start_ts: int | None = None
    close_ts: int | None = None
    rules: str = ""
    resolution_source: str = ""
    volume: Decimal | None = None
    volume_24h: Decimal | None = None
    liquidity: Decimal | None = None
    open_interest: Decimal | None = None
    markets: tuple[Listing, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    """Markets that cannot be read, and why."""
    more: Mapping[str, object] = field(default_factory=dict, repr=False, hash=False)


class ListedTrade(NamedTuple):
    """One trade of a market, as its venue remembers it."""

    ts: int
    """When it happened, Unix nanoseconds; some venues tell whole seconds."""
    outcome: str
    """Which outcome was traded, as in the market's ``outcomes``."""
    price: Decimal
    qty: Decimal
    aggressor: Literal["buy", "sell"] | None
    """Who crossed the spread, in terms of that outcome; ``None`` where the venue does not say."""
    id: str
    """What the venue calls it: a number of its own, a transaction; empty if nothing."""


class Page(NamedTuple):
    """Some of what a venue lists, and where the next page begins."""

    events: tuple[ListedEvent, ...]
    markets: tuple[Listing, ...]
    """Those that came without their events."""
    skipped: tuple[Skipped, ...]
    cursor: str
    """Empty at the end."""


def readable(
    objects: Sequence[object], read: Callable[[object], T], name: str
) -> tuple[tuple[T, ...], tuple[Skipped, ...]]:
    """What can be read of a list, and what cannot, by the field that names it."""
    found: list[T] = []
    skipped: list[Skipped] = []
    for one in objects:
        try:
            found.append(read(one))
        except Malformed as error:
            called = one.get(name) if isinstance(one, Mapping) else None
            shown = called.encode("utf-8", "replace").decode() if isinstance(called, str) else ""
            skipped.append(Skipped(shown, str(error)))
    return tuple(found), tuple(skipped)
