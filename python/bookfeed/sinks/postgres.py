"""``postgres``: what happened, in tables of a PostgreSQL.

Each write is one transaction of COPYs, which also counts itself in the table ``runs``. So a write
whose answer was lost is neither lost nor there twice: whoever is connected again asks how many
there are. While the server is away records wait in the sink's queue. ``tables.py`` has the tables;
here each begins with ``ts_recv``, a time by which PostgreSQL and TimescaleDB can divide it.
"""

import asyncio
import os
import re
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

from bookfeed._bookfeed import Batch
from bookfeed.errors import ConfigError
from bookfeed.names import Names
from bookfeed.schema import Text, Url
from bookfeed.sinks.base import Books, NotTaken, Source
from bookfeed.sinks.tables import (
    TABLES,
    TIME,
    Choice,
    DatabaseSection,
    Kind,
    Row,
    Rowing,
    Rows,
    kind_of,
)
from bookfeed.venues.secret import Secret, found_in

if TYPE_CHECKING:
    from asyncpg import Connection

SCHEMA: Final = "bookfeed"
# How long the server may take for one thing; then a connection is made anew.
TIMEOUT_S: Final = 5.0
# How far apart the times are at which what is too old or too much is removed.
TRIM_EVERY_S: Final = 60.0
# So many rows of a table are removed at once at most, so that records need not wait long.
TRIM_ROWS: Final = 50_000
# Of tables that hold too much, so great a part goes at once: the oldest rows.
TRIMMED_PART: Final = 10
# So often in a row an error is taken for the end of a connection that does not say what it is.
STRANGE_MAX: Final = 5
# What a row takes besides its columns: its head, and its place in the index.
ROW_BYTES: Final = 52

_NAME: Final = r"[a-z_][a-z0-9_]{0,62}"
_NAME_WORDS: Final = "1 to 63 of a-z 0-9 _, no digit first"
_TYPES: Final[dict[Kind, str]] = {
    "integer": "bigint", "flag": "boolean", "json": "jsonb", "text": "text",
}  # fmt: skip
# What a server says that cannot do it now, but may be able to soon: connection, resources, an
# operator, a transaction that another one ended, a standby that takes no writes yet.
_LATER: Final = ("08", "25", "40", "53", "55", "57")
_NS_PER_S: Final = 1_000_000_000
_MIB: Final = 1 << 20
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSection(DatabaseSection):
    """``[[sink]]`` with ``kind = "postgres"``: what happened, in a PostgreSQL."""

    kind: Literal["postgres"]
    url: Annotated[str, Url(("postgresql", "postgres"))] = "postgresql://127.0.0.1:5432/postgres"
    schema: Annotated[str, Text(_NAME, _NAME_WORDS)] = SCHEMA

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.password is not None or "password" in parse_qs(parts.query):
            problem = "must not hold a password: export PGPASSWORD or PGPASSWORD_FILE"
            raise ConfigError("", "url", problem)

    def sink(self) -> "PostgresSink":
        """The sink itself, not open yet."""
        return PostgresSink(self.url, schema=self.schema, choice=self.choice)


class _Attempt(NamedTuple):
    """A write of which it is not known whether it came."""

    number: int
    rows: Rows
    batch: Batch | None


