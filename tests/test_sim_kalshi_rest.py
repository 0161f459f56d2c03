"""The simulated Kalshi's REST calls, over real HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer, serve

WINDOWS = 4  # two series of two windows come first


@pytest.fixture
async def server() -> AsyncIterator[KalshiSimServer]:
    server = await serve(KalshiSimConfig(seed=9))
    yield server
    await server.close()


async def fetch(server: KalshiSimServer, path: str, status: int = 200) -> Any:
    async with aiohttp.ClientSession() as http, http.get(f"{server.rest_url}{path}") as response:
        assert response.status == status
        return json.loads(await response.text())


async def test_a_book_has_both_sides_ascending_and_no_prices_of_no(server: KalshiSimServer) -> None:
    market = server.venue.markets[WINDOWS]
    book = (await fetch(server, f"/markets/{market.spec.ticker}/orderbook"))["orderbook_fp"]
    for side, rungs in zip(("yes_dollars", "no_dollars"), market.book, strict=True):
        assert [[round(float(p) * 10_000), round(float(s) * 100)] for p, s in book[side]] == [
            list(level) for level in sorted(rungs.levels().items())
        ]
    short = await fetch(server, f"/markets/{market.spec.ticker}/orderbook?depth=2")
    assert short["orderbook_fp"]["yes_dollars"] == book["yes_dollars"][-2:]
    unopened = server.venue.markets[1].spec.ticker
    empty = await fetch(server, f"/markets/{unopened}/orderbook")
    assert empty == {"orderbook_fp": {"yes_dollars": [], "no_dollars": []}}
    await fetch(server, "/markets/NONE/orderbook", 404)
    await fetch(server, f"/markets/{unopened}/orderbook?depth=x", 400)


async def test_several_books_by_repeating_the_parameter(server: KalshiSimServer) -> None:
    first, second = (market.spec.ticker for market in server.venue.markets[WINDOWS : WINDOWS + 2])
    books = await fetch(
        server, f"/markets/orderbooks?tickers={first}&tickers=NONE&tickers={second}"
    )
    assert [book["ticker"] for book in books["orderbooks"]] == [first, second]
    one = await fetch(server, f"/markets/orderbooks?tickers={first},{second}")
    assert [book["ticker"] for book in one["orderbooks"]] == [first]
    await fetch(server, "/markets/orderbooks", 400)


async def test_markets_by_ticker_event_series_and_status(server: KalshiSimServer) -> None:
    markets = server.venue.markets
    first, second = markets[0].spec, markets[-1].spec
    found = await fetch(server, f"/markets?tickers={first.ticker},{second.ticker}")
    assert [market["ticker"] for market in found["markets"]] == [first.ticker, second.ticker]
    found = await fetch(server, f"/markets?event_ticker={second.event_ticker}")
    assert {market["event_ticker"] for market in found["markets"]} == {second.event_ticker}
    found = await fetch(server, f"/markets?series_ticker={first.series_ticker}&status=unopened")
    (unopened,) = found["markets"]
    assert unopened["status"] == "initialized" and unopened["floor_strike"] is None
    assert unopened["yes_sub_title"] == "Target price: TBD"
    assert unopened["yes_bid_dollars"] == "0.0000" and unopened["yes_ask_dollars"] == "1.0000"
    await fetch(server, "/markets?status=active", 400)


async def test_a_market_has_what_a_client_needs(server: KalshiSimServer) -> None:
    market = server.venue.markets[0]
    body = (await fetch(server, f"/markets/{market.spec.ticker}"))["market"]
    assert body["status"] == "active" and body["market_type"] == "binary"
    assert body["open_time"].endswith("Z") and body["close_time"] > body["open_time"]
    assert body["price_ranges"][1] == {"start": "0.1000", "end": "0.9000", "step": "0.0100"}
    assert body["result"] == "" and body["exchange_index"] == 2
    assert float(body["no_ask_dollars"]) == pytest.approx(1 - float(body["yes_bid_dollars"]))


async def test_pages_follow_the_cursor(server: KalshiSimServer) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = await fetch(server, f"/markets?limit=4&cursor={cursor}")
        seen += [market["ticker"] for market in page["markets"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert seen == [market.spec.ticker for market in server.venue.markets]


async def test_fees_are_of_the_series_unless_the_event_overrides_them(
    server: KalshiSimServer,
) -> None:
    spec = server.venue.markets[WINDOWS].spec
    series = (await fetch(server, f"/series/{spec.series_ticker}"))["series"]
    assert series["fee_type"] == "quadratic_with_maker_fees" and series["fee_multiplier"] == 1
    event = await fetch(server, f"/events/{spec.event_ticker}")
    assert event["event"]["fee_multiplier_override"] is None
    assert event["event"]["mutually_exclusive"] and len(event["markets"]) == 4
    server.change_fee(spec.event_ticker, 0.5)
    nested = await fetch(server, f"/events/{spec.event_ticker}?with_nested_markets=true")
    assert nested["event"]["fee_multiplier_override"] == 0.5
    assert len(nested["event"]["markets"]) == 4
    await fetch(server, "/events/NONE", 404)
    await fetch(server, "/series/NONE", 404)


async def test_the_exchange_says_whether_it_trades(server: KalshiSimServer) -> None:
    status = await fetch(server, "/exchange/status")
    assert status["exchange_active"] and status["trading_active"]
    assert server.rest_requests == 1


async def test_markets_close_on_time_though_nobody_listens() -> None:
    server = await serve(KalshiSimConfig(window_s=2, elapsed_s=1.9, baskets=0, ladders=0))
    try:
        ticker = server.venue.markets[0].spec.ticker
        found: dict[str, Any] = {"status": "active"}
        while found["status"] in ("active", "closed"):
            found = (await fetch(server, f"/markets/{ticker}"))["market"]
        assert found["status"] == "determined" and found["result"] in ("yes", "no")
    finally:
        await server.close()


async def test_events_and_series_in_lists(server: KalshiSimServer) -> None:
    series = (await fetch(server, "/series"))["series"]
    assert [one["ticker"] for one in series] == list(server.venue.series)
    events = list(server.venue.events)
    first = await fetch(server, "/events?limit=2&with_nested_markets=true")
    second = await fetch(server, f"/events?limit=200&cursor={first['cursor']}")
    assert [one["event_ticker"] for one in first["events"] + second["events"]] == events
    assert second["cursor"] == "" and "markets" not in second["events"][0]
    assert all(one["markets"] for one in first["events"])
    market = server.venue.markets[-1].spec
    found = await fetch(server, f"/events?series_ticker={market.series_ticker}&status=open")
    assert [one["event_ticker"] for one in found["events"]] == [market.event_ticker]
    assert (await fetch(server, "/events?status=settled"))["events"] == []
    await fetch(server, "/events?status=active", 400)
    await fetch(server, "/events?limit=201", 400)
