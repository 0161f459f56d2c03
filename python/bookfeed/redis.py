"""Reading what the sink ``redis`` has written, in another process: ``book`` and ``price``, typed.

``get_book(client, venue, symbol)`` is one request, about as long as a ping. What comes back says
whether it may be believed, and nothing comes back that is older than asked for, so that a feed
that has ended is not taken for a quiet market.
"""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from bookfeed.names import Name
from bookfeed.sinks.templates import PRESETS, Templates, of_book

if TYPE_CHECKING:
    from redis import Redis

MAX_AGE_S: Final = 10.0

_NS_PER_S: Final = 1_000_000_000
_OF_BOTH: Final = ("venue", "market", "state", "cause", "epoch", "ts_recv", "ts_written")
_OF_BOOK: Final = (*_OF_BOTH, "outcome", "symbol", "ts_evidence")
_OF_PRICE: Final = (*_OF_BOTH, "of")


@dataclass(frozen=True, slots=True)
class CachedBook:
    """A book as it was when the sink wrote it."""

    venue: str
    market: str
    outcome: str
    symbol: str
    state: str
    """Only ``"live"`` may be believed; any other has no prices (``"live_poll"``: if allowed)."""
    cause: str
    epoch: int
    """The number of the book's unbroken run."""
    ts_recv: int | None
    """When the newest message about the book was received, Unix nanoseconds."""
    ts_evidence: int | None
    """When the newest evidence for the book was received, Unix nanoseconds."""
    ts_written: int
    """When the sink wrote this, Unix nanoseconds."""
    bids: tuple[tuple[Decimal, Decimal], ...]
    """Price and size of each level, the best first."""
    asks: tuple[tuple[Decimal, Decimal], ...]

    @property
    def live(self) -> bool:
        """Whether it could be believed."""
        return self.state == "live"

    @property
    def bid(self) -> Decimal | None:
        """Best bid; ``None`` if nobody bids or the book could not be believed."""
        return self.bids[0][0] if self.bids else None

    @property
    def ask(self) -> Decimal | None:
        """Best ask, likewise."""
        return self.asks[0][0] if self.asks else None


@dataclass(frozen=True, slots=True)
class CachedPrice:
    """What both outcomes of a market cost when the sink wrote it."""

    venue: str
    market: str
    state: str
    """Only ``"live"`` may be believed."""
    cause: str
    epoch: int
    ts_recv: int | None
    ts_written: int
    of: str
    """Which price it is: ``"ask"``, ``"mid"`` or ``"bid"``."""
    yes: Decimal | None
    """``None`` if there is none on that side or the book could not be believed."""
    no: Decimal | None

    @property
    def live(self) -> bool:
        """Whether it could be believed."""
        return self.state == "live"


def get_book(
    client: "Redis",
    venue: str,
    symbol: str,
    *,
    templates: Templates | None = None,
    max_age_s: float = MAX_AGE_S,
) -> CachedBook | None:
    """Return the book of a symbol; ``None`` if there is none, or none as new as ``max_age_s``.

    ``templates`` are those of the sink, by default the preset ``v1``. Errors are those of redis,
    and ``ValueError`` for a key that holds something else.
    """
    key = _key(templates, "book_key", Name(venue, "", "", symbol, ""))
    told = _told(client.get(key), key, "book", max_age_s)
    if told is None:
        return None
    bids, asks = (
        tuple((Decimal(price), Decimal(qty)) for price, qty in told[side])
        for side in ("bids", "asks")
    )
    touch = (("bid", "bid_qty", bids), ("ask", "ask_qty", asks))
    # With a depth of 0 the sink tells the touch alone.
    best = [
        side or (((Decimal(told[price]), Decimal(told[qty])),) if told[price] else ())
        for price, qty, side in touch
    ]
    return CachedBook(**{one: told[one] for one in _OF_BOOK}, bids=best[0], asks=best[1])


def get_price(
    client: "Redis",
    venue: str,
    market: str,
    *,
    templates: Templates | None = None,
    max_age_s: float = MAX_AGE_S,
) -> CachedPrice | None:
    """Return what both outcomes of a market cost; ``None`` and errors as of ``get_book``."""
    key = _key(templates, "price_key", Name(venue, market, "", "", ""))
    told = _told(client.get(key), key, "price", max_age_s)
    if told is None:
        return None
    yes, no = (None if told[side] is None else Decimal(told[side]) for side in ("yes", "no"))
    return CachedPrice(**{one: told[one] for one in _OF_PRICE}, yes=yes, no=no)


def _key(templates: Templates | None, which: str, name: Name) -> str:
    made = (templates or Templates()).over(PRESETS["v1"])
    key = of_book(getattr(made, which), name)
    if key is None:
        raise ValueError(f"{which} is empty: the sink writes none")
    return key


def _told(data: Any, key: str, record: str, max_age_s: float) -> dict[str, Any] | None:
    """What a key holds, if it is what it should be and new enough."""
    if data is None:
        return None
    try:
        told: dict[str, Any] = orjson.loads(data)
        right = told["record"] == record
    except (ValueError, TypeError, KeyError):
        right = False
    if not right:
        problem = 'bookfeed.redis reads what a sink with preset "v1" has written'
        raise ValueError(f"{key} holds no {record} of bookfeed: {problem}")
    age_s = (time.time_ns() - told["ts_written"]) / _NS_PER_S
    return told if age_s <= max_age_s else None
