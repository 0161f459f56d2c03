"""``bookfeed import``: a capture becomes a journal."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bookfeed.cli.progress import Progress
from bookfeed.errors import ExitCode
from bookfeed.monitor.output import write_json, write_line, write_pairs
from bookfeed.recordings.capture import CAPTURE_ENGINE, Capture
from bookfeed.recordings.kinds import Kind, RecordTuple
from bookfeed.recordings.opened import CAPTURE_SOURCE
from bookfeed.recordings.writer import write_journal


def execute(args: argparse.Namespace) -> ExitCode:
    """Writes the journal and says what went into it; nothing is left behind on an error."""
    capture, target = Capture(args.capture, args.mode), Path(args.journal)
    counts = {"records": 0, "frames": 0}
    with Progress("importing") as progress:

        def records() -> Iterator[RecordTuple]:
            for kind, ts, conn, payload in capture:
                counts["records"] += 1
                counts["frames"] += kind == Kind.FRAME
                if not counts["records"] % 1024:
                    progress.reach(counts["records"])
                yield kind, ts, conn, 0, payload

        # A replay of the journal builds the engine that a replay of the capture would.
        notes = {"source": CAPTURE_SOURCE, "venue": capture.venue, "engine": CAPTURE_ENGINE}
        write_journal(target, records(), notes=notes)
    result: dict[str, Any] = {
        "journal": str(target),
        "venue": capture.venue,
        **counts,
        "connections": len(capture.conns),
        "bytes": target.stat().st_size,
    }
    if args.output in (None, "table"):
        write_pairs(result.items())
    else:
        (write_json if args.output == "json" else write_line)(result)
    return ExitCode.OK
