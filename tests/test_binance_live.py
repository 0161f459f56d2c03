"""A feed against the simulated Binance over sockets: never wrong while live, and back in time."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from spot_live import OPTIONS, Running, Tape, Watcher, audited, feed_of, following, replayed
from waiting import PATIENCE_S, PatientClock, until

from bookfeed.errors import ConfigError
from bookfeed.feed.feed import Feed
from bookfeed.live import http
from bookfeed.market import Market, Outcome
from bookfeed.recordings.kinds import Kind
from bookfeed.sim import polymarket
from bookfeed.sim.binance import BinanceSimConfig, BinanceSimServer, serve
from bookfeed.sim.binance.faults import BinanceFault
from bookfeed.venues import Endpoint
from bookfeed.venues.base import Mirror
from bookfeed.venues.binance import MIRROR, POLL_DEPTH, BinanceMarket, BinanceSection
from bookfeed.venues.polymarket import polymarket as polymarket_venue

S = 1_000_000_000


def markets_of(server: BinanceSimServer) -> list[Market]:
    names = [f"{spec.base}-{spec.quote}" for spec in server.venue.specs]
    return [BinanceMarket("binance", name).to_market(None) for name in names]


def endpoint_of(server: BinanceSimServer, **settings: Any) -> Endpoint:
    settings.setdefault("depth", 100)
    section = BinanceSection(ws_url=server.url, rest_url=server.rest_url, **settings)
    return section.endpoint("test")


@asynccontextmanager
async def running(
    followed: int | None = None,
    endpoint: dict[str, Any] | None = None,
    clock: PatientClock | None = None,
    **settings: Any,
) -> AsyncIterator[Running[BinanceSimServer]]:
    settings = {"markets": 2, "levels": 60, "rate": 400.0, **settings}
    server = await serve(BinanceSimConfig(**settings))
    one = Running("binance", server, markets_of(server)[:followed], BinanceFault)
    async with following(one, endpoint_of(server, **(endpoint or {})), clock=clock):
        yield one


async def test_books_become_live_and_are_the_truth() -> None:
    async with running() as one:
        await one.live()
        await one.checked()
        view = one.feed.book("BTCUSDT")
        assert (view.base, view.quote, view.payout_e9) == ("BTC", "USDT", None)
        assert view.market == "BTC-USDT"
        assert one.feed.counters()["resyncs"] == 2, "one request for each book"
        assert one.feed.counters()["reconnects"] == 0


async def test_where_nothing_streams_books_are_polled_as_deep_as_they_are_asked_for() -> None:
    server = await serve(BinanceSimConfig(markets=2, levels=700, rate=400.0))
    server.inject(BinanceFault("refuse", variant="503", duration_s=3_600.0))
    one = Running("binance", server, markets_of(server), BinanceFault)
    options = replace(OPTIONS, poll_interval_s=0.05, poll_after_s=0.1)
    async with following(one, endpoint_of(server), options):
        view = one.feed.book("BTCUSDT")
        await until(lambda: view.polled and one.feed.book("ETHUSDT").polled)
        assert (view.state, view.cause, view.live) == ("live_poll", "polled", False)
        sides = {side: view.levels_exact(side).tolist() for side in ("bid", "ask")}
        assert {len(levels) for levels in sides.values()} == {POLL_DEPTH}
        assert view.depth_known("bid") == sides["bid"][-1][0] / 1e9
        server.injector.end_beside()
        await one.live()
        await one.checked()
    assert Kind.POLL in one.tape.kinds()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert (report.findings, report.polled > 2) == ([], True)


async def test_books_of_which_an_open_stream_says_nothing_are_polled_until_it_speaks() -> None:
    server = await serve(BinanceSimConfig(markets=1, levels=700, rate=400.0))
    one = Running("binance", server, markets_of(server), BinanceFault)
    # Its clock is patient: it is to pass while nothing is heard.
    options = replace(OPTIONS, advance_s=0.004)
    async with following(one, endpoint_of(server, depth=5_000), options):
        await one.live()
        # Until its silence is odd: a rhythm is known by some seconds of it.
        await asyncio.sleep(5.0)
        one.inject("freeze", variant="data", duration_s=3_600.0)
        view = one.feed.book("BTCUSDT")
        await until(lambda: view.polled)
        assert one.feed.status().connections[0].state == "connected"
        assert len(view.levels_exact("bid")) == POLL_DEPTH
        # Its connection is replaced, and the new one speaks.
        await until(lambda: view.live)
        await one.checked()
    assert Kind.POLL in one.tape.kinds()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert (report.findings, report.polled > 0) == ([], True)


@pytest.mark.parametrize("status", [HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, HTTPStatus.FORBIDDEN])
async def test_who_is_turned_away_is_served_at_the_mirror_from_then_on(
    status: HTTPStatus, caplog: pytest.LogCaptureFixture
) -> None:
    here, server = [await serve(BinanceSimConfig(markets=2, levels=60, rate=400.0)) for _ in "12"]
    here.block(status)
    here.rest_faults.begin("abroad")
    there = endpoint_of(server)
    assert there.rest_url is not None
    mirror = Mirror(there.url, there.rest_url)
    endpoint = replace(there, url=f"{here.url}/ws", rest_url=here.rest_url, mirror=mirror)
    one = Running("binance", server, markets_of(server), BinanceFault)
    async with following(one, endpoint):
        await one.live()
        await one.checked()
        for _ in range(2):
            one.inject("disconnect")
            await until(lambda: not one.feed.book("BTCUSDT").live)
            await one.live()
        await one.checked()
        assert one.feed.counters()["connect_failures"] == 1, "asked once, and not again"
    assert here.rest_requests == 1
    told = [text for text in caplog.messages if "does not serve this place" in text]
    assert len(told) == 2, "its stream, and its books"
    await here.close()


async def test_without_a_mirror_who_is_turned_away_goes_on_asking() -> None:
    server = await serve(BinanceSimConfig(markets=1))
    server.block(HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS)
    one = Running("binance", server, markets_of(server), BinanceFault)
    async with following(one, endpoint_of(server)):
        await until(lambda: one.feed.counters()["connect_failures"] > 2)
        server.refusing = None
        await one.live()


def test_the_mirror_is_that_of_the_main_addresses_alone() -> None:
    assert BinanceSection().endpoint("test").mirror == MIRROR
    assert MIRROR.url == BinanceSection(site="data").endpoint("test").url
    for section in (
        BinanceSection(site="us"),
        BinanceSection(site="data"),
        BinanceSection(rest_url="https://binance.test"),
    ):
        assert section.endpoint("test").mirror is None


async def test_a_recording_replays_to_the_same_records_and_the_audit_agrees() -> None:
    async with running() as one:
        await one.live()
        one.inject("gap")
        await until(lambda: any(cause == "gap" for _, _, cause in one.watcher.states))
        await one.live()
        await one.checked()
    assert Kind.REST_BOOK in one.tape.kinds()
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    report = audited(one.tape.records)
    assert report.findings == []
    assert report.frames == one.tape.kinds().count(Kind.FRAME)


@pytest.mark.parametrize(
    ("kind", "variant"), [("gap", ""), ("drop", ""), ("rewind", ""), ("malformed", "bad_number")]
)
async def test_a_lost_book_is_fetched_on_its_connection_and_costs_its_neighbour_nothing(
    kind: str, variant: str
) -> None:
    async with running() as one:
        await one.live()
        before = len(one.watcher.states)
        one.inject(kind, variant, asset="BTCUSDT", message="@depth@100ms")
        await until(lambda: one.watcher.states[before:])
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0
        assert {symbol for symbol, _, _ in one.watcher.states[before:]} == {"BTCUSDT"}


async def test_an_answer_older_than_the_stream_is_asked_for_again() -> None:
    async with running(followed=1, faults=(BinanceFault("rest_stale"),)) as one:
        await one.live()
        await one.checked()
        assert one.watcher.causes("BTCUSDT")[-2:] == ["resync", "resync"]
        assert one.feed.counters()["resyncs"] == 2
        assert one.feed.counters()["rest_rejected"] == 1
        assert one.feed.counters()["reconnects"] == 0


@pytest.mark.parametrize("status", ["500", "429"])
async def test_while_rest_is_down_the_book_is_asked_for_again_and_nothing_else_is_done(
    status: str,
) -> None:
    async with running() as one:
        await one.live()
        for _ in range(3):
            one.inject("rest_error", status)
        one.inject("gap", asset="BTCUSDT", message="@depth@100ms")
        await one.lost("BTCUSDT", "gap")
        await until(lambda: one.feed.counters()["resync_failures"] >= 2)
        view = one.feed.book("BTCUSDT")
        assert (view.state, view.cause) == ("stale", "gap"), "what was lost stays named"
        await one.live()
        await one.checked()
        assert one.feed.counters()["reconnects"] == 0
        assert {s for s, _, cause in one.watcher.states if cause == "gap"} == {"BTCUSDT"}


async def test_a_connection_that_the_venue_is_going_to_end_is_replaced_before_it_does() -> None:
    async with running() as one:
        await one.live()
        one.inject("shutdown")
        await until(lambda: one.feed.counters()["reconnects"] == 1)
        await one.live()
        await one.checked()
        assert one.feed.counters()["connects"] == 3, "another one carried the books meanwhile"
    assert b"the venue is going to end it" in [
        record[4] for record in one.tape.records if record[0] == Kind.DISCONNECTED
    ]


async def test_a_price_that_walks_is_followed_and_costs_no_book_its_state() -> None:
    # Few levels are told, and the simulated price soon leaves them.
    async with running(followed=1, endpoint={"depth": 30}, levels=40, rate=2_000.0) as one:
        await one.live()
        lost = len(one.watcher.states)
        await until(lambda: one.feed.counters()["rest_accepted"] >= 3)
        await one.checked()
        assert [cause for _, _, cause in one.watcher.states[lost:]] == []
        assert one.feed.book("BTCUSDT").evidence["rest_match"] >= 2
    assert replayed(one.tape.records) == b"".join(one.watcher.emitted)
    assert audited(one.tape.records).findings == []


@pytest.fixture
def one_clock(monkeypatch: pytest.MonkeyPatch) -> PatientClock:
    """What the venue's stamps go by, too: a delay that grows would not, if the feed's were slower,
    as it is on a machine that lets the test wait.
    """
    clock = PatientClock()
    patient = SimpleNamespace(time_ns=clock.now_ns)
    for module in ("spot_server", "binance.server"):
        monkeypatch.setattr(f"bookfeed.sim.{module}.time", patient)
    return clock


async def test_a_delay_that_grows_is_told(one_clock: PatientClock) -> None:
    async with running(clock=one_clock, rate=100.0) as one:
        await one.live()
        one.inject("delay", "growing", duration_s=8.0)
        await one_clock.took(lambda: one.feed.status().connections[0].delay_grows)
        status = one.feed.status().connections[0]
        assert status.freshness == "suspect" and status.delay_s is not None
        assert one.feed.counters()["delay_growths"] == 1


async def test_a_book_that_falls_behind_its_siblings_is_told(one_clock: PatientClock) -> None:
    async with running(clock=one_clock, rate=100.0) as one:
        await one.live()
        one.inject("lag", asset="ETHUSDT", duration_s=30.0)
        await one_clock.took(lambda: one.feed.book("ETHUSDT").delay_grows)
        behind = {book.symbol: book for book in one.feed.status().books}
        assert (behind["ETHUSDT"].freshness, behind["ETHUSDT"].delay_grows) == ("suspect", True)
        assert (behind["BTCUSDT"].freshness, behind["BTCUSDT"].delay_grows) == ("fresh", False)
        assert not one.feed.status().connections[0].delay_grows
        assert one.feed.book("ETHUSDT").to_dict()["delay_grows"]


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
async def test_a_new_connection_begins_its_books_anew(kind: str) -> None:
    async with running() as one:
        await one.live()
        one.inject(kind)
        await one.lost("BTCUSDT", "disconnected")
        await one.live()
        await one.checked()


async def test_markets_come_and_go_on_the_open_connection() -> None:
    async with running(markets=4, followed=2) as one:
        await one.live()
        first, second, third, fourth = markets_of(one.server)
        await one.feed.add_markets([third, fourth])
        await one.live()
        await one.feed.remove_markets([first, third])
        gone = [f'"{market.symbols[0]}"'.encode() for market in (first, third)]
        await until(lambda: not any(name in f for f in one.frames()[-40:] for name in gone))
        await one.checked()
        assert [view.symbol for view in one.feed.books() if view.live] == [
            *second.symbols, *fourth.symbols,
        ]  # fmt: skip
        assert one.feed.counters()["connects"] == 1


async def test_commands_keep_the_venues_pace() -> None:
    """One command for each market that comes: the venue ends who sends more than five a second."""
    async with running(markets=12, followed=1) as one:
        await one.live()
        for market in markets_of(one.server)[1:]:
            await one.feed.add_markets([market])
            await one.feed.remove_markets([market])
            await one.feed.add_markets([market])
        await one.live()
        assert one.feed.counters()["connects"] == 1


async def test_two_venues_in_one_feed() -> None:
    other = await polymarket.serve(polymarket.SimConfig(markets=2, rate=200.0))
    server = await serve(BinanceSimConfig(markets=1, levels=60, rate=400.0))
    try:
        watcher, tape = Watcher({"binance": server.truth}), Tape()
        markets = [
            *markets_of(server),
            *(
                Market(one.condition_id, tuple(map(Outcome, one.outcomes, one.asset_ids)))
                for one in other.markets
            ),
        ]
        ends = {
            "binance": endpoint_of(server),
            "polymarket": Endpoint(polymarket_venue(), other.url),
        }
        async with feed_of(markets, ends, watcher, tape) as feed:
            await feed.wait_live(PATIENCE_S)
            await until(lambda: watcher.checked > 10)
        assert watcher.wrong == []
        assert replayed(tape.records) == b"".join(watcher.emitted)
    finally:
        await server.close()
        await other.close()


# What it cannot do without.


def test_a_feed_needs_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    market = BinanceMarket("binance", "BTC-USDT").to_market(None)
    with pytest.raises(ConfigError, match="begin with a whole book by REST"):
        Feed([market], url="ws://127.0.0.1:1/ws")
    monkeypatch.setattr(http, "available", lambda: False)
    monkeypatch.setattr("bookfeed.live.endpoints.rest_available", lambda: False)
    with pytest.raises(ConfigError, match=re.escape("pip install 'bookfeed[rest]'")):
        Feed([market])
