"""The simulator's printing: hashes of the documents and of real books, and exact message texts."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookfeed.sim.polymarket import wire
from bookfeed.sim.polymarket.ladder import PIPS, PRICE_TEXT, Ladder, size_text
from bookfeed.sim.polymarket.wire import Asset, Change, Terms, book_hash

CAPTURES = Path(__file__).parent.parent.parent / "shared" / "captures" / "polymarket"

TEN_FIELDS = (
    '{"market":"0xaabbcc","asset_id":"100","timestamp":"123456789","hash":"",'
    '"bids":[{"price":"0.3","size":"100"},{"price":"0.4","size":"100"}],'
    '"asks":[{"price":"0.7","size":"25.5"},{"price":"0.6","size":"100"}],'
    '"min_order_size":"5","tick_size":"0.01","neg_risk":false,"last_trade_price":"0.5"}'
)


def sample_asset(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], terms: Terms, asset_id: str = "100"
) -> Asset:
    """An asset whose levels are given in pips and 1e-6 share, in its own terms."""
    own, other = Ladder(), Ladder()
    for price, size in bids:
        own.put(price, size)
    for price, size in asks:
        other.put(PIPS - price, size)
    asset = Asset("0xaabbcc", asset_id, 0, own, other)
    asset.set_terms(terms)
    return asset


BIDS = [(4000, 100_000_000), (3000, 100_000_000)]
ASKS = [(6000, 100_000_000), (7000, 25_500_000)]


class TestHash:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (TEN_FIELDS, "821e1bc2d573a03b04b66faabc1684363009a739"),
            (
                TEN_FIELDS.replace('price":"0.5"}', 'price":""}'),
                "9d205fe41a51d0e566b8149ac641e6a867f3d41b",
            ),
            (
                TEN_FIELDS.replace(',"last_trade_price":"0.5"', ""),
                "75c51e856d45fce5ea1fb5c0850556a0e23b64cb",
            ),
            (
                TEN_FIELDS[: TEN_FIELDS.index(',"min_order_size"')] + "}",
                "a0b0f222ae37b5c7479b095a27f7eb8a9e6af25a",
            ),
        ],
    )
    def test_documented_texts(self, text: str, expected: str) -> None:
        assert book_hash(text) == expected
        assert book_hash(text.encode()) == expected

    def test_asset_prints_the_documented_text(self) -> None:
        asset = sample_asset(BIDS, ASKS, Terms("5", 100, False, "0.5"))
        assert asset.rest_text(123456789) == TEN_FIELDS
        assert asset.stamp(123456789) == "821e1bc2d573a03b04b66faabc1684363009a739"

    def test_official_vectors(self) -> None:
        # The first official vector lists its asks best first; the venue itself never does.
        asks = '"asks":[{"price":"0.6","size":"100"},{"price":"0.7","size":"100"}]'
        text = TEN_FIELDS.replace('"5"', '"100"')
        text = text[: text.index('"asks"')] + asks + text[text.index(',"min_order_size"') :]
        assert book_hash(text) == "0458ea5755c9f73d64a14636fa5c36ed460ec394"
        empty = Asset("0xaabbcc", "100", 0, Ladder(), Ladder())
        empty.set_terms(Terms("100", 100, False, "0.5"))
        text = empty.rest_text(0).replace('"timestamp":"0"', '"timestamp":""')
        assert book_hash(text) == "74c6a7c81c1d572f1c877b7d3e25b80c336d8a6e"

    def test_given_hash_is_kept(self) -> None:
        asset = sample_asset(BIDS, ASKS, Terms("5", 100, False))
        assert asset.stamp(7, "ab" * 20) == "ab" * 20
        assert (asset.ts_ms, asset.hash) == (7, "ab" * 20)


def captured(name: str) -> Iterator[dict[str, Any]]:
    path = CAPTURES / name
    if not path.exists():
        pytest.skip(f"recorded venue data is not here: {path}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            frame = json.loads(line).get("frame")
            if frame:
                yield json.loads(frame)


def pips(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * PIPS + int(f"{part:0<4}")


def micros(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(f"{part:0<6}")


def levels_of(entries: list[dict[str, str]]) -> list[tuple[int, int]]:
    return [(pips(level["price"]), micros(level["size"])) for level in entries]


class TestRecordedBooks:
    @pytest.mark.parametrize(
        "name", ["burst-2026-09.ndjson.gz", "books-and-trades-2026-02.ndjson.gz"]
    )
    def test_hashes_of_recorded_books(self, name: str) -> None:
        """Levels read, printed again and hashed give the hash the venue gave."""
        checked = 0
        for message in captured(name):
            if "bids" not in message or "last_trade_price" not in message:
                continue
            terms = Terms("5", pips(message["tick_size"]), False)
            terms.last_trade_price = wire.last_trade_text(pips(message["last_trade_price"]))
            assert terms.last_trade_price == message["last_trade_price"]
            bids, asks = levels_of(message["bids"]), levels_of(message["asks"])
            asset = sample_asset(bids, asks, terms, message["asset_id"])
            text = asset.rest_text(int(message["timestamp"]))
            text = text.replace("0xaabbcc", message["market"])
            assert book_hash(text) == message["hash"]
            checked += 1
        assert checked == (1 if name.startswith("burst") else 10)

    def test_both_outcomes_hash_with_one_last_trade_price(self) -> None:
        """What the simulator takes for granted: the mirror has the very same last trade price."""
        messages = list(captured("burst-2026-09.ndjson.gz"))
        first, last = messages[0], messages[-1]
        terms = Terms("5", 10, False, "0.301")
        bids, asks = levels_of(last["bids"]), levels_of(last["asks"])
        closing = [m for m in messages[1:-1] if m["timestamp"] == last["timestamp"]]
        assert len(closing) == 3
        for entry in closing[-1]["price_changes"]:
            if entry["asset_id"] == first["asset_id"]:
                asset = sample_asset(bids, asks, terms, entry["asset_id"])
            else:
                mirrored = [
                    [(PIPS - price, size) for price, size in levels] for levels in (asks, bids)
                ]
                asset = sample_asset(mirrored[0], mirrored[1], terms, entry["asset_id"])
            text = asset.rest_text(int(last["timestamp"])).replace("0xaabbcc", last["market"])
            assert book_hash(text) == entry["hash"]

    def test_spacing_and_key_order_are_the_recorded_ones(self) -> None:
        path = CAPTURES / "burst-2026-09.ndjson.gz"
        if not path.exists():
            pytest.skip(f"recorded venue data is not here: {path}")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            frames = [json.loads(line).get("frame") for line in lines]
        book, change = [frame for frame in frames if frame][:2]
        message = json.loads(book)
        terms = Terms("5", 10, False, message["last_trade_price"])
        asset = sample_asset(
            levels_of(message["bids"]), levels_of(message["asks"]), terms, message["asset_id"]
        )
        asset.stamp(int(message["timestamp"]), message["hash"])
        assert wire.initial_book(asset, terms).replace("0xaabbcc", message["market"]) == book
        entry = json.loads(change)["price_changes"][0]
        asset.bids.put(pips(entry["price"]), micros(entry["size"]))
        asset.stamp(int(json.loads(change)["timestamp"]), entry["hash"])
        changes = [Change(asset, True, pips(entry["price"]), micros(entry["size"]))]
        ours = wire.price_change(0, message["market"], asset.ts_ms, changes).text(1).decode()
        start, end = change.index(", {"), change.index("], ")
        assert ours == change[:start] + change[end:]


class TestNumbers:
    def test_prices(self) -> None:
        assert [PRICE_TEXT[p] for p in (0, 1, 25, 100, 4800, 5000, 9999, 10_000)] == [
            "0", "0.0001", "0.0025", "0.01", "0.48", "0.5", "0.9999", "1",
        ]  # fmt: skip

    def test_sizes(self) -> None:
        assert [size_text(s) for s in (1, 10_000, 31_250_001, 5_000_000, 422_690_000)] == [
            "0.000001", "0.01", "31.250001", "5", "422.69",
        ]  # fmt: skip

    def test_last_trade_price_has_three_decimals_or_more(self) -> None:
        assert [wire.last_trade_text(p) for p in (5000, 9200, 30, 2525)] == [
            "0.500", "0.920", "0.003", "0.2525",
        ]  # fmt: skip


class TestLadder:
    def test_put_keeps_prices_sizes_and_both_texts_in_step(self) -> None:
        ladder = Ladder()
        ladder.put(4000, 1_000_000)
        ladder.put(3000, 2_000_000)
        ladder.put(4000, 1_500_000)
        assert ladder.levels() == {3000: 2_000_000, 4000: 1_500_000}
        assert ladder.best == 4000
        assert ladder.bid_text == '{"price":"0.3","size":"2"},{"price":"0.4","size":"1.5"}'
        assert ladder.ask_text == '{"price":"0.7","size":"2"},{"price":"0.6","size":"1.5"}'
        ladder.put(4000, 0)
        ladder.put(4000, 0)
        assert (ladder.best, ladder.bid_text) == (3000, '{"price":"0.3","size":"2"}')
        ladder.put(3000, 0)
        assert (ladder.best, len(ladder), ladder.ask_text) == (0, 0, "")


class TestMessages:
    def setup_method(self) -> None:
        self.terms = Terms("5", 100, False, "0.500")
        self.asset = sample_asset(BIDS, ASKS, self.terms)
        self.asset.stamp(1_781_000_000_456, "ab" * 20)

    def test_price_change(self) -> None:
        message = wire.price_change(
            3, "0xaabbcc", 1_781_000_000_456, [Change(self.asset, False, 7000, 0)]
        )
        assert message.text(1).decode() == (
            '{"market":"0xaabbcc", "price_changes":[{"asset_id":"100", "price":"0.7", "size":"0", '
            f'"side":"SELL", "hash":"{"ab" * 20}", "best_bid":"0.4", "best_ask":"0.6"}}], '
            '"timestamp":"1781000000456", "event_type":"price_change"}'
        )
        assert (message.market, message.mask, message.custom) == (3, 1, False)

    def test_price_change_keeps_only_what_is_wanted(self) -> None:
        mirror = Asset("0xaabbcc", "101", 1, self.asset.asks, self.asset.bids)
        mirror.set_terms(self.terms)
        mirror.stamp(1)
        changes = [
            Change(self.asset, True, 4000, 5_000_000),
            Change(mirror, False, 6000, 5_000_000),
        ]
        message = wire.price_change(0, "0xaabbcc", 1, changes)

        def named(data: bytes) -> list[str]:
            return [entry["asset_id"] for entry in json.loads(data)["price_changes"]]

        assert named(message.text(3)) == ["100", "101"]
        assert named(message.text(3, reverse=True)) == ["101", "100"]
        assert named(message.text(2)) == ["101"]

    def test_empty_sides_print_as_zero_and_one(self) -> None:
        empty = Asset("0xaabbcc", "100", 0, Ladder(), Ladder())
        data = json.loads(wire.best_bid_ask(0, empty, 5).text(1))
        assert (data["best_bid"], data["best_ask"], data["spread"]) == ("0", "1", "1")

    def test_book_after_a_trade_lacks_tick_size_and_last_trade_price(self) -> None:
        message = wire.trade_book(0, self.asset)
        assert list(json.loads(message.text(1))) == [
            "market", "asset_id", "bids", "asks", "hash", "timestamp", "event_type",
        ]  # fmt: skip

    def test_every_other_kind_is_json_of_strings(self) -> None:
        other = Asset("0xaabbcc", "101", 1, Ladder(), Ladder())
        messages = [
            wire.last_trade_price(0, self.asset, 5, price=3700, size=31_250_001, side="BUY", tx=7),
            wire.best_bid_ask(0, self.asset, 5),
            wire.tick_size_change(0, self.asset, 5, old=100, new=10),
            wire.market_resolved(0, (self.asset, other), ("Yes", "No"), 5, 1),
            wire.new_market(9, "0xdd", ("1", "2"), "Will it?", 5),
        ]
        for message in messages:
            data = json.loads(message.text(3))
            assert data["event_type"] == message.kind
            assert data["timestamp"] == "5"
        assert json.loads(messages[0].text(1))["size"] == "31.250001"
        assert json.loads(messages[2].text(1))["new_tick_size"] == "0.001"
        assert json.loads(messages[3].text(1))["winning_asset_id"] == "101"
        assert [message.custom for message in messages] == [False, True, False, True, True]

    def test_ghost_book_hashes(self) -> None:
        text = wire.ghost_book(self.asset, self.terms, 9)
        book = json.loads(text)
        assert [level["price"] for level in book["bids"] + book["asks"]] == ["0.01", "0.99"]
        plain = text.replace(book["hash"], "")
        assert hashlib.sha1(plain.encode()).hexdigest() == book["hash"]
