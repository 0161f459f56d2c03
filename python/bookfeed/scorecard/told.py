"""Results for people, on a terminal and as a page."""

import platform
from collections import Counter
from collections.abc import Sequence
from typing import Final

from bookfeed.scorecard.kept import build
from bookfeed.scorecard.play import NOT_BUILT
from bookfeed.scorecard.row import Result, Tier

_WORDS: Final = {"pass": "pass", "fail": "FAIL", "amber": "amber"}


def line(result: Result) -> str:
    """One row."""
    seed = f"  seed {result.seed}" if result.seed is not None else ""
    came = result.figure or result.reason
    wanted = f"  (asked: {result.row.target})"
    head = f"{result.row.id:<4} {_WORDS[result.grade]:<6}{result.seconds:6.1f} s  "
    return f"{head}{result.row.what}: {came}{wanted}{seed}"


def below(result: Result) -> list[str]:
    """What is wrong with it, and how it is played again."""
    if result.grade != "fail":
        return []
    return [*(f"     {problem}" for problem in result.problems), f"     again: {result.again}"]


def counted(results: Sequence[Result]) -> dict[str, int]:
    """How many passed, failed, could not be measured, and are not built."""
    built = [one for one in results if one.reason != NOT_BUILT]
    grades = Counter(one.grade for one in built)
    counts = {grade: grades[grade] for grade in ("pass", "fail", "amber")}
    return {**counts, "not built": len(results) - len(built)}


def summary(results: Sequence[Result]) -> str:
    """The last line."""
    seconds = sum(one.seconds for one in results)
    parts = [f"{count} {name}" for name, count in counted(results).items()]
    return f"{', '.join(parts)}; {seconds:.0f} s"


def page(results: Sequence[Result], tier: Tier, command: str) -> str:
    """A page of all rows, in Markdown."""
    machine = f"{platform.machine()}, {platform.system()}, CPython {platform.python_version()}"
    head = [
        "# The scorecard",
        "",
        "This page shows how far the warranty of a book goes. To measure that yourself, run the",
        f"command that wrote it, of the {tier} tier:",
        "",
        f"    {command}",
        "",
        f"{_days(results)}; {machine}; build {build()}.",
        f"{summary(results)}.",
        "",
        "| row | what | asked | came to | grade |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *map(_cells, results), ""])


def _days(results: Sequence[Result]) -> str:
    """When they were measured."""
    days = sorted({one.day for one in results})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


def _cells(result: Result) -> str:
    came = [result.figure or result.reason, *result.problems]
    row = result.row
    cells = (row.id, row.what, row.target, "; ".join(came), result.grade)
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"
