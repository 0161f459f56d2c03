"""Latency at a rate: from the time a frame is due, on an open-loop schedule, to the callback.

``python -m benches.paced plain 10000 [--quick]`` prints its rows as JSON. Time lost to anybody's
stall is counted (no coordinated omission). A round in which the sender could not keep its schedule,
or the receiver waited for its core, was disturbed by something else: it is repeated, so often as
``ATTEMPTS`` allows, and a row that had too few undisturbed rounds says so.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from picows import WSFrame

from benches import loopback_feed
from benches.corpus import Spec, load
from benches.loopback import ROW_SECONDS_MAX, Lane, Sender, receive
from benches.sender import SENT, SENT_HEAD
from benches.timing import CORE_WAIT_MAX, CoreWait, Row, pin, spread_of, write_rows
from bookfeed.loops import run

BARE = "picows + uvloop, frame in a callback"
OURS = "bookfeed Feed, record in a callback"
BUSY = ", busy-poll"
RATES = (1_000, 10_000, 100_000)
SETTINGS = (*(("plain", rate) for rate in RATES), ("tls", 10_000))
"""What is measured: transports and frames a second."""
USUAL = ("plain", 10_000)
ROUNDS = 5
ATTEMPTS = 3
"""Times as many rounds are tried as are asked for."""
SENDER_LATE_US_MAX = 50.0
"""At 100,000 frames a second a sender that catches up is some 10 µs late at p99."""


@dataclass(frozen=True)
class Round:
    """What a round showed: latencies, how late the sender was, how long the receiver waited."""

    spread: dict[str, float]
    latencies: list[float]
    late_us: dict[str, float]
    core_wait: float

    @property
    def undisturbed(self) -> bool:
        """Whether nothing else was running."""
        return self.late_us["p99"] <= SENDER_LATE_US_MAX and self.core_wait <= CORE_WAIT_MAX


@dataclass(frozen=True)
class Paced:
    """A row: where the frames come from, how many, how fast, and whether the loop sleeps."""

    lane: Lane
    rate: int
    count: int
    busy_poll: bool

    @property
    def path(self) -> str:
        """What the sender is asked for."""
        return f"paced/{self.rate}/{self.count}"

    @property
    def snapshots(self) -> int:
        """Frames that come before the paced ones."""
        return len(self.lane.corpus.markets)

    def bare(self) -> Round:
        """A round of a listener that does nothing but look at the clock."""
        arrivals: list[tuple[int, bytes]] = []
        keep, clock, head = arrivals.append, time.monotonic_ns, len(SENT_HEAD)

        def take(frame: WSFrame) -> None:
            payload = frame.get_payload_as_bytes()
            if payload[:head] == SENT_HEAD:
                keep((clock(), payload[SENT]))

        url, wait = self.lane.begin(self.path), CoreWait()
        work = receive(url, self.lane.tls, self.snapshots + self.count, take)
        run(work, busy_poll=self.busy_poll)
        share = wait.share()
        latencies = [(at_ns - int(due_ns)) / 1e3 for at_ns, due_ns in arrivals]
        return self.round(latencies, share, self.lane.end())

    def ours(self) -> Round:
        """A round of ours."""
        corpus, first = self.lane.corpus, self.snapshots
        records = loopback_feed.book_records(corpus, first + self.count)
        url, wait = self.lane.begin(self.path), CoreWait()
        work = loopback_feed.receive(
            corpus,
            url,
            self.lane.tls,
            records,
            busy_poll=self.busy_poll,
            timeout_s=ROW_SECONDS_MAX,
        )
        arrivals = run(work)  # with busy_poll the feed itself keeps the loop awake
        share, answer = wait.share(), self.lane.end()
        latencies = loopback_feed.latencies_us(
            arrivals, corpus, first, self.count, answer["t0_ns"], self.rate
        )
        return self.round(latencies, share, answer)

    @staticmethod
    def round(latencies: list[float], core_wait: float, answer: dict[str, Any]) -> Round:
        """What was measured, beside what the sender says of it."""
        return Round(spread_of(latencies), latencies, answer["late_us"], core_wait)


def tried(rows: dict[str, Callable[[], Round]], rounds: int) -> list[dict[str, Round]]:
    """Rounds of all rows until enough are undisturbed in every row, which are compared in a round.

    Where ``ATTEMPTS`` times as many did not do, all that were tried.
    """
    every: list[dict[str, Round]] = []
    good: list[dict[str, Round]] = []
    while len(good) < rounds and len(every) < ATTEMPTS * rounds:
        every.append({name: measure() for name, measure in rows.items()})
        if all(one.undisturbed for one in every[-1].values()):
            good.append(every[-1])
    return good if len(good) == rounds else every


def row_of(table: str, name: str, rounds: list[Round]) -> Row:
    """Percentiles of a row: p50 and p99 are medians of the rounds, the others of all pooled."""
    spread = spread_of([latency for one in rounds for latency in one.latencies])
    for p in ("p50", "p99"):
        spread[p] = statistics.median(one.spread[p] for one in rounds)
    facts = {f"sender late {p}": max(one.late_us[p] for one in rounds) for p in ("p50", "p99")}
    facts["core wait"] = max(one.core_wait for one in rounds)
    facts["disturbed"] = sum(not one.undisturbed for one in rounds)
    p50s = [one.spread["p50"] for one in rounds]
    return Row(table, name, "µs, p50", rounds=p50s, spread=spread, facts=facts)


def table_of(transport: str, rate: int) -> str:
    """The name of its table."""
    return f"paced {transport} {rate}/s"


def paced_rows(lane: Lane, rate: int, seconds: float, rounds: int) -> list[Row]:
    """Latency at a rate, with and without sleeping, bare picows beside ours."""
    count = min(int(rate * seconds), len(lane.corpus.frames) - len(lane.corpus.markets))
    measures: dict[str, Callable[[], Round]] = {}
    for busy in (False, True):
        paced, end = Paced(lane, rate, count, busy), BUSY if busy else ""
        measures |= {BARE + end: paced.bare, OURS + end: paced.ours}
    kept = tried(measures, rounds)
    table = table_of(lane.transport, rate)
    return [row_of(table, name, [one[name] for one in kept]) for name in measures]


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.paced", description=__doc__)
    parser.add_argument("transport", choices=("plain", "tls"))
    parser.add_argument("rate", type=int, help="frames a second")
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    options = parser.parse_args(argv)
    frames, rounds, seconds = (20_000, 1, 0.5) if options.quick else (200_000, ROUNDS, 3.0)
    spec = Spec(frames=frames, hashes="valid", frames_per_ms=options.rate // 1_000)
    corpus = load(spec)
    rows: list[Row] = []
    with Sender(spec) as sender:
        # Only now: the sender must not inherit this core.
        pin(0)
        if options.transport == "plain" or sender.tls is not None:
            lane = Lane(sender, corpus, options.transport)
            rows = paced_rows(lane, options.rate, seconds, rounds)
    write_rows(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
