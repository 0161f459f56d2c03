"""Pairs, baskets and ladders: contracts that belong together, stated by hand, as rules.

Which contracts are on one event is never guessed. A pair says for each leg what decides it (oracle,
strike, cut-off), and where the legs differ it says so: two contracts that are decided by different
facts are a basis, not the same contract.

The classes are at once the sections of a configuration file and the Python API::

    pair = Pair("BTC above 85k at 17:00", leg=(PairLeg(...), PairLeg(...)))
    feed = Feed(markets, rules=[pair.rule()])

Raises ``ConfigError`` (a ``ValueError``) for what contradicts itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Final, Literal

from bookfeed.errors import ConfigError
from bookfeed.hints import closest
from bookfeed.rules.gates import QTY, Gates
from bookfeed.rules.rule import Rule
from bookfeed.schema import Count, DecimalText, OneOf, Text, exceeds
from bookfeed.venues import VENUES
from bookfeed.venues.base import Legs, Name

Symbol = Annotated[str, Text(r"[^\s;]{1,200}", "a token id or ticker, in quotes, without spaces")]
Fact = Annotated[str, Text(r"(?s)(?=.*\S).{1,500}", "text of 1 to 500 characters")]
# Those whose markets pay out what an outcome is worth.
Venue = Annotated[str, OneOf(tuple(name for name, row in VENUES.items() if row.legs is not None))]

LEGS_MAX: Final = 128
LEGS: Final = Count(f"2 to {LEGS_MAX} legs")
# The facts that decide a contract, and what they are called in words.
FACTS: Final = {"oracle": "oracle", "strike": "strike", "cut_off": "cut-off"}

# A strike as it is reckoned with.
_STRIKE: Final = re.compile(r"\d{1,10}(\.\d{1,9})?")
_STRIKE_MAX: Final = 9 * 10**9
# Symbols that an error lists.
_SHOWN_MAX: Final = 5

_OPPOSITE: Final = {"yes": "no", "no": "yes"}


@dataclass(frozen=True, slots=True)
class BasketLeg:
    """One outcome of a market: ``symbol`` and ``outcome`` are spelled as ``venue`` does it."""

    HINTS: ClassVar[Mapping[str, str]] = {
        "ticker asset asset_id token token_id market": "a leg names its book by symbol",
    }

    venue: Venue
    symbol: Symbol
    outcome: Name

    def __post_init__(self) -> None:
        if not self.symbol or any(c.isspace() or c == ";" for c in self.symbol):
            raise ConfigError("", "symbol", f"must be without spaces, not {self.symbol!r}")
        outcomes = _legs(self.venue).outcomes
        if outcomes and self.outcome not in outcomes:
            allowed = ", ".join(f'"{outcome}"' for outcome in outcomes)
            problem = f'must be one of {allowed} (venue = "{self.venue}"), not "{self.outcome}"'
            problem += closest(self.outcome, outcomes)
            raise ConfigError("", "outcome", problem)

    @property
    def view(self) -> Literal["yes", "no"]:
        """The view of the book that is this outcome: an outcome with a book of its own is yes."""
        return "no" if _legs(self.venue).outcomes and self.outcome == "no" else "yes"

    def written(self, *, opposite: bool = False) -> str:
        """The leg as rules take it, or the opposite outcome of the same contract."""
        view = _OPPOSITE[self.view] if opposite else self.view
        return f"{self.venue} {self.symbol} {view}"


@dataclass(frozen=True, slots=True)
class LadderLeg(BasketLeg):
    """One rung: an outcome that pays above ``strike``."""

    strike: Annotated[str, DecimalText("0", "999999999999999999", places=18)]


@dataclass(frozen=True, slots=True)
class PairLeg(BasketLeg):
    """One side of a pair, and the facts that decide it.

    ``polarity`` is ``same`` if this outcome pays when the pair's event happens, ``inverted`` if it
    pays when it does not.
    """

    polarity: Literal["same", "inverted"]
    oracle: Fact
    """Who decides the outcome, in words."""
    strike: Fact
    """The strike, in words; empty if there is none."""
    cut_off: Fact
    """When it is decided, in words."""
    note: Annotated[str, Text(r"(?s).{0,500}", "text of at most 500 characters")] = ""
    """Anything else worth knowing of the leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(Gates):
    """What pairs, baskets and ladders have in common."""

    min_edge: Annotated[str, DecimalText("0", "1")] = "0.001"
    """Least edge after fees, USD a share, decimal text."""
    max_qty: Annotated[str | None, QTY] = None
    """Greatest size that is signalled, decimal text; ``None``: any."""

    def _settings(self) -> dict[str, object]:
        return self.stated(f.name for f in fields(Bundle))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Bundle):
    """What is said of a pair whose legs are decided by two references, or at two strikes."""

    polarity_check: Literal["on", "off"] = "on"
    """``"on"``: no signal before both sides were seen to agree."""
    reference_sd: Annotated[str | None, DecimalText("0", "1000000")] = None
    """Standard deviation of the difference of both references' closing values, decimal text, in
    their currency; ``None``: the legs count as one contract, whatever their strikes.
    """
    closing_sd: Annotated[str | None, DecimalText("0", "1000000000")] = None
    """Standard deviation, at least, of the closing value while signals may open; ``None``: any."""

    def __post_init__(self) -> None:
        if self.closing_sd is not None and self.reference_sd is None:
            raise ConfigError("", "closing_sd", "is of no use without reference_sd")

    def _settings(self) -> dict[str, object]:
        return self.stated(f.name for f in fields(Gap))


