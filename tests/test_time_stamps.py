"""Time stamps are claims: no stamp, ahead or back, keeps a wrong book live; and delivery that is
late takes the books of its connection out of ``live`` until it is prompt again."""

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal

import pytest

from bookfeed import Engine

HashCheck = Literal["always", "sampled", "off"]
MS = 1_000_000
T0_MS = 1_790_000_000_000
MARKET = "0x" + "ab" * 32
YES, NO = "1" * 77, "2" * 77
POLICIES: tuple[HashCheck, ...] = ("always", "sampled", "off")
Side = dict[str, str]


def book_hash(asset: str, stamp: object, bids: Side, asks: Side) -> str:
    """The venue's hash of a whole book."""
    text = {
        "market": MARKET,
        "asset_id": asset,
        "timestamp": str(stamp),
        "hash": "",
        "bids": [{"price": p, "size": bids[p]} for p in sorted(bids)],
        "asks": [{"price": p, "size": asks[p]} for p in sorted(asks, reverse=True)],
        "min_order_size": "5",
        "tick_size": "0.01",
        "neg_risk": False,
        "last_trade_price": "",
    }
    return hashlib.sha1(json.dumps(text, separators=(",", ":")).encode()).hexdigest()


def inverse(side: Side) -> Side:
    return {f"{1 - Decimal(price):.2f}": size for price, size in side.items()}


class Market:
    """One market as it truly is, and the engine that is told of it with stamps of any kind."""

    def __init__(self, hash_check: HashCheck, **options: Any) -> None:
        self.bids: Side = {"0.40": "100", "0.48": "30"}
        self.asks: Side = {"0.60": "100", "0.52": "25"}
        self.engine = Engine(hash_check=hash_check, **options)
        self.ms = T0_MS
        self.hashes = True
        self.engine.connected(0, "polymarket", self.ms * MS)
        self.ids = {
            asset: self.engine.subscribe(
                "polymarket", asset, 0, self.ms * MS, market=MARKET, outcome=name
            )
            for asset, name in ((YES, "Yes"), (NO, "No"))
        }
        self.say(self.books(self.ms))

    def sides(self, asset: str) -> tuple[Side, Side]:
        if asset == YES:
            return self.bids, self.asks
        return inverse(self.asks), inverse(self.bids)

    def digest(self, asset: str, stamp: object) -> str:
        return book_hash(asset, stamp, *self.sides(asset)) if self.hashes else ""

    def books(self, stamp: object, assets: tuple[str, ...] = (YES, NO)) -> list[dict[str, Any]]:
        found = []
        for asset in assets:
            bids, asks = self.sides(asset)
            found.append(
                {
                    "event_type": "book",
                    "market": MARKET,
                    "asset_id": asset,
                    "timestamp": str(stamp),
                    "hash": self.digest(asset, stamp),
                    "bids": [{"price": p, "size": q} for p, q in sorted(bids.items())],
                    "asks": [{"price": p, "size": q} for p, q in sorted(asks.items())][::-1],
                }
            )
        return found

    def change(self, stamp: object, price: str, size: str) -> dict[str, Any]:
        """A bid of YES, which is an ask of NO."""
        if Decimal(size):
            self.bids[price] = size
        else:
            self.bids.pop(price, None)
        entries = []
        for asset, at, side in ((YES, price, "BUY"), (NO, *inverse({price: ""}), "SELL")):
            bids, asks = self.sides(asset)
            entries.append(
                {
                    "asset_id": asset,
                    "price": at,
                    "size": size,
                    "side": side,
                    "hash": self.digest(asset, stamp),
                    "best_bid": max(bids),
                    "best_ask": min(asks),
                }
            )
        return {
            "event_type": "price_change",
            "market": MARKET,
            "price_changes": entries,
            "timestamp": str(stamp),
        }

    def walk(self, k: int, stamp: object) -> dict[str, Any]:
        """The best bid goes up and down."""
        return self.change(stamp, "0.49", str(10 + k) if k % 2 else "0")

    def say(self, message: object, wait_ms: int = 0) -> None:
        self.ms += wait_ms
        self.engine.ingest(0, json.dumps(message).encode(), self.ms * MS)

    def right(self, asset: str = YES) -> bool:
        """Whether the book, if it is live, is the true one."""
        view = self.engine.book(self.ids[asset])
        bids, asks = self.sides(asset)
        truth = [sorted(side.items(), reverse=side is bids) for side in (bids, asks)]
        shown = [[(f"{Decimal(p):.2f}", q) for p, q in view.as_strings(s)] for s in ("bid", "ask")]
        return not view.live or shown == truth

    def state(self, asset: str = YES) -> tuple[str, str]:
        view = self.engine.book(self.ids[asset])
        return view.state, view.cause


