"""The dynamics that simulated spot venues share, and the memory of their truth."""

from collections import Counter
from math import log
from statistics import fmean, median

import pytest

from bookfeed import BookView, SpotBook, SpotIndex
from bookfeed.sim.chance import seeded
from bookfeed.sim.latent import Latent
from bookfeed.sim.spot import SpotMarket, SpotSpec, Turn, decimal_text, pair
from bookfeed.sim.spot_truth import PAST_MAX, SpotTruth, Told, top


def spec(levels: int = 60) -> SpotSpec:
    return SpotSpec(0, "BTC", "USDT", 8_400_000, 10_000_000, 1_000, 0.4, levels)


def turns(market: SpotMarket, count: int) -> list[Turn]:
    return [market.turn() for _ in range(count)]


@pytest.mark.parametrize("levels", [6, 60, 400])
def test_a_book_never_crosses_nor_runs_empty(levels: int) -> None:
    market = SpotMarket(spec(levels), seeded("spot", levels))
    sizes = Counter[str]()
    for _ in range(5_000):
        turn = market.turn()
        assert market.bids.prices[-1] < market.asks.prices[0]
        assert min(len(market.bids), len(market.asks)) >= 3
        assert min(market.bids.sizes + market.asks.sizes) > 0
        sizes["burst"] += len(turn.changes) >= 8
        sizes["trade"] += bool(turn.prints)
        sizes["flash"] += len(turn.changes) == 1 and turn.changes[0].size == 0
    assert min(sizes["burst"], sizes["trade"], sizes["flash"]) > 20, sizes


def test_the_changes_of_a_turn_are_all_that_changed() -> None:
    market = SpotMarket(spec(), seeded("spot", 1))
    sides = {True: market.bids.levels(), False: market.asks.levels()}
    unknown = 0
    for turn in turns(market, 3_000):
        for is_bid, price, size in turn.changes:
            if size:
                sides[is_bid][price] = size
            else:
                unknown += sides[is_bid].pop(price, None) is None
    assert sides == {True: market.bids.levels(), False: market.asks.levels()}
    assert unknown > 10, "no end of an unknown level was told"


