"""Segment files of a recording: created safely, written whole, synced, rotated, given up.

Used by the journal writer's thread alone. One rule shapes it: after a failed write or fsync
nothing is known about that file's unsynced part (the kernel may have thrown the pages away and
will report success next time), so every block is kept in memory until an fsync has succeeded
after it, and on any failure a new segment is begun with all of those blocks.
"""

import contextlib
import errno
import json
import logging
import os
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from bookfeed.errors import JournalError
from bookfeed.recordings.upkeep import SUFFIX, Upkeep

# A block closes at this uncompressed size.
BLOCK_BYTES: Final = 64 * 1024
# Offset in a block of its record count, a little-endian u32.
_RECORDS_AT: Final = 32
# What may wait for an fsync; beyond it the sync interval is not waited for.
UNSYNCED_BYTES_MAX: Final = 8 * 1024 * 1024
_RETRY_S_MIN: Final = 0.25
_RETRY_S_MAX: Final = 10.0

_NUMBER_TRIES: Final = 10_000

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class NewFile:
    """A file of our own making: 0600, never an existing one, never through a symlink.

    As a context manager it is closed at the end, and removed if the block raised. Methods
    raise ``OSError``.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self.path: Final = path
        self.size = 0
        self.synced_size = 0
        self._fd = _uninterrupted(os.open, path, flags, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if error is not None:
            self.remove()

    def write(self, data: bytes) -> None:
        """Writes all of ``data``, however many calls that takes."""
        rest = memoryview(data)
        while rest:
            written = _uninterrupted(os.write, self._fd, rest)
            if written <= 0:
                raise OSError(f"write to {self.path} accepted no data")
            rest = rest[written:]
        self.size += len(data)

    def sync(self) -> None:
        """Waits until what was written, and the file's name, are on the disk."""
        size = self.size
        _uninterrupted(os.fsync, self._fd)
        if self.synced_size == 0:
            sync_directory(self.path.parent)
        self.synced_size = size

    def close(self) -> None:
        """Closes the file."""
        _close(self._fd, self.path)

    def remove(self) -> None:
        """Deletes the file."""
        try:
            self.path.unlink()
        except OSError as error:
            _log.warning("removing %s: %s", self.path, error)