@dataclass(frozen=True, slots=True)
class Pair(Gap):
    """``[[pair]]``: one event on two venues, or in two contracts of one.

    With ``reference_sd`` it is watched as the basis trade that it is, as rule ``strike_gap``.
    """

    name: Name
    """What it is called in signals."""
    leg: Annotated[tuple[PairLeg, ...], Count("two legs")]
    """Its two legs."""

    def __post_init__(self) -> None:
        Gap.__post_init__(self)
        if len(self.leg) != 2:
            raise ConfigError(
                "", "leg", f"must be two legs, [[pair.leg]] twice, not {len(self.leg)}"
            )
        _check_different("leg", self.leg)
        for index, leg in enumerate(self.leg):
            if self.reference_sd is not None and not _is_strike(leg.strike):
                problem = f'must be a plain decimal with reference_sd, not "{leg.strike}"'
                raise ConfigError("", f"leg[{index}].strike", problem)

    @property
    def legs(self) -> tuple[PairLeg, ...]:
        """The legs, called as those of baskets and ladders are."""
        return self.leg

    def basis(self) -> list[str]:
        """How the facts of the legs differ, one line for each fact; none if they do not."""
        a, b = self.leg
        return [
            f'{words} "{getattr(a, name)}" ({a.venue}), "{getattr(b, name)}" ({b.venue})'
            for name, words in FACTS.items()
            if not _same(getattr(a, name), getattr(b, name))
        ]

    def rule(self) -> Rule:
        """The rule ``box``, or ``strike_gap``, that watches this pair."""
        a, b = (leg.written(opposite=leg.polarity == "inverted") for leg in self.leg)
        params = {"a": a, "b": b} | self._settings()
        about = {"legs": [asdict(leg) for leg in self.leg], "basis": self.basis()}
        if self.reference_sd is None:
            return Rule("box", params, self.name, about)
        params |= {"a_strike": self.leg[0].strike, "b_strike": self.leg[1].strike}
        return Rule("strike_gap", params, self.name, about)


@dataclass(frozen=True, slots=True)
class SeriesPair(Gap):
    """``[[pair]]`` of two rolling series: each window of one with that of the other that begins and
    ends with it.
    """

    HINTS: ClassVar[Mapping[str, str]] = {
        "leg legs": "a pair of series finds its legs window by window",
    }

    name: Name
    """What each of its pairs is called in signals."""
    series: Annotated[tuple[Symbol, ...], Count("two series")]
    """The venues' names of both."""

    def __post_init__(self) -> None:
        Gap.__post_init__(self)
        if len(self.series) != 2 or self.series[0] == self.series[1]:
            raise ConfigError("", "series", f"must be two series, not {list(self.series)}")

    def pair(self, leg: tuple[PairLeg, PairLeg]) -> Pair:
        """The pair of two windows, with the settings of this one."""
        settings: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(Gap)}
        return Pair(name=self.name, leg=leg, **settings)


@dataclass(frozen=True, slots=True)
class Basket(Bundle):
    """``[[basket]]``: outcomes of which at most one happens; exactly one if ``exhaustive``.

    ``augmented`` says whether outcomes may be added that are not listed yet; legs on a venue where
    that happens need it stated.
    """

    name: Name
    """What it is called in signals."""
    legs: Annotated[tuple[BasketLeg, ...], LEGS]
    """Its outcomes, 2 to 128."""
    exhaustive: bool
    augmented: bool | None = None

    def __post_init__(self) -> None:
        _check_count(self.legs)
        _check_different("legs", self.legs)
        for leg in self.legs if self.augmented is None else ():
            if words := _legs(leg.venue).augmented:
                problem = f"is required with legs on {leg.venue}: {words}"
                raise ConfigError("", "augmented", problem)

    def rule(self) -> Rule:
        """The rule ``basket`` that watches this set."""
        own = {
            "legs": _written(self.legs),
            "exhaustive": _word(self.exhaustive),
            "augmented": _word(bool(self.augmented)),
        }
        return Rule("basket", own | self._settings(), self.name, _about(self.legs))


