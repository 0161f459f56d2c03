"""Playing many seeds and saying what they came to: what the campaigns have in common."""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bookfeed._bookfeed import Batch
from bookfeed.scorecard.campaigns.seen import Seen

_SUMMED: Final = (
    "frames", "checks", "signals", "live_ns", "total_ns", "calm_live_ns", "calm_ns"
)  # fmt: skip
_PROBLEMS_SAID: Final = 2


@dataclass
class Report:
    """What one seed came to."""

    seed: int
    frames: int = 0
    checks: int = 0
    polls: int = 0
    """Books by polling that were judged."""
    transitions: int = 0
    signals: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    trading: Counter[str] = field(default_factory=Counter)
    """How often markets were called open, paused and so on."""
    problems: list[str] = field(default_factory=list)
    digest: str = ""
    """Of every record, in their order; the same seed has the same."""
    live_ns: int = 0
    total_ns: int = 0
    calm_live_ns: int = 0
    calm_ns: int = 0
    """Outside faults: how long books were live, and there at all."""
    seen: list[Seen] = field(default_factory=list)
    """When each fault was seen."""


class Trace:
    """Everything that an engine handed out, as a digest."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def take(self, batch: Batch) -> None:
        """The next records."""
        for records in (batch.updates, batch.signals, batch.legs):
            self._hash.update(records.tobytes())

    def digest(self) -> str:
        """Of all of them so far, in hexadecimal."""
        return self._hash.hexdigest()


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every campaign has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds (default 1000)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--items", type=int, default=1_000, help="items a seed (default 1000)")
    parser.add_argument("--clean", action="store_true", help="no faults; states must not change")
    return parser


def play(first: int, seeds: int, run: Callable[[int], Report]) -> int:
    """Run each seed, print what went wrong and a summary; 1 if anything did, else 0."""
    totals: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    failed = 0
    begun = time.perf_counter()
    for seed in range(first, first + seeds):
        report = run(seed)
        faults.update(report.faults)
        causes.update(report.causes)
        totals.update({name: getattr(report, name) for name in _SUMMED})
        failed += bool(report.problems)
        for problem in report.problems[:_PROBLEMS_SAID]:
            print(f"seed {seed}: {problem}", file=sys.stderr)
    summary = {
        "seeds": seeds,
        "failed": failed,
        "frames": totals["frames"],
        "checks": totals["checks"],
        "signals": totals["signals"],
        "live_share": round(totals["live_ns"] / max(1, totals["total_ns"]), 4),
        "live_share_outside_faults": round(totals["calm_live_ns"] / max(1, totals["calm_ns"]), 4),
        "outside_faults_s": round(totals["calm_ns"] / 1e9),
        "faults": dict(faults.most_common()),
        "causes": dict(causes.most_common()),
        "elapsed_s": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(summary))
    return 1 if failed else 0
