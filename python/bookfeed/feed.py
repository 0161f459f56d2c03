"""``Feed``: live books and signals in a few lines, on the event loop you already have.

    async with Feed([market], rules=[Rule("spread", {"mode": "bps", "open": "20"})]) as feed:
        await feed.wait_live(timeout_s=10)
        async for update in feed.updates():
            print(update.symbol, update.bid, update.ask)

Three ways to listen, fastest first: ``on_batch`` gets every drained batch as numpy arrays;
``on_update`` and ``on_signal`` get typed records; ``updates()`` and ``signals()`` are async
iterators with bounded queues (``streams.py`` says what happens to a slow reader). Any number of
each may come and go (``listening.py``). And at any moment, without waiting, ``feed.book(...)`` is
the book itself. A book may be believed only while its ``state`` is ``live``.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from bookfeed import feed_config
from bookfeed._bookfeed import Batch, Engine
from bookfeed.book_source import BookSource
from bookfeed.clock import AnchoredClock, Clock
from bookfeed.config import Config, load
from bookfeed.dispatch import Dispatcher, OnBatch, OnLevels, OnRaw, OnSignal, OnStatus, OnUpdate
from bookfeed.errors import SessionError
from bookfeed.feed_log import FeedLog
from bookfeed.live.endpoints import check_markets, endpoints_of
from bookfeed.live.pulse import Pulse
from bookfeed.live.session import Session
from bookfeed.live.supervisor import Outlet, SessionOptions, Supervisor
from bookfeed.loops import Spinner
from bookfeed.market import Market
from bookfeed.recordings.inputs import EngineInput, Recorder
from bookfeed.records import Update
from bookfeed.rules.pairs import basis_line
from bookfeed.rules.rule import Rule
from bookfeed.rules.why import PolarityAlarm
from bookfeed.sinks import Sink, SinkOptions, SinkSet
from bookfeed.status import BookStatus, ConnectionStatus, FeedStatus, book_status
from bookfeed.streams import Stream
from bookfeed.venues import Endpoint

__all__ = ["Endpoint", "Feed", "Rule", "SessionOptions", "Stream"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

# How long closing a feed may wait for the recorder's disk.
RECORDER_TIMEOUT_S: Final = 1.0
# How long closing a feed may wait for the calls of async listeners.
LISTENERS_TIMEOUT_S: Final = 0.5
# How often refusals are looked at for what deserves a warning.
ALARM_EVERY_S: Final = 1.0


class Feed(BookSource):
    """A live session: connections, the engine, and everybody who listens.

    ``markets`` may be of several venues. ``url`` and ``rest_url`` replace the addresses of the
    one venue in use (a simulator, a proxy); with several venues give ``endpoints`` by venue
    name. Without ``url``, whole books are also fetched from the venue's own REST address if
    aiohttp is installed; with ``url``, only from ``rest_url``.

    ``sinks`` get every record, each in its own time (``Sink``, ``SinkOptions``); they are opened
    and closed with the feed. ``recorder`` gets every input as a journal record and is closed with
    the feed. ``busy_poll`` keeps the running event loop from sleeping for as long as the feed is
    open; it takes a core.
    ``engine`` replaces the engine made by default, for other than its default options.
    ``seed`` makes the jitter of reconnects repeatable.

    Raises ``ValueError`` for markets that contradict each other or addresses that fit no venue,
    and ``ConfigError``, which is one, where a venue needs a key and there is none.
    """

    def __init__(
        self,
        markets: Iterable[Market] = (),
        *,
        url: str | None = None,
        rest_url: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        endpoints: Mapping[str, Endpoint] | None = None,
        rules: Iterable[Rule] = (),
        sinks: Iterable[Sink | tuple[Sink, SinkOptions]] = (),
        on_batch: OnBatch | None = None,
        on_update: OnUpdate | None = None,
        on_signal: OnSignal | None = None,
        on_status: OnStatus | None = None,
        on_raw: OnRaw | None = None,
        on_levels: OnLevels | None = None,
        recorder: Recorder | None = None,
        busy_poll: bool = False,
        engine: Engine | None = None,
        options: SessionOptions | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        self._markets: Final = list(markets)
        check_markets(self._markets)
        self._rules: Final = tuple(rules)
        self._endpoints: Final = endpoints_of(self._markets, url, rest_url, ssl_context, endpoints)
        self._clock: Final[Clock] = AnchoredClock() if clock is None else clock
        self._rng: Final = random.Random(seed)  # noqa: S311 - jitter, not secrets
        self._recorder: Final = recorder
        inputs = EngineInput(Engine() if engine is None else engine, recorder)
        super().__init__(
            inputs, Dispatcher(inputs, on_state=self._on_state), SinkSet(sinks, inputs.names)
        )
        self._listen(on_batch, on_update, on_signal, on_status, on_raw, on_levels)
        self._log: Final = FeedLog(inputs.names)
        self._options: Final = options or SessionOptions()
        self._busy_poll: Final = busy_poll
        self._not_live: Final[set[int]] = set()
        # Set whenever a book changed its state, or the feed ended.
        self._changed: asyncio.Event | None = None
        self._supervisors: Final[list[Supervisor]] = []
        self._supervisor_of: Final[dict[int, Supervisor]] = {}
        self._outlet: Final = Outlet(self._deliver, self._failed, self._status_changed)
        self._pulse: Final = Pulse(
            self._inputs,
            self._clock,
            self._options.advance_s,
            passed=self._passed,
            beat=self._beat,
            fail=self._fail,
        )
        self._spinner: Spinner | None = None
        self._alarm: Final = PolarityAlarm()
        self._alarm_timer: asyncio.TimerHandle | None = None
        self._opened = False
        self._closed = False

    @classmethod
    def from_config(
        cls,
        config: str | Path | Config,
        *,
        source: str | None = None,
        keys: Mapping[str, Any] | None = None,
        record: bool = False,
        **overrides: Any,
    ) -> Self:
        """Return the feed that ``bookfeed run`` would make of a configuration, not yet open.

        ``config`` is a TOML file, which ``BOOKFEED_*`` variables override, or a ``Config`` as it
        is. ``source`` is what errors call it, by default the file's name. ``keys`` (by venue)
        replace the keys that are configured or in the environment. With ``record`` a journal is
        written as ``[record]`` says. ``overrides`` are arguments of ``Feed`` and replace what the
        configuration says.

        Raises ``ConfigError`` for a configuration that cannot be used, ``JournalError`` if the
        journal cannot be written.
        """
        if not isinstance(config, Config):
            source = str(config) if source is None else source
            config = load(config)
        source = "configuration" if source is None else source
        arguments = feed_config.arguments(config, source, keys or {}, overrides)
        if record and arguments.get("recorder") is None:
            arguments["recorder"] = feed_config.journal(config, source)
        return cls(**arguments)

    async def open(self) -> Self:
        """Open the sinks, subscribe and begin connecting; returns this feed.

        Does not wait for books, and for sinks two seconds at most. ``async with feed`` opens and
        closes it. Raises ``SessionError`` if the feed was open before or a sink cannot be opened,
        ``EngineError`` or ``ValueError`` if a rule or a market is refused; it is closed
        then.
        """
        if self._opened or self._closed:
            raise SessionError("a feed can be opened once; make another one")
        self._opened = True
        self._changed = asyncio.Event()
        try:
            self._subscribe()
            await self._sinks.open()
        except BaseException:
            await self.close()
            raise
        if self._busy_poll:
            self._spinner = Spinner()
            self._spinner.__enter__()
        for supervisor in self._supervisors:
            supervisor.start()
        self._pulse.start()
        self._rescheduled()
        if any(rule.kind == "box" for rule in self._rules):
            self._look()
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    def _look(self) -> None:
        self._alarm.look(self._engine, self._inputs.rules)
        self._alarm_timer = asyncio.get_running_loop().call_later(ALARM_EVERY_S, self._look)

    def _passed(self, now_ns: int) -> None:
        """Time has passed in the engine: what came of it, then the calls that are due."""
        if self._engine.pending:
            self._deliver(self._engine.drain(now_ns))
        self._schedule.run(now_ns)
        self._rescheduled()

    def _time_ns(self) -> int | None:
        return self._clock.now_ns() if self._opened else None

    def _rescheduled(self) -> None:
        if self._opened and not self._closed and self.failure is None:
            self._pulse.wake_at(self._schedule.due_ns)

    def _beat(self, now_ns: int) -> None:
        for supervisor in self._supervisors:
            supervisor.beat(now_ns)

    def _fail(self, error: BaseException) -> None:
        """The engine is everybody's: whoever hears of its failure ends the feed."""
        for supervisor in self._supervisors[:1]:
            supervisor.fail(error)

    def _deliver(self, batch: Batch) -> None:
        self._dispatcher.dispatch(batch)
        self._log.batch(batch)
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

    def _subscribe(self) -> None:
        now_ns = self._clock.now_ns()
        if len(self._schedule):
            # Instants count from here, in a recording as well.
            self._inputs.advance(now_ns)
            self._schedule.run(now_ns)
        for rule in self._rules:
            self._inputs.add_rule(rule, now_ns)
            basis = basis_line(rule)
            if basis is not None:
                _log.warning("%s", basis)
        conns = count()
        for name, endpoint in self._endpoints.items():
            supervisor = Supervisor(
                endpoint,
                inputs=self._inputs,
                outlet=self._outlet,
                clock=self._clock,
                rng=self._rng,
                options=self._options,
                conns=conns,
            )
            self._supervisors.append(supervisor)
            markets = [m for m in self._markets if m.venue == name]
            self._added(supervisor, supervisor.subscribe(markets))

    def _added(self, supervisor: Supervisor, symbols: Mapping[int, str]) -> None:
        self._supervisor_of.update(dict.fromkeys(symbols, supervisor))
        for instrument, symbol in symbols.items():
            book = self._engine.book(instrument)
            self._log.subscribed(book.venue, symbol, book.market or "")
            if not book.live:
                self._not_live.add(instrument)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections and recorder and end every iterator, within two seconds.

        Its sinks may then write what waits: one that takes longer than its ``close_timeout_s`` is
        left behind.
        Safe to call again, and from a task that is being cancelled.
        """
        if self._closed:
            return
        self._closed = True
        self._pulse.stop()
        if self._alarm_timer is not None:
            self._alarm_timer.cancel()
            self._alarm.look(self._engine, self._inputs.rules)
        try:
            await asyncio.gather(*(supervisor.stop() for supervisor in self._supervisors))
        finally:
            for supervisor in self._supervisors:
                supervisor.abandon()
            if self._spinner is not None:
                self._spinner.__exit__()
            self._dispatcher.end()
            self._announce()
            if self._recorder is not None:
                self._recorder.close(RECORDER_TIMEOUT_S)
            await self._sinks.close()

    # Markets that come and go.

    async def add_markets(self, markets: Iterable[Market]) -> dict[int, str]:
        """Follow more markets from now on; returns symbols by instrument number.

        Does not wait for their books. Raises ``SessionError`` if the feed is not open, has no
        market of that venue yet, or the venue's markets cannot be changed while it is open;
        ``ValueError`` for markets that contradict those that are followed.
        """
        added = list(markets)
        check_markets([*self._markets, *added])
        symbols: dict[int, str] = {}
        for supervisor, group in self._by_supervisor(added):
            fresh = supervisor.add_markets(group)
            self._markets.extend(group)
            self._added(supervisor, fresh)
            supervisor.flush()
            symbols |= fresh
        return symbols

    async def remove_markets(self, markets: Iterable[Market]) -> None:
        """Follow these markets no more; those that are not followed are passed over.

        Raises ``SessionError`` as ``add_markets`` does.
        """
        for supervisor, group in self._by_supervisor(list(markets)):
            removed = supervisor.remove_markets(group)
            supervisor.flush()
            self._markets[:] = [m for m in self._markets if m not in group]
            for instrument in removed:
                self._supervisor_of.pop(instrument, None)
                self._not_live.discard(instrument)
        self._announce()

    def _by_supervisor(self, markets: Sequence[Market]) -> list[tuple[Supervisor, list[Market]]]:
        self._check_open()
        groups: dict[str, list[Market]] = {}
        for market in markets:
            groups.setdefault(market.venue, []).append(market)
        known = {supervisor.venue.name: supervisor for supervisor in self._supervisors}
        for name in groups:
            if name not in known:
                raise SessionError(f"the feed was opened without markets of {name}")
        return [(known[name], group) for name, group in groups.items()]

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("the feed was closed")
        if not self._opened:
            raise SessionError("the feed is not open: open it with `async with feed`, or open()")

    # Listening.

    def _rule_names(self) -> Collection[str]:
        return {rule.name for rule in self._rules}

    def _begin(self, stream: Stream[T]) -> Stream[T]:
        failure = self.failure
        if failure is not None or self._closed:
            stream.end(failure)
        return stream

    # Asking.

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed, or ``None``; a lost connection does not end it."""
        return next((s.failure for s in self._supervisors if s.failure is not None), None)

    def _has(self, instrument: int) -> bool:
        return instrument in self._supervisor_of

    def status(self) -> FeedStatus:
        """Return how the feed, its connections and its books are now; never waits."""
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
                book_status(self._engine.book(i), conn_of[i], now_ns) for i in sorted(conn_of)
            ),
        )

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
        self._supervisor_of[instrument].resync(instrument)

    async def wait_live(
        self, timeout_s: float | None = None, *, symbols: Iterable[int | str] | None = None
    ) -> list[BookStatus]:
        """Wait until every book is live at once; returns an empty list then.

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
                conn_of = {i: conn for s in self._supervisors for i, conn in s.conn_of().items()}
                now_ns = self._clock.now_ns()
                views = [self._engine.book(i) for i in sorted(missing)]
                return [book_status(v, conn_of.get(v.instrument), now_ns) for v in views]
            views = [self._engine.book(i) for i in sorted(missing)]
            shown = ", ".join(f"{v.symbol} ({v.state}: {v.cause})" for v in views[:5])
            raise TimeoutError(f"{len(views)} books are not live, first: {shown}") from None
        return []

    def _missing(self, wanted: set[int] | None) -> set[int]:
        return self._not_live if wanted is None else wanted & self._not_live

    def counters(self) -> dict[str, int]:
        """Return everything that is counted: by the engine, by listeners, by connections.

        Names ending in ``_ns`` are nanoseconds.
        """
        counts = super().counters()
        for supervisor in self._supervisors:
            for name, value in supervisor.session_counts().items():
                counts[name] = counts.get(name, 0) + value
            for name in ("resyncs", "resync_failures"):
                counts[name] = counts.get(name, 0) + getattr(supervisor, name)
        counts["loop_stalls"] = self._pulse.stalls
        counts["loop_stall_ns_max"] = self._pulse.stall_ns_max
        counts["records_failed"] = self._inputs.records_failed
        if isinstance(self._clock, AnchoredClock):
            counts["wall_step_ns"] = self._clock.wall_step_ns()
        return counts

    def _on_state(self, update: Update) -> None:
        self._log.state(update)
        if update.state == "live":
            self._not_live.discard(update.instrument)
        elif update.instrument in self._supervisor_of:
            self._not_live.add(update.instrument)
        supervisor = self._supervisor_of.get(update.instrument)
        if supervisor is not None:
            supervisor.on_state(update)
        self._announce()

    def _announce(self) -> None:
        if self._changed is not None:
            self._changed.set()


def _keys(symbols: Iterable[int | str]) -> Iterable[int | str]:
    """One symbol alone is meant as one, not as its letters."""
    return (symbols,) if isinstance(symbols, str) else symbols
