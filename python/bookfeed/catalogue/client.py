"""A polite REST client: one request at a time, within a budget, quiet when asked to be.

What a venue lists is not urgent. A request that failed is sent again a few times; after 429 or 503
nothing is sent until the time has passed that the server asked for, or one that grows. An answer
that carries an ``ETag`` is kept, and used again when the server says that it still holds.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from bookfeed.catalogue.fields import parse
from bookfeed.clock import NS_PER_S, AnchoredClock, Clock
from bookfeed.errors import CatalogueError
from bookfeed.live.http import Answer, RestClient, RestError
from bookfeed.live.pacing import Backoff, TokenBucket
from bookfeed.venues.base import RestRequest

ATTEMPTS_MAX: Final = 5
QUIET_NS_MAX: Final = 60 * NS_PER_S
TIMEOUT_S: Final = 20.0
KEPT_MAX: Final = 64
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024

_NOT_FOUND: Final = 404
_NOT_MODIFIED: Final = 304
_BUSY: Final = (429, 503)
_ERRORS_FROM: Final = 500

Query = Sequence[tuple[str, str]]


class NotListed(CatalogueError):
    """The venue answers that it has nothing of that name."""


class NoAnswer(CatalogueError):
    """The venue could not be reached, or wants to be left alone for longer than can be waited."""


class Budget(NamedTuple):
    """At most ``burst`` requests at once, and one more every ``interval_s``."""

    burst: int
    interval_s: float


class Client:
    """Asks one address of a venue; raises ``CatalogueError`` for what brings no answer.

    ``clock`` and ``sleep`` are for tests.
    """

    def __init__(
        self,
        rest: RestClient,
        budget: Budget,
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rest: Final = rest
        self._bucket: Final = TokenBucket(budget.burst, round(budget.interval_s * NS_PER_S))
        self._clock: Final = AnchoredClock() if clock is None else clock
        self._sleep: Final = sleep
        self._backoff: Final = Backoff(max_ns=QUIET_NS_MAX)
        self._rng: Final = random.Random()  # noqa: S311 (spreads clients, hides nothing)
        self._turn: Final = asyncio.Lock()
        self._quiet_ns = 0
        self._kept: Final[OrderedDict[str, Answer]] = OrderedDict()
        self.requests = 0
        """Requests sent so far, repeated ones included."""
        self.reused = 0
        """Answers that were used again because the server said that they still hold."""

    async def get(self, path: str, query: Query = ()) -> Any:
        """What is at a path, its numbers exact; ``NotListed`` if nothing is."""
        target = f"{path}?{urlencode(query)}" if query else path
        return parse((await self._answer(RestRequest("GET", target))).body)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def _answer(self, request: RestRequest) -> Answer:
        async with self._turn:
            for failures in range(ATTEMPTS_MAX):
                await self._wait()
                self.requests += 1
                try:
                    return await self._ask(request)
                except RestError as error:
                    self._weigh(request, error, failures)
        raise AssertionError("the last attempt returns or raises")

    async def _wait(self) -> None:
        """Until the server wants to be asked again, and the budget allows it."""
        while True:
            now_ns = self._clock.now_ns()
            due_ns = max(self._quiet_ns, self._bucket.ready_ns(now_ns))
            if due_ns <= now_ns and self._bucket.take(now_ns):
                return
            await self._sleep((due_ns - now_ns) / NS_PER_S)

    async def _ask(self, request: RestRequest) -> Answer:
        kept = self._kept.get(request.path)
        answer = await self._rest.ask(request, unless_etag=kept.etag if kept else "")
        if kept is not None and answer.status == _NOT_MODIFIED:
            self.reused += 1
            self._kept.move_to_end(request.path)
            return kept
        self._keep(request.path, answer)
        return answer

    def _keep(self, path: str, answer: Answer) -> None:
        self._kept.pop(path, None)
        if not answer.etag or len(answer.body) > KEPT_BYTES_MAX:
            return
        self._kept[path] = answer
        while len(self._kept) > KEPT_MAX or self._kept_bytes() > KEPT_BYTES_MAX:
            self._kept.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(len(answer.body) for answer in self._kept.values())

    def _weigh(self, request: RestRequest, error: RestError, failures: int) -> None:
        """Put the next attempt off; raises if there is to be none."""
        if error.status == _NOT_FOUND:
            raise NotListed(f"nothing is listed at {request.path}") from error
        busy = error.status in _BUSY
        if not (busy or error.status == 0 or error.status >= _ERRORS_FROM):
            raise CatalogueError(f"{error}: the venue refuses the question") from error
        quiet_ns = error.retry_after_ns or self._backoff.delay_ns(failures, self._rng)
        self._quiet_ns = self._clock.now_ns() + quiet_ns
        if quiet_ns > QUIET_NS_MAX:
            problem = f"the venue asks for {quiet_ns // NS_PER_S} s of quiet: try again then"
            raise NoAnswer(f"{error}: {problem}") from error
        if failures + 1 == ATTEMPTS_MAX:
            problem = f"no answer in {ATTEMPTS_MAX} attempts"
            raise NoAnswer(f"{error}: {problem}; check the address") from error
