"""Forecasts of yes or no, and how good they were: Brier score, log loss, reliability by bucket, and
which tails would have done best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from bookfeed._bookfeed import payoff_probability

_E9: Final = 10**9
BUCKETS: Final = 10
SURE: Final = 1e-6
"""No forecast counts as nearer than this to 0 or 1: one that was certain and wrong would make the
log loss infinite.
"""
_FREEDOMS: Final = (None, 3, 4, 5, 6, 8, 12, 20, 40)
_SCALES: Final = tuple(round(0.5 * 1.06**step, 3) for step in range(32))
_FIT_MIN: Final = 20
"""Tails are fitted to so many forecasts at the least."""


class Tails(NamedTuple):
    """The shape of moves: degrees of freedom of Student's t, ``None`` for normal ones, and what
    deviations are multiplied by.
    """

    freedom: int | None = None
    scale: float = 1.0

    def __str__(self) -> str:
        shape = "normal" if self.freedom is None else f"Student t, {self.freedom} degrees"
        return f"{shape}, deviation times {self.scale:g}"


DEFAULT_TAILS: Final = Tails(4)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was said of one market at one time, and what came true."""

    market: str
    left_s: int
    """Seconds before the end of its window."""
    expected_e18: int
    """Of the value that decides it, in 1e-18."""
    sd: float
    """Its standard deviation, before any tails scale it, in whole units."""
    at_least_e18: int | None
    below_e18: int | None
    """It pays if the value is at least the one and below the other."""
    said: float
    """Fair value of yes, as it was computed then."""
    mid: float | None
    """What the market said: the mid of its live book; ``None`` without one."""
    yes: bool

    def by(self, tails: Tails) -> float:
        """The fair value that other tails would have given."""
        price_e9 = payoff_probability(
            self.expected_e18,
            self.sd,
            at_least_e18=self.at_least_e18,
            below_e18=self.below_e18,
            freedom=tails.freedom,
            scale=tails.scale,
        )
        return price_e9 / _E9


Told = tuple[float, bool]
"""A probability, and whether it came true."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Forecasts of about the same probability."""

    low: float
    high: float
    count: int
    said: float
    """Their mean."""
    came_true: float
    """The share of them that did."""
    noise: float
    """Standard deviation of that share, were each forecast right."""


@dataclass(frozen=True, slots=True)
class Score:
    """How good some forecasts were; both figures are the better the smaller."""

    count: int
    brier: float
    """Mean of squared differences; 0.25 is what one half always gets."""
    log_loss: float
    """Mean of the negative natural logarithm; 0.693 is what one half always gets."""


def score(told: Sequence[Told]) -> Score | None:
    """Of forecasts; ``None`` if there are none."""
    if not told:
        return None
    squares = math.fsum((said - yes) ** 2 for said, yes in told)
    losses = math.fsum(-math.log(_sure(said if yes else 1 - said)) for said, yes in told)
    return Score(len(told), squares / len(told), losses / len(told))


def buckets(told: Sequence[Told], count: int = BUCKETS) -> list[Bucket]:
    """Forecasts by what they said, in parts of equal width; parts without any are left out."""
    parts: list[list[Told]] = [[] for _ in range(count)]
    for one in told:
        parts[min(int(one[0] * count), count - 1)].append(one)
    return [
        Bucket(
            place / count,
            (place + 1) / count,
            len(part),
            math.fsum(said for said, _ in part) / len(part),
            sum(yes for _, yes in part) / len(part),
            math.sqrt(math.fsum(said * (1 - said) for said, _ in part)) / len(part),
        )
        for place, part in enumerate(parts)
        if part
    ]


def fitted(forecasts: Sequence[Forecast], *, student: bool) -> Tails | None:
    """The tails with the least log loss: Student's t of any freedom, or normal ones with an
    empirical multiplier of their deviation. ``None`` for too few forecasts.
    """
    if len(forecasts) < _FIT_MIN:
        return None
    freedoms = _FREEDOMS if student else (None,)
    tails = [Tails(freedom, scale) for freedom in freedoms for scale in _SCALES]
    return min(tails, key=partial(_loss, forecasts))


def held_out(forecasts: Sequence[Forecast], *, student: bool) -> Score | None:
    """How good fitted tails are of markets that they were not fitted to: of every other market
    those count that were fitted to the rest. ``None`` for too few forecasts.
    """
    places = {name: at for at, name in enumerate(dict.fromkeys(one.market for one in forecasts))}
    halves = [[one for one in forecasts if places[one.market] % 2 == half] for half in range(2)]
    told: list[Told] = []
    for fit_to, scored in (halves, halves[::-1]):
        tails = fitted(fit_to, student=student)
        if tails is None:
            return None
        told += [(one.by(tails), one.yes) for one in scored]
    return score(told)


def _loss(forecasts: Sequence[Forecast], tails: Tails) -> float:
    result = score([(one.by(tails), one.yes) for one in forecasts])
    assert result is not None
    return result.log_loss


def _sure(probability: float) -> float:
    return min(max(probability, SURE), 1 - SURE)
