"""Rolling series on an open feed: which windows are followed when, and what if one is not there."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import orjson
import pytest
from session_server import Server, book_frame, serving
from test_session_kalshi import QUICK
from waiting import PATIENCE_S, PatientClock

from bookfeed.catalogue.client import NotListed
from bookfeed.catalogue.listing import ListedOutcome, Listing, Strike
from bookfeed.catalogue.news import MarketNews
from bookfeed.catalogue.series import Series
from bookfeed.catalogue.windows import Window
from bookfeed.errors import CatalogueError
from bookfeed.feed.feed import Feed
from bookfeed.feed.rolling import AGAIN_S, LEAD_S, UNSETTLED_S, Rolling
from bookfeed.feed.windows import WindowEnd
from bookfeed.live import supervisor
from bookfeed.market import Market, Outcome

S = 1_000_000_000
SERIES = Series("btc-updown-15m")
START = SERIES.window(1_795_856_400 * S).start_ts
QUARTER = 900 * S


class Listed:
    """A catalogue that lists every window but some."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.searched: list[int] = []
        self.missing: set[int] = set()
        self.misnamed: set[int] = set()
        self.late: set[int] = set()
        self.result: str | None = None
        self.firmly = False
        self.shared: set[int] = set()
        """The starts of windows whose symbols are those of the window before."""

    async def window(self, series: Series, ts: int | None = None) -> tuple[Listing, ...]:
        window = series.window(ts)
        self.asked.append(window.start_ts)
        if window.start_ts in self.missing | self.misnamed:
            raise NotListed(f"{window.event} is not listed")
        return self.listing(series, window, window.event)

    async def searched_window(self, series: Series, ts: int | None = None) -> tuple[Listing, ...]:
        window = series.window(ts)
        self.searched.append(window.start_ts)
        if window.start_ts in self.missing:
            raise NotListed("no window is listed")
        return self.listing(series, window, f"{window.event}-by-another-name")

    def listing(self, series: Series, window: Window, slug: str) -> tuple[Listing, ...]:
        number = window.start_ts // QUARTER - (window.start_ts in self.shared)
        outcomes = [
            ListedOutcome(name=name, symbol=f"{number}{side}")
            for side, name in ((1, "Up"), (2, "Down"))
        ]
        return (
            Listing(
                venue="polymarket",
                market=f"0x{number}",
                slug=slug,
                event=slug,
                title=window.event,
                outcomes=tuple(outcomes),
                status="open",
                strike=Strike("greater_or_equal", Decimal("85000.5"), None),
                decided_by=Decimal(85001) if self.result else None,
                result=self.result,
                close_ts=window.end_ts,
                closes_firmly=self.firmly,
            ),
        )

    async def ready(self, listing: Listing, *, timeout_s: float = 0.0) -> Listing:
        if listing.close_ts in self.late:
            raise CatalogueError(f"{listing.slug} has no order books")
        return listing


