"""From what people paste to markets of a feed, against the simulated venues over real HTTP."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from bookfeed import Catalogue, CatalogueError, Feed, FeeSchedule, KalshiFee, Market, Series
from bookfeed.catalogue import catalogue as catalogue_module
from bookfeed.catalogue.client import NotListed
from bookfeed.catalogue.listing import Page
from bookfeed.catalogue.source import pages
from bookfeed.clock import NS_PER_S
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi import serve as serve_kalshi
from bookfeed.sim.polymarket import SimConfig, SimServer
from bookfeed.sim.polymarket import serve as serve_polymarket
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, event_of, listed, window

QUARTER_S: Final = 900
PATIENCE_S: Final = 20.0


@pytest.fixture
async def books() -> AsyncIterator[SimServer]:
    """Six markets, of which the last three are listed as one event, the others each by itself."""
    server = await serve_polymarket(SimConfig(markets=6, seed=3, rate=200))
    yield server
    await server.close()


@pytest.fixture
async def gamma(books: SimServer) -> AsyncIterator[Gamma]:
    now_s = int(time.time())
    singles = listed(books.venue, now_s * 1_000)[:3]
    shared = event_of([market.spec for market in books.venue.markets[3:]], "who-wins", now_s)
    server = Gamma([*singles, shared])
    await server.start("127.0.0.1", 0, None)
    yield server
    await server.close()


@pytest.fixture
async def kalshi() -> AsyncIterator[KalshiSimServer]:
    server = await serve_kalshi(KalshiSimConfig(seed=9))
    yield server
    await server.close()


@pytest.fixture
async def catalogue(
    books: SimServer, gamma: Gamma, kalshi: KalshiSimServer
) -> AsyncIterator[Catalogue]:
    urls = {
        "polymarket.listings": gamma.url,
        "polymarket.books": str(books.rest_url),
        "kalshi.listings": str(kalshi.rest_url),
    }
    async with Catalogue(urls=urls) as made:
        yield made


# One market.


@pytest.mark.parametrize(
    "spell",
    [
        lambda slug, _spec: slug,
        lambda slug, _spec: f" https://polymarket.com/event/{slug}?tid=17 ",
        lambda slug, _spec: f"https://polymarket.com/de/event/{slug}/{slug}#trade",
        lambda slug, _spec: f"https://www.polymarket.com/market/{slug}/",
        lambda _slug, spec: spec.condition_id,
        lambda _slug, spec: spec.asset_ids[1],
    ],
)
async def test_a_market_is_found_by_whatever_names_it(
    catalogue: Catalogue, books: SimServer, spell: Callable[[str, Any], str]
) -> None:
    spec = books.venue.markets[1].spec
    found = await catalogue.market(spell("market-2", spec))
    assert (found.market, found.title) == (spec.condition_id, spec.question)
    assert tuple((one.name, one.symbol) for one in found.outcomes) == tuple(
        zip(spec.outcomes, spec.asset_ids, strict=True)
    )
    assert found.fee == FeeSchedule(spec.fee_rate, spec.fee_exponent)
    assert (found.event, found.status) == ("market-2", "open")
    assert (await catalogue.event(spell("market-2", spec))).event == "market-2"


async def test_from_an_address_to_live_books(catalogue: Catalogue, books: SimServer) -> None:
    found = await catalogue.ready(await catalogue.market("https://polymarket.com/event/market-1"))
    async with Feed([found.to_market()], url=books.url, rest_url=books.rest_url) as feed:
        await feed.wait_live(PATIENCE_S)
        assert all(feed.book(one.symbol).live for one in found.outcomes)


@pytest.mark.parametrize("spelled", ["slug", "address", "condition", "token"])
async def test_a_market_from_what_is_pasted(
    catalogue: Catalogue, books: SimServer, spelled: str
) -> None:
    spec = books.venue.markets[0].spec
    target = {
        "slug": "market-1",
        "address": "https://polymarket.com/event/market-1",
        "condition": spec.condition_id,
        "token": spec.asset_ids[0],
    }[spelled]
    market = await Market.from_polymarket(target, catalogue=catalogue)
    assert (market.venue, market.symbols) == ("polymarket", spec.asset_ids)
    assert market == (await catalogue.market("market-1")).to_market()


async def test_a_market_of_each_venue_by_its_own_name(
    catalogue: Catalogue, kalshi: KalshiSimServer
) -> None:
    spec = kalshi.venue.markets[0].spec
    market = await Market.from_kalshi(spec.ticker, catalogue=catalogue)
    assert (market.venue, market.symbols) == ("kalshi", (spec.ticker,))
    with pytest.raises(CatalogueError, match="is a name of kalshi, not of polymarket"):
        await Market.from_polymarket(spec.ticker, catalogue=catalogue)
    with pytest.raises(CatalogueError, match="has 3 markets, name one of them"):
        await Market.from_polymarket("who-wins", catalogue=catalogue)
    with pytest.raises(CatalogueError, match="nothing is listed"):
        await Market.from_polymarket("no-such-market", catalogue=catalogue)
    assert "rolling series" in str(Market.from_kalshi.__doc__)
    for name in ("from_binance", "from_nowhere", "from_", "of"):
        with pytest.raises(AttributeError):
            getattr(Market, name)


async def test_books_that_are_not_there_yet_are_waited_for_so_long(
    catalogue: Catalogue, books: SimServer
) -> None:
    books.not_yet.add(books.venue.markets[0].spec.condition_id)
    with pytest.raises(CatalogueError, match="no order books after 0 s"):
        await Market.from_polymarket("market-1", catalogue=catalogue, wait_s=0)


async def test_an_event_of_several_markets(catalogue: Catalogue, books: SimServer) -> None:
    found = await catalogue.markets("who-wins")
    assert [one.market for one in found] == [
        market.spec.condition_id for market in books.venue.markets[3:]
    ]
    with pytest.raises(CatalogueError, match="has 3 markets, name one of them: who-wins-4, who"):
        await catalogue.market("who-wins")
    one = await catalogue.market("who-wins-5")
    assert (one.slug, one.event) == ("who-wins-5", "who-wins")
    assert (await catalogue.event("who-wins-5")).event == "who-wins"
    assert await catalogue.market(one.market) == one


async def test_a_closed_market_is_found_too_and_how_it_ended(
    catalogue: Catalogue, gamma: Gamma, books: SimServer
) -> None:
    close(gamma.events[0], 1, int(time.time()))
    found = await catalogue.market(books.venue.markets[0].spec.condition_id)
    assert (found.status, found.result) == ("settled", found.outcomes[1].name)
    assert [outcome.payout for outcome in found.outcomes] == [0, 1]
    assert found.closed_ts is not None


@pytest.mark.parametrize(
    "target", ["no-such-market", "0x" + "0" * 64, "1" * 77, "https://polymarket.com/event/no-such"]
)
async def test_what_is_not_listed(catalogue: Catalogue, target: str) -> None:
    with pytest.raises(NotListed):
        await catalogue.market(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "Bitcoin?",
        "https://polymarket.com/event/%2e%2e",
        "https://kalshi.com/markets/a%2Fb",
        "https://example.com/event/market-1",
        "https://[",
        "https://polymarket.com",
    ],
)
async def test_what_names_nothing(catalogue: Catalogue, target: str) -> None:
    with pytest.raises(CatalogueError, match="nothing that can be looked up"):
        await catalogue.market(target)


async def test_a_malformed_market_is_named_and_its_neighbours_are_found(
    catalogue: Catalogue, gamma: Gamma, caplog: pytest.LogCaptureFixture
) -> None:
    gamma.events[3]["markets"][0]["clobTokenIds"] = '["1"]'
    with caplog.at_level(logging.WARNING):
        found = await catalogue.markets("who-wins")
    assert [one.slug for one in found] == ["who-wins-5", "who-wins-6"]
    assert "who-wins-4 is left out: clobTokenIds holds 1 tokens" in caplog.text


# Many.


async def test_every_event_is_had_although_pages_are_clamped(
    catalogue: Catalogue, gamma: Gamma
) -> None:
    first = gamma.events[0]
    gamma.events = [first | {"slug": f"event-{number}"} for number in range(250)]
    found = [event.event async for event in catalogue.events("polymarket")]
    assert found == [f"event-{number}" for number in range(250)]
    assert gamma.requests == 3


async def test_a_full_last_page_is_not_the_end_nor_lost(catalogue: Catalogue, gamma: Gamma) -> None:
    gamma.events = [gamma.events[0] | {"slug": f"event-{number}"} for number in range(200)]
    assert len([event async for event in catalogue.events("polymarket")]) == 200
    assert gamma.requests == 3


async def test_filters(catalogue: Catalogue, gamma: Gamma, books: SimServer) -> None:
    now_s = int(time.time())
    quarter = window(books.venue.markets[0].spec, "btc", 15, now_s // QUARTER_S * QUARTER_S)
    gamma.events.append(quarter)

    async def slugs(**wanted: Any) -> list[str]:
        return [event.event async for event in catalogue.events("polymarket", **wanted)]

    assert await slugs(tag="up-or-down") == [quarter["slug"]]
    assert await slugs(series="btc-up-or-down-15m") == [quarter["slug"]]
    assert await slugs(ends_before_ts=(now_s + 3_600) * NS_PER_S) == [quarter["slug"]]
    assert len(await slugs()) == 5
    assert await slugs(closed=True) == []
    close(quarter, 0, now_s)
    assert await slugs(closed=True) == [quarter["slug"]]


async def test_search(catalogue: Catalogue, gamma: Gamma, kalshi: KalshiSimServer) -> None:
    gamma.events = [
        gamma.events[0] | {"slug": f"rain-{number}", "title": f"Rain in town {number}"}
        for number in range(45)
    ]
    found = await catalogue.search("RAIN town", venue="polymarket", limit=42)
    assert [event.event for event in found] == [f"rain-{number}" for number in range(42)]
    assert len(await catalogue.search("rain", limit=5)) == 5
    assert await catalogue.search("snow") == ()
    both = await catalogue.search("bitcoin")
    assert {event.venue for event in both} == {"kalshi"}
    assert {event.series for event in both} == {"KXBTCD"}
    assert all(market.fee is not None for event in both for market in event.markets)


async def test_the_foremost_are_sorted_as_numbers(catalogue: Catalogue) -> None:
    """As words, 10002.5 stands before 8002."""
    for by in ("volume_24h", "volume", "liquidity"):
        found = await catalogue.top(6, venue="polymarket", by=by)
        volumes = [getattr(one, by) for one in found]
        assert volumes == sorted(volumes, reverse=True) and len(set(volumes)) == 6
    assert len(await catalogue.top(2, venue="polymarket")) == 2
    assert all(one.event for one in found)
    with pytest.raises(CatalogueError, match="kalshi does not sort"):
        await catalogue.top(2, venue="kalshi")


async def test_when_the_venue_is_busy_it_is_waited_for(catalogue: Catalogue, gamma: Gamma) -> None:
    gamma.busy = [1]
    since = time.monotonic()
    assert (await catalogue.market("market-1")).slug == "market-1"
    assert time.monotonic() - since >= 1


async def test_cursors_that_lead_nowhere_are_an_end() -> None:
    async def same(_cursor: str) -> Page:
        return Page((), (), (), "again")

    counted = 0

    async def other(_cursor: str) -> Page:
        nonlocal counted
        counted += 1
        return Page((), (), (), str(counted))

    with pytest.raises(CatalogueError, match="the same page again"):
        assert [page async for page in pages(same, "venue")]
    with pytest.raises(CatalogueError, match="more than 7 pages"):
        assert [page async for page in pages(other, "venue", 7)]


# Rolling series.


async def test_a_series_is_its_present_window(
    catalogue: Catalogue, gamma: Gamma, books: SimServer
) -> None:
    start_s = int(time.time()) // QUARTER_S * QUARTER_S
    spec = books.venue.markets[0].spec
    gamma.events += [window(spec, "btc", 15, start_s + n * QUARTER_S) for n in range(3)]
    found = await catalogue.market("btc-updown-15m")
    assert found.slug in (f"btc-updown-15m-{start_s}", f"btc-updown-15m-{start_s + QUARTER_S}")
    assert [outcome.name for outcome in found.outcomes] == ["Up", "Down"]
    assert found.reference is not None and found.reference.twap_s == 60
    assert found.to_market().close_ts == found.close_ts is not None
    series = Series("btc-updown-15m")
    following = series.after(series.window((start_s + 1) * NS_PER_S))
    (later,) = await catalogue.window(series, following.start_ts)
    assert later.slug == f"btc-updown-15m-{start_s + QUARTER_S}"


async def test_a_window_that_is_not_listed_or_ends_otherwise_is_said(
    catalogue: Catalogue, gamma: Gamma, books: SimServer
) -> None:
    series, start_s = Series("btc-updown-15m"), 1_790_616_600
    with pytest.raises(NotListed, match="btc-updown-15m-1790616600 is not listed"):
        await catalogue.window(series, start_s * NS_PER_S)
    event = window(books.venue.markets[0].spec, "btc", 15, start_s)
    event["markets"][0]["endDate"] = "2026-09-28T17:46:00Z"
    gamma.events.append(event)
    with pytest.raises(CatalogueError, match="ends at another time than that window"):
        await catalogue.window(series, start_s * NS_PER_S)


def renamed(event: dict[str, Any], slug: str) -> dict[str, Any]:
    event["slug"] = event["markets"][0]["slug"] = slug
    return event


async def test_a_window_of_another_name_is_found_by_asset_and_time(
    catalogue: Catalogue, gamma: Gamma, books: SimServer, caplog: pytest.LogCaptureFixture
) -> None:
    series = Series("btc-updown-15m")
    now = series.window()
    start_s = now.start_ts // NS_PER_S
    specs = [market.spec for market in books.venue.markets]
    gamma.events += [
        renamed(window(specs[0], "btc", 15, start_s), "btc-quarter"),
        window(specs[1], "eth", 15, start_s),
        # It ends with that quarter, and is no quarter.
        window(specs[2], "btc", 5, start_s + 600),
    ]
    (found,) = await catalogue.searched_window(series, now.start_ts)
    assert found.slug == "btc-quarter"
    (same,) = await catalogue.markets("btc-updown-15m")
    assert same == found
    assert "found by search: btc-quarter" in caplog.text
    with pytest.raises(NotListed, match=r"no window that ends at .* is listed"):
        await catalogue.searched_window(series, now.end_ts)


async def test_a_ticker_of_another_form_is_found_by_its_close(
    catalogue: Catalogue, kalshi: KalshiSimServer
) -> None:
    market = kalshi.venue.markets[0].spec
    series = Series("KXBTC15M")
    assert market.series_ticker == series.name
    source = catalogue._of("kalshi")  # noqa: SLF001 - any time will do
    close_ts = market.close_ms // 1_000 * NS_PER_S
    (found,) = await source.ending(series.name, close_ts)
    assert (found.slug, found.series, found.close_ts) == (market.ticker, series.name, close_ts)
    assert found.fee is not None
    assert await source.ending(series.name, close_ts + NS_PER_S) == ()
    with pytest.raises(NotListed):
        await catalogue.searched_window(series, close_ts + 86_400 * NS_PER_S)


# Markets that are new.


def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "_ASK_AGAIN_S", (0.01, 0.02))


async def test_books_that_come_after_the_listing_are_waited_for(
    catalogue: Catalogue, books: SimServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast(monkeypatch)
    found = await catalogue.market("market-1")
    books.not_yet.add(found.market)
    with pytest.raises(CatalogueError, match=r"market-1 has no order books after 0\.2 s"):
        await catalogue.ready(found, timeout_s=0.2)
    books.not_yet.clear()
    assert await catalogue.ready(found) == found


async def test_tokens_that_come_later_are_asked_for_again(
    catalogue: Catalogue, gamma: Gamma, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast(monkeypatch)
    market = gamma.events[0]["markets"][0]
    tokens, market["clobTokenIds"] = market["clobTokenIds"], "[]"
    found = await catalogue.market("market-1")
    with pytest.raises(CatalogueError, match="has no order books"):
        found.to_market()
    market["clobTokenIds"] = tokens
    ready = await catalogue.ready(found)
    assert len(ready.to_market().symbols) == 2


async def test_other_tokens_in_the_books_are_no_market(catalogue: Catalogue) -> None:
    found = await catalogue.market("market-1")
    turned = replace(found, outcomes=found.outcomes[::-1])
    with pytest.raises(CatalogueError, match="tell different tokens"):
        await catalogue.ready(turned)


# The other venue.


async def test_a_ticker_an_event_and_an_address(
    catalogue: Catalogue, kalshi: KalshiSimServer
) -> None:
    spec = kalshi.venue.markets[-1].spec
    (found,) = await catalogue.markets(spec.ticker)
    assert (found.market, found.event, found.series) == (
        spec.ticker,
        spec.event_ticker,
        spec.series_ticker,
    )
    assert found.fee == KalshiFee("quadratic", "1", override_type="", override_multiplier="")
    assert found.close_ts == spec.close_ms // 1_000 * NS_PER_S
    assert found.strike is not None and str(found.strike.floor) == f"{spec.floor_strike}"
    small = spec.event_ticker.lower()
    address = f"https://kalshi.com/markets/{spec.series_ticker.lower()}/bitcoin-above"
    for target in (spec.event_ticker, f"{address}/{small}"):
        markets = await catalogue.markets(target)
        assert [one.market for one in markets] == [
            market.spec.ticker
            for market in kalshi.venue.markets
            if market.spec.event_ticker == spec.event_ticker
        ]
    assert (await catalogue.event(spec.ticker)).event == spec.event_ticker
    assert await catalogue.ready(found) == found


async def test_a_series_that_does_not_roll_is_its_open_markets(
    catalogue: Catalogue, kalshi: KalshiSimServer
) -> None:
    found = await catalogue.markets("KXWINNER0")
    assert len(found) > 1
    assert {one.series for one in found} == {"KXWINNER0"}
    assert {one.status for one in found} == {"open"}
    assert {one.fee.fee_type for one in found if isinstance(one.fee, KalshiFee)} == {
        "quadratic_with_maker_fees"
    }
    with pytest.raises(NotListed):
        await catalogue.markets("KXNOTHING")
    with pytest.raises(CatalogueError, match="has no tags"):
        assert [event async for event in catalogue.events("kalshi", tag="weather")]


async def test_addresses_are_for_what_is_asked() -> None:
    with pytest.raises(CatalogueError, match=r"nothing is asked at kalshi\.books, other\.listings"):
        Catalogue(urls={"kalshi.books": "http://x", "other.listings": "http://x"})
    async with Catalogue() as made:
        with pytest.raises(CatalogueError, match="nothing is asked of 'other', only of kalshi, po"):
            await made.top(1, venue="other")
