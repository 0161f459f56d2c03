"""Quiet markets: what stands there is signalled, and a frozen leg is not taken for a quiet one.

As a program with ``--seeds 40`` it plays that many scenarios, in which each book of a
pair changes 0.2 to 1 times a second and the rules have their default gates. Opportunities stand
for two minutes; in between, prices move while one of the venues is frozen. It exits with 1 if any
signal was false, or if less than 95 % of the time was signalled for which something stood there.
"""

import argparse
import json
import sys
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bookfeed._bookfeed import Engine
from bookfeed.scorecard.campaigns.polymarket_kalshi import (
    BASKETS,
    INVERTED,
    LADDERS,
    PAIRS,
    Desk,
    _venue,
    feed,
    is_owed,
    legs_of,
    mend,
)
from bookfeed.sim.polymarket_kalshi.episodes import Episode
from bookfeed.sim.polymarket_kalshi.truth import Combination
from bookfeed.sim.polymarket_kalshi.twovenue import TwoVenueConfig, TwoVenueRun
from bookfeed.sim.virtual import NS_PER_S, START_NS

SLOWEST, FASTEST = 0.2, 1.0
"""Changes a second of each book of a pair."""
STEPS_PER_CHANGE: Final = 2 * (PAIRS + BASKETS + LADDERS)
"""Steps over everything, of which a pair's share is that of its two books."""
STANDS_S: Final = 120.0
FROZEN_S: Final = 20.0
PAUSE_S: Final = 20.0
"""Between one thing and the next."""
WARM_UP_S: Final = 600.0
"""Until the sides of a pair have been seen to agree, which quiet markets take long to show."""
ROUNDS: Final = 2
SIGNALLED_MIN: Final = 0.95


@dataclass
class Report:
    """What one scenario came to; times in seconds."""

    seed: int
    stood_s: float = 0.0
    """How long something stood there, over all combinations."""
    signalled_s: float = 0.0
    """For how much of that it was signalled."""
    fallen_for: int = 0
    """False signals of rules without gates."""
    outlived_s: float = 0.0
    """Longest time for which a signal stayed open after it had come to its end unseen."""
    opened: int = 0
    frozen: int = 0
    problems: list[str] = field(default_factory=list)


def episodes(rng: Random) -> tuple[Episode, ...]:
    """Everything offers something for a while, then a venue freezes; and so on."""
    names = [f"pair{n}" for n in range(PAIRS - INVERTED)]
    alone = [f"basket{n}" for n in range(BASKETS)] + [f"ladder{n}" for n in range(LADDERS)]
    found: list[Episode] = []
    at_s = WARM_UP_S
    for _ in range(ROUNDS):
        found += [Episode("genuine", name, at_s, STANDS_S, _venue(rng)) for name in names]
        found += [Episode("genuine", name, at_s, STANDS_S, "kalshi") for name in alone]
        at_s += STANDS_S + PAUSE_S
        found.append(Episode("frozen", rng.choice(names), at_s, FROZEN_S, _venue(rng)))
        at_s += FROZEN_S + 2 * PAUSE_S
    return tuple(found)


def play(seed: int) -> Report:
    """One scenario from beginning to end, judged afterwards."""
    rng = Random(f"quiet {seed}")
    schedule = episodes(rng)
    changes = SLOWEST if seed % 2 else SLOWEST + (FASTEST - SLOWEST) * rng.random()
    config = TwoVenueConfig(
        seed=seed, pairs=PAIRS, inverted=INVERTED, baskets=BASKETS, augmented=1, ladders=LADDERS,
        rate=STEPS_PER_CHANGE * changes, use_yes_price=bool(seed % 3),
        valid_hashes=seed % 4 == 0, episodes=schedule,
    )  # fmt: skip
    run = TwoVenueRun(config)
    engine = Engine(hash_check="sampled" if config.valid_hashes else "off")
    desk = Desk(run, engine, {"min_edge": "0.001", "min_qty": "5"})
    desk.subscribe(engine.subscribe, engine.add_rule)
    timer_ns, end_ns = START_NS, START_NS + int((schedule[-1].at_s + 3 * PAUSE_S) * NS_PER_S)
    for item in run.items(1_000_000_000):
        timer_ns = feed(desk, item, timer_ns)
        mend(desk, item.ts_ns)
        desk.take(engine.drain())
        if item.ts_ns > end_ns:
            break
    return judge(run, desk, Report(seed))


def judge(run: TwoVenueRun, desk: Desk, report: Report) -> Report:
    """How long what stood there was signalled, and whether anything else was."""
    combinations = {legs_of(c): c for group in run.combinations.values() for c in group}
    by_name = {c.name: legs for legs, c in combinations.items()}
    for ts_ns, name, legs in desk.opened:
        report.opened += 1
        if not _real(combinations.get(legs), ts_ns):
            since_s = (ts_ns - START_NS) / NS_PER_S
            report.problems.append(f"false signal on {name} at {since_s:.3f} s")
    for ts_ns, legs in desk.fallen_for:
        report.fallen_for += not _real(combinations.get(legs), ts_ns)
    frozen = [label for label in run.labels if label.episode.kind == "frozen"]
    report.frozen = len(frozen)
    disturbed = [(one.start_ns, one.end_ns + int(PAUSE_S * NS_PER_S)) for one in frozen]
    for chance in run.opportunities():
        start_ns, end_ns = chance.start_ns, chance.end_ns or run.now_ns
        if end_ns - start_ns < STANDS_S / 2 * NS_PER_S or not is_owed(run, chance, disturbed):
            continue
        report.stood_s += (end_ns - start_ns) / NS_PER_S
        for opened_ns, closed_ns, legs in desk.lasted:
            if legs == by_name[chance.combination]:
                both_ns = min(closed_ns, end_ns) - max(opened_ns, start_ns)
                report.signalled_s += max(0, both_ns) / NS_PER_S
    for opened_ns, closed_ns, legs in desk.lasted:
        combination = combinations.get(legs)
        chance_now = None if combination is None else combination.at(opened_ns)
        if chance_now is not None and chance_now.end_ns is not None:
            outlived_s = (closed_ns - chance_now.end_ns) / NS_PER_S
            report.outlived_s = max(report.outlived_s, outlived_s)
    return report


def _real(combination: Combination | None, ts_ns: int) -> bool:
    return combination is not None and combination.at(ts_ns) is not None


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=40, help="how many seeds (default 40)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    options = parser.parse_args()
    reports = [play(seed) for seed in range(options.first, options.first + options.seeds)]
    for report in reports:
        for problem in report.problems[:3]:
            print(f"seed {report.seed}: {problem}", file=sys.stderr)
    false_signals = sum(len(report.problems) for report in reports)
    stood_s = sum(report.stood_s for report in reports)
    share = sum(report.signalled_s for report in reports) / stood_s if stood_s else 0.0
    summary = {
        "seeds": options.seeds,
        "false_signals_without_gates": sum(report.fallen_for for report in reports),
        "false_signals": false_signals,
        "signals": sum(report.opened for report in reports),
        "frozen": sum(report.frozen for report in reports),
        "stood_s": round(stood_s, 1),
        "signalled": round(share, 4),
        "outlived_s_max": round(max(report.outlived_s for report in reports), 1),
    }
    print(json.dumps(summary))
    return 1 if false_signals or share < SIGNALLED_MIN else 0


if __name__ == "__main__":
    sys.exit(main())
