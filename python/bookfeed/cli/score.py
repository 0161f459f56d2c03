"""``bookfeed score``: what the warranty is measured by, a line a row."""

import argparse
import contextlib
import logging
import os
import shlex
from pathlib import Path

from bookfeed.errors import ConfigError, ExitCode
from bookfeed.monitor.output import write_json, write_line
from bookfeed.monitor.text import printable
from bookfeed.scorecard.held import prepare
from bookfeed.scorecard.kept import Kept
from bookfeed.scorecard.play import played
from bookfeed.scorecard.row import Effort, NotMeasuredError, Result, Row, Tier
from bookfeed.scorecard.rows import ROWS
from bookfeed.scorecard.told import below, counted, line, page, summary


def execute(args: argparse.Namespace) -> ExitCode:
    """Plays the rows that are asked for; fails if one of them does."""
    if args.list:
        for row in _wanted(args.ids, "full"):
            print(f"{row.id:<4} {row.what} (asked: {row.target})")
        return ExitCode.OK
    # What campaigns do to books on purpose is no news.
    logging.getLogger("bookfeed").setLevel(logging.CRITICAL)
    tier: Tier = "full" if args.full else "quick"
    effort = Effort(tier, args.seed, args.workers or os.cpu_count() or 1)
    results: list[Result] = []
    wanted = _wanted(args.ids, tier)
    kept = _kept(args, tier)
    earlier = {row.id: kept.result(row) for row in wanted if kept}
    with contextlib.suppress(NotMeasuredError, LookupError):  # each row says so itself
        prepare([row for row in wanted if earlier.get(row.id) is None], effort)
    for row in wanted:
        result = earlier.get(row.id) or played(row, effort)
        if kept:
            kept.put(result)
        results.append(result)
        if args.output == "ndjson":
            write_line({"type": "row", **result.to_dict()})
        elif args.output in (None, "table"):
            print("\n".join(map(printable, [line(result), *below(result)])), flush=True)
    if args.output == "json":
        rows = [one.to_dict() for one in results]
        write_json({"tier": tier, "counts": counted(results), "rows": rows})
    elif args.output == "markdown":
        flags = [*args.ids, f"--{tier}", *(["--keep", args.keep] if kept else [])]
        flags += ["-o", "markdown"]
        print(page(results, tier, shlex.join(["bookfeed", "score", *flags])))
    elif args.output != "ndjson":
        print(summary(results))
    failed = any(one.grade == "fail" for one in results)
    return ExitCode.FAILURE if failed else ExitCode.OK


def _kept(args: argparse.Namespace, tier: Tier) -> Kept | None:
    """The folder of results, if one was named."""
    if args.keep is None:
        return None
    if args.seed is not None:
        raise ConfigError("--keep", args.keep, "one seed is not the row: leave --seed out")
    return Kept(Path(args.keep), tier)


def _wanted(ids: list[str], tier: Tier) -> list[Row]:
    """The rows of these ids, or whose ids begin so; all of the tier without any."""
    usual = [row for row in ROWS if tier == "full" or not row.long]
    if not ids:
        return usual
    wanted: list[Row] = []
    for name in ids:
        upper = name.upper()
        exact = [row for row in ROWS if row.id == upper]
        rows = exact or [row for row in usual if row.id.startswith(upper) and len(upper) == 1]
        if not rows:
            raise ConfigError("ID", name, "no such row: `bookfeed score --list` has them")
        wanted += [row for row in rows if row not in wanted]
    return wanted
