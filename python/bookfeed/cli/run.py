"""``bookfeed run``: follow markets, and show books and signals as they change.

On a terminal a table is redrawn in place; elsewhere every change of state and every signal is
a line of JSON, with a summary of the books every second. Output goes through a thread of its
own: a terminal that was stopped must not stop the feed.
"""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson

from bookfeed import log
from bookfeed._bookfeed import Engine
from bookfeed.cli.output import write_json
from bookfeed.cli.source import Source, opened
from bookfeed.cli.watch import Watch, signal_object, state_object
from bookfeed.clock import AnchoredClock
from bookfeed.config import Config
from bookfeed.errors import ExitCode
from bookfeed.feed import Endpoint, Feed, Rule, SessionOptions
from bookfeed.inputs import Recorder
from bookfeed.loops import run as run_loop
from bookfeed.rest import available as rest_available
from bookfeed.sinks.console import paint, render
from bookfeed.sinks.lines import LineSink
from bookfeed.venues import polymarket

# Books are told to programs this often.
_BOOKS_EVERY_S: Final = 1.0
_LINES_MAX: Final = 10_000
_HOME: Final = "\x1b[H"
_CLEAR: Final = "\x1b[2J\x1b[H"
_CLEAR_RIGHT: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_CURSOR_OFF, _CURSOR_ON = "\x1b[?25l", "\x1b[?25h"

Summary = dict[str, Any]


def execute(args: argparse.Namespace) -> ExitCode:
    """Runs until the time is up, Ctrl-C or SIGTERM; raises what ended the feed otherwise."""
    with opened(args) as source:
        follow(args, source, Engine(**source.config.engine.arguments()))
    return ExitCode.OK


def follow(
    args: argparse.Namespace,
    source: Source,
    engine: Engine,
    *,
    recorder: Recorder | None = None,
    hint: Callable[[], str] = lambda: "Ctrl-C ends",
    more: Callable[[], Summary] = dict,
) -> None:
    """Follows ``source`` with the output that ``args`` ask for.

    ``hint`` is shown in the table's first line; what ``more`` returns joins the summary.
    """
    run_loop(_follow(args, source, engine, recorder, hint, more))


async def _follow(
    args: argparse.Namespace,
    source: Source,
    engine: Engine,
    recorder: Recorder | None,
    hint: Callable[[], str],
    more: Callable[[], Summary],
) -> None:
    clock = AnchoredClock()
    watch = Watch(source.name, source.config, engine, clock)
    show = _show(args.output, watch, source.config, hint)
    try:
        feed = build_feed(source.config, engine, watch, clock, recorder)
        async with feed:
            watch.attach(feed)
            await _until_told(feed, show, args.seconds)
            summary = watch.summary()
    finally:
        show.close()
    show.end(summary | more())


def build_feed(
    config: Config, engine: Engine, watch: Watch, clock: AnchoredClock, recorder: Recorder | None
) -> Feed:
    """The feed that ``config`` describes, watched by ``watch``."""
    where, how = config.polymarket, config.feed
    venue = polymarket(custom_features=where.custom_features, ping_interval_s=where.ping_interval_s)
    rest_url = where.rest_url or None
    if rest_url is not None and not rest_available():
        logging.getLogger("bookfeed.cli").info("no REST resync: aiohttp is not installed")
        rest_url = None
    return Feed(
        [market.to_market() for market in config.market],
        endpoints={venue.name: Endpoint(venue, where.ws_url, rest_url)},
        rules=[Rule(kind, parameters) for kind, parameters in config.rules.enabled()],
        on_batch=watch.on_batch,
        recorder=recorder,
        busy_poll=how.busy_poll,
        engine=engine,
        options=SessionOptions(
            symbols_per_connection=how.assets_per_connection,
            connect_stagger_s=how.connect_stagger_ms / 1e3,
            backoff_min_s=how.backoff_min_s,
            backoff_max_s=how.backoff_max_s,
            silence_s=config.engine.silence_s,
        ),
        clock=clock,
    )


async def _until_told(feed: Feed, show: "Show", seconds: float | None) -> None:
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


class Show(Protocol):
    """How a running feed is shown."""

    every_s: float

    @property
    def over(self) -> bool:
        """Whether nobody looks any more."""
        ...

    def refresh(self) -> None:
        """Shows what is now."""

    def close(self) -> None:
        """Gives the terminal back; called before ``end``, and if all goes wrong."""

    def end(self, summary: Summary) -> None:
        """Shows what was."""


