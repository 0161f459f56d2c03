"""The engine that an audit is held against: it replays the same records and is asked."""

from collections import deque
from decimal import Decimal
from typing import Final

from bookfeed._bookfeed import PRICE_SCALE, QTY_SCALE, Batch, Engine
from bookfeed.audit.books import Side
from bookfeed.audit.lives import Standing
from bookfeed.audit.paper import Filled
from bookfeed.audit.terms import Fair
from bookfeed.audit.windows import Said
from bookfeed.audit.witness import Record
from bookfeed.monitor.paper import PaperTape
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records import signals, updates
from bookfeed.records.indices import IndexTick, index_ticks


class EngineWitness:
    """A replaying engine, as ``bookfeed.audit.witness.Witness`` has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._input: Final = EngineInput(engine)
        self._indices: list[IndexTick] = []
        self._tapes: Final = [PaperTape(engine, place) for place in range(len(engine.papers()))]

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        """See ``Witness``."""
        return self._input.apply(kind, ts, conn, payload)

    def drain(self) -> Batch:
        """What the engine wrote since the last time, as it wrote it."""
        return self._engine.drain()

    def records(self) -> deque[Record]:
        """See ``Witness``."""
        batch = self.drain()
        self._indices = list(index_ticks(batch.index_bytes, self._input.names))
        both: list[Record] = [*updates(batch), *signals(batch)]
        return deque(sorted(both, key=lambda record: record.seq))

    def indices(self) -> list[IndexTick]:
        """See ``Witness``."""
        return self._indices

    def ledgers(self) -> list[int]:
        """See ``Witness``."""
        return [totals["latency_ns"] for totals in self._engine.papers()]

    def fills(self, ledger: int) -> list[Filled]:
        """See ``Witness``."""
        return [
            Filled(one.signal, one.ts, one.captured_e8, one.unhedged_e8, one.net_captured_e9)
            for one in self._tapes[ledger].fresh()
        ]

    def fair(self, number: int) -> Fair | None:
        """See ``Witness``."""
        fair = self._engine.fair_value(number)
        if fair is None:
            return None
        newest = fair.ts - fair.reference_age_ns
        return Fair(fair.price_e9, fair.low_e9, fair.high_e9, newest, fair.books_age_ns)

    def window(self, number: int) -> Said | None:
        """See ``Witness``."""
        one = self._engine.window(number)
        if one is None:
            return None
        samples = None
        if one.banked is not None and one.missing is not None and one.samples is not None:
            samples = one.banked, one.missing, one.samples
        return Said(
            one.strike_e18, one.opening_e18, one.closing_e18,
            (one.opening_told, one.closing_told), one.outcome, samples, one.needed_e18,
        )  # fmt: skip

    def waits(self, number: int) -> bool:
        """See ``Witness``."""
        answers = self._engine.answers(number)
        return answers is not None and answers.waited_ns is not None

    def standing(self, number: int) -> Standing:
        """See ``Witness``."""
        view = self._engine.book(number)
        return Standing(view.live, view.verified, view.ts_evidence)

    def delay_known(self, conn: int) -> bool:
        """See ``Witness``."""
        # A book that belongs to no connection has the number -1.
        return conn >= 0 and self._engine.delay_ns(conn) is not None

    def levels(self, number: int, side: Side) -> list[list[int]]:
        """See ``Witness``."""
        levels: list[list[int]] = self._engine.book(number).levels_exact(side).tolist()
        return levels

    def number(self, venue: str, symbol: str) -> int | None:
        """See ``Witness``."""
        try:
            return self._engine.instrument(venue, symbol)
        except UnicodeEncodeError:  # half a character: no book is called that
            return None

    def qty(self, number: int, side: Side, price: Decimal) -> Decimal:
        """See ``Witness``."""
        wanted = int(price * PRICE_SCALE)
        found = (qty for at, qty in self.levels(number, side) if at == wanted)
        return Decimal(next(found, 0)) / QTY_SCALE
