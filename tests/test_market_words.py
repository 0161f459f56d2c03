"""What a market is described with: fields of another type, and ids in other case."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, cast

import pytest
from test_time_stamps import MARKET, MS, NO, YES, Market

from bookfeed import Engine, FeeSchedule, KalshiFee, Outcome
from bookfeed import Market as Listed
from bookfeed.audit.fees import polymarket as audited
from bookfeed.errors import EngineError
from bookfeed.venues.user import UserFee

OUTCOMES = (Outcome("Yes", YES), Outcome("No", NO))
WRONG: dict[str, tuple[Callable[..., object], dict[str, object], str]] = {
    "rate": (FeeSchedule, {"rate": 0.07}, "rate must be text such as '0.07', not the float 0.07"),
    "exponent": (
        FeeSchedule, {"rate": "0.07", "exponent": 1.0},
        "exponent must be a whole number such as 1, not the float 1.0",
    ),
    "multiplier": (
        KalshiFee, {"fee_type": "quadratic", "multiplier": 1},
        "multiplier must be text such as '1', not the int 1",
    ),
    "override": (
        KalshiFee, {"fee_type": "quadratic", "override_multiplier": 0.5},
        "override_multiplier must be text such as '1', not the float 0.5",
    ),
    "a_share": (UserFee, {"a_share": 0.01}, "a_share must be text such as '0.01', not the float"),
    "tick_size": (Listed, {"tick_size": 0.01}, "tick_size must be text such as '0.01', not the"),
    "min_order_size": (Listed, {"min_order_size": 5}, "min_order_size must be text such as '5'"),
    "close_ts": (Listed, {"close_ts": 1.5e18}, "close_ts must be a whole number such as 179"),
    "fee": (Listed, {"fee": 0.07}, "fee must be one of the venue's, such as FeeSchedule, not 0.07"),
    "symbol": (Outcome, {"name": "Yes", "symbol": 71}, "symbol must be text such as"),
}  # fmt: skip


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_type_is_an_error_that_names_the_field(field: str) -> None:
    kind, given, message = WRONG[field]
    if kind is Listed:
        given = {"market": MARKET, "outcomes": OUTCOMES} | given
    with pytest.raises(TypeError, match=re.escape(message)):
        cast("Callable[..., Any]", kind)(**given)


def test_a_condition_id_in_other_case_is_the_same_market() -> None:
    true = Market("always")
    engine = Engine(hash_check="always")
    market = Listed(MARKET.upper(), OUTCOMES)
    books = {a: engine.book(i) for a, i in engine.subscribe(market, 0, true.ms * MS).items()}
    engine.connected(0, "polymarket", true.ms * MS)
    for message in (true.books(true.ms), true.walk(1, true.ms + 10)):
        true.ms += 10
        engine.ingest(0, json.dumps(message).encode(), true.ms * MS)
    for book in books.values():
        assert (book.market, book.live, book.verified) == (MARKET, True, True)
    over = {"event_type": "market_resolved", "market": MARKET, "winning_asset_id": YES}
    over |= {"timestamp": str(true.ms)}
    engine.ingest(0, json.dumps(over).encode(), true.ms * MS)
    assert {(book.state, book.cause) for book in books.values()} == {("stale", "resolved")}


@pytest.mark.parametrize(("rounding", "fee_e9"), [("half_up", 20_000), ("floor", 10_000)])
def test_a_fill_is_rounded_by_the_rule_that_is_named(
    rounding: Literal["half_up", "floor"], fee_e9: int
) -> None:
    schedule = FeeSchedule("0.04", 1, rounding)
    terms = schedule.text().removeprefix("polymarket:")
    fills = [(Decimal("0.5"), Decimal("0.0019"))]
    theirs = audited.parse(terms).order(fills, sell=False, maker=False)
    assert theirs == Decimal(fee_e9) / 10**9
    with pytest.raises(EngineError, match="half_up or floor"):
        Engine().subscribe("polymarket", YES, 0, 1, market=MARKET, fee="polymarket:0.04;1;up")
    assert Engine().subscribe("polymarket", YES, 0, 1, market=MARKET, fee=schedule.text()) == 0
