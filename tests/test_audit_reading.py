"""How the auditor reads frames: every spelling, every form, and what it must not take."""

import json
from decimal import Decimal
from typing import Any

import pytest

from bookfeed.audit.books import OwnBook, Side
from bookfeed.audit.fees.kalshi import KalshiFees
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import millis, plain, price, read_json
from bookfeed.audit.reading import Effects, Reading
from bookfeed.audit.readings.kalshi import KalshiReading
from bookfeed.audit.readings.polymarket import PolymarketReading
from bookfeed.recordings.kinds import Kind

D = Decimal
TICKER = "KXBTCD-26OCT0117-T84999.99"
MS = 1_000_000


def listing(**options: object) -> dict[str, Any]:
    return {"venue": "kalshi", "symbol": TICKER, **options}


def reading_of(model: Model, wanted: type[Reading]) -> Reading:
    """The reading that is found by the name of its venue."""
    found = model.reading(wanted.venue)
    assert type(found) is wanted
    return found


class Kalshi:
    """A model with one market, fed frame by frame."""

    def __init__(self, mode: bytes = b"kalshi", **options: object) -> None:
        self.model = Model()
        self.reading = reading_of(self.model, KalshiReading)
        self.model.control(Kind.SUBSCRIBE, 0, b"", listing(**options))
        self.model.control(Kind.CONNECTED, 0, mode, {})
        self.model.state_changed(0, "syncing", "subscribed", snapshot=False)
        self.seq = 0

    def take(self, kind: str, content: object, **envelope: object) -> Effects:
        self.seq += 1
        frame = {"type": kind, "sid": 1, "seq": self.seq, "msg": content, **envelope}
        return self.raw(json.dumps(frame).encode())

    def raw(self, payload: bytes) -> Effects:
        (message,) = self.reading.read(0, payload)
        return self.reading.apply(0, message)

    def snapshot(self, *, ticker: str = TICKER, **sides: object) -> Effects:
        return self.take("orderbook_snapshot", {"market_ticker": ticker, "market_id": "u", **sides})

    def delta(self, *, ticker: str = TICKER, **content: object) -> Effects:
        return self.take("orderbook_delta", {"market_ticker": ticker, **content})

    @property
    def book(self) -> OwnBook:
        return self.model.instruments[0].book

    @property
    def based(self) -> bool:
        return self.model.instruments[0].based


@pytest.mark.parametrize(
    "sides",
    [
        {"yes_dollars_fp": [["0.4400", "13.00"]], "no_dollars_fp": [["0.5500", "250.00"]]},
        {"yes_dollars": [["0.4400", 13]], "no_dollars": [["0.5500", 250]]},
        {"yes": [[44, 13]], "no": [[55, 250]]},
        {"yes_dollars_fp": [[0.44, 13]], "no_dollars_fp": [[0.55, 250.0]]},
        {"yes": [[1, 1]], "yes_dollars_fp": [["0.44", "13"]], "no_dollars_fp": [["0.55", "250"]]},
    ],
)
def test_a_whole_book_in_every_spelling(sides: dict[str, Any]) -> None:
    market = Kalshi()
    market.snapshot(**sides)
    touch = market.book.touch
    assert tuple(touch) == (D("0.44"), D(13), D("0.45"), D(250))


def test_no_prices_by_mode() -> None:
    sides: dict[str, Any] = {"yes_dollars_fp": [["0.44", "13"]], "no_dollars_fp": [["0.45", "250"]]}
    for mode, ask in ((b"kalshi", "0.55"), (b"kalshi use_yes_price", "0.45")):
        market = Kalshi(mode)
        market.snapshot(**sides)
        assert market.book.touch.ask == D(ask)
        market.delta(side="no", price_dollars="0.4500", delta_fp="-50.00")
        assert market.book.levels("ask") == [(D(ask), D(200))]


