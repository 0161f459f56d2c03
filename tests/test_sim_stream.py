"""The in-process stream, held against a naive receiver that knows only the protocol.

``Receiver`` keeps books in plain dictionaries of the strings it was sent and hashes them by
itself: it shares no code with the simulator, and is what a faultless client would be.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from bookfeed.sim.polymarket.stream import START_NS, Item, Stream
from bookfeed.sim.polymarket.venue import VenueConfig


class Receiver:
    """Books as strings, replaced and changed as the messages say."""

    def __init__(self, tick_sizes: dict[str, str]) -> None:
        self.books: dict[str, dict[str, dict[str, str]]] = {}
        self.last_trade_prices: dict[str, list[str]] = {}
        self.tick_sizes = {market: [tick] for market, tick in tick_sizes.items()}
        self.kinds: Counter[str] = Counter()

    def take(self, payload: bytes) -> list[dict[str, Any]]:
        """Applies one frame; returns its messages."""
        if payload in (b"", b"PONG"):
            return []
        message = json.loads(payload)
        messages = message if isinstance(message, list) else [message]
        for one in messages:
            self.kinds[one["event_type"]] += 1
            getattr(self, f"on_{one['event_type']}", lambda _: None)(one)
        return messages

    def on_book(self, message: dict[str, Any]) -> None:
        self.books[message["asset_id"]] = {
            "BUY": {level["price"]: level["size"] for level in message["bids"]},
            "SELL": {level["price"]: level["size"] for level in message["asks"]},
        }
        if "last_trade_price" in message:
            self._traded_at(message["market"], message["last_trade_price"])

    def on_price_change(self, message: dict[str, Any]) -> None:
        for entry in message["price_changes"]:
            side = self.books[entry["asset_id"]][entry["side"]]
            if entry["size"] == "0":
                side.pop(entry["price"])
            else:
                side[entry["price"]] = entry["size"]

    def on_last_trade_price(self, message: dict[str, Any]) -> None:
        whole, _, part = message["price"].partition(".")
        self._traded_at(message["market"], f"{whole}.{part:0<3}")

    def on_tick_size_change(self, message: dict[str, Any]) -> None:
        self.tick_sizes[message["market"]].append(message["new_tick_size"])

    def _traded_at(self, market: str, price: str) -> None:
        prices = self.last_trade_prices.setdefault(market, [])
        if price not in prices[-1:]:
            prices.append(price)

    def sides(self, asset_id: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Bids and asks, best first."""
        book = self.books[asset_id]
        return tuple(
            sorted(((Decimal(p), Decimal(s)) for p, s in book[side].items()), reverse=side == "BUY")
            for side in ("BUY", "SELL")
        )

    def touch(self, asset_id: str) -> tuple[Decimal, Decimal]:
        """Best bid and ask, an empty side as the venue prints it."""
        bids, asks = self.sides(asset_id)
        return bids[0][0] if bids else Decimal(0), asks[0][0] if asks else Decimal(1)

    def explains(self, market: str, asset_id: str, timestamp: str, hash_value: str) -> bool:
        """Whether the book hashes to that, with what is known of its market by now."""
        return explained(self.text(market, asset_id, timestamp), hash_value, self, market)

    def text(self, market: str, asset_id: str, timestamp: str) -> str:
        """What is hashed, but for the tick size and the last trade price."""
        book = {
            side: [
                {"price": price, "size": size}
                for price, size in sorted(
                    levels.items(), key=lambda level: Decimal(level[0]), reverse=side == "SELL"
                )
            ]
            for side, levels in self.books[asset_id].items()
        }
        body = {
            "market": market,
            "asset_id": asset_id,
            "timestamp": timestamp,
            "hash": "",
            "bids": book["BUY"],
            "asks": book["SELL"],
            "min_order_size": "5",
            "tick_size": "TICK",
            "neg_risk": False,
            "last_trade_price": "LAST",
        }
        return json.dumps(body, separators=(",", ":"))


def explained(text: str, hash_value: str, known: Receiver, market: str) -> bool:
    """Tries the tick sizes and last trade prices known, newest first."""
    for tick in reversed(known.tick_sizes[market]):
        for price in reversed(known.last_trade_prices[market]):
            whole = text.replace("TICK", tick).replace("LAST", price)
            if hashlib.sha1(whole.encode()).hexdigest() == hash_value:
                return True
    return False


def receiver_for(stream: Stream) -> Receiver:
    return Receiver({m.spec.condition_id: m.tick_text for m in stream.venue.markets})


