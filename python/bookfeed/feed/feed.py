"""``Feed``: live books and signals in a few lines, on the event loop you already have.

    async with Feed([market], rules=[Rule("spread", {"mode": "bps", "open": "20"})]) as feed:
        await feed.wait_live(timeout_s=10)
        async for update in feed.updates():
            print(update.symbol, update.bid, update.ask)

Three ways to listen, fastest first: ``on_batch`` gets every drained batch as numpy arrays;
``on_update`` and ``on_signal`` get typed records; ``updates()`` and ``signals()`` are async
iterators with bounded queues (``streams.py`` says what happens to a slow reader). Any number of
each may come and go (``listening.py``). And at any moment, without waiting, ``feed.book(...)`` is
the book itself. A book may be believed only while its ``state`` is ``live``.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from bookfeed._bookfeed import Engine
from bookfeed.clock import AnchoredClock, Clock
from bookfeed.config import Config, load
from bookfeed.dispatch.dispatcher import (
    Dispatcher,
    OnBatch,
    OnLevels,
    OnRaw,
    OnSignal,
    OnStatus,
    OnUpdate,
)
from bookfeed.dispatch.streams import Stream
from bookfeed.errors import ConfigError, EngineError, SessionError
from bookfeed.feed import settings
from bookfeed.feed.alerted import AlertFace, AlertsTold
from bookfeed.feed.outside import Outside
from bookfeed.feed.own import OwnChannels, OwnFace
from bookfeed.feed.relays import RelayFace, RelayFeed, topic_of
from bookfeed.feed.resting import RestingTold
from bookfeed.feed.worth import WorthFace
from bookfeed.live.endpoints import check_markets, endpoints_of
from bookfeed.live.host import SessionCounters
from bookfeed.live.options import SessionOptions
from bookfeed.live.pulse import Pulse
from bookfeed.live.supervisor import Outlet, Supervisor
from bookfeed.loops import Spinner
from bookfeed.market import Market
from bookfeed.own.endpoint import OwnEndpoint
from bookfeed.recordings.inputs import EngineInput, Flushing, Recorder
from bookfeed.recordings.pace import Pace
from bookfeed.rules.estimate import IndexEstimate
from bookfeed.rules.pairs import Pair, basis_line
from bookfeed.rules.rule import Rule
from bookfeed.rules.why import PAIRS, PolarityAlarm
from bookfeed.sinks import Sink, SinkOptions, SinkSet
from bookfeed.venues import VENUES, Endpoint, user_quote
from bookfeed.venues.relay import TOUCHES, Topic

__all__ = ["Endpoint", "Feed", "Rule", "SessionOptions", "Stream"]

_log = logging.getLogger("bookfeed.feed")

T = TypeVar("T")

# How long closing a feed may wait for the recorder's disk.
RECORDER_TIMEOUT_S: Final = 1.0
# How long closing a feed may wait for the calls of async listeners.
LISTENERS_TIMEOUT_S: Final = 0.5
# How often refusals are looked at for what deserves a warning.
ALARM_EVERY_S: Final = 1.0

_OF_CONNECTIONS: Final = (
    *(field.name for field in fields(SessionCounters)),
    "resyncs",
    "resync_failures",
    "polls",
    "poll_failures",
)


class Feed(AlertFace, RelayFace, WorthFace, OwnFace):
    """A live session: connections, the engine, and everybody who listens.

    ``markets`` may be of several venues. ``url`` and ``rest_url`` replace the addresses of the
    one venue in use (a simulator, a proxy); with several venues give ``endpoints`` by venue
    name. Without ``url``, whole books are also fetched from the venue's own REST address if
    aiohttp is installed; with ``url``, only from ``rest_url``.

    ``indices`` are estimated from the books of these markets (``IndexEstimate``) and handed to
    ``on_index``. ``terms`` are the parameters of the terms that contracts have by themselves, as
    their listings have them (``know``); with ``None`` only ``add_terms`` states any.

    ``sinks`` get every record of books and signals, each in its own time (``Sink``,
    ``SinkOptions``); they are opened and closed with the feed. ``recorder`` gets every input as a
    journal record and is closed with the feed. ``own`` are private channels to follow besides
    (``own_endpoint``): the user's orders and positions, which are not handed to sinks. With
    ``net_own`` rules take none of what rests of them in books; recordings have those sizes, and
    nothing else of them. ``topics`` are what to ask relays for (``on_price``, ``on_event``), as
    ``Topic`` or its text; ``relay_urls`` and ``relay_credentials`` are by relay. ``touches`` says
    of how many books, the busiest first, a relay is asked for the touch as a witness of them
    (``touches()``). ``busy_poll`` keeps the running event loop from sleeping for as long as
    the feed is open; it takes a core.
    ``engine`` replaces the engine made by default, for other than its default options.
    ``seed`` makes the jitter of reconnects repeatable.

    Raises ``ValueError`` for markets that contradict each other or addresses that fit no venue,
    and ``ConfigError``, which is one, where a venue needs a key and there is none.
    """

    def __init__(
        self,
        markets: Iterable[Market] = (),
        *,
        url: str | None = None,
        rest_url: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        endpoints: Mapping[str, Endpoint] | None = None,
        rules: Iterable[Rule] = (),
        indices: Iterable[IndexEstimate] = (),
        terms: Mapping[str, object] | None = MappingProxyType({}),
        sinks: Iterable[Sink | tuple[Sink, SinkOptions]] = (),
        on_batch: OnBatch | None = None,
        on_update: OnUpdate | None = None,
        on_signal: OnSignal | None = None,
        on_status: OnStatus | None = None,
        on_raw: OnRaw | None = None,
        on_levels: OnLevels | None = None,
        own: Iterable[OwnEndpoint] = (),
        net_own: bool = True,
        topics: Iterable[Topic | str] = (),
        relay_urls: Mapping[str, str] | None = None,
        relay_credentials: Mapping[str, Any] | None = None,
        touches: int = TOUCHES,
        recorder: Recorder | None = None,
        busy_poll: bool = False,
        engine: Engine | None = None,
        options: SessionOptions | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        self._markets = list(markets)
        check_markets(self._markets)
        self._rules: Final = tuple(rules)
        self._indices: Final = tuple(indices)
        self._endpoints: Final = endpoints_of(self._markets, url, rest_url, ssl_context, endpoints)
        # For venues that come later.
        self._given: Final = dict(endpoints or {})
        self._ssl_context: Final = ssl_context
        self._rng: Final = random.Random(seed)  # noqa: S311 - jitter, not secrets
        self._recorder: Final = recorder
        inputs = EngineInput(Engine() if engine is None else engine, recorder)
        super().__init__(
            inputs,
            Dispatcher(inputs, on_state=self._on_state),
            SinkSet(sinks, inputs.names, inputs.engine),
            AnchoredClock() if clock is None else clock,
        )
        self._channels: Final = OwnChannels(own)
        self._alerted = AlertsTold(self._clock)
        self._resting: Final = RestingTold(inputs) if net_own else None
        self._relay_feed = RelayFeed(map(topic_of, topics), relay_urls, relay_credentials, touches)
        self._listen(on_batch, on_update, on_signal, on_status, on_raw, on_levels)
        self._options: Final = options or SessionOptions()
        self._busy_poll: Final = busy_poll
        self._outlet: Final = Outlet(self._deliver, self._failed, self._status_changed)
        self._pulse: Final = Pulse(
            self._inputs,
            self._clock,
            self._options.advance_s,
            passed=self._passed,
            beat=self._beat,
            fail=self._fail,
        )
        self._spinner: Spinner | None = None
        self._alarm: Final = PolarityAlarm()
        self._alarm_timer: asyncio.TimerHandle | None = None
        if terms is not None:
            self._settle(terms)
        self._flush_timer: asyncio.TimerHandle | None = None

    @classmethod
    def from_config(
        cls,
        config: str | Path | Config,
        *,
        source: str | None = None,
        keys: Mapping[str, Any] | None = None,
        record: bool = False,
        **overrides: Any,
    ) -> Self:
        """Return the feed that ``bookfeed run`` would make of a configuration, not yet open.

        ``config`` is a TOML file, which ``BOOKFEED_*`` variables override, or a ``Config`` as it
        is. ``source`` is what errors call it, by default the file's name. ``keys`` (by venue)
        replace the keys that are configured or in the environment. With ``record`` a journal is
        written as ``[record]`` says. ``overrides`` are arguments of ``Feed`` and replace what the
        configuration says; of ``endpoints``, each venue's is replaced by itself.

        Raises ``ConfigError`` for a configuration that cannot be used, ``JournalError`` if the
        journal cannot be written.
        """
        if not isinstance(config, Config):
            source = str(config) if source is None else source
            config = load(config)
        source = "configuration" if source is None else source
        try:
            arguments = settings.arguments(config, source, keys or {}, overrides)
            if record and arguments.get("recorder") is None:
                arguments["recorder"] = settings.journal(config, source)
            return cls(**arguments)
        except ConfigError as error:
            raise settings.placed_error(error, source) from None

    async def open(self) -> Self:
        """Open the sinks, subscribe and begin connecting; returns this feed.

        Does not wait for books, and for sinks two seconds at most. ``async with feed`` opens and
        closes it. Raises ``SessionError`` if the feed was open before or is closed meanwhile, or
        if a sink cannot be opened; ``EngineError`` or ``ValueError`` if a rule or a market is
        refused. It is closed then.
        """
        if self._opened or self._closed:
            raise SessionError("a feed can be opened once; make another one")
        self._opened = True
        self._changed = asyncio.Event()
        try:
            self._subscribe()
            self._channels.make(
                self._clock, self._rng, self._options, self._conns, self._tell_resting
            )
            self._sinks.attach(Outside(self, self._clock))
            await self._sinks.open()
            self._check_open()  # it may have been closed meanwhile
        except BaseException:
            await self.close()
            raise
        if self._busy_poll:
            self._spinner = Spinner()
            self._spinner.__enter__()
        for supervisor in self._supervisors:
            supervisor.start()
        self._channels.begin()
        self._begin_relays(self._rng, self._options, self._endpoints)
        self._pulse.start()
        self._flush_records()
        self._rescheduled()
        self._look_out()
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    def _flush_records(self) -> None:
        """Have the recorder write at its own interval, which may be shorter than the pulse's."""
        recorder = self._recorder
        if isinstance(recorder, Flushing) and recorder.flush_interval_s:
            recorder.flush()
            loop = asyncio.get_running_loop()
            self._flush_timer = loop.call_later(recorder.flush_interval_s, self._flush_records)

    def _look_out(self) -> None:
        """Look at refusals from now on, if there is a rule whose refusals may deserve a warning."""
        if self._alarm_timer is None and any(r.kind in PAIRS for r in self._inputs.rules.values()):
            self._look()
        self._await_terms()

    def _look(self) -> None:
        self._alarm.look(self._engine, self._inputs.rules)
        self._alarm_timer = asyncio.get_running_loop().call_later(ALARM_EVERY_S, self._look)

    def _passed(self, now_ns: int) -> None:
        """Time has passed in the engine: what came of it, then the calls that are due."""
        self._quotes.passed(now_ns)
        self._flush()
        self._schedule.run(now_ns)
        self._rescheduled()

    def _time_ns(self) -> int | None:
        return self._clock.now_ns() if self._opened else None

    def _rescheduled(self) -> None:
        if self._opened and not self._closed and self.failure is None:
            due = [self._schedule.due_ns, self._quotes.due_ns, self._engine.next_estimate]
            self._pulse.wake_at(min((ns for ns in due if ns is not None), default=None))

    def _beat(self, now_ns: int) -> None:
        for supervisor in self._supervisors:
            supervisor.beat(now_ns)
        self._channels.beat(now_ns)
        self._relay_feed.beat(now_ns)
        self._log.senses(now_ns, self._engine.senses)
        self._tell_resting()

    def _tell_resting(self) -> None:
        """Have rules take none of the user's own orders, as they are by now."""
        if self._resting is None or self._closed or not self._channels.accounts:
            return
        now_ns = self._clock.now_ns()
        try:
            changed = self._resting.look(self._channels.accounts, self.markets, now_ns)
        except EngineError as error:
            self._fail(error)
            return
        if changed:
            self._flush()

    def _subscribe(self) -> None:
        now_ns = self._clock.now_ns()
        if len(self._schedule):
            # Instants count from here, in a recording as well.
            self._inputs.advance(now_ns)
            self._schedule.run(now_ns)
        for index in self._indices:
            self._inputs.add_index(index, now_ns)
        for rule in self._rules:
            self._add_rule(rule, now_ns)
        for name, endpoint in self._endpoints.items():
            supervisor = self._supervise(endpoint)
            markets = [m for m in self._markets if m.venue == name]
            self._added(supervisor.subscribe(markets), supervisor)
        self._follow_own(user_quote.split(self._markets)[1])
        self._tell_titles(self._markets)
        _tell_doubts(self._markets)

    def _supervise(self, endpoint: Endpoint) -> Supervisor:
        supervisor = Supervisor(
            endpoint,
            inputs=self._inputs,
            outlet=self._outlet,
            clock=self._clock,
            rng=self._rng,
            options=self._options,
            conns=self._conns,
        )
        self._supervisors.append(supervisor)
        return supervisor

    def _add_rule(self, rule: Rule, now_ns: int) -> int:
        number = self._inputs.add_rule(rule, now_ns)
        _tell_basis(rule)
        return number

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def stop_reading(self) -> None:
        """Take nothing more from any venue; ``close`` is to follow.

        Every step of a loop that is busy with more frames than it can take lasts as long as it
        takes to read what waits. Whoever has anything to do before ``close`` calls this first.
        """
        for supervisor in self._supervisors:
            supervisor.stop_reading()

    async def close(self) -> None:
        """Close connections and recorder and end every iterator, within two seconds.

        Its sinks may then write what waits: one that takes longer than its ``close_timeout_s`` is
        left behind.
        Safe to call again, and from a task that is being cancelled.
        """
        if self._closed:
            return
        self._closed = True
        self._pulse.stop()
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        if self._alarm_timer is not None:
            self._alarm_timer.cancel()
            self._alarm.look(self._engine, self._inputs.rules)
        self._end_terms()
        self._quotes.close()
        self._flush()
        try:
            stopping = (supervisor.stop() for supervisor in self._supervisors)
            ending = (self._channels.end(), self._relay_feed.end())
            await asyncio.gather(*stopping, *ending)
        finally:
            for supervisor in self._supervisors:
                supervisor.abandon()
            self._relay_feed.abandon()
            if self._spinner is not None:
                self._spinner.__exit__()
            try:
                await self._dispatcher.finish(LISTENERS_TIMEOUT_S)
            finally:
                self._alerted.fan_out.end()
                self._announce()
                if self._recorder is not None:
                    self._recorder.close(RECORDER_TIMEOUT_S)
                await self._sinks.close()

    @property
    def _private(self) -> OwnChannels:
        return self._channels

    # Markets that come and go.

    @property
    def markets(self) -> tuple[Market, ...]:
        """The markets that are followed, the user's own included."""
        return tuple(self._markets)

    async def add_markets(
        self, markets: Iterable[Market], *, endpoints: Mapping[str, Endpoint] | None = None
    ) -> dict[int, str]:
        """Follow more markets from now on; returns symbols by instrument number.

        Does not wait for their books, and those that are followed notice nothing. A venue that had
        no markets yet is found where ``endpoints`` say, by its name, else where the feed's own say,
        else where it is by itself. Raises ``SessionError`` if the feed is not open or so many
        connections are not allowed; ``ValueError`` for markets that contradict those that are
        followed, and ``ConfigError``, which is one, for a venue that needs a key and has none.
        """
        added, own = user_quote.split(list(markets))
        check_markets([*self._markets, *added, *own])
        self._check_open()
        self._meet_venues(added, {**self._given, **(endpoints or {})})
        symbols = self._follow_own(own)
        self._markets.extend(own)
        _tell_doubts([*added, *own])
        for supervisor, group in self._by_supervisor(added):
            fresh = supervisor.add_markets(group)
            self._markets.extend(group)
            self._added(fresh, supervisor)
            supervisor.flush()
            symbols |= fresh
        self._tell_titles(added)
        return symbols

    async def remove_markets(self, markets: Iterable[Market]) -> None:
        """Follow these markets no more; those that are not followed are passed over.

        Their books are gone at once, and what they took of memory a little later, when nothing of
        them can be on its way. Raises ``SessionError`` if the feed is not open.
        """
        self._check_open()
        others, own = user_quote.split([m for m in markets if m in self._markets])
        groups = self._by_supervisor(others)
        removed = self._quotes.unsubscribe(own)
        for supervisor, group in groups:
            removed += supervisor.remove_markets(group)
            own += group
        self._flush()
        self._markets[:] = [market for market in self._markets if market not in own]
        self._gone(removed)
        for instrument in removed:
            self._supervisor_of.pop(instrument, None)
            self._not_live.discard(instrument)
        self._announce()

    def _meet_venues(self, markets: Sequence[Market], given: Mapping[str, Endpoint]) -> None:
        """Have somebody to connect to the venues of which there were no markets yet."""
        fresh = [market for market in markets if market.venue not in self._endpoints]
        found = endpoints_of(fresh, None, None, self._ssl_context, given)
        for name in dict.fromkeys(market.venue for market in fresh):
            self._endpoints[name] = found[name]
            self._supervise(found[name])

    def _by_supervisor(self, markets: Sequence[Market]) -> list[tuple[Supervisor, list[Market]]]:
        groups: dict[str, list[Market]] = {}
        for market in markets:
            groups.setdefault(market.venue, []).append(market)
        return [(s, groups[s.venue.name]) for s in self._supervisors if s.venue.name in groups]

    # Rules that come and go.

    async def add_rule(self, rule: Rule) -> int:
        """Have a rule asked from now on, of books that come later as well; returns its number.

        Raises ``SessionError`` if the feed is not open, ``EngineError`` for a rule that is none.
        """
        self._check_open()
        number = self._add_rule(rule, self._clock.now_ns())
        self._look_out()
        return number

    def keep_pace(self, pace: Pace) -> None:
        """Windows are simulated in haste: a recording says how, best before all else."""
        self._inputs.note_pace(pace, self._clock.now_ns())

    async def add_pair(self, pair: Pair) -> int:
        """The same for a pair of contracts, whose markets are to be added by themselves."""
        return await self.add_rule(pair.rule())

    async def describe_rule(self, number: int, about: Mapping[str, object]) -> None:
        """Say anew what a rule is about, in JSON values for people; it goes on as it is.

        Raises ``SessionError`` if the feed is not open, ``KeyError`` if it has no such rule.
        """
        self._check_has_rule(number)
        self._inputs.describe_rule(number, about, self._clock.now_ns())
        _tell_basis(self._inputs.rules[number])

    async def remove_rule(self, number: int) -> None:
        """Ask a rule no more, by its number; what is open of it closes for the reason ``removed``.

        Raises ``SessionError`` if the feed is not open, ``KeyError`` if it has no such rule.
        """
        self._check_has_rule(number)
        self._inputs.remove_rule(number, self._clock.now_ns())
        self._flush()

    def _check_has_rule(self, number: int) -> None:
        self._check_open()
        if number not in self._inputs.rules:
            raise KeyError(f"no rule {number} in this feed")

    # Listening.

    def _rule_names(self) -> Collection[str]:
        rules = self._inputs.rules.values() if self._opened else self._rules
        return {rule.name for rule in rules}

    def counters(self) -> dict[str, int]:
        """Return everything that is counted: by the engine, by listeners, by connections.

        Those of connections are there, and zero, before the feed is open. Names ending in ``_ns``
        are nanoseconds.
        """
        counts = super().counters() | dict.fromkeys(_OF_CONNECTIONS, 0)
        for supervisor in self._supervisors:
            for name, value in supervisor.session_counts().items():
                counts[name] += value
            counts["resyncs"] += supervisor.resyncs
            counts["resync_failures"] += supervisor.resync_failures
            counts["polls"] += supervisor.polls
            counts["poll_failures"] += supervisor.poll_failures
        counts |= self._channels.counters()
        for name, value in self._relay_feed.counts().items():
            counts[name] += value
        counts |= self._relay_feed.told()
        counts["loop_stalls"] = self._pulse.stalls
        counts["loop_stall_ns_max"] = self._pulse.stall_ns_max
        counts["records_failed"] = self._inputs.records_failed
        if isinstance(self._clock, AnchoredClock):
            counts["wall_step_ns"] = self._clock.wall_step_ns()
        return counts


def _tell_basis(rule: Rule) -> None:
    basis = basis_line(rule)
    if basis is not None:
        _log.warning("%s", basis)


def _tell_doubts(markets: Iterable[Market]) -> None:
    for market in markets:
        if doubt := VENUES[market.venue].doubt(market):
            _log.warning("market %s: %s", market.name or market.market, doubt)
