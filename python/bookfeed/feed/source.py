"""What a live feed and a replayed recording have in common: books, listeners and questions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, overload

from bookfeed._bookfeed import (
    VENUES,
    Answers,
    BookView,
    Engine,
    FairValue,
    Histogram,
    WindowStanding,
)
from bookfeed.catalogue.changes import merged
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.news import QUIET, MarketNews, Wanted
from bookfeed.catalogue.stored import news_of
from bookfeed.dispatch.dispatcher import Dispatcher
from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.listening import Listening
from bookfeed.feed.settling import Settling
from bookfeed.names import Names
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.pace import Pace
from bookfeed.records.points import PricePoint, points
from bookfeed.records.told import RelayEvent, told
from bookfeed.rules.rule import Rule
from bookfeed.rules.why import Why, why
from bookfeed.sinks import SinkSet, SinkStatus

OnMarket: TypeAlias = Callable[[MarketNews], object]

LISTINGS_MAX: Final = 10_000
"""Of so many markets it is known what they are; then the one told longest ago is forgotten."""


class BookSource(Listening):
    """Books, who listens to them, and what can be asked; the base of ``Feed`` and ``Replay``."""

    def __init__(self, inputs: EngineInput, dispatcher: Dispatcher, sinks: SinkSet) -> None:
        super().__init__(dispatcher)
        self._engine: Final = inputs.engine
        self._inputs: Final = inputs
        self._sinks: Final = sinks
        self._schedule: Final = dispatcher.schedule
        self._listings: Final[dict[tuple[str, str], Listing]] = {}
        self.on_listing: Final[list[Callable[[Listing], object]]] = []
        """Who is told whatever becomes known of a market, news or not; kept short, and fast."""
        inputs.on_market = self._heard

    # Asking.

    @property
    def engine(self) -> Engine:
        """The engine, for reading; changing it behind the feed's back breaks recordings."""
        return self._engine

    def book(self, key: int | str) -> BookView:
        """Return the live view of a book, by instrument number or symbol.

        Never waits. Raises ``KeyError`` if there is no such book here.
        """
        return self._engine.book(self._instrument(key))

    def books(self) -> Sequence[BookView]:
        """Return the views of all books, in the order of their instrument numbers."""
        return [view for view in self._engine.books() if self._has(view.instrument)]

    # What contracts are worth.

    @property
    def settling(self) -> Settling | None:
        """What states terms as listings have them; ``None`` where nothing does."""
        return None

    def fair_value(self, key: int | str) -> FairValue | None:
        """Return what the contract of a book was worth when its reference last ticked, by
        instrument number or symbol.

        ``None`` without terms (``Feed.add_terms``), before a tick, and while its strike or the
        volatility is not known. Raises ``KeyError`` if there is no such book here.
        """
        return self._engine.fair_value(self._instrument(key))

    def answers(self, key: int | str) -> Answers | None:
        """Return how a book answers when the reference of its contract moves.

        ``None`` without terms. Raises ``KeyError`` if there is no such book here.
        """
        return self._engine.answers(self._instrument(key))

    def window(self, key: int | str) -> WindowStanding | None:
        """Return what is known of the window that the contract of a book settles by.

        ``None`` without terms. Raises ``KeyError`` if there is no such book here.
        """
        return self._engine.window(self._instrument(key))

    # What markets are.

    def listing(self, key: int | str) -> Listing | None:
        """Return what is known of the market of a book, by instrument number or symbol.

        ``None`` if nothing was told of it. In a replay it is what was known at that time. Raises
        ``KeyError`` if there is no such book here.
        """
        name = self.names[self._instrument(key)]
        return self._listings.get((name.venue, name.market or name.symbol))

    def known(self, listing: Listing) -> Listing:
        """What is known of the market of a listing; the listing itself where that is nothing."""
        return self._listings.get((listing.venue, listing.market or listing.slug), listing)

    @property
    def listings(self) -> Mapping[tuple[str, str], Listing]:
        """What is known of markets, by venue and the venue's id; grows with the news of them."""
        return self._listings

    @overload
    def on_market(
        self,
        fn: OnMarket,
        *,
        venue: str | None = None,
        tag: str | None = None,
        series: str | None = None,
        text: str | None = None,
    ) -> Listener: ...

    @overload
    def on_market(
        self,
        *,
        venue: str | None = None,
        tag: str | None = None,
        series: str | None = None,
        text: str | None = None,
    ) -> Callable[[OnMarket], Listener]: ...

    def on_market(
        self,
        fn: Any = ...,
        *,
        venue: str | None = None,
        tag: str | None = None,
        series: str | None = None,
        text: str | None = None,
    ) -> Listener | Callable[[OnMarket], Listener]:
        """Call ``fn(news)`` with ``MarketNews``: new markets, changed terms, strikes, results.

        They come from whoever looks for them: ``MarketWatch``, ``Rolling``. ``venue``, ``tag``,
        ``series`` and ``text`` (words of a title) say of which markets. A replay hands over what
        was recorded. Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_market(fn, venue=venue, tag=tag, series=series, text=text)
        return self._dispatcher.on_market(fn, Wanted(venue, tag, series, text).fits)

    def _heard(self, text: bytes) -> None:
        """News of a market, as they are recorded; raises ``Malformed`` for what is none."""
        news = news_of(text)
        one = news.listing
        key = (one.venue, one.market or one.slug)
        known = self._listings.pop(key, None)
        listing = self._listings[key] = one if known is None else merged(known, one)
        if len(self._listings) > LISTINGS_MAX:
            del self._listings[next(iter(self._listings))]
        self.names.entitle(one.venue, one.market, one.called)
        for tell in self.on_listing:
            tell(listing)
        if news.kind != QUIET:
            self._dispatcher.market(news)

    def _instrument(self, key: int | str) -> int:
        """The instrument number of a book; ``KeyError`` if there is no such book here."""
        if isinstance(key, str):
            found = (self._engine.instrument(name, key) for name in VENUES)
            instrument = next((i for i in found if i is not None and self._has(i)), None)
        else:
            instrument = key if self._has(key) else None
        if instrument is None:
            raise KeyError(f"no book {key!r} in this feed")
        return instrument

    def _has(self, instrument: int) -> bool:
        raise NotImplementedError

    def _deliver_relays(self, wanted: Callable[[RelayEvent], bool]) -> None:
        """Hand over what relays told, of events those that are ``wanted``."""
        relays = self._inputs.relays
        batch = relays.drain()
        for conn, topic, symbol in batch.heard:
            self._heard_topic(conn, topic, symbol)
        for point in points(batch.point_bytes, relays.relays.symbol):
            self._heard_price(point)
            self._dispatcher.price(point)
        for event in told(batch.events):
            if wanted(event):
                self._dispatcher.event(event)

    def _heard_topic(self, conn: int, topic: str, symbol: str) -> None:
        """Values of a topic came on a connection, before anybody hears of them."""

    def _heard_price(self, point: PricePoint) -> None:
        """A relay told a value, before anybody hears of it."""

    def counters(self) -> dict[str, int]:
        """Return everything that is counted: by the engine, by listeners, by sinks.

        Names ending in ``_ns`` are nanoseconds.
        """
        counts = dict(self._engine.counters())
        counts["callback_errors"] = self._dispatcher.callback_errors
        counts["callbacks_dropped"] = self._dispatcher.callbacks_dropped()
        counts["stream_dropped"] = self._dispatcher.dropped()
        if self._inputs.relays.used:
            counts |= self._inputs.relays.relays.counters()
        return counts | self._sinks.counters()

    def senses(self) -> dict[str, dict[str, int]]:
        """Return how the aggressors of trades agree with the books of each spot venue: trades apart
        from the mid before them (``decided``), those on their aggressor's side of it (``agreed``),
        and how often less than 40 of 100 were (``alarms``).
        """
        return self._engine.senses()

    def sink_status(self) -> tuple[SinkStatus, ...]:
        """Return how each sink is doing, in the order in which they were given."""
        return self._sinks.status()

    @property
    def names(self) -> Names:
        """What books and rules are called, by the numbers that records carry; grows with them."""
        return self._inputs.names

    @property
    def pace(self) -> Pace | None:
        """How windows are simulated in haste; ``None`` where they take their time."""
        return self._inputs.pace

    @property
    def rules(self) -> Mapping[int, Rule]:
        """The rules by the number that signals carry."""
        return self._inputs.rules

    def why(self) -> list[Why]:
        """Return what was not signalled: refusals by rule and reason, with a sentence each."""
        return why(self._engine, self._inputs.rules)

    def latency(self) -> dict[str, Histogram]:
        """Return the engine's latency histograms by name, in nanoseconds."""
        return self._engine.latency()
