"""Kalshi's wire forms against the field tables of its protocol; all values are invented here."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from bookfeed.sim.chance import seeded
from bookfeed.sim.eastern import eastern
from bookfeed.sim.kalshi import wire
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.crowd import Crowd
from bookfeed.sim.kalshi.grid import PIPS, STRUCTURES, grid_of, price_text, size_text
from bookfeed.sim.kalshi.index import Index
from bookfeed.sim.kalshi.stream import KalshiStream
from bookfeed.sim.kalshi.venue import SimKalshi
from bookfeed.sim.kalshi.wire import Change, Identity, Levels, TickerState

MARKET = Identity("KXTEST-26NOV01-T12.50", "0b1f6a3e-74c2-4c0d-9a55-1c2d3e4f5a6b")
T_MS = 1_790_000_123_456


def decoded(message: wire.Message, *, yes: bool = False, seq: int = 7) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        wire.frame(message, 3, seq, use_yes_price=yes, sending_ms=T_MS + 1)
    )
    return body


@pytest.mark.parametrize(
    ("lots", "text"), [(0, "0.00"), (1, "0.01"), (-5, "-0.05"), (1237, "12.37"), (-900, "-9.00")]
)
def test_sizes_have_two_decimals(lots: int, text: str) -> None:
    assert size_text(lots) == text


@pytest.mark.parametrize(("pips", "text"), [(0, "0.0000"), (4510, "0.4510"), (10_000, "1.0000")])
def test_prices_have_four_decimals(pips: int, text: str) -> None:
    assert price_text(pips) == text


class TestGrids:
    @pytest.mark.parametrize("name", STRUCTURES)
    def test_bands_join_and_yes_and_no_share_the_grid(self, name: str) -> None:
        bands = STRUCTURES[name]
        assert bands[0].start == 0 and bands[-1].end == PIPS
        assert all(a.end == b.start for a, b in pairwise(bands))
        grid = grid_of(name)
        assert grid[0] > 0 and grid[-1] < PIPS
        assert sorted(PIPS - price for price in grid) == list(grid)

    def test_sizes_of_the_common_ones(self) -> None:
        assert len(grid_of("linear_cent")) == 99
        assert len(grid_of("tapered_deci_cent")) == 99 + 90 + 90
        assert {0.001, 0.099, 0.1, 0.11, 0.901} <= {p / PIPS for p in grid_of("tapered_deci_cent")}
        assert 0.105 not in {p / PIPS for p in grid_of("tapered_deci_cent")}


class TestFrames:
    def test_a_snapshot_leaves_out_an_empty_side_and_lists_prices_ascending(self) -> None:
        message = wire.snapshot(MARKET, Levels({4400: 1337, 10: 250_000}, {}), T_MS)
        frame = decoded(message)
        assert list(frame) == ["type", "sid", "seq", "msg", "sending_ts_ms"]
        assert frame["type"] == "orderbook_snapshot" and frame["seq"] == 7
        assert frame["msg"] == {
            "market_ticker": MARKET.ticker,
            "market_id": MARKET.market_id,
            "yes_dollars_fp": [["0.0010", "2500.00"], ["0.4400", "13.37"]],
        }
        empty = decoded(wire.snapshot(MARKET, Levels({}, {}), T_MS))
        assert empty["msg"].keys() == {"market_ticker", "market_id"}

    def test_no_levels_follow_the_price_mode(self) -> None:
        message = wire.snapshot(MARKET, Levels({}, {500: 1000, 5500: 25_000}), T_MS)
        assert decoded(message)["msg"]["no_dollars_fp"] == [
            ["0.0500", "10.00"], ["0.5500", "250.00"],
        ]  # fmt: skip
        assert decoded(message, yes=True)["msg"]["no_dollars_fp"] == [
            ["0.4500", "250.00"], ["0.9500", "10.00"],
        ]  # fmt: skip
        delta = wire.delta(MARKET, Change(1, 5500, -25), T_MS)
        assert decoded(delta)["msg"]["price_dollars"] == "0.5500"
        assert decoded(delta, yes=True)["msg"]["price_dollars"] == "0.4500"
        yes = wire.delta(MARKET, Change(0, 5500, -25), T_MS)
        assert decoded(yes) == decoded(yes, yes=True)

    def test_a_delta_is_signed_and_dated_twice(self) -> None:
        frame = decoded(wire.delta(MARKET, Change(0, 4410, -5425), T_MS, own="mine"))
        assert frame["msg"] == {
            "market_ticker": MARKET.ticker,
            "market_id": MARKET.market_id,
            "price_dollars": "0.4410",
            "delta_fp": "-54.25",
            "side": "yes",
            "ts": "2026-09-21T14:15:23.456Z",
            "ts_ms": T_MS,
            "client_order_id": "mine",
        }

    def test_a_ticker_shows_an_empty_side_as_0_or_1(self) -> None:
        message = wire.ticker(MARKET, TickerState(0, 0, PIPS, 0, 0, 0, 301, 99), T_MS)
        body = decoded(message, seq=0)
        assert "seq" not in body
        msg = body["msg"]
        assert (msg["yes_bid_dollars"], msg["yes_ask_dollars"]) == ("0.0000", "1.0000")
        assert (msg["yes_bid_size_fp"], msg["yes_ask_size_fp"]) == ("0.00", "0.00")
        assert (msg["dollar_volume"], msg["dollar_open_interest"]) == (1, 0)
        assert msg.keys() == {
            "market_id", "market_ticker", "price_dollars", "yes_bid_dollars", "yes_ask_dollars",
            "yes_bid_size_fp", "yes_ask_size_fp", "last_trade_size_fp", "volume_fp",
            "open_interest_fp", "dollar_volume", "dollar_open_interest", "ts", "ts_ms", "time",
        }  # fmt: skip
        assert (msg["ts"], msg["time"]) == (1_790_000_123, "2026-09-21T14:15:23.456Z")

    def test_a_trade(self) -> None:
        message = wire.trade(MARKET, "id-1", T_MS, yes_price=4510, lots=894, taker="no")
        assert decoded(message)["msg"] == {
            "trade_id": "id-1",
            "market_ticker": MARKET.ticker,
            "yes_price_dollars": "0.4510",
            "no_price_dollars": "0.5490",
            "count_fp": "8.94",
            "taker_side": "no",
            "taker_outcome_side": "no",
            "taker_book_side": "ask",
            "is_block_trade": False,
            "ts": 1_790_000_123,
            "ts_ms": T_MS,
        }

    def test_replies_and_errors(self) -> None:
        assert json.loads(wire.subscribed(4, "trade", 2, 0)) == {
            "id": 4, "type": "subscribed", "msg": {"channel": "trade", "sid": 2},
        }  # fmt: skip
        assert json.loads(wire.error(0, 26, 0, sid=2, seq=9)) == {
            "type": "error", "sid": 2, "seq": 9,
            "msg": {"code": 26, "msg": "Subscription market limit exceeded"},
        }  # fmt: skip
        assert {6, 16, 17}.isdisjoint(wire.ERRORS), "retired"


class TestLifecycle:
    def test_members_of_each_kind(self) -> None:
        now_ms = T_MS
        venue = SimKalshi(KalshiVenueConfig(seed=2, indices=()), now_ms)
        market, later = venue.markets[0], venue.markets[1]
        msg = json.loads(later.created(now_ms)[0].body)
        assert msg["event_type"] == "created"
        assert msg["price_ranges"][0] == {"start": "0.0000", "end": "0.1000", "step": "0.0010"}
        assert msg.keys() == {
            "event_type", "market_ticker", "exchange_index", "open_ts", "close_ts",
            "price_level_structure", "price_ranges", "additional_metadata",
        }  # fmt: skip
        assert msg["additional_metadata"].keys() >= {
            "name", "title", "yes_sub_title", "no_sub_title", "rules_primary",
            "rules_secondary", "can_close_early", "event_ticker", "expected_expiration_ts",
        }  # fmt: skip
        assert "floor_strike" not in msg["additional_metadata"], "unknown until the window opens"
        strike = json.loads(later.publish_strike(now_ms)[0].body)
        assert isinstance(strike["floor_strike"], float)
        assert strike["yes_sub_title"].startswith("Target Price: $")
        moved = json.loads(market.move_close(now_ms)[0].body)
        assert moved["close_ts"] == now_ms // 1000
        decided = json.loads(market.determine(now_ms)[0].body)
        value = "1.0000" if decided["result"] == "yes" else "0.0000"
        assert (decided["settlement_value"], decided["determination_ts"]) == (value, T_MS // 1000)
        assert json.loads(market.settle(now_ms)[0].body)["settled_ts"] == T_MS // 1000

    def test_fees_change_and_change_back(self) -> None:
        venue = SimKalshi(KalshiVenueConfig(seed=2, indices=()), T_MS)
        event = venue.events[venue.markets[0].spec.event_ticker]
        (message,) = venue.set_fee(event.ticker, 0.5, T_MS)
        assert message.kind == "event_fee_update" and message.ticker == ""
        assert json.loads(message.body)["fee_multiplier_override"] == 0.5
        assert event.fee_multiplier == 0.5
        (message,) = venue.set_fee(event.ticker, None, T_MS)
        assert json.loads(message.body)["fee_type_override"] is None
        assert event.fee_multiplier == event.series.fee_multiplier


class TestIndex:
    def test_averages_by_their_definitions(self) -> None:
        index = Index("BRTI", Random(4))
        values: dict[int, Decimal] = {}
        start_ms = 1_790_000_100_000 // 900_000 * 900_000
        seen = {"trailing": 0, "settling": 0}
        for ms in range(start_ms + 750_000, start_ms + 960_000, 200):
            for message in index.tick(ms):
                body = json.loads(message.body)
                raw = json.loads(body["data"])
                assert raw["time"] == ms and raw["id"] == "BRTI" and raw["type"] == "value"
                if message.kind == "cfbenchmarks_value_5hz":
                    assert Decimal(body["value_usd"]) == Decimal(raw["value"])
                    assert body["source_ts_ms"] == ms
                    continue
                values[ms] = Decimal(raw["value"])
                self._check(body, ms, values, seen)
        assert seen == {"trailing": 210, "settling": 60}

    def _check(
        self, body: dict[str, Any], ms: int, values: dict[int, Decimal], seen: dict[str, int]
    ) -> None:
        past = [v for ts, v in values.items() if ms - 60_000 <= ts < ms] or [values[ms]]
        average = body["avg_60s_data"]
        assert abs(Decimal(average["value"]) - sum(past, Decimal()) / len(past)) < Decimal("1e-8")
        assert average["window_size"] == len(past)
        assert re.fullmatch(r"\d+\.\d{8}", average["value"])
        seen["trailing"] += 1
        settling = body.get("last_60s_windowed_average_15min")
        close_ms = -(-ms // 900_000) * 900_000
        assert (settling is not None) == (close_ms - 60_000 < ms <= close_ms)
        if settling:
            window = [v for ts, v in values.items() if close_ms - 60_000 < ts <= ms]
            assert settling["window_size"] == len(window) <= 60
            assert abs(Decimal(settling["value"]) - sum(window, Decimal()) / len(window)) < Decimal(
                "1e-8"
            )
            seen["settling"] += 1


@pytest.mark.parametrize(
    ("utc", "hour"),
    [
        (datetime(2026, 6, 25, 4, 30, tzinfo=UTC), 0),
        (datetime(2026, 3, 8, 6, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 8, 7, 0, tzinfo=UTC), 3),
        (datetime(2026, 11, 1, 5, 59, tzinfo=UTC), 1),
        (datetime(2026, 11, 1, 6, 0, tzinfo=UTC), 1),
        (datetime(2026, 12, 25, 12, 0, tzinfo=UTC), 7),
    ],
)
def test_tickers_are_dated_in_new_york(utc: datetime, hour: int) -> None:
    assert eastern(int(utc.timestamp()) * 1000).hour == hour


def test_listings_have_the_three_shapes_and_consistent_results() -> None:
    venue = SimKalshi(KalshiVenueConfig(seed=6, baskets=2, ladders=2, windows=3), T_MS)
    tickers = [market.spec.ticker for market in venue.markets]
    assert len(tickers) == len(set(tickers))
    baskets = [event for event in venue.events.values() if event.mutually_exclusive]
    for event in baskets:
        assert [spec.result for spec in event.markets].count("yes") == 1
        assert 9_500 <= sum(spec.fair for spec in event.markets) <= 10_500
    ladders = [e for e in venue.events.values() if e.markets[0].strike_type == "greater"]
    assert len(baskets) == len(ladders) == 2
    for event in ladders:
        fairs = [spec.fair for spec in event.markets]
        assert fairs == sorted(fairs, reverse=True)
        results = [spec.result for spec in event.markets]
        assert results == sorted(results, reverse=True), "a higher strike cannot win alone"
        assert re.search(r"-T\d+\.99$", event.markets[0].ticker)
    unlisted = [e for e in venue.events.values() if e.markets[0].ticker not in tickers]
    assert len(unlisted) == 2, "the third window of each series comes later"


def test_a_crowd_never_goes_below_nothing_or_off_the_grid() -> None:
    for seed in range(8):
        venue = SimKalshi(KalshiVenueConfig(seed=seed, indices=(), levels_min=1), T_MS)
        market = venue.markets[0]
        crowd = Crowd(seeded("test", seed), market.book, market.crowd.grid, 6, 400)
        for _ in range(1_500):
            for change in crowd.next().changes:
                rungs = market.book[change.side]
                left = rungs.size_at(change.price) + change.delta
                assert left >= 0
                rungs.put(change.price, left)
                assert change.price in crowd.grid
            assert market.book[0].best + market.book[1].best < PIPS


def test_frames_may_go_without_the_sending_time() -> None:
    stream = KalshiStream(KalshiVenueConfig(seed=2, sending_ts=False))
    frames = [item.payload for item in stream.items(60) if item.kind == "frame"]
    assert frames and not any(b"sending_ts_ms" in frame for frame in frames)


@pytest.mark.parametrize(
    "settings",
    [
        {"quarters": 0, "baskets": 0, "ladders": 0},
        {"quarters": -1},
        {"windows": 0},
        {"window_s": 0.5, "elapsed_s": 0},
        {"window_s": 60, "elapsed_s": 60},
        {"gap_s": -1},
        {"levels_min": 5, "levels_max": 4},
        {"structure": "whole_dollar"},
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        KalshiVenueConfig(**settings)
