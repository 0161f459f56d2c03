"""Who comes onto an open connection and who leaves it: frames, their order, their pace."""

from bookfeed.live.recovery.roll import Roll
from bookfeed.venues.base import Membership

S = 1_000_000_000

MEMBERS = Membership(
    join=lambda id_, symbols: (f"{id_}+{','.join(symbols)}",),
    leave=lambda id_, symbols: (f"{id_}-{','.join(symbols)}",),
    symbols_max=3,
    burst=2,
    interval_s=0.5,
)


def test_many_symbols_share_a_frame_and_frames_keep_the_pace() -> None:
    roll = Roll(MEMBERS)
    roll.add(list("abcdefgh"))
    assert roll.due(0) == ["101+a,b,c", "102+d,e,f"]
    assert roll.due(S // 4) == []
    assert roll.due(S // 2) == ["103+g,h"]
    assert roll.due(S) == []


def test_who_leaves_and_comes_back_is_said_in_that_order() -> None:
    roll = Roll(MEMBERS)
    roll.remove(["a"])
    roll.add(["a", "b"])
    assert roll.due(0) == ["101-a", "102+a,b"]


def test_who_was_not_said_yet_never_comes() -> None:
    roll = Roll(MEMBERS)
    roll.add(["a", "b"])
    roll.remove(["a"])
    assert roll.due(0) == ["101+b"]
    roll.add(["c"])
    roll.remove(["c"])
    assert roll.due(10 * S) == []


def test_what_opens_a_connection_counts_and_makes_what_waited_pointless() -> None:
    roll = Roll(MEMBERS)
    roll.add(["a"])
    roll.opened(0)
    roll.add(["b"])
    assert roll.due(S - 1) == []
    assert roll.due(S) == ["101+b"]


def test_a_venue_that_has_enough_is_left_alone() -> None:
    roll = Roll(MEMBERS)
    roll.hold(5 * S)
    roll.hold(2 * S)
    assert not roll.ready(4 * S) and not roll.take(4 * S)
    assert roll.ready(5 * S) and roll.take(5 * S)
