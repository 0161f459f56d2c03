"""Wrong time stamps of the simulated spot venues: nothing else of a message changes."""

import json
from typing import Any

import pytest

from bookfeed.scorecard.campaigns.binance_kraken import PLAYS
from bookfeed.scorecard.campaigns.binance_kraken_worlds import WORLDS
from bookfeed.sim.spot_faults import SpotFault
from bookfeed.sim.spot_stamps import SLIP_MESSAGES, WrongStamps, pattern
from bookfeed.sim.spot_stream import SpotItem

AT = 60
STAMPS = pattern("timestamp", "t")
NAMES = {"E", "T", "timestamp", "microtimestamp", "event_time", "time", "t", "tt", "tn"}
WORLD = {world.name: world for world in WORLDS}


def frames(venue: str, *faults: SpotFault) -> list[SpotItem]:
    run = PLAYS[venue].stream(3, faults)
    return [item for item in run.items(300) if item.kind == "frame"]


def without_stamps(value: Any) -> Any:
    """A message but for its time stamps."""
    if isinstance(value, dict):
        # A trade's number is called as a time is, at some venues.
        return {k: without_stamps(v) for k, v in value.items() if k not in NAMES}
    return [without_stamps(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("venue", PLAYS)
def test_all_but_the_stamps_is_as_it_was(venue: str) -> None:
    clean = frames(venue)
    for cell in WORLD[venue].cells["F29"]:
        variant = cell.partition(":")[2]
        fault = SpotFault("stamp", at_frame=AT, variant=variant, conn=0)
        hurt = frames(venue, fault)
        assert len(hurt) == len(clean)
        changed = [a for a, b in zip(hurt, clean, strict=True) if a.payload != b.payload]
        assert changed, variant
        assert {item.conn for item in changed} == {0}
        for a, b in zip(hurt, clean, strict=True):
            assert without_stamps(json.loads(a.payload)) == without_stamps(json.loads(b.payload))
        if variant == "slip":
            assert sum(item.is_book for item in changed) <= SLIP_MESSAGES


@pytest.mark.parametrize(
    ("variant", "number", "text"),
    [
        ("ahead", b'"1790086400123"', b'"2026-10-02T00:00:00.5Z"'),
        ("back", b'"1789913600123"', b'"2026-09-30T00:00:00.5Z"'),
        ("behind", b'"1789999998123"', b'"2026-09-30T23:59:58.5Z"'),
        ("seconds", b'"1790000000"', b"1790812800"),
        ("micros", b'"1790000000123000"', b"1790812800500000"),
        ("nanos", b'"1790000000123000000"', b"1790812800500000000"),
        ("zero", b'"0"', b'"0001-01-01T00:00:00Z"'),
        ("negative", b'"-1790000000123"', b'"-2026-10-01T00:00:00.5Z"'),
    ],
)
def test_stamps_are_wrong_in_their_own_form(variant: str, number: bytes, text: bytes) -> None:
    wrong = WrongStamps(variant, None, None)
    for stamp, expected in (
        (b'"1790000000123"', number),
        (b'"2026-10-01T00:00:00.5Z"', text),
    ):
        told = b'{"timestamp":%b,"x":{"t":%b}}' % (stamp, stamp)
        assert wrong.put(STAMPS, told) == told.replace(stamp, expected)


@pytest.mark.parametrize(
    "told", [b'{"t":1,"x":2}', b'{"x":2,"t":1}', b'{"t":1,"timestamp":"2","x":2,"t":1}', b'{"x":2}']
)
def test_a_stamp_that_is_absent_leaves_json(told: bytes) -> None:
    assert json.loads(WrongStamps("absent", None, None).put(STAMPS, told)) == {"x": 2}


def test_wrong_stamps_end_in_time_or_after_so_many_messages() -> None:
    assert not WrongStamps("behind", None, None).over(1 << 60)
    assert [WrongStamps("behind", 5, None).over(now) for now in (5, 6)] == [False, True]
    assert [WrongStamps("slip", None, left).over(0) for left in (1, 0)] == [False, True]


@pytest.mark.parametrize("venue", PLAYS)
def test_stamps_that_are_wrong_for_a_moment_are_right_again(venue: str) -> None:
    fault = SpotFault("stamp", at_frame=AT, variant="behind", conn=0, duration_s=0.0)
    same = [
        a.payload == b.payload for a, b in zip(frames(venue, fault), frames(venue), strict=True)
    ]
    assert not all(same) and all(same[-100:])