class World:
    """A feed, what is listed, and the time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.listed = Listed()
        self.now_ns = START + 60 * S
        how = {"url": server.url, "options": QUICK, "clock": PatientClock()}
        number = START // QUARTER
        (first,) = [market_of(number)]
        self.feed = Feed([first], **how)  # type: ignore[arg-type]
        self.ends: list[WindowEnd] = []
        self.rolling = Rolling(
            self.feed,
            self.listed,
            [SERIES],
            on_end=self.ends.append,
            now_ns=lambda: self.now_ns,
        )
        (self.one,) = self.rolling.followed

    async def at(self, seconds: float) -> list[int]:
        """The windows that are followed so long after the first one began, by their number."""
        self.now_ns = START + round(seconds * S)
        await self.rolling.step(self.one)
        return sorted({int(symbol[:-1]) - START // QUARTER for symbol in self.followed})

    @property
    def followed(self) -> list[str]:
        return [symbol for market in self.feed.markets for symbol in market.symbols]

    async def settle(self, window: int) -> None:
        """The venue says who won."""
        number = START // QUARTER + window
        peer = await self.server.peer(0)
        for symbol in (f"{number}1", f"{number}2"):
            peer.text(book_frame(symbol))
        await self.server.until(lambda: self.feed.book(f"{number}1").live)
        resolved = {
            "event_type": "market_resolved", "market": f"0x{number}", "id": "1",
            "assets_ids": [f"{number}1", f"{number}2"], "winning_asset_id": f"{number}1",
            "winning_outcome": "Up", "timestamp": str(self.now_ns // 1_000_000),
        }  # fmt: skip
        peer.text(orjson.dumps(resolved))
        await self.server.until(lambda: self.feed.book(f"{number}2").cause == "resolved")


def market_of(number: int) -> Market:
    outcomes = (Outcome("Up", f"{number}1"), Outcome("Down", f"{number}2"))
    return Market(f"0x{number}", outcomes, name="as it was given")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with serving() as server:
        world = World(server)
        async with world.feed:
            await world.feed.wait_live(PATIENCE_S)
            yield world


async def test_the_next_window_comes_before_it_begins_and_the_old_one_stays(world: World) -> None:
    assert await world.at(60) == [0]
    assert world.feed.markets[0].name == "as it was given"
    assert await world.at(900 - LEAD_S - 1) == [0]
    assert world.listed.asked == [START], "nothing is asked for before it is due"
    assert await world.at(900 - LEAD_S) == [0, 1]
    assert await world.at(910) == [0, 1], "until it is settled"
    await world.settle(0)
    assert await world.at(930) == [1]
    assert await world.at(1800 - LEAD_S) == [1, 2]
    assert len(world.server.peers) == 1
    assert len(world.listed.asked) == 4, "each window once, and the one that ended for its result"


async def test_a_settled_window_is_let_go_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FORGET_NS", S // 20)
    await world.at(60)
    await world.at(900 - LEAD_S)
    await world.settle(0)
    assert await world.at(930) == [1]
    await world.server.until(lambda: len(world.feed.engine.books()) == 2)
    assert world.feed.failure is None


async def test_a_window_that_nobody_settles_goes_some_time_after_its_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.at(60)
    assert 0 in await world.at(900 + UNSETTLED_S - 1)
    assert 0 not in await world.at(900 + UNSETTLED_S)
    assert "nobody settled as it was given" in caplog.text


async def test_a_window_that_is_not_listed_is_searched_for_again_and_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.listed.missing = {START + QUARTER}
    assert await world.at(60) == [0]
    assert await world.at(800) == [0]
    assert await world.at(800 + AGAIN_S - 1) == [0]
    assert len(world.listed.searched) == 1
    assert await world.at(800 + AGAIN_S) == [0]
    assert len(world.listed.searched) == 2
    assert len(world.listed.asked) == 2, "a name is guessed once"
    assert caplog.text.count("searched for by its series from now on") == 1
    assert caplog.text.count("asked for again every") == 1
    world.listed.missing.clear()
    assert await world.at(800 + 2 * AGAIN_S) == [0, 1]
    assert "found by search" in caplog.text
    assert await world.at(1800 - LEAD_S) == [0, 1, 2]
    assert world.one.missed == 0


async def test_a_window_of_another_name_is_followed_to_its_end(world: World) -> None:
    world.listed.misnamed = {START + QUARTER}
    await world.at(60)
    assert await world.at(800) == [0, 1]
    assert await world.at(901) == [0, 1]
    await world.settle(0)
    await world.settle(1)
    await world.at(1801)
    assert [end.window.start_ts for end in world.ends] == [START, START + QUARTER]
    assert len(world.listed.searched) == 2, "when it came, and for its result"


async def test_a_window_that_never_came_was_missed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.listed.missing = {START + QUARTER}
    await world.at(60)
    await world.at(800)
    assert await world.at(1800) == [0, 2]
    assert world.one.missed == 1
    assert f"missed {SERIES.window(START + QUARTER).event}" in caplog.text


async def test_books_that_are_not_there_yet_are_waited_for(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.listed.late = {START + 2 * QUARTER}
    await world.at(60)
    assert await world.at(800) == [0]
    assert "no order books" in caplog.text
    world.listed.late.clear()
    assert await world.at(801) == [0]
    assert await world.at(800 + AGAIN_S) == [0, 1]


async def test_how_a_window_came_out_is_told_with_what_comes_next(world: World) -> None:
    await world.at(60)
    await world.at(800)
    await world.settle(0)
    world.listed.result = "Up"
    await world.at(910)
    (end,) = world.ends
    following = SERIES.window(START + QUARTER).event
    assert (end.venue, end.window.start_ts, end.following) == ("polymarket", START, following)
    title = SERIES.window(START).event
    assert end.line() == f"{title} ended: Up, strike 85000.5, decided by 85001; next {following}"


async def test_what_is_known_of_an_end_that_is_not_listed_yet_is_told(world: World) -> None:
    await world.at(60)
    await world.settle(0)
    (listing,) = world.one.windows[START + QUARTER].listings
    outcomes = tuple(one._replace(payout=Decimal(one.name == "Down")) for one in listing.outcomes)
    decided = replace(listing, status="settled", result="Down", outcomes=outcomes)
    world.feed.tell(MarketNews(kind="decided", listing=decided, witness="stream"))
    assert await world.at(901) == [1]
    (end,) = world.ends
    assert end.markets[0].result == "Down"


class Followed:
    """A feed's markets without connections, and which symbols are settled."""

    def __init__(self) -> None:
        self.markets: tuple[Market, ...] = ()
        self.settled: set[str] = set()

    async def add_markets(self, markets: Iterable[Market]) -> None:
        self.markets += tuple(markets)

    async def remove_markets(self, markets: Iterable[Market]) -> None:
        gone = list(markets)
        self.markets = tuple(market for market in self.markets if market not in gone)

    def know(self, listing: Listing) -> None:
        pass

    def known(self, listing: Listing) -> Listing:
        return listing

    def book(self, symbol: str) -> SimpleNamespace:
        return SimpleNamespace(cause="resolved" if symbol in self.settled else "none")


async def test_a_symbol_that_two_windows_share_is_the_first_one_until_that_is_settled() -> None:
    feed, listed, now_ns = Followed(), Listed(), START
    listed.firmly, listed.shared = True, {START + QUARTER}
    rolling = Rolling(feed, listed, [SERIES], now_ns=lambda: now_ns)  # type: ignore[arg-type]
    (one,) = rolling.followed
    for seconds in (60, 800, 899):
        now_ns = START + seconds * S
        await rolling.step(one)
        (first,) = feed.markets
        assert first.close_ts == START + QUARTER
    feed.settled.update(first.symbols)
    for seconds in (901, 903):
        now_ns = START + seconds * S
        await rolling.step(one)
    (second,) = feed.markets
    assert second.symbols == first.symbols
    assert second.close_ts == START + 2 * QUARTER
    assert one.missed == 0


async def test_what_somebody_else_took_off_is_over(world: World) -> None:
    await world.at(60)
    await world.feed.remove_markets(world.feed.markets)
    assert await world.at(901) == [1]
    assert list(world.one.windows) == [START + 2 * QUARTER]


async def test_it_runs_by_itself_and_survives_errors(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.now_ns = START + 850 * S
    world.listed.late = {START + 2 * QUARTER}
    async with world.rolling:
        await world.server.until(lambda: "no order books" in caplog.text)
        world.listed.late.clear()
        world.now_ns += 11 * S
        await world.server.until(lambda: len(world.feed.markets) == 2)
