"""Keeps books by REST where nothing streams: no key, no venue, or no way to it.

Such books are ``live_poll``: the engine judges the answers, and believes none once a connection is
open, so that the two never speak at once. A connection is still tried, and takes over by itself.
Where numbers say how an answer and a stream belong together, books are polled of which the stream
of an open connection says nothing, too; no more of them than can be kept.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.errors import EngineError
from bookfeed.live.http import Answer, RestClient, RestError
from bookfeed.live.options import SessionOptions
from bookfeed.live.pacing import TokenBucket
from bookfeed.live.place import rest_place
from bookfeed.live.recovery.base import Connections
from bookfeed.live.recovery.poll_plan import REFUSED_AS_IT_IS, PollPlan
from bookfeed.live.shard import Shard
from bookfeed.venues.base import Endpoint, RestPoll, RestRequest

# Books that are over for good: nobody need be asked for them.
_OVER: Final = ("resolved", "unsubscribed", "poisoned")
# Of how many books an open connection may say nothing that they are polled: asked for in turn, they
# are not too old when it is theirs again.
SILENT_MAX: Final = 8


class Poller:
    """Polls the books of one venue's connections that bring nothing; counts what it did."""

    def __init__(
        self,
        connections: Connections,
        client: RestClient,
        poll: RestPoll,
        plan: PollPlan,
        *,
        after_ns: int,
        changed: Callable[[Shard], object],
    ) -> None:
        self._connections: Final = connections
        self._client: Final = client
        self._poll: Final = poll
        self._plan: Final = plan
        # How long a connection may be away before its books are polled.
        self._after_ns: Final = after_ns
        self._changed: Final = changed
        self._streamed_ns: Final[dict[int, int]] = {}
        self._task: asyncio.Task[None] | None = None
        self.polls = 0
        """Requests that were answered."""
        self.failures = 0
        """Requests that were not."""

    def look(self, shards: Iterable[Shard], now_ns: int) -> list[Shard]:
        """Begin a request if books are due; return the connections whose books are polled."""
        polled = []
        for shard in shards:
            due = self._is_due(shard, now_ns)
            if due:
                polled.append(shard)
            if due != shard.polled:
                shard.polled = due
                self._changed(shard)
        if self._task is None:
            shard_of = {i: shard for shard in polled for i in shard.instruments if self._lives(i)}
            shard_of |= self._silent(shards, now_ns)
            batch = self._plan.take(shard_of.keys(), now_ns) if shard_of else ()
            if batch:
                task = self._ask({i: shard_of[i] for i in batch})
                self._task = asyncio.get_running_loop().create_task(task)
        return polled

    def _silent(self, shards: Iterable[Shard], now_ns: int) -> dict[int, Shard]:
        """Books on open connections of which nothing is said, and their connections."""
        silent: dict[int, Shard] = {}
        for shard in shards:
            books = self._connections.engine.unstreamed(shard.conn, now_ns)
            here = books[: SILENT_MAX - len(silent)]
            if here:
                text = "connection %d: its stream says nothing of %d books; %d of them are polled"
                key = f"silent {shard.conn}"
                self._connections.log.warning(key, text, shard.conn, len(books), len(here))
            silent |= dict.fromkeys(here, shard)
        return silent

    def _is_due(self, shard: Shard, now_ns: int) -> bool:
        session = shard.session
        if session.open:
            self._streamed_ns[shard.conn] = now_ns
            return False
        since_ns = self._streamed_ns.setdefault(shard.conn, now_ns)
        # Who was refused, or never tries, need not wait and see.
        return session.denied or session.state == "idle" or now_ns - since_ns >= self._after_ns

    def _lives(self, instrument: int) -> bool:
        view = self._connections.engine.book(instrument)
        return not (view.state == "stale" and view.cause in _OVER)

    def forget(self, instrument: int) -> None:
        """A book is gone."""
        self._plan.forget(instrument)

    def gone(self, shard: Shard) -> None:
        """A connection is given up for good."""
        self._streamed_ns.pop(shard.conn, None)

    def halt(self) -> None:
        """Cancel the request under way."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    async def _ask(self, batch: Mapping[int, Shard]) -> None:
        connections, plan = self._connections, self._plan
        try:
            asked_ns = connections.clock.now_ns()
            given = await self._books(batch)
            plan.answered(list(batch), given, asked_ns, connections.clock.now_ns())
        except RestError as error:
            self.failures += 1
            connections.log.warning("poll", "cannot poll books: %s", error)
            now_ns = connections.clock.now_ns()
            if error.status in REFUSED_AS_IT_IS:
                plan.refused(list(batch), now_ns)
            else:
                plan.failed(now_ns, error.retry_after_ns)
        except EngineError as error:
            connections.fail(error)
        finally:
            self._task = None

    async def _books(self, batch: Mapping[int, Shard]) -> set[int]:
        """Which of the books came. Those that may be ghosts are asked for again, after the venue
        was asked for their best prices alone.
        """
        names = {i: shard.instruments[i] for i, shard in batch.items()}
        conns = {shard.conn for shard in batch.values()}
        conn = min(conns)
        (alone,) = (None,) if self._poll.named else tuple(batch)
        stands_ns = await self._fetch(conn, self._poll.books(list(names.values())), alone)
        given = self._given(batch, stands_ns)
        engine = self._connections.engine
        doubted = {i for conn in conns for i in engine.poll_doubts(conn)}.intersection(batch)
        if doubted and self._poll.witness is not None:
            symbols = [names[i] for i in doubted]
            await self._fetch(conn, self._poll.witness(symbols))
            stands_ns = await self._fetch(conn, self._poll.books(symbols))
            given |= self._given(doubted, stands_ns)
        return given

    def _given(self, batch: Iterable[int], stands_ns: int) -> set[int]:
        views = {i: self._connections.engine.book(i) for i in batch}
        # One that is live has met its stream with the answer, or just before it.
        given = {i for i, view in views.items() if view.polled and view.ts_evidence == stands_ns}
        return given | {i for i, view in views.items() if view.live}

    async def _fetch(self, conn: int, request: RestRequest, about: int | None = None) -> int:
        """Have an answer judged, which is ``about`` one book where it does not say so; returns of
        when it is, at the earliest.
        """
        connections = self._connections
        asked_ns = connections.clock.now_ns()
        answer = await self._client.ask(request)
        if answer.body.lstrip()[:1] not in (b"{", b"["):
            raise RestError(f"{request.method} {request.path} answered with something else")
        self.polls += 1
        stands_ns = asked_ns - _kept_ns(answer)
        now_ns = connections.clock.now_ns()
        connections.inputs.ingest_poll(conn, answer.body, now_ns, asked=stands_ns, instrument=about)
        connections.flush()
        return stands_ns


def _kept_ns(answer: Answer) -> int:
    """How long a cache may have kept an answer: it counts whole seconds."""
    return 0 if answer.age_s is None else (answer.age_s + 1) * NS_PER_S


def poller_of(
    endpoint: Endpoint,
    connections: Connections,
    rng: random.Random,
    options: SessionOptions,
    changed: Callable[[Shard], object],
) -> Poller | None:
    """Who polls the books of ``endpoint``; ``None`` where nobody does."""
    poll = endpoint.venue.poll
    if poll is None or endpoint.rest_url is None or options.poll_interval_s == 0:
        return None
    every_s = poll.every_s if options.poll_interval_s is None else options.poll_interval_s
    plan = PollPlan(
        seconds_ns(every_s),
        poll.symbols_max,
        TokenBucket(poll.burst, seconds_ns(poll.interval_s)),
        rng,
    )
    place = rest_place(endpoint, endpoint.rest_url)
    client = RestClient(place, ssl_context=endpoint.ssl_context)
    after_ns = seconds_ns(options.poll_after_s)
    return Poller(connections, client, poll, plan, after_ns=after_ns, changed=changed)
