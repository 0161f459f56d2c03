"""``bookfeed book``: one book once, its best levels, and whether to believe it."""

import argparse
import shutil
from typing import Any, Final

from bookfeed.cli import exact
from bookfeed.cli.once import Asked, asked, vouched
from bookfeed.errors import ExitCode
from bookfeed.monitor.output import terminal_columns, write_json, write_line
from bookfeed.monitor.text import cut, printable

_CENTS: Final = 2
_DEPTH: Final = 10
# Beside levels: two lines above, titles, the middle, and the shell's.
_OTHER_LINES: Final = 6


def execute(args: argparse.Namespace) -> ExitCode:
    """Shows the book; fails if it may not be believed."""
    found = asked(args)
    if args.output == "json":
        write_json(_object(found, args.depth or _DEPTH))
    elif args.output == "ndjson":
        write_line({"type": "book", **_object(found, args.depth or _DEPTH)})
    else:
        columns, height = terminal_columns(), shutil.get_terminal_size().lines
        room = max(1, (height - _OTHER_LINES) // 2)
        depth = args.depth or (_DEPTH if columns is None else min(_DEPTH, room))
        named, *lines = _table(found, depth)
        print(named if columns is None else cut(named, columns))
        print("\n".join(line[:columns] for line in lines))
    return ExitCode.OK if found.believed else ExitCode.FAILURE


def _levels(found: Asked, side: str, depth: int) -> list[list[str]]:
    """Price and size as exact text, the best level first."""
    return found.book.as_strings("bid" if side == "bids" else "ask")[:depth]


def _object(found: Asked, depth: int) -> dict[str, Any]:
    """The book for programs; prices and sizes are exact text."""
    sides = {side: _levels(found, side, depth) for side in ("bids", "asks")}
    return found.to_dict() | _touch(found) | sides


def _touch(found: Asked) -> dict[str, str | None]:
    bid, ask = found.book.bid_e9, found.book.ask_e9
    known = found.book.spread is not None and bid is not None and ask is not None
    return {
        "spread": exact.text(exact.price((ask or 0) - (bid or 0))) if known else None,
        "mid": exact.text(exact.price((ask or 0) + (bid or 0)) / 2, 10) if known else None,
    }


def _table(found: Asked, depth: int) -> list[str]:
    """Asks above, bids below, as traders are used to; sums of sizes run from the touch."""
    asks, bids = (_rows(_levels(found, side, depth)) for side in ("asks", "bids"))
    rows = [*reversed(asks), *bids]
    columns = [
        exact.aligned([row[at] for row in rows], places) for at, places in enumerate((_CENTS, 0, 0))
    ]
    titles = ("price", "size", "sum")
    widths = [
        max(map(len, (title, *column))) for title, column in zip(titles, columns, strict=True)
    ]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in (titles, *zip(*columns, strict=True))
    ]
    head, asked_lines, bid_lines = lines[0], lines[1 : len(asks) + 1], lines[len(asks) + 1 :]
    touch = _touch(found)
    middle = "a side is empty, or the book is not believed"
    if touch["mid"] is not None:
        middle = f"spread {touch['spread']}, mid {touch['mid']}"
    named = found.market.name or found.book.symbol
    return [
        printable(f"{named}: {found.outcome} ({found.book.venue})"),
        f"believe it? {vouched(found)}",
        f"     {head}",
        *(f"ask  {line}" for line in asked_lines),
        f"     {middle}",
        *(f"bid  {line}" for line in bid_lines),
    ]


def _rows(levels: list[list[str]]) -> list[tuple[str, str, str]]:
    """Levels with the sum of all sizes up to each."""
    rows, total = [], exact.qty(0)
    for price, size in levels:
        total += exact.parse(size)
        rows.append((price, size, exact.text(total) or ""))
    return rows
