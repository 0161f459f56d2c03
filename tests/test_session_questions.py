"""Questions by REST and the connections that they are about: an answer that outlives its connection
is not believed, at any venue, and is not waited for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from spot_live import OPTIONS
from waiting import PATIENCE_S, until

from bookfeed._bookfeed import Engine
from bookfeed.feed.feed import Feed
from bookfeed.live.http import Answer, RestClient, RestError
from bookfeed.live.recovery.question import OVERDUE_NS, Asked, Outcome, Question
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput
from bookfeed.scorecard.campaigns.polymarket_kalshi_sockets import FEW, LISTED
from bookfeed.sim.entry import Options
from bookfeed.venues.base import RestRequest

# One has no REST, so that nobody is asked.
VENUES = sorted(FEW.keys() - {"cryptocom"})
# Their connections say something while markets are quiet, so that only a rhythm makes them ask.
NUMBERED = ("coinbase",)
BUSY_S = 4.0


def shard_of(conn: int, symbol: str) -> Any:
    session = SimpleNamespace(open=True, counters=SimpleNamespace(connects=1, reconnects=0))
    return SimpleNamespace(conn=conn, session=session, instruments={conn: symbol})


class Desk:
    """Two connections with a book each, and a venue that answers when it is told to."""

    def __init__(self) -> None:
        self.now = 0
        self.shards = [shard_of(0, "a"), shard_of(1, "b")]
        self.renewed = 0
        self.requests: list[str] = []
        self.taken: list[tuple[int, int, bytes]] = []
        self.overs: list[tuple[int, Outcome | RestError]] = []
        self._answer: asyncio.Future[bytes] | None = None
        connections: Any = SimpleNamespace(
            clock=SimpleNamespace(now_ns=lambda: self.now),
            shard_of=lambda instrument: next(
                (one for one in self.shards if instrument in one.instruments), None
            ),
            log=RateLimitedLog(logging.getLogger("bookfeed.test")),
        )
        client: Any = SimpleNamespace(fetch=self._fetch, renew=self._renew)
        self.question = Question(
            connections,
            client,
            take=lambda shard, i, body: self.taken.append((shard.conn, i, body)),
            over=lambda i, outcome: self.overs.append((i, outcome)),
        )

    def _renew(self) -> None:
        self.renewed += 1

    async def _fetch(self, request: RestRequest) -> bytes:
        self.requests.append(request.path)
        self._answer = asyncio.get_running_loop().create_future()
        return await self._answer

    async def ask(self, conn: int) -> None:
        """Asks about the book of a connection; the request is under way."""
        before = len(self.requests)
        self.question.ask(self.shards[conn], conn, lambda symbol: RestRequest("GET", symbol))
        await until(lambda: len(self.requests) > before)

    def answer(self, told: bytes | RestError) -> None:
        """The venue answers."""
        assert self._answer is not None
        if isinstance(told, RestError):
            self._answer.set_exception(told)
        else:
            self._answer.set_result(told)

    async def over(self) -> tuple[int, Outcome | RestError]:
        """What came of the question."""
        await until(lambda: not self.question.pending)
        return self.overs.pop()


async def test_an_answer_is_taken_on_the_connection_on_which_it_was_asked() -> None:
    desk = Desk()
    await desk.ask(1)
    assert desk.question.pending
    desk.answer(b"book")
    assert await desk.over() == (1, Outcome.TAKEN)
    assert (desk.requests, desk.taken) == (["b"], [(1, 1, b"book")])
    refused = RestError("refused", status=429)
    await desk.ask(0)
    desk.answer(refused)
    assert await desk.over() == (0, refused)
    assert len(desk.taken) == 1


def _reconnect(shard: Any) -> None:
    shard.session.counters.connects += 1


def _lose(shard: Any) -> None:
    shard.session.open = False


def _move(shard: Any) -> None:
    shard.instruments.clear()


@pytest.mark.parametrize("happens", [_reconnect, _lose, _move])
async def test_an_answer_that_comes_to_another_connection_is_not_taken(
    happens: Callable[[Any], None],
) -> None:
    desk = Desk()
    await desk.ask(0)
    happens(desk.shards[0])
    desk.answer(b"book")
    assert await desk.over() == (0, Outcome.OUTLIVED)
    assert desk.taken == []


async def test_nobody_waits_for_an_answer_whose_connection_is_another_by_now() -> None:
    desk = Desk()
    await desk.ask(0)
    desk.question.reopened(desk.shards[0])
    assert await desk.over() == (0, Outcome.OUTLIVED)
    assert desk.renewed == 1


@pytest.mark.parametrize("overdue", [False, True])
async def test_a_neighbour_that_is_there_again_ends_only_what_is_overdue(overdue: bool) -> None:
    desk = Desk()
    await desk.ask(0)
    desk.now += OVERDUE_NS - (0 if overdue else 1)
    desk.question.reopened(desk.shards[1])
    assert desk.renewed == 1, "what is asked next takes another way"
    if overdue:
        assert await desk.over() == (0, Outcome.OUTLIVED)
    else:
        desk.answer(b"book")
        assert await desk.over() == (0, Outcome.TAKEN)


def test_a_connection_that_was_not_open_stands_until_it_is() -> None:
    shard = shard_of(0, "a")
    _lose(shard)
    asked = Asked.of(shard)
    assert asked.stands
    shard.session.open = True
    assert not asked.stands


class Held:
    """Answers of the simulated venue, kept back once they are there."""

    def __init__(self, patch: pytest.MonkeyPatch, *, holds: bool) -> None:
        self.holds = holds
        self.kept: list[bytes] = []
        self.taken: list[bytes] = []
        self._freed = asyncio.Event()
        ask = RestClient.ask

        async def late(client: RestClient, request: RestRequest, **options: Any) -> Answer:
            answer = await ask(client, request, **options)
            if self.holds:
                self.kept.append(answer.body)
                await self._freed.wait()
            return answer

        patch.setattr(RestClient, "ask", late)
        for name, at in (("ingest_rest", 2), ("ingest_rest_book", 3), ("ingest_poll", 2)):
            self._watch(patch, name, at)

    def _watch(self, patch: pytest.MonkeyPatch, name: str, at: int) -> None:
        ingest = getattr(EngineInput, name)

        def noted(*args: Any, **options: Any) -> Any:
            self.taken.append(args[at])
            return ingest(*args, **options)

        patch.setattr(EngineInput, name, noted)

    def free(self) -> None:
        """They come."""
        self.holds = False
        self._freed.set()


@pytest.mark.parametrize("venue", VENUES)
async def test_an_answer_that_outlives_its_connection_is_not_believed(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = import_module(f"bookfeed.sim.{venue}")
    server = await sim.serve(sim.configured(Options(markets=2, rate=200.0, seed=3)))
    try:
        markets, endpoint = LISTED(venue, sim.ready(server))
        needed = endpoint.venue.needs_rest
        held = Held(monkeypatch, holds=not needed)
        engine = Engine(silence_s=8.0, odd_silence_s=0.5)
        feed = Feed(markets, endpoints={venue: endpoint}, options=OPTIONS, engine=engine, seed=1)
        async with feed:
            await feed.wait_live(PATIENCE_S)
            held.holds = True
            if venue in NUMBERED:
                await asyncio.sleep(BUSY_S)
            await server.stop_markets()
            await until(lambda: held.kept)
            kept = list(held.kept)
            (supervisor,) = feed._supervisors  # noqa: SLF001
            sessions = supervisor.sessions
            for session in sessions:
                session.reconnect("a test wants another one")
            await until(lambda: feed.counters()["reconnects"] == len(sessions))
            held.free()
            # Whatever is asked from now on comes after them.
            with contextlib.suppress(TimeoutError):
                await until(lambda: len(held.taken) > len(kept), 0.5)
            assert not [body for body in kept if any(body is taken for taken in held.taken)]
            assert feed.counters()["handler_errors"] == 0
    finally:
        await server.close()
