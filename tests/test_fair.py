"""Windows and fair values: random ones against slow readings, and a day of Chainlink with its real
markets.

The day is no part of the project; without it its tests are skipped.
"""

import csv
import gzip
import itertools
import json
import math
import random
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from oracles import E18, T0, S, compare_probability, compare_volatility, compare_window

from bookfeed import (
    BoundaryMeasure,
    EngineError,
    FairValue,
    SettlementWindow,
    Volatility,
    fair_value,
    payoff_probability,
)
from bookfeed.audit import fair

CAPTURES: Final = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures"
TICKS: Final = CAPTURES / "spot" / "chainlink-btcusd-2026-07-24.csv.gz"
MARKETS: Final = CAPTURES / "polymarket" / "gamma-btc-5m-markets-2026-07-24.jsonl.gz"
needs_day = pytest.mark.skipif(not TICKS.exists(), reason=f"{TICKS.name} is not here")

TICK: Final = BoundaryMeasure("tick")
MINUTE: Final = BoundaryMeasure("mean", endpoints="end")


@pytest.mark.parametrize(
    "compare", [compare_window, compare_probability, compare_volatility], ids=lambda f: f.__name__
)
def test_random_ones_against_the_slow_reading(compare: Any) -> None:
    """As many as a test may take; ``make oracles`` has the rest."""
    for seed in range(300):
        compare(random.Random(f"{compare.__name__.removeprefix('compare_')} {seed}"))


def test_windows_of_the_cases_end_in_every_way() -> None:
    seen = Counter(compare_window(random.Random(f"window {seed}")) for seed in range(300))
    assert set(seen) == {"open", "yes", "no", "half", "unknown"}, seen


def told(ticks: list[tuple[float, float]], strike: float | None = None) -> SettlementWindow:
    """A quarter of an hour that ends at ``T0``; ticks are seconds from there, and units."""
    window = SettlementWindow(T0 - 900 * S, T0, MINUTE, MINUTE)
    if strike is not None:
        window.tell_strike(int(strike * E18))
    for at, value in ticks:
        window.tick(T0 + round(at * S), int(value * E18))
    return window


@pytest.mark.parametrize(
    ("tau", "variance"),
    [(300, 260.502778), (120, 80.502778), (60, 20.502778), (45, 8.720833), (30, 2.626389),
     (15, 0.344444), (10, 0.106944), (5, 0.015278)],
)  # fmt: skip
def test_variances_of_the_page(tau: int, variance: float) -> None:
    ticks = [(float(-at), 84_000.0) for at in range(tau, tau + 90)]
    window = told(ticks)
    assert window.variance_s == pytest.approx(variance, abs=1e-6)
    rule = fair.MeanRule(endpoints="end")
    slow = fair.expected_mean(rule, T0, [(T0 + int(at) * S, 84_000 * E18) for at, _ in ticks])
    assert slow[1] == pytest.approx(variance, abs=1e-6)


def test_both_endpoint_conventions() -> None:
    """The same ticks, an end apart: the sample at the end is in one mean and not in the other."""
    means = {}
    for endpoints in ("start", "end"):
        measure = BoundaryMeasure("mean", endpoints=endpoints)
        window = SettlementWindow(T0 - 900 * S, T0, measure, measure)
        for second in range(-961, 1):
            window.tick(T0 + second * S, (61 if second in (0, -900) else 1) * E18)
        means[endpoints] = (window.opening_e18, window.closing_e18)
    assert means == {"start": (E18, E18), "end": (2 * E18, 2 * E18)}


