"""``bookfeed.sync.Feed``: everything that ``bookfeed.Feed`` can do, for programs without ``async``.

The feed runs on a thread of its own, with an event loop of its own. Every method may be called from
any thread, callbacks included; those that wait are the ones that are ``await``ed there. Methods and
arguments are the same, but for three things: ``book`` and ``books`` are frozen copies, because a
live view would change between two reads; streams are iterators (``Stream``); and callbacks run in
the feed's thread, where they must not wait for it.
"""

import asyncio
import atexit
import functools
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from bookfeed._bookfeed import BookView
from bookfeed.catalogue.catalogue import Catalogue
from bookfeed.catalogue.named import WAIT_S
from bookfeed.config import Config
from bookfeed.dispatch import listeners, streams
from bookfeed.errors import CatalogueError, SessionError
from bookfeed.feed import feed as on_loop
from bookfeed.market import Market
from bookfeed.names import Names
from bookfeed.records import Update
from bookfeed.rules.rule import Rule
from bookfeed.sync.listener import Listener
from bookfeed.sync.stream import Stream
from bookfeed.sync.thread import LoopThread

P = ParamSpec("P")
T = TypeVar("T")

_Asks = Callable[Concatenate[on_loop.Feed, P], T]
_Method = Callable[Concatenate["Feed", P], T]


def _asked(method: _Asks[P, T]) -> _Method[P, T]:
    """The twin of a method that does not wait: it is called in the feed's thread."""

    @functools.wraps(method)
    def twin(feed: "Feed", /, *arguments: P.args, **named: P.kwargs) -> T:
        return feed.call(lambda inner: method(inner, *arguments, **named))

    return twin


def _awaited(method: _Asks[P, Coroutine[Any, Any, T]]) -> _Method[P, T]:
    """The twin of a coroutine: it is awaited in the feed's thread, and waited for here."""

    @functools.wraps(method)
    def twin(feed: "Feed", /, *arguments: P.args, **named: P.kwargs) -> T:
        return feed.run(lambda inner: method(inner, *arguments, **named))

    return twin


def _heard(method: _Asks[P, listeners.Listener]) -> _Method[P, Listener]:
    """The twin of a method that takes a callback; without one it is a decorator there, and here."""

    @functools.wraps(method)
    def twin(feed: "Feed", /, *arguments: P.args, **named: P.kwargs) -> Any:
        made: Any = feed.call(lambda inner: method(inner, *arguments, **named))
        if isinstance(made, listeners.Listener):
            return feed.listener(made)
        return lambda fn: feed.listener(feed.call(lambda _inner: made(fn)))

    return twin


def _streamed(method: _Asks[P, streams.Stream[T]]) -> _Method[P, Stream[T]]:
    """The twin of a method that returns an async iterator: its stream is an iterator."""

    @functools.wraps(method)
    def twin(feed: "Feed", /, *arguments: P.args, **named: P.kwargs) -> Stream[T]:
        return feed.stream(feed.call(lambda inner: method(inner, *arguments, **named)))

    return twin


