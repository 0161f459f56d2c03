"""The live table, line by line: what people see at 80x24 and 120x40, and when things go wrong."""

import dataclasses
import html
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from bookfeed.monitor.console import BookRow, LatencyRow, Screen, render
from bookfeed.monitor.opportunities import (
    LegRow,
    PaperRow,
    RefusalRow,
    SignalRow,
    ledger_lines,
)
from bookfeed.monitor.text import (
    Span,
    cells,
    clip,
    cut,
    pad,
    paint,
    shown_duration,
    shown_price,
    shown_qty,
    shown_rate,
)

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
    net_e9=1_234_567_800,
    roi=0.0126,
)
CLOSED = dataclasses.replace(
    OPEN, rule="spread", direction="", value_e9=50_000_000, lasted_ns=34_000_000, closed="edge"
)
VENUES = ("polymarket", "kalshi")
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
        " book               out     bid    ask spread state                    age upd/s",
        " Bitcoin U…wn, 6:15 Up     0.44   0.45   0.01 live                  12.3ms   342",
        " Bitcoin U…wn, 6:15 Down   0.55      -      - live                  12.3ms     0",
        "",
        " latency              p50      p99    p99.9      max   reconnects 2",
        " venue → recv       950µs   1.50ms    163ms    163ms",
        " recv → emit            -        -        -        -",
        "",
        " signals  1 open  1,017 in all",
        " rule       market                   take      edge dollars return lasted state",
        " complement Bitcoin Up or Down, 6:15 buy 100 0.0123   $1.23  1.26%  1.50s open",
        " market                   spread lasted state",
        " Bitcoin Up or Down, 6:15   0.05 34.0ms closed",
    ]


def test_every_column_of_signals_has_a_title_over_it_and_spreads_are_apart() -> None:
    """Dollars and return stand beside the edge, and on a small terminal the dollars do."""
    long = dataclasses.replace(OPEN, market="a market of very many words " * 4, closed="min_qty")
    for width in (40, 60, 72, 80, 99, 100, 120, 200):
        screen = dataclasses.replace(SCREEN, signals=[CLOSED, long, OPEN, CLOSED])
        lines = text(screen, width, 30)
        place = next(i for i, line in enumerate(lines) if "dollars" in line)
        titles, *rows = lines[place : place + 3]
        apart = lines[place + 3 :]
        assert apart[0].split()[-1] == "state" and "spread" in apart[0] and "edge" not in apart[0]
        assert len(apart) == 3 and all("0.05" in line for line in apart[1:])
        for title, cell in (("edge", "0.0123"), ("dollars", "$1.23")):
            assert [row.index(cell) + len(cell) for row in rows] == [
                titles.index(title) + len(title)
            ] * 2, lines
        assert [row[titles.index("state") :] for row in rows] == [
            "open",
            "closed: min_qty" if width >= 100 else "closed",
        ]
        assert all(
            len(line) <= width and "…" not in line[titles.index("edge") - 2 :] for line in rows
        )
        assert ("return" in titles) == (width >= 72) and ("opened" in titles) == (width >= 100)


def test_spreads_take_no_line_from_what_can_be_taken_where_there_is_little_room() -> None:
    screen = dataclasses.replace(SCREEN, signals=[OPEN, CLOSED, CLOSED])
    assert "complement" in "".join(text(screen, 80, 13))
    assert not any("0.05" in line for line in text(screen, 80, 13))
    only = text(dataclasses.replace(SCREEN, signals=[CLOSED] * 5), 80, 24)
    assert sum("0.05" in line for line in only) == 5 and "  none yet" not in only


def test_120_columns_show_sizes_and_whole_names() -> None:
    lines = text(SCREEN, 120, 40)
    assert lines[1].split() == [
        *("book", "venue", "out", "size", "bid", "ask", "size", "spread", "state", "age", "upd/s")
    ]
    assert lines[2].startswith(" Bitcoin Up or Down, 6:15 ")
    assert lines[2].split()[5:10] == ["polymarket", "Up", "13.37", "0.44", "0.45"]


