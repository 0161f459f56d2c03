"""``bookfeed export``: tables of a recording as files, and what the recording does not know."""

import argparse
import sys
from pathlib import Path
from typing import Any

from bookfeed.cli.progress import Progress
from bookfeed.errors import ConfigError, ExitCode, RecordingError
from bookfeed.monitor.output import write_json, write_line, write_pairs
from bookfeed.tables.makers import Shape
from bookfeed.tables.recording import open_recording
from bookfeed.tables.rows import needed
from bookfeed.tables.slices import Slice


def execute(args: argparse.Namespace) -> ExitCode:
    """Writes the files, and tells by the exit code whether the recording was whole."""
    needed("pyarrow")
    from bookfeed.tables.export import export  # it rests on pyarrow

    try:
        wanted = Slice.of(args.start, args.end, args.market, args.venue)
        shape = Shape.of(args.prices, args.depth, args.every)
    except RecordingError as error:
        raise ConfigError("arguments", "", str(error)) from error
    recording = open_recording(args.file, mode=args.mode, hash_check=args.hash_check)
    out = Path(args.out or f"{Path(args.file).stem}-{args.to}")
    with Progress("exporting", None) as progress:
        told = export(recording, out, args.to, args.table, wanted, shape, progress.reach)
    for problem in told["problems"]:
        print(f"bookfeed export: {problem}", file=sys.stderr)
    _show(args.output, out, told)
    return ExitCode.OK if told["complete"] else ExitCode.DATA


def _show(output: str | None, out: Path, told: dict[str, Any]) -> None:
    if output == "json":
        write_json({"directory": str(out)} | told)
        return
    if output == "ndjson":
        for file in told["files"]:
            write_line({"type": "file", **file})
        write_line({"type": "summary", "directory": str(out), "complete": told["complete"]})
        return
    degraded = sum(bool(book["degraded_minutes"]) for book in told["books"])
    rows: dict[str, int] = {}
    for file in told["files"]:
        rows[file["table"]] = rows.get(file["table"], 0) + file["rows"]
    write_pairs(
        [
            ("directory", out),
            *((table, f"{count:,} rows") for table, count in rows.items()),
            ("books", len(told["books"])),
            ("with degraded minutes", degraded),
            ("gaps", sum(book["gap_count"] for book in told["books"])),
            ("complete", "yes" if told["complete"] else "no"),
        ]
    )
