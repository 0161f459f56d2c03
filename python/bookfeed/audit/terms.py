"""What contracts are worth by their references, computed anew from what was heard of those.

That of each contract is asked once in so many seconds, to within a rounding. What an index was is
taken from the engine, whose values are held against the books elsewhere. References that a venue
tells in its own frames are not followed.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from bookfeed.audit import fair
from bookfeed.audit.moves import Moves, Rhythm, Waiting
from bookfeed.audit.numbers import NS_PER_MS, NS_PER_S, PRICE_UNITS, plain, units
from bookfeed.recordings.bounds import control_object

# How far off a fair value may be, 1e-9: areas under curves are sums of slices.
FAIR_OFF_MAX: Final = 3_000
# A contract is computed once in so many nanoseconds.
_EVERY: Final = 5 * NS_PER_S
# What a contract that comes later learns of what its reference told.
_KEPT_NS: Final = 1_200 * NS_PER_S
_KEPT_MAX: Final = 8_192
# At least such a part of the true volatility was measured, whatever the doubt.
_LEAST_PART: Final = 0.01
_E18: Final = 10**18
_SENSE: Final = 10**30


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

    def add(self, number: int, params: Mapping[str, Any]) -> None:
        """A TERMS record."""
        one = _read(params)
        ticks = self._ticks.setdefault(one.reference, [])
        one.since = _kept_since(ticks)
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
            one.moves.tick(ticks, sigma, price, mid_twice, of)
        one.moves.known |= not waits
        return one.moves.waiting

    def lose(self, number: int) -> None:
        """The reference of a contract has ticked more than once, and nobody knows what it was worth
        in between.
        """
        one = self.of[number]
        one.moves.waiting, one.moves.known = None, False

    def differences(self, fairs: Mapping[int, Fair | None], at: int) -> Iterator[str | None]:
        """What of the engine's fair values is not as it is here; ``None`` for each that is."""
        for number, theirs in fairs.items():
            one = self.of[number]
            if at - one.computed_at < _EVERY:
                continue
            one.computed_at = at
            mine = self._fair(one)
            same = _alike(mine, theirs)
            yield None if same else f"fair value of {number} at {at}: {mine} here, {theirs} there"

    @property
    def rests_on_venues(self) -> bool:
        """Whether any contract rests on an index or on trades that a venue tells."""
        return any(one.reference.startswith(("venue ", "trades ")) for one in self.of.values())

    def _fair(self, one: Contract) -> Fair | None:
        all_ticks = self._ticks[one.reference]
        ticks = all_ticks[one.since :]
        at_least = self._strike(one, ticks) if one.up else one.at_least
        ahead = _ahead(one, ticks) if ticks else None
        if ahead is None or (one.up and at_least is None):
            return None
        decided = self._decided(one, one.end)
        if decided is not None:
            ahead = Fraction(decided, _E18), 0.0
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

    def _strike(self, one: Contract, ticks: list[fair.Tick]) -> int | None:
        if one.strike is not None or not ticks:
            return one.strike
        decided = self._decided(one, one.start)
        if decided is not None:
            return decided
        read = fair.boundary_value(one.opening, one.start, ticks)
        return None if isinstance(read, str) else math.floor(read)

    def _decided(self, one: Contract, at: int) -> int | None:
        """What the stream that decides told of a time; the last word counts."""
        ticks = self._ticks[one.decided_by][one.decided_since :] if one.decided_by else []
        return next((value for time, value in reversed(ticks) if time == at), None)


def _kept_since(ticks: list[fair.Tick]) -> int:
    """The first of a reference's ticks that a contract learns of which comes now."""
    oldest = ticks[-1][0] - _KEPT_NS if ticks else 0
    first = max(len(ticks) - _KEPT_MAX, 0)
    return next((n for n in range(first, len(ticks)) if ticks[n][0] >= oldest), len(ticks))


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


def _ahead(one: Contract, ticks: list[fair.Tick]) -> tuple[Fraction | float, float] | None:
    """What is expected of the closing value, in whole units, and seconds of variance."""
    if isinstance(one.closing, fair.MeanRule):
        return fair.expected_mean(one.closing, one.end, ticks)
    read = fair.boundary_value(one.closing, one.end, ticks)
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


def _newest(one: Contract, ticks: list[fair.Tick]) -> int:
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
        opening=rule("opening"),
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
