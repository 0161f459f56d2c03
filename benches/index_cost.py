"""What the work on an index costs the feed that does it: the demo of one price, with and without.

``python -m benches.index_cost`` (``make index-cost``) plays ``bookfeed run --demo btc`` in turns as
it is and without its index, and compares how long messages took from the venue's stamp to us, and
from there to the record. The feed's process is bound to the last core and the simulated venues to
the others; what counts is the median of the ratios of ``--rounds`` pairs. It exits with 1 if the
99th percentile from stamp to us became more than a tenth longer, or a run with the index made no
value of it.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from bookfeed import Batch, Engine
from bookfeed.cli import parser
from bookfeed.cli.run import follow
from bookfeed.cli.source import opened
from bookfeed.monitor.watch import Watch

SLOWER_MAX: Final = 1.1
STAGES: Final = ("venue_to_recv", "recv_to_emit")
"""Of the engine's latencies those that are compared."""
_PERCENTS: Final = (50, 99)


def played(seconds: float, *, index: bool) -> dict[str, Any]:
    """One run of the demo in this process; percentiles in nanoseconds, and what was counted."""
    words = ["run", "--demo", "btc", "--seconds", str(seconds), "-o", "json"]
    args = parser.parse(words)
    cores = sorted(os.sched_getaffinity(0))
    # What is begun from here on has the other cores.
    os.sched_setaffinity(0, cores[:-1] or cores)
    with opened(args) as source:
        os.sched_setaffinity(0, cores[-1:])
        config = source.config if index else replace(source.config, index=())
        engine = Engine(**config.engine.arguments())
        # The summary is of no use here.
        with contextlib.redirect_stdout(io.StringIO()), _values_counted() as values:
            follow(args, source._replace(config=config), engine)
    latency, counters = engine.latency(), engine.counters()
    figures: dict[str, Any] = {
        stage: [latency[stage].percentile(p) for p in _PERCENTS] for stage in STAGES
    }
    return figures | {"frames": counters["frames"], "values": sum(values)}


@contextlib.contextmanager
def _values_counted() -> Iterator[list[int]]:
    """How many values of indices there were in each batch."""
    counts: list[int] = []
    watched = Watch.on_batch

    def counting(watch: Watch, batch: Batch) -> None:
        counts.append(len(batch.indices))
        watched(watch, batch)

    with patch.object(Watch, "on_batch", counting):
        yield counts


def _apart(seconds: float, *, index: bool) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, "--seconds", str(seconds)]
    command += ["--play", "with" if index else "without"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def compare(seconds: float, rounds: int) -> list[str]:
    """Prints what was measured; returns what of it is not as it should be."""
    ratios: dict[str, list[float]] = {stage: [] for stage in STAGES}
    problems: list[str] = []
    print(
        "pair   stage           without p50, p99         with p50, p99   ratio of p99   frames each"
    )
    for number in range(rounds):
        without, beside = (_apart(seconds, index=index) for index in (False, True))
        if not beside["values"] or without["values"]:
            problems.append(
                f"index values: {beside['values']} with it, {without['values']} without"
            )
        for stage in STAGES:
            ratios[stage].append(beside[stage][1] / without[stage][1])
            times = [each / 1e3 for one in (without, beside) for each in one[stage]]
            print(
                f"{number + 1:>4}   {stage:<14} {times[0]:>9.1f}, {times[1]:>9.1f} µs"
                f" {times[2]:>9.1f}, {times[3]:>9.1f} µs   {ratios[stage][-1]:>9.2f}"
                f"   {without['frames']:>7}, {beside['frames']}",
                flush=True,
            )
    for stage, each in ratios.items():
        print(f"median of the ratios, {stage}: {statistics.median(each):.2f}")
    median = statistics.median(ratios[STAGES[0]])
    if median > SLOWER_MAX:
        problems.append(f"p99 of {STAGES[0]} is {median:.2f} times what it is without the index")
    return problems


def main() -> int:
    """Plays what the command line asks for; 1 if something is not as it should be."""
    told = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    told.add_argument("--seconds", type=float, default=30.0, help="of each run (default 30)")
    told.add_argument("--rounds", type=int, default=5, help="pairs of runs (default 5)")
    told.add_argument("--play", choices=("with", "without"), help="one run, told as JSON")
    options = told.parse_args()
    if options.play:
        print(json.dumps(played(options.seconds, index=options.play == "with")))
        return 0
    problems = compare(options.seconds, options.rounds)
    for problem in problems:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
