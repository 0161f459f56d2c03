"""``sqlite``: what happened, in a file that any program can ask.

Each write is a transaction of its own: a killed process has lost nothing that was counted as
written, and a power failure what came in the last seconds. What is older than it is to be kept, or
more than the file may hold, is removed once a minute. ``tables.py`` has the tables,
``docs/sinks.md`` says what they are for.
"""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from bookfeed._bookfeed import Batch
from bookfeed.names import Names
from bookfeed.schema import Text
from bookfeed.sinks.base import Books, NotTaken, Source
from bookfeed.sinks.tables import TABLES, TIME, Choice, DatabaseSection, Rowing, Rows

# How far apart the times are at which what is too old or too much is removed.
TRIM_EVERY_S: Final = 60.0
# Of a file that holds too much, so great a part of each table goes at once: the oldest.
TRIMMED_PART: Final = 10
BUSY_S: Final = 1.0

_NS_PER_DAY: Final = 86_400_000_000_000
_MIB: Final = 1 << 20
# What may be over soon: another program writes, the disk is full.
_LATER: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
# Of an extended code, the part that says what kind it is.
_KIND: Final = 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSection(DatabaseSection):
    """``[[sink]]`` with ``kind = "sqlite"``: what happened, in a file."""

    kind: Literal["sqlite"]
    path: Annotated[str, Text(r"[^\x00]+", "a path")]

    @property
    def file(self) -> str:
        """The file that it writes, however it was spelled."""
        return str(Path(self.path).resolve())

    def sink(self) -> "SqliteSink":
        """The sink itself, not open yet."""
        return SqliteSink(self.path, choice=self.choice)


class SqliteSink:
    """Adds signals, states, results, fills, alerts and what is of ``choice`` to the file ``path``.

    A new file is readable by its owner alone. Errors are those of ``os.open`` and ``sqlite3``; a
    batch that cannot be written is not in the file at all. ``write`` raises ``NotTaken`` while
    another program writes, or the disk is full.
    """

    def __init__(self, path: str | Path, *, choice: Choice | None = None) -> None:
        self._path: Final = str(path)
        self._choice: Final = choice or Choice()
        self._rowing: Final = Rowing(self._choice)
        self._trimmed_s = time.monotonic()
        self._base: sqlite3.Connection | None = None

    def read_books(self, books: Books) -> None:
        """Remember how books are read."""
        self._rowing.read_books(books)

    def attach(self, source: Source) -> None:
        """Hear of fills and alerts."""
        self._rowing.attach(source)

    def open(self, names: Names) -> None:
        """Open the file, and make what is missing in it."""
        self._rowing.begin(names)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        base = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        try:
            base.execute("PRAGMA auto_vacuum = INCREMENTAL")
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            for table, columns in TABLES.items():
                base.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)})")
                index = f"{table}_by_time ON {table} ({TIME})"
                base.execute(f"CREATE INDEX IF NOT EXISTS {index}")
        except BaseException:
            base.close()
            raise
        self._base = base

    def write(self, batch: Batch) -> None:
        """Add what a batch has, or nothing of it."""
        self._write(self._rowing.rows(batch))

    def beat(self) -> None:
        """Have the disk hold what was written; once a minute remove what is not to be kept."""
        self._write(self._rowing.rows(None, time.time_ns()))
        self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if time.monotonic() - self._trimmed_s >= TRIM_EVERY_S:
            self._trimmed_s = time.monotonic()
            self.trim(time.time_ns())

    def _write(self, rows: Rows) -> None:
        if not rows:
            return
        base = self._opened()
        try:
            base.execute("BEGIN IMMEDIATE")
            for table, added in rows.items():
                marks = ", ".join("?" * len(TABLES[table]))
                base.executemany(f"INSERT INTO {table} VALUES ({marks})", added)  # noqa: S608
            base.execute("COMMIT")
        except BaseException as error:
            if base.in_transaction:
                base.execute("ROLLBACK")
            code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) else 0
            if code & _KIND in _LATER:
                raise NotTaken(f"{self._path}: {error}") from error
            self._rowing.wrote(rows)
            raise
        self._rowing.wrote(rows)

    def trim(self, now_ns: int) -> None:
        """Remove what is older than it is to be kept, and of a file that is too large a tenth."""
        base = self._opened()
        if self._choice.keep_days:
            until_ns = now_ns - int(self._choice.keep_days * _NS_PER_DAY)
            for table in TABLES:
                older = f"DELETE FROM {table} WHERE {TIME} < ?"  # noqa: S608
                base.execute(older, (until_ns,))
        bytes_max = self._choice.keep_mib * _MIB
        if bytes_max and self._held_bytes(base) > bytes_max:
            for table in TABLES:
                count = base.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                part = -(-count // TRIMMED_PART)
                oldest = f"SELECT rowid FROM {table} ORDER BY {TIME} LIMIT ?"  # noqa: S608
                base.execute(f"DELETE FROM {table} WHERE rowid IN ({oldest})", (part,))  # noqa: S608
        # As a script: a statement of its own would give back one page alone.
        base.executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Have the disk hold everything, and close the file."""
        try:
            if self._base is not None:
                self._write(self._rowing.rows(None))
        finally:
            base, self._base = self._base, None
            if base is not None:
                base.close()

    def _opened(self) -> sqlite3.Connection:
        assert self._base is not None, "open comes first"
        return self._base

    def _held_bytes(self, base: sqlite3.Connection) -> int:
        """What is in use of the file."""
        pages, free, size = (
            int(base.execute(f"PRAGMA {what}").fetchone()[0])
            for what in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size
