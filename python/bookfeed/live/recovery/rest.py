"""Recovers books by REST: whole books, one request at a time.

When none is to be asked for, books are compared: those whose silence is odd at once, and those
that nothing vouched for in a while, since a market may be frozen on a connection that is busy.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

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
# Comparisons are so far apart at least.
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
        self._compare_ns = 0
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
        plan, candidates = self.connections.plan, [i for shard in up for i in shard.instruments]
        if plan.due(candidates, now_ns):
            due = plan.take_fetch(candidates, self._books.symbols_max, now_ns)
            if due:
                self._fetching = asyncio.get_running_loop().create_task(self._fetch(due))
        elif now_ns >= self._compare_ns:
            self._compare_ns = now_ns + COMPARE_EVERY_NS
            self._compare(up, now_ns)

    def _compare(self, up: Sequence[Shard], now_ns: int) -> None:
        """Begin a request for books whose silence is odd, then for those whose proof is oldest."""
        book, since_ns = self.connections.engine.book, now_ns - COMPARE_NS
        ages: dict[int, int] = {}
        for instrument in (i for shard in up for i in shard.instruments):
            view = book(instrument)
            age_ns = max(view.ts_evidence or 0, self._compared.get(instrument, 0))
            if view.live and age_ns <= since_ns:
                ages[instrument] = age_ns
        most = self._books.symbols_max
        silent = [i for shard in up for i in self.connections.engine.suspects(shard.conn)]
        suspects = self._suspects.due(silent, now_ns)[:most]
        oldest = sorted(ages.keys() - set(suspects), key=ages.__getitem__)
        due = (suspects + oldest)[:most]
        if due and self.connections.plan.take_request(now_ns):
            self._suspects.asked(suspects, now_ns)
            followed = {i: ns for i, ns in self._compared.items() if self.connections.shard_of(i)}
            self._compared = followed | dict.fromkeys(due, now_ns)
            task = self._compare_books(due)
            self._fetching = asyncio.get_running_loop().create_task(task)

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
        given = True
        try:
            if not await self._fetch_books(instruments):
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

    async def _compare_books(self, instruments: Sequence[int]) -> None:
        """Ask for books that stay live meanwhile: the engine judges what the answer says."""
        connections = self.connections
        shards = [connections.shard_of(instrument) for instrument in instruments]
        named = [
            (Asked.of(shard), shard.instruments[instrument])
            for shard, instrument in zip(shards, instruments, strict=True)
            if shard is not None
        ]
        try:
            if named:
                body = await self._client.fetch(self._books.request([name for _, name in named]))
                self._take([asked for asked, _ in named], body)
        except RestError as error:
            self._refused(error)
        except EngineError as error:
            connections.fail(error)
        finally:
            self._fetching = None

    def _take(self, asked: Sequence[Asked], body: bytes) -> bool:
        """Have an answer judged, book by book, by the times that it states; not if it outlived all
        the connections about whose books it was asked. Whether it was.
        """
        standing = next((each.shard for each in asked if each.stands), None)
        if standing is None:
            return False
        connections = self.connections
        connections.inputs.ingest_rest(standing.conn, body, connections.clock.now_ns())
        connections.flush()
        return True

    async def _fetch_books(self, instruments: Sequence[int]) -> bool:
        """Have books put in place; whether there was a connection on which they could be."""
        connections = self.connections
        now_ns = connections.clock.now_ns()
        before: dict[int, int | None] = {}
        symbols: list[str] = []
        asked: list[Asked] = []
        for instrument in instruments:
            shard = connections.shard_of(instrument)
            if shard is None:
                continue
            asked.append(Asked.of(shard))
            symbols.append(shard.instruments[instrument])
            before[instrument] = connections.engine.book(instrument).ts_event
            connections.inputs.resync_begin(instrument, now_ns)
        connections.flush()
        if not asked:
            return True
        body = await self._client.fetch(self._books.request(symbols))
        if not self._take(asked, body):
            return False
        self.resyncs += 1
        for shard in self._frozen(instruments, before):
            if connections.plan.take_reconnect_now(shard.conn, connections.clock.now_ns()):
                connections.replace(shard, "silent while the market moved")
        return True

    def _frozen(self, instruments: Iterable[int], before: dict[int, int | None]) -> list[Shard]:
        """Connections that were silent although the venue's own books went on changing."""
        connections = self.connections
        shards: dict[int, Shard] = {}
        for instrument in instruments:
            then, now = before.get(instrument), connections.engine.book(instrument).ts_event
            moved = then is not None and now is not None and now - then > NS_PER_S
            shard = connections.shard_of(instrument)
            if moved and shard is not None and connections.plan.cause(instrument) in _SILENT:
                shards[shard.conn] = shard
        return list(shards.values())
