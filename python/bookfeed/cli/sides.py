"""Two things side by side on a terminal: what each says of the same, wrapped."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Final, NamedTuple

from bookfeed.monitor.output import terminal_columns
from bookfeed.monitor.text import printable

_NAME_WIDTH: Final = 8
# Without a terminal, and the most that is pleasant to read.
_COLUMNS: Final = 100
_COLUMNS_MAX: Final = 160
# In less than this, one stands below the other.
_SIDE_MIN: Final = 24
_GAP: Final = "  "
_MARGIN: Final = " " * (_NAME_WIDTH + 2)


class Row(NamedTuple):
    """What both say of something; ``mark`` is one character before its name."""

    name: str
    left: str
    right: str
    mark: str = " "

    @property
    def head(self) -> str:
        return f"{self.mark} {self.name:{_NAME_WIDTH}}"


def side_by_side(rows: Sequence[Row], columns: int | None = None) -> list[str]:
    """Lines of at most ``columns``, by default what the terminal has."""
    if columns is None:
        columns = min(terminal_columns() or _COLUMNS, _COLUMNS_MAX)
    room = columns - len(_MARGIN)
    width = (room - 2 * len(_GAP)) // 2
    if width < _SIDE_MIN:
        return [line for row in rows for line in _below(row, max(room, _SIDE_MIN))]
    return [line for row in rows for line in _beside(row, width)]


def _beside(row: Row, width: int) -> Iterator[str]:
    head = row.head
    left, right = _wrapped(row.left, width), _wrapped(row.right, width)
    for one, other in zip_longest(left, right, fillvalue=""):
        yield f"{head}{_GAP}{one:{width}}{_GAP}{other}".rstrip()
        head = _MARGIN


def _below(row: Row, width: int) -> Iterator[str]:
    head = row.head
    for line in (*_wrapped(row.left, width), *_wrapped(row.right, width)):
        yield f"{head}{line}".rstrip()
        head = _MARGIN


def _wrapped(text: str, width: int) -> list[str]:
    """Paragraphs of a text in lines; what has no blanks is cut where it must be."""
    lines = [
        line for part in text.splitlines() if part.strip() for line in wrap(printable(part), width)
    ]
    return lines or [""]