@pytest.mark.parametrize(
    "change",
    [
        {"price_dollars": "0.4400", "delta_fp": "-3.50"},
        {"price_dollars": "0.440", "delta_fp": "-3.5"},
        {"price_dollars": 0.44, "delta_fp": -3.5},
    ],
)
def test_deltas_are_signed_and_exact(change: dict[str, Any]) -> None:
    market = Kalshi()
    market.snapshot(yes_dollars_fp=[["0.44", "13.30"]])
    market.delta(side="yes", **change)
    assert market.book.touch.bid_qty == D("9.8")
    market.delta(side="yes", price=44, delta=2)
    assert market.book.touch.bid_qty == D("11.8")
    market.delta(side="yes", price_dollars="0.44", delta_fp="-11.80")
    assert market.book.touch.bid is None
    assert market.based


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"side": "yes", "price_dollars": "0.44", "delta_fp": "-14.00"}, "underflow"),
        ({"side": "yes", "price_dollars": "1.00", "delta_fp": "1.00"}, "malformed"),
        ({"side": "maybe", "price_dollars": "0.44", "delta_fp": "1.00"}, "malformed"),
        ({"side": "yes", "price": 44, "delta_fp": "1.00"}, "malformed"),
        ({"side": "yes", "price_dollars": "4.4e-1", "delta_fp": "1.00"}, "malformed"),
    ],
)
def test_what_breaks_one_book(content: dict[str, Any], why: str) -> None:
    market = Kalshi()
    market.snapshot(yes_dollars_fp=[["0.44", "13.00"]])
    assert market.delta(**content).broken == {0: why}
    assert not market.based
    market.delta(side="yes", price_dollars="0.44", delta_fp="1.00")
    assert market.book.qty("bid", D("0.44")) == 13, "a book without a basis is left alone"
    market.snapshot(yes_dollars_fp=[["0.44", "2.00"]])
    assert market.based


def test_numbers_of_a_stream() -> None:
    market = Kalshi()
    market.snapshot(yes_dollars_fp=[["0.44", "13.00"]])
    market.take("ok", {"market_tickers": [TICKER]}, id=4)
    assert market.delta(side="yes", price_dollars="0.44", delta_fp="1.00").broken == {}
    market.seq += 1
    gap = market.delta(side="yes", price_dollars="0.44", delta_fp="1.00")
    assert gap.broken == {0: "gap: 3 then 5"}
    market.seq -= 1
    market.take("orderbook_snapshot", {"market_ticker": TICKER}, id=9)
    assert market.based, "an answer may repeat the newest number"
    market.seq -= 1
    assert market.snapshot().broken == {0: "out_of_order: 5 then 5"}
    assert not market.based, "and nothing else may"


def test_streams_carry_their_own_books_only() -> None:
    market = Kalshi()
    market.snapshot(yes_dollars_fp=[["0.44", "13.00"]])
    assert market.take("trade", {"market_ticker": TICKER}, sid=2, seq=7).broken == {}
    assert market.take("trade", {"market_ticker": TICKER}, sid=2, seq=9).broken == {}
    assert market.take("news", {}, sid=2, seq=10).broken == {}
    market.seq -= 3
    assert market.take("news", {}).broken == {0: "unknown type"}


@pytest.mark.parametrize(
    ("kind", "content", "broken"),
    [
        ("error", {"code": 25, "msg": "Subscription buffer overflow"}, True),
        ("error", {"code": 10, "msg": "Channel error"}, True),
        ("error", {"code": 26, "msg": "Subscription market limit exceeded"}, False),
        ("unsubscribed", None, True),
        ("ok", None, False),
    ],
)
def test_replies(kind: str, content: object, broken: bool) -> None:
    market = Kalshi()
    market.snapshot()
    assert bool(market.take(kind, content).broken) == broken


def test_an_ended_subscription_stays_ended_until_its_number_is_given_out_again() -> None:
    market = Kalshi()
    market.snapshot()
    market.take("unsubscribed", None)
    market.seq = 40
    assert market.snapshot(yes_dollars_fp=[["0.44", "1.00"]]).broken == {}
    assert not market.based
    market.seq = 0
    market.raw(b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}')
    market.snapshot(yes_dollars_fp=[["0.44", "1.00"]])
    assert market.based and market.book.touch.bid_qty == 1


def test_books_that_moved_to_another_connection_are_left_alone() -> None:
    market = Kalshi()
    market.model.control(Kind.SUBSCRIBE, 1, b"", listing())
    market.model.state_changed(0, "syncing", "subscribed", snapshot=False)
    market.snapshot(yes_dollars_fp=[["0.44", "1.00"]])
    assert not market.based and market.book.touch.bid is None


def test_two_names_that_do_not_belong_together() -> None:
    market = Kalshi()
    market.model.control(Kind.SUBSCRIBE, 0, b"", listing(symbol="OTHER"))
    market.model.state_changed(1, "syncing", "subscribed", snapshot=False)
    market.snapshot()
    market.take("orderbook_snapshot", {"market_ticker": "OTHER", "market_id": "v"})
    change = {"side": "yes", "price_dollars": "0.44", "delta_fp": "1.00", "market_id": "v"}
    assert market.delta(**change).broken == {0: "malformed", 1: "malformed"}