def test_books_of_several_venues_say_which_at_any_width() -> None:
    books = [YES, dataclasses.replace(YES, venue="kalshi")]
    named_at = {80: "Bitcoin Up…own, 6:15", 100: "Bitcoin Up …Down, 6:15", 160: YES.market}
    for width, named in named_at.items():
        lines = text(dataclasses.replace(SCREEN, books=books), width, 24)
        assert all(line.startswith(f" {named} ") for line in lines[2:4])
        assert [line.count(venue) for line, venue in zip(lines[2:4], VENUES, strict=True)] == [1, 1]
    assert "venue" not in text(SCREEN, 80, 24)[1]


def test_prices_are_shown_whole_however_long_they_are() -> None:
    bitcoin = dataclasses.replace(
        YES, venue="kraken", market="BTC-USD", bid_e9=84_000_580_000_000, ask_e9=84_001_190_000_000
    )
    tiny = dataclasses.replace(YES, venue="binance", market="SHIB-USDT", bid_e9=8_120, ask_e9=8_130)
    huge = dataclasses.replace(YES, bid_e9=9_223_372_035_123_456_789, ask_e9=None)
    for width, height in ((72, 15), (80, 24), (120, 40), (200, 50)):
        for books in ([bitcoin, YES], [bitcoin, tiny, YES], [huge]):
            lines = text(dataclasses.replace(SCREEN, books=books), width, height)
            assert max(map(len, lines)) <= width
            shown = [line.split() for line in lines[2 : 2 + len(books)]]
            if books[0] is huge:
                assert "9223372035" in shown[0]
            else:
                assert {"84000.58", "84001.19"} <= set(shown[0]), lines
                assert {"0.44", "0.45"} <= set(shown[-1]), lines
            if tiny in books:
                assert {"0.00000812", "0.00000813"} <= set(shown[1]), lines


def test_books_that_do_not_fit_leave_some_of_every_venue() -> None:
    books = [YES] * 20 + [dataclasses.replace(YES, venue="kalshi")] * 20
    lines = text(dataclasses.replace(SCREEN, books=books), 100, 24)
    shown = [sum(venue in line for line in lines) for venue in VENUES]
    assert min(shown) >= 3 and max(shown) - min(shown) <= 1
    # Those of one venue stay together.
    first = next(i for i, line in enumerate(lines) if "kalshi" in line)
    assert not any("polymarket" in line for line in lines[first:])


def test_a_size_that_does_not_fit_loses_its_fraction_only() -> None:
    row = dataclasses.replace(YES, bid_qty_e8=1_234_567_89_000_000, ask_qty_e8=9_999_999_000_000)
    assert (
        " 1234567   0.44   0.45 99999.99 "
        in text(dataclasses.replace(SCREEN, books=[row]), 100, 24)[2]
    )


BOX = dataclasses.replace(
    OPEN,
    rule="box",
    market="BTC above 85k at 17:00",
    qty_e8=120_00_000_000,
    legs=[
        LegRow("buy", "YES", "kalshi", "KXBTCD-26OCT0117-T84999.99", 120_00_000_000,
               451_200_000, 2_090_000_000),
        LegRow("buy", "NO", "polymarket", "Bitcoin above 85,000 on October 1?", 120_00_000_000,
               532_000_000, 0),
    ],
    gross_edge_e9=16_800_000,
    net_edge_e9=-500_000,
    maker_edge_e9=21_000_000,
    fee_e9=2_090_000_000,
    capital_e9=120_074_000_000,
    age_ns=12_345_678,
)  # fmt: skip
DETAILS = [
    "          buy YES kalshi KXBTCD-26OCT0117-T84999.99 120 @ 0.4512, fee $2.09",
    "          buy NO polymarket Bitcoin above 85,000 on October 1? 120 @ 0.532, fee $0.00",
    "          a share: gross 0.0168, net -0.0005 taking, 0.021 making;"
    " in all: fees $2.09, capital $120.074; age 12.3ms",
]


def test_a_signal_says_what_would_be_traded_and_keeps_taking_and_making_apart() -> None:
    lines = text(dataclasses.replace(SCREEN, signals=[BOX]), 120, 40)
    (place,) = (i for i, line in enumerate(lines) if " box " in line)
    assert "BTC above 85k at 17:00" in lines[place]
    assert lines[place + 1 : place + 4] == DETAILS
    narrow = text(dataclasses.replace(SCREEN, signals=[BOX]), 80, 40)
    assert all(len(line) <= 80 for line in narrow)
    (place,) = (i for i, line in enumerate(narrow) if "buy NO polymarket" in line)
    assert narrow[place].endswith(" 120 @ 0.532, fee $0.00")
    # What does not fit into a line goes on in the next one.
    edges, rest = (line.strip() for line in narrow[place + 1 : place + 3])
    assert f"{edges} {rest}" == DETAILS[-1].strip()


