"""What a server knows of its feed, from records that are made up."""

import numpy as np

from bookfeed import SIGNAL_DTYPE, UPDATE_DTYPE, Batch
from bookfeed.web.world import World


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
