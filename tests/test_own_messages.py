"""Private messages as the venues' pages have them: odd statuses, odd numbers, what does not fit."""

import json
from typing import Any

import pytest
from own_link import MS, OWNER, Line, Rates, kalshi_line, polymarket_line

from bookfeed.catalogue.fields import Fields
from bookfeed.own.events import OwnClaim, OwnFill, OwnGroup, OwnOrder
from bookfeed.own.state import ACCEPT_NS, REST_LAG_NS

S = 1_000_000_000
T = 1_796_000_000
MARKET = "0x" + "Ab" * 32
TOKEN = "7" * 70


def told(line: Line, *messages: dict[str, Any], at_s: int = T) -> list[Any]:
    """What a state makes of messages, all told at one time."""
    line.account.now_ms = at_s * 1000
    before = len(line.events)
    for message in messages:
        line.channel.read(json.dumps(message).encode(), line.now_ns(), line)
    return line.events[before:]


def order(**more: Any) -> dict[str, Any]:
    return {
        "event_type": "order",
        "type": "PLACEMENT",
        "id": "0xo1",
        "owner": OWNER,
        "market": MARKET,
        "asset_id": TOKEN,
        "side": "BUY",
        "original_size": "10.5",
        "size_matched": "0",
        "price": ".48",
        "status": "LIVE",
        "order_type": "GTC",
        "created_at": str(T),
        "expiration": "0",
        "timestamp": str(T * 1000),
    } | more


def maker(size: str, **more: Any) -> dict[str, Any]:
    return {
        "order_id": "0xo1",
        "owner": OWNER,
        "matched_amount": size,
        "price": "0.48",
        "asset_id": TOKEN,
        "side": "BUY",
    } | more


def trade(*makers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "event_type": "trade",
        "id": "t1",
        "taker_order_id": "0xelse",
        "market": MARKET,
        "asset_id": "9" * 70,
        "side": "BUY",
        "size": "10",
        "price": "0.52",
        "fee_rate_bps": "",
        "status": "MATCHED",
        "match_time": str(T),
        "owner": "somebody else",
        "trader_side": "MAKER",
        "transaction_hash": "",
        "maker_orders": list(makers),
    } | more


@pytest.mark.parametrize(
    ("fields", "status", "remaining"),
    [
        ({}, "open", 1_050_000_000),
        ({"status": "DELAYED"}, "delayed", 1_050_000_000),
        ({"status": "UNMATCHED"}, "open", 1_050_000_000),
        ({"status": "MATCHED", "size_matched": "10.5"}, "filled", 0),
        ({"status": "MATCHED", "size_matched": "4"}, "open", 650_000_000),
        ({"status": "MATCHED", "size_matched": "4", "order_type": "FAK"}, "canceled", 0),
        ({"status": "CANCELED"}, "canceled", 0),
        ({"status": "CANCELED_MARKET_RESOLVED"}, "canceled", 0),
        ({"status": "CANCELED_NOT_ENOUGH_BALANCE"}, "canceled", 0),
        ({"status": "CANCELLED_BY_SOMETHING_NEW"}, "canceled", 0),
        ({"status": "ORDER_STATUS_INVALID"}, "invalid", 0),
        ({"status": "LIVE", "type": "CANCELLATION"}, "canceled", 0),
        ({"status": "BRAND_NEW"}, "unknown", 1_050_000_000),
        ({"size_matched": "", "created_at": "", "order_type": "FOK"}, "open", 1_050_000_000),
        ({"expiration": None, "size_matched": 0.5}, "open", 1_000_000_000),
    ],
)
def test_statuses_of_orders(fields: dict[str, Any], status: str, remaining: int) -> None:
    line = polymarket_line(0)
    (found,) = told(line, order(**fields))
    assert isinstance(found, OwnOrder)
    assert (found.status, found.remaining_e8, found.price_e9) == (status, remaining, 480_000_000)
    assert found.market == MARKET.lower()
    assert not line.doubts


