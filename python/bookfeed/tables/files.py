"""Files of tables, one format a class: each takes record batches, and is whole at the end alone.

A file is one table's rows of one day and one venue: ``updates/2026-11-30/<venue>.parquet``.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import csv, ipc, parquet

from bookfeed.clock import NS_PER_S
from bookfeed.recordings.segments import make_private_directory
from bookfeed.tables.makers import Format
from bookfeed.tables.rows import needed

_DAY_NS: Final = 86_400 * NS_PER_S
# Tables whose rows are of no one venue, or of no one day.
_WITHOUT_VENUE: Final = frozenset({"signals", "markets"})
_WITHOUT_DAY: Final = frozenset({"markets"})
_UNKNOWN: Final = "unknown"


class Store(Protocol):
    """Where the rows of tables go."""

    def begin(self, table: str, schema: Any) -> None:
        """A table of these columns is to come; it is there even if no row comes."""

    def write(self, table: str, batch: Any) -> None:
        """Take rows of a table."""

    def close(self) -> list[dict[str, Any]]:
        """Finish all files; what they are: path, table, rows."""


class _Writer(Protocol):
    def write_batch(self, batch: Any) -> None: ...
    def close(self) -> None: ...


class _File:
    """One file that is being written."""

    def __init__(self, path: Path, writer: _Writer) -> None:
        self.path: Final = path
        self.writer: Final = writer
        self.rows = 0


class Files:
    """Files of a format under ``directory``, apart by table, day and venue."""

    def __init__(self, directory: Path, form: Literal["parquet", "csv", "arrow"]) -> None:
        self._directory: Final = directory
        self._form: Final = form
        self._open: Final[dict[tuple[str, str, str], _File]] = {}

    def begin(self, table: str, schema: Any) -> None:
        """Have a directory for it."""
        make_private_directory(self._directory / table)

    def write(self, table: str, batch: Any) -> None:
        """Take rows of a table."""
        for day, venue, rows in parts(table, batch):
            rows = _WRITABLE[self._form](rows)
            file = self._open.get((table, day, venue))
            if file is None:
                file = self._open[table, day, venue] = self._new(table, day, venue, rows.schema)
            file.writer.write_batch(rows)
            file.rows += rows.num_rows

    def close(self) -> list[dict[str, Any]]:
        """Finish all files."""
        told = []
        for (table, day, venue), file in self._open.items():
            file.writer.close()
            name = file.path.relative_to(self._directory).as_posix()
            of = {"date": day or None, "venue": venue or None}
            told.append({"path": name, "table": table, **of, "rows": file.rows})
        self._open.clear()
        return told

    def _new(self, table: str, day: str, venue: str, schema: Any) -> _File:
        directory = self._directory / table / day
        make_private_directory(directory)
        path = directory / f"{venue or table}.{self._form}"
        return _File(path, _WRITERS[self._form](path, schema))


class DuckFile:
    """One DuckDB database with all tables."""

    def __init__(self, directory: Path) -> None:
        self._path: Final = directory / "recording.duckdb"
        self._connection: Final = needed("duckdb").connect(str(self._path))
        self._rows: Final[dict[str, int]] = {}

    def begin(self, table: str, schema: Any) -> None:
        """Make the table."""
        self._insert(f'CREATE TABLE "{table}" AS FROM rows LIMIT 0', schema.empty_table())
        self._rows[table] = 0

    def write(self, table: str, batch: Any) -> None:
        """Take rows of a table."""
        self._insert(f'INSERT INTO "{table}" FROM rows', pa.Table.from_batches([batch]))
        self._rows[table] += batch.num_rows

    def close(self) -> list[dict[str, Any]]:
        """Finish the file."""
        self._connection.close()
        name = self._path.name
        return [{"path": name, "table": one, "rows": rows} for one, rows in self._rows.items()]

    def _insert(self, statement: str, rows: Any) -> None:
        self._connection.register("rows", rows)
        self._connection.execute(statement)
        self._connection.unregister("rows")


def store(directory: Path, form: Format) -> Store:
    """A store of a format in a directory that is there."""
    return DuckFile(directory) if form == "duckdb" else Files(directory, form)


def parts(table: str, batch: Any) -> Iterator[tuple[str, str, Any]]:
    """The rows of each day and venue: day as text, venue; both empty where a table has none."""
    count = batch.num_rows
    days = np.zeros(count, np.int64)
    venues, called = np.zeros(count, np.int64), [""]
    if table not in _WITHOUT_DAY:
        # The first column is the receive time.
        days = batch.column(0).cast(pa.int64()).to_numpy(zero_copy_only=False) // _DAY_NS
    if table not in _WITHOUT_VENUE:
        column = batch.column("venue")
        called = [*column.dictionary.to_pylist(), _UNKNOWN]
        venues = column.indices.fill_null(len(called) - 1).to_numpy(zero_copy_only=False)
    pairs = np.unique(np.stack([days, venues]), axis=1).T.tolist()
    for day, venue in pairs:
        rows = batch
        if len(pairs) > 1:
            rows = batch.filter(pa.array((days == day) & (venues == venue)))
        text = "" if table in _WITHOUT_DAY else str(np.datetime64(day, "D"))
        yield text, called[venue], rows


def _as_it_is(rows: Any) -> Any:
    return rows


def _plain(rows: Any) -> Any:
    """Columns that lines with commas can hold: words, and JSON for lists."""
    columns = []
    for column in rows.columns:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        elif pa.types.is_list(column.type):
            texts = (orjson.dumps(one, default=str).decode() for one in column.to_pylist())
            column = pa.array(texts, pa.string())
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _arrow(path: Path, schema: Any) -> Any:
    """Words of dictionaries come as they come up."""
    return ipc.new_file(path, schema, options=ipc.IpcWriteOptions(emit_dictionary_deltas=True))


_WRITABLE: Final[dict[str, Callable[[Any], Any]]] = {
    "parquet": _as_it_is,
    "arrow": _as_it_is,
    "csv": _plain,
}
_WRITERS: Final[dict[str, Callable[[Path, Any], Any]]] = {
    "parquet": lambda path, schema: parquet.ParquetWriter(path, schema, compression="zstd"),
    "csv": csv.CSVWriter,
    "arrow": _arrow,
}
