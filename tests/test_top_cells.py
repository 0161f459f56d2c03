"""Tables of a terminal: widths by cells, which columns give way, and in which order rows are."""

from types import SimpleNamespace

import pytest
from rich.cells import cell_len

from bookfeed.monitor.text import Span, printable
from bookfeed.top.cells import (
    Column,
    Layout,
    cut_cells,
    head_line,
    in_order,
    pad_cells,
    row_line,
    wrap_cells,
)
from bookfeed.top.tabs import BOOKS
from bookfeed.venues import VENUES
from bookfeed.venues.spot import OUTCOME

TITLES = ("Will it rain?", "明日は雨が降りますか?", "🚀 to the 🌕 by 12/31", "👩‍👩‍👧 café ☂️", "")


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("width", [*range(12), 40])
def test_a_text_takes_exactly_the_cells_that_it_is_given(title: str, width: int) -> None:
    assert cell_len(cut_cells(title, width)) <= width
    for align in ("<", ">"):
        padded = pad_cells(title, width, align)
        assert cell_len(padded) == width
        if width == 40:
            assert padded.strip() == cut_cells(title, 99).strip()


def test_what_is_cut_keeps_its_ends_and_says_so() -> None:
    assert cut_cells("Bitcoin above 100,000 on Friday", 15) == "Bitcoin …Friday"
    assert cut_cells("明日は雨が降りますか", 9) == "明日…か"


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nb", "\u202eevil", "\x9b31m", "\ud800"])
def test_a_title_does_not_steer_the_terminal(hostile: str) -> None:
    assert cut_cells(hostile, 20).isprintable()


def columns() -> tuple[Column, ...]:
    return (
        Column("market", 10, lambda r: r[0], lambda r: r[0], flex=True),
        Column("price", 5, lambda r: r[1], lambda r: float(r[1]), align=">", fitted=True),
        Column("state", 12, lambda r: "live, odd", lambda _: 0, narrow=5, short=lambda _: "live"),
        Column("much", 8, lambda _: "x", lambda _: 0, spared=2),
        Column("little", 8, lambda _: "y", lambda _: 0, spared=1),
    )


def fitted(width: int, rows: list[tuple[str, str]]) -> list[tuple[str, int]]:
    layout = Layout(columns())
    layout.learn(rows)
    return [(column.title, each) for column, each in layout.fit(width)]


def test_columns_give_way_in_their_order_and_names_last() -> None:
    rows = [("a market of many words", "0.5")]
    assert fitted(80, rows) == [
        ("market", 22), ("price", 5), ("state", 12), ("much", 8), ("little", 8),
    ]  # fmt: skip
    assert fitted(43, rows)[2] == ("state", 5)
    assert [title for title, _ in fitted(40, rows)] == ["market", "price", "state", "little"]
    assert [title for title, _ in fitted(26, rows)] == ["market", "price", "state"]
    assert fitted(22, rows)[0] == ("market", 9)
    assert fitted(12, rows)[0] == ("market", 8)


def test_columns_of_one_number_give_way_together_and_what_is_left_is_wide_again() -> None:
    sizes = [Column(name, 8, lambda _: "1", lambda _: 0, spared=3) for name in ("bid", "ask")]
    layout = Layout((*columns(), *sizes))
    titles = {width: [c.title for c, _ in layout.fit(width)] for width in range(20, 90)}
    assert {("bid" in found, "ask" in found) for found in titles.values()} == {
        (True, True), (False, False),
    }  # fmt: skip
    # As wide as it would be if there were room for all, where leaving others out made that room.
    assert dict((c.title, width) for c, width in layout.fit(50))["state"] == 12


def test_lines_break_between_words_and_by_cells() -> None:
    for title in TITLES:
        for width in (2, 5, 9, 40):
            lines = wrap_cells(title, width)
            assert all(cell_len(line) <= width for line in lines)
            assert "".join("".join(lines).split()) == "".join(printable(title).split())
    assert wrap_cells("one two three", 7) == ["one two", "three"]


def test_a_number_is_never_cut() -> None:
    row = ("m", "123456.789")
    layout = Layout(columns())
    layout.learn([row])
    for width in (80, 40, 30):
        assert "123456.789" in "".join(span.text for span in row_line(layout.fit(width), row))


@pytest.mark.parametrize("width", range(24, 90))
def test_titles_stand_over_their_columns(width: int) -> None:
    """Of every width, each title begins and ends in the cells of its column."""
    rows = [(title, "0.5") for title in TITLES]
    layout = Layout(columns())
    layout.learn(rows)
    chosen = layout.fit(width)
    head = head_line(chosen, "price", backwards=True)
    widths = [cell_len(span.text) for span in head]
    assert sum(widths) <= width
    for row in rows:
        assert [cell_len(span.text) for span in row_line(chosen, row)] == widths


def test_a_narrow_column_says_less_rather_than_half() -> None:
    layout = Layout(columns())
    assert Span(" live ") in row_line(layout.fit(26), ("m", "1"))
    assert Span(" live, odd   ") in row_line(layout.fit(80), ("m", "1"))


def test_rows_without_a_value_come_last_either_way() -> None:
    column = Column("price", 5, str, lambda row: row)
    assert in_order([2, None, 1], column, backwards=False) == [1, 2, None]
    assert in_order([2, None, 1], column, backwards=True) == [2, 1, None]


def test_spot_books_are_told_apart_where_there_is_no_room_for_their_venue() -> None:
    (column,) = [one for one in BOOKS.columns if one.title == "outcome"]
    assert column.short is not None

    def shown(outcome: str, venue: str) -> str:
        touch = {"outcome": outcome, "venue": venue}
        assert column.short is not None
        return cut_cells(column.short(SimpleNamespace(line=SimpleNamespace(touch=touch))), 4)

    found = [shown(OUTCOME, venue) for venue in VENUES]
    assert len(set(found)) == len(found) and not any("…" in one for one in found)
    assert [shown(outcome, "kalshi") for outcome in ("Yes", "Down")] == ["Yes", "Down"]
    assert column.narrow == 4
