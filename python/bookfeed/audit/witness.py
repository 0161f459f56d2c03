"""The engine an audit is held against: it replays the same records and is asked how it stands."""

from collections import deque
from decimal import Decimal
from typing import Final

from bookfeed._bookfeed import Batch, Engine
from bookfeed.audit.books import Side
from bookfeed.audit.lives import Standing
from bookfeed.audit.numbers import PRICE_UNITS, QTY_UNITS, units
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records import Signal, Update, signals, updates

Record = Update | Signal


class Witness:
    """A replaying engine: takes journal records, hands out its own in the order of emission."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._input: Final = EngineInput(engine)

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        """One journal record; false if it was not understood."""
        return self._input.apply(kind, ts, conn, payload)

    def drain(self) -> Batch:
        """What the engine wrote since the last time."""
        return self._engine.drain()

    def records(self) -> deque[Record]:
        """The same, as typed records, updates and signals in one order."""
        batch = self.drain()
        both: list[Record] = [*updates(batch), *signals(batch)]
        return deque(sorted(both, key=lambda record: record.seq))

    def standing(self, number: int) -> Standing:
        """Whether a book may be believed now, and on what evidence."""
        view = self._engine.book(number)
        return Standing(view.live, view.verified, view.ts_evidence)

    def levels(self, number: int, side: Side) -> list[list[int]]:
        """Levels of a book, best first, in integers; in any state."""
        levels: list[list[int]] = self._engine.book(number).levels_exact(side).tolist()
        return levels

    def qty(self, number: int, side: Side, price: Decimal) -> Decimal:
        """The engine's size at a price; 0 if it has no such level."""
        wanted = units(price, PRICE_UNITS)
        found = (qty for at, qty in self.levels(number, side) if at == wanted)
        return Decimal(next(found, 0)) / QTY_UNITS
