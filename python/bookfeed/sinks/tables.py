"""The tables that databases keep: their columns, and the rows that records come to.

Numbers are exact integers, with their unit at the end of the column's name, so that one column is
the same in every database; absent is NULL. ``sqlite.py`` and ``postgres.py`` write them, and
``sampling.py`` says which books are looked at when.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
import orjson

from bookfeed._bookfeed import UPDATE_KINDS, Batch
from bookfeed.names import Names, name_of
from bookfeed.records import Signal, Update, signals, updates
from bookfeed.records.objects import BELIEVED, book_object, signal_object
from bookfeed.schema import Range
from bookfeed.sinks.base import Books, SinkSection, Source
from bookfeed.sinks.sampling import Sampling

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]
Kind = Literal["integer", "flag", "json", "text"]

TIME: Final = "ts_recv_ns"
NOTED_MAX: Final = 10_000
"""So many fills and alerts wait at most until they are written."""

_BOOK: Final = ("venue", "market", "outcome", "symbol", "epoch", "state", "cause")
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "signals": (
        "run", "seq", TIME, "ts_open_ns", "id", "rule", "rule_id", "name", "phase", "reason",
        "direction", "qty_e8", "gross_edge_e9", "net_edge_e9", "peak_edge_e9", "fee_e9",
        "capital_e9", "signal_json",
    ),
    "states": ("run", "seq", TIME, *_BOOK),
    "results": ("run", "seq", TIME, "ts_event_ns", *_BOOK, "payout_e9"),
    "trades": (
        "run", "seq", TIME, "ts_event_ns", *_BOOK, "price_e9", "qty_e8", "aggressor", "off_book",
    ),
    "prices": (
        "run", "seq", TIME, "ts_event_ns", *_BOOK, "bid_e9", "bid_qty_e8", "ask_e9", "ask_qty_e8",
    ),
    "books": ("run", TIME, "ts_event_ns", *_BOOK, "book_json"),
    "fills": (
        "run", TIME, "ts_event_ns", "venue", "market", "symbol", "trade_id", "order_id", "ordinal",
        "side", "price_e9", "qty_e8", "fee_e9", "maker", "status", "source",
    ),
    "alerts": ("run", TIME, "kind", "name", "about", "text", "sent"),
}  # fmt: skip
"""The columns of each table, in their order; every one has ``ts_recv_ns``."""

_INTEGERS: Final = frozenset({"run", "seq", "id", "rule_id", "epoch", "ordinal"})
_FLAGS: Final = frozenset({"off_book", "maker", "sent"})
_NS_PER_S: Final = 1_000_000_000


def kind_of(column: str) -> Kind:
    """What a column holds."""
    if column in _FLAGS:
        return "flag"
    if column in _INTEGERS or column.endswith(("_ns", "_e9", "_e8")):
        return "integer"
    return "json" if column.endswith("_json") else "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is kept besides signals, states, results, fills and alerts, and for how long.

    ``prices_s`` and ``books_s`` are seconds: how each book stood at the end of every such interval
    in which it changed, its touch or ``depth`` levels a side; 0 keeps none. ``keep_days`` and
    ``keep_mib`` bound what is held, 0 does not.
    """

    trades: bool = False
    prices_s: float = 0.0
    books_s: float = 0.0
    depth: int = 10
    keep_days: float = 0.0
    keep_mib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSection(SinkSection):
    """What every ``[[sink]]`` has that is a database."""

    trades: bool = False
    prices_s: Annotated[float, Range(0, 86_400)] = 0.0
    books_s: Annotated[float, Range(0, 86_400)] = 0.0
    depth: Annotated[int, Range(1, 5_000)] = 10
    keep_days: Annotated[float, Range(0, 36_500)] = 0.0
    keep_mib: Annotated[int, Range(0, 1 << 30)] = 0

    @property
    def choice(self) -> Choice:
        """What is kept, and for how long."""
        return Choice(
            trades=self.trades,
            prices_s=self.prices_s,
            books_s=self.books_s,
            depth=self.depth,
            keep_days=self.keep_days,
            keep_mib=self.keep_mib,
        )


