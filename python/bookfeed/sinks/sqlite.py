"""``sqlite``: signals and states in a file that any program can ask, and trades if wanted.

Each write is a transaction of its own: a killed process has lost nothing that was counted as
written, and a power failure what came in the last seconds. What is older than it is to be kept, or
more than the file may hold, is removed once a minute. Numbers are exact integers, with their unit
in the column's name; absent is NULL. ``docs/sinks.md`` lists the tables.
"""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson

from bookfeed._bookfeed import Batch
from bookfeed.names import Names, name_of
from bookfeed.records import Signal, Update, signals, updates
from bookfeed.records.objects import signal_object
from bookfeed.schema import Range, Text
from bookfeed.sinks.base import SinkSection

# How far apart the times are at which what is too old or too much is removed.
TRIM_EVERY_S: Final = 60.0
# Of a file that holds too much, so great a part of each table goes at once: the oldest.
TRIMMED_PART: Final = 10
BUSY_S: Final = 1.0

_NS_PER_DAY: Final = 86_400_000_000_000
_MIB: Final = 1 << 20
_TABLES: Final = {
    "signals": (
        "run", "seq", "ts_recv_ns", "ts_open_ns", "id", "rule", "rule_id", "name", "phase",
        "reason", "direction", "qty_e8", "gross_edge_e9", "net_edge_e9", "peak_edge_e9", "fee_e9",
        "capital_e9", "signal_json",
    ),
    "states": (
        "run", "seq", "ts_recv_ns", "venue", "market", "outcome", "symbol", "epoch", "state",
        "cause",
    ),
    "trades": (
        "run", "seq", "ts_recv_ns", "ts_event_ns", "venue", "market", "outcome", "symbol", "epoch",
        "state", "cause", "price_e9", "qty_e8", "aggressor", "off_book",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSection(SinkSection):
    """``[[sink]]`` with ``kind = "sqlite"``: signals and states in a file."""

    kind: Literal["sqlite"]
    path: Annotated[str, Text(r"[^\x00]+", "a path")]
    trades: bool = False
    keep_days: Annotated[float, Range(0, 36_500)] = 0.0
    keep_mib: Annotated[int, Range(0, 1 << 30)] = 0

    @property
    def file(self) -> str:
        """The file that it writes, however it was spelled."""
        return str(Path(self.path).resolve())

    def sink(self) -> "SqliteSink":
        """The sink itself, not open yet."""
        return SqliteSink(
            self.path, trades=self.trades, keep_days=self.keep_days, keep_mib=self.keep_mib
        )


class SqliteSink:
    """Adds signals, states and, if ``trades``, trades to the database at ``path``.

    A new file is readable by its owner alone. ``keep_days`` and ``keep_mib`` bound what it holds, 0
    does not. Errors are those of ``os.open`` and ``sqlite3``; a batch that cannot be written is not
    in the file at all.
    """

    def __init__(
        self, path: str | Path, *, trades: bool = False, keep_days: float = 0.0, keep_mib: int = 0
    ) -> None:
        self._path: Final = str(path)
        self._trades: Final = trades
        self._keep_ns: Final = int(keep_days * _NS_PER_DAY)
        self._keep_bytes: Final = keep_mib * _MIB
        self._names = Names()
        self._run = 0
        self._trimmed_s = time.monotonic()
        self._base: sqlite3.Connection | None = None

    def open(self, names: Names) -> None:
        """Open the file, and make what is missing in it."""
        self._names, self._run = names, time.time_ns()
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        base = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        try:
            base.execute("PRAGMA auto_vacuum = INCREMENTAL")
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
            for table, columns in _TABLES.items():
                base.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)})")
                index = f"{table}_by_time ON {table} (ts_recv_ns)"
                base.execute(f"CREATE INDEX IF NOT EXISTS {index}")
        except BaseException:
            base.close()
            raise
        self._base = base

    def write(self, batch: Batch) -> None:
        """Add what a batch has, or nothing of it."""
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES}
        for update in updates(batch, self._names):
            if update.kind == "state":
                rows["states"].append(self._state(update))
            elif update.kind == "trade" and self._trades:
                rows["trades"].append(self._trade(update))
        rows["signals"] += map(self._signal, signals(batch, self._names))
        if not any(rows.values()):
            return
        base = self._opened()
        base.execute("BEGIN IMMEDIATE")
        try:
            for table, added in rows.items():
                marks = ", ".join("?" * len(_TABLES[table]))
                base.executemany(f"INSERT INTO {table} VALUES ({marks})", added)  # noqa: S608
            base.execute("COMMIT")
        except BaseException:
            if base.in_transaction:
                base.execute("ROLLBACK")
            raise

    def beat(self) -> None:
        """Have the disk hold what was written; once a minute remove what is not to be kept."""
        self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if time.monotonic() - self._trimmed_s >= TRIM_EVERY_S:
            self._trimmed_s = time.monotonic()
            self.trim(time.time_ns())

    def trim(self, now_ns: int) -> None:
        """Remove what is older than it is to be kept, and of a file that is too large a tenth."""
        base = self._opened()
        if self._keep_ns:
            for table in _TABLES:
                older = f"DELETE FROM {table} WHERE ts_recv_ns < ?"  # noqa: S608
                base.execute(older, (now_ns - self._keep_ns,))
        if self._keep_bytes and self._held_bytes(base) > self._keep_bytes:
            for table in _TABLES:
                count = base.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                part = -(-count // TRIMMED_PART)
                oldest = f"SELECT rowid FROM {table} ORDER BY ts_recv_ns LIMIT ?"  # noqa: S608
                base.execute(f"DELETE FROM {table} WHERE rowid IN ({oldest})", (part,))  # noqa: S608
        # As a script: a statement of its own would give back one page alone.
        base.executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Have the disk hold everything, and close the file."""
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

    def _state(self, update: Update) -> tuple[Any, ...]:
        name = name_of(self._names, update.instrument)
        return (
            self._run, update.seq, update.ts_recv, name.venue, name.market, name.outcome,
            name.symbol, update.epoch, update.state, update.cause,
        )  # fmt: skip

    def _trade(self, update: Update) -> tuple[Any, ...]:
        name = name_of(self._names, update.instrument)
        return (
            self._run, update.seq, update.ts_recv, update.ts_event, name.venue, name.market,
            name.outcome, name.symbol, update.epoch, update.state, update.cause, update.price_e9,
            update.qty_e8, update.aggressor, update.off_book,
        )  # fmt: skip

    def _signal(self, signal: Signal) -> tuple[Any, ...]:
        return (
            self._run, signal.seq, signal.ts_recv, signal.ts_open, signal.id, signal.rule,
            signal.rule_id, signal.name, signal.phase, signal.reason, signal.direction,
            signal.qty_e8, signal.gross_edge_e9, signal.net_edge_e9, signal.peak_edge_e9,
            signal.fee_e9, signal.capital_e9, orjson.dumps(signal_object(signal)).decode(),
        )  # fmt: skip
