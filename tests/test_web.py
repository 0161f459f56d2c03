"""The server: what it hands out, to whom, and what a client can and cannot do to others."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType
from session_server import NO, YES, Server, book_frame, serving
from waiting import PATIENCE_S, until
from web_server import Served, message, served, served_feed

from bookfeed import loops
from bookfeed.sinks import remote
from bookfeed.web import channels, clients
from bookfeed.web import server as web_server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.sock"


async def test_http_tells_what_the_feed_knows(server: Server, path: Path) -> None:
    async with served_feed(server, path) as (feed, there):
        (await server.peer(0)).text(book_frame(YES, "0.45"))
        await until(lambda: feed.book(YES).bid == 0.45)

        async def books() -> dict[str, Any]:
            _, told = await there.ask("/books")
            return {one["symbol"]: one for one in told["books"]}

        while (told := (await books())[YES])["bid"] != "0.45":
            pass
        assert (told["state"], told["live"], told["venue"]) == ("live", True, "polymarket")
        assert (told["market"], told["outcome"], told["title"]) == ("0xabc", "Yes", "Will it?")
        assert (told["ask"], told["epoch"]) == ("0.6", feed.book(YES).epoch)
        status, book = await there.ask(f"/books/polymarket/{YES}?depth=1")
        assert (status, book["bids"], book["state"]) == (200, [["0.45", "10"]], "live")
        _, signals = await there.ask("/signals?rule=spread")
        assert signals["open"] and signals["open"][0]["rule"] == "spread"
        assert (await there.ask("/signals?rule=box"))[1]["open"] == []
        _, everything = await there.ask("/arbitrage")
        (market,) = everything["markets"]
        assert {one["outcome"] for one in market["books"]} == {"Yes", "No"}
        _, standing = await there.ask("/status")
        assert standing["states"] == {"live": 2} and standing["feed"] == "heard"
        assert (await there.ask("/ready"))[0] == 200
        for wrong, code in (
            ("/books/polymarket/none", 404),
            (f"/books/polymarket/{YES}?depth=0", 400),
            (f"/books/polymarket/{YES}?depth=9999", 400),
            (f"/books/polymarket/{YES}?depth=1e2", 400),
            ("/nothing", 404),
        ):
            assert (await there.ask(wrong))[0] == code, wrong


async def test_a_book_that_may_not_be_believed_has_no_price_anywhere(
    server: Server, path: Path
) -> None:
    """Lost by its connection, then with its feed: told at once, by every way."""
    async with served(path) as there, there.http.ws_connect(there.at + "/ws") as client:
        await client.send_str('{"op": "subscribe", "channel": "books"}')
        async with served_feed(server, path) as (feed, _):
            await until(lambda: there.server.world.feed == "heard")
            await until_told(client, "live")
            (await server.peer(0)).abort()
            lost = await until_told(client, "stale", cause="disconnected")
            assert [lost[key] for key in ("bid", "bid_qty", "ask", "ask_qty")] == [None] * 4
            await feed.wait_live(PATIENCE_S)
            await until_told(client, "live")
        await until_told(client, "stale")
        await until(lambda: there.server.world.feed == "lost")
        assert (await there.ask("/ready"))[0] == 503
        _, told = await there.ask("/books")
        assert told["feed"] == "lost"
        assert {(one["live"], one["bid"]) for one in told["books"]} == {(False, None)}
        assert (await there.ask("/signals"))[1]["open"] == []
        assert (await there.ask(f"/books/polymarket/{YES}"))[0] == 503


async def test_nothing_of_the_users_own_account_is_told(server: Server, path: Path) -> None:
    """The feed's socket tells it to its owner; whoever asks the server is not him alone."""
    async with (
        served_feed(server, path) as (_, there),
        there.http.ws_connect(there.at + "/ws") as client,
    ):
        world, holding = there.server.world, {"symbol": YES, "qty_e8": 777_777_777}
        account = {"venue": "polymarket", "state": "live", "cause": "", "orders": 1}
        world.take_piece({"part": "own", "accounts": [account | {"holdings": [holding]}]})
        _, described = await there.ask("/openapi.json")
        for route in described["paths"]:
            _, told = await there.ask(route.replace("{venue}/{symbol}", f"polymarket/{YES}"))
            assert "777777777" not in str(told) and "holdings" not in str(told), route
        for channel in ("books", "trades", "signals", "status", "arbitrage"):
            await client.send_str(f'{{"op": "subscribe", "channel": "{channel}"}}')
            told = await message(client, "snapshot")
            assert "777777777" not in str(told) and "holdings" not in str(told), channel


