"""The auditor's walk, against examples worked out by hand and a search that knows no walk."""

import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import product

from bookfeed.audit.books import Level
from bookfeed.audit.fees import Fees
from bookfeed.audit.fees.kalshi import KalshiFees
from bookfeed.audit.fees.polymarket import PolymarketFees
from bookfeed.audit.walk import Terms, Walked, walk

D = Decimal
FREE = PolymarketFees(D(0), 1)
KALSHI = KalshiFees("quadratic", D(1), "non_direct")
EDGE = D("0.000000001")


def levels(*pairs: tuple[str, str]) -> list[Level]:
    return [(D(price), D(qty)) for price, qty in pairs]


def test_two_ladders_by_hand() -> None:
    """0.40 + 0.50 pays 0.10 for 5, 0.45 + 0.50 pays 0.05 for 3, 0.45 + 0.56 does not pay."""
    a, b = levels(("0.40", "5"), ("0.45", "10")), levels(("0.50", "8"), ("0.56", "100"))
    found = walk(Terms(D(1), False, EDGE), [a, b], [FREE, FREE])
    assert found is not None
    assert [order.fills for order in found.orders] == [
        levels(("0.40", "5"), ("0.45", "3")),
        levels(("0.50", "8")),
    ]
    assert (found.qty, found.gross, found.fee) == (D(8), D("0.65"), D(0))
    assert found.net_edge == 81_250_000


def test_sold_legs_and_a_largest_size() -> None:
    a, b = levels(("0.60", "5"), ("0.55", "10")), levels(("0.50", "20"))
    found = walk(Terms(D(1), True, D("0.05"), max_qty=D(7)), [a, b], [FREE, FREE])
    assert found is not None
    assert found.orders[0].fills == levels(("0.60", "5"), ("0.55", "2"))
    assert found.gross == D("0.60")  # 5 * 0.10 + 2 * 0.05


def test_rounding_may_leave_a_shorter_walk_or_none() -> None:
    """The model promises 0.4 cents a contract; a cent of rounding on 0.01 contracts eats it."""
    one, other = levels(("0.50", "0.01")), levels(("0.47", "0.01"))
    assert walk(Terms(D(1), False, EDGE), [one, other], [KALSHI, FREE]) is None
    more = walk(Terms(D(1), False, EDGE), [levels(("0.50", "10")), levels(("0.47", "10"))],
                [KALSHI, FREE])  # fmt: skip
    assert more is not None and more.net_edge == 12_000_000  # 0.3 - 0.18 over 10


def test_nothing_to_take() -> None:
    assert walk(Terms(D(1), False, EDGE), [levels(("0.5", "1")), []], [FREE, FREE]) is None
    dear = levels(("0.5", "1"))
    assert walk(Terms(D(1), False, EDGE), [dear, dear], [FREE, FREE]) is None


def cost(ladder: Sequence[Level], fees: Fees, qty: Decimal) -> tuple[Decimal, Decimal]:
    """What taking ``qty`` costs, and its fee: straight from the ladder."""
    fills, left = [], qty
    for price, size in ladder:
        here = min(size, left)
        if here:
            fills.append((price, here))
        left -= here
    return sum((p * q for p, q in fills), D(0)), fees.order(fills, sell=False, maker=False)


def searched(
    terms: Terms, ladders: Sequence[Sequence[Level]], fees: Sequence[Fees]
) -> Decimal | None:
    """The size, by trying every one at which a level of some leg ends."""
    ends = {D(0)}
    for ladder in ladders:
        total = D(0)
        for _, qty in ladder:
            total += qty
            ends.add(total)
    if terms.max_qty is not None:
        ends.add(terms.max_qty)
    deepest = min(sum((qty for _, qty in ladder), D(0)) for ladder in ladders)
    sizes = sorted(end for end in ends if 0 < end <= min(deepest, terms.max_qty or deepest))
    best, before = None, D(0)
    for size in sizes:
        prices = [marginal_price(ladder, before) for ladder in ladders]
        fee = sum((f.marginal(p, maker=False) for f, p in zip(fees, prices, strict=True)), D(0))
        if terms.edge(prices) - fee < terms.min_edge:
            break
        costs = [cost(ladder, f, size) for ladder, f in zip(ladders, fees, strict=True)]
        left = terms.payout * size - sum((paid + fee for paid, fee in costs), D(0))
        if left >= terms.min_edge * size:
            best = size
        before = size
    return best


def marginal_price(ladder: Sequence[Level], taken: Decimal) -> Decimal:
    for price, qty in ladder:
        if taken < qty:
            return price
        taken -= qty
    raise AssertionError("beyond the ladder")


def test_any_walk_is_what_a_search_finds() -> None:
    rng = random.Random(7)
    agreed = shortened = 0
    for legs, rounding in product((2, 3, 5), ("direct", "non_direct", "intermediate", "legacy")):
        for _ in range(60):
            kalshi = KalshiFees("quadratic", D(1), rounding)
            fees: list[Fees] = [rng.choice((kalshi, PolymarketFees(D("0.04"), 1), FREE))
                                for _ in range(legs)]  # fmt: skip
            start = D(round(93 / legs)) / 100
            ladders = [
                [
                    (start + D(step) / 100, D(rng.choice((1, 7, 40, 333))) / rng.choice((1, 100)))
                    for step in range(rng.randint(1, 6))
                ]
                for _ in range(legs)
            ]
            limit = rng.choice((None, D(5)))
            terms = Terms(D(1), False, rng.choice((EDGE, D("0.01"))), limit)
            found: Walked | None = walk(terms, ladders, fees)
            assert (None if found is None else found.qty) == searched(terms, ladders, fees)
            agreed += found is not None
            shortened += found is None
    assert agreed > 200 and shortened > 50, "the search had too little to find"
