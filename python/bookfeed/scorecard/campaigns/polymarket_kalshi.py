"""No false arbitrage: seeded two-venue scenarios full of traps, against what is really there.

As a program with ``--seeds 100`` it plays that many scenarios and exits with 1 if any signal
was opened where the true books and fees of that moment offered nothing, or if too many of the
opportunities that lasted at least 50 ms went unreported. Traps are deliveries delayed by 5 ms to
5 s, frozen connections, torn batches, fee changes, pairs that are really opposite, augmented sets,
sizes too small to trade, paused and closed markets. A failure prints its seed.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from bookfeed._bookfeed import Batch, Engine
from bookfeed.records import Signal, signals
from bookfeed.sim.polymarket_kalshi.episodes import TRAPS, Episode, EpisodeKind
from bookfeed.sim.polymarket_kalshi.truth import Combination, Opportunity, Venue
from bookfeed.sim.polymarket_kalshi.twovenue import (
    CONN_OF,
    TwoVenueConfig,
    TwoVenueItem,
    TwoVenueRun,
)
from bookfeed.sim.virtual import START_NS

MS: Final = 1_000_000
TIMER_NS: Final = 100 * MS
SILENCE_NS: Final = 8_000 * MS
LASTS_NS: Final = 50 * MS
"""How long an opportunity must last to be owed."""
DISTURBED_NS: Final = 500 * MS
"""After a fault, how long its venue may take to be itself again."""
WARM_UP_S: Final = 2.0

PAIRS: Final = 3
INVERTED: Final = 1
BASKETS: Final = 2
LADDERS: Final = 1
RATE: Final = 4_000.0

CALM: Final[tuple[EpisodeKind, ...]] = (
    "genuine", "lagging", "fee_change", "tiny", "torn", "torn", "paused",
)  # fmt: skip
ALONE: Final[tuple[EpisodeKind, ...]] = ("genuine", "fee_change", "tiny")
"""What can happen to a basket or a ladder; ``override`` besides to the first basket."""
DISTURBING: Final[tuple[EpisodeKind, ...]] = ("lead_lag", "frozen")
"""What happens to a whole connection."""
CALM_SHARE: Final = 0.6
"""How much of a scenario is over before connections are disturbed."""

GATES: Final = {"min_edge": "0.001", "min_qty": "5", "max_lag_ms": "1000", "max_skew_ms": "1000"}
# The twin of each rule that believes what it sees, to count what there was to fall for.
UNGATED: Final = {
    "min_edge": "0.001", "max_lag_ms": "0", "max_skew_ms": "3600000", "max_age_ms": "3600000",
    "confirm": "off",
}  # fmt: skip

LegKey = tuple[str, str, str]


@dataclass
class Report:
    """What one scenario came to."""

    seed: int
    frames: int = 0
    traps: Counter[str] = field(default_factory=Counter)
    fallen_for: int = 0
    """False signals of rules without gates."""
    opened: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    owed: int = 0
    reported: int = 0
    delays_ms: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)


def episodes(rng: Random, seconds: float) -> tuple[Episode, ...]:
    """A schedule: one thing after another on each target, then on each connection."""
    calm_s = seconds * CALM_SHARE
    found: list[Episode] = []
    for number in range(PAIRS + BASKETS + LADDERS):
        target = [f"pair{n}" for n in range(PAIRS)] + [f"basket{n}" for n in range(BASKETS)]
        target += [f"ladder{n}" for n in range(LADDERS)]
        found += _calm(rng, target[number], WARM_UP_S + 0.1 * rng.random(), calm_s)
    at_s = calm_s + 0.5
    while at_s < seconds:
        kind = rng.choice(DISTURBING)
        venue = _venue(rng)
        # From 5 ms to 5 s, small ones more often.
        delay_s = 0.005 * 1_000 ** (rng.random() ** 3)
        lasts_s = max(delay_s, 0.03 + 0.1 * rng.random()) if kind == "lead_lag" else 0.15
        found.append(Episode(kind, f"pair{rng.randrange(PAIRS)}", at_s, lasts_s, venue, delay_s))
        # What is delayed has to be heard before the next thing happens.
        at_s += lasts_s + 0.05 + (delay_s if kind == "lead_lag" else 0.0)
    return tuple(found)


def _calm(rng: Random, target: str, at_s: float, until_s: float) -> Iterator[Episode]:
    pair = target.startswith("pair")
    while at_s < until_s:
        alone = (*ALONE, "override") if target == "basket0" else ALONE
        kind: EpisodeKind = rng.choice(CALM if pair else alone)
        venue = _venue(rng) if pair and kind != "paused" else "kalshi"
        lasts_s = 0.05 + 0.15 * rng.random()
        yield Episode(kind, target, at_s, lasts_s, venue)
        at_s += lasts_s + 0.03


def _venue(rng: Random) -> Venue:
    return "polymarket" if rng.random() < 0.5 else "kalshi"


class Desk:
    """An engine that follows both venues, its rules, and what it has signalled."""

    def __init__(self, run: TwoVenueRun, engine: Engine, gates: dict[str, str] = GATES) -> None:
        self.run = run
        self.engine = engine
        self.gates = gates
        self.rules: dict[int, str] = {}
        self.naive: set[int] = set()
        self.fallen_for: list[tuple[int, frozenset[LegKey]]] = []
        """What the twins opened: time, legs."""
        self.opened: list[tuple[int, str, frozenset[LegKey]]] = []
        """Time, name of pair, basket or ladder, legs."""
        self.lasted: list[tuple[int, int, frozenset[LegKey]]] = []
        """Of what was opened and closed again: both times, legs."""
        self.instruments: dict[int, tuple[Venue, str]] = {}
        self.mend_ns = 0
        self._sibling: dict[str, str] = {}

    def subscribe(self, subscribe: Callable[..., int], add_rule: Callable[..., int]) -> None:
        """Everything there is, and a rule for each pair, basket and ladder."""
        run = self.run
        for name, token in run.tokens.items():
            first, second = (asset.asset_id for asset in token.assets)
            self._sibling |= {first: second, second: first}
            for symbol in (first, second):
                instrument = subscribe(
                    "polymarket", symbol, CONN_OF["polymarket"], START_NS,
                    market=token.condition_id, outcome=name, tick_size="0.01",
                    min_order_size=run.config.min_order_size, hints="neg_risk=false",
                    fee="polymarket:0.07;1",
                )  # fmt: skip
                self.instruments[instrument] = ("polymarket", symbol)
        for event in run.events.values():
            # An override that stands is listed, and nobody says that it is one.
            none_stands = event.fee_multiplier_override is None
            fee = f"kalshi:{event.fee_type};{event.fee_multiplier};direct{'|;' * none_stands}"
            for spec in event.markets:
                instrument = subscribe(
                    "kalshi", spec.ticker, CONN_OF["kalshi"], START_NS, market=spec.ticker,
                    event=event.ticker, close_ts=spec.close_ms * MS, fee=fee,
                )  # fmt: skip
                self.instruments[instrument] = ("kalshi", spec.ticker)
        for name, event in run.events.items():
            kind, params = self._rule(name, [spec.ticker for spec in event.markets])
            self.rules[add_rule(kind, self.gates | params)] = name
            switches = {"box": {"polarity_check": "off"}, "basket": {"augmented": "false"}}
            self.naive.add(add_rule(kind, params | UNGATED | switches.get(kind, {})))

    def _rule(self, name: str, tickers: list[str]) -> tuple[str, dict[str, str]]:
        if name in self.run.tokens:
            # Whoever believes a pair that is really opposite to be one claims this as well.
            token = self.run.tokens[name].assets[0].asset_id
            return "box", {"a": f"kalshi {tickers[0]} yes", "b": f"polymarket {token} yes"}
        legs = "; ".join(f"kalshi {ticker} yes" for ticker in tickers)
        if name.startswith("ladder"):
            return "ladder", {"legs": legs}
        augmented = not self.run.events[name].exhaustive
        flags = {"exhaustive": "true", "augmented": str(augmented).lower()}
        return "basket", {"legs": legs} | flags

    def take(self, batch: Batch) -> None:
        """What the engine handed out."""
        for signal in signals(batch):
            if signal.phase == "open":
                legs = frozenset(self._leg(signal, i) for i in range(len(signal.legs)))
                if signal.rule_id in self.naive:
                    self.fallen_for.append((signal.ts_recv, legs))
                    continue
                self.opened.append((signal.ts_recv, self.rules[signal.rule_id], legs))
            elif signal.phase == "close" and signal.rule_id not in self.naive:
                legs = frozenset(self._leg(signal, i) for i in range(len(signal.legs)))
                self.lasted.append((signal.ts_open, signal.ts_recv, legs))

    def _leg(self, signal: Signal, index: int) -> LegKey:
        leg = signal.legs[index]
        venue, symbol = self.instruments[leg.instrument]
        if venue == "polymarket":
            return venue, symbol if leg.view == "yes" else self._sibling[symbol], ""
        return venue, symbol, leg.view


def legs_of(combination: Combination) -> frozenset[LegKey]:
    """Legs as a signal names them: on Polymarket the token says which outcome it is."""
    return frozenset(
        (leg.venue, leg.symbol, "" if leg.venue == "polymarket" else leg.outcome)
        for leg in combination.legs
    )


def feed(desk: Desk, item: TwoVenueItem, timer_ns: int) -> int:
    """Hands an item to the engine and lets time pass; returns when the timer last went off."""
    engine = desk.engine
    while timer_ns + TIMER_NS <= item.ts_ns:
        timer_ns += TIMER_NS
        engine.advance(timer_ns)
    if item.kind == "connected":
        yes_prices = item.venue == "kalshi" and desk.run.config.use_yes_price
        mode = "use_yes_price" if yes_prices else ""
        engine.connected(item.conn, item.venue, item.ts_ns, mode=mode)
    elif item.kind == "disconnected":
        engine.disconnected(item.conn, item.ts_ns)
    elif item.kind == "frame":
        engine.ingest(item.conn, item.payload, item.ts_ns)
    return timer_ns


def mend(desk: Desk, ts_ns: int) -> None:
    """Asks for what was lost, as a session would."""
    if ts_ns < desk.mend_ns:
        return
    desk.mend_ns = ts_ns + 200 * MS
    lost = [
        (instrument, venue, symbol)
        for instrument, (venue, symbol) in desk.instruments.items()
        if desk.engine.book(instrument).state == "stale"
        and desk.engine.book(instrument).cause not in ("resolved", "disconnected")
    ]
    for instrument, venue, symbol in lost:
        desk.engine.resync_begin(instrument, ts_ns)
        if venue == "polymarket":
            desk.engine.ingest_rest(CONN_OF[venue], desk.run.rest_book(venue, symbol), ts_ns)
    desk.run.get_snapshot(symbol for _, venue, symbol in lost if venue == "kalshi")


def play(seed: int, *, seconds: float = 15.0) -> Report:
    """One scenario from beginning to end, judged afterwards."""
    report = Report(seed)
    rng = Random(f"arbitrage {seed}")
    config = TwoVenueConfig(
        seed=seed, pairs=PAIRS, inverted=INVERTED, baskets=BASKETS, augmented=1,
        ladders=LADDERS, rate=RATE, use_yes_price=bool(seed % 2),
        valid_hashes=seed % 4 == 0, episodes=episodes(rng, seconds - 1.0),
    )  # fmt: skip
    run = TwoVenueRun(config)
    engine = Engine(
        hash_check="sampled" if config.valid_hashes else "off", silence_s=SILENCE_NS / 1e9
    )
    desk = Desk(run, engine)
    desk.subscribe(engine.subscribe, engine.add_rule)
    timer_ns = START_NS
    for item in run.items(1_000_000_000):
        timer_ns = feed(desk, item, timer_ns)
        mend(desk, item.ts_ns)
        desk.take(engine.drain())
        report.frames += item.kind == "frame"
        if item.ts_ns > START_NS + int(seconds * 1e9):
            break
    judge(run, desk, report)
    for rule in desk.rules:
        report.refused.update({k: n for k, n in engine.refusals(rule).items() if n})
    return report


def judge(run: TwoVenueRun, desk: Desk, report: Report) -> None:
    """Every signal was real, and what was real was signalled."""
    combinations = {legs_of(c): c for group in run.combinations.values() for c in group}
    opened: dict[str, list[int]] = {}
    for ts_ns, name, legs in desk.opened:
        report.opened[name.rstrip("0123456789")] += 1
        combination = combinations.get(legs)
        if combination is None or combination.at(ts_ns) is None:
            report.problems.append(f"false signal on {name} at {(ts_ns - START_NS) / MS:.3f} ms")
        else:
            opened.setdefault(combination.name, []).append(ts_ns)
    for ts_ns, legs in desk.fallen_for:
        combination = combinations.get(legs)
        report.fallen_for += combination is None or combination.at(ts_ns) is None
    disturbed = [
        (label.start_ns, label.end_ns + int(label.episode.delay_s * 1e9) + DISTURBED_NS)
        for label in run.labels
        if label.episode.kind in DISTURBING
    ]
    for label in run.labels:
        kind = label.episode.kind
        if kind in TRAPS or kind in ("fee_change", "override"):
            report.traps[kind] += 1
    report.traps["inverted"] += INVERTED
    report.traps["augmented"] += 1
    # What a series asks is known to nobody once an override, which was all that was listed, is
    # taken back.
    unpriced: dict[str, list[tuple[int, int]]] = {}
    for label in run.labels:
        if label.episode.kind == "override":
            unpriced.setdefault(label.episode.target, []).append((label.start_ns, label.end_ns))
    for chance in run.opportunities():
        name = chance.combination.partition(":")[0]
        if is_owed(run, chance, disturbed + unpriced.get(name, [])):
            report.owed += 1
            times = [t for t in opened.get(chance.combination, []) if t >= chance.start_ns]
            end_ns = chance.end_ns or run.now_ns
            if times and times[0] < end_ns:
                report.reported += 1
                report.delays_ms.append((times[0] - chance.start_ns) / MS)
            else:
                lasted_ms = (end_ns - chance.start_ns) / MS
                since_ms = (chance.start_ns - START_NS) / MS
                report.misses.append(
                    f"{chance.combination} at {since_ms:.1f} for {lasted_ms:.1f} ms"
                )


def is_owed(run: TwoVenueRun, chance: Opportunity, disturbed: list[tuple[int, int]]) -> bool:
    """Whether it lasted, while both venues could be heard, on something a rule may speak of."""
    name = chance.combination.partition(":")[0]
    end_ns = chance.end_ns or run.now_ns
    if end_ns - chance.start_ns < LASTS_NS or chance.start_ns < START_NS + int(WARM_UP_S * 1e9):
        return False
    if name in run.tokens and run.is_inverted(name):
        return False
    if name.startswith("basket") and not run.events[name].exhaustive:
        return False
    return not any(start < end_ns and chance.start_ns < end for start, end in disturbed)


SCENARIO: Final = play
"""What the scorecard plays."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds (default 100)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each scenario (15)")
    options = parser.parse_args(argv)
    traps: Counter[str] = Counter()
    opened: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    delays: list[float] = []
    frames = owed = reported = false_signals = fallen_for = 0
    begun = time.perf_counter()
    for seed in range(options.first, options.first + options.seeds):
        report = play(seed, seconds=options.seconds)
        traps.update(report.traps)
        opened.update(report.opened)
        refused.update(report.refused)
        delays += report.delays_ms
        frames, owed = frames + report.frames, owed + report.owed
        reported, fallen_for = reported + report.reported, fallen_for + report.fallen_for
        false_signals += len(report.problems)
        for problem in (report.problems + report.misses)[:3]:
            print(f"seed {seed}: {problem}", file=sys.stderr)
    recall = reported / owed if owed else 0.0
    delays.sort()
    summary: dict[str, Any] = {
        "seeds": options.seeds,
        "frames": frames,
        "traps": sum(traps.values()),
        "by_kind": dict(traps.most_common()),
        "false_signals_without_gates": fallen_for,
        "false_signals": false_signals,
        "owed": owed,
        "recall": round(recall, 5),
        "delay_ms_p50": delays[len(delays) // 2] if delays else None,
        "delay_ms_p99": delays[len(delays) * 99 // 100] if delays else None,
        "signals": dict(opened),
        "refused": dict(refused.most_common()),
        "elapsed_s": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(summary))
    return 1 if false_signals or recall < 0.999 else 0


if __name__ == "__main__":
    sys.exit(main())
