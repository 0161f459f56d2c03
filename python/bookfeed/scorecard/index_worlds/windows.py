"""Windows of a minute in simulated worlds, with one venue frozen, one delayed and one spiking: how
far each estimate's mean is from the true one's.

A connection that freezes says nothing more while its venue goes on. A feed sees that and connects
anew; a short cut waits until the connection fails, as the usual libraries do after 20 to 40 s.
With ``--venue`` it is the venue that freezes, and there is nothing to be had for anybody.

``python -m bookfeed.scorecard.index_worlds.windows --seeds 60`` prints a line an estimate.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bookfeed._bookfeed import SpotBook, SpotIndex
from bookfeed.audit import index as slow
from bookfeed.scorecard.index_worlds.books import E9, BookWorld, S, Seen, Side
from bookfeed.scorecard.index_worlds.figures import CONSTITUENTS
from bookfeed.scorecard.index_worlds.readings import PROXIES, true_index
from bookfeed.sim.chance import seeded

OURS: Final = "bookfeed"
LEAD_S: Final = 15
"""Seconds before a window, in which faults may begin."""
WINDOW_S: Final = 60
_SECONDS: Final = LEAD_S + WINDOW_S
_CHECKED_EVERY_S: Final = 5
_FROZEN_S: Final = (10, 40)
_DELAYED_S: Final = (1, 3)
_SPIKES_S: Final = (1, 5)
# A screen of 5 % is what is published: a lesser spike moves the administrator's index, too.
_SPIKE: Final = (0.06, 0.2)
SILENT: Final = 3 * S
"""After so long a silence a feed's book is not live any more: the longest that row W1 measures."""
BACK_S: Final = 5
"""After so long a feed has the book of a frozen connection again: it connects anew."""
DISTANCE_MAX: Final = 0.01
"""How far the engine's index may be from a slow reading of the same books, dollars."""
MEDIAN_MAX: Final = 2.0
P95_MAX: Final = 8.0
TIMES_MIN: Final = 5.0


@dataclass(frozen=True)
class Damage:
    """What happens to three venues of a world; times are seconds of it."""

    frozen: str
    frozen_from: int
    frozen_to: int
    delayed: str
    delayed_by: int
    spiking: str
    spiking_from: int
    spiking_to: int
    spike: float
    """By what part of the price the book of that venue is off."""

    @classmethod
    def of_seed(cls, seed: int) -> "Damage":
        """Three venues of four, and when."""
        rng = seeded("index damage", seed)
        frozen, delayed, spiking = rng.sample(CONSTITUENTS, 3)
        frozen_from = rng.randrange(LEAD_S - 10, _SECONDS - 15)
        spiking_from = rng.randrange(LEAD_S, _SECONDS - 1)
        return cls(
            frozen,
            frozen_from,
            frozen_from + rng.randint(*_FROZEN_S),
            delayed,
            rng.randint(*_DELAYED_S),
            spiking,
            spiking_from,
            spiking_from + rng.randint(*_SPIKES_S),
            rng.choice((-1, 1)) * rng.uniform(*_SPIKE),
        )

    def heard(
        self, second: int, past: Sequence[dict[str, Seen]], *, back_s: int | None = None
    ) -> dict[str, Seen]:
        """The books as they are heard at a second of the world, of which ``past`` is known, by
        somebody who has a frozen one back after so many seconds; ``None``: when it thaws.
        """
        now = past[second]
        books = dict(now)
        thaws = self.frozen_to
        if back_s is not None:
            thaws = min(thaws, self.frozen_from + back_s)
        if self.frozen_from <= second < thaws:
            books[self.frozen] = past[self.frozen_from][self.frozen]
        # What comes late is a sign of life all the same.
        late = past[max(0, second - self.delayed_by)][self.delayed]
        books[self.delayed] = late._replace(retrieved=now[self.delayed].retrieved)
        if self.spiking_from <= second < self.spiking_to:
            books[self.spiking] = _moved(books[self.spiking], self.spike)
        return books


def _moved(book: Seen, part: float) -> Seen:
    by = round(book.mid * part) // 10**7 * 10**7
    return Seen(
        Side(book.bids.prices + by, book.bids.sizes),
        Side(book.asks.prices + by, book.asks.sizes),
        book.retrieved,
    )


@dataclass(frozen=True)
class WindowErrors:
    """What one window came to, dollars."""

    seed: int
    errors: dict[str, float]
    """Of each estimate's mean of the window, against the true mean."""
    distance: float
    """The engine's index of undamaged books, and of damaged ones, against slow readings: the
    greatest difference.
    """
    compared: int
    """How often it was compared."""


