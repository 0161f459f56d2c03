"""Journals read back: one segment file, or all segments of a directory, as one stream.

Reading is strict unless asked to recover: of every recording exactly the longest valid prefix
comes back, in the order written, and ``report`` says what is missing. Damage in one segment
that a later segment makes good (blocks written again after a failed fsync) is no damage.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bookfeed._bookfeed import JournalReader
from bookfeed.errors import JournalError
from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.kinds import RecordTuple
from bookfeed.recordings.upkeep import SUFFIX

NOT_ENDED: Final = "no end mark: cut short between two blocks, or still being written"


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of a segment whose records are lost; ``bytes`` is 0 for absent blocks, and at the
    end of a recording that lacks its end mark."""

    segment: Path
    offset: int
    bytes: int
    reason: str

    def __str__(self) -> str:
        lost = f"{self.bytes} bytes lost ({self.reason})" if self.bytes else self.reason
        return f"{self.segment} at byte {self.offset}: {lost}"


@dataclass(slots=True)
class JournalReport:
    """What a journal holds, over all its segments."""

    records: int = 0
    """Records handed out."""
    blocks: int = 0
    valid_bytes: int = 0
    total_bytes: int = 0
    records_behind: int = 0
    """Records in valid blocks behind damage, which only ``recover`` hands out."""
    missing: list[Missing] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def add(self, report: dict[str, Any], last: int | None) -> int | None:
        """Counts what one reader handed out; the last block read, ``last`` if it read none."""
        self.records += report["records"]
        self.blocks += report["blocks"]
        latest: int | None = report["seq_last"]
        return last if latest is None else max(latest, last or 0)


class Journal:
    """The records of a journal: iterate for ``(kind, ts, conn, epoch, payload)``.

    ``path`` is a segment file, a directory (all its ``.bfj`` files) or the beginning of file
    names. Of a directory, links and what is no file are not read: an archive of somebody else's
    may hold some. A segment is held in memory while it is read. With ``recover``, valid blocks
    behind damage are handed out too. Raises ``JournalError`` if there is no journal at ``path``,
    or the one file there is none or of a newer format; among several, such a file is ``missing``
    (a power failure can wipe the newest).
    """

    def __init__(self, path: str | Path, *, recover: bool = False) -> None:
        self.segments: Final = segments(path)
        self.recover: Final = recover
        self._named: Final = Path(path) in self.segments
        self.metadata: Final = self._first_metadata()
        self._report: JournalReport | None = None

    def __iter__(self) -> Iterator[RecordTuple]:
        account = JournalReport()
        for reader in self._readers(account):
            yield from reader
        self._report = account

    def report(self) -> JournalReport:
        """What is there and what is missing: free after iteration, else a full pass."""
        if self._report is None:
            account = JournalReport()
            for _ in self._readers(account):
                pass
            self._report = account
        return self._report

    def _readers(self, account: JournalReport) -> Iterator[JournalReader]:
        """Hands out a reader for every part to be read, and accounts for it afterwards."""
        recording: str | None = None
        last: int | None = None
        stopped = False
        unended: list[Missing] = []
        for index, path in enumerate(self.segments):
            try:
                segment = self._segment(path)
            except _NotASegment as error:
                account.total_bytes += error.size
                account.missing.append(Missing(path, 0, error.size, error.reason))
                continue
            account.total_bytes += len(segment.data)
            if segment.recording not in (None, recording):
                account.missing += unended
                recording, last, stopped, unended = segment.recording, None, False, []
            reader = JournalReader(segment.data, after=last)
            if stopped:
                behind = reader.report()
                account.records_behind += behind["records"] + behind["records_behind"]
                continue
            yield reader
            report = reader.report()
            last = account.add(report, last)
            unended = _lacks_end(path, report)
            if not report["clean"] and not self._made_good(index, recording, last):
                if self.recover:
                    reader = JournalReader(segment.data, recover=True, after=last)
                    yield reader
                    report = reader.report()
                    last = account.add(report, last)
                else:
                    stopped = True
                    account.records_behind += report["records_behind"]
                account.missing += [Missing(path, **hole) for hole in report["missing"]]
                unended = []
            account.valid_bytes += report["valid_bytes"]
        account.missing += unended

    def _segment(self, path: Path) -> "_Segment":
        return _Segment(path, named=self._named)

    def _first_metadata(self) -> dict[str, Any]:
        for path in self.segments:
            try:
                return self._segment(path).metadata
            except _NotASegment:
                if self._named:
                    raise
        return {}

    def _made_good(self, index: int, recording: str | None, last: int | None) -> bool:
        """Whether the next segment goes on right behind block ``last``, or before."""
        if index + 1 == len(self.segments):
            return False
        try:
            following = self._segment(self.segments[index + 1])
        except _NotASegment:
            return False
        first = JournalReader(following.data).report()["seq_first"]
        wanted = 0 if last is None else last + 1
        return following.recording == recording and first is not None and first <= wanted


class _NotASegment(JournalError):
    """A file that holds no part of a journal this version can read."""

    def __init__(self, path: Path, size: int, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.size: Final = size
        self.reason: Final = reason


class _Segment:
    """One file's bytes and metadata; ``named`` if its path was given, and not found."""

    def __init__(self, path: Path, *, named: bool) -> None:
        try:
            self.data: Final = path.read_bytes() if named else _plain_bytes(path)
        except OSError as error:
            raise JournalError(f"cannot read {path}: {error.strerror or error}") from error
        try:
            metadata = JournalReader(self.data).metadata
        except JournalError as error:
            raise _NotASegment(path, len(self.data), str(error)) from error
        self.metadata: Final = _object_or_nothing(metadata)
        name = self.metadata.get("recording")
        # None where the header is damaged: taken to go on with the recording before it.
        self.recording: Final = name if isinstance(name, str) else None


def _plain_bytes(path: Path) -> bytes:
    """The bytes of a file that was found in a directory: of no link, pipe or device."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        raise _NotASegment(path, 0, "a link, which is followed only if it is named itself")
    if not stat.S_ISREG(mode):
        raise _NotASegment(path, 0, "no file")
    # In case that it is another by now.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        return file.read()


def _lacks_end(path: Path, report: dict[str, Any]) -> list[Missing]:
    """What is missing if no further segment of the recording follows."""
    ended = report["ended"] is not False
    return [] if ended else [Missing(path, report["total_bytes"], 0, NOT_ENDED)]


def segments(path: str | Path) -> list[Path]:
    """The segment files ``path`` stands for, in the order written; ``JournalError`` if none."""
    path = Path(path)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = list(path.glob(f"*{SUFFIX}"))
    else:
        candidates = path.parent.glob(f"*{SUFFIX}")
        found = [each for each in candidates if each.name.startswith(path.name)]
    if not found:
        problem = f"no journal at {path}: expected a {SUFFIX} file, or a directory of them"
        raise JournalError(problem) from FileNotFoundError(errno.ENOENT, problem, str(path))
    return sorted(found, key=_order)


def _order(path: Path) -> tuple[str, int, str]:
    stem, _, number = path.stem.rpartition("-")
    return (stem, int(number), path.name) if number.isdecimal() else (path.stem, 0, path.name)


def _object_or_nothing(text: bytes) -> dict[str, Any]:
    try:
        return control_object(text)
    except ValueError:
        return {}
