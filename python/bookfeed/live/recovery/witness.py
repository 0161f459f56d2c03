"""Asks REST about silent books, where they come on the stream or with a new connection.

Which they are the engine says (``Engine.suspects``), and what an answer proves: the same book
vouches for the silence; one that differs convicts a stream that goes on saying nothing, as far as
what it states of itself allows that. One request at a time, within the venue's limits. REST is an
extra here: without it, books are recovered all the same, and nobody is asked about their silence.
"""

from collections.abc import Sequence
from typing import Final

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.pacing import TokenBucket
from bookfeed.live.recovery.base import Connections, Mender
from bookfeed.live.recovery.question import Outcome, Question
from bookfeed.live.recovery.suspects import Suspects
from bookfeed.live.shard import Shard
from bookfeed.venues.base import Membership, RestWitness

# How often it is looked whose silence is odd.
LOOK_NS: Final = NS_PER_S


class Witness:
    """Asks about one venue's books; counts what failed."""

    def __init__(self, connections: Connections, client: RestClient, witness: RestWitness) -> None:
        self._connections: Final = connections
        self._request: Final = witness.request
        # Two at once, so that a beat that comes late costs no turn.
        self._budget: Final = TokenBucket(2, seconds_ns(witness.interval_s))
        self._look_every_ns: Final = min(LOOK_NS, seconds_ns(witness.interval_s)) // 4
        self._suspects: Final = Suspects()
        self._question: Final = Question(connections, client, take=self._take, over=self._over)
        self._look_ns = 0
        self._hold_ns = 0
        self.failures = 0
        """Requests that were not answered."""

    def look(self, up: Sequence[Shard], now_ns: int) -> None:
        """Ask about the first book that is due, if nothing is under way."""
        if self._question.pending or now_ns < max(self._look_ns, self._hold_ns):
            return
        self._look_ns = now_ns + self._look_every_ns
        engine = self._connections.engine
        silent = [(shard, i) for shard in up for i in engine.suspects(shard.conn)]
        due = set(self._suspects.due([i for _, i in silent], now_ns))
        for shard, instrument in silent:
            if instrument in due and instrument in shard.instruments:
                if self._budget.take(now_ns):
                    self._suspects.asked((instrument,), now_ns)
                    self._question.ask(shard, instrument, self._request)
                return

    def reopened(self, shard: Shard) -> None:
        """A connection that was lost is there again."""
        self._question.reopened(shard)

    def _take(self, shard: Shard, instrument: int, body: bytes) -> None:
        connections = self._connections
        now_ns = connections.clock.now_ns()
        connections.inputs.ingest_rest_book(shard.conn, instrument, body, now_ns)
        connections.flush()

    def _over(self, _instrument: int, outcome: Outcome | RestError) -> None:
        if isinstance(outcome, RestError):
            self.failures += 1
            connections = self._connections
            connections.log.warning("witness", "cannot ask about a silent book: %s", outcome)
            if outcome.retry_after_ns:
                self._hold_ns = connections.clock.now_ns() + outcome.retry_after_ns

    def halt(self) -> None:
        """Cancel the request under way."""
        self._question.halt()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        await self._question.close()


class WitnessedMender(Mender):
    """Recovers books by a new connection alone, and has a silence vouched for that needs none."""

    has_witness = True

    def __init__(
        self, connections: Connections, witness: Witness, members: Membership | None = None
    ) -> None:
        super().__init__(connections, members)
        self._witness = witness

    def opened(self, shard: Shard, now_ns: int) -> None:
        """A connection is open and its subscription on its way."""
        super().opened(shard, now_ns)
        if shard.session.counters.reconnects:
            self._witness.reopened(shard)

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Say who comes and goes; ask about a silent book."""
        super().mend(up, now_ns)
        self._witness.look(up, now_ns)

    def halt(self) -> None:
        """Cancel what is being asked."""
        self._witness.halt()

    async def close(self) -> None:
        """Let go of what is asked."""
        await self._witness.close()