def test_a_delta_of_a_market_that_was_never_subscribed() -> None:
    market = Kalshi()
    market.snapshot()
    other = {"side": "yes", "price_dollars": "0.44", "delta_fp": "1.00"}
    assert market.delta(ticker="OTHER", **other).broken == {0: "delta of an unknown market"}


def test_what_is_no_frame_breaks_everything() -> None:
    for payload in (b'{"type":', b"[]", b"\xff", b'{"a": NaN}'):
        market = Kalshi()
        market.snapshot()
        assert market.raw(payload).broken == {0: "not JSON"}


def test_market_news() -> None:
    market = Kalshi(event="E", fee="kalshi:quadratic;1;non_direct|;", close_ts=10**18)
    one = market.model.instruments[0]

    def news(**content: object) -> Effects:
        return market.take("market_lifecycle_v2", {"market_ticker": TICKER, **content})

    assert news(event_type="deactivated", is_deactivated=True).repriced == {0}
    assert one.paused and not one.status_ok(0)
    news(event_type="activated", is_deactivated=False)
    assert one.status_ok(0)
    news(event_type="close_date_updated", close_ts=5)
    assert one.close_ts == 5_000_000_000 and not one.status_ok(5_000_000_000)
    assert news(event_type="metadata_updated", floor_strike=1.5).repriced == set()
    update = {"event_ticker": "E", "fee_type_override": "x", "fee_multiplier_override": 0.5}
    assert market.take("event_fee_update", update).repriced == {0}
    assert isinstance(one.fees, KalshiFees)
    assert (one.fees.computable, one.fees.multiplier_override) == (False, D("0.5"))
    market.take("event_fee_update", {"event_ticker": "E", "fee_type_override": None})
    assert one.fees == KalshiFees("quadratic", D(1), base_known=True)


def test_news_of_a_market_outlive_its_move_and_may_be_missed_after_it() -> None:
    options: dict[str, Any] = {"event": "E", "fee": "kalshi:quadratic;1;direct|;", "close_ts": 1}
    market = Kalshi(**options)
    one = market.model.instruments[0]
    market.take("event_fee_update", {"event_ticker": "E", "fee_multiplier_override": 2})
    closes = {"market_ticker": TICKER, "event_type": "close_date_updated", "close_ts": 600}
    market.take("market_lifecycle_v2", closes)

    def subscribe(conn: int, **more: object) -> tuple[Decimal | None, int | None, set[str]]:
        market.model.control(Kind.SUBSCRIBE, conn, b"", listing(**options | more))
        fees = one.fees
        override = fees.multiplier_override if isinstance(fees, KalshiFees) else None
        return override, one.close_ts, one.unheard

    assert subscribe(0) == (D(2), 600 * 10**9, set())
    assert subscribe(1) == (None, 600 * 10**9, {"pause", "close"})
    assert subscribe(1, fee="kalshi:quadratic;1;direct|;3")[0] == D(3)
    market.model.control(Kind.UNSUBSCRIBE, 1, b"", {"instrument": 0})
    assert subscribe(1, close_ts=7)[:2] == (None, 7)
    assert isinstance(one.fees, KalshiFees)


def test_the_end_of_an_override_nobody_knew_of_leaves_the_fees_unknown() -> None:
    clear = {"event_ticker": "E", "fee_type_override": None, "fee_multiplier_override": None}
    for fee, multiplier in (
        ("kalshi:quadratic;1;direct|;0.5", D(1)),
        ("kalshi:quadratic;1;direct|;", D(1)),
        ("kalshi:quadratic;0.5;direct", None),
    ):
        market = Kalshi(event="E", fee=fee)
        market.take("event_fee_update", clear)
        fees = market.model.instruments[0].fees
        assert (fees.multiplier if isinstance(fees, KalshiFees) else None) == multiplier
        market.take("event_fee_update", clear | {"fee_multiplier_override": 0.25})
        assert (market.model.instruments[0].fees is None) == (multiplier is None), "half is told"
        whole = {"fee_type_override": "quadratic", "fee_multiplier_override": 0.25}
        market.take("event_fee_update", clear | whole)
        assert market.model.instruments[0].fees is not None
        market.take("event_fee_update", clear)
        fees = market.model.instruments[0].fees
        assert (fees.multiplier if isinstance(fees, KalshiFees) else None) == multiplier


