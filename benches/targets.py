"""What the project set out to reach, and whether the measured rows do.

A verdict is ``pass`` or ``MISS``, from medians (latencies: from pooled percentiles); ``not
measured`` where a row it needs was skipped, ``not valid`` where a paced run was disturbed.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benches import ingest, loopback, questions, sinks, stages
from benches.timing import Row

Tables = dict[str, dict[str, Row]]
USUAL = "json + dict + sorted()"
NAUTILUS = "msgspec + nautilus_trader OrderBook"
BEST_PEER = "msgspec + dict, cached touch"
KALSHI_BEST_PEER = "msgspec + order-book (C)"
KALSHI_TIMES = 8.5
"""What the best stack that could be assembled for Kalshi took, over what is asked of ours."""

NOTHING = 1.05
"""What costs nothing takes no longer than this much of the time without it."""
SENDER_LATE_US_MAX = 50.0
"""At 100,000 frames a second a sender that catches up is some 10 µs late at p99."""


NOT_MEASURED = "not measured"


class Disturbed(Exception):
    """Something else was running: the sender could not keep its own schedule."""


def undisturbed(row: Row) -> Row:
    """The row. Raises :class:`Disturbed` if its sender was late."""
    if row.facts["sender late p99"] > SENDER_LATE_US_MAX:
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
    return lambda tables: tables[table][peer].median / tables[table][ours].median


def behind_bare(table: str, percentile: str) -> Callable[[Tables], float]:
    """How much later than bare picows ours has the record, µs."""
    return lambda tables: (
        undisturbed(tables[table][loopback.OURS_PACED]).spread[percentile]
        - undisturbed(tables[table][loopback.BARE]).spread[percentile]
    )


def quickest_stack_margin(table: str, ours: str) -> Callable[[Tables], float]:
    """How many times longer the quickest stack without bookfeed takes."""

    def measure(tables: Tables) -> float:
        rows = tables[table]
        others = [
            r.median for name, r in rows.items() if not name.startswith("bookfeed") and r.rounds
        ]
        return min(others) / rows[ours].median

    return measure


def quickest_peer_margin(question: str) -> Callable[[Tables], float]:
    """How many times longer the quickest other library takes for a question."""

    def measure(tables: Tables) -> float:
        table = tables[question]
        others = [r.median for name, r in table.items() if name != "bookfeed" and r.rounds]
        return min(others) / table["bookfeed"].median

    return measure


def race_targets() -> list[Target]:
    """Bytes to book to touch."""
    drained, read = ingest.OURS_DRAINED, ingest.OURS
    return [
        Target("one ingest call a frame, drained", 0.40, "µs", median(ingest.RACE, drained)),
        *(
            Target(f"against {name}", times, "x", ratio(ingest.RACE, name, read), at_most=False)
            for name, times in ((BEST_PEER, 6), (NAUTILUS, 13), (USUAL, 20))
        ),
    ]


def kalshi_targets() -> list[Target]:
    """Bytes to book to touch, Kalshi, with rules across venues."""
    table, read = ingest.KALSHI_RACE, ingest.OURS
    best = ratio(table, KALSHI_BEST_PEER, read)
    quickest = quickest_stack_margin(table, read)
    return [
        Target("Kalshi: one ingest call a frame", 0.22, "µs", median(table, ingest.OURS_DRAINED)),
        Target(f"Kalshi: against {KALSHI_BEST_PEER}", KALSHI_TIMES, "x", best, at_most=False),
        Target("Kalshi: against the quickest stack", KALSHI_TIMES, "x", quickest, at_most=False),
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


def loopback_targets() -> list[Target]:
    """Socket to record."""
    targets = []
    for transport, bound, usual, best in (("plain", 0.50, 24, 6), ("tls", 0.80, 15, 4)):
        table = f"saturated {transport}"
        targets.append(Target(table, bound, "µs", median(table, loopback.OURS)))
        for name, times in ((loopback.USUAL, usual), (loopback.BEST_PEER, best)):
            against = ratio(table, name, loopback.OURS)
            targets.append(Target(f"{table}, against {name}", times, "x", against, at_most=False))
    for rate in loopback.RATES:
        table = f"paced plain {rate}/s"
        for p in ("p50", "p99"):
            name = f"{table}: {p} behind bare picows"
            targets.append(Target(name, 3, "µs", behind_bare(table, p)))
    table = f"paced plain {loopback.RATE_TLS}/s"
    busy = loopback.OURS_PACED + loopback.BUSY
    targets.append(
        Target(
            f"{table}, busy-poll p50",
            10,
            "µs",
            lambda tables: undisturbed(tables[table][busy]).spread["p50"],
        )
    )
    return targets


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
    targets += stage_targets(tables) + question_targets() + loopback_targets() + sink_targets()
    return [target.verdict(tables) for target in targets]
