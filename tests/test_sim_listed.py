"""Both simulated venues with their listings: what ``--sim`` asks and follows."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from waiting import until

from bookfeed import Catalogue, CatalogueError, Feed, Series
from bookfeed.own.endpoint import own_endpoint
from bookfeed.sim.entry import OptionError, Options
from bookfeed.sim.polymarket_kalshi import configured, listed
from bookfeed.sim.polymarket_kalshi.listed import ListedConfig, ListedServer
from bookfeed.venues import VENUES


@pytest.fixture
async def server() -> AsyncIterator[ListedServer]:
    found = await listed.serve(ListedConfig())
    yield found
    await found.close()


def lookup(server: ListedServer) -> dict[str, str]:
    found: dict[str, str] = json.loads(json.dumps(listed.ready(server)))["lookup"]
    return found


@pytest.mark.parametrize("name", ["btc-updown-15m", "eth-updown-15m", "KXBTC15M", "KXETH15M"])
async def test_windows_of_series_begin_and_end_when_their_names_say(
    server: ListedServer, name: str
) -> None:
    series = Series(name)
    async with Catalogue(urls=lookup(server)) as catalogue:
        for window in series.upcoming(2):
            (found,) = await catalogue.window(series, window.start_ts)
            assert (found.event, found.close_ts) == (window.event, window.end_ts)
            assert await catalogue.ready(found, timeout_s=5) == found
        assert [one.slug for one in await catalogue.markets(name)] == [
            (await catalogue.window(series))[0].slug
        ]


async def test_the_ladder_of_this_hour_is_that_of_its_series(server: ListedServer) -> None:
    async with Catalogue(urls=lookup(server)) as catalogue:
        rungs = await catalogue.window(Series("KXBTCD"))
        event = await catalogue.event("bitcoin-above-this-hour")
    assert len(rungs) == 5 and len(event.markets) == 3
    assert {one.close_ts for one in rungs} == {one.close_ts for one in event.markets}
    assert all(one.bid is not None and one.ask is not None for one in event.markets)


async def test_trades_are_told_newest_first_and_exactly(server: ListedServer) -> None:
    async with Catalogue(urls=lookup(server)) as catalogue:
        await told(catalogue, server, "market-1")
        await told(catalogue, server, "KXBTC15M")
        listing = await catalogue.market("market-1")
        for count in (0, 100_001):
            with pytest.raises(CatalogueError, match="1 to 100000 at a time"):
                await catalogue.trades(listing, count)


@pytest.mark.parametrize("venue", ["polymarket", "kalshi"])
async def test_an_account_trades_what_is_listed_and_its_key_is_told(
    server: ListedServer, venue: str
) -> None:
    told = json.loads(json.dumps(listed.ready(server)))["own"]
    kind = VENUES[venue].section
    assert kind is not None
    endpoint = own_endpoint(
        venue, section=kind(**told["sections"][venue]), environ=told["variables"]
    )
    followed = {asset for listing in server.polymarket.markets for asset in listing.asset_ids}
    followed |= set(server.kalshi.venue.by_ticker)
    async with Feed(own=[endpoint]) as feed:
        await until(lambda: feed.account(venue).live)
        orders = feed.account(venue).orders
        assert orders and {order.symbol for order in orders} <= followed
        now_ns = time.time_ns()
        assert all(abs(now_ns - (order.ts_event or 0)) < 600e9 for order in orders)


async def told(catalogue: Catalogue, server: ListedServer, name: str) -> None:
    listing = await catalogue.market(name)
    trades = await catalogue.trades(listing, 500)
    assert len(trades) > 3
    assert [one.ts for one in trades] == sorted((one.ts for one in trades), reverse=True)
    assert all(0 < one.price < 1 and one.qty > 0 and one.aggressor for one in trades)
    assert {one.outcome for one in trades} <= {one.name for one in listing.outcomes}
    assert await catalogue.trades(listing, 2) == trades[:2]
    prints = [
        one
        for venue in (server.polymarket, server.kalshi)
        for one in venue.trades
        if one.ts_ms // 1_000 == trades[0].ts // 10**9
    ]
    assert prints, "the newest trade is one that was printed"


def test_what_cannot_be_listed() -> None:
    assert configured(Options(variant="listed", markets=3)) == ListedConfig(questions=3, rate=500)
    for options, said in (
        (Options(variant="other"), "must be listed"),
        (Options(variant="listed", unmirrored=1), "one book a market"),
        (Options(variant="listed", port=1), "any free ones"),
    ):
        with pytest.raises(OptionError, match=said):
            configured(options)
    with pytest.raises(ValueError, match="markets must be at least 1"):
        ListedConfig(questions=-15)


async def test_what_is_asked_of_trades_by_others(server: ListedServer) -> None:
    import aiohttp

    async def ask(url: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status, json.loads(await answer.text())

    urls = lookup(server)
    assert await ask(f"{urls['polymarket.trades']}/v2/trades?condition=0xnone") == (
        200,
        {"data": [], "pagination": {"limit": 100, "has_more": False, "next_cursor": None}},
    )
    status, _ = await ask(f"{urls['polymarket.trades']}/v2/trades?limit=x")
    assert status == 400
    kalshi = f"{urls['kalshi.listings']}/markets/trades"
    _, first = await ask(f"{kalshi}?limit=2")
    _, second = await ask(f"{kalshi}?limit=2&cursor={first['cursor']}")
    assert len(first["trades"]) == len(second["trades"]) == 2 and first != second


async def test_a_window_that_is_over_is_listed_as_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    later = await over(monkeypatch)
    try:
        async with Catalogue(urls=lookup(later)) as catalogue:
            async with asyncio.timeout(5):
                while True:
                    slug = later.gamma.events[-1]["slug"]
                    listing = await catalogue.market(slug)
                    if listing.status == "settled":
                        break
                    await asyncio.sleep(0.05)
        assert listing.result in ("Up", "Down")
        assert later.polymarket.venue.active, "questions go on"
    finally:
        await later.close()


async def over(monkeypatch: pytest.MonkeyPatch) -> ListedServer:
    """A world of which all windows are over as soon as it is there."""
    monkeypatch.setattr(listed, "_unix_s", lambda _text: 0)
    return await listed.serve(ListedConfig())


async def test_the_world_goes_on(server: ListedServer) -> None:
    waiting = asyncio.create_task(server.wait())
    await asyncio.sleep(0.05)
    assert not waiting.done() and time.time_ns() > 0
    await server.polymarket.stop_markets()
    await asyncio.wait_for(waiting, 5)
