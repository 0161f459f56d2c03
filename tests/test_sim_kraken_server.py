"""The simulated Kraken on loopback, spoken to by a plain WebSocket client."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from spot_reader import KrakenReader
from waiting import PATIENCE_S, let_time_be_patient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bookfeed.sim.entry import Options, simulator
from bookfeed.sim.kraken import KrakenSimConfig, KrakenSimServer, serve
from bookfeed.sim.kraken.faults import KrakenFault
from bookfeed.sim.spot_truth import top

WAIT_S = PATIENCE_S


@asynccontextmanager
async def venue(**settings: Any) -> AsyncIterator[KrakenSimServer]:
    settings.setdefault("markets", 2)
    settings.setdefault("levels", 60)
    server = await serve(KrakenSimConfig(**settings))
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def client(server: KrakenSimServer) -> AsyncIterator[ClientConnection]:
    async with connect(server.url, max_size=1 << 24, close_timeout=0.2, ping_interval=None) as ws:
        yield ws


async def say(ws: ClientConnection, method: str, **params: Any) -> None:
    await ws.send(json.dumps({"method": method, "params": params, "req_id": 1}))


async def text(ws: ClientConnection) -> str:
    frame = await asyncio.wait_for(ws.recv(), WAIT_S)
    assert isinstance(frame, str)
    return frame


async def receive(ws: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await text(ws))
    return frame


async def closed(ws: ClientConnection) -> ConnectionClosed:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await text(ws)
    return caught.value


async def test_a_window_over_the_socket_is_the_truth() -> None:
    async with venue(rate=500) as server, client(server) as ws:
        assert (await receive(ws))["channel"] == "status"
        await say(ws, "subscribe", channel="book", symbol=["BTC/USD"], depth=25)
        reader, frames = KrakenReader(25), 0
        seen = []
        while frames < 300:
            frame = await text(ws)
            if '"channel":"book","type"' in frame:
                frames += 1
                assert reader.take(frame.encode())
                seen.append(reader.sides)
        # The socket is behind the truth: the window that it shows has been, and is the last one.
        await say(ws, "unsubscribe", channel="book", symbol=["BTC/USD"], depth=25)
        while True:
            frame = await text(ws)
            if '"method":"unsubscribe"' in frame:
                break
            if '"channel":"book","type"' in frame:
                reader.take(frame.encode())
        assert reader.mismatches == 0 and len({str(sides) for sides in seen}) > 50
        truth = top(server.truth("BTC/USD"), 25)
        assert reader.sides == (truth.bids, truth.asks)


async def test_other_paths_are_refused() -> None:
    async with venue() as server:
        with pytest.raises(InvalidStatus):
            await connect(server.url.removesuffix("/v2") + "/v1")


async def test_heartbeats_begin_with_a_subscription_and_come_in_silence() -> None:
    async with venue(heartbeat_s=0.2, rate=0.001) as server, client(server) as ws:
        assert (await receive(ws))["channel"] == "status"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.5)
        begun = asyncio.get_running_loop().time()
        await say(ws, "subscribe", channel="trade", symbol=["BTC/USD"])
        assert (await receive(ws))["success"] is True
        beats = [await receive(ws) for _ in range(3)]
        assert beats == [{"channel": "heartbeat"}] * 3
        assert asyncio.get_running_loop().time() - begun > 0.5


async def test_who_subscribes_to_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    let_time_be_patient(asyncio.get_running_loop(), monkeypatch)
    async with venue(idle_s=1.0) as server, client(server) as idle, client(server) as busy:
        await say(busy, "subscribe", channel="trade", symbol=["BTC/USD"])
        end = await closed(idle)
        assert end.rcvd is not None and end.rcvd.code == 1001
        await say(busy, "ping")
        while (await receive(busy)).get("method") != "pong":
            pass


async def test_books_that_nobody_follows_stand_still() -> None:
    async with venue(rate=2_000) as server, client(server) as ws:
        await say(ws, "subscribe", channel="book", symbol=["BTC/USD"])
        before = server.truth.version("ETH/USD")
        for _ in range(200):
            await text(ws)
        assert server.truth.version("ETH/USD") == before < server.truth.version("BTC/USD")


@pytest.mark.parametrize("kind", ["disconnect", "reset", "restart"])
async def test_faults_end_connections(kind: str) -> None:
    faults = (KrakenFault(kind, at_frame=20, conn=0),)
    async with venue(faults=faults) as server, client(server) as one, client(server) as other:
        for ws in (one, other):
            await say(ws, "subscribe", channel="book", symbol=["BTC/USD", "ETH/USD"])
        end = await closed(one)
        assert (end.rcvd.code if end.rcvd else None) == (1001 if kind == "disconnect" else None)
        if kind == "restart":
            assert (await closed(other)).rcvd is None
        else:
            assert await text(other)


def test_what_may_be_asked_of_it() -> None:
    config = simulator("kraken").configured(Options(markets=3, faults=("level:deep@40",)))
    assert config == KrakenSimConfig(
        markets=3, rate=500.0, faults=(KrakenFault("level", at_frame=40, variant="deep"),)
    )
    assert simulator("kraken").configured(Options(rest_port=5)).rest_port == 5


def test_the_command_prints_a_ready_line_and_ends_with_its_parent() -> None:
    command = [sys.executable, "-m", "bookfeed", "sim", "-q", "--venue", "kraken"]
    command += ["--markets", "2", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["venue"] == "kraken" and ready["ws"].endswith("/v2")
        assert [market["venue_symbol"] for market in ready["markets"]] == ["BTC/USD", "ETH/USD"]
        assert ready["markets"][0]["tick_size"] == "0.1"
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
