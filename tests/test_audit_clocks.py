"""A venue's clock that is set while its books are recorded: the auditor follows as the engine does.

The recording is made here, message by message, with the book that is true after each.
"""

import json
from collections.abc import Iterator

import pytest
from audit_journals import MS, Records, audited

from bookfeed.recordings.kinds import Kind

START_NS = 1_790_000_000_000 * MS
BEAT_NS = 100 * MS
SET_AT, BEATS = 60, 300
"""The beat at which the clock is set, and how many there are."""


class Market:
    """A book of Bitstamp of which one level a beat changes; all as the venue tells it."""

    def __init__(self) -> None:
        self.bids = {f"{100 - n}.0": "1.0" for n in range(5)}
        self.asks = {f"{101 + n}.0": "1.0" for n in range(5)}

    def change(self, beat: int, micros: int) -> dict[str, object]:
        side, price = (self.bids, "100.0") if beat % 2 else (self.asks, "101.0")
        side[price] = f"{beat + 1}.5"
        told: dict[str, object] = {"bids": [], "asks": []}
        told |= {"bids" if beat % 2 else "asks": [[price, side[price]]]}
        data = {"timestamp": str(micros // 10**6), "microtimestamp": str(micros), **told}
        return {"event": "data", "channel": "diff_order_book_btcusd", "data": data}

    def book(self, micros: int) -> dict[str, object]:
        sides = {"bids": [*self.bids.items()], "asks": [*self.asks.items()]}
        return {"timestamp": str(micros // 10**6), "microtimestamp": str(micros), **sides}


def recording(set_by_s: float) -> Iterator[tuple[int, int, int, int, bytes]]:
    """A venue whose clock is set by so many seconds; its book is asked for every second."""

    def put(kind: Kind, ts: int, payload: object) -> tuple[int, int, int, int, bytes]:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return int(kind), ts, 0, 0, data

    yield put(Kind.CONNECTED, START_NS, b"bitstamp")
    yield put(Kind.SUBSCRIBE, START_NS, {"venue": "bitstamp", "symbol": "btcusd"})
    market = Market()
    for beat in range(BEATS):
        now = START_NS + (beat + 1) * BEAT_NS
        apart_ns = round(set_by_s * 1_000) * MS if beat >= SET_AT else 0
        micros = (now + apart_ns - 20 * MS) // 1_000
        yield put(Kind.FRAME, now, market.change(beat, micros))
        if beat % 10 == 5:
            yield put(Kind.RESYNC_BEGIN, now, {"instrument": 0})
            head = json.dumps({"instrument": 0, "stands_at": None}).encode()
            yield put(Kind.REST_BOOK, now, head + b"\n" + json.dumps(market.book(micros)).encode())
        yield put(Kind.ADVANCE, now, b"")


def touches(records: Records) -> int:
    """How many were compared, and agreed."""
    report = audited(records, {})
    assert report.findings == []
    return report.touches


@pytest.mark.parametrize("set_by_s", [0.0, 5.0, 90.0, -5.0])
def test_a_clock_that_is_set_is_followed(set_by_s: float) -> None:
    records = list(recording(set_by_s))
    before = next(n for n, r in enumerate(records) if r[1] >= START_NS + SET_AT * BEAT_NS)
    # For three seconds nobody knows; for the rest every beat has a touch that both know.
    assert touches(records) - touches(records[:before]) > BEATS - SET_AT - 60
