"""``LevelChanges``: what one venue message did to the levels of one book.

Whoever sets each level to its new size, or removes it where that is zero, keeps a copy that is
``book.levels_exact`` at every time, whatever the book's state. Prices are integers of 1e-9
(``*_e9``), sizes integers of 1e-8 (``*_e8``), times Unix nanoseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import Any, Final, Literal, cast

from bookfeed._bookfeed import CAUSES, PRICE_SCALE, QTY_SCALE, STATES, BookView
from bookfeed.names import Known, symbols_of
from bookfeed.records.values import unfrozen
from bookfeed.words import Cause, State

LEVEL_BYTES: Final = 48

_LEVEL: Final = Struct("<QqqqqIBBBB")
_WHOLE: Final = 1
_SIDES: Final[tuple[Literal["bid", "ask"], ...]] = ("bid", "ask")


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One level whose size is another one than before."""

    side: Literal["bid", "ask"]
    """Whether those who wait there buy (``"bid"``) or sell (``"ask"``)."""
    price_e9: int
    """Its price, in 1e-9."""
    old_qty_e8: int
    """Its size before, in 1e-8; 0 if there was no such level."""
    new_qty_e8: int
    """Its size now, in 1e-8; 0 if there is no such level any more."""

    @property
    def price(self) -> float:
        """Its price in USD a share."""
        return self.price_e9 / PRICE_SCALE

    @property
    def old_qty(self) -> float:
        """Shares before; 0.0 if there was no such level."""
        return self.old_qty_e8 / QTY_SCALE

    @property
    def new_qty(self) -> float:
        """Shares now; 0.0 if there is no such level any more."""
        return self.new_qty_e8 / QTY_SCALE


@dataclass(frozen=True, slots=True)
class LevelChanges:
    """All levels of one book that one message changed; bids before asks, the best of each first."""

    instrument: int
    """The instrument's number."""
    symbol: str
    """The venue's symbol of the book; empty if it is not known."""
    ts_recv: int
    """When the message was received, in Unix nanoseconds."""
    state: State
    """The book's state after it; only ``"live"`` may be believed."""
    cause: Cause
    """Why the book is in that state."""
    whole: bool
    """Whether the message was a whole book. Levels that it left as they were are no changes."""
    changes: tuple[LevelChange, ...]
    """The levels; at least one."""

    @property
    def live(self) -> bool:
        """Whether the book may be believed after these changes."""
        return self.state == "live"


_UnfrozenChange: Final = unfrozen(LevelChange)
_UnfrozenChanges: Final = unfrozen(LevelChanges)


def level_changes(data: bytes, names: Known) -> Iterator[LevelChanges]:
    """Iterate what each message did to each book, out of the level records of a batch.

    Raises ``struct.error`` for bytes that are no whole number of records.
    """
    symbols = symbols_of(names)
    for _, group in groupby(_LEVEL.iter_unpack(data), itemgetter(0)):
        records = list(group)
        _, ts_recv, _, _, _, instrument, _, state, cause, flags = records[-1]
        found: Any = _UnfrozenChanges()
        found.instrument, found.symbol = instrument, symbols.get(instrument, "")
        found.ts_recv, found.state, found.cause = ts_recv, STATES[state], CAUSES[cause]
        found.whole = bool(flags & _WHOLE)
        found.changes = tuple(_change(r[6], r[2], r[3], r[4]) for r in records)
        found.__class__ = LevelChanges
        yield found


def _change(side: int, price_e9: int, old_qty_e8: int, new_qty_e8: int) -> LevelChange:
    change: Any = _UnfrozenChange()
    change.side, change.price_e9 = _SIDES[side], price_e9
    change.old_qty_e8, change.new_qty_e8 = old_qty_e8, new_qty_e8
    change.__class__ = LevelChange
    return cast(LevelChange, change)


def whole_book(book: BookView) -> LevelChanges | None:
    """Return a book as the changes that make it out of an empty one; ``None`` if it is empty."""
    changes = tuple(
        LevelChange(side, int(price_e9), 0, int(qty_e8))
        for side in _SIDES
        for price_e9, qty_e8 in book.levels_exact(side)
    )
    if not changes:
        return None
    return LevelChanges(
        instrument=book.instrument,
        symbol=book.symbol,
        ts_recv=book.ts_recv or 0,
        state=book.state,
        cause=book.cause,
        whole=True,
        changes=changes,
    )
