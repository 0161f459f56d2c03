"""The journal on disk, writing side: segment files that survive crashes and bad disks.

``docs/journal.md`` has the format and the crash contract. In short: records appended here are
packed in memory; one background thread compresses, writes and syncs them, so that no disk can
stall the thread that receives frames; a file whose write or fsync failed is never believed
again, and what it may have lost is written once more into the next segment; when the disk
cannot keep up, records are dropped and counted, and the count is itself a record.

``bookfeed.recording`` reads journals back.
"""

import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bookfeed._bookfeed import JournalEncoder, __version__
from bookfeed.errors import JournalError

__all__ = ["SUFFIX", "JournalStatus", "JournalWriter", "Kind", "RecordTuple", "write_journal"]

SUFFIX: Final = ".bfj"
# kind, ts (Unix ns), conn, epoch, payload
RecordTuple = tuple[int, int, int, int, bytes]

_BLOCK_BYTES: Final = 64 * 1024
_RECORDS_OFFSET: Final = 32
# Blocks are held in memory until they are synced; a fast disk syncs before the interval is up.
_UNSYNCED_BYTES_MAX: Final = 8 * 1024 * 1024
_RETRY_S_MIN: Final = 0.25
_RETRY_S_MAX: Final = 10.0
_PREFIX: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")

_log = logging.getLogger(__name__)


class Kind(IntEnum):
    """What a journal record is; unknown kinds are to be skipped by readers."""

    FRAME = 1
    CONNECTED = 2
    DISCONNECTED = 3
    SUBSCRIBE = 4
    ADVANCE = 5
    REST = 6
    RESYNC_BEGIN = 7
    INVALIDATE = 8
    UNSUBSCRIBE = 9
    DROPPED = 10
    RULE = 11
    NOTE = 12


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """How far a recording has got; every count is since it began."""

    records_appended: int
    """Records accepted, ``dropped`` records included."""
    records_written: int
    """Records handed to the operating system: they survive a kill of this process."""
    records_synced: int
    """Records known to be on the disk: they survive a power failure."""
    records_dropped: int
    """Records refused because the disk did not keep up."""
    bytes_pending: int
    """Uncompressed bytes waiting in memory."""
    segment: Path | None
    """The file being written; ``None`` while degraded or closed."""
    segments: int
    """Segment files begun so far, abandoned ones included."""
    tainted: tuple[str, ...]
    """Names of segments abandoned after a failed write or fsync."""
    error: str | None
    """Why the recorder is degraded; ``None`` while all is well."""


class JournalWriter:
    """Writes one recording as a row of segment files; use as a context manager.

    ``append``, ``poll``, ``flush`` and ``close`` belong to one thread (the event loop's) and
    never wait for the disk, except ``close``. Only the constructor raises for the disk's sake:
    ``JournalError`` if the first segment cannot be created. Later trouble shows in ``status``.

    ``config_hash`` and ``notes`` (JSON values; no secrets) go into every segment's header.
    ``sync_interval_s`` 0 syncs after every write.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        prefix: str = "bookfeed",
        config_hash: str | None = None,
        notes: Mapping[str, object] | None = None,
        flush_interval_s: float = 0.05,
        sync_interval_s: float = 1.0,
        rotate_bytes: int = 256 * 1024 * 1024,
        buffer_bytes_max: int = 64 * 1024 * 1024,
        level: int = 3,
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise JournalError(f"prefix {prefix!r}: letters, digits, '.', '_' and '-' only")
        self._encoder: Final = JournalEncoder(level=level)
        self._flush_ns: Final = int(flush_interval_s * 1e9)
        self._buffer_bytes_max: Final = buffer_bytes_max
        self._polled_at = 0
        self._appended = 0
        self._dropped = 0
        self._dropped_unnoted = 0
        self._ts_last = 0
        self._flush_wanted = False
        self._sync_wanted = False
        self._stopping = False
        self._wake: Final = threading.Event()
        self._progress: Final = threading.Condition()
        self._disk: Final = _Disk(
            Path(directory),
            prefix,
            _metadata(config_hash, notes),
            self._encoder.header,
            rotate_bytes=rotate_bytes,
            sync_interval_s=sync_interval_s,
        )
        self._thread: Final = threading.Thread(
            target=self._run, name="bookfeed-journal", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(
        self, kind: int, ts: int, conn: int, epoch: int, payload: bytes | bytearray | memoryview
    ) -> None:
        """Adds a record (``ts`` in Unix ns), or counts it as dropped if the buffer is full."""
        if self._dropped_unnoted and not self._note_dropped(ts):
            self._drop()
            return
        self._ts_last = ts
        try:
            pending = self._encoder.append(kind, ts, conn, epoch, payload)
        except JournalError:  # longer than any record may be
            self._drop()
            return
        self._appended += 1
        if pending >= _BLOCK_BYTES:
            if not self._wake.is_set():
                self._wake.set()
            if pending > self._buffer_bytes_max:
                self._drop_from_here()

    def poll(self, now_ns: int) -> None:
        """Flushes if records have waited for the flush interval; any clock, only compared to itself."""
        waited_ns = now_ns - self._polled_at
        if self._encoder.pending == 0:
            self._polled_at = now_ns
        elif not 0 <= waited_ns < self._flush_ns:
            self._polled_at = now_ns
            self.flush()

    def flush(self) -> None:
        """Has everything appended so far written soon; does not wait."""
        self._flush_wanted = True
        self._wake.set()

    def sync(self, timeout_s: float | None = None) -> bool:
        """Waits until everything appended so far is on the disk; false if it is not in time."""
        target = self._appended
        self._sync_wanted = True
        self.flush()
        with self._progress:
            self._progress.wait_for(
                lambda: self._disk.synced >= target or not self._thread.is_alive(), timeout_s
            )
        return self._disk.synced >= target

    def close(self, timeout_s: float = 5.0) -> JournalStatus:
        """Writes and syncs what is left and ends the thread; closing twice is allowed.

        Gives up after ``timeout_s`` if the disk hangs; ``records_synced`` in the answer tells.
        """
        if not self._stopping:
            if self._dropped_unnoted:
                self._write_dropped(self._ts_last)
            self._stopping = True
            self._wake.set()
        self._thread.join(timeout_s)
        status = self.status()
        if status.records_synced < status.records_appended:
            _log.error(
                "recording ends with %d records not safely on disk (%s)",
                status.records_appended - status.records_synced,
                status.error or "the disk is still busy",
            )
        return status

    def status(self) -> JournalStatus:
        """A snapshot of the counts; may be called from any thread."""
        disk = self._disk
        return JournalStatus(
            records_appended=self._appended,
            records_written=disk.written,
            records_synced=disk.synced,
            records_dropped=self._dropped,
            bytes_pending=self._encoder.pending,
            segment=disk.path,
            segments=disk.segments,
            tainted=tuple(disk.tainted),
            error=disk.error,
        )
