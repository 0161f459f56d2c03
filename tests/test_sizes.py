"""Sizes of opportunities: whole steps of every leg's venue, and no less than its smallest order."""

import json
from typing import Any

import pytest

from bookfeed import Engine, Signal, records
from bookfeed.errors import EngineError

T0 = 1_790_000_000_000_000_000
BOX = {"a": "kalshi KX-1 yes", "b": "polymarket 71 yes", "polarity_check": "off", "confirm": "off"}
Rows = list[tuple[str, str]]


class Desk:
    """One event on both venues, and a rule that looks for a box on it."""

    def __init__(
        self, fee: str = "kalshi:quadratic;0;direct", min_edge: str = "0.001", **listing: Any
    ) -> None:
        self.engine = Engine()
        self.engine.add_rule("box", BOX | {"max_lag_ms": "0", "min_edge": min_edge})
        self.engine.connected(0, "kalshi", T0)
        self.engine.connected(1, "polymarket", T0)
        self.engine.subscribe("kalshi", "KX-1", 0, T0, fee=fee)
        options = {"market": "0xaa", "outcome": "Yes", "fee": "polymarket:0;1"} | listing
        self.engine.subscribe("polymarket", "71", 1, T0, **options)

    def tell(self, no: Rows, asks_of_no: Rows, **members: Any) -> list[Signal]:
        """Sellers of YES at Kalshi, as NO bids, and buyers at Polymarket; what is signalled."""
        content = {"market_ticker": "KX-1", "yes_dollars_fp": [], "no_dollars_fp": no}
        head = {"type": "orderbook_snapshot", "sid": 1, "seq": 1}
        frame = head | {"msg": content, "sending_ts_ms": T0 // 1_000_000}
        self.engine.ingest(0, json.dumps(frame).encode(), T0)
        bids = [{"price": p, "size": q} for p, q in asks_of_no]
        book = {
            "event_type": "book", "market": "0xaa", "asset_id": "71",
            "timestamp": str(T0 // 1_000_000), "bids": bids, "asks": [],
        }  # fmt: skip
        self.engine.ingest(1, json.dumps(book | members).encode(), T0)
        return [one for one in records.signals(self.engine.drain()) if one.phase == "open"]

    @property
    def refused(self) -> dict[str, int]:
        return {reason: n for reason, n in self.engine.refusals(0).items() if n}


def test_sizes_are_whole_steps() -> None:
    (signal,) = Desk().tell([("0.6000", "200.00")], [("0.46", "113.333333")])
    assert {leg.qty_e8 for leg in signal.legs} == {11_333_000_000} and signal.qty == 113.33
    assert signal.net_edge_e9 == 60_000_000 and signal.capital_e9 == 113_330_000_000 * 94 // 100


def test_the_part_that_is_left_over_comes_off_the_worst_levels() -> None:
    bids = [("0.46", "10.004"), ("0.45", "0.002"), ("0.44", "0.003")]
    (signal,) = Desk().tell([("0.6000", "200.00")], bids)
    assert signal.qty_e8 == 1_000_000_000
    assert {leg.worst_price_e9 for leg in signal.legs} == {400_000_000, 540_000_000}


def test_less_than_a_step_is_too_little() -> None:
    desk = Desk()
    assert desk.tell([("0.6000", "200.00")], [("0.46", "0.009999")]) == []
    assert desk.refused == {"min_qty": 1}


@pytest.mark.parametrize("told", ["listing", "book"])
@pytest.mark.parametrize(("size", "found"), [("0.30", 0), ("4.999999", 0), ("5", 1)])
def test_no_leg_is_smaller_than_the_smallest_order(told: str, size: str, found: int) -> None:
    smallest = {"min_order_size": "5"}
    desk = Desk(**(smallest if told == "listing" else {}))
    members = {} if told == "listing" else smallest
    assert len(desk.tell([("0.6000", "200.00")], [("0.46", size)], **members)) == found
    assert desk.refused == ({} if found else {"min_qty": 1})


def test_what_rounding_eats_is_cut_in_whole_steps_too() -> None:
    # 1.01 at 0.40 are rounded to whole cents, which eats the edge; 1.00 at 0.40 are 40 cents.
    desk = Desk("kalshi:quadratic;0;non_direct", min_edge="0.058")
    (signal,) = desk.tell([("0.6000", "200.00")], [("0.46", "1.005"), ("0.459", "0.01")])
    assert (signal.qty_e8, signal.net_edge_e9) == (100_000_000, 60_000_000)


def test_a_smallest_order_that_is_no_number_is_refused() -> None:
    with pytest.raises(EngineError, match="min_order_size"):
        Desk(min_order_size="five")
