"""How the rows are timed: one pinned core, rounds interleaved across rows, medians.

In-process rows are timed in CPU time of the one thread that runs them, which other processes on
the machine cannot lengthen except through shared caches. Single calls and loopback rows are timed
on the wall clock.
"""

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Row:
    """One row of a table: a value of ``unit`` for each round, or the reason there is none.

    ``spread`` are percentiles over single events (calls, messages) of ``spread_unit``, pooled over
    the rounds; ``facts`` are other numbers worth printing beside them.
    """

    table: str
    name: str
    unit: str
    rounds: list[float] = field(default_factory=list)
    skipped: str | None = None
    spread: dict[str, float] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.rounds)

    @property
    def min(self) -> float:
        """Best round."""
        return min(self.rounds)

    @property
    def max(self) -> float:
        """Worst round."""
        return max(self.rounds)


def percentile(ordered: Sequence[float], p: float) -> float:
    """Value below which ``p`` percent of an ordered, non-empty sequence lie (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def spread_of(values: Sequence[float]) -> dict[str, float]:
    """p50, p99, p99.9 and max of single events."""
    ordered = sorted(values)
    names = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}
    return {n: percentile(ordered, p) for n, p in names.items()} | {"max": ordered[-1]}


def pin(core: int) -> int:
    """Binds this process to a core, counted from the last one it may use; returns its number.

    Core 0 of the count goes to what is measured, core 1 to whatever feeds it.
    """
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    chosen = allowed[min(core, len(allowed) - 1)]
    os.sched_setaffinity(0, {chosen})
    return chosen


SCHEDSTAT = Path("/proc/thread-self/schedstat")
CORE_WAIT_MAX = 0.05
"""A thread that waits longer for its core was disturbed; waking up counts as waiting, too."""


class CoreWait:
    """The share of its time for which this thread was ready to run and another had its core."""

    def __init__(self) -> None:
        self.began_ns = time.perf_counter_ns()
        self.waited_before_ns = self.waited_ns()

    @staticmethod
    def waited_ns() -> int:
        """What this thread has waited so far; 0 where the system does not say."""
        return int(SCHEDSTAT.read_text().split()[1]) if SCHEDSTAT.exists() else 0

    def share(self) -> float:
        """The share since this object was made."""
        elapsed_ns = time.perf_counter_ns() - self.began_ns
        return (self.waited_ns() - self.waited_before_ns) / elapsed_ns


class Stopwatch:
    """Wall time and CPU time of this thread between :meth:`start` and :meth:`stop`.

    ``began_ns`` and ``ended_ns`` are when that was (CLOCK_MONOTONIC).
    """

    def __init__(self) -> None:
        self.began_ns = 0
        self.ended_ns = 0
        self.cpu_ns = 0

    def start(self) -> None:
        """Begins."""
        self.began_ns = time.perf_counter_ns()
        self.cpu_ns = -time.thread_time_ns()

    def stop(self) -> None:
        """Ends."""
        self.ended_ns = time.perf_counter_ns()
        self.cpu_ns += time.thread_time_ns()

    def us_per_item(self, items: int) -> tuple[float, float]:
        """Wall and CPU time, µs an item."""
        return (self.ended_ns - self.began_ns) / items / 1e3, self.cpu_ns / items / 1e3


def cpu_us_per_item(work: Callable[[], object], items: int) -> float:
    """CPU time of this thread for ``work``, µs an item."""
    started = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - started) / items / 1e3


def interleave(rows: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs each row once a round, A B C A B C, and returns the values of each."""
    values: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, measure in rows.items():
            gc.collect()
            gc.freeze()
            values[name].append(measure())
            gc.unfreeze()
    return values


def write_rows(rows: Sequence[Row]) -> None:
    """Hands rows to the process that asked for them, as JSON on stdout."""
    json.dump([asdict(row) for row in rows], sys.stdout)
    sys.stdout.write("\n")


def read_rows(text: str) -> list[Row]:
    """Rows written by :func:`write_rows`."""
    objects: list[dict[str, Any]] = json.loads(text)
    return [Row(**fields) for fields in objects]
