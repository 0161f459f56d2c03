"""The simulated Kalshi in process, held against a naive reader of its protocol."""

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import pytest
from kalshi_reader import KalshiReader
from lengths import seeds

from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.faults import (
    KALSHI_VARIANTS,
    UNDETECTABLE,
    KalshiFault,
    KalshiFaultKind,
    random_kalshi_faults,
)
from bookfeed.sim.kalshi.grid import grid_of
from bookfeed.sim.kalshi.stream import HEARTBEAT, START_NS, KalshiItem, KalshiStream
from bookfeed.sim.kalshi.wire import CHANNELS

BUSY = KalshiVenueConfig(
    seed=3, window_s=20, elapsed_s=14, gap_s=1, windows=4, long_s=45, pause_every=300,
    fee_change_every=300, structure_change_every=300, early_close_every=4_000,
)  # fmt: skip
CALM = KalshiVenueConfig(seed=5, quarters=1, indices=())


def run(config: KalshiVenueConfig, count: int, **extra: Any) -> tuple[KalshiStream, list[bytes]]:
    stream = KalshiStream(config, **extra)
    return stream, [item.payload for item in stream.items(count) if item.kind == "frame"]


def decoded(frames: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in frames]


def assert_truth(stream: KalshiStream, reader: KalshiReader, tickers: list[str]) -> None:
    for ticker in tickers:
        assert stream.truth(ticker).decimals() == reader.sides(ticker), ticker


class TestTruth:
    @pytest.mark.parametrize("use_yes_price", [False, True])
    def test_it_is_what_a_reader_has_after_every_frame(self, use_yes_price: bool) -> None:
        stream = KalshiStream(BUSY, conns=2, use_yes_price=use_yes_price)
        readers = [KalshiReader(use_yes_price=use_yes_price) for _ in range(2)]
        for item in stream.items(6_000):
            if item.kind == "frame":
                reader = readers[item.conn]
                reader.take(item.payload)
                assert_truth(stream, reader, [t for t in item.tickers if t in reader.books])
        for reader in readers:
            assert_truth(stream, reader, list(reader.books))
            assert reader.gaps == [] and reader.negative == []
            assert reader.kinds["orderbook_delta"] > 1_000

    def test_the_mode_is_the_servers_default_if_the_client_says_nothing(self) -> None:
        for default in (False, True):
            config = KalshiVenueConfig(seed=5, use_yes_price_default=default)
            stream = KalshiStream(config, use_yes_price=None)
            reader = KalshiReader(use_yes_price=default)
            for item in stream.items(300):
                if item.kind == "frame":
                    reader.take(item.payload)
            assert_truth(stream, reader, list(reader.books))

    def test_no_book_is_crossed_outside_a_batch_and_some_are_inside(self) -> None:
        stream = KalshiStream(KalshiVenueConfig(seed=8, indices=()))
        crossed_inside = 0
        for item in stream.items(12_000):
            for ticker in item.tickers:
                book = stream.truth(ticker)
                crossed = bool(book.bids and book.asks and book.bids[0] >= book.asks[0])
                if crossed:
                    assert book.torn
                    crossed_inside += 1
        assert crossed_inside

    def test_a_side_can_be_empty_while_a_market_trades(self) -> None:
        stream = KalshiStream(KalshiVenueConfig(seed=8, quarters=1, indices=()), rate=500)
        empty = 0
        for item in stream.items(8_000):
            for ticker in item.tickers if stream.venue.active else ():
                book = stream.truth(ticker)
                trading = stream.venue.by_ticker[ticker].trading
                empty += trading and bool(book.bids) != bool(book.asks)
        assert empty

    def test_changes_of_one_trade_share_their_time_and_come_before_it_nearly_always(self) -> None:
        _, frames = run(KalshiVenueConfig(seed=4, indices=()), 20_000)
        after = before = several = 0
        moments = groupby(decoded(frames), lambda frame: frame["msg"].get("ts_ms"))
        for ts_ms, group in moments:
            events = list(group)
            kinds = [event["type"] for event in events]
            if ts_ms is None or "trade" not in kinds:
                continue
            several += kinds.count("trade") > 1
            if kinds[0] == "trade":
                before += 1
            else:
                after += 1
            taken = sum(
                Decimal(event["msg"]["count_fp"]) for event in events if event["type"] == "trade"
            )
            gone = sum(
                -Decimal(event["msg"]["delta_fp"])
                for event in events
                if event["type"] == "orderbook_delta" and event["msg"]["delta_fp"][0] == "-"
            )
            assert gone >= taken
        assert several > 20
        assert 0.93 < after / (after + before) < 0.99


