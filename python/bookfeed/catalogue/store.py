"""The local catalogue: what venues listed, when it was first and last seen, and how it ended.

One SQLite file, readable by its owner alone, used by one thread of its own; several processes may
share it. It answers while a venue does not, and it is the table of labels for research::

    async with Store() as store, Catalogue(store=store) as catalogue:
        await catalogue.markets("btc-updown-15m")
        labels = await store.labels(series="btc-up-or-down-15m")
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

from bookfeed.catalogue import part, stored
from bookfeed.catalogue.changes import Change, changes, merged
from bookfeed.catalogue.fields import Malformed, plain
from bookfeed.catalogue.listing import ListedEvent, Listing, Strike
from bookfeed.catalogue.source import Measure
from bookfeed.catalogue.windows import windows_named
from bookfeed.errors import CatalogueError

T = TypeVar("T")

VERSION: Final = 1
"""Of the tables; a file of a later version is refused."""

_BUSY_S: Final = 5.0
_OWNER: Final = 0o600
_OWNER_DIRECTORY: Final = 0o700
_ENDED: Final = ("closed", "settled")

_TABLES: Final = """
CREATE TABLE market (
    venue TEXT NOT NULL, slug TEXT NOT NULL, close_part INTEGER NOT NULL,
    market TEXT NOT NULL, event TEXT NOT NULL, series TEXT NOT NULL, title TEXT NOT NULL,
    status TEXT NOT NULL, close_ts INTEGER, volume_24h TEXT, volume TEXT, liquidity TEXT,
    first_ts INTEGER NOT NULL, seen_ts INTEGER NOT NULL, decided_ts INTEGER, witness TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (venue, slug, close_part)
);
CREATE INDEX market_by_id ON market (venue, market);
CREATE INDEX market_by_event ON market (venue, event);
CREATE INDEX market_by_series ON market (venue, series, close_ts);
CREATE TABLE symbol (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, slug TEXT NOT NULL, close_part INTEGER NOT NULL,
    PRIMARY KEY (venue, symbol, slug, close_part)
) WITHOUT ROWID;
CREATE TABLE event (
    venue TEXT NOT NULL, event TEXT NOT NULL, series TEXT NOT NULL, title TEXT NOT NULL,
    close_ts INTEGER, seen_ts INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (venue, event)
);
CREATE TABLE change (
    venue TEXT NOT NULL, slug TEXT NOT NULL, close_part INTEGER NOT NULL, ts INTEGER NOT NULL,
    field TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL
);
CREATE INDEX change_by_market ON change (venue, slug, ts);
"""


class Label(NamedTuple):
    """How one market ended, with what identifies it; times are Unix nanoseconds."""

    venue: str
    market: str
    slug: str
    title: str
    event: str
    series: str
    open_ts: int | None
    start_ts: int | None
    close_ts: int | None
    strike: Strike | None
    decided_by: Decimal | None
    """The value that was compared with the strike."""
    result: str | None
    """What came true, in the venue's word; ``None`` where payouts are shared."""
    outcomes: tuple[str, ...]
    payouts: tuple[Decimal | None, ...]
    """What a share of each outcome paid, in dollars."""
    first_ts: int
    """When the market was first seen here."""
    decided_ts: int
    """When its end was first seen here."""
    witness: str
    """Who told how it ended; ``""`` for the venue's listing."""


