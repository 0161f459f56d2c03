"""The ways a running feed is shown: a live table, lines of JSON, or a word at the end.

On a terminal a table is redrawn in place; elsewhere every change of state and every signal is
a line of JSON, with what changed of the rest every second. Both go through a thread of their own: a
terminal or reader that stops must not stop the feed.
"""

import logging
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson

from bookfeed import log
from bookfeed.monitor.console import render
from bookfeed.monitor.objects import news_object, state_object, window_object
from bookfeed.monitor.opportunities import ledger_lines
from bookfeed.monitor.output import write_json
from bookfeed.monitor.terminal import LineWriter
from bookfeed.monitor.text import clip, paint, printable, shown_price
from bookfeed.monitor.watch import Watch

Summary = dict[str, Any]

BOOKS_EVERY_S: Final = 1.0
"""Programs are told this often of books that changed, unless they want it otherwise."""
_SCREEN_EVERY_S: Final = 0.25
_AGE: Final = "evidence_age_ns"
_LINES_MAX: Final = 10_000
# Size of a table that no terminal shows.
_COLUMNS, _ROWS = 120, 40

_START: Final = "\x1b[?25l\x1b[H"  # no cursor, top left
_CLEAR_RIGHT: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"
_END: Final = "\x1b[?25h\n"


class Show(Protocol):
    """How a running feed is shown."""

    every_s: float

    @property
    def over(self) -> bool:
        """Whether nobody looks any more."""
        ...

    def begin(self) -> None:
        """Shows what is followed; called once, before anything happens."""

    def refresh(self) -> None:
        """Shows what is now."""

    async def close(self) -> None:
        """Gives the terminal back; called before ``end``, and if all goes wrong."""

    def end(self, summary: Summary) -> None:
        """Shows what was."""


def show_for(
    output: str | None,
    watch: Watch,
    refresh_hz: float,
    hint: Callable[[], str],
    every_s: float = BOOKS_EVERY_S,
) -> Show:
    """The way that ``--output`` asks for, or that suits whoever reads standard output.

    ``hint`` is shown in the first line of a live table; lines tell of books ``every_s`` seconds.
    """
    on_terminal = sys.stdout.isatty()
    if output == "json":
        return _Quiet()
    if output == "ndjson" or (output is None and not on_terminal):
        return _Lines(watch, every_s)
    if on_terminal:
        return _LiveTable(watch, 1 / refresh_hz, hint)
    return _LastTable(watch)


