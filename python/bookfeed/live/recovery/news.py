"""Asks by REST for what a stream of news may have left out: how markets stand, what they cost.

What was not heard is unknown in the engine, and the engine says what is to be asked
(``Engine.questions``). Besides, the venue is asked again and again whether it trades as a whole,
and when it will not: that is told on no stream. One request at a time.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.recovery.base import Connections
from bookfeed.live.recovery.question import Asked
from bookfeed.live.shard import Shard
from bookfeed.venues.base import RestNews, RestRequest

# An answer may be older than the question: so the same is asked several times, then rarely.
ASK_NS: Final = 5 * NS_PER_S
ASKS_MAX: Final = 6
ASK_RARELY_NS: Final = 60 * NS_PER_S
STATUS_NS: Final = 15 * NS_PER_S
SCHEDULE_NS: Final = 3_600 * NS_PER_S


class Asking:
    """What is asked about one connection, and when again."""

    def __init__(self) -> None:
        self.due_ns = 0
        self._asked: list[tuple[str, str]] = []
        self._times = 0

    def put_off(self, questions: list[tuple[str, str]], now_ns: int) -> None:
        """The questions were asked; the same ones soon again, after some times rarely."""
        self._times = self._times + 1 if questions == self._asked else 1
        self._asked = questions
        self.due_ns = now_ns + (ASK_NS if self._times < ASKS_MAX else ASK_RARELY_NS)


class NewsReader:
    """Asks about the markets of all connections to one venue; counts what it did."""

    def __init__(self, connections: Connections, client: RestClient, news: RestNews) -> None:
        self._connections: Final = connections
        self._client: Final = client
        self._news: Final = news
        self._asking: Final[dict[int, Asking]] = {}
        self._status_ns = self._schedule_ns = self._hold_ns = 0
        self._task: asyncio.Task[None] | None = None
        self.answers = 0
        """Answers that came."""
        self.failures = 0
        """Requests that brought none."""

    def look(self, up: Sequence[Shard], now_ns: int) -> None:
        """Ask what is due about the open connections ``up``, unless a request is under way."""
        if self._task is not None or not up or now_ns < self._hold_ns:
            return
        requests = list(self._due(up, now_ns))
        if requests:
            self._task = asyncio.get_running_loop().create_task(self._ask(requests))

    def _due(self, up: Sequence[Shard], now_ns: int) -> Iterator[tuple[Asked, RestRequest]]:
        news, any_of_them = self._news, Asked.of(up[0])
        if self._status_ns <= now_ns:
            self._status_ns = now_ns + STATUS_NS
            yield any_of_them, news.status
        if self._schedule_ns <= now_ns:
            # Again as soon as the status, unless it is answered.
            self._schedule_ns = now_ns + STATUS_NS
            yield any_of_them, news.schedule
        for shard in up:
            asking = self._asking.setdefault(shard.conn, Asking())
            if asking.due_ns > now_ns:
                continue
            questions = self._connections.engine.questions(shard.conn)
            if not questions:
                asking.due_ns = now_ns + NS_PER_S
                continue
            asking.put_off(questions, now_ns)
            for request in self._requests(questions):
                yield Asked.of(shard), request

    def _requests(self, questions: Sequence[tuple[str, str]]) -> Iterator[RestRequest]:
        news = self._news
        symbols = [name for kind, name in questions if kind == "market"]
        for start in range(0, len(symbols), news.markets_max):
            yield news.market(symbols[start : start + news.markets_max])
        # The base of fees before what stands in its place.
        yield from (news.series(name) for kind, name in questions if kind == "series")
        yield from (news.event(name) for kind, name in questions if kind == "event")

    async def _ask(self, requests: Sequence[tuple[Asked, RestRequest]]) -> None:
        connections = self._connections
        try:
            for index, (asked, request) in enumerate(requests):
                if not asked.stands:
                    self._put_back([(asked, request)])
                    continue
                try:
                    body = await self._client.fetch(request)
                except RestError as error:
                    self.failures += 1
                    connections.log.warning("news", "cannot ask for news: %s", error)
                    if error.retry_after_ns:
                        self._hold_ns = connections.clock.now_ns() + error.retry_after_ns
                        return self._put_back(requests[index:])
                    continue
                self.answers += 1
                if not asked.stands:
                    # What the next connection tells may be older or newer: nobody can say.
                    self._put_back([(asked, request)])
                    continue
                now_ns = connections.clock.now_ns()
                if request is self._news.schedule:
                    self._schedule_ns = now_ns + SCHEDULE_NS
                connections.inputs.ingest_rest(asked.shard.conn, body, now_ns)
                connections.flush()
        except EngineError as error:
            connections.fail(error)
        finally:
            self._task = None

    def _put_back(self, unasked: Sequence[tuple[Asked, RestRequest]]) -> None:
        """What nobody answered that is to be believed is due again when it may be asked."""
        for asked, request in unasked:
            if request is self._news.status:
                self._status_ns = 0
            elif request is self._news.schedule:
                self._schedule_ns = 0
            else:
                self._asking[asked.shard.conn].due_ns = 0

    def halt(self) -> None:
        """Cancel the request under way."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()