class SegmentFiles:
    """Puts blocks into a recording's segment files; failures become state, not exceptions.

    Only the constructor raises (``JournalError``): a recording that cannot begin is the user's
    to know at once. Public attributes are for other threads to read.
    """

    def __init__(
        self,
        directory: Path,
        prefix: str,
        metadata: Mapping[str, object],
        header: Callable[[bytes], bytes],
        *,
        rotate_bytes: int,
        sync_interval_s: float,
        rotate_s: float = 0.0,
        upkeep: Upkeep | None = None,
    ) -> None:
        self.written = 0
        self.synced = 0
        self.segments = 0
        self.tainted = 0
        self.error: str | None = None
        self._directory: Final = directory
        self._stem: Final = f"{prefix}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        self._number = 0
        self._metadata: Final = metadata
        self._header: Final = header
        self._rotate_bytes: Final = rotate_bytes
        self._rotate_s: Final = rotate_s
        self._upkeep: Final = upkeep
        self._period = 0
        self._sync_interval_s: Final = sync_interval_s
        self._unsynced: list[bytes] = []
        self._unsynced_bytes = 0
        self._unsynced_records = 0
        self._unsynced_since = 0.0
        # After a failure nothing is tried again before this time, each time later.
        self._retry_at = 0.0
        self._retry_s = _RETRY_S_MIN
        self._abandoned: NewFile | None = None
        self._begun_size = 0
        self._file: NewFile | None = None
        try:
            make_private_directory(directory)
            self._file = self._begin_segment()
        except OSError as error:
            where = error.filename or directory
            raise JournalError(f"cannot record to {where}: {error.strerror or error}") from error

    @property
    def path(self) -> Path | None:
        """The segment being written, if there is one."""
        file = self._file
        return file.path if file else None

    def wait_s(self, *, at_once: bool) -> float | None:
        """Seconds until something is due without new blocks: a sync, or another attempt."""
        if self._file is not None and not self._unsynced:
            return None
        due = self._sync_due(at_once=at_once) if self._file is not None else 0.0
        return max(0.0, max(due, self._retry_at) - time.monotonic())

    def ready(self, *, at_once: bool) -> bool:
        """Whether blocks may be written; tries a new segment if that is due or ``at_once``."""
        if self._file is None and (at_once or time.monotonic() >= self._retry_at):
            self._start_over()
        return self._takes_more()

    def write(self, block: bytes) -> bool:
        """Takes charge of ``block``; false if no more should come until ``ready``."""
        self._rotate_if_full(len(block))
        if not self._unsynced:
            self._unsynced_since = time.monotonic()
        self._unsynced.append(block)
        self._unsynced_bytes += len(block)
        self._unsynced_records += _records(block)
        if self._file is not None:
            try:
                self._file.write(block)
                self._count_written()
            except OSError as error:
                self._abandon(self._file, error)
                self._start_over()
        if not self._takes_more():
            self.sync(at_once=True)
        return self._takes_more()

    def sync(self, *, at_once: bool) -> bool:
        """Syncs if the interval is up, or if ``at_once``, but soon after a failure not at all.

        True if nothing is left to sync.
        """
        file, now = self._file, time.monotonic()
        if not self._unsynced:
            return True
        due = max(self._sync_due(at_once=at_once), self._retry_at)
        if file is None or now < due:
            return False
        try:
            file.sync()
        except OSError as error:
            self._abandon(file, error)
            self._start_over()
            return False
        self.synced = self.written
        self._unsynced.clear()
        self._unsynced_bytes = self._unsynced_records = 0
        self._retry_s, self.error = _RETRY_S_MIN, None
        return True

    def end(self, mark: bytes) -> None:
        """Writes the end mark of the recording, and syncs it; left out where nothing is written."""
        if self._file is not None:
            self.write(mark)
            # Twice: a failure begins a segment anew, which needs a sync of its own.
            for _ in range(2):
                self.hurry()
                if self.ready(at_once=True):
                    self.sync(at_once=True)

    def hurry(self) -> None:
        """Forgets that something failed lately: the next attempt is made at once."""
        self._retry_at = 0.0

    def close(self) -> None:
        """Closes the segment."""
        if self._file is not None:
            self._file.close()
            self._finish(self._file.path)
            self._file = None

    def discard(self) -> None:
        """Closes the segment and deletes it: nothing was recorded."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            file.remove()

    def _takes_more(self) -> bool:
        return self._file is not None and self._unsynced_bytes < UNSYNCED_BYTES_MAX

    def _sync_due(self, *, at_once: bool) -> float:
        if at_once or self._unsynced_bytes >= UNSYNCED_BYTES_MAX:
            return 0.0
        return self._unsynced_since + self._sync_interval_s

    def _count_written(self) -> None:
        """Every held block is in the current segment: that, and what was synced, is written."""
        self.written = self.synced + self._unsynced_records

    def _rotate_if_full(self, block_bytes: int) -> None:
        file = self._file
        if file is None:
            return
        over = self._rotate_s > 0 and self._period_now() != self._period
        if file.size + block_bytes <= self._rotate_bytes and not over:
            return
        if file.size == self._begun_size:
            return  # one block larger than a segment may be has a segment of its own
        self.sync(at_once=True)
        if self._file is not file or self._unsynced:
            return  # given up instead, or the sync has to wait: rotate at a later block
        file.close()
        self._file = None
        self._finish(file.path)
        try:
            self._file = self._begin_segment({"previous": file.path.name})
        except OSError as error:
            self._degrade(error)

    def _abandon(self, file: NewFile, error: OSError) -> None:
        """Stops believing ``file``; what it has not synced is still held."""
        self._file, self._abandoned = None, file
        self.tainted += 1
        file.close()
        self._degrade(error)

    def _degrade(self, error: OSError) -> None:
        told, self.error = self.error, f"{self._directory}: {error.strerror or error}"
        if told is None:
            _log.error("nothing can be recorded for now: %s", self.error)
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_S_MAX)

    def _start_over(self) -> None:
        """Begins a new segment with every block that may not be on the disk."""
        abandoned, extra = self._abandoned, None
        if abandoned is not None:
            tainted = {"synced_bytes": abandoned.synced_size, "error": self.error}
            extra = {"previous": abandoned.path.name, "tainted": tainted}
        try:
            file = self._begin_segment(extra)
            try:
                for block in self._unsynced:
                    file.write(block)
            except OSError:
                # The segment abandoned before still holds what could be written.
                file.close()
                file.remove()
                raise
        except OSError as error:
            self._degrade(error)
            return
        self._file, self._abandoned = file, None
        self._count_written()
        _log.warning("recording goes on in %s", file.path)
        if abandoned is not None and abandoned.synced_size == 0:
            # All its blocks are in the new segment; a disk that keeps failing must not be filled.
            abandoned.remove()
        elif abandoned is not None:
            self._finish(abandoned.path)

    def _begin_segment(self, extra: Mapping[str, object] | None = None) -> NewFile:
        file = self._next_file()
        try:
            metadata = segment_metadata(self._metadata, number=self._number, extra=extra)
            file.write(self._header(metadata))
        except Exception:
            file.close()
            file.remove()
            raise
        self._begun_size = file.size
        self._period = self._period_now()
        if self._upkeep is not None:
            self._upkeep.begun(file.path)
        self.segments += 1
        return file

    def _period_now(self) -> int:
        """Which of the periods that segments are of it is, by the clock of people: UTC."""
        return int(time.time() // self._rotate_s) if self._rotate_s else 0

    def _finish(self, path: Path) -> None:
        if self._upkeep is not None:
            self._upkeep.finished(path)

    def _next_file(self) -> NewFile:
        path = self._directory
        for _ in range(_NUMBER_TRIES):
            self._number += 1
            path = self._directory / f"{self._stem}-{self._number:04d}{SUFFIX}"
            with contextlib.suppress(FileExistsError):
                return NewFile(path)
        raise FileExistsError(errno.EEXIST, "no free segment name", str(path))


def segment_metadata(
    shared: Mapping[str, object], *, number: int, extra: Mapping[str, object] | None = None
) -> bytes:
    """The metadata of one segment: what the recording shares, and when the file was begun.

    Both clocks, so that monotonic times can be told as wall times and the reverse.
    """
    own = {"segment": number, "created_ns": time.time_ns(), "monotonic_ns": time.monotonic_ns()}
    return json.dumps({**shared, **own, **(extra or {})}).encode()


def make_private_directory(path: Path) -> None:
    """Makes ``path`` and its missing parents, 0700; one that exists is left as it is, and named if
    anybody may write there.
    """
    if path.is_dir():
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            _log.warning(
                "anybody may replace recordings in %s (mode %04o): chmod o-w %s", path, mode, path
            )
        return
    make_private_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable (where a directory can be opened)."""
    if os.name == "nt":
        return
    fd = _uninterrupted(os.open, path, os.O_RDONLY)
    try:
        _uninterrupted(os.fsync, fd)
    finally:
        _close(fd, path)


def _close(fd: int, path: Path) -> None:
    """A failure changes nothing: the descriptor is gone, and durability is the fsync's word."""
    try:
        os.close(fd)
    except OSError as error:
        _log.warning("closing %s: %s", path, error)


def _records(block: bytes) -> int:
    return int.from_bytes(block[_RECORDS_AT : _RECORDS_AT + 4], "little")


def _uninterrupted(call: Callable[..., _T], *args: object) -> _T:
    while True:
        try:
            return call(*args)
        except InterruptedError:
            continue
