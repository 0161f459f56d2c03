"""``Feed``: live books and signals in a few lines, on the event loop you already have.

    async with Feed([market], rules=[Rule("spread", {"mode": "bps", "open": "20"})]) as feed:
        await feed.wait_live(timeout_s=10)
        async for update in feed.updates():
            print(update.symbol, update.bid, update.ask)

Three ways to listen, fastest first: ``on_batch`` gets every drained batch as numpy arrays;
``on_update`` and ``on_signal`` get typed records; ``updates()`` and ``signals()`` are async
iterators with bounded queues (``dispatch.py`` says what happens to a slow reader). And at any
moment, without waiting, ``feed.book(...)`` is the book itself. A book may be believed only while
its ``state`` is ``live``.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Final, Self, TypeVar

from bookfeed._bookfeed import BookView, Engine, Histogram
from bookfeed.clock import AnchoredClock, Clock
from bookfeed.dispatch import (
    QUEUE_MAX,
    Dispatcher,
    OnBatch,
    OnSignal,
    OnUpdate,
    Stream,
)
from bookfeed.errors import SessionError
from bookfeed.live.http import available as rest_available
from bookfeed.live.http import required_rest_url
from bookfeed.live.pulse import Pulse
from bookfeed.live.supervisor import SessionOptions, Supervisor
from bookfeed.loops import Spinner
from bookfeed.market import Market
from bookfeed.names import Names
from bookfeed.recordings.inputs import EngineInput, Recorder
from bookfeed.records import Signal, Update
from bookfeed.rules.pairs import basis_line
from bookfeed.rules.rule import Rule
from bookfeed.rules.why import PolarityAlarm, Why, why
from bookfeed.venues import VENUES, Endpoint

__all__ = ["Endpoint", "Feed", "Rule", "SessionOptions", "Stream"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

# How long closing a feed may wait for the recorder's disk.
RECORDER_TIMEOUT_S: Final = 1.0
# How often refusals are looked at for what deserves a warning.
ALARM_EVERY_S: Final = 1.0


class Feed:
    """A live session: connections, the engine, and everybody who listens.

    ``markets`` may be of several venues. ``url`` and ``rest_url`` replace the addresses of the
    one venue in use (a simulator, a proxy); with several venues give ``endpoints`` by venue
    name. Without ``url``, whole books are also fetched from the venue's own REST address if
    aiohttp is installed; with ``url``, only from ``rest_url``.

    ``recorder`` gets every input as a journal record and is closed with the feed. ``busy_poll``
    keeps the running event loop from sleeping for as long as the feed is open; it takes a core.
    ``engine`` replaces the engine made by default, for other than its default options.
    ``seed`` makes the jitter of reconnects repeatable.

    Raises ``ValueError`` for markets that contradict each other or addresses that fit no venue,
    and ``ConfigError``, which is one, where a venue needs a key and there is none.
    """

    def __init__(
        self,
        markets: Iterable[Market],
        *,
        url: str | None = None,
        rest_url: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        endpoints: Mapping[str, Endpoint] | None = None,
        rules: Iterable[Rule] = (),
        on_batch: OnBatch | None = None,
        on_update: OnUpdate | None = None,
        on_signal: OnSignal | None = None,
        recorder: Recorder | None = None,
        busy_poll: bool = False,
        engine: Engine | None = None,
        options: SessionOptions | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        self._markets: Final = list(markets)
        _check_markets(self._markets)
        self._rules: Final = tuple(rules)
        self._endpoints: Final = _endpoints(self._markets, url, rest_url, ssl_context, endpoints)
        self._engine: Final = Engine() if engine is None else engine
        self._clock: Final[Clock] = AnchoredClock() if clock is None else clock
        self._rng: Final = random.Random(seed)  # noqa: S311 - jitter, not secrets
        self._recorder: Final = recorder
        self._inputs: Final = EngineInput(self._engine, recorder)
        self._options: Final = options or SessionOptions()
        self._busy_poll: Final = busy_poll
        self._not_live: Final[set[int]] = set()
        self._news: asyncio.Event | None = None
        self._supervisors: Final[list[Supervisor]] = []
        self._supervisor_of: Final[dict[int, Supervisor]] = {}
        self._pulse: Final = Pulse(
            self._inputs, self._clock, self._options.advance_s, beat=self._beat, fail=self._fail
        )
        self._spinner: Spinner | None = None
        self._alarm: Final = PolarityAlarm()
        self._alarm_timer: asyncio.TimerHandle | None = None
        self._opened = False
        self._closed = False
        self._dispatcher: Final = Dispatcher(
            names=self._inputs.names,
            on_batch=on_batch,
            on_update=on_update,
            on_signal=on_signal,
            on_state=self._on_state,
        )

    async def __aenter__(self) -> Self:
        """Subscribe and begin connecting; does not wait for books.

        Raises ``SessionError`` if the feed was open before, ``EngineError`` or ``ValueError``
        if a rule or a market is refused.
        """
        if self._opened:
            raise SessionError("a feed can be opened once; make another one")
        self._opened = True
        self._news = asyncio.Event()
        try:
            self._subscribe()
        except BaseException:
            await self.close()
            raise
        if self._busy_poll:
            self._spinner = Spinner()
            self._spinner.__enter__()
        for supervisor in self._supervisors:
            supervisor.start()
        self._pulse.start()
        if any(rule.kind == "box" for rule in self._rules):
            self._look()
        return self

    def _look(self) -> None:
        self._alarm.look(self._engine, self._inputs.rules)
        self._alarm_timer = asyncio.get_running_loop().call_later(ALARM_EVERY_S, self._look)

    def _beat(self, now_ns: int) -> None:
        for supervisor in self._supervisors:
            supervisor.beat(now_ns)

    def _fail(self, error: BaseException) -> None:
        """The engine is everybody's: whoever hears of its failure ends the feed."""
        for supervisor in self._supervisors[:1]:
            supervisor.fail(error)

    def _subscribe(self) -> None:
        now_ns = self._clock.now_ns()
        for rule in self._rules:
            self._inputs.add_rule(rule, now_ns)
            basis = basis_line(rule)
            if basis is not None:
                _log.warning("%s", basis)
        conns = count()
        for name, endpoint in self._endpoints.items():
            supervisor = Supervisor(
                endpoint,
                inputs=self._inputs,
                dispatcher=self._dispatcher,
                clock=self._clock,
                rng=self._rng,
                options=self._options,
                conns=conns,
            )
            self._supervisors.append(supervisor)
            markets = [m for m in self._markets if m.venue == name]
            self._added(supervisor, supervisor.subscribe(markets))

    def _added(self, supervisor: Supervisor, symbols: Mapping[int, str]) -> None:
        self._supervisor_of.update(dict.fromkeys(symbols, supervisor))
        self._not_live.update(i for i in symbols if not self._engine.book(i).live)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections and recorder and end every iterator, within two seconds.

        Safe to call again, and from a task that is being cancelled.
        """
        if self._closed:
            return
        self._closed = True
        self._pulse.stop()
        if self._alarm_timer is not None:
            self._alarm_timer.cancel()
            self._alarm.look(self._engine, self._inputs.rules)
        try:
            await asyncio.gather(*(supervisor.stop() for supervisor in self._supervisors))
        finally:
            for supervisor in self._supervisors:
                supervisor.abandon()
            if self._spinner is not None:
                self._spinner.__exit__()
            self._dispatcher.end()
            self._tell()
            if self._recorder is not None:
                self._recorder.close(RECORDER_TIMEOUT_S)

    # Markets that come and go.

    async def add_markets(self, markets: Iterable[Market]) -> dict[int, str]:
        """Follow more markets from now on; returns symbols by instrument number.

        Does not wait for their books. Raises ``SessionError`` if the feed is not open, has no
        market of that venue yet, or the venue's markets cannot be changed while it is open;
        ``ValueError`` for markets that contradict those that are followed.
        """
        added = list(markets)
        _check_markets([*self._markets, *added])
        symbols: dict[int, str] = {}
        for supervisor, group in self._by_supervisor(added):
            fresh = supervisor.add_markets(group)
            self._markets.extend(group)
            self._added(supervisor, fresh)
            supervisor.flush()
            symbols |= fresh
        return symbols

    async def remove_markets(self, markets: Iterable[Market]) -> None:
        """Follow these markets no more; those that are not followed are passed over.

        Raises ``SessionError`` as ``add_markets`` does.
        """
        for supervisor, group in self._by_supervisor(list(markets)):
            removed = supervisor.remove_markets(group)
            supervisor.flush()
            self._markets[:] = [m for m in self._markets if m not in group]
            for instrument in removed:
                self._supervisor_of.pop(instrument, None)
                self._not_live.discard(instrument)
        self._tell()

    def _by_supervisor(self, markets: Sequence[Market]) -> list[tuple[Supervisor, list[Market]]]:
        if not self._opened or self._closed:
            raise SessionError("the feed is not open")
        groups: dict[str, list[Market]] = {}
        for market in markets:
            groups.setdefault(market.venue, []).append(market)
        known = {supervisor.venue.name: supervisor for supervisor in self._supervisors}
        for name in groups:
            if name not in known:
                raise SessionError(f"the feed was opened without markets of {name}")
        return [(known[name], group) for name, group in groups.items()]

    # Listening.

    def updates(self, *, queue_max: int = QUEUE_MAX) -> Stream[Update]:
        """Return an async iterator over updates from now on; see ``dispatch.py`` for its policy."""
        return self._begin(self._dispatcher.updates(queue_max))

    def signals(self, *, queue_max: int = QUEUE_MAX) -> Stream[Signal]:
        """Return an async iterator over signals from now on."""
        return self._begin(self._dispatcher.signals(queue_max))

    def __aiter__(self) -> Stream[Update]:
        return self.updates()

    def _begin(self, stream: Stream[T]) -> Stream[T]:
        failure = self.failure
        if failure is not None or self._closed:
            stream.end(failure)
        return stream

    # Asking.

    @property
    def engine(self) -> Engine:
        """The engine, for reading; changing it behind the feed's back breaks recordings."""
        return self._engine

    @property
    def failure(self) -> BaseException | None:
        """What ended the feed, or ``None``; a lost connection does not end it."""
        return next((s.failure for s in self._supervisors if s.failure is not None), None)

    def book(self, key: int | str) -> BookView:
        """Return the live view of a book, by instrument number or symbol.

        Never waits. Raises ``KeyError`` if the feed has no such book.
        """
        if isinstance(key, str):
            found = (self._engine.instrument(name, key) for name in self._endpoints)
            instrument = next((i for i in found if i in self._supervisor_of), None)
        else:
            instrument = key if key in self._supervisor_of else None
        if instrument is None:
            raise KeyError(f"no book {key!r} in this feed")
        return self._engine.book(instrument)

    def books(self) -> Sequence[BookView]:
        """Return the views of all books, in the order of their instrument numbers."""
        return self._engine.books()

    async def wait_live(self, timeout_s: float | None = None) -> None:
        """Wait until every book is live at once.

        Raises ``TimeoutError`` naming the books that are not, or what made the feed fail.
        """
        if self._news is None:
            raise SessionError("the feed is not open")
        try:
            async with asyncio.timeout(timeout_s):
                while self._not_live:
                    if self.failure is not None:
                        raise self.failure
                    if self._closed:
                        raise SessionError("the feed was closed")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            views = [self._engine.book(i) for i in sorted(self._not_live)]
            shown = ", ".join(f"{v.symbol} ({v.state}: {v.cause})" for v in views[:5])
            raise TimeoutError(f"{len(views)} books are not live, first: {shown}") from None

    def counters(self) -> dict[str, int]:
        """Return everything that is counted: the engine's counters and the session's own.

        Names ending in ``_ns`` are nanoseconds.
        """
        counts = dict(self._engine.counters())
        for supervisor in self._supervisors:
            for name, value in supervisor.session_counts().items():
                counts[name] = counts.get(name, 0) + value
            for name in ("resyncs", "resync_failures", "reconnects"):
                counts[name] = counts.get(name, 0) + getattr(supervisor, name)
        counts["loop_stalls"] = self._pulse.stalls
        counts["loop_stall_ns_max"] = self._pulse.stall_ns_max
        counts["callback_errors"] = self._dispatcher.callback_errors
        counts["stream_dropped"] = self._dispatcher.dropped()
        counts["records_failed"] = self._inputs.records_failed
        if isinstance(self._clock, AnchoredClock):
            counts["wall_step_ns"] = self._clock.wall_step_ns()
        return counts

    @property
    def names(self) -> Names:
        """What books and rules are called, by the numbers that records carry; grows with them."""
        return self._inputs.names

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

    def _on_state(self, update: Update) -> None:
        if update.state == "live":
            self._not_live.discard(update.instrument)
        elif update.instrument in self._supervisor_of:
            self._not_live.add(update.instrument)
        supervisor = self._supervisor_of.get(update.instrument)
        if supervisor is not None:
            supervisor.on_state(update)
        self._tell()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()


