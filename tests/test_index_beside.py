"""An estimated index beside the values of the index itself, as a venue passes them on."""

import json
import random
from statistics import fmean
from typing import Any, Final, cast

import pytest

from bookfeed import Engine, IndexEstimate, IndexTick
from bookfeed.fair.beside import IndexBeside
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind, RecordTuple

S: Final = 10**9
T0: Final = 1_790_000_000 * S
TICK: Final = S // 5


class View:
    """A book of which only the mid is asked."""

    def __init__(self, venue: str, mid: float) -> None:
        self.venue, self.symbol, self.mid = venue, "BTC-USD", mid


class Told:
    """A value of the index itself."""

    def __init__(self, ts: int, value: float, mean: float | None) -> None:
        self.ts_event = ts
        self.value_e9 = round(value * 1e9)
        self.mean_60s_e9 = None if mean is None else round(mean * 1e9)


class Source:
    """What a feed hands to a comparison, at the times of this test."""

    def __init__(self) -> None:
        self.names = EngineInput(Engine()).names
        constituents = {"coinbase": "BTC-USD", "gemini": "BTC-USD"}
        inputs = EngineInput(Engine())
        inputs.add_index(IndexEstimate("btc", "BTC", constituents), T0)
        self.names = inputs.names
        self.engine = self
        self.views: list[View] = []
        self.told: dict[str, Told] = {}

    def on_index(self, fn: Any, *, name: str) -> Any:
        assert name == "btc"
        self.tick = fn

    def every(self, seconds: float, fn: Any) -> Any:
        self.look = fn

    def books(self) -> list[View]:
        return self.views

    def indices(self) -> dict[str, Told]:
        return self.told


def tick(ts: int, value: float | None) -> IndexTick:
    value_e9 = None if value is None else round(value * 1e9)
    return IndexTick(
        0, "btc", ts, ts, value_e9, value_e9, None, None, None, None, None, 2,
        {"coinbase": "included", "gemini": "included"},
    )  # fmt: skip


def test_values_are_compared_with_the_estimate_of_their_own_time() -> None:
    """What one venue's book stands off by moves the estimate, and explains the difference."""
    source, rng = Source(), random.Random("beside")
    beside = IndexBeside(cast("Any", source), "btc", "BRTI")
    truths: dict[int, float] = {}
    ours: dict[int, float] = {}
    price, off = 84_000.0, 0.0
    late: list[tuple[int, Told]] = []
    for step in range(5 * 200):
        ts = T0 + step * TICK
        price += rng.gauss(0, 1)
        off = 0.9 * off + rng.gauss(0, 3)
        truths[ts], ours[ts] = price, price + off / 2
        source.views = [View("coinbase", price + off), View("gemini", price + rng.gauss(0, 0.1))]
        source.views.append(View("binance", price + 40))
        source.tick(tick(ts, ours[ts]))
        seconds = [truths[T0 + n * S] for n in range(200) if ts - 60 * S <= T0 + n * S < ts]
        mean = fmean(seconds) if ts % S == 0 and len(seconds) == 60 else None
        # It is told a little later than it is of.
        late.append((step + 1, Told(ts, truths[ts], mean)))
        if late[0][0] <= step:
            source.told = {"BRTI": late.pop(0)[1]}
        source.look(ts)
    got = beside.summary()
    assert got.values is not None and got.means is not None
    wanted = [ours[ts] - truths[ts] for ts in [*truths][:-1]]
    assert [one.error for one in beside.values] == pytest.approx(wanted, abs=1e-6)
    distances = sorted(map(abs, wanted))
    assert got.values.count == len(wanted) == 999
    assert got.values.percentiles["p50"] == pytest.approx(distances[499], abs=1e-6)
    assert got.values.percentiles["p99"] == pytest.approx(distances[-10], abs=1e-6)
    assert abs(got.values.largest) == pytest.approx(distances[-1], abs=1e-6)
    assert got.values.largest_ts in truths
    for one in beside.means:
        times = [T0 + n * S for n in range(200) if one.ts - 60 * S <= T0 + n * S < one.ts]
        wanted_mean = fmean(ours[at] for at in times) - fmean(truths[at] for at in times)
        assert one.error == pytest.approx(wanted_mean, abs=1e-6)
    assert 130 < len(beside.means) < 141
    assert got.missing_s == 0
    assert list(got.explained) == ["coinbase", "gemini"]
    assert got.explained["coinbase"] > 0.9, "its mid is off by half of what the estimate is not"


def test_what_is_missing_is_not_compared() -> None:
    source = Source()
    beside = IndexBeside(cast("Any", source), "btc", "BRTI")
    for second in range(70):
        ts = T0 + second * S
        source.tick(tick(ts, None if second == 30 else 84_000.0))
        source.told = {"BRTI": Told(ts, 84_001.0, 84_000.5)}
        source.look(ts)
    assert len(beside.values) == 69 and {one.error for one in beside.values} == {-1.0}
    assert not beside.means, "one of the sixty seconds is missing in each of them"
    assert beside.summary().explained == {}
    empty = IndexBeside(cast("Any", Source()), "btc", "BRTI").summary()
    assert empty.values is None and empty.means is None


def test_seconds_that_the_venue_did_not_pass_on_are_counted() -> None:
    source = Source()
    beside = IndexBeside(cast("Any", source), "btc", "BRTI")
    for step in range(5 * 60):
        ts = T0 + step * TICK
        source.tick(tick(ts, 84_000.0))
        if step // 5 not in (0, 20, 21, 22, 40):
            source.told = {"BRTI": Told(ts, 84_001.0, None)}
        source.look(ts)
    assert beside.summary().missing_s == 4, "nothing is missing before the first"


def test_a_recording_is_compared_as_it_was_told() -> None:
    """Kalshi's frames, twice a second of each value: with its mean, and without."""
    records: list[RecordTuple] = [(Kind.CONNECTED, T0, 0, 0, b"kalshi use_yes_price")]
    params = {"asset": "BTC", "constituents": "coinbase BTC-USD"}
    index = json.dumps({"name": "btc", "params": params}).encode()
    records.append((Kind.INDEX, T0, 0, 0, index))
    data = {"type": "value", "id": "BRTI", "time": T0 // 10**6, "value": "84000.25"}
    slow = {
        "index_id": "BRTI", "received_at": T0 // 10**6, "data": json.dumps(data),
        "avg_60s_data": {"value": "84001.50000000", "window_size": 59,
                         "window_start_ts_ms": 1, "window_end_ts_exclusive": 2},
    }  # fmt: skip
    fast = {
        "index_id": "BRTI", "value_usd": "84000.25000000", "source_ts_ms": T0 // 10**6,
        "received_at": T0 // 10**6, "data": json.dumps(data),
    }  # fmt: skip
    told = (("cfbenchmarks_value", 1, slow), ("cfbenchmarks_value_5hz", 2, fast))
    for kind, sid, body in told:
        frame = json.dumps({"type": kind, "sid": sid, "seq": 1, "msg": body}).encode()
        records.append((Kind.FRAME, T0 + S // 10, 0, 0, frame))
    inputs = EngineInput(Engine())
    assert all(inputs.apply(kind, ts, conn, payload) for kind, ts, conn, _, payload in records)
    got = inputs.engine.indices()["BRTI"]
    assert (got.value_e9, got.mean_60s_e9) == (84_000_250_000_000, 84_001_500_000_000)
