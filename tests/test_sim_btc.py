"""The simulated world of one price: its clock of windows, what decides them, what they are worth to
those who know the price, and all of it over sockets, followed by the demo.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import pytest

from bookfeed import config, replay
from bookfeed._bookfeed import Engine
from bookfeed.cli.demo import demo_clock, demo_config, demo_names, demo_pace
from bookfeed.cli.simulator import of_demo
from bookfeed.errors import SimulatorError
from bookfeed.feed.settings import endpoints
from bookfeed.recordings.inputs import EngineInput, Recorder
from bookfeed.recordings.kinds import Kind, RecordTuple
from bookfeed.recordings.pace import Pace
from bookfeed.sim.latent import Course, Latent
from bookfeed.sim.polymarket_kalshi import demo
from bookfeed.sim.polymarket_kalshi.btc import server as btc
from bookfeed.sim.polymarket_kalshi.btc.quoting import Maker
from bookfeed.sim.polymarket_kalshi.btc.world import (
    MEAN_S,
    QUARTER_S,
    BtcConfig,
    WindowClock,
    World,
)

NOW_S: Final = 1_790_000_123
S: Final = 10**9
EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "btc.toml"


# The price.


def test_a_price_is_the_same_in_whichever_order_it_is_asked() -> None:
    one, other = Latent(3, NOW_S), Latent(3, NOW_S)
    times = [NOW_S + 0.1 * step for step in range(600)]
    forward = {at: one.at(at) for at in times}
    assert all(other.at(at) == forward[at] for at in reversed(times))
    assert one.at(NOW_S - 100) == one.at(NOW_S) == Course().start
    assert Latent(4, NOW_S).at(times[-1]) != forward[times[-1]]


def test_a_price_moves_as_its_course_says() -> None:
    course = Course()
    moves = []
    for seed in range(40):
        price = Latent(seed)
        moves += [price.at(at + 60.0) / price.at(float(at)) - 1 for at in range(0, 3_000, 60)]
    deviation = sqrt(fmean(move**2 for move in moves) / 60)
    assert deviation == pytest.approx(course.deviation, rel=0.1)
    assert course.deviation > course.sigma


# Windows.


def test_only_the_end_of_a_quarter_is_played() -> None:
    clock = WindowClock.begun(NOW_S, 120)
    first = clock.slot(0)
    assert first.end_s % QUARTER_S == 0 and first.end_s - first.start_s == QUARTER_S
    assert NOW_S + MEAN_S < first.played_to_s <= NOW_S + 120
    for number in range(3):
        slot, following = clock.slot(number), clock.slot(number + 1)
        assert slot.played_to_s == following.played_from_s
        assert slot.end_s == following.start_s
        assert clock.shown(slot.played_to_s) == slot.end_s
        assert clock.shown(slot.played_to_s - 30.5) == slot.end_s - 30.5
        # Behind the end the clock has leapt.
        assert clock.shown(slot.played_to_s + 1) == following.end_s - 119


def test_the_client_shows_the_same_clock() -> None:
    clock = WindowClock.begun(NOW_S, 120)
    told = {
        "first_end_s": clock.first_end_s,
        "quarter_end_s": clock.quarter_end_s,
        "played_s": clock.played_s,
    }
    pace = demo_pace({"clock": told})
    assert pace is not None
    for tenth in range(0, 5_000, 7):
        ts = NOW_S * S + tenth * S // 10
        assert pace.shown(ts) == pytest.approx(clock.shown(ts / S) * S, abs=1_000)
    assert pace.shown_of(900 * S, NOW_S * S) == pace.shown(NOW_S * S)
    assert pace.shown_of(3_600 * S, NOW_S * S) == NOW_S * S, "a ladder is played at its real pace"
    for number in range(3):
        end_s, over_s = clock.slot(number).end_s, clock.slot(number).played_to_s
        for left_s in (100, 0, -1, -500):
            left_ns = pace.left_ns(900 * S, end_s * S, (over_s - left_s) * S)
            assert left_ns == left_s * S, "what is over is so for as long as it really is"
    assert pace.left_ns(3_600 * S, NOW_S * S, (NOW_S - 5) * S) == 5 * S
    assert demo_pace({}) is None
    assert abs(demo_clock({})() - time.time_ns()) < S


def test_a_recording_says_at_which_pace_windows_were_played() -> None:
    pace = Pace(end_ts=NOW_S * S, shown_ts=(NOW_S + 300) * S, played_ns=120 * S, window_ns=900 * S)
    records: list[RecordTuple] = []

    class Kept(Recorder):
        def append(self, kind: int, ts: int, conn: int, epoch: int, payload: bytes) -> None:
            records.append((kind, ts, conn, epoch, payload))

        def poll(self, now_ns: int) -> None:
            """Nothing waits here."""
            return

        def close(self, timeout_s: float) -> None:
            """Nothing is open here."""
            return

    EngineInput(Engine(), Kept()).note_pace(pace, NOW_S * S)
    seen = replay(records)
    assert seen.pace is None
    seen.run()
    assert seen.pace == pace
    told = pace.told()
    for wrong in ({}, [], {"end_ts": 1}, told | {"played_ns": 0}, told | {"end_ts": 0.5}):
        note = json.dumps({"pace": wrong}).encode()
        seen = replay([(Kind.NOTE, NOW_S * S, 0, 0, note)])
        seen.run()
        assert seen.pace is None, wrong


def test_a_window_is_compared_with_how_the_one_before_it_ended() -> None:
    world = World(1, WindowClock.begun(NOW_S, 120), NOW_S)
    for number in range(3):
        slot = world.clock.slot(number)
        values = [world.latent.at(slot.played_to_s - back) for back in range(1, 61)]
        assert world.mean(slot.played_to_s) == pytest.approx(fmean(values), abs=0.006)
        assert world.strike(world.clock.slot(number + 1)) == world.mean(slot.played_to_s)


@pytest.mark.parametrize("left_s", [90, 60, 45, 10])
def test_what_a_window_is_worth_is_how_often_it_pays(left_s: int) -> None:
    """Of many worlds that are alike until then; a walk, whose jumps are part of its deviation."""
    said, came_true = [], []
    rng = random.Random(f"worth {left_s}")
    for seed in range(400):
        world = World(seed, WindowClock.begun(NOW_S, 120), NOW_S)
        end_s = world.clock.first_end_s
        at = float(end_s - left_s)
        strike = world.latent.at(at) * (1 + rng.gauss(0, 4e-4 * sqrt(left_s / 90)))
        said.append(world.worth(strike, end_s, at))
        came_true.append(world.mean(end_s) >= strike)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0001)):
        part = [(p, y) for p, y in zip(said, came_true, strict=True) if low <= p < high]
        noise = sqrt(sum(p * (1 - p) for p, _ in part)) / len(part)
        off = abs(fmean(p for p, _ in part) - fmean(y for _, y in part))
        assert off < 0.04 + 3 * noise, (low, len(part), off)
    assert world.worth(1.0, end_s, at) == pytest.approx(1)
    assert world.worth(world.mean(end_s) + 1, end_s, end_s + 5.0) == 0


def test_makers_are_late() -> None:
    class Quoted:
        fair = 5_000

        def __init__(self) -> None:
            self.quotes: list[int] = []

        def quote(self, _: int) -> list[int]:
            self.quotes.append(self.fair)
            return self.quotes

        def flicker(self, _: int) -> list[int]:
            return []

    quoted: Any = Quoted()
    maker = Maker(quoted, lambda at: 0.2 if at < 100 else 0.8, 1.0, random.Random("late"))
    for tenth in range(900, 1_060):
        maker.turn(tenth / 10)
        if tenth < 1_005:
            assert quoted.fair in (5_000, 2_000), "nothing is known of it for half a second"
    assert quoted.fair == 8_000 and quoted.quotes[-1] == 8_000


# Over sockets.


def test_what_cannot_be_played_is_refused() -> None:
    for wrong in ({"played_s": 60}, {"played_s": 1_000}, {"windows": 0}):
        with pytest.raises(ValueError, match="must be"):
            BtcConfig(**wrong)


async def test_the_ready_line_makes_a_configuration() -> None:
    server = await btc.serve(BtcConfig(windows=3))
    try:
        told: dict[str, Any] = json.loads(json.dumps(btc.ready(server)))
    finally:
        await server.close()
    made = demo_config(told)
    assert set(made.venues()) == {"polymarket", *btc.SPOT}
    assert {market.market for market in made.markets() if market.base} == {"BTC-USD", "BTC-USDT"}
    assert [pair.series for pair in made.series_pairs()] == [(btc.UP_DOWN, btc.QUARTERS)]
    assert all(pair.reference_sd is not None for pair in made.series_pairs()), "no box"
    assert made.relays.rtds_url == told["relay"] and made.relays.topics
    (index,) = made.index
    assert index.constituents == (
        "coinbase BTC-USD", "kraken BTC/USD", "bitstamp btcusd", "gemini btcusd",
    )  # fmt: skip
    assert {rule.kind for rule in made.signal_rules()} == {"complement", "delay", "fair_value"}
    assert demo_names(told) == [told["ladder"]] and told["ladder"].startswith(btc.LADDER)
    found = endpoints(made, "demo", {"kalshi": None})
    assert found["polymarket"].url == told["polymarket"]["ws"]


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "missing", lambda: "needs the package aiohttp: pip install it")
    with pytest.raises(SimulatorError, match="--demo btc needs the package aiohttp"):
        of_demo(argparse.Namespace(demo="btc", markets=4))


def test_the_file_for_the_real_venues_can_be_used() -> None:
    made = config.load(EXAMPLE, {})
    assert [pair.series for pair in made.series_pairs()] == [(btc.UP_DOWN, btc.QUARTERS)]
    assert all(pair.reference_sd is not None for pair in made.series_pairs()), "no box"
    assert {market.venue for market in made.markets()} == {*btc.SPOT, "cryptocom"}
    assert {rule.kind for rule in made.signal_rules()} == {"delay", "fair_value"}


@pytest.mark.slow
def test_the_demo_shows_what_markets_are_worth() -> None:
    """Spot books, the estimated index, both windows and a ladder, from one world."""
    done = subprocess.run(
        [sys.executable, "-m", "bookfeed", "run", "--demo", "btc", "--seconds", "20",
         "-o", "ndjson", "--paper"],
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    summary = lines[-1]
    states = {book["venue"]: book["state"] for book in summary["books"]}
    assert set(states) == {*btc.SPOT, "polymarket", "kalshi"}
    assert all(states[name] == "live" for name in btc.SPOT)
    # The relay tells of the past as well: what its windows are worth is known from the beginning.
    assert summary["signals"]["opened"]["fair_value"] > 0
    told = [line for line in lines if line["type"] == "fair_values"]
    assert len(told) > 5
    last = told[-1]
    (index,) = last["indexes"]
    assert index["asset"] == "BTC" and 80_000 < index["estimate"] < 88_000
    assert {one["venue"] for one in index["venues"]} == {"coinbase", "kraken", "bitstamp", "gemini"}
    assert {one["venue"] for one in last["markets"]} == {"polymarket", "kalshi"}
    assert last["window_ts"] > last["ts"]
    quoted = [one for one in last["markets"] if one["bid"] is not None and one["strike"]]
    assert len(quoted) >= 5 and all(0 < one["bid"] < one["ask"] < 1 for one in quoted)
