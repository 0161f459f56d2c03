"""Names of simulated venues that are not found, are slow, lead nowhere or elsewhere: what a feed
that follows by name makes of that, on its connection and by REST.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from spot_live import OPTIONS, Running, S, following
from waiting import PatientClock, until

from bookfeed.live import lookup
from bookfeed.live.http import RestClient, RestError
from bookfeed.sim.binance import BinanceSimConfig, BinanceSimServer, serve
from bookfeed.sim.binance.faults import BinanceFault
from bookfeed.sim.names import NOBODY, NameFault, SimNames
from bookfeed.venues.base import RestRequest
from bookfeed.venues.binance import BinanceMarket, BinanceSection

HOST = "venue.test"
OTHER = "127.0.0.3"
BACK_NS_MAX = S


@asynccontextmanager
async def by_name(names: SimNames, **more: object) -> AsyncIterator[Running[BinanceSimServer]]:
    """A venue that is followed by its name, not yet looked up."""
    server = await serve(BinanceSimConfig(markets=2, rate=200.0, **more))  # type: ignore[arg-type]
    ws, rest = (url.replace("127.0.0.1", HOST) for url in (server.url, server.rest_url or ""))
    markets = [
        BinanceMarket("binance", f"{one.base}-{one.quote}").to_market(None)
        for one in server.venue.specs
    ]
    one = Running("binance", server, markets, BinanceFault)
    endpoint = BinanceSection(ws_url=ws, rest_url=rest, depth=100).endpoint("test")
    async with following(one, endpoint, replace(OPTIONS, poll_after_s=3_600.0)):
        yield one


def cause(one: Running[BinanceSimServer]) -> str:
    return one.feed.status().connections[0].cause


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("unknown", f"no address of {HOST} is known: Name or service not known"),
        ("slow", "the resolver has not answered in 0.2 s"),
        ("moved", f"{NOBODY}: ConnectionRefusedError"),
    ],
)
async def test_while_a_name_leads_nowhere_it_is_said_and_tried_again(
    variant: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", 0.2)
    fault = NameFault("dns", variant=variant)
    with SimNames({HOST: ["127.0.0.1"]}, [fault]) as names:
        async with by_name(names) as one:
            await until(lambda: one.feed.counters()["connect_failures"] >= 2)
            assert words in cause(one)
            assert one.server.connections_seen == one.server.rest_requests == 0
            assert {event.fault for event in names.log} == {fault}
            names.mend()
            # One that hung keeps nobody waiting.
            books = one.feed.engine.books()
            back_ns = await PatientClock().took(lambda: all(book.live for book in books))
            assert back_ns < BACK_NS_MAX
            await one.checked()


async def test_a_dead_first_address_costs_a_moment() -> None:
    with SimNames({HOST: ["127.0.0.1"]}, [NameFault("dns", variant="dead")]) as names:
        async with by_name(names) as one:
            await one.live()
            assert one.feed.counters()["connect_failures"] == 0
            assert names.asked >= 2, "for the stream, and for REST"


async def test_a_host_that_moves_is_found_where_it_is() -> None:
    with SimNames({HOST: ["127.0.0.1", OTHER]}) as names:
        async with by_name(names, rest=True) as one:
            await one.live()
            port = int(one.server.url.rsplit(":", 1)[1].split("/")[0])
            # The same venue at another address: what it is asked there is counted.
            moved = BinanceSimConfig(host=OTHER, port=port, markets=2, rate=200.0)
            there = await serve(moved)
            try:
                names.inject(NameFault("dns", variant="moved"))
                one.inject("reset")
                await until(lambda: there.connections_seen)
                # The client knows a moment later than the server.
                await until(lambda: one.feed.counters()["reconnects"] == 1)
            finally:
                await there.close()


async def test_rest_is_asked_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_TIMEOUT_S", 0.1)
    server = await serve(BinanceSimConfig())
    assert server.rest_url is not None
    url = server.rest_url.replace("127.0.0.1", HOST)
    request = RestRequest("GET", "/api/v3/ping")
    try:
        with SimNames({HOST: ["127.0.0.1"]}, [NameFault("dns", variant="slow")]) as names:
            async with RestClient(url) as client:
                with pytest.raises(RestError, match="the resolver has not answered"):
                    await client.fetch(request)
                names.mend()
                assert await client.fetch(request) == b"{}"
    finally:
        await server.close()


def test_a_fault_of_names_lasts_as_long_as_it_says_and_strikes_whom_it_names() -> None:
    gone = NameFault("dns", asset=HOST, duration_s=0.0)
    later = NameFault("dns", at_s=3_600.0)
    with SimNames({HOST: ["127.0.0.1"], "other.test": ["127.0.0.1"]}, [gone, later]) as names:
        (found,) = socket.getaddrinfo(HOST, 80, type=socket.SOCK_STREAM)
        assert found[4] == ("127.0.0.1", 80)
        names.inject(NameFault("dns", asset="other.test"))
        with pytest.raises(socket.gaierror, match="not known"):
            socket.getaddrinfo("other.test", 80)
        assert socket.getaddrinfo(HOST, 80)
        assert [event.assets for event in names.log] == [("other.test",)]
    with pytest.raises(ValueError, match="strikes no frame and no connection"):
        NameFault("dns", at_frame=3)
    with pytest.raises(ValueError, match=r"has no variant 'lost'; known: .*'moved'"):
        NameFault("dns", variant="lost")


async def test_whoever_hangs_is_let_go_at_the_end() -> None:
    with SimNames({HOST: ["127.0.0.1"]}, [NameFault("dns", variant="slow")]) as names:
        asked = asyncio.get_running_loop().run_in_executor(None, socket.getaddrinfo, HOST, 80)
        await until(lambda: names.asked)
        assert not asked.done()
    assert (await asked)[0][4] == ("127.0.0.1", 80)
