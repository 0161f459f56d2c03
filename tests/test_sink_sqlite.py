"""``sqlite``: what any program can ask afterwards, kills, disks that are busy, and what is kept."""

import asyncio
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from session_server import MARKET, YES, Server, book_frame
from sink_records import BOOK, TRADE, Records
from waiting import PATIENCE_S, until

from bookfeed import UPDATE_KINDS, Batch, Feed, Names, Rule, SessionError, Update
from bookfeed.sinks import NotTaken
from bookfeed.sinks.sampling import Sampling
from bookfeed.sinks.sqlite import SqliteSink
from bookfeed.sinks.tables import TABLES, Choice

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
        sink = SqliteSink(path, choice=Choice(trades=True))
        sink.open(Names())
        sink.write(Records().batch([(TRADE, 1), (TRADE, 2)]))
        sink.close()
    assert asked(path, "SELECT count(*), count(DISTINCT run) FROM trades") == [(4, 2)]


def test_a_killed_process_has_lost_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    program = (
        "from bookfeed import Names; from bookfeed.sinks.sqlite import SqliteSink\n"
        "from bookfeed.sinks.tables import Choice; from sink_records import Records, TRADE\n"
        f"sink = SqliteSink({str(path)!r}, choice=Choice(trades=True))\n"
        "sink.open(Names()); records = Records()\n"
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


def test_a_batch_that_cannot_be_written_comes_again_and_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sink = SqliteSink(path, choice=Choice(trades=True))
    sink.open(Names())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    records = Records()
    batch = records.batch([(TRADE, 1)])
    for _ in range(2):
        with pytest.raises(NotTaken, match="locked"):
            sink.write(batch)
    other.execute("ROLLBACK")
    sink.write(batch)
    sink.write(records.batch([(TRADE, 2)]))
    sink.close()
    other.close()
    assert asked(path, "SELECT seq FROM trades") == [(1,), (2,)]


async def test_prices_and_books_are_kept_as_they_were_at_the_end_of_each_interval(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookfeed.sinks.sink_set.BEAT_S", 0.02)
    path = tmp_path / "a.sqlite"
    sink = SqliteSink(path, choice=Choice(prices_s=0.05, books_s=0.05, depth=1))
    async with Feed([MARKET], url=server.url, sinks=[sink]) as feed:
        await feed.wait_live(PATIENCE_S)
        peer = await server.peer(0)
        for number in range(30):
            peer.text(book_frame(YES, f"0.{100 + number}", "0.9"))
            await asyncio.sleep(0.01)
        (last,) = [view for view in feed.books() if view.symbol == YES]
        await until(lambda: last.bid_e9 == 129 * 10**6)
        await until(lambda: (129 * 10**6,) in asked(path, "SELECT bid_e9 FROM prices"))
    columns = "ts_recv_ns / 50000000, bid_e9, state, seq"
    rows = asked(path, f"SELECT {columns} FROM prices WHERE symbol = '{YES}' ORDER BY seq")
    assert len({interval for interval, *_ in rows}) == len(rows), "one of each interval"
    assert [row for row in rows if row[2] != "live" and row[1] is not None] == []
    assert rows[-1][2] == "stale", "what it was when it ended, too"
    assert len(rows) < 30
    found = asked(path, "SELECT state, json_array_length(book_json, '$.bids') FROM books")
    assert ("live", 1) in found and ("stale", 0) in found


def test_of_every_interval_the_last_word_is_kept(tmp_path: Path) -> None:
    """Against the obvious way to say it, for random times that may go back."""
    rng, records = random.Random(5), Records()
    every_ns = 1_000
    now, told = 0, []
    sampling, given = Sampling(every_ns), []
    for _ in range(200):
        batch = records.batch([(BOOK, rng.randrange(3)) for _ in range(rng.randint(1, 6))])
        rows = batch.updates.copy()
        for row in rows:
            now += rng.choice((0, 0, 50, 400, 2_500, -100))
            row["ts_recv_ns"] = max(now, 0)
            told.append((max(now, 0), int(row["instrument"]), int(row["seq"])))
        given += sampling.take(Batch(rows.tobytes()))
    given += sampling.due(None)
    expected: dict[tuple[int, int], int] = {}
    interval = 0
    for ts, instrument, seq in told:
        interval = max(interval, ts // every_ns)
        expected[interval, instrument] = seq
    assert sorted(Update.from_bytes(one).seq for one in given) == sorted(expected.values())


def test_results_and_fills_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sink, takes = SqliteSink(path), []

    class Feed:
        """What a sink asks its feed."""

        def fills(self, take: Any) -> None:
            takes.append(take)

        def alerts(self, take: Any) -> None:
            pass

    sink.attach(Feed())  # type: ignore[arg-type]
    sink.open(Names())
    fill = dict.fromkeys(TABLES["fills"][1:], 7) | {"venue": "kalshi", "status": "matched"}
    takes[0](fill)
    sink.write(Records().batch([(UPDATE_KINDS.index("resolved"), 1)]))
    takes[0](fill | {"status": "confirmed"})
    sink.beat()
    sink.close()
    assert asked(path, "SELECT seq, payout_e9 FROM results") == [(1, 0)]
    kept = asked(path, "SELECT venue, status, qty_e8 FROM fills")
    assert kept == [("kalshi", "matched", 7), ("kalshi", "confirmed", 7)]


def test_what_is_too_old_or_too_much_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    sink = SqliteSink(path, choice=Choice(trades=True, keep_days=2, keep_mib=1))
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
