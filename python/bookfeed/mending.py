"""How books are had back: by REST, by commands on their connection, or by a new connection alone.

``Mender`` is the last of these: it fetches nothing, so that the supervisor replaces connections.
``RestMender`` asks the venue's REST address for whole books; ``CommandMender`` (``streams.py``)
has them sent on the connection. Which of them a venue gets is decided by what it offers; how often
anything may be done, by ``ResyncPlan``.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from bookfeed._bookfeed import Engine
from bookfeed.clock import NS_PER_S, Clock
from bookfeed.errors import EngineError, SessionError
from bookfeed.inputs import EngineInput
from bookfeed.log import RateLimitedLog
from bookfeed.rest import RestClient, RestError
from bookfeed.resync import ResyncPlan
from bookfeed.shard import Shard
from bookfeed.venues.base import RestRequest


class Connections(Protocol):
    """What a mender needs of who owns the connections."""

    @property
    def engine(self) -> Engine:
        """The engine, for reading."""

    @property
    def inputs(self) -> EngineInput:
        """The door into the engine."""

    @property
    def plan(self) -> ResyncPlan:
        """Which books are wanted, and the budgets."""

    @property
    def clock(self) -> Clock:
        """The clock of the session."""

    @property
    def log(self) -> RateLimitedLog:
        """Where to say what went wrong."""

    def shard_of(self, instrument: int) -> Shard | None:
        """The connection of a book."""

    def shard_at(self, conn: int) -> Shard | None:
        """The connection of that number."""

    def flush(self) -> None:
        """Drain the engine and hand the records over."""

    def fail(self, error: BaseException) -> None:
        """The engine failed."""

    def replace(self, shard: Shard, reason: str) -> None:
        """Give a connection up for a fresh one."""

    def move(self, shard: Shard, instruments: Sequence[int], reason: str) -> bool:
        """Put books on a connection of their own; says whether there could be one."""


class Mender:
    """Mends nothing by itself; the base of those that do. Counts what it did."""

    can_fetch = False
    # Whether the books of a connection can be asked for soon after it opened, or only waited for.
    prompt = False

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.resyncs = 0
        self.resync_failures = 0

    def opened(self, shard: Shard, now_ns: int) -> None:
        """A connection is open and its subscription on its way."""

    def live(self, instrument: int) -> None:
        """A book is live."""

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Do what is due for the books of the open connections ``up``."""

    def hear(self) -> None:
        """Take what the venue answered to commands."""

    def probe(self, shard: Shard) -> str | None:
        """Return a question that proves a stream alive, if there is one."""
        return None

    def proof_ns(self, shard: Shard) -> int | None:
        """When the books' own stream was last proved alive; ``None`` if they have none."""
        return None

    def added(self, shard: Shard, instruments: Sequence[int]) -> None:
        """Books came onto a connection that may be open."""

    def removed(self, shard: Shard, symbols: Sequence[str]) -> None:
        """Books left a connection that may be open."""

    def gone(self, shard: Shard) -> None:
        """A connection is given up for good."""

    def check_changeable(self) -> None:
        """Raise ``SessionError`` if markets cannot come and go on open connections."""
        raise SessionError("markets of this venue cannot be changed while a feed is open")

    def halt(self) -> None:
        """Begin nothing more."""

    async def close(self) -> None:
        """Let go of what is open."""


class RestMender(Mender):
    """Fetches whole books by REST, one request at a time."""

    can_fetch = True
    prompt = True

    def __init__(
        self,
        connections: Connections,
        client: RestClient,
        request: Callable[[Sequence[str]], RestRequest],
        symbols_max: int,
    ) -> None:
        super().__init__(connections)
        self._client = client
        self._request = request
        self._symbols_max = symbols_max
        self._fetching: asyncio.Task[None] | None = None

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Begin a request if books are due and none is under way."""
        if self._fetching is not None or not self.connections.plan.wanted():
            return
        candidates = [i for shard in up for i in shard.instruments]
        due = self.connections.plan.take_fetch(candidates, self._symbols_max, now_ns)
        if due:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch(due))

    def halt(self) -> None:
        """Cancel the request under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._client.close()

    async def _fetch(self, instruments: Sequence[int]) -> None:
        connections, plan = self.connections, self.connections.plan
        try:
            await self._fetch_books(instruments)
        except RestError as error:
            self.resync_failures += 1
            connections.log.warning("fetch", "cannot fetch books: %s", error)
            if error.retry_after_ns:
                plan.hold(connections.clock.now_ns() + error.retry_after_ns)
        except EngineError as error:
            connections.fail(error)
        finally:
            self._fetching = None
            now_ns = connections.clock.now_ns()
            for instrument in instruments:
                if connections.engine.book(instrument).live:
                    plan.settled(instrument, now_ns)
                else:
                    plan.fetched(instrument, now_ns)

    async def _fetch_books(self, instruments: Sequence[int]) -> None:
        connections = self.connections
        now_ns = connections.clock.now_ns()
        before: dict[int, int | None] = {}
        symbols: list[str] = []
        conn: int | None = None
        for instrument in instruments:
            shard = connections.shard_of(instrument)
            if shard is None:
                continue
            conn = shard.conn if conn is None else conn
            symbols.append(shard.instruments[instrument])
            before[instrument] = connections.engine.book(instrument).ts_event
            connections.inputs.resync_begin(instrument, now_ns)
        connections.flush()
        if conn is None:
            return
        body = await self._client.fetch(self._request(symbols))
        self.resyncs += 1
        connections.inputs.ingest_rest(conn, body, connections.clock.now_ns())
        connections.flush()
        for shard in self._frozen(instruments, before):
            if connections.plan.take_reconnect_now(shard.conn, connections.clock.now_ns()):
                connections.replace(shard, "silent while the market moved")

    def _frozen(self, instruments: Iterable[int], before: dict[int, int | None]) -> list[Shard]:
        """Connections that were silent although the venue's own books went on changing."""
        connections = self.connections
        shards: dict[int, Shard] = {}
        for instrument in instruments:
            then, now = before.get(instrument), connections.engine.book(instrument).ts_event
            moved = then is not None and now is not None and now - then > NS_PER_S
            shard = connections.shard_of(instrument)
            if moved and shard is not None and connections.plan.cause(instrument) == "silence":
                shards[shard.conn] = shard
        return list(shards.values())
