"""``feed.resync``: a good book is asked for anew, by each venue's own way, and comes back.

Against the simulators, which answer as the venues do. Neighbours keep their books, except where a
new connection is the only way.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiohttp import web
from session_server import MARKET, YES, book_message, serving
from spot_live import OPTIONS, Tape, audited
from test_binance_live import endpoint_of as binance_endpoint
from test_binance_live import markets_of as binance_markets
from test_feed_sim import markets_of as polymarket_markets
from test_kraken_live import endpoint_of as kraken_endpoint
from test_kraken_live import markets_of as kraken_markets
from test_session_rest import resting
from waiting import PATIENCE_S, PatientClock, until

from bookfeed.errors import SessionError
from bookfeed.feed.feed import Feed
from bookfeed.market import Market, Outcome
from bookfeed.records import Update
from bookfeed.sim import binance, kalshi, kraken, polymarket
from bookfeed.venues import Endpoint
from bookfeed.venues.kalshi import Credentials
from bookfeed.venues.kalshi import kalshi as kalshi_venue
from bookfeed.venues.kalshi_keys import parse_key
from bookfeed.venues.polymarket import polymarket as polymarket_venue
from bookfeed.venues.secret import Secret


@dataclass
class Site:
    """A simulator that runs, and how it is followed."""

    server: Any
    endpoint: Endpoint
    markets: list[Market]


async def polymarket_rest() -> Site:
    server = await polymarket.serve(polymarket.SimConfig(markets=2, rate=200))
    there = Endpoint(polymarket_venue(), server.url, server.rest_url)
    return Site(server, there, polymarket_markets(server))


async def polymarket_alone() -> Site:
    site = await polymarket_rest()
    site.endpoint = Endpoint(site.endpoint.venue, site.endpoint.url)
    return site


async def kalshi_commands() -> Site:
    server = await kalshi.serve(kalshi.KalshiSimConfig(rate=200))
    assert server.key is not None
    key = Credentials(server.key.key_id, parse_key(Secret(server.key.private_pem), "test"))
    tickers = [market.spec.ticker for market in server.venue.markets[:2]]
    markets = [Market(ticker, (Outcome("Yes", ticker),), venue="kalshi") for ticker in tickers]
    return Site(server, Endpoint(kalshi_venue(credentials=key), server.url), markets)


async def binance_seeds() -> Site:
    server = await binance.serve(binance.BinanceSimConfig(markets=2, rate=200.0))
    return Site(server, binance_endpoint(server), binance_markets(server))


async def kraken_resubscribe() -> Site:
    server = await kraken.serve(kraken.KrakenSimConfig(markets=2, rate=200.0))
    return Site(server, kraken_endpoint(server), kraken_markets(server))


@asynccontextmanager
async def following(
    site: Site, states: list[Update], tape: Tape | None = None
) -> AsyncIterator[Feed]:
    def keep(update: Update) -> None:
        if update.kind == "state":
            states.append(update)

    feed = Feed(
        site.markets,
        endpoints={site.endpoint.venue.name: site.endpoint},
        options=OPTIONS,
        clock=PatientClock(),
        on_update=keep,
        recorder=tape,
        seed=1,
    )
    try:
        async with feed:
            await feed.wait_live(PATIENCE_S)
            states.clear()
            yield feed
            assert feed.counters()["callback_errors"] == 0
    finally:
        await site.server.close()


@pytest.mark.parametrize(
    ("begin", "resyncs"),
    [
        (polymarket_rest, 1),
        # It gets a connection of its own, on which it comes by itself.
        (polymarket_alone, 0),
        (kalshi_commands, 1),
        (binance_seeds, 1),
        (kraken_resubscribe, 1),
    ],
)
async def test_each_venue_fetches_a_book_in_its_own_way(
    begin: Callable[[], Any], resyncs: int
) -> None:
    states: list[Update] = []
    tape = Tape()
    async with following(await begin(), states, tape) as feed:
        symbol, neighbour = feed.books()[0].symbol, feed.books()[-1].symbol
        before = feed.counters()["resyncs"]
        epoch, beside = feed.book(symbol).epoch, feed.book(neighbour).epoch
        feed.resync(symbol)
        assert (feed.book(symbol).state, feed.book(symbol).cause) == ("syncing", "resync")
        await until(lambda: feed.book(symbol).epoch > epoch and feed.book(symbol).live)
        counters = feed.counters()
        assert (counters["reconnects"], counters["resync_failures"]) == (0, 0)
        assert counters["resyncs"] == before + resyncs
        assert {update.symbol for update in states} == {symbol}
        assert (states[0].state, states[-1].state) == ("syncing", "live")
        assert feed.book(neighbour).epoch == beside
        await until(lambda: feed.counters()["frames"] > counters["frames"] + 150)
    report = audited(tape.records)
    assert (report.findings, report.refused) == ([], 0)
    assert report.touches > 10


async def test_asking_again_and_again_keeps_to_the_budget() -> None:
    states: list[Update] = []
    async with following(await polymarket_rest(), states) as feed:
        symbols = [book.symbol for book in feed.books()]
        for _ in range(200):
            feed.resync(symbols[0])
        await until(lambda: feed.counters()["resyncs"] and feed.book(symbols[0]).live)
        assert feed.counters()["resyncs"] == 1


async def test_asking_while_the_answer_is_on_its_way_does_not_make_it_too_old() -> None:
    async with serving() as server, resting() as rest:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def late(request: web.Request) -> web.StreamResponse:
            asked.set()
            response = await rest.books(request)
            await answer.wait()
            return response

        rest.answer, rest.bid = late, "0.40"
        feed = Feed(
            [MARKET], url=server.url, rest_url=rest.url, options=OPTIONS, clock=PatientClock()
        )
        async with feed:
            await feed.wait_live(PATIENCE_S)
            feed.resync(YES)
            await asked.wait()
            # Newer than the answer that is on its way.
            change = {"asset_id": YES, "price": "0.41", "size": "5", "side": "BUY"}
            change |= {"hash": "", "best_bid": "0.41", "best_ask": "0.60"}
            stamp = book_message(YES)["timestamp"]
            frame = {"event_type": "price_change", "market": MARKET.market, "timestamp": stamp}
            (await server.peer(0)).text(orjson.dumps(frame | {"price_changes": [change]}))
            await until(lambda: feed.counters()["frames"] == 2)
            feed.resync(YES)
            answer.set()
            await until(lambda: feed.book(YES).live)
            assert len(rest.asked) == 1
            assert feed.book(YES).bid == 0.41
            assert feed.counters()["rest_rejected"] == 0


async def test_what_cannot_be_asked_for_is_refused() -> None:
    site = await polymarket_rest()
    states: list[Update] = []
    async with following(site, states) as feed:
        with pytest.raises(KeyError):
            feed.resync("no such book")
        symbol = feed.books()[0].symbol
    with pytest.raises(SessionError, match="closed"):
        feed.resync(symbol)
    with pytest.raises(SessionError, match="not open"):
        Feed(site.markets).resync(symbol)
