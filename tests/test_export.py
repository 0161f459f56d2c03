"""``bookfeed export``: files are the tables, whole, and say what is not known."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")

from pyarrow import csv, dataset, ipc  # noqa: E402
from recorded_tables import RECORDED, journal, rows, told  # noqa: E402
from session_server import YES, book_message  # noqa: E402

from bookfeed import RecordingError, open_recording  # noqa: E402
from bookfeed.cli import main  # noqa: E402
from bookfeed.recordings.kinds import Kind  # noqa: E402
from bookfeed.tables.export import export  # noqa: E402
from bookfeed.tables.files import parts  # noqa: E402
from bookfeed.tables.slices import Slice  # noqa: E402

S = 10**9
MINUTE = 60 * S


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return journal(tmp_path_factory.mktemp("rec"), *RECORDED["both"](3))


def stems(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of the engine, whatever files they were in."""
    return sorted(found, key=lambda row: row["seq"])


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_files_are_the_tables(form: str, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export", str(recording), "--to", form, "--out", str(out), "-qq"]) == 0
    here = open_recording(recording)
    for name in ("updates", "trades", "states", "signals"):
        files = sorted((out / name).rglob(f"*.{form}"))
        wanted = rows(getattr(here, name)().to_arrow())
        found = rows(dataset.dataset(files, format=form).to_table()) if files else []
        assert stems(found) == wanted, name
    days = {path.parent.name for path in (out / "updates").rglob(f"*.{form}")}
    venues = {path.stem for path in (out / "updates").rglob(f"*.{form}")}
    assert venues == {"kalshi", "polymarket"} and days == {"2026-09-21"}
    markets = rows(dataset.dataset(out / "markets" / f"markets.{form}", format=form).to_table())
    assert markets == rows(here.markets().to_arrow()) != []
    listed = {path.relative_to(out).as_posix() for path in out.rglob(f"*.{form}")}
    manifest = json.loads((out / "coverage.json").read_bytes())
    assert {file["path"] for file in manifest["files"]} == listed
    if form == "arrow":
        polars = pytest.importorskip("polars")
        file = out / "updates" / "2026-09-21" / "kalshi.arrow"
        with ipc.open_file(file) as read:
            assert polars.read_ipc(file).height == read.read_all().num_rows


def test_csv_and_duckdb_have_the_same_numbers(recording: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    here = open_recording(recording)
    updates, signals = here.updates().to_arrow(), here.signals().to_arrow()
    arguments = ["export", str(recording), "--table", "updates,signals", "-qq", "--out"]
    assert main([*arguments, str(tmp_path / "csv"), "--to", "csv"]) == 0
    exact = csv.ConvertOptions(column_types={"bid": pa.decimal128(19, 9)}, strings_can_be_null=True)
    files = sorted((tmp_path / "csv" / "updates").rglob("*.csv"))
    found = [csv.read_csv(path, convert_options=exact) for path in files]
    assert sum(sum_of(one["bid"]) for one in found) == sum_of(updates["bid"])
    assert sum(one.num_rows for one in found) == updates.num_rows
    (file,) = (tmp_path / "csv" / "signals").rglob("*.csv")
    legs = [json.loads(text) for text in csv.read_csv(file)["legs"].to_pylist()]
    assert [len(one) for one in legs] == [len(one) for one in signals["legs"].to_pylist()]
    assert main([*arguments, str(tmp_path / "duck"), "--to", "duckdb"]) == 0
    with duckdb.connect(str(tmp_path / "duck" / "recording.duckdb"), read_only=True) as connection:
        count, bid = connection.sql("SELECT count(*), sum(bid) FROM updates").fetchall()[0]
        assert (count, bid) == (updates.num_rows, sum_of(updates["bid"]))
        assert connection.sql("SELECT count(*) FROM signals").fetchall()[0][0] == len(signals)


def sum_of(column: Any) -> Decimal:
    return sum((value for value in column.to_pylist() if value is not None), Decimal(0))


def test_rows_are_apart_by_day_and_venue() -> None:
    day = 86_400 * S
    times = pa.array([day - 1, day, day, 5], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    words = pa.array(["a", "b", None, "a"]).dictionary_encode()
    batch = pa.RecordBatch.from_arrays([times, words], names=["ts_recv", "venue"])
    found = {(day, venue): one.num_rows for day, venue, one in parts("updates", batch)}
    assert found == {
        ("1970-01-01", "a"): 2, ("1970-01-02", "b"): 1, ("1970-01-02", "unknown"): 1,
    }  # fmt: skip
    assert [(day, venue) for day, venue, _ in parts("markets", batch)] == [("", "")]


# What is not known.


def frame(ts: int, *, price: str = "0.4") -> tuple[int, int, int, int, bytes]:
    message = book_message(YES, price, ts_ms=ts // 10**6)
    return (int(Kind.FRAME), ts, 0, 1, json.dumps(message).encode())


def test_minutes_in_which_a_book_was_not_live(tmp_path: Path) -> None:
    start = 100 * MINUTE
    records = [
        (int(Kind.CONNECTED), start, 0, 1, b"polymarket"),
        frame(start),
        (int(Kind.DISCONNECTED), start + 10 * MINUTE + 30 * S, 0, 1, b"test"),
        (int(Kind.CONNECTED), start + 12 * MINUTE, 0, 2, b"polymarket"),
        frame(start + 12 * MINUTE + 15 * S),
        (int(Kind.INVALIDATE), start + 20 * MINUTE, 0, 2, b"gap"),
        frame(start + 20 * MINUTE + 1),
        (int(Kind.DROPPED), start + 21 * MINUTE, 0, 2, b'{"records": 3}'),
        (int(Kind.ADVANCE), start + 30 * MINUTE, 0, 2, b""),
    ]
    engine = {"auto_subscribe": True, "silence_s": 0.0}
    here = open_recording(journal(tmp_path / "rec", records, engine))
    manifest = export(here, tmp_path / "out", tables=["states"])
    assert manifest == json.loads((tmp_path / "out" / "coverage.json").read_bytes())
    (book,) = manifest["books"]
    lost, brief = book["degraded_minutes"]
    assert (lost["from"], lost["minutes"]) == ("1970-01-01T01:50:00.000000000Z", 3)
    assert sum(lost["causes_s"].values()) == 105
    assert lost["causes_s"]["stale:disconnected"] == 90
    assert brief["minutes"] == 1 and sum(brief["causes_s"].values()) == 1e-9
    assert book["live_s"] == pytest.approx(30 * 60 - 105)
    assert manifest["dropped_records"] == 3 and not manifest["complete"]
    assert manifest["disconnections"] == 1
    part = export(here, tmp_path / "part", tables=["states"],
                  wanted=Slice.of(start + 11 * MINUTE, start + 12 * MINUTE))  # fmt: skip
    (book,) = part["books"]
    assert sum(book["degraded_s"].values()) == 60 and book["live_s"] == 0


def test_coverage_is_what_the_records_say(recording: Path, tmp_path: Path) -> None:
    records, engine = RECORDED["coinbase"](3)
    here = open_recording(journal(tmp_path / "rec", records, engine))
    manifest = export(here, tmp_path / "out", tables=["states"])
    updates, _, _ = told(records, engine)
    last = max(record[1] for record in records)
    gaps = 0
    for book in manifest["books"]:
        states = [u for u in updates if u.kind == "state" and u.instrument == book["instrument"]]
        ends = [u.ts_recv for u in states[1:]] + [last]
        live = sum(end - u.ts_recv for u, end in zip(states, ends, strict=True) if u.live)
        degraded = sum(end - u.ts_recv for u, end in zip(states, ends, strict=True) if not u.live)
        assert book["live_s"] == pytest.approx(live / S)
        assert sum(book["degraded_s"].values()) + book["over_s"] == pytest.approx(degraded / S)
        minutes = {
            minute
            for u, end in zip(states, ends, strict=True)
            if not u.live and u.cause != "resolved" and end > u.ts_recv
            for minute in range(u.ts_recv // MINUTE, (end - 1) // MINUTE + 1)
        }
        assert sum(run["minutes"] for run in book["degraded_minutes"]) == len(minutes)
        assert book["gap_count"] == len(book["gaps"]) == sum(u.gap is not None for u in states)
        gaps += book["gap_count"]
    assert gaps


# Nothing looks whole that is not.


def test_a_damaged_recording_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (segment,) = journal(tmp_path / "rec", *RECORDED["kalshi"](3)).glob("*.bfj")
    segment.write_bytes(segment.read_bytes()[:-200])
    out = tmp_path / "out"
    assert main(["export", str(segment), "--out", str(out), "-o", "json", "-qq"]) == 3
    printed = json.loads(capsys.readouterr().out)
    manifest = json.loads((out / "coverage.json").read_bytes())
    assert not manifest["complete"] and "lost" in manifest["problems"][0]
    assert printed == {"directory": str(out)} | manifest


def test_what_fails_leaves_nothing(recording: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from bookfeed.tables import files

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.Files, "close", full)
        with pytest.raises(OSError, match="No space"):
            export(open_recording(recording), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="it is there already"):
        export(open_recording(recording), tmp_path / "out")
    with pytest.raises(RecordingError, match="no table 'books': there are updates"):
        export(open_recording(recording), tmp_path / "b", tables=["books"])  # type: ignore[list-item]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_export_that_is_killed_is_not_there(how: int, recording: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from bookfeed.tables import export\n"
        "def sync(directory): os.kill(os.getpid(), int(sys.argv.pop()))\n"
        "export._sync = sync\n"
        "from bookfeed.cli import main\n"
        "sys.exit(main(sys.argv[1:-1]))\n"
    )
    arguments = ["export", str(recording), "--out", str(tmp_path / "out"), str(int(how))]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, timeout=60, env=os.environ,
    )  # fmt: skip
    assert done.returncode != 0
    assert not (tmp_path / "out").exists()
    assert all(path.name.startswith(".out.partial-") for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--table", "books"], "no table 'books': there are updates"),
        (["--start", "soon"], "start: 'soon' is no time"),
        (["--every", "1 day"], 'every: "change"'),
        (["--venue", "nyse"], "no venue 'nyse'"),
        (["--to", "excel"], "invalid choice"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["export", str(recording), *arguments])
    except SystemExit as ended:
        code = ended.code  # type: ignore[assignment]
    assert code == 2 and said in capsys.readouterr().err
