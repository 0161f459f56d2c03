"""Names that are not found, resolvers that hang, addresses that are dead or change: the loop goes
on, another attempt comes, and what is right by then is used.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from raw_server import RawServer
from session_server import MARKET, YES
from waiting import PATIENCE_S, PatientClock, until

from bookfeed import loops
from bookfeed.feed.feed import Feed, SessionOptions
from bookfeed.live import dial, lookup
from bookfeed.live.dial import Dialer
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.lookup import look_up
from bookfeed.venues.base import RestRequest

HOST = "venue.test"
QUICK = SessionOptions(backoff_min_s=0.02, backoff_max_s=0.1, connect_stagger_s=0.0, advance_s=0.02)
BACK_NS_MAX = 1_000_000_000


class Names:
    """A resolver: it knows one host, by the addresses that it is told, and can hang."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0
        self._real = socket.getaddrinfo
        patch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, port: int, *args: int, **kwargs: int) -> list[object]:
        if host != HOST:
            return list(self._real(host, port, *args, **kwargs))
        self.asked += 1
        known = self.addresses
        self.answers.wait(30.0)
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*tcp, (address, port)) for address in known]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    known = Names(monkeypatch)
    yield known
    known.answers.set()


@contextmanager
def serving(*addresses: str) -> Iterator[tuple[list[RawServer], str]]:
    """Servers at these addresses on one port, and the URL of all of them by name."""
    with ExitStack() as stack:
        servers: list[RawServer] = []
        for address in addresses:
            port = int(servers[0].url.split(":")[2].split("/")[0]) if servers else 0
            servers.append(stack.enter_context(closing(RawServer(address=(address, port)))))
        port = int(servers[0].url.split(":")[2].split("/")[0])
        yield servers, f"ws://{HOST}:{port}/ws"