def _show(output: str | None, watch: Watch, config: Config, hint: Callable[[], str]) -> Show:
    on_terminal = sys.stdout.isatty()
    if output == "json":
        return _Quiet()
    if output == "ndjson" or (output is None and not on_terminal):
        return _Lines(watch)
    if on_terminal:
        return _LiveTable(watch, 1 / config.console.refresh_hz, hint)
    return _LastTable(watch)


class _Quiet:
    """Nothing until the end, then one JSON object."""

    every_s = 0.25
    over = False

    def refresh(self) -> None:
        pass

    def close(self) -> None:
        pass

    def end(self, summary: Summary) -> None:
        write_json(summary)


class _LastTable:
    """The table as it is at the end, for a file or a pipe."""

    every_s = 0.25
    over = False

    def __init__(self, watch: Watch) -> None:
        self._watch: Final = watch
        self._lines: list[str] = []

    def refresh(self) -> None:
        screen = self._watch.screen()
        self._lines = paint(render(screen, 120, 40), colour=False)

    def close(self) -> None:
        pass

    def end(self, summary: Summary) -> None:
        print("\n".join(self._lines))


class _Lines:
    """A line of JSON for every change of state and signal, and for the books every second."""

    every_s = _BOOKS_EVERY_S

    def __init__(self, watch: Watch) -> None:
        self._watch: Final = watch
        self._sink: Final = LineSink(
            sys.stdout,
            lines_max=_LINES_MAX,
            dropped_text=lambda count: _line({"type": "dropped", "lines": count}),
        )
        watch.on_state = lambda update: self._sink.put(_line(state_object(update)))
        watch.on_signal = lambda one: self._sink.put(_line(signal_object(one)))

    @property
    def over(self) -> bool:
        return self._sink.error is not None

    def refresh(self) -> None:
        self._sink.put(_line({"type": "books", "books": self._watch.books()}))

    def close(self) -> None:
        self._watch.on_state = self._watch.on_signal = None

    def end(self, summary: Summary) -> None:
        self._sink.put(_line({"type": "summary", **summary}))
        self._sink.close()
        if self._sink.error is not None:
            raise self._sink.error


class _LiveTable:
    """The table redrawn in place; warnings take its last line while it is there."""

    def __init__(self, watch: Watch, every_s: float, hint: Callable[[], str]) -> None:
        self.every_s = every_s
        self._watch: Final = watch
        self._hint: Final = hint
        self._colour: Final = "NO_COLOR" not in os.environ
        self._sink: Final = LineSink(sys.stdout, lines_max=1)
        self._log: Final = _LastLog() if sys.stderr.isatty() else None
        self._lines: list[str] = []
        self._began = False
        if self._log is not None:
            self._log.take()

    @property
    def over(self) -> bool:
        return self._sink.error is not None

    def refresh(self) -> None:
        width, height = shutil.get_terminal_size()
        # The last line stays free, so that the terminal never scrolls.
        lines = render(self._watch.screen(self._hint()), width, height - 2)
        self._lines = paint(lines, colour=self._colour)
        shown = [*self._lines]
        if self._log is not None and self._log.text:
            shown.append(f" {self._log.text}"[:width])
        body = "\n".join(line + _CLEAR_RIGHT for line in shown)
        start = _HOME if self._began else _CURSOR_OFF + _CLEAR
        self._began = True
        self._sink.put(start + body + _CLEAR_BELOW)

    def close(self) -> None:
        if self._log is not None:
            self._log.give_back()
        self._sink.close()
        if self._began and self._sink.error is None:
            sys.stdout.write(f"{_CURSOR_ON}\n")
            sys.stdout.flush()

    def end(self, summary: Summary) -> None:
        """The last screen stays where it is."""


class _LastLog(logging.Handler):
    """Keeps the newest warning, which the table shows instead of being written over."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(log.TextFormatter())
        self._newest: logging.LogRecord | None = None
        self._logger: Final = logging.getLogger(log.ROOT)
        self._instead_of: list[logging.Handler] = []

    @property
    def text(self) -> str:
        """The first line of the newest record, empty if there is none."""
        return self.format(self._newest).partition("\n")[0] if self._newest else ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the record."""
        self._newest = record

    def take(self) -> None:
        """Takes the place of the handlers there are."""
        self._instead_of, self._logger.handlers[:] = self._logger.handlers[:], [self]

    def give_back(self) -> None:
        """Puts them back, and hands them the newest record, which the screen had last."""
        self._logger.handlers[:] = self._instead_of
        if self._newest is not None:
            self._logger.handle(self._newest)


def _line(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode() + "\n"
