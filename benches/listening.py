"""What listening adds to a frame: a recording replayed while nobody listens, and each way of it.

``python -m benches.listening [--quick]`` prints a table. It is no row set of the report: it says
which way of listening is dear beside the others, not how fast the engine is. Every frame is drained
by itself, as on a connection that is not behind; callbacks count and do nothing else.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from itertools import repeat
from typing import Final

from benches.corpus import Corpus, Spec, load
from benches.ours import CONN, build_engine
from benches.timing import cpu_us_per_item, interleave, pin
from bookfeed import Batch, Replay, columns, replay
from bookfeed.recordings.kinds import Kind


class Counter:
    """The least that a callback can do."""

    def __init__(self) -> None:
        self.calls = 0

    def count(self, _record: object) -> None:
        """One more."""
        self.calls += 1

    def read(self, batch: Batch) -> None:
        """One more, and its updates as masked columns."""
        self.calls += 1
        columns(batch.updates)


Listen = Callable[[Replay, Counter, str], object]
WAYS: Final[dict[str, Listen]] = {
    "nobody listens": lambda run, counter, symbol: None,
    "on_batch": lambda run, counter, symbol: run.on_batch(counter.count),
    "on_batch, columns() of each": lambda run, counter, symbol: run.on_batch(counter.read),
    "on_update": lambda run, counter, symbol: run.on_update(counter.count),
    "on_update, one book of 200": lambda run, counter, symbol: run.on_update(
        counter.count, symbols=[symbol]
    ),
    "on_update, max_rate=10": lambda run, counter, symbol: run.on_update(
        counter.count, max_rate=10
    ),
    "on_levels": lambda run, counter, symbol: run.on_levels(counter.count),
}


def measured(corpus: Corpus, listen: Listen) -> float:
    """CPU time of one replay, µs a frame."""
    frames, counter = len(corpus.frames), Counter()
    records = zip(
        repeat(int(Kind.FRAME)), corpus.ts_recv, repeat(CONN), corpus.frames, strict=False
    )
    run = replay(records, engine=build_engine(corpus, "off"))
    listening = listen(run, counter, corpus.markets[0].yes) is not None
    spent = cpu_us_per_item(run.run, frames)
    if run.progress.frames != frames or listening != bool(counter.calls):
        raise SystemExit(f"{run.progress.frames} of {frames} frames, {counter.calls} calls")
    return spent


def main(argv: list[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    quick = parser.parse_args(argv).quick
    pin(0)
    corpus = load(Spec(frames=20_000 if quick else 100_000))

    def row(listen: Listen) -> Callable[[], float]:
        return lambda: measured(corpus, listen)

    rows = {name: row(listen) for name, listen in WAYS.items()}
    medians = {
        name: statistics.median(values)
        for name, values in interleave(rows, 3 if quick else 7).items()
    }
    alone = next(iter(medians.values()))
    print("| listening | µs a frame | times |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / alone:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