STAMPS: dict[str, Callable[[int], object]] = {
    "seconds": lambda ms: ms // 1_000,
    "microseconds": lambda ms: ms * 1_000,
    "text": lambda ms: f"at {ms}",
    "negative": lambda ms: -ms,
    "an hour ahead": lambda ms: ms + 3_600_000,
    "30 s back": lambda ms: ms - 30_000,
    "700 ms ahead": lambda ms: ms + 700,
    "700 ms back": lambda ms: ms - 700,
}


@pytest.mark.parametrize("hash_check", POLICIES)
@pytest.mark.parametrize("kind", STAMPS)
@pytest.mark.parametrize("hashes", [True, False])
def test_every_stamp_turns_odd(hash_check: HashCheck, kind: str, hashes: bool) -> None:
    market = Market(hash_check)
    for k in range(1, 200):
        market.hashes = hashes
        stamp = STAMPS[kind] if k > 20 else int
        market.say(market.walk(k, stamp(market.ms + 100)), 100)
        if k % 10 == 0:
            market.say(market.books(stamp(market.ms)))
        market.engine.advance(market.ms * MS)
        assert market.right(YES) and market.right(NO), (k, market.state())
    assert market.state()[0] == "live", market.state()


def touch(market: Market, asset: str = YES) -> dict[str, Any]:
    bids, asks = market.sides(asset)
    return {
        "event_type": "best_bid_ask",
        "market": MARKET,
        "asset_id": asset,
        "best_bid": max(bids),
        "best_ask": min(asks),
        "timestamp": str(market.ms // 1_000),
    }


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_what_is_set_back_within_a_second_is_no_copy(hash_check: HashCheck) -> None:
    """Stamps in seconds: a level that flickers is told in the very same words again and again."""
    market = Market(hash_check)
    live = 0
    for k in range(1, 400):
        market.say(market.walk(k % 2, (market.ms + 100) // 1_000), 100)
        market.say(touch(market))
        market.engine.advance(market.ms * MS)
        assert market.right(YES) and market.right(NO), (k, market.state())
        live += market.state()[0] == market.state(NO)[0] == "live"
    assert live > 0.99 * 400
    # Deep in a book no touch says which, but the next hash does.
    deep = [
        market.change((market.ms + 100) // 1_000, "0.41", size) for size in ("9", "0", "9", "0")
    ]
    for frame in deep:
        market.say(frame, 100)
    assert market.state() == ("suspect", "out_of_order")
    market.say(market.change(market.ms // 1_000, "0.42", "9"), 100)
    assert market.state()[0] == "live" and market.right(YES) and market.right(NO)


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_a_copy_within_a_second_is_not_believed(hash_check: HashCheck) -> None:
    market = Market(hash_check)
    for k in range(1, 40):
        market.say(market.walk(k, (market.ms + 100) // 1_000), 100)
    market.ms = market.ms // 1_000 * 1_000
    second = market.ms // 1_000
    there = market.change(second, "0.50", "77")
    market.say(there, 100)
    market.say(market.change(second, "0.50", "0"), 100)
    assert market.state()[0] == market.state(NO)[0] == "live"
    market.say(there, 100)
    market.say(touch(market))
    assert market.state() == ("suspect", "out_of_order")
    market.engine.advance((market.ms + 300) * MS)
    assert market.state() == market.state(NO) == ("suspect", "out_of_order")
    market.say(market.change(second, "0.30", "5"), 100)
    assert market.right(YES) and market.right(NO)


@pytest.mark.parametrize("hash_check", POLICIES)
@pytest.mark.parametrize("kind", STAMPS)
@pytest.mark.parametrize("whole", [True, False])
def test_one_odd_stamp(hash_check: HashCheck, kind: str, whole: bool) -> None:
    market = Market(hash_check)
    for k in range(1, 120):
        odd = k == 21
        stamp = STAMPS[kind] if odd else int
        if whole and odd:
            market.say(market.books(stamp(market.ms + 100)), 100)
        else:
            market.say(market.walk(k, stamp(market.ms + 100)), 100)
        market.engine.advance(market.ms * MS)
        assert market.right(YES) and market.right(NO), (k, market.state())
        if k % 20 == 0:
            market.say(market.books(market.ms))
    assert market.state()[0] == "live", market.state()


@pytest.mark.parametrize("hash_check", POLICIES)
@pytest.mark.parametrize("ahead_ms", [250, 900, 5_000, 60_000, 3_600_000])
def test_a_whole_book_stamped_ahead_blocks_no_later_one(
    hash_check: HashCheck, ahead_ms: int
) -> None:
    market = Market(hash_check)
    market.say(market.books(market.ms + 100), 100)
    market.say(market.books(market.ms + 100 + ahead_ms), 100)
    for k in range(1, 20):
        market.bids[f"0.4{1 + k % 7}"] = str(k)
        market.say(market.books(market.ms + 100), 100)
        assert market.state()[0] == "live" and market.right()


@pytest.mark.parametrize("hash_check", POLICIES)
@pytest.mark.parametrize("ahead_ms", [300, 2_000, 60_000])
def test_no_signal_opens_on_a_book_stamped_ahead(hash_check: HashCheck, ahead_ms: int) -> None:
    market = Market(hash_check)
    market.engine.add_rule("complement", {"min_edge": "0.002", "confirm": "off"})
    for k in range(1, 5):
        market.say(market.walk(k, market.ms + 100), 100)
    yes, no = market.books(market.ms + ahead_ms), market.books(market.ms)
    market.say([yes[0], no[1]])
    market.asks.pop("0.52")
    for k in range(1, 100):
        market.say(market.change(market.ms + 100, "0.55", str(100 + k)), 100)
        market.engine.advance(market.ms * MS)
        assert market.right(YES) and market.right(NO)
    assert len(market.engine.drain().signals) == 0


def test_a_late_whole_book_that_contradicts_is_evidence() -> None:
    market = Market("sampled")
    market.hashes = False
    late = market.books(market.ms + 50, (YES,))
    late[0]["bids"][-1]["size"] = "12"
    market.say(market.change(market.ms + 51, "0.30", "20"), 51)
    assert market.state()[0] == "live"
    market.say(late, 1)
    assert market.state() == ("suspect", "out_of_order")


def test_a_late_whole_book_that_agrees_is_history() -> None:
    market = Market("sampled")
    market.say(market.change(market.ms + 50, "0.30", "20"), 50)
    late = market.books(market.ms)
    market.say(market.change(market.ms + 1, "0.30", "20"), 1)
    market.say(late, 1)
    assert market.state()[0] == "live" and market.right()


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_a_late_whole_book_that_differs_is_doubted_until_the_next_hash(
    hash_check: HashCheck,
) -> None:
    market = Market(hash_check)
    late = market.books(market.ms + 50)
    market.say(market.change(market.ms + 51, "0.30", "20"), 51)
    market.say(late, 1)
    assert market.state()[0] == "suspect"
    market.say(market.change(market.ms + 1, "0.31", "20"), 1)
    assert market.state()[0] == "live" and market.right()


@pytest.mark.parametrize("hash_check", POLICIES)
@pytest.mark.parametrize("back_ms", [200, 700, 2_000, 30_000])
def test_a_batch_stamped_back_is_not_dropped_as_history(
    hash_check: HashCheck, back_ms: int
) -> None:
    market = Market(hash_check)
    for k in range(1, 30):
        market.say(market.walk(k, market.ms + 100), 100)
    one, two = market.change(market.ms, "0.30", "7"), market.change(market.ms, "0.31", "8")
    stamp = market.ms + 1 - back_ms
    last = market.change(stamp, "0.31", "8")["price_changes"]
    for frame in (one, two):
        for entry, final in zip(frame["price_changes"], last, strict=True):
            entry |= {name: final[name] for name in ("hash", "best_bid", "best_ask")}
        market.say(frame | {"timestamp": str(stamp)}, 1)
    assert market.right(YES) and market.right(NO), market.state()
    market.engine.advance((market.ms + 300) * MS)
    assert market.right(YES) and market.right(NO), market.state()


@pytest.mark.parametrize("back_ms", [1_500, 3_500, 20_000])
def test_a_clock_set_back_is_no_delay(back_ms: int) -> None:
    market = Market("sampled")
    for k in range(1, 150):
        off_ms = back_ms if k > 20 else 0
        market.say(market.walk(k, market.ms + 100 - off_ms), 100)
        market.engine.advance(market.ms * MS)
        assert market.state()[1] != "late", k
    assert market.state()[0] == "live" and market.right()


@pytest.mark.parametrize("back_ms", [5_000, 20_000])
def test_whole_books_do_not_hide_that_a_clock_was_set_back(back_ms: int) -> None:
    market = Market("sampled")
    market.engine.disconnected(0, market.ms * MS)
    market.engine.connected(0, "polymarket", market.ms * MS)
    market.say(market.books(market.ms + back_ms))
    for k in range(1, 600):
        ahead_ms = back_ms if k < 20 else 0
        market.say(market.walk(k, market.ms + 100 + ahead_ms), 100)
        if k % 20 == 0:
            market.say(market.books(market.ms + ahead_ms))
        market.engine.advance(market.ms * MS)
        assert market.state()[1] != "late", k
    assert market.state()[0] == "live" and market.right()


@pytest.mark.parametrize("hash_check", POLICIES)
@pytest.mark.parametrize("by_rest", [True, False])
def test_a_clock_set_back_keeps_no_whole_book_out(hash_check: HashCheck, by_rest: bool) -> None:
    """Changes that a lost book could not take bear times that the clock has not come to again."""
    market = Market(hash_check)
    for k in range(1, 20):
        market.say(market.walk(k, market.ms + 100), 100)
    market.say({"event_type": "price_change", "market": MARKET, "price_changes": 0, "timestamp": 0})
    market.say(market.walk(20, market.ms + 100), 100)
    assert market.state()[0] == "stale"
    for k in range(21, 60):
        market.say(market.walk(k, market.ms + 100 - 60_000), 100)
    instrument = market.ids[YES]

    def bring(stamp: int) -> None:
        if by_rest:
            market.engine.resync_begin(instrument, market.ms * MS)
            body = json.dumps(market.books(stamp, (YES,))).encode()
            market.engine.ingest_rest(0, body, market.ms * MS)
        else:
            market.say(market.books(stamp, (YES,)))

    bring(market.ms - 62_000)
    assert market.state()[0] == "stale", "changes came after it that it lacks"
    bring(market.ms - 60_000)
    assert market.state() == ("live", "resync" if by_rest else "snapshot")
    assert market.right()


@pytest.mark.parametrize("hash_check", ["always", "sampled"])
def test_a_clock_set_back_twice_at_once(hash_check: HashCheck) -> None:
    market = Market(hash_check)
    for k in range(1, 60):
        back_ms = 0 if k < 20 else 2_000 if k == 20 else 12_000
        market.say(market.walk(k, market.ms + 100 - back_ms), 100)
        market.engine.advance(market.ms * MS)
        assert market.right(YES) and market.right(NO), (k, market.state())
        assert market.state()[0] != "stale", (k, market.state())
    assert market.state() == ("live", "evidence")


def test_a_fresh_answer_by_rest_does_not_hide_that_the_stream_is_late() -> None:
    market = Market("sampled")
    for k in range(1, 200):
        late_ms = min(20_000, 100 * k)
        market.say(market.walk(k, market.ms + 200 - late_ms), 200)
        market.engine.advance(market.ms * MS)
        if k % 10 == 0:
            market.engine.resync_begin(market.ids[YES], market.ms * MS, asked=True)
            (book,) = market.books(market.ms, (YES,))
            del book["event_type"]
            market.engine.ingest_rest(0, json.dumps([book]).encode(), market.ms * MS)
        assert late_ms < 6_100 or market.state(NO) == ("suspect", "late")


def test_whole_books_of_long_ago_are_no_delay() -> None:
    market = Market("sampled")
    market.say(market.books(market.ms - 5 * 3_600_000), 10_000)
    assert market.engine.delay_ns(0) is None or market.engine.delay_ns(0) == 0
    assert market.state()[0] == "live"


@pytest.mark.parametrize("hash_check", POLICIES)
def test_a_connection_that_delivers_late(hash_check: HashCheck) -> None:
    market = Market(hash_check)
    for k in range(1, 10):
        market.say(market.walk(k, market.ms + 100), 100)
    late_ms = 20_000
    market.ms += late_ms
    for k in range(10, 100):
        market.say(market.walk(k, market.ms + 100 - late_ms), 100)
        assert market.state() == market.state(NO) == ("suspect", "late")
        if k % 20 == 0:
            market.say(market.books(market.ms - late_ms))
            market.engine.advance(market.ms * MS)
            assert market.state() == ("suspect", "late")
    assert market.engine.counters()["late_spells"] == 1
    assert market.engine.delay_ns(0) == late_ms * MS
    market.say(market.walk(101, market.ms + 100 - 900), 100)
    assert market.state()[0] == market.state(NO)[0] == "live" and market.right()


def test_a_delay_that_grows_is_seen_long_before_it_is_too_late() -> None:
    market = Market("sampled")
    grew_ms = None
    for k in range(1, 200):
        late_ms = max(0, k - 30) * 20  # a fifth of the time
        market.say(market.walk(k, market.ms + 100 - late_ms), 100)
        market.engine.advance(market.ms * MS)
        if market.engine.delay_grows(0) and grew_ms is None:
            grew_ms = late_ms
            assert market.engine.freshness(0) == "suspect"
            assert market.state()[0] == "live", "it costs no book its state"
    assert grew_ms is not None and 250 <= grew_ms <= 1_200
    assert market.engine.counters()["delay_growths"] == 1
    assert market.state() == ("suspect", "late")
    steady_ms = late_ms
    for k in range(200, 240):
        market.say(market.walk(k, market.ms + 100 - steady_ms), 100)
        market.engine.advance(market.ms * MS)
    assert not market.engine.delay_grows(0), "it rises no more"


def test_a_book_convicted_while_late_is_not_live_after_it() -> None:
    market = Market("always")
    for k in range(1, 10):
        market.say(market.walk(k, market.ms + 100), 100)
    market.ms += 20_000
    market.say(market.walk(11, market.ms - 20_000))
    assert market.state() == ("suspect", "late")
    market.change(market.ms, "0.35", "7")  # lost
    market.say(market.walk(13, market.ms - 19_900), 100)
    market.say(market.walk(15, market.ms + 100), 100)
    assert market.state()[0] != "live" and market.state()[1] != "late"


def test_a_burst_is_borne_for_the_grace() -> None:
    market = Market("sampled")
    for k in range(1, 10):
        market.say(market.walk(k, market.ms + 100), 100)
    market.ms += 4_000
    market.say(market.walk(11, market.ms - 4_000))
    market.engine.advance((market.ms + 249) * MS)
    assert market.state()[0] == "live"
    market.engine.advance((market.ms + 250) * MS)
    assert market.state() == ("suspect", "late")
    off = Market("sampled", max_delay_s=0)
    for k in range(1, 10):
        off.say(off.walk(k, off.ms + 100 - 20_000), 100)
    assert off.state()[0] == "live"


def delta(seq: int, ticker: str, side: str, price: str, size: str, **stamp: int) -> dict[str, Any]:
    body = {"market_ticker": ticker, "price_dollars": price, "delta_fp": size, "side": side}
    return {"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": body | stamp}


def test_kalshi_late_from_the_first_message_on() -> None:
    engine = Engine()
    now = T0_MS
    engine.connected(0, "kalshi", now * MS)
    for ticker in ("L1", "L2"):
        engine.subscribe("kalshi", ticker, 0, now * MS, market=ticker, outcome="Yes")
    rule = engine.add_rule("spread", {"open": "0.05"})
    for seq, ticker in ((1, "L1"), (2, "L2")):
        body = {
            "market_ticker": ticker,
            "yes_dollars_fp": [["0.40", "5"]],
            "no_dollars_fp": [["0.58", "50"]],
        }
        snapshot = {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": body}
        engine.ingest(0, json.dumps(snapshot).encode(), now * MS)
    engine.drain()
    for k in range(3, 20):
        now += 100
        ts = now - 20_000
        size = "-50.00" if k == 10 else "0.00"
        frame = delta(k, "L2" if k == 10 else "L1", "no", "0.58", size, ts_ms=ts)
        engine.ingest(0, json.dumps(frame).encode(), now * MS)
        assert [view.cause for view in engine.books()] == ["late", "late"]
    assert len(engine.drain().signals) == 0 and rule == 0


def snapshot(seq: int, ticker: str, sent_ms: int) -> bytes:
    body = {
        "market_ticker": ticker,
        "yes_dollars_fp": [["0.40", "5"]],
        "no_dollars_fp": [["0.58", "50"]],
    }
    message = {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": body}
    return json.dumps(message | {"sending_ts_ms": sent_ms}).encode()


def kalshi(use_sent: bool) -> Engine:
    engine = Engine()
    engine.connected(0, "kalshi", T0_MS * MS)
    engine.subscribe("kalshi", "L1", 0, T0_MS * MS, market="L1", outcome="Yes")
    reply = {"id": 1, "type": "subscribed", "msg": {"channel": "orderbook_delta", "sid": 1}}
    sent = {"sending_ts_ms": T0_MS} if use_sent else {}
    engine.ingest(0, json.dumps(reply | sent).encode(), T0_MS * MS)
    return engine


def test_a_whole_book_of_kalshi_is_as_late_as_its_time_of_sending_says() -> None:
    engine = kalshi(use_sent=True)
    engine.ingest(0, snapshot(1, "L1", T0_MS + 5), (T0_MS + 10) * MS)
    assert engine.books()[0].state == "live"
    engine.ingest(0, snapshot(2, "L1", T0_MS + 1_000), (T0_MS + 8_000) * MS)
    assert [(view.state, view.cause) for view in engine.books()] == [("suspect", "late")]


@pytest.mark.parametrize("use_sent", [True, False])
def test_the_time_of_sending_shows_the_fastest_way_before_any_change_came(use_sent: bool) -> None:
    engine = kalshi(use_sent)
    now = T0_MS + 10_000
    sent = now if use_sent else 0
    engine.ingest(0, snapshot(1, "L1", sent), now * MS)
    # 6.5 s late: more than twice what is borne, unless the receiver's clock is ahead by a second.
    frame = delta(2, "L1", "no", "0.58", "1.00", ts_ms=now - 6_500)
    engine.ingest(0, json.dumps(frame).encode(), now * MS)
    assert (engine.books()[0].cause == "late") == use_sent


def test_a_copy_is_one_where_no_stamp_is_believed() -> None:
    market = Market("always")
    frames = []
    for k in range(1, 40):
        stamp = (market.ms + 100) // 1_000 if k > 20 else market.ms + 100
        frames.append(market.change(stamp, "0.47", str(10 + k)))
        market.say(frames[-1], 100)
        assert market.state()[0] == "live"
    market.say(frames[-2], 1)
    assert market.state() == ("suspect", "out_of_order")
    market.say(market.change(market.ms // 1_000, "0.47", "7"), 1)
    assert market.state()[0] == "live" and market.right()


def test_a_stream_that_never_comes_to_order_is_given_up() -> None:
    market = Market("always")
    market.say(market.change(market.ms + 10, "0.30", "5"), 10)
    for k in range(1, 60):
        older = market.books(market.ms)
        market.say(market.change(market.ms + 10, "0.30", str(10 + k)), 10)
        assert market.right()
        if market.state()[0] == "stale":
            break
        assert market.state()[0] == "live"
        market.say(older)
        assert market.state()[0] != "live"
    assert market.state() == ("stale", "out_of_order") and 50 < k < 55
