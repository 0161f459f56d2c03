"""Simulated worlds whose true index is known: the reading that is called true, the damage, and how
near the engine's index comes beside short cuts. ``bookfeed score V1`` plays many more of them.
"""

import random
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from oracles import index_case

from bookfeed.audit import index as slow
from bookfeed.scorecard.index_worlds import windows
from bookfeed.scorecard.index_worlds.books import E9, BookWorld, Seen, Side
from bookfeed.scorecard.index_worlds.figures import BANDS_BPS, CONSTITUENTS, VENUES
from bookfeed.scorecard.index_worlds.readings import PROXIES, true_index
from bookfeed.scorecard.index_worlds.windows import OURS, Damage, Summary, summary, window

SEEDS: Final = (1, 2, 3, 4)


def side(entries: object, sign: int) -> Side:
    """Levels as worlds have them."""
    best_first = sorted(entries, key=lambda entry: sign * entry[0])  # type: ignore[call-overload]
    prices, sizes = zip(*best_first, strict=True)
    return Side(np.array(prices, dtype=np.int64), np.array(sizes, dtype=np.int64))


def test_the_reading_called_true_is_the_slow_one() -> None:
    """Of random sound books, from two descriptions of one method: floats, and decimals."""
    compared = 0
    for seed in range(200):
        case = index_case(random.Random(f"index {seed}"))
        for at, books in case.ticks:
            sound = {
                name: replace(
                    one, retrieved=at, believed=True, bids=list(slow.sound(one.bids)),
                    asks=list(slow.sound(one.asks)),
                )
                for name, one in books.items()
            }  # fmt: skip
            oracle = slow.Oracle()
            wanted = oracle.tick(at, sound)
            if wanted is None or set(oracle.standing.values()) != {"included"}:
                continue
            compared += 1
            got = true_index(
                [Seen(side(one.bids, -1), side(one.asks, 1), at) for one in sound.values()]
            )
            assert got == pytest.approx(float(wanted[0]) / E9, abs=1e-6)
    assert compared > 50


def test_books_are_as_deep_and_tight_as_they_were_recorded() -> None:
    """Sizes within each band, and the spread, of a world's venues: means of many seconds."""
    world = BookWorld(5)
    seen = [world.step()[1] for _ in range(120)]
    for figures in VENUES:
        books = [books[figures.venue] for books in seen]
        for bps, wanted in zip(BANDS_BPS, figures.size_within, strict=True):
            if bps < 10:
                continue  # a few levels, and a spread before them
            got = np.mean([_within(book, bps) for book in books])
            assert 0.4 * wanted < got < 2.5 * wanted, (figures.venue, bps, got, wanted)
        assert all(book.bids.prices[0] < book.asks.prices[0] for book in books)
        assert all((np.diff(book.bids.prices) < 0).all() for book in books)
        assert all((np.diff(book.asks.prices) > 0).all() for book in books)


def _within(book: Seen, bps: float) -> float:
    sizes = [
        one.sizes[abs(one.prices / book.mid - 1) <= bps / 1e4].sum()
        for one in (book.bids, book.asks)
    ]
    return float(sum(sizes)) / 2 / 1e8


def test_a_seed_tells_the_whole_story() -> None:
    worlds = [BookWorld(7), BookWorld(7), BookWorld(8)]
    prices = [[world.step()[1][CONSTITUENTS[0]].mid for _ in range(5)] for world in worlds]
    assert prices[0] == prices[1] != prices[2]
    assert window(7, decimals=False) == window(7, decimals=False)


def test_damage_is_heard_and_nothing_else_is() -> None:
    world, past = BookWorld(9), []
    for _ in range(windows.LEAD_S + windows.WINDOW_S):
        past.append(world.step()[1])
    damage = Damage.of_seed(9)
    assert len({damage.frozen, damage.delayed, damage.spiking}) == 3
    second = damage.frozen_from + 5
    heard = damage.heard(second, past)
    assert heard[damage.frozen] is past[damage.frozen_from][damage.frozen]
    delayed = heard[damage.delayed]
    assert delayed.retrieved == past[second][damage.delayed].retrieved
    assert delayed.mid == past[second - damage.delayed_by][damage.delayed].mid
    spiking = damage.heard(damage.spiking_from, past)[damage.spiking]
    true_mid = past[damage.spiking_from][damage.spiking].mid
    assert damage.frozen == damage.spiking or abs(spiking.mid / true_mid - 1) > 0.05
    spared = set(past[second]) - {damage.frozen, damage.delayed, damage.spiking}
    assert all(heard[name] is past[second][name] for name in spared)


@pytest.mark.slow
def test_the_index_of_damaged_worlds_is_near_the_true_one() -> None:
    """A short form: the engine is the slow readings, and no window is far off."""
    came_to = summary([window(seed, decimals=seed == SEEDS[0]) for seed in SEEDS])
    assert came_to.distance <= windows.DISTANCE_MAX
    assert came_to.p95[OURS] < windows.P95_MAX
    assert came_to.median[OURS] < came_to.median[came_to.best_proxy]


def test_what_is_not_as_asked_is_said() -> None:
    names = (OURS, *PROXIES)
    good = Summary(
        {name: 1.0 if name == OURS else 9.0 for name in names},
        dict.fromkeys(names, 3.0), dict.fromkeys(names, 4.0), 0.001, 10, 5,
    )  # fmt: skip
    assert good.problems() == [] and good.times == 9
    for bad, said in (
        (replace(good, distance=0.02), "off a slow reading"),
        (replace(good, median=good.median | {OURS: 2.5}), "median error"),
        (replace(good, p95=good.p95 | {OURS: 8.5}), "95th percentile"),
        (replace(good, median=good.median | {"median of mids": 4.9}), "median of mids is but 4.9"),
    ):
        assert any(said in problem for problem in bad.problems()), said


@pytest.mark.parametrize("name", PROXIES)
def test_short_cuts_are_prices_near_the_books(name: str) -> None:
    now, books = BookWorld(3).step()
    price = PROXIES[name](now, books)
    assert price is not None
    assert abs(price / (books[CONSTITUENTS[0]].mid / E9) - 1) < 0.002
