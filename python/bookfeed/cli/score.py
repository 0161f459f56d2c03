"""``bookfeed score``: what the warranty is measured by, a line a row."""

import argparse
import contextlib
import logging
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bookfeed.errors import ConfigError, ExitCode
from bookfeed.monitor.output import write_json, write_line
from bookfeed.monitor.text import printable
from bookfeed.scorecard.held import prepare
from bookfeed.scorecard.kept import Kept
from bookfeed.scorecard.play import played, unmeasured
from bookfeed.scorecard.pytests import younger
from bookfeed.scorecard.row import Effort, NotMeasuredError, Result, Row
from bookfeed.scorecard.rows import ROWS
from bookfeed.scorecard.told import below, counted, line, page, summary

_NAMED: Final = 8
"""Rows that an error names."""


def execute(args: argparse.Namespace) -> ExitCode:
    """Plays the rows that are asked for; fails if one of them does."""
    effort = _effort(args)
    wanted = _wanted(args.ids, effort, everything=args.list or args.tell)
    if args.list:
        for row in wanted:
            print(f"{row.id:<4} {row.what} (asked: {row.target})")
        return ExitCode.OK
    _check_seed(args.seed, wanted)
    # What campaigns do to books on purpose is no news.
    logging.getLogger("bookfeed").setLevel(logging.CRITICAL)
    kept = _kept(args)
    results = []
    for result in _told(wanted, kept) if args.tell else _measured(wanted, effort, kept):
        results.append(result)
        if args.output == "ndjson":
            write_line({"type": "row", **result.to_dict()})
        elif args.output in (None, "table"):
            print("\n".join(map(printable, [line(result), *below(result)])), flush=True)
    _end(args, effort, results)
    failed = any(one.grade == "fail" for one in results)
    return ExitCode.FAILURE if failed else ExitCode.OK


def _effort(args: argparse.Namespace) -> Effort:
    report = None if args.tests is None else Path(args.tests)
    if report is not None:
        if args.full:
            raise ConfigError("--tests", args.tests, "the full tier repeats more: leave it out")
        with contextlib.suppress(NotMeasuredError):  # without a source tree each row says so
            for path in younger(report):
                text = f"it is older than {path.name}: run the tests again"
                raise ConfigError("--tests", args.tests, text)
    workers = args.workers or os.cpu_count() or 1
    return Effort("full" if args.full else "quick", args.seed, workers, report)


def _check_seed(seed: int | None, wanted: Sequence[Row]) -> None:
    """A seed is for rows that play it alone: others would pass or fail by something else."""
    others = [row.id for row in wanted if not row.seeded]
    if seed is not None and others:
        some = ", ".join(others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
        text = f"no seed is played alone in {some}: leave it out, or name rows that play seeds"
        raise ConfigError("--seed", str(seed), text)


def _measured(wanted: Sequence[Row], effort: Effort, kept: Kept | None) -> Iterator[Result]:
    """Each row, played unless it is kept."""
    earlier = {row.id: kept.result(row, effort.tier) for row in wanted if kept}
    with contextlib.suppress(NotMeasuredError, LookupError):  # each row says so itself
        prepare([row for row in wanted if earlier.get(row.id) is None], effort)
    for row in wanted:
        result = earlier.get(row.id) or played(row, effort)
        if kept:
            kept.put(result)
        yield result


def _told(wanted: Sequence[Row], kept: Kept | None) -> Iterator[Result]:
    """Each row as it is kept."""
    if kept is None:
        raise ConfigError("--tell", "", "say where results are kept: --keep DIR")
    for row in wanted:
        yield kept.best(row) or unmeasured(row)


def _end(args: argparse.Namespace, effort: Effort, results: Sequence[Result]) -> None:
    """What is said of all rows together."""
    if args.output == "json":
        rows = [one.to_dict() for one in results]
        write_json({"tier": effort.tier, "counts": counted(results), "rows": rows})
    elif args.output == "markdown":
        flags = ["--tell"] if args.tell else [f"--{effort.tier}"]
        flags = [*args.ids, *flags, *(["--keep", args.keep] if args.keep else [])]
        print(page(results, shlex.join(["bookfeed", "score", *flags, "-o", "markdown"])))
    elif args.output != "ndjson":
        print(summary(results))


def _kept(args: argparse.Namespace) -> Kept | None:
    """The folder of results, if one was named."""
    if args.keep is None:
        return None
    if args.seed is not None:
        raise ConfigError("--keep", args.keep, "one seed is not the row: leave --seed out")
    return Kept(Path(args.keep))


def _wanted(ids: list[str], effort: Effort, *, everything: bool) -> list[Row]:
    """The rows of these ids, or whose ids begin so; all of the tier without any."""
    usual = [row for row in ROWS if everything or effort.tier == "full" or not row.long]
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