def assert_truth(stream: Stream, receiver: Receiver, asset_ids: list[str]) -> None:
    for asset_id in asset_ids:
        assert stream.truth(asset_id).decimals() == receiver.sides(asset_id)


SHAPES = [
    VenueConfig(markets=2),
    VenueConfig(markets=3, tick_size="0.001", levels_max=40, one_sided=1),
    VenueConfig(markets=2, unmirrored=2, dislocation_every_s=0.3),
    VenueConfig(markets=2, tick_change_every=60),
    VenueConfig(markets=4, tick_size="0.0025", resolve_every=300),
]


def shaped(shape: int, seed: int) -> VenueConfig:
    return replace(SHAPES[shape], seed=seed)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize("seed", range(8))
def test_truth_is_what_a_naive_receiver_has(shape: int, seed: int) -> None:
    stream = Stream(shaped(shape, seed), conns=2)
    receiver = receiver_for(stream)
    for item in stream.items(500):
        receiver.take(item.payload)
        if item.message and item.message.mask:
            market = stream.venue.markets[item.message.market]
            assert_truth(stream, receiver, list(market.spec.asset_ids))
    assert_truth(stream, receiver, list(receiver.books))
    assert receiver.kinds["price_change"] > 200


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_every_hash_and_touch_belongs_to_the_book(shape: int) -> None:
    """Outside batches each frame's claims hold for the book it leaves behind."""
    stream = Stream(shaped(shape, 11))
    receiver = receiver_for(stream)
    unexplained: list[tuple[str, str, str]] = []
    checked = 0
    for item in stream.items(1200):
        for message in receiver.take(item.payload):
            entries = message.get("price_changes") or ([message] if "hash" in message else [])
            last = {entry["asset_id"]: entry for entry in entries}
            if item.message and item.message.torn:
                continue
            market = message["market"]
            for asset_id, entry in last.items():
                checked += 1
                if "best_bid" in entry:
                    touch = (Decimal(entry["best_bid"]), Decimal(entry["best_ask"]))
                    assert touch == receiver.touch(asset_id)
                if not receiver.explains(market, asset_id, message["timestamp"], entry["hash"]):
                    text = receiver.text(market, asset_id, message["timestamp"])
                    unexplained.append((market, text, entry["hash"]))
    # A last trade price or a tick size may be told after the first hash that contains it.
    assert len(unexplained) < checked * 0.1
    late = [one for one in unexplained if not explained(one[1], one[2], receiver, one[0])]
    assert len(late) <= checked * 0.02  # the prints still on their way at the end
    assert checked > 900
    assert all(text.count("TICK") == 1 for _, text, _ in unexplained)


def test_late_prints_explain_the_hashes_before_them() -> None:
    """A hash may use a last trade price whose print comes up to 90 ms later, never more."""
    stream = Stream(VenueConfig(markets=1, seed=3, levels_max=20), rate=500)
    receiver = receiver_for(stream)
    market = stream.venue.markets[0].spec.condition_id
    waiting: list[tuple[int, str, str]] = []
    late = 0
    for item in stream.items(4000):
        for message in receiver.take(item.payload):
            if message["event_type"] == "last_trade_price":
                late += bool(waiting)
                waiting = [
                    one for one in waiting if not explained(one[1], one[2], receiver, market)
                ]
            if message["event_type"] == "price_change" and item.message and not item.message.torn:
                entry = message["price_changes"][0]
                asset_id, stamp = entry["asset_id"], message["timestamp"]
                newest = receiver.last_trade_prices[market]
                receiver.last_trade_prices[market] = newest[-3:]
                if not receiver.explains(market, asset_id, stamp, entry["hash"]):
                    text = receiver.text(market, asset_id, stamp)
                    waiting.append((item.ts_ns, text, entry["hash"]))
            assert all(item.ts_ns - since < 110_000_000 for since, _, _ in waiting)
    assert late > 5


def test_batches_share_time_hash_and_touch_and_disagree_until_complete() -> None:
    stream = Stream(VenueConfig(markets=1, seed=5))
    receiver = receiver_for(stream)
    batch: list[tuple[Item, dict[str, Any]]] = []
    sizes: Counter[int] = Counter()
    disagreed = 0
    for item in stream.items(8000):
        messages = receiver.take(item.payload)
        if not item.message or item.message.kind != "price_change":
            continue
        torn = item.message.torn
        asset_ids = stream.venue.markets[0].spec.asset_ids
        assert [stream.truth.torn(asset_id) for asset_id in asset_ids] == [torn, torn]
        if not torn and not batch:
            continue
        batch.append((item, messages[0]))
        entry = messages[0]["price_changes"][0]
        claim = (Decimal(entry["best_bid"]), Decimal(entry["best_ask"]))
        disagreed += torn and claim != receiver.touch(entry["asset_id"])
        if not torn:
            assert len({message["timestamp"] for _, message in batch}) == 1
            hashes = {e["asset_id"]: e["hash"] for _, m in batch for e in m["price_changes"]}
            for _, message in batch:
                for e in message["price_changes"]:
                    assert e["hash"] == hashes[e["asset_id"]]
            sizes[len(batch)] += 1
            batch = []
    assert set(sizes) == {2, 3, 4}
    assert disagreed > 20