class Feed:
    """A live feed on a thread of its own; the arguments are those of ``bookfeed.Feed``.

    ``with Feed([market]) as feed:`` opens and closes it, ``for update in feed`` waits for updates.
    A feed that is never closed is closed when the program ends. Raises as ``bookfeed.Feed`` does.
    """

    _feed: on_loop.Feed
    _thread: LoopThread

    def __init__(self, markets: Sequence[Market] = (), **arguments: Any) -> None:
        self._begin(on_loop.Feed(markets, **arguments))

    @classmethod
    def from_config(cls, config: str | Path | Config, **arguments: Any) -> Self:
        """Return the feed that ``bookfeed run`` would make of a configuration, not yet open.

        Arguments and errors are those of ``bookfeed.Feed.from_config``.
        """
        made = cls.__new__(cls)
        made._begin(on_loop.Feed.from_config(config, **arguments))  # noqa: SLF001 - its own
        return made

    def _begin(self, feed: on_loop.Feed) -> None:
        self._feed = feed
        self._thread = LoopThread("bookfeed-feed")
        self._opened = False

    # Its life.

    def open(self) -> Self:
        """Start the thread, subscribe and begin connecting; returns this feed.

        Does not wait for books. Raises as ``bookfeed.Feed.open`` does, and ``OSError`` if the
        system gives no thread; it is closed then.
        """
        if self._opened:
            raise SessionError("a feed can be opened once; make another one")
        self._opened = True
        self._thread.start()
        atexit.register(self.close)
        try:
            self.run(lambda feed: feed.open())
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close connections, recorder and sinks, end every iterator, and the thread.

        Takes as long as ``bookfeed.Feed.close``. Safe to call again, and from a callback, which it
        does not wait for.
        """
        atexit.unregister(self.close)
        self._opened = True
        if self._thread.here:
            self._thread.begin(self._end())
            return
        if self._thread.running:
            self.run(lambda feed: feed.close())
        self._thread.stop()

    async def _end(self) -> None:
        await self._feed.close()
        asyncio.get_running_loop().call_soon(self._thread.stop)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The two doors, through which everything else goes.

    def call(self, ask: Callable[[on_loop.Feed], T]) -> T:
        """Have ``ask(feed)`` called in the feed's thread, with its ``bookfeed.Feed``.

        Returns and raises what it does. It must not wait for anything.
        """
        return self._thread.call(lambda: ask(self._feed))

    def run(self, ask: Callable[[on_loop.Feed], Coroutine[Any, Any, T]]) -> T:
        """Have the coroutine ``ask(feed)`` run on the feed's loop, and wait for what it returns.

        Raises what it raises, and ``SessionError`` in a callback, which would wait for itself, and
        while the feed is not open.
        """
        return self._thread.run(ask(self._feed))

    def listener(self, made: listeners.Listener) -> Listener:
        """A listener of the feed, to be closed from any thread."""
        return Listener(self._thread, made)

    def stream(self, made: streams.Stream[T]) -> Stream[T]:
        """A stream of the feed, to be read from any thread."""
        return Stream(self._thread, made)

    # Books.

    def book(self, key: int | str) -> BookView:
        """Return a frozen copy of a book as it is now, by instrument number or symbol.

        Never waits. Ask again for the next moment. Raises ``KeyError`` if there is no such book.
        """
        return self._feed.book(key).freeze()

    def books(self) -> Sequence[BookView]:
        """Return frozen copies of all books of one moment, by their instrument numbers."""
        return self.call(lambda feed: [book.freeze() for book in feed.books()])

    def __iter__(self) -> Stream[Update]:
        """Return ``updates()``: so ``for update in feed``."""
        return self.updates()

    wait_live = _awaited(on_loop.Feed.wait_live)
    status = _asked(on_loop.Feed.status)
    conn_of = _asked(on_loop.Feed.conn_of)
    stop_reading = _asked(on_loop.Feed.stop_reading)
    resync = _asked(on_loop.Feed.resync)
    conn_of = _asked(on_loop.Feed.conn_of)
    stop_reading = _asked(on_loop.Feed.stop_reading)
    witnesses = _asked(on_loop.Feed.witnesses)
    unreached = _asked(on_loop.Feed.unreached)
    push_quote = _asked(on_loop.Feed.push_quote)

    # Who listens.

    updates = _streamed(on_loop.Feed.updates)
    signals = _streamed(on_loop.Feed.signals)
    prices = _streamed(on_loop.Feed.prices)
    events = _streamed(on_loop.Feed.events)
    own = _streamed(on_loop.Feed.own)

    on_batch = _heard(on_loop.Feed.on_batch)
    on_update = _heard(on_loop.Feed.on_update)
    on_signal = _heard(on_loop.Feed.on_signal)
    on_status = _heard(on_loop.Feed.on_status)
    on_raw = _heard(on_loop.Feed.on_raw)
    on_levels = _heard(on_loop.Feed.on_levels)
    on_index = _heard(on_loop.Feed.on_index)
    on_market = _heard(on_loop.Feed.on_market)
    on_price = _heard(on_loop.Feed.on_price)
    on_event = _heard(on_loop.Feed.on_event)
    on_own = _heard(on_loop.Feed.on_own)
    on_alert = _heard(on_loop.Feed.on_alert)
    every = _heard(on_loop.Feed.every)

    # What comes and goes.

    add_markets = _awaited(on_loop.Feed.add_markets)
    remove_markets = _awaited(on_loop.Feed.remove_markets)
    add_rule = _awaited(on_loop.Feed.add_rule)
    add_pair = _awaited(on_loop.Feed.add_pair)
    describe_rule = _awaited(on_loop.Feed.describe_rule)
    remove_rule = _awaited(on_loop.Feed.remove_rule)
    add_topics = _awaited(on_loop.Feed.add_topics)
    remove_topics = _awaited(on_loop.Feed.remove_topics)
    add_index = _awaited(on_loop.Feed.add_index)

    # What contracts are worth, and what markets are.

    add_terms = _asked(on_loop.Feed.add_terms)
    tell_strike = _asked(on_loop.Feed.tell_strike)
    tell_reference = _asked(on_loop.Feed.tell_reference)
    fair_value = _asked(on_loop.Feed.fair_value)
    answers = _asked(on_loop.Feed.answers)
    window = _asked(on_loop.Feed.window)
    index = _asked(on_loop.Feed.index)
    listing = _asked(on_loop.Feed.listing)
    known = _asked(on_loop.Feed.known)
    know = _asked(on_loop.Feed.know)
    tell = _asked(on_loop.Feed.tell)
    keep_pace = _asked(on_loop.Feed.keep_pace)

    # The user's own orders and positions.

    account = _asked(on_loop.Feed.account)
    accounts = _asked(on_loop.Feed.accounts)
    own_resting = _asked(on_loop.Feed.own_resting)
    levels_net = _asked(on_loop.Feed.levels_net)
    takes_own = _asked(on_loop.Feed.takes_own)

    # What alerts told.

    alerts = _asked(on_loop.Feed.alerts)
    tell_alert = _asked(on_loop.Feed.tell_alert)

    # What is counted.

    counters = _asked(on_loop.Feed.counters)
    senses = _asked(on_loop.Feed.senses)
    sink_status = _asked(on_loop.Feed.sink_status)
    why = _asked(on_loop.Feed.why)
    latency = _asked(on_loop.Feed.latency)
    topics = _asked(on_loop.Feed.topics)
    touches = _asked(on_loop.Feed.touches)

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed, or ``None``; a lost connection does not end it."""
        return self.call(lambda feed: feed.failure)

    @property
    def markets(self) -> tuple[Market, ...]:
        """The markets that are followed, the user's own included."""
        return self.call(lambda feed: feed.markets)

    @property
    def names(self) -> Names:
        """What books and rules are called, by the numbers that records carry; grows with them."""
        return self._feed.names

    @property
    def rules(self) -> dict[int, Rule]:
        """The rules by the number that signals carry, as they are now."""
        return self.call(lambda feed: dict(feed.rules))


def market(target: str, *, catalogue: Catalogue | None = None, wait_s: float = WAIT_S) -> Market:
    """Return the one market that an address, a slug or a ticker stands for, as its venue lists it.

    It is asked by REST and waited for: at most ``wait_s`` seconds for the books of a new market.
    A ``catalogue`` is one that is used nowhere else. Raises ``CatalogueError`` for what is not
    listed and, naming them, where there are several markets.
    """

    async def found() -> Market:
        async with catalogue or Catalogue() as asked:
            if asked.venue_of(target) is None:
                raise CatalogueError(f"{target!r} is no address, slug or ticker of a market")
            listing = await asked.market(target)
            return (await asked.ready(listing, timeout_s=wait_s)).to_market()

    thread = LoopThread("bookfeed-market")
    thread.start()
    try:
        return thread.run(found())
    finally:
        thread.stop()
