"""The polite client: its budget, its patience and what it keeps, over HTTP and without time."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from bookfeed import CatalogueError
from bookfeed.catalogue import client as client_module
from bookfeed.catalogue.client import ATTEMPTS_MAX, QUIET_NS_MAX, Budget, Client, NotListed
from bookfeed.clock import NS_PER_S
from bookfeed.live.http import RestClient
from bookfeed.sim.rest import RestBase


class Time:
    """A clock that stands still but for those who sleep."""

    def __init__(self) -> None:
        self.ns = NS_PER_S
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ns += round(seconds * NS_PER_S)


class Server:
    """Answers what it was told to, in order, and then that all is well."""

    def __init__(self) -> None:
        self.planned: list[web.Response] = []
        self.seen: list[web.Request] = []
        self.etag = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if self.planned:
            return self.planned.pop(0)
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304)
        headers = {"ETag": self.etag} if self.etag else {}
        return web.Response(text=f'{{"n": {len(self.seen)}}}', headers=headers)


Make = Callable[[Budget], Client]


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def make(server: Server, clock: Time) -> AsyncIterator[Make]:
    rest = RestBase([web.get("/{path:.*}", server.answer)])
    await rest.start("127.0.0.1", 0, None)
    clients: list[Client] = []

    def made(budget: Budget) -> Client:
        client = Client(RestClient(rest.url), budget, clock=clock, sleep=clock.sleep)
        clients.append(client)
        return client

    yield made
    for client in clients:
        await client.close()
    await rest.close()


WIDE = Budget(100, 0.001)


async def test_a_question_is_spelled_as_one(make: Make, server: Server) -> None:
    assert await make(WIDE).get("/events", [("slug", "a b"), ("slug", "c&d")]) == {"n": 1}
    assert server.seen[0].query.getall("slug") == ["a b", "c&d"]


async def test_the_budget_is_kept(make: Make, clock: Time) -> None:
    client = make(Budget(2, 0.5))
    for _ in range(5):
        await client.get("/a")
    assert clock.slept == [0.5, 0.5, 0.5]


async def test_after_429_nothing_is_sent_until_it_may_be(
    make: Make, server: Server, clock: Time
) -> None:
    server.planned = [web.Response(status=429, headers={"Retry-After": "7"})]
    client = make(WIDE)
    assert await client.get("/a") == {"n": 2}
    assert clock.slept == [7.0]
    assert client.requests == 2


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_without_a_time_the_wait_grows(
    make: Make, server: Server, clock: Time, status: int
) -> None:
    server.planned = [web.Response(status=status) for _ in range(3)]
    await make(WIDE).get("/a")
    assert len(clock.slept) == 3
    for number, slept in enumerate(clock.slept):
        assert 0.5 * 2**number <= slept <= 2**number


async def test_it_gives_up_after_some_attempts(make: Make, server: Server) -> None:
    server.planned = [web.Response(status=500) for _ in range(ATTEMPTS_MAX)]
    with pytest.raises(CatalogueError, match=f"no answer in {ATTEMPTS_MAX} attempts"):
        await make(WIDE).get("/a")
    assert len(server.seen) == ATTEMPTS_MAX


async def test_a_long_silence_is_said_and_kept(make: Make, server: Server, clock: Time) -> None:
    server.planned = [web.Response(status=503, headers={"Retry-After": "300"})]
    client = make(WIDE)
    with pytest.raises(CatalogueError, match="asks for 300 s of quiet"):
        await client.get("/a")
    assert clock.slept == []
    await client.get("/a")
    assert clock.slept == [300.0] and QUIET_NS_MAX < 300 * NS_PER_S


async def test_a_refused_question_is_not_asked_again(make: Make, server: Server) -> None:
    server.planned = [web.Response(status=422)]
    with pytest.raises(CatalogueError, match="answered 422: the venue refuses the question"):
        await make(WIDE).get("/a")
    assert len(server.seen) == 1


async def test_what_is_not_there_is_not_listed(make: Make, server: Server) -> None:
    server.planned = [web.Response(status=404)]
    with pytest.raises(NotListed, match="nothing is listed at /a"):
        await make(WIDE).get("/a")


async def test_a_page_of_html_is_no_answer(make: Make, server: Server) -> None:
    server.planned = [web.Response(text="<html>blocked</html>")]
    with pytest.raises(CatalogueError, match="not JSON"):
        await make(WIDE).get("/a")


async def test_an_answer_that_still_holds_is_used_again(make: Make, server: Server) -> None:
    server.etag = '"1"'
    client = make(WIDE)
    assert await client.get("/a") == await client.get("/a") == {"n": 1}
    assert client.reused == 1
    server.etag = '"2"'
    assert await client.get("/a") == {"n": 3}
    assert await client.get("/b") == {"n": 4}


async def test_what_is_kept_is_bounded(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.etag = '"1"'
    monkeypatch.setattr(client_module, "KEPT_MAX", 2)
    client = make(WIDE)
    for path in ("/a", "/b", "/c", "/a"):
        await client.get(path)
    assert client.reused == 0, "the oldest is forgotten first"
    await client.get("/c")
    assert client.reused == 1
    await client.get("/d")
    await client.get("/c")
    assert client.reused == 2, "what was used again is not the oldest"
    monkeypatch.setattr(client_module, "KEPT_BYTES_MAX", 7)
    await client.get("/e")
    await client.get("/e")
    assert client.reused == 2, "too large to be kept"


async def test_numbers_come_exactly(make: Make, server: Server) -> None:
    server.planned = [web.Response(text='{"a": 83884.31639475992}')]
    found: Any = await make(WIDE).get("/a")
    assert str(found["a"]) == "83884.31639475992"