class Silent:
    """Nothing at all: standard output is somebody else's."""

    every_s = _SCREEN_EVERY_S
    over = False

    def begin(self) -> None:
        pass

    def refresh(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def end(self, summary: Summary) -> None:
        pass


class _Quiet(Silent):
    """Nothing until the end, then one JSON object."""

    def end(self, summary: Summary) -> None:
        write_json(summary)


class _LastTable:
    """The table as it is at the end, for a file or a pipe."""

    every_s = _SCREEN_EVERY_S
    over = False

    def __init__(self, watch: Watch) -> None:
        self._watch: Final = watch
        self._lines: list[str] = []

    def begin(self) -> None:
        pass

    def refresh(self) -> None:
        screen = self._watch.screen()
        self._lines = paint(render(screen, _COLUMNS, _ROWS), colour=False)

    async def close(self) -> None:
        pass

    def end(self, summary: Summary) -> None:
        print("\n".join([*self._lines, *afterwards(self._watch, summary, _COLUMNS)]))


class _Lines:
    """A line of JSON for every change of state and signal; every while what else has changed."""

    def __init__(self, watch: Watch, every_s: float) -> None:
        self.every_s = every_s
        self._watch: Final = watch
        self._sink: Final = LineWriter(
            sys.stdout.fileno(),
            lines_max=_LINES_MAX,
            dropped_text=lambda count: _line({"type": "dropped", "lines": count}),
        )
        watch.on_state = lambda update: self._sink.put(_line(state_object(update)))
        watch.on_signal = lambda one: self._sink.put(_line(watch.signal(one)))
        watch.on_window_end = lambda end: self._sink.put(_line(window_object(end)))
        watch.on_news = lambda news: self._sink.put(_line(news_object(news)))
        self._rules: list[dict[str, Any]] = []
        # What was told last of each book, and of the rest by type.
        self._books: dict[tuple[str, str], dict[str, Any]] = {}
        self._told: Final[dict[str, dict[str, Any]]] = {}

    @property
    def over(self) -> bool:
        return self._sink.error is not None

    def begin(self) -> None:
        self._put_rules()

    def _put_rules(self) -> None:
        """Those that are new, or about something else by now."""
        rules = self._watch.rules()
        for rule in rules:
            if rule not in self._rules:
                self._sink.put(_line({"type": "rule", **rule}))
        self._rules = rules

    def refresh(self) -> None:
        self._put_rules()
        self._put_fills()
        self._put_books()
        paper, refusals = self._watch.paper(), self._watch.refusals()
        self._put_changed("fair_values", self._watch.worth())
        self._put_changed("paper", paper)
        self._put_changed("why", None if refusals is None else {"refusals": refusals})

    def _put_books(self) -> None:
        """Those that are otherwise than they were told; that evidence grows old is no news."""
        books = {(book["venue"], book["symbol"]): book for book in self._watch.books()}
        changed = [book for key, book in books.items() if not _same(book, self._books.get(key))]
        if changed:
            self._sink.put(_line({"type": "books", "books": changed}))
        self._books = books

    def _put_changed(self, kind: str, told: dict[str, Any] | None) -> None:
        if told is not None and told != self._told.get(kind):
            self._told[kind] = told
            self._sink.put(_line({"type": kind, **told}))

    def _put_fills(self) -> None:
        for fill in self._watch.fills():
            self._sink.put(_line(fill))

    async def close(self) -> None:
        self._watch.on_state = self._watch.on_signal = None
        self._watch.on_window_end = self._watch.on_news = None

    def end(self, summary: Summary) -> None:
        self._put_fills()
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
        self._colour: Final = not os.environ.get("NO_COLOR")
        self._sink: Final = LineWriter(sys.stdout.fileno(), lines_max=1)
        self._log: Final = _LastLog() if sys.stderr.isatty() else None
        self._shown = ""
        if self._log is not None:
            self._log.take()

    @property
    def over(self) -> bool:
        return self._sink.error is not None

    def begin(self) -> None:
        pass

    def refresh(self) -> None:
        width, height = shutil.get_terminal_size()
        # The last line stays free, so that the terminal never scrolls.
        screen = self._watch.screen(self._hint())
        shown = paint(render(screen, width, height - 2), colour=self._colour)
        warning = "" if self._log is None else self._log.text
        # What the notes say in full is not said again.
        if warning and not warning.endswith(tuple(screen.notes)):
            shown.append(f" {warning}"[:width])
        self._shown = "\n".join(line + _CLEAR_RIGHT for line in shown)
        self._sink.put(_START + self._shown + _CLEAR_BELOW)

    async def close(self) -> None:
        if self._shown:
            self._sink.put(_START + self._shown + _CLEAR_BELOW + _END)
        self._sink.close()
        if self._log is not None:
            self._log.give_back()

    def end(self, summary: Summary) -> None:
        """The last screen stays where it is; below it stands what the ledgers on paper came to."""
        width, _ = shutil.get_terminal_size()
        for line in afterwards(self._watch, summary, width, self._colour):
            print(line)


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
        if self._newest is None:
            return ""
        return printable(self.format(self._newest).partition("\n")[0])

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


def _same(book: dict[str, Any], told: dict[str, Any] | None) -> bool:
    """Whether a book is as it was told, but for its age."""
    return told is not None and {**told, _AGE: None} == {**book, _AGE: None}


def _kept(summary: Summary) -> list[str]:
    """What signals were kept in files, and how they are listed."""
    lines = []
    for file, totals in summary.get("kept", {}).items():
        lines.append(f"kept: bookfeed signals {printable(shlex.quote(file))}")
        for total in totals:
            edge = total["peak_edge_e9"]
            best = "" if edge is None else f", edge up to {shown_price(edge)}"
            called = printable(total["name"] or total["rule"])
            lines.append(f"  {called}: {total['signals']}{best}")
        if not totals:
            lines.append("  no signals")
    return lines


def afterwards(watch: Watch, summary: Summary, width: int, colour: bool = False) -> list[str]:
    """What orders on paper would have kept, by how long they take to arrive, and what was kept."""
    rows = watch.ledgers()
    lines = [clip(line, width) for line in ledger_lines(rows, width)] if rows else []
    return [*paint(lines, colour=colour), *_kept(summary)]


def _line(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode() + "\n"
