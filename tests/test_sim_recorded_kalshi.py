"""Recordings of Kalshi served natively: numbers without a gap, prices as they are asked for."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from audit_journals import kalshi_recorded
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from kalshi_server import market
from served import Judge, Truth, stands, written
from spot_live import OPTIONS, Tape
from waiting import PATIENCE_S, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bookfeed._bookfeed import Batch, Engine
from bookfeed.audit import Auditor
from bookfeed.feed.feed import Feed
from bookfeed.recordings.playback import Playback
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.kalshi.recorded import RecordedKalshi, served
from bookfeed.sim.recorded import RecordedConfig, Rerun
from bookfeed.venues.base import Endpoint
from bookfeed.venues.kalshi import Credentials, kalshi
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.secret import Secret

pytestmark = pytest.mark.xdist_group("recorded")

ONE = Decimal(1)


@pytest.fixture(scope="module", params=[True, False], ids=["yes_prices", "no_prices"])
def trouble(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Truth]:
    """A simulated Kalshi with faults, recorded with NO levels at either price."""
    records = kalshi_recorded(5, use_yes_price=request.param, items=700)
    path = written(tmp_path_factory.mktemp("kalshi") / "a.bfj", records, {}, "kalshi")
    return path, Truth(path)


@asynccontextmanager
async def rerun(path: Path, **more: Any) -> AsyncIterator[tuple[Rerun, RecordedKalshi]]:
    past = Playback(path)
    server = served(RecordedConfig(), past, list(past.listed.values()))
    run = Rerun(past, {"kalshi": server}, **{"speed": 0.0} | more)
    await run.start()
    try:
        yield run, server
    finally:
        await run.close()


def headers(server: RecordedKalshi) -> dict[str, str]:
    """By the page: the time in ms, the method and the path are signed."""
    told = server.ready()
    key = load_pem_private_key(told["private_key"].encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    now = str(int(time.time() * 1000))
    signature = base64.b64encode(key.sign(f"{now}GET/trade-api/ws/v2".encode())).decode()
    return {
        "KALSHI-ACCESS-KEY": told["key_id"],
        "KALSHI-ACCESS-TIMESTAMP": now,
        "KALSHI-ACCESS-SIGNATURE": signature,
    }


class KalshiClient:
    """Keeps books by the page: signed changes, one counter a subscription."""

    def __init__(self, judge: Judge, tickers: list[str], *, yes_prices: bool) -> None:
        self.judge, self.tickers, self.yes_prices = judge, tickers, yes_prices
        self.books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
        self.seqs: dict[int, int] = {}
        self.gaps = 0
        self.frames: list[str] = []
        self.closed: list[int] = []

    async def run(self, server: RecordedKalshi) -> None:
        """Until the recording ends."""
        channels = ["orderbook_delta", "trade", "ticker", "market_lifecycle_v2"]
        while 1000 not in self.closed:
            self.books.clear()
            self.seqs.clear()
            try:
                socket = await connect(server.url, additional_headers=headers(server))
            except InvalidStatus:  # it ended meanwhile
                return
            with suppress(ConnectionClosed):
                for id, channel in enumerate(channels, 1):
                    params: dict[str, Any] = {"channels": [channel]}
                    if channel != "market_lifecycle_v2":
                        params["market_tickers"] = self.tickers
                    if channel == "orderbook_delta":
                        params["use_yes_price"] = self.yes_prices
                    command = {"id": id, "cmd": "subscribe", "params": params}
                    await socket.send(json.dumps(command))
                while True:
                    self.take(str(await socket.recv()))
            self.closed.append(socket.close_code or 0)

    def take(self, frame: str) -> None:
        self.frames.append(frame)
        told = json.loads(frame)
        assert told["type"] != "error", told
        if "seq" in told:
            self.gaps += told["seq"] != self.seqs.get(told["sid"], 0) + 1
            self.seqs[told["sid"]] = told["seq"]
        body = told["msg"]
        if told["type"] == "orderbook_snapshot":
            self.books[body["market_ticker"]] = {
                side: {
                    Decimal(price): Decimal(size)
                    for price, size in body.get(f"{side}_dollars_fp", ())
                }
                for side in ("yes", "no")
            }
        elif told["type"] == "orderbook_delta":
            side = self.books[body["market_ticker"]][body["side"]]
            price = Decimal(body["price_dollars"])
            side[price] = side.get(price, Decimal(0)) + Decimal(body["delta_fp"])
            assert side[price] >= 0
            if not side[price]:
                del side[price]
        else:
            return
        self.look(body["market_ticker"])

    def look(self, ticker: str) -> None:
        book = self.books[ticker]
        asks = {price if self.yes_prices else ONE - price: size
                for price, size in book["no"].items()}  # fmt: skip
        self.judge.judge(ticker, book["yes"], asks)


@pytest.mark.parametrize("yes_prices", [True, False])
async def test_a_plain_client(trouble: tuple[Path, Truth], yes_prices: bool) -> None:
    path, truth = trouble
    assert truth.lost and truth.final
    tickers = [symbol for _, symbol in truth.past.listed]
    client = KalshiClient(Judge(truth, "kalshi"), tickers, yes_prices=yes_prices)
    other = KalshiClient(Judge(truth, "kalshi"), tickers[:1], yes_prices=not yes_prices)
    async with rerun(path) as (run, server), asyncio.timeout(PATIENCE_S):
        await asyncio.gather(client.run(server), other.run(server))
        await run.wait()
    for one in (client, other):
        assert one.judge.wrong == []
        assert one.gaps == 0, "a client's numbers have no gap, whatever the recording has"
        assert one.judge.checked
    assert set(other.books) <= {tickers[0]}
    assert client.judge.checked > 100
    # But for what belongs to a connection it is what was recorded.
    bodies = {(step.frame or b"").partition(b'"msg":')[2] for step in truth.steps}
    trades = [frame.encode() for frame in client.frames if '"type":"trade"' in frame]
    assert trades
    assert all(frame.partition(b'"msg":')[2] in bodies for frame in trades)


async def test_who_comes_in_the_middle(trouble: tuple[Path, Truth]) -> None:
    path, truth = trouble
    begin_ns = truth.at(0.25) - 1
    async with (
        rerun(path, speed=1e-12, begin_ns=begin_ns) as (_, server),
        aiohttp.ClientSession() as session,
        connect(server.url, additional_headers=headers(server)) as socket,
    ):
        params = {"channels": ["orderbook_delta"], "use_yes_price": False}
        for ticker in (symbol for _, symbol in truth.past.listed):
            book = server.stands(ticker)
            address = f"{server.rest_url}/markets/{ticker}/orderbook"
            async with session.get(address) as answer:
                assert answer.status == (404 if book is None else 200)
                by_rest = await answer.json()
            if book is not None:
                break
        command = {"id": 9, "cmd": "subscribe", "params": {**params, "market_tickers": [ticker]}}
        await socket.send(json.dumps(command))
        frames = [json.loads(await socket.recv()) for _ in range(2)]
        (snapshot,) = (one for one in frames if one["type"] == "orderbook_snapshot")
        assert snapshot["seq"] == 1
        # By both ways the same, and the best level last; an empty side is left out of a stream.
        for side in ("yes", "no"):
            streamed = snapshot["msg"].get(f"{side}_dollars_fp", [])
            assert streamed == by_rest["orderbook_fp"][f"{side}_dollars"]
            assert streamed == sorted(streamed)
        assert book is not None
        best = snapshot["msg"]["yes_dollars_fp"][-1]
        assert [Decimal(one) for one in best] == [
            Decimal(book.bids[0][0]).scaleb(-9), Decimal(book.bids[0][1]).scaleb(-8),
        ]  # fmt: skip


async def test_nobody_comes_in_without_the_key(trouble: tuple[Path, Truth]) -> None:
    async with rerun(trouble[0]) as (_, server):
        with pytest.raises(InvalidStatus, match="401"):
            await connect(server.url)
        assert server.refused == 1


async def test_a_feed_attached_to_a_recording(trouble: tuple[Path, Truth]) -> None:
    path, truth = trouble
    judge, tape = Judge(truth, "kalshi"), Tape()
    options: dict[str, Any] = {"max_delay_s": 0.0}
    async with rerun(path, speed=6.0) as (run, server):
        told = server.ready()
        key = Credentials(told["key_id"], parse_key(Secret(told["private_key"]), "test"))
        feed = Feed(
            [market(symbol) for _, symbol in truth.past.listed],
            endpoints={
                "kalshi": Endpoint(kalshi(credentials=key), server.url, server.rest_url),
            },
            engine=Engine(**options),
            recorder=tape,
            options=OPTIONS,
        )

        def on_batch(batch: Batch) -> None:
            for instrument in set(batch.updates["instrument"].tolist()):
                view = feed.book(instrument)
                if view.live:
                    judge.judge_version(view.symbol, stands(view))

        feed.on_batch(on_batch)
        final: dict[tuple[str, str], Any] = {}
        goodbye = server.end

        async def end() -> None:
            # What was sent has arrived when each book that is live is as it was at last.
            with suppress(TimeoutError):
                await until(
                    lambda: all(
                        stands(feed.book(symbol)) == version
                        for (_, symbol), version in truth.final.items()
                    )
                )
            views = [view for view in feed.books() if view.live]
            final.update({(view.venue, view.symbol): stands(view) for view in views})
            await goodbye()

        server.end = end  # type: ignore[method-assign]
        async with feed:
            await until(lambda: run.ended)
    assert judge.wrong == []
    assert judge.checked > 50
    assert final == truth.final
    report = Auditor(EngineWitness(Engine(**options))).run(tape.records)
    assert report.findings_total == 0, report.findings[:3]
