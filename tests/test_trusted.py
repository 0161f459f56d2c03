"""Books that are relied on: ``trusted`` and its reasons, frozen copies, dictionaries, old names."""

import json
from datetime import timedelta
from typing import Any

import pytest

from bookfeed import BookView, Engine, EngineError, FeeSchedule, Market, Outcome, Untrusted

S = 1_000_000_000
T0 = 1_790_000_000 * S
MARKET = Market("0x5f65", (Outcome("Yes", "71"), Outcome("No", "72")), fee=FeeSchedule("0", 1))


def engine_of(**options: Any) -> tuple[Engine, BookView]:
    """An engine with a live book of Polymarket."""
    engine = Engine(**options)
    instruments = engine.subscribe(MARKET, 0, T0)
    engine.connected(0, "polymarket", T0)
    engine.ingest(0, snapshot(), T0)
    return engine, engine.book(instruments["71"])


def snapshot() -> bytes:
    return json.dumps(
        {
            "event_type": "book", "market": "0x5f65", "asset_id": "71",
            "timestamp": str(T0 // 1_000_000),
            "bids": [{"price": "0.44", "size": "13.37"}], "asks": [{"price": "0.47", "size": "25"}],
        }
    ).encode()  # fmt: skip


def change(qty: str, best_bid: str = "0.45") -> bytes:
    level = {"asset_id": "71", "side": "BUY", "price": "0.45", "size": qty, "best_bid": best_bid,
             "best_ask": "0.47"}  # fmt: skip
    return json.dumps(
        {
            "event_type": "price_change", "market": "0x5f65",
            "timestamp": str(T0 // 1_000_000 + 5), "price_changes": [level],
        }
    ).encode()  # fmt: skip


def refused(answer: BookView | Untrusted) -> str:
    assert isinstance(answer, Untrusted) and not answer
    return answer.reason


def test_a_live_book_is_itself_the_answer() -> None:
    engine, book = engine_of()
    assert book.trusted() is book
    assert book.trusted(max_age_s=0) is book
    assert book.trusted(timedelta(seconds=1)) is book
    assert engine.untrusted() == {} and engine.counters()["untrusted_reads"] == 0


def test_every_refusal_says_why_and_is_counted() -> None:
    engine, book = engine_of()
    engine.advance(T0 + 3 * S)
    assert book.trusted(max_age_s=3.0) is book
    answer = book.trusted(max_age_s=2.999_999_999)
    assert refused(answer) == "too_old" and isinstance(answer, Untrusted)
    assert answer.book is book and "too_old: polymarket 71 live" in repr(answer)
    assert [refused(book.trusted(proof=p)) for p in ("hash", "checksum", "sequence", "rest")] == [
        "unproven"
    ] * 4
    engine.disconnected(0, T0 + 4 * S)
    assert refused(book.trusted()) == "stale:disconnected"
    assert engine.untrusted() == {"too_old": 1, "unproven": 4, "stale:disconnected": 1}
    assert engine.counters()["untrusted_reads"] == 6


def test_the_venues_own_touch_vouches_until_the_book_changes() -> None:
    engine, book = engine_of()
    assert refused(book.trusted(proof="touch")) == "unproven"
    engine.ingest(0, change("5"), T0 + S)
    assert book.bid == 0.45 and book.trusted(proof="touch") is book
    engine.ingest(0, change("6", best_bid=""), T0 + 2 * S)
    assert book.live and refused(book.trusted(proof="touch")) == "unproven"


def test_numbered_streams_prove_their_live_books() -> None:
    engine = Engine()
    book = engine.book(engine.subscribe("kalshi", "KX-1", 0, T0))
    assert refused(book.trusted(proof="sequence")) == "syncing:subscribed"
    engine.connected(0, "kalshi", T0)
    frame = {
        "type": "orderbook_snapshot", "sid": 1, "seq": 1,
        "msg": {"market_ticker": "KX-1", "yes": [[44, 10]], "no": [[52, 7]]},
    }  # fmt: skip
    engine.ingest(0, json.dumps(frame).encode(), T0)
    assert book.live and book.trusted(2.0, "sequence") is book


def test_a_book_by_rest_and_the_ticker_vouch_until_the_book_changes() -> None:
    engine = Engine()
    book = engine.book(engine.subscribe("kalshi", "KX-1", 0, T0))
    engine.connected(0, "kalshi", T0)

    def say(kind: str, sid: int, seq: int, **msg: object) -> None:
        frame = {"type": kind, "sid": sid, "seq": seq, "msg": {"market_ticker": "KX-1", **msg}}
        engine.ingest(0, json.dumps(frame).encode(), T0 + seq)

    sides = {"yes_dollars": [["0.4400", "10.00"]], "no_dollars": [["0.5200", "7.00"]]}
    answer: Any = {"orderbooks": [{"ticker": "KX-1", "orderbook_fp": sides}]}
    say("orderbook_snapshot", 1, 1, **{f"{side}_fp": rows for side, rows in sides.items()})
    assert book.live and refused(book.trusted(proof="rest")) == "unproven"
    engine.ingest_rest(0, json.dumps(answer).encode(), T0 + 2)
    assert book.trusted(proof="rest") is book and refused(book.trusted(proof="touch"))
    say("ticker", 2, 0, yes_bid_dollars="0.4400", yes_ask_dollars="0.4800", ts=T0 // S)
    assert book.trusted(proof="touch") is book and book.trusted(proof="rest") is book
    say("ticker", 2, 0, yes_bid_dollars="0.4500", yes_ask_dollars="0.4800", ts=T0 // S + 9)
    assert book.live and refused(book.trusted(proof="touch")) == "unproven"
    say("ticker", 2, 0, yes_bid_dollars="0.4400", yes_ask_dollars="0.4800", ts=T0 // S + 10)
    assert book.trusted(proof="touch") is book
    other = answer["orderbooks"][0]["orderbook_fp"] | {"yes_dollars": [["0.4400", "9.00"]]}
    told = {"orderbooks": [{"ticker": "KX-1", "orderbook_fp": other}]}
    engine.ingest_rest(0, json.dumps(told).encode(), T0 + 3)
    assert book.live and refused(book.trusted(proof="rest")) == "unproven"
    engine.ingest_rest(0, json.dumps(answer).encode(), T0 + 4)
    assert book.trusted(proof="rest") is book
    say("orderbook_delta", 1, 2, price_dollars="0.4400", delta_fp="1.00", side="yes")
    assert (
        book.live
        and [refused(book.trusted(proof=p)) for p in ("rest", "touch")] == ["unproven"] * 2
    )


def test_wrong_demands_are_refused() -> None:
    _, book = engine_of()
    with pytest.raises(EngineError, match="proof must be one of hash, sequence"):
        book.trusted(proof="hashes")  # type: ignore[arg-type]
    for wrong in (-1, float("nan"), 2 * 10**9):
        with pytest.raises(EngineError, match=r"max_age_s must be from 0 .* nanoseconds"):
            book.trusted(max_age_s=wrong)
    for other in ("2", True):
        with pytest.raises(TypeError, match="max_age_s must be seconds"):
            book.trusted(max_age_s=other)  # type: ignore[arg-type]


def test_a_frozen_book_stays_as_it_was() -> None:
    engine, book = engine_of()
    trade = {
        "event_type": "last_trade_price", "market": "0x5f65", "asset_id": "71", "price": "0.47",
        "size": "3", "side": "BUY", "timestamp": str(T0 // 1_000_000 + 1),
    }  # fmt: skip
    engine.ingest(0, json.dumps(trade).encode(), T0 + 1)
    frozen = book.freeze()

    def told() -> object:
        return frozen.to_dict(), frozen.trades(60).volume, frozen.evidence, frozen.last_price

    before = told()
    engine.ingest(0, change("5"), T0 + S)
    engine.ingest(0, json.dumps(trade | {"size": "4"}).encode(), T0 + 2 * S)
    engine.disconnected(0, T0 + 9 * S)
    assert told() == before
    assert frozen.frozen and not book.frozen and frozen.live and not book.live
    assert frozen.trusted(max_age_s=1.0) is frozen and not book.trusted()
    assert frozen.complement.frozen and frozen.complement.ask == 0.56
    assert frozen.freeze().bid == 0.44
    fill = frozen.sweep("buy", "5")
    assert fill is not None and fill.avg_price == 0.47
    assert "frozen complement of polymarket 71" in repr(frozen.complement)
    assert "complement of polymarket Yes" in frozen.complement._repr_html_()


def test_a_book_as_a_dictionary() -> None:
    engine, book = engine_of()
    engine.ingest(0, change("5"), T0 + S)
    shown = book.to_dict(depth=1)
    assert shown["bids"] == [[0.45, 5.0]] and shown["asks"] == [[0.47, 25.0]]
    assert (shown["bid"], shown["ask_qty"], shown["state"]) == (0.45, 25.0, "live")
    assert len(book.to_dict()["bids"]) == 2
    engine.disconnected(0, T0 + 2 * S)
    shown = book.to_dict()
    assert (shown["bid"], shown["mid"], shown["live"]) == (None, None, False) and shown["bids"]
    json.dumps(shown)


def test_a_market_is_subscribed_whole() -> None:
    engine = Engine()
    assert engine.subscribe(MARKET, conn=3, ts=T0) == {"71": 0, "72": 1}
    assert engine.subscribe(MARKET, 3, ts=T0) == {"71": 0, "72": 1}
    assert [(book.market, book.outcome) for book in engine.books()] == [
        ("0x5f65", "Yes"), ("0x5f65", "No")
    ]  # fmt: skip
    wrong: Any = engine
    with pytest.raises(TypeError, match="no keywords beside"):
        wrong.subscribe(MARKET, 0, T0, tick_size="0.01")
    with pytest.raises(TypeError, match="takes these three"):
        wrong.subscribe(MARKET, 0)
    with pytest.raises(TypeError, match="takes these four"):
        wrong.subscribe("polymarket", "71")
    with pytest.raises(TypeError, match="Market or the name of a venue, not int"):
        wrong.subscribe(3, 0, T0)


def test_old_names_are_answered_with_the_new_ones() -> None:
    _, book = engine_of()
    for old, new in (("buy", "sweep"), ("sell", "sweep"), ("buy_notional", "sweep_notional"),
                     ("sell_notional", "sweep_notional")):  # fmt: skip
        with pytest.raises(AttributeError, match=rf"{old}\(\) is now {new}"):
            getattr(book, old)
    wrong: Any = Engine
    for name in ("hash_interval", "batch_grace", "suspect_grace", "silence", "witness_grace",
                 "paper_latency"):  # fmt: skip
        with pytest.raises(TypeError, match=f"{name}_ns is now {name}_s"):
            wrong(**{f"{name}_ns": 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        wrong(colour=1)
    view: Any = book
    with pytest.raises(TypeError, match="window_ns is now window_s"):
        view.trades(window_ns=60 * S)
    with pytest.raises(EngineError, match="not in nanoseconds"):
        book.trades(60 * S)
    with pytest.raises(EngineError, match='side must be "buy" or "sell"'):
        view.sweep("bid", 1)


def test_durations_are_exact() -> None:
    for wrong in (-0.5, float("inf"), timedelta(days=-1), timedelta(days=367), timedelta.max):
        with pytest.raises(EngineError, match="silence_s must be from 0"):
            Engine(silence_s=wrong)
    Engine(silence_s=timedelta(milliseconds=1), batch_grace_s=1, paper_latency_s=0.25)
    engine, book = engine_of(silence_s=0)
    engine.advance(T0 + 123_456_789)
    assert book.trusted(max_age_s=0.123_456_789) is book
    assert not book.trusted(max_age_s=0.123_456_788)
    engine.advance(T0 + 86_400 * S + 1_000)
    assert book.trusted(max_age_s=timedelta(days=1, microseconds=1)) is book
    assert not book.trusted(max_age_s=timedelta(days=1))
