"""Recordings served natively: plain clients and feeds see what was true, and nothing else."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from audit_journals import recorded
from served import Judge, Truth, stands, written
from spot_live import OPTIONS, Tape
from waiting import PATIENCE_S, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as sync_connect

from bookfeed._bookfeed import Batch, BookView, Engine, parse_price, parse_qty
from bookfeed.audit import Auditor
from bookfeed.cli import main
from bookfeed.feed.feed import Feed
from bookfeed.market import Market, Outcome
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.playback import Listed, Playback
from bookfeed.scorecard.witness import EngineWitness
from bookfeed.sim.polymarket import recorded as polymarket
from bookfeed.sim.polymarket.faults import Fault, FaultKind
from bookfeed.sim.recorded import RecordedConfig, RecordedServer, Rerun

pytestmark = pytest.mark.xdist_group("recorded")

TROUBLE: tuple[tuple[FaultKind, int, str], ...] = (
    ("drop", 60, ""), ("disconnect", 120, "1006"), ("malformed", 180, "truncated"),
    ("drop", 240, ""), ("wrong_hash", 280, "all"), ("reset", 320, ""), ("drop", 400, ""),
)  # fmt: skip
# A client that was cut off must be back while something is left.
SPEED = 6.0


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """A campaign of Polymarket in which frames are lost, and connections."""
    faults = [Fault(kind, at_frame=at, variant=variant) for kind, at, variant in TROUBLE]
    records, options = recorded(4, items=600, schedule=tuple(faults))
    path = written(tmp_path_factory.mktemp("poly") / "a.bfj", records, options, "polymarket")
    return path, Truth(path)


@asynccontextmanager
async def rerun(
    path: Path, module: Any, **more: Any
) -> AsyncIterator[tuple[Rerun, RecordedServer[Any]]]:
    past = Playback(path)
    server = module.served(RecordedConfig(), past, list(past.listed.values()))
    run = Rerun(past, {server.VENUE: server}, **{"speed": 0.0} | more)
    await run.start()
    try:
        yield run, server
    finally:
        await run.close()


class PolymarketClient:
    """Keeps books by the market channel's page."""

    def __init__(self, judge: Judge, assets: Sequence[str]) -> None:
        self.judge, self.assets = judge, assets
        self.books: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}
        self.known: set[str] = set()
        self.stamps: dict[str, str] = {}
        self.frames: list[str] = []
        self.closed: list[int] = []

    async def run(self, url: str) -> None:
        """Until the recording ends."""
        while 1000 not in self.closed:
            self.books.clear()
            self.known.clear()
            self.stamps.clear()
            try:
                socket = await connect(url, max_size=None)
            except InvalidStatus:  # it ended meanwhile
                return
            with suppress(ConnectionClosed):
                await socket.send(json.dumps({"type": "market", "assets_ids": self.assets}))
                while True:
                    self.take(str(await socket.recv()))
            self.closed.append(socket.close_code or 0)

    def is_older(self, asset: str, stamp: str) -> bool:
        """By the page: a book that is strictly older than the last one is dropped."""
        last, self.stamps[asset] = self.stamps.get(asset, ""), stamp
        return stamp < last

    def is_known(self, message: dict[str, Any]) -> bool:
        """By the page: what came already is a duplicate, though its entries may be turned round."""
        entries = sorted(json.dumps(one) for one in message.get("price_changes", ()))
        key = json.dumps([message.get("timestamp"), entries])
        known = bool(entries) and key in self.known
        self.known.add(key)
        return known

    def take(self, frame: str) -> None:
        self.frames.append(frame)
        told = json.loads(frame)
        touched = set()
        for one in told if isinstance(told, list) else [told]:
            if one["event_type"] == "book":
                if self.is_older(one["asset_id"], one["timestamp"]):
                    continue
                self.books[one["asset_id"]] = tuple(  # type: ignore[assignment]
                    {Decimal(level["price"]): Decimal(level["size"]) for level in one[side]}
                    for side in ("bids", "asks")
                )
                touched.add(one["asset_id"])
            for change in () if self.is_known(one) else one.get("price_changes", ()):
                book = self.books.get(change["asset_id"])
                if book is None:
                    continue
                side = book[change["side"] == "SELL"]
                side[Decimal(change["price"])] = Decimal(change["size"])
                if not Decimal(change["size"]):
                    del side[Decimal(change["price"])]
                touched.add(change["asset_id"])
        for asset in touched:
            self.judge.judge(asset, *self.books[asset])


