"""All connections of a feed: who is on which, who comes back how, and time itself.

Markets are sharded over connections, both outcomes of a market on the same one. A timer lets time
pass in the engine, so that silence and graces are judged without data, and carries out the resync
plan: fetch whole books by REST, or replace the connection.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed._bookfeed import Engine
from bookfeed.clock import NS_PER_S, Clock, seconds_ns
from bookfeed.connection import ConnectionLogic, ConnectionPolicy
from bookfeed.dispatch import Dispatcher
from bookfeed.errors import EngineError, SessionError
from bookfeed.inputs import EngineInput
from bookfeed.log import RateLimitedLog
from bookfeed.pacing import Backoff, Stagger
from bookfeed.records import Update
from bookfeed.rest import RestClient, RestError
from bookfeed.resync import NOT_RESYNCED, ResyncPlan, ResyncPolicy
from bookfeed.session import Session
from bookfeed.venues.base import Market, Venue

_logger: Final = logging.getLogger("bookfeed.supervisor")
_log: Final = RateLimitedLog(_logger)

# A timer later than this is a stall of the event loop worth counting.
STALL_NS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The numbers of a session; durations in seconds. The defaults suit every venue.

    ``silence_s`` is how long a connection may bring no data before it is replaced where there
    is no REST client to ask whether the market is merely quiet; with one, ``silence_rest_s``.
    0 switches either off.
    ``snapshot_s`` is how long a book may take to arrive after its connection opened.
    """

    symbols_per_connection: int | None = None
    connect_stagger_s: float | None = None
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0
    silence_s: float = 30.0
    silence_rest_s: float = 300.0
    snapshot_s: float = 30.0
    snapshot_rest_s: float = 5.0
    advance_s: float = 0.1
    resync: ResyncPolicy = field(default_factory=ResyncPolicy)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A venue and where it is to be found."""

    venue: Venue
    url: str
    rest_url: str | None = None
    ssl_context: ssl.SSLContext | None = None


@dataclass(slots=True)
class Shard:
    """One connection and the books on it, by instrument number."""

    session: Session
    instruments: dict[int, str]
    venue: Venue
    # When the connection opened, until the arrival of its books was checked.
    opened_ns: int | None = None


def shard_markets(markets: Sequence[Market], symbols_max: int) -> list[list[Market]]:
    """Spread markets over connections of at most ``symbols_max`` books each, in order.

    A market is never split. Raises ``ValueError`` if one alone has more outcomes than that.
    """
    shards: list[list[Market]] = []
    room = 0
    for market in markets:
        size = len(market.outcomes)
        if size > symbols_max:
            raise ValueError(f"market {market.market!r} has more than {symbols_max} outcomes")
        if size > room:
            shards.append([])
            room = symbols_max
        shards[-1].append(market)
        room -= size
    return shards


class Supervisor:
    """Owns the connections of one feed to one venue; see the module for what it does."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        inputs: EngineInput,
        dispatcher: Dispatcher,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        first_conn: int = 0,
    ) -> None:
        self._endpoint: Final = endpoint
        self._inputs: Final = inputs
        self._engine: Final[Engine] = inputs.engine
        self._dispatcher: Final = dispatcher
        self._clock: Final = clock
        self._rng: Final = rng
        self._options: Final = options
        self._next_conn = first_conn
        self._rest: Final = (
            None
            if endpoint.rest_url is None or endpoint.venue.books_request is None
            else RestClient(endpoint.rest_url, ssl_context=endpoint.ssl_context)
        )
        self._plan: Final = ResyncPlan(options.resync, rng, can_fetch=self._rest is not None)
        self._shards: Final[list[Shard]] = []
        self._shard_of: Final[dict[int, Shard]] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._failure: BaseException | None = None
        self.resyncs = 0
        self.resync_failures = 0
        self.reconnects = 0
        self.loop_stalls = 0
        self.loop_stall_ns_max = 0

    @property
    def sessions(self) -> list[Session]:
        """The connections, in the order of their numbers."""
        return [shard.session for shard in self._shards]

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed, if something did."""
        return self._failure

    def subscribe(self, markets: Sequence[Market]) -> dict[int, str]:
        """Put markets on connections; returns symbols by instrument number."""
        venue, options = self._endpoint.venue, self._options
        size = options.symbols_per_connection or venue.symbols_per_connection
        if not 1 <= size <= venue.symbols_per_connection_max:
            raise SessionError(
                f"symbols per connection must be 1 to {venue.symbols_per_connection_max} "
                f"on {venue.name}, not {size}"
            )
        spacing_s = options.connect_stagger_s
        stagger = Stagger(seconds_ns(venue.connect_stagger_s if spacing_s is None else spacing_s))
        symbols: dict[int, str] = {}
        for group in shard_markets(markets, size):
            shard = self._new_shard(group, stagger)
            self._shards.append(shard)
            symbols |= shard.instruments
            self._shard_of.update(dict.fromkeys(shard.instruments, shard))
        return symbols

    def _new_shard(self, markets: Sequence[Market], stagger: Stagger) -> Shard:
        venue, conn = self._endpoint.venue, self._next_conn
        self._next_conn += 1
        now_ns = self._clock.now_ns()
        instruments = {
            self._inputs.subscribe(market, outcome, conn, now_ns): outcome.symbol
            for market in markets
            for outcome in market.outcomes
        }
        logic = ConnectionLogic(
            self._policy(),
            venue.subscription(tuple(instruments.values())),
            rng=self._rng,
            stagger=stagger,
        )
        session = Session(
            conn,
            venue=venue,
            url=self._endpoint.url,
            ssl_context=self._endpoint.ssl_context,
            logic=logic,
            inputs=self._inputs,
            clock=self._clock,
            host=self,
        )
        return Shard(session, instruments, venue)

    def _policy(self) -> ConnectionPolicy:
        venue, options = self._endpoint.venue, self._options
        silence_s = options.silence_s if self._rest is None else options.silence_rest_s
        return ConnectionPolicy(
            ping_text=venue.ping_text,
            ping_interval_ns=seconds_ns(venue.ping_interval_s),
            pong_timeout_ns=seconds_ns(venue.pong_timeout_s),
            silence_ns=seconds_ns(silence_s),
            backoff=Backoff(seconds_ns(options.backoff_min_s), seconds_ns(options.backoff_max_s)),
        )

    def start(self) -> None:
        """Begin connecting and let time pass."""
        for shard in self._shards:
            shard.session.start()
        self._arm()

    async def stop(self) -> None:
        """Close every connection; returns within about a second.

        If this is cancelled, ``abandon`` is still to be called.
        """
        self._halt()
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)
        await asyncio.gather(*(shard.session.stop() for shard in self._shards))
        if self._rest is not None:
            await self._rest.close()
        self.flush()

    def abandon(self) -> None:
        """Drop whatever is left without waiting for anybody; harmless after ``stop``."""
        self._halt()
        for shard in self._shards:
            shard.session.abandon()

    def _halt(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._fetching is not None:
            self._fetching.cancel()

    # What sessions ask for.

    def flush(self) -> None:
        """Drain the engine and hand the records over."""
        if self._engine.pending:
            self._dispatcher.dispatch(self._engine.drain(self._clock.now_ns()))

    def opened(self, session: Session) -> None:
        """A connection is open: its books are due."""
        for shard in self._shards:
            if shard.session is session:
                shard.opened_ns = self._clock.now_ns()

    def fail(self, error: BaseException) -> None:
        """The engine failed: nothing it holds may be believed, and the feed ends."""
        if self._failure is None:
            self._failure = error
            _logger.error("the engine failed: %r", error)
            self.flush()
            self._dispatcher.end(error)

    def on_state(self, update: Update) -> None:
        """A book changed its state."""
        now_ns = self._clock.now_ns()
        if update.state == "live":
            self._plan.settled(update.instrument, now_ns)
        elif update.cause == "poisoned":
            self.fail(EngineError("the engine failed; every book is stale"))
        elif update.state == "stale" and update.instrument in self._shard_of:
            if update.cause not in NOT_RESYNCED:
                self._plan.want(update.instrument, update.cause, now_ns)
            elif update.cause in ("resolved", "unsubscribed"):
                self._plan.settled(update.instrument, now_ns)

    # Time.

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer_due = loop.time() + self._options.advance_s
        self._timer = loop.call_at(self._timer_due, self._tick)

    def _tick(self) -> None:
        late_ns = seconds_ns(asyncio.get_running_loop().time() - self._timer_due)
        if late_ns > STALL_NS:
            self.loop_stalls += 1
            self.loop_stall_ns_max = max(self.loop_stall_ns_max, late_ns)
            _log.warning("stall", "the event loop stood still for %d ms", late_ns // 1_000_000)
        self._arm()
        now_ns = self._clock.now_ns()
        try:
            self._inputs.advance(now_ns)
        except EngineError as error:
            self.fail(error)
            return
        self._inputs.poll(now_ns)
        self.flush()
        self._miss_books(now_ns)
        self._resync(now_ns)

    def _miss_books(self, now_ns: int) -> None:
        """Books that never arrived after their connection opened are not silently absent."""
        limit_s = self._options.snapshot_s if self._rest is None else self._options.snapshot_rest_s
        for shard in self._shards:
            if shard.opened_ns is None or now_ns - shard.opened_ns < seconds_ns(limit_s):
                continue
            shard.opened_ns = None
            missing = [i for i in shard.instruments if self._engine.book(i).state == "syncing"]
            for instrument in missing:
                self._plan.want(instrument, "no_snapshot", now_ns)
            if missing:
                _log.warning(
                    "missing",
                    "connection %d: no book of %d symbols arrived, first %s",
                    shard.session.conn,
                    len(missing),
                    shard.instruments[missing[0]],
                )

    def _resync(self, now_ns: int) -> None:
        if not self._plan.wanted():
            return
        up = [shard for shard in self._shards if shard.session.open]
        if self._fetching is None:
            candidates = [i for shard in up for i in shard.instruments]
            most = self._endpoint.venue.rest_symbols_max
            due = self._plan.take_fetch(candidates, most, now_ns)
            if due:
                self._fetching = asyncio.get_running_loop().create_task(self._fetch(due))
        for shard in up:
            if self._plan.take_reconnect(shard.session.conn, shard.instruments, now_ns):
                self._replace(shard, "books that cannot be believed")

    def _replace(self, shard: Shard, reason: str) -> None:
        self.reconnects += 1
        _log.warning("replace", "connection %d: replaced: %s", shard.session.conn, reason)
        shard.session.reconnect(reason)

    async def _fetch(self, instruments: Sequence[int]) -> None:
        try:
            await self._fetch_books(instruments)
        except RestError as error:
            self.resync_failures += 1
            _log.warning("fetch", "cannot fetch books: %s", error)
            if error.retry_after_ns:
                self._plan.hold(self._clock.now_ns() + error.retry_after_ns)
        except EngineError as error:
            self.fail(error)
        finally:
            self._fetching = None
            now_ns = self._clock.now_ns()
            for instrument in instruments:
                if self._engine.book(instrument).live:
                    self._plan.settled(instrument, now_ns)
                else:
                    self._plan.fetched(instrument, now_ns)

    async def _fetch_books(self, instruments: Sequence[int]) -> None:
        request = self._endpoint.venue.books_request
        if self._rest is None or request is None:
            return
        now_ns = self._clock.now_ns()
        before: dict[int, int | None] = {}
        for instrument in instruments:
            before[instrument] = self._engine.book(instrument).ts_event
            self._inputs.resync_begin(instrument, now_ns)
        self.flush()
        symbols = [self._shard_of[i].instruments[i] for i in instruments]
        body = await self._rest.fetch(request(symbols))
        self.resyncs += 1
        conn = self._shard_of[instruments[0]].session.conn
        self._inputs.ingest_rest(conn, body, self._clock.now_ns())
        self.flush()
        for shard in self._frozen(instruments, before):
            if self._plan.take_reconnect_now(shard.session.conn, self._clock.now_ns()):
                self._replace(shard, "silent while the market moved")

    def _frozen(self, instruments: Iterable[int], before: dict[int, int | None]) -> list[Shard]:
        """Connections that were silent although the venue's own books went on changing."""
        shards: dict[int, Shard] = {}
        for instrument in instruments:
            then, now = before[instrument], self._engine.book(instrument).ts_event
            moved = then is not None and now is not None and now - then > NS_PER_S
            if moved and self._plan.cause(instrument) == "silence":
                shard = self._shard_of[instrument]
                shards[shard.session.conn] = shard
        return list(shards.values())
