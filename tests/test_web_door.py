"""Who the server lets in: hosts, origins and tokens, each hostile one refused before anything."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from own_link import OWNER, WALLET
from session_server import Server
from test_own_live import SECRET, SERVERS, followed
from test_strange_names import NAMES
from waiting import PATIENCE_S, until
from web_server import Served, message, serve_command, served, served_feed

from bookfeed import SessionError
from bookfeed.sinks import SocketSink
from bookfeed.web.door import Rules, read_token

TOKEN = "a-token-of-thirty-characters-1"
WITH_TOKEN = Rules("127.0.0.1", 0, TOKEN)
ROUTES = ("/arbitrage", "/books", "/trades", "/signals", "/markets", "/status", "/metrics")


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


async def test_a_token_of_any_bytes_is_wrong_and_no_error_of_ours(path: Path) -> None:
    async with served(path, WITH_TOKEN) as there:
        own = f"Host: 127.0.0.1:{there.port}"
        for wrong in ("\xff\xfe", "é" * 30, TOKEN + " x", TOKEN[:-1], "", "x" * 7_000):
            line = f"Authorization: Bearer {wrong}"
            assert await shake(there, [own, line]) in (400, 401, 403, 429), wrong[:40]
            await asyncio.sleep(0.25)


async def test_the_token_is_told_nowhere(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a right one nor one that almost was."""
    caplog.set_level("DEBUG")
    almost = TOKEN[:-1] + "2"
    async with served(path, WITH_TOKEN) as there:
        said = []
        for token in (TOKEN, almost):
            _, text = await there.ask("/status", Authorization=f"Bearer {token}")
            said.append(str(text))
            said.append(str(await there.ask(f"/metrics?token={token}")))
        said.append(repr(there.server.counts()))
    for text in (*said, caplog.text):
        assert TOKEN not in text and almost not in text


@asynccontextmanager
async def command(
    path: Path, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """``bookfeed serve`` as it is run, and its port."""
    process = await serve_command(path, "--port", "0", *options)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()
        yield process, int(line.rstrip("/\n").rpartition(":")[2])
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what listens from /proc")
async def test_by_itself_the_server_listens_on_loopback_alone(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    async with command(path, "--token-file", str(file)) as (process, port):
        assert listening(process.pid) == {("127.0.0.1", port)}
        shown = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_text)
        assert "serve" in shown and TOKEN not in shown


def listening(pid: int) -> set[tuple[str, int]]:
    """Where a process listens."""
    targets = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in targets:
                address, _, port = local.partition(":")
                raw = bytes.fromhex(address)
                words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


async def test_names_lead_to_no_file(path: Path) -> None:
    """What is asked for is compared with what there is; nothing is looked up on a disk."""
    async with served(path) as there:
        own = f"Host: 127.0.0.1:{there.port}"
        for name in NAMES:
            plain = name.isascii() and name.isprintable() and " " not in name
            for spelled in (name if plain else quote(name), quote(name, safe="")):
                places = (f"/page/{spelled}", f"/{spelled}", f"/books/{spelled}/{spelled}")
                said = await asyncio.gather(*(shake(there, [own], at) for at in places))
                # Dots alone may mean the page itself.
                found = {400, 403, 404} | ({200} if set(name) <= {".", "/"} else set())
                assert set(said) <= found, spelled[:80]


async def test_what_is_the_users_own_is_told_to_nobody(path: Path) -> None:
    """His orders, fills and positions stay with the feed, and so does who he is."""
    made = SERVERS["polymarket"](3)
    for _ in range(40):
        made[0].account.step()
    made[0].account.now_ms = time.time_ns() // 1_000_000
    async with followed(made, sinks=[SocketSink(path)]) as (account, feed), served(path) as there:
        await until(lambda: feed.account("polymarket").live)
        assert feed.account("polymarket").orders and feed.account("polymarket").holdings
        await until(lambda: there.server.world.feed == "heard")
        async with there.http.ws_connect(there.at + "/ws") as client:
            for channel in ("books", "trades", "signals", "status", "arbitrage"):
                await client.send_json({"op": "subscribe", "channel": channel})
            said = [str(await message(client, "snapshot")) for _ in range(5)]
            await account.step(20)
            said.append(str(await message(client, "status")))
        said += [str(await there.ask(route)) for route in ROUTES]
    mine = {OWNER, WALLET, SECRET, *(order.order_id for order in feed.account("polymarket").orders)}
    assert len(mine) > 3
    for text in said:
        assert not [one for one in mine if one.lower() in text.lower()]


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
    tmp_path.chmod(0o777)
    with pytest.raises(SessionError, match="others may replace it"):
        read_token(file)
