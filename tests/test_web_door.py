"""Who the server lets in: hosts, origins and tokens, each hostile one refused before anything."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from session_server import Server
from waiting import PATIENCE_S
from web_server import Served, message, served, served_feed

from bookfeed import SessionError
from bookfeed.web.door import Rules, read_token

TOKEN = "a-token-of-thirty-characters-1"
WITH_TOKEN = Rules("127.0.0.1", 0, TOKEN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.sock"


async def shake(there: Served, lines: list[str], at: str = "/ws") -> int:
    """The status of a handshake with these header lines besides what it needs."""
    reading, writing = await asyncio.open_connection("127.0.0.1", there.port)
    head = [
        f"GET {at} HTTP/1.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *lines,
    ]
    writing.write("\r\n".join([*head, "", ""]).encode())
    line = await asyncio.wait_for(reading.readline(), PATIENCE_S)
    writing.close()
    return int(line.split()[1])


HOSTILE_ORIGINS = [
    "null",
    "http://evil",
    "https://evil.com",
    "http://localhost.evil.com",
    "http://127.0.0.1.evil",
    "http://127.0.0.1.evil:{port}",
    "http://evil.com:{port}",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://localhost",
    "http://LOCALHOST:{port}",
    "HTTP://127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}.evil.com",
    "http://user@127.0.0.1:{port}",
    "http://127.0.0.2:{port}",
    "http://127.1:{port}",
    "http://2130706433:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "file://",
    "ws://127.0.0.1:{port}",
    "127.0.0.1:{port}",
]


async def test_pages_of_others_are_refused_before_the_upgrade(path: Path) -> None:
    async with served(path) as there:
        own = f"Host: 127.0.0.1:{there.port}"
        for origin in HOSTILE_ORIGINS:
            line = "Origin: " + origin.format(port=there.port)
            assert await shake(there, [own, line]) == 403, line
            status, _ = await there.ask("/books", Origin=origin.format(port=there.port))
            assert status == 403, line
        good = f"Origin: http://127.0.0.1:{there.port}"
        assert await shake(there, [own, good, "Origin: http://evil"]) in (400, 403)
        assert await shake(there, [own, good]) == 101
        assert await shake(there, [own]) == 101, "a program of this machine sends none"


async def test_without_a_token_and_an_origin_nobody_is_let_in_where_there_is_one(
    path: Path,
) -> None:
    async with served(path, WITH_TOKEN) as there:
        own = f"Host: 127.0.0.1:{there.port}"
        assert await shake(there, [own]) == 403
        assert await shake(there, [own, f"Authorization: Bearer {TOKEN}"]) == 101
        assert await shake(there, [own, f"Sec-WebSocket-Protocol: bookfeed, bearer.{TOKEN}"]) == 101


@pytest.mark.parametrize(
    "host",
    ["evil.com", "evil.com:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.com:{port}",
     "LOCALHOST:{port}", "127.0.0.2:{port}", ""],
)  # fmt: skip
async def test_a_name_that_was_bent_to_this_address_is_refused(path: Path, host: str) -> None:
    async with served(path) as there:
        line = "Host: " + host.format(port=there.port)
        for at in ("/ws", "/books", "/metrics", "/health"):
            assert await shake(there, [line], at) in (400, 421), at


async def test_the_token_is_asked_for_by_every_way(server: Server, path: Path) -> None:
    async with served_feed(server, path, WITH_TOKEN) as (_, there):
        assert (await there.ask("/books"))[0] == 401
        assert (await there.ask("/metrics"))[0] == 401
        assert (await there.ask(f"/books?token={TOKEN}"))[0] == 401, "addresses are logged"
        assert (await there.ask("/health"))[0] == 200
        assert (await there.ask("/books", Authorization=f"Bearer {TOKEN}"))[0] == 200
        headers = {"Origin": there.at}
        async with there.http.ws_connect(there.at + "/ws", headers=headers) as client:
            await client.send_str(f'{{"op": "auth", "token": "{TOKEN}"}}')
            await client.send_str('{"op": "subscribe", "channel": "books"}')
            assert (await message(client, "snapshot"))["books"]
        for first in ('{"op": "auth", "token": "wrong"}', '{"op": "subscribe"}', "x"):
            async with there.http.ws_connect(there.at + "/ws", headers=headers) as client:
                await client.send_str(first)
                assert (await client.receive(PATIENCE_S)).type == aiohttp.WSMsgType.CLOSE
                assert client.close_code == 1008


async def test_who_tries_tokens_is_held_up(path: Path) -> None:
    async with served(path, WITH_TOKEN) as there:
        said = [(await there.ask("/books", Authorization=f"Bearer {n}"))[0] for n in range(6)]
        assert said[:5] == [401] * 5
        assert said[5] in (401, 429)
        burst = await asyncio.gather(
            *(there.ask("/books", Authorization="Bearer x") for _ in range(20))
        )
        assert 429 in {status for status, _ in burst}


def test_where_it_may_listen() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1"):
        Rules(host, 0)
    for host in ("0.0.0.0", "::", "192.168.1.2", "example.com"):
        for given in ({}, {"token": TOKEN}, {"exposed": True}):
            with pytest.raises(SessionError, match="--expose and a token"):
                Rules(host, 0, **given)
        Rules(host, 0, TOKEN, exposed=True)
    with pytest.raises(SessionError, match="22 or more"):
        Rules("127.0.0.1", 0, "short")


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o640)
    with pytest.raises(SessionError, match="chmod 600"):
        read_token(file)
    file.chmod(0o600)
    assert read_token(file) == TOKEN
    with pytest.raises(SessionError, match="No such file"):
        read_token(tmp_path / "none")