def test_a_fair_value_needs_a_tick_a_strike_and_a_volatility() -> None:
    volatility = Volatility(30)
    assert fair_value(told([], 84_000), volatility, T0) is None
    assert fair_value(told([(-120, 84_000)]), volatility, T0) is None
    assert fair_value(told([(-120, 84_000)], 84_000), volatility, T0) is None
    for second in range(300):
        volatility.tick(T0 + (second - 500) * S, (84_000 + second % 2 * 6) * E18)
    value = fair_value(told([(-120, 84_050)], 84_000), volatility, T0 - 119 * S)
    assert isinstance(value, FairValue) and value.low_e9 < value.price_e9 < value.high_e9
    assert (value.reference_age_ns, value.volatility_age_ns) == (S, 82 * S)
    wanted = fair.probability(84_050, value.sd_e18 / E18, 84_000, None, None)
    assert value.price == pytest.approx(wanted, abs=2e-9)
    certain = fair_value(told([(0, 84_000)], 84_000), Volatility(30), T0)
    assert certain is None, "samples are missing, so it may still be anything"


def test_what_is_settled_needs_no_volatility() -> None:
    window = told([(float(at), 84_000) for at in range(-59, 1)], 84_000)
    value = fair_value(window, Volatility(30), T0 + S)
    assert value is not None
    assert (value.price_e9, value.low_e9, value.high_e9) == (10**9, 10**9, 10**9)
    assert window.outcome == "yes" and window.needed_e18 is None
    beside = fair_value(window, Volatility(30), T0 + S, at_least_e18=84_000 * E18 + 1)
    assert beside is not None and beside.price_e9 == 0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: SettlementWindow(T0, T0, TICK, TICK), "end after it starts"),
        (lambda: SettlementWindow(T0, T0 + S, TICK, TICK, tie="no"), "yes or half"),  # type: ignore[arg-type]
        (lambda: BoundaryMeasure("close"), "mean, tick, first or last"),  # type: ignore[arg-type]
        (lambda: BoundaryMeasure("mean", endpoints="both"), "start or end"),  # type: ignore[arg-type]
        (lambda: SettlementWindow(T0, T0 + S, TICK, BoundaryMeasure("mean", samples=0)), "samples"),
        (lambda: told([], -1.0), "strike must be positive"),
        (lambda: Volatility(1), "half-life"),
        (lambda: payoff_probability(0, math.nan), "sd must be"),
        (lambda: payoff_probability(0, 1.0, freedom=2), "3 to 100"),
        (lambda: payoff_probability(0, 1.0, scale=0.0), "above 0"),
        (lambda: fair_value(told([]), Volatility(30), T0, volatility_doubt=-1.0), "doubts"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        call()


# The day of Chainlink.


@dataclass(frozen=True)
class Market:
    start: int
    end: int
    strike: int | None
    up: bool


@pytest.fixture(scope="module")
def ticks() -> list[tuple[int, int]]:
    """Venue time and value of every tick of the day."""
    with gzip.open(TICKS, "rt") as file:
        rows = csv.DictReader(file)
        return [(int(r["feed_ts_ms"]) * 10**6, int(r["full_accuracy_value"])) for r in rows]


@pytest.fixture(scope="module")
def markets() -> list[Market]:
    with gzip.open(MARKETS, "rt") as file:
        rows = [json.loads(line) for line in file]
    return [
        Market(
            row["start_sec"] * S,
            row["end_sec"] * S,
            int(row["strike_value"]) if row["strike_value"] else None,
            row["outcome_prices"] == ["1", "0"],
        )
        for row in rows
    ]


def window_of(market: Market, ticks: list[tuple[int, int]]) -> SettlementWindow:
    """The window of a market, with the ticks around it."""
    window = SettlementWindow(market.start, market.end, TICK, TICK)
    times = [at for at, _ in ticks]
    for tick in ticks[
        bisect_left(times, market.start - 60 * S) : bisect_left(times, market.end + 60 * S)
    ]:
        window.tick(*tick)
    return window


@needs_day
def test_strikes_and_outcomes_of_a_day(ticks: list[tuple[int, int]], markets: list[Market]) -> None:
    """Where a boundary's tick was heard, the venue's strike and result are ours, to the last
    digit. Where it was not, nothing is claimed.
    """
    windows = [(market, window_of(market, ticks)) for market in markets]
    strikes = [(m.strike, w.opening_e18) for m, w in windows if m.strike and w.opening_e18]
    assert len(strikes) == 271 and all(ours == theirs for ours, theirs in strikes)
    outcomes = [(m.up, w.outcome) for m, w in windows if w.outcome in ("yes", "no")]
    assert len(outcomes) == 256 and all(ours == ("yes" if up else "no") for up, ours in outcomes)
    assert len(windows) - len(outcomes) == 36
    slow = fair.boundary_value("tick", markets[5].start, ticks)
    assert windows[5][1].opening_e18 == (None if isinstance(slow, str) else slow)


@needs_day
def test_how_old_the_newest_tick_of_a_day_is() -> None:
    """Why a reference that is told may be 5 s old by default: at 2 s, rules would have been silent
    for two thirds of the day, and beyond 5 s there is little but outages of the relay.
    """
    with gzip.open(TICKS, "rt") as file:
        rows = [(int(r["recv_ms"]), int(r["feed_ts_ms"])) for r in csv.DictReader(file)]
    rows.sort()
    old, passed, newest = {2_000: 0, 5_000: 0, 10_000: 0}, rows[-1][0] - rows[0][0], 0
    for (recv_ms, ts_ms), (until_ms, _) in itertools.pairwise(rows):
        newest = max(newest, ts_ms)
        for limit in old:
            old[limit] += max(until_ms - max(recv_ms, newest + limit), 0)
    shares = {limit: over / passed for limit, over in old.items()}
    assert shares[2_000] > 0.6 and shares[5_000] < 0.05, shares
    assert shares[5_000] - shares[10_000] < 0.01, shares


@needs_day
def test_fair_values_of_a_day_are_calibrated(
    ticks: list[tuple[int, int]], markets: list[Market]
) -> None:
    """Windows of that day as they are settled since August 2026, by means of a minute: what is said
    to be likely comes true about as often, and the closer the end, the more is known.

    The very tick at a boundary is no fair test: ten seconds before, 29 of 242 windows stood on
    the other side, which no walk explains.
    """
    said: dict[int, list[tuple[float, bool]]] = {120: [], 30: []}
    times, volatility, fed = [at for at, _ in ticks], Volatility(300, step_s=10), 0
    for market in markets:
        window = SettlementWindow(market.start, market.end, MINUTE, MINUTE)
        before = SettlementWindow(market.start - 300 * S, market.start, MINUTE, MINUTE)
        last = bisect_left(times, market.end + 1)
        for left, results in said.items():
            now = market.end - left * S
            until = bisect_left(times, now + 1)
            for at, value in ticks[max(fed, until - 500) : until]:
                volatility.tick(at, value)
            fed = until
            for at, value in ticks[max(0, until - 500) : until]:
                window.tick(at, value)
                before.tick(at, value)
            strike = before.expected_e18
            value_ = fair_value(window, volatility, now, at_least_e18=strike, freedom=4)
            closed = SettlementWindow(market.start, market.end, MINUTE, MINUTE)
            for at, value in ticks[max(0, last - 100) : last]:
                closed.tick(at, value)
            heard = (
                last > until > 0
                and times[last - 1] == market.end
                and now - times[until - 1] < 5 * S
            )
            if heard and value_ and strike and closed.expected_e18 and few(before) and few(closed):
                results.append((value_.price, closed.expected_e18 >= strike))
    brier = {left: sum((p - up) ** 2 for p, up in all_) / len(all_) for left, all_ in said.items()}
    assert min(map(len, said.values())) > 230
    assert brier[120] < 0.16 and brier[30] < 0.03, brier
    pooled = said[120] + said[30]
    for tenth in range(0, 10, 2):
        came_true = [up for p, up in pooled if tenth / 10 <= p <= tenth / 10 + 0.2]
        share, noise = sum(came_true) / len(came_true), 1.25 / math.sqrt(len(came_true))
        assert tenth / 10 - noise <= share <= tenth / 10 + 0.2 + noise, (tenth, share)


def few(window: SettlementWindow) -> bool:
    """Whether hardly any sample of its closing mean is missing."""
    return window.missing is not None and window.missing <= 15
