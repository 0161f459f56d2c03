"""Orders and positions from private channels, however messages are lost, doubled, mixed, failed."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from lengths import TIMES
from own_link import (
    Line,
    Rates,
    holdings,
    kalshi_line,
    orders,
    polymarket_line,
    true_holdings,
)

SEEDS = 200 * TIMES
PARTS = 4 * TIMES
LINES = {"polymarket": polymarket_line, "kalshi": kalshi_line}


def settle(line: Line, seed: int) -> None:
    """What a feed does after a connect: ask, and ask again once what was late has come."""
    line.walk()
    line.quiet()
    # Of an order that was over before the walk, a late message may say that it is open: so far.
    assert holdings(line) == true_holdings(line), seed
    check_money(line, seed)
    line.walk(trades=False)


def check(line: Line, seed: int) -> None:
    assert orders(line) == line.account.open_orders(), seed
    assert holdings(line) == true_holdings(line), seed
    check_money(line, seed)


def check_money(line: Line, seed: int) -> None:
    """Cost and profit are those of the naive way with fractions, which knows every trade."""
    e17 = 10**17 // (10**4 * (100 if line.channel.nets else 10**6))
    # Kalshi prints money in millionths, cut off; every anchor and every fill may lose one.
    bound = 10**11 * 4 if line.channel.nets else 400
    for symbol, held in line.account.held().items():
        position = line.state.position(symbol)
        for mine, true in ((position.cost_e17, held.cost), (position.realised_e17, held.realised)):
            assert mine is not None
            assert abs(Fraction(mine) - true * e17) <= bound, (seed, symbol)
        if line.channel.nets:
            assert position.fees_e9 == line.account.fees(symbol) * 1000, (seed, symbol)  # type: ignore[attr-defined]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("venue", LINES)
def test_orders_and_positions_are_true_after_every_reconnect(venue: str, part: int) -> None:
    make: Callable[[int], Line] = LINES[venue]
    told = 0
    for seed in range(part, SEEDS, PARTS):
        line = make(seed)
        line.run(line.rng.randint(0, 10))
        for _ in range(3):
            line.connect()
            line.run(line.rng.randint(0, 5))
            settle(line, seed)
            check(line, seed)
            line.run(line.rng.randint(2, 10), Rates(0, 0.3, 0.4))
            line.quiet()
            check(line, seed)  # nothing was lost since: the channel alone keeps it true
            line.run(line.rng.randint(2, 10))
            if line.rng.random() < 0.5:
                line.disconnect()
                line.run(line.rng.randint(0, 6))
        told += len(line.events)
    assert told > 1_000, "messages came through, or nothing was tested"
