"""``bookfeed signals``: what was kept is listed, narrowed down, refused; and the end of a run."""

import csv
import json
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from sink_records import Records

from bookfeed import LEG_DTYPE, RULES, SIGNAL_DTYPE, Batch, Names
from bookfeed.cli import main
from bookfeed.errors import SessionError
from bookfeed.sinks.kept import kept_signals, kept_totals
from bookfeed.sinks.sqlite import SqliteSink

HOUR_NS: Final = 3_600 * 10**9
OPEN, UPDATE, CLOSE = range(3)


def kept(
    path: Path, ident: int, ts_open: int, moments: list[tuple[int, int, int]], rule: str = "box"
) -> None:
    """Adds the life of a signal: at each moment its net edge, size and phase, a second apart."""
    names = Names()
    names.learn(1, venue="kalshi", symbol="KX-1", market="KX-1", outcome="Yes", title="Will it?")
    sink = SqliteSink(path)
    sink.open(names)
    for number, (edge_e9, qty_e8, phase) in enumerate(moments):
        signal, leg = np.zeros(1, SIGNAL_DTYPE), np.zeros(1, LEG_DTYPE)
        row = signal[0]
        row["ts_recv_ns"], row["ts_open_ns"] = ts_open + number * 10**9, ts_open
        row["seq"], row["id"], row["rule"], row["phase"] = (
            number + 1,
            ident,
            RULES.index(rule),
            phase,
        )
        row["net_edge_e9"], row["qty_e8"], row["peak_edge_e9"] = edge_e9, qty_e8, edge_e9
        row["legs"], leg[0]["instrument"] = 1, 1
        sink.write(Batch(b"", signal.tobytes(), leg.tobytes()))
    sink.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kept.sqlite"
    now_ns = time.time_ns()
    kept(
        path,
        7,
        now_ns - HOUR_NS,
        [(10**7, 10**9, OPEN), (3 * 10**7, 5 * 10**8, UPDATE), (0, 10**9, CLOSE)],
    )
    kept(path, 7, now_ns - 3 * HOUR_NS, [(10**7, 10**10, OPEN)])
    kept(path, 8, now_ns - 30 * HOUR_NS, [(10**6, 10**8, OPEN), (10**6, 10**8, CLOSE)], "basket")
    return path


def listed(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert main(["signals", *args]) == code
    return capsys.readouterr().out


def test_each_life_is_one_row(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(listed(capsys, str(file), "-o", "json"))["signals"]
    assert [(one["id"], one["rule"]) for one in found] == [(7, "box"), (7, "box"), (8, "basket")]
    newest, killed, _ = found
    # 5 at 0.03 are worth more than 10 at 0.01.
    assert (newest["profit"], newest["qty"], newest["peak_edge"]) == ("0.15", "5", "0.03")
    assert newest["ts_close"] == newest["ts_open"] + 2 * 10**9
    assert newest["legs"][0]["market"] == "KX-1"
    assert (killed["ts_close"], killed["reason"], killed["profit"]) == (None, "none", "1")
    table = listed(capsys, str(file)).splitlines()
    assert len(table) == 4 and "$0.15" in table[1] and "2.00s" in table[1]
    lines = list(csv.DictReader(listed(capsys, str(file), "-o", "csv").splitlines()))
    assert [(one["profit"], one["legs"]) for one in lines[:2]] == [
        ("0.15", "buy kalshi KX-1 Yes"),
        ("1", "buy kalshi KX-1 Yes"),
    ]


def test_it_can_be_narrowed_down(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def count(*args: str, code: int = 0) -> int:
        return len(listed(capsys, str(file), "-o", "ndjson", *args, code=code).splitlines())

    assert [count(), count("--since", "1d"), count("--since", "2h")] == [3, 2, 1]
    assert [count("--rule", "basket"), count("--rule", "box"), count("-n", "2")] == [1, 2, 2]
    assert count("--rule", "box", "--since", "30m", code=1) == 0


def test_the_file_is_that_of_the_configuration(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    config = Path("bookfeed.toml")
    config.write_text('[[sink]]\nkind = "sqlite"\npath = "kept.sqlite"\n')
    assert len(listed(capsys, "-o", "ndjson").splitlines()) == 3
    config.write_text("")
    assert main(["signals"]) == 2
    assert "has no sinks of kind sqlite; name the file" in capsys.readouterr().err
    config.unlink()
    assert main(["signals"]) == 2
    assert "bookfeed.toml" in capsys.readouterr().err


def test_what_is_no_such_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, text, other = (tmp_path / name for name in ("missing", "text", "other"))
    text.write_text("not a database, but a text that somebody needs\n" * 30)
    sqlite3.connect(other).close()
    with sqlite3.connect(other) as base:
        base.execute("CREATE TABLE mine (x)")
    base.close()
    for path, problem in (
        (missing, "no such file; a [[sink]] of kind sqlite makes it"),
        (text, "cannot be read as what the sqlite sink keeps"),
        (other, "no such table: signals"),
    ):
        assert main(["signals", str(path)]) == 1
        assert problem in capsys.readouterr().err
        with pytest.raises(SessionError):
            kept_totals(path)
    assert not missing.exists()


def test_a_file_that_is_being_written_is_read(file: Path) -> None:
    sink = SqliteSink(file)
    sink.open(Names())
    sink.write(Records().batch([(-1, 1)]))
    # It was received at 0, so it is the oldest.
    assert len(kept_signals(file)) == 4
    assert [one.id for one in kept_signals(file, since_ns=1)] == [7, 7, 8]
    sink.close()


def test_a_run_says_at_its_end_what_was_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, config = tmp_path / "demo it.sqlite", tmp_path / "demo.toml"
    config.write_text(
        f'[[sink]]\nkind = "sqlite"\npath = "{file}"\n'
        '[rules.spread]\nopen = "0.01"\nmin_qty = "0"\n'
    )
    asked = ["run", "KXBTC15M", "--sim", "--config", str(config), "--seconds", "3", "-qq"]
    assert main([*asked, "-o", "json"]) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    ((name, totals),) = summary["kept"].items()
    assert name == str(file)
    spread = next(one for one in totals if one["rule"] == "spread")
    assert 0 < spread["signals"] == len([one for one in kept_signals(file) if one.rule == "spread"])
    assert main([*asked, "-o", "table"]) == 0
    shown = capsys.readouterr().out
    assert f"kept: bookfeed signals '{file}'" in shown
    # Of this run, not of the one before.
    second = int(shown.partition("  spread: ")[2].partition("\n")[0].partition(",")[0])
    both = [one for one in kept_signals(file) if one.rule == "spread"]
    assert second == len(both) - spread["signals"]
