"""The journal on disk, writing side: segment files that survive crashes and bad disks.

``docs/journal.md`` has the format and the crash contract. In short: records appended here are
packed in memory; one background thread compresses, writes and syncs them, so that no disk can
stall the thread that receives frames; a file whose write or fsync failed is never believed
again, and what it may have lost is written once more into the next segment; when the disk
cannot keep up, records are dropped and counted, and the count is itself a record.

``bookfeed.recordings.reader`` reads journals back.
"""

import json
import logging
import re
import secrets
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bookfeed._bookfeed import JournalEncoder, __version__
from bookfeed.errors import JournalError
from bookfeed.recordings.kinds import Kind, RecordTuple
from bookfeed.recordings.segments import BLOCK_BYTES, NewFile, SegmentFiles, segment_metadata
from bookfeed.recordings.upkeep import Upkeep
from bookfeed.threads import begin

_PREFIX: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")

_log = logging.getLogger(__name__)


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
    """Records that are lost: refused because the disk did not keep up, and at the end, once it is
    closed, also those that were accepted and never written."""
    bytes_pending: int
    """Uncompressed bytes waiting in memory."""
    segment: Path | None
    """The file being written; ``None`` while degraded or closed."""
    segments: int
    """Segment files begun so far, abandoned ones included."""
    tainted: int
    """Segments abandoned after a failed write or fsync."""
    error: str | None
    """Why the recorder is degraded; ``None`` while all is well."""


