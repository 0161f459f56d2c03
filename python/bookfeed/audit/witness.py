"""What an audit is held against: something that takes the same records and says how it stands.

The one in use is an engine (``bookfeed.cli.witness``); nothing here knows it.
"""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypeGuard, Union

from bookfeed.audit.books import Side
from bookfeed.audit.lives import Standing
from bookfeed.audit.paper import Filled
from bookfeed.audit.terms import Fair
from bookfeed.audit.windows import Said

if TYPE_CHECKING:
    from bookfeed.records import Signal, Update
    from bookfeed.records.indices import IndexTick

Record = Union["Update", "Signal"]


class Witness(Protocol):
    """Takes the records of a journal one by one, and answers for what it makes of them."""

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        """One journal record; false if it was not understood."""

    def records(self) -> deque[Record]:
        """What it wrote since the last time: updates and signals in the order of emission."""

    def indices(self) -> Sequence["IndexTick"]:
        """Values of indices among what ``records`` gave last, in the order of emission."""

    def ledgers(self) -> Sequence[int]:
        """How long orders take to arrive in each of its paper ledgers, nanoseconds."""

    def fills(self, ledger: int) -> Sequence[Filled]:
        """What became of orders in a ledger since the last time."""

    def fair(self, number: int) -> Fair | None:
        """What it thinks a contract was worth when its reference last ticked."""

    def window(self, number: int) -> Said | None:
        """What it says of the window that a contract settles by."""

    def waits(self, number: int) -> bool:
        """Whether it waits for the book of a contract to answer a move of its reference."""

    def standing(self, number: int) -> Standing:
        """Whether a book may be believed now, and on what evidence."""

    def delay_known(self, conn: int) -> bool:
        """Whether a connection has shown how late it delivers."""

    def levels(self, number: int, side: Side) -> list[list[int]]:
        """Levels of a book, best first, in its integers; in any state."""

    def number(self, venue: str, symbol: str) -> int | None:
        """Its number of a book; ``None`` if it has no such book."""

    def qty(self, number: int, side: Side, price: Decimal) -> Decimal:
        """Its size at a price; 0 if it has no such level."""


def is_signal(record: Record) -> "TypeGuard[Signal]":
    """Whether a record is a signal; it is an update otherwise."""
    return hasattr(record, "phase")


def is_update(record: Record) -> "TypeGuard[Update]":
    """Whether a record is an update."""
    return not is_signal(record)
