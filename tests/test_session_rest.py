"""Resync by REST: what is asked, how often, and what is believed of the answer."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import session_server
from aiohttp import web
from session_server import MARKET, NO, YES, Server, book_frame, book_message
from waiting import PATIENCE_S, PatientClock

from bookfeed._bookfeed import Engine
from bookfeed.errors import SessionError
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live.http import RestClient, RestError, retry_after_ns
from bookfeed.live.recovery import rest as recovery
from bookfeed.live.recovery.plan import ResyncPlan, ResyncPolicy
from bookfeed.recordings.inputs import EngineInput
from bookfeed.rules.gates import Gates
from bookfeed.venues.base import RestBooks, RestRequest
from bookfeed.venues.polymarket import polymarket

S = 1_000_000_000

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """An HTTP server whose answers a test decides."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[list[str]] = []
        self.answer: Answer = self.books
        self.bid = "0.47"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append([row["token_id"] for row in orjson.loads(await request.read())])
        return await self.answer(request)

    async def books(self, _request: web.Request) -> web.StreamResponse:
        books = [book_message(symbol, self.bid) for symbol in self.asked[-1]]
        return web.Response(body=orjson.dumps(books))


@asynccontextmanager
async def resting() -> AsyncIterator[Rest]:
    rest = Rest()
    app = web.Application()
    app.router.add_post("/books", rest.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    rest.url = f"http://{host}:{port}"
    try:
        yield rest
    finally:
        await runner.cleanup()


@pytest.fixture
async def rest() -> AsyncIterator[Rest]:
    async with resting() as running:
        yield running


QUICK = SessionOptions(
    backoff_min_s=0.01,
    backoff_max_s=0.05,
    advance_s=0.01,
    resync=ResyncPolicy(fetch_interval_s=0.02, fetch_backoff_min_s=20.0),
)

MALFORMED = book_frame(YES)[:180]


def feed(server: Server, rest: Rest, **more: object) -> Feed:
    how = {"options": QUICK, "clock": PatientClock(), **more}
    return Feed([MARKET], url=server.url, rest_url=rest.url, **how)  # type: ignore[arg-type]


async def test_a_bad_book_comes_back_by_rest_on_the_same_connection(
    server: Server, rest: Rest
) -> None:
    async with feed(server, rest) as f:
        await f.wait_live(PATIENCE_S)
        (await server.peer(0)).text(MALFORMED)
        await server.recovered(f, YES)
        assert f.book(YES).bid == 0.47
        assert f.book(YES).cause == "resync"
        assert len(server.peers) == 1
        assert sum(YES in symbols for symbols in rest.asked) == 1
        assert f.counters()["resyncs"] == len(rest.asked)
        assert f.counters()["reconnects"] == 0


async def test_changes_during_the_fetch_are_not_lost(server: Server, rest: Rest) -> None:
    """The answer is older than what the stream says meanwhile; both together are the book."""
    during = orjson.dumps(
        {
            "event_type": "price_change",
            "market": MARKET.market,
            "timestamp": "",
            "price_changes": [
                {"asset_id": YES, "price": "0.49", "size": "7", "side": "BUY", "hash": "",
                 "best_bid": "0.49", "best_ask": "0.6"},
            ],
        }
    )  # fmt: skip

    async def slow(_request: web.Request) -> web.StreamResponse:
        books = [book_message(symbol, "0.47") for symbol in rest.asked[-1]]
        stamp = str(int(str(book_message(YES)["timestamp"])) + 5)
        peer, frames = await server.peer(0), f.counters()["frames"]
        peer.text(during.replace(b'"timestamp":""', f'"timestamp":"{stamp}"'.encode()))
        await server.until(lambda: f.counters()["frames"] > frames)
        return web.Response(body=orjson.dumps(books))

    rest.answer = slow
    f = feed(server, rest)
    async with f:
        await f.wait_live(PATIENCE_S)
        (await server.peer(0)).text(MALFORMED)
        await server.recovered(f, YES)
        assert f.book(YES).bid == 0.49
        assert f.book(YES).as_strings("bid") == [["0.49", "7"], ["0.47", "10"]]


async def status(code: int) -> web.StreamResponse:
    return web.Response(status=code, headers={"Retry-After": "3600"}, text="no")


@pytest.mark.parametrize("answer", ["500", "html", "empty", "truncated", "other", "cut"])
async def test_a_useless_answer_is_not_believed_and_not_hammered(
    server: Server, rest: Rest, answer: str
) -> None:
    async def useless(request: web.Request) -> web.StreamResponse:
        whole = orjson.dumps([book_message(YES), book_message(NO)])
        match answer:
            case "500":
                return web.Response(status=500)
            case "html":
                return web.Response(body=b"<html>no</html>")
            case "empty":
                return web.Response(body=b"[]")
            case "truncated":
                return web.Response(body=whole[:-20])
            case "other":
                return web.Response(body=orjson.dumps([book_message("77")]))
            case _:
                response = web.StreamResponse(headers={"Content-Length": "100000"})
                await response.prepare(request)
                await response.write(whole)
                assert request.transport is not None
                request.transport.close()
                return response

    rest.answer = useless
    clock = PatientClock()
    async with feed(server, rest, clock=clock) as f:
        await f.wait_live(PATIENCE_S)
        (await server.peer(0)).text(MALFORMED)
        await server.until(lambda: rest.asked)
        await clock.passed(0.4)
        assert not f.book(YES).live
        assert len(rest.asked) == 1
        assert len(server.peers) == 1
        # The stream itself may heal the book at any time.
        peer = await server.peer(0)
        peer.text(book_frame(YES, "0.52"))
        peer.text(book_frame(NO, "0.30"))
        await f.wait_live(PATIENCE_S)
        assert f.book(YES).bid == 0.52


async def test_a_server_that_wants_to_be_left_alone_is(server: Server, rest: Rest) -> None:
    async def busy(_request: web.Request) -> web.StreamResponse:
        return await status(429)

    rest.answer = busy
    # Left to itself it would ask again at once.
    resync = ResyncPolicy(fetch_interval_s=0.02, fetch_backoff_min_s=0.02, fetch_backoff_max_s=0.02)
    clock, options = PatientClock(), replace(QUICK, resync=resync)
    async with feed(server, rest, clock=clock, options=options) as f:
        await f.wait_live(PATIENCE_S)
        (await server.peer(0)).text(MALFORMED)
        await server.until(lambda: f.counters()["resync_failures"] == 1)
        await clock.passed(0.5)
        assert len(rest.asked) == 1


async def test_books_that_rest_cannot_mend_get_a_fresh_connection(
    server: Server, rest: Rest
) -> None:
    async def nothing(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"[]")

    rest.answer = nothing
    options = SessionOptions(
        backoff_min_s=0.01,
        advance_s=0.01,
        resync=ResyncPolicy(fetch_interval_s=0.02, fetches_max=1),
    )
    async with feed(server, rest, options=options) as f:
        await f.wait_live(PATIENCE_S)
        (await server.peer(0)).text(MALFORMED)
        await server.peer(1)
        await f.wait_live(PATIENCE_S)
        assert f.counters()["reconnects"] == 1


async def test_a_book_that_never_came_is_fetched(server: Server, rest: Rest) -> None:
    server.on_subscribe = lambda peer, symbols: peer.text(orjson.dumps([book_message(YES)]))
    options = SessionOptions(advance_s=0.01, snapshot_rest_s=0.05, resync=QUICK.resync)
    async with feed(server, rest, options=options) as f:
        await f.wait_live(PATIENCE_S)
        assert rest.asked == [[NO]]
        assert f.book(NO).bid == 0.47


async def test_a_frozen_stream_is_told_from_a_quiet_market(
    server: Server, rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence brings a witness: did the venue's own book change meanwhile?"""
    monkeypatch.setattr(session_server, "STAMPS", session_server.Stamps(ago_ms=120_000))

    async def unchanged(_request: web.Request) -> web.StreamResponse:
        stamps = {symbol: f.book(symbol).ts_event for symbol in rest.asked[-1]}
        books = [
            book_message(symbol, ts_ms=(stamp or 0) // 1_000_000)
            for symbol, stamp in stamps.items()
        ]
        return web.Response(body=orjson.dumps(books))

    async def moved(_request: web.Request) -> web.StreamResponse:
        newest = int(str(book_message(YES)["timestamp"]))
        books = [book_message(s, "0.44", ts_ms=newest + 60_000) for s in rest.asked[-1]]
        return web.Response(body=orjson.dumps(books))

    rest.answer = unchanged
    f = feed(server, rest, engine=Engine(silence_s=0.2))
    async with f:
        await f.wait_live(PATIENCE_S)
        await server.until(lambda: len(rest.asked) >= 2)
        assert f.counters()["reconnects"] == 0
        assert len(server.peers) == 1
        rest.answer = moved
        await server.peer(1)
        await server.until(lambda: f.counters()["reconnects"] == 1)


async def test_a_frozen_market_is_found_by_comparison(
    server: Server, rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is busy, and says nothing of one market."""
    monkeypatch.setattr(session_server, "STAMPS", session_server.Stamps(ago_ms=120_000))
    monkeypatch.setattr(recovery, "COMPARE_NS", S // 5)
    monkeypatch.setattr(recovery, "COMPARE_EVERY_NS", S // 20)

    async def as_ours(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=orjson.dumps([book_message(s) for s in rest.asked[-1]]))

    async def moved(_request: web.Request) -> web.StreamResponse:
        newest = int(str(book_message(YES)["timestamp"]))
        books = [book_message(s, "0.44", ts_ms=newest + 60_000) for s in rest.asked[-1]]
        return web.Response(body=orjson.dumps(books))

    rest.answer = as_ours
    async with feed(server, rest) as f:
        await f.wait_live(PATIENCE_S)
        await server.until(lambda: len(rest.asked) >= 3)
        assert f.book(YES).live
        assert (f.book(YES).epoch, f.counters()["reconnects"]) == (1, 0)
        assert f.engine.evidence()["rest_match"] >= 2
        (said,) = f.witnesses().values()
        assert (said["rest"]["agreed"] >= 2, said["rest"]["differed"]) == (True, 0)
        assert said["hash"] == {"agreed": 0, "differed": 0}
        rest.answer = moved
        await server.peer(1)
        await server.until(lambda: f.counters()["reconnects"] == 1)
        assert f.engine.evidence()["rest_mismatch"] >= 1


async def test_books_that_are_gone_are_not_kept_in_mind() -> None:
    engine, now_ns = Engine(), 1_000 * S
    names = {engine.subscribe("polymarket", symbol, 0, now_ns): symbol for symbol in (YES, NO)}
    for symbol in (YES, NO):
        engine.ingest(0, book_frame(symbol), now_ns)
    assert all(engine.book(i).live for i in names)
    session = SimpleNamespace(open=True, counters=SimpleNamespace(connects=1))
    shard: Any = SimpleNamespace(conn=0, instruments=names, session=session)
    connections: Any = SimpleNamespace(
        engine=engine,
        inputs=EngineInput(engine),
        plan=ResyncPlan(ResyncPolicy(), random.Random(1), can_fetch=True),
        clock=SimpleNamespace(now_ns=lambda: now_ns),
        flush=engine.drain,
        shard_of=lambda instrument: shard if instrument in shard.instruments else None,
    )

    answered = asyncio.Event()

    async def fetch(_request: RestRequest) -> bytes:
        answered.set()
        return b"[]"

    books = polymarket().recovery
    assert isinstance(books, RestBooks)
    client: Any = SimpleNamespace(fetch=fetch)
    mender = recovery.RestMender(connections, client, books)

    async def compare() -> list[int]:
        nonlocal now_ns
        now_ns += recovery.COMPARE_NS
        mender.mend([shard], now_ns)
        await asyncio.wait_for(answered.wait(), PATIENCE_S)
        answered.clear()
        return sorted(mender._compared)  # noqa: SLF001

    assert await compare() == sorted(names)
    shard.instruments = dict(list(names.items())[:1])
    assert await compare() == sorted(shard.instruments)


def test_a_quiet_book_is_compared_before_it_is_too_old_for_a_signal() -> None:
    compared_ns = recovery.COMPARE_NS + recovery.COMPARE_EVERY_NS
    answered_ns = compared_ns + S  # a step of the timer, and the way there and back
    assert answered_ns < Gates().max_age_ms * (S // 1_000)
    assert answered_ns < SessionOptions().silence_s * S


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("-5", 0),
        ("1.5", 0),
        ("9999999999999999999999", 600),
        ("1000000000", 600),
        ("٣", 0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Sun, 15 Jan 2034 07:00:00 GMT", 600),
        ("soon", 0),
    ],
)
def test_retry_after(header: str | None, seconds: int) -> None:
    assert retry_after_ns(header, now_s=1_800_000_000) == seconds * S


async def test_client_errors_are_typed() -> None:
    with pytest.raises(SessionError, match="http"):
        RestClient("ftp://example.invalid")
    async with RestClient("http://127.0.0.1:1", timeout_s=0.5) as client:
        with pytest.raises(RestError, match="POST /books failed"):
            await client.fetch(RestRequest("POST", "/books", b"[]"))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "Content-Length"),
        (b"\x1b[2J\nCRITICAL all is lost\r\n\r\n", "ClientResponseError: 400"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "400"),
        (b"", "no answer in 0.2 s"),
    ],
)
async def test_an_answer_that_is_none_is_told_in_one_line(answer: bytes, problem: str) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with suppress(ConnectionError):
            await reader.read()  # until the client has gone
            writer.close()
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with RestClient(f"http://127.0.0.1:{port}", timeout_s=0.2) as client:
            with pytest.raises(RestError) as caught:
                await client.fetch(RestRequest("POST", "/books", b"[]"))
        await ended.wait()
    line = str(caught.value)
    assert line.startswith("POST /books failed: ") and problem in line
    assert line.isprintable() and len(line) < 400 and "RequestInfo" not in line


async def test_redirects_are_not_followed(rest: Rest) -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": rest.url + "/books"})

    rest.answer = elsewhere
    async with RestClient(rest.url) as client:
        with pytest.raises(RestError, match="302"):
            await client.fetch(RestRequest("POST", "/books", b"[]"))


async def test_an_endless_answer_is_cut_off(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookfeed.live.http.BODY_BYTES_MAX", 1000)

    async def long(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 100_000)

    rest.answer = long
    async with RestClient(rest.url) as client:
        with pytest.raises(RestError, match="more than 1000 bytes"):
            await client.fetch(RestRequest("POST", "/books", b"[]"))
