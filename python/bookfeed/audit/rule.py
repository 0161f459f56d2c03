"""What a rule of the audit is: which subjects it watches, and what it makes of books.

A rule is read from its RULE record. It watches subjects, each a set of legs; ``assess`` gives
what is found there, ``None`` if the subject is quiet, or the name of a refusal. Each is one
file, ``rules/<rule>.py``, with a class called ``RULE``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple

from bookfeed.audit.books import Instrument
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import NS_PER_MS, plain, units

_LAG_TWO_VENUES_NS: Final = 1_000 * NS_PER_MS
_SMALLEST_QTY: Final = Decimal("0.00000001")


class LegRef(NamedTuple):
    """An instrument and a view of its book."""

    instrument: int
    complement: bool = False

    @property
    def other(self) -> "LegRef":
        """The leg that pays when this one does not."""
        return LegRef(self.instrument, not self.complement)


class Subject(NamedTuple):
    """The legs of one opportunity; ``direction`` as in the records."""

    legs: tuple[LegRef, ...]
    direction: str | None
    payout: Decimal


@dataclass(frozen=True, slots=True)
class FoundLeg:
    """One leg as a record states it, in the engine's integers."""

    instrument: int
    view: str
    side: str
    avg_price: int
    worst_price: int
    qty: int
    fee: int
    maker_fee: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """An opportunity as a record states it, in the engine's integers."""

    value: int
    qty: int
    gross_edge: int
    net_edge: int
    fee: int
    capital: int
    maker_edge: int | None
    direction: str | None
    legs: tuple[FoundLeg, ...]
    both: tuple[int, int] | None = None
    """How likely both legs lose and win at most, in millionths, where the rule says so."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What keeps every rule silent; times in nanoseconds."""

    max_age: int
    max_skew: int
    max_lag: int | None
    min_time_to_close: int
    min_hold: int
    cooldown: int
    min_qty: Decimal
    confirm: bool
    proof: bool
    """Whether what a venue gives to prove its books must vouch for each leg's as it stands."""
    allow_poll: bool
    """Whether a leg's book may be one that is polled."""
    on_reference: bool = False
    """Whether what its legs' references told must be new."""
    max_reference_age: int | None = None
    """How old that may be; ``None``: as is usual of who tells it."""

    @classmethod
    def read(
        cls, params: Mapping[str, Any], *, confirms: bool, on_reference: bool = False
    ) -> "Gates":
        """The gates among the parameters of a rule; whether it confirms unless they say, and
        whether it rests on references.
        """

        def ns(name: str, default: int) -> int:
            return units(plain(str(params.get(name, default)), 6), NS_PER_MS)

        confirm = params.get("confirm", "on" if confirms else "off") == "on"
        return cls(
            max_age=ns("max_age_ms", 30_000),
            max_skew=ns("max_skew_ms", 30_000 if confirm else 2_000),
            max_lag=ns("max_lag_ms", 0) if "max_lag_ms" in params else None,
            min_time_to_close=ns("min_time_to_close_ms", 0),
            min_hold=ns("min_hold_ms", 0),
            cooldown=ns("cooldown_ms", 0),
            min_qty=plain(str(params.get("min_qty", "0")), 8) or _SMALLEST_QTY,
            confirm=confirm,
            proof=params.get("proof", "off") == "venue",
            allow_poll=params.get("allow_poll", "off") == "on",
            on_reference=on_reference,
            max_reference_age=(
                ns("max_reference_age_ms", 0) if "max_reference_age_ms" in params else None
            ),
        )

    def lag_allowed(self, legs: Sequence[Instrument]) -> int:
        """The lag allowed between these legs; 0 if it is not asked."""
        if self.max_lag is not None:
            return self.max_lag
        return _LAG_TWO_VENUES_NS if len({leg.venue for leg in legs}) > 1 else 0


class Rule:
    """A rule and its parameters."""

    kind: ClassVar[str]
    """The rule's name in records."""
    confirms: ClassVar[bool] = False
    """Whether its opportunities are confirmed unless its parameters say."""
    on_reference: ClassVar[bool] = False
    """Whether it rests on what contracts are worth by their references."""

    def __init__(self, number: int, params: Mapping[str, Any]) -> None:
        self.number: Final = number
        self.params: Final = params
        self.gates: Final = Gates.read(
            params, confirms=self.confirms, on_reference=self.on_reference
        )
        self._decimals: Final[dict[tuple[str, str | None, int], Decimal]] = {}
        """Those that were read before."""

    def decimal(self, name: str, default: str | None = None, places: int = 9) -> Decimal:
        """A parameter that is a decimal."""
        asked = (name, default, places)
        if asked not in self._decimals:
            self._decimals[asked] = plain(str(self.params.get(name, default)), places)
        return self._decimals[asked]

    def on(self, name: str, default: str) -> bool:
        """A parameter that is a switch."""
        return str(self.params.get(name, default)).lower() in ("on", "true", "1", "yes")

    @property
    def asks_polarity(self) -> bool:
        """Whether the sides of the rule could be stated the wrong way round."""
        return False

    def paid(self, subject: Subject, model: Model) -> Decimal:
        """What a unit of every leg together pays by now: at least, or what it is worth."""
        del model
        return subject.payout

    def subjects(self, model: Model) -> Iterator[Subject]:
        """All that can be watched, now that the instruments of ``model`` are there."""
        raise NotImplementedError

    def quiet(self, subject: Subject, model: Model, *, opened: bool) -> bool:
        """Whether the touches alone rule an opportunity out."""
        raise NotImplementedError

    def assess(self, subject: Subject, model: Model, *, vouched: bool) -> Found | str | None:
        """What there is on a subject whose books may be believed and which is not quiet.

        ``vouched`` says that the venue vouches for all of its books.
        """
        raise NotImplementedError


def is_crossed(one: Instrument) -> bool:
    """Whether a book is crossed or locked."""
    touch = one.book.touch
    return touch.bid is not None and touch.ask is not None and touch.bid >= touch.ask
