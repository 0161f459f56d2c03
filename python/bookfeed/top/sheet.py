"""``Sheet``: a list on the terminal, drawn line by line, of which only what is in sight is made.

A table that keeps a widget or a cached cell for everything in it costs what the market has; this
one costs what the terminal shows, thirty times a second if need be.
"""

from collections.abc import Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from bookfeed.monitor.text import Line, Span, Style
from bookfeed.top.cells import Column, Layout, as_many, head_line, in_order, row_line, wrap_cells
from bookfeed.top.desk import Desk
from bookfeed.top.tabs import Tab

STYLES: Final[dict[Style, RichStyle]] = {
    "": RichStyle(),
    "bold": RichStyle(bold=True),
    "dim": RichStyle(dim=True),
    "good": RichStyle(color="green"),
    "warn": RichStyle(color="yellow"),
    "bad": RichStyle(color="red"),
}
_CHOSEN: Final = RichStyle(reverse=True)
_WHEEL_LINES: Final = 3


def strip_of(line: Line, width: int, *, chosen: bool = False) -> Strip:
    """A line as a terminal has it, in exactly ``width`` cells."""
    whole = _CHOSEN if chosen else RichStyle()
    segments = [Segment(span.text, STYLES[span.style] + whole) for span in line]
    return Strip(segments).adjust_cell_length(width, whole)


