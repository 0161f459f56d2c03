"""Replay: the records of a recording, fed through the same door as live frames.

Takes journals and captures alike: anything that yields ``(kind, ts, conn, payload)``, or
``(kind, ts, conn, epoch, payload)`` as a journal reader does.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bookfeed._bookfeed import Batch, Engine
from bookfeed.recordings.bounds import CHUNK_BYTES_MAX
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind

Record = tuple[int, int, int, bytes] | tuple[int, int, int, int, bytes]

# Records, and bytes of theirs, between two drains, so that memory stays flat; the outcome does
# not depend on it.
DRAIN_EVERY: Final = 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is. ``ts`` is the time of the newest record in Unix nanoseconds."""

    records: int
    frames: int
    refused: int
    ts: int | None


def apply_record(engine: Engine, kind: int, ts: int, conn: int, payload: bytes) -> bool:
    """Feed one record to ``engine``; says whether it was understood, and never raises if not."""
    return EngineInput(engine).apply(kind, ts, conn, payload)


def replay(
    engine: Engine,
    records: Iterable[Record],
    *,
    frames_max: int | None = None,
    on_batch: Callable[[Batch], object] | None = None,
    inputs: EngineInput | None = None,
) -> Iterator[Progress]:
    """Feed records to ``engine``, yielding progress now and then and once at the end.

    An engine that is to follow whatever comes (``auto_subscribe``) is needed for records of a
    capture, which subscribe to nothing; ``bookfeed.replay`` makes the right one.
    Stops after ``frames_max`` frames (other records do not count). A bad record is counted and
    left out; errors of the source of records and of ``on_batch`` pass through. Give ``inputs``
    to record what is replayed.
    """
    door = EngineInput(engine) if inputs is None else inputs
    count = frames = waiting = size = 0
    ts: int | None = None

    def drain() -> Progress:
        batch = engine.drain(0 if ts is None else ts)
        if on_batch is not None and (len(batch) or batch.index_bytes):
            on_batch(batch)
        return Progress(count, frames, door.records_refused, ts)

    for record in records:
        kind, ts, conn = record[0], record[1], record[2]
        if kind == Kind.FRAME:
            if frames == frames_max:
                break
            frames += 1
        door.apply(kind, ts, conn, record[-1])
        count += 1
        waiting, size = waiting + 1, size + len(record[-1])
        if waiting >= DRAIN_EVERY or size >= CHUNK_BYTES_MAX:
            waiting = size = 0
            yield drain()
    yield drain()
