"""The session's clock: steps of the wall clock neither make nor hide staleness."""

from bookfeed.clock import AnchoredClock, seconds_ns

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
