"""The simulated Binance on loopback, spoken to by plain WebSocket and HTTP clients."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from spot_reader import BinanceReader
from waiting import PATIENCE_S
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bookfeed.sim import names
from bookfeed.sim.binance import BinanceSimConfig, BinanceSimServer, configured, serve
from bookfeed.sim.binance.faults import BinanceFault
from bookfeed.sim.entry import OptionError, Options, simulator

WAIT_S = PATIENCE_S
STREAMS = "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"


@asynccontextmanager
async def venue(**settings: Any) -> AsyncIterator[BinanceSimServer]:
    settings.setdefault("rest", False)
    settings.setdefault("markets", 2)
    settings.setdefault("levels", 60)
    server = await serve(BinanceSimConfig(**settings))
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def client(server: BinanceSimServer, path: str = STREAMS) -> AsyncIterator[ClientConnection]:
    async with connect(
        server.url + path, max_size=1 << 24, close_timeout=0.2, ping_interval=None
    ) as ws:
        yield ws


async def receive(ws: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), WAIT_S))
    return frame


async def receive_until(ws: ClientConnection, member: str, value: object) -> dict[str, Any]:
    while True:
        frame = await receive(ws)
        if frame.get(member) == value:
            return frame


async def closed(ws: ClientConnection) -> ConnectionClosed:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await receive(ws)
    return caught.value


async def fetch(server: BinanceSimServer, path: str) -> tuple[int, bytes, Any]:
    """Status, body and headers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.rest_url}{path}", timeout=aiohttp.ClientTimeout(WAIT_S)) as answer,
    ):
        return answer.status, await answer.read(), answer.headers


async def test_a_book_from_both_sides_is_the_truth() -> None:
    async with venue(rest=True, rate=600) as server, client(server) as ws:
        reader, checks = BinanceReader(), 0
        reader.event((await receive_until(ws, "stream", "btcusdt@depth@100ms"))["data"])
        status, body, headers = await fetch(server, "/api/v3/depth?symbol=BTCUSDT&limit=5000")
        assert status == 200 and headers["X-MBX-USED-WEIGHT-1M"] == "250"
        assert reader.snapshot(body)
        while checks < 10:
            frame = await receive_until(ws, "stream", "btcusdt@depth@100ms")
            reader.event(frame["data"])
            assert reader.book_id is not None
            truth = server.truth.at("BTCUSDT", reader.book_id)
            assert truth is not None and reader.sides == (truth.bids, truth.asks)
            checks += 1
        assert not reader.gaps


async def test_streams_come_and_go_by_command_bare_or_wrapped() -> None:
    async with venue(rate=800) as server, client(server, "/ws") as ws:
        said = {"method": "SUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": "a"}
        await ws.send(json.dumps(said))
        assert await receive(ws) == {"result": None, "id": "a"}
        assert (await receive(ws))["s"] == "ETHUSDT"
        await ws.send('{"method":"SET_PROPERTY","params":["combined",true],"id":2}')
        await receive_until(ws, "id", 2)
        assert (await receive(ws))["stream"] == "ethusdt@depth@100ms"
        await ws.send('{"method":"UNSUBSCRIBE","params":["ethusdt@depth@100ms"],"id":3}')
        await receive_until(ws, "id", 3)
        await ws.send('{"method":"LIST_SUBSCRIPTIONS","id":4}')
        assert await receive(ws) == {"result": [], "id": 4}


async def test_other_paths_are_refused() -> None:
    async with venue() as server:
        with pytest.raises(InvalidStatus):
            await connect(server.url + "/nothing")


async def test_the_sixth_message_within_a_second_ends_it() -> None:
    async with venue() as server, client(server, "/ws") as ws:
        for id in range(6):
            await ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": id}))
        end = await closed(ws)
        assert end.rcvd is not None and end.rcvd.code == 1008


async def test_pings_are_answered_and_count() -> None:
    async with venue() as server, client(server, "/ws") as ws:
        for _ in range(5):
            await asyncio.wait_for(await ws.ping(), WAIT_S)
        await ws.ping()
        end = await closed(ws)
        assert end.rcvd is not None and end.rcvd.code == 1008


async def test_pings_must_be_answered() -> None:
    rule = {"ping_every_s": 0.3, "pong_within_s": 1.0}
    async with venue(**rule) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(server.url + "/ws", autoping=False) as silent:
            ping = await silent.receive(WAIT_S)
            assert ping.type is aiohttp.WSMsgType.PING and ping.data.isdigit()
            while (last := await silent.receive(WAIT_S)).type is aiohttp.WSMsgType.PING:
                pass
            assert last.type is aiohttp.WSMsgType.CLOSE and last.data == 1008
        async with session.ws_connect(server.url + "/ws", autoping=False) as polite:
            for _ in range(4):
                ping = await polite.receive(WAIT_S)
                assert ping.type is aiohttp.WSMsgType.PING
                await polite.pong(ping.data)


@pytest.mark.parametrize("us", [False, True])
async def test_a_connection_ends_after_its_lifetime_and_is_told_so(us: bool) -> None:
    async with (
        venue(us=us, lifetime_s=1.0, warning_s=0.5) as server,
        client(server, "/stream?streams=btcusd@depth") as ws,
    ):
        told = []
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                told.append((await receive(ws))["stream"])
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1001
        assert ("!serverShutdown" in told) == (not us)


