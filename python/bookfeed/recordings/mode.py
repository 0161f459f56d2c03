"""How a venue was asked to speak when a capture was made, found out where the capture is silent.

The same frames may be read in several ways: a venue may state prices of one side of a contract, or
of the other if that was asked for. Both readings are plausible most of the time, and one is wrong.
So the capture is read in every mode the venue has, by an engine each, and what it says itself
decides: a book that crosses, a touch on another channel that the book has in one reading and never
in another, and buyers who pay prices that nobody asks. Where nothing decides, it is not known,
unless all readings come to the same.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from bookfeed import records
from bookfeed._bookfeed import Batch, Engine
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.records import Update

# What speaks against a reading, as the engine counts it.
_AGAINST: Final = ("crossed", "touch_mismatch")
# So much more must speak against every other reading than against the one that is believed.
_TIMES: Final = 10
# So much against all others, and nothing against one, is enough: the rest need not be read.
_ENOUGH: Final = 2
_READ_AT_ONCE: Final = 2_000
# A buyer's price is missed by a reading if its best ask is so much further away than another's, in
# price units of 1e-9: a print may come some levels after the change it tells of.
_MISSED_E9: Final = 50_000_000

Record = tuple[int, int, int, bytes]


class Reading:
    """The records of a capture in one mode."""

    def __init__(self, mode: str, options: dict[str, Any]) -> None:
        self.mode: Final = mode
        self.missed = 0
        """Prices of buyers that another reading comes much closer to."""
        self._engine: Final = Engine(**options)
        self._door: Final = EngineInput(self._engine)

    def take(self, chunk: Iterable[Record]) -> Batch:
        """Reads on; the records that come of it."""
        for kind, ts, conn, payload in chunk:
            said = f"{payload.decode()} {self.mode}".rstrip().encode()
            self._door.apply(kind, ts, conn, said if kind == Kind.CONNECTED else payload)
        return self._engine.drain()

    def evidence(self) -> tuple[int, int]:
        """How much speaks against it, and how often another channel agreed with its touch."""
        evidence = self._engine.evidence()
        return self.missed + sum(evidence[name] for name in _AGAINST), evidence["touch_match"]


def mode_of(source: Iterable[Record], modes: Sequence[str], options: dict[str, Any]) -> str | None:
    """The one of ``modes`` that the records fit, the first one if it makes no difference; ``None``
    if they leave it open.

    ``options`` are those of the engine that is to read them.
    """
    readings = [Reading(mode, options) for mode in modes]
    unread = iter(source)
    alike = True
    while chunk := list(islice(unread, _READ_AT_ONCE)):
        batches = [reading.take(chunk) for reading in readings]
        alike = alike and len({batch.update_bytes for batch in batches}) == 1
        _compare(readings, [_bought(batch) for batch in batches])
        (best, _), *others = _ranked(readings)
        if best == 0 and all(other >= _ENOUGH for other, _ in others):
            break
    if alike:
        return modes[0]
    (best, found), *others = _ranked(readings)
    clear = all(other >= max(1, _TIMES * best) for other, _ in others)
    return found.mode if clear else None


def _bought(batch: Batch) -> list[Update]:
    found = records.updates(batch)
    return [each for each in found if each.kind == "trade" and each.aggressor == "buy"]


def _compare(readings: Sequence[Reading], bought: Sequence[list[Update]]) -> None:
    """Counts the purchases that each reading misses; all of them have the same ones."""
    for same in zip(*bought, strict=True):
        distances = [
            None if one.ask_e9 is None or one.price_e9 is None else abs(one.ask_e9 - one.price_e9)
            for one in same
        ]
        known = [distance for distance in distances if distance is not None]
        for reading, distance in zip(readings, distances, strict=True):
            reading.missed += distance is not None and distance > min(known) + _MISSED_E9


def _ranked(readings: Sequence[Reading]) -> list[tuple[int, Reading]]:
    """The readings, and how much speaks against each, the best one first."""
    told = [reading.evidence() for reading in readings]
    agreed_most = max(agreed for _, agreed in told)
    weighed = [against + agreed_most - agreed for against, agreed in told]
    return sorted(zip(weighed, readings, strict=True), key=lambda each: each[0])
