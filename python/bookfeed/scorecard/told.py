"""Results for people, on a terminal and as a page."""

import os
import platform
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from typing import Final

from bookfeed.scorecard.play import NOT_BUILT
from bookfeed.scorecard.row import Result
from bookfeed.scorecard.spent import Spent

_WORDS: Final = {"pass": "pass", "fail": "FAIL", "amber": "amber"}
_BUILD_DIGITS: Final = 6


def line(result: Result) -> str:
    """One row."""
    seed = f"  seed {result.seed}" if result.seed is not None else ""
    came = result.figure or result.reason
    wanted = f"  (asked: {result.row.target})"
    head = f"{result.row.id:<4} {_WORDS[result.grade]:<6}{result.spent.wall_s:6.1f} s  "
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
    """The last line: what all of these came to, and what they cost together."""
    spent = reduce(Spent.plus, (one.spent for one in results), Spent())
    parts = [f"{count} {name}" for name, count in counted(results).items()]
    return f"{', '.join(parts)}; {spent.wall_s:.0f} s, {spent.cpu_s:.0f} s of processors"


def page(results: Sequence[Result], command: str) -> str:
    """A page of all rows, in Markdown."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    tiers = Counter(one.tier for one in results)
    head = [
        "# The scorecard",
        "",
        "This page shows how far the warranty of a book goes, row by row; a row of the full tier",
        "plays more than one of the quick tier. To measure that yourself:",
        "",
        f"    {command}",
        "",
        f"{_days(results)}; {machine}, CPython {platform.python_version()};",
        f"{_builds(results)}.",
        f"{summary(results)}.",
        f"{tiers['full']} rows are of the full tier, {tiers['quick']} of the quick one; a single",
        "row is played by `bookfeed score ID --full`.",
        "",
        "| row | what | asked | came to | tier | grade |",
        "|---|---|---|---|---|---|",
    ]
    several = len({one.build for one in results}) > 1
    return "\n".join([*head, *(_cells(one, several=several) for one in results), ""])


def _days(results: Sequence[Result]) -> str:
    """When they were measured."""
    days = sorted({one.day for one in results})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


def _builds(results: Sequence[Result]) -> str:
    """Of what they were measured."""
    builds = {one.build for one in results}
    if len(builds) == 1:
        return f"build {builds.pop()}"
    return f"{len(builds)} builds, named by their first {_BUILD_DIGITS} digits in each row"


def _cells(result: Result, *, several: bool) -> str:
    came = [result.figure or result.reason, *result.problems]
    row, tier = result.row, result.tier
    measured = f"{tier}, {result.build[:_BUILD_DIGITS]}" if several else tier
    cells = (row.id, row.what, row.target, "; ".join(came), measured, result.grade)
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"
