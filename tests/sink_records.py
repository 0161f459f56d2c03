"""Batches as a feed would hand them over, made up: for the tests of sinks."""

import random
from itertools import count

import numpy as np

from bookfeed import LEG_DTYPE, LEVEL_DTYPE, SIGNAL_DTYPE, UPDATE_DTYPE, UPDATE_KINDS, Batch

BOOK, TRADE = UPDATE_KINDS.index("book"), UPDATE_KINDS.index("trade")


class Records:
    """Makes batches one after the other: ``seq`` grows, and a signal's legs say whose they are."""

    def __init__(self, seed: int = 0, instruments: int = 5) -> None:
        self.rng = random.Random(seed)
        self.instruments = instruments
        self.seq = count(1)
        self.kinds: dict[int, tuple[int, int]] = {}
        """Kind (-1: a signal) and instrument of every update and signal by ``seq``."""
        self.message = count(1)
        self.levels = 0
        """How many level changes there were; each has its number as its price."""

    def books(self, *instruments: int) -> Batch:
        """One book update each."""
        return self.batch([(BOOK, instrument) for instrument in instruments])

    def batch(self, content: list[tuple[int, int]]) -> Batch:
        """Updates of a kind, about an instrument; kind -1 is a signal with so many legs."""
        updates = np.zeros(len(content), UPDATE_DTYPE)
        signals = np.zeros(len(content), SIGNAL_DTYPE)
        legs: list[np.ndarray[tuple[int], np.dtype[np.void]]] = []
        used = [0, 0]
        leg_start = 0
        for kind, number in content:
            seq = next(self.seq)
            self.kinds[seq] = (kind, number)
            if kind >= 0:
                row = updates[used[0]]
                used[0] += 1
                row["seq"], row["kind"], row["instrument"] = seq, kind, number
                continue
            signal = signals[used[1]]
            used[1] += 1
            signal["seq"], signal["leg_start"], signal["legs"] = seq, leg_start, number
            leg = np.zeros(number, LEG_DTYPE)
            # So that a leg that ends up with another signal is seen.
            leg["epoch"] = seq
            leg["instrument"] = np.arange(number)
            legs.append(leg)
            leg_start += number
        return Batch(
            updates[: used[0]].tobytes(),
            signals[: used[1]].tobytes(),
            b"".join(leg.tobytes() for leg in legs),
        )

    def any_levels(self, messages: int) -> bytes:
        """Level changes of so many messages, of one to three levels."""
        parts = []
        for _ in range(messages):
            changes = np.zeros(self.rng.randint(1, 3), LEVEL_DTYPE)
            changes["seq"] = next(self.message)
            changes["price_e9"] = np.arange(self.levels, self.levels + len(changes))
            # So that half a message is seen.
            changes["old_qty_e8"] = np.arange(len(changes))
            self.levels += len(changes)
            parts.append(changes.tobytes())
        return b"".join(parts)

    def any_batch(self, size_max: int = 12, *, levels: bool = False) -> Batch:
        """Anything: mostly books; ``levels`` changes, too, if asked for."""
        rng = self.rng
        content = []
        for _ in range(rng.randint(1, size_max)):
            kind = rng.choices([BOOK, TRADE, -1], [8, 2, 1])[0]
            number = rng.randint(1, 4) if kind < 0 else rng.randrange(self.instruments)
            content.append((kind, number))
        batch = self.batch(content)
        if not levels:
            return batch
        changes = self.any_levels(rng.randrange(3))
        return Batch(batch.update_bytes, batch.signal_bytes, batch.leg_bytes, changes)


def level_numbers(batch: Batch) -> list[int]:
    """The numbers of a batch's level changes; checks that no message has lost its beginning."""
    levels = batch.levels
    numbers: list[int] = levels["price_e9"].tolist()
    if numbers:
        begins = np.flatnonzero(np.diff(levels["seq"], prepend=0))
        assert levels["old_qty_e8"][begins].tolist() == [0] * len(begins)
    return numbers


def seqs(batch: Batch) -> list[int]:
    """The numbers of updates and signals, in order; checks that signals have their own legs."""
    legs = batch.legs
    at = 0
    for signal in batch.signals:
        start, size = int(signal["leg_start"]), int(signal["legs"])
        assert start == at, "legs lie as the signals do"
        at = start + size
        assert legs["epoch"][start:at].tolist() == [signal["seq"]] * size
        assert legs["instrument"][start:at].tolist() == list(range(size))
    assert at == len(legs)
    updates: list[int] = batch.updates["seq"].tolist()
    signals: list[int] = batch.signals["seq"].tolist()
    assert updates == sorted(updates) and signals == sorted(signals)
    return sorted(updates + signals)
