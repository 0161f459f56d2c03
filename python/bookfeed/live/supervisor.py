"""All connections of a feed to one venue: who is on which, and who comes back how.

Markets are sharded over connections, both outcomes of a market on the same one; they can come and
go where the venue allows it. At every beat of the feed's timer the resync plan is carried out: have
whole books fetched (``recovery/``), or replace the connection.
"""

import asyncio
import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, NamedTuple

from bookfeed._bookfeed import Batch, Engine
from bookfeed.clock import NS_PER_S, Clock, seconds_ns
from bookfeed.errors import EngineError, SessionError
from bookfeed.live.connection import ConnectionLogic
from bookfeed.live.host import borne
from bookfeed.live.lines import Lines
from bookfeed.live.options import SessionOptions
from bookfeed.live.pacing import Stagger
from bookfeed.live.place import place_of
from bookfeed.live.recovery.apart import Apart
from bookfeed.live.recovery.plan import NO_SNAPSHOT, NOT_RESYNCED, ResyncPlan
from bookfeed.live.recovery.poll import poller_of
from bookfeed.live.recovery.ways import mender_of, news_readers_of
from bookfeed.live.second import SecondSources
from bookfeed.live.session import Session
from bookfeed.live.shard import Shard, shard_markets
from bookfeed.log import RateLimitedLog
from bookfeed.market import Market
from bookfeed.recordings.inputs import EngineInput
from bookfeed.records import Update
from bookfeed.status import ConnectionStatus
from bookfeed.venues.base import Endpoint, Venue

# A book that is followed no more is let go of so long after its venue was told: what was said of it
# before may be on its way, and a symbol that nobody knows might be a damaged one.
FORGET_NS: Final = 15 * NS_PER_S

_logger: Final = logging.getLogger("bookfeed.live.supervisor")
_log: Final = RateLimitedLog(_logger)


