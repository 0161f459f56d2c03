"""Random books, windows and contracts: the engine's index, settlements and fair values against
their slow readings in ``bookfeed.audit``.

``python tests/oracles.py --cases N --seed S`` compares N of each kind and stops at the first that
differs, with the seed that makes it again.
"""

import argparse
import random
import sys
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from bookfeed import (
    BoundaryMeasure,
    SettlementWindow,
    SpotBook,
    SpotIndex,
    Volatility,
    payoff_probability,
)
from bookfeed.audit import fair, index

S: Final = 10**9
E9: Final = 10**9
E18: Final = 10**18
T0: Final = 1_790_000_000 * S
NAMES: Final = ("coinbase", "kraken", "bitstamp", "gemini", "crypto.com")

# A sum of doubles beside a decimal of fifty digits, each rounded to 1e-9.
VALUE_OFF_MAX: Final = 2
# Where the caps are rounded to different sides, one unit of size lies at another price.
VALUE_OFF_OTHER_CAP_MAX: Final = 100_000


@dataclass(frozen=True)
class IndexCase:
    """Switches, as both sides spell them, and books at some effective times."""

    method: index.Method
    options: dict[str, Any]
    ticks: list[tuple[int, dict[str, index.Seen]]]


def index_case(rng: random.Random) -> IndexCase:
    """Books of some venues, of which some are thin, late, crossed, far off or partly wrong."""
    spacing: Any = rng.choice(["integral", "integral", "hundredth", rng.choice([10**8, 3 * 10**7])])
    sample: Any = rng.choice([("at_least", 50), ("at_least", 4), ("at_most", 50), ("at_most", 3)])
    order: Any = rng.choice(["level", "level", "price"])
    crossed: Any = rng.choice(["kept", "kept", "matched"])
    median: Any = rng.choice(["valid", "all"])
    spread = rng.choice([5_000, 500, 10_000])
    method = index.Method(
        half_spread=Fraction(spread, 10**6),
        spacing=spacing,
        sample=sample,
        order=order,
        crossed=crossed,
        median=median,
    )
    options = {
        "spacing": spacing, "sample": sample, "order": order, "crossed": crossed, "median": median,
        "half_spread_ppm": spread,
    }  # fmt: skip
    names = NAMES[: rng.randint(1, 5)]
    mids = dict.fromkeys(names, rng.randint(50_000, 90_000) * 100)
    ticks = []
    for second in range(rng.randint(1, 4)):
        at = T0 + second * S
        books = {}
        for name in names:
            mids[name] += rng.choice(
                [0, 0, rng.randint(-2_000, 2_000), rng.randint(-500_000, 500_000)]
            )
            books[name] = _book(rng, max(mids[name], 10_000), at)
        ticks.append((at, books))
    return IndexCase(method, options, ticks)


