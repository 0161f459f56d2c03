"""What is watched: markets, their outcomes, and what trading them costs.

The words in which a user names markets to a feed and in which venues describe theirs.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from bookfeed._bookfeed import VENUES

if TYPE_CHECKING:
    from bookfeed.catalogue.catalogue import Catalogue

# What a market is of that does not say: the first of the core's table.
VENUE_FIRST: Final = next(iter(VENUES))


def check_text(field: str, value: object, example: str) -> None:
    """``TypeError`` that names the field, unless the value is text: no float is exact money."""
    if not isinstance(value, str):
        found = f"the {type(value).__name__} {value!r}"
        raise TypeError(f"{field} must be text such as {example!r}, not {found}")


def check_whole(field: str, value: object, example: int) -> None:
    """``TypeError`` that names the field, unless the value is a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        found = f"the {type(value).__name__} {value!r}"
        raise TypeError(f"{field} must be a whole number such as {example}, not {found}")


class Fee(Protocol):
    """What trading a market costs, in its venue's terms; each venue's module has its own."""

    def text(self) -> str:
        """One text for the engine: ``"<venue>:<terms>"``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of a market: its name and the venue's symbol for its book."""

    name: str
    """Name of the outcome, such as ``"Yes"``."""
    symbol: str
    """The venue's string for its book."""

    def __post_init__(self) -> None:
        check_text("name", self.name, "Yes")
        check_text("symbol", self.symbol, "KXBTCD-26OCT0117-T84999.99")


class FromVenue(Protocol):
    """``Market.from_<venue>``, of every venue that the catalogue asks."""

    def __call__(
        self, target: str, *, catalogue: "Catalogue | None" = None, wait_s: float = ...
    ) -> "Awaitable[Market]":
        """The market that a name of the venue stands for, as it is listed."""


class _FromVenues(type):
    """Gives ``Market`` its ``from_<venue>``: the venues that list are found by their names."""

    def __getattr__(cls, name: str) -> FromVenue:
        prefix, _, venue = name.partition("from_")
        if prefix or venue not in VENUES:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        # The catalogue is far above this room, and is there for whoever asks venues.
        found: FromVenue = import_module("bookfeed.catalogue.named").finder(venue)
        return found


@dataclass(frozen=True, slots=True)
class Market(metaclass=_FromVenues):
    """One market and its outcomes, each of which has a book.

    ``await Market.from_<venue>(target)`` asks the venue for the one that an address, a slug or
    a ticker stands for (``help`` of it says more).

    ``market`` is the venue's id of the market, empty where it is not known, ``event`` that of the
    event it belongs to, ``name`` is for people. ``tick_size`` and ``min_order_size`` are decimal
    strings, ``open_ts`` and ``close_ts`` Unix nanoseconds; ``None`` where unknown. No book is
    expected before ``open_ts``. On spot venues ``base`` is what is traded and ``quote`` what it is
    priced in (``"BTC"``, ``"USDT"``). ``depth`` is how many levels a side are subscribed, ``None``
    for all.
    Raises ``ValueError`` if there is no outcome or a symbol is empty or repeated, and ``TypeError``
    for a field of another type.
    """

    market: str
    outcomes: tuple[Outcome, ...]
    """Its outcomes, each with a book of its own."""
    name: str = ""
    venue: str = VENUE_FIRST
    """Name of the venue."""
    tick_size: str | None = None
    min_order_size: str | None = None
    neg_risk: bool | None = None
    """Whether it is a negative-risk market, which hashes contain; ``None`` if unknown."""
    fee: Fee | None = None
    """What trading it costs; ``None`` if unknown, and unknown is not zero."""
    event: str | None = None
    open_ts: int | None = None
    close_ts: int | None = None
    base: str | None = None
    quote: str | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        symbols = [outcome.symbol for outcome in self.outcomes]
        if not symbols or not all(symbols):
            raise ValueError(f"market {self.market!r} needs outcomes, each with a symbol")
        if len(set(symbols)) != len(symbols):
            raise ValueError(f"market {self.market!r} names a symbol twice")
        check_text("market", self.market, "0x5f65177b…")
        for field, example in (("tick_size", "0.01"), ("min_order_size", "5")):
            if getattr(self, field) is not None:
                check_text(field, getattr(self, field), example)
        for field in ("open_ts", "close_ts"):
            if getattr(self, field) is not None:
                check_whole(field, getattr(self, field), 1_790_000_000_000_000_000)
        if self.fee is not None and not callable(getattr(self.fee, "text", None)):
            raise TypeError(
                f"fee must be one of the venue's, such as FeeSchedule, not {self.fee!r}"
            )

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of all outcomes, in order."""
        return tuple(outcome.symbol for outcome in self.outcomes)
