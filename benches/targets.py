"""What the project set out to reach, and whether the measured rows do.

A verdict is ``pass`` or ``MISS``, from medians (latencies: from pooled percentiles); ``not
measured`` where a row it needs was skipped, ``not valid`` where a paced run was disturbed.
"""

import operator
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benches import growth, ingest, loopback, paced, questions, sinks, stages
from benches.timing import CORE_WAIT_MAX, Row

Tables = dict[str, dict[str, Row]]
USUAL = "json + dict + sorted()"
NAUTILUS = "msgspec + nautilus_trader OrderBook"
BEST_PEER = ingest.QUICKEST_PEER

NOTHING = 1.05
"""What costs nothing takes no longer than this much of the time without it."""
SENDER_LATE_US_MAX = 50.0
"""At 100,000 frames a second a sender that catches up is some 10 µs late at p99."""


NOT_MEASURED = "not measured"


class Disturbed(Exception):
    """Something else was running."""


def undisturbed(row: Row) -> Row:
    """The row. Raises :class:`Disturbed` if its sender was late, or it waited for its core."""
    late = row.facts.get("sender late p99", 0.0) > paced.SENDER_LATE_US_MAX
    if late or row.facts.get("core wait", 0.0) > CORE_WAIT_MAX:
        raise Disturbed
    return row


@dataclass(frozen=True)
class Target:
    """A bound on one measured value; ``at_most`` bounds it from above, else from below."""

    name: str
    bound: float
    unit: str
    measure: Callable[[Tables], float]
    at_most: bool = True

    def verdict(self, tables: Tables) -> list[str]:
        """Name, bound, measured value and verdict as printed."""
        asked = f"{'at most' if self.at_most else 'at least'} {self.bound:g} {self.unit}"
        try:
            value = self.measure(tables)
        except Disturbed:
            return [self.name, asked, "-", "not valid: disturbed run"]
        except (KeyError, ValueError):
            return [self.name, asked, "-", NOT_MEASURED]
        met = value <= self.bound if self.at_most else value >= self.bound
        return [self.name, asked, f"{value:.3g} {self.unit}", "pass" if met else "**MISS**"]


def median(table: str, name: str) -> Callable[[Tables], float]:
    """A row's median; ``ValueError`` where it was skipped (no rounds)."""
    return lambda tables: tables[table][name].median


def ratio(table: str, peer: str, ours: str) -> Callable[[Tables], float]:
    """How many times longer the peer takes."""
    return lambda tables: (
        undisturbed(tables[table][peer]).median / undisturbed(tables[table][ours]).median
    )


def beside_bare(
    table: str, percentile: str, compare: Callable[[float, float], float], end: str = ""
) -> Callable[[Tables], float]:
    """Ours and bare picows compared at a percentile; ``end`` is that of both rows' names."""
    return lambda tables: compare(
        undisturbed(tables[table][paced.OURS + end]).spread[percentile],
        undisturbed(tables[table][paced.BARE + end]).spread[percentile],
    )


def quickest_peer_margin(question: str) -> Callable[[Tables], float]:
    """How many times longer the quickest other library takes for a question."""

    def measure(tables: Tables) -> float:
        table = tables[question]
        others = [r.median for name, r in table.items() if name != "bookfeed" and r.rounds]
        return min(others) / table["bookfeed"].median

    return measure


def race_targets() -> list[Target]:
    """Bytes to book to touch, frames as a socket leaves them."""
    table, drained, read = ingest.RACE, ingest.OURS_DRAINED, ingest.OURS
    fresh_peer = BEST_PEER + ingest.FRESH
    best = ratio(table, fresh_peer, read + ingest.FRESH)
    return [
        Target("one ingest call, frames fresh", 0.37, "µs", median(table, drained + ingest.FRESH)),
        Target(f"against {fresh_peer}", 6, "x", best, at_most=False),
        *(
            Target(f"against {name}", times, "x", ratio(table, name, read), at_most=False)
            for name, times in ((NAUTILUS, 13), (USUAL, 20))
        ),
    ]


def kalshi_targets() -> list[Target]:
    """Bytes to book to touch, Kalshi, with rules across venues, frames as a socket leaves them."""
    ours = ingest.OURS_DRAINED + ingest.FRESH
    return [
        Target(
            "Kalshi: one ingest call, frames fresh", 0.20, "µs", median(ingest.KALSHI_RACE, ours)
        )
    ]


def binance_targets() -> list[Target]:
    """Bytes to book to touch, Binance."""
    table = ingest.BINANCE_RACE
    best = ratio(table, BEST_PEER, ingest.OURS)
    return [
        Target("Binance: one ingest call a frame", 1.7, "µs", median(table, ingest.OURS_DRAINED)),
        Target(f"Binance: against {BEST_PEER}", 10, "x", best, at_most=False),
    ]


