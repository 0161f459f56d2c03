"""The true books of simulated venues that are processes of their own, and what a feed showed.

As a program this serves a simulated venue, and writes down each version of its books as it comes.
A feed in another process writes down what it shows as ``live`` at random moments. Afterwards the
one is held against the other: how old what was shown was, and whether it ever was true.
"""

import argparse
import json
import os
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np

from bookfeed._bookfeed import BookView
from bookfeed.recordings.bounds import control_object
from bookfeed.scorecard import campaigns
from bookfeed.scorecard.campaigns.socket_faults import Strikes
from bookfeed.sim import package
from bookfeed.sim.entry import Options
from bookfeed.sim.plan import read_plan
from bookfeed.sim.relay_server import RelaySimServer
from bookfeed.sim.server import serve_until_told

DEPTH: Final = 5
"""Levels a side that are compared: every venue here shows as many."""
SETTLE_S: Final = 5.0
"""How long after a book moved on a mistake in it may be live: delay that is borne (twice
``max_delay``, 3 s), a batch (0.25 s), the interval of hashes (0.25 s), a step of the timer."""
OLD_S: Final = 61.0
"""How old a live book may be, or how long mistaken after its venue kept changes back without a
trace: a market that froze, or froze for a while, is compared with a whole book within 60 s."""
NEWS_EVERY: Final = 4_000
"""Steps of a venue between two pieces of news of a kind: 20 s or so. Faults of news wait for it."""
_NEWS: Final = ("tick_change_every", "pause_every", "fee_change_every")
_ENTRY: Final = np.dtype([("ts", "<i8"), ("book", "<u4"), ("digest", "<u8")])
_NS: Final = 1_000_000_000


def digest_of(bids: Sequence[Sequence[int]], asks: Sequence[Sequence[int]]) -> int:
    """The best levels of a book as one number: prices in 1e-9, sizes in 1e-8, best first."""
    best = [[(int(price), int(qty)) for price, qty in side[:DEPTH]] for side in (bids, asks)]
    return int.from_bytes(blake2b(repr(best).encode(), digest_size=8).digest(), "little")


class BookLog:
    """Books as they were at certain times, in a file: time, number of the book, digest."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._names = path.with_suffix(".names").open("w")
        self._numbers: dict[str, int] = {}

    def put(self, name: str, digest: int) -> None:
        """A book is like that now."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._numbers)
            self._names.write(f"{name}\n")
        entry = np.array((time.time_ns(), number, digest), _ENTRY)
        self._file.write(entry.tobytes())

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()
        self._names.close()


def entries(path: Path) -> Iterator[tuple[str, int, int]]:
    """What a log has: name of the book, time, digest."""
    names = path.with_suffix(".names").read_text().splitlines()
    for ts_ns, number, digest in np.fromfile(path, _ENTRY).tolist():
        yield names[number], ts_ns, digest


def best_of(view: BookView) -> tuple[list[list[int]], list[list[int]]] | None:
    """The best levels of a book; ``None`` if it is not known as deep, and says so."""
    sides = []
    for side, sign in (("bid", -1), ("ask", 1)):
        levels = view.levels_exact(side, DEPTH).tolist()  # type: ignore[arg-type]
        end = view.depth_known(side)  # type: ignore[arg-type]
        if levels and end is not None and sign * levels[-1][0] > sign * round(end * 1e9):
            return None
        sides.append(levels)
    return sides[0], sides[1]


class Shown:
    """What a feed shows, a few live books at a time, each of them in its turn."""

    def __init__(self, path: Path, each: int) -> None:
        self._log = BookLog(path)
        self._each = each
        self._at = 0

    def look(self, books: Sequence[BookView]) -> None:
        """The next few of these books."""
        for step in range(min(self._each, len(books))):
            view = books[(self._at + step) % len(books)]
            best = best_of(view) if view.live else None
            if best is not None:
                self._log.put(f"{view.venue} {view.symbol}", digest_of(*best))
        self._at += self._each

    def close(self) -> None:
        """The feed ends."""
        self._log.close()


class _Truth(NamedTuple):
    """The versions of one book."""

    begun_ns: list[int]
    digests: list[int]
    places: dict[int, list[int]]
    """Where each digest stands in ``digests``."""

    def age_ns(self, digest: int, ts_ns: int) -> int | None:
        """How long ago the book stopped being like that; ``None`` if it had not been so."""
        newest = bisect_right(self.begun_ns, ts_ns)
        places = self.places.get(digest, [])
        at = bisect_right(places, newest - 1)
        if at == 0:
            return None
        following = places[at - 1] + 1
        return 0 if following >= newest else ts_ns - self.begun_ns[following]

    def moved_on_ns(self, since_ns: int) -> int | None:
        """When the book next changed after that time."""
        at = bisect_right(self.begun_ns, since_ns)
        return self.begun_ns[at] if at < len(self.begun_ns) else None


def truths(paths: Mapping[str, Path]) -> dict[str, _Truth]:
    """The versions of all books, by venue and symbol."""
    found: dict[str, _Truth] = {}
    for venue, path in paths.items():
        for name, ts_ns, digest in entries(path):
            truth = found.setdefault(f"{venue} {name}", _Truth([], [], {}))
            truth.places.setdefault(digest, []).append(len(truth.digests))
            truth.begun_ns.append(ts_ns)
            truth.digests.append(digest)
    return found


