"""A feed against the simulated Kraken over sockets: never wrong while live, and back in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from spot_live import Running, S, Tape, Watcher, audited, feed_of, following, replayed
from waiting import PATIENCE_S, until

from bookfeed.market import Market
from bookfeed.recordings.kinds import Kind
from bookfeed.sim import binance
from bookfeed.sim.kraken import KrakenSimConfig, KrakenSimServer, serve
from bookfeed.sim.kraken.faults import KrakenFault
from bookfeed.venues import Endpoint
from bookfeed.venues.binance import BinanceMarket, BinanceSection
from bookfeed.venues.kraken import KrakenMarket, KrakenSection


def markets_of(server: KrakenSimServer) -> list[Market]:
    names = [f"{spec.base}-{spec.quote}" for spec in server.venue.specs]
    return [KrakenMarket("kraken", name).to_market(None) for name in names]


def endpoint_of(server: KrakenSimServer, depth: int = 10) -> Endpoint:
    section = KrakenSection(
        ws_url=server.url, rest_url=server.rest_url or "", depth=depth, probe_interval_s=0.2
    )
    return section.endpoint("test")


@asynccontextmanager
async def running(
    followed: int | None = None, depth: int = 10, **settings: Any
) -> AsyncIterator[Running[KrakenSimServer]]:
    settings = {"markets": 2, "levels": 60, "rate": 300.0, **settings}
    server = await serve(KrakenSimConfig(**settings))
    one = Running("kraken", server, markets_of(server)[:followed], KrakenFault)
    async with following(one, endpoint_of(server, depth)):
        yield one


@pytest.mark.parametrize("depth", [10, 25, 1000])
async def test_books_become_live_and_are_the_truth(depth: int) -> None:
    async with running(depth=depth) as one:
        await one.live()
        await one.checked()
        view = one.feed.book("BTC/USD")
        assert (view.base, view.quote, view.payout_e9) == ("BTC", "USD", None)
        assert view.market == "BTC-USD"
        assert len(view.levels("bid")) <= depth
        full = len(view.levels("bid")) == depth
        assert (view.depth_known("bid") is None) != full
        assert view.evidence["checksum_match"] > 5
        assert one.feed.counters()["resyncs"] == 0


async def test_a_recording_replays_to_the_same_records_and_the_audit_agrees() -> None:
    async with running() as one:
        await one.live()
        one.inject("drop", asset="BTC/USD", message="book")
        await one.lost("BTC/USD", "checksum_mismatch")
        await one.live()
        await one.checked()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.frames == len(one.frames())


@pytest.mark.parametrize(
    ("kind", "variant"), [("drop", ""), ("checksum", ""), ("malformed", "bad_number")]
)
async def test_a_lost_book_is_subscribed_again_and_costs_its_neighbour_nothing(
    kind: str, variant: str
) -> None:
    async with running() as one:
        await one.live()
        before = len(one.watcher.states)
        one.inject(kind, variant, asset="BTC/USD", message="book")
        await until(lambda: one.watcher.states[before:])
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0
        assert one.feed.counters()["resyncs"] == 1
        assert {symbol for symbol, _, _ in one.watcher.states[before:]} == {"BTC/USD"}
        assert one.watcher.causes("BTC/USD")[-1] in ("snapshot", "resync")


async def test_a_refused_request_is_made_again() -> None:
    """The unsubscription, and later the subscription, are refused: each is begun again."""
    async with running() as one:
        await one.live()
        before = len(one.watcher.states)
        one.inject("refused", asset="BTC/USD")
        one.inject("checksum", asset="BTC/USD", message="book")
        await until(lambda: one.watcher.states[before:])
        await one.live()
        await one.checked()
        assert any(b"Internal error" in frame for frame in one.frames())
        assert one.feed.counters()["reconnects"] == 0
        assert {symbol for symbol, _, _ in one.watcher.states[before:]} == {"BTC/USD"}


async def test_a_market_that_is_not_there_costs_the_others_nothing() -> None:
    server = await serve(KrakenSimConfig(markets=1, levels=60, rate=300.0))
    try:
        watcher, tape = Watcher({"kraken": server.truth}), Tape()
        stranger = KrakenMarket("kraken", "NOT-USD").to_market(None)
        markets = [*markets_of(server), stranger]
        async with feed_of(markets, {"kraken": endpoint_of(server)}, watcher, tape) as feed:
            await until(lambda: feed.counters()["resync_failures"] >= 2)
            await until(lambda: watcher.checked > 10)
            assert feed.book("BTC/USD").live
            assert feed.book("NOT/USD").state == "syncing"
            assert feed.counters()["reconnects"] == 0
        assert [state for symbol, state, _ in watcher.states if symbol == "BTC/USD"].count(
            "live"
        ) == 1
        assert watcher.wrong == []
    finally:
        await server.close()


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
async def test_a_new_connection_begins_its_books_anew(kind: str) -> None:
    async with running() as one:
        await one.live()
        one.inject(kind)
        await one.lost("BTC/USD", "disconnected")
        await one.live()
        await one.checked()


async def test_markets_come_and_go_on_the_open_connection() -> None:
    async with running(markets=4, followed=2) as one:
        await one.live()
        first, second, third, fourth = markets_of(one.server)
        await one.feed.add_markets([third, fourth])
        await one.live()
        await one.feed.remove_markets([first, third])
        gone = [f'"symbol":"{market.symbols[0]}"'.encode() for market in (first, third)]
        await until(lambda: not any(name in f for f in one.frames()[-40:] for name in gone))
        await one.checked()
        assert [view.symbol for view in one.feed.books() if view.live] == [
            *second.symbols, *fourth.symbols,
        ]  # fmt: skip
        await one.feed.add_markets([first])
        await one.live()
        assert one.feed.counters()["connects"] == 1


async def test_a_quiet_connection_is_asked_whether_it_lives() -> None:
    """A market that stands still is no reason for a new connection, as long as pings return."""
    async with running(rate=0.2) as one:
        await one.live()
        await until(lambda: any(b'"pong"' in frame for frame in one.frames()))
        assert one.feed.counters()["connects"] == 1


async def test_a_book_that_is_frozen_alone_is_found_by_rest_and_costs_its_neighbour_nothing() -> (
    None
):
    # So slow that what is frozen differs by less than the watcher looks back.
    async with running(rate=60.0) as one:
        await one.live()
        view = one.feed.book("BTC/USD")
        began = view.ts_recv or 0
        await until(lambda: (view.ts_recv or 0) > began + 5 * S)  # it has a rhythm by then
        one.inject("freeze", "symbol", asset="BTC/USD")
        await one.lost("BTC/USD", "withheld")
        assert one.feed.witnesses()[0]["rest"]["differed"] >= 1
        assert {s for s, _, cause in one.watcher.states if cause == "withheld"} == {"BTC/USD"}
        assert one.feed.book("ETH/USD").live
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    assert audited(one.tape.records).findings == []


async def test_two_spot_venues_in_one_feed() -> None:
    other = await binance.serve(binance.BinanceSimConfig(markets=1, levels=60, rate=300.0))
    server = await serve(KrakenSimConfig(markets=1, levels=60, rate=300.0))
    try:
        watcher = Watcher({"kraken": server.truth, "binance": other.truth})
        tape = Tape()
        ends = {
            "kraken": endpoint_of(server),
            "binance": BinanceSection(
                ws_url=other.url, rest_url=other.rest_url, depth=100
            ).endpoint("test"),
        }
        markets = [*markets_of(server), BinanceMarket("binance", "BTC-USDT").to_market(None)]
        async with feed_of(markets, ends, watcher, tape) as feed:
            await feed.wait_live(PATIENCE_S)
            await until(lambda: watcher.checked > 60)
            quotes = [feed.book(symbol).quote for symbol in ("BTC/USD", "BTCUSDT")]
            assert quotes == ["USD", "USDT"]
        assert watcher.wrong == []
        told = [orjson.loads(r[4]) for r in tape.records if r[0] == Kind.SUBSCRIBE]
        assert [one.get("depth") for one in told] == [10, None]
        assert replayed(tape.records) == b"".join(watcher.emitted)
    finally:
        await server.close()
        await other.close()
