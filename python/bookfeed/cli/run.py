"""``bookfeed run``: follow markets, and show books and signals as they change."""

import argparse
import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bookfeed._bookfeed import Engine
from bookfeed.cli.paper import engine_options
from bookfeed.cli.source import Source, opened
from bookfeed.clock import AnchoredClock
from bookfeed.config import Config
from bookfeed.errors import ExitCode
from bookfeed.feed import Feed, SessionOptions
from bookfeed.live.http import available as rest_available
from bookfeed.loops import run as run_loop
from bookfeed.monitor.shows import Show, Summary, show_for
from bookfeed.monitor.watch import Watch
from bookfeed.recordings.inputs import Recorder
from bookfeed.venues import Endpoint

_log = logging.getLogger("bookfeed.cli")


def execute(args: argparse.Namespace) -> ExitCode:
    """Runs until the time is up, Ctrl-C or SIGTERM; raises what ended the feed otherwise."""
    with opened(args) as source:
        engine = Engine(**source.config.engine.arguments(), **engine_options(args))
        follow(args, source, engine, why=args.why)
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
) -> None:
    """Follows ``source`` with the output that ``args`` ask for, and with ``why`` what was refused.

    ``hint`` is shown in the table's first line; what ``more`` returns joins the summary.
    """
    clock = AnchoredClock()
    watch = Watch(source.name, source.config, engine, clock, why=why)
    run_loop(_follow(args, source, watch, clock, recorder, hint, more))


async def _follow(
    args: argparse.Namespace,
    source: Source,
    watch: Watch,
    clock: AnchoredClock,
    recorder: Recorder | None,
    hint: Callable[[], str],
    more: Callable[[], Summary],
) -> None:
    show = show_for(args.output, watch, source.config.console.refresh_hz, hint)
    try:
        feed = build_feed(source, watch, clock, recorder)
        async with feed:
            watch.attach(feed)
            show.begin()
            await _until_told(feed, show, args.seconds)
            summary = watch.summary()
    finally:
        show.close()
    show.end(summary | more())


def build_feed(
    source: Source, watch: Watch, clock: AnchoredClock, recorder: Recorder | None
) -> Feed:
    """The feed that ``source`` describes, watched by ``watch``.

    Raises ``ConfigError`` for a venue that needs a key and has none that can be used.
    """
    config = source.config
    how = config.feed
    stagger_ms = how.connect_stagger_ms
    return Feed(
        config.markets(),
        endpoints=endpoints(config, source.name, source.keys),
        rules=config.signal_rules(),
        on_batch=watch.on_batch,
        recorder=recorder,
        busy_poll=how.busy_poll,
        engine=watch.engine,
        options=SessionOptions(
            connect_stagger_s=stagger_ms / 1e3 if stagger_ms is not None else None,
            backoff_min_s=how.backoff_min_s,
            backoff_max_s=how.backoff_max_s,
            silence_s=config.engine.silence_s,
        ),
        clock=clock,
    )


def endpoints(
    config: Config, source: str, keys: Mapping[str, Any] | None = None
) -> dict[str, Endpoint]:
    """Where to find each venue that has markets; ``source`` is what errors call ``config``.

    A venue without one of the ``keys`` has the one that is configured, or the environment's.
    """
    found = {}
    for name in config.venues():
        endpoint = config.sections[name].endpoint(source, (keys or {}).get(name))
        if endpoint.rest_url is not None and not rest_available():
            _log.info("%s: no books by REST: aiohttp is not installed", name)
            endpoint = replace(endpoint, rest_url=None)
        found[name] = endpoint
    return found


async def _until_told(feed: Feed, show: Show, seconds: float | None) -> None:
    """Refreshes the output until SIGINT, SIGTERM, the end of the time or of whoever reads."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell(number: signal.Signals) -> None:
        told.set()
        # A second one ends the process the hard way.
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell, number)
    end_s = None if seconds is None else loop.time() + seconds
    try:
        while not told.is_set() and not show.over:
            left_s = show.every_s if end_s is None else min(end_s - loop.time(), show.every_s)
            if left_s <= 0:
                return
            try:
                await asyncio.wait_for(told.wait(), left_s)
            except TimeoutError:
                show.refresh()
            if feed.failure is not None:
                raise feed.failure
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