class TestLife:
    @pytest.mark.slow
    def test_opening_says_nothing_and_closing_shows_in_the_book_only(self) -> None:
        channels = ("orderbook_delta", "market_lifecycle_v2")
        stream = KalshiStream(BUSY, channels=channels, rate=8)
        opening = {m.spec.ticker: m.spec.open_ms for m in stream.venue.markets
                   if m.status == "initialized"}  # fmt: skip
        assert opening
        lives: dict[str, list[str]] = defaultdict(list)
        books: dict[str, int] = {}
        for item in stream.items(1_200):
            if item.kind != "frame":
                continue
            frame = json.loads(item.payload)
            if frame["type"] == "market_lifecycle_v2":
                lives[frame["msg"]["market_ticker"]].append(frame["msg"]["event_type"])
            elif frame["type"] == "orderbook_delta":
                ticker = frame["msg"]["market_ticker"]
                books.setdefault(ticker, frame["msg"]["ts_ms"])
        for ticker, open_ms in opening.items():
            assert "activated" not in lives[ticker] or "deactivated" in lives[ticker]
            assert books[ticker] >= open_ms
            events = lives[ticker]
            assert events.index("determined") < events.index("settled")
            closed = stream.truth(ticker)
            assert (closed.bids, closed.asks) == ([], [])
        seen = {event for events in lives.values() for event in events}
        assert seen >= {
            "created", "activated", "deactivated", "determined", "settled", "metadata_updated",
            "price_level_structure_updated",
        }  # fmt: skip

    def test_orders_lie_on_the_grid_of_the_moment(self) -> None:
        stream = KalshiStream(KalshiVenueConfig(seed=9, indices=()))
        for item in stream.items(3_000):
            message = item.message
            if message is not None and item.kind == "frame" and message.kind == "orderbook_delta":
                market = stream.venue.by_ticker[message.ticker]
                price = json.loads(message.body)["price_dollars"]
                assert int(Decimal(price) * 10_000) in grid_of(market.structure)

    @pytest.mark.slow
    def test_markets_listed_later_are_the_clients_to_add(self) -> None:
        stream = KalshiStream(BUSY, rate=8)
        known = set(stream.tickers(0))
        reader = KalshiReader(use_yes_price=True)
        added: set[str] = set()
        for item in stream.items(1_200):
            if item.kind == "frame":
                reader.take(item.payload)
            if fresh := set(stream.tickers(0)) - known:
                known |= fresh
                added |= fresh
                assert stream.add_markets(0, sorted(fresh))
        assert added and added <= reader.books.keys()
        assert reader.gaps == []
        assert_truth(stream, reader, list(reader.books))


