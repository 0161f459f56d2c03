"""A feed against the simulated Coinbase over sockets: never wrong while live, and back in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from spot_live import Running, Tape, Watcher, audited, feed_of, following, replayed
from waiting import until

from bookfeed.market import Market
from bookfeed.sim.coinbase import CoinbaseSimConfig, CoinbaseSimServer, serve
from bookfeed.sim.coinbase.faults import CoinbaseFault
from bookfeed.venues import Endpoint
from bookfeed.venues.coinbase import CoinbaseMarket, CoinbaseSection


def markets_of(server: CoinbaseSimServer) -> list[Market]:
    return [CoinbaseMarket("coinbase", name).to_market(None) for name in server.venue.symbols]


def endpoint_of(server: CoinbaseSimServer) -> Endpoint:
    section = CoinbaseSection(
        ws_url=server.url, rest_url=server.rest_url or "", probe_interval_s=0.2
    )
    return section.endpoint("test")


@asynccontextmanager
async def running(
    followed: int | None = None, **settings: Any
) -> AsyncIterator[Running[CoinbaseSimServer]]:
    settings = {"markets": 2, "levels": 60, "rate": 300.0, **settings}
    server = await serve(CoinbaseSimConfig(**settings))
    one = Running("coinbase", server, markets_of(server)[:followed], CoinbaseFault)
    async with following(one, endpoint_of(server)):
        yield one


async def test_books_become_live_and_are_the_truth() -> None:
    async with running() as one:
        await one.live()
        await one.checked()
        view = one.feed.book("BTC-USD")
        assert (view.base, view.quote, view.payout_e9) == ("BTC", "USD", None)
        assert view.depth_known("bid") is view.depth_known("ask") is None
        assert view.evidence["in_sequence"] > 5
        assert one.feed.counters()["resyncs"] == 0


async def test_a_recording_replays_to_the_same_records_and_the_audit_agrees() -> None:
    async with running() as one:
        await one.live()
        one.inject("drop", asset="BTC-USD")
        await one.lost("BTC-USD", "gap")
        await one.live()
        await one.checked()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.frames == len(one.frames())


@pytest.mark.parametrize(
    ("kind", "variant", "cause"),
    [
        ("drop", "", "gap"),
        ("malformed", "truncated", "malformed"),
    ],
)
async def test_a_hole_costs_the_books_of_the_connection_which_come_back_on_it(
    kind: str, variant: str, cause: str
) -> None:
    async with running() as one:
        await one.live()
        one.inject(kind, variant, asset="BTC-USD")
        for symbol in ("BTC-USD", "ETH-USD"):
            await one.lost(symbol, cause)
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0
        assert one.feed.counters()["resyncs"] >= 2


async def test_a_copy_costs_no_book() -> None:
    async with running() as one:
        await one.live()
        one.inject("duplicate", "at_once", asset="BTC-USD")
        await until(lambda: one.feed.counters()["regressions"])
        await one.checked()
        assert {state for _, state, _ in one.watcher.states} == {"syncing", "live"}


async def test_a_refused_command_is_sent_again() -> None:
    async with running() as one:
        await one.live()
        one.inject("refused", asset="BTC-USD")
        one.inject("drop", asset="BTC-USD")
        await one.lost("BTC-USD", "gap")
        await one.live()
        await one.checked()
        assert any(b"internal error" in frame for frame in one.frames())
        assert one.feed.counters()["reconnects"] == 0


async def test_a_subscription_that_ends_unasked_is_made_again() -> None:
    async with running() as one:
        await one.live()
        one.server.end_subscription("ETH-USD")
        await one.lost("ETH-USD", "channel")
        await one.live()
        await one.checked()
        assert [state for name, state, _ in one.watcher.states if name == "BTC-USD"] == [
            "syncing",
            "live",
        ]


async def test_markets_come_and_go_on_the_open_connection() -> None:
    async with running(markets=4, followed=2) as one:
        await one.live()
        first, second, third, fourth = markets_of(one.server)
        await one.feed.add_markets([third, fourth])
        await one.live()
        await one.feed.remove_markets([first, third])
        gone = [f'"product_id":"{market.symbols[0]}"'.encode() for market in (first, third)]
        await until(lambda: not any(name in f for f in one.frames()[-40:] for name in gone))
        await one.checked()
        assert [view.symbol for view in one.feed.books() if view.live] == [
            *second.symbols, *fourth.symbols,
        ]  # fmt: skip
        await one.feed.add_markets([first])
        await one.live()
        assert one.feed.counters()["connects"] == 1


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
async def test_a_new_connection_begins_its_books_anew(kind: str) -> None:
    async with running() as one:
        await one.live()
        one.inject(kind)
        await one.lost("BTC-USD", "disconnected")
        await one.live()
        await one.checked()


async def test_a_quiet_book_is_vouched_for_by_signs_of_life() -> None:
    async with running(rate=0.2, heartbeat_s=0.1) as one:
        await one.live()
        beats = len(one.frames())
        await until(lambda: len(one.frames()) > beats + 10)
        assert one.feed.counters()["connects"] == 1
        assert one.feed.book("BTC-USD").live


async def test_a_market_that_is_not_there_is_said_and_the_venue_asked_again() -> None:
    """One frame names all products of a connection: a stranger among them costs all of them."""
    server = await serve(CoinbaseSimConfig(markets=1, levels=60, rate=300.0))
    try:
        watcher, tape = Watcher({"coinbase": server.truth}), Tape()
        stranger = CoinbaseMarket("coinbase", "NOT-USD").to_market(None)
        markets = [*markets_of(server), stranger]
        async with feed_of(markets, {"coinbase": endpoint_of(server)}, watcher, tape) as feed:
            await until(lambda: watcher.checked > 10)
            assert feed.book("BTC-USD").live
            assert feed.book("NOT-USD").state == "syncing"
        assert watcher.wrong == []
    finally:
        await server.close()
