"""The local catalogue: what is kept comes back whole, and answers while venues do not."""

import asyncio
import json
import logging
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from bookfeed import Catalogue, CatalogueError, FeeSchedule, KalshiFee, Series
from bookfeed.catalogue import client as client_module
from bookfeed.catalogue.catalogue import only
from bookfeed.catalogue.changes import Change, changes, merged
from bookfeed.catalogue.client import NoAnswer, NotListed
from bookfeed.catalogue.fields import Malformed
from bookfeed.catalogue.listing import (
    ListedEvent,
    ListedOutcome,
    Listing,
    PriceBand,
    Reference,
    RewardPool,
    Rewards,
    Strike,
)
from bookfeed.catalogue.regime import Regime
from bookfeed.catalogue.store import Store, close_part, default_path
from bookfeed.catalogue.stored import event_of, event_text, listing_of, listing_text
from bookfeed.cli import main
from bookfeed.clock import NS_PER_S
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi import serve as serve_kalshi
from bookfeed.sim.polymarket import SimConfig, SimServer
from bookfeed.sim.polymarket import serve as serve_polymarket
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, listed

DAY_NS: Final = 86_400 * NS_PER_S

WHOLE: Final = Listing(
    venue="polymarket",
    market="0xab",
    slug="rain",
    title="Rain?",
    subtitle="tomorrow",
    label="to noon",
    event="weather",
    series="daily",
    outcomes=(ListedOutcome("No", "22", Decimal(0)), ListedOutcome("Yes", "11", Decimal("1.0"))),
    status="settled",
    status_word="resolved",
    result="Yes",
    decided_by=Decimal("83972.53784826923"),
    listed_ts=1,
    open_ts=2,
    start_ts=3,
    close_ts=4 * NS_PER_S,
    closes_firmly=True,
    closed_ts=5,
    updated_ts=6,
    tick_size=Decimal("0.001"),
    price_bands=(PriceBand(Decimal(0), Decimal("0.5"), Decimal("0.01")),),
    min_order_size=Decimal(5),
    qty_step=Decimal("0.01"),
    fee=FeeSchedule("0.07", 2, "floor"),
    neg_risk=False,
    augmented=True,
    rules='It rains, "wet" \u2028 and 1 % of _it_',
    resolution_source="a gauge",
    strike=Strike("greater_or_equal", Decimal("0.1"), None),
    reference=Reference("btc-15m-twap-60", "btc", 60),
    regime=Regime("mean", 60, "a gauge"),
    bid=Decimal("0.48"),
    ask=Decimal("0.480000000000000000000000000001"),
    last=Decimal("0.5"),
    volume=Decimal("1E+40"),
    volume_24h=Decimal("12.50"),
    liquidity=Decimal(0),
    open_interest=Decimal("7"),
    rewards=Rewards(Decimal(50), None, (RewardPool(None, "0xcd", 1, None),)),
    more={"a": [1, Decimal("1.50"), {"b": None}], "n": 10**40, "t": "\ud800", "f": True},
)


# As text.


def test_every_field_of_a_listing_comes_back() -> None:
    for field in Listing.__dataclass_fields__:
        assert getattr(WHOLE, field) not in (None, "", ()), f"{field} is not in this test"
    back = listing_of(listing_text(WHOLE))
    assert back == WHOLE
    assert str(back.volume_24h) == "12.50" and str(back.more["a"]) == str(WHOLE.more["a"])
    bare = Listing(venue="kalshi", market="A-1", slug="A-1", title="?", status="unknown")
    assert listing_of(listing_text(bare)) == bare
    assert json.loads(listing_text(bare)).keys() == {"venue", "market", "slug", "title", "status"}
    fee = KalshiFee("quadratic", "0.5", override_type="", override_multiplier="2")
    assert listing_of(listing_text(replace(bare, fee=fee))).fee == fee