@dataclass
class Judged:
    """What a feed showed, held against the truth."""

    shown: int = 0
    """Live books that were compared."""
    never: int = 0
    """Of them, those that had never been so, within what a mistake may last."""
    old_s_max: float = 0.0
    """The oldest of those that had been so."""
    mistaken_s_max: float = 0.0
    """The longest that a book was seen mistaken after it had moved on."""
    wrong: list[str] = field(default_factory=list)
    """Those beyond the bounds."""


class KeptBack:
    """When venues kept changes back, in seconds after they began, by venue."""

    def __init__(self, at_s: Mapping[str, Sequence[float]], known: Mapping[str, _Truth]) -> None:
        self._at_ns: dict[str, list[int]] = {}
        for name, truth in known.items():
            venue = name.partition(" ")[0]
            begun_ns = truth.begun_ns[0]
            self._at_ns.setdefault(venue, [begun_ns + int(at * _NS) for at in at_s.get(venue, ())])

    def borne_s(self, name: str, since_ns: int) -> float:
        """How long a book may be mistaken that was first seen so at that time."""
        times = self._at_ns[name.partition(" ")[0]]
        kept = any(0 <= since_ns - at_ns <= 2 * SETTLE_S * _NS for at_ns in times)
        return OLD_S if kept else SETTLE_S


def judged(
    shown: Path, true: Mapping[str, Path], kept_back_s: Mapping[str, Sequence[float]] | None = None
) -> Judged:
    """Holds a log of what was shown against the logs of the truth, by venue."""
    told, known = Judged(), truths(true)
    kept_back = KeptBack(kept_back_s or {}, known)
    mistaken_ns: dict[str, int] = {}
    for name, ts_ns, digest in entries(shown):
        told.shown += 1
        age_ns = known[name].age_ns(digest, ts_ns)
        if age_ns is not None:
            mistaken_ns.pop(name, None)
            told.old_s_max = max(told.old_s_max, age_ns / _NS)
            if age_ns > OLD_S * _NS:
                told.wrong.append(f"{name} is {age_ns / _NS:.1f} s old at {ts_ns}")
            continue
        told.never += 1
        since_ns = mistaken_ns.setdefault(name, ts_ns)
        moved_ns = known[name].moved_on_ns(since_ns)
        lasted_s = 0.0 if moved_ns is None else (ts_ns - moved_ns) / _NS
        told.mistaken_s_max = max(told.mistaken_s_max, lasted_s)
        if lasted_s > kept_back.borne_s(name, since_ns):
            told.wrong.append(f"{name} never was as it is at {ts_ns}")
    return told


def record(truth: Any, path: Path) -> BookLog:
    """Writes down the books of a simulator as they are, and from now on each version of them."""
    log = BookLog(path)

    def put(symbol: str) -> None:
        book = truth(symbol)
        if not book.torn:
            log.put(symbol, digest_of(book.bids, book.asks))

    for symbol in truth.symbols:
        put(symbol)
    truth.on_change = put
    return log


def faults_beside(path: Path) -> Path:
    """Where it is written what struck the venue whose books are written there."""
    return path.with_suffix(".faults")


def serve(options: Options, path: Path) -> None:
    """Serves a simulated venue as ``bookfeed sim`` does, and writes down its books and what struck
    it. The plan of faults begins with ``socket_faults.begin``.
    """
    simulator = import_module(package(options.venue))
    planned = simulator.configured(options)
    news = {name: NEWS_EVERY for name in _NEWS if hasattr(planned, name)}
    faults, config = planned.faults, replace(planned, faults=(), **news)
    logs: list[BookLog] = []
    strikes: list[Strikes] = []
    relays: list[RelaySimServer] = []
    # What tells the touch of a venue's books on a socket of its own, where anything does.
    touches = f"{campaigns.__name__}.{options.venue}_touches"

    async def begun() -> Any:
        server = await simulator.serve(config)
        logs.append(record(server.truth, path))
        strikes.append(Strikes(server, faults))
        if find_spec(touches) is not None:
            relays.append(import_module(touches).beside(server))
            await relays[0].start()
        return server

    def ready(server: Any) -> str:
        told = control_object(simulator.ready_line(server).encode())
        relay = relays[0].url if relays else None
        return json.dumps(told | {"relay": relay, "pid": os.getpid()})

    try:
        serve_until_told(begun, ready, exit_with_parent=True)
    finally:
        for log in logs:
            log.close()
        for one in strikes:
            one.write(faults_beside(path))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venue", required=True)
    parser.add_argument("--markets", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--faults", required=True, help="a plan, as bookfeed sim takes it")
    parser.add_argument("--truth", type=Path, required=True, help="the log to write")
    given = parser.parse_args(argv)
    plan = read_plan(given.faults)
    options = Options(markets=given.markets, rate=given.rate, plan=plan, venue=given.venue)
    serve(options, given.truth)
    return 0


if __name__ == "__main__":
    sys.exit(main())
