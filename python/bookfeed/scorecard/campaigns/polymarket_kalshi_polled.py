"""Polling instead of a stream, with answers of every bad kind, by a virtual clock; seed by seed.

As a program with ``--seeds 40`` it plays Polymarket and Kalshi in turn: their stream is away, REST
is asked, and one fault of REST follows another; then the stream is back. A polled book must be one
that its venue truly had at some time since its evidence, and rules that do not ask for polled books
must not signal on one. It prints one JSON line, and exits with 1 if any seed failed.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from random import Random
from typing import Any, Final, get_args

from bookfeed._bookfeed import Batch, BookView
from bookfeed.clock import NS_PER_S
from bookfeed.feed.feed import Feed
from bookfeed.live.options import SessionOptions
from bookfeed.records import Signal
from bookfeed.rules.rule import Rule
from bookfeed.scorecard import virtual_time
from bookfeed.scorecard.campaigns.polymarket_kalshi_churn import listing_of
from bookfeed.sim.entry import Options, simulator
from bookfeed.sim.rest_faults import RestFaultKind

POLLED: Final = __name__
"""What the scorecard plays, in a process of its own."""
VENUES: Final = ("polymarket", "kalshi")
KINDS: Final[dict[str, tuple[RestFaultKind, ...]]] = {
    "polymarket": get_args(RestFaultKind),
    # Its answers bear no time: nobody can tell that one is older unless the cache says so.
    "kalshi": tuple(kind for kind in get_args(RestFaultKind) if kind != "older"),
}
MARKETS: Final = 4
RATE: Final = 40
FAULTS: Final = 12
FAULT_S: Final = (1.0, 14.0)
PAUSE_S: Final = (0.0, 6.0)
BACK_S_MAX: Final = 45.0
"""Within what polled books are there again: the longest that a venue is left alone, and a poll."""
RETURN_S_MAX: Final = 60.0
"""Within what books stream again, once the venue lets them."""
DENIED_S_MAX: Final = 700.0
"""The same where it refused whoever asked: such a venue is tried ever more rarely."""
OPTIONS: Final = SessionOptions(advance_s=0.25)
_RULES: Final = (Rule("spread", {"open": "0.02"}), Rule("complement", {"min_edge": "0.001"}))
_LOOK_S: Final = 0.25


@dataclass
class PolledReport:
    """What one seed came to."""

    seed: int
    polled: int = 0
    """Polled books that were compared with the truth."""
    signals: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """Requests, or books of answers, that each kind spoilt."""
    back_s_max: float = 0.0
    problems: list[str] = field(default_factory=list)


class Watch:
    """Holds every polled book that is shown against what its venue had, and when."""

    def __init__(self, server: Any, report: PolledReport) -> None:
        self._server: Final = server
        self._report: Final = report
        self._since: Final[dict[str, dict[int, int]]] = {}
        self._turn: Final[Callable[..., int]] = server.turn
        self.feed: Feed | None = None
        self.away = False
        """Whether the stream is."""
        server.turn = self._note

    def _note(self, since_ms: int, now_ms: int, frames: float) -> int:
        """After each turn of the venue: since when its books are what they are."""
        done = self._turn(since_ms, now_ms, frames)
        self.look()
        return done

    def look(self) -> None:
        """The versions there are now are there since now, unless they were before."""
        if self.feed is not None:
            for market in self.feed.markets:
                for symbol in market.symbols:
                    versions = self._since.setdefault(symbol, {})
                    versions.setdefault(self._server.truth.version(symbol), time.time_ns())

    def on_batch(self, batch: Batch) -> None:
        """Records came out."""
        assert self.feed is not None
        for instrument in set(batch.updates["instrument"].tolist()):
            view = self.feed.engine.book(instrument)
            if view.polled:
                self._check(view)
            if view.live and self.away:
                self._report.problems.append(f"{view.symbol} live although nothing streams")

    def _check(self, view: BookView) -> None:
        self._report.polled += 1
        levels = view.levels_exact("bid").tolist(), view.levels_exact("ask").tolist()
        version = self._server.truth.version_of(view.symbol, *levels)
        if version is None:
            self._report.problems.append(f"{view.symbol} was never like this: {time.time_ns()}")
            return
        replaced = [ns for v, ns in self._since.get(view.symbol, {}).items() if v > version]
        if replaced and min(replaced) < (view.ts_evidence or 0):
            self._report.problems.append(f"{view.symbol} was so only before its evidence")

    def on_signal(self, signal: Signal) -> None:
        """A rule that asks for no polled books must see none."""
        self._report.signals += 1
        if signal.phase != "close" and any(leg.state != "live" for leg in signal.legs):
            self._report.problems.append(f"{signal.name} opened on {signal.legs[0].state}")


def _begin(faults: Any, kind: RestFaultKind, rng: Random, symbols: Sequence[str]) -> None:
    """One fault, by chance more or less of it."""
    faults.begin(
        kind,
        retry_after_s=rng.choice((None, 0, 1, 5)),
        symbol=rng.choice(symbols) if kind != "ghost" or rng.random() < 0.5 else "",
        count=rng.randint(0, 3),
        hang_s=rng.choice((0.5, 4.0, 60.0)),
    )


async def play(seed: int) -> PolledReport:
    """One seed from beginning to end."""
    rng, report = Random(f"polled {seed}"), PolledReport(seed)
    name = VENUES[seed % len(VENUES)]
    venue: Any = simulator(name)
    options = Options(markets=MARKETS, rate=RATE, seed=seed, venue=name, unmirrored=0)
    server = await venue.serve(venue.configured(options))
    try:
        watch = Watch(server, report)
        markets, endpoint = listing_of(name, venue.ready(server))
        feed = watch.feed = Feed(
            markets,
            endpoints={name: endpoint},
            rules=_RULES,
            options=OPTIONS,
            clock=virtual_time.clock(),
            seed=seed,
            on_batch=watch.on_batch,
            on_signal=watch.on_signal,
        )
        watch.look()
        server.rouse()
        async with feed:
            await feed.wait_live(BACK_S_MAX)
            refusal = rng.choice((HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.FORBIDDEN))
            server.block(refusal)
            await asyncio.sleep(1.0)
            watch.away = True
            await _trouble(name, feed, server, rng, report)
            watch.away = False
            server.refusing = None
            denied = refusal == HTTPStatus.FORBIDDEN
            await _until(feed, "live", DENIED_S_MAX if denied else RETURN_S_MAX, report)
            counters = feed.counters()
        report.faults.update(server.rest_faults.hits)
        for what in ("callback_errors", "handler_errors"):
            if counters[what]:
                report.problems.append(f"{counters[what]} {what}")
    finally:
        await server.close()
    return report


async def _trouble(name: str, feed: Feed, server: Any, rng: Random, report: PolledReport) -> None:
    symbols = [symbol for market in feed.markets for symbol in market.symbols]
    await _until(feed, "live_poll", BACK_S_MAX, report)
    for _ in range(FAULTS):
        # Now and then two at once.
        kinds = rng.sample(KINDS[name], rng.choice((1, 1, 2)))
        for kind in kinds:
            _begin(server.rest_faults, kind, rng, symbols)
        await asyncio.sleep(rng.uniform(*FAULT_S))
        for kind in kinds:
            server.rest_faults.end(kind)
        await asyncio.sleep(rng.uniform(*PAUSE_S))
    report.back_s_max = await _until(feed, "live_poll", BACK_S_MAX, report)


async def _until(feed: Feed, state: str, within_s: float, report: PolledReport) -> float:
    """How long it took until all books were so; a problem if they were not in time."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    while loop.time() - begun_s < within_s:
        if all(book.state == state for book in feed.status().books):
            return loop.time() - begun_s
        await asyncio.sleep(_LOOK_S)
    others = [f"{one.state} ({one.cause})" for one in feed.status().books if one.state != state]
    report.problems.append(f"{len(others)} books not {state} in {within_s:g} s: {others[0]}")
    return within_s


async def play_all(seeds: Sequence[int]) -> dict[str, Any]:
    """Every seed, one after the other, and what they came to."""
    reports = [await play(seed) for seed in seeds]
    faults: Counter[str] = Counter()
    for report in reports:
        faults.update(report.faults)
    missing = sorted(set(get_args(RestFaultKind)) - faults.keys()) if len(seeds) > 3 else []
    return {
        "seeds": len(reports),
        "polled": sum(one.polled for one in reports),
        "signals": sum(one.signals for one in reports),
        "faults": dict(faults.most_common()),
        "never_struck": missing,
        "back_s_max": round(max(one.back_s_max for one in reports), 1),
        "problems": [[one.seed, text] for one in reports for text in one.problems[:3]],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args(argv)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.disable(logging.CRITICAL)
    start_ns = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp()) * NS_PER_S
    loop = virtual_time.VirtualLoop()
    virtual_time.begin(loop, start_ns)
    seeds = range(options.first, options.first + options.seeds)
    figures = virtual_time.run(play_all(seeds), loop)
    print(json.dumps(figures))
    return 1 if figures["problems"] or figures["never_struck"] else 0


if __name__ == "__main__":
    sys.exit(main())
