"""What sinks cost the feed: a paced loopback with none, a healthy one, one that stalls, one that
raises.

``python -m benches.sinks [--quick]`` prints the rows as JSON. The sender, the schedule and the
latencies are those of ``benches.loopback``. The healthy sink writes lines of JSON into a file; the
stalling one takes its first batch and does not come back, so that its queue fills and is conflated
from then on; the raising one raises at every batch. After each round it is checked that every sink
was handed every record and has accounted for it, and that the stalling one's queue kept its bound.
"""

import argparse
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from benches import loopback_feed
from benches.corpus import Spec, load
from benches.loopback import ROW_SECONDS_MAX, Lane, Sender
from benches.timing import Row, interleave, pin, spread_of, write_rows
from bookfeed import Batch, Names, SinkOptions, SinkStatus
from bookfeed.loops import run
from bookfeed.sinks import Given, NdjsonSink

TABLE = "sinks"
NONE = "no sink"
HEALTHY = "one sink, healthy"
STALLING = "and one that stalls"
RAISING = "and one that raises"
RATE = 2_000
# So that the stalling sink's queue is full for most of a round.
STALLING_QUEUE_MAX = 2_048


class Stalling:
    """Takes its first batch, and does not come back until ``gate`` is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def open(self, names: Names) -> None:
        """Nothing."""

    def write(self, batch: Batch) -> None:
        """Stalls."""
        self.gate.wait()

    def close(self) -> None:
        """Nothing."""


class Raising:
    """Raises at every batch."""

    def open(self, names: Names) -> None:
        """Nothing."""

    def write(self, batch: Batch) -> None:
        """Raises."""
        raise RuntimeError("cannot be written")

    def close(self) -> None:
        """Nothing."""


class Paced:
    """A row: the sinks it has, and what was measured, pooled over the rounds."""

    def __init__(self, lane: Lane, count: int, sinks: int, directory: Path) -> None:
        self.lane = lane
        self.count = count
        self.sinks = sinks
        self.directory = directory
        self.latencies: list[float] = []
        self.emit_us: dict[str, list[float]] = {"p50": [], "p99": []}
        self.cpu_us: list[float] = []
        self.sender_late_us: list[float] = []

    def measure(self) -> float:
        """A round; returns the p99 of ``recv_to_emit``, µs. ``ValueError`` if a sink is wrong."""
        corpus, first = self.lane.corpus, len(self.lane.corpus.markets)
        records = loopback_feed.book_records(corpus, first + self.count)
        url = self.lane.begin(f"paced/{RATE}/{self.count}")
        stalling = Stalling()
        options = SinkOptions(name="stalling", queue_max=STALLING_QUEUE_MAX, close_timeout_s=0.05)
        sinks: list[Given] = [
            NdjsonSink(self.directory / "records.ndjson", sync="never"),
            (stalling, options),
            Raising(),
        ]
        arrivals = run(
            loopback_feed.receive(
                corpus,
                url,
                self.lane.tls,
                records,
                busy_poll=False,
                timeout_s=ROW_SECONDS_MAX,
                sinks=sinks[: self.sinks],
            )
        )
        stalling.gate.set()
        answer = self.lane.end()
        check(arrivals.sinks, records)
        self.latencies += loopback_feed.latencies_us(
            arrivals, corpus, first, self.count, answer["t0_ns"], RATE
        )
        for name, values in self.emit_us.items():
            values.append(arrivals.emit_us[name])
        self.cpu_us.append(arrivals.us_per_frame(first + self.count)[1])
        self.sender_late_us.append(answer["late_us"]["p99"])
        return arrivals.emit_us["p99"]

    def row(self, name: str, rounds: list[float]) -> Row:
        """The row of the report."""
        facts = {f"emit {p}": statistics.median(values) for p, values in self.emit_us.items()}
        facts["cpu"] = statistics.median(self.cpu_us)
        facts["sender late p99"] = max(self.sender_late_us)
        spread = spread_of(self.latencies)
        return Row(TABLE, name, "µs, recv to emit p99", rounds=rounds, spread=spread, facts=facts)


def check(sinks: tuple[SinkStatus, ...], records: int) -> None:
    """Raises ``ValueError`` unless every sink was handed at least so many records, and says what
    became of each."""
    for sink in sinks:
        accounted = sink.written + sink.dropped + sink.conflated + sink.queued
        if sink.received < records or accounted != sink.received:
            raise ValueError(f"sink {sink.name}: {sink}")
        lost = sink.dropped + sink.conflated
        if sink.name == "ndjson_sink" and (lost or sink.state != "closed"):
            raise ValueError(f"the healthy sink lost records: {sink}")
        if sink.name == "raising" and not sink.errors:
            raise ValueError(f"the raising sink did not raise: {sink}")


def rows(lane: Lane, seconds: float, rounds: int) -> list[Row]:
    """All rows, interleaved."""
    count = min(int(RATE * seconds), len(lane.corpus.frames) - len(lane.corpus.markets))
    with tempfile.TemporaryDirectory(prefix="bookfeed-bench-") as directory:
        names = (NONE, HEALTHY, STALLING, RAISING)
        paced = {
            name: Paced(lane, count, sinks, Path(directory)) for sinks, name in enumerate(names)
        }
        measures: dict[str, Callable[[], float]] = {n: one.measure for n, one in paced.items()}
        values = interleave(measures, rounds)
        return [one.row(name, values[name]) for name, one in paced.items()]


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.sinks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    options = parser.parse_args(argv)
    frames, rounds, seconds = (20_000, 1, 1.0) if options.quick else (20_000, 7, 4.0)
    spec = Spec(frames=frames, hashes="valid", frames_per_ms=RATE // 1_000)
    corpus = load(spec)
    with Sender(spec) as sender:
        # Only now: the sender must not inherit this core.
        pin(0)
        write_rows(rows(Lane(sender, corpus, "plain"), seconds, rounds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