def test_an_event_comes_back_without_its_markets() -> None:
    event = ListedEvent(
        venue="kalshi", event="A", title="?", tags=("x", "y"), exclusive=False, markets=(WHOLE,)
    )
    assert event_of(event_text(event)) == replace(event, markets=())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "should be an object"),
        ('{"venue": "polymarket"', "not JSON"),
        ('{"venue": "polymarket"}', "market is missing"),
        ('{"venue": 1}', "venue should be str, not int"),
    ],
)
def test_text_that_is_no_listing(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        listing_of(text)


ODD: Final[tuple[Any, ...]] = (None, True, 0, -1, 10**30, "", "x", "0", [], [1], {}, {"a": 1}, [{}])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_field_holds_it_is_read_or_malformed(seed: int) -> None:
    rng = Random(seed)
    for _ in range(200):
        told = json.loads(listing_text(WHOLE))
        for _ in range(rng.randint(1, 3)):
            told[rng.choice([*told, "later"])] = rng.choice(ODD)
        try:
            found = listing_of(json.dumps(told))
        except Malformed:
            continue
        assert listing_of(listing_text(found)) == found


# What changed.


def test_what_is_news_and_what_is_not() -> None:
    moved = replace(WHOLE, bid=Decimal("0.1"), volume=Decimal(9), rules="Another.", tick_size=None)
    assert changes(WHOLE, moved) == (Change("rules", WHOLE.rules, "Another."),)
    assert merged(WHOLE, moved).tick_size == WHOLE.tick_size
    assert merged(WHOLE, moved).bid == Decimal("0.1")


def test_an_answer_that_tells_less_takes_nothing_away() -> None:
    less = Listing(
        venue="polymarket",
        market="",
        slug="rain",
        title="Rain?",
        outcomes=(ListedOutcome("No", ""), ListedOutcome("Yes", "")),
        status="open",
    )
    assert not {one.field for one in changes(WHOLE, less)} - {"status", "outcomes"}
    kept = merged(WHOLE, less)
    assert (kept.market, kept.outcomes, kept.fee) == (WHOLE.market, WHOLE.outcomes, WHOLE.fee)
    assert (kept.status, kept.result, kept.closed_ts) == ("settled", "Yes", 5)


# On disk.


class Now:
    """A wall clock that stands."""

    def __init__(self) -> None:
        self.ns = 1_790_000_000 * NS_PER_S

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
async def store(tmp_path: Path, now: Now) -> AsyncIterator[Store]:
    async with Store(tmp_path / "deep" / "c.sqlite", now_ns=now) as made:
        yield made


def open_one(now: Now, **changed: Any) -> Listing:
    told = {"status": "open", "result": None, "closed_ts": None, "close_ts": now.ns + DAY_NS}
    outcomes = tuple(ListedOutcome(one.name, one.symbol) for one in WHOLE.outcomes)
    return replace(WHOLE, **{"outcomes": outcomes, **told, **changed})


async def test_what_is_kept_is_private_and_comes_back(store: Store, now: Now) -> None:
    first = open_one(now)
    (kept,) = await store.remember([first])
    assert (kept.listing, kept.new, kept.changes) == (first, True, ())
    for name in ("rain", "0xab", "0xAB", "11", "22", "weather"):
        assert await store.named("polymarket", name) == (first,), name
        assert await store.named("kalshi", name) == ()
    assert await store.named("polymarket", "rai_") == ()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


async def test_a_change_is_told_once_and_its_history_kept(store: Store, now: Now) -> None:
    await store.remember([open_one(now)])
    now.ns += 7
    later = open_one(now, tick_size=Decimal("0.01"), rules="Another.", close_ts=5 * NS_PER_S)
    (kept,) = await store.remember([later])
    assert not kept.new
    assert {one.field for one in kept.changes} == {"tick_size", "rules", "close_ts"}
    (again,) = await store.remember([later])
    assert again.changes == ()
    told = await store.history("polymarket", "rain")
    assert (now.ns, "tick_size", "0.001", "0.01") in told and len(told) == 3


async def test_labels_say_how_it_ended_and_who_told_when(store: Store, now: Now) -> None:
    began_ns = now.ns
    await store.remember([open_one(now), open_one(now, slug="snow", market="0xcd")])
    assert await store.labels() == ()
    now.ns += 2 * DAY_NS
    settled = replace(WHOLE, close_ts=began_ns + DAY_NS)
    await store.remember([settled], witness="resolutions")
    now.ns += DAY_NS
    await store.remember([settled])
    (label,) = await store.labels(venue="polymarket", series="daily")
    assert (label.slug, label.result, label.decided_by) == ("rain", "Yes", WHOLE.decided_by)
    assert label.outcomes == ("No", "Yes")
    assert label.payouts == (Decimal(0), Decimal(1))
    assert label.strike == WHOLE.strike
    assert (label.first_ts, label.decided_ts) == (began_ns, began_ns + 2 * DAY_NS)
    assert label.witness == "resolutions"
    assert await store.labels(since_ts=began_ns + DAY_NS + 1) == ()
    assert await store.labels(until_ts=began_ns + DAY_NS) == ()
    assert len(await store.labels(since_ts=began_ns + DAY_NS, until_ts=now.ns)) == 1
    assert await store.labels(series="hourly") == ()


async def test_markets_that_are_traded_still_are_found_by_words(store: Store, now: Now) -> None:
    kinds = (("rain", "Rain in 100% of May?", "9"), ("snow", "Snow in May?", "10"))
    await store.remember(
        [
            open_one(now, slug=slug, market=slug, title=title, volume_24h=Decimal(volume))
            for slug, title, volume in kinds
        ]
    )

    async def found(*words: str) -> list[str]:
        return [one.slug for one in await store.open_markets("polymarket", words)]

    assert await found() == ["snow", "rain"], "by the number, not by its text"
    assert await found("MAY", "rain") == ["rain"]
    assert await found("100%") == ["rain"]
    assert await found("_") == [] == await found("in%May")
    now.ns += DAY_NS
    assert await found() == [], "their ends have come"
    assert len(await store.closed_markets("polymarket")) == 2


async def test_two_windows_of_one_name_are_two_markets(store: Store) -> None:
    """Both quarters of the hour that is put back carry one ticker."""
    name = "KXBTC15M-26NOV010130-30"
    first, second = (
        Listing(
            venue="kalshi", market=name, slug=name, title="?", series="KXBTC15M", status="open",
            close_ts=close_s * NS_PER_S,
        )
        for close_s in (1_793_511_000, 1_793_514_600)
    )  # fmt: skip
    assert (close_part(first), close_part(second)) == (first.close_ts, second.close_ts)
    assert close_part(replace(first, slug="KXBTC15M-26NOV020130-30")) == 0
    await store.remember([first])
    (kept,) = await store.remember([second])
    assert kept.new
    assert await store.named("kalshi", name) == (second, first)


async def test_another_process_may_use_the_file_as_well(store: Store, now: Now) -> None:
    await store.remember([open_one(now)])
    async with Store(store.path, now_ns=now) as other:
        await other.remember([open_one(now, slug="snow", market="0xcd")])
    assert len(await store.open_markets("polymarket")) == 2


async def test_the_file_is_used_by_one_thread_and_not_by_the_loop(store: Store, now: Now) -> None:
    await store.remember([open_one(now)])
    names = [one.name for one in threading.enumerate() if one.name.startswith("bookfeed-cat")]
    assert len(names) == 1


async def test_a_row_that_was_spoiled_is_written_anew(store: Store, now: Now) -> None:
    await store.remember([open_one(now)])
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE market SET body = '{'")
    with pytest.raises(CatalogueError, match="not JSON"):
        await store.named("polymarket", "rain")
    await store.remember([open_one(now)])
    assert await store.named("polymarket", "rain") == (open_one(now),)


@pytest.mark.parametrize("content", [b"no database, but long enough to be looked at" * 100, None])
async def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.sqlite"
    if content is None:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
    else:
        path.write_bytes(content)
    async with Store(path) as store:
        with pytest.raises(CatalogueError, match=f"{path} cannot be used"):
            await store.labels()


def test_where_it_is() -> None:
    assert default_path({"XDG_DATA_HOME": "/data"}) == Path("/data/bookfeed/catalogue.sqlite")
    home = Path.home() / ".local" / "share" / "bookfeed" / "catalogue.sqlite"
    assert default_path({}) == default_path({"XDG_DATA_HOME": "data"}) == home


# Instead of the venue.


@pytest.fixture
async def books() -> AsyncIterator[SimServer]:
    server = await serve_polymarket(SimConfig(markets=4, seed=3))
    yield server
    await server.close()


@pytest.fixture
async def gamma(books: SimServer) -> AsyncIterator[Gamma]:
    server = Gamma(listed(books.venue, time.time_ns() // 1_000_000))
    await server.start("127.0.0.1", 0, None)
    yield server
    await server.close()


@pytest.fixture
async def kalshi() -> AsyncIterator[KalshiSimServer]:
    server = await serve_kalshi(KalshiSimConfig(seed=9))
    yield server
    await server.close()


@pytest.fixture
def urls(books: SimServer, gamma: Gamma, kalshi: KalshiSimServer) -> dict[str, str]:
    return {
        "polymarket.listings": gamma.url,
        "polymarket.books": str(books.rest_url),
        "kalshi.listings": str(kalshi.rest_url),
    }


def told(listing: Listing) -> Listing:
    """A listing but for what has no field, which each answer tells more or less of."""
    return replace(listing, more={})


async def test_offline_it_answers_what_was_found_before(
    tmp_path: Path, urls: dict[str, str], kalshi: KalshiSimServer
) -> None:
    ticker = kalshi.venue.markets[-1].spec.ticker
    async with Store(tmp_path / "c") as store:
        async with Catalogue(urls=urls, store=store) as catalogue:
            named = await catalogue.market("market-1")
            event = await catalogue.event("market-2")
            other = await catalogue.market(ticker)
            foremost = await catalogue.top(4, venue="polymarket", by="volume")
            seen = [one async for one in catalogue.events("polymarket", tag="weather")]
        async with Catalogue(store=store, offline=True) as catalogue:
            by_url = await catalogue.market("https://polymarket.com/event/market-1")
            by_token = await catalogue.market(named.outcomes[1].symbol)
            assert told(by_url) == told(by_token) == told(named)
            assert await catalogue.ready(named) == named
            found = await catalogue.event("market-2")
            assert (found.title, found.tags) == (event.title, event.tags)
            assert list(map(told, found.markets)) == list(map(told, event.markets))
            assert told(only(ticker, await catalogue.markets(ticker))) == told(other)
            assert other.fee is not None
            again = await catalogue.top(4, venue="polymarket", by="volume")
            assert list(map(told, again)) == list(map(told, foremost))
            events = [one async for one in catalogue.events("polymarket", tag="weather")]
            assert {one.event for one in events} == {one.event for one in seen}
            assert [one async for one in catalogue.events("polymarket", tag="snow")] == []
            word = event.markets[0].title.split()[1]
            searched = await catalogue.search(word, venue="polymarket")
            assert "market-2" in [one.event for one in searched]
            with pytest.raises(NotListed, match="nothing called market-9 is remembered"):
                await catalogue.markets("market-9")
            with pytest.raises(NoAnswer, match="what was traded is not kept"):
                await catalogue.trades(named)


async def test_a_series_is_its_remembered_window(store: Store) -> None:
    series = Series("KXBTC15M")
    window = series.window(1_790_000_000 * NS_PER_S)
    listing = Listing(
        venue="kalshi", market="KXBTC15M-ODD", slug="KXBTC15M-ODD", title="?", series="KXBTC15M",
        status="open", close_ts=window.end_ts,
    )  # fmt: skip
    await store.remember([listing, replace(listing, slug="A", close_ts=window.end_ts + 1)])
    async with Catalogue(store=store, offline=True) as catalogue:
        found = await catalogue.searched_window(series, window.start_ts)
    assert found == (listing,)


async def test_while_a_venue_is_away_memory_answers_and_says_so(
    tmp_path: Path,
    urls: dict[str, str],
    gamma: Gamma,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(client_module, "ATTEMPTS_MAX", 1)
    async with Store(tmp_path / "c") as store, Catalogue(urls=urls, store=store) as catalogue:
        found = await catalogue.market("market-1")
        await gamma.close()
        with caplog.at_level(logging.WARNING):
            assert told(await catalogue.market("market-1")) == told(found)
        assert "what is remembered is told in its place" in caplog.text
        with pytest.raises(NotListed):
            await catalogue.market("market-2")


async def test_a_name_that_is_not_listed_is_not_told_from_memory(
    tmp_path: Path, urls: dict[str, str], gamma: Gamma
) -> None:
    async with Store(tmp_path / "c") as store, Catalogue(urls=urls, store=store) as catalogue:
        await catalogue.market("market-1")
        gamma.hidden.add("market-1")
        with pytest.raises(NotListed):
            await catalogue.market("market-1")


async def test_a_file_that_cannot_be_written_keeps_nobody_from_what_is_found(
    tmp_path: Path, urls: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "c").mkdir()
    async with Store(tmp_path / "c") as store, Catalogue(urls=urls, store=store) as catalogue:
        assert (await catalogue.market("market-1")).slug == "market-1"
    assert "nothing is remembered" in caplog.text


async def test_how_a_market_ended_becomes_a_label(
    tmp_path: Path, urls: dict[str, str], gamma: Gamma
) -> None:
    async with Store(tmp_path / "c") as store, Catalogue(urls=urls, store=store) as catalogue:
        await catalogue.market("market-1")
        close(gamma.events[0], 1, int(time.time()))
        await catalogue.market("market-1")
        (label,) = await catalogue.labels(venue="polymarket")
        assert (label.slug, label.result) == ("market-1", "No")
        assert label.payouts == (Decimal(0), Decimal(1))


def test_offline_without_a_store_is_an_error() -> None:
    with pytest.raises(CatalogueError, match="give one"):
        Catalogue(offline=True)


async def test_without_a_store_there_are_no_labels() -> None:
    async with Catalogue() as catalogue:
        with pytest.raises(CatalogueError, match="give the catalogue one"):
            await catalogue.labels()


# From the command line.


def test_commands_look_names_up_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = default_path()

    async def fill() -> None:
        async with Store(path) as store:
            await store.remember([open_one(Now(), close_ts=time.time_ns() + DAY_NS)])

    asyncio.run(fill())

    def markets(*arguments: str) -> list[str]:
        main(["markets", *arguments, "--offline", "-o", "json"])
        return [one["slug"] for one in json.loads(capsys.readouterr().out)["markets"]]

    assert markets("Rain?") == ["rain"] == markets("--venue", "polymarket") == markets()
    assert markets("0x" + "0" * 64) == []
    assert markets("--catalogue", str(tmp_path / "other")) == []
    assert main(["add", "11" * 10, "--offline"]) == 1
    assert main(["markets", "--offline", "--catalogue", "-"]) == 1
    assert "there is only what a store remembers" in capsys.readouterr().err
