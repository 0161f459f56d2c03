"""Batches on disk, first in, first out: a file without a name, used as a ring.

Nothing of it outlives the process, however that ends: the file has no name in the file system, so
nobody else can open it and nobody has to remove it. It is not synced: it is memory that is
cheaper, not a recording.
"""

import os
import tempfile
from collections import deque
from itertools import accumulate
from pathlib import Path
from typing import IO, Final, NamedTuple

from bookfeed._bookfeed import Batch

# A file that has been this large gives its space back when all of it was read.
_KEPT_BYTES: Final = 1 << 20


class _Block(NamedTuple):
    """Where a batch lies: updates, signals, legs and level changes one behind the other."""

    offset: int
    parts: tuple[int, int, int, int]
    records: int

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.parts)


class SpillFile:
    """At most ``bytes_max`` bytes of batches in ``directory``; one thread at a time.

    Raises ``OSError`` if the directory cannot be made or takes no file.
    """

    def __init__(self, directory: str | Path | None, bytes_max: int) -> None:
        if directory is not None:
            Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made with mode 0600 and, where the system can, without ever having had a name.
        self._file: Final[IO[bytes]] = tempfile.TemporaryFile(  # noqa: SIM115 - closed by `close`
            dir=directory, prefix="bookfeed-spill-", buffering=0
        )
        self._bytes_max: Final = bytes_max
        self._blocks: Final[deque[_Block]] = deque()
        self._end = 0
        self._highest = 0
        self.records = 0
        self.bytes = 0

    @property
    def fd(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def write(self, batch: Batch) -> bool:
        """Add a batch; false if there is no room for it.

        Raises ``OSError`` if the disk fails; the batch is not in the file then, and those that
        are stay readable.
        """
        parts = (batch.update_bytes, batch.signal_bytes, batch.leg_bytes, batch.level_bytes)
        sizes = (len(parts[0]), len(parts[1]), len(parts[2]), len(parts[3]))
        block = _Block(self._place(sum(sizes)), sizes, len(batch))
        if block.offset < 0:
            return False
        at = block.offset
        for part in parts:
            rest = memoryview(part)
            while rest:
                written = os.pwrite(self.fd, rest, at)
                at, rest = at + written, rest[written:]
        self._blocks.append(block)
        self._end = at
        self._highest = max(self._highest, at)
        self.records += block.records
        self.bytes += block.size
        return True

    def read(self) -> Batch | None:
        """Take the oldest batch out; ``None`` if there is none.

        Raises ``OSError`` if it cannot be read; ``skip`` it then.
        """
        if not self._blocks:
            return None
        block = self._blocks[0]
        data = os.pread(self.fd, block.size, block.offset)
        if len(data) != block.size:
            raise OSError(f"{len(data)} bytes of {block.size} came back from the spill file")
        a, b, c, _ = accumulate(block.parts)
        self.skip()
        return Batch(data[:a], data[a:b], data[b:c], data[c:])

    def skip(self) -> int:
        """Give the oldest batch up; returns its records."""
        block = self._blocks.popleft()
        self.records -= block.records
        self.bytes -= block.size
        if not self._blocks:
            self._end = 0
            if self._highest > _KEPT_BYTES:
                os.ftruncate(self.fd, 0)
                self._highest = 0
        return block.records

    def close(self) -> None:
        """Give the file up and all that is in it."""
        self._file.close()

    def _place(self, size: int) -> int:
        """Where a block of ``size`` bytes fits; -1 if nowhere."""
        first = self._blocks[0].offset if self._blocks else 0
        if self._blocks and self._end <= first:  # the ring's beginning is in use again
            return self._end if self._end + size <= first else -1
        if self._end + size <= self._bytes_max:
            return self._end
        return 0 if size <= first else -1