async def test_a_feed_that_hangs_is_shown_as_what_it_is(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        served_feed(server, path) as (_, there),
        there.http.ws_connect(there.at + "/ws") as client,
    ):
        await client.send_str('{"op": "subscribe", "channel": "books"}')
        await until_told(client, "live")
        # As after three seconds of silence.
        monkeypatch.setattr(remote, "SILENT_S", 0.0)
        told = await until_told(client, "stale", cause="disconnected")
        assert told["bid"] is None
        assert (await there.ask("/health"))[1]["feed"] == "silent"


async def until_told(
    client: aiohttp.ClientWebSocketResponse, state: str, cause: str | None = None
) -> dict[str, Any]:
    """The next touch of YES in a state; no earlier one is live after a later one is not."""
    while True:
        said = orjson.loads(await client.receive_str(timeout=PATIENCE_S))
        for one in said.get("books", ()):
            fits = one["symbol"] == YES and one["state"] == state
            if fits and cause in (None, one["cause"]):
                found: dict[str, Any] = one
                return found


async def test_subscriptions_give_a_snapshot_and_then_what_changes(
    server: Server, path: Path
) -> None:
    async with served_feed(server, path) as (_, there):
        async with there.http.ws_connect(there.at + "/ws") as client:
            await say(client, op="subscribe", channel="books", symbol=YES, id=7)
            assert (await message(client, "subscribed"))["id"] == 7
            first = await message(client, "snapshot")
            assert [one["symbol"] for one in first["books"]] == [YES]
            peer = await server.peer(0)
            peer.text(book_frame(NO, "0.31"))
            peer.text(book_frame(YES, "0.42"))
            while True:
                told = await message(client, "books")
                assert {one["symbol"] for one in told["books"]} == {YES}
                if told["books"][0]["bid"] == "0.42":
                    break
            await say(client, op="subscribe", channel="levels", venue="polymarket", symbol=NO)
            levels = await message(client, "levels")
            assert [price for price, _ in levels["book"]["bids"]] == ["0.31"]
            await say(client, op="unsubscribe", channel="books", symbol=YES)
            await message(client, "unsubscribed")
            await say(client, op="subscribe", channel="signals", rule="spread")
            assert (await message(client, "snapshot"))["signals"]
            await say(client, op="subscribe", channel="status")
            assert (await message(client, "snapshot"))["states"] == {"live": 2}
            await say(client, op="ping", id="x")
            assert (await message(client, "pong"))["id"] == "x"
            for wrong in (
                {"op": "order"},
                {"op": "subscribe"},
                {"op": "subscribe", "channel": "orders"},
                {"op": "subscribe", "channel": "levels"},
                {"op": "subscribe", "channel": "books", "venue": 3},
                {"op": "subscribe", "channel": "levels", "venue": "a", "symbol": "b", "depth": 1e9},
            ):
                await say(client, **wrong)
                assert (await message(client, "error"))["error"]
        async with there.http.ws_connect(there.at + "/ws/arbitrage") as client:
            everything = await message(client, "snapshot")
            assert everything["channel"] == "arbitrage" and everything["markets"]


