"""``bookfeed doctor``: what stands between this machine and live books, and what to do about it."""

import argparse
import os
import sys
from collections import Counter
from textwrap import wrap
from typing import Final

from bookfeed import config
from bookfeed.doctor.examine import Examination, examine
from bookfeed.doctor.finding import Finding, Grade
from bookfeed.errors import ExitCode
from bookfeed.loops import run
from bookfeed.monitor.output import terminal_columns, write_json, write_line
from bookfeed.monitor.text import Line, Span, Style, paint, printable

_STYLES: Final[dict[Grade, Style]] = {"ok": "good", "warn": "warn", "bad": "bad", "skip": "dim"}
_SOURCE: Final = "configuration"
_GRADE: Final = 4
_BELOW: Final = " " * 6
_COLUMNS_MIN: Final = 40


def execute(args: argparse.Namespace) -> ExitCode:
    """Looks at everything; fails if anything is bad."""
    findings: list[Finding] = []
    columns = terminal_columns()
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def tell(finding: Finding) -> None:
        findings.append(finding)
        if args.output == "ndjson":
            write_line({"type": "finding", **finding.to_dict()})
        elif args.output != "json":
            print("\n".join(_lines(finding, columns, colour=colour)), flush=True)

    what = Examination(
        config=config.load(args.file, os.environ),
        source=_SOURCE if args.file is None else args.file,
        keys={},
        seconds=args.seconds if args.compare is None else args.compare,
        wait_s=args.wait,
        compare=args.compare is not None,
        newest=args.newest,
    )
    run(examine(what, tell))
    counts = Counter(finding.grade for finding in findings)
    if args.output == "json":
        write_json({"counts": counts, "findings": [one.to_dict() for one in findings]})
    elif args.output != "ndjson":
        print(f"{counts['bad']} bad, {counts['warn']} to look at, {counts['ok']} ok")
    return ExitCode.FAILURE if counts["bad"] else ExitCode.OK


def _lines(finding: Finding, columns: int | None, *, colour: bool) -> list[str]:
    """A finding for people: a line, and one of what to do; on a terminal they go on below."""
    place = f"{finding.where:<10}  {finding.check:<13}"
    first, *others = _wrapped(f"{finding.grade:<4}  {place}  {printable(finding.found)}", columns)
    lines: list[Line] = [(Span(first[:_GRADE], _STYLES[finding.grade]), Span(first[_GRADE:]))]
    lines += [(Span(other),) for other in others]
    if finding.advice:
        advised = _wrapped(f"{_BELOW}-> {printable(finding.advice)}", columns)
        lines += [(Span(line, "bold"),) for line in advised]
    return paint(lines, colour=colour)


def _wrapped(text: str, columns: int | None) -> list[str]:
    if columns is None:
        return [text]
    return wrap(text, max(columns, _COLUMNS_MIN), subsequent_indent=_BELOW)
