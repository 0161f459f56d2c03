"""What relays tell, in Python: recorded frames, and types that are those of the core."""

import gzip
import json
import os
from collections import Counter
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bookfeed._bookfeed import POINT_DTYPE, RELAY_EVENTS, EngineError, RelayBatch, Relays
from bookfeed.records.points import POINT_BYTES, PricePoint, points
from bookfeed.records.told import TYPES, ActivityTrade, RelayEvent, told

ROOT = Path(__file__).parent.parent
CAPTURES = Path(os.environ.get("BOOKFEED_CAPTURES", ROOT.parent / "shared/captures"))
SAMPLES = CAPTURES / "polymarket/samples"
NS_PER_MS = 1_000_000


def taken(relays: Relays) -> tuple[list[PricePoint], list[RelayEvent]]:
    batch = relays.drain()
    return list(points(batch.point_bytes, relays.symbol)), list(told(batch.events))


def relay(name: str = "rtds") -> Relays:
    relays = Relays()
    relays.connected(0, name)
    return relays


def recorded() -> list[tuple[int, str]]:
    """Frames of the venue with receive times in milliseconds, where recordings are at hand."""
    if not SAMPLES.exists():
        pytest.skip(f"no recordings in {SAMPLES}")
    frames: list[tuple[int, str]] = []
    for path in sorted(SAMPLES.glob("rtds_frames_*.ndjson")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            text = row["frame"] if "frame" in row else json.dumps(row["msg"])
            message = json.loads(text) if text else {}
            ms = int(row.get("recv_ms", message.get("timestamp", 0) + 300))
            frames.append((ms, text))
    return frames


def test_recorded_frames_are_all_understood_to_the_last_digit() -> None:
    seen: Counter[str] = Counter()
    for ms, text in recorded():
        relays = relay()
        relays.ingest(0, text.encode(), ms * NS_PER_MS)
        found, events = taken(relays)
        counted = relays.counters()
        assert counted["relay_malformed"] == counted["relay_unknown"] == 0, text
        message = json.loads(text, parse_float=Decimal) if text else {}
        payload = message.get("payload")
        if payload is None:
            assert not found
            seen.update(event.kind for event in events)
            continue
        told_points = payload.get("data", [payload])
        assert len(found) == len(told_points)
        for point, stated in zip(found, told_points, strict=True):
            exact = stated.get("full_accuracy_value")
            if exact is None:
                assert point.value == stated["value"]
            elif "." in exact:
                assert point.value == Decimal(exact)
            else:
                assert point.value_e18 == int(exact)
            assert point.exact is (exact is not None)
            assert point.symbol == payload["symbol"]
            assert point.ts_event == stated["timestamp"] * NS_PER_MS
            assert point.backfill is ("data" in payload)
            labelled = message["topic"]
            spot = labelled == "crypto_prices" and "/" in point.symbol
            assert point.topic == ("crypto_prices_chainlink" if spot else labelled)
            assert point.window_s == payload.get("window_s")
            seen[point.topic] += 1
    assert seen.keys() == {
        "crypto_prices",
        "crypto_prices_chainlink",
        "crypto_prices_twap_thirty",
        "crypto_prices_twap_sixty",
        "refused",
    }


def test_a_day_of_chainlink_is_told_exactly() -> None:
    path = CAPTURES / "spot/chainlink-btcusd-2026-07-24.csv.gz"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    relays = relay()
    expected = []
    with gzip.open(path, "rt") as file:
        next(file)
        for line in list(file)[:20_000]:
            ts, value, exact, sent, received = line.strip().split(",")
            frame = (
                f'{{"topic":"crypto_prices_chainlink","type":"update","timestamp":{sent},'
                f'"payload":{{"symbol":"btc/usd","timestamp":{ts},"value":{value},'
                f'"full_accuracy_value":"{exact}"}}}}'
            )
            relays.ingest(0, frame.encode(), int(received) * NS_PER_MS)
            expected.append((int(ts) * NS_PER_MS, int(exact)))
    found, events = taken(relays)
    assert not events
    assert [(point.ts_event, point.value_e18) for point in found] == expected


def test_types_are_those_of_the_core() -> None:
    head = [field.name for field in fields(RelayEvent)]
    for kind, cls in TYPES.items():
        assert [f.name for f in fields(cls)] == [*head, *RELAY_EVENTS[kind]], kind
    assert np.dtype(POINT_DTYPE).itemsize == POINT_BYTES  # type: ignore[call-overload]


def test_points_are_an_array_too() -> None:
    relays = relay("polybolt")
    value = -37_630_000_000_000_000_001
    frame: dict[str, Any] = {
        "v": 1, "channel": "price.equity", "seq": 1, "ts": 1_790_877_850_500,
        "payload": {"symbol": "WTI", "full_accuracy_value": "-37.630000000000000001",
                    "timestamp": 1_790_877_850_000, "source": "pyth", "market_status": "odd"},
    }  # fmt: skip
    assert relays.ingest(0, json.dumps(frame).encode(), 1_790_877_851_000_000_000) == 1
    batch = relays.drain()
    assert isinstance(batch, RelayBatch)
    assert len(batch) == len(batch.points) == 1
    row = batch.points[0]
    assert int(row["value_e18_high"]) * 2**64 + int(row["value_e18_low"]) == value
    (point,) = points(batch.point_bytes, relays.symbol)
    assert (point.value_e18, point.price_e9, point.symbol) == (value, -37_630_000_000, "wti")
    assert (point.origin, point.market_status, point.exact) == ("pyth", "unknown", True)
    assert point.value == Decimal("-37.630000000000000001")
    assert not batch.points.flags.writeable


def test_an_event_has_its_fields_as_attributes() -> None:
    vector = json.loads((ROOT / "tests/data/relay/activity_match.json").read_text())
    relays = relay()
    relays.ingest(0, vector["frame"].encode(), 1_790_877_851_300_000_000)
    _, (event,) = taken(relays)
    assert isinstance(event, ActivityTrade)
    assert dict(event.fields) == vector["events"][0]["fields"]
    assert event.price_e9 == 470_000_000
    assert (event.topic, event.type, event.name) == ("activity", "orders_matched", None)


def test_a_relay_that_there_is_not() -> None:
    with pytest.raises(EngineError, match="there are rtds, polybolt"):
        Relays().connected(0, "rtd")


def test_a_bad_frame_harms_no_neighbour() -> None:
    relays = relay()
    good = json.loads((ROOT / "tests/data/relay/binance.json").read_text())["frame"].encode()
    relays.ingest(0, good[:-1], 1_790_877_851_300_000_000)
    relays.ingest(0, good, 1_790_877_851_300_000_000)
    found, events = taken(relays)
    assert len(found) == 1
    assert [(event.kind, event.type) for event in events] == [("lost", "unread")]
    assert "at byte" in (relays.last_error() or "")
