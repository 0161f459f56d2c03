"""Plays rows, one after the other, and shares the seeds of one out to processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, TypeVar

from bookfeed.scorecard.row import Effort, Figure, Grade, NotMeasuredError, Result, Row
from bookfeed.scorecard.spent import Spent, so_far

NOT_BUILT: Final = "not built"
"""The reason of rows that nobody has built."""
_CHUNK: Final = 8
_PROBLEMS_MAX: Final = 5

T = TypeVar("T")
V = TypeVar("V")


def played(row: Row, effort: Effort) -> Result:
    """What becomes of a row. Whatever it raises is a failure of it, and no end of the others."""
    begun = so_far()
    grade: Grade = "pass"
    reason = ""
    figure = Figure("")
    try:
        if row.play is None:
            raise NotMeasuredError(NOT_BUILT)
        figure = row.play(effort)
    except NotMeasuredError as error:
        grade, reason = "amber", str(error)
    except Exception as error:
        figure = Figure("", (f"{type(error).__name__}: {error}",))
    if figure.problems:
        grade = "fail"
    spent = figure.before.plus(begun.since())
    problems = figure.problems[:_PROBLEMS_MAX]
    return Result(
        row, grade, figure.text, reason, problems, figure.seed, spent, effort.tier, figure.struck
    )


def unmeasured(row: Row) -> Result:
    """What is said of a row that nobody has played."""
    return Result(row, "amber", "", "not measured yet", (), None, Spent())


def shared_out(
    task: Callable[[T], V], items: Sequence[T], effort: Effort, *, chunk: int = _CHUNK
) -> Iterator[V]:
    """``task`` of each item, in their order; on several processes if there are so many."""
    if effort.workers <= 1 or len(items) <= chunk:
        yield from map(task, items)
        return
    # Begun anew, so that nothing of this process is shared with them.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(effort.workers, mp_context=context) as pool:
        yield from pool.map(task, items, chunksize=chunk)


def summed(figures: Iterable[Figure], text: str) -> Figure:
    """Several figures as one: all that is wrong with any of them."""
    problems: list[str] = []
    seed: int | None = None
    for figure in figures:
        problems += figure.problems
        seed = figure.seed if seed is None else seed
    return Figure(text, tuple(problems), seed)
