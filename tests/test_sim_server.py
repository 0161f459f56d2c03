"""The simulator over real sockets: the market channel's manners, REST, pace and faults."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from tls import tls_at
from waiting import PATIENCE_S, let_time_be_patient, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from bookfeed import loops
from bookfeed.sim.polymarket import SimConfig, SimServer, serve
from bookfeed.sim.polymarket.faults import Fault

WAIT_S = PATIENCE_S


@asynccontextmanager
async def simulator(**settings: Any) -> AsyncIterator[SimServer]:
    settings.setdefault("rest", False)
    server = await serve(SimConfig(**settings))
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def client(server: SimServer, *assets: str, **extra: Any) -> AsyncIterator[ClientConnection]:
    """A connection that has subscribed to ``assets``, or to everything."""
    wanted = list(assets) or [a for listing in server.markets for a in listing.asset_ids]
    async with connect(server.url, max_size=1 << 24, close_timeout=0.2) as ws:
        await ws.send(json.dumps({"type": "market", "assets_ids": wanted, **extra}))
        yield ws


async def receive(ws: ClientConnection) -> str:
    text = await asyncio.wait_for(ws.recv(), WAIT_S)
    assert isinstance(text, str)
    return text


async def receive_until(ws: ClientConnection, wanted: str) -> list[str]:
    """Everything before the text ``wanted``."""
    before = []
    while (text := await receive(ws)) != wanted:
        before.append(text)
    return before


async def stepping(server: SimServer, ws: ClientConnection, turns: int) -> AsyncIterator[Any]:
    """Messages of markets that move only as fast as they are read: the truth keeps so much past."""
    now_ms = time.time_ns() // 1_000_000
    for begin_ms in range(now_ms, now_ms + 10 * turns, 10):
        before = server.frames_sent
        server.turn(begin_ms, begin_ms + 10, 30)
        for _ in range(server.frames_sent - before):
            yield json.loads(await receive(ws))


async def ask(ws: ClientConnection, **request: Any) -> None:
    await ws.send(json.dumps(request))


async def closed(ws: ClientConnection) -> ConnectionClosed:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await receive(ws)
    return caught.value


class TestManners:
    async def test_ping_before_the_subscription_closes(self) -> None:
        async with simulator() as server, connect(server.url) as ws:
            await ws.send("PING")
            end = await closed(ws)
            assert end.rcvd and (end.rcvd.code, end.rcvd.reason) == (
                1008,
                "invalid subscription payload",
            )

    @pytest.mark.parametrize(
        "first",
        [
            "hello",
            "[]",
            '{"type":"user"}',
            '{"operation":"subscribe","assets_ids":["1"]}',
            '{"type":"market","assets_ids":[1]}',
        ],
    )
    async def test_any_other_first_frame_closes(self, first: str) -> None:
        async with simulator() as server, connect(server.url) as ws:
            await ws.send(first)
            end = await closed(ws)
            assert end.rcvd and end.rcvd.code == 1008

    async def test_other_paths_are_not_there(self) -> None:
        async with simulator() as server:
            with pytest.raises(InvalidStatus):
                async with connect(server.url.removesuffix("market")):
                    pass

    async def test_initial_books_come_as_one_array_and_ping_is_answered(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            books = json.loads(await receive(ws))
            assert [book["asset_id"] for book in books] == [
                asset for listing in server.markets for asset in listing.asset_ids
            ]
            for book in books:
                assert list(book)[-3:] == ["tick_size", "event_type", "last_trade_price"]
            await ws.send("PING")
            assert len(await receive_until(ws, "PONG")) < 5

    async def test_no_initial_books_on_request(self) -> None:
        async with simulator(rate=1) as server, client(server, initial_dump=False) as ws:
            await ws.send("PING")
            texts = await receive_until(ws, "PONG")
            assert not any(text.startswith("[") for text in texts)

    async def test_second_initial_frame_and_nonsense_are_refused(self) -> None:
        async with simulator(rate=1) as server, client(server) as ws:
            assets = list(server.markets[0].asset_ids)
            await ask(ws, type="market", assets_ids=assets)
            await receive_until(ws, "INVALID OPERATION")
            await ws.send("nonsense")
            await receive_until(ws, "INVALID OPERATION")

    async def test_subscriptions_change_and_duplicates_bring_nothing(self) -> None:
        async with simulator(rate=400, markets=2) as server:
            one, two = (listing.asset_ids for listing in server.markets)
            async with client(server, *one) as ws:
                await receive(ws)
                await ask(ws, operation="subscribe", assets_ids=[one[0]])
                before = await receive_until(ws, "NO NEW ASSETS")
                assert not any(text.startswith("[") for text in before)
                assert not any(two[0] in text or two[1] in text for text in before)

                await ask(ws, operation="subscribe", assets_ids=[one[0], two[1]])
                while not (text := await receive(ws)).startswith("["):
                    assert two[1] not in text
                assert [book["asset_id"] for book in json.loads(text)] == [two[1]]
                # Only what is subscribed arrives, of price changes too.
                seen = "".join([await receive(ws) for _ in range(200)])
                assert two[1] in seen and two[0] not in seen

                await ask(ws, operation="unsubscribe", assets_ids=[*one])
                await ws.send("PING")
                await receive_until(ws, "PONG")
                for _ in range(50):
                    text = await receive(ws)
                    assert one[0] not in text and one[1] not in text

    async def test_custom_features_are_a_switch_of_the_connection(self) -> None:
        async with simulator(rate=2000, markets=1, new_market_every=50) as server:
            asset_ids = list(server.markets[0].asset_ids)
            custom = ('"event_type":"best_bid_ask"', '"event_type":"new_market"')
            async with client(server) as ws:
                texts = [await receive(ws) for _ in range(500)]
                assert not any(name in text for text in texts for name in custom)
                await ask(
                    ws, operation="subscribe", assets_ids=asset_ids, custom_feature_enabled=True
                )
                await receive_until(ws, "NO NEW ASSETS")
                joined = "".join([await receive(ws) for _ in range(500)])
                assert all(name in joined for name in custom)

    async def test_beyond_500_assets_no_books_come(self) -> None:
        async with simulator(rate=200, markets=251, levels_max=12) as server:
            assets = [asset for listing in server.markets for asset in listing.asset_ids]
            async with client(server, *assets[:500]) as ws:
                books = json.loads(await receive(ws))
                assert len(books) == 500
                await ask(ws, operation="subscribe", assets_ids=assets[500:])
                await ws.send("PING")
                texts = await receive_until(ws, "PONG")
                assert not any(text.startswith("[") for text in texts)
            async with client(server) as ws:
                assert json.loads(await receive(ws))["event_type"] != "book"


class TestTruth:
    async def test_what_arrives_adds_up_to_the_truth(self) -> None:
        async with simulator(rate=0.001, markets=2) as server, client(server) as ws:
            books = {
                book["asset_id"]: {side: levels_of(book[side]) for side in ("bids", "asks")}
                for book in json.loads(await receive(ws))
            }
            await server.stop_markets()
            matched = 0
            async for message in stepping(server, ws, 50):
                if message["event_type"] == "book":
                    books[message["asset_id"]] = {
                        side: levels_of(message[side]) for side in ("bids", "asks")
                    }
                for entry in message.get("price_changes", ()):
                    side = books[entry["asset_id"]]["bids" if entry["side"] == "BUY" else "asks"]
                    side[e9(entry["price"])] = e8(entry["size"])
                    if entry["size"] == "0":
                        del side[e9(entry["price"])]
                if asset_id := message.get("asset_id"):
                    book = books[asset_id]
                    version = server.truth.version_of(
                        asset_id, book["bids"].items(), book["asks"].items()
                    )
                    assert version is not None
                    assert version <= server.truth.version(asset_id)
                    matched += 1
            assert matched > 30

    async def test_rest_answers_hash_and_are_the_truth(self) -> None:
        async with simulator(rate=500, markets=2, rest=True) as server, client(server) as ws:
            await receive(ws)
            asset_ids = server.markets[1].asset_ids
            async with aiohttp.ClientSession(server.rest_url) as http:
                for asset_id in asset_ids:
                    answer = await http.get("/book", params={"token_id": asset_id})
                    body = await answer.text()
                    book = json.loads(body)
                    assert list(book) == [
                        "market", "asset_id", "timestamp", "hash", "bids", "asks",
                        "min_order_size", "tick_size", "neg_risk", "last_trade_price",
                    ]  # fmt: skip
                    plain = body.replace(book["hash"], "")
                    assert hashlib.sha1(plain.encode()).hexdigest() == book["hash"]
                    sides = [levels_of(book[side]).items() for side in ("bids", "asks")]
                    assert server.truth.version_of(asset_id, *sides) is not None
                wanted = [{"token_id": asset_ids[1]}, {"token_id": "7"}, {"token_id": asset_ids[0]}]
                answer = await http.post("/books", json=wanted)
                found = [book["asset_id"] for book in await answer.json()]
                assert found == [asset_ids[1], asset_ids[0]]
                assert (await http.get("/book", params={"token_id": "7"})).status == 404
                assert (await http.post("/books", data="{}x")).status == 400
                now = int(await (await http.get("/time")).text())
                assert abs(now - time.time()) < 5
                assert server.rest_requests == 6

    async def test_ghost_book(self) -> None:
        fault = Fault("ghost", count=1)
        async with simulator(rest=True, faults=(fault,)) as server:
            asset_id = server.markets[0].asset_ids[0]
            async with aiohttp.ClientSession(server.rest_url) as http:
                books = []
                for _ in range(2):
                    answer = await http.get("/book", params={"token_id": asset_id})
                    books.append(await answer.json())
            assert books[0]["bids"] == [{"price": "0.01", "size": "1000"}]
            assert books[0]["asks"] == [{"price": "0.99", "size": "1000"}]
            assert len(books[1]["bids"]) > 1
            assert [event.fault for event in server.fault_log] == [fault]


def e9(text: str) -> int:
    return int(Decimal(text).scaleb(9))


def e8(text: str) -> int:
    return int(Decimal(text).scaleb(8))


def levels_of(levels: list[dict[str, str]]) -> dict[int, int]:
    return {e9(level["price"]): e8(level["size"]) for level in levels}


class TestPace:
    async def test_rate_is_kept_in_total(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        let_time_be_patient(loop, monkeypatch)
        async with simulator(rate=200, markets=2) as server:
            one, two = (listing.asset_ids for listing in server.markets)
            async with client(server, *one) as a, client(server, *two) as b:
                await asyncio.gather(receive(a), receive(b))
                start_s, sent = loop.time(), server.frames_sent

                async def count(ws: ClientConnection) -> None:
                    while loop.time() - start_s < 1.5:
                        await receive(ws)

                await asyncio.gather(count(a), count(b))
                rate = (server.frames_sent - sent) / (loop.time() - start_s)
                assert 180 < rate < 220

    async def test_a_server_that_was_kept_waiting_catches_up_in_time_that_passed(self) -> None:
        async with simulator(rate=0.001, markets=2) as server, client(server) as ws:
            books = json.loads(await receive(ws))
            await server.stop_markets()
            begin_ms = max(int(book["timestamp"]) for book in books) + 1_000
            before = server.frames_sent
            server.turn(begin_ms, begin_ms + 100, 50)
            frames = [await receive(ws) for _ in range(server.frames_sent - before)]
            stamps = [int(json.loads(frame)["timestamp"]) for frame in frames]
            assert len(set(stamps)) > 20
            assert begin_ms < min(stamps) < begin_ms + 10
            assert begin_ms + 90 < max(stamps)

    async def test_markets_stand_still_without_an_audience(self) -> None:
        async with simulator(rate=5000) as server:
            asset_id = server.markets[0].asset_ids[0]
            await asyncio.sleep(0.1)
            assert server.truth.version(asset_id) == 0
            async with client(server) as ws:
                for _ in range(100):
                    await receive(ws)
            assert server.truth.version(asset_id) > 0

    async def test_unpaced_markets_wait_for_a_slow_reader(self) -> None:
        async with simulator(rate=0) as server, client(server) as ws:
            await receive(ws)
            for _ in range(100):  # the client reads nothing: sockets and buffers fill up
                before = server.frames_sent
                await asyncio.sleep(0.1)
                if server.frames_sent == before:
                    break
            else:
                pytest.fail("the simulator went on sending to a client that does not read")
            for _ in range(before):
                await receive(ws)
                if server.frames_sent > before:
                    break
            assert server.frames_sent > before


class TestFaults:
    async def test_disconnect_with_a_close_code(self) -> None:
        fault = Fault("disconnect", at_frame=20, variant="1012")
        async with simulator(faults=(fault,)) as server:
            async with client(server) as ws:
                end = await closed(ws)
                assert end.rcvd and end.rcvd.code == 1012
            async with client(server) as ws:
                for _ in range(50):
                    await receive(ws)
            assert server.connections_seen == 2
            assert server.fault_log[0].conn == 0

    async def test_reset_comes_without_a_close_frame(self) -> None:
        fault = Fault("reset", at_frame=20)
        async with simulator(faults=(fault,)) as server, client(server) as ws:
            end = await closed(ws)
            assert isinstance(end, ConnectionClosedError)
            assert end.rcvd is None
            assert isinstance(end.__cause__, ConnectionResetError)

    async def test_frozen_connection_still_answers_ping(self) -> None:
        async with simulator(rate=2000, faults=(Fault("freeze", at_frame=30),)) as server:
            asset_id = server.markets[0].asset_ids[0]
            async with client(server) as ws:
                for _ in range(31):
                    await receive(ws)
                version = server.truth.version(asset_id)
                await ws.send("PING")
                assert await receive(ws) == "PONG"
                await until(lambda: server.truth.version(asset_id) > version + 50)
                await ws.send("PING")
                assert await receive(ws) == "PONG"

    async def test_faults_can_be_added_while_it_runs(self) -> None:
        async with simulator(rate=2000, markets=1) as server, client(server) as ws:
            for _ in range(20):
                await receive(ws)
            server.inject(Fault("malformed", variant="unattributable"))
            # Any number of frames may be under way already.
            await receive_until(ws, '{"market":"0x')
            assert '{"market":"0x' not in [await receive(ws) for _ in range(200)]
            assert [event.fault.kind for event in server.fault_log] == ["malformed"]


class TestLife:
    async def test_close_says_goodbye(self) -> None:
        server = await serve(SimConfig(rest=False))
        async with client(server) as ws:
            await receive(ws)
            await server.close()
            end = await closed(ws)
            assert end.rcvd and end.rcvd.code == 1001
        assert server.connections == 0
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(server.url)

    async def test_over_tls(self) -> None:
        ours, theirs = tls_at("127.0.0.1")
        async with simulator(rate=500, tls=theirs, rest=True) as server:
            assert server.url.startswith("wss://") and server.rest_url
            async with connect(server.url, ssl=ours) as ws:
                asset_id = server.markets[0].asset_ids[0]
                await ask(ws, type="market", assets_ids=[asset_id])
                assert json.loads(await receive(ws))[0]["asset_id"] == asset_id
                for _ in range(100):
                    await receive(ws)
            async with aiohttp.ClientSession(server.rest_url) as http:
                answer = await http.get("/book", params={"token_id": asset_id}, ssl=ours)
                assert (await answer.json())["asset_id"] == asset_id

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", "::"])
    def test_other_hosts_are_refused(self, host: str) -> None:
        with pytest.raises(ValueError, match="loopback only"):
            SimConfig(host=host)

    def test_negative_rate_is_refused(self) -> None:
        with pytest.raises(ValueError, match="rate"):
            SimConfig(rate=-1)


SERVE = """
from bookfeed.sim.polymarket import SimConfig, run_blocking
run_blocking(SimConfig(markets=2, rate=100), exit_with_parent=True)
"""


@pytest.mark.parametrize("end", ["signal", "stdin"])
async def test_as_a_process_of_its_own(end: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), WAIT_S))
    assert ready["rest"].startswith("http://127.0.0.1:")
    assert len(ready["markets"]) == 2
    market = ready["markets"][0]
    assert list(market) == [
        "market", "question", "outcomes", "tick_size", "min_order_size", "neg_risk", "fee_rate",
        "fee_exponent",
    ]  # fmt: skip
    assert [outcome["name"] for outcome in market["outcomes"]] == ["Yes", "No"]
    async with connect(ready["ws"]) as ws:
        asset_id = market["outcomes"][0]["asset"]
        await ask(ws, type="market", assets_ids=[asset_id])
        assert json.loads(await receive(ws))[0]["asset_id"] == asset_id
        if end == "signal":
            process.send_signal(signal.SIGINT)
        else:
            process.stdin.close()
        assert await asyncio.wait_for(process.wait(), WAIT_S) == 0
    process.stdin.close()


@pytest.mark.usefixtures("either_loop")
def test_a_connection_that_falls_behind_does_not_end_the_markets() -> None:
    late = Fault("late", variant="2", duration_s=0.2)

    async def main() -> None:
        async with simulator(rate=2000, faults=(late,)) as server, client(server) as ws:
            for _ in range(1_000):
                await receive(ws)
            assert [event.fault for event in server.fault_log] == [late]

    loops.run(main())