def test_a_trade_goes_forward_and_a_failed_one_never_happened() -> None:
    line = polymarket_line(0)
    steps = ["MATCHED", "TRADE_STATUS_RETRYING", "MINED", "MATCHED", "CONFIRMED", "MINED"]
    events = [
        one.status for status in steps for one in told(line, trade(maker("10"), status=status))
    ]
    assert events == ["matched", "retrying", "mined", "confirmed"]
    assert line.state.duplicates == 2
    assert line.state.position(TOKEN).qty_e8 == 10 * 10**8
    assert line.state.position(TOKEN).cost_e17 == 480_000_000 * 10 * 10**8
    told(line, trade(maker("3"), id="t2"), trade(maker("3"), id="t2", status="FAILED"))
    assert line.state.position(TOKEN).qty_e8 == 10 * 10**8
    # Of a trade that is over, the opposite is no news; REST alone may say it.
    told(line, trade(maker("3"), id="t2", status="CONFIRMED"))
    assert line.state.contradictions == 1
    assert line.state.position(TOKEN).qty_e8 == 10 * 10**8


def test_pieces_of_one_order_in_one_trade_are_two_fills_and_others_orders_are_none() -> None:
    line = polymarket_line(0)
    message = trade(maker("5"), maker("5"), maker("7", owner="else", order_id="0xo9"))
    events = told(line, message, message)
    assert [event.key.ordinal for event in events] == [0, 1]
    assert {event.key.order_id for event in events} == {"0xo1"}
    assert line.state.position(TOKEN).qty_e8 == 10 * 10**8


def test_a_trade_with_oneself_is_both() -> None:
    line = polymarket_line(0)
    mine = {"trader_side": "TAKER", "taker_order_id": "0xo2", "asset_id": TOKEN, "side": "SELL"}
    events = told(line, trade(maker("10"), **mine))
    assert [(one.key.order_id, one.maker, one.side) for one in events] == [
        ("0xo2", False, "sell"),
        ("0xo1", True, "buy"),
    ]
    assert line.state.position(TOKEN).qty_e8 == 0


@pytest.mark.parametrize(
    "message",
    [
        trade(),
        trade(maker("x")),
        trade(maker("5"), status="SOMETHING"),
        order(side="HOLD"),
        order(price="1.5"),
        order(original_size=""),
        order(original_size="-1"),
        order(price="0.0000000001"),
        order(timestamp="soon"),
    ],
)
def test_what_cannot_be_read_is_a_doubt_and_harms_nobody(message: dict[str, Any]) -> None:
    line = polymarket_line(0)
    line.channel.read(json.dumps([message, order(id="0xgood")]).encode(), T * S, line)
    assert [one.order_id for one in line.state.open_orders()] == ["0xgood"]
    assert len(line.doubts) == 1
    assert OWNER not in line.doubts[0]


def test_a_lost_fill_is_noticed_by_its_order() -> None:
    line = polymarket_line(0)
    told(line, order(type="UPDATE", size_matched="4"))
    assert line.state.doubts(T * S)
    assert not line.state.doubts(T * S - 1)
    told(line, trade(maker("4")))
    assert not line.state.doubts(T * S)
    told(line, order(type="UPDATE", size_matched="6", timestamp=str((T + 1) * 1000)))
    assert not line.state.settle(T * S + 1)
    assert line.state.doubts(T * S + 1), "REST has not told of it: the doubt stands"
    assert line.state.settle(T * S + 1 + ACCEPT_NS), "and is what it is in the end"
    assert not line.state.doubts(T * S + 1 + ACCEPT_NS)


