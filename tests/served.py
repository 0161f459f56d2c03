"""Recordings served in their venue's own protocol: what was true of them, and clients that read it.

The clients are written from the protocol pages; each judges every book it has after every frame.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from bookfeed._bookfeed import BookView
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.opened import engine_of, open_source
from bookfeed.recordings.playback import Book, Playback, Step
from bookfeed.recordings.writer import write_journal
from bookfeed.records import updates

Levels = tuple[tuple[int, int], ...]
Version = tuple[Levels, Levels]

E9, E8 = Decimal(10**9), Decimal(10**8)


def written(
    path: Path,
    records: Iterable[tuple[int, int, int, int, bytes]],
    options: dict[str, Any],
    *venues: str,
) -> Path:
    """Records as a journal on disk."""
    write_journal(path, records, notes={"engine": options, "venues": list(venues)})
    return path


class Truth:
    """Every version of every book while it was live, by a replay of its own; inside a change that
    is told in several frames, too.
    """

    def __init__(self, path: Path) -> None:
        self.versions: dict[Book, list[Version]] = defaultdict(list)
        recording = open_source(path)
        engine = engine_of(recording, str(path))
        inputs = EngineInput(engine)
        live: dict[Book, BookView] = {}
        for record in recording.records:
            inputs.apply(record[0], record[1], record[2], record[-1])
            changed = set()
            for update in updates(engine.drain(record[1]), inputs.names):
                view = engine.book(update.instrument)
                book = view.venue, view.symbol
                changed.add(book)
                if update.state == "live":
                    live[book] = view
                else:
                    live.pop(book, None)
            for book, view in live.items():
                if book in changed or book[1].encode() in record[-1]:
                    version = stands(view)
                    told = self.versions[book]
                    if not told or told[-1] != version:
                        told.append(version)
        self.final = {book: stands(view) for book, view in live.items() if view.live}
        self.past = Playback(path)
        self.steps: list[Step] = list(self.past.steps())
        self.lost = sum(len(step.lost) for step in self.steps)

    def at(self, share: float) -> int:
        """A time in the middle."""
        return self.steps[int(len(self.steps) * share)].ts


def stands(view: BookView) -> Version:
    """The levels of a book."""
    bids, asks = (tuple(map(tuple, view.levels_exact(side).tolist())) for side in ("bid", "ask"))
    return bids, asks


class Judge:
    """Holds the books of a client against the versions that were true, which never run back."""

    def __init__(self, truth: Truth, venue: str) -> None:
        self.truth, self.venue = truth, venue
        self.checked = 0
        self.wrong: list[str] = []
        self._at: dict[str, int] = defaultdict(int)

    def judge(
        self, symbol: str, bids: dict[Decimal, Decimal], asks: dict[Decimal, Decimal]
    ) -> None:
        """A book as the client has it now."""
        self.judge_version(symbol, (levels(bids, best=max), levels(asks, best=min)))

    def judge_version(self, symbol: str, version: Version) -> None:
        """The same as integers."""
        known = self.truth.versions[self.venue, symbol]
        self.checked += 1
        try:
            self._at[symbol] = known.index(version, self._at[symbol])
        except ValueError:
            again = version in known
            self.wrong.append(f"{symbol}: {'ran back' if again else 'never was so'} {version}")


def levels(side: dict[Decimal, Decimal], *, best: Any) -> Levels:
    """A side as the engine's integers, best first."""
    prices = sorted(side, reverse=best is max)
    return tuple((int(price * E9), int(side[price] * E8)) for price in prices)
