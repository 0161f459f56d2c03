"""Pages above the lists: the glance that ``run`` begins with, one row with all it has, the keys.

Each goes with Escape, and is scrolled where it has more lines than the terminal. Those of a book,
an opportunity and a pair are in ``opened.py``.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeAlias

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from bookfeed.monitor.text import Line, Span
from bookfeed.top.cells import as_many, pad_cells, wrap_cells
from bookfeed.top.sheet import strip_of
from bookfeed.top.tabs import Tab

_ROW_TITLE_WIDTH: Final = 10

Lines: TypeAlias = Callable[[Size], Sequence[Line]]
"""Makes the lines of a page of that size."""


class Page(Widget, can_focus=True):
    """Lines that are made anew whenever it is drawn."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._made: Final = lines

    def render_lines(self, crop: Any) -> list[Strip]:
        """Draw what there is room for."""
        width, height = self.size.width, self.size.height
        lines = [strip_of(line, width) for line in self._made(self.size)[:height]]
        lines += [Strip.blank(width)] * (height - len(lines))
        return [line.crop(crop.x, crop.right) for line in lines[crop.y : crop.bottom]]


class Look(Screen[None]):
    """One page."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "dismiss_look", "back"),
        Binding("down,j", "scroll_by(1)"),
        Binding("up,k", "scroll_by(-1)"),
        Binding("pagedown,space", "scroll_page(1)"),
        Binding("pageup", "scroll_page(-1)"),
        Binding("home,g", "scroll_by(-100000)"),
        Binding("end,G", "scroll_by(100000)"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._first = 0

    def compose(self) -> ComposeResult:
        """The page."""
        yield Page(self.page)

    def lines(self, size: Size) -> Sequence[Line]:
        """What it has to show to a terminal of that size; what does not fit is scrolled to."""
        raise NotImplementedError

    def page(self, size: Size) -> Sequence[Line]:
        """The lines in sight, and below them where they are and how to go back."""
        room = max(size.height - 1, 1)
        made = self.lines(Size(size.width, room))
        self._first = max(min(self._first, len(made) - room), 0)
        shown = made[self._first : self._first + room]
        foot = [Span(" Escape back", "dim")]
        if len(made) > room:
            place = f"  {self._first + 1} to {self._first + len(shown)} of {len(made)} lines"
            foot += [Span("  ↑ ↓ more", "warn"), Span(place, "dim")]
        return [*shown, *[()] * (room - len(shown)), as_many(foot, size.width)]

    def on_mouse_scroll_down(self) -> None:
        """Further down."""
        self.action_scroll_by(1)

    def on_mouse_scroll_up(self) -> None:
        """Further up."""
        self.action_scroll_by(-1)

    def action_scroll_by(self, lines: int) -> None:
        """Show what is further down, or up."""
        self._first = max(self._first + lines, 0)
        self.draw()

    def action_scroll_page(self, pages: int) -> None:
        """Show the page below, or above."""
        self.action_scroll_by(pages * max(self.size.height - 2, 1))

    def draw(self) -> None:
        """Show what is now."""
        for page in self.query(Page):
            page.refresh()

    def action_dismiss_look(self) -> None:
        """Back to the lists."""
        self.dismiss()


class Whole(Look):
    """All of it at a glance; the lists are below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,tab,right,l", "dismiss_look", "lists"),
        Binding("q,ctrl+c", "app.quit", "end"),
    ]

    def __init__(self, made: Lines) -> None:
        super().__init__()
        self._lines: Final = made

    def page(self, size: Size) -> Sequence[Line]:
        """As they are made: that it fits is their matter."""
        return self._lines(size)


class Row(Look):
    """One row of a list with everything that it has, however narrow the list was."""

    def __init__(self, tab: Tab, row: Any) -> None:
        super().__init__()
        self._tab: Final = tab
        self._row: Final = row

    def lines(self, size: Size) -> Sequence[Line]:
        """A column a line; long texts go on in the next."""
        titles = [column.title for column in self._tab.columns]
        width = max(_ROW_TITLE_WIDTH, *map(len, titles))
        lines: list[Line] = []
        for column in self._tab.columns:
            parts = wrap_cells(column.text(self._row), max(size.width - width - 3, 8)) or ["-"]
            for title, part in zip([column.title, *[""] * len(parts)], parts, strict=False):
                lines.append(
                    (Span(f" {title:<{width}} ", "dim"), Span(part, column.style(self._row)))
                )
        return lines


# The keys.

KEYS: Final = (
    ("1 … 9, Tab", "another list"),
    ("↑ ↓ j k", "another row"),
    ("PgUp PgDn", "a page of rows"),
    ("Home End g G", "the first, the last"),
    ("Enter", "look at a row"),
    ("s S", "sort by the next column"),
    ("r", "sort the other way"),
    ("f", "another filter"),
    ("/", "search: all words count"),
    ("Escape", "no search, no filter"),
    ("0", "the first page, in `run`"),
    ("p", "pause, and go on"),
    ("q, Ctrl-C", "end"),
)


class Keys(Look):
    """What each key does."""

    def lines(self, size: Size) -> Sequence[Line]:
        """In two columns where there are too few lines for one."""
        cells = [(Span(f" {pad_cells(key, 13)}", "bold"), Span(what)) for key, what in KEYS]
        if len(cells) <= size.height or size.width < 2 * 42:
            return cells
        half = (len(cells) + 1) // 2
        lines: list[Line] = []
        for at in range(half):
            left, right = cells[at], cells[at + half] if at + half < len(cells) else ()
            gap = " " * max(42 - 14 - len(left[1].text), 1)
            lines.append((*left, Span(gap), *right))
        return lines
