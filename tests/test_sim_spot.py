"""The dynamics that simulated spot venues share, and the memory of their truth."""

from collections import Counter

import pytest

from bookfeed.sim.chance import seeded
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
