"""The catalogue: from what people paste to markets that a feed can follow.

    async with Catalogue() as catalogue:
        (listing,) = await catalogue.markets("btc-updown-15m")
        feed = Feed([listing.to_market()])

What venues list is asked for by REST, which needs aiohttp; no key is needed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from bookfeed.catalogue import VENUES, part
from bookfeed.catalogue.claims import claim
from bookfeed.catalogue.client import TIMEOUT_S, Client, NotListed
from bookfeed.catalogue.deciding import Verdict
from bookfeed.catalogue.fields import time_text
from bookfeed.catalogue.history import (
    CANDLE_MINUTES,
    ROWS_MAX,
    Candle,
    CandleMinutes,
    PricePoint,
)
from bookfeed.catalogue.kept import Kept
from bookfeed.catalogue.listing import ListedEvent, ListedTrade, Listing
from bookfeed.catalogue.series import Series
from bookfeed.catalogue.source import Filter, Measure, Source
from bookfeed.catalogue.store import Label, Store
from bookfeed.catalogue.windows import Window
from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError
from bookfeed.live.http import RestClient

WAIT_S: Final = 600.0
"""How long a new market's books are waited for; it takes minutes."""

_ASK_AGAIN_S: Final = (2.0, 4.0, 8.0, 15.0, 30.0)

_log: Final = logging.getLogger(__name__)