def _book(rng: random.Random, mid_cents: int, at: int) -> index.Seen:
    deep, reach = rng.choice([1, 3, 12, 60]), rng.choice([40, 400, 40_000])

    def side(sign: int) -> list[index.Entry]:
        away = sorted(rng.sample(range(1, reach + deep + 1), rng.randint(min(1, deep), deep)))
        entries = [((mid_cents + sign * cents) * E9 // 100, _size(rng)) for cents in away]
        return [(price, size) for price, size in entries if price > 0 or rng.random() < 0.5]

    bids, asks = side(-1), side(1)
    if rng.random() < 0.04:
        bids, asks = asks, bids
    if rng.random() < 0.04:
        bids = []
    late = rng.choice([0, 0, 0, 0, 9 * S, 10 * S - 1, 10 * S])
    return index.Seen(bids, asks, at - late, rng.random() > 0.03)


def _size(rng: random.Random) -> int:
    return rng.choice(
        [rng.randint(1, 10**8), rng.randint(1, 10**9), 10**8, 10**8, rng.randint(1, 10**11), 0]
        if rng.random() < 0.3
        else [rng.randint(1, 3 * 10**8)]
    )


def compare_index(case: IndexCase) -> int:
    """How many of its effective times had a value. ``AssertionError`` if the two differ."""
    oracle, engine = index.Oracle(case.method), SpotIndex("BTC", **case.options)
    values = 0
    for at, books in case.ticks:
        wanted = oracle.tick(at, books)
        given = {
            name: SpotBook(seen.retrieved, seen.bids, seen.asks, believed=seen.believed)
            for name, seen in books.items()
        }
        got = engine.tick(at, dict(given))
        assert engine.standings == oracle.standing
        assert (got is None) == (wanted is None), (got, wanted)
        if got is None or wanted is None:
            continue
        value, depth, cap = wanted
        values += 1
        assert abs(got.cap_e8 - cap) <= 1
        same = got.cap_e8 == cap
        assert abs(got.utilised_depth_e8 - depth) <= (0 if same else 200)
        off = abs(Decimal(got.value_e9) - value)
        assert off <= (VALUE_OFF_MAX if same else VALUE_OFF_OTHER_CAP_MAX), (got, wanted)
    return values


def compare_window(rng: random.Random) -> str:
    """A window and ticks of which some are late, lost or told again otherwise; its outcome."""
    start, length = T0, rng.choice([60, 300]) * S
    rules = [_rule(rng), _rule(rng)]
    tie: Any = rng.choice(["yes", "half"])
    window = SettlementWindow(start, start + length, *map(_measure, rules), tie=tie)
    ticks = _ticks(rng, start - 90 * S, start + length + rng.choice([-40, -1, 0, 5]) * S)
    for at, value in ticks:
        window.tick(at, value)
    opening, closing = (
        fair.boundary_value(rule, at, ticks)
        for rule, at in zip(rules, (start, start + length), strict=True)
    )
    assert window.outcome == _outcome(opening, closing, tie)
    for got, wanted in ((window.opening_e18, opening), (window.closing_e18, closing)):
        assert got == (wanted if isinstance(wanted, str) else wanted.__floor__()) or (
            got is None and isinstance(wanted, str)
        )
    rule = rules[1]
    if isinstance(rule, fair.MeanRule) and ticks:
        expected, variance = fair.expected_mean(rule, start + length, ticks)
        assert window.expected_e18 is not None and window.variance_s is not None
        assert abs(window.expected_e18 / E18 - expected) < 1e-6
        assert abs(window.variance_s - variance) <= 1e-7 * (1 + variance)
        times = rule.times(start + length)
        heard = fair.first_heard(ticks)
        assert window.banked == sum(at in heard for at in times)
        assert window.left == sum(at > max(heard) for at in times)
    return window.outcome


def _rule(rng: random.Random) -> fair.Rule:
    if rng.random() < 0.6:
        return fair.MeanRule(rng.choice([60, 10, 1]), S, rng.choice(["start", "end"]))
    return rng.choice(["tick", "first", "last"])


def _measure(rule: fair.Rule) -> BoundaryMeasure:
    if isinstance(rule, fair.MeanRule):
        return BoundaryMeasure(
            "mean", samples=rule.samples, step_s=rule.step / S, endpoints=rule.endpoints
        )
    return BoundaryMeasure(rule)


def _outcome(opening: Fraction | str, closing: Fraction | str, tie: str) -> str:
    if "missing" in (opening, closing):
        return "unknown"
    if isinstance(opening, str) or isinstance(closing, str):
        return "open"
    strike = opening.__floor__()
    if tie == "half" and closing == strike:
        return "half"
    return "yes" if closing >= strike else "no"


def _ticks(rng: random.Random, start: int, end: int) -> list[fair.Tick]:
    lost, value = rng.choice([0.0, 0.0, 0.1, 0.6]), 84_000 * E18
    flat = rng.random() < 0.3
    ticks = []
    for at in range(start, end + 1, S):
        value += 0 if flat else rng.randint(-5 * E18, 5 * E18)
        if rng.random() >= lost:
            ticks.append((at + rng.choice([0] * 9 + [rng.randint(1, S - 1)]), value))
    ticks += [(at, value + 1) for at, value in rng.sample(ticks, min(3, len(ticks)))]
    for _ in range(rng.choice([0, 0, 5])):
        place = rng.randrange(len(ticks)) if ticks else 0
        ticks[place : place + 8] = rng.sample(
            ticks[place : place + 8], len(ticks[place : place + 8])
        )
    return ticks


def compare_probability(rng: random.Random) -> None:
    """A contract on a value."""
    expected, sd = (
        rng.randint(80_000, 90_000) * E18,
        rng.choice([0.5, 6.0, 60.0]) * rng.random() + 0.01,
    )
    freedom = rng.choice([None, None, rng.randint(3, 40)])
    scale = rng.choice([1.0, rng.uniform(0.5, 2.0)])
    low = expected + int(rng.gauss(0, 2) * sd * 1e18)
    high = low + int(rng.random() * 3 * sd * 1e18)
    bounds = rng.choice([(low, None), (None, low), (low, high)])
    got = payoff_probability(
        expected, sd, at_least_e18=bounds[0], below_e18=bounds[1], freedom=freedom, scale=scale
    )
    shifted = [None if bound is None else (bound - expected) / E18 for bound in bounds]
    wanted = fair.probability(0.0, sd * scale, shifted[0], shifted[1], freedom)
    assert abs(got / E9 - wanted) <= 2e-9, (got, wanted, freedom)


def compare_volatility(rng: random.Random) -> None:
    """A reference with gaps."""
    half_life, step = rng.uniform(5, 120), rng.choice([0.5, 1.0, 3.0])
    at, value, ticks = T0, 84_000.0, []
    for _ in range(rng.randint(1, 150)):
        at += int(rng.choice([0.2, 1.0, 1.0, 30.0]) * rng.random() * S) + 1
        value *= 1 + rng.gauss(0, 1e-4)
        ticks.append((at, int(value * 1e6) * 10**12))
    volatility = Volatility(half_life, step_s=step)
    for tick in ticks:
        volatility.tick(*tick)
    # Half-lives are kept as whole nanoseconds.
    wanted = fair.variance_a_second(ticks, round(half_life * S) / S, int(step * S))
    got = volatility.variance
    assert (got is None) == (wanted is None), (got, wanted)
    if got is not None and wanted is not None:
        assert abs(got - wanted) <= 1e-9 * wanted


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python tests/oracles.py", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    values = 0
    for seed in range(options.seed, options.seed + options.cases):
        try:
            values += compare_index(index_case(random.Random(f"index {seed}")))
            compare_window(random.Random(f"window {seed}"))
            compare_probability(random.Random(f"probability {seed}"))
            compare_volatility(random.Random(f"volatility {seed}"))
        except AssertionError:
            print(f"they differ: --cases 1 --seed {seed}", file=sys.stderr)
            raise
    print(f"{options.cases} cases of each kind agree, {values} values of an index among them")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
