"""Rows for bytes to book to touch: every stack over the same corpus, answers compared first.

``python -m benches.ingest [--quick] [VENUE ...]`` prints the rows as JSON.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from benches import binance, binance_peers, kalshi, kalshi_peers, ours, spot, spot_peers
from benches.competitors import (
    PEERS,
    Peers,
    Stack,
    installed,
    msgspec_decoder,
    peer,
    wrong_answer,
)
from benches.corpus import Corpus, Spec, load
from benches.frames import Recording
from benches.timing import Row, cpu_us_per_item, interleave, pin, spread_of, write_rows
from bookfeed import Engine

RACE = "race"
PARSE = "parse"
HASH = "hash"
CALL = "call"
KALSHI_RACE = "kalshi race"
KALSHI_PARSE = "kalshi parse"
BINANCE_RACE = "binance race"
BINANCE_PARSE = "binance parse"
OURS = "bookfeed, drained every 64 frames, touches read from the records"
OURS_DRAINED = "bookfeed, drained every 64 frames"
OURS_EACH = "bookfeed, drained every frame into an array"
FRESH = ", frames fresh"
"""Ends the name of a row whose frames were copied just before, as a socket leaves them; the other
rows find them where the corpus put them, cold."""
QUICKEST_PEER = "msgspec + dict, cached touch"
"""Of every venue; the others' own cost hides where a frame comes from."""
CLOCK_READINGS = 1_001
BLOCK = ours.DRAIN_EVERY
"""Frames that are copied at a time."""
VENUES = ("polymarket", "kalshi", "binance", *spot.VENUES)
CALLS_TIMED_MAX = 50_000
PONGS = 200_000
HASH_RATE = 10_000
HashCheck = Literal["always", "sampled", "off"]
Build = Callable[[], Engine]
"""Makes an engine that watches what a corpus is about."""


def feed_all(stack: Stack, frames: list[bytes]) -> None:
    """One ``feed`` call a frame."""
    feed = stack.feed
    for frame in frames:
        feed(frame)


Take = Callable[[list[bytes], list[int]], object]
"""Feeds a block of frames with their receive times."""


