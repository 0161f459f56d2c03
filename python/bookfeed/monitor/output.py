"""What commands print on standard output: tables for people, JSON for programs."""

import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from textwrap import wrap
from typing import Any, Final, NamedTuple

import orjson

from bookfeed.monitor.text import cut, printable

_GAP: Final = "  "
# What is cut keeps so many columns, where there are so many.
_CUT_MIN: Final = 24


def write_json(value: Any) -> None:
    """One JSON object, indented where a person reads it."""
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    _write(orjson.dumps(value, option=option | orjson.OPT_SERIALIZE_NUMPY))


def write_line(value: Any) -> None:
    """One JSON object on one line, handed on at once."""
    _write(orjson.dumps(value))
    sys.stdout.flush()


def terminal_columns() -> int | None:
    """How wide the terminal is that is written to; ``None`` if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class Fit(NamedTuple):
    """How a table is made to fit a terminal: what is cut, and what is left out, first to last.

    The last column is neither: it is to be copied, and goes below its row if there is no room.
    """

    cut: str
    leave_out: Sequence[str] = ()


def write_table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Collection[str] = (),
    fit: Fit | None = None,
    columns: int | None = None,
) -> None:
    """Columns as wide as their content; what is a number stands to the ``right``, as do columns of
    these titles. ``columns`` is how wide a table with a ``fit`` may be, by default what the
    terminal has.
    """
    table = [[_shown(cell) for cell in row] for row in (header, *rows)]
    numeric = [
        title in right
        or (bool(rows) and all(row[i] is None or isinstance(row[i], int | float) for row in rows))
        for i, title in enumerate(header)
    ]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    columns = terminal_columns() if columns is None else columns
    below = False
    if fit is not None and columns is not None:
        below = _fit(fit, header, widths, columns)
    for row in table:
        cells = (
            cell.rjust(width) if to_right else cut(cell, width).ljust(width)
            for cell, width, to_right in zip(row, widths, numeric, strict=True)
            if width
        )
        print(_GAP.join(cells).rstrip())
        if below:
            print(f"{_GAP}{row[-1]}")


def _fit(fit: Fit, header: Sequence[str], widths: list[int], columns: int) -> bool:
    """Makes columns narrower, or nothing; whether the last one goes below its row."""
    flexible = header.index(fit.cut)
    least = min(widths[flexible], _CUT_MIN)
    below = least + len(_GAP) + widths[-1] > columns
    if below:
        widths[-1] = 0

    def room() -> int:
        """What is left for the column that is cut."""
        others = [width for at, width in enumerate(widths) if width and at != flexible]
        return columns - sum(others) - len(_GAP) * len(others)

    for title in fit.leave_out:
        if room() >= least:
            break
        widths[header.index(title)] = 0
    widths[flexible] = max(1, min(widths[flexible], room()))
    return below


def write_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line; on a terminal a long value goes on below."""
    shown = [(name, _shown(value)) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    columns = terminal_columns()
    for name, value in shown:
        room = len(value) if columns is None else columns - width - len(_GAP)
        first, *others = wrap(value, max(room, _CUT_MIN)) or [""]
        print(f"{name.ljust(width)}{_GAP}{first}")
        for other in others:
            print(f"{' ' * width}{_GAP}{other}")


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return printable(str(value))


def _write(data: bytes) -> None:
    # Through the text layer, so that it keeps its place among `print`ed lines.
    sys.stdout.write(data.decode() + "\n")