class Followers:
    """Markets whose price is made elsewhere: where it is, and their turns, 60 a second."""

    TICKS_E9 = (10_000_000, 10_000_000, 100_000_000, 1_000_000_000)
    LEVELS = (250, 250, 60, 12)

    def __init__(self, seed: int) -> None:
        self.price = Latent(seed)
        self.now_s = 0.0
        self.markets = []
        for index, (tick, levels) in enumerate(zip(self.TICKS_E9, self.LEVELS, strict=True)):
            start = 84_000 * 10**9 // tick
            made = SpotSpec(index, "BTC", "USD", start, tick, 1, 0.4, levels)
            market = SpotMarket(made, seeded("followers", seed, index))
            market.anchor = lambda tick=tick: self.dollars * 10**9 / tick
            self.markets.append(market)

    @property
    def dollars(self) -> float:
        return self.price.at(self.now_s)

    def pass_second(self) -> list[list[Turn]]:
        """The turns of each market in the next second."""
        passed: list[list[Turn]] = [[] for _ in self.markets]
        for _ in range(60):
            self.now_s += 1 / 60
            for market, turns in zip(self.markets, passed, strict=True):
                turns.append(market.turn())
        return passed

    def depth(self, is_bid: bool, within: float) -> int:
        """Size that all have on one side within so many dollars of the price, 1e-8."""
        return sum(
            size
            for market in self.markets
            for price, size in market.top(is_bid, 10**6)
            if abs(price * market.spec.tick_e9 / 10**9 - self.dollars) < within
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_price_that_moves_leaves_both_sides_as_deep(seed: int) -> None:
    """However far it has gone: here about as far as orders are from it."""
    world, seen = Followers(seed), []
    leans: dict[int, list[float]] = {10: [], 40: [], 200: []}
    full: list[list[float]] = [[] for _ in world.markets]
    for _ in range(120):
        world.pass_second()
        seen.append(world.dollars)
        for within, lean in leans.items():
            lean.append(log(world.depth(True, within) / world.depth(False, within)))
        for market, shares in zip(world.markets, full, strict=True):
            shares += [len(side) / market.spec.levels for side in (market.bids, market.asks)]
    assert max(seen) - min(seen) > 25
    assert all(0.9 < fmean(shares) < 1.2 for shares in full), [fmean(shares) for shares in full]
    for within, lean in leans.items():
        # Sizes are very unequal, near the price most of all: what counts is that it goes both ways.
        assert abs(fmean(lean)) < 0.2, (within, fmean(lean))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_index_of_books_that_follow_a_price_is_near_it(seed: int) -> None:
    world, index, off = Followers(seed), SpotIndex("BTC"), []
    for second in range(120):
        world.pass_second()
        books: dict[str, BookView | SpotBook] = {}
        for market in world.markets:
            tick = market.spec.tick_e9
            sides = (
                [(price * tick, size) for price, size in market.top(is_bid, 10**6)]
                for is_bid in (True, False)
            )
            books[str(market.spec.index)] = SpotBook(second * 10**9, *sides)
        value = index.tick(second * 10**9, books)
        assert value is not None and value.included == len(books)
        off.append(value.value - world.dollars)
    usual = median(map(abs, off))
    assert abs(fmean(off)) < 1.5 and usual < 2.5, (fmean(off), usual)


def test_a_book_that_follows_a_price_tells_all_that_changes_and_never_crosses() -> None:
    world = Followers(4)
    sides = [{True: m.bids.levels(), False: m.asks.levels()} for m in world.markets]
    prints = [0] * len(sides)
    for _ in range(60):
        for at, turns in enumerate(world.pass_second()):
            for turn in turns:
                prints[at] += len(turn.prints)
                for is_bid, price, size in turn.changes:
                    sides[at][is_bid][price] = size
        for market, told in zip(world.markets, sides, strict=True):
            kept = [{p: s for p, s in told[is_bid].items() if s} for is_bid in (True, False)]
            assert kept == [market.bids.levels(), market.asks.levels()]
            assert market.bids.prices[-1] < market.asks.prices[0]
    assert min(prints) > 100, prints


def test_takers_take_what_they_print() -> None:
    market = SpotMarket(spec(), seeded("spot", 2))
    before = {True: market.bids.levels(), False: market.asks.levels()}
    checked = 0
    for _ in range(3_000):
        turn = market.turn()
        one_side = {one.taker_buys for one in turn.prints}
        if len(one_side) == 1 and len(turn.changes) < 8:
            buys = one_side.pop()
            printed = Counter[int]()
            for one in turn.prints:
                printed[one.price] += one.size
            for price, size in printed.items():
                left = [c.size for c in turn.changes if c.price == price and c.is_bid != buys]
                assert left and left[0] == before[not buys][price] - size
                checked += 1
        before = {True: market.bids.levels(), False: market.asks.levels()}
    assert checked > 100


def test_the_same_seed_gives_the_same_market() -> None:
    one, same, other = (SpotMarket(spec(), seeded("spot", n)) for n in (1, 1, 2))
    assert turns(one, 500) == turns(same, 500) != turns(other, 500)


def test_a_book_that_is_behind_is_held_against_its_own_version() -> None:
    market = SpotMarket(spec(), seeded("spot", 3))
    truth = SpotTruth()
    truth.start("X", 1, market.bids.levels(), market.asks.levels())
    books = {1: truth("X")}
    for version in range(2, 400):
        truth.apply("X", version, [Told(*change) for change in market.turn().changes])
        books[version] = truth("X")
    assert truth.version("X") == 399 and truth.at("X", 400) is None
    for version, book in books.items():
        assert truth.at("X", version) == book
    assert top(books[1], 3).bids == books[1].bids[:3]


def test_what_is_long_ago_is_forgotten() -> None:
    truth = SpotTruth()
    truth.start("X", 1, {}, {})
    for version in range(2, PAST_MAX + 10):
        truth.apply("X", version, [Told(True, version, 1)])
    assert truth.at("X", 2) is None
    book = truth.at("X", PAST_MAX)
    assert book is not None and len(book.bids) == PAST_MAX - 1


def test_numbers_are_printed_exactly() -> None:
    assert decimal_text(8_400_010, 10_000_000, 9, 8) == "84000.10000000"
    assert decimal_text(1, 1, 8, 8) == "0.00000001"
    assert decimal_text(1, 10**9, 9, 0) == "1"
    with pytest.raises(ValueError, match="decimals"):
        decimal_text(1, 1, 9, 8)


def test_there_is_always_one_more_pair() -> None:
    names = [pair(index).base for index in range(50)]
    assert names[:4] == ["BTC", "ETH", "SOL", "XRP"] and len(set(names)) == 50