async def say(client: aiohttp.ClientWebSocketResponse, **content: Any) -> None:
    await client.send_str(orjson.dumps(content).decode())


@pytest.mark.parametrize("compress", [0, 15])
async def test_deflated_messages_say_the_same(server: Server, path: Path, compress: int) -> None:
    async with (
        served_feed(server, path) as (_, there),
        there.http.ws_connect(there.at + "/ws", compress=compress) as client,
    ):
        assert client.compress == compress
        await say(client, op="subscribe", channel="books")
        assert len((await message(client, "snapshot"))["books"]) == 2
        peer = await server.peer(0)
        for n in range(100, 130):
            peer.text(book_frame(YES, f"0.{n}", "0.9"))
            while (await message(client, "books"))["books"][0]["bid"] != f"0.{n}".rstrip("0"):
                pass


@pytest.mark.parametrize("compress", [0, 15])
async def test_messagepack_says_the_same(server: Server, path: Path, compress: int) -> None:
    msgpack = pytest.importorskip("msgpack")
    async with served_feed(server, path) as (_, there):
        asked = there.http.ws_connect(there.at + "/ws?format=msgpack", compress=compress)
        async with asked as client, there.http.ws_connect(there.at + "/ws") as plain:
            for one in (client, plain):
                await say(one, op="subscribe", channel="books", id=7)
            told = [await client.receive_bytes(timeout=PATIENCE_S) for _ in range(2)]
            expected = [await message(plain, kind) for kind in ("subscribed", "snapshot")]
            found = [msgpack.unpackb(one) for one in told]
            assert found[0] == expected[0]
            assert found[1]["books"] == expected[1]["books"] and len(found[1]["books"]) == 2
        for accept, kind in (
            ("application/msgpack", "application/msgpack"),
            ("application/x-msgpack;q=0.9, */*", "application/msgpack"),
            ("application/json, application/msgpack", "application/json"),
            ("*/*", "application/json"),
        ):
            for route in ("/books", "/books/polymarket/none", "/openapi.json"):
                async with there.http.get(there.at + route, headers={"Accept": accept}) as answer:
                    data = await answer.read()
                    assert answer.content_type == kind
                status, plainly = await there.ask(route)
                read = msgpack.unpackb if kind == "application/msgpack" else orjson.loads
                assert (answer.status, read(data)) == (status, plainly)
        assert (await there.ask("/ws?format=xml"))[0] == 400


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_is_as_rfc_6455_has_it(size: int) -> None:
    frame = clients.Frame(b"x" * size).packed(0)
    head = {0: 2, 1: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[size]
    assert frame[0] == 0x81 and len(frame) == head + size
    length = frame[1] if head == 2 else int.from_bytes(frame[2:head], "big")
    assert length == size


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 5_000, 1009),
        ("[" * 17 + "]" * 17, 1008),
        ("no json", 1008),
        ("[]", 1008),
        (b"binary", 1003),
    ],
    ids=["long", "deep", "text", "list", "binary"],
)
async def test_what_may_not_be_sent_ends_the_connection(
    server: Server, path: Path, text: str | bytes, code: int
) -> None:
    async with served_feed(server, path) as (_, there):
        async with there.http.ws_connect(there.at + "/ws") as client:
            await (client.send_str(text) if isinstance(text, str) else client.send_bytes(text))
            while (await client.receive(PATIENCE_S)).type == WSMsgType.TEXT:
                pass
            assert client.close_code == code
        await until(lambda: there.server.counts()["clients"] == 0)


@pytest.mark.parametrize(("said", "answered"), [(1000, 1000), (3333, 1000), (1006, 1002)])
async def test_who_closes_is_answered_and_told_if_its_code_cannot_be(
    server: Server, path: Path, said: int, answered: int
) -> None:
    async with served(path) as there:
        client = await there.http.ws_connect(there.at + "/ws")
        await client.close(code=said)
        assert client.close_code == answered


