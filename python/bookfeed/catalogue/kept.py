"""A venue's source with a memory: what it answers is kept, and told again while it does not answer.

Offline it is not asked at all. What is told from memory is as old as it is: prices and volumes are
those of then, and whether a market is still traded its listed end says.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from bookfeed.catalogue.client import NoAnswer, NotListed
from bookfeed.catalogue.deciding import Decision, Verdict
from bookfeed.catalogue.history import Candle, PricePoint
from bookfeed.catalogue.listing import ListedEvent, ListedTrade, Listing
from bookfeed.catalogue.source import Filter, Measure, Source, one_of
from bookfeed.catalogue.store import Store
from bookfeed.errors import CatalogueError

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


class Kept(Source):
    """What ``source`` answers, kept in ``store``; ``offline`` it is the store that answers."""

    def __init__(self, source: Source, store: Store, *, offline: bool) -> None:
        super().__init__({})
        self._source: Final = source
        self._store: Final = store
        self._offline: Final = offline

    @property
    def venue(self) -> str:  # type: ignore[override]
        """Name of the venue."""
        return self._source.venue

    @property
    def ranks(self) -> bool:  # type: ignore[override]
        """Whether the venue sorts its markets; from memory all of them can be sorted."""
        return self._offline or self._source.ranks

    def name_in(self, target: str) -> str | None:  # type: ignore[override]
        """The venue's name in what people paste."""
        return self._source.name_in(target)

    def table(self, listing: Listing) -> Mapping[str, object]:  # type: ignore[override]
        """The ``[[market]]`` of a configuration that follows a listed market."""
        return self._source.table(listing)

    async def ask(self, path: str, query: Any = (), *, at: str = "listings") -> Any:
        """What is answered at one of the venue's addresses."""
        if self._offline:
            raise NoAnswer(f"{self.venue} is not asked offline")
        return await self._source.ask(path, query, at=at)

    async def close(self) -> None:
        """Close the connections; the store stays open."""
        await self._source.close()

    # What is asked, or told from memory.

    async def markets(self, name: str) -> tuple[Listing, ...]:
        """The markets that a name stands for."""

        async def remembered() -> tuple[Listing, ...]:
            return await self._found(name)

        return await self._either(self._source.markets, remembered, name)

    async def event(self, name: str) -> ListedEvent:
        """The event of this name, or that of the market of this name."""

        async def ask(name: str) -> ListedEvent:
            event = await self._source.event(name)
            await self._keep(event.markets, [event])
            return event

        async def remembered() -> ListedEvent:
            markets = await self._found(name)
            return (await self._events(markets))[0]

        return await self._either(ask, remembered, name, keep=False)

    async def search(self, text: str, limit: int) -> tuple[ListedEvent, ...]:
        """Events that a text finds."""

        async def ask(text: str) -> tuple[ListedEvent, ...]:
            found = await self._source.search(text, limit)
            await self._keep([market for event in found for market in event.markets], found)
            return found

        async def remembered() -> tuple[ListedEvent, ...]:
            markets = await self._store.open_markets(self.venue, text.split())
            return (await self._events(markets))[:limit]

        return await self._either(ask, remembered, text, keep=False)

    async def top(self, count: int, by: Measure) -> tuple[Listing, ...]:
        """The foremost markets that are traded."""

        async def ask(_name: str) -> tuple[Listing, ...]:
            return await self._source.top(count, by)

        async def remembered() -> tuple[Listing, ...]:
            return (await self._store.open_markets(self.venue, by=by))[:count]

        return await self._either(ask, remembered, "")

    async def events(self, wanted: Filter) -> AsyncIterator[ListedEvent]:
        """Every event that is wanted; from memory only if the very first page fails."""
        told = False
        try:
            if not self._offline:
                async for event in self._source.events(wanted):
                    await self._keep(event.markets, [event])
                    told = True
                    yield event
                return
        except NoAnswer as error:
            if told:
                raise
            self._say(error)
        for event in await self._remembered_events(wanted):
            yield event

    async def ending(self, series: str, end_ts: int) -> tuple[Listing, ...]:
        """What ends at that time and may be of a rolling series."""

        async def ask(series: str) -> tuple[Listing, ...]:
            return await self._source.ending(series, end_ts)

        async def remembered() -> tuple[Listing, ...]:
            return await self._store.ending(self.venue, end_ts)

        return await self._either(ask, remembered, series)

    async def verdicts(self, listing: Listing) -> tuple[Verdict, ...]:
        """How a market ended; what is certain is kept as its end."""
        found = await self._online().verdicts(listing)
        decision = Decision(listing)
        for verdict in found:
            decision.verdict(verdict)
            if decision.ended:
                await self._keep([decision.listing], witness=verdict.witness)
                break
        return found

    async def has_books(self, listing: Listing) -> bool:
        """Whether its books are there; offline nobody can say, and its symbols must do."""
        if self._offline:
            return bool(listing.outcomes) and all(one.symbol for one in listing.outcomes)
        return await self._source.has_books(listing)

    async def trades(
        self, listing: Listing, count: int, since_ts: int = 0
    ) -> tuple[ListedTrade, ...]:
        """The newest trades of a market."""
        return await self._online().trades(listing, count, since_ts)

    async def candles(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[Candle, ...]:
        """The candles of an outcome that end in a time."""
        source = self._online()
        return await source.candles(listing, outcome, minutes, since_ts, until_ts)

    async def prices(
        self, listing: Listing, outcome: str, minutes: int, since_ts: int, until_ts: int
    ) -> tuple[PricePoint, ...]:
        """The prices of an outcome in a time."""
        source = self._online()
        return await source.prices(listing, outcome, minutes, since_ts, until_ts)

    def _online(self) -> Source:
        if self._offline:
            raise NoAnswer(f"{self.venue} is not asked offline: what was traded is not kept")
        return self._source

    async def _either(
        self,
        ask: Callable[[str], Awaitable[T]],
        remembered: Callable[[], Awaitable[T]],
        name: str,
        *,
        keep: bool = True,
    ) -> T:
        """What the venue answers, which is kept if it is listings; else what is remembered."""
        if not self._offline:
            try:
                found = await ask(name)
            except NoAnswer as error:
                self._say(error)
            else:
                if keep:
                    await self._keep(found)  # type: ignore[arg-type]
                return found
        return await remembered()

    def _say(self, error: NoAnswer) -> None:
        _log.warning("%s: what is remembered is told in its place", error)

    async def _keep(
        self,
        listings: Sequence[Listing],
        events: Sequence[ListedEvent] = (),
        *,
        witness: str = "",
    ) -> None:
        """A file that cannot be written must not keep anybody from what was found."""
        try:
            await self._store.remember(listings, events, witness=witness)
        except CatalogueError as error:
            _log.warning("nothing is remembered: %s", error)

    # Memory.

    async def _found(self, name: str) -> tuple[Listing, ...]:
        found = await self._store.named(self.venue, name)
        if not found:
            found = await self._store.of_series(self.venue, name, closed=False)
        if not found:
            raise NotListed(f"{self.venue}: nothing called {name} is remembered")
        return one_of(found, name)

    async def _events(self, markets: Sequence[Listing]) -> tuple[ListedEvent, ...]:
        """The events of markets, each with those of them that are its."""
        groups: dict[str, list[Listing]] = {}
        for market in markets:
            groups.setdefault(market.event or market.slug, []).append(market)
        known = await self._store.events_named(self.venue, groups)
        return tuple(
            replace(known[name], markets=tuple(own))
            if name in known
            else ListedEvent(
                venue=self.venue,
                event=name,
                title=own[0].title,
                series=own[0].series,
                markets=tuple(own),
            )
            for name, own in groups.items()
        )

    async def _remembered_events(self, wanted: Filter) -> Sequence[ListedEvent]:
        if wanted.closed:
            markets = await self._store.closed_markets(self.venue)
        else:
            markets = await self._store.open_markets(self.venue)
        events = await self._events(markets)
        return [event for event in events if fits(event, wanted)]


def fits(event: ListedEvent, wanted: Filter) -> bool:
    """Whether an event is among those that a filter wants, but for whether it is closed."""
    if wanted.series not in (None, event.series):
        return False
    if wanted.tag is not None and wanted.tag not in event.tags:
        return False
    if wanted.ends_before_ts is None:
        return True
    ends = [one.close_ts for one in event.markets if one.close_ts is not None]
    return bool(ends) and max(ends) < wanted.ends_before_ts