def test_details_take_no_line_from_a_signal_and_the_newest_come_first() -> None:
    signals = [dataclasses.replace(BOX, market=f"number {n}") for n in range(6)]
    lines = text(dataclasses.replace(SCREEN, signals=signals), 80, 22)
    heads = [line for line in lines if " box " in line]
    assert len(heads) >= 4
    assert "number 5" in heads[0]
    place = lines.index(heads[0])
    assert "buy YES" in lines[place + 1]
    assert "number 4" in lines[place + 5]


def test_a_basis_is_said_above_everything() -> None:
    notes = ['pair "BTC": basis, not the same contract: oracle \x1b[2J'] * 5
    lines = text(dataclasses.replace(SCREEN, notes=notes), 120, 40)
    assert lines[1] == ' pair "BTC": basis, not the same contract: oracle ?[2J'
    assert lines[3] == " and 3 more like it"


def test_a_long_note_is_wrapped_and_not_cut() -> None:
    note = 'pair "rain": basis, not the same contract: oracle "UMA" (polymarket), "record" (kalshi)'
    lines = text(dataclasses.replace(SCREEN, notes=[note]), 80, 24)
    assert " ".join(line.strip() for line in lines[1:3]) == note
    assert len(lines[1]) > 60


def test_the_newest_opportunity_is_explained_however_many_books_there_are() -> None:
    screen = dataclasses.replace(SCREEN, books=[YES] * 50, signals=[BOX] * 6 + [CLOSED])
    lines = text(screen, 120, 30)
    assert [line for line in lines if line in DETAILS] == DETAILS
    assert sum(line.startswith(" Bitcoin") for line in lines) >= 4


def test_refusals_are_shown_if_asked_for() -> None:
    rows = [RefusalRow("BTC above 85k at 17:00", "lag", 1_234, "one venue is behind the other")]
    rows += [RefusalRow("complement", reason, 1, "x") for reason in ("age", "skew") * 10]
    lines = text(dataclasses.replace(SCREEN, refusals=rows), 80, 24)
    place = lines.index(" not signalled, and why")
    told = " BTC above … at 17:00 lag             1,234  one venue is behind the other"
    assert lines[place + 1] == told
    assert len(lines) <= 24
    assert " not signalled, and why" not in text(SCREEN, 80, 24)
    none = text(dataclasses.replace(SCREEN, refusals=[]), 80, 24)
    assert none[-1] == "  nothing was refused"


def test_the_paper_ledger_is_a_line() -> None:
    paper = PaperRow(
        signals=10, whole=5, partial=2, gone=3, unhedged=1, pending=1,
        net_claimed_e9=3_210_000_000, net_captured_e9=-50_000_000, latency_ns=250_000_000,
    )  # fmt: skip
    lines = text(dataclasses.replace(SCREEN, paper=paper), 120, 40)
    (line,) = (line for line in lines if "paper" in line)
    # The titles of the signals stay right above them.
    assert lines[lines.index(line) + 1].startswith(" signals ")
    assert line == (
        " paper    net claimed $3.21, captured -$0.05"
        "  of 10: 5 whole, 2 in part, 3 gone, 1 unhedged, 1 under way"
    )


def test_paper_does_not_count_what_has_not_happened() -> None:
    paper = PaperRow(2, 2, 0, 0, 0, 0, 1_000_000_000, 1_000_000_000, 0)
    lines = text(dataclasses.replace(SCREEN, paper=paper), 80, 24)
    assert " paper    net claimed $1.00, captured $1.00  of 2: 2 whole" in lines


def test_ledgers_say_what_each_delay_would_have_kept() -> None:
    rows = [
        PaperRow(12, 3, 4, 5, 2, 0, 20_000_000_000, 9_000_000_000, 250_000_000),
        PaperRow(12, 10, 1, 1, 0, 0, 20_000_000_000, 18_456_000_000, 50_000_000),
        PaperRow(12, 0, 0, 12, 3, 0, 20_000_000_000, -1_250_000_000, 1_000_000_000),
        PaperRow(0, 0, 0, 0, 0, 0, 0, 0, 2_000_000_000),
    ]
    assert paint(ledger_lines(rows, 80), colour=False) == [
        " paper after    claimed   captured  kept   whole in part    gone unhedged",
        " 50.0ms          $20.00     $18.46   92%      10       1       1        0",
        " 250ms           $20.00      $9.00   45%       3       4       5        2",
        " 1.00s           $20.00     -$1.25   -6%       0       0      12        3",
        " 2.00s            $0.00      $0.00     -       0       0       0        0",
    ]
    narrow = paint(ledger_lines(rows, 40), colour=False)
    assert max(map(len, narrow)) <= 40
    assert narrow[1].split() == ["50.0ms", "$20.00", "$18.46", "92%"]


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


