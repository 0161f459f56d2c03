"""``bookfeed bench``: what a frame costs on this machine, beside a plain Python client.

A seeded corpus comes from the simulator. Every contestant first rebuilds the books from it and
is compared with the simulator's truth; only then are the clocks started. Rounds take turns, so
that a noisy neighbour disturbs everybody alike.
"""

import argparse
import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE, Engine, __version__
from bookfeed.cli.progress import Progress
from bookfeed.config import HashCheck
from bookfeed.errors import BookfeedError, ExitCode, SimulatorError
from bookfeed.monitor.output import write_json, write_line, write_pairs, write_table
from bookfeed.venues import VENUES

if TYPE_CHECKING:
    from bookfeed._bookfeed import BookView

_DRAIN_EVERY: Final = 64
_NAIVE: Final = "json + dict + sorted"

Levels = list[tuple[int, int]]
Books = dict[str, tuple[Levels, Levels]]
"""Bids and asks by symbol, best first, (price 1e-9, size 1e-8)."""


class Frame(NamedTuple):
    """One frame as the engine is given it."""

    conn: int
    payload: bytes
    ts_recv: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Frames, and the books they must lead to."""

    frames: list[Frame]
    truth: Books

    @property
    def bytes_per_frame(self) -> float:
        """Mean size of a frame."""
        return sum(len(frame.payload) for frame in self.frames) / len(self.frames)


@dataclass(frozen=True, slots=True)
class Timing:
    """How one contestant did, microseconds a frame over all rounds."""

    name: str
    us_min: float
    us_median: float
    us_max: float


class Contestant(NamedTuple):
    """Somebody who keeps books: seconds spent, and the books at the end."""

    name: str
    run: Callable[[Sequence[Frame]], tuple[float, Books]]


class WrongBooks(BookfeedError):
    """A contestant did not come to the true books; its time would mean nothing."""


def execute(args: argparse.Namespace) -> ExitCode:
    """Makes the corpus, compares every answer, measures, prints."""
    markets, count, rounds = (20, 5_000, 3) if args.quick else (100, 60_000, 7)
    with Progress("making frames", count) as progress:
        corpus = make_corpus(markets, count, progress)
    timings = race(corpus, contestants(), rounds)
    _show(args.output or "table", corpus, timings, rounds)
    return ExitCode.OK


def make_corpus(markets: int, count: int, progress: Progress) -> Corpus:
    """About ``count`` frames of a seeded venue with valid evidence, ending between batches."""
    _, plain = _measured()
    frames, truth = plain.corpus(markets, count, progress.reach)
    return Corpus([Frame(*frame) for frame in frames], truth)


def _measured() -> tuple[str, Any]:
    """The first venue that has a corpus and a plain client, and the module they are in."""
    for venue, row in VENUES.items():
        if row.simulator and find_spec(f"{row.simulator}.plain") is not None:
            return venue, import_module(f"{row.simulator}.plain")
    raise SimulatorError("no simulator has a plain client to measure beside the engine")


def contestants() -> list[Contestant]:
    """The engine with each way of checking hashes, and the client everybody writes first."""
    modes: tuple[HashCheck, ...] = ("off", "sampled", "always")
    ours = [Contestant(f"bookfeed, hashes {mode}", _engine_run(mode)) for mode in modes]
    return [*ours, Contestant(_NAIVE, _plain_run)]


def race(corpus: Corpus, entrants: Sequence[Contestant], rounds: int) -> list[Timing]:
    """Compares every answer with the truth, then times ``rounds`` rounds in turns.

    Raises ``WrongBooks`` if an answer differs.
    """
    for entrant in entrants:
        _, books = entrant.run(corpus.frames)
        wrong = [symbol for symbol, book in corpus.truth.items() if books.get(symbol) != book]
        if wrong:
            raise WrongBooks(f"{entrant.name}: {len(wrong)} books differ from the truth")
    spent: dict[str, list[float]] = {entrant.name: [] for entrant in entrants}
    with Progress("measuring", rounds * len(entrants)) as progress:
        for turn in range(rounds):
            for place, entrant in enumerate(entrants):
                progress.reach(turn * len(entrants) + place)
                seconds, _ = entrant.run(corpus.frames)
                spent[entrant.name].append(seconds * 1e6 / len(corpus.frames))
    return [Timing(name, min(us), statistics.median(us), max(us)) for name, us in spent.items()]


class _Stopwatch:
    """Seconds inside the context, with the garbage collector held off."""

    def __enter__(self) -> "_Stopwatch":
        gc.collect()
        gc.disable()
        self._start_ns = time.perf_counter_ns()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = (time.perf_counter_ns() - self._start_ns) / 1e9
        gc.enable()


def _engine_run(mode: HashCheck) -> Callable[[Sequence[Frame]], tuple[float, Books]]:
    def run(frames: Sequence[Frame]) -> tuple[float, Books]:
        engine = Engine(hash_check=mode, auto_subscribe=True)
        engine.add_rule("spread", {"open": "0.05"})
        engine.add_rule("complement", {"min_edge": "0.001"})
        venue, _ = _measured()
        for conn in dict.fromkeys(frame.conn for frame in frames):
            engine.connected(conn, venue, frames[0].ts_recv)
        ingest, drain = engine.ingest, engine.drain
        with _Stopwatch() as watch:
            for place, (conn, payload, ts_recv) in enumerate(frames):
                ingest(conn, payload, ts_recv)
                if not place % _DRAIN_EVERY:
                    drain(ts_recv)
        return watch.seconds, {book.symbol: _exact(book) for book in engine.books()}

    return run


def _plain_run(frames: Sequence[Frame]) -> tuple[float, Books]:
    _, plain = _measured()
    client = plain.Client()
    take = client.take
    with _Stopwatch() as watch:
        for frame in frames:
            take(frame.payload)
    return watch.seconds, client.exact(PRICE_SCALE, QTY_SCALE)


def _exact(book: "BookView") -> tuple[Levels, Levels]:
    bids, asks = (
        [(int(price), int(qty)) for price, qty in book.levels_exact(side)]
        for side in ("bid", "ask")
    )
    return bids, asks


def _show(output: str, corpus: Corpus, timings: Sequence[Timing], rounds: int) -> None:
    naive = next(timing for timing in timings if timing.name == _NAIVE)
    if output == "table":
        write_pairs(
            [
                ("frames", len(corpus.frames)),
                ("books", len(corpus.truth)),
                ("bytes a frame", round(corpus.bytes_per_frame)),
                ("answers", "equal to the simulator's truth, compared before timing"),
                ("rounds", rounds),
                ("versions", f"bookfeed {__version__}, Python {platform.python_version()}"),
            ]
        )
        print()
        rows = [
            (t.name, t.us_min, t.us_median, t.us_max, 1e6 / t.us_median, _ratio(naive, t))
            for t in timings
        ]
        header = ("contestant", "µs min", "µs median", "µs max", "frames/s", "times faster")
        write_table(header, rows)
        return
    result = {
        "frames": len(corpus.frames),
        "books": len(corpus.truth),
        "bytes_per_frame": round(corpus.bytes_per_frame, 1),
        "rounds": rounds,
        "bookfeed": __version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "machine": platform.machine(),
        "contestants": [
            {
                "name": t.name,
                "us_per_frame": {"min": t.us_min, "median": t.us_median, "max": t.us_max},
                "frames_per_s": 1e6 / t.us_median,
                "times_faster_than_naive": _ratio(naive, t),
            }
            for t in timings
        ],
    }
    (write_json if output == "json" else write_line)(result)


def _ratio(naive: Timing, timing: Timing) -> float:
    return naive.us_median / timing.us_median