def fresh_us_per_frame(frames: Sequence[bytes], ts_recv: list[int], take: Take) -> float:
    """CPU time of this thread for all frames, µs a frame.

    Neither copying a block is in it nor reading the clock, which takes as long as a frame or two.
    """
    clock = time.thread_time_ns
    reading_ns = statistics.median(-clock() + clock() for _ in range(CLOCK_READINGS))
    spent_ns = -reading_ns * -(-len(frames) // BLOCK)
    for start in range(0, len(frames), BLOCK):
        block = [bytes(memoryview(f)) for f in frames[start : start + BLOCK]]
        times = ts_recv[start : start + BLOCK]
        spent_ns -= clock()
        take(block, times)
        spent_ns += clock()
    return spent_ns / len(frames) / 1e3


def check_peer(corpus: Recording, name: str, make: Callable[[], Stack]) -> None:
    """Raises ``ValueError`` if a peer does not find the corpus' answers."""
    stack = make()
    feed_all(stack, corpus.frames)
    wrong = wrong_answer(stack, corpus)
    if wrong is not None:
        raise ValueError(f"{name}: {wrong}")


def check_ours(corpus: Recording, build: Build, drain_every: int) -> dict[str, float]:
    """Raises ``ValueError`` if bookfeed does not find the answers; returns what it counted."""
    stack = ours.BookfeedStack(build(), drain_every=drain_every)
    stack.run(corpus, read=True)
    wrong = ours.wrong_answer(stack, corpus)
    if wrong is not None:
        raise ValueError(f"bookfeed ({corpus.venue}, drained every {drain_every}): {wrong}")
    counts = stack.engine.evidence()
    return {name: float(count) for name, count in counts.items() if count}


def peer_call_spread(make: Callable[[], Stack], frames: list[bytes]) -> dict[str, float]:
    """Wall time of single ``feed`` calls, µs."""
    feed = make().feed
    clock = time.perf_counter_ns
    times = []
    for frame in frames[:CALLS_TIMED_MAX]:
        started = clock()
        feed(frame)
        times.append((clock() - started) / 1e3)
    return spread_of(times)


def our_call_spread(corpus: Recording, build: Build, drain_every: int) -> dict[str, float]:
    """Wall time of single ``ingest`` calls with the drain where it falls due, µs."""
    engine = build()
    clock = time.perf_counter_ns
    times = []
    pairs = zip(corpus.frames, corpus.ts_recv, strict=True)
    for i, (frame, ts_recv) in enumerate(pairs, start=1):
        if i > CALLS_TIMED_MAX:
            break
        started = clock()
        engine.ingest(ours.CONN, frame, ts_recv)
        if i % drain_every == 0:
            engine.drain()
        times.append((clock() - started) / 1e3)
    return spread_of(times)


def our_measure(
    corpus: Recording, build: Build, *, drain_every: int, read: bool
) -> Callable[[], float]:
    """A round of ours, µs a frame; building the engine is not timed."""

    def measure() -> float:
        stack = ours.BookfeedStack(build(), drain_every=drain_every)
        return cpu_us_per_item(lambda: stack.run(corpus, read=read), len(corpus.frames))

    return measure


def peer_measure(corpus: Recording, make: Callable[[], Stack]) -> Callable[[], float]:
    """A round of a peer, µs a frame."""

    def measure() -> float:
        stack = make()
        return cpu_us_per_item(lambda: feed_all(stack, corpus.frames), len(corpus.frames))

    return measure


def our_fresh_measure(corpus: Recording, build: Build, *, read: bool) -> Callable[[], float]:
    """A round of ours with frames freshly received, µs a frame; its answers are compared."""

    def measure() -> float:
        stack = ours.BookfeedStack(build(), drain_every=BLOCK)
        spent_us = fresh_us_per_frame(corpus.frames, corpus.ts_recv, partial(stack.take, read=read))
        wrong = ours.wrong_answer(stack, corpus, read=read)
        if wrong is not None:
            raise ValueError(f"bookfeed ({corpus.venue}, frames fresh): {wrong}")
        return spent_us

    return measure


def peer_fresh_measure(corpus: Recording, make: Callable[[], Stack]) -> Callable[[], float]:
    """A round of a peer with frames freshly received, µs a frame; its answers are compared."""

    def measure() -> float:
        stack = make()
        spent_us = fresh_us_per_frame(
            corpus.frames, corpus.ts_recv, lambda frames, _: feed_all(stack, frames)
        )
        wrong = wrong_answer(stack, corpus)
        if wrong is not None:
            raise ValueError(f"{corpus.venue}, frames fresh: {wrong}")
        return spent_us

    return measure


def parsers(
    typed: Callable[[], Callable[[bytes], object]] = msgspec_decoder,
) -> dict[str, Callable[[bytes], object] | str]:
    """Parsers by row name, or the reason why one cannot be had; ``typed`` is msgspec's."""
    orjson, simdjson = installed("orjson"), installed("simdjson")
    return {
        "orjson": orjson.loads if orjson else "orjson is not installed",
        "msgspec typed Structs": (typed() if installed("msgspec") else "msgspec is not installed"),
        "pysimdjson DOM": simdjson.Parser().parse if simdjson else "pysimdjson is not installed",
    }


def parse_measure(corpus: Recording, parse: Callable[[bytes], object]) -> Callable[[], float]:
    """A round of parsing alone, µs a frame."""

    def work() -> None:
        for frame in corpus.frames:
            parse(frame)

    return lambda: cpu_us_per_item(work, len(corpus.frames))


def call_floor_measure(corpus: Corpus) -> Callable[[], float]:
    """``ingest`` of a heartbeat's answer: what calling the engine costs when nothing is to do."""
    engine = ours.build_engine(corpus, "off")
    ts_recv = corpus.ts_recv[0]

    def work() -> None:
        ingest = engine.ingest
        for _ in range(PONGS):
            ingest(ours.CONN, b"PONG", ts_recv)

    return lambda: cpu_us_per_item(work, PONGS)


def at_rate(corpus: Corpus, rate: int) -> Corpus:
    """The same frames, received at so many a second: sampling goes by receive time."""
    first = corpus.ts_recv[0]
    ts_recv = [first + i * 1_000_000_000 // rate for i in range(len(corpus.frames))]
    return replace(corpus, ts_recv=ts_recv)


@dataclass
class Contest:
    """Rows, and how to time a round of each."""

    rows: dict[str, Row] = field(default_factory=dict)
    measures: dict[str, Callable[[], float]] = field(default_factory=dict)

    def add(self, table: str, name: str, measure: Callable[[], float] | str) -> Row:
        """One row; a text instead of a measure is why it is skipped."""
        row = self.rows[f"{table}/{name}"] = Row(table, name, "µs a frame")
        if isinstance(measure, str):
            row.skipped = measure
        else:
            self.measures[f"{table}/{name}"] = measure
        return row

    def add_peers(self, table: str, corpus: Recording, peers: Peers) -> None:
        """Every stack that can be had, its answers compared."""
        for name in peers:
            make = peer(name, peers)
            if isinstance(make, str):
                self.add(table, name, make)
                continue
            check_peer(corpus, name, make)
            row = self.add(table, name, peer_measure(corpus, make))
            row.spread = peer_call_spread(make, corpus.frames)
            if name == QUICKEST_PEER:
                self.add(table, name + FRESH, peer_fresh_measure(corpus, make))

    def add_ours(self, table: str, corpus: Recording, build: Build) -> None:
        """bookfeed in three ways of reading it, two with fresh frames too; answers compared."""
        for name, drain_every, read in (
            (OURS, ours.DRAIN_EVERY, True),
            (OURS_DRAINED, ours.DRAIN_EVERY, False),
            (OURS_EACH, 1, False),
        ):
            facts = check_ours(corpus, build, drain_every)
            measure = our_measure(corpus, build, drain_every=drain_every, read=read)
            row = self.add(table, name, measure)
            row.facts = facts
            row.spread = our_call_spread(corpus, build, drain_every)
        for name, read in ((OURS, True), (OURS_DRAINED, False)):
            self.add(table, name + FRESH, our_fresh_measure(corpus, build, read=read))

    def add_parsers(
        self, table: str, corpus: Recording, typed: Callable[[], Callable[[bytes], object]]
    ) -> None:
        """Parsing and nothing else."""
        for name, parse in parsers(typed).items():
            self.add(table, name, parse if isinstance(parse, str) else parse_measure(corpus, parse))

    def run(self, rounds: int) -> list[Row]:
        """Times everything, rounds interleaved."""
        for key, values in interleave(self.measures, rounds).items():
            self.rows[key].rounds = values
        return list(self.rows.values())


def add_hashes(contest: Contest, valid: Corpus) -> None:
    """What checking the venue's hashes costs."""
    checks: tuple[tuple[HashCheck, int], ...] = (
        ("off", HASH_RATE),
        ("sampled", HASH_RATE),
        ("sampled", HASH_RATE // 10),
        ("always", HASH_RATE),
    )
    for check, rate in checks:
        timed, build = at_rate(valid, rate), partial(ours.build_engine, valid, check)
        facts = check_ours(timed, build, ours.DRAIN_EVERY)
        measure = our_measure(timed, build, drain_every=ours.DRAIN_EVERY, read=False)
        row = contest.add(HASH, f'hash_check="{check}", frames received at {rate:,}/s', measure)
        row.facts = facts


def race_rows(corpus: Corpus, valid: Corpus, rounds: int) -> list[Row]:
    """Every row about Polymarket."""
    contest = Contest()
    contest.add_peers(RACE, corpus, PEERS)
    contest.add_ours(RACE, corpus, partial(ours.build_engine, corpus, "off"))
    contest.add_parsers(PARSE, corpus, msgspec_decoder)
    contest.add(CALL, "Engine.ingest of a PONG", call_floor_measure(corpus))
    add_hashes(contest, valid)
    return contest.run(rounds)


def kalshi_rows(corpus: kalshi.Corpus, rounds: int) -> list[Row]:
    """Every row about Kalshi."""
    contest = Contest()
    contest.add_peers(KALSHI_RACE, corpus, kalshi_peers.PEERS)
    contest.add_ours(KALSHI_RACE, corpus, partial(ours.build_kalshi_engine, corpus))
    contest.add_parsers(KALSHI_PARSE, corpus, kalshi_peers.msgspec_decoder)
    contest.rows[f"{KALSHI_RACE}/{OURS_DRAINED}"].facts |= ours.box_facts(corpus)
    return contest.run(rounds)


def binance_rows(corpus: binance.Corpus, rounds: int) -> list[Row]:
    """Every row about Binance."""
    contest = Contest()
    contest.add_peers(BINANCE_RACE, corpus, binance_peers.peers(corpus))
    contest.add_ours(BINANCE_RACE, corpus, partial(ours.build_binance_engine, corpus))
    contest.add_parsers(BINANCE_PARSE, corpus, binance_peers.msgspec_decoder)
    return contest.run(rounds)


def spot_race(venue: str) -> str:
    """The table of one of the other spot venues."""
    return f"{venue} race"


def spot_rows(corpus: spot.Corpus, rounds: int) -> list[Row]:
    """Every row about one of the other spot venues."""
    contest, table = Contest(), spot_race(corpus.venue)
    contest.add_peers(table, corpus, spot_peers.peers(corpus))
    contest.add_ours(table, corpus, partial(ours.build_spot_engine, corpus))
    return contest.run(rounds)


def polymarket_row_set(frames: int, valid_frames: int, rounds: int) -> list[Row]:
    """Polymarket's rows, the corpora made or read."""
    valid = load(Spec(frames=valid_frames, hashes="valid"))
    return race_rows(load(Spec(frames=frames)), valid, rounds)


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("venues", nargs="*", choices=VENUES, default=VENUES)
    options = parser.parse_args(argv)
    pin(0)
    frames, valid_frames, rounds = (20_000, 5_000, 3) if options.quick else (200_000, 20_000, 7)
    rows: list[Row] = []
    for venue in options.venues:
        if venue == "polymarket":
            rows += polymarket_row_set(frames, valid_frames, rounds)
        elif venue == "kalshi":
            rows += kalshi_rows(kalshi.load(kalshi.Spec(frames=frames)), rounds)
        elif venue in spot.VENUES:
            rows += spot_rows(spot.make(spot.Spec(venue, frames=frames // 10)), rounds)
        else:
            rows += binance_rows(binance.load(binance.Spec(frames=frames // 10)), rounds)
    write_rows(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