def test_an_end_is_undone_by_rest_alone_and_not_by_an_old_answer() -> None:
    line = polymarket_line(0)
    (ended,) = told(line, order(type="CANCELLATION"))
    told(line, order())
    assert line.state.order("0xo1") == ended
    again = line.channel.order(  # type: ignore[attr-defined]
        Fields(order()), T * S, "rest"
    )
    assert line.state.apply(again, asked_ns=T * S + REST_LAG_NS) is None
    assert line.state.apply(again, asked_ns=T * S + REST_LAG_NS + 1) is not None
    assert line.state.open_orders()


# Kalshi.


def fill(**more: Any) -> dict[str, Any]:
    body = {
        "trade_id": "k1",
        "order_id": "ko1",
        "market_ticker": "KXT-1.5",
        "is_taker": True,
        "side": "no",
        "action": "buy",
        "outcome_side": "no",
        "book_side": "ask",
        "yes_price_dollars": "0.4000",
        "count_fp": "10.00",
        "fee_cost": "0.017300",
        "post_position_fp": "-10.00",
        "ts_ms": T * 1000,
    }
    return {"type": "fill", "sid": 1, "msg": body | more}


def test_buying_no_is_selling_the_book() -> None:
    line = kalshi_line(0)
    (found,) = told(line, fill())
    assert isinstance(found, OwnFill)
    assert (found.side, found.price_e9, found.fee_e9, found.maker) == (
        "sell",
        400_000_000,
        17_300_000,
        False,
    )
    position = line.state.position("KXT-1.5")
    assert position.qty_e8 == -10 * 10**8
    assert position.cost_e17 == 600_000_000 * 10 * 10**8
    told(line, fill(trade_id="k2", book_side="bid", yes_price_dollars="0.3", count_fp="15.00"))
    position = line.state.position("KXT-1.5")
    assert position.qty_e8 == 5 * 10**8
    assert position.cost_e17 == 300_000_000 * 5 * 10**8
    assert position.realised_e17 == 100_000_000 * 10 * 10**8


@pytest.mark.parametrize(
    ("fields", "side"),
    [
        ({"book_side": "", "outcome_side": "yes"}, "buy"),
        ({"book_side": "", "outcome_side": "", "side": "no", "action": "sell"}, "buy"),
        ({"book_side": "", "outcome_side": "", "side": "yes", "action": "sell"}, "sell"),
        ({"book_side": "bid"}, "buy"),
    ],
)
def test_sides_by_whatever_field_there_is(fields: dict[str, Any], side: str) -> None:
    (found,) = told(kalshi_line(0), fill(**fields))
    assert found.side == side


def test_an_order_is_amended_and_decreased_but_never_goes_back() -> None:
    line = kalshi_line(0)
    body = {
        "order_id": "ko1",
        "ticker": "KXT-1.5",
        "status": "resting",
        "book_side": "bid",
        "yes_price_dollars": "0.40",
        "initial_count_fp": "10.00",
        "fill_count_fp": "0.00",
        "remaining_count_fp": "10.00",
        "created_ts_ms": T * 1000,
        "last_updated_ts_ms": T * 1000,
        "client_order_id": "mine",
    }

    def news(**more: Any) -> list[Any]:
        return told(line, {"type": "user_order", "sid": 2, "msg": body | more})

    news()
    amended = {"yes_price_dollars": "0.42", "last_updated_ts_ms": T * 1000 + 5}
    (found,) = news(**amended, last_update_reason="Amend")
    assert (found.price_e9, found.detail) == (420_000_000, "resting Amend")
    assert not news(), "what was true before is no news"
    assert line.state.resting_e8() == {"KXT-1.5": {("bid", 420_000_000): 10 * 10**8}}
    less = {"remaining_count_fp": "4.00", "last_updated_ts_ms": T * 1000 + 9}
    (found,) = news(**amended | less)
    assert found.remaining_e8 == 4 * 10**8
    (found,) = news(status="canceled", last_updated_ts_ms=T * 1000 + 10)
    assert found.ended
    assert not line.state.resting_e8()