def test_trades_bring_one_print_and_a_book_for_both_outcomes() -> None:
    stream = Stream(VenueConfig(markets=3, seed=2))
    receiver = receiver_for(stream)
    apart = set()
    previous: Item | None = None
    for item in stream.items(6000):
        receiver.take(item.payload)
        message, before = item.message, previous and previous.message
        if message and before and message.kind == before.kind == "book":
            assert {message.mask, before.mask} == {1, 2}
            apart.add(message.ts_ms - before.ts_ms)
        previous = item
    trades = receiver.kinds["last_trade_price"]
    assert trades > 60
    # Six books came in the initial array; late prints may still be on their way.
    assert 0 <= receiver.kinds["book"] - 6 - 2 * trades <= 6
    assert 0 in apart and max(apart) in range(3, 8)


def test_looks_like_the_recordings() -> None:
    """Level counts, share of message kinds, entry order and frame sizes."""
    stream = Stream(VenueConfig(markets=12, seed=4))
    receiver = receiver_for(stream)
    market_ids = {m.spec.condition_id: m.spec.asset_ids for m in stream.venue.markets}
    first_entry: Counter[bool] = Counter()
    sizes = []
    for item in stream.items(6000):
        for message in receiver.take(item.payload):
            if message["event_type"] == "price_change":
                assert len(message["price_changes"]) == 2
                one, two = message["price_changes"]
                assert Decimal(one["price"]) + Decimal(two["price"]) == 1
                assert {one["side"], two["side"]} == {"BUY", "SELL"}
                assert one["size"] == two["size"]
                ids = market_ids[message["market"]]
                first_entry[one["asset_id"] == ids[0]] += 1
                sizes.append(len(item.payload))
    assert min(first_entry.values()) > 1000
    assert 600 < sum(sizes) / len(sizes) < 720
    depths = [len(side) for asset in receiver.books for side in receiver.sides(asset)]
    assert min(depths) >= 5
    assert max(depths) <= 110
    assert 15 < sum(depths) / len(depths) < 60
    total = sum(receiver.kinds.values())
    assert receiver.kinds["price_change"] / total > 0.8
    assert 0 < receiver.kinds["best_bid_ask"] / total < 0.15


