"""Recovers books by REST: whole books, one request at a time, each about books of one connection,
so that its answer is believed of all of them or, once that connection is another, of none.

When none is to be asked for, books are compared: those whose silence is odd at once, and those
that nothing vouched for in a while, since a market may be frozen on a connection that is busy.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import Any, Final

from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.recovery.base import Connections, Mender
from bookfeed.live.recovery.question import Asked
from bookfeed.live.recovery.suspects import Suspects
from bookfeed.live.shard import Shard
from bookfeed.venues.base import Membership, RestBooks

# A book is compared when nothing has vouched for it for so long: before a connection that says
# nothing takes its books out, and before the gate `max_age_ms` hides what stands on a quiet one.
COMPARE_NS: Final = 25 * NS_PER_S
# Comparisons of books of one connection are so far apart at least.
COMPARE_EVERY_NS: Final = NS_PER_S

# What a book is lost to if its stream says nothing of it that the venue knows.
_SILENT: Final = ("silence", "withheld")


class RestMender(Mender):
    """Fetches whole books by REST, one request at a time."""

    can_fetch = True
    prompt = True
    has_witness = True

    def __init__(
        self,
        connections: Connections,
        client: RestClient,
        books: RestBooks,
        members: Membership | None = None,
    ) -> None:
        super().__init__(connections, members)
        self._client = client
        self._books = books
        self._fetching: asyncio.Task[None] | None = None
        # A round of comparisons: when the next begins, and whose books it has yet to look at.
        self._round_ns = 0
        self._to_compare: set[int] = set()
        # The connection that was asked about last.
        self._last_conn = -1
        # When books were last asked for to be compared, by instrument.
        self._compared: dict[int, int] = {}
        self._suspects = Suspects()

    def opened(self, shard: Shard, now_ns: int) -> None:
        """A connection is open and its subscription on its way."""
        super().opened(shard, now_ns)
        if shard.session.counters.reconnects:
            # The way to the venue may have died with the one before.
            self._client.renew()

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Say who comes and goes; begin a request if books are due and none is under way."""
        super().mend(up, now_ns)
        if self._fetching is not None:
            return
        plan = self.connections.plan
        # Those after the one that was asked about last come first: none waits for the others.
        turn = sorted(up, key=lambda shard: (shard.conn <= self._last_conn, shard.conn))
        waiting = [shard for shard in turn if plan.due(shard.instruments, now_ns)]
        for shard in waiting[:1]:
            due = plan.take_fetch(shard.instruments, self._books.symbols_max, now_ns)
            if due:
                self._begin(shard, self._fetch(shard, due))
        if now_ns >= self._round_ns:
            self._round_ns = now_ns + COMPARE_EVERY_NS
            self._to_compare = {shard.conn for shard in up}
        if not waiting and self._to_compare:
            self._compare(turn, now_ns)

    def _begin(self, shard: Shard, asking: Coroutine[Any, Any, None]) -> None:
        self._last_conn = shard.conn
        self._fetching = asyncio.get_running_loop().create_task(asking)

    def _compare(self, turn: Sequence[Shard], now_ns: int) -> None:
        """Begin a request for books whose silence is odd, then for those whose proof is oldest, of
        the next connection of this round that has any.
        """
        silent = {shard.conn: self.connections.engine.suspects(shard.conn) for shard in turn}
        odd = set(self._suspects.due([i for each in silent.values() for i in each], now_ns))
        most = self._books.symbols_max
        for shard in turn:
            if shard.conn not in self._to_compare:
                continue
            suspects = [i for i in silent[shard.conn] if i in odd][:most]
            due = (suspects + self._aged(shard, set(suspects), now_ns))[:most]
            if not due:
                self._to_compare.discard(shard.conn)
            elif self.connections.plan.take_request(now_ns):
                self._to_compare.discard(shard.conn)
                self._suspects.asked(suspects, now_ns)
                followed = self._compared.items()
                kept = {i: ns for i, ns in followed if self.connections.shard_of(i)}
                self._compared = kept | dict.fromkeys(due, now_ns)
                self._begin(shard, self._compare_books(shard, due))
                return

    def _aged(self, shard: Shard, besides: Collection[int], now_ns: int) -> list[int]:
        """The books of a connection that nothing has vouched for in a while, the oldest first."""
        book, since_ns = self.connections.engine.book, now_ns - COMPARE_NS
        ages: dict[int, int] = {}
        for instrument in shard.instruments:
            view = book(instrument)
            age_ns = max(view.ts_evidence or 0, self._compared.get(instrument, 0))
            if view.live and age_ns <= since_ns and instrument not in besides:
                ages[instrument] = age_ns
        return sorted(ages, key=ages.__getitem__)

    def halt(self) -> None:
        """Cancel the request under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._client.close()

    async def _fetch(self, shard: Shard, instruments: Sequence[int]) -> None:
        connections, plan = self.connections, self.connections.plan
        given = True
        try:
            if not await self._fetch_books(shard, instruments):
                # Nobody could look at them: that says nothing against the books.
                plan.release(instruments)
            given = False
        except RestError as error:
            self.resync_failures += 1
            self._refused(error)
        except EngineError as error:
            connections.fail(error)
        finally:
            self._fetching = None
            now_ns = connections.clock.now_ns()
            for instrument in instruments:
                if connections.shard_of(instrument) is None:
                    continue  # nobody wants it any more
                view = connections.engine.book(instrument)
                if view.live:
                    plan.settled(instrument, now_ns)
                else:
                    # One that was in the answer is stale by it; one that was not waits still.
                    plan.fetched(instrument, now_ns, given=given or view.state != "syncing")

    def _refused(self, error: RestError) -> None:
        connections = self.connections
        connections.log.warning("fetch", "cannot fetch books: %s", error)
        if error.retry_after_ns:
            connections.plan.hold(connections.clock.now_ns() + error.retry_after_ns)

    async def _compare_books(self, shard: Shard, instruments: Sequence[int]) -> None:
        """Ask for books that stay live meanwhile: the engine judges what the answer says."""
        connections, asked = self.connections, Asked.of(shard)
        symbols = [shard.instruments[i] for i in instruments if i in shard.instruments]
        try:
            if symbols:
                self._take(asked, await self._client.fetch(self._books.request(symbols)))
        except RestError as error:
            self._refused(error)
        except EngineError as error:
            connections.fail(error)
        finally:
            self._fetching = None

    def _take(self, asked: Asked, body: bytes) -> bool:
        """Have an answer judged, book by book, by the times that it states; not if it outlived the
        connection about whose books it was asked. Whether it was.
        """
        if not asked.stands:
            return False
        connections = self.connections
        connections.inputs.ingest_rest(asked.shard.conn, body, connections.clock.now_ns())
        connections.flush()
        return True

    async def _fetch_books(self, asking: Shard, instruments: Sequence[int]) -> bool:
        """Have books put in place; whether there was a connection on which they could be."""
        connections = self.connections
        now_ns = connections.clock.now_ns()
        before: dict[int, int | None] = {}
        symbols: list[str] = []
        asked = Asked.of(asking)
        for instrument in instruments:
            if instrument not in asking.instruments:
                continue  # It has moved, or is gone.
            symbols.append(asking.instruments[instrument])
            before[instrument] = connections.engine.book(instrument).ts_event
            connections.inputs.resync_begin(instrument, now_ns)
        connections.flush()
        if not symbols:
            return False
        body = await self._client.fetch(self._books.request(symbols))
        if not self._take(asked, body):
            return False
        self.resyncs += 1
        for conn, (shard, frozen) in self._frozen(instruments, before).items():
            if connections.plan.take_reconnect_now(conn, connections.clock.now_ns()):
                connections.part(shard, frozen, "silent while the market moved")
        return True

    def _frozen(
        self, instruments: Iterable[int], before: dict[int, int | None]
    ) -> dict[int, tuple[Shard, list[int]]]:
        """Books of which a stream was silent although the venue went on changing them, and the
        connection that they are on, by its number.
        """
        connections = self.connections
        found: dict[int, tuple[Shard, list[int]]] = {}
        for instrument in instruments:
            then, now = before.get(instrument), connections.engine.book(instrument).ts_event
            moved = then is not None and now is not None and now - then > NS_PER_S
            shard = connections.shard_of(instrument)
            if moved and shard is not None and connections.plan.cause(instrument) in _SILENT:
                found.setdefault(shard.conn, (shard, []))[1].append(instrument)
        return found
