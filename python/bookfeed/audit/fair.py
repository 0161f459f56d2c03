"""What windows settle at and what contracts on them are worth, read from the rules: slow, and by
other mathematics than the engine's.

Variances come from the covariances of a walk, conditioned on what was heard; probabilities of
Student's t from the area under its density. Nothing is shared with the engine's.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

S: Final = 10**9
_NOTHING: Final[Mapping[int, tuple[str, ...]]] = {}
Tick = tuple[int, int]
"""Unix nanoseconds, and a value in 1e-18."""


@dataclass(frozen=True)
class MeanRule:
    """A mean of equally spaced samples before a boundary."""

    samples: int = 60
    step: int = S
    endpoints: Literal["start", "end"] = "start"

    def times(self, boundary: int) -> list[int]:
        """When its samples are."""
        last = boundary if self.endpoints == "end" else boundary - self.step
        return [last - self.step * back for back in reversed(range(self.samples))]


Rule = MeanRule | Literal["tick", "first", "last"]


def first_heard(ticks: Sequence[Tick]) -> dict[int, int]:
    """The first value that was heard of each time."""
    heard: dict[int, int] = {}
    for at, value in ticks:
        heard.setdefault(at, value)
    return heard


def boundary_value(
    rule: Rule, boundary: int, ticks: Sequence[Tick], missed: Collection[int] = ()
) -> Fraction | str:
    """The value at a boundary, exactly, or ``"open"`` or ``"missing"``. ``missed`` are places of
    ticks before which others may have been missed: the first and the last one are known only if
    those on both sides of the boundary follow each other.
    """
    heard = first_heard(ticks)
    newest = max(heard, default=-1)
    if isinstance(rule, MeanRule):
        times = rule.times(boundary)
        if newest < times[-1]:
            return "open"
        if any(at not in heard for at in times):
            return "missing"
        return Fraction(sum(heard[at] for at in times), rule.samples)
    if newest < boundary:
        return "open"
    crossing = next(place for place, (at, _) in enumerate(ticks) if at >= boundary)
    if rule != "tick" and crossing in missed:
        return "missing"
    before = [at for at in heard if at < boundary]
    found = {
        "tick": boundary if boundary in heard else None,
        "first": min(at for at in heard if at >= boundary),
        "last": max(before) if before else None,
    }[rule]
    if found is None:
        return "missing"
    # Of trades with one time the last one is the close of a candle.
    last = next(value for at, value in reversed(ticks) if at == found)
    return Fraction(last if rule == "last" else heard[found])


def expected_mean(rule: MeanRule, boundary: int, ticks: Sequence[Tick]) -> tuple[float, float]:
    """Expected mean, in whole units, and its variance in seconds: of a driftless walk that is
    conditioned on the samples that were heard, the newest tick before them and the newest of all.
    There must be one.
    """
    heard = first_heard(ticks)
    times = rule.times(boundary)
    before = sorted(at for at in heard if at < times[0])
    known = sorted({*before[-1:], max(heard)} | (heard.keys() & set(times)))
    asked = [at for at in times if at not in heard]
    banked = sum(heard[at] for at in times if at in heard)
    anchor = known[-1]
    # Times are counted from the newest tick, forwards and backwards: two independent walks.
    mean, covariance = _conditioned(anchor, [at for at in known if at != anchor], asked, heard)
    total = banked / 1e18 + float(mean.sum())
    return total / rule.samples, float(covariance.sum()) / rule.samples**2


def _conditioned(
    anchor: int, known: Sequence[int], asked: Sequence[int], heard: dict[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    def shared(a: Sequence[int], b: Sequence[int]) -> npt.NDArray[np.float64]:
        # Taken apart as integers: no double holds the nanoseconds of a time.
        x = np.array([at - anchor for at in a], dtype=np.float64)[:, None] / S
        y = np.array([at - anchor for at in b], dtype=np.float64)[None, :] / S
        return np.where(x * y > 0, np.minimum(abs(x), abs(y)), 0.0)

    base = heard[anchor]
    free = shared(asked, asked)
    if not known or not asked:
        return np.full(len(asked), base / 1e18), free
    moved = np.array([(heard[at] - base) / 1e18 for at in known])
    gain = np.linalg.solve(shared(known, known), shared(known, asked)).T
    return base / 1e18 + gain @ moved, free - gain @ shared(known, asked)


def normal(z: float) -> float:
    """Probability of a standard normal move of at most ``z``."""
    return math.erfc(-z / math.sqrt(2)) / 2


def student(z: float, freedom: int, steps: int = 4000) -> float:
    """The same of Student's t, stretched to a deviation of 1: the area under its density, over the
    angle whose tangent the move is, so that far ones take no more slices.
    """
    scale = math.sqrt((freedom - 2) / freedom)
    log_norm = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    norm = math.exp(log_norm) / math.sqrt(freedom * math.pi) / scale
    x = np.tan(np.linspace(0.0, math.atan(z), 2 * steps + 1))
    density = norm * (1 + (x / scale) ** 2 / freedom) ** (-(freedom + 1) / 2) * (1 + x * x)
    weights = np.ones(2 * steps + 1)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return 0.5 + float(density @ weights) * math.atan(z) / (2 * steps) / 3


def probability(
    expected: float, sd: float, at_least: float | None, below: float | None, freedom: int | None
) -> float:
    """Probability that a value is at least one bound and below the other, in whole units."""

    def under(bound: float) -> float:
        z = (bound - expected) / sd
        return normal(z) if freedom is None else student(z, freedom)

    upper = 1.0 if below is None else under(below)
    return upper - (0.0 if at_least is None else under(at_least))


def thinned(ticks: Sequence[Tick], step: int) -> list[Tick]:
    """The ticks that are far enough from those before them."""
    used: list[Tick] = []
    for tick in ticks:
        if not used or tick[0] - used[-1][0] >= step:
            used.append(tick)
    return used


Makes = Mapping[int, tuple[str, ...]]
"""What the ticks of some times are made of: between two that differ in that there is no move."""


def _weighed(
    ticks: Sequence[Tick], half_life_s: float, step: int, of: Makes
) -> list[tuple[float, float]]:
    """Each move's weight, and its variance of the logarithm a second."""
    used = thinned(ticks, step)
    moved = [pair for pair in pairwise(used) if of.get(pair[0][0]) == of.get(pair[1][0])]
    decay = half_life_s / math.log(2)
    moves: list[tuple[float, float]] = []
    later = 0.0  # what passed in the moves behind: time without one makes none of them older
    for (before, low), (at, high) in reversed(moved):
        passed = (at - before) / S
        weight = math.exp(-later / decay) * -math.expm1(-passed / decay)
        moves.append((weight, math.log(high / low) ** 2 / passed))
        later += passed
    return moves


def variance_a_second(
    ticks: Sequence[Tick], half_life_s: float, step: int, of: Makes = _NOTHING
) -> float | None:
    """Exponentially weighted variance of the logarithm, every weight written out; ``None`` until
    nine tenths of all weights are had, or as much as 20 moves that count alike.
    """
    moves = _weighed(ticks, half_life_s, step, of)
    total = math.fsum(weight for weight, _ in moves)
    alike = total**2 / math.fsum(weight**2 for weight, _ in moves) if moves else 0.0
    if total < 0.9 and alike < 20 - 1e-6:
        return None
    return math.fsum(weight * rate for weight, rate in moves) / total


def relative_error(
    ticks: Sequence[Tick], half_life_s: float, step: int, of: Makes = _NOTHING
) -> float:
    """Standard deviation of the root of that, as a part of it, by how many moves it rests on."""
    weights = [weight for weight, _ in _weighed(ticks, half_life_s, step, of)]
    squares = math.fsum(weight**2 for weight in weights)
    return math.sqrt(squares / 2) / math.fsum(weights) if squares else 1.0
