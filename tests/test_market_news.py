"""News of markets: what is new and what changed, recorded and replayed; who looks for them."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from waiting import until

from bookfeed import (
    Catalogue,
    CatalogueError,
    Feed,
    Journal,
    JournalWriter,
    Market,
    Outcome,
    SessionError,
    replay,
)
from bookfeed.catalogue.changes import Change
from bookfeed.catalogue.fields import Malformed
from bookfeed.catalogue.listing import ListedEvent, ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews, Wanted, news_since
from bookfeed.catalogue.stored import news_of, news_text
from bookfeed.feed.market_watch import MarketWatch, Watched
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.kinds import Kind
from bookfeed.sim.polymarket import SimConfig, SimServer
from bookfeed.sim.polymarket import serve as serve_polymarket
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import listed

LISTING: Final = Listing(
    venue="polymarket",
    market="0xab",
    slug="rain",
    title="Rain in May?",
    series="daily",
    outcomes=(ListedOutcome("Yes", "11"), ListedOutcome("No", "22")),
    status="open",
    close_ts=100,
    tick_size=Decimal("0.01"),
    rules="It rains.",
    bid=Decimal("0.5"),
)


# What is news.


def test_a_market_that_nobody_knew_is_known() -> None:
    assert news_since(None, LISTING, ["weather"]) == MarketNews(
        kind="known", listing=LISTING, tags=("weather",)
    )


def test_prices_are_no_news_and_terms_are() -> None:
    assert news_since(LISTING, replace(LISTING, bid=Decimal("0.6"))) is None
    told = news_since(
        LISTING, replace(LISTING, rules="It pours.", close_ts=90, tick_size=Decimal("0.001"))
    )
    assert told is not None and told.kind == "changed"
    assert told.changes == (
        Change("rules", "It rains.", "It pours."),
        Change("close_ts", "100", "90"),
        Change("tick_size", "0.01", "0.001"),
    )


def test_an_end_is_decided() -> None:
    paid = (ListedOutcome("Yes", "11", Decimal(1)), ListedOutcome("No", "22", Decimal(0)))
    told = news_since(LISTING, replace(LISTING, status="settled", result="Yes", outcomes=paid))
    assert told is not None and (told.kind, told.listing.result) == ("decided", "Yes")


def test_news_come_back_as_they_were() -> None:
    news = MarketNews(
        kind="disagreement",
        listing=replace(LISTING, strike=Strike("greater", Decimal("80000.1"), None)),
        changes=(Change("rules", "", "x"),),
        tags=("a", "b"),
        witness="books",
        provisional=True,
        remark="No, not Yes",
    )
    assert news_of(news_text(news)) == news
    with pytest.raises(Malformed, match="should be one of known"):
        news_of(news_text(news).replace("disagreement", "gossip"))


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"venue": "polymarket", "series": "daily", "tag": "weather", "text": "may RAIN"}, True),
        ({"venue": "kalshi"}, False),
        ({"series": "hourly"}, False),
        ({"tag": "sports"}, False),
        ({"text": "rain june"}, False),
    ],
)
def test_of_which_markets(wanted: dict[str, str], fits: bool) -> None:
    news = MarketNews(kind="new", listing=LISTING, tags=("weather",))
    assert Wanted(**wanted).fits(news) is fits


# On a feed, and in its recording.


@pytest.fixture
async def venue() -> AsyncIterator[SimServer]:
    server = await serve_polymarket(SimConfig(markets=3, seed=3))
    yield server
    await server.close()


def market_of(venue: SimServer, number: int, name: str) -> Market:
    spec = venue.venue.markets[number].spec
    outcomes = tuple(map(Outcome, spec.outcomes, spec.asset_ids))
    return Market(market=spec.condition_id, outcomes=outcomes, name=name)


async def test_what_is_told_live_is_told_in_a_replay(tmp_path: Path, venue: SimServer) -> None:
    market = market_of(venue, 0, "Rain?")
    listing = replace(
        LISTING,
        market=market.market,
        title="Rain in May?",
        outcomes=tuple(ListedOutcome(o.name, o.symbol) for o in market.outcomes),
    )
    live: list[MarketNews] = []
    writer = JournalWriter(tmp_path, prefix="a", notes={})
    async with Feed([market], url=venue.url, rest_url=venue.rest_url, recorder=writer) as feed:
        feed.on_market(live.append, text="rain")
        feed.on_market(live.append, venue="kalshi")
        await feed.wait_live(timeout_s=10)
        symbol = market.symbols[0]
        known = feed.listing(symbol)
        assert known is not None and known.title == "Rain?"
        feed.know(listing, tags=["weather"])
        changed = replace(listing, tick_size=Decimal("0.001"))
        assert feed.know(changed) is not None and feed.know(changed) is None
        assert feed.names[feed.book(symbol).instrument].title == "Rain in May?"
        feed.tell(MarketNews(kind="new", listing=replace(LISTING, market="0xcd", slug="snow")))
        with pytest.raises(KeyError):
            feed.listing("nobody")
    assert [one.kind for one in live] == ["changed", "changed", "new"]
    with pytest.raises(SessionError):
        feed.know(listing)

    again: list[MarketNews] = []
    seen = replay(tmp_path)
    seen.on_market(again.append, text="rain")
    progress = seen.run()
    assert progress.refused == 0 and again == live
    assert seen.listing(symbol) == feed.listing(symbol)
    assert seen.names[seen.book(symbol).instrument].title == "Rain in May?"
    told = seen.listing(symbol)
    assert told is not None and told.tick_size == Decimal("0.001")


async def test_markets_that_come_later_have_their_titles_in_the_recording(
    tmp_path: Path, venue: SimServer
) -> None:
    writer = JournalWriter(tmp_path, prefix="a", notes={})
    first, second = market_of(venue, 0, ""), market_of(venue, 1, "Snow?")
    async with Feed([first], url=venue.url, rest_url=venue.rest_url, recorder=writer) as feed:
        await feed.add_markets([second])
        assert feed.listing(first.symbols[0]) is None
    kinds = [record[0] for record in Journal(tmp_path)]
    assert kinds.count(Kind.MARKET) == 1
    seen = replay(tmp_path)
    seen.run()
    assert {name.title for name in seen.names.values()} == {first.market, "Snow?"}


async def test_without_a_recorder_nothing_is_written_for_one(venue: SimServer) -> None:
    market = market_of(venue, 0, "Rain?")
    async with Feed([market], url=venue.url, rest_url=venue.rest_url) as feed:
        assert feed.listing(market.symbols[0]) is None


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"\xff", b'{"kind":"new"}', b'{"kind":"new","listing":{"venue":1}}']
)
def test_news_that_cannot_be_read_are_counted_and_left_out(payload: bytes) -> None:
    seen = replay([(Kind.MARKET, 1, 0, payload), (Kind.ADVANCE, 2, 0, b"")])
    assert seen.run().refused == 1


def test_who_does_not_know_of_news_passes_them_on() -> None:
    """As an older reader, or the auditor: they concern no book."""
    inputs = EngineInput(replay([]).engine)
    inputs.on_market = None
    assert inputs.apply(Kind.MARKET, 1, 0, b"anything")


# Who looks.


class Lists:
    """A catalogue that lists what it is told."""

    def __init__(self) -> None:
        self.markets: list[Listing] = []
        self.error: Exception | None = None

    async def events(
        self, venue: str, *, series: str | None = None, tag: str | None = None
    ) -> AsyncIterator[ListedEvent]:
        for one in self.markets:
            yield ListedEvent(
                venue=venue, event=one.slug, title=one.title, tags=("weather",), markets=(one,)
            )
        if self.error is not None:
            raise self.error

    async def ready(self, listing: Listing, *, timeout_s: float = 1) -> Listing:
        return listing


class Told:
    """A feed that notes what it is told."""

    def __init__(self) -> None:
        self.news: list[MarketNews] = []
        self.markets: tuple[Market, ...] = ()

    def tell(self, news: MarketNews) -> None:
        self.news.append(news)

    async def add_markets(self, markets: list[Market]) -> None:
        self.markets += tuple(markets)


async def test_what_is_listed_at_first_is_no_news_and_what_comes_is() -> None:
    lists, told = Lists(), Told()
    watch = MarketWatch(told, lists, [Watched("polymarket")])  # type: ignore[arg-type]
    lists.markets = [LISTING]
    await watch.look()
    await watch.look()
    assert told.news == []
    snow = replace(LISTING, market="0xcd", slug="snow")
    lists.markets = [replace(LISTING, rules="It pours."), snow]
    await watch.look()
    await watch.look()
    assert [(one.kind, one.listing.slug) for one in told.news] == [
        ("changed", "rain"),
        ("new", "snow"),
    ]
    assert told.news[1].tags == ("weather",)
    assert told.markets == (), "nobody said that they should be followed"


async def test_a_look_that_fails_is_made_again_and_finds_nothing_new_before_it_was_whole() -> None:
    lists, told = Lists(), Told()
    watch = MarketWatch(told, lists, [Watched("polymarket")])  # type: ignore[arg-type]
    lists.markets, lists.error = [LISTING], CatalogueError("away")
    await watch.look()
    lists.markets.append(replace(LISTING, market="0xcd", slug="snow"))
    lists.error = None
    await watch.look()
    assert told.news == [], "of what the first look did not reach nobody knows whether it is new"


async def test_new_markets_are_followed_by_themselves_up_to_a_number() -> None:
    lists, told = Lists(), Told()
    watched = [Watched("polymarket")]
    watch = MarketWatch(told, lists, watched, follow=True, follow_max=2)  # type: ignore[arg-type]
    await watch.look()
    for number in range(4):
        outcomes = (ListedOutcome("Yes", f"{number}1"), ListedOutcome("No", f"{number}2"))
        name = f"m{number}"
        lists.markets.append(replace(LISTING, market=name, slug=name, outcomes=outcomes))
    await watch.look()
    await until(lambda: len(told.markets) == 2)
    assert [one.market for one in told.markets] == ["m0", "m1"]
    assert len(told.news) == 4


async def test_new_and_ended_markets_of_the_simulated_venue(venue: SimServer) -> None:
    gamma = Gamma(listed(venue.venue, time.time_ns() // 1_000_000))
    await gamma.start("127.0.0.1", 0, None)
    gamma.hidden.add("market-3")
    urls = {"polymarket.listings": gamma.url, "polymarket.books": str(venue.rest_url)}
    news: list[MarketNews] = []
    try:
        async with (
            Catalogue(urls=urls) as catalogue,
            Feed([market_of(venue, 0, "")], url=venue.url, rest_url=venue.rest_url) as feed,
            MarketWatch(feed, catalogue, [Watched("polymarket")], every_s=0.05, follow=True),
        ):
            feed.on_market(news.append)
            await feed.wait_live(timeout_s=10)
            gamma.events[1]["markets"][0]["orderPriceMinTickSize"] = 0.0001
            await until(lambda: len(news) == 1)
            gamma.hidden.clear()
            await until(lambda: len(news) == 2 and len(feed.markets) == 2)
            assert await feed.wait_live(timeout_s=10) == []
    finally:
        await gamma.close()
    assert [(one.kind, one.listing.slug) for one in news] == [
        ("changed", "market-2"),
        ("new", "market-3"),
    ]
