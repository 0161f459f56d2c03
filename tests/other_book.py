"""Recordings played to nautilus_trader's book as well as to the engine, for tests.

The auditor reads the frames, so that nothing of the engine decides what is told to the other book;
what the engine holds is compared with that after every frame that changes a book which is live.
"""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from lengths import TIMES

from bookfeed._bookfeed import Engine
from bookfeed.audit import Auditor
from bookfeed.audit.books import Instrument, OwnBook, Side
from bookfeed.audit.numbers import PRICE_MAX
from bookfeed.recordings.kinds import Kind
from bookfeed.scorecard.rows.oracle import nautilus
from bookfeed.scorecard.witness import EngineWitness

ROOT: Final = Path(__file__).parents[1]
DEPTH: Final = 50
"""Levels a side that are compared after each frame."""
WHOLE_EVERY: Final = 200 if TIMES == 1 else 50
"""All of them are, of all books, after so many records, and at the end."""
_SIDES: Final[tuple[Side, Side]] = ("bid", "ask")

Ours = Callable[[Engine, int, Side, int | None], list[list[int]]]
"""What an engine holds of a book: its number, the side, how many levels."""


class Compared(NamedTuple):
    """What became of a recording."""

    changes: int
    compared: int
    """Books after frames."""
    different: int
    shown: tuple[str, ...]
    """The first that were."""


class TellingBook(OwnBook):
    """A book of the auditor's that keeps what is done to it until that is told."""

    def __init__(self, book: OwnBook) -> None:
        super().__init__()
        self.said: list[list[str] | None] = []
        bids, asks = (dict(book.levels(side)) for side in _SIDES)
        self.load(bids, asks)

    def load(self, bids: Mapping[Decimal, Decimal], asks: Mapping[Decimal, Decimal]) -> None:
        super().load(bids, asks)
        self.said = [None]
        for side, levels in zip(_SIDES, (bids, asks), strict=True):
            for price, qty in levels.items():
                self._say(side, price, qty)

    def set(self, side: Side, price: Decimal, qty: Decimal) -> None:
        super().set(side, price, qty)
        self._say(side, price, qty)

    def _say(self, side: Side, price: Decimal, qty: Decimal) -> None:
        if price <= PRICE_MAX:  # an ask beyond is in no book of ours
            self.said.append(told(side, price, qty))


def told(side: Side, price: Decimal, qty: Decimal) -> list[str]:
    """A change as the other program reads it."""
    return [side, f"{price:f}", f"{qty:f}"]


def levels(engine: Engine, number: int, side: Side, depth: int | None) -> list[list[int]]:
    """What the engine holds, best first."""
    held: list[list[int]] = engine.book(number).levels_exact(side, depth).tolist()
    return held


class OtherBooks:
    """A program that keeps books of nautilus_trader."""

    def __init__(self) -> None:
        self._program: Final = subprocess.Popen(
            [nautilus(), "-m", "benches.versus.nautilus_book"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._program.kill()
        self._program.wait()

    def tell(self, line: Mapping[str, Any]) -> None:
        """One book after one frame. It answers nothing until the end, so nobody waits for it."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(line) + "\n")

    def told(self) -> Compared:
        """The end, and what it found."""
        out, _ = self._program.communicate()
        said = json.loads(out)
        assert said.pop("version")
        return Compared(**{**said, "shown": tuple(said["shown"])})


def compared(
    records: Iterable[Sequence[Any]], options: Mapping[str, Any], ours: Ours = levels
) -> Compared:
    """A recording, the options of its engine, and how that is asked what it holds."""
    engine = Engine(**options)
    auditor = Auditor(EngineWitness(engine), auto_subscribe=bool(options.get("auto_subscribe")))
    with OtherBooks() as others:
        for count, record in enumerate(records, 1):
            auditor.take(record[0], record[1], record[2], record[-1])
            whole, frame = count % WHOLE_EVERY == 0, record[0] == Kind.FRAME
            for one in auditor.instruments:
                if not isinstance(one.book, TellingBook):
                    one.book = TellingBook(one.book)
                if not one.gone and (whole or one.book.said):
                    ask = ours if whole or frame else None
                    others.tell(_line(engine, one, one.book, ask, None if whole else DEPTH))
        for one in auditor.instruments:
            if not one.gone and isinstance(one.book, TellingBook):
                others.tell(_line(engine, one, one.book, ours, None))
        return others.told()


def _line(
    engine: Engine, one: Instrument, book: TellingBook, ours: Ours | None, depth: int | None
) -> dict[str, Any]:
    """What was said of a book, and what the engine holds where it says that this is right."""
    line: dict[str, Any] = {"book": one.number, "said": book.said}
    book.said = []
    if ours is not None and engine.book(one.number).live:
        sides = {f"{side}s": ours(engine, one.number, side, depth) for side in _SIDES}
        line |= {"depth": depth, **sides}
    return line
