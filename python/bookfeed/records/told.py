"""What relays tell besides prices: trades, comments, quotes, touches, each as a type of its own.

Prices are integers of 1e-9 (``*_e9``), quantities of 1e-8 (``*_e8``), times Unix nanoseconds; a
text whose unit the relay does not state stays the text that it printed. Absent is ``None``.
Retired topics, which recordings hold, come as plain ``RelayEvent``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from bookfeed._bookfeed import RELAY_EVENTS

_HEAD: Final = ("kind", "topic", "type", "conn", "ts_recv", "ts_event", "ts_sent")


@dataclass(frozen=True, slots=True)
class RelayEvent:
    """Something that a relay told and that is no value of a reference."""

    kind: str
    """What it is, one of ``RELAY_EVENTS``."""
    topic: str
    """The topic; empty where the relay does not say."""
    type: str
    """Its type within the topic: ``"orders_matched"``; empty where there is none."""
    conn: int
    """The number of the connection."""
    ts_recv: int
    """When it was received, in Unix nanoseconds."""
    ts_event: int | None
    """The time it is of, in Unix nanoseconds; ``None`` if it does not say."""
    ts_sent: int | None
    """When the relay sent it, in Unix nanoseconds; ``None`` if it does not say."""
    fields: Mapping[str, Any] = field(repr=False)
    """All of its fields by name, as ``RELAY_EVENTS`` lists them."""


@dataclass(frozen=True, slots=True)
class ActivityTrade(RelayEvent):
    """A trade of any market: one row for each participant (``trades``), or for each transaction
    (``orders_matched``), which is that of the taker.
    """

    asset: str
    """Id of the token that was traded."""
    market: str
    """Id of its market."""
    side: str
    """``"BUY"`` or ``"SELL"``, as the venue says it of this participant."""
    price_e9: int
    """The price, in 1e-9."""
    qty_e8: int
    """How many shares, in 1e-8."""
    outcome: str | None
    """Which outcome the token is of."""
    outcome_index: int | None
    """Its place among the outcomes."""
    transaction_hash: str | None
    """The transaction; prints of the market channel carry it, too."""
    wallet: str | None
    """Whose trade it is."""
    event_slug: str | None
    """Name of the event."""
    slug: str | None
    """Name of the market."""
    title: str | None
    """Title of the market."""
    name: str | None
    """What the participant is called."""
    pseudonym: str | None
    """What the participant is called where there is no name."""


@dataclass(frozen=True, slots=True)
class Comment(RelayEvent):
    """A comment that was made or removed: the type says which."""

    id: str
    """Its id."""
    body: str | None
    """What it says."""
    parent_type: str | None
    """``"Event"`` or ``"Series"``."""
    parent_id: str | None
    """Which of them."""
    parent_comment_id: str | None
    """The comment it answers."""
    user_address: str | None
    """Who made it."""
    reply_address: str | None
    """Whom it answers."""
    created_ns: int | None
    """When it was made, in Unix nanoseconds."""
    updated_ns: int | None
    """When it was changed, in Unix nanoseconds."""


@dataclass(frozen=True, slots=True)
class Reaction(RelayEvent):
    """A reaction to a comment that was made or removed: the type says which."""

    id: str
    """Its id."""
    comment_id: str | None
    """To which comment."""
    reaction: str | None
    """Which reaction."""
    icon: str | None
    """Its picture."""
    user_address: str | None
    """Who made it."""
    created_ns: int | None
    """When, in Unix nanoseconds."""


@dataclass(frozen=True, slots=True)
class QuoteRequest(RelayEvent):
    """A request for quotes. Its numbers are texts: the relay does not state their units."""

    request_id: str
    """Its id."""
    proxy_address: str | None
    """Who asks."""
    market: str | None
    """About which market."""
    token: str | None
    """About which token."""
    complement: str | None
    """The other token."""
    state: str | None
    """How it stands."""
    side: str | None
    """Which side."""
    size_in: str | None
    """What is given."""
    size_out: str | None
    """What is wanted."""
    price: str | None
    """At which price."""
    expiry: str | None
    """Until when."""


@dataclass(frozen=True, slots=True)
class RequestedQuote(RelayEvent):
    """A quote in answer to a request. Its numbers are texts, as those of the request."""

    quote_id: str
    """Its id."""
    request_id: str | None
    """Which request it answers."""
    proxy_address: str | None
    """Who quotes."""
    token: str | None
    """For which token."""
    complement: str | None
    """The other token."""
    condition: str | None
    """Of which market."""
    state: str | None
    """How it stands."""
    side: str | None
    """Which side."""
    size_in: str | None
    """What is given."""
    size_out: str | None
    """What is wanted."""
    expiry: str | None
    """Until when."""


@dataclass(frozen=True, slots=True)
class TokenTouch(RelayEvent):
    """The best bid and ask of a token, without sizes."""

    asset: str
    """Id of the token."""
    market: str | None
    """Id of its market."""
    bid_e9: int | None
    """Best bid, in 1e-9; ``None`` if nobody bids."""
    ask_e9: int | None
    """Best ask, in 1e-9; ``None`` if nobody asks."""
    hash: str | None
    """The venue's hash beside it."""


TYPES: Final[Mapping[str, type[RelayEvent]]] = MappingProxyType(
    {
        "trade": ActivityTrade,
        "comment": Comment,
        "reaction": Reaction,
        "request": QuoteRequest,
        "quote": RequestedQuote,
        "touch": TokenTouch,
    }
)
"""The types of the kinds that have one."""


def told(events: Iterable[tuple[Any, ...]]) -> Iterator[RelayEvent]:
    """The events of a ``RelayBatch``, as objects."""
    for event in events:
        head, kind = dict(zip(_HEAD, event, strict=False)), event[0]
        fields = dict(zip(RELAY_EVENTS[kind], event[len(_HEAD) :], strict=True))
        cls = TYPES.get(kind)
        if cls is None:
            yield RelayEvent(**head, fields=fields)
        else:
            yield cls(**head, fields=fields, **fields)
