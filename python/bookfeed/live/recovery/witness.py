"""Asks REST about books whose silence is odd, where whole books come on the stream.

Which they are the engine says (``Engine.suspects``), and what an answer proves: the same book
vouches for the silence, a later one that differs convicts a stream that goes on saying nothing.
One request at a time, within the venue's limits. REST is an extra here: without it, books are
recovered all the same, and nobody is asked about their silence.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.errors import EngineError
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.pacing import TokenBucket
from bookfeed.live.recovery.base import Connections
from bookfeed.live.recovery.suspects import Suspects
from bookfeed.live.shard import Shard
from bookfeed.venues.base import RestWitness

# How often it is looked whose silence is odd.
LOOK_NS: Final = NS_PER_S


class Witness:
    """Asks about one venue's books; counts what failed."""

    def __init__(self, connections: Connections, client: RestClient, witness: RestWitness) -> None:
        self._connections: Final = connections
        self._client: Final = client
        self._request: Final = witness.request
        self._budget: Final = TokenBucket(1, seconds_ns(witness.interval_s))
        self._suspects: Final = Suspects()
        self._look_ns = 0
        self._hold_ns = 0
        self._asking: asyncio.Task[None] | None = None
        self.failures = 0
        """Requests that were not answered."""

    def look(self, up: Sequence[Shard], now_ns: int) -> None:
        """Ask about the first book that is due, if nothing is under way."""
        if self._asking is not None or now_ns < max(self._look_ns, self._hold_ns):
            return
        self._look_ns = now_ns + LOOK_NS
        engine = self._connections.engine
        silent = [(shard, i) for shard in up for i in engine.suspects(shard.conn)]
        due = set(self._suspects.due([i for _, i in silent], now_ns))
        for shard, instrument in silent:
            if instrument in due and instrument in shard.instruments:
                if self._budget.take(now_ns):
                    self._suspects.asked((instrument,), now_ns)
                    # By its name now: until the request begins it may have moved.
                    asking = self._ask(shard, instrument, shard.instruments[instrument])
                    self._asking = asyncio.get_running_loop().create_task(asking)
                return

    async def _ask(self, shard: Shard, instrument: int, symbol: str) -> None:
        connections = self._connections
        try:
            opening = shard.session.counters.connects
            body = await self._client.fetch(self._request(symbol))
            here = connections.shard_of(instrument) is shard and shard.session.open
            if here and shard.session.counters.connects == opening:
                now_ns = connections.clock.now_ns()
                connections.inputs.ingest_rest_book(shard.conn, instrument, body, now_ns)
                connections.flush()
        except RestError as error:
            self.failures += 1
            connections.log.warning("witness", "cannot ask about a silent book: %s", error)
            if error.retry_after_ns:
                self._hold_ns = connections.clock.now_ns() + error.retry_after_ns
        except EngineError as error:
            connections.fail(error)
        finally:
            self._asking = None

    def halt(self) -> None:
        """Cancel the request under way."""
        if self._asking is not None:
            self._asking.cancel()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._client.close()
