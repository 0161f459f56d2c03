"""Batches put together and cut: whole records in their order, each signal with its legs.

Records are ordered by ``seq``, which updates and signals share. All functions return new batches;
the bytes of a batch never change.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bookfeed._bookfeed import Batch
from bookfeed.records import KIND_BOOK, LEG_BYTES

EMPTY: Final = Batch()

Chosen = NDArray[np.bool_]


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
    if not any(batch.signal_bytes for batch in batches):
        return Batch(update_bytes=b"".join([batch.update_bytes for batch in batches]))
    legs = 0
    signals: list[bytes] = []
    for batch in batches:
        moved = batch.signals.copy()
        # Signals name their legs by their place in the batch.
        moved["leg_start"] += legs
        signals.append(moved.tobytes())
        legs += len(batch.leg_bytes) // LEG_BYTES
    return Batch(
        update_bytes=b"".join([batch.update_bytes for batch in batches]),
        signal_bytes=b"".join(signals),
        leg_bytes=b"".join([batch.leg_bytes for batch in batches]),
    )


def conflated(batches: Sequence[Batch]) -> Conflated:
    """Split into the newest book update of each instrument and all other records, in order."""
    whole = join(batches)
    updates = whole.updates
    is_book = updates["kind"] == KIND_BOOK
    books = updates[is_book]
    # The first of each instrument from the end is its newest.
    _, from_end = np.unique(books["instrument"][::-1], return_index=True)
    newest = np.sort(len(books) - 1 - from_end)
    return Conflated(
        Batch(update_bytes=books[newest].tobytes()),
        Batch(
            update_bytes=updates[~is_book].tobytes(),
            signal_bytes=whole.signal_bytes,
            leg_bytes=whole.leg_bytes,
        ),
        len(books) - len(newest),
    )


def merged(batches: Sequence[Batch]) -> Batch:
    """As ``join``, for batches whose records lie between each other's: put in order."""
    whole = join(batches)
    updates, signals = whole.updates, whole.signals
    return Batch(
        update_bytes=updates[np.argsort(updates["seq"], kind="stable")].tobytes(),
        signal_bytes=signals[np.argsort(signals["seq"], kind="stable")].tobytes(),
        leg_bytes=whole.leg_bytes,
    )


def cut(batch: Batch, count: int) -> tuple[Batch, Batch]:
    """The oldest ``count`` records, and the rest."""
    if count <= 0:
        return EMPTY, batch
    if count >= len(batch):
        return batch, EMPTY
    updates, signals = batch.updates, batch.signals
    order = np.concatenate((updates["seq"], signals["seq"]))
    rank = np.empty(len(order), np.int64)
    rank[np.argsort(order, kind="stable")] = np.arange(len(order))
    old = rank < count
    old_updates, old_signals = old[: len(updates)], old[len(updates) :]
    return _part(batch, old_updates, old_signals), _part(batch, ~old_updates, ~old_signals)


def _part(batch: Batch, updates: Chosen, signals: Chosen) -> Batch:
    """The chosen records, with the legs of the chosen signals and no others."""
    chosen = batch.signals[signals]
    legs = batch.legs
    kept = [legs[s["leg_start"] : s["leg_start"] + s["legs"]] for s in chosen]
    chosen["leg_start"] = np.concatenate(([0], np.cumsum(chosen["legs"], dtype=np.int64)))[:-1]
    return Batch(
        update_bytes=batch.updates[updates].tobytes(),
        signal_bytes=chosen.tobytes(),
        leg_bytes=b"".join(part.tobytes() for part in kept),
    )
