"""``bookfeed run``: follow markets, and show books and signals as they change."""

import argparse
import asyncio
import importlib.util
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from bookfeed._bookfeed import Engine
from bookfeed.cli.notify import Service
from bookfeed.cli.paper import engine_options
from bookfeed.cli.reloading import Reloading
from bookfeed.cli.serving import serving, with_socket
from bookfeed.cli.source import Source, opened
from bookfeed.clock import AnchoredClock
from bookfeed.config import Config
from bookfeed.errors import ConfigError, ExitCode, SessionError
from bookfeed.fair.estimates import FairValues
from bookfeed.feed.alerts import Alerts
from bookfeed.feed.feed import Feed
from bookfeed.loops import run as run_loop
from bookfeed.monitor.shows import BOOKS_EVERY_S, Show, Silent, Summary, show_for
from bookfeed.monitor.wanted import ALL, Wanted
from bookfeed.monitor.watch import Watch
from bookfeed.recordings.inputs import Recorder
from bookfeed.sinks.kept import kept_totals
from bookfeed.sinks.sqlite import SqliteSection

if TYPE_CHECKING:
    from bookfeed.feed.windows import WindowEnd

HANGUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)


def execute(args: argparse.Namespace) -> ExitCode:
    """Runs until the time or a signal ends it; raises what ended the feed otherwise."""
    with opened(args) as source:
        engine = Engine(**source.config.engine.arguments(), **engine_options(args))
        wanted = Wanted(args.only, args.min_edge, args.min_profit)
        follow(args, source, engine, why=args.why, wanted=wanted, every_s=args.every)
    return ExitCode.OK


def follow(
    args: argparse.Namespace,
    source: Source,
    engine: Engine,
    *,
    recorder: Recorder | None = None,
    hint: Callable[[], str] = lambda: "Ctrl-C ends",
    more: Callable[[], Summary] = dict,
    why: bool = False,
    wanted: Wanted = ALL,
    every_s: float = BOOKS_EVERY_S,
) -> None:
    """Follows ``source`` with the output that ``args`` ask for, and with ``why`` what was refused.

    Signals are shown that are ``wanted``, and books that changed as lines ``every_s`` seconds.
    ``hint`` is shown in the table's first line; what ``more`` returns joins the summary. Nothing is
    shown if a sink has standard output to itself; raises ``ConfigError`` if ``args`` want it too,
    and at the end ``SessionError`` for venues that were never reached.
    """
    if args.sink:
        source = source._replace(config=source.config.with_sinks(args.sink, "--sink"))
    if args.output is not None and source.config.writes_stdout():
        problem = f"a sink writes to standard output; leave --output {args.output} out"
        raise ConfigError(source.name, "sink", problem)
    clock = AnchoredClock()
    serves = args.serve or source.config.server.enabled
    url = ""

    def told() -> str:
        return f"{url}, {hint()}" if url else hint()

    watch = Watch(source.name, engine, clock, why=why, wanted=wanted)
    hz = source.config.console.refresh_hz
    if source.config.writes_stdout():
        show: Show = Silent()
    elif args.output is None and _can_draw():
        # Not before: Textual is an extra.
        from bookfeed.top.on_screen import OnScreen

        show = OnScreen(watch, clock, wanted, source.config.console, told)
    else:
        show = show_for(args.output, watch, hz, told, every_s)
    if not serves:
        run_loop(_follow(args.seconds, source, watch, show, clock, recorder, more))
        return

    async def served(source: Source, path: str) -> None:
        nonlocal url
        async with serving(source.config.server, path) as url:
            print(f"serving {url}", file=sys.stderr, flush=True)
            await _follow(args.seconds, source, watch, show, clock, recorder, more)

    with with_socket(source) as (followed, path):
        run_loop(served(followed, path))


