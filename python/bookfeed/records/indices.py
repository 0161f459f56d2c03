"""``IndexTick``: an estimated index at one effective time, read from the 96 bytes of its record.

Prices are integers of 1e-9 (``*_e9``), sizes integers of 1e-8 (``*_e8``), times Unix nanoseconds.
Absent is ``None``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

from bookfeed._bookfeed import INDEX_STANDINGS, PRICE_SCALE
from bookfeed.clock import NS_PER_S
from bookfeed.names import Names
from bookfeed.records.values import known
from bookfeed.words import IndexStanding

INDEX_BYTES: Final = 96

_INDEX: Final = Struct("<qqQqqqqqqqIIBB6x")


@dataclass(frozen=True, slots=True)
class IndexTick:
    """An index of spot books as it was estimated at one effective time; never an administrator's
    own value.
    """

    number: int
    """The number of the index."""
    name: str
    """What it is called; empty if that is not known."""
    ts: int
    """The effective time, in Unix nanoseconds; what was received before it is what it rests on."""
    ts_recv: int
    """When the input was received that came first at that time or later, in Unix nanoseconds."""
    value_e9: int | None
    """The value, in 1e-9; ``None`` if no book was left after the screening."""
    published_e9: int | None
    """The value, rounded half up to the decimal places it is published with, in 1e-9."""
    utilised_depth_e8: int | None
    """Size up to which the merged book is tight enough to count, in 1e-8."""
    cap_e8: int | None
    """Size above which an order counts no more, in 1e-8."""
    crossed_e8: int | None
    """Size that the books of different venues would match with each other, in 1e-8."""
    bid_e9: int | None
    """Best bid of the merged book, in 1e-9."""
    ask_e9: int | None
    """Best ask of the merged book, in 1e-9."""
    included: int
    """How many constituents are in it."""
    standings: Mapping[str, IndexStanding]
    """How each constituent stood, by venue: ``"included"``, or why it is not."""

    @property
    def value(self) -> float | None:
        """The value; ``None`` if no book was left."""
        return None if self.value_e9 is None else self.value_e9 / PRICE_SCALE

    @property
    def whole_second(self) -> bool:
        """Whether its effective time is a whole second: settlements average those alone."""
        return self.ts % NS_PER_S == 0


def index_ticks(data: bytes, names: Names) -> Iterator[IndexTick]:
    """Iterate the values of indices, out of the index records of a batch.

    Raises ``struct.error`` for bytes that are no whole number of records.
    """
    for (
        ts, ts_recv, _, value, published, depth, cap, crossed, bid, ask, coded, number, included,
        count,
    ) in _INDEX.iter_unpack(data):  # fmt: skip
        index = names.indices.get(number)
        name, venues = ("", ()) if index is None else (index.name, index.venues)
        called = [*venues, *map(str, range(len(venues), count))]
        standings = {called[at]: INDEX_STANDINGS[coded >> 2 * at & 3] for at in range(count)}
        yield IndexTick(
            number, name, ts, ts_recv, known(value), known(published), known(depth), known(cap),
            known(crossed), known(bid), known(ask), included, standings,
        )  # fmt: skip
