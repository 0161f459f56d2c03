"""How the worth of markets is shown: lines of a terminal, and objects for programs."""

from dataclasses import replace
from typing import Final

from bookfeed.monitor.text import columns, paint
from bookfeed.monitor.worth import IndexRow, Worth, WorthRow, worth_lines, worth_object

S: Final = 10**9
T: Final = 1_790_000_000 * S


def worth(window_ts: int = T) -> Worth:
    rows = [
        WorthRow("here", "Up or down", 75 * S, 84_000.0, 84_010.5, 0.61, 0.55, 0.67, 0.4, 0.42),
        WorthRow("there", "Up", 75 * S, None, None, None, None, None, None, None),
    ]
    venues = [("one", -1.25, ""), ("two", None, "delayed")]
    return Worth(T, window_ts, [IndexRow("BTC", 84_010.5, venues)], rows)


def test_lines_have_everything_and_fit() -> None:
    text = paint(worth_lines(worth(), 120, 20), colour=False)
    assert text[0].strip() == "clock 14:13:20 UTC"
    assert text[1].split() == [
        "BTC", "index,", "estimated", "84,010.50", "one", "-1.25", "two", "delayed",
    ]  # fmt: skip
    assert text[3].split() == [
        "here", "Up", "or", "down", "75.0s", "84,000.00", "84,010.50", "0.610", "0.550", "0.670",
        "0.400", "0.420",
    ]  # fmt: skip
    assert text[4].split() == ["there", "Up", "75.0s", *"--------"[:7]]
    for width in (20, 72, 100):
        assert all(columns(line) <= width for line in worth_lines(worth(), width, 20))


def test_a_book_apart_from_its_worth_stands_out() -> None:
    line = worth_lines(worth(), 120, 20)[3]
    assert line[-1].style == "good" and worth_lines(worth(), 120, 20)[4][-1].style == ""


def test_a_clock_of_windows_is_shown_where_it_is_another_one() -> None:
    (clock, *_) = paint(worth_lines(worth(T + 300 * S), 120, 20), colour=False)
    assert "windows' clock 14:18:20" in clock


def test_programs_get_the_same() -> None:
    told = worth_object(worth())
    assert told["indexes"][0]["estimate"] == 84_010.5
    assert told["indexes"][0]["venues"][1] == {
        "venue": "two", "basis": None, "standing": "delayed",
    }  # fmt: skip
    assert told["markets"][0]["fair_value"] == 0.61 and told["markets"][0]["left_s"] == 75
    assert told["markets"][1]["strike"] is None


def test_a_narrow_screen_leaves_columns_out_and_cuts_none() -> None:
    titles = {
        120: ["left", "strike", "price", "fair", "low", "high", "bid", "ask"],
        80: ["left", "strike", "price", "fair", "bid", "ask"],
        60: ["left", "strike", "fair", "bid", "ask"],
        40: ["fair", "bid", "ask"],
    }
    for width, wanted in titles.items():
        lines = paint(worth_lines(worth(T + 300 * S), width, 20), colour=False)
        assert lines[2].removeprefix(" price markets").split() == wanted
        assert lines[3].split()[-3:] == ["0.610", "0.400", "0.420"] or width == 120
        assert not any(line.endswith("…") for line in lines), lines


def test_an_index_says_what_there_is_room_for() -> None:
    venues = [("coinbase", 0.4, ""), ("kraken", -1.25, ""), ("gemini", None, "delayed")]
    whole = replace(worth(), indexes=[IndexRow("BTC", 84_010.5, venues)])
    shown = {
        120: " BTC index, estimated 84,010.50  coinbase +0.40  kraken -1.25  gemini delayed",
        72: " BTC estimated 84,010.50  coinbase +0  kraken -1  gemini delayed",
        40: " BTC estimated 84,010.50  2 of 3 in",
    }
    for width, line in shown.items():
        assert paint(worth_lines(whole, width, 20), colour=False)[1] == line


def test_a_low_screen_has_the_markets_that_end_first() -> None:
    rows = [WorthRow("v", f"m{n}", n * S, *[None] * 7) for n in range(20)]
    many = replace(worth(), markets=rows)
    counts = {lines_max: len(worth_lines(many, 80, lines_max)) for lines_max in (-9, 4, 6, 9, 40)}
    assert counts == {-9: 4, 4: 4, 6: 6, 9: 9, 40: 11}