def test_below_72_columns_books_are_told_in_fewer_words_and_the_rest_is_cut() -> None:
    narrow = text(SCREEN, 40, 24)
    assert max(map(len, narrow)) <= 40
    assert narrow[0] == " bookfeed  2/2 live  01:15"
    assert narrow[1].split() == ["book", "out", "bid", "ask", "state"]
    assert [line.split()[-1] for line in narrow[2:4]] == ["live", "live"]
    (stale,) = text(dataclasses.replace(SCREEN, books=[STALE]), 40, 24)[2:3]
    assert stale.rstrip().endswith(" stale")
    # Nothing is cut but names: of latencies and signals less is shown.
    assert narrow[5:] == [
        " latency              p99      max",
        " venue → recv      1.50ms    163ms",
        " recv → emit            -        -",
        "",
        " signals  1 open  1,017 in all",
        " market               edge dollars state",
        " Bitcoin U…wn, 6:15 0.0123   $1.23 open",
        " market                   spread state",
        " Bitcoin Up or Down, 6:15   0.05 closed",
    ]


def test_notes_leave_room_for_what_they_are_about() -> None:
    notes = [f'pair "number {n}": basis, not the same contract: {"oracle " * 20}' for n in range(3)]
    screen = dataclasses.replace(SCREEN, notes=notes)
    for width, height in ((120, 38), (80, 22), (40, 10)):
        lines = text(screen, width, height)
        told = [line for line in lines if "basis" in line or "oracle" in line or "more" in line]
        assert 0 < len(told) <= max(height // 6, 1), lines
        assert any("2/2 live" in line for line in lines)
        assert any("0.44" in line for line in lines)
    (only,) = (line for line in text(screen, 80, 10) if "number" in line)
    assert only.endswith("(and 2 more)")


def test_numbers_stay_beside_their_names_however_wide_the_terminal_is() -> None:
    books = [dataclasses.replace(YES, market=name) for name in ("rain", "the home side wins")]
    screen = dataclasses.replace(SCREEN, books=books, signals=[OPEN, CLOSED])
    lines = text(screen, 300, 24)
    assert lines[2].startswith(" rain               polymarket Up ")
    assert max(map(len, lines)) < 110
    shown = next(line for line in lines if "complement" in line)
    assert " Bitcoin Up or Down, 6:15 buy 100 " in shown
    title = lines[lines.index(shown) - 1]
    assert shown.index("0.0123") + len("0.0123") == title.index("edge") + len("edge")
    assert shown.index("1.50s") + len("1.50s") == title.index("lasted") + len("lasted")


def test_the_first_line_leaves_out_rates_before_it_is_cut() -> None:
    screen = dataclasses.replace(SCREEN, hint="1,234,567 records, Ctrl-C ends")
    assert "8.1MB/s" in text(screen, 100, 24)[0]
    line = text(screen, 84, 24)[0]
    assert "8.1MB/s" not in line and line.endswith("  1,234,567 records, Ctrl-C ends")
    assert text(screen, 72, 24)[0] == (
        " bookfeed  demo seed 1  2/2 live  01:15  1,234,567 records, Ctrl-C ends"
    )


@pytest.mark.parametrize("width", [1, 40, 72, 79, 80, 99, 100, 120, 200])
@pytest.mark.parametrize("height", [1, 10, 22, 24, 40, 60])
@pytest.mark.parametrize("count", [0, 1, 8, 30, 100])
def test_it_always_fits(width: int, height: int, count: int) -> None:
    screen = dataclasses.replace(
        SCREEN, books=[YES, STALE] * count, signals=[OPEN, BOX] * count, hint="x" * 300,
        notes=["n" * 300] * count, refusals=[RefusalRow("r" * 99, "fees", 10**12, "t")] * count,
    )  # fmt: skip
    lines = text(screen, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


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
    ("qty_e8", "shown"),
    [
        (None, "-"),
        (0, "0"),
        (12_000, "0.00012"),
        (1, "0.00000001"),
        (12_345_678, "0.123"),
        (150_000_000, "1.50"),
        (123_456_789, "1.23"),
        (100_000_000_000, "1000"),
        (-12_000, "-0.00012"),
    ],
)
def test_sizes_keep_digits_that_count(qty_e8: int | None, shown: str) -> None:
    assert shown_qty(qty_e8) == shown


@pytest.mark.parametrize(
    ("price_e9", "shown"),
    [
        (None, "-"),
        (0, "0.00"),
        (440_000_000, "0.44"),
        (12_345_678, "0.0123"),
        (-500_000, "-0.0005"),
        (12_999, "0.000012"),
        (-1, "-0.000000001"),
        (84_000_123_456_789, "84000.1234"),
    ],
)
def test_edges_and_averages_keep_digits_that_count(price_e9: int | None, shown: str) -> None:
    assert shown_price(price_e9) == shown


def test_sizes_of_coins_are_shown_at_any_width() -> None:
    coin = dataclasses.replace(
        YES, venue="kraken", market="BTC-USD", bid_qty_e8=12_000, ask_qty_e8=123
    )
    for width in (100, 120, 200):
        shown = text(dataclasses.replace(SCREEN, books=[coin, YES]), width, 24)[2].split()
        assert {"0.00012", "0.00000123"} <= set(shown)


def test_prices_a_tick_apart_look_different() -> None:
    coin = dataclasses.replace(YES, market="DOGE", bid_e9=75_120_000, ask_e9=75_130_000)
    line = text(dataclasses.replace(SCREEN, books=[coin]), 80, 24)[2]
    assert line.split()[2:5] == ["0.07512", "0.07513", "0.00001"]


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0, "0"), (0.25, "0.2"), (12.4, "12"), (3_400, "3.4k"), (120_000, "120k"), (1.2e6, "1.2M")],
)
def test_rates(rate: float, shown: str) -> None:
    assert shown_rate(rate) == shown


