"""The index: the page's vectors, random books against a slow reading, and live books."""

import random
from decimal import Decimal
from typing import Any

import pytest
from oracles import NAMES, T0, compare_index, index_case

from bookfeed import EngineError, SpotBook, SpotIndex
from bookfeed.audit import index

E8, E9, S = 10**8, 10**9, 10**9


def scaled(levels: list[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(price * E9), round(size * E8)) for price, size in levels]


BIDS = scaled([(99.9, 2), (99.8, 1), (99.5, 3), (99.2, 4)])
ASKS = scaled([(100.1, 1), (100.2, 2), (100.4, 2), (100.9, 5)])


def test_the_pages_example() -> None:
    """Protocol page, section E: engine and oracle, to the digits that are printed there."""
    seen = index.Seen(BIDS, ASKS, T0)
    oracle = index.Oracle(index.Method(spacing=E8)).tick(T0, {"one": seen})
    value = SpotIndex("BTC", spacing="published").tick(T0, {"one": SpotBook(T0, BIDS, ASKS)})
    assert value is not None and oracle is not None
    assert (round(value.value, 6), value.utilised_depth, value.published_e9) == (
        100.007786, 5.0, 100_010_000_000,
    )  # fmt: skip
    assert round(oracle[0] / E9, 6) == Decimal("100.007786")
    assert value.cap_e8 == oracle[2] == 957_106_781
    assert value.touch_e9 == (99_900_000_000, 100_100_000_000)
    assert (value.ts, value.included, value.crossed_e8) == (T0, 1, 0)


@pytest.mark.parametrize("part", range(4))
def test_random_books_against_the_slow_reading(part: int) -> None:
    """As many as a test may take; ``make oracles`` has the rest."""
    seeds = range(part * 75, part * 75 + 75)
    values = sum(compare_index(index_case(random.Random(f"index {seed}"))) for seed in seeds)
    assert values > 75, "hardly any of these books survive the screening"


def test_cases_have_every_standing_and_switch() -> None:
    standings, methods = set(), []
    for seed in range(150):
        case = index_case(random.Random(f"index {seed}"))
        oracle = index.Oracle(case.method)
        for at, books in case.ticks:
            oracle.screen(at, books)
            standings |= set(oracle.standing.values())
        methods.append(case.method)
    assert standings == {"included", "delayed", "erroneous", "potentially_erroneous"}
    for name, count in {"order": 2, "crossed": 2, "median": 2, "sample": 4, "spacing": 4}.items():
        assert len({getattr(method, name) for method in methods}) == count


def test_a_constituent_that_is_not_given_any_more_is_delayed() -> None:
    spot = SpotBook(T0, BIDS, ASKS)
    calculated = SpotIndex("ETH", lag_max_s=5)
    assert calculated.tick(T0, {NAMES[0]: spot, NAMES[1]: spot}) is not None
    value = calculated.tick(T0 + 1, {NAMES[1]: spot})
    assert value is not None and value.included == 1
    assert calculated.standings == {NAMES[0]: "delayed", NAMES[1]: "included"}
    assert calculated.tick(T0 + 5 * S, {NAMES[1]: spot}) is None


@pytest.mark.parametrize(
    ("asset", "options", "said"),
    [
        ("DOGE", {}, "BTC, ETH, SOL or XRP"),
        ("BTC", {"spacing": 0}, "above 0"),
        ("BTC", {"spacing": "wide"}, '"integral" or "published" or "hundredth"'),
        ("BTC", {"sample": ("some", 5)}, '"at_least" or "at_most"'),
        ("BTC", {"sample": ("at_most", 0)}, "allow more"),
        ("BTC", {"order": "venue"}, '"level" or "price"'),
        ("BTC", {"crossed": "cut"}, '"kept" or "matched"'),
        ("BTC", {"median": "mean"}, '"valid" or "all"'),
    ],
)
def test_what_is_no_switch_is_refused(asset: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        SpotIndex(asset, **options)
