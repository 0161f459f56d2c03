"""Proxies that the environment names: gone through, passed by, or refused with a reason."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pytest
from session_server import MARKET, YES, serving
from test_feed_status import QUICK
from test_session_rest import resting
from tls import tls_at
from waiting import PATIENCE_S, until

from bookfeed import Endpoint, Feed
from bookfeed.errors import ConfigError
from bookfeed.live.http import RestClient
from bookfeed.live.proxy import checked, proxy_of
from bookfeed.venues.base import RestRequest
from bookfeed.venues.binance import binance
from bookfeed.venues.polymarket import polymarket

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
HOST = "venue.invalid"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass
class Proxy:
    """One that takes every name for this machine, and remembers what it was asked for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    """Names and passwords it was given."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        if first == b"\x05":
            port, rest = await self._socks(reader, writer), b""
        else:
            port, rest = await self._http(first + await reader.readuntil(b"\r\n\r\n"), writer)
        there, to_there = await asyncio.open_connection("127.0.0.1", port)
        to_there.write(rest)
        await asyncio.gather(_pump(reader, to_there), _pump(there, writer))

    async def _http(self, head: bytes, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
        line, _, headers = head.partition(b"\r\n")
        method, target, version = line.decode().split()
        self.asked.append(f"{method} {target}")
        for header in headers.decode().splitlines():
            name, _, value = header.partition(": Basic ")
            if name.lower() == "proxy-authorization":
                self.keys.add(base64.b64decode(value).decode())
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            return int(target.rpartition(":")[2]), b""
        url = urlsplit(target)
        return url.port or 80, f"{method} {url.path} {version}\r\n".encode() + headers

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(b"\x05\x00")
        _, _, _, kind, length = await reader.readexactly(5)
        assert kind == 3, "a name, to be looked up by the proxy"
        host = (await reader.readexactly(length)).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"SOCKS {host}:{port}")
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return port


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


def beyond(url: str) -> str:
    """The same address under a name that nobody but the proxy knows."""
    return url.replace("127.0.0.1", HOST)


@pytest.mark.parametrize(
    ("variable", "scheme"),
    [
        ("HTTP_PROXY", "http://"),
        ("http_proxy", ""),
        ("ALL_PROXY", "http://"),
        ("HTTP_PROXY", "socks5://"),
        ("ALL_PROXY", "socks5h://"),
    ],
)
async def test_a_feed_goes_through_the_proxy(
    variable: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied() as proxy, serving() as server:
        monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{proxy.port}")
        url = beyond(server.url)
        async with Feed([MARKET], url=url, options=QUICK) as feed:
            await feed.wait_live(PATIENCE_S)
            assert feed.book(YES).live
        word = "SOCKS" if scheme.startswith("socks") else "CONNECT"
        assert proxy.asked == [f"{word} {HOST}:{urlsplit(url).port}"]


async def test_tls_goes_through_it_too_and_is_between_us_and_the_venue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = tls_at(HOST)
    async with proxied() as proxy, serving(theirs) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        url = beyond(server.url).replace("ws:", "wss:")
        async with Feed([MARKET], url=url, ssl_context=ours, options=QUICK) as feed:
            await feed.wait_live(PATIENCE_S)
        assert proxy.asked == [f"CONNECT {HOST}:{urlsplit(url).port}"]


async def test_rest_goes_through_it_with_the_password_that_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with proxied() as proxy, resting() as rest:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:CANARY-1@127.0.0.1:{proxy.port}")
        request = RestRequest("POST", "/books", b"[]")
        async with RestClient(beyond(rest.url)) as client:
            assert await client.fetch(request) == b"[]"
        assert proxy.asked == [f"POST {beyond(rest.url)}/books"]
        assert proxy.keys == {"me:CANARY-1"}
    assert "CANARY" not in caplog.text


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_a_cause_without_its_password(
    scheme: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:CANARY-1@127.0.0.1:1")
    async with Feed([MARKET], url=f"ws://{HOST}/ws", options=QUICK) as feed:
        await until(feed.unreached)
        (cause,) = feed.unreached().values()
    assert "cannot connect to 127.0.0.1 port 1" in cause
    assert "CANARY" not in caplog.text + cause


def test_which_proxy_an_address_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_of(f"wss://{HOST}/x") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://s:1")
    monkeypatch.setenv("HTTP_PROXY", "p:2")
    monkeypatch.setenv("NO_PROXY", "near.invalid, .inner.invalid")
    assert proxy_of(f"wss://{HOST}/x") == proxy_of(f"https://{HOST}") == "http://s:1"
    assert proxy_of(f"ws://{HOST}/x") == proxy_of(f"http://{HOST}") == "http://p:2"
    for passed_by in ("wss://near.invalid", "https://a.inner.invalid:8443/x"):
        assert proxy_of(passed_by) is None
    for here in ("ws://127.0.0.1:9/ws", "ws://localhost:9", "http://[::1]:9", "ws://127.8.8.8"):
        assert proxy_of(here) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("ftp://proxy:1", "one of these kinds: http, https, socks4, socks4a, socks5, socks5h"),
        ("http://", "must be an address such as http://host:3128"),
        ("http://proxy:CANARY", "must be an address such as http://host:3128"),
        ("http://[::1", "must be an address such as http://host:3128"),
    ],
)
def test_what_is_no_proxy_is_refused_before_anything_starts(
    value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match=words) as caught:
        Feed([MARKET])
    assert caught.value.source == "HTTPS_PROXY"
    assert "CANARY" not in str(caught.value)


def test_rest_does_without_a_socks_proxy_or_says_that_it_cannot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:CANARY@proxy:1080")
    poly = Endpoint(polymarket(), f"wss://{HOST}/ws", f"https://{HOST}")
    assert checked(poly) == replace(poly, rest_url=None)
    assert "polymarket: no books by REST: REST does not go through a SOCKS proxy" in caplog.text
    with pytest.raises(ConfigError, match="does not go through a SOCKS proxy: set HTTPS_PROXY"):
        checked(Endpoint(binance(), f"wss://{HOST}/ws", f"https://{HOST}"))
    assert "CANARY" not in caplog.text