class PostgresSink:
    """Adds signals, states, results, fills and what is of ``choice`` to tables at ``url``.

    They are in ``schema``. Its user is that of ``url``, or ``PGUSER``; the password is
    ``PGPASSWORD``, or in the file ``PGPASSWORD_FILE``, or in ``~/.pgpass``.

    Raises ``ValueError`` if the package asyncpg is not installed; ``open`` raises its errors if the
    server is not there or refuses. ``write`` raises ``NotTaken`` while it is away.
    """

    def __init__(self, url: str, *, schema: str = SCHEMA, choice: Choice | None = None) -> None:
        try:
            import asyncpg  # noqa: F401 - whether it is there
        except ImportError:
            raise ValueError(
                "a sink for PostgreSQL needs the package asyncpg: pip install 'bookfeed[postgres]'"
            ) from None
        if not re.fullmatch(_NAME, schema):
            raise ValueError(f"schema must be {_NAME_WORDS}, not {schema!r}")
        self._url: Final = url
        self._schema: Final = schema
        self._choice: Final = choice or Choice()
        self._rowing: Final = Rowing(self._choice)
        self._password: Final[Secret | None] = found_in(os.environ, ["PGPASSWORD"])[1]
        # How many writes of this run are in the tables.
        self._writes = 0
        self._attempt: _Attempt | None = None
        self._strange = 0
        self._trimmed_s = time.monotonic()
        self._runner: asyncio.Runner | None = None
        self._link: Connection[Any] | None = None

    def read_books(self, books: Books) -> None:
        """Remember how books are read."""
        self._rowing.read_books(books)

    def attach(self, source: Source) -> None:
        """Hear of fills."""
        self._rowing.attach(source)

    def open(self, names: Names) -> None:
        """Connect, and make what is missing."""
        self._rowing.begin(names)
        self._writes, self._attempt = 0, None
        self._runner = asyncio.Runner()
        try:
            self._runner.run(self._connected())
        except BaseException:
            self.close()
            raise

    def write(self, batch: Batch) -> None:
        """Add what a batch has, or nothing of it."""
        self._asked(self._write(batch, None))

    def beat(self) -> None:
        """Add what is due; once a minute remove what is not to be kept, at once if it is much."""
        if self._link is None:
            return  # whoever writes next sees whether there is one again
        self._asked(self._write(None, time.time_ns()))
        if time.monotonic() - self._trimmed_s >= TRIM_EVERY_S and not self.trim(time.time_ns()):
            self._trimmed_s = time.monotonic()

    def trim(self, now_ns: int) -> bool:
        """Remove a piece of what is not to be kept; whether there is more that is too old."""
        return self._asked(self._trim(now_ns))

    def close(self) -> None:
        """Add what is left, and let go of the connection."""
        try:
            if self._link is not None:
                self._asked(self._write(None, None))
        finally:
            runner, self._runner = self._runner, None
            if runner is not None:
                runner.run(self._let_go())
                runner.close()

    def _asked(self, coroutine: "Coroutine[Any, Any, _Answer]") -> "_Answer":
        """What the server answers; ``NotTaken`` if it is away."""
        assert self._runner is not None, "open comes first"
        import asyncpg

        away = "PostgreSQL is away"
        try:
            answer = self._runner.run(coroutine)
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise NotTaken(f"{away}: {type(error).__name__}: {error}") from error
        except asyncpg.InternalClientError as error:
            # What a connection says that ended in the middle of a COPY; but not for ever.
            self._strange += 1
            if self._strange > STRANGE_MAX:
                raise
            raise NotTaken(f"{away}: {error}") from error
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "").startswith(_LATER):
                raise NotTaken(f"PostgreSQL cannot now: {error}") from error
            if self._attempt is not None:
                # It would be refused again, and all that comes with it.
                self._rowing.wrote(self._attempt.rows)
                self._attempt = None
            raise
        self._strange = 0
        return answer

    async def _connected(self) -> "Connection[Any]":
        """The connection; a new one if there is none, and then it is asked what has come."""
        if self._link is not None and not self._link.is_closed():
            return self._link
        import asyncpg

        password = None if self._password is None else self._password.reveal()
        try:
            self._link = await asyncpg.connect(
                self._url,
                password=password,
                timeout=TIMEOUT_S,
                command_timeout=TIMEOUT_S,
                server_settings={"application_name": "bookfeed"},
            )
        except asyncpg.PostgresError as error:
            if password is None or password not in str(error):
                raise
            # A server may say what it was told, and errors are logged.
            raise type(error)(str(error).replace(password, "…")) from None
        try:
            await self._prepare(self._link)
            count = f"SELECT writes FROM {self._schema}.runs WHERE run = $1"  # noqa: S608
            self._writes = await self._link.fetchval(count, self._rowing.run)
        except BaseException:
            await self._let_go()
            raise
        return self._link

    async def _prepare(self, link: "Connection[Any]") -> None:
        """Make what is missing, one feed after the other: two at once would collide."""
        async with link.transaction():
            await link.execute(f"SELECT pg_advisory_xact_lock(hashtext('{self._schema}'))")
            # Not before it is looked: who may not make a schema may use one that is there.
            there = await link.fetchval(
                "SELECT 1 FROM pg_namespace WHERE nspname = $1", self._schema
            )
            if not there:
                await link.execute(f"CREATE SCHEMA {self._schema}")
            await link.execute(
                f"CREATE TABLE IF NOT EXISTS {self._schema}.runs"
                " (run bigint PRIMARY KEY, ts_opened timestamptz NOT NULL, writes bigint NOT NULL)"
            )
            for table, columns in TABLES.items():
                typed = ", ".join(f"{column} {_TYPES[kind_of(column)]}" for column in columns)
                await link.execute(
                    f"CREATE TABLE IF NOT EXISTS {self._schema}.{table}"
                    f" (ts_recv timestamptz NOT NULL, {typed})"
                )
                await link.execute(
                    f"CREATE INDEX IF NOT EXISTS {table}_by_time"
                    f" ON {self._schema}.{table} (ts_recv)"
                )
            await link.execute(
                f"INSERT INTO {self._schema}.runs VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",  # noqa: S608
                self._rowing.run,
                _time(self._rowing.run),
            )

    async def _write(self, batch: Batch | None, now_ns: int | None) -> None:
        try:
            link = await self._connected()
            attempt, self._attempt = self._attempt, None
            if attempt is not None and self._writes >= attempt.number:
                # It had come: its answer was lost.
                self._rowing.wrote(attempt.rows)
                if batch is not None and batch is attempt.batch:
                    return
            rows = self._rowing.rows(batch, now_ns)
            if rows:
                self._attempt = _Attempt(self._writes + 1, rows, batch)
                await self._add(link, self._attempt)
                self._writes += 1
                self._attempt = None
                self._rowing.wrote(rows)
        except BaseException:
            # Whatever it was, the next one is to begin with a question for what has come.
            await self._let_go()
            raise

    async def _add(self, link: "Connection[Any]", attempt: _Attempt) -> None:
        """Add rows, and that this was done, in one transaction."""
        async with asyncio.timeout(TIMEOUT_S), link.transaction():
            for table, added in attempt.rows.items():
                await link.copy_records_to_table(
                    table,
                    schema_name=self._schema,
                    columns=["ts_recv", *TABLES[table]],
                    records=[_row(table, row) for row in added],
                )
            await link.execute(
                f"UPDATE {self._schema}.runs SET writes = $2 WHERE run = $1",  # noqa: S608
                self._rowing.run,
                attempt.number,
            )

    async def _trim(self, now_ns: int) -> bool:
        try:
            link, more = await self._connected(), False
            if self._choice.keep_days:
                until = _time(now_ns) - timedelta(days=self._choice.keep_days)
                for table in TABLES:
                    more |= await self._remove(link, table, until, TRIM_ROWS) >= TRIM_ROWS
            if self._choice.keep_mib:
                counts = {table: await self._held(link, table) for table in TABLES}
                if sum(held for _, held in counts.values()) > self._choice.keep_mib * _MIB:
                    for table, (count, _) in counts.items():
                        part = -(-count // TRIMMED_PART)
                        await self._remove(link, table, None, min(part, TRIM_ROWS))
        except BaseException:
            await self._let_go()
            raise
        return more

    async def _remove(
        self, link: "Connection[Any]", table: str, until: datetime | None, count: int
    ) -> int:
        """Remove the ``count`` oldest rows, and those received with them; how many went.

        Those alone that were received before ``until``, if it is given.
        """
        place = f"{self._schema}.{table}"
        if not count:
            return 0
        # By time, not by place: in TimescaleDB a table is many, and places are those of each.
        last = f"SELECT ts_recv FROM {place} ORDER BY ts_recv LIMIT 1 OFFSET $2"  # noqa: S608
        gone = await link.execute(
            f"DELETE FROM {place} WHERE ts_recv < coalesce($1::timestamptz, 'infinity')"  # noqa: S608
            f" AND ts_recv <= coalesce(({last}), 'infinity')",
            until,
            count - 1,
        )
        return int(gone.rpartition(" ")[2])

    async def _held(self, link: "Connection[Any]", table: str) -> tuple[int, int]:
        """About how many rows a table has, and how many bytes they take."""
        place = f"{self._schema}.{table}"
        await link.execute(f"ANALYZE {place}")
        rows = "SELECT reltuples::bigint FROM pg_class WHERE oid = $1::text::regclass"
        count = int(await link.fetchval(rows, place))
        newest = f"SELECT * FROM {place} ORDER BY ts_recv DESC LIMIT 1000"  # noqa: S608
        size = await link.fetchval(f"SELECT avg(pg_column_size(one)) FROM ({newest}) one")  # noqa: S608
        return max(count, 0), max(count, 0) * (int(size or 0) + ROW_BYTES)

    async def _let_go(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.terminate()


def _row(table: str, row: Row) -> Row:
    """A row as PostgreSQL takes it: with its time, and without the one letter that it refuses."""
    received = row[TABLES[table].index(TIME)]
    return (_time(received), *(_text(one) if isinstance(one, str) else one for one in row))


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").replace("\\u0000", "\\ufffd")


def _time(ts_ns: int) -> datetime:
    """A time in microseconds, as it is held there."""
    seconds, rest = divmod(ts_ns, _NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest // 1_000)
