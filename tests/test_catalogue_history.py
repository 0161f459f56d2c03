"""What was traded before: trades, candles and prices of both venues, compared with all prints."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest

from bookfeed import Catalogue, CatalogueError
from bookfeed.catalogue.fields import Malformed
from bookfeed.catalogue.history import NO_PRICES, Prices, candles_of
from bookfeed.catalogue.kalshi import source as kalshi_source
from bookfeed.catalogue.kalshi.history import candle, price_point
from bookfeed.catalogue.listing import ListedOutcome, ListedTrade, Listing
from bookfeed.catalogue.polymarket import source as polymarket_source
from bookfeed.catalogue.polymarket.trades import trade_rows
from bookfeed.clock import NS_PER_S
from bookfeed.sim.polymarket_kalshi import listed
from bookfeed.sim.polymarket_kalshi.listed import ListedConfig, ListedServer

MINUTE_NS: Final = 60 * NS_PER_S
QUIET: Final = ListedConfig(rate=1)


@pytest.fixture
async def world() -> AsyncIterator[ListedServer]:
    """Both venues, each market with thirty prints of the last twenty minutes."""
    server = await listed.serve(QUIET)
    yield server
    await server.close()


@pytest.fixture
async def catalogue(world: ListedServer) -> AsyncIterator[Catalogue]:
    async with Catalogue(urls=listed.ready(world)["lookup"]) as made:
        yield made


def prints_of(world: ListedServer, condition: str) -> list[Any]:
    """All prints of a market, newest first."""
    told = [json.loads(one.text(one.mask)) for one in world.polymarket.trades]
    return [one for one in reversed(told) if one["market"] == condition]


def prints_of_kalshi(world: ListedServer, ticker: str) -> list[Any]:
    return [json.loads(one.body) for one in reversed(world.kalshi.trades) if one.ticker == ticker]


def ticker_of(world: ListedServer) -> str:
    return next(m.spec.ticker for m in world.kalshi.venue.markets if m.trading)


async def test_all_trades_are_had_page_by_page(
    catalogue: Catalogue, world: ListedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polymarket_source, "_TRADES_PAGE", 7)
    monkeypatch.setattr(kalshi_source, "_TRADES_PAGE", 7)
    market = await catalogue.market("market-1")
    for name, ids in (
        ("market-1", [one["transaction_hash"] for one in prints_of(world, market.market)]),
        (ticker := ticker_of(world), [o["trade_id"] for o in prints_of_kalshi(world, ticker)]),
    ):
        listing = await catalogue.market(name)
        found = await catalogue.trades(listing, 1_000)
        assert [one.id for one in found] == ids and len(ids) >= 30
        assert [one.id for one in await catalogue.trades(listing, 11)] == ids[:11]
        since_ts = found[9].ts
        recent = [one for one in found if one.ts >= since_ts]
        assert list(await catalogue.trades(listing, 1_000, since_ts=since_ts)) == recent


async def test_candles_are_those_of_the_prints(catalogue: Catalogue, world: ListedServer) -> None:
    market = await catalogue.market("market-1")
    other = await catalogue.market(ticker_of(world))
    for listing, outcome in ((market, "No"), (market, "Yes"), (other, "Yes")):
        trades = [t for t in await catalogue.trades(listing, 1_000) if t.outcome == outcome]
        since_ts = trades[-1].ts // MINUTE_NS * MINUTE_NS
        until_ts = (trades[0].ts // MINUTE_NS + 1) * MINUTE_NS
        found = await catalogue.candles(
            listing, 1, since_ts=since_ts, until_ts=until_ts, outcome=outcome
        )
        assert [one.end_ts for one in found] == sorted({one.end_ts for one in found})
        assert sum(one.volume for one in found) == sum(one.qty for one in trades)
        for one in found:
            own = [t for t in reversed(trades) if one.start_ts <= t.ts < one.end_ts]
            prices = [t.price for t in own]
            assert one.traded == (prices[0], max(prices), min(prices), prices[-1])
            assert one.end_ts - one.start_ts == MINUTE_NS and one.outcome == outcome
        points = await catalogue.price_history(
            listing, since_ts=since_ts, until_ts=until_ts + 1, outcome=outcome
        )
        assert [one.price for one in points] == [one.traded.close for one in found]
        assert {one.outcome for one in points} == {outcome}


async def test_a_point_of_now_is_left_out_where_it_was_not_asked_for(
    catalogue: Catalogue, world: ListedServer
) -> None:
    listing = await catalogue.market("market-1")
    oldest = (await catalogue.trades(listing, 1_000))[-1]
    until_ts = oldest.ts + 5 * MINUTE_NS
    points = await catalogue.price_history(
        listing,
        since_ts=oldest.ts - MINUTE_NS,
        until_ts=until_ts,
        outcome=oldest.outcome,
    )
    assert points and all(one.ts < until_ts for one in points)


async def test_a_long_time_is_asked_for_in_pieces_and_nothing_comes_twice(
    catalogue: Catalogue, world: ListedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = await catalogue.market(ticker_of(world))
    newest = (await catalogue.trades(listing, 1))[0].ts
    until_ts = (newest // MINUTE_NS + 1) * MINUTE_NS
    since_ts = until_ts - 30 * MINUTE_NS
    at_once = await catalogue.candles(listing, 1, since_ts=since_ts, until_ts=until_ts)
    monkeypatch.setattr(kalshi_source, "_CANDLES_MAX", 4)
    in_pieces = await catalogue.candles(listing, 1, since_ts=since_ts, until_ts=until_ts)
    assert in_pieces == at_once


async def test_a_market_of_long_ago_is_found_and_its_history_too(
    catalogue: Catalogue, world: ListedServer
) -> None:
    ticker = ticker_of(world)
    before = await catalogue.market(ticker)
    trades = await catalogue.trades(before, 1_000)
    market = world.kalshi.venue.by_ticker[ticker]
    market.status, market.settled_ms = "finalized", 1_780_000_000_000
    world.kalshi.archived.add(ticker)
    old = await catalogue.market(ticker)
    assert (old.market, old.status, old.fee) == (ticker, "settled", before.fee)
    assert await catalogue.trades(old, 1_000) == trades
    newest_ts = trades[0].ts
    found = await catalogue.candles(
        old, 60, since_ts=newest_ts - 120 * MINUTE_NS, until_ts=newest_ts + 60 * MINUTE_NS
    )
    assert sum(one.volume for one in found) == sum(one.qty for one in trades)
    with pytest.raises(CatalogueError, match="nothing is listed"):
        await catalogue.market("KXNOTHING-26NOV01")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"minutes": 5}, "periods are 1, 60, 1440 minutes long"),
        ({"until_ts": 0}, "1 to 100000 periods"),
        ({"until_ts": 10**9 * MINUTE_NS}, "1 to 100000 periods"),
        ({"outcome": "Maybe"}, "rain has no outcome 'Maybe', only No, Yes"),
    ],
)
async def test_what_cannot_be_asked(asked: dict[str, Any], said: str) -> None:
    outcomes = (ListedOutcome("No", "1"), ListedOutcome("Yes", "2"))
    listing = Listing(
        venue="polymarket", market="0x", slug="rain", title="", status="open", outcomes=outcomes
    )
    async with Catalogue() as catalogue:
        with pytest.raises(CatalogueError, match=said):
            await catalogue.candles(
                listing, **{"minutes": 1, "since_ts": 0, "until_ts": MINUTE_NS, **asked}
            )


# What rows look like.


def test_old_and_new_names_of_numbers_say_the_same() -> None:
    touch = {"open": "0.1000", "high": "0.3000", "low": "0.1000", "close": "0.2000"}
    new = {
        "end_period_ts": 120,
        "yes_bid": {f"{name}_dollars": price for name, price in touch.items()},
        "yes_ask": {"open_dollars": None},
        "price": {"previous_dollars": "0.5"},
        "volume_fp": "12.50",
        "open_interest_fp": "7.00",
    }
    old = {
        "end_period_ts": 120,
        "yes_bid": touch,
        "price": {},
        "volume": "12.50",
        "open_interest": "7.00",
    }
    read = candle(new, 1)
    assert read == candle(old, 1)
    assert (read.start_ts, read.end_ts) == (60 * NS_PER_S, 120 * NS_PER_S)
    assert read.bid == Prices(*(Decimal(touch[name]) for name in Prices._fields))
    assert (read.ask, read.traded, read.volume) == (NO_PRICES, NO_PRICES, Decimal("12.5"))
    assert price_point(read) is None, "nothing was traded"
    traded = replace_price(new, touch)
    assert price_point(candle(traded, 1)) == (120 * NS_PER_S, "Yes", Decimal("0.2"))


def replace_price(raw: dict[str, Any], touch: dict[str, str]) -> dict[str, Any]:
    return raw | {"price": {f"{name}_dollars": price for name, price in touch.items()}}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "end_period_ts is missing"),
        ({"end_period_ts": "soon"}, "should be a number"),
        ({"end_period_ts": 1, "price": [1]}, "should be an object"),
        ({"end_period_ts": 1, "volume": "much"}, "volume should be a number"),
    ],
)
def test_a_candle_that_is_none(raw: object, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        candle(raw, 1)


def test_pages_of_trades_in_every_form() -> None:
    row = {"token_id": "1"}
    for answer, cursor in (
        ([row], ""),
        ({"data": [row]}, ""),
        ({"data": [row], "pagination": {"has_more": True, "next_cursor": "a"}}, "a"),
        ({"data": [row], "pagination": {"has_more": False, "next_cursor": None}}, ""),
        ({"data": [row], "pagination": {"has_more": False, "next_cursor": "a"}}, ""),
        ({"data": [row], "pagination": {"next_cursor": "a"}}, "a"),
    ):
        assert trade_rows(answer) == ([row], cursor)
    for wrong in ("no", 7, {"error": "no"}):
        with pytest.raises(Malformed):
            trade_rows(wrong)


@pytest.mark.parametrize("seed", range(30))
def test_candles_of_any_trades(seed: int) -> None:
    rng = Random(seed)
    trades = [
        ListedTrade(
            rng.randrange(100) * 10 * NS_PER_S,
            rng.choice(("Yes", "No")),
            Decimal(rng.randrange(1, 100)) / 100,
            Decimal(rng.randrange(1, 1_000)) / 100,
            "buy",
            "",
        )
        for _ in range(rng.randrange(60))
    ]
    trades.sort(key=lambda one: -one.ts)
    since_ts, until_ts = (edge * NS_PER_S for edge in sorted(rng.sample(range(1_000), 2)))
    found = candles_of(trades, "Yes", 1, since_ts, until_ts)
    inside = [t for t in trades if t.outcome == "Yes" and since_ts <= t.ts < until_ts]
    assert sum((one.volume for one in found), Decimal(0)) == sum(
        (one.qty for one in inside), Decimal(0)
    )
    for one in found:
        own = [t.price for t in reversed(inside) if one.start_ts <= t.ts < one.end_ts]
        assert one.traded == Prices(own[0], max(own), min(own), own[-1])