class Remembered(NamedTuple):
    """What a listing is compared with the last one of the same market."""

    listing: Listing
    new: bool
    """Whether it was never seen before."""
    changes: tuple[Change, ...]


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the catalogue is unless told otherwise: ``$XDG_DATA_HOME/bookfeed/catalogue.sqlite``,
    by default in ``~/.local/share``.
    """
    given = environ.get("XDG_DATA_HOME", "")
    # A relative one is to be passed over.
    home = Path(given) if given.startswith("/") else Path.home() / ".local" / "share"
    return home / "bookfeed" / "catalogue.sqlite"


class Store:
    """Keeps listings in ``path`` (by default ``default_path()``); opened when it is first used.

    Methods raise ``CatalogueError`` where the file cannot be used. ``close`` it, or use it as a
    context.
    """

    def __init__(
        self, path: str | Path | None = None, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.path: Final = default_path() if path is None else Path(path)
        self._now_ns: Final = now_ns
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="bookfeed-catalogue")
        self._opened: sqlite3.Connection | None = None

    # Keeping.

    async def remember(
        self, listings: Sequence[Listing], events: Sequence[ListedEvent] = (), *, witness: str = ""
    ) -> tuple[Remembered, ...]:
        """Keep what was listed now; says of each market what is new about it, in their order."""
        return await self._run(lambda db: self._remember(db, listings, events, witness))

    def _remember(
        self,
        db: sqlite3.Connection,
        listings: Sequence[Listing],
        events: Sequence[ListedEvent],
        witness: str,
    ) -> tuple[Remembered, ...]:
        now_ns = self._now_ns()
        found = []
        with db:
            db.execute("BEGIN IMMEDIATE")
            for listing in listings:
                found.append(_keep(db, listing, now_ns, witness))
            for event in events:
                db.execute(
                    "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        event.venue,
                        event.event,
                        event.series,
                        event.title,
                        event.close_ts,
                        now_ns,
                        stored.event_text(event),
                    ),
                )
        return tuple(found)

    # Asking.

    async def named(self, venue: str, name: str) -> tuple[Listing, ...]:
        """The markets of a slug, a ticker, an id, a symbol, or an event; the latest first."""
        wheres = (
            "slug = :name",
            "market = :name COLLATE NOCASE",
            "slug IN (SELECT slug FROM symbol WHERE venue = :venue AND symbol = :name)",
            "event = :name",
        )
        for where in wheres:
            found = await self.found(where, {"venue": venue, "name": name})
            if found:
                return found
        return ()

    async def of_series(self, venue: str, series: str, *, closed: bool) -> tuple[Listing, ...]:
        """The markets of a series that are traded still, or that are not."""
        where = f"series = :series AND {self._ended(closed)}"
        return await self.found(where, {"venue": venue, "series": series})

    async def open_markets(
        self, venue: str, words: Sequence[str] = (), *, by: Measure = "volume_24h"
    ) -> tuple[Listing, ...]:
        """The markets that are traded as far as is known, with all of the words in what they are
        called; those with the highest volume first.
        """
        values = {"venue": venue, **{f"word{at}": _like(word) for at, word in enumerate(words)}}
        likes = [
            f"(title LIKE :word{at} ESCAPE '!' OR slug LIKE :word{at} ESCAPE '!')"
            for at in range(len(words))
        ]
        where = " AND ".join([self._ended(False), *likes])
        return await self.found(where, values, f"CAST({by} AS REAL) DESC")

    async def closed_markets(self, venue: str) -> tuple[Listing, ...]:
        """The markets that are traded no more; those that ended last first."""
        return await self.found(self._ended(True), {"venue": venue}, "close_ts DESC, slug")

    async def ending(self, venue: str, end_ts: int) -> tuple[Listing, ...]:
        """The markets that end at that time."""
        return await self.found("close_ts = :end", {"venue": venue, "end": end_ts})

    async def events_named(self, venue: str, names: Iterable[str]) -> dict[str, ListedEvent]:
        """Events by their names, without their markets; those that are not known are left out."""

        def ask(db: sqlite3.Connection) -> dict[str, ListedEvent]:
            found = {}
            for name in dict.fromkeys(names):
                row = db.execute(
                    "SELECT body FROM event WHERE venue = ? AND event = ?", (venue, name)
                ).fetchone()
                if row is not None:
                    found[name] = stored.event_of(row[0])
            return found

        return await self._run(ask)

    async def labels(
        self,
        *,
        venue: str | None = None,
        series: str | None = None,
        since_ts: int | None = None,
        until_ts: int | None = None,
    ) -> tuple[Label, ...]:
        """How markets ended, by their ends, the earliest first.

        ``since_ts`` and ``until_ts`` bound when they closed by their listing, Unix nanoseconds, the
        latter exclusive. Markets of which the end is not known are left out.
        """
        wheres, values = ["decided_ts IS NOT NULL"], dict[str, Any]()
        for where, name, value in (
            ("venue = :venue", "venue", venue),
            ("series = :series", "series", series),
            ("close_ts >= :since", "since", since_ts),
            ("close_ts < :until", "until", until_ts),
        ):
            if value is not None:
                wheres.append(where)
                values[name] = value

        columns = "body, first_ts, decided_ts, witness"
        sql = f"SELECT {columns} FROM market WHERE {' AND '.join(wheres)} ORDER BY close_ts, slug"  # noqa: S608 (no user's text)

        def ask(db: sqlite3.Connection) -> tuple[Label, ...]:
            rows = db.execute(sql, values)
            return tuple(_label(stored.listing_of(body), *rest) for body, *rest in rows)

        return await self._run(ask)

    async def history(self, venue: str, slug: str) -> tuple[tuple[int, str, str, str], ...]:
        """What of a market changed: when it was seen, the field, and both values as text."""
        sql = "SELECT ts, field, before, after FROM change WHERE venue = ? AND slug = ? ORDER BY ts"
        return await self._run(lambda db: tuple(db.execute(sql, (venue, slug))))

    async def found(
        self, where: str, values: Mapping[str, Any], order: str = "close_part DESC, slug"
    ) -> tuple[Listing, ...]:
        """The markets of a venue that fit a condition in SQL, with its values."""
        sql = f"SELECT body FROM market WHERE venue = :venue AND {where} ORDER BY {order}"  # noqa: S608 (no user's text)
        return await self._run(
            lambda db: tuple(stored.listing_of(row[0]) for row in db.execute(sql, dict(values)))
        )

    def _ended(self, closed: bool) -> str:
        ended = f"(status IN {_ENDED!r} OR close_ts <= {self._now_ns()})"
        return ended if closed else f"NOT coalesce({ended}, 0)"

    # The file.

    async def close(self) -> None:
        """Close the file; safe to call again."""
        if self._opened is not None:
            await self._run(self._close)
        self._thread.shutdown()

    def _close(self, db: sqlite3.Connection) -> None:
        db.close()
        self._opened = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work on the file in its thread."""

        def do() -> T:
            if self._opened is None:
                self._opened = _open(self.path)
            return work(self._opened)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do)
        # The last of them where no thread is to be had.
        except (sqlite3.Error, OSError, RuntimeError) as error:
            problem = "cannot be used: give another file, or move this one away"
            raise CatalogueError(f"{self.path} {problem} ({error})") from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=_OWNER_DIRECTORY, parents=True, exist_ok=True)
    # Made here, so that it is never anybody else's to read.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER))
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise sqlite3.DatabaseError(f"a later bookfeed made it: version {version}")
        if version < VERSION:
            _make(db)
    except BaseException:
        db.close()
        raise
    return db


