"""How the auditor reads spot venues: stitching by update ids, windows of levels, checksums."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from spot_captures import SpotBooks

from bookfeed.audit.books import Touch
from bookfeed.audit.numbers import NS_PER_MS
from bookfeed.audit.reading import Trade
from bookfeed.audit.readings.binance import HELD_MAX, BinanceReading
from bookfeed.audit.readings.kraken import KrakenReading
from bookfeed.audit.rules import rule_class
from bookfeed.recordings.kinds import Kind

D = Decimal
MS = 1_000_000
Pairs = list[list[str]]

# Binance.


class Binance:
    """A book of BTCUSDT, fed frame by frame."""

    def __init__(self) -> None:
        self.books = SpotBooks("binance", ["BTCUSDT"])
        self.one = self.books.book("BTCUSDT")
        assert isinstance(self.books.reading, BinanceReading)
        self.reading = self.books.reading

    def take(self, document: object) -> dict[int, str]:
        (effects,) = self.books.take(json.dumps(document).encode())
        return effects.broken

    def diff(
        self, first: int, last: int, bids: Pairs | None = None, asks: Pairs | None = None
    ) -> dict[int, str]:
        return self.take({
            "e": "depthUpdate", "E": 1790000000123, "s": "BTCUSDT", "U": first, "u": last,
            "b": bids or [], "a": asks or [],
        })  # fmt: skip

    def rest(self, last: int, **sides: Pairs) -> None:
        body = {"lastUpdateId": last, "bids": [], "asks": [], **sides}
        self.books.take_rest("BTCUSDT", json.dumps(body).encode())

    def claim(self, last: int, bid: str, bid_qty: str, ask: str, ask_qty: str) -> dict[int, str]:
        claim = {"u": last, "s": "BTCUSDT", "b": bid, "B": bid_qty, "a": ask, "A": ask_qty}
        return self.take(claim)

    @property
    def stands_at(self) -> int | None:
        return self.reading.stands_at(self.one)


def test_the_sample_of_the_page_raw_and_in_its_envelope() -> None:
    raw = {
        "e": "depthUpdate", "E": 1790000000123, "s": "BTCUSDT", "U": 1001, "u": 1004,
        "b": [["84000.10", "0.50000000"]], "a": [["84000.20", "0.00000000"]],
    }  # fmt: skip
    for frame in (raw, {"stream": "btcusdt@depth@100ms", "data": raw}):
        market = Binance()
        market.rest(1000, asks=[["84000.20", "1.0"], ["84000.30", "2.0"]])
        assert market.take(frame) == {}
        assert market.one.book.touch == Touch(D("84000.1"), D("0.5"), D("84000.3"), D(2))
        assert (market.stands_at, market.one.ts_event) == (1004, 1790000000123 * MS)


def test_a_rest_book_and_the_diffs_that_came_before_it() -> None:
    market = Binance()
    market.diff(95, 100, bids=[["9", "1"]])
    market.diff(101, 104, bids=[["10", "2"]])
    market.diff(105, 109, bids=[["9", "3"]])
    assert market.stands_at is None
    market.rest(102, bids=[["9", "1"], ["10", "7"]], asks=[["11", "1"]])
    assert market.stands_at == 109
    assert market.one.book.levels("bid") == [(D(10), D(2)), (D(9), D(3))]


@pytest.mark.parametrize(
    ("last", "stands_at"),
    [
        (93, None),  # the first diff begins beyond it: too old
        (94, 109),  # adjacent
        (95, 109),
        (104, 109),
        (109, 109),
        (130, 130),  # newer than all that came
    ],
)
def test_which_rest_books_the_diffs_follow(last: int, stands_at: int | None) -> None:
    market = Binance()
    market.diff(95, 104)
    market.diff(105, 109)
    market.rest(last)
    assert market.stands_at == stands_at
    if stands_at is None:
        market.rest(96)
        assert market.stands_at == 109, "the diffs wait on for a newer book"


def test_diffs_that_came_before_a_hole_do_not_carry_a_rest_book_over_it() -> None:
    market = Binance()
    market.diff(95, 104)
    market.diff(106, 109)
    market.rest(100)
    assert market.stands_at is None
    market.rest(105)
    assert market.stands_at == 109


def test_ids_behind_a_book() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    assert market.diff(90, 99, bids=[["10", "5"]]) == {}
    assert market.one.book.touch.bid_qty == 1, "ids that the book has already"
    assert market.diff(98, 103, bids=[["10", "6"]]) == {}
    assert market.stands_at == 103 and market.one.book.touch.bid_qty == 6
    assert market.diff(105, 106, bids=[["10", "7"]]) == {0: "gap: 103 then 105"}
    assert market.stands_at is None
    market.diff(107, 110, bids=[["10", "8"]])
    market.rest(104, bids=[["10", "6.5"]])
    assert market.stands_at == 110 and market.one.book.touch.bid_qty == 8


def test_ids_that_run_backwards() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    market.diff(101, 103, bids=[["10", "2"]])
    assert market.diff(101, 103, bids=[["10", "2"]]) == {}, "the newest once more"
    assert market.one.book.touch.bid_qty == 2
    assert market.diff(51, 53) == {0: "out_of_order: 103 then 53"}
    market.diff(54, 60)
    market.rest(52, bids=[["10", "5"]])
    assert market.stands_at == 60, "numbers begin anew where they were set back to"


def test_an_id_that_comes_again_with_other_sizes_loses_the_book() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    market.diff(101, 103, bids=[["10", "2"]])
    other = market.diff(101, 103, bids=[["10", "9"]])
    assert other == {0: "out_of_order: 103 again, with other sizes"}


def test_a_rest_book_does_not_replace_one_that_needs_none() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    market.rest(90, bids=[["9", "1"]])
    assert market.stands_at == 100 and market.one.book.touch.bid == 10


def test_a_book_needs_a_new_basis_after_a_loss() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    market.books.model.control(Kind.DISCONNECTED, 0, b"test", {})
    assert market.stands_at is None
    market.books.model.control(Kind.CONNECTED, 0, b"binance", {})
    market.diff(101, 103)
    assert market.stands_at is None
    market.rest(102)
    assert market.stands_at == 103


def test_the_touch_at_the_very_id_is_a_witness() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]], asks=[["11", "2"]])
    assert market.claim(99, "1", "1", "2", "2") == {}, "older than the book"
    assert market.claim(100, "10.00", "1.0", "11", "2") == {}
    assert market.reading.touches_agreed == 1
    assert market.claim(104, "10", "3", "11", "2") == {}, "the book is not there yet"
    assert market.diff(101, 104, bids=[["10", "3"]]) == {}
    assert market.reading.touches_agreed == 2
    broken = market.claim(104, "10", "3", "11", "2.5")
    assert list(broken) == [0] and broken[0].startswith("bbo_mismatch at 104")


def test_a_touch_that_a_diff_does_not_reach_is_no_witness() -> None:
    """Between two ids that are told anything may have happened."""
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    market.claim(103, "9", "9", "11", "2")
    assert market.diff(101, 104, bids=[["10", "3"]]) == {}
    assert market.reading.touches_agreed == 0


def test_a_touch_of_an_empty_side() -> None:
    market = Binance()
    market.rest(100, bids=[["10", "1"]])
    assert market.claim(100, "10", "1", "0.00000000", "0.00000000") == {}
    assert market.reading.touches_agreed == 1


@pytest.mark.parametrize(
    "change",
    [
        {"U": None},
        {"u": "soon"},
        {"U": 105, "u": 104},
        {"b": [["10"]]},
        {"b": {"10": "1"}},
        {"a": [["-1", "1"]]},
        {"a": [["0", "1"]]},
        {"a": [["1e3", "1"]]},
        {"a": [["10", "0.000000001"]]},
    ],
)
def test_a_diff_that_is_none_breaks_its_book(change: dict[str, Any]) -> None:
    market = Binance()
    market.rest(100)
    frame = {"e": "depthUpdate", "s": "BTCUSDT", "U": 101, "u": 104, "b": [], "a": []}
    assert market.take({**frame, **change}) == {0: "malformed"}
    assert market.stands_at is None


def test_what_names_no_book_breaks_all_of_the_connection() -> None:
    for payload in (b"{", b"[]", b'{"e":"depthUpdate","U":1,"u":2,"b":[],"a":null}'):
        market = Binance()
        market.rest(100)
        (effects,) = market.books.take(payload)
        assert list(effects.broken) == [0]


def test_replies_and_other_streams_say_nothing_of_books() -> None:
    for document in (
        {"result": None, "id": 1},
        {"code": 2, "msg": "Invalid request", "id": 1},
        {"e": "serverShutdown", "E": 1790000000123},
        {"stream": "btcusdt@depth5", "data": {"lastUpdateId": 7, "bids": [], "asks": []}},
        {"e": "depthUpdate", "s": "ETHUSDT", "U": 1, "u": 2, "b": [], "a": []},
    ):
        market = Binance()
        market.rest(100)
        assert market.take(document) == {} and market.stands_at == 100


def test_trades_of_binance_are_the_takers() -> None:
    market = Binance()
    trade = {"e": "trade", "E": 1790000000123, "s": "BTCUSDT", "t": 5, "p": "84000.10",
             "q": "0.01000000", "T": 1790000000122, "m": True, "M": True}  # fmt: skip
    (message,) = market.reading.read(0, json.dumps(trade).encode())
    at = 1790000000122 * NS_PER_MS
    assert message.trades == [Trade(0, "sell", D("84000.1"), D("0.01"), at, "5")]
    (message,) = market.reading.read(0, json.dumps({**trade, "m": False}).encode())
    assert message.trades == [Trade(0, "buy", D("84000.1"), D("0.01"), at, "5")]
    # What one order took of one price has a count of its own.
    taken = {**trade, "e": "aggTrade", "a": 7}
    (message,) = market.reading.read(0, json.dumps(taken).encode())
    assert message.trades == [Trade(0, "sell", D("84000.1"), D("0.01"), at, "7")]


def test_microseconds_are_told_from_milliseconds() -> None:
    market = Binance()
    market.rest(100)
    frame = {"e": "depthUpdate", "s": "BTCUSDT", "U": 101, "u": 104, "b": [], "a": []}
    market.take({**frame, "E": 1790000000123456})
    assert market.one.ts_event == 1790000000123456 * 1_000


def test_memory_is_bounded_while_a_book_waits() -> None:
    market = Binance()
    for number in range(1, HELD_MAX + 3):
        market.diff(number, number)
    market.rest(1)
    assert market.stands_at is None, "what was dropped would have been needed"
    market.rest(3)
    assert market.stands_at == HELD_MAX + 2


def test_a_rest_book_that_is_none_or_stands_elsewhere_is_left_alone() -> None:
    market = Binance()
    bodies = (b"{", b"[]", b'{"lastUpdateId": 5, "bids": []}',
              b'{"lastUpdateId": 5, "bids": [["1","2"],["1.0","3"]], "asks": []}')  # fmt: skip
    for body in bodies:
        market.books.take_rest("BTCUSDT", body)
    (message,) = market.reading.read_rest(b'{"lastUpdateId":5,"bids":[],"asks":[]}', 0, 6)
    market.reading.apply_rest(message)
    assert market.stands_at is None


# Kraken.

SYMBOL = "BTC/USD"
# Two books with published checksums: asks upwards, bids downwards.
PUBLISHED_ASKS = (
    "45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 "
    "45290.2 0.15890660 45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 "
    "45297.5 0.09945542 45299.5 0.18772827"
)
PUBLISHED_BIDS = (
    "45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 "
    "45280.3 1.54592586 45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 "
    "45277.3 1.54602737 45276.6 0.15445238"
)
EVEN_ASKS = " ".join(f"0.0{5005 + 5 * step} 0.00000500" for step in range(10))
EVEN_BIDS = " ".join(
    f"0.0{price} 0.00000500"
    for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)
)


def listed(levels: str) -> str:
    words = levels.split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in pairs)


class Kraken:
    """A book of BTC/USD, fed frame by frame in the digits given."""

    def __init__(self, depth: int | None = None) -> None:
        self.books = SpotBooks("kraken", [SYMBOL], depth=depth)
        self.one = self.books.book(SYMBOL)
        assert isinstance(self.books.reading, KrakenReading)
        self.reading = self.books.reading

    def raw(self, payload: str) -> dict[int, str]:
        broken: dict[int, str] = {}
        for effects in self.books.take(payload.encode()):
            broken |= effects.broken
        return broken

    def take(
        self, kind: str, bids: str = "", asks: str = "", checksum: int | None = None
    ) -> dict[int, str]:
        """With the checksum of what the book comes to, if no other is given."""
        if checksum is None:
            ahead = copy.deepcopy(self)
            ahead.take(kind, bids, asks, 0)
            checksum = ahead.reading.checksum(ahead.one)
        return self.raw(
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{SYMBOL}",'
            f'"bids":[{listed(bids)}],"asks":[{listed(asks)}],"checksum":{checksum},'
            '"timestamp":"2026-10-01T00:00:00.123456Z"}]}'
        )


@pytest.mark.parametrize(
    ("bids", "asks", "checksum"),
    [
        (PUBLISHED_BIDS, PUBLISHED_ASKS, 3310070434),
        (EVEN_BIDS, EVEN_ASKS, 974947235),
    ],
)
def test_the_published_checksums(bids: str, asks: str, checksum: int) -> None:
    market = Kraken(depth=10)
    assert market.take("snapshot", bids, asks, checksum) == {}
    assert market.reading.checksums_agreed == 1 and market.one.based
    assert market.one.ts_event == 1_790_812_800_123_456_000
    wrong = Kraken(depth=10)
    (why,) = wrong.take("snapshot", bids, asks, checksum + 1).values()
    assert why == f"checksum_mismatch: {checksum}, told {checksum + 1}"
    assert not wrong.one.based


def test_a_checksum_is_over_ten_levels_of_the_digits_as_printed() -> None:
    market = Kraken()
    beyond = f"{PUBLISHED_BIDS} 45270.0 3.00000000"
    assert market.take("snapshot", beyond, PUBLISHED_ASKS, 3310070434) == {}
    shorter = PUBLISHED_BIDS.replace("0.10000000", "0.1")
    assert list(Kraken().take("snapshot", shorter, PUBLISHED_ASKS, 3310070434)) == [0]


def test_a_level_that_is_printed_anew_counts_as_it_is_printed_now() -> None:
    market = Kraken()
    first = PUBLISHED_BIDS.replace("45281.0 0.10000000", "45281.00 0.1")
    market.take("snapshot", first, PUBLISHED_ASKS)
    assert market.take("update", bids="45281.0 0.10000000", checksum=3310070434) == {}


def test_each_side_holds_the_levels_that_were_subscribed() -> None:
    """No message says that a level was pushed out; when it comes back it is told again."""
    market = Kraken(depth=2)
    market.take("snapshot", "10 1 9 1", "11 1 12 1")
    market.take("update", bids="10.5 2")
    assert market.one.book.levels("bid") == [(D("10.5"), D(2)), (D(10), D(1))]
    market.take("update", bids="10.5 0")
    assert market.one.book.levels("bid") == [(D(10), D(1))], "9 was gone for good"
    market.take("update", bids="9 4")
    assert market.one.book.levels("bid") == [(D(10), D(1)), (D(9), D(4))]
    market.take("update", asks="13 5")
    assert market.one.book.levels("ask") == [(D(11), D(1)), (D(12), D(1))]


def test_levels_of_one_message_apply_in_order_and_deletes_of_nothing_are_legal() -> None:
    market = Kraken(depth=10)
    market.take("snapshot", "10 1", "11 1")
    assert market.take("update", bids="8 0 9 5 9 0 9 7") == {}
    assert market.one.book.levels("bid") == [(D(10), D(1)), (D(9), D(7))]


def test_a_book_that_a_checksum_broke_waits_for_a_whole_one() -> None:
    market = Kraken(depth=10)
    market.take("snapshot", PUBLISHED_BIDS, PUBLISHED_ASKS, 3310070434)
    assert list(market.take("update", bids="45283.5 0", checksum=3310070434)) == [0]
    market.take("update", bids="45283.5 0.10000000", checksum=3310070434)
    assert not market.one.based, "an update is no basis"
    assert market.take("snapshot", PUBLISHED_BIDS, PUBLISHED_ASKS, 3310070434) == {}
    assert market.one.based


@pytest.mark.parametrize(
    "data",
    [
        '{"symbol":"BTC/USD","bids":[{"price":"10"}],"asks":[]}',
        '{"symbol":"BTC/USD","bids":[[10,1]],"asks":[]}',
        '{"symbol":"BTC/USD","bids":[{"price":1e1,"qty":1}],"asks":[]}',
        '{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":"x"}',
        '{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":4294967296}',
        '{"symbol":"BTC/USD","bids":[]}',
        '{"bids":[],"asks":[]}',
        "[]",
    ],
)
def test_a_book_message_that_is_none_breaks_its_book(data: str) -> None:
    market = Kraken(depth=10)
    market.take("snapshot", "10 1", "11 1")
    assert market.raw(f'{{"channel":"book","type":"update","data":[{data}]}}') == {0: "malformed"}


def test_what_no_object_is_breaks_every_book() -> None:
    for payload in ("{", "[]", '{"channel":"book","type":"update"}'):
        market = Kraken()
        market.take("snapshot", "10 1", "11 1")
        assert list(market.raw(payload)) == [0]


def test_replies_and_other_channels() -> None:
    market = Kraken()
    market.take("snapshot", "10 1", "11 1")
    for document in (
        {"channel": "heartbeat"},
        {"channel": "status", "type": "update", "data": [{"system": "online"}]},
        {"method": "pong", "req_id": 101},
        {"method": "subscribe", "success": False, "error": "Already subscribed"},
        {"method": "unsubscribe", "success": True,
         "result": {"channel": "trade", "symbol": SYMBOL}},
    ):  # fmt: skip
        assert market.raw(json.dumps(document)) == {}
    ended = {"method": "unsubscribe", "success": True,
             "result": {"channel": "book", "symbol": SYMBOL, "depth": 10}}  # fmt: skip
    assert market.raw(json.dumps(ended)) == {0: "unsubscribed"}


def test_trades_of_kraken() -> None:
    """Several in one message; those of a snapshot are history."""
    market = Kraken()
    trades = [
        {"symbol": SYMBOL, "side": "buy", "price": 84000.1, "qty": 0.01, "trade_id": 1,
         "ord_type": "limit", "timestamp": "2026-10-01T00:00:00.1Z"},
        {"symbol": "ETH/USD", "side": "buy", "price": 4000.1, "qty": 2, "trade_id": 1,
         "ord_type": "limit", "timestamp": "2026-10-01T00:00:00.2Z"},
        {"symbol": SYMBOL, "side": "sell", "price": 84000.0, "qty": 0.5, "trade_id": 2,
         "ord_type": "market", "timestamp": "2026-10-01T00:00:00.3Z"},
    ]  # fmt: skip
    frame = {"channel": "trade", "type": "update", "data": trades}
    (message,) = market.reading.read(0, json.dumps(frame).encode())
    at = 1_790_812_800_000 * NS_PER_MS
    assert message.trades == [
        Trade(0, "buy", D("84000.1"), D("0.01"), at + 100 * NS_PER_MS, "1"),
        Trade(0, "sell", D("84000.0"), D("0.5"), at + 300 * NS_PER_MS, "2"),
    ]
    (message,) = market.reading.read(0, json.dumps({**frame, "type": "snapshot"}).encode())
    assert message.trades is None


# Both.


@pytest.mark.parametrize("venue", ["binance", "kraken"])
def test_there_is_no_contract_and_so_no_complement(venue: str) -> None:
    """Rules that turn a book round watch nothing of a spot venue."""
    books = SpotBooks(venue, ["A", "B"])
    assert books.book("A").payout is None
    leg, other = f"{venue} A yes", f"{venue} B no"
    params = {"a": leg, "b": other, "legs": f"{leg};{other}", "open": "1"}
    watched = {}
    for kind in ("box", "basket", "ladder", "complement", "spread"):
        found = rule_class(kind)
        assert found is not None
        watched[kind] = len(list(found(0, params).subjects(books.model)))
    assert watched == {"box": 0, "basket": 0, "ladder": 0, "complement": 0, "spread": 2}