async def test_too_many_messages_or_subscriptions(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served_feed(server, path) as (_, there):
        async with there.http.ws_connect(there.at + "/ws") as client:
            for _ in range(2 * clients.COMMANDS_A_SECOND + 1):
                await say(client, op="ping")
            while (await client.receive(PATIENCE_S)).type == WSMsgType.TEXT:
                pass
            assert client.close_code == 1008
        monkeypatch.setattr(channels, "SUBSCRIPTIONS_MAX", 3)
        async with there.http.ws_connect(there.at + "/ws") as client:
            for n in range(4):
                await say(client, op="subscribe", channel="books", symbol=str(n))
            assert "at most 3" in (await message(client, "error"))["error"]


async def test_a_client_that_reads_nothing_is_left_behind_and_cut(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "WAITING_BYTES_MAX", 4_096)
    monkeypatch.setattr(clients, "STALLED_S", 0.5)
    monkeypatch.setattr(web_server, "SEND_BYTES", 4_096)
    monkeypatch.setattr(web_server, "TICK_S", 0.005)
    async with served_feed(server, path) as (_, there):
        stalled = await raw_client(there, '{"op":"subscribe","channel":"books"}')
        async with there.http.ws_connect(there.at + "/ws") as healthy:
            await say(healthy, op="subscribe", channel="books")
            peer, n = await server.peer(0), 0
            while there.server.counts()["clients_cut_total"] == 0:
                n += 1
                price = f"0.{100 + n % 300}"
                peer.text(book_frame(YES, price, "0.9"))
                while (await message(healthy, "books"))["books"][0]["bid"] != price.rstrip("0"):
                    pass
            await until(lambda: there.server.counts()["clients"] == 1)
        stalled.close()


async def test_a_client_that_takes_too_little_is_cut(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads now and then, and is behind all the time."""
    monkeypatch.setattr(clients, "WAITING_BYTES_MAX", 4_096)
    monkeypatch.setattr(clients, "STALLED_S", 0.5)
    monkeypatch.setattr(web_server, "SEND_BYTES", 4_096)
    monkeypatch.setattr(web_server, "TICK_S", 0.005)
    async with served_feed(server, path) as (_, there):
        slow = await raw_client(there, '{"op":"subscribe","channel":"books"}')
        peer, n, read = await server.peer(0), 0, 0
        while there.server.counts()["clients_cut_total"] == 0:
            n += 1
            peer.text(book_frame(YES, f"0.{100 + n % 300}", "0.9"))
            await asyncio.sleep(0.005)
            with contextlib.suppress(BlockingIOError):
                read += len(slow.recv(8)) if n % 4 == 0 else 0
        assert read, "it took something meanwhile"
        slow.close()


async def test_a_client_that_answers_no_ping_is_cut(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(clients, "PONG_S", 0.3)
    async with served_feed(server, path) as (_, there):
        silent = await raw_client(there, '{"op":"subscribe","channel":"books"}')
        async with there.http.ws_connect(there.at + "/ws") as healthy:
            await say(healthy, op="subscribe", channel="books")
            await until(lambda: there.server.counts()["clients"] == 2)
            reading = asyncio.create_task(message(healthy, "never"))
            await until(lambda: there.server.counts()["clients"] == 1)
            await asyncio.sleep(1.0)
            assert there.server.counts()["clients"] == 1, "who answers stays"
            await healthy.ping(b"x")
            reading.cancel()
        silent.close()


async def test_a_client_that_was_behind_gets_what_it_missed_as_a_whole(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        served_feed(server, path) as (feed, there),
        there.http.ws_connect(there.at + "/ws") as client,
    ):
        await say(client, op="subscribe", channel="books", symbol=YES)
        await message(client, "snapshot")
        monkeypatch.setattr(clients, "WAITING_BYTES_MAX", -1)
        (await server.peer(0)).text(book_frame(YES, "0.44"))
        await until(lambda: there.server.counts()["messages_left_out_total"] > 0)
        monkeypatch.setattr(clients, "WAITING_BYTES_MAX", 65_536)
        whole = await message(client, "snapshot")
        assert whole["dropped"] > 0 and whole["books"][0]["bid"] == "0.44"
        assert feed.book(YES).bid == 0.44


async def raw_client(there: Served, text: str) -> socket.socket:
    """A client that subscribes, and reads no more."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(made, ("127.0.0.1", there.port))
    head = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{there.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    frame = bytes((0x81, 0x80 | len(text))) + bytes(4) + text.encode()
    await loop.sock_sendall(made, head.encode() + frame)
    return made


async def test_who_says_nothing_is_cut_and_there_is_a_bound(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "HANDSHAKE_S", 0.3)
    async with served_feed(server, path) as (_, there):
        for begun in (b"", b"GET / HT", b"GET /ws HTTP/1.1\r\nHost: x\r\n"):
            reading, writing = await asyncio.open_connection("127.0.0.1", there.port)
            writing.write(begun)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reading.read(), PATIENCE_S) == b""
            writing.close()
        there.server.clients_max = 0
        reading, writing = await asyncio.open_connection("127.0.0.1", there.port)
        assert (await reading.read()).startswith(b"HTTP/1.1 503")
        writing.close()
        there.server.clients_max = 100
        assert (await there.ask("/health"))[0] == 200


async def test_what_clients_missed_stays_counted_when_they_have_left(
    server: Server, path: Path
) -> None:
    async with served_feed(server, path) as (_, there):
        async with there.http.ws_connect(there.at + "/ws") as client:
            await client.send_str('{"op": "subscribe", "channel": "books"}')
            await message(client, "snapshot")
            (one,) = there.server._clients  # noqa: SLF001 - as if it had not kept up
            one.dropped = 7
            assert there.server.counts()["messages_left_out_total"] == 7
        await until(lambda: there.server.counts()["clients"] == 0)
        assert there.server.counts()["messages_left_out_total"] == 7


@pytest.mark.usefixtures("either_loop")
def test_feed_and_server_meet_on_either_loop(path: Path) -> None:
    """What a loop gives as transports differs; ``bookfeed`` itself runs on uvloop."""

    async def meet() -> None:
        async with serving() as venue, served_feed(venue, path) as (_, there):
            _, told = await there.ask(f"/books/polymarket/{YES}")
            assert told["bid"] == "0.4"
            there.server.clients_max = 0
            reading, writing = await asyncio.open_connection("127.0.0.1", there.port)
            assert (await reading.read()).startswith(b"HTTP/1.1 503")
            writing.close()
            await writing.wait_closed()

    loops.run(asyncio.wait_for(meet(), PATIENCE_S))


async def test_every_route_only_reads(server: Server, path: Path) -> None:
    async with served_feed(server, path) as (_, there):
        _, told = await there.ask("/openapi.json")
        assert {method for one in told["paths"].values() for method in one} == {"get"}
        for route in told["paths"]:
            where = there.at + route.replace("{venue}", "polymarket").replace("{symbol}", YES)
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                async with there.http.request(method, where) as response:
                    assert response.status == 405, (method, route)
            async with there.http.get(where) as response:
                assert response.status == 200, route
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
                assert "Access-Control-Allow-Origin" not in response.headers


async def test_the_command_serves_until_it_is_told_to_end(server: Server, path: Path) -> None:
    async with served_feed(server, path):
        command = [sys.executable, "-m", "bookfeed", "serve", str(path), "--port", "0"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, env={**os.environ, "BOOKFEED_SERVER_TOKEN": ""}
        )
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()
        assert line.startswith("serving http://127.0.0.1:")
        async with aiohttp.ClientSession() as http:
            at = line.split()[1]
            while True:
                async with http.get(at + "ready") as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
