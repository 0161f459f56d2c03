"""Batches put together and cut: whole records in their order, each signal with its legs.

In a batch of a feed, updates and signals are each in the order of ``seq``, which they share, and
legs lie in the order of their signals; level changes have a ``seq`` of their own. So it is in every
batch that comes from here. The bytes of a batch never change.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bookfeed._bookfeed import Batch
from bookfeed.records import KIND_BOOK, LEG_BYTES, SIGNAL_BYTES, UPDATE_BYTES
from bookfeed.records.levels import LEVEL_BYTES

EMPTY: Final = Batch()


class Conflated(NamedTuple):
    """What is left of batches: the newest book of each instrument, and all that is no book."""

    books: Batch
    others: Batch
    left_out: int
    """How many book updates were left out."""


def join(batches: Sequence[Batch]) -> Batch:
    """All records of ``batches`` as one batch; the caller gives them in order."""
    if len(batches) == 1:
        return batches[0]
    updates = b"".join([batch.update_bytes for batch in batches])
    levels = b"".join([batch.level_bytes for batch in batches])
    parts = [batch.signal_bytes for batch in batches]
    signals = b"".join(parts)
    if not signals:
        return Batch(update_bytes=updates, level_bytes=levels)
    legs = [batch.leg_bytes for batch in batches]
    first_legs = accumulate((len(part) // LEG_BYTES for part in legs[:-1]), initial=0)
    counts = [len(part) // SIGNAL_BYTES for part in parts]
    shifts = np.repeat(np.fromiter(first_legs, np.int64), counts)
    return Batch(updates, _moved(signals, shifts), b"".join(legs), levels)


def conflated(batches: Sequence[Batch]) -> Conflated:
    """Split into the newest book update of each instrument and all other records, in order."""
    whole = join(batches)
    updates, rows = whole.updates, _rows(whole.update_bytes)
    is_book = updates["kind"] == KIND_BOOK
    books = np.flatnonzero(is_book)
    # The first of each instrument from the end is its newest.
    _, from_end = np.unique(updates["instrument"][books][::-1], return_index=True)
    newest = books[np.sort(len(books) - 1 - from_end)]
    return Conflated(
        Batch(rows[newest].tobytes()),
        Batch(rows[~is_book].tobytes(), whole.signal_bytes, whole.leg_bytes, whole.level_bytes),
        len(books) - len(newest),
    )


def merged(batches: Sequence[Batch]) -> Batch:
    """As ``join``, for batches whose updates lie between each other's; signals must not."""
    whole = join(batches)
    order = np.argsort(whole.updates["seq"], kind="stable")
    updates = _rows(whole.update_bytes)[order].tobytes()
    return Batch(updates, whole.signal_bytes, whole.leg_bytes, whole.level_bytes)


def without_oldest(batch: Batch, count: int) -> Batch:
    """What is left of ``batch`` without its ``count`` oldest records, or a few more.

    Level changes count as older than all else; those of one message go together, so that whoever
    applies them sees in their ``seq`` that some are missing.
    """
    if count >= len(batch):
        return EMPTY
    levels = batch.levels["seq"]
    if 0 < count < len(levels):
        at = int(np.searchsorted(levels, levels[count - 1], side="right"))
    else:
        at = min(max(count, 0), len(levels))
    rest = _without(batch, max(count - len(levels), 0))
    kept = batch.level_bytes[at * LEVEL_BYTES :]
    return Batch(rest.update_bytes, rest.signal_bytes, rest.leg_bytes, kept)


def _without(batch: Batch, count: int) -> Batch:
    """Updates and signals without the ``count`` oldest."""
    if not count:
        return batch
    updates, signals = batch.updates["seq"], batch.signals
    order = np.concatenate((updates, signals["seq"]))
    if count >= len(order):
        return EMPTY
    first = np.partition(order, count)[count]
    u, s = np.searchsorted(updates, first), np.searchsorted(signals["seq"], first)
    legs = int(signals["leg_start"][s]) if s < len(signals) else len(batch.legs)
    return Batch(
        batch.update_bytes[u * UPDATE_BYTES :],
        _moved(batch.signal_bytes[s * SIGNAL_BYTES :], -legs),
        batch.leg_bytes[legs * LEG_BYTES :],
    )


def _moved(signals: bytes, legs: "int | NDArray[np.int64]") -> bytes:
    """Signals whose legs lie so many places later: they name them by their place in the batch."""
    moved = np.frombuffer(bytearray(signals), EMPTY.signals.dtype)
    moved["leg_start"] = moved["leg_start"].astype(np.int64) + legs
    return moved.tobytes()


def _rows(updates: bytes) -> NDArray[np.void]:
    """Updates as plain bytes: numpy copies a record field by field, twenty times slower."""
    return np.frombuffer(updates, f"V{UPDATE_BYTES}")
