"""The other side of a contract, against a book of the same orders with YES and NO exchanged."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from bookfeed import BookView, Engine

SECOND = 1_000_000_000
Orders = dict[int, int]


class Twin:
    """A Kalshi market told to two engines: as it is, and with YES and NO exchanged."""

    def __init__(self) -> None:
        self.seqs = {1: 0, 2: 0}
        self.now = 1
        self.engines = (Engine(), Engine())
        for engine in self.engines:
            engine.connected(0, "kalshi", self.now)
            assert engine.subscribe("kalshi", "KX-1", 0, self.now) == 0

    def views(self) -> tuple[BookView, BookView]:
        """The complement of the first book, and the second book."""
        return self.engines[0].book(0).complement, self.engines[1].book(0)

    def say(self, kind: str, sid: int, own: dict[str, Any], exchanged: dict[str, Any]) -> None:
        self.seqs[sid] += 1
        self.now += SECOND
        for engine, members in zip(self.engines, (own, exchanged), strict=True):
            msg = {"market_ticker": "KX-1", "market_id": "u", **members}
            frame = {"type": kind, "sid": sid, "seq": self.seqs[sid], "msg": msg}
            engine.ingest(0, json.dumps(frame).encode(), self.now)

    def snapshot(self, yes: Orders, no: Orders) -> None:
        """Bids for YES and NO, sizes in hundredths by price in ten-thousandths."""
        yes_rows, no_rows = (
            [[f"0.{price:04d}", f"{size / 100:.2f}"] for price, size in orders.items()]
            for orders in (yes, no)
        )
        self.say(
            "orderbook_snapshot",
            1,
            {"yes_dollars_fp": yes_rows, "no_dollars_fp": no_rows},
            {"yes_dollars_fp": no_rows, "no_dollars_fp": yes_rows},
        )

    def trade(self, number: int, price: int, size: int, taker: str) -> None:
        yes, no = f"0.{price:04d}", f"0.{10_000 - price:04d}"
        other = {"yes": "no", "no": "yes"}[taker]
        same = {"trade_id": f"t{number}", "count_fp": f"{size / 100:.2f}", "ts_ms": self.now}
        self.say(
            "trade",
            2,
            same | {"yes_price_dollars": yes, "no_price_dollars": no, "taker_side": taker},
            same | {"yes_price_dollars": no, "no_price_dollars": yes, "taker_side": other},
        )


def members(value: Any) -> Any:
    """A value that compares: the public members of an object, the numbers of an array."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value).__module__ == "bookfeed._bookfeed":
        return {name: getattr(value, name) for name in dir(value) if name[0] != "_"}
    return value


def told(view: BookView) -> Iterator[tuple[str, Any]]:
    """Everything that a view says of its book."""
    for name in dir(BookView):
        if name[0] != "_" and hasattr(view, name) and not callable(getattr(view, name)):
            yield name, getattr(view, name)
    for name, text in (("html", view._repr_html_()), ("repr", repr(view))):
        yield name, text.replace("complement of ", "").replace("frozen ", "")
    for depth in (None, 2):
        yield f"dictionary {depth}", {**view.to_dict(depth), "is_complement": None}
    yield "trading", view.trading(SECOND)
    for window_s in (1, 3, 1_000):
        yield f"trades {window_s}", members(view.trades(window_s))
    for amount in ("0.5", "7", "30", "5000"):
        for side in ("buy", "sell"):
            yield f"{side} {amount}", members(view.sweep(side, amount))
            yield f"{side} for {amount}", members(view.sweep_notional(side, amount))
    for levels in (0, 1, 3, 1_000):
        yield f"imbalance {levels}", view.imbalance(levels)
    sides: tuple[Any, ...] = ("bid", "ask")
    for side in sides:
        yield f"strings {side}", view.as_strings(side)
        yield f"known {side}", view.depth_known(side)
        for levels in (0, 3, 1_000):
            yield f"depth {side} {levels}", members(view.depth(side, levels))
            yield f"levels {side} {levels}", members(view.levels(side, levels))
            yield f"exact {side} {levels}", members(view.levels_exact(side, levels))
        yield f"all levels {side}", members(view.levels(side))
        for bps in (0, 150, 20_000):
            yield f"within {side} {bps}", members(view.depth_within(side, bps))


