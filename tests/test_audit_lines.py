"""What the auditor takes a book of two lines for: what one of them told, and nothing else."""

from typing import Any

import orjson

from bookfeed.audit.lines import LATE_NS, Lines
from bookfeed.audit.model import WAITS
from bookfeed.recordings.kinds import Kind

SUBSCRIBED = {"venue": "kalshi", "symbol": "A", "market": "A"}


def two_lines() -> Lines:
    lines = Lines(WAITS)
    lines.control(Kind.SUBSCRIBE, 0, b"", dict(SUBSCRIBED))
    lines.subscribed(0, 0)
    lines.control(Kind.LINE, 1, b"", {"beside": 0})
    for conn in (0, 1):
        lines.control(Kind.CONNECTED, conn, b"kalshi", {})
        assert lines.carries(conn)
    assert lines.has(0)
    return lines


def tell(lines: Lines, conn: int, kind: str, seq: int, **msg: Any) -> list[int]:
    frame = {"type": kind, "sid": 1, "seq": seq, "msg": {"market_ticker": "A", **msg}}
    return lines.take(Kind.FRAME, conn, orjson.dumps(frame), 1)


def whole(lines: Lines, conn: int) -> None:
    tell(lines, conn, "orderbook_snapshot", 1, yes_dollars_fp=[["0.40", "5.00"]])


def add(lines: Lines, conn: int, seq: int, delta: str) -> None:
    change = {"price_dollars": "0.40", "delta_fp": delta, "side": "yes"}
    assert tell(lines, conn, "orderbook_delta", seq, **change) == [0]


def bids(qty: int) -> tuple[list[list[int]], list[list[int]]]:
    return [[400_000_000, qty * 100_000_000]], []


def test_a_book_is_what_either_line_told() -> None:
    lines = two_lines()
    assert lines.like(0, bids(5), 1) is None, "neither told it yet"
    whole(lines, 0)
    whole(lines, 1)
    add(lines, 1, 2, "2.00")
    for qty in (5, 7):
        found = lines.like(0, bids(qty), 1)
        assert found is not None and found.number == 0
    add(lines, 0, 2, "2.00")
    assert lines.like(0, bids(5), 1) is None, "both have left it"


def test_a_book_that_neither_told_is_found_in_time() -> None:
    lines = two_lines()
    whole(lines, 0)
    whole(lines, 1)
    assert lines.like(0, bids(5), 1) is not None
    assert lines.like(0, bids(9), 2) is None and not lines.unlike(0, 2 + LATE_NS)
    assert lines.like(0, bids(9), 3) is None and lines.unlike(0, 3 + LATE_NS)
    assert lines.like(0, bids(5), 4) is not None and not lines.unlike(0, 9 + LATE_NS)


def test_a_line_that_lost_something_tells_nothing_until_its_next_whole_book() -> None:
    lines = two_lines()
    whole(lines, 0)
    whole(lines, 1)
    add(lines, 0, 3, "2.00")
    assert lines.like(0, bids(7), 1) is None
    assert lines.like(0, bids(5), 1) is not None, "the other line has it"
    whole(lines, 1)
    tell(lines, 0, "orderbook_snapshot", 4, yes_dollars_fp=[["0.40", "8.00"]])
    assert lines.like(0, bids(8), 1) is not None


def test_a_line_that_ended_leaves_its_books_to_the_other() -> None:
    for ended, left in ((0, 1), (1, 0)):
        lines = two_lines()
        for conn in (0, 1):
            whole(lines, conn)
        lines.control(Kind.LINE, ended, b"", {"beside": None})
        assert not lines.carries(ended) and lines.carries(left) and lines.has(0)
        add(lines, left, 2, "2.00")
        assert lines.like(0, bids(7), 1) is not None and lines.like(0, bids(5), 1) is None
        lines.control(Kind.LINE, 2, b"", {"beside": left})
        lines.control(Kind.CONNECTED, 2, b"kalshi", {})
        whole(lines, 2)
        assert lines.like(0, bids(7), 1) is not None and lines.like(0, bids(5), 1) is not None