async def test_a_plain_client_of_polymarket(trouble: tuple[Path, Truth]) -> None:
    path, truth = trouble
    assert truth.lost and truth.final, "nothing went wrong in the recording, or all to the end"
    assets = [symbol for _, symbol in truth.past.listed]
    client = PolymarketClient(Judge(truth, "polymarket"), assets)
    async with rerun(path, polymarket, speed=SPEED) as (run, server):
        async with asyncio.timeout(PATIENCE_S):
            await client.run(server.url)
            await run.wait()
        assert run.ended and server.withheld
    assert client.judge.wrong == []
    # A recorded connection ended, so did this one; the recording ended in good order.
    assert 1001 in client.closed
    recorded_frames = {step.frame for step in truth.steps}
    as_recorded = [frame for frame in client.frames if frame.encode() in recorded_frames]
    assert len(client.frames) - len(as_recorded) <= server.books_sent + truth.lost
    assert len(as_recorded) > len(truth.steps) // 4, "it was away most of the time"


async def test_who_comes_in_the_middle_is_told_the_books_of_that_moment(
    trouble: tuple[Path, Truth],
) -> None:
    path, truth = trouble
    # A moment in which nothing happens, so that nothing has by the time they come.
    begin_ns = truth.at(0.5) - 1
    past = Playback(path)
    for step in past.steps():
        if step.ts >= begin_ns:
            break
        before = {symbol: past.book(venue, symbol) for venue, symbol in past.listed}
    assert any(before.values())
    async with (
        rerun(path, polymarket, speed=1e-12, begin_ns=begin_ns) as (_, server),
        aiohttp.ClientSession() as session,
        connect(server.url, max_size=None) as one,
        connect(server.url, max_size=None) as other,
    ):
        for symbol, book in before.items():
            async with session.get(f"{server.rest_url}/book?token_id={symbol}") as answer:
                assert answer.status == (200 if book else 404)
                body = await answer.text()
            if book is None:
                continue
            told = json.loads(body)
            # By the page: the hash is that of the compact answer without it.
            bare = body.replace(told["hash"], "", 1)
            assert hashlib.sha1(bare.encode()).hexdigest() == told["hash"]
            # Each of several clients has its own subscriptions, and is told only of those.
            for client in (one, other):
                await client.send(json.dumps({"type": "market", "assets_ids": [symbol]}))
            for client in (one, other):
                (streamed,) = json.loads(await client.recv())
                assert streamed["asset_id"] == symbol
                sides = (
                    [[parse_price(x["price"]), parse_qty(x["size"])] for x in streamed[side]]
                    for side in ("bids", "asks")
                )
                # The best level is the last.
                assert [list(map(list, side))[::-1] for side in (book.bids, book.asks)] == [*sides]
                assert {**streamed, **told} == {**told, "event_type": "book"}
            break


async def test_a_client_hears_of_what_it_subscribed_alone(trouble: tuple[Path, Truth]) -> None:
    path, truth = trouble
    (_, asset), *_ = truth.final
    client = PolymarketClient(Judge(truth, "polymarket"), [asset])
    async with rerun(path, polymarket, speed=SPEED) as (run, server):
        async with asyncio.timeout(PATIENCE_S):
            await client.run(server.url)
            await run.wait()
    assert client.judge.wrong == []
    assert client.frames
    for frame in client.frames:
        told = json.loads(frame)
        for message in told if isinstance(told, list) else [told]:
            entries = message.get("price_changes", [message])
            assert asset in [entry["asset_id"] for entry in entries]


