"""Tables for a terminal, measured in cells: which columns fit, and what each line of them is.

A Chinese sign or an emoji takes two cells, an accent that combines none. Nothing here knows what is
shown, and nothing here asks a terminal.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from rich.cells import cell_len, chop_cells, split_graphemes

from bookfeed.monitor.text import Line, Span, Style, printable

FLEX_MIN: Final = 8
"""What is left to the column that gives way, however narrow the terminal is."""


def cut_cells(text: str, width: int) -> str:
    """The text in at most ``width`` cells; what is cut has an ellipsis in its middle, since names
    of markets differ at their ends as often as not.
    """
    text = printable(text)
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    signs = [(text[start:end], cells) for start, end, cells in split_graphemes(text)[0]]
    tail_max = width // 2 - 1
    head = _fitting(signs, width - 1 - tail_max)
    tail = _fitting(signs[::-1], tail_max)
    return f"{''.join(head)}…{''.join(reversed(tail))}"


def _fitting(signs: Sequence[tuple[str, int]], width: int) -> list[str]:
    taken = []
    for sign, cells in signs:
        if cells > width:
            break
        taken.append(sign)
        width -= cells
    return taken


def pad_cells(text: str, width: int, align: Literal["<", ">"] = "<") -> str:
    """The text in exactly ``width`` cells."""
    text = cut_cells(text, width)
    gap = " " * (width - cell_len(text))
    return gap + text if align == ">" else text + gap


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, what a row has in it, by what rows are sorted, and what it gives up."""

    title: str
    width: int
    text: Callable[[Any], str]
    order: Callable[[Any], Any]
    """What rows are sorted by; rows of which it is ``None`` come last."""
    style: Callable[[Any], Style] = lambda _: ""
    align: Literal["<", ">"] = "<"
    spared: int = 0
    """What has the highest number is left out first where there is no room, columns of one number
    together; 0 stays.
    """
    narrow: int = 0
    """How wide it is where there is little room; 0: as wide as always."""
    short: Callable[[Any], str] | None = None
    """What it has there instead."""
    brief: str = ""
    """What it is called there instead."""
    flex: bool = False
    """Takes what the others leave, as far as its longest text needs it."""
    fitted: bool = False
    """Grows with its texts: what is cut off a number makes it another one."""


@dataclass(slots=True)
class Layout:
    """Columns with the widths that fit a terminal. It only grows, so that nothing jumps about."""

    columns: Sequence[Column]
    _longest: dict[str, int]

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self._longest = {}

    def learn(self, rows: Sequence[Any]) -> None:
        """Make room for what these rows have to say."""
        for column in self.columns:
            if column.fitted or column.flex:
                longest = max((cell_len(printable(column.text(row))) for row in rows), default=0)
                self._longest[column.title] = max(self._longest.get(column.title, 0), longest)

    def fit(self, width: int) -> list[tuple[Column, int]]:
        """The columns that there is room for, and how wide each is."""
        wide = [(column, self._width(column)) for column in self.columns]
        if _needed(wide) <= width:
            return self._spread(wide, width)
        chosen = list(zip(wide, map(_narrowed, wide), strict=True))
        while _needed(short for _, short in chosen) > width and (
            first := max(column.spared for (column, _), _ in chosen)
        ):
            chosen = [pair for pair in chosen if pair[0][0].spared != first]
        # What is narrow for nothing gets its width back, the columns on the left first.
        fitted = [short for _, short in chosen]
        for at, (whole, short) in enumerate(chosen):
            fitted[at] = whole
            if _needed(fitted) > width:
                fitted[at] = short
        return self._spread(fitted, width)

    def _spread(self, chosen: Sequence[tuple[Column, int]], width: int) -> list[tuple[Column, int]]:
        left = width - _needed(chosen)
        return [(one, self._flexed(one, each, left)) for one, each in chosen]

    def _width(self, column: Column) -> int:
        grown = self._longest.get(column.title, 0) if column.fitted else 0
        return max(column.width, grown, cell_len(column.title))

    def _flexed(self, column: Column, width: int, left: int) -> int:
        """Numbers stay near the names they belong to, however wide the terminal is."""
        if not column.flex:
            return width
        longest = max(self._longest.get(column.title, 0), column.width)
        return max(min(width + left, longest), FLEX_MIN)


def _narrowed(whole: tuple[Column, int]) -> tuple[Column, int]:
    column, _ = whole
    if column.flex or not column.narrow:
        return whole
    return replace(column, text=column.short or column.text), column.narrow


def _needed(chosen: Iterable[tuple[Column, int]]) -> int:
    return sum(width + 1 for _, width in chosen)


def head_line(fitted: Sequence[tuple[Column, int]], sorted_by: str, *, backwards: bool) -> Line:
    """The titles; the one that rows are sorted by says which way."""
    spans = []
    for column, width in fitted:
        chosen = column.title == sorted_by
        mark = ("▼" if backwards else "▲") if chosen else ""
        title = column.brief if column.brief and len(column.title) > width else column.title
        title = title if cell_len(title + mark) > width else title + mark
        shown = pad_cells(title[:width], width, column.align)
        spans.append(Span(f" {shown}", "bold" if chosen else "dim"))
    return tuple(spans)


def row_line(fitted: Sequence[tuple[Column, int]], row: Any) -> Line:
    """One row."""
    return tuple(
        Span(" " + pad_cells(column.text(row), width, column.align), column.style(row))
        for column, width in fitted
    )


def wrap_cells(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` cells, broken between words where that can be."""
    lines: list[str] = []
    for word in printable(text).split():
        for piece in [word] if cell_len(word) <= width else chop_cells(word, max(width, 2)):
            if lines and cell_len(lines[-1]) + 1 + cell_len(piece) <= width:
                lines[-1] += f" {piece}"
            else:
                lines.append(piece)
    return lines


def as_many(parts: Iterable[Span], width: int) -> Line:
    """As many of the parts, from the first on, as there is room for: half a number is another."""
    taken: list[Span] = []
    for part in parts:
        width -= cell_len(part.text)
        if width < 0:
            break
        taken.append(part)
    return tuple(taken)


def in_order(rows: Sequence[Any], column: Column, *, backwards: bool) -> list[Any]:
    """The rows by what a column has, those that have nothing there at the end either way."""
    known = [row for row in rows if column.order(row) is not None]
    known.sort(key=column.order, reverse=backwards)
    return known + [row for row in rows if column.order(row) is None]
