"""Asks Kalshi's REST interface what it lists; no key is needed.

A market's fees stand in its series, so that is asked for as well. There is no search by text: the
titles of all series are compared here. Nothing is sorted by the venue either.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import ClassVar, Final

from bookfeed.catalogue.client import Budget, NotListed, Query
from bookfeed.catalogue.deciding import Verdict
from bookfeed.catalogue.fields import Fields
from bookfeed.catalogue.history import Candle, PricePoint
from bookfeed.catalogue.kalshi import listings
from bookfeed.catalogue.kalshi.history import candle, price_point
from bookfeed.catalogue.kalshi.trades import trade
from bookfeed.catalogue.listing import ListedEvent, ListedTrade, Listing, Page, readable
from bookfeed.catalogue.source import (
    Filter,
    Measure,
    Rows,
    Source,
    address,
    is_host,
    newest,
    one_of,
    pages,
)
from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError
from bookfeed.market import Fee
from bookfeed.venues.kalshi import NAME, REST_URLS, KalshiFee

_PAGE: Final = 200
_TRADES_PAGE: Final = 1_000
_CANDLES_MAX: Final = 5_000
# Where markets stand that were settled long ago.
_OLD: Final = "/historical"
_HOST: Final = "kalshi.com"
_TICKER: Final = re.compile(r"[A-Z][A-Z0-9]+(-[A-Z0-9.]+)*")
# Of a search: how many series are looked into.
_SERIES_MAX: Final = 10
_NEVER_NS: Final = 2**63


class KalshiSource(Source):
    """What Kalshi answers."""

    venue: ClassVar[str] = NAME
    urls: ClassVar[Mapping[str, str]] = {"listings": REST_URLS["prod"]}
    ranks: ClassVar[bool] = False
    # Who shows no key is counted by address, and 3 to 5 requests a second are safe.
    budget: ClassVar[Budget] = Budget(burst=3, interval_s=0.34)
    fee: ClassVar[type[Fee]] = KalshiFee

    @staticmethod
    def name_in(target: str) -> str | None:
        """The ticker in an address of the venue's pages, which spells it small, or a ticker."""
        if "://" not in target:
            return target if _TICKER.fullmatch(target) else None
        where = address(target)
        if where is None or not is_host(where[0], _HOST):
            return None
        # /markets/<series>/<title>/<event>, of which the last two may be missing.
        _, *steps = (step.upper() for step in where[1] or ("",))
        named = [step for step in steps if step == steps[0] or step.startswith(f"{steps[0]}-")]
        return named[-1] if named and _TICKER.fullmatch(named[-1]) else None

    async def markets(self, name: str) -> tuple[Listing, ...]:
        """One by its ticker; those of an event by the event's, of a series those that are open."""
        if "-" not in name:
            open_ones = [event async for event in self.events(Filter(series=name))]
            return tuple(market for event in open_ones for market in event.markets)
        event = await _first(self._event_of, self._event, self._old_event_of, name=name)
        return one_of(event.markets, name)

    async def event(self, name: str) -> ListedEvent:
        """The event of a ticker, or that of a market."""
        return await _first(self._event, self._event_of, self._old_event_of, name=name)

    async def search(self, text: str, limit: int) -> tuple[ListedEvent, ...]:
        """Open events of the series whose titles, tags or tickers hold all words."""
        words = text.lower().split()
        everything = Fields(await self.ask("/series"), "the answer").children("series")
        fitting = [series for series in everything if _fits(series, words)]
        found: list[ListedEvent] = []
        for series in fitting[:_SERIES_MAX]:
            async for event in self.events(Filter(series=series.name("ticker"))):
                found.append(event)
                if len(found) >= limit:
                    return tuple(found)
        return tuple(found)

    async def top(self, count: int, by: Measure) -> tuple[Listing, ...]:
        """Always an error: the venue does not sort, and has too many markets to be read."""
        raise CatalogueError(f"{NAME} does not sort its markets: name a series or search for text")

    async def events(self, wanted: Filter) -> AsyncIterator[ListedEvent]:
        """By series at the venue, by end here; there are no tags."""
        if wanted.tag is not None:
            raise CatalogueError(f"{NAME} has no tags: name a series")
        query = [
            ("status", "settled" if wanted.closed else "open"),
            ("with_nested_markets", "true"),
            ("limit", str(_PAGE)),
        ]
        series = None
        if wanted.series is not None:
            series = await self._series(wanted.series)
            query.append(("series_ticker", wanted.series))

        async def ask(cursor: str) -> Page:
            after = (("cursor", cursor),) if cursor else ()
            return self._read(await self.ask("/events", (*query, *after)), series)

        async for page in pages(ask, NAME):
            for event in page.events:
                if wanted.ends_before_ts is None or _ends(event) < wanted.ends_before_ts:
                    yield event

    async def ending(self, series: str, end_ts: int) -> tuple[Listing, ...]:
        """Of the series that is named; each event that has one of them is asked for as a whole."""
        at_s = end_ts // NS_PER_S
        query = [("series_ticker", series), ("limit", str(_PAGE))]
        query += [("min_close_ts", str(at_s - 1)), ("max_close_ts", str(at_s + 1))]

        async def ask(cursor: str) -> Page:
            after = (("cursor", cursor),) if cursor else ()
            return self._read(await self.ask("/markets", (*query, *after)), None)

        events: dict[str, None] = {}
        async for page in pages(ask, NAME):
            events |= {one.event: None for one in page.markets if one.close_ts == end_ts}
        found = [market for name in events for market in (await self._event(name)).markets]
        return tuple(one for one in found if one.close_ts == end_ts)

    async def has_books(self, listing: Listing) -> bool:
        """Always: a market that is listed has a book, be it empty."""
        return True

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        """What its object says, which has the last word once it is paid out."""
        found = await self._object(f"/markets/{listing.market}", "market")
        word, value = found.text("status"), found.decimal("settlement_value_dollars")
        if value is None or word not in ("determined", "finalized"):
            return ()
        return (Verdict("listing", (value,), final=word == "finalized"),)

    async def trades(
        self, listing: Listing, count: int, since_ts: int = 0
    ) -> tuple[ListedTrade, ...]:
        """As the venue remembers them, block trades included; those of long ago stand apart."""
        query = [("ticker", listing.market), ("limit", str(min(count, _TRADES_PAGE)))]
        if since_ts:
            query.append(("min_ts", str(since_ts // NS_PER_S)))
        recent = await newest(self._trades("/markets/trades", query), count, since_ts)
        if len(recent) == count or not await self._is_old(listing):
            return recent
        older = self._trades(f"{_OLD}/trades", query)
        known = {one.id for one in recent}
        found = [one for one in await newest(older, count, since_ts) if one.id not in known]
        return (*recent, *found)[:count]

    def _trades(self, path: str, query: Query) -> AsyncIterator[Rows]:
        async def ask(cursor: str) -> Rows:
            after = (("cursor", cursor),) if cursor else ()
            answer = Fields(await self.ask(path, (*query, *after)), "the answer")
            found, skipped = readable(answer.items("trades"), trade, "trade_id")
            self.tell(skipped)
            return Rows(found, answer.text("cursor"))

        return pages(ask, NAME)

    async def candles(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[Candle, ...]:
        """As the venue remembers them, so many at a time as it gives."""
        if await self._is_old(listing):
            path = f"{_OLD}/markets/{listing.market}/candlesticks"
        else:
            series = listing.series or listing.market.partition("-")[0]
            path = f"/series/{series}/markets/{listing.market}/candlesticks"
        found: list[Candle] = []
        step_ns = _CANDLES_MAX * minutes * 60 * NS_PER_S
        for start_ts in range(since_ts, until_ts, step_ns):
            end_ts = min(start_ts + step_ns, until_ts)
            query = (
                ("start_ts", str(start_ts // NS_PER_S)),
                ("end_ts", str(end_ts // NS_PER_S)),
                ("period_interval", str(minutes)),
            )
            answer = Fields(await self.ask(path, query), "the answer")
            rows = answer.items("candlesticks")
            some, skipped = readable(rows, lambda one: candle(one, minutes), "end_period_ts")
            self.tell(skipped)
            last_ts = found[-1].end_ts if found else since_ts
            # One that ends where two questions meet is in both answers.
            found += [one for one in some if last_ts < one.end_ts <= end_ts]
        return tuple(found)

    async def prices(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[PricePoint, ...]:
        """The last price of each candle in which there was a trade."""
        candles = await self.candles(listing, outcome, minutes, since_ts, until_ts)
        return tuple(point for one in candles if (point := price_point(one)) is not None)

    async def _is_old(self, listing: Listing) -> bool:
        """Whether the market was settled so long ago that it stands among old ones."""
        if listing.status != "settled" or listing.closed_ts is None:
            return False
        answer = Fields(await self.ask(f"{_OLD}/cutoff"), "the answer")
        cutoff_ts = answer.time("market_settled_ts")
        return cutoff_ts is not None and listing.closed_ts < cutoff_ts

    async def _old_event_of(self, market: str) -> ListedEvent:
        return await self._event_of(market, _OLD)

    async def _event_of(self, market: str, where: str = "") -> ListedEvent:
        """The event of a market, with that market, which an old event does not have in it."""
        found = await self._object(f"{where}/markets/{market}", "market")
        event, around, series = await self._whole_event(found.name("event_ticker"))
        if any(one.market == market for one in event.markets):
            return event
        old = listings.listing(found.raw, around, series)
        return replace(event, markets=(*event.markets, old))

    @staticmethod
    def table(listing: Listing) -> Mapping[str, object]:
        """Its ids, names, terms and fees."""
        return listings.table(listing)

    async def _event(self, ticker: str) -> ListedEvent:
        return (await self._whole_event(ticker))[0]

    async def _whole_event(self, ticker: str) -> tuple[ListedEvent, Fields, Fields]:
        """An event, its object, and that of its series."""
        raw = await self.ask(f"/events/{ticker}")
        found = Fields(Fields(raw, "the answer").value("event"), "event")
        series = await self._series(found.name("series_ticker"))
        event = listings.event(raw, series)
        self.tell(event.skipped)
        return event, found, series

    async def _series(self, ticker: str) -> Fields:
        return await self._object(f"/series/{ticker}", "series")

    async def _object(self, path: str, key: str) -> Fields:
        return Fields(Fields(await self.ask(path), "the answer").value(key), key)

    def _read(self, raw: object, series: Fields | None) -> Page:
        page = listings.page(raw, series)
        self.tell(page.skipped)
        for event in page.events:
            self.tell(event.skipped)
        return page


SOURCE: Final = KalshiSource


async def _first(*ways: Callable[[str], Awaitable[ListedEvent]], name: str) -> ListedEvent:
    """What the first of several ways finds under a name; ``NotListed`` if none finds anything."""
    *others, last = ways
    for way in others:
        try:
            return await way(name)
        except NotListed:
            continue
    return await last(name)


def _fits(series: Fields, words: list[str]) -> bool:
    parts = (series.text("ticker"), series.text("title"), *series.texts("tags"))
    told = " ".join(parts).lower()
    return all(word in told for word in words)


def _ends(event: ListedEvent) -> int:
    """When the last of its markets closes; never, where none says."""
    closes = [market.close_ts for market in event.markets if market.close_ts is not None]
    return max(closes, default=_NEVER_NS)