def random_orders(rng: random.Random, most: int) -> Orders:
    return {rng.randint(1, most): rng.randint(1, 5_000) for _ in range(rng.choice((0, 1, 4, 40)))}


@pytest.mark.parametrize("seed", range(30))
def test_the_complement_says_what_the_exchanged_book_says(seed: int) -> None:
    rng = random.Random(seed)
    twin = Twin()
    for step in range(8):
        yes_most = rng.randint(1, 9_998)
        twin.snapshot(random_orders(rng, yes_most), random_orders(rng, 9_999 - yes_most))
        if rng.random() < 0.7:
            price, size = rng.randint(1, 9_999), rng.randint(1, 5_000)
            twin.trade(step, price, size, rng.choice(("yes", "no")))
        complement, exchanged = twin.views()
        assert exchanged.live
        said, expected = dict(told(complement)), dict(told(exchanged))
        exempt = {"is_complement", "complement"}
        assert {k: v for k, v in said.items() if k not in exempt} == {
            k: v for k, v in expected.items() if k not in exempt
        }


@pytest.mark.parametrize("seed", range(10))
def test_a_frozen_book_says_for_ever_what_the_book_said_then(seed: int) -> None:
    rng = random.Random(seed)
    twin, kept = Twin(), []
    for step in range(8):
        twin.snapshot(random_orders(rng, 5_000), random_orders(rng, 4_999))
        twin.trade(step, rng.randint(1, 9_999), rng.randint(1, 5_000), rng.choice(("yes", "no")))
        if step == 6:
            twin.engines[1].disconnected(0, twin.now)
        kept += [(view.freeze(), dict(told(view))) for view in twin.views()]
    exempt = {"frozen", "complement"}
    for frozen, said in kept:
        now = dict(told(frozen))
        assert frozen.frozen and now.keys() == said.keys()
        assert {k: v for k, v in now.items() if k not in exempt} == {
            k: v for k, v in said.items() if k not in exempt
        }


def test_the_complement_of_the_complement_is_the_book() -> None:
    twin = Twin()
    twin.snapshot({4_400: 1_000}, {5_200: 700, 5_100: 50})
    view = twin.engines[0].book(0)
    assert (view.is_complement, view.complement.is_complement) == (False, True)
    again = view.complement.complement
    assert not again.is_complement and repr(again) == repr(view)
    assert (view.bid, view.ask) == (0.44, 0.48)
    assert (view.complement.bid, view.complement.ask) == (0.52, 0.56)


def test_a_book_that_is_not_believed_is_not_believed_from_either_side() -> None:
    twin = Twin()
    twin.snapshot({4_400: 1_000}, {5_200: 700})
    for engine in twin.engines:
        engine.disconnected(0, twin.now)
    complement, exchanged = twin.views()
    assert (complement.state, complement.cause) == (exchanged.state, exchanged.cause)
    assert (
        complement.state == "stale"
        and complement.bid is None
        and complement.sweep("buy", "1") is None
    )
    assert complement.as_strings("bid") == exchanged.as_strings("bid") == [["0.52", "7"]]


def test_a_side_that_is_known_in_whole_ends_with_the_book() -> None:
    twin = Twin()
    twin.snapshot({4_400: 1_000}, {5_200: 700, 5_100: 50})
    view = twin.engines[0].book(0)
    assert view.depth_known("bid") is view.depth_known("ask") is None
    fill, depth = view.sweep("buy", "8"), view.depth("ask", 3)
    assert fill is not None and depth is not None
    assert (fill.qty, fill.complete, fill.truncated) == (7.5, False, False)
    assert (depth.levels, depth.truncated) == (2, False)


def test_an_instrument_says_what_it_pays_and_which_currencies_it_exchanges() -> None:
    engine = Engine()
    contract = engine.book(engine.subscribe("kalshi", "KX-1", 0, 1))
    assert (contract.payout_e9, contract.base, contract.quote) == (1_000_000_000, None, None)
    stated = engine.book(engine.subscribe("kalshi", "KX-2", 0, 1, base="BTC", quote="USDT"))
    assert (stated.base, stated.quote) == ("BTC", "USDT")
