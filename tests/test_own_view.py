"""Worth of positions at a live book, what may be lost, signals that would take one's own."""

import json
from dataclasses import replace
from typing import Any

import pytest
from own_link import polymarket_line

from bookfeed import Engine
from bookfeed.own.events import OwnFill, OwnOrder, OwnPosition
from bookfeed.own.view import (
    Holding,
    exposures,
    holdings,
    mirrored,
    net_levels,
    taken_of_own,
    value,
)
from bookfeed.records import Leg

MS = 1_000_000
T_MS = 1_790_000_000_000
ASSET = "1" * 77
SHARE = 10**8
CENT = 10_000_000


def engine(bids: list[list[str]], asks: list[list[str]]) -> Engine:
    made = Engine()
    made.connected(0, "polymarket", T_MS * MS)
    made.subscribe("polymarket", ASSET, 0, T_MS * MS, market="0xab", outcome="Yes")
    sides = {
        name: [{"price": price, "size": size} for price, size in levels]
        for name, levels in (("bids", bids), ("asks", asks))
    }
    book = {"event_type": "book", "market": "0xab", "asset_id": ASSET, "timestamp": str(T_MS)}
    made.ingest(0, json.dumps(book | sides).encode(), T_MS * MS)
    return made


def position(qty: int, cost_e17: int | None = 0) -> OwnPosition:
    return OwnPosition("polymarket", "0xab", ASSET, qty * SHARE, 0, cost_e17, 0, None)


def test_a_position_is_worth_what_the_bids_pay_through_their_depth() -> None:
    book = engine([["0.40", "10"], ["0.30", "20"]], [["0.45", "5"], ["0.50", "50"]]).book(0)
    assert value(position(15), book) == ((40 * 10 + 30 * 5) * CENT * SHARE, "")
    assert value(position(0), None) == (0, "")
    assert value(position(31), book) == (None, "its book does not hold so much")
    assert value(position(1), None) == (None, "its book is not followed")
    # Ten shares of NO: a dollar each, less what ten of YES cost at the asks.
    assert value(position(-10), book) == ((100 * 10 - 45 * 5 - 50 * 5) * CENT * SHARE, "")


def test_a_book_that_may_not_be_believed_values_nothing() -> None:
    made = engine([["0.40", "10"]], [["0.45", "5"]])
    made.disconnected(0, (T_MS + 1) * MS)
    worth, why = value(position(1), made.book(0))
    assert worth is None
    assert why.startswith("its book is stale (")


def order(side: str, price_cents: int, qty: int, **more: Any) -> OwnOrder:
    made = OwnOrder(
        venue="polymarket",
        market="0xab",
        symbol=ASSET,
        order_id=f"{side}{price_cents}",
        side="buy" if side == "buy" else "sell",
        price_e9=price_cents * CENT,
        qty_e8=qty * SHARE,
        filled_e8=0,
        remaining_e8=qty * SHARE,
        status="open",
        detail="LIVE",
        order_type="GTC",
        client_order_id=None,
        group=None,
        ts_created=None,
        ts_expires=None,
        ts_event=1,
        ts_recv=1,
        source="stream",
    )
    return replace(made, **more)


def test_exposure_of_an_event_is_what_was_paid_and_what_orders_would_add() -> None:
    held = [
        Holding(position(10, 400 * CENT * SHARE), "E", None, "why"),
        Holding(replace(position(5, 100 * CENT * SHARE), symbol="2"), "E", None, "why"),
        Holding(replace(position(1, None), symbol="3"), "F", None, "why"),
    ]
    # A sale of 14 with 10 held gives those away, and buys 4 of the other side for 0.55 each.
    orders = [order("buy", 30, 2), order("sell", 45, 14)]
    found = exposures(orders, held, {ASSET: "E", "3": "F"}.get)
    assert [(one.event, one.held_e17, one.resting_e17) for one in found] == [
        ("E", 500 * CENT * SHARE, (30 * 2 + 55 * 4) * CENT * SHARE),
        ("F", None, 0),
    ]


def test_holdings_have_profit_that_is_not_realised() -> None:
    line = polymarket_line(0)
    line.take(_fill("a", 10, 30))
    book = engine([["0.40", "10"]], []).book(0)
    (holding,) = holdings(line.state, lambda _symbol: book, lambda _symbol: None)
    assert holding.event == "0xab"
    assert holding.unrealised_e17 == 100 * CENT * SHARE


def _fill(trade: str, qty: int, cents: int) -> OwnFill:
    from bookfeed.own.events import FillKey

    return OwnFill(
        venue="polymarket",
        market="0xab",
        symbol=ASSET,
        key=FillKey(trade, "o", 0),
        side="buy",
        price_e9=cents * CENT,
        qty_e8=qty * SHARE,
        fee_e9=None,
        maker=False,
        status="confirmed",
        transaction=None,
        post_position_e8=None,
        ts_event=1,
        ts_recv=1,
        source="stream",
    )


def test_levels_without_ones_own() -> None:
    book = engine([["0.40", "10"], ["0.30", "20"]], []).book(0)
    own = {("bid", 40 * CENT): 10 * SHARE, ("bid", 30 * CENT): 5 * SHARE, ("ask", 1): 1}
    assert net_levels(book, "bid", own) == [(30 * CENT, 15 * SHARE)]
    assert mirrored({("bid", 40 * CENT): 7}) == {("ask", 60 * CENT): 7}


@pytest.mark.parametrize(
    ("side", "view", "worst_cents", "own", "taken"),
    [
        ("buy", "yes", 50, ("ask", 50), 3),
        ("buy", "yes", 50, ("ask", 51), 0),
        ("buy", "yes", 50, ("bid", 50), 0),
        ("sell", "yes", 50, ("bid", 50), 3),
        ("sell", "yes", 50, ("bid", 49), 0),
        ("buy", "no", 40, ("bid", 60), 3),
        ("buy", "no", 40, ("bid", 59), 0),
        ("sell", "no", 40, ("ask", 60), 3),
        ("sell", "no", 40, ("ask", 61), 0),
    ],
)
def test_a_leg_that_would_take_ones_own(
    side: Any, view: Any, worst_cents: int, own: tuple[str, int], taken: int
) -> None:
    leg = Leg(
        instrument=0,
        epoch=1,
        side=side,
        view=view,
        avg_price_e9=worst_cents * CENT,
        worst_price_e9=worst_cents * CENT,
        qty_e8=5 * SHARE,
        fee_e9=None,
        maker_fee_e9=None,
        age_ns=None,
        state="live",
        symbol=ASSET,
    )
    where, cents = own
    assert taken_of_own(leg, {(where, cents * CENT): 3 * SHARE}) == taken * SHARE
    assert taken_of_own(leg, {(where, cents * CENT): 9 * SHARE}) == (5 * SHARE if taken else 0)
    assert taken_of_own(replace(leg, worst_price_e9=None), {(where, cents * CENT): 3}) == 0