def _make(db: sqlite3.Connection) -> None:
    with db:
        db.execute("BEGIN IMMEDIATE")
        # Another process may have been first.
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in filter(str.strip, _TABLES.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


def _keep(db: sqlite3.Connection, listing: Listing, now_ns: int, witness: str) -> Remembered:
    key = listing.venue, listing.slug, close_part(listing)
    row = db.execute(
        "SELECT body, first_ts, decided_ts, witness FROM market"
        " WHERE venue = ? AND slug = ? AND close_part = ?",
        key,
    ).fetchone()
    news: tuple[Change, ...] = ()
    first_ns, decided_ns, teller = (now_ns, None, witness) if row is None else row[1:]
    if row is not None and (before := _before(row[0])) is not None:
        news = changes(before, listing)
        listing = merged(before, listing)
    if decided_ns is None and listing.status == "settled":
        decided_ns, teller = now_ns, witness
    db.execute(
        "INSERT OR REPLACE INTO market VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *key,
            listing.market,
            listing.event,
            listing.series,
            f"{listing.title} {listing.subtitle}".strip(),
            listing.status,
            listing.close_ts,
            *(
                None if number is None else plain(number)
                for number in (listing.volume_24h, listing.volume, listing.liquidity)
            ),
            first_ns,
            now_ns,
            decided_ns,
            teller,
            stored.listing_text(listing),
        ),
    )
    symbols = [(listing.venue, one.symbol, *key[1:]) for one in listing.outcomes if one.symbol]
    db.executemany("INSERT OR IGNORE INTO symbol VALUES (?, ?, ?, ?)", symbols)
    db.executemany(
        "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(*key, now_ns, *one) for one in news],
    )
    return Remembered(listing, row is None, news)


def _before(body: str) -> Listing | None:
    """What was kept; ``None`` for what cannot be read, which is written anew."""
    try:
        return stored.listing_of(body)
    except Malformed:
        return None


def close_part(listing: Listing) -> int:
    """What tells markets of one name apart: their close, where clocks are put back; else 0."""
    if not listing.series or listing.close_ts is None:
        return 0
    grammar = part(listing.venue, "series").grammar(listing.series)
    named = () if grammar is None else windows_named(grammar, listing.slug)
    return listing.close_ts if len(named) > 1 else 0


def _like(word: str) -> str:
    for sign in "!%_":
        word = word.replace(sign, f"!{sign}")
    return f"%{word}%"


def _label(listing: Listing, first_ns: int, decided_ns: int, witness: str) -> Label:
    return Label(
        venue=listing.venue,
        market=listing.market,
        slug=listing.slug,
        title=listing.title,
        event=listing.event,
        series=listing.series,
        open_ts=listing.open_ts,
        start_ts=listing.start_ts,
        close_ts=listing.close_ts,
        strike=listing.strike,
        decided_by=listing.decided_by,
        result=listing.result,
        outcomes=tuple(one.name for one in listing.outcomes),
        payouts=tuple(one.payout for one in listing.outcomes),
        first_ts=first_ns,
        decided_ts=decided_ns,
        witness=witness,
    )