class Removed(NamedTuple):
    """A book that is followed no more, and where its venue is told so."""

    shard: Shard
    symbol: str
    due_ns: int


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where a supervisor hands over what comes out, and says what happened."""

    deliver: Callable[[Batch], object]
    """A drained batch."""
    failed: Callable[[BaseException], object]
    """The engine failed of this; called once."""
    status_changed: Callable[["Supervisor", Session], object]
    """The state of a connection is another, or its cause."""


class Supervisor:
    """Owns the connections of one feed to one venue; see the module for what it does."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        inputs: EngineInput,
        outlet: Outlet,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        conns: Iterator[int],
    ) -> None:
        self._endpoint: Final = endpoint
        self.inputs: Final = inputs
        self.engine: Final[Engine] = inputs.engine
        self.clock: Final = clock
        self.log: Final = _log
        self._outlet: Final = outlet
        self._rng: Final = rng
        self._options: Final = options
        # Numbers of connections, shared with the supervisors of other venues.
        self._conns: Final = conns
        self._place: Final = place_of(endpoint)
        spacing_s, venue = options.connect_stagger_s, endpoint.venue
        spacing_s = venue.connect_stagger_s if spacing_s is None else spacing_s
        self._stagger: Final = Stagger(seconds_ns(spacing_s))
        self._mender: Final = mender_of(endpoint, self, rng)
        self._news: Final = news_readers_of(endpoint, self)
        self._poller: Final = poller_of(endpoint, self, rng, options, self._polled)
        policy = self._mender.policy(options.resync)
        self._plan: Final = ResyncPlan(policy, rng, can_fetch=self._mender.can_fetch)
        self._lines: Final = Lines(
            inputs,
            conns,
            self._new_session,
            self._stop_later,
            wanted=options.lines > 1,
            silence_ns=seconds_ns(options.silence_s),
        )
        self._seconds: Final = SecondSources(
            inputs.engine, conns, self._new_second, wanted=endpoint.second is not None
        )
        self._shards: Final[dict[int, Shard]] = {}
        self._shard_of: Final[dict[int, Shard]] = {}
        self._apart: Final = Apart(self, rng)
        # In the order in which they are due.
        self._removed: Final[dict[int, Removed]] = {}
        self._failure: BaseException | None = None
        self._handler_errors = 0
        # Connections that are given up, and what those counted that are gone.
        self._leaving: Final[dict[asyncio.Task[None], Session]] = {}
        self._retired: Final[Counter[str]] = Counter()

    @property
    def venue(self) -> Venue:
        """The venue of all the connections."""
        return self._endpoint.venue

    @property
    def plan(self) -> ResyncPlan:
        """Which books are wanted back, and the budgets."""
        return self._plan

    @property
    def symbols_max(self) -> int:
        """How many symbols a connection carries; ``SessionError`` if so many may not."""
        return self._options.size(self.venue)

    @property
    def can_replace(self) -> bool:
        """Whether a connection may be replaced by a fresh one."""
        return self._options.reconnect

    @property
    def sessions(self) -> list[Session]:
        """The connections, in the order of their numbers."""
        firsts = [shard.session for shard in self._shards.values()]
        return firsts + self._lines.sessions + self._seconds.sessions

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed, if something did."""
        return self._failure

    @property
    def resyncs(self) -> int:
        """How often books were fetched."""
        return self._mender.resyncs

    @property
    def resync_failures(self) -> int:
        """How often that did not help."""
        return self._mender.resync_failures

    @property
    def polls(self) -> int:
        """How often books were polled, where nothing streams."""
        return 0 if self._poller is None else self._poller.polls

    @property
    def poll_failures(self) -> int:
        """How often nothing came of that."""
        return 0 if self._poller is None else self._poller.failures

    def session_counts(self) -> Counter[str]:
        """What all connections counted, those that are no more included."""
        counts = self._retired.copy()
        for session in (*self.sessions, *self._leaving.values()):
            counts.update(asdict(session.counters))
        counts["handler_errors"] += self._handler_errors
        return counts

    # Who is on which connection.

    def subscribe(self, markets: Sequence[Market]) -> dict[int, str]:
        """Put markets on connections of their own; returns symbols by instrument number.

        Raises ``SessionError`` if the venue does not allow so many connections or markets on one.
        """
        groups = shard_markets(markets, self.symbols_max)
        most = self._endpoint.venue.connections_max
        needed = (len(self._shards) + len(groups)) * self._options.lines
        if most is not None and needed > most:
            raise SessionError(
                f"{needed} connections would be needed, {most} are "
                f"allowed on {self._endpoint.venue.name}: follow fewer markets, or more of them "
                "on one connection"
            )
        symbols: dict[int, str] = {}
        for group in groups:
            symbols |= self._new_shard(group).instruments
        return symbols

    def _new_shard(self, markets: Sequence[Market], only: Container[str] | None = None) -> Shard:
        shard = Shard(self._endpoint.venue, next(self._conns))
        shard.session = self._new_session(shard, shard.conn)
        self._put(shard, markets, only)
        self._shards[shard.conn] = shard
        self._lines.add(shard, self.clock.now_ns())
        return shard

    def _new_session(self, shard: Shard, conn: int) -> Session:
        """A connection that carries the books of a shard."""
        venue, mender = self._endpoint.venue, self._mender
        home = conn == shard.conn
        return Session(
            conn,
            endpoint=self._endpoint,
            logic=ConnectionLogic(
                self._options.connection_policy(
                    venue, can_probe=mender.can_probe, has_witness=mender.has_witness
                ),
                lambda: venue.subscription(shard.symbols),
                rng=self._rng,
                stagger=self._stagger,
                probe=(lambda: mender.probe(shard)) if home else lambda: None,
                proof_ns=(lambda: mender.proof_ns(shard)) if home else lambda: None,
                vouched_ns=lambda: mender.vouched_ns(shard),
                quiet_until_ns=shard.quiet_until_ns,
            ),
            inputs=self.inputs,
            clock=self.clock,
            host=self,
            frame_bytes_max=self._options.frame_bytes_max,
            native=self._options.native,
            place=self._place,
        )

    def _new_second(self, shard: Shard, conn: int) -> Session:
        """A connection to the second source of what a shard carries."""
        endpoint = self._endpoint.second
        assert endpoint is not None, "there is none"
        venue, options = endpoint.venue, self._options
        return Session(
            conn,
            endpoint=endpoint,
            logic=ConnectionLogic(
                options.connection_policy(venue, can_probe=False, has_witness=False),
                lambda: venue.subscription(shard.symbols),
                rng=self._rng,
                stagger=self._stagger,
                quiet_until_ns=shard.quiet_until_ns,
            ),
            inputs=self.inputs,
            clock=self.clock,
            host=self,
            frame_bytes_max=options.frame_bytes_max,
            native=options.native,
            place=place_of(endpoint),
        )

    def _put(
        self, shard: Shard, markets: Sequence[Market], only: Container[str] | None = None
    ) -> list[int]:
        """Markets, or ``only`` some symbols of theirs, come onto a connection."""
        now_ns, depth = self.clock.now_ns(), self._endpoint.venue.depth
        instruments = []
        for market in markets:
            # A window is as deep as what is asked for, whatever the market says of itself.
            listed = market if depth is None else replace(market, depth=depth)
            for outcome in market.outcomes:
                if only is not None and outcome.symbol not in only:
                    continue
                instrument = self.inputs.subscribe(listed, outcome, shard.conn, now_ns)
                self._removed.pop(instrument, None)
                shard.add(instrument, outcome.symbol, market)
                self._shard_of[instrument] = shard
                instruments.append(instrument)
        return instruments

    def add_markets(self, markets: Sequence[Market]) -> dict[int, str]:
        """Follow more markets on the connections that are open, or on further ones.

        Returns symbols by instrument number. Raises ``SessionError`` where the venue's markets
        cannot be changed.
        """
        self._mender.check_changeable()
        size, waiting = self.symbols_max, list(markets)
        placed: list[tuple[Shard, list[Market]]] = []
        for shard in self._shards.values():
            # No fresh market among books that are not given.
            room, here = 0 if shard.apart else size - len(shard.instruments), []
            while waiting and len(waiting[0].outcomes) <= room:
                room -= len(waiting[0].outcomes)
                here.append(waiting.pop(0))
            placed.append((shard, here))
        before = set(self._shards)
        # First, since it can be refused.
        symbols = self.subscribe(waiting)
        for conn in self._shards.keys() - before:
            self._begin(self._shards[conn])
        for shard, here in placed:
            instruments = self._put(shard, here)
            if instruments:
                symbols |= {i: shard.instruments[i] for i in instruments}
                self._await_books(shard, instruments)
                self._mender.added(shard, instruments)
                self._lines.changed(shard)
                self._seconds.changed(shard)
        return symbols

    def remove_markets(self, markets: Sequence[Market]) -> list[int]:
        """Follow markets no more; returns their instruments. Connections left empty are closed.

        Raises ``SessionError`` where the venue's markets cannot be changed.
        """
        self._mender.check_changeable()
        removed: list[int] = []
        for shard in list(self._shards.values()):
            instruments = shard.of_markets(markets)
            if not instruments:
                continue
            now_ns = self.clock.now_ns()
            for instrument in instruments:
                self.inputs.unsubscribe(instrument, now_ns)
                self._apart.forget(instrument)
                symbol = shard.instruments[instrument]
                self._removed[instrument] = Removed(shard, symbol, now_ns + FORGET_NS)
                del self._shard_of[instrument]
            self._take_off(shard, instruments)
            removed += instruments
            if not shard.instruments:
                self._retire(shard)
        return removed

    def _take_off(self, shard: Shard, instruments: Sequence[int]) -> None:
        symbols = [shard.instruments[i] for i in instruments]
        for instrument in instruments:
            shard.remove(instrument)
            self._plan.forget(instrument)
        if shard.instruments:
            self._mender.removed(shard, symbols)
            self._lines.changed(shard)
            self._seconds.changed(shard)

    def _stop_later(self, session: Session) -> None:
        task = asyncio.get_running_loop().create_task(session.stop())
        self._leaving[task] = session

        def gone(_task: asyncio.Task[None]) -> None:
            self._retired.update(asdict(self._leaving.pop(task).counters))

        task.add_done_callback(gone)

    def move(
        self, shard: Shard, instruments: Sequence[int], reason: str, *, onto: Shard | None = None
    ) -> Shard | None:
        """Put books on a connection of their own, or ``onto`` another; ``None`` if none may be."""
        most = self._endpoint.venue.connections_max
        if onto is None and most is not None and len(self._shards) >= most:
            _log.warning("move", "connection %d: %s, and no other left", shard.conn, reason)
            return None
        markets = list(dict.fromkeys(shard.market_of[i] for i in instruments))
        symbols = {shard.instruments[i] for i in instruments}
        self._take_off(shard, instruments)
        try:
            there = self._new_shard(markets, symbols) if onto is None else onto
            if onto is not None:
                self._put(onto, markets, symbols)
        except EngineError as error:
            self.fail(error)
            return None
        _log.warning(
            "move",
            "connection %d: %s; %d of them move to connection %d",
            shard.conn,
            reason,
            len(instruments),
            there.conn,
        )
        if not shard.instruments:
            self._retire(shard)
        if onto is None:
            self._begin(there)
        return there

    def _retire(self, shard: Shard) -> None:
        """A connection without books is given up."""
        del self._shards[shard.conn]
        self._mender.gone(shard)
        if self._poller is not None:
            self._poller.gone(shard)
        for session in (shard.session, self._lines.retire(shard), self._seconds.retire(shard)):
            if session is not None:
                self._stop_later(session)

    def resync(self, instrument: int) -> None:
        """Have a book fetched anew, as soon as the budgets allow it.

        Nothing is to be done where its connection is not open: its next one brings the book. Raises
        ``SessionError`` if only a new connection could bring it and none may be made.
        """
        if not (self._mender.can_fetch or self._options.reconnect):
            raise SessionError(
                f"books of {self.venue.name} come with a new connection only, and reconnecting "
                "is switched off"
            )
        shard = self._shard_of[instrument]
        if self._plan.wanted_of((instrument,)):
            return  # on its way: to begin again would make the answer too old
        if shard.session.open and self.engine.book(instrument).cause != "resolved":
            now_ns = self.clock.now_ns()
            self._plan.want(instrument, "resync", now_ns)
            self.inputs.resync_begin(instrument, now_ns, asked=True)
            self.flush()

    def absent(self, instrument: int) -> bool:
        """Whether the venue was asked for a book and does not give it."""
        return instrument in self._apart

    def conn_of(self) -> dict[int, int]:
        """The number of its connection, by instrument."""
        return {instrument: shard.conn for instrument, shard in self._shard_of.items()}

    def shard_of(self, instrument: int) -> Shard | None:
        """The connection of a book."""
        return self._shard_of.get(instrument)

    def start(self) -> None:
        """Begin connecting."""
        for shard in self._shards.values():
            self._begin(shard)

    def _begin(self, shard: Shard) -> None:
        """Begin connecting, unless it is known that nothing streams."""
        if why := self._endpoint.unstreamed:
            shard.session.cause = why
        else:
            shard.session.start()
            self._lines.start(shard)
            self._seconds.start(shard)

    def stop_reading(self) -> None:
        """Take nothing more from any connection; ``stop`` is to follow."""
        for session in self.sessions:
            session.stop_reading()

    async def stop(self) -> None:
        """Close every connection; returns within about a second.

        If this is cancelled, ``abandon`` is still to be called.
        """
        self._halt()
        await asyncio.gather(*(session.stop() for session in self.sessions))
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await self._mender.close()
        for reader in self._news:
            await reader.close()
        if self._poller is not None:
            await self._poller.close()
        self.flush()

    def _halt(self) -> None:
        self._mender.halt()
        for reader in self._news:
            reader.halt()
        if self._poller is not None:
            self._poller.halt()

    def abandon(self) -> None:
        """Drop whatever is left without waiting for anybody; harmless after ``stop``."""
        self._halt()
        for session in (*self.sessions, *self._leaving.values()):
            session.abandon()

    # What sessions ask for.

    def flush(self, conn: int | None = None) -> None:
        """Drain the engine and hand the records over; then take what was answered on ``conn``."""
        if self.engine.pending:
            self._outlet.deliver(self.engine.drain(self.clock.now_ns()))
        if conn is not None and (shard := self._shards.get(conn)) is not None:
            self._mender.hear(shard)

    def opened(self, session: Session) -> None:
        """A connection is open: its books are due."""
        shard = self._shards.get(session.conn)
        if shard is not None:
            self._mender.opened(shard, self.clock.now_ns())
            self._await_books(shard, shard.instruments)

    def _await_books(self, shard: Shard, instruments: Iterable[int]) -> None:
        if self._mender.asks_first:
            return
        options = self._options
        limit_s = options.snapshot_rest_s if self._mender.prompt else options.snapshot_s
        shard.expect(instruments, self.clock.now_ns(), seconds_ns(limit_s))

    def fail(self, error: BaseException) -> None:
        """The engine failed: nothing it holds may be believed, and the feed ends."""
        if self._failure is None:
            self._failure = error
            _logger.error("the engine failed: %r", error)
            self.flush()
            self._outlet.failed(error)

    def status_changed(self, session: Session) -> None:
        """The state of a connection is another, or its cause."""
        self._outlet.status_changed(self, session)

    def _polled(self, shard: Shard) -> None:
        """The books of a connection are polled from now on, or no more."""
        if shard.polled:
            _log.warning(
                f"polled {shard.conn}",
                "connection %d: nothing streams; its books are polled: %s",
                shard.conn,
                shard.session.cause,
            )
        self._outlet.status_changed(self, shard.session)

    def status(self, session: Session) -> ConnectionStatus:
        """What is to be said of a connection now."""
        shard = self._shards.get(session.conn) or self._lines.shard_of(session.conn)
        books = [] if shard is None else [self.engine.book(i) for i in shard.instruments]
        delay_ns = self.engine.delay_ns(session.conn)
        return ConnectionStatus(
            venue=self._endpoint.venue.name,
            conn=session.conn,
            state="polling" if shard is not None and shard.polled else session.state,
            cause=session.cause,
            since_ns=session.since_ns,
            books=len(books),
            live=sum(book.live for book in books),
            polled=sum(book.polled for book in books),
            delay_s=None if delay_ns is None else delay_ns / NS_PER_S,
            reconnects=session.counters.reconnects,
            clock_ahead_s=session.clock_ahead_s,
            freshness=self.engine.freshness(session.conn),
            delay_grows=self.engine.delay_grows(session.conn),
        )

    def on_state(self, update: Update) -> None:
        """A book changed its state."""
        now_ns = self.clock.now_ns()
        shard = self._shard_of.get(update.instrument)
        if update.state == "live":
            self._apart.given(update.instrument)
            self._mender.live(update.instrument)
            self._plan.settled(update.instrument, now_ns)
        elif update.state == "live_poll":
            self._apart.given(update.instrument)
        elif update.cause == "poisoned":
            self.fail(EngineError("the engine failed; every book is stale"))
        elif update.state == "stale" and shard is not None:
            if update.cause == "silence" and shard.opens_later(update.instrument, now_ns):
                # Nothing was to be heard; that it comes when the market opens is looked after.
                self._await_books(shard, (update.instrument,))
            elif update.cause not in NOT_RESYNCED or self._lost_to_silence(shard, update.cause):
                self._plan.want(update.instrument, update.cause, now_ns)
            elif update.cause in ("resolved", "unsubscribed"):
                self._plan.settled(update.instrument, now_ns)

    def _lost_to_silence(self, shard: Shard, cause: str) -> bool:
        """Whether a book was polled because its stream said nothing, and is not any more: if the
        stream speaks again, it needs a whole book.
        """
        return cause == "expired" and shard.session.open

    # Time.

    def beat(self, now_ns: int) -> None:
        """Time has passed in the engine: do what is due by now."""
        for shard in self._shards.values():
            shard.session.look(now_ns)
        self._lines.look(self._shards.values(), now_ns)
        self._seconds.look(now_ns)
        self._hear()
        self._forget(now_ns)
        self._miss_books(now_ns)
        self._resync(now_ns)

    def bear(self, error: Exception) -> None:
        """What was due failed: it is said and counted, and the next beat comes."""
        self._handler_errors += 1
        lines = "".join(traceback.format_exception(error))
        _log.error("beat", "%s: what was due at a beat failed:\n%s", self.venue.name, lines)
        if isinstance(error, EngineError):
            self.fail(error)

    @borne
    def _hear(self) -> None:
        self.flush()
        for shard in list(self._shards.values()):
            self._mender.hear(shard)

    @borne
    def _forget(self, now_ns: int) -> None:
        """Let go of books of which nothing can come any more."""
        for instrument, (shard, symbol, due_ns) in list(self._removed.items()):
            if due_ns > now_ns:
                return
            late_ns = max(self.engine.delay_ns(shard.conn) or 0, 0)
            roll = self._mender.roll(shard) if shard.conn in self._shards else None
            if due_ns + late_ns > now_ns or (roll is not None and roll.leaving(symbol)):
                continue
            del self._removed[instrument]
            self._plan.forget(instrument)
            self._mender.forget(instrument)
            if self._poller is not None:
                self._poller.forget(instrument)
            self.inputs.forget(instrument, now_ns)

    @borne
    def _miss_books(self, now_ns: int) -> None:
        """Books that never arrived after their connection opened are not silently absent."""
        for shard in self._shards.values():
            due = shard.take_due(now_ns)
            missing = [i for i in due if not self._arrived(shard, i)]
            for instrument in missing:
                self._plan.want(instrument, NO_SNAPSHOT, now_ns)
            if missing:
                _log.warning(
                    "missing",
                    "connection %d: no book of %d symbols arrived, first %s",
                    shard.conn,
                    len(missing),
                    shard.instruments[missing[0]],
                )

    def _arrived(self, shard: Shard, instrument: int) -> bool:
        view = self.engine.book(instrument)
        # Silence was borne while the market had not opened; now it has.
        silent = view.cause == "silence" and shard.market_of[instrument].open_ts is not None
        return view.state != "syncing" and not silent

    @borne
    def _resync(self, now_ns: int) -> None:
        up = [shard for shard in self._shards.values() if shard.session.open]
        self._mender.mend(up, now_ns)
        self._apart.look(up, now_ns)
        polled = [] if self._poller is None else self._poller.look(self._shards.values(), now_ns)
        for reader in self._news:
            reader.look([*up, *polled], now_ns)
        if not self._plan.wanted():
            return
        for shard in up:
            hopeless = self._mender.may_replace(shard)
            asking = self._apart.asking(shard)
            if hopeless and (ill := self._plan.take_reconnect(shard.conn, asking, now_ns)):
                self.part(shard, ill, "books that cannot be believed")

    def part(self, shard: Shard, instruments: Sequence[int], reason: str) -> None:
        """Have a fresh connection for books; not at the cost of others on theirs that are live."""
        others = self.can_replace and self.others_live(shard, instruments)
        if not (others and self.move(shard, instruments, reason)):
            self.replace(shard, reason)

    def others_live(self, shard: Shard, instruments: Sequence[int]) -> bool:
        """Whether a connection has books that are live besides these."""
        books = shard.instruments.keys() - set(instruments)
        return any(self.engine.book(instrument).live for instrument in books)

    def relieve(self, shard: Shard, reason: str) -> None:
        """A connection is going to end: another one carries its books meanwhile."""
        if not (self.can_replace and self._lines.relieve(shard, reason, self.clock.now_ns())):
            self.replace(shard, reason)

    def replace(self, shard: Shard, reason: str) -> None:
        """Give a connection up for a fresh one."""
        if not self.can_replace:
            # It is all there is, and its other books may be good.
            _log.warning("replace", "connection %d: %s; not replaced", shard.conn, reason)
            return
        _log.warning("replace", "connection %d: replaced: %s", shard.conn, reason)
        shard.session.reconnect(reason)