def stage_targets(tables: Tables) -> list[Target]:
    """The core's stages: each says its own target; rules with nothing to say cost nothing."""
    rows = tables.get(stages.STAGES, {})
    own = [
        Target(f"core, {name}", row.facts["target"], "ns", median(stages.STAGES, name))
        for name, row in rows.items()
        if "target" in row.facts
    ]
    without = (
        (stages.UNMOVED_BOXES, stages.UNMOVED_ALONE),
        (stages.PAIRED_ELSEWHERE, stages.ELSEWHERE),
    )
    return own + [
        Target(f"core, {name}, over {alone}", NOTHING, "x", ratio(stages.STAGES, name, alone))
        for name, alone in without
    ]


def question_targets() -> list[Target]:
    """Questions asked of a book."""
    deepest = questions.vwap_names()[97]
    asked = (questions.TOUCH, questions.SPREAD, *questions.vwap_names().values())
    return [
        Target("spread of a book", 35, "ns", median(questions.SPREAD, "bookfeed")),
        Target(f"{deepest} of a book", 330, "ns", median(deepest, "bookfeed")),
        *(
            Target(
                f"{question}: against the quickest other library",
                1,
                "x",
                quickest_peer_margin(question),
                at_most=False,
            )
            for question in asked
        ),
    ]


def saturated_targets() -> list[Target]:
    """Socket to record, beside picows that only counts frames in the same run."""
    targets = []
    for transport, bare, usual, best in (("plain", 1.7, 24, 5), ("tls", 1.45, 15, 4)):
        table = f"saturated {transport}"
        # Here ours is what takes longer.
        over_bare = ratio(table, loopback.OURS, loopback.COUNT_ONLY)
        targets.append(Target(f"{table}, of {loopback.COUNT_ONLY}", bare, "x", over_bare))
        for name, times in ((loopback.USUAL, usual), (loopback.BEST_PEER, best)):
            against = ratio(table, name, loopback.OURS)
            targets.append(Target(f"{table}, against {name}", times, "x", against, at_most=False))
    targets.append(Target("recording, the loop's thread", 0.15, "µs", recording_us))
    return targets


def recording_us(tables: Tables) -> float:
    """CPU time of the loop's thread that recording adds to a frame."""
    plain = tables["saturated plain"]
    return plain[loopback.OURS_RECORDED].facts["cpu"] - plain[loopback.OURS].facts["cpu"]


def paced_targets() -> list[Target]:
    """Due time to callback, beside bare picows in the same rounds."""
    targets = []
    for rate in paced.RATES:
        table, behind_us = paced.table_of("plain", rate), 5 if rate == paced.RATES[0] else 2
        for end in ("", paced.BUSY):
            name = f"{table}{end}"
            p50 = beside_bare(table, "p50", operator.sub, end)
            p99 = beside_bare(table, "p99", operator.truediv, end)
            targets.append(Target(f"{name}: p50 behind bare picows", behind_us, "µs", p50))
            targets.append(Target(f"{name}: p99 of bare picows'", 1.1, "x", p99))
    return targets


def growth_targets() -> list[Target]:
    """Instruments that are quiet cost nothing."""
    few, many = (f"{growth.INSTRUMENTS[i]:,}" for i in (0, -1))
    name = f"ten of {many} instruments change, over ten of {few}"
    return [Target(name, NOTHING, "x", ratio(growth.QUIET, many, few))]


def sink_ratio(more: str) -> Callable[[Tables], float]:
    """How many times longer the p99 of ``recv_to_emit`` is than with a healthy sink alone.

    Round by round, since the rows of a round were measured one after the other.
    """

    def measure(tables: Tables) -> float:
        table = tables[sinks.TABLE]
        alone, with_more = undisturbed(table[sinks.HEALTHY]), undisturbed(table[more])
        rounds = zip(alone.rounds, with_more.rounds, strict=True)
        return statistics.median(b / a for a, b in rounds)

    return measure


def sink_targets() -> list[Target]:
    """A second and a third sink change nothing for the feed."""
    return [
        Target(f"a healthy sink {more}: recv to emit p99", 1.1, "x", sink_ratio(more))
        for more in (sinks.STALLING, sinks.RAISING)
    ]


def verdicts(tables: Tables) -> list[list[str]]:
    """One line a target."""
    targets = race_targets() + kalshi_targets() + binance_targets()
    targets += stage_targets(tables) + question_targets() + saturated_targets()
    targets += paced_targets() + growth_targets() + sink_targets()
    return [target.verdict(tables) for target in targets]
