"""The simulated Gamma and the calls beside it answer as the venue does, over real HTTP."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bookfeed.sim.polymarket import SimConfig, SimServer, serve
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, listed


@pytest.fixture
async def books() -> AsyncIterator[SimServer]:
    server = await serve(SimConfig(markets=2, seed=3))
    yield server
    await server.close()


@pytest.fixture
async def gamma(books: SimServer) -> AsyncIterator[Gamma]:
    server = Gamma(listed(books.venue, time.time_ns() // 1_000_000))
    await server.start("127.0.0.1", 0, None)
    yield server
    await server.close()


async def ask(url: str, path: str, status: int = 200) -> Any:
    async with aiohttp.ClientSession() as http, http.get(f"{url}{path}") as response:
        assert response.status == status, path
        return await response.json()


async def test_the_simulated_listings_keep_the_venues_rules(gamma: Gamma) -> None:
    gamma.events = [gamma.events[0] | {"slug": f"event-{number}"} for number in range(150)]
    page = await ask(gamma.url, "/events/keyset?limit=500")
    assert len(page["events"]) == 100
    rest = await ask(gamma.url, f"/events/keyset?limit=500&after_cursor={page['next_cursor']}")
    assert len(rest["events"]) == 50 and "next_cursor" not in rest
    bound = f"/events/keyset?tag_slug=weather&after_cursor={page['next_cursor']}"
    await ask(gamma.url, bound, 400)
    assert len((await ask(gamma.url, "/events/keyset"))["events"]) == 20
    assert len(await ask(gamma.url, "/events?offset=140&limit=100")) == 10
    for path, status in {
        "/events/keyset?offset=0": 422,
        "/events?offset=2001": 422,
        "/events?order=volume_24hr": 422,
        "/events?order=competitive": 500,
        "/markets?clob_token_ids=abc": 422,
        "/markets?condition_ids=0x1,0x2": 422,
        "/markets/slug/none": 404,
    }.items():
        await ask(gamma.url, path, status)


async def test_the_simulated_books_refuse_what_must_be_posted(books: SimServer) -> None:
    for path in ("/books", "/prices", "/midpoints", "/last-trades-prices"):
        assert await ask(str(books.rest_url), path, 400) == {"error": "Invalid payload"}
    spec = books.venue.markets[0].spec
    told = await ask(str(books.rest_url), f"/clob-markets/{spec.condition_id}")
    assert [token["t"] for token in told["t"]] == list(spec.asset_ids)
    await ask(str(books.rest_url), "/clob-markets/0x00", 404)
    async with aiohttp.ClientSession() as http:
        body = [{"token_id": str(number)} for number in range(501)]
        async with http.post(f"{books.rest_url}/books", json=body) as response:
            assert response.status == 400


async def test_closed_markets_hide_from_those_who_do_not_ask(gamma: Gamma) -> None:
    condition = gamma.events[0]["markets"][0]["conditionId"]
    close(gamma.events[0], 0, 1_790_000_000)
    assert await ask(gamma.url, f"/markets?condition_ids={condition}") == []
    (found,) = await ask(gamma.url, f"/markets?condition_ids={condition}&closed=true")
    assert found["outcomePrices"] == '["1", "0"]'
    assert found["events"][0]["slug"] == "market-1" and "markets" not in found["events"][0]


async def test_what_is_hidden_is_not_listed_and_busy_is_said(gamma: Gamma) -> None:
    gamma.hidden.add("market-1")
    await ask(gamma.url, "/events/slug/market-1", 404)
    assert [one["slug"] for one in await ask(gamma.url, "/events")] == ["market-2"]
    gamma.busy = [3]
    async with aiohttp.ClientSession() as http, http.get(f"{gamma.url}/events") as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "3")


async def test_an_answer_that_still_holds_is_not_sent_again(gamma: Gamma) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{gamma.url}/events") as response:
            headers = {"If-None-Match": response.headers["ETag"]}
        async with http.get(f"{gamma.url}/events", headers=headers) as response:
            assert response.status == 304
        gamma.events.pop()
        async with http.get(f"{gamma.url}/events", headers=headers) as response:
            assert response.status == 200
