"""The books of a live feed: how they and their connections are, waiting for them, asking anew."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Final, TypeVar

from bookfeed._bookfeed import Batch, BookView
from bookfeed.clock import Clock
from bookfeed.dispatch.dispatcher import Dispatcher
from bookfeed.dispatch.filters import Symbols
from bookfeed.dispatch.streams import Stream
from bookfeed.errors import EngineError, SessionError
from bookfeed.feed.lines import FeedLog
from bookfeed.feed.quotes import UserQuotes
from bookfeed.feed.source import BookSource
from bookfeed.live.recovery.absent import in_words
from bookfeed.live.session import Session
from bookfeed.live.supervisor import Supervisor
from bookfeed.market import Market
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records import Update
from bookfeed.sinks import SinkSet
from bookfeed.status import BookStatus, ConnectionStatus, FeedStatus, book_status
from bookfeed.venues import user, user_quote
from bookfeed.venues.user_quote import Number

T = TypeVar("T")

# Quotes may depend on quotes, but a listener that hears its own would never come to an end.
ANSWERS_MAX: Final = 16


class LiveBooks(BookSource):
    """What a feed knows of its books while it is open; the base of ``Feed``."""

    def __init__(
        self, inputs: EngineInput, dispatcher: Dispatcher, sinks: SinkSet, clock: Clock
    ) -> None:
        super().__init__(inputs, dispatcher, sinks)
        self._clock: Final = clock
        # Numbers of connections, shared by all venues.
        self._conns: Final = count()
        self._quotes: Final = UserQuotes(inputs, clock, self._conns)
        self._supervisors: Final[list[Supervisor]] = []
        self._supervisor_of: Final[dict[int, Supervisor]] = {}
        self._not_live: Final[set[int]] = set()
        # Set whenever a book changed its state, or the feed ended.
        self._changed: asyncio.Event | None = None
        self._log: Final = FeedLog(inputs.names)
        self._opened = False
        self._closed = False
        # What ended a feed that has no connections.
        self._failure: BaseException | None = None

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("the feed was closed")
        if not self._opened:
            raise SessionError("the feed is not open: open it with `async with feed`, or open()")

    def _begin(self, stream: Stream[T]) -> Stream[T]:
        failure = self.failure
        if failure is not None or self._closed:
            stream.end(failure)
        return stream

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed, or ``None``; a lost connection does not end it."""
        found = (s.failure for s in self._supervisors if s.failure is not None)
        return next(found, self._failure)

    def _has(self, instrument: int) -> bool:
        return instrument in self._supervisor_of or instrument in self._quotes

    def conn_of(self) -> dict[int, int]:
        """Return the number of the connection of each book that somebody is connected for."""
        return {i: conn for s in self._supervisors for i, conn in s.conn_of().items()}

    def connection_statuses(self) -> Iterator[ConnectionStatus]:
        """How each connection is, one at a time, for who cannot wait for all of them."""
        for supervisor in self._supervisors:
            for session in tuple(supervisor.sessions):
                yield self._connection(supervisor, session)

    def status(self) -> FeedStatus:
        """Return how the feed, its connections and its books are now; never waits.

        The user's own quotes are among the books; nobody is connected for them.
        """
        conn_of: dict[int, int] = {}
        connections: list[ConnectionStatus] = []
        for supervisor in self._supervisors:
            connections += (self._connection(supervisor, s) for s in supervisor.sessions)
            conn_of |= supervisor.conn_of()
        now_ns, failure = self._clock.now_ns(), self.failure
        return FeedStatus(
            running=self._opened and not self._closed and failure is None,
            failure=failure,
            connections=tuple(sorted(connections, key=lambda one: one.conn)),
            books=tuple(
                book_status(self._engine.book(i), conn_of.get(i), now_ns)
                for i in sorted(conn_of.keys() | self._quotes.instruments)
            ),
        )

    def witnesses(self) -> dict[int, dict[str, dict[str, int]]]:
        """Return what each source of evidence said, counted, by the number of the connection.

        The words are those of ``Engine.witnesses``; which venue it is says ``status()``.
        """
        conns = (session.conn for s in self._supervisors for session in s.sessions)
        return {conn: self._engine.witnesses(conn) for conn in conns}

    def unreached(self) -> dict[str, str]:
        """Return the venues of which no connection was ever open, and why the last attempt failed.

        A venue is not among them before an attempt has failed, nor if its books are polled.
        """
        found = {}
        for supervisor in self._supervisors:
            sessions = supervisor.sessions
            causes = [session.cause for session in sessions if session.cause]
            reached = supervisor.polls or any(session.counters.connects for session in sessions)
            if causes and not reached:
                found[supervisor.venue.name] = causes[-1]
        return found

    def _connection(self, supervisor: Supervisor, session: Session) -> ConnectionStatus:
        status, failure = supervisor.status(session), self.failure
        if failure is None:
            return status
        return replace(status, state="down", cause=f"the engine failed: {failure}")

    def resync(self, key: int | str) -> None:
        """Ask the venue for a book anew, by instrument number or symbol; does not wait for it.

        How is the venue's own: by REST, by a command on the connection, by subscribing again, or
        by a new connection; when, is up to the budgets (``SessionOptions.resync``). The book is
        ``syncing`` from when it is asked for until it is there.
        Raises ``SessionError`` if the feed is not open or there is no way to fetch the book,
        ``KeyError`` if the feed has no such book.
        """
        self._check_open()
        instrument = self._instrument(key)
        if instrument in self._quotes:
            raise SessionError("nobody else has the user's own quotes: push one")
        self._supervisor_of[instrument].resync(instrument)

    async def wait_live(
        self, timeout_s: float | None = None, *, symbols: Symbols | None = None
    ) -> list[BookStatus]:
        """Wait until every book is live at once; returns an empty list then.

        The user's own books are waited for only if they are among the ``symbols``.
        With ``symbols`` (or instrument numbers) only these are waited for, and when the time is
        up those that are not live are returned, with their causes. Without, ``TimeoutError`` names
        them. Raises ``KeyError`` at once for a book that the feed does not have, ``SessionError``
        if the feed is not open or is closed meanwhile, and what made the feed fail.
        """
        changed = self._changed
        if changed is None:
            raise SessionError("the feed is not open")
        wanted = None if symbols is None else {self._instrument(key) for key in _keys(symbols)}
        try:
            async with asyncio.timeout(timeout_s):
                while missing := self._missing(wanted):
                    if self.failure is not None:
                        raise self.failure
                    self._check_open()
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            if wanted is not None:
                conn_of = self.conn_of()
                now_ns = self._clock.now_ns()
                views = [self._engine.book(i) for i in sorted(missing)]
                return [book_status(v, conn_of.get(v.instrument), now_ns) for v in views]
            views = [self._engine.book(i) for i in sorted(missing)]
            shown = ", ".join(f"{v.symbol} ({v.state}: {v.cause})" for v in views[:5])
            absent = [
                view.symbol
                for view in views
                if any(supervisor.absent(view.instrument) for supervisor in self._supervisors)
            ]
            why = f"; {in_words(absent)}" if absent else ""
            raise TimeoutError(f"{len(views)} books are not live, first: {shown}{why}") from None
        return []

    def _missing(self, wanted: set[int] | None) -> set[int]:
        if wanted is None:
            return self._not_live - self._quotes.instruments
        return wanted & self._not_live

    # What comes out of the engine.

    def _fail(self, error: BaseException) -> None:
        """The engine is everybody's: whoever hears of its failure ends the feed."""
        if self._supervisors:
            self._supervisors[0].fail(error)
        elif self._failure is None:
            self._failure = error
            self._failed(error)

    def _deliver(self, batch: Batch) -> None:
        self._dispatcher.dispatch(batch)
        self._log.batch(batch)
        if len(batch):
            self._sinks.write(batch)

    def _failed(self, error: BaseException) -> None:
        for supervisor in self._supervisors:
            for session in supervisor.sessions:
                self._status_changed(supervisor, session)
        self._dispatcher.end(error)
        self._announce()

    def _status_changed(self, supervisor: Supervisor, session: Session) -> None:
        status = self._connection(supervisor, session)
        self._log.status(status)
        self._dispatcher.status(status)

    def _flush(self) -> None:
        if self._engine.pending:
            self._deliver(self._engine.drain(self._clock.now_ns()))

    def _on_state(self, update: Update) -> None:
        self._log.state(update)
        if update.state == "live":
            self._not_live.discard(update.instrument)
        elif self._has(update.instrument):
            self._not_live.add(update.instrument)
        supervisor = self._supervisor_of.get(update.instrument)
        if supervisor is not None:
            supervisor.on_state(update)
        self._announce()

    def _added(self, symbols: Mapping[int, str], supervisor: Supervisor | None = None) -> None:
        if supervisor is not None:
            self._supervisor_of.update(dict.fromkeys(symbols, supervisor))
        for instrument, symbol in symbols.items():
            book = self._engine.book(instrument)
            self._log.subscribed(book.venue, symbol, book.market or "")
            if not book.live:
                self._not_live.add(instrument)

    # The user's own quotes.

    def push_quote(
        self,
        symbol: str,
        *,
        bid: Number | None = None,
        ask: Number | None = None,
        bid_qty: Number | None = None,
        ask_qty: Number | None = None,
        max_age_s: float,
        ts: int | None = None,
    ) -> BookView:
        """Put a price of one's own on a book of venue ``user``, and return the book's view.

        The quote is the whole book: at most one level a side, a side that is left out is empty. It
        is believed for ``max_age_s`` seconds, counted from ``ts`` (Unix nanoseconds, by default
        now); then the book is ``stale`` with cause ``expired`` until the next quote. Prices are USD
        a share and below 1, quantities shares; a price needs its quantity. Numbers are text,
        ``Decimal``, ``int``, or a ``float`` by the text that it prints; prices have at most nine
        decimals, quantities eight.

        The book is made at the first push, or earlier by a ``Market`` of that venue among the
        feed's markets; it may be a leg of a rule. Recordings have every quote.
        Raises ``ValueError`` for a quote that cannot be, and says what to do; ``SessionError`` if
        the feed is not open, or in a listener that answers its own quotes without end;
        ``EngineError`` if the engine failed.
        """
        self._check_open()
        if self._dispatcher.depth >= ANSWERS_MAX:
            raise SessionError(
                f"this quote answers another one that a listener pushed, {ANSWERS_MAX} deep: "
                "register the listener with symbols= that leave out the books it pushes"
            )
        instrument = self._own(symbol)
        if instrument is None:
            instrument = next(iter(self._follow_own([user_quote.market_of(symbol)])))
        try:
            self._quotes.push(instrument, (bid, bid_qty), (ask, ask_qty), max_age_s, ts)
        except EngineError as error:
            self._fail(error)
            raise
        self._flush()
        self._rescheduled()
        return self._engine.book(instrument)

    def _follow_own(self, markets: Sequence[Market]) -> dict[int, str]:
        symbols = self._quotes.subscribe(markets)
        self._added(symbols)
        return symbols

    def _own(self, symbol: str) -> int | None:
        instrument = self._engine.instrument(user.NAME, symbol)
        return instrument if instrument is not None and instrument in self._quotes else None

    def _announce(self) -> None:
        if self._changed is not None:
            self._changed.set()


def _keys(symbols: Symbols) -> Iterable[int | str]:
    """One symbol or number alone is meant as one."""
    return (symbols,) if isinstance(symbols, str | int) else symbols
