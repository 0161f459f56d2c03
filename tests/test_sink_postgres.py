"""``postgres``: what can be asked afterwards, kills of the server, and what is kept."""

import asyncio
import random
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from services import KILLS, LOOPBACK, Service, free_port, program_of, running
from session_server import MARKET, YES, Server, book_frame
from sink_records import BOOK, TRADE, Records
from waiting import PATIENCE_S, until

from bookfeed import Batch, Engine, Feed, Names, Rule, SessionError, SinkOptions
from bookfeed.config import load
from bookfeed.errors import ConfigError
from bookfeed.sinks import NotTaken, SinkSet, postgres
from bookfeed.sinks.postgres import PostgresSection, PostgresSink
from bookfeed.sinks.tables import Choice

asyncpg = pytest.importorskip("asyncpg")

DAY_NS: Final = 86_400_000_000_000


# One server for all of them: to make one takes longer than they do.
pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture(scope="module")
def one_server() -> Iterator[Service]:
    """A PostgreSQL for all of these tests."""
    if program_of("postgres") is None:
        pytest.skip("postgres is not here: make services")
    with running("postgres") as service:
        yield service


@pytest.fixture
async def postgres_server(one_server: Service) -> Service:
    """The same, without what the test before has written."""
    made = await asyncpg.connect(one_server.url)
    await made.execute("DROP SCHEMA IF EXISTS bookfeed, mine CASCADE")
    await made.close()
    return one_server


@pytest.fixture
async def client(postgres_server: Service) -> AsyncIterator[Any]:
    """A client of its own, as somebody has who asks."""
    made = await asyncpg.connect(postgres_server.url)
    yield made
    await made.close()


def opened(service: Service, schema: str = "bookfeed", **options: Any) -> PostgresSink:
    sink = PostgresSink(service.url, schema=schema, choice=Choice(**options))
    sink.open(Names())
    return sink


async def test_what_happened_can_be_asked_for(
    postgres_server: Service, server: Server, client: Any
) -> None:
    rules = [Rule("spread", {"open": "0.01", "min_qty": "0"})]
    sinks = [PostgresSink(postgres_server.url)]
    before_ns = time.time_ns()
    async with Feed([MARKET], url=server.url, sinks=sinks, rules=rules) as feed:
        await feed.wait_live(PATIENCE_S)
        (await server.peer(0)).text(book_frame(YES, "0.45", "0.47"))
    asked = "SELECT state, cause, market FROM bookfeed.states WHERE symbol = $1 ORDER BY seq"
    states = [tuple(row) for row in await client.fetch(asked, YES)]
    assert ("live", "snapshot", "0xabc") in states
    assert states[-1] == ("stale", "disconnected", "0xabc")
    signals = await client.fetch(
        "SELECT phase, reason, signal_json->'legs'->0->>'venue' AS venue, ts_recv, ts_recv_ns"
        " FROM bookfeed.signals ORDER BY seq"
    )
    phases = [(row["phase"], row["reason"]) for row in signals]
    assert phases[0] == ("open", "none") and ("close", "not_live") in phases
    assert signals[0]["venue"] == "polymarket"
    for row in signals:
        # The same moment twice: exactly, and as a time by which tables can be divided.
        assert row["ts_recv"].timestamp() == pytest.approx(row["ts_recv_ns"] / 1e9, abs=2e-6)
        assert before_ns < row["ts_recv_ns"] < time.time_ns()
    assert await client.fetchval("SELECT count(*) FROM bookfeed.trades") == 0


async def test_trades_are_kept_if_wanted_and_runs_told_apart(
    postgres_server: Service, client: Any
) -> None:
    def play() -> None:
        for _ in range(2):
            sink = opened(postgres_server, trades=True, schema="mine")
            sink.write(Records().batch([(TRADE, 1), (TRADE, 2)]))
            sink.close()

    await asyncio.to_thread(play)
    counts = "SELECT count(*), count(DISTINCT run) FROM mine.trades"
    assert tuple(await client.fetchrow(counts)) == (4, 2)
    writes = await client.fetch("SELECT writes FROM mine.runs")
    assert [row["writes"] for row in writes] == [1, 1]


