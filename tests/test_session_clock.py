"""The session's clock: steps of the wall clock neither make nor hide staleness."""

import time
from email.utils import formatdate

import pytest
from session_server import MARKET, serving
from waiting import PATIENCE_S, PatientClock

from bookfeed.clock import AnchoredClock, seconds_ns
from bookfeed.feed.feed import Feed
from bookfeed.live import session
from bookfeed.live.skew import clock_complaint

HOUR = 3600 * 10**9


class Hands:
    """A wall clock and a steady clock, moved by hand."""

    wall = 1_800_000_000 * 10**9
    steady = 5_000

    def clock(self) -> AnchoredClock:
        return AnchoredClock(wall_ns=lambda: self.wall, steady_ns=lambda: self.steady)


def test_starts_at_the_wall_and_follows_the_steady_clock() -> None:
    hands = Hands()
    clock = hands.clock()
    begin = clock.now_ns()
    assert begin == hands.wall
    hands.steady += 7
    assert clock.now_ns() == begin + 7


def test_a_wall_step_is_reported_and_not_followed() -> None:
    for step in (HOUR, -HOUR, 24 * HOUR, -24 * HOUR):
        hands = Hands()
        clock = hands.clock()
        begin = clock.now_ns()
        hands.wall += step
        assert clock.now_ns() == begin
        assert clock.wall_step_ns() == step


def test_the_real_clock_advances_and_is_near_the_wall() -> None:
    clock = AnchoredClock()
    times = [clock.now_ns() for _ in range(1000)]
    assert times == sorted(times)
    assert abs(clock.wall_step_ns()) < 10**9


def test_seconds_are_exact() -> None:
    assert seconds_ns(0.1) == 100_000_000
    assert seconds_ns(600) == 600 * 10**9


@pytest.mark.parametrize("ahead_s", [None, -2, 0, 1, 2])
def test_a_clock_that_may_be_right_is_no_complaint(ahead_s: int | None) -> None:
    assert clock_complaint(ahead_s) == ""


@pytest.mark.parametrize(("ahead_s", "words"), [(3, "3 s ahead of"), (-600, "600 s behind")])
def test_a_clock_that_is_off_is_named_with_what_to_do(ahead_s: int, words: str) -> None:
    assert f"{words} the venue's" in clock_complaint(ahead_s)
    assert "set it (NTP)" in clock_complaint(ahead_s)


async def test_a_feed_says_that_the_clock_is_not_the_venues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[int | None] = []
    monkeypatch.setattr(session, "clock_complaint", said.append)
    async with serving() as server:
        server.headers["Date"] = formatdate(time.time() - 60, usegmt=True)
        async with Feed([MARKET], url=server.url, clock=PatientClock()) as feed:
            await feed.wait_live(PATIENCE_S)
            (status,) = feed.status().connections
    assert status.clock_ahead_s in (59, 60, 61) and said == [status.clock_ahead_s]


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 01 Jan 1970 00:00:00 +99999999"])
async def test_a_venue_that_does_not_say_its_time_is_no_complaint(
    date: str | None,
) -> None:
    async with serving() as server:
        server.headers |= {"Date": date} if date is not None else {}
        async with Feed([MARKET], url=server.url, clock=PatientClock()) as feed:
            await feed.wait_live(PATIENCE_S)
            assert feed.status().connections[0].clock_ahead_s is None