def test_each_of_the_two_has_its_rule_of_pings() -> None:
    assert BinanceSimConfig().ping_rule == (20.0, 60.0)
    assert BinanceSimConfig(us=True).ping_rule == (180.0, 600.0)


async def test_rest_refuses_what_it_does_not_know() -> None:
    async with venue(rest=True, weight_per_min_max=300) as server:
        refusals = {
            "/api/v3/depth": -1102,
            "/api/v3/depth?symbol=NOSUCH": -1121,
            "/api/v3/depth?symbol=btcusdt": -1121,
            "/api/v3/depth?symbol=BTCUSDT&limit=x": -1100,
            "/api/v3/exchangeInfo?symbol=NOSUCH": -1121,
        }
        for path, code in refusals.items():
            status, body, _ = await fetch(server, path)
            assert (status, json.loads(body)["code"]) == (400, code)
        status, body, headers = await fetch(server, "/api/v3/depth?symbol=BTCUSDT&limit=9999")
        assert status == 200 and headers["X-MBX-USED-WEIGHT-1M"] == "250"
        status, _, headers = await fetch(server, "/api/v3/depth?symbol=BTCUSDT&limit=501")
        assert status == 200 and headers["X-MBX-USED-WEIGHT-1M"] == "300"
        status, body, headers = await fetch(server, "/api/v3/depth?symbol=BTCUSDT")
        assert (status, json.loads(body)["code"]) == (429, -1003)
        assert int(headers["Retry-After"]) > 0


async def test_the_listing_says_the_grid() -> None:
    async with venue(rest=True) as server:
        _, body, _ = await fetch(server, "/api/v3/exchangeInfo?symbol=BTCUSDT")
        (listed,) = json.loads(body)["symbols"]
        assert (listed["baseAsset"], listed["quoteAsset"]) == ("BTC", "USDT")
        assert listed["filters"][0] == {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"}
        _, body, _ = await fetch(server, "/api/v3/time")
        assert json.loads(body)["serverTime"] > 1_700_000_000_000


async def test_answers_of_rest_go_wrong_as_told() -> None:
    faults = (
        BinanceFault("rest_error", variant="418"),
        BinanceFault("rest_late", duration_s=0.3),
        BinanceFault("rest_short"),
    )
    async with venue(rest=True, faults=faults) as server:
        path = "/api/v3/depth?symbol=BTCUSDT"
        assert (await fetch(server, path))[0] == 418
        begun = asyncio.get_running_loop().time()
        assert (await fetch(server, path))[0] == 200
        assert asyncio.get_running_loop().time() - begun > 0.29
        assert len(json.loads((await fetch(server, path))[1])["bids"]) == 5
        assert [event.assets for event in server.fault_log] == [("BTCUSDT",)] * 3


@pytest.mark.parametrize("kind", ["disconnect", "reset", "restart", "shutdown"])
async def test_faults_end_connections(kind: str) -> None:
    async with (
        venue(faults=(BinanceFault(kind, at_frame=20, conn=0),)) as server,
        client(server) as one,
        client(server) as other,
    ):
        end = await closed(one)
        code = end.rcvd.code if end.rcvd else None
        assert code == (1001 if kind in ("disconnect", "shutdown") else None)
        if kind == "restart":
            assert (await closed(other)).rcvd is None
        else:
            assert "stream" in await receive(other)


async def test_late_frames_come_in_order_over_the_socket() -> None:
    fault = BinanceFault("delay", at_frame=30, duration_s=0.5)
    async with venue(faults=(fault,), rate=400) as server, client(server) as ws:
        last, stopped = 0, False
        before = asyncio.get_running_loop().time()
        for _ in range(25):
            event = (await receive_until(ws, "stream", "btcusdt@depth@100ms"))["data"]
            now = asyncio.get_running_loop().time()
            stopped |= now - before > 0.3
            before = now
            assert not last or event["U"] == last + 1
            last = event["u"]
        assert stopped


def test_what_may_be_asked_of_it() -> None:
    assert {"binance", "kraken"} <= set(names())
    options = Options(markets=3, faults=("gap@40", "rest_error:418"))
    config = configured(options)
    assert isinstance(config, BinanceSimConfig)
    assert config.markets == 3 and config.faults == (
        BinanceFault("gap", at_frame=40),
        BinanceFault("rest_error", variant="418"),
    )
    with pytest.raises(OptionError, match="one book"):
        simulator("binance").configured(Options(unmirrored=1))
    with pytest.raises(ValueError, match="markets"):
        configured(Options(markets=0))
    assert configured(Options(variant="us")).us and not config.us
    for name in names():
        with pytest.raises(OptionError, match=r"must be us|one form") as caught:
            simulator(name).configured(Options(variant="eu"))
        assert caught.value.option == "--variant"


def test_the_command_prints_a_ready_line_and_ends_with_its_parent() -> None:
    command = [sys.executable, "-m", "bookfeed", "sim", "-q", "--venue", "binance"]
    command += ["--markets", "3", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "binance" and ready["ws"].startswith("ws://127.0.0.1:")
        assert [market["symbol"] for market in ready["markets"]] == [
            "BTC-USDT", "ETH-USDT", "SOL-USDT",
        ]  # fmt: skip
        assert ready["markets"][0]["venue_symbol"] == "BTCUSDT"
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
