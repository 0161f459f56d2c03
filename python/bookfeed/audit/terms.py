"""What contracts are worth by their references, computed anew from what was heard of those.

That of each contract is asked once in so many seconds, to within a rounding; what is said of its
window besides whenever that changes. What an index was is taken from the engine, whose values are
held against the books elsewhere. Trades of a pair are those that its venue's frames tell, but for
pairs that two connections carry: nothing that rests on those is computed.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple

from bookfeed.audit import fair
from bookfeed.audit.moves import Moves, Rhythm, Waiting
from bookfeed.audit.numbers import NS_PER_MS, NS_PER_S, PRICE_UNITS, plain, units
from bookfeed.audit.windows import Heard, Said, difference
from bookfeed.recordings.bounds import control_object

# How far off a fair value may be, 1e-9: areas under curves are sums of slices.
FAIR_OFF_MAX: Final = 3_000
# A contract is computed once in so many nanoseconds, and once in as many milliseconds as there are
# ticks of its reference.
_EVERY: Final = 5 * NS_PER_S
# What a contract that comes later learns of what its reference told.
_KEPT_NS: Final = 1_200 * NS_PER_S
_KEPT_MAX: Final = 8_192
# At least such a part of the true volatility was measured, whatever the doubt.
_LEAST_PART: Final = 0.01
_E18: Final = 10**18
_SENSE: Final = 10**30
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


class Fair(NamedTuple):
    """A fair value and its interval, in 1e-9."""

    price: int
    low: int
    high: int
    newest: int
    """The time of the newest tick that it rests on."""
    books_age: int = 0
    """How old the oldest book was that this tick was made of."""
    age_max: int = 0
    """How old both together may be where a rule does not say."""


class Made(NamedTuple):
    """What a tick of a reference was made of: which books, and how old the oldest of them was."""

    of: tuple[str, ...] = ()
    age: int = 0


_TOLD: Final = Made()


class Compared(NamedTuple):
    """A comparison: of a fair value or of a window, and what is not as it is here, if anything."""

    kind: Literal["fair", "window"]
    different: str | None


@dataclass(slots=True)
class Contract:
    """The terms of one contract."""

    reference: str
    start: int
    end: int
    opening: fair.Rule
    closing: fair.Rule
    at_least: int | None
    below: int | None
    strike: int | None
    half_on_tie: bool
    half_life_s: float
    step: int
    freedom: int | None
    scale: float
    reference_doubt: float
    volatility_doubt: float
    moves: Moves
    decided_by: str | None
    """The reference whose ticks at the ends of the window decide."""
    since: int = 0
    """The first tick of the reference that it knows of."""
    decided_since: int = 0
    """The same of the one that decides."""
    computed_at: int = -(2**63)
    said: tuple[object, ...] = ()
    """What the engine said of its window when that was computed."""

    @property
    def age_max(self) -> int:
        """How old what its reference told may be where a rule does not say."""
        return (2 if self.reference.startswith("venue ") else 5) * NS_PER_S

    @property
    def up(self) -> bool:
        """Whether it asks for its own strike."""
        return self.at_least is None and self.below is None


@dataclass(slots=True)
class Contracts:
    """All contracts of a journal, by instrument."""

    of: dict[int, Contract] = field(default_factory=dict)
    _ticks: dict[str, list[fair.Tick]] = field(default_factory=dict)
    _of: dict[str, dict[int, tuple[str, ...]]] = field(default_factory=dict)
    """What the tick of each time was made of, where that was of books."""
    _age: dict[str, int] = field(default_factory=dict)
    """How old the oldest book of the newest one was."""
    _measured: dict[tuple[str, float, int], int] = field(default_factory=dict)
    """From which tick on a volatility is measured: contracts share it."""
    _rhythms: dict[tuple[str, float, int], Rhythm] = field(default_factory=dict)
    _missed: dict[str, list[int]] = field(default_factory=dict)
    """Places of a reference's ticks before which trades may have been missed."""
    _numbers: dict[str, int | None] = field(default_factory=dict)
    """The number of the newest trade, where a reference is made of those."""
    _unheard: set[str] = field(default_factory=set)
    """References whose trades are not read here."""

    def add(self, number: int, params: Mapping[str, Any]) -> None:
        """A TERMS record."""
        one = _read(params)
        ticks = self._ticks.setdefault(one.reference, [])
        one.since = max(_kept_since(ticks), self._known_since(one.reference))
        if one.decided_by is not None:
            one.decided_since = _kept_since(self._ticks.setdefault(one.decided_by, []))
        self.of[number] = one
        key = one.reference, one.half_life_s, one.step
        if key not in self._measured:
            self._measured[key] = one.since
            self._rhythms[key] = Rhythm(one.half_life_s, one.step)
            for at, value_e18 in ticks[one.since :]:
                self._rhythms[key].tick(at, value_e18, self._made_of(one.reference).get(at, ()))

    def tell_strike(self, number: int, strike_e18: int) -> None:
        """A STRIKE record."""
        self.of[number].strike = strike_e18

    def forget(self, number: int) -> None:
        """A FORGET record."""
        self.of.pop(number, None)

    def on(self, references: Iterable[str]) -> list[int]:
        """Instruments whose contracts rest on these, in the order in which terms were told."""
        wanted = set(references)
        return [number for number, one in self.of.items() if one.reference in wanted]

    def tick(self, reference: str, at: int, value_e18: int, made: Made = _TOLD) -> None:
        """A reference has a new value."""
        if reference in self._ticks and at >= 0 and abs(value_e18) <= _SENSE:
            self._ticks[reference].append((at, value_e18))
            if made.of:
                self._of.setdefault(reference, {})[at] = made.of
            self._age[reference] = made.age
            for (name, *_), rhythm in self._rhythms.items():
                if name == reference:
                    rhythm.tick(at, value_e18, made.of)

    def follows(self, reference: str) -> bool:
        """Whether any contract rests on a reference, or did."""
        return reference in self._ticks

    def hear_number(self, reference: str, name: str) -> None:
        """A trade of this id is told. Where it is not the next number some may have been missed."""
        number = int(name) if _NUMBER.fullmatch(name) and int(name) < 2**64 else None
        before = self._numbers.get(reference)
        if before is None or number != before + 1:
            self._missed.setdefault(reference, []).append(len(self._ticks[reference]))
        self._numbers[reference] = number

    def unhear(self, reference: str) -> None:
        """The trades of a reference are not read here from now on: nothing on it is computed."""
        self._unheard.add(reference)

    def _known_since(self, reference: str) -> int:
        """The first tick since which none was missed."""
        return self._missed.get(reference, [0])[-1]

    def _made_of(self, reference: str) -> Mapping[int, tuple[str, ...]]:
        return self._of.get(reference, {})

    def answer(
        self, number: int, fair: Fair | None, mid_twice: int | None, *, waits: bool
    ) -> Waiting | None:
        """The reference of a contract has ticked once: what its book has not answered by now, and
        whether the engine waits for anything.
        """
        one = self.of[number]
        sigma = self._rhythms[one.reference, one.half_life_s, one.step].sigma
        price = None if fair is None else fair.price
        if one.moves.known:
            ticks, of = self._ticks[one.reference], self._made_of(one.reference)
            since = self._known_since(one.reference)
            one.moves.tick(ticks, sigma, price, mid_twice, of, since)
        one.moves.known |= not waits
        return one.moves.waiting

    def lose(self, number: int) -> None:
        """The reference of a contract has ticked more than once, and nobody knows what it was worth
        in between.
        """
        one = self.of[number]
        one.moves.waiting, one.moves.known = None, False

    def differences(
        self, fairs: Mapping[int, Fair | None], windows: Mapping[int, Said | None], at: int
    ) -> Iterator[Compared]:
        """What the engine says of contracts whose references ticked, beside what it is here."""
        for number, theirs in fairs.items():
            one, said = self.of[number], windows[number]
            if one.reference in self._unheard or not self._is_due(one, said, at):
                continue
            one.computed_at, one.said = at, () if said is None else said.lasting
            heard = self._heard(one)
            mine, window = self._fair(one, heard), heard.said()
            named = f"of {number} at {at}"
            fair_off = f"fair value {named}: {mine} here, {theirs} there"
            yield Compared("fair", None if _alike(mine, theirs) else fair_off)
            window_off = f"window {named}: {window} here, {said} there"
            yield Compared("window", window_off if difference(window, said) else None)

    def _is_due(self, one: Contract, said: Said | None, at: int) -> bool:
        """Whether a contract is computed now: after a while, where an end of its window has passed
        since, and where something else is said of that.
        """
        every = max(_EVERY, len(self._ticks[one.reference]) * NS_PER_MS)
        passed = any(one.computed_at < edge <= at for edge in (one.start, one.end))
        other = one.said != (() if said is None else said.lasting)
        return passed or other or at - one.computed_at >= every

    @property
    def rests_on_venues(self) -> bool:
        """Whether any contract rests on an index that a venue tells."""
        return any(one.reference.startswith("venue ") for one in self.of.values())

    def _heard(self, one: Contract) -> Heard:
        """What the window of a contract rests on: of what was before, nothing is known."""
        places = self._missed.get(one.reference, ())
        return Heard(
            one.start, one.end, one.opening, one.closing, one.half_on_tie, one.strike,
            self._ticks[one.reference][one.since :],
            frozenset({0, *(place - one.since for place in places)}),
            (self._decided(one, one.start), self._decided(one, one.end)),
        )  # fmt: skip

    def _fair(self, one: Contract, heard: Heard) -> Fair | None:
        all_ticks, ticks = self._ticks[one.reference], heard.ticks
        at_least = _strike(heard) if one.up else one.at_least
        ahead = _ahead(one, heard) if ticks else None
        if ahead is None or (one.up and at_least is None):
            return None
        if heard.decided[1] is not None:
            ahead = Fraction(heard.decided[1], _E18), 0.0
        (mean, variance_s), bounds = ahead, (at_least, one.below)
        newest, age = _newest(one, ticks), self._age[one.reference]
        if variance_s <= 0:
            half = one.half_on_tie and one.up
            paid = _paid(mean, bounds, half=half)
            # What was heard may be off from what decides.
            values = _extremes(mean, Fraction(one.reference_doubt), bounds)
            edges = [_paid(each, bounds, half=half) for each in values]
            return Fair(paid, min(paid, *edges), max(paid, *edges), newest, age)
        measured = all_ticks[self._measured[one.reference, one.half_life_s, one.step] :]
        made_of = self._made_of(one.reference)
        a_second = fair.variance_a_second(measured, one.half_life_s, one.step, made_of)
        if a_second is None:
            return None
        level = fair.thinned(measured, one.step)[-1][1] / _E18
        sd = level * math.sqrt(a_second * variance_s) * one.scale
        off = fair.relative_error(measured, one.half_life_s, one.step, made_of)
        off *= one.volatility_doubt
        middle, doubt = float(mean), one.reference_doubt
        means = [middle - doubt, middle, middle + doubt]
        if at_least is not None and one.below is not None:
            means[1] = min(max((at_least + one.below) / 2 / _E18, means[0]), means[2])
        # What was measured is this part off from what is.
        sds = [sd / (1 + off), sd / max(1 - off, _LEAST_PART)]
        prices = [_price(each, wide, bounds, one.freedom) for each in means for wide in sds]
        own = _price(middle, sd, bounds, one.freedom)
        return Fair(own, min(own, *prices), max(own, *prices), newest, age)

    def _decided(self, one: Contract, at: int) -> int | None:
        """What the stream that decides told of a time; the last word counts."""
        ticks = self._ticks[one.decided_by][one.decided_since :] if one.decided_by else []
        return next((value for time, value in reversed(ticks) if time == at), None)


