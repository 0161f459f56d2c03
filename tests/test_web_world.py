"""What a server knows of its feed, from records that are made up."""

import numpy as np

from bookfeed import SIGNAL_DTYPE, UPDATE_DTYPE, Batch
from bookfeed._bookfeed import CAUSES, STATES
from bookfeed.web.world import OVER_KEPT, World


def test_open_signals_come_by_the_dollars_they_would_leave() -> None:
    """Neither by their edge nor by the measure of their own that a rule gives."""
    rows = np.zeros(3, SIGNAL_DTYPE)
    rows["seq"] = rows["id"] = (1, 2, 3)
    rows["net_edge_e9"] = (900_000_000, 10_000_000, 20_000_000)
    rows["qty_e8"] = (100_000_000, 50_000_000_000, 100_000_000)
    rows["value_e9"] = (2, 1, 3)
    world = World()
    world.stand("heard")
    world.take(Batch(b"", rows.tobytes(), b""))
    assert [one.net_total for one in world.open_signals()] == [5.0, 0.9, 0.02]
    world.stand("lost")
    assert world.open_signals() == []


def test_a_spot_book_is_told_as_one_and_an_outcome_under_its_market() -> None:
    world = World()
    for number, (venue, symbol, market, outcome) in enumerate(
        [("kraken", "BTC/USD", "BTC-USD", "spot"), ("kalshi", "KXBTC", "KXBTC", "Yes")]
    ):
        world.names.learn(
            number, venue=venue, symbol=symbol, market=market, outcome=outcome, title=""
        )
    world.stand("heard")
    rows = np.zeros(2, UPDATE_DTYPE)
    rows["instrument"] = (0, 1)
    world.take(Batch(rows.tobytes(), b"", b""))
    told = world.arbitrage()
    assert [one["symbol"] for one in told["spot"]] == ["BTC/USD"]
    assert [one["market"] for one in told["markets"]] == ["KXBTC"]


def test_of_books_that_are_over_a_bounded_number_is_kept_and_of_others_all() -> None:
    """Windows roll for months: their books, symbols and markets do not gather."""
    world = World()
    world.stand("heard")
    rows = np.zeros(1, UPDATE_DTYPE)

    def told(number: int, state: str, cause: str) -> None:
        market = f"m{number // 2}"
        world.names.learn(
            number, venue="v", symbol=f"s{number}", market=market, outcome="Yes", title=""
        )
        world.take_piece({"part": "markets", "markets": [{"venue": "v", "market": market}]})
        rows["instrument"], rows["state"] = number, STATES.index(state)
        rows["cause"] = CAUSES.index(cause)
        world.take(Batch(rows.tobytes(), b"", b""))

    live, over = 300, 2 * OVER_KEPT + 1
    for number in range(live):
        told(number, "live", "snapshot")
    for number in range(live, live + over):
        told(number, "live", "snapshot")
        told(number, "stale", "resolved")
    assert len(world) == live + OVER_KEPT
    assert all(number in world for number in range(live))
    kept = [number for number in world.instruments() if number >= live]
    assert kept == list(range(live + over - OVER_KEPT, live + over))
    assert world.instrument("v", f"s{live}") is None
    assert world.instrument("v", f"s{kept[0]}") == kept[0]
    assert ("v", f"m{live // 2}") not in world.markets
    assert len(world.markets) == live // 2 + (OVER_KEPT + 2) // 2
    # One that comes to life again is none of them.
    told(kept[0], "live", "snapshot")
    told(10_000, "stale", "resolved")
    assert kept[0] in world and kept[1] in world
    told(10_001, "stale", "resolved")
    assert kept[0] in world and kept[1] not in world
