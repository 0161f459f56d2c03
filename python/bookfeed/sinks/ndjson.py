"""``ndjson``: one JSON object a line for every record, into a file or standard output.

Numbers are exact: prices, sizes and money are decimals in quotes, times Unix nanoseconds, what is
absent ``null``. Codes and numbers are decoded: venue, market, outcome and symbol are in each line.
``docs/sinks.md`` lists the keys.
"""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson

from bookfeed._bookfeed import Batch
from bookfeed.names import Names, name_of
from bookfeed.records import signals, updates
from bookfeed.records.levels import level_changes
from bookfeed.records.objects import levels_object, signal_object, update_object
from bookfeed.schema import Text
from bookfeed.sinks.base import SinkSection

Sync = Literal["never", "close", "write"]

STDOUT: Final = "-"

# How often it is looked whether the path still leads to the file: logs are rotated by renaming.
_LOOK_EVERY_S: Final = 1.0
# Records between two moments at which another thread may go first: some 20 µs.
_GIVE_WAY_EVERY: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NdjsonSection(SinkSection):
    """``[[sink]]`` with ``kind = "ndjson"``: lines of JSON."""

    kind: Literal["ndjson"]
    path: Annotated[str, Text(r"[^\x00]+", 'a path, or "-" for standard output')]
    sync: Sync = "close"

    @property
    def stdout(self) -> bool:
        """Whether it writes to standard output."""
        return self.path == STDOUT

    @property
    def file(self) -> str:
        """The file that it writes, however it was spelled."""
        return STDOUT if self.stdout else str(Path(self.path).resolve())

    def sink(self) -> "NdjsonSink":
        """The sink itself, not open yet."""
        return NdjsonSink(self.path, sync=self.sync)


class NdjsonSink:
    """Appends a line for each record to ``path``; ``"-"`` is standard output.

    A file that is there is appended to; a new one is readable by its owner alone. If the path
    comes to lead elsewhere (a log was rotated), the file there is written from then on. Every batch
    is handed to the operating system at once, so that a killed process loses nothing that was
    counted as written; ``sync`` says when the disk must have it: ``"never"``, on ``"close"``, or
    after each ``"write"``. A batch that does not fit on the disk is not in the file at all.

    Errors are those of ``os.open`` and ``os.write``.
    """

    def __init__(self, path: str | Path, *, sync: Sync = "close") -> None:
        self._path: Final = str(path)
        self._sync: Final = sync
        self._names: Names = Names()
        self._fd = -1
        self._regular = False
        # Whether what is in the file ends in the middle of a line.
        self._torn = False
        self._looked_s = 0.0

    def open(self, names: Names) -> None:
        """Open the file."""
        self._names = names
        self._reopen()

    def write(self, batch: Batch) -> None:
        """Append a line for each record, in their order."""
        data = b"".join(self._lines(batch))
        if self._fd < 0 or self._led_elsewhere():
            self._reopen()
        try:
            self._append(b"\n" + data if self._torn else data)
        except OSError:
            self._let_go()
            raise
        self._torn = False
        if self._sync == "write" and self._regular:
            os.fsync(self._fd)

    def close(self) -> None:
        """Sync, if that was asked for, and close the file."""
        try:
            if self._sync != "never" and self._regular and self._fd >= 0:
                os.fsync(self._fd)
        finally:
            self._let_go()

    # The file.

    def _reopen(self) -> None:
        self._let_go()
        self._looked_s = time.monotonic()
        if self._path == STDOUT:
            sys.stdout.flush()
            self._fd = os.dup(sys.stdout.fileno())
            self._regular = False
            return
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)
        if self._regular:
            size = os.fstat(self._fd).st_size
            self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def _let_go(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _led_elsewhere(self) -> bool:
        now_s = time.monotonic()
        if not self._regular or now_s - self._looked_s < _LOOK_EVERY_S:
            return False
        self._looked_s = now_s
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._fd))  # noqa: PTH116
        except FileNotFoundError:
            return True

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._undo(len(data) - len(rest))
            raise

    def _undo(self, written: int) -> None:
        """Cut off what was written of a batch, if nobody wrote behind it."""
        if not written:
            return
        self._torn = True
        if self._regular:
            with contextlib.suppress(OSError):
                end = os.lseek(self._fd, 0, os.SEEK_CUR)
                if end == os.fstat(self._fd).st_size:
                    os.ftruncate(self._fd, end - written)
                    self._torn = False

    # The lines.

    def _lines(self, batch: Batch) -> Iterator[bytes]:
        """The lines in order of ``seq``, which updates and signals share; levels before them."""
        for changes in level_changes(batch.level_bytes, self._names):
            yield _line(levels_object(changes, name_of(self._names, changes.instrument)))
        lines = merge(self._update_lines(batch), self._signal_lines(batch))
        for number, (_, line) in enumerate(lines):
            yield line
            if number % _GIVE_WAY_EVERY == 0:
                # Or the feed's loop may wait for the interpreter until the whole batch is done.
                time.sleep(0)

    def _update_lines(self, batch: Batch) -> Iterator[tuple[int, bytes]]:
        names = self._names
        for update in updates(batch, names):
            name = name_of(names, update.instrument)
            yield update.seq, _line(update_object(update, name))

    def _signal_lines(self, batch: Batch) -> Iterator[tuple[int, bytes]]:
        for signal in signals(batch, self._names):
            yield signal.seq, _line(signal_object(signal))


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