class JournalWriter:
    """Writes one recording as a row of segment files; use as a context manager.

    ``append``, ``poll``, ``flush`` and ``close`` belong to one thread (the event loop's) and
    never wait for the disk, except ``close``. Only the constructor raises for the disk's sake:
    ``JournalError`` if the first segment cannot be created. Later trouble shows in ``status``.

    ``config_hash`` and ``notes`` (JSON values; no secrets) go into every segment's header.
    ``sync_interval_s`` 0 syncs after every write. A segment ends at ``rotate_bytes`` and whenever
    another period of ``rotate_s`` seconds begins by the clock: 3,600 is every full hour, 0 never.
    ``upload`` is a command that is run with the path of each finished segment; recordings are
    removed ``keep_days`` after they ended (``recordings/upkeep.py``).
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
        rotate_s: float = 0.0,
        upload: Sequence[str] = (),
        keep_days: float = 0.0,
        buffer_bytes_max: int = 64 * 1024 * 1024,
        level: int = 3,
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise JournalError(f"prefix {prefix!r}: letters, digits, '.', '_' and '-' only")
        self._encoder: Final = JournalEncoder(level=level, bytes_max=buffer_bytes_max)
        self._flush_ns: Final = int(flush_interval_s * 1e9)
        self._buffer_bytes_max: Final = buffer_bytes_max
        self._polled_at = 0
        self._dropped = 0
        self._dropped_unnoted = 0
        # Which of the appended records say how many were dropped, as far as they are not written.
        self._notes: Final[deque[int]] = deque()
        self._full = self._ended = False
        self._ts_last = 0
        # Requests are counted rather than flagged: the thread cannot lose one that way.
        self._flushes = self._flushes_done = 0
        self._syncs = self._syncs_done = 0
        self._stopping = False
        self._wake: Final = threading.Event()
        self._progress: Final = threading.Condition()
        self._upkeep: Final = Upkeep(Path(directory), prefix, command=upload, keep_days=keep_days)
        self._disk: Final = SegmentFiles(
            Path(directory),
            prefix,
            _metadata(config_hash, notes),
            self._encoder.header,
            rotate_bytes=rotate_bytes,
            sync_interval_s=sync_interval_s,
            rotate_s=rotate_s,
            upkeep=self._upkeep,
        )
        try:
            self._thread: Final = begin(self._run, "bookfeed-journal")
        except OSError as error:
            self._disk.discard()
            self._upkeep.close()
            raise JournalError(f"cannot record to {directory}: {error.strerror}") from error

    @property
    def encoder(self) -> JournalEncoder | None:
        """What may be given frames without ``append``, as long as it says so (``direct``).

        ``None`` where a derived class has an ``append`` of its own.
        """
        return self._encoder if type(self).append is JournalWriter.append else None

    @property
    def flush_interval_s(self) -> float:
        """The longest that a record waits in memory, if ``flush`` is called as often."""
        return self._flush_ns / 1e9

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
        self._ts_last = ts
        if (self._full or self._dropped_unnoted) and not self._resume():
            self._drop()
            return
        try:
            pending = self._encoder.append(kind, ts, conn, epoch, payload)
        except JournalError:  # longer than any record may be
            self._drop()
            return
        if pending >= BLOCK_BYTES:
            self.attend()

    def attend(self) -> None:
        """Has the thread write what waits, and takes no more if that is too much."""
        if not self._wake.is_set():
            self._wake.set()
        if self._encoder.pending > self._buffer_bytes_max:
            self._full = True
            self._encoder.direct = False

    def poll(self, now_ns: int) -> None:
        """Flushes if records waited for the flush interval; any clock, compared only to itself."""
        waited_ns = now_ns - self._polled_at
        if self._encoder.pending == 0:
            self._polled_at = now_ns
        elif not 0 <= waited_ns < self._flush_ns:
            self._polled_at = now_ns
            self.flush()

    def flush(self) -> None:
        """Has everything appended so far written soon; does not wait."""
        self._flushes += 1
        self._wake.set()

    def sync(self, timeout_s: float | None = None) -> bool:
        """Waits until everything appended so far is on the disk; false if it is not in time."""
        target = self._encoder.appended
        self._syncs += 1
        self.flush()
        with self._progress:
            self._progress.wait_for(
                lambda: self._disk.synced >= target or not self._thread.is_alive(), timeout_s
            )
        return self._disk.synced >= target

    def close(self, timeout_s: float = 5.0) -> JournalStatus:
        """Writes and syncs what is left and ends the thread; closing twice is allowed.

        Gives up after ``timeout_s`` if the disk hangs. What is lost then is in the answer, and an
        error in the log. Records appended later are counted as dropped.
        """
        if not self._stopping:
            if self._dropped_unnoted:
                self._note_dropped()
            self._full = self._stopping = True
            self._encoder.direct = False
            self._wake.set()
        self._thread.join(timeout_s)
        told, self._ended = self._ended, True
        if not told:
            self._upkeep.close()
        status = self.status()
        unsafe = status.records_written - status.records_synced
        if (status.records_dropped or unsafe) and not told:
            _log.error(
                "%d records are lost, and %d of %d that are written may not be on the disk (%s)",
                status.records_dropped,
                unsafe,
                status.records_written,
                status.error or "the disk did not keep up",
            )
        return status

    def status(self) -> JournalStatus:
        """A snapshot of the counts; may be called from any thread."""
        disk = self._disk
        dropped = self._dropped
        if self._ended:
            notes = sum(number > disk.written for number in self._notes)
            dropped += max(0, self._encoder.appended - disk.written - notes)
        return JournalStatus(
            records_appended=self._encoder.appended,
            records_written=disk.written,
            records_synced=disk.synced,
            records_dropped=dropped,
            bytes_pending=self._encoder.pending,
            segment=disk.path,
            segments=disk.segments,
            tainted=disk.tainted,
            error=disk.error,
        )

    def _drop(self) -> None:
        self._dropped += 1
        self._dropped_unnoted += 1
        # Until it is noted, each record has to ask whether it may come in again.
        self._encoder.direct = False

    def _resume(self) -> bool:
        """Ends a spell of dropping once half the buffer is free, leaving a record of it."""
        if self._stopping or self._encoder.pending > self._buffer_bytes_max // 2:
            return False
        self._full = False
        if self._dropped_unnoted:
            self._note_dropped()
        self._encoder.direct = True
        return True

    def _note_dropped(self) -> None:
        payload = json.dumps({"records": self._dropped_unnoted}).encode()
        self._encoder.append(Kind.DROPPED, self._ts_last, 0, 0, payload)
        self._dropped_unnoted = 0
        while self._notes and self._notes[0] <= self._disk.synced:
            self._notes.popleft()
        self._notes.append(self._encoder.appended)

    def _run(self) -> None:
        """The thread: hands blocks to the disk when woken, and minds its deadlines."""
        try:
            while not self._stopping:
                self._wake.wait(self._disk.wait_s(at_once=self._syncs != self._syncs_done))
                self._wake.clear()
                self._store()
            # Twice: what the last sync found unsafe is in a new segment, which needs its own.
            for _ in range(2):
                self._disk.hurry()
                self._store()
            if not self._encoder.pending:
                self._disk.end(self._encoder.end_block())
            self._disk.close()
        except Exception as error:
            # Nothing may reach the feed from here: it goes on, the recording has ended.
            _log.exception("the recorder failed")
            self._disk.error = f"recorder failed: {error!r}"
        finally:
            with self._progress:
                self._progress.notify_all()

    def _store(self) -> None:
        """Writes what there is to write, syncs what is due, and tells those who wait."""
        flushes, syncs = self._flushes, self._syncs
        everything = self._stopping or flushes != self._flushes_done
        at_once = self._stopping or syncs != self._syncs_done
        while self._disk.ready(at_once=at_once):
            if self._drain(everything=everything):
                self._flushes_done = flushes
                if self._disk.sync(at_once=at_once):
                    self._syncs_done = syncs
                break
        else:
            # Too much is unsynced, or there is no segment: nobody may wake us when that is over.
            if self._disk.sync(at_once=at_once) and self._disk.ready(at_once=False):
                self._wake.set()
        with self._progress:
            self._progress.notify_all()

    def _drain(self, *, everything: bool) -> bool:
        """Writes the waiting blocks; false if the disk takes no more."""
        while block := self._encoder.take_block(partial=everything):
            if not self._disk.write(block):
                return False
        return True


def write_journal(
    path: str | Path,
    records: Iterable[RecordTuple],
    *,
    config_hash: str | None = None,
    notes: Mapping[str, object] | None = None,
    level: int = 3,
) -> int:
    """Writes ``records`` into one new journal file, synced when this returns; their number.

    For imports, not for live feeds: it waits for the disk. Raises ``JournalError`` if the file
    exists or cannot be written; nothing is left behind then, nor if ``records`` raises.
    """
    encoder = JournalEncoder(level=level)
    target, count = Path(path), 0
    header = encoder.header(segment_metadata(_metadata(config_hash, notes), number=1))
    try:
        with NewFile(target) as file:
            file.write(header)
            for record in records:
                count += 1
                if encoder.append(*record) >= BLOCK_BYTES:
                    file.write(encoder.take_block(partial=False))
            while block := encoder.take_block():
                file.write(block)
            file.write(encoder.end_block())
            file.sync()
    except OSError as error:
        raise JournalError(f"cannot write {target}: {error.strerror or error}") from error
    return count


def _metadata(config_hash: str | None, notes: Mapping[str, object] | None) -> dict[str, object]:
    """What all segments of one recording share; the random name keeps recordings apart."""
    return {
        "format": "bookfeed journal",
        "software": f"bookfeed {__version__}",
        "recording": secrets.token_hex(16),
        "config_hash": config_hash,
        "notes": dict(notes or {}),
    }
