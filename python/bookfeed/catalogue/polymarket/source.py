"""Asks Gamma what Polymarket lists, and its record of trades what was traded.

Pages end where the cursor does: their length says nothing, since limits are clamped without a word.
Closed markets are found only where they are asked for as such.
"""

import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Final

from bookfeed.catalogue.client import Budget, NotListed, Query
from bookfeed.catalogue.deciding import Verdict
from bookfeed.catalogue.fields import Fields, time_text
from bookfeed.catalogue.history import ROWS_MAX, Candle, PricePoint, candles_of
from bookfeed.catalogue.listing import ListedEvent, ListedTrade, Listing, Page, readable
from bookfeed.catalogue.polymarket import listings
from bookfeed.catalogue.polymarket import verdicts as said
from bookfeed.catalogue.polymarket.trades import price_point, trade, trade_rows
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
from bookfeed.venues.polymarket import NAME, REST_URL, FeeSchedule

GAMMA_URL: Final = "https://gamma-api.polymarket.com"
DATA_URL: Final = "https://data-api.polymarket.com"

_PAGE: Final = 100
_TRADES_PAGE: Final = 500
_SEARCH_PAGE: Final = 20
_SEARCH_PAGES_MAX: Final = 50
_HOST: Final = "polymarket.com"
# The tag of all windows that go up or down.
_ROLLING: Final = "up-or-down"

_CONDITION: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_TOKEN: Final = re.compile(r"[0-9]{20,78}")
_STEP: Final = re.compile(r"[A-Za-z0-9_-]+")
_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")

# By the number, and not by the text of it, which is sorted like a word.
_ORDER: Final[dict[Measure, str]] = {
    "volume_24h": "volume24hr",
    "volume": "volumeNum",
    "liquidity": "liquidityNum",
}