# Polymarket.


class Polymarket:
    """A model with both outcomes of a market, live."""

    def __init__(self) -> None:
        self.model = Model(lambda *_: self.engine_qty)
        self.reading = reading_of(self.model, PolymarketReading)
        for symbol in ("1", "2"):
            options = {"venue": "polymarket", "symbol": symbol, "market": "m"}
            self.model.control(Kind.SUBSCRIBE, 0, b"", options)
        self.engine_qty = D(0)
        self.model.now = 6 * MS
        self.take(book("1", 5, bids=[("0.4", "10")], asks=[("0.6", "10")]))
        self.model.state_changed(0, "live", "snapshot", snapshot=False)

    def take(self, document: object) -> Effects:
        (message,) = self.reading.read(0, json.dumps(document).encode())
        return self.reading.apply(0, message)

    def levels(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        return self.model.instruments[0].book.levels(side)


def book(asset: str, ms: int, **sides: list[tuple[str, str]]) -> dict[str, Any]:
    levels = {k: [{"price": p, "size": s} for p, s in pairs] for k, pairs in sides.items()}
    return {"event_type": "book", "market": "m", "asset_id": asset, "timestamp": str(ms), **levels}


def change(ms: int, at: str, size: object, **more: object) -> dict[str, Any]:
    return {"asset_id": "1", "price": at, "size": size, "side": "BUY", "hash": f"h{ms}", **more}


@pytest.mark.parametrize(
    "form",
    [
        {"price_changes": [change(6, ".45", "7")]},
        {"price_changes": [change(6, "0.450", 7)]},
        {"asset_id": "1", "changes": [{"price": "0.45", "size": "7", "side": "buy"}]},
        change(6, "0.45", "7.0"),
    ],
)
def test_every_form_of_a_change(form: dict[str, Any]) -> None:
    market = Polymarket()
    market.take({"event_type": "price_change", "market": "m", "timestamp": "6", **form})
    assert market.levels("bid") == [(D("0.45"), D(7)), (D("0.4"), D(10))]


def test_changes_that_are_not_newer_count_as_the_engine_says() -> None:
    market = Polymarket()
    old = {"event_type": "price_change", "timestamp": "4", "price_changes": [change(4, "0.4", "3")]}
    assert market.take(old).overtaken == 1
    assert market.levels("bid") == [(D("0.4"), D(10))], "history, as the engine has another size"
    market.engine_qty = D(3)
    market.take(old)
    assert market.levels("bid") == [(D("0.4"), D(3))]


def test_books_by_time() -> None:
    market = Polymarket()
    market.take(book("1", 4, bids=[], asks=[]))
    assert market.levels("bid") == [(D("0.4"), D(10))], "older than ours"
    market.take(book("1", 5, bids=[], asks=[("0.7", "1"), ("0.8", "0")]))
    assert (market.levels("bid"), market.levels("ask")) == ([], [(D("0.7"), D(1))])


def told(market: Polymarket, ms: int, now_ms: int, size: str) -> Decimal:
    """The size of the best bid after a whole book with this one, of these times."""
    market.model.now = now_ms * MS
    market.take(book("1", ms, bids=[("0.4", size)], asks=[("0.6", "10")]))
    return market.levels("bid")[0][1]


def test_a_stamp_that_no_delivery_explains_orders_nothing() -> None:
    market, now_ms = Polymarket(), 1_790_000_000_000
    assert told(market, now_ms - 8, now_ms, "11") == 11
    assert told(market, 1_790_000_000, now_ms + 20, "12") == 12, "in seconds"
    assert told(market, now_ms * 1_000, now_ms + 30, "13") == 13, "in microseconds"
    assert told(market, now_ms + 42, now_ms + 50, "14") == 14
    assert told(market, now_ms + 41, now_ms + 51, "15") == 14, "overtaken on the way"


def test_a_book_that_was_stamped_ahead_is_older_than_nothing() -> None:
    market, now_ms = Polymarket(), 1_790_000_000_000
    for step in range(3):
        assert told(market, now_ms + step * 10 - 8, now_ms + step * 10, f"1{step}") == 10 + step
        market.take({"event_type": "best_bid_ask", "timestamp": str(now_ms + step * 10 - 8)})
    assert told(market, now_ms + 300, now_ms + 30, "20") == 20
    assert told(market, now_ms + 32, now_ms + 40, "21") == 21
    assert told(market, now_ms + 31, now_ms + 41, "22") == 21, "its own stamp is in order again"


def test_where_nothing_newer_comes_for_longer_than_a_batch_a_clock_was_set() -> None:
    market, now_ms = Polymarket(), 1_790_000_000_000
    assert told(market, now_ms - 8, now_ms, "11") == 11
    for at_ms in (20, 100, 240):
        assert told(market, now_ms + at_ms - 2_000, now_ms + at_ms, "12") == 11
    again = now_ms + 100 - 2_000
    assert told(market, again, now_ms + 400, "13") == 11, "told again, it does not run forward"
    assert told(market, now_ms + 410 - 2_000, now_ms + 410, "14") == 14
    assert told(market, now_ms + 405 - 2_000, now_ms + 415, "15") == 14, "in order anew"


def test_a_stream_that_is_late_does_not_take_back_an_answer_by_rest() -> None:
    market, now_ms = Polymarket(), 1_790_000_000_000
    told(market, now_ms - 8, now_ms, "11")
    market.take({"event_type": "best_bid_ask", "timestamp": str(now_ms - 8)})
    market.model.state_changed(0, "stale", "bbo_mismatch", snapshot=False)
    market.model.control(Kind.RESYNC_BEGIN, 0, b"", {"instrument": 0})
    market.model.now += 5_000 * MS
    rest = json.dumps(book("1", now_ms + 4_990, bids=[("0.4", "30")], asks=[])).encode()
    (message,) = market.reading.read_rest(rest, None, None)
    market.reading.apply_rest(message)
    market.model.state_changed(0, "live", "resync", snapshot=True)
    for at_ms in (5_010, 5_200, 5_400):
        assert told(market, now_ms + at_ms - 4_000, now_ms + at_ms, "31") == 30


def test_a_rest_book_and_what_the_stream_said_meanwhile() -> None:
    market = Polymarket()
    market.model.state_changed(0, "stale", "bbo_mismatch", snapshot=False)
    market.model.control(Kind.RESYNC_BEGIN, 0, b"", {"instrument": 0})
    market.model.state_changed(0, "syncing", "resync", snapshot=False)
    for ms, size in ((6, "1"), (8, "2")):
        entries = [change(ms, "0.3", size)]
        market.take({"event_type": "price_change", "timestamp": str(ms), "price_changes": entries})
    rest = book("1", 7, bids=[("0.3", "9"), ("0.2", "1")], asks=[])
    del rest["event_type"]
    (message,) = market.reading.read_rest(json.dumps(rest).encode(), None, None)
    market.reading.apply_rest(message)
    assert market.levels("bid") == [(D("0.3"), D(2)), (D("0.2"), D(1))]


@pytest.mark.parametrize(
    "element",
    [
        book("1", 6, bids=[("0.4", "1"), ("0.40", "2")], asks=[]),
        book("1", 6, bids=[("1", "1")], asks=[]),
        book("1", 6, bids=[("0.4", "1e3")], asks=[]),
        book("1", 6, bids=[("0.4", "1")]),
    ],
)
def test_malformed_books_change_nothing(element: dict[str, Any]) -> None:
    market = Polymarket()
    (message,) = market.reading.read(0, json.dumps(element).encode())
    assert (message.kind, message.named) == ("malformed", [0])


def test_bare_text_and_news() -> None:
    reading = Polymarket().reading
    assert reading.read(0, b"PONG") == []
    assert [m.kind for m in reading.read(0, b'[{"event_type": "new_market"}]')] == ["nothing"]
    assert [m.everyone for m in reading.read(0, b'{"broken"')] == [True]


def test_numbers() -> None:
    for text in ("1e5", "+1", "1_0", "NaN", "", " 1", "٣", "-1", "0x1"):
        with pytest.raises(ValueError, match="decimal"):
            plain(text, 8)
    with pytest.raises(ValueError, match="more than 2 decimals"):
        plain("0.001", 2)
    for outside in ("0", "1", "1.5"):
        with pytest.raises(ValueError, match="no price"):
            price(outside)
    assert (millis("17"), millis("1.5"), millis("99999999999999")) == (17 * MS, None, None)
    with pytest.raises(ValueError, match="deep"):
        read_json(b"[" * 100_000)