def test_unmirrored_markets_really_tear_apart_for_a_while() -> None:
    config = VenueConfig(markets=1, unmirrored=1, seed=1, dislocation_every_s=1.0)
    stream = Stream(config, rate=100)
    yes, no = stream.venue.markets[0].spec.asset_ids
    since: dict[str, int] = {}
    lasted: dict[str, list[float]] = {"asks": [], "bids": []}
    for item in stream.items(4000):
        if stream.truth.torn(yes) or stream.truth.torn(no):
            continue
        one, two = stream.truth(yes), stream.truth(no)
        open_now = {
            "asks": one.asks[0][0] + two.asks[0][0] < 10**9,
            "bids": one.bids[0][0] + two.bids[0][0] > 10**9,
        }
        for name, is_open in open_now.items():
            if is_open:
                since.setdefault(name, item.ts_ns)
            elif name in since:
                lasted[name].append((item.ts_ns - since.pop(name)) / 1e6)
    assert min(len(lasted["asks"]), len(lasted["bids"])) >= 5
    every = sorted(lasted["asks"] + lasted["bids"])
    assert every[-1] < 500
    assert 50 < every[len(every) // 2] < 400


def test_one_sided_books_come_and_go() -> None:
    stream = Stream(VenueConfig(markets=1, one_sided=1, seed=6))
    yes = stream.venue.markets[0].spec.asset_ids[0]
    empty = [len(stream.truth(yes).asks) == 0 for _ in stream.items(3000)]
    assert empty[0]
    assert True in empty and False in empty


def test_ticks_change_both_ways_with_fresh_books_around() -> None:
    stream = Stream(VenueConfig(markets=1, tick_change_every=80, seed=9))
    order: list[str] = []
    seen = set()
    for item in stream.items(3000):
        if item.message and item.message.kind == "tick_size_change":
            data = json.loads(item.payload)
            seen.add((data["old_tick_size"], data["new_tick_size"]))
        order.append(item.message.kind if item.message else "")
        for asset_id in stream.venue.markets[0].spec.asset_ids:
            truth = stream.truth(asset_id)
            assert truth.bids and truth.asks
    assert seen == {("0.01", "0.001"), ("0.001", "0.01")}
    text = " ".join(order)
    assert "book book tick_size_change tick_size_change" in text
    assert "tick_size_change tick_size_change book book" in text


def test_a_resolved_market_is_silent() -> None:
    stream = Stream(VenueConfig(markets=1, resolve_every=50, seed=1))
    kinds = [item.message.kind for item in stream.items(2000) if item.message]
    end = kinds.index("market_resolved")
    assert set(kinds[end + 1 :]) <= {"last_trade_price"}


def test_truth_remembers_versions() -> None:
    stream = Stream(VenueConfig(markets=1, seed=8))
    asset_id = stream.venue.markets[0].spec.asset_ids[0]
    versions = {}
    for _ in stream.items(400):
        truth = stream.truth(asset_id)
        assert truth.version == stream.truth.version(asset_id)
        versions[truth.version] = truth
    whole = {number: truth for number, truth in versions.items() if not truth.torn}
    for number, truth in whole.items():
        found = stream.truth.version_of(asset_id, truth.bids, truth.asks)
        assert found is not None and found >= number
        assert (whole[found].bids, whole[found].asks) == (truth.bids, truth.asks)
    newest = stream.truth(asset_id)
    assert stream.truth.matches(asset_id, newest.bids[::-1], newest.asks)
    other = [(newest.bids[0][0], newest.bids[0][1] + 1), *newest.bids[1:]]
    assert not stream.truth.matches(asset_id, other, newest.asks)
    assert stream.truth.version_of(asset_id, other, newest.asks) is None
    assert stream.truth.version_of(asset_id, newest.bids[1:], newest.asks) is None


def test_times_never_decrease_and_prints_stay_in_order() -> None:
    stream = Stream(VenueConfig(markets=2, seed=1), rate=2000)
    last = START_NS
    for item in stream.items(2000):
        assert item.ts_ns >= last
        last = item.ts_ns
        if item.message:
            assert item.message.ts_ms * 1_000_000 <= item.ts_ns + 7_000_000


def test_pongs_keep_coming() -> None:
    stream = Stream(VenueConfig(markets=1, seed=1), rate=20)
    pongs = [item.ts_ns for item in stream.items(2000) if item.payload == b"PONG"]
    assert len(pongs) >= 8
    gaps = [(later - sooner) / 1e9 for sooner, later in pairwise(pongs)]
    assert min(gaps) > 9.9 and max(gaps) < 11


DIGEST = """
import hashlib
from bookfeed.sim.polymarket.faults import random_faults
from bookfeed.sim.polymarket.stream import Stream
from bookfeed.sim.polymarket.venue import VenueConfig
config = VenueConfig(markets=3, seed=77, unmirrored=1, tick_change_every=200)
stream = Stream(config, faults=random_faults(77, count=6, frames=900), conns=2)
digest = hashlib.sha256()
for item in stream.items(1500):
    digest.update(repr((item.kind, item.ts_ns, item.conn, item.payload)).encode())
print(digest.hexdigest())
"""


def test_same_seed_same_bytes_in_every_process() -> None:
    digests = set()
    for hash_seed in ("0", "4711"):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_other_seeds_other_bytes() -> None:
    def first(seed: int) -> bytes:
        stream = Stream(VenueConfig(markets=1, seed=seed))
        return next(item.payload for item in stream.items(10) if item.kind == "frame")

    assert first(1) == first(1) != first(2)


def test_hashes_can_be_random() -> None:
    stream = Stream(VenueConfig(markets=1, valid_hashes=False))
    receiver = receiver_for(stream)
    market = stream.venue.markets[0]
    for item in stream.items(50):
        receiver.take(item.payload)
    asset = market.assets[0]
    assert len(asset.hash) == 40
    assert not receiver.explains(
        market.spec.condition_id, asset.asset_id, str(asset.ts_ms), asset.hash
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"markets": 0},
        {"unmirrored": 5},
        {"one_sided": 5},
        {"levels_min": 2},
        {"tick_size": "0.02"},
        {"dislocation_every_s": 0.0},
    ],
)
def test_impossible_venues_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VenueConfig(**wrong)