class GammaSource(Source):
    """What Gamma answers."""

    venue: ClassVar[str] = NAME
    urls: ClassVar[Mapping[str, str]] = {
        "listings": GAMMA_URL,
        "books": REST_URL,
        "trades": DATA_URL,
    }
    ranks: ClassVar[bool] = True
    # Below the least of what the venue allows: 200 requests in 10 seconds.
    budget: ClassVar[Budget] = Budget(burst=10, interval_s=0.1)
    fee: ClassVar[type[Fee]] = FeeSchedule

    @staticmethod
    def name_in(target: str) -> str | None:
        """The slug in an address of the venue's pages, a slug, a condition id or a token id."""
        if "://" in target:
            where = address(target)
            if where is None or not where[1] or not is_host(where[0], _HOST):
                return None
            return where[1][-1] if _STEP.fullmatch(where[1][-1]) else None
        forms = (_CONDITION, _TOKEN, _SLUG)
        return target if any(form.fullmatch(target) for form in forms) else None

    async def markets(self, name: str) -> tuple[Listing, ...]:
        """One by its condition id, a token id or its slug; those of an event by the event's."""
        if _CONDITION.fullmatch(name):
            return await self._by_id("condition_ids", name)
        if _TOKEN.fullmatch(name):
            return await self._by_id("clob_token_ids", name)
        try:
            return one_of((await self._event(name)).markets, name)
        except NotListed:
            return (listings.listing(await self.ask(f"/markets/slug/{name}")),)

    async def event(self, name: str) -> ListedEvent:
        """The event of a slug, or that of a market."""
        if not (_CONDITION.fullmatch(name) or _TOKEN.fullmatch(name)):
            try:
                return await self._event(name)
            except NotListed:
                pass  # the name of a market, then
        (market, *_) = await self.markets(name)
        if not market.event:
            raise NotListed(f"{NAME}: {market.slug} belongs to no event")
        return await self._event(market.event)

    async def search(self, text: str, limit: int) -> tuple[ListedEvent, ...]:
        """What the venue's own search finds among events that are traded."""
        found: list[ListedEvent] = []
        for number in range(1, _SEARCH_PAGES_MAX):
            query = (
                ("q", text),
                ("limit_per_type", str(min(limit, _SEARCH_PAGE))),
                ("page", str(number)),
                ("events_status", "active"),
                ("keep_closed_markets", "0"),
            )
            answer = Fields(await self.ask("/public-search", query), "the answer")
            page = self._read({"events": answer.items("events")})
            found += page.events
            if len(found) >= limit or not page.events or not _has_more(answer):
                break
        return tuple(found[:limit])

    async def top(self, count: int, by: Measure) -> tuple[Listing, ...]:
        """The foremost markets, as the venue sorts them."""
        query = (("closed", "false"), ("order", _ORDER[by]), ("ascending", "false"))
        found: list[Listing] = []
        async for page in self._pages("/markets/keyset", query):
            found += page.markets
            if len(found) >= count:
                break
        return tuple(found[:count])

    async def events(self, wanted: Filter) -> AsyncIterator[ListedEvent]:
        """By tag and end at the venue; by series here, since it filters by a number of its own."""
        query = [("closed", "true" if wanted.closed else "false")]
        if wanted.tag is not None:
            query.append(("tag_slug", wanted.tag))
        if wanted.ends_before_ts is not None:
            query.append(("end_date_max", time_text(wanted.ends_before_ts)))
        async for page in self._pages("/events/keyset", query):
            for event in page.events:
                if wanted.series in (None, event.series):
                    yield event

    async def ending(self, series: str, end_ts: int) -> tuple[Listing, ...]:
        """Of all rolling series alike, shares and currencies among them: names are in doubt."""
        at = time_text(end_ts)
        query = (("tag_slug", _ROLLING), ("end_date_min", at), ("end_date_max", at))
        found: list[Listing] = []
        async for page in self._pages("/events/keyset", query):
            found += (market for event in page.events for market in event.markets)
        return tuple(one for one in found if one.close_ts == end_ts)

    async def has_books(self, listing: Listing) -> bool:
        """Whether the order books know its tokens, as they do some minutes after it is listed.

        ``CatalogueError`` if they know others.
        """
        tokens = [outcome.symbol for outcome in listing.outcomes]
        if not listing.market or not all(tokens):
            return False
        try:
            known = Fields(await self.ask(f"/clob-markets/{listing.market}", at="books"))
        except NotListed:
            return False
        told = [token.text("t") for token in known.children("t")]
        if not all(told) or len(told) < len(tokens):
            return False
        if told != tokens:
            problem = "its listing and its order books tell different tokens; do not trade it"
            raise CatalogueError(f"{NAME}: {listing.slug}: {problem}")
        return True

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        """As resolutions on the chain, the listing and the order books tell it, in this order."""
        ways = (self._resolved, self._closed, self._won)
        told = []
        for way in ways:
            try:
                told.append(await way(listing))
            except NotListed:
                continue  # not by this witness
        return tuple(one for one in told if one is not None)

    async def _resolved(self, listing: Listing) -> Verdict | None:
        query = (("condition", listing.market), ("fresh", str(time.time_ns())))
        return said.resolved(await self.ask("/v2/resolutions", query, at="trades"), listing)

    async def _closed(self, listing: Listing) -> Verdict | None:
        return said.closed(await self._by_id("condition_ids", listing.market), listing)

    async def _won(self, listing: Listing) -> Verdict | None:
        whole = await self.ask(f"/markets/{listing.market}", at="books")
        return said.won(Fields(whole, "the answer"), listing)

    async def trades(
        self, listing: Listing, count: int, since_ts: int = 0
    ) -> tuple[ListedTrade, ...]:
        """One row an order that took; what is minutes old comes from a cache, hence ``fresh``."""
        limit, fresh = str(min(count, _TRADES_PAGE)), str(time.time_ns())

        async def ask(cursor: str) -> Rows:
            # A cursor carries the size of its pages.
            page = ("cursor", cursor) if cursor else ("limit", limit)
            query = (("condition", listing.market), page, ("fresh", fresh))
            answer = await self.ask("/v2/trades", query, at="trades")
            raw, cursor = trade_rows(answer)
            found, skipped = readable(raw, lambda one: trade(one, listing), "transaction_hash")
            self.tell(skipped)
            return Rows(found, cursor)

        return await newest(pages(ask, NAME), count, since_ts)

    async def candles(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[Candle, ...]:
        """Computed from the trades of the outcome's token: the venue has none."""
        trades = await self.trades(listing, ROWS_MAX + 1, since_ts)
        if len(trades) > ROWS_MAX:
            raise CatalogueError(f"{NAME}: more than {ROWS_MAX} trades since then: ask for less")
        return candles_of(trades, outcome, minutes, since_ts, until_ts)

    async def prices(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[PricePoint, ...]:
        """As the venue draws them; a last point that it makes up of the present is left out."""
        (token,) = (one.symbol for one in listing.outcomes if one.name == outcome)
        query = (
            ("market", token),
            ("startTs", str(since_ts // NS_PER_S)),
            ("endTs", str(until_ts // NS_PER_S)),
            ("fidelity", str(minutes)),
        )
        answer = Fields(await self.ask("/prices-history", query, at="books"), "the answer")
        found, skipped = readable(
            answer.items("history"), lambda one: price_point(one, outcome), "t"
        )
        self.tell(skipped)
        return tuple(one for one in found if since_ts <= one.ts < until_ts)

    @staticmethod
    def table(listing: Listing) -> Mapping[str, object]:
        """Its ids, names, terms and fees."""
        return listings.table(listing)

    async def _event(self, slug: str) -> ListedEvent:
        event = listings.event(await self.ask(f"/events/slug/{slug}"))
        self.tell(event.skipped)
        return event

    async def _by_id(self, key: str, value: str) -> tuple[Listing, ...]:
        for closed in ("false", "true"):
            page = self._read(await self.ask("/markets", ((key, value), ("closed", closed))))
            if page.markets:
                return page.markets
        raise NotListed(f"{NAME} lists no market with {key} {value}")

    def _pages(self, path: str, query: Query) -> AsyncIterator[Page]:
        async def ask(cursor: str) -> Page:
            after = (("after_cursor", cursor),) if cursor else ()
            return self._read(await self.ask(path, (*query, ("limit", str(_PAGE)), *after)))

        return pages(ask, NAME)

    def _read(self, raw: object) -> Page:
        page = listings.page(raw)
        self.tell(page.skipped)
        for event in page.events:
            self.tell(event.skipped)
        return page


SOURCE: Final = GammaSource


def _has_more(answer: Fields) -> bool:
    """Whether a search has more pages, in either form of its answer."""
    return (answer.child("pagination") or answer).flag("hasMore") is True