def test_the_picture_of_the_demo_shows_the_table_as_it_is_and_loads_nothing() -> None:
    svg = (Path(__file__).parents[1] / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")
    shown = "".join(re.findall(r"<text [^>]*>([^<]*)</text>", svg))
    words = " ".join(html.unescape(shown).split())
    books = [YES, dataclasses.replace(YES, venue="kalshi")]
    lines = text(dataclasses.replace(SCREEN, books=books, counters=[], signals=[BOX]), 110, 36)
    titles = [lines[1], lines[5], lines[10]]
    for title in titles:
        assert " ".join(title.split()) in words
    assert "a share: gross " in words and " taking, " in words and " in all: fees $" in words
    assert set(re.findall(r"https?://[^\"\s]+|url\((?!#)", svg)) == {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }


@pytest.mark.parametrize(
    "title", ["Will it rain?", "明日は雨が降りますか?", "🚀 to the 🌕", "👩‍👩‍👧 cafe\u0301 ☂️"]
)
def test_columns_stay_under_their_titles_whatever_signs_a_name_has(title: str) -> None:
    """Measured as the terminal does, by the library that draws the lists."""
    assert cells(title) == cell_len(title)
    for width in range(12):
        assert cells(cut(title, width)) <= max(width, 1)
        assert cell_len(pad(title, width)) <= max(width, 1)
    books = [dataclasses.replace(row, market=title) for row in (YES, NO)]
    signals = [dataclasses.replace(row, market=title * 3) for row in (OPEN, CLOSED, OPEN)]
    screen = dataclasses.replace(SCREEN, books=[*books, YES], signals=signals)
    for width in (40, 80, 120):
        lines = text(screen, width, 24)
        assert all(cell_len(line) <= width for line in lines)
        book = next(line for line in lines if line.startswith(" book "))
        beside = {cell_len(line.partition("0.44")[0]) for line in lines if "0.44" in line}
        assert beside == {book.index("bid") + len("bid") - len("0.44")}
        titled = next(line for line in lines if "dollars" in line)
        beside = {cell_len(line.partition("0.0123")[0]) for line in lines if "0.0123" in line}
        assert beside == {titled.index("edge") + len("edge") - len("0.0123")}