def _check_markets(markets: Sequence[Market]) -> None:
    seen: set[tuple[str, str]] = set()
    for market in markets:
        if market.venue not in VENUES:
            known = ", ".join(VENUES)
            raise ValueError(
                f"market {market.market!r}: unknown venue {market.venue!r}, not one of: {known}"
            )
        for symbol in market.symbols:
            if (market.venue, symbol) in seen:
                raise ValueError(f"symbol {symbol!r} is in two markets")
            seen.add((market.venue, symbol))


def _endpoints(
    markets: Sequence[Market],
    url: str | None,
    rest_url: str | None,
    ssl_context: ssl.SSLContext | None,
    given: Mapping[str, Endpoint] | None,
) -> dict[str, Endpoint]:
    names = list(dict.fromkeys(market.venue for market in markets))
    chosen = dict(given or {})
    if url is not None or rest_url is not None:
        if len(names) != 1 or chosen:
            raise ValueError("url and rest_url are for one venue; use endpoints for several")
        there = _default(names[0])
        chosen[names[0]] = Endpoint(there.venue, url or there.url, rest_url, ssl_context)
    for name in names:
        if name not in chosen:
            there = _default(name)
            rest_url = there.rest_url if rest_available() else None
            chosen[name] = replace(there, rest_url=rest_url, ssl_context=ssl_context)
        endpoint = chosen[name]
        if endpoint.venue.check_url is not None:
            endpoint.venue.check_url(endpoint.url)
        if endpoint.venue.needs_rest:
            required_rest_url(endpoint)
    return {name: chosen[name] for name in names}


def _default(name: str) -> Endpoint:
    """A venue as it is without configuration, with the key that is in the environment."""
    return VENUES[name].section().endpoint("environment")