def _kept_since(ticks: Sequence[fair.Tick]) -> int:
    """The first of a reference's ticks that a contract learns of which comes now."""
    oldest = ticks[-1][0] - _KEPT_NS if ticks else 0
    first = max(len(ticks) - _KEPT_MAX, 0)
    return next((n for n in range(first, len(ticks)) if ticks[n][0] >= oldest), len(ticks))


def _strike(heard: Heard) -> int | None:
    """The strike: as it is stated, else as it was read at the start of the window."""
    read = heard.at_start() if heard.strike is None else heard.strike
    return None if isinstance(read, str) else math.floor(read)


def _alike(mine: Fair | None, theirs: Fair | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    near = all(abs(a - b) <= FAIR_OFF_MAX for a, b in zip(mine[:3], theirs[:3], strict=True))
    return near and mine[3:5] == theirs[3:5]


Bounds = tuple[int | None, int | None]


def _price(mean: float, sd: float, bounds: Bounds, freedom: int | None) -> int:
    if sd <= 0:
        return _paid(Fraction(mean), bounds, half=False)
    at_least, below = (None if bound is None else bound / _E18 for bound in bounds)
    likely = fair.probability(mean, sd, at_least, below, freedom)
    return round(PRICE_UNITS * min(max(likely, 0.0), 1.0))


def _extremes(mean: Fraction | float, off: Fraction, bounds: Bounds) -> Iterator[Fraction]:
    """Where a value that may be off by so much makes most of a difference."""
    low, high = Fraction(mean) - off, Fraction(mean) + off
    yield from (low, high)
    at_least, below = bounds
    if at_least is not None and below is not None:
        yield min(max(Fraction(at_least + below, 2 * _E18), low), high)


def _paid(value: Fraction | float, bounds: Bounds, *, half: bool) -> int:
    exact, (at_least, below) = Fraction(value) * _E18, bounds
    if half and exact == at_least:
        return PRICE_UNITS // 2
    pays = (at_least is None or exact >= at_least) and (below is None or exact < below)
    return PRICE_UNITS if pays else 0


def _ahead(one: Contract, known: Heard) -> tuple[Fraction | float, float] | None:
    """What is expected of the closing value, in whole units, and seconds of variance."""
    ticks = known.ticks
    if isinstance(one.closing, fair.MeanRule):
        return fair.expected_mean(one.closing, one.end, ticks)
    read = fair.boundary_value(one.closing, one.end, ticks, known.missed)
    if not isinstance(read, str):
        return read / _E18, 0.0
    heard = fair.first_heard(ticks)
    if one.closing == "last":
        heard |= {at: value for at, value in ticks if at < one.end}
    before = max((at for at in heard if at < one.end), default=None)
    after = min((at for at in heard if at > one.end), default=None)
    if before is None:
        return None if after is None else (heard[after] / _E18, (after - one.end) / NS_PER_S)
    if after is None:
        return heard[before] / _E18, (one.end - before) / NS_PER_S
    # The very tick is missing: on a line between its neighbours, held at both ends.
    to, span = Fraction(one.end - before, NS_PER_S), Fraction(after - before, NS_PER_S)
    value = heard[before] + (heard[after] - heard[before]) * to / span
    return value / _E18, float(to * (span - to) / span)


def _newest(one: Contract, ticks: Sequence[fair.Tick]) -> int:
    """The time of the newest tick that counts: behind the end of a window the first settles it,
    unless it closes with a mean.
    """
    newest = max(at for at, _ in ticks)
    if isinstance(one.closing, fair.MeanRule):
        return newest
    return min((at for at, _ in ticks if at > one.end), default=newest)


def _read(params: Mapping[str, Any]) -> Contract:
    def bound(name: str) -> int | None:
        if params.get(name) is None:
            return None
        return units(plain(str(params[name]), 9), PRICE_UNITS) * 10**9

    def ns(name: str, default: int) -> int:
        return units(plain(str(params.get(name, default)), 6), NS_PER_MS)

    def number(name: str, default: str) -> float:
        return float(Decimal(str(params.get(name, default))))

    mean = fair.MeanRule(
        int(params.get("samples", 60)),
        ns("sample_step_ms", 1_000),
        "end" if params.get("endpoints") == "end" else "start",
    )

    def rule(name: str) -> fair.Rule:
        word = params.get(name, "mean")
        return mean if word == "mean" else word

    end = int(params["end_ts"])
    at_least, below = bound("at_least"), bound("below")
    rising = None if at_least is not None and below is not None else below is None
    return Contract(
        reference=str(params["reference"]),
        start=int(params.get("start_ts") or end - 1),
        end=end,
        # What does not ask for its own strike has no beginning that matters.
        opening=rule("opening") if at_least is None and below is None else "tick",
        closing=rule("closing"),
        at_least=at_least,
        below=below,
        strike=bound("strike"),
        decided_by=None if params.get("decided_by") is None else str(params["decided_by"]),
        half_on_tie=params.get("tie") == "half",
        half_life_s=ns("half_life_ms", 300_000) / NS_PER_S,
        step=ns("step_ms", 10_000),
        freedom=int(params.get("freedom", 4)) or None,
        scale=number("scale", "1"),
        reference_doubt=number("reference_doubt", "0"),
        volatility_doubt=number("volatility_doubt", "2"),
        moves=Moves(max(ns("move_ms", 2_000), 1), number("move_sigmas", "3"), rising),
    )


def told_tick(payload: bytes) -> tuple[str, int, int, Made]:
    """Reference, time and value of a REFERENCE record, and what that is made of."""
    told = control_object(payload)
    name, at, value_e18 = told["name"], int(told["ts_event"]), int(told["value_e18"])
    of = (str(told["of"]),) if told.get("of") else ()
    return f"told {name}", at, value_e18, Made(of)
