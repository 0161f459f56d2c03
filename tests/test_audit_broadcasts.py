"""Broadcasts that are no JSON, as the auditor reads them: as the engine does."""

import json

import pytest

from bookfeed import Engine
from bookfeed.audit.model import Model
from bookfeed.recordings.kinds import Kind

T0 = 1_790_000_000_000_000_000
NEW = (
    b'{"id":"1","event_type":"new_market","question":"Will it?","market":"0xf0",'
    b'"assets_ids":["71","72"],"tags":["a"],"line":5}'
)
OVER = NEW.replace(b"new_market", b"market_resolved").replace(b'"id":', b'"winning_asset_id":')
NEWS = (
    b'{"type":"market_lifecycle_v2","sid":2,"seq":7,"msg":{"event_type":"determined",'
    b'"market_ticker":"KXOTHER-1","title":"Will it?","line":5,"tags":["a"]}}'
)
STATUS = b'{"channel":"status","type":"update","data":[{"line":5,"x":"Will it?","tags":["a"]}]}'
BROADCASTS = {"polymarket": (NEW, OVER), "kalshi": (NEWS,), "kraken": (STATUS,)}
OURS = {"polymarket": "81", "kalshi": "KXOURS-1", "kraken": "BTC/USD"}

FORMS = (
    (b"Will it?", b"Will\nit?"),
    (b"Will it?", b"Will\tit?"),
    (b"Will it?", b"\\x20"),
    (b"Will it?", b'Will "it"?'),
    (b"Will it?", b"\xff\xfe"),
    (b'"line":5', b'"line":NaN'),
    (b'"line":5', b'"line":05'),
    (b'"line":5', b'"line":'),
    (b'["a"]', b'["a",]'),
    (b'["a"]', b"[" * 3_000 + b"]" * 3_000),
    (b'{"', b'\xef\xbb\xbf{"'),
)
# What leaves it uncertain whom the frame is about, by venue; ``ours`` stands for our symbol.
DOUBTS: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "polymarket": (
        (b"Will it?", b"Will\nours?"),
        (b"Will it?", b"Will\nhttps://a.b/ours?"),
        (b"Will it?", b"Will\n\\u0038\\u0031?"),
        (b"Will it?", b"Will\n0XABC?"),
        (b'"line":5', b'"line":NaN,"bids":[]'),
        (b'"line":5', b'"line":NaN,"event_type":"book"'),
        (b'"event_type":', b'"event_type"'),
        (b'{"', b'[{"'),
        (b"5}", b"5}{"),
    ),
    "kalshi": (
        (b"Will it?", b"Will\nours?"),
        (b"KXOTHER-1", b"KX\nOTHER-1"),
        (b'"sid":2', b'"sid":"2\n"'),
        (b'"seq":7,', b'"seq":7,"seq":NaN,'),
        (b"market_lifecycle_v2", b"orderbook\n_delta"),
    ),
    "kraken": (
        (b"Will it?", b"Will\nours?"),
        (b'"line":5', b'"line":NaN,"symbol":"x"'),
        (b'"status"', b'"status\n"'),
    ),
}


def everyone_is_hit(venue: str, frame: bytes) -> tuple[bool, bool]:
    """Whether a frame is about every book: to the auditor, and to the engine."""
    model, engine = Model(), Engine()
    listing = {"venue": venue, "symbol": OURS[venue], "market": "0xabc"}
    model.control(Kind.SUBSCRIBE, 0, b"", listing)
    model.control(Kind.CONNECTED, 0, venue.encode(), {})
    reading = model.reading(venue)
    assert reading is not None
    (message,) = reading.read(0, frame)
    number = engine.subscribe(venue, OURS[venue], 0, T0, market="0xabc")
    engine.connected(0, venue, T0)
    engine.ingest(0, frame, T0 + 1)
    return message.everyone, engine.book(number).cause == "malformed"


@pytest.mark.parametrize("venue", BROADCASTS)
def test_a_broken_broadcast_about_others_concerns_nobody(venue: str) -> None:
    for whole in BROADCASTS[venue]:
        json.loads(whole)
        for old, new in FORMS:
            frame = whole.replace(old, new, 1)
            assert frame != whole
            assert everyone_is_hit(venue, frame) == (False, False), frame
        end = whole.index(b'"line"')
        for cut in range(end, len(whole)):
            assert everyone_is_hit(venue, whole[:cut]) == (False, False), whole[:cut]


@pytest.mark.parametrize("venue", BROADCASTS)
def test_a_broken_broadcast_that_may_be_about_ours_concerns_everybody(venue: str) -> None:
    for whole in BROADCASTS[venue]:
        for old, new in DOUBTS[venue]:
            frame = whole.replace(old, new.replace(b"ours", OURS[venue].encode()), 1)
            assert frame != whole
            assert everyone_is_hit(venue, frame) == (True, True), frame


def test_a_market_that_is_over_must_say_all_its_assets() -> None:
    for cut in range(len(OVER)):
        said = cut > OVER.index(b'"72"]') + len(b'"72"')
        assert everyone_is_hit("polymarket", OVER[:cut]) == (not said, not said), OVER[:cut]