class Watched:
    """A feed whose live books are judged whenever records come out, and which is recorded."""

    def __init__(self, judge: Judge, feed_of: Callable[..., Feed]) -> None:
        self.judge, self.tape = judge, Tape()
        self.live: dict[str, bool] = {}
        # What was recorded a while ago is late for everybody who minds.
        self.options: dict[str, Any] = {"max_delay_s": 0.0, "hash_check": "always"}
        self.feed = feed_of(
            engine=Engine(**self.options), recorder=self.tape, on_batch=self.on_batch,
            options=OPTIONS,
        )  # fmt: skip

    def on_batch(self, batch: Batch) -> None:
        for instrument in set(batch.updates["instrument"].tolist()):
            self.look(self.feed.book(instrument))

    def look(self, view: BookView) -> None:
        self.live[view.symbol] = view.live
        if view.live:
            self.judge.judge_version(view.symbol, stands(view))

    def finals(self) -> dict[tuple[str, str], Any]:
        """Books that are live, as they stand."""
        return {(view.venue, view.symbol): stands(view) for view in self.feed.books() if view.live}


def polymarket_markets(listed: Iterable[Listed]) -> list[Market]:
    """As a configuration would state them."""
    sides: dict[str, list[Listed]] = {}
    for one in listed:
        sides.setdefault(one.market, []).append(one)
    return [
        Market(
            market,
            tuple(Outcome(one.outcome or str(at), one.symbol) for at, one in enumerate(both)),
            tick_size=both[0].tick_size or None,
            min_order_size=both[0].min_order_size or None,
            neg_risk="neg_risk=true" in both[0].hints,
        )
        for market, both in sides.items()
    ]


async def test_a_feed_attached_to_a_recording(trouble: tuple[Path, Truth]) -> None:
    path, truth = trouble
    async with rerun(path, polymarket, speed=SPEED) as (run, server):
        watched = Watched(
            Judge(truth, "polymarket"),
            lambda **more: Feed(
                polymarket_markets(truth.past.listed.values()),
                url=server.url,
                rest_url=server.rest_url,
                **more,
            ),
        )
        at_end: dict[tuple[str, str], Any] = {}
        goodbye = server.end

        async def end() -> None:
            await asyncio.sleep(0.1)
            at_end.update(watched.finals())
            await goodbye()

        server.end = end  # type: ignore[method-assign]
        async with watched.feed:
            await until(lambda: run.ended)
    assert watched.judge.wrong == []
    assert watched.judge.checked > 100
    assert at_end == truth.final
    report = Auditor(EngineWitness(Engine(**watched.options))).run(watched.tape.records)
    assert report.findings_total == 0, report.findings[:3]
    assert report.frames > len(truth.steps) // 4


# The command.


def test_the_command_serves_to_the_end_and_says_what_it_served(trouble: tuple[Path, Truth]) -> None:
    path, truth = trouble
    served = subprocess.Popen(
        [sys.executable, "-m", "bookfeed", "sim", "--from", str(path), "--speed", "0",
         "--at", "+5s"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with served:
        assert served.stdout is not None
        ready = json.loads(served.stdout.readline())
        assets = [one["asset"] for market in ready["markets"] for one in market["outcomes"]]
        assert {("polymarket", asset) for asset in assets} == set(truth.past.listed)
        with sync_connect(ready["ws"], max_size=None) as client:
            client.send(json.dumps({"type": "market", "assets_ids": assets}))
            heard = 0
            with suppress(ConnectionClosed):
                while client.recv(timeout=PATIENCE_S):
                    heard += 1
        assert heard
        summary = json.loads(served.stdout.readline())
    assert served.returncode == 0
    assert summary["ended"]
    told = summary["served"]["polymarket"]
    assert told["frames"] + told["books"] >= heard


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--speed", "2"], "only with --from"),
        (["--from", "{path}", "--fault", "drop@5"], "not with --from"),
        (["--from", "{path}", "--at", "1999-01-01"], "the recording goes from 20"),
        (["--from", "{path}", "--venue", "kalshi"], "the recording has polymarket"),
        (["--from", "{path}", "--at", "noon"], "must be such as"),
    ],
)
def test_what_cannot_be_served_is_refused(
    trouble: tuple[Path, Truth],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    path = str(trouble[0])
    given = [one.format(path=path) for one in arguments]
    try:
        code = main(["sim", *given])
    except SystemExit as refused:
        code = refused.code  # type: ignore[assignment]
    assert code == 2
    assert said in capsys.readouterr().err


def test_what_is_no_recording_of_a_venue_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "empty.bfj", [(int(Kind.ADVANCE), 5, 0, 0, b"")], {}, "polymarket")
    assert main(["sim", "--from", str(path)]) != 0
    assert "there are no frames in it" in capsys.readouterr().err
