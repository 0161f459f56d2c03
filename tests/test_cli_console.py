"""The live table, line by line: what people see at 80x24 and 120x40, and when things go wrong."""

import dataclasses

import pytest

from bookfeed.sinks.console import BookRow, LatencyRow, Screen, render
from bookfeed.sinks.opportunities import SignalRow
from bookfeed.sinks.text import Span, clip, paint, shown_duration, shown_rate

YES = BookRow(
    venue="polymarket",
    market="Bitcoin Up or Down, 6:15",
    outcome="Up",
    bid_e9=440_000_000,
    ask_e9=450_000_000,
    bid_qty_e8=1_337_000_000,
    ask_qty_e8=50_012_345_678,
    state="live",
    cause="snapshot",
    evidence_age_ns=12_345_678,
    rate=341.7,
)
NO = dataclasses.replace(
    YES, outcome="Down", bid_e9=550_000_000, ask_e9=None, ask_qty_e8=None, rate=0.0
)
STALE = dataclasses.replace(
    YES, state="stale", cause="bbo_mismatch", evidence_age_ns=65_000_000_000, rate=4.25
)
OPEN = SignalRow(
    opened="06:15:07",
    rule="complement",
    market="Bitcoin Up or Down, 6:15",
    direction="buy",
    qty_e8=100_000_000_00,
    net_edge_e9=12_345_678,
    value_e9=20_000_000,
    lasted_ns=1_500_000_000,
    closed="",
)
CLOSED = dataclasses.replace(
    OPEN, rule="spread", direction="", value_e9=50_000_000, lasted_ns=34_000_000, closed="edge"
)
SCREEN = Screen(
    source="demo seed 1",
    uptime_s=75.4,
    frames_per_s=12_345.6,
    bytes_per_s=8_100_000.0,
    books=[YES, NO],
    latencies=[
        LatencyRow("venue → recv", 10, 950_000, 1_500_000, 163_000_000, 163_000_001),
        LatencyRow("recv → emit", 0, None, None, None, None),
    ],
    signals=[CLOSED, OPEN],
    signals_opened=1_017,
    signals_open=1,
    counters=[("resyncs", 0), ("reconnects", 2)],
    hint="Ctrl-C ends",
)


def text(screen: Screen, width: int, height: int) -> list[str]:
    return paint(render(screen, width, height), colour=False)


def test_80_columns() -> None:
    assert text(SCREEN, 80, 24) == [
        " bookfeed  demo seed 1  2/2 live  12k frames/s  8.1MB/s  01:15  Ctrl-C ends",
        " book                       bid    ask spread state                    age upd/s",
        " Bitcoin U…wn, 6:15 Up     0.44   0.45   0.01 live                  12.3ms   342",
        " Bitcoin U…wn, 6:15 Down   0.55      -      - live                  12.3ms     0",
        "",
        " latency              p50      p99    p99.9      max   reconnects 2",
        " venue → recv       950µs   1.50ms    163ms    163ms",
        " recv → emit            -        -        -        -",
        "",
        " signals  1 open  1,017 in all",
        " 06:15:07 complement Bitcoin Up…own, 6:15 buy 100         0.0123   1.50s open",
        " 06:15:07 spread     Bitcoin Up…own, 6:15 spread            0.05  34.0ms edge",
    ]


def test_120_columns_show_sizes_and_whole_names() -> None:
    lines = text(SCREEN, 120, 40)
    assert lines[1].split() == [
        *("book", "size", "bid", "ask", "size", "spread", "state", "age", "upd/s")
    ]
    assert lines[2].startswith(" Bitcoin Up or Down, 6:15 ")
    assert lines[2].split()[6:11] == ["13.37", "0.44", "0.45", "500.12", "0.01"]


def test_a_book_that_may_not_be_believed_says_why() -> None:
    screen = dataclasses.replace(SCREEN, books=[YES, STALE])
    line = text(screen, 80, 24)[3]
    assert "stale bbo_mismatch" in line
    assert "65.0s   4.2" in line
    assert "1/2 live" in text(screen, 80, 24)[0]
    painted = paint(render(screen, 80, 24), colour=True)
    assert "\x1b[31m stale bbo_mismatch   \x1b[0m" in painted[3]
    assert "\x1b[32m live" in painted[2]


def test_books_that_are_wrong_come_before_books_that_are_right() -> None:
    screen = dataclasses.replace(SCREEN, books=[YES] * 40 + [STALE])
    lines = text(screen, 80, 24)
    assert len(lines) <= 24
    assert sum("stale bbo_mismatch" in line for line in lines) == 1
    assert any(line.endswith("more, all live") for line in lines)
    lines = text(dataclasses.replace(SCREEN, books=[STALE] * 40), 80, 24)
    hidden = next(line for line in lines if " more" in line)
    assert hidden.endswith("of them not live")


@pytest.mark.parametrize("width", [1, 40, 72, 79, 80, 99, 100, 120, 200])
@pytest.mark.parametrize("height", [1, 10, 22, 24, 40, 60])
@pytest.mark.parametrize("count", [0, 1, 8, 30, 100])
def test_it_always_fits(width: int, height: int, count: int) -> None:
    screen = dataclasses.replace(
        SCREEN, books=[YES, STALE] * count, signals=[OPEN] * count, hint="x" * 300
    )
    lines = text(screen, width, height)
    assert len(lines) <= height
    # Below 72 columns there is no telling anything; a terminal wraps or cuts.
    assert all(len(line) <= max(width, 72) for line in lines)


def test_what_is_said_at_24_lines_is_books_latency_and_signals() -> None:
    lines = text(dataclasses.replace(SCREEN, books=[YES] * 50, signals=[OPEN] * 50), 80, 24)
    assert len(lines) == 24
    assert sum(line.startswith(" Bitcoin") for line in lines) >= 8
    assert sum("complement" in line for line in lines) >= 3
    assert any("recv → emit" in line for line in lines)


def test_a_name_cannot_speak_to_the_terminal() -> None:
    row = dataclasses.replace(YES, market="evil \x1b[2J\r\n")
    lines = text(dataclasses.replace(SCREEN, books=[row]), 120, 40)
    assert lines[2].startswith(" evil ?[2J?? ")


def test_nothing_yet() -> None:
    screen = dataclasses.replace(SCREEN, books=[], signals=[], latencies=[])
    assert "  none yet" in text(screen, 80, 24)


def test_clipping_keeps_styles_and_marks_the_cut() -> None:
    line = (Span("abc", "bold"), Span("defgh"))
    assert clip(line, 8) == line
    assert clip(line, 5) == (Span("abc", "bold"), Span("d"), Span("…", "dim"))
    assert clip(line, 3) == (Span("ab", "bold"), Span("…", "dim"))


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (None, "-"),
        (0, "0ns"),
        (820, "820ns"),
        (12_340, "12.3µs"),
        (999_999, "1000µs"),
        (1_250_000, "1.25ms"),
        (250_000_000, "250ms"),
        (45_000_000_000, "45.0s"),
        (185_000_000_000, "3m05s"),
        (-1_500_000, "-1.50ms"),
    ],
)
def test_durations(ns: int | None, shown: str) -> None:
    assert shown_duration(ns) == shown


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0, "0"), (0.25, "0.2"), (12.4, "12"), (3_400, "3.4k"), (120_000, "120k"), (1.2e6, "1.2M")],
)
def test_rates(rate: float, shown: str) -> None:
    assert shown_rate(rate) == shown