class Catalogue:
    """Asks venues what they list.

    ``urls`` are addresses in place of the venues' own, by ``"<venue>.<what for>"``: ``"listings"``,
    and ``"books"`` where books are asked for elsewhere. With a ``store`` what is found is kept
    there, and told again where a venue does not answer; ``offline`` nobody is asked. Raises
    ``CatalogueError`` for an address that nobody asks; its methods raise it for what is not listed,
    and for what brings no answer.
    """

    def __init__(
        self,
        *,
        urls: Mapping[str, str] | None = None,
        store: Store | None = None,
        offline: bool = False,
    ) -> None:
        if offline and store is None:
            raise CatalogueError("offline there is only what a store remembers: give one")
        given = dict(urls or {})
        self._store: Final = store
        self._sources: Final[dict[str, Source]] = {}
        for venue in VENUES:
            kind: type[Source] = part(venue, "source").SOURCE
            clients = {}
            for purpose, own in kind.urls.items():
                rest = RestClient(given.pop(f"{venue}.{purpose}", own), timeout_s=TIMEOUT_S)
                clients[purpose] = Client(rest, kind.budget)
            source = kind(clients)
            self._sources[venue] = source if store is None else Kept(source, store, offline=offline)
        if given:
            raise CatalogueError(f"nothing is asked at {', '.join(sorted(given))}")

    def names(self, target: str) -> bool:
        """Whether a text has the form of a target; what is none can only be searched for."""
        return _series(target) is not None or self._found(target) is not None

    def venue_of(self, target: str) -> str | None:
        """The venue whose names look like a target; ``None`` if it has the form of none."""
        if (series := _series(target)) is not None:
            return series.venue
        found = self._found(target)
        return None if found is None else found[0].venue

    def rolls(self, target: str) -> bool:
        """Whether a target is a rolling series."""
        return _series(target) is not None

    def venues(self, *, that_rank: bool = False) -> tuple[str, ...]:
        """The venues that are asked; with ``that_rank`` those that sort all of their markets."""
        return tuple(n for n, source in self._sources.items() if source.ranks or not that_rank)

    async def market(self, target: str) -> Listing:
        """The one market of a target; ``CatalogueError`` that names them if there are several."""
        return only(target, await self.markets(target))

    async def markets(self, target: str) -> tuple[Listing, ...]:
        """The markets that a target stands for, with what a feed needs to know of them.

        A target is an address of a page of the venue, a slug, a ticker, a condition id, a token id,
        or a rolling series, of which it is the window that is on. An event's are all of its
        markets.
        """
        series = _series(target)
        if series is not None:
            return await self.present(series)
        source, name = self._source(target)
        return await source.markets(name)

    async def window(self, series: Series, ts: int | None = None) -> tuple[Listing, ...]:
        """The markets of a series' window at ``ts`` (Unix nanoseconds), by default the present one.

        They are asked for by the name that the window should have; ``NotListed``, a
        ``CatalogueError``, if the venue lists none of that name, or one that ends at another time.
        """
        window = series.window(ts)
        try:
            found = await self._sources[series.venue].markets(window.event)
        except NotListed as error:
            raise NotListed(f"{series.name}: {window.event} is not listed") from error
        fitting = tuple(one for one in found if one.close_ts in (None, window.end_ts))
        if not fitting:
            problem = f"{window.event} ends at another time than that window"
            raise NotListed(f"{series.name}: {problem}")
        return fitting

    async def searched_window(self, series: Series, ts: int | None = None) -> tuple[Listing, ...]:
        """The same by what is listed for that asset and that time, whatever it is called.

        ``NotListed`` if nothing fits.
        """
        window = series.window(ts)
        found = await self._sources[series.venue].ending(series.name, window.end_ts)
        fitting = tuple(one for one in found if _is_of(series, window, one))
        if not fitting:
            at = time_text(window.end_ts)
            raise NotListed(f"{series.name}: no window that ends at {at} is listed")
        return fitting

    async def present(self, series: Series) -> tuple[Listing, ...]:
        """The markets of the window that is on: by its name, and if there is none by search."""
        try:
            return await self.window(series)
        except NotListed as error:
            found = await self.searched_window(series)
            names = ", ".join(dict.fromkeys(one.event or one.slug for one in found))
            _log.warning("%s; found by search: %s", error, names)
            return found

    async def quarters(self, venue: str, asset: str) -> tuple[Listing, ...]:
        """The present quarter of an hour of an asset (``"btc"``) on a venue; empty if none is
        listed.
        """
        name = part(venue, "series").of_asset(asset)
        if (series := _series(name)) is None:
            return ()
        try:
            return await self.window(series)
        except NotListed:
            return ()

    async def event(self, target: str) -> ListedEvent:
        """The event of a target, with its markets."""
        source, name = self._source(target)
        return await source.event(name)

    async def search(
        self, text: str, *, venue: str | None = None, limit: int = 20
    ) -> tuple[ListedEvent, ...]:
        """Events that a text finds, at most ``limit`` a venue, of one venue or of all."""
        sources = self._sources.values() if venue is None else [self._of(venue)]
        found = await asyncio.gather(*(source.search(text, limit) for source in sources))
        return tuple(event for events in found for event in events)

    async def top(
        self, count: int, *, venue: str, by: Measure = "volume_24h"
    ) -> tuple[Listing, ...]:
        """The foremost markets of a venue; ``CatalogueError`` for one that does not sort."""
        return await self._of(venue).top(count, by)

    def events(
        self,
        venue: str,
        *,
        series: str | None = None,
        tag: str | None = None,
        ends_before_ts: int | None = None,
        closed: bool = False,
    ) -> AsyncIterator[ListedEvent]:
        """Every event that fits, page by page; ``closed``: of those that are traded no more."""
        return self._of(venue).events(Filter(series, tag, ends_before_ts, closed))

    async def ready(self, listing: Listing, *, timeout_s: float = WAIT_S) -> Listing:
        """The listing as soon as its market has books, which takes minutes for a new one.

        ``CatalogueError`` if it has none in time.
        """
        source, end_s = self._of(listing.venue), time.monotonic() + timeout_s
        waits = iter(_ASK_AGAIN_S)
        wait_s = 0.0
        while not await source.has_books(listing):
            wait_s = next(waits, wait_s)
            if time.monotonic() + wait_s > end_s:
                problem = f"has no order books after {timeout_s:g} s: try again later"
                raise CatalogueError(f"{listing.venue}: {listing.slug} {problem}")
            await asyncio.sleep(wait_s)
            if not all(outcome.symbol for outcome in listing.outcomes):
                (listing,) = await source.markets(listing.slug)
        return listing

    async def trades(
        self, listing: Listing, count: int = 20, *, since_ts: int = 0
    ) -> tuple[ListedTrade, ...]:
        """The newest trades of a listed market, newest first, at most ``count`` (1 to 100,000).

        ``since_ts``: none before, Unix nanoseconds.
        """
        if not 1 <= count <= ROWS_MAX:
            raise CatalogueError(f"trades can be had 1 to {ROWS_MAX} at a time, not {count}")
        return await self._of(listing.venue).trades(listing, count, since_ts)

    async def candles(
        self,
        listing: Listing,
        minutes: CandleMinutes,
        *,
        since_ts: int,
        until_ts: int,
        outcome: str | None = None,
    ) -> tuple[Candle, ...]:
        """What an outcome (by default the first) traded at in each period, the earliest first.

        Periods of 1, 60 or 1440 minutes that end after ``since_ts`` and by ``until_ts``, Unix
        nanoseconds. Periods of which the venue knows nothing are left out. Of a venue that has
        no candles they are computed from the outcome's trades, and have no bids and asks.
        """
        name = _asked(listing, outcome, minutes, since_ts, until_ts)
        source = self._of(listing.venue)
        return await source.candles(listing, name, minutes, since_ts, until_ts)

    async def price_history(
        self,
        listing: Listing,
        minutes: CandleMinutes = 1,
        *,
        since_ts: int,
        until_ts: int,
        outcome: str | None = None,
    ) -> tuple[PricePoint, ...]:
        """The price of an outcome (by default the first), about every so many minutes, the earliest
        first: as the venue draws it, or else that of the last trade of each period.
        """
        name = _asked(listing, outcome, minutes, since_ts, until_ts)
        source = self._of(listing.venue)
        return await source.prices(listing, name, minutes, since_ts, until_ts)

    async def listed_now(self, listing: Listing) -> Listing:
        """How a market is listed now; raises as ``market`` does."""
        source = self._of(listing.venue)
        found = await source.markets(listing.market or listing.slug)
        same = [one for one in found if listing.close_ts in (None, one.close_ts)]
        return only(listing.slug, same or found)

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        """How a market ended, as each witness of its venue tells it that tells it by now."""
        return await self._of(listing.venue).verdicts(listing)

    async def labels(
        self,
        *,
        venue: str | None = None,
        series: str | None = None,
        since_ts: int | None = None,
        until_ts: int | None = None,
    ) -> tuple[Label, ...]:
        """How markets ended, as the store remembers it; see ``Store.labels``.

        ``CatalogueError`` if there is no store.
        """
        if self._store is None:
            raise CatalogueError("labels are in a store: give the catalogue one")
        return await self._store.labels(
            venue=venue, series=series, since_ts=since_ts, until_ts=until_ts
        )

    def table(self, listing: Listing) -> Mapping[str, object]:
        """The ``[[market]]`` of a configuration that follows a listed market.

        ``CatalogueError`` if it has no books yet.
        """
        return self._of(listing.venue).table(listing)

    async def close(self) -> None:
        """Close the connections."""
        for source in self._sources.values():
            await source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _of(self, venue: str) -> Source:
        source = self._sources.get(venue)
        if source is None:
            raise CatalogueError(f"nothing is asked of {venue!r}, only of {', '.join(VENUES)}")
        return source

    def _source(self, target: str) -> tuple[Source, str]:
        found = self._found(target)
        if found is None:
            problem = "is nothing that can be looked up: it should be the address of a market's"
            raise CatalogueError(
                f"{target!r} {problem} page, a slug, a ticker, a condition id or a token id"
            )
        return found

    def _found(self, target: str) -> tuple[Source, str] | None:
        for source in self._sources.values():
            name = source.name_in(target.strip())
            if name is not None:
                return source, name
        return None


