"""What commands print on standard output: tables for people, JSON for programs."""

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson

from bookfeed.monitor.text import printable


def write_json(value: Any) -> None:
    """One JSON object, indented where a person reads it."""
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    _write(orjson.dumps(value, option=option | orjson.OPT_SERIALIZE_NUMPY))


def write_line(value: Any) -> None:
    """One JSON object on one line, handed on at once."""
    _write(orjson.dumps(value))
    sys.stdout.flush()


def write_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], *, right: Collection[str] = ()
) -> None:
    """Columns as wide as their content; what is a number stands to the ``right``, as do columns of
    these titles.
    """
    table = [[_shown(cell) for cell in row] for row in (header, *rows)]
    numeric = [
        title in right
        or (bool(rows) and all(row[i] is None or isinstance(row[i], int | float) for row in rows))
        for i, title in enumerate(header)
    ]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(cells).rstrip())


def write_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line."""
    shown = [(name, _shown(value)) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name.ljust(width)}  {value}")


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