def _can_draw() -> bool:
    """Whether there is a terminal, and what draws on it: it reads the first and writes the last."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    there = importlib.util.find_spec("textual") is not None
    return there and os.environ.get("TERM") != "dumb" and all(one.isatty() for one in streams)


async def _follow(
    seconds: float | None,
    source: Source,
    watch: Watch,
    show: Show,
    clock: AnchoredClock,
    recorder: Recorder | None,
    more: Callable[[], Summary],
) -> None:
    begun_ns = time.time_ns()
    own: dict[str, Any] = {} if source.own is None else {"own": source.own}
    try:
        feed = Feed.from_config(
            source.config,
            source=source.name,
            keys=source.keys,
            on_batch=watch.on_batch,
            recorder=recorder,
            engine=watch.engine,
            clock=clock,
            **own,
        )
        watch.attach(feed)
        if source.pace is not None:
            feed.keep_pace(source.pace)
        async with feed:
            show.begin()
            _estimate(feed, source, watch)
            async with (
                Alerts(feed, source.config.alert) as alerts,
                _looked_after(feed, source, watch.window_ended),
                Service(watch.standing),
            ):
                reloading = None if source.again is None else Reloading(feed, source, alerts)
                await _until_ended(feed, show, seconds, reloading)
            summary = watch.summary()
            if alerts.begun:
                summary["alerts"] = alerts.counters()
            unreached = feed.unreached()
        if kept := _kept(source.config, begun_ns):
            summary["kept"] = kept
        if sinks := feed.sink_status():
            summary["sinks"] = [asdict(status) for status in sinks]
    finally:
        await show.close()
    show.end(summary | more())
    if unreached:
        told = "; ".join(f"{venue}: {cause}" for venue, cause in unreached.items())
        raise SessionError(f"never connected to {told}")


def _kept(config: Config, since_ns: int) -> dict[str, list[dict[str, Any]]]:
    """What signals there were in a run, by the file that has them; without those that are not there
    any more.
    """
    kept = {}
    for section in config.sink:
        if isinstance(section, SqliteSection):
            with suppress(SessionError):
                totals = kept_totals(section.file, since_ns=since_ns)
                kept[section.file] = [asdict(total) for total in totals]
    return kept


def _estimate(feed: Feed, source: Source, watch: Watch) -> None:
    """Has what markets about a price are worth shown, where listings say what they are about."""
    if not (source.series or source.listings):
        return
    watch.estimate(FairValues(feed))


@asynccontextmanager
async def _looked_after(
    feed: Feed, source: Source, on_end: "Callable[[WindowEnd], None]"
) -> AsyncIterator[None]:
    """Series roll on, those that are named and those that are paired; of all markets that were
    looked up it is told what they are, what their price is compared with, and how they end.
    """
    if not (source.series or source.listings):
        yield
        return
    # Not before: it needs aiohttp, which symbols do without.
    from bookfeed.catalogue.series import Series
    from bookfeed.feed.boundaries import BoundaryPrices
    from bookfeed.feed.deciding import Deciding
    from bookfeed.feed.rolling import Rolling

    for listing in source.listings:
        feed.know(listing)
    async with AsyncExitStack() as stack:
        catalogue = await stack.enter_async_context(source.lookup.catalogue())
        if source.series:
            series = [Series(name) for name in source.series]
            pairs = source.config.series_pairs()
            rolling = Rolling(
                feed, catalogue, series, pairs=pairs, on_end=on_end, now_ns=source.now_ns
            )
            await stack.enter_async_context(rolling)
        if not source.lookup.offline:
            prices = BoundaryPrices()
            feed.on_price(prices.heard)
            await stack.enter_async_context(
                Deciding(feed, catalogue, strike_at=prices, now_ns=source.now_ns)
            )
        yield


async def _until_ended(
    feed: Feed, show: Show, seconds: float | None, reloading: Reloading | None
) -> None:
    """Refreshes the output until a signal, the end of the time or of whoever reads."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def end(number: signal.Signals) -> None:
        if number == HANGUP and reloading is not None and not reloading.hung_up:
            reloading.begin()
            return
        ended.set()
        # Until whoever waits for that hears of it, the loop goes round a few times.
        feed.stop_reading()
        # A second one ends the process the hard way.
        loop.remove_signal_handler(number)

    ending = ending_signals()
    for number in ending:
        loop.add_signal_handler(number, end, number)
    end_s = None if seconds is None else loop.time() + seconds
    try:
        while not ended.is_set() and not show.over:
            left_s = show.every_s if end_s is None else min(end_s - loop.time(), show.every_s)
            if left_s <= 0:
                return
            try:
                await asyncio.wait_for(ended.wait(), left_s)
            except TimeoutError:
                show.refresh()
            if feed.failure is not None:
                raise feed.failure
    finally:
        for number in ending:
            loop.remove_signal_handler(number)
        # What is left to do is done at once, however much waits to be read.
        feed.stop_reading()


def ending_signals() -> list[signal.Signals]:
    """What ends a run in good order; a hangup, too, unless whoever began it said otherwise."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:
        signals.append(HANGUP)
    return signals