def test_numbers_of_a_stream_are_counted_and_replies_take_some() -> None:
    line = kalshi_line(0)
    group = {"event_type": "created", "order_group_id": "g", "contracts_limit_fp": "5.00"}
    (found,) = told(line, {"type": "order_group_updates", "sid": 4, "seq": 1, "msg": group})
    assert found == OwnGroup("kalshi", "g", "created", 5 * 10**8, None, T * S)
    told(line, {"type": "ok", "sid": 4, "seq": 2, "msg": []})
    told(line, {"type": "order_group_updates", "sid": 4, "seq": 3, "msg": group})
    assert not line.doubts
    told(line, {"type": "order_group_updates", "sid": 4, "seq": 6, "msg": group})
    assert line.doubts == ["2 messages of 4 are missing"]


def test_a_claim_of_another_position_is_a_doubt_until_it_fits() -> None:
    line = kalshi_line(0)
    claim = {"market_ticker": "KXT-1.5", "position_fp": "-10.00", "volume_fp": "10.00"}
    (found,) = told(line, {"type": "market_position", "sid": 3, "msg": claim})
    assert isinstance(found, OwnClaim)
    assert line.state.doubts(T * S)
    told(line, fill())
    assert not line.state.doubts(T * S)


def test_replies_and_errors() -> None:
    line = kalshi_line(0)
    told(line, {"id": 1, "type": "subscribed", "msg": {"channel": "fill", "sid": 1}})
    assert line.confirmed == {"fill"}
    told(line, {"type": "error", "sid": 1, "msg": {"code": 25, "msg": "buffer overflow"}})
    assert line.losses == ["fill: error 25: buffer overflow"]
    told(line, {"id": 1, "type": "error", "msg": {"code": 9, "msg": "Authentication required"}})
    assert len(line.losses) == 2


def test_what_was_settled_long_ago_is_condensed_and_stays_what_it_was() -> None:
    for make in (polymarket_line, kalshi_line):
        line = make(3)
        line.connect()
        line.run(60, Rates(0, 0, 0))
        line.walk(trades=False)
        before, fills = line.state.positions(), len(line.state.fills())
        line.state.forget((line.account.now_ms - 5_000) * MS)
        assert len(line.state.fills()) < fills
        after = {position.symbol: position for position in line.state.positions()}
        assert all(after[position.symbol] == position for position in before if position.qty_e8)
        line.walk(trades=False)
        assert {p.symbol: p.qty_e8 for p in line.state.positions() if p.qty_e8} == {
            p.symbol: p.qty_e8 for p in before if p.qty_e8
        }


ODD: list[Any] = [
    None,
    "",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    [1],
    "x",
    "-5",
    "1e9",
    "9" * 50,
    "²",
    "\ud800",
    "1795996800000",
    10**40,
]


@pytest.mark.parametrize("venue", ["polymarket", "kalshi"])
def test_no_value_of_a_field_is_more_than_a_doubt(venue: str) -> None:
    """Every field of every message with every odd value: nothing raises, nothing is lost."""
    make = polymarket_line if venue == "polymarket" else kalshi_line
    samples: list[dict[str, Any]]
    if venue == "polymarket":
        samples = [order(), trade(maker("5")), maker("5")]
    else:
        samples = [fill(), fill()["msg"], {"type": "error", "id": 1, "msg": {"code": 9}}]
        samples += [
            {"type": "subscribed", "msg": {"channel": "fill", "sid": 1}, "sid": 1, "seq": 1}
        ]
    line, told_of = make(0), 0
    for sample in samples:
        for key in sample:
            for value in ODD:
                odd = sample | {key: value}
                if "order_id" in odd and venue == "polymarket":
                    odd = trade(odd)
                elif "trade_id" in odd:
                    odd = {"type": "fill", "sid": 1, "msg": odd}
                line.channel.read(json.dumps(odd).encode(), T * S, line)
                told_of += 1
    assert told_of > 300
    assert line.doubts
    assert told(line, order(id="0xnew") if venue == "polymarket" else fill(trade_id="new"))
