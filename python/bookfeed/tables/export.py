"""A recording as files: all tables in one pass, and beside them what the recording does not know.

Everything is written into a directory beside the one that is asked for, and has its name only when
it is whole, synced and described by ``coverage.json``.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from bookfeed._bookfeed import __version__
from bookfeed.errors import RecordingError
from bookfeed.recordings.segments import make_private_directory, sync_directory
from bookfeed.tables.coverage import Coverage
from bookfeed.tables.files import Store, store
from bookfeed.tables.makers import DEFAULT_TABLES, FORMATS, TABLES, Format, Shape, Table, maker
from bookfeed.tables.passing import Maker, Stepping
from bookfeed.tables.recording import Recording
from bookfeed.tables.slices import Slice

MANIFEST: Final = "coverage.json"
_FORM: Final = "bookfeed coverage 1"


def export(
    recording: Recording,
    out: Path,
    to: Format = "parquet",
    tables: Iterable[Table] = DEFAULT_TABLES,
    wanted: Slice | None = None,
    shape: Shape | None = None,
    progress: Callable[[int], object] = lambda frames: None,
) -> dict[str, Any]:
    """Write tables of a recording into the directory ``out``, which must not be there yet.

    Returns what ``coverage.json`` says. Raises ``RecordingError`` for what cannot be meant or had,
    ``FileExistsError`` if ``out`` is there, ``OSError`` where it cannot be written; nothing is left
    then that looks like an export.
    """
    chosen = _chosen(tables, to)
    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out}: it is there already: name another directory, or remove it")
    make_private_directory(out.parent)
    making = out.with_name(f".{out.name}.partial-{os.getpid()}")
    making.mkdir(mode=0o700)
    try:
        told = _written(recording, making, to, chosen, wanted or Slice(), shape, progress)
        (making / MANIFEST).write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
        _sync(making)
        if out.exists():
            raise FileExistsError(f"{out}: somebody made it meanwhile: name another directory")
        making.rename(out)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    sync_directory(out.parent)
    return told


def _chosen(tables: Iterable[Table], to: str) -> tuple[Table, ...]:
    chosen = tuple(dict.fromkeys(tables))
    unknown = [table for table in chosen if table not in TABLES]
    if unknown or not chosen:
        name = f"no table {unknown[0]!r}" if unknown else "no table is named"
        raise RecordingError(f"{name}: there are {', '.join(TABLES)}")
    if to not in FORMATS:
        raise RecordingError(f"no format {to!r}: there are {', '.join(FORMATS)}")
    return chosen


def _written(
    recording: Recording,
    directory: Path,
    to: Format,
    tables: tuple[Table, ...],
    wanted: Slice,
    shape: Shape | None,
    progress: Callable[[int], object],
) -> dict[str, Any]:
    run = recording.begin(wanted)
    makers: dict[Table, Maker] = {}
    steps: list[Stepping] = []
    files = store(directory, to)
    for table in tables:
        makers[table], more = maker(table, run, shape or Shape())
        files.begin(table, makers[table].schema)
        steps += more
    coverage = Coverage(run)
    for _ in run.run((*makers.values(), coverage), steps):
        _hand_over(makers, files, end=False)
        progress(run.frames)
    _hand_over(makers, files, end=True)
    recording.ended(run)
    return {
        "form": _FORM,
        "software": f"bookfeed {__version__}",
        "recording": str(recording.path),
        "engine": dict(recording.engine_options),
        "slice": _slice(wanted),
        "files": files.close(),
        **coverage.told(),
    }


def _hand_over(makers: dict[Table, Maker], files: Store, *, end: bool) -> None:
    for table, one in makers.items():
        for batch in one.ready(end=end):
            files.write(table, batch)


def _slice(wanted: Slice) -> dict[str, Any]:
    return {
        "start_ns": wanted.start_ns,
        "end_ns": wanted.end_ns,
        "markets": sorted(wanted.markets) if wanted.markets else None,
        "venues": sorted(wanted.venues) if wanted.venues else None,
    }


def _sync(directory: Path) -> None:
    """Waits until every file, and its name, is on the disk."""
    for path in directory.rglob("*"):
        if path.is_dir():
            sync_directory(path)
            continue
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    sync_directory(directory)