class TestClient:
    def test_a_snapshot_on_request_carries_the_id_and_a_number(self) -> None:
        stream = KalshiStream(CALM)
        list(stream.items(200))
        tickers = stream.tickers(0)[:3]
        asked = stream.get_snapshot(0, tickers)
        frames = decoded([i.payload for i in stream.items(40) if i.kind == "frame"])
        answers = [frame for frame in frames if frame.get("id") == asked]
        assert [frame["msg"]["market_ticker"] for frame in answers] == tickers
        assert all(frame["type"] == "orderbook_snapshot" for frame in answers)
        numbers = [frame["seq"] for frame in frames if frame["sid"] == answers[0]["sid"]]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    def test_reconnecting_starts_new_numbers_and_fresh_books(self) -> None:
        stream = KalshiStream(CALM)
        list(stream.items(200))
        stream.reconnect(0)
        reader = KalshiReader(use_yes_price=True)
        kinds = []
        for item in stream.items(2_000):
            kinds.append(item.kind)
            if item.kind == "frame" and "connected" in kinds:
                reader.take(item.payload)
        assert kinds.index("disconnected") < kinds.index("connected")
        assert "lost" in kinds[kinds.index("disconnected") : kinds.index("connected")]
        assert reader.gaps == []
        assert_truth(stream, reader, stream.tickers(0))

    def test_deleted_markets_fall_silent(self) -> None:
        stream = KalshiStream(CALM)
        list(stream.items(100))
        gone = stream.tickers(0)[-1]
        stream.delete_markets(0, [gone])
        frames = decoded([i.payload for i in stream.items(800) if i.kind == "frame"])
        at = next(n for n, frame in enumerate(frames) if frame["type"] == "ok")
        assert gone not in frames[at]["msg"]["market_tickers"]
        books = [f for f in frames[at:] if f["type"] == "orderbook_delta"]
        assert books and not any(f["msg"]["market_ticker"] == gone for f in books)


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    code = """
import hashlib
from bookfeed.sim.kalshi.faults import random_kalshi_faults
from bookfeed.sim.kalshi.stream import KalshiStream
from bookfeed.sim.kalshi.config import KalshiVenueConfig
config = KalshiVenueConfig(seed=11, window_s=9, elapsed_s=5, pause_every=200)
faults = random_kalshi_faults(11, count=6, frames=1500)
channels = ("orderbook_delta", "trade", "ticker", "market_lifecycle_v2", "cfbenchmarks_value")
stream = KalshiStream(config, faults=faults, conns=2, channels=channels)
digest = hashlib.sha256()
for item in stream.items(3000):
    digest.update(repr(item._replace(message=None)).encode())
digest.update(repr(stream.fault_log).encode())
print(digest.hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())


def test_everything_can_be_subscribed_to_at_once() -> None:
    stream = KalshiStream(BUSY, channels=tuple(sorted(CHANNELS)), rate=100)
    kinds: dict[str, int] = defaultdict(int)
    reader = KalshiReader(use_yes_price=True)
    for item in stream.items(8_000):
        if item.kind == "frame":
            kinds[reader.take(item.payload)["type"]] += 1
        elif item.kind == "ping":
            assert item.payload == HEARTBEAT
    assert reader.gaps == []
    assert kinds["subscribed"] == len(CHANNELS)
    assert set(kinds) >= {
        "ticker", "trade", "market_lifecycle_v2", "event_lifecycle", "event_fee_update",
        "cfbenchmarks_value", "cfbenchmarks_value_5hz",
    }  # fmt: skip


class TestFaults:
    def faulty(
        self, kind: KalshiFaultKind, variant: str = "", *, items: int = 700, **extra: Any
    ) -> tuple[KalshiStream, list[KalshiItem]]:
        fault = KalshiFault(kind, at_frame=150, variant=variant, **extra)
        stream = KalshiStream(CALM, faults=(fault,))
        return stream, list(stream.items(items))

    def seqs(self, items: list[KalshiItem], sid: int) -> list[int]:
        return [i.seq for i in items if i.kind == "frame" and i.sid == sid and i.seq]

    @pytest.mark.parametrize("variant", ["subscription", "market"])
    def test_changes_are_kept_back_and_no_number_is_missing(self, variant: str) -> None:
        stream, items = self.faulty("deltas-stop", variant)
        (event,) = stream.fault_log
        seqs = self.seqs(items, event.sid)
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        kept = [i for i in items if i.kind == "lost"]
        assert {ticker for i in kept for ticker in i.tickers} <= set(event.assets)
        assert len(kept) > 10
        after = [i for i in items[items.index(kept[0]) :] if i.kind == "frame"]
        told = {i.tickers for i in after if b'"type":"orderbook_delta"' in i.payload}
        assert bool(told) == (variant == "market")
        assert all((asset,) not in told for asset in event.assets)

    def test_kept_back_changes_end_with_the_fault_and_with_the_connection(self) -> None:
        stream, items = self.faulty("deltas-stop", duration_s=0.5)
        (event,) = stream.fault_log
        lost = [i.ts_ns for i in items if i.kind == "lost"]
        assert max(lost) <= event.ts_ns + 600_000_000
        seqs = self.seqs(items, event.sid)
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))

    def test_drop_leaves_a_gap_of_one(self) -> None:
        stream, items = self.faulty("drop")
        (event,) = stream.fault_log
        seqs = self.seqs(items, event.sid)
        (gap,) = [b for a, b in pairwise(seqs) if b != a + 1]
        (lost,) = [i for i in items if i.kind == "lost"]
        assert lost.seq == gap - 1 and lost.tickers == event.assets and event.frame >= 150

    def test_drop_of_a_reply(self) -> None:
        fault = KalshiFault("drop", message="ok")
        stream = KalshiStream(CALM, faults=(fault,))
        items = list(stream.items(100))
        stream.delete_markets(0, stream.tickers(0)[:1])
        items += stream.items(100)
        (event,) = stream.fault_log
        seqs = self.seqs(items, event.sid)
        assert len([1 for a, b in pairwise(seqs) if b == a + 2]) == 1

    @pytest.mark.parametrize("variant", KALSHI_VARIANTS["duplicate"])
    def test_duplicate_delivers_the_same_frame_twice(self, variant: str) -> None:
        stream, items = self.faulty("duplicate", variant)
        (event,) = stream.fault_log
        frames = [i.payload for i in items if i.kind == "frame" and i.sid == event.sid]
        (twice,) = {frame for frame in frames if frames.count(frame) == 2}
        first = frames.index(twice)
        assert (frames[first + 1] == twice) == (variant == "at_once")

    def test_swap_turns_two_neighbours_round(self) -> None:
        stream, items = self.faulty("swap")
        (event,) = stream.fault_log
        seqs = self.seqs(items, event.sid)
        wrong = [n for n in range(1, len(seqs)) if seqs[n] != seqs[n - 1] + 1]
        at = wrong[0]
        assert seqs[at - 1 : at + 3] == [seqs[at - 1], seqs[at - 1] + 2, seqs[at - 1] + 1,
                                         seqs[at - 1] + 3]  # fmt: skip

    @pytest.mark.parametrize("variant", KALSHI_VARIANTS["malformed"])
    def test_malformed_frames_cannot_be_read(self, variant: str) -> None:
        stream, items = self.faulty("malformed", variant)
        (event,) = stream.fault_log
        broken = []
        for item in items:
            if item.kind == "frame":
                try:
                    KalshiReader(use_yes_price=True).take(item.payload)
                except (ValueError, ArithmeticError):
                    broken.append(item)
                except KeyError:
                    pass  # a change of a book that this reader never had
        if variant == "bad_number":
            bad = [i for i in items if b'e1"' in i.payload]
            assert len(bad) == 1 and bad[0].tickers == event.assets
        else:
            assert len(broken) == 1
            assert event.assets == (() if variant == "unattributable" else broken[0].tickers)

    @pytest.mark.parametrize("variant", KALSHI_VARIANTS["corrupt"])
    def test_corrupt_changes_one_member_of_one_frame(self, variant: str) -> None:
        stream, items = self.faulty("corrupt", variant)
        (event,) = stream.fault_log
        _, clean = run(CALM, 700)
        ours = [i.payload for i in items if i.kind == "frame"]
        different = [(a, b) for a, b in zip(ours, clean, strict=True) if a != b]
        ((bad, good),) = different
        bad_frame, good_frame = json.loads(bad), json.loads(good)
        assert bad_frame.keys() == good_frame.keys()
        changed = {k for k in good_frame["msg"] if good_frame["msg"][k] != bad_frame["msg"][k]}
        changed |= {k for k in ("seq", "sid") if good_frame[k] != bad_frame[k]}
        expected = {"size": "delta_fp", "price": "price_dollars", "side": "side", "seq": "seq",
                    "ticker": "market_ticker"}  # fmt: skip
        assert changed == {expected[variant]}
        assert event.assets == (good_frame["msg"]["market_ticker"],)
        seqs = [json.loads(payload).get("seq") for payload in ours]
        assert (variant in UNDETECTABLE) == (seqs == [json.loads(p).get("seq") for p in clean]
                                             and variant != "ticker")  # fmt: skip

    def test_a_frozen_connection_says_nothing_at_all_and_thaws_in_time(self) -> None:
        stream = KalshiStream(CALM, faults=(KalshiFault("freeze", at_s=2, duration_s=30),))
        items = list(stream.items(9_000))
        (event,) = stream.fault_log
        heard = [i for i in items if i.kind in ("frame", "ping")]
        silent = [b.ts_ns - a.ts_ns for a, b in pairwise(heard)]
        assert 30e9 <= max(silent) < 30.5e9
        assert event.assets == ()

    @pytest.mark.parametrize("variant", KALSHI_VARIANTS["stamp"])
    def test_wrong_time_stamps(self, variant: str) -> None:
        stream, items = self.faulty("stamp", variant, duration_s=1.0)
        (event,) = stream.fault_log
        _, clean = run(CALM, 700)
        sent = [item for item in items if item.kind == "frame"]
        wrong = 0
        for item, sound in zip(sent, clean, strict=True):
            if item.payload == sound:
                continue
            assert 0 <= item.ts_ns - 8_000_000 - event.ts_ns <= 1_000_000_000
            told, true = json.loads(item.payload), json.loads(sound)
            stamp = told["msg"].pop("ts_ms"), true["msg"].pop("ts_ms")
            told.pop("sending_ts_ms", None), true.pop("sending_ts_ms", None)
            assert told == true and stamp[0] != stamp[1]
            assert isinstance(stamp[0], str if variant == "text" else int)
            wrong += 1
        assert wrong > 30

    @pytest.mark.parametrize("variant", KALSHI_VARIANTS["late"])
    def test_a_connection_falls_behind_in_order_and_catches_up(self, variant: str) -> None:
        _, items = self.faulty("late", variant, duration_s=3.0, items=3_000)
        _, clean = run(CALM, 3_500)
        ours = [item.payload for item in items if item.kind == "frame"]
        assert ours == clean[: len(ours)]
        deltas = [i for i in items if i.kind == "frame" and i.message and i.message.change]
        late = [i.ts_ns / 1e9 - i.message.ts_ms / 1e3 for i in deltas if i.message]
        assert max(late) == pytest.approx(min(3.0, float(variant)), abs=0.1)
        assert late[-1] < 0.1

    def test_a_zombie_still_beats(self) -> None:
        stream = KalshiStream(CALM, faults=(KalshiFault("zombie", at_s=2),))
        items = list(stream.items(9_000))
        after = [i.kind for i in items if i.ts_ns > START_NS + 3_000_000_000]
        assert set(after) == {"ping", "lost"}

    def test_one_subscription_freezes_alone(self) -> None:
        stream, items = self.faulty("freeze", "subscription", items=6_000)
        (event,) = stream.fault_log
        books = stream.sessions[0].subscriptions["orderbook_delta"].sid
        assert event.sid == books and set(event.assets) == set(stream.tickers(0))
        after = [i for i in items if i.kind == "frame" and i.ts_ns > event.ts_ns + 9_000_000]
        assert after and not any(i.sid == books for i in after)

    @pytest.mark.slow
    @pytest.mark.parametrize("variant", KALSHI_VARIANTS["terminal"])
    def test_a_terminal_error_ends_one_subscription(self, variant: str) -> None:
        stream, items = self.faulty("terminal", variant, items=3_000)
        (event,) = stream.fault_log
        frames = [i for i in items if i.kind == "frame"]
        at = next(n for n, i in enumerate(frames) if b'"type":"error"' in i.payload)
        error = json.loads(frames[at].payload)
        assert error["msg"]["code"] == int(variant) and error["sid"] == event.sid
        assert not any(i.sid == event.sid for i in frames[at + 1 :])
        assert any(b'"trade"' in i.payload for i in frames[at + 1 :])
        assert set(event.assets) == set(stream.tickers(0))
        assert stream.get_snapshot(0, stream.tickers(0)) == 0
        stream.subscribe(0)
        reader = KalshiReader(use_yes_price=True)
        again = [json.loads(i.payload) for i in stream.items(500) if i.kind == "frame"]
        subscribed = next(f for f in again if f["type"] == "subscribed")
        assert subscribed["msg"]["sid"] > event.sid
        for frame in again:
            if frame.get("sid") == subscribed["msg"]["sid"]:
                reader.take(json.dumps(frame).encode())
        assert_truth(stream, reader, stream.tickers(0))

    @pytest.mark.parametrize("kind", ["disconnect", "reset"])
    def test_the_connection_ends_and_comes_back(self, kind: KalshiFaultKind) -> None:
        stream, items = self.faulty(kind, items=2_000, duration_s=0.7)
        kinds = [i.kind for i in items]
        gone = kinds.index("disconnected")
        back = kinds.index("connected", gone)
        assert 0.7e9 <= items[back].ts_ns - items[gone].ts_ns < 0.8e9
        assert len(stream.fault_log) == 1

    @pytest.mark.slow
    def test_truth_goes_on_whatever_happens(self) -> None:
        for seed in seeds(2, first=0):
            faults = random_kalshi_faults(seed, count=8, frames=1_500)
            stream = KalshiStream(BUSY, faults=faults, conns=2)
            for item in stream.items(2_500):
                assert item.kind != "frame" or item.payload
            for market in stream.venue.markets:
                truth = stream.truth(market.spec.ticker)
                yes = market.levels().yes
                assert {p // 100_000: s // 1_000_000 for p, s in truth.bids} == yes

    def test_faults_that_cannot_be_are_refused(self) -> None:
        with pytest.raises(ValueError, match="unknown fault"):
            KalshiFault("wrong_hash")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no variant"):
            KalshiFault("freeze", variant="asset")