@dataclass(frozen=True, slots=True)
class Ladder(Bundle):
    """``[[ladder]]``: outcomes "above" rising strikes, each implied by the next."""

    name: Name
    """What it is called in signals."""
    legs: Annotated[tuple[LadderLeg, ...], LEGS]
    """Its outcomes by rising strike, 2 to 128."""

    def __post_init__(self) -> None:
        _check_count(self.legs)
        _check_different("legs", self.legs)
        for index, (low, high) in enumerate(zip(self.legs, self.legs[1:], strict=False), 1):
            if not exceeds(high.strike, low.strike):
                problem = (
                    f'must be above the strike before it ("{low.strike}"), not "{high.strike}"'
                )
                raise ConfigError("", f"legs[{index}].strike", problem)

    def rule(self) -> Rule:
        """The rule ``ladder`` that watches these strikes."""
        params = {"legs": _written(self.legs)} | self._settings()
        return Rule("ladder", params, self.name, _about(self.legs))


def basis_line(rule: Rule) -> str | None:
    """What is said of a pair whose legs are decided by different facts, ``None`` of any other."""
    differences = rule.about.get("basis")
    if not isinstance(differences, list) or not differences:
        return None
    listed = "; ".join(map(str, differences))
    return f'pair "{rule.name}": basis, not the same contract: {listed}'


def check_followed(key: str, leg: BasketLeg, outcomes: Mapping[tuple[str, str], str]) -> None:
    """A leg is one of the markets that are followed, and its outcome is called as there.

    ``outcomes`` has their names by venue and symbol, ``key`` is where the leg is written.
    """
    known = [symbol for venue, symbol in outcomes if venue == leg.venue]
    legs = _legs(leg.venue)
    if leg.symbol not in known:
        followed = ", ".join(known[:_SHOWN_MAX]) + (", …" if len(known) > _SHOWN_MAX else "")
        followed = f"[[market]] of {leg.venue} ({followed or 'there is none'})"
        problem = f'must be {legs.symbol} {followed}, not "{leg.symbol}"'
        raise ConfigError("", f"{key}.symbol", problem)
    name = outcomes[leg.venue, leg.symbol]
    if not legs.outcomes and leg.outcome != name:
        problem = f'must be "{name}", as it is called in its market, not "{leg.outcome}"'
        raise ConfigError("", f"{key}.outcome", problem)


def _legs(venue: str) -> Legs:
    """What legs are on a venue; ``ConfigError`` if there can be none."""
    row = VENUES.get(venue)
    allowed = [name for name, one in VENUES.items() if one.legs is not None]
    if row is None or row.legs is None:
        problem = f"must be one of {', '.join(allowed)}: contracts that pay out, not {venue!r}"
        raise ConfigError("", "venue", problem)
    return row.legs


def _check_count(legs: Sequence[BasketLeg]) -> None:
    if not 2 <= len(legs) <= LEGS_MAX:
        raise ConfigError("", "legs", f"must be {LEGS.words}, not {len(legs)}")


def _check_different(key: str, legs: Sequence[BasketLeg]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for index, leg in enumerate(legs):
        first = seen.setdefault((leg.venue, leg.symbol), index)
        if first != index:
            problem = f"{leg.venue} {leg.symbol} is already in {key}[{first}]"
            raise ConfigError("", f"{key}[{index}].symbol", problem)


def _written(legs: Sequence[BasketLeg]) -> str:
    return "; ".join(leg.written() for leg in legs)


def _about(legs: Sequence[BasketLeg]) -> dict[str, object]:
    return {"legs": [asdict(leg) for leg in legs]}


def _word(value: bool) -> str:
    return "true" if value else "false"


def _is_strike(text: str) -> bool:
    """Whether a fact is a strike that an engine can hold."""
    number = _number(text) if _STRIKE.fullmatch(text) else None
    return number is not None and number < _STRIKE_MAX


def _same(a: str, b: str) -> bool:
    """Whether two facts say the same: as times, as decimals, or else word for word."""
    moments = _moment(a), _moment(b)
    if None not in moments:
        return moments[0] == moments[1]
    numbers = _number(a), _number(b)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return a.split() == b.split()


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        return None
    # Without its offset a time says nothing that could be compared.
    return moment if moment.tzinfo is not None else None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
