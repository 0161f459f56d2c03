"""One question by REST at a time about a book, and whose answer is believed.

An answer says how a book is for the connection on which it was asked. Once that is lost, the next
one begins the book anew, and nobody can say which of the two is older: an answer that outlives its
connection is not believed, and so it is not waited for either. The way to the venue may have died
with that connection: what is asked next takes a fresh one.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple, Self

from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.recovery.base import Connections
from bookfeed.live.shard import Shard
from bookfeed.venues.base import RestRequest

# What is not answered within this time, while another connection to the venue was lost and is
# there again, is asked of a way that may be dead.
OVERDUE_NS: Final = NS_PER_S


class Asked(NamedTuple):
    """A connection about which something is asked, and which of its openings it is by then."""

    shard: Shard
    opening: int
    open: bool

    @classmethod
    def of(cls, shard: Shard) -> Self:
        """The connection as it is now."""
        session = shard.session
        return cls(shard, session.counters.connects, session.open)

    @property
    def stands(self) -> bool:
        """Whether it is still as it was: neither lost since, nor begun."""
        return self == Asked.of(self.shard)


class Outcome(Enum):
    """What came of a question that was not refused."""

    TAKEN = auto()
    """The answer was handed over."""
    OUTLIVED = auto()
    """Nobody waits for an answer any more: its connection is another by now."""


class Question:
    """Asks about one venue's books, one at a time.

    ``take`` is given an answer on the connection on which it was asked; ``over`` the book and what
    came of the question, a ``RestError`` if there is no answer.
    """

    def __init__(
        self,
        connections: Connections,
        client: RestClient,
        *,
        take: Callable[[Shard, int, bytes], object],
        over: Callable[[int, Outcome | RestError], object],
    ) -> None:
        self._connections: Final = connections
        self._client: Final = client
        self._take: Final = take
        self._over: Final = over
        self._task: asyncio.Task[Outcome | RestError] | None = None
        self._shard: Shard | None = None
        self._asked_ns = 0

    @property
    def pending(self) -> bool:
        """Whether an answer is waited for."""
        return self._task is not None

    def ask(self, shard: Shard, instrument: int, request: Callable[[str], RestRequest]) -> None:
        """Ask about a book of a connection; there must be no other question."""
        # By its name now: until the request begins it may have moved.
        asking = self._ask(shard, instrument, request(shard.instruments[instrument]))
        self._shard, self._asked_ns = shard, self._connections.clock.now_ns()
        self._task = asyncio.get_running_loop().create_task(asking)
        self._task.add_done_callback(lambda task: self._done(instrument, task))

    def reopened(self, shard: Shard) -> None:
        """A connection that was lost is there again."""
        overdue = self._connections.clock.now_ns() - self._asked_ns >= OVERDUE_NS
        if self._task is not None and (self._shard is shard or overdue):
            self._task.cancel()
        self._client.renew()

    def halt(self) -> None:
        """Cancel what is being asked."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Wait for the end of the question, and close the client's connections."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    async def _ask(
        self, shard: Shard, instrument: int, request: RestRequest
    ) -> Outcome | RestError:
        asked = Asked.of(shard)
        try:
            body = await self._client.fetch(request)
        except RestError as error:
            return error
        if self._connections.shard_of(instrument) is not shard or not asked.stands:
            return Outcome.OUTLIVED
        try:
            self._take(shard, instrument, body)
        except EngineError as error:
            self._connections.fail(error)
        return Outcome.TAKEN

    def _done(self, instrument: int, task: asyncio.Task[Outcome | RestError]) -> None:
        self._task = None
        self._over(instrument, Outcome.OUTLIVED if task.cancelled() else task.result())