async def test_a_server_that_dies_loses_nothing_and_has_nothing_twice(
    postgres_server: Service,
) -> None:
    """It is killed at random moments while records come, and again while they wait."""
    rng, records = random.Random(11), Records()
    sink = PostgresSink(postgres_server.url, choice=Choice(trades=True))
    sinks = SinkSet([(sink, SinkOptions(close_timeout_s=30))], Names(), Engine())
    await sinks.open()

    async def trade(count: int) -> None:
        for _ in range(count):
            sinks.write(records.batch([(TRADE, number % 5) for number in range(rng.randint(1, 9))]))
            await asyncio.sleep(rng.random() * 0.01)

    for _ in range(KILLS):
        coming = asyncio.create_task(trade(40))
        await asyncio.sleep(rng.random() * 0.3)
        await asyncio.to_thread(postgres_server.kill)
        await coming
        await asyncio.to_thread(postgres_server.start)
    await until(lambda: sinks.status()[0].queued == 0)
    await sinks.close()
    (status,) = sinks.status()
    assert status.errors > 0, "it was noticed"
    assert (status.dropped, status.written) == (0, len(records.kinds))
    reader = await asyncpg.connect(postgres_server.url)
    rows = await reader.fetch("SELECT seq FROM bookfeed.trades ORDER BY seq")
    await reader.close()
    assert [row["seq"] for row in rows] == sorted(records.kinds)


def deafen(sink: PostgresSink) -> None:
    """Until it connects anew its transactions come through, and nobody hears of that."""
    link: Any = sink._link  # noqa: SLF001 - what it is connected by

    class Deaf:
        def __init__(self) -> None:
            self._inner = link.transaction()

        async def __aenter__(self) -> None:
            await self._inner.__aenter__()

        async def __aexit__(self, *found: object) -> None:
            await self._inner.__aexit__(*found)
            raise ConnectionResetError("lost")

    class Half:
        def __getattr__(self, name: str) -> Any:
            return Deaf if name == "transaction" else getattr(link, name)

    sink._link = Half()  # noqa: SLF001


async def test_a_write_whose_answer_was_lost_is_there_once(
    postgres_server: Service, client: Any
) -> None:
    sink = await asyncio.to_thread(opened, postgres_server, trades=True)
    records = Records()
    deafen(sink)
    batch = records.batch([(TRADE, 1)])
    with pytest.raises(NotTaken, match="lost"):
        await asyncio.to_thread(sink.write, batch)
    assert await client.fetchval("SELECT count(*) FROM bookfeed.trades") == 1
    await asyncio.to_thread(sink.write, batch)
    await asyncio.to_thread(sink.write, records.batch([(TRADE, 1)]))
    await asyncio.to_thread(sink.close)
    rows = await client.fetch("SELECT seq FROM bookfeed.trades")
    assert [row["seq"] for row in rows] == [1, 2]
    assert await client.fetchval("SELECT writes FROM bookfeed.runs") == 2


async def test_a_beat_whose_answer_was_lost_does_not_stand_for_the_batch_after_it(
    postgres_server: Service, client: Any
) -> None:
    """Prices that are due, of which nobody hears that they came; then a batch, and all is once."""
    sink = await asyncio.to_thread(opened, postgres_server, trades=True, prices_s=0.001)
    records = Records()
    await asyncio.to_thread(sink.write, records.batch([(BOOK, 1), (TRADE, 1)]))
    deafen(sink)
    with pytest.raises(NotTaken, match="lost"):
        await asyncio.to_thread(sink.beat)
    await asyncio.to_thread(sink.write, records.batch([(TRADE, 2)]))
    await asyncio.to_thread(sink.close)
    assert await client.fetchval("SELECT count(*) FROM bookfeed.prices") == 1
    rows = await client.fetch("SELECT seq FROM bookfeed.trades ORDER BY seq")
    assert [row["seq"] for row in rows] == [2, 3]