def window(seed: int, *, decimals: bool = True, venue: bool = False) -> WindowErrors:
    """One window. With ``decimals`` the engine is held against the slowest reading once, too; with
    ``venue`` it is a venue that freezes, and no connection.
    """
    world, damage = BookWorld(seed), Damage.of_seed(seed)
    ours, undamaged = SpotIndex("BTC"), SpotIndex("BTC")
    past: list[dict[str, Seen]] = []
    truths: list[float] = []
    told: dict[str, list[float]] = {name: [] for name in (OURS, *PROXIES)}
    distances: list[float] = []
    for second in range(_SECONDS):
        now, books = world.step()
        past.append(books)
        heard = damage.heard(second, past)
        by_us = damage.heard(second, past, back_s=None if venue else BACK_S)
        value = ours.tick(now, _spot_books(by_us, now - SILENT))
        if second < LEAD_S:
            continue
        truths.append(true_index([books[name] for name in CONSTITUENTS]))
        if value is not None:
            told[OURS].append(value.value)
        for name, proxy in PROXIES.items():
            if (price := proxy(now, heard)) is not None:
                told[name].append(price)
        if second % _CHECKED_EVERY_S == 0:
            same = undamaged.tick(now, _spot_books(books))
            distances.append(abs(same.value - truths[-1]) if same else float("inf"))
        if decimals and second == damage.spiking_from:
            distances.append(_from_decimals(now, heard))
    true_mean = float(np.mean(truths))
    errors = {
        name: abs(float(np.mean(values)) - true_mean) if values else float("inf")
        for name, values in told.items()
    }
    return WindowErrors(seed, errors, max(distances), len(distances))


def _spot_books(books: dict[str, Seen], silent_since: int = 0) -> dict[str, Any]:
    """Books as the engine takes them; of which nothing was heard since a time is not live."""
    return {
        name: SpotBook(
            book.retrieved,
            book.bids.pairs(),
            book.asks.pairs(),
            believed=book.retrieved > silent_since,
        )
        for name, book in books.items()
        if name in CONSTITUENTS
    }


def _from_decimals(now: int, books: dict[str, Seen]) -> float:
    """How far the engine's index of these books is from the one by decimals, screening and all."""
    engine = SpotIndex("BTC").tick(now, _spot_books(books))
    seen = {
        name: slow.Seen(books[name].bids.pairs(), books[name].asks.pairs(), books[name].retrieved)
        for name in CONSTITUENTS
    }
    wanted = slow.Oracle().tick(now, seen)
    if engine is None or wanted is None:
        return 0.0 if engine is None and wanted is None else float("inf")
    return abs(engine.value - float(wanted[0]) / E9)


@dataclass(frozen=True)
class Summary:
    """What many windows came to, dollars."""

    median: dict[str, float]
    p95: dict[str, float]
    most: dict[str, float]
    distance: float
    compared: int
    windows: int

    @property
    def best_proxy(self) -> str:
        """The short cut with the least median error."""
        return min(PROXIES, key=self.median.__getitem__)

    @property
    def times(self) -> float:
        """How many times the median error of the best short cut is ours."""
        return self.median[self.best_proxy] / self.median[OURS]

    def problems(self) -> list[str]:
        """What is not as it is asked."""
        found = self.misread()
        if self.median[OURS] >= MEDIAN_MAX:
            found.append(f"median error ${self.median[OURS]:.2f}")
        if self.p95[OURS] >= P95_MAX:
            found.append(f"95th percentile of errors ${self.p95[OURS]:.2f}")
        if self.times < TIMES_MIN:
            found.append(f"{self.best_proxy} is but {self.times:.1f} times as far off")
        return found

    def misread(self) -> list[str]:
        """What is wrong with how books are read: this one window shows by itself."""
        if self.distance > DISTANCE_MAX:
            return [f"the engine's index is ${self.distance:.4f} off a slow reading"]
        return []


def summary(results: Sequence[WindowErrors]) -> Summary:
    """Of all windows together."""
    errors = {name: np.array([one.errors[name] for one in results]) for name in (OURS, *PROXIES)}
    return Summary(
        {name: float(np.median(each)) for name, each in errors.items()},
        {name: float(np.percentile(each, 95)) for name, each in errors.items()},
        {name: float(each.max()) for name, each in errors.items()},
        max(one.distance for one in results),
        sum(one.compared for one in results),
        len(results),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=60, help="windows, each of a world of its own")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--venue", action="store_true", help="a venue freezes, no connection")
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    options = parser.parse_args(argv)
    seeds = range(options.first, options.first + options.seeds)
    came_to = summary([window(seed, venue=options.venue) for seed in seeds])
    problems = came_to.problems()
    if options.json:
        print(json.dumps({"problems": problems, **vars(came_to)}))
        return bool(problems)
    print(f"{came_to.windows} windows, seeds {seeds[0]} to {seeds[-1]}; error of the mean of 60 s")
    for name in came_to.median:
        row = (came_to.median[name], came_to.p95[name], came_to.most[name])
        print(f"{name:<20} median ${row[0]:7.2f}   p95 ${row[1]:8.2f}   most ${row[2]:8.2f}")
    print(f"best short cut: {came_to.best_proxy}, {came_to.times:.1f} times as far off")
    print(f"engine against slow readings: ${came_to.distance:.6f} in {came_to.compared} ticks")
    for problem in problems:
        print(f"not as asked: {problem}", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
