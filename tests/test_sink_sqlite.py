"""``sqlite``: what any program can ask afterwards, kills, disks that are busy, and what is kept."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from session_server import MARKET, YES, Server, book_frame
from sink_records import TRADE, Records
from waiting import PATIENCE_S

from bookfeed import Feed, Names, Rule, SessionError
from bookfeed.sinks.sqlite import SqliteSink

DAY_NS: Final = 86_400_000_000_000


def asked(path: Path, question: str) -> list[tuple[Any, ...]]:
    base = sqlite3.connect(path)
    try:
        return base.execute(question).fetchall()
    finally:
        base.close()


async def test_what_happened_can_be_asked_for(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    rules = [Rule("spread", {"open": "0.01", "min_qty": "0"})]
    async with Feed([MARKET], url=server.url, sinks=[SqliteSink(path)], rules=rules) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45", "0.47"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    states = asked(path, f"SELECT state, cause, market FROM states WHERE symbol = '{YES}'")
    assert ("live", "snapshot", "0xabc") in states
    assert states[-1] == ("stale", "disconnected", "0xabc")
    phases = asked(path, "SELECT phase, reason FROM signals ORDER BY seq")
    assert phases[0] == ("open", "none") and ("close", "not_live") in phases
    legs = "SELECT json_extract(signal_json, '$.legs[0].venue') FROM signals"
    assert asked(path, legs)[0] == ("polymarket",)
    assert asked(path, "SELECT count(*) FROM trades") == [(0,)]


def test_trades_are_kept_if_wanted_and_runs_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    for _ in range(2):
        sink = SqliteSink(path, trades=True)
        sink.open(Names())
        sink.write(Records().batch([(TRADE, 1), (TRADE, 2)]))
        sink.close()
    assert asked(path, "SELECT count(*), count(DISTINCT run) FROM trades") == [(4, 2)]


def test_a_killed_process_has_lost_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    program = (
        "from bookfeed import Names; from bookfeed.sinks.sqlite import SqliteSink\n"
        "from sink_records import Records, TRADE\n"
        f"sink = SqliteSink({str(path)!r}, trades=True); sink.open(Names()); records = Records()\n"
        "while True:\n"
        "    batch = records.batch([(TRADE, 1)] * 3); sink.write(batch)\n"
        "    print(int(batch.updates['seq'][-1]), flush=True)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=env) as done:
        assert done.stdout is not None
        for _ in range(50):
            told = int(done.stdout.readline())
        done.send_signal(signal.SIGKILL)
        rest = done.stdout.read().split()
    told = int(rest[-1]) if rest else told
    seqs = [seq for (seq,) in asked(path, "SELECT seq FROM trades ORDER BY seq")]
    assert seqs == list(range(1, len(seqs) + 1)), "in order, without a hole"
    assert len(seqs) >= told and len(seqs) % 3 == 0, "batches are whole"


def test_a_batch_that_cannot_be_written_is_not_there_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sink = SqliteSink(path, trades=True)
    sink.open(Names())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    records = Records()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sink.write(records.batch([(TRADE, 1)]))
    other.execute("ROLLBACK")
    sink.write(records.batch([(TRADE, 2)]))
    sink.close()
    other.close()
    assert asked(path, "SELECT seq FROM trades") == [(2,)]


def test_what_is_too_old_or_too_much_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sink = SqliteSink(path, trades=True, keep_days=2, keep_mib=1)
    sink.open(Names())
    sink.write(Records().batch([(TRADE, 1)]))  # received at 0
    sink.trim(2 * DAY_NS)
    assert asked(path, "SELECT count(*) FROM trades") == [(1,)]
    sink.trim(2 * DAY_NS + 1)
    assert asked(path, "SELECT count(*) FROM trades") == [(0,)]
    records = Records()
    for _ in range(10):
        sink.write(records.batch([(TRADE, 1)] * 6_000))
    for _ in range(20):
        sink.trim(0)
    sink.beat()
    sink.close()
    ((left, oldest),) = asked(path, "SELECT count(*), min(seq) FROM trades")
    assert 1_000 < left < 60_000 and oldest == 60_001 - left, "the oldest went"
    assert path.stat().st_size < 1.2 * (1 << 20)


async def test_a_file_that_is_none_ends_opening(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_text("not a database, but a text that somebody needs\n" * 30)
    with pytest.raises(SessionError, match="sqlite_sink cannot be opened: DatabaseError"):
        await Feed([MARKET], url=server.url, sinks=[SqliteSink(path)]).open()
    assert path.read_text().startswith("not a database")
