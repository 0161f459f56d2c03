"""The fee of a sweep, against the auditor's own arithmetic over the levels that it takes."""

from decimal import Decimal

import orjson
import pytest

from bookfeed import BookView, Engine
from bookfeed.audit import fees as audited

ASKS = [("0.48", "30"), ("0.4950", "12.5"), ("0.51", "400.25")]
BIDS = [("0.46", "7.77"), ("0.4350", "90"), ("0.40", "1000")]


def book(fee: str | None) -> BookView:
    """One Kalshi book; a fee is one text, whichever venue's formula it states."""
    engine = Engine()
    engine.connected(0, "kalshi", 1, mode="use_yes_price")
    instrument = engine.subscribe("kalshi", "KX-1", 0, 1, fee=fee)
    yes = [[price, size] for price, size in BIDS]
    no = [[price, size] for price, size in ASKS]
    msg = {"market_ticker": "KX-1", "yes_dollars_fp": yes, "no_dollars_fp": no}
    frame = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": msg}
    engine.ingest(0, orjson.dumps(frame), 2)
    view = engine.book(instrument)
    assert view.live and (view.bid, view.ask) == (0.46, 0.48)
    return view


def taken(levels: list[list[str]], qty: Decimal) -> list[tuple[Decimal, Decimal]]:
    fills, left = [], qty
    for price, size in levels:
        here = min(left, Decimal(size))
        if here:
            fills.append((Decimal(price), here))
        left -= here
    return fills


@pytest.mark.parametrize(
    "fee",
    [
        "kalshi:quadratic;1;non_direct",
        "kalshi:quadratic;0.5;direct",
        "kalshi:quadratic;1;legacy",
        "kalshi:quadratic;0;non_direct",
    ],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("qty", ["1", "31.5", "100", "442.75"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_fee_is_that_of_one_order_with_these_fills(
    fee: str, side: str, qty: str, turned: bool
) -> None:
    view = book(fee)
    view = view.complement if turned else view
    fill = view.sweep(side, qty)  # type: ignore[arg-type]
    assert fill is not None and fill.fee_e9 is not None
    levels = view.as_strings("ask" if side == "buy" else "bid")
    fills = taken(levels, Decimal(qty))
    expected = audited.parse(fee).order(fills, sell=side == "sell", maker=False)
    assert fill.fee_e9 == expected * 10**9
    assert fill.fee == float(expected)


def test_money_that_is_spent_has_the_fee_of_what_it_buys() -> None:
    view = book("kalshi:quadratic;1;direct")
    by_money, by_qty = view.sweep_notional("buy", "14.4"), view.sweep("buy", "30")
    assert by_money is not None and by_qty is not None
    assert by_money.qty == 30 and by_money.fee_e9 == by_qty.fee_e9


@pytest.mark.parametrize("fee", [None, "kalshi:of_another_kind;1;direct"])
def test_a_fee_that_is_unknown_or_unsupported_is_none_and_not_zero(fee: str | None) -> None:
    fill = book(fee).sweep("buy", "10")
    assert fill is not None and fill.qty == 10
    assert fill.fee is None and fill.fee_e9 is None


def test_a_frozen_book_keeps_its_fees() -> None:
    view = book("kalshi:quadratic;1;non_direct")
    frozen = view.freeze()
    one, other = view.sweep("sell", "50"), frozen.sweep("sell", "50")
    assert one is not None and other is not None and one.fee_e9 == other.fee_e9 is not None