async def test_a_server_that_hangs_holds_up_nobody(
    postgres_server: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records()
    sinks = SinkSet(
        [PostgresSink(postgres_server.url, choice=Choice(trades=True))], Names(), Engine()
    )
    await sinks.open()
    monkeypatch.setattr(postgres, "TIMEOUT_S", 0.3)
    postgres_server.pause()
    sinks.write(records.batch([(TRADE, 1)]))
    await until(lambda: sinks.status()[0].state == "failing")
    assert "away" in sinks.status()[0].error
    postgres_server.resume()
    await until(lambda: sinks.status()[0].written == 1)
    await sinks.close()


async def test_what_can_never_be_written_is_dropped_and_the_rest_goes_on(
    postgres_server: Service, client: Any
) -> None:
    sink = await asyncio.to_thread(opened, postgres_server, trades=True)
    records = Records()
    await client.execute("ALTER TABLE bookfeed.trades ADD CHECK (seq <> 1)")
    with pytest.raises(asyncpg.CheckViolationError):
        await asyncio.to_thread(sink.write, records.batch([(TRADE, 1)]))
    await asyncio.to_thread(sink.write, records.batch([(TRADE, 1)]))
    await asyncio.to_thread(sink.close)
    rows = await client.fetch("SELECT seq FROM bookfeed.trades")
    assert [row["seq"] for row in rows] == [2]


async def test_what_is_too_old_or_too_much_goes(postgres_server: Service, client: Any) -> None:
    count = "SELECT count(*), min(seq) FROM bookfeed.trades"

    def old() -> PostgresSink:
        sink = opened(postgres_server, trades=True, keep_days=2, keep_mib=1)
        sink.write(Records().batch([(TRADE, 1)]))  # received at 0
        sink.trim(2 * DAY_NS)
        return sink

    sink = await asyncio.to_thread(old)
    assert tuple(await client.fetchrow(count)) == (1, 1)
    await asyncio.to_thread(sink.trim, 2 * DAY_NS + 1_000)
    assert tuple(await client.fetchrow(count)) == (0, None)

    def much() -> None:
        records = Records()
        for number in range(4):
            batch = records.batch([(TRADE, 1)] * 6_000)
            rows = batch.updates.copy()
            rows["ts_recv_ns"] = 1_000 * (number * 6_000 + 1 + np.arange(6_000))
            sink.write(Batch(rows.tobytes()))
        for _ in range(20):
            sink.trim(0)
        sink.close()

    await asyncio.to_thread(much)
    left, oldest = await client.fetchrow(count)
    assert 1_000 < left < 24_000 and oldest == 24_001 - left, "the oldest went"


async def test_letters_that_postgres_refuses_do_not_cost_a_row(
    postgres_server: Service, client: Any
) -> None:
    def play() -> None:
        sink = PostgresSink(postgres_server.url)
        names = Names()
        names.learn_rule(0, "a\0b")
        sink.open(names)
        sink.write(Records().batch([(-1, 1)]))
        sink.close()

    await asyncio.to_thread(play)
    row = await client.fetchrow("SELECT name, signal_json->>'name' AS same FROM bookfeed.signals")
    assert tuple(row) == ("a\ufffdb", "a\ufffdb")


async def test_two_feeds_may_open_the_same_tables_at_once(
    postgres_server: Service, client: Any
) -> None:
    both = [asyncio.to_thread(opened, postgres_server) for _ in range(4)]
    for sink in await asyncio.gather(*both):
        await asyncio.to_thread(sink.close)
    assert await client.fetchval("SELECT count(*) FROM bookfeed.runs") == 4


async def test_a_server_that_is_not_there_is_seen_at_once(server: Server) -> None:
    nowhere = PostgresSink(f"postgresql://me@{LOOPBACK}:{free_port()}/mine")
    with pytest.raises(SessionError, match="sink postgres_sink cannot be opened"):
        await Feed([MARKET], url=server.url, sinks=[nowhere]).open()


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Asks for a password in clear, and says it again in why it refuses it."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        length = int.from_bytes(await reader.readexactly(4))
        if length == 8:  # whether there is TLS
            await reader.readexactly(4)
            writer.write(b"N")
            length = int.from_bytes(await reader.readexactly(4))
        await reader.readexactly(length - 4)
        writer.write(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
        await reader.readexactly(1)
        length = int.from_bytes(await reader.readexactly(4))
        password = (await reader.readexactly(length - 4)).rstrip(b"\0")
        told = b"SFATAL\0C28P01\0Mno such password: " + password + b"\0\0"
        writer.write(b"E" + (len(told) + 4).to_bytes(4) + told)
        await writer.drain()
    writer.close()


async def test_a_password_that_postgres_says_again_is_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrong-7391")
    door = await asyncio.start_server(refusing, LOOPBACK, 0)
    port = door.sockets[0].getsockname()[1]
    sink = PostgresSink(f"postgresql://me@{LOOPBACK}:{port}/mine")
    async with door:
        with pytest.raises(SessionError, match="sink postgres_sink cannot be opened") as refused:
            await Feed([MARKET], url=server.url, sinks=[sink]).open()
    shown = "".join(traceback.format_exception(refused.value))
    assert "no such password" in shown, "it was asked for one"
    assert "wrong-7391" not in shown + caplog.text + repr(sink)


def test_what_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "postgres.toml"
    path.write_text(
        '[[sink]]\nkind = "postgres"\nurl = "postgresql://me@db/mine?sslmode=require"\n'
    )
    (section,) = load(path).sink
    assert isinstance(section, PostgresSection)
    assert isinstance(section.sink(), PostgresSink)
    for line, problem in (
        ('url = "postgresql://me:secret-1@host/db"', "PGPASSWORD"),
        ('url = "postgresql://me@host/db?password=secret-1"', "PGPASSWORD"),
        ('url = "mysql://host"', "postgresql://"),
        ('schema = "a; DROP"', "a-z"),
        ("keep_days = -1", "0 to 36500"),
    ):
        path.write_text(f'[[sink]]\nkind = "postgres"\n{line}\n')
        with pytest.raises(ConfigError) as refused:
            load(path)
        assert problem in str(refused.value)
        assert "secret-1" not in str(refused.value)