@contextmanager
def dead(address: str, port: int) -> Iterator[None]:
    """An address at which nobody answers: whoever is first in its queue leaves no room."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((address, port))
        listening.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((address, port))
        yield


async def test_a_name_that_is_not_known_is_asked_for_until_it_is(names: Names) -> None:
    clock = PatientClock()
    with serving("127.0.0.1") as (_, url):
        async with Feed([MARKET], url=url, options=QUICK) as feed:
            await until(lambda: names.asked >= 3)
            cause = feed.status().connections[0].cause
            assert f"no address of {HOST} is known: Name or service not known" in cause
            names.addresses = ["127.0.0.1"]
            assert await clock.took(lambda: feed.book(YES).live) < BACK_NS_MAX
            await feed.wait_live(PATIENCE_S)


@pytest.mark.usefixtures("either_loop")
def test_a_resolver_that_hangs_stops_neither_the_loop_nor_its_end(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A look-up is given up sooner than a fault has to be seen.
    assert lookup.LOOKUP_TIMEOUT_S < 5.0
    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", 0.2)
    begun_s = time.monotonic()

    async def hang() -> None:
        async with Feed([MARKET], url=f"ws://{HOST}:1/ws", options=QUICK) as feed:
            turns = 0
            while names.asked < 2:
                await asyncio.sleep(0.001)
                turns += 1
            assert turns > 50
            assert "the resolver has not answered in 0.2 s" in feed.status().connections[0].cause

    names.answers.clear()
    loops.run(hang())
    # The resolver would take half a minute.
    assert time.monotonic() - begun_s < 20.0


async def test_who_hung_before_keeps_nobody_from_an_answer(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", 0.2)
    clock = PatientClock()
    with serving("127.0.0.1") as (_, url):
        names.addresses = ["127.0.0.1"]
        names.answers.clear()
        async with Feed([MARKET], url=url, options=QUICK) as feed:
            await until(lambda: names.asked >= 2)
            # Those go on hanging; from here on it answers at once.
            hanging, names.answers = names.answers, threading.Event()
            names.answers.set()
            assert await clock.took(lambda: feed.book(YES).live) < BACK_NS_MAX
            await feed.wait_live(PATIENCE_S)
            assert lookup._hanging  # noqa: SLF001
            hanging.set()


async def test_so_many_may_hang_and_no_more(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    await until(lambda: not lookup._hanging)  # noqa: SLF001
    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", 0.01)
    names.addresses = ["127.0.0.1"]
    names.answers.clear()
    for _ in range(lookup.HANGING_MAX):
        with pytest.raises(OSError, match="has not answered"):
            await look_up(HOST, 443)
    with pytest.raises(OSError, match=f"still owes {lookup.HANGING_MAX} answers"):
        await look_up(HOST, 443)
    assert names.asked == lookup.HANGING_MAX
    # What is no name is not looked up.
    assert await look_up("127.0.0.1", 443) == [(socket.AF_INET, ("127.0.0.1", 443))]
    names.answers.set()
    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", PATIENCE_S)
    await until(lambda: not lookup._hanging)  # noqa: SLF001
    assert await look_up(HOST, 443) == [(socket.AF_INET, ("127.0.0.1", 443))]


async def test_threads_that_are_not_to_be_had_are_an_error_like_another(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(OSError, match="no thread for look up"):
            await look_up(HOST, 443)
    assert names.asked == 0


@pytest.mark.usefixtures("either_loop")
def test_the_first_address_is_dead(names: Names) -> None:
    async def connect() -> None:
        clock = PatientClock()
        with serving("127.0.0.1") as (_, url):
            port = int(url.split(":")[2].split("/")[0])
            with dead("127.0.0.2", port):
                names.addresses = ["127.0.0.2", "127.0.0.1"]
                async with Feed([MARKET], url=url, options=QUICK) as feed:
                    took_ns = await clock.took(lambda: feed.book(YES).live)
                    # Sooner than the dead one is given up.
                    assert took_ns < dial.ADDRESS_TIMEOUT_S * 1e9 / 2
                    await feed.wait_live(PATIENCE_S)
                    assert feed.counters()["connect_failures"] == 0

    loops.run(connect())


async def test_all_addresses_are_dead(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "ADDRESS_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
    # Nobody listens at the one; the other does not answer.
    with dead("127.0.0.2", port):
        names.addresses = ["127.0.0.2", "127.0.0.3"]
        with pytest.raises(OSError, match=r"cannot connect to venue\.test") as told:
            await Dialer().open(HOST, port)
        assert "127.0.0.2: TimeoutError" in str(told.value)
        assert "127.0.0.3: ConnectionRefusedError" in str(told.value)


async def test_an_attempt_that_is_ended_leaves_no_socket(names: Names) -> None:
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
    with dead("127.0.0.2", port), dead("127.0.0.3", port):
        names.addresses = ["127.0.0.2", "127.0.0.3"]
        task = asyncio.create_task(Dialer().open(HOST, port))
        await asyncio.sleep(2 * dial.ADDRESS_DELAY_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Unclosed ones would warn, and warnings are errors here.
        assert len(asyncio.all_tasks()) == 1


async def test_an_address_that_changes_is_used_at_the_next_attempt(names: Names) -> None:
    with serving("127.0.0.1", "127.0.0.2") as ((first, second), url):
        names.addresses = ["127.0.0.1"]
        async with Feed([MARKET], url=url, options=QUICK) as feed:
            await feed.wait_live(PATIENCE_S)
            epoch = feed.book(YES).epoch
            there = await asyncio.to_thread(first.opened.get)
            names.addresses = ["127.0.0.2"]
            there.shutdown(socket.SHUT_RDWR)
            await until(lambda: feed.book(YES).live and feed.book(YES).epoch > epoch)
            assert not second.opened.empty()
            assert first.opened.empty()


async def test_rest_asks_the_same_way(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", 0.05)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    request = RestRequest("GET", "/book")
    async with server, RestClient(f"http://{HOST}:{port}") as client:
        names.answers.clear()
        with pytest.raises(RestError, match="the resolver has not answered"):
            await client.fetch(request)
        names.answers.set()
        names.addresses = ["127.0.0.1"]
        monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", PATIENCE_S)
        assert await client.fetch(request) == b"{}"