class Rowing:
    """Makes rows of what is told in one run: from when a sink was opened until it closes.

    ``rows`` is asked as often as it takes to write a batch, and ``wrote`` says that it is done.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice: Final = choice
        kinds = ["state", "resolved", *(["trade"] if choice.trades else [])]
        self._wanted: Final = np.array([kind in kinds for kind in UPDATE_KINDS])
        self._prices: Final = Sampling(int(choice.prices_s * _NS_PER_S))
        self._ladders: Final = Sampling(int(choice.books_s * _NS_PER_S))
        self._books: Books = lambda _: None
        self._names = Names()
        self.run = 0
        # What the feed's loop has told, and rows that come of no batch alone.
        self._noted: Final[deque[tuple[str, Mapping[str, Any]]]] = deque(maxlen=NOTED_MAX)
        self._due: Final[Rows] = {}
        self._sampled: Batch | None = None

    def read_books(self, books: Books) -> None:
        """Remember how books are read."""
        self._books = books

    def attach(self, source: Source) -> None:
        """Hear of fills and alerts from now on."""
        source.fills(lambda told: self._noted.append(("fills", told)))
        source.alerts(lambda told: self._noted.append(("alerts", told)))

    def begin(self, names: Names) -> None:
        """A run begins."""
        self._names, self.run = names, time.time_ns()

    def rows(self, batch: Batch | None, now_ns: int | None = None) -> Rows:
        """The rows that a batch comes to, and what else is due; tables without any are left out.

        Without a batch what is due at ``now_ns``, or, without that either, whatever is there.
        """
        if batch is None:
            self._sample(self._prices.due(now_ns), self._ladders.due(now_ns))
        elif batch is not self._sampled:
            self._sampled = batch
            self._sample(self._prices.take(batch), self._ladders.take(batch))
        while self._noted:
            table, told = self._noted.popleft()
            note = {"run": self.run, **told}
            self._put(table, tuple(note[column] for column in TABLES[table]))
        found = {table: list(rows) for table, rows in self._due.items() if rows}
        if batch is not None:
            for table, row in self._of(batch):
                found.setdefault(table, []).append(row)
        return found

    def wrote(self, rows: Rows) -> None:
        """These rows are written, or never will be."""
        for table, due in self._due.items():
            del due[: len(rows.get(table, ()))]

    def _of(self, batch: Batch) -> "list[tuple[str, Row]]":
        # Most records are of books, and of those no object is made.
        told = batch.updates[self._wanted[batch.updates["kind"]]]
        found = []
        for update in updates(Batch(told.tobytes()), self._names) if len(told) else ():
            if update.kind == "state":
                found.append(("states", (*self._head(update), *self._book(update))))
            elif update.kind == "resolved":
                row = (*self._head(update), update.ts_event, *self._book(update), update.price_e9)
                found.append(("results", row))
            else:
                found.append(("trades", self._trade(update)))
        return found + [("signals", self._signal(one)) for one in signals(batch, self._names)]

    def _sample(self, prices: list[bytes], ladders: list[bytes]) -> None:
        for data in prices:
            self._put("prices", self._price(Update.from_bytes(data, 0, self._names)))
        told = [Update.from_bytes(data, 0, self._names) for data in ladders]
        # Of several intervals at once there is but one book to be read.
        for update in {one.instrument: one for one in told}.values():
            row = self._ladder(update)
            if row is not None:
                self._put("books", row)

    def _put(self, table: str, row: Row) -> None:
        self._due.setdefault(table, []).append(row)

    # Rows.

    def _head(self, update: Update) -> Row:
        return (self.run, update.seq, update.ts_recv)

    def _book(self, update: Update) -> Row:
        name = name_of(self._names, update.instrument)
        return (
            name.venue, name.market, name.outcome, name.symbol, update.epoch, update.state,
            update.cause,
        )  # fmt: skip

    def _trade(self, update: Update) -> Row:
        return (
            *self._head(update), update.ts_event, *self._book(update), update.price_e9,
            update.qty_e8, update.aggressor, update.off_book,
        )  # fmt: skip

    def _price(self, update: Update) -> Row:
        """A touch; of a book that may not be believed its state alone."""
        touch = (update.bid_e9, update.bid_qty_e8, update.ask_e9, update.ask_qty_e8)
        told = touch if update.state in BELIEVED else (None,) * len(touch)
        return (*self._head(update), update.ts_event, *self._book(update), *told)

    def _ladder(self, update: Update) -> Row | None:
        """A book as it stands by now; ``None`` if it is gone."""
        book = self._books(update.instrument)
        if book is None:
            return None
        name = name_of(self._names, update.instrument)
        told = orjson.dumps(book_object(book, name, self._choice.depth)).decode()
        ts_recv = update.ts_recv if book.ts_recv is None else book.ts_recv
        return (
            self.run, ts_recv, book.ts_event, name.venue, name.market, name.outcome, name.symbol,
            book.epoch, book.state, book.cause, told,
        )  # fmt: skip

    def _signal(self, signal: Signal) -> Row:
        return (
            self.run, signal.seq, signal.ts_recv, signal.ts_open, signal.id, signal.rule,
            signal.rule_id, signal.name, signal.phase, signal.reason, signal.direction,
            signal.qty_e8, signal.gross_edge_e9, signal.net_edge_e9, signal.peak_edge_e9,
            signal.fee_e9, signal.capital_e9, orjson.dumps(signal_object(signal)).decode(),
        )  # fmt: skip
