"""Rows of the core's own stages: runs ``cargo bench --bench stages`` and reads its times.

``python -m benches.stages [--quick] [GROUP]`` prints the rows as JSON. Each stage has compared
its answers with the truth before it is timed; a failed comparison ends the run.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benches.timing import Row, pin, write_rows

STAGES = "stages"
UNMOVED_ALONE = "kalshi: ingest, touch unmoved, no rules"
UNMOVED_BOXES = "kalshi: ingest, touch unmoved, a box on each market"
ELSEWHERE = "kalshi: ingest, instruments elsewhere"
PAIRED_ELSEWHERE = "kalshi: ingest, pairs elsewhere"
COMMAND = ["cargo", "bench", "--quiet", "-p", "bookfeed-core", "--bench", "stages", "--"]


def stage_row(line: str) -> Row:
    """A row from name, target and times, separated by tabs."""
    name, target, times = line.split("\t")
    facts = {"target": float(target)} if target else {}
    return Row(STAGES, name, "ns", [float(time) for time in times.split(" ")], facts=facts)


def stage_rows(group: str | None, *, quick: bool) -> list[Row]:
    """Every stage, or those of a group. Raises ``CalledProcessError`` if an answer is wrong."""
    if shutil.which("cargo") is None:
        return [Row(STAGES, "all stages", "ns", skipped="cargo is not on PATH")]
    small = {"STAGES_FRAMES": "4000", "STAGES_ROUNDS": "3", "STAGES_PAIRS": "500"}
    sizes = small if quick else {}
    done = subprocess.run(
        COMMAND + ([group] if group else []),
        cwd=Path(__file__).parent.parent,
        env=os.environ | sizes | {"STAGES_TSV": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [stage_row(line) for line in done.stdout.splitlines() if "\t" in line]


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.stages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument(
        "group", nargs="?", help="polymarket, kalshi, rules, spot, long, reference or parts"
    )
    options = parser.parse_args(argv)
    pin(0)
    write_rows(stage_rows(options.group, quick=options.quick))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
