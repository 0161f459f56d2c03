"""Whether a venue's word for who crossed the spread is read right: trades are held against the mid
before them, by the records of an engine. Who buys pays more than that mid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bookfeed.records import Update

_JUDGED: Final = 100
"""So many trades apart from the mid are judged together."""
_LEAST: Final = 40
"""Fewer of them on their aggressor's side are too few."""
_KEPT: Final = 64
"""Of so many mids of a book, the newest."""


@dataclass(slots=True)
class _Venue:
    decided: int = 0
    agreed: int = 0


@dataclass(slots=True)
class Senses:
    """The trades of all venues whose books are pairs of currencies."""

    _mids: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _venues: dict[str, _Venue] = field(default_factory=dict)

    def state(self, number: int) -> None:
        """A book changed its state: what it was before says nothing of what it is."""
        self._mids.pop(number, None)

    def book(self, record: "Update") -> None:
        """A book was published."""
        if record.bid_e9 is not None and record.ask_e9 is not None:
            mids = self._mids.setdefault(record.instrument, [])
            mids.append((_time(record), record.bid_e9 + record.ask_e9))
            del mids[:-_KEPT]

    def trade(self, venue: str, record: "Update") -> Iterator[str]:
        """A trade was told; what there is to say of the last hundred of its venue."""
        mids, at = self._mids.get(record.instrument, []), _time(record)
        doubled = next((mid for ts, mid in reversed(mids) if ts < at), None)
        if doubled is None or record.aggressor is None or record.off_book:
            return
        if record.price_e9 is None or record.price_e9 * 2 == doubled or record.state != "live":
            return
        told = self._venues.setdefault(venue, _Venue())
        told.decided += 1
        told.agreed += (record.price_e9 * 2 > doubled) == (record.aggressor == "buy")
        if told.decided < _JUDGED:
            return
        if told.agreed * 100 < _LEAST * told.decided:
            few = f"{told.agreed} of {told.decided} trades"
            yield f"{venue}: {few} are on their aggressor's side of the mid before them"
        self._venues[venue] = _Venue()


def _time(record: "Update") -> int:
    return record.ts_recv if record.ts_event is None else record.ts_event
