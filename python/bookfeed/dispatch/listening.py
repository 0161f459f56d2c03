"""How to listen: the ``on_`` methods and the iterators of everything that hands records over."""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar, overload

from bookfeed._bookfeed import RULES
from bookfeed.dispatch.dispatcher import (
    Dispatcher,
    OnBatch,
    OnEvent,
    OnIndex,
    OnInstant,
    OnLevels,
    OnPrice,
    OnRaw,
    OnSignal,
    OnStatus,
    OnUpdate,
)
from bookfeed.dispatch.filters import Amount, Symbols
from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.streams import QUEUE_MAX, Stream
from bookfeed.records import Signal, Update
from bookfeed.records.indices import IndexTick
from bookfeed.records.points import PricePoint
from bookfeed.records.told import RelayEvent

T = TypeVar("T")


class Listening:
    """Where listeners and iterators are asked for; the base of whatever hands records over.

    Callbacks may be plain or ``async def``. Plain ones run at once and hold up what comes after
    them; ``async`` ones run as tasks, one call after another, and at most 1,024 calls of one
    listener wait (the oldest is dropped and counted). One that raises is counted in
    ``counters()["callback_errors"]`` and logged, and is called again with the next record. Any
    number of them may come and go at any time. Each method returns a ``Listener`` that has its own
    counts and ``close()``. Each is a decorator too, with or without options (``@feed.on_update``,
    ``@feed.on_update(symbols=["a"])``): it makes a ``Listener`` of the function, which can still
    be called.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher: Final = dispatcher

    @overload
    def on_batch(self, fn: OnBatch) -> Listener: ...

    @overload
    def on_batch(self) -> Callable[[OnBatch], Listener]: ...

    def on_batch(self, fn: Any = ...) -> Listener | Callable[[OnBatch], Listener]:
        """Call ``fn(batch)`` with every ``Batch`` of records, as arrays or bytes: the fastest way.

        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_batch(fn)
        return self._dispatcher.on_batch(fn)

    @overload
    def on_update(
        self,
        fn: OnUpdate,
        *,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
    ) -> Listener: ...

    @overload
    def on_update(
        self,
        *,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
    ) -> Callable[[OnUpdate], Listener]: ...

    def on_update(
        self,
        fn: Any = ...,
        *,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
    ) -> Listener | Callable[[OnUpdate], Listener]:
        """Call ``fn(update)`` with every ``Update``, or with those that are wanted.

        ``symbols``: only these books, by symbol or instrument number. ``min_change``: only once bid
        or ask has moved so far, in price units, since the last update of that book that was handed
        over. ``max_rate``: at most so many book updates a second for each book; the newest of those
        that came too early is handed over when its time has come. Only symbols hold back states,
        trades, tick sizes and resolutions.
        Raises ``ValueError`` for a number that is not above zero, ``TypeError`` if ``fn`` cannot be
        called.
        """
        if fn is ...:
            return lambda fn: self.on_update(
                fn, symbols=symbols, min_change=min_change, max_rate=max_rate
            )
        return self._dispatcher.on_update(
            fn, symbols=symbols, min_change=min_change, max_rate=max_rate
        )

    @overload
    def on_signal(
        self, fn: OnSignal, *, rule: str | int | None = None, min_edge: Amount | None = None
    ) -> Listener: ...

    @overload
    def on_signal(
        self, *, rule: str | int | None = None, min_edge: Amount | None = None
    ) -> Callable[[OnSignal], Listener]: ...

    def on_signal(
        self, fn: Any = ..., *, rule: str | int | None = None, min_edge: Amount | None = None
    ) -> Listener | Callable[[OnSignal], Listener]:
        """Call ``fn(signal)`` with every ``Signal``, or with those that are wanted.

        ``rule``: only those of a rule, by its name, kind or number. ``min_edge``: only from a net
        edge of so many USD a share on. An opportunity is handed over to its end once a signal of it
        was, so the first one of it may be an ``update`` and the last one may have less edge.
        Raises ``ValueError`` for a rule that there is not or an edge that is not above zero,
        ``TypeError`` if ``fn`` cannot be called.
        """
        self._check_rule(rule)
        if fn is ...:
            return lambda fn: self.on_signal(fn, rule=rule, min_edge=min_edge)
        return self._dispatcher.on_signal(fn, rule=rule, min_edge=min_edge)

    @overload
    def on_status(self, fn: OnStatus) -> Listener: ...

    @overload
    def on_status(self) -> Callable[[OnStatus], Listener]: ...

    def on_status(self, fn: Any = ...) -> Listener | Callable[[OnStatus], Listener]:
        """Call ``fn(status)`` with a ``ConnectionStatus`` whenever a connection's changes.

        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_status(fn)
        return self._dispatcher.on_status(fn)

    @overload
    def on_raw(self, fn: OnRaw, *, venue: str | None = None) -> Listener: ...

    @overload
    def on_raw(self, *, venue: str | None = None) -> Callable[[OnRaw], Listener]: ...

    def on_raw(
        self, fn: Any = ..., *, venue: str | None = None
    ) -> Listener | Callable[[OnRaw], Listener]:
        """Call ``fn(conn, payload, ts_recv)`` with every text frame, or with those of one venue.

        ``conn`` is the number of the connection, ``payload`` the venue's bytes, ``ts_recv`` when
        they were received, in Unix nanoseconds. It is called before the frame goes into the engine,
        so before any record of it. What comes by REST is no frame.
        Raises ``ValueError`` for a venue that there is not, ``TypeError`` if ``fn`` cannot be
        called.
        """
        if fn is ...:
            return lambda fn: self.on_raw(fn, venue=venue)
        return self._dispatcher.on_raw(fn, venue=venue)

    @overload
    def on_levels(self, fn: OnLevels, *, symbols: Symbols | None = None) -> Listener: ...

    @overload
    def on_levels(self, *, symbols: Symbols | None = None) -> Callable[[OnLevels], Listener]: ...

    def on_levels(
        self, fn: Any = ..., *, symbols: Symbols | None = None
    ) -> Listener | Callable[[OnLevels], Listener]:
        """Call ``fn(changes)`` with ``LevelChanges``: what one message did to one book's levels.

        A copy that sets each level to its new size, or removes it where that is zero, always is
        the book. The books as they are come first, as changes of an empty one, before this returns.
        ``symbols``: only these books, by symbol or instrument number. An ``async`` listener that
        has ``dropped`` changes has lost its copies: close it and listen anew. The engine writes
        these records only while somebody listens; they cost it a look at each level.
        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_levels(fn, symbols=symbols)
        return self._dispatcher.on_levels(fn, symbols=symbols)

    @overload
    def on_price(
        self, fn: OnPrice, *, topic: str | None = None, symbol: str | None = None
    ) -> Listener: ...

    @overload
    def on_price(
        self, *, topic: str | None = None, symbol: str | None = None
    ) -> Callable[[OnPrice], Listener]: ...

    def on_price(
        self, fn: Any = ..., *, topic: str | None = None, symbol: str | None = None
    ) -> Listener | Callable[[OnPrice], Listener]:
        """Call ``fn(point)`` with every ``PricePoint`` that relays tell, each once.

        ``topic``, ``symbol``: only those of this topic, or symbol. What came with a subscription of
        the past says so (``backfill``).
        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_price(fn, topic=topic, symbol=symbol)
        return self._dispatcher.on_price(fn, topic=topic, symbol=symbol)

    @overload
    def on_event(self, fn: OnEvent, *, kind: str | None = None) -> Listener: ...

    @overload
    def on_event(self, *, kind: str | None = None) -> Callable[[OnEvent], Listener]: ...

    def on_event(
        self, fn: Any = ..., *, kind: str | None = None
    ) -> Listener | Callable[[OnEvent], Listener]:
        """Call ``fn(event)`` with every ``RelayEvent``: trades, comments, quotes, losses.

        ``kind``: only those of this kind, such as ``"trade"``.
        Raises ``ValueError`` for a kind that there is not, ``TypeError`` if ``fn`` is no function.
        """
        if fn is ...:
            return lambda fn: self.on_event(fn, kind=kind)
        return self._dispatcher.on_event(fn, kind=kind)

    def prices(
        self,
        *,
        queue_max: int = QUEUE_MAX,
        topic: str | None = None,
        symbol: str | None = None,
    ) -> Stream[PricePoint]:
        """Return an async iterator over ``PricePoint``s from now on; filters as in ``on_price``.

        At most ``queue_max`` wait; then the oldest are dropped and the reader gets ``Lagged`` once.
        Raises ``ValueError`` for a ``queue_max`` that is not above zero.
        """
        return self._begin(self._dispatcher.prices(queue_max, topic=topic, symbol=symbol))

    def events(self, *, queue_max: int = QUEUE_MAX, kind: str | None = None) -> Stream[RelayEvent]:
        """Return an async iterator over ``RelayEvent``s from now on; bounded as ``prices`` is.

        Raises ``ValueError`` for a kind that there is not, or a ``queue_max`` not above zero.
        """
        return self._begin(self._dispatcher.events(queue_max, kind=kind))

    @overload
    def every(self, seconds: float, fn: OnInstant) -> Listener: ...

    @overload
    def every(self, seconds: float) -> Callable[[OnInstant], Listener]: ...

    def every(self, seconds: float, fn: Any = ...) -> Listener | Callable[[OnInstant], Listener]:
        """Call ``fn(ts_ns)`` at each whole multiple of ``seconds`` of feed time, Unix nanoseconds.

        So ``every(60, fn)`` is called at full minutes. Feed time is the time of the inputs: a
        replay of the feed's recording calls at the same instants, with the same books. ``fn`` is
        called after the records of its time were handed over, live a moment after the instant. Of
        instants that went by together, because the loop stood still, only the newest is called.
        What is asked for while a feed is open begins with the next instant; in a replay of its
        recording it begins with the recording.
        Raises ``ValueError`` for less than a millisecond or more than 1e9 seconds, ``TypeError`` if
        ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.every(seconds, fn)
        listener = self._dispatcher.every(seconds, fn, self._time_ns())
        self._rescheduled()
        return listener

    @overload
    def on_index(self, fn: OnIndex, *, name: str | None = None) -> Listener: ...

    @overload
    def on_index(self, *, name: str | None = None) -> Callable[[OnIndex], Listener]: ...

    def on_index(
        self, fn: Any = ..., *, name: str | None = None
    ) -> Listener | Callable[[OnIndex], Listener]:
        """Call ``fn(tick)`` with each ``IndexTick`` of the indices that are estimated, or of one.

        Raises ``TypeError`` if ``fn`` cannot be called.
        """
        if fn is ...:
            return lambda fn: self.on_index(fn, name=name)
        return self._dispatcher.on_index(fn, name=name)

    def index(self, name: str) -> IndexTick | None:
        """The newest value of the estimated index called ``name``; ``None`` before the first."""
        return self._dispatcher.index_ticks.get(name)

    def updates(
        self,
        *,
        queue_max: int = QUEUE_MAX,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
    ) -> Stream[Update]:
        """Return an async iterator over updates from now on; filters as in ``on_update``.

        A reader who is slow gets the newest of each book. Of all other updates at most
        ``queue_max`` wait; then the oldest are dropped and the reader gets ``Lagged`` once.
        Raises ``ValueError`` for numbers that are not above zero.
        """
        return self._begin(
            self._dispatcher.updates(
                queue_max, symbols=symbols, min_change=min_change, max_rate=max_rate
            )
        )

    def signals(
        self,
        *,
        queue_max: int = QUEUE_MAX,
        rule: str | int | None = None,
        min_edge: Amount | None = None,
    ) -> Stream[Signal]:
        """Return an async iterator over signals from now on; filters as in ``on_signal``.

        At most ``queue_max`` wait; then the oldest are dropped and the reader gets ``Lagged`` once.
        Raises ``ValueError`` as ``on_signal`` does.
        """
        self._check_rule(rule)
        return self._begin(self._dispatcher.signals(queue_max, rule=rule, min_edge=min_edge))

    def __aiter__(self) -> Stream[Update]:
        """Return ``updates()``: so ``async for update in feed``."""
        return self.updates()

    def _listen(
        self,
        on_batch: OnBatch | None,
        on_update: OnUpdate | None,
        on_signal: OnSignal | None,
        on_status: OnStatus | None,
        on_raw: OnRaw | None,
        on_levels: OnLevels | None,
    ) -> None:
        """Register what was given as arguments; they are listeners like all others."""
        if on_batch is not None:
            self.on_batch(on_batch)
        if on_update is not None:
            self.on_update(on_update)
        if on_signal is not None:
            self.on_signal(on_signal)
        if on_status is not None:
            self.on_status(on_status)
        if on_raw is not None:
            self.on_raw(on_raw)
        if on_levels is not None:
            self.on_levels(on_levels)

    def _time_ns(self) -> int | None:
        """What time it is; ``None`` before time has begun to pass."""
        return None

    def _rescheduled(self) -> None:
        """Something is to be called at other instants than before."""

    def _begin(self, stream: Stream[T]) -> Stream[T]:
        """A new stream, ended if nothing will come any more."""
        return stream

    def _rule_names(self) -> Collection[str] | None:
        """The names that signals may carry; ``None`` while they are not all known."""
        return None

    def _check_rule(self, rule: str | int | None) -> None:
        names = self._rule_names()
        if names is None or not isinstance(rule, str) or rule in RULES or rule in names:
            return
        known = ", ".join([*RULES, *sorted(filter(None, names))])
        raise ValueError(f"no rule {rule!r}: it is neither a kind nor a name of: {known}")