def only(target: str, markets: Sequence[Listing]) -> Listing:
    """The one market among those of a target; ``CatalogueError`` that names them if there are
    several.
    """
    if len(markets) == 1:
        return markets[0]
    if not markets:
        raise CatalogueError(f"{target!r} has no market that can be read")
    names = ", ".join(one.slug for one in markets[:5]) + (", …" if len(markets) > 5 else "")
    raise CatalogueError(f"{target!r} has {len(markets)} markets, name one of them: {names}")


def _is_of(series: Series, window: Window, listing: Listing) -> bool:
    """Whether a market that ends with a window is of its series.

    Where the venue says when a window begins and what it is about, both must fit; elsewhere it was
    asked for one series alone.
    """
    if listing.start_ts is None:
        return listing.series == series.name
    about = claim(listing)
    asset = about.asset if listing.reference is None else listing.reference.asset
    return listing.start_ts == window.start_ts and asset == series.asset and about.direction == "up"


def _asked(
    listing: Listing, outcome: str | None, minutes: int, since_ts: int, until_ts: int
) -> str:
    """The outcome that a history is asked of; ``CatalogueError`` for what cannot be asked."""
    names = [one.name for one in listing.outcomes]
    if minutes not in CANDLE_MINUTES:
        raise CatalogueError(f"periods are {', '.join(map(str, CANDLE_MINUTES))} minutes long")
    if not since_ts < until_ts or (until_ts - since_ts) // (minutes * 60 * NS_PER_S) > ROWS_MAX:
        raise CatalogueError(f"a history has 1 to {ROWS_MAX} periods: ask for another time")
    if outcome is None and names:
        return names[0]
    if outcome not in names:
        raise CatalogueError(f"{listing.slug} has no outcome {outcome!r}, only {', '.join(names)}")
    return outcome


def _series(target: str) -> Series | None:
    try:
        return Series(target)
    except CatalogueError:
        return None
