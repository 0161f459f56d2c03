"""Typed records: the ``Update``s and ``Signal``s of a batch, read from its fixed-width bytes.

A batch is fastest as a numpy array; these objects are for code that wants names and exact numbers.
"""

from collections.abc import Iterator

from bookfeed._bookfeed import Batch
from bookfeed.names import NOTHING_KNOWN, Known, symbols_of
from bookfeed.records.signal import LEG_BYTES, SIGNAL_BYTES, Leg, Signal
from bookfeed.records.update import (
    KIND_BOOK,
    KIND_STATE,
    UPDATE_BYTES,
    UPDATE_INSTRUMENT_OFFSET,
    UPDATE_KIND_OFFSET,
    Update,
)

__all__ = [
    "KIND_BOOK",
    "KIND_STATE",
    "LEG_BYTES",
    "SIGNAL_BYTES",
    "UPDATE_BYTES",
    "UPDATE_INSTRUMENT_OFFSET",
    "UPDATE_KIND_OFFSET",
    "Leg",
    "Signal",
    "Update",
    "signals",
    "updates",
]


def _renamed(old: object) -> None:
    """``symbols`` is called ``names``; the old word is answered until the next version."""
    if old is not None:
        raise TypeError("the argument symbols is called names now: give feed.names to it")


def updates(
    batch: Batch, names: Known = NOTHING_KNOWN, *, symbols: None = None
) -> Iterator[Update]:
    """Iterate the updates of a batch as typed objects; ``names`` is ``Feed.names``.

    A plain mapping of symbols by instrument number does as well.
    """
    _renamed(symbols)
    known, data = symbols_of(names), batch.update_bytes
    return (Update.from_bytes(data, at, known) for at in range(0, len(data), UPDATE_BYTES))


def signals(
    batch: Batch, names: Known = NOTHING_KNOWN, *, symbols: None = None
) -> Iterator[Signal]:
    """Iterate the signals of a batch as typed objects; ``names`` is ``Feed.names``.

    With a plain mapping of symbols by instrument number, rules and legs have no names.
    """
    _renamed(symbols)
    data, legs = batch.signal_bytes, batch.leg_bytes
    return (Signal.from_bytes(data, legs, at, names) for at in range(0, len(data), SIGNAL_BYTES))