class Sheet(Widget, can_focus=True):
    """Shows the rows of one tab, of which one is chosen."""

    class Opened(Message):
        """A row was chosen to be looked at."""

        def __init__(self, tab: Tab, row: Any) -> None:
            super().__init__()
            self.tab: Final = tab
            self.row: Final = row

    def __init__(self, tab: Tab, desk: Desk, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._desk: Final = desk
        self._layouts: Final[dict[str, Layout]] = {}
        self._sorted: Final[dict[str, tuple[str, bool]]] = {}
        self._filters: Final[dict[str, int]] = {}
        self.search = ""
        self.rows: Sequence[Any] = []
        """What is listed, in the order in which it is."""
        self.count = 0
        """How many rows there are, listed or not."""
        self.tab = tab
        self._at = 0
        self._key: object = None
        self._first = 0

    # What is listed.

    def turn_to(self, tab: Tab) -> None:
        """List something else."""
        self.tab = tab
        self._at = self._first = 0
        self._key = None
        self.load()

    def load(self) -> None:
        """List what is now."""
        found = self.tab.rows(self._desk)
        self.count = len(found)
        if chosen := self.filter:
            keeps = dict(self.tab.choices)[chosen]
            found = [row for row in found if keeps(row)]
        if self.search:
            wanted = self.search.casefold().split()
            words = self.tab.words
            found = [r for r in found if all(word in words(r).casefold() for word in wanted)]
        title, backwards = self.sorting
        for column in self.tab.columns:
            if column.title == title:
                found = in_order(found, column, backwards=backwards)
        self.rows = found
        self._follow()
        self.refresh()

    @property
    def sorting(self) -> tuple[str, bool]:
        """The column that rows are sorted by, empty for none, and whether backwards."""
        return self._sorted.get(self.tab.name, ("", False))

    @property
    def filter(self) -> str:
        """The name of the filter; empty for none."""
        number = self._filters.get(self.tab.name, 0)
        return self.tab.choices[number - 1][0] if number else ""

    @property
    def chosen(self) -> Any:
        """The row that is chosen; ``None`` if there is none."""
        return self.rows[self._at] if self.rows else None

    def left_out(self, title: str) -> str:
        """What the row that is chosen has in a column that there is no room for; else empty."""
        chosen = self.chosen
        shown = {column.title for column, _ in self._fitted()}
        if chosen is None or title in shown:
            return ""
        return next((o.text(chosen) for o in self.tab.columns if o.title == title), "")

    @property
    def place(self) -> int:
        """Its number, from 1 on."""
        return self._at + 1 if self.rows else 0

    def sort_next(self, step: int = 1) -> None:
        """Sort by the next column of those that are in sight, or by none again."""
        titles = ["", *(column.title for column, _ in self._fitted())]
        title, backwards = self.sorting
        at = titles.index(title) if title in titles else 0
        self._sorted[self.tab.name] = (titles[(at + step) % len(titles)], backwards)
        self.load()

    def sort_by(self, title: str) -> None:
        """Sort by a column; again, the other way."""
        before, backwards = self.sorting
        self._sorted[self.tab.name] = (title, not backwards if before == title else False)
        self.load()

    def turn_round(self) -> None:
        """Sort the other way."""
        title, backwards = self.sorting
        self._sorted[self.tab.name] = (title, not backwards)
        self.load()

    def filter_next(self) -> None:
        """Leave out other rows, or none."""
        number = self._filters.get(self.tab.name, 0)
        self._filters[self.tab.name] = (number + 1) % (len(self.tab.choices) + 1)
        self.load()

    def show_all(self) -> None:
        """Neither search nor filter."""
        self.search = ""
        self._filters.pop(self.tab.name, None)

    # Which row is chosen.

    def move(self, lines: int) -> None:
        """Choose a row further down, or up."""
        self._choose(self._at + lines)

    def move_to(self, place: int) -> None:
        """Choose the first row (0) or the last (-1)."""
        self._choose(place if place >= 0 else len(self.rows) + place)

    def open(self) -> None:
        """Look at the row that is chosen."""
        if self.chosen is not None:
            self.post_message(self.Opened(self.tab, self.chosen))

    def _choose(self, at: int) -> None:
        self._at = max(min(at, len(self.rows) - 1), 0)
        # The first place is a place, not a row: what is new comes into sight there.
        self._key = self.tab.key(self.rows[self._at]) if self.rows and self._at else None
        self._show()
        self.refresh()

    def _follow(self) -> None:
        """The row that was chosen stays so, wherever it is now."""
        key = self.tab.key
        if self._key is not None:
            same = next((at for at, row in enumerate(self.rows) if key(row) == self._key), None)
            if same is not None:
                self._at = same
        self._at = max(min(self._at, len(self.rows) - 1), 0)
        self._show()

    def _show(self) -> None:
        room = max(self._lines, 1)
        self._first = max(min(self._first, self._at), self._at - room + 1)
        self._first = max(min(self._first, len(self.rows) - room), 0)

    # What is drawn.

    @property
    def _above(self) -> int:
        """Lines above the rows: the titles, and what the tab has to say."""
        return 1 if self.tab.note is None else 2

    @property
    def _lines(self) -> int:
        return self.size.height - self._above

    def _fitted(self) -> list[tuple[Column, int]]:
        layout = self._layouts.get(self.tab.name)
        if layout is None:
            layout = self._layouts[self.tab.name] = Layout(self.tab.columns)
        layout.learn(self.rows[self._first : self._first + max(self._lines, 0)])
        return layout.fit(self.size.width)

    def render_lines(self, crop: Any) -> list[Strip]:
        """Draw the lines in sight: titles, then rows."""
        width, height = self.size.width, self.size.height
        title, backwards = self.sorting
        fitted = self._fitted()
        note = () if self.tab.note is None else as_many(self.tab.note(self._desk), width)
        lines = [] if self.tab.note is None else [strip_of(note, width)]
        lines.append(strip_of(head_line(fitted, title, backwards=backwards), width))
        for at in range(self._first, min(self._first + self._lines, len(self.rows))):
            chosen = at == self._at and self.has_focus
            lines.append(strip_of(row_line(fitted, self.rows[at]), width, chosen=chosen))
        if not self.rows:
            for line in wrap_cells(self._nothing(), max(width - 2, 1)):
                lines.append(strip_of((Span(f" {line}", "dim"),), width))
        lines = [line.adjust_cell_length(width) for line in lines[:height]]
        lines += [Strip.blank(width)] * (height - len(lines))
        return [line.crop(crop.x, crop.right) for line in lines[crop.y : crop.bottom]]

    def _nothing(self) -> str:
        if self.count:
            return f"none of {self.count} fits; Escape shows all"
        return self.tab.empty

    # The mouse.

    def on_click(self, event: events.Click) -> None:
        """A title sorts; a row is chosen, and opened by a second click."""
        self.focus()
        at = event.y - self._above
        if at == -1:
            left = 0
            for column, width in self._fitted():
                left += width + 1
                if event.x < left:
                    self.sort_by(column.title)
                    return
        elif 0 <= at < len(self.rows) - self._first:
            again = self._first + at == self._at
            self._choose(self._first + at)
            if again and event.chain > 1:
                self.open()

    def on_mouse_scroll_down(self) -> None:
        """Further down."""
        self.move(_WHEEL_LINES)

    def on_mouse_scroll_up(self) -> None:
        """Further up."""
        self.move(-_WHEEL_LINES)

    def on_resize(self) -> None:
        """The chosen row stays in sight."""
        self._show()


def tab_bar(tabs: Sequence[Tab], active: int, width: int) -> Line:
    """The names of the tabs with their keys; where there is no room for all, those around the one
    that is shown.
    """
    names = [f" {number} {tab.name} " for number, tab in enumerate(tabs, 1)]
    if sum(map(cell_len, names)) > width:
        names = [f" {number} {tab.short} " for number, tab in enumerate(tabs, 1)]
    first, last = active, active + 1
    while sum(map(cell_len, names[first:last])) < width:
        wider = [(first, last + 1)] * (last < len(names)) + [(first - 1, last)] * (first > 0)
        fitting = [(a, z) for a, z in wider if sum(map(cell_len, names[a:z])) <= width - 2]
        if not fitting:
            break
        # Those after it first, but never without the one before it.
        first, last = fitting[-1] if first == active and first > 0 else fitting[0]
    spans = [Span(names[at], "bold" if at == active else "dim") for at in range(first, last)]
    before, after = Span("<" if first else "", "dim"), Span(">" if last < len(names) else "", "dim")
    return (before, *spans, after)
