"""``bookfeed signals``: what signals there were, from the file that a SQLite sink has kept."""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from bookfeed._bookfeed import format_price, format_qty
from bookfeed.clock import NS_PER_S
from bookfeed.config import load
from bookfeed.errors import ConfigError, ExitCode
from bookfeed.monitor.output import Fit, write_json, write_line, write_table
from bookfeed.monitor.text import shown_duration
from bookfeed.sinks.kept import KeptSignal, kept_signals
from bookfeed.sinks.sqlite import SqliteSection

CONFIG: Final = "bookfeed.toml"
_HEADER: Final = ("opened (UTC)", "rule", "life", "edge", "size", "profit", "closed", "legs")
_RIGHT: Final = ("life", "edge", "size", "profit")


def execute(args: argparse.Namespace) -> ExitCode:
    """Reads and prints; fails if there are none."""
    since_ns = time.time_ns() - args.since * NS_PER_S if args.since else 0
    found = kept_signals(args.file or _file_of(args.config), since_ns=since_ns, rule=args.rule)
    if args.count is not None:
        found = found[: args.count]
    objects = map(_object, found)
    if args.output == "json":
        write_json({"signals": list(objects)})
    elif args.output == "ndjson":
        for one in objects:
            write_line({"type": "kept_signal", **one})
    elif args.output == "csv":
        _write_csv(objects)
    else:
        rows = [_row(one) for one in found]
        write_table(_HEADER, rows, right=_RIGHT, fit=Fit("rule", ("size", "closed")))
    return ExitCode.OK if found else ExitCode.FAILURE


def _file_of(config: str | None) -> str:
    """The file of the SQLite sink of a configuration."""
    name = config or CONFIG
    kept = [one.file for one in load(name).sink if isinstance(one, SqliteSection)]
    if len(kept) == 1:
        return kept[0]
    problem = f"has {len(kept) or 'no'} sinks of kind sqlite; name the file: bookfeed signals FILE"
    raise ConfigError(name, "sink", problem)


def _object(signal: KeptSignal) -> dict[str, object]:
    """A signal for programs: numbers are exact text, times Unix nanoseconds."""
    return {
        "run": signal.run,
        "id": signal.id,
        "rule": signal.rule,
        "name": signal.name,
        "direction": signal.direction,
        "ts_open": signal.ts_open,
        "ts_close": signal.ts_close,
        "reason": signal.reason,
        "peak_edge": _price(signal.peak_edge_e9),
        "profit": _price(signal.profit_e9),
        "qty": None if signal.qty_e8 is None else format_qty(signal.qty_e8),
        "capital": _price(signal.capital_e9),
        "legs": signal.legs,
    }


def _write_csv(objects: Iterator[dict[str, object]]) -> None:
    """A line for each, below a line of names; legs are one text, absent is empty."""
    writer: csv.DictWriter[str] | None = None
    for one in objects:
        legs = one["legs"]
        assert isinstance(legs, list)
        told = {**one, "legs": "; ".join(map(_leg, legs))}
        if writer is None:
            writer = csv.DictWriter(sys.stdout, told, lineterminator="\n")
            writer.writeheader()
        writer.writerow(told)


def _row(signal: KeptSignal) -> Sequence[object]:
    opened = datetime.fromtimestamp(signal.ts_open / NS_PER_S, UTC)
    life = "" if signal.ts_close is None else shown_duration(signal.ts_close - signal.ts_open)
    return (
        f"{opened:%Y-%m-%d %H:%M:%S}",
        signal.name or signal.rule,
        life,
        _price(signal.peak_edge_e9) or "",
        "" if signal.qty_e8 is None else format_qty(signal.qty_e8),
        "" if signal.profit_e9 is None else f"${signal.profit_e9 / 10**9:,.2f}",
        "" if signal.ts_close is None else signal.reason,
        "; ".join(map(_leg, signal.legs)),
    )


def _leg(leg: dict[str, object]) -> str:
    """A leg in words: side, venue, market, outcome."""
    parts = (leg["side"], leg["venue"], leg["market"] or leg["symbol"], leg["outcome"])
    return " ".join(str(part) for part in parts if part)


def _price(value_e9: int | None) -> str | None:
    return None if value_e9 is None else format_price(value_e9)
