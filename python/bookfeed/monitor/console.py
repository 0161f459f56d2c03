"""The live table: what a feed looks like at one moment, as lines of a terminal.

``render`` is a pure function from a ``Screen`` to lines of styled text, so that what people
see can be tested; ``text.paint`` turns lines into ANSI text. Nothing here reads a clock, an engine
or the terminal.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final, Literal, NamedTuple, Self

from bookfeed._bookfeed import format_price
from bookfeed.monitor.opportunities import (
    PaperRow,
    RefusalRow,
    SignalRow,
    SignalTable,
    detail_lines,
    paper_line,
    refusal_lines,
    signal_lines,
    spread_lines,
)
from bookfeed.monitor.text import (
    Line,
    Span,
    Style,
    cells,
    clip,
    columns,
    cut,
    pad,
    printable,
    shown_duration,
    shown_qty,
    shown_rate,
)
from bookfeed.monitor.worth import Worth, worth_lines


@dataclass(frozen=True, slots=True)
class BookRow:
    """One book. Prices 1e-9, quantities 1e-8; ``rate`` in updates a second."""

    venue: str
    market: str
    outcome: str
    bid_e9: int | None
    ask_e9: int | None
    bid_qty_e8: int | None
    ask_qty_e8: int | None
    state: str
    cause: str
    evidence_age_ns: int | None
    rate: float
    freshness: str = "none"


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Percentiles of one latency in nanoseconds, ``None`` while nothing was measured."""

    name: str
    count: int
    p50_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything shown at one moment."""

    source: str
    uptime_s: float
    frames_per_s: float
    bytes_per_s: float
    books: Sequence[BookRow]
    latencies: Sequence[LatencyRow]
    signals: Sequence[SignalRow]
    """Oldest first."""
    signals_opened: int
    signals_open: int
    counters: Sequence[tuple[str, int]]
    """What is worth a word when it is not zero."""
    hint: str = ""
    notes: Sequence[str] = ()
    """What has to be known to read the rest."""
    paper: PaperRow | None = None
    refusals: Sequence[RefusalRow] | None = None
    """``None`` if nobody asked."""
    worth: Worth | None = None
    """Of markets about a price; ``None`` where there are none."""


_STATE_STYLE: Final[dict[str, Style]] = {
    "live": "good",
    "syncing": "warn",
    "suspect": "warn",
    "live_poll": "warn",
}

# Width from which sizes are shown beside prices.
_WIDE: Final = 100
# Width from which the venue is shown even if there is only one.
_VERY_WIDE: Final = 120
_SIGNALS_MAX: Final = 8
# Spreads stand below opportunities where there is so much room for books and signals.
_SPREADS_MAX: Final = 3
_SPREADS_ROOM_MIN: Final = 14
_NOTES_MAX: Final = 3
_NOTE_LINES_MAX: Final = 2
# Books that details of a signal leave in sight.
_BOOKS_MIN: Final = 4
# Where there is less, less of everything is shown, in words that are cut.
_WIDTH_MIN: Final = 72
_NARROW_STATE: Final = 7
_NAME_WIDTH_MIN: Final = 12
_SIZE_WIDTH: Final = 8
# Outcomes are words of two or three letters as often as not, and names else.
_OUTCOME_WIDTH_MAX: Final = 8
# Prices of contracts fit into the first; nothing that a book can hold has more digits before
# its point than the last.
_PRICE_WIDTH_MIN: Final = 6
_PRICE_WIDTH_MAX: Final = 10
# Lines that are neither books nor signals: header, a blank, the titles of books, a blank or counts,
# the titles of signals; and where latencies are shown, a blank more, their title, two of them.
_FIXED_LINES: Final = 5
_LATENCY_LINES: Final = 4
# Lines that books and signals have before latencies are shown, and markets about a price have more
# than a few lines.
_ROOM_MIN: Final = 8
# Of all lines, so many are notes at the most.
_NOTES_PART: Final = 6


def render(screen: Screen, width: int, height: int) -> list[Line]:
    """At most ``height`` lines of at most ``width`` columns, the most important things first."""
    above = [_header(screen, width), *_note_lines(screen.notes, width, height // _NOTES_PART)]
    if screen.worth is not None:
        left = height - _FIXED_LINES - len(above) - _ROOM_MIN
        above += worth_lines(screen.worth, width, left)
    below: list[Line] = []
    if screen.refusals is not None:
        most = max(height // 5, 3)
        below = [(), *refusal_lines(screen.refusals, most)]
    extra = len(above) - 1 + len(below) + (screen.paper is not None)
    room = height - _FIXED_LINES - extra
    timed = room - _LATENCY_LINES >= min(_ROOM_MIN, len(screen.books) + len(screen.signals))
    room -= _LATENCY_LINES * timed
    taken = [row for row in screen.signals if row.direction]
    apart = [row for row in screen.signals[::-1] if not row.direction]
    apart = apart[: _SPREADS_MAX if taken else _SIGNALS_MAX] if room >= _SPREADS_ROOM_MIN else []
    room = max(room - len(apart) - bool(apart), 4)
    signals = min(_SIGNALS_MAX, max(len(taken), 3), max(room // 3, 1))
    newest = taken[::-1][:signals]
    # What the newest opportunity is made of comes before the last of the books.
    details = next((found for row in newest if (found := detail_lines(row, width))), [])
    kept = signals + len(details)
    if room - kept < _BOOKS_MIN:
        kept = signals
    lines = [*above, *_book_lines(screen.books, width, room - kept)]
    lines += [(), *_latency_lines(screen, width), ()] if timed else _trouble_lines(screen, width)
    if screen.paper is not None:
        lines.append(paper_line(screen.paper, width))
    lines.append(_signal_counts(screen))
    if newest:
        lines.append(SignalTable(newest, width, taken=True).titles())
    elif not apart:
        lines.append((Span("  none yet" if not screen.signals else "  none to take", "dim"),))
    beside = spread_lines(apart, width) if apart else []
    spare = height - len(lines) - len(newest) - len(beside) - len(below)
    lines += [*signal_lines(newest, width, spare), *beside, *below]
    return [clip(line, width) for line in lines[:height]]


def _note_lines(notes: Sequence[str], width: int, lines_max: int) -> list[Line]:
    """As many as fit into so many lines, or the first one in one line: notes leave room for what
    they are about.
    """
    most = len(notes) if len(notes) <= _NOTES_MAX else _NOTES_MAX - 1
    for count in range(most, 0, -1):
        more = [f"and {len(notes) - count} more like it"] if count < len(notes) else []
        for each in range(_NOTE_LINES_MAX, 0, -1):
            shown = [line for note in notes[:count] for line in _wrapped(note, width, each)] + more
            if len(shown) <= lines_max:
                return [(Span(f" {line}", "warn"),) for line in shown]
    more = [f" (and {len(notes) - 1} more)"] if len(notes) > 1 else [""]
    return [
        (Span(f" {line}{more[0]}", "warn"),)
        for note in notes[:1]
        for line in _wrapped(note, width - len(more[0]), 1)
    ]


def _wrapped(note: str, width: int, lines_max: int) -> list[str]:
    """A note in so many lines at the most; what is cut ends in an ellipsis."""
    return wrap(printable(note), max(width - 4, 4), max_lines=lines_max, placeholder=" …")


def _book_lines(books: Sequence[BookRow], width: int, room: int) -> list[Line]:
    count = min(len(books), room)
    if count < len(books):
        count = max(count - 1, 1)
    rows = _most_telling(books, count)
    several = len({row.venue for row in books}) > 1
    chosen, name_width = _columns(width, books, several=several)
    titles = (f" {column.title:{column.align}{column.width}}" for column in chosen)
    lines: list[Line] = [(Span(f" {'book':<{name_width}}{''.join(titles)}", "dim"),)]
    for row in rows:
        name = Span(f" {pad(row.market, name_width)}")
        lines.append((name, *(column.span(row) for column in chosen)))
    if len(rows) < len(books):
        lines.append(_hidden(books, rows))
    return lines


def _most_telling(books: Sequence[BookRow], count: int) -> list[BookRow]:
    """``count`` books in their order: those that are not live first, then of every venue some."""
    seen: Counter[str] = Counter()
    ranks = []
    for place, row in enumerate(books):
        ranks.append((row.state == "live", seen[row.venue], place))
        seen[row.venue] += 1
    return [books[i] for i in sorted(place for *_, place in sorted(ranks)[:count])]


def _header(screen: Screen, width: int) -> Line:
    """What is followed and how it is; where there is little room, less of how fast it comes."""
    live = sum(row.state == "live" for row in screen.books)
    minutes, seconds = divmod(int(screen.uptime_s), 60)
    all_live = live == len(screen.books)
    name = (Span(" bookfeed ", "bold"), Span(f" {screen.source} ", "dim"))
    polled = sum(row.state == "live_poll" for row in screen.books)
    also = f", {polled} polled" if polled else ""
    state = Span(f" {live}/{len(screen.books)} live{also}", "good" if all_live else "warn")
    frames = Span(f"  {shown_rate(screen.frames_per_s)} frames/s")
    data = Span(f"  {shown_rate(screen.bytes_per_s)}B/s")
    uptime = Span(f"  {minutes:02d}:{seconds:02d}", "dim")
    hint = Span(f"  {screen.hint}" if screen.hint else "", "dim")
    wholes: list[Line] = [
        (*name, state, frames, data, uptime, hint),
        (*name, state, frames, uptime, hint),
        (*name, state, uptime, hint),
        (name[0], state, uptime),
    ]
    return next((line for line in wholes if columns(line) <= width), wholes[-1])


def _spread(row: BookRow) -> str:
    if row.bid_e9 is None or row.ask_e9 is None:
        return "-"
    return _price(row.ask_e9 - row.bid_e9)


def _price(value_e9: int | None) -> str:
    """A price as the venue has it: two that differ in their last digit must look different."""
    if value_e9 is None:
        return "-"
    whole, _, fraction = format_price(value_e9).partition(".")
    return f"{whole}.{fraction:0<2}"[:_PRICE_WIDTH_MAX].removesuffix(".")


class _Column(NamedTuple):
    """A column of the books: its title, width, what it shows and how; ``>`` aligns right."""

    title: str
    width: int
    align: Literal["<", ">"]
    cell: Callable[[BookRow], str]
    style: Callable[[BookRow], Style]
    sized: bool = False
    """Shown only where there is room for sizes."""
    spared: bool = False
    """Left out where there is little room and several venues have to be told apart."""
    fitted: bool = False
    """Wider where what it shows is longer: what is cut off a price makes it another one."""
    narrow: int | None = None
    """How wide it is on a terminal that has no room for all of them; ``None`` if it is left out."""
    brief: Callable[[BookRow], str] | None = None
    """What it shows there instead."""

    def fit(self, rows: Sequence[BookRow]) -> Self:
        """As wide as its cells are long, if that is what it is like."""
        if not self.fitted:
            return self
        return self._replace(width=max(self.width, *(cells(self.cell(row)) for row in rows), 0))

    def span(self, row: BookRow) -> Span:
        """The cell of one row, cut to the width, and the gap before it."""
        return Span(f" {pad(self.cell(row), self.width, self.align)}", self.style(row))


def _dim(_row: BookRow) -> Style:
    return "dim"


def _price_style(row: BookRow) -> Style:
    # Prices of a book that may not be believed are shown, but not as if they could be.
    return "" if row.state == "live" else "dim"


def _state_style(row: BookRow) -> Style:
    if row.state == "live" and row.freshness == "suspect":
        return "warn"
    return _STATE_STYLE.get(row.state, "bad")


def _state(row: BookRow) -> str:
    if row.state == "live" and row.freshness == "suspect":
        return "live, odd silence"
    return row.state if row.state in ("live", "live_poll") else f"{row.state} {row.cause}"


def _size(qty_e8: int | None) -> str:
    """A size, without the fraction of a number so large that nobody looks at it."""
    text = shown_qty(qty_e8)
    whole = text.partition(".")[0]
    return whole if len(text) > _SIZE_WIDTH and whole != "0" else text


_VENUE: Final = _Column("venue", 10, "<", lambda row: row.venue, _dim)
_COLUMNS: Final = (
    _Column(
        "out", 4, "<", lambda row: cut(row.outcome, _OUTCOME_WIDTH_MAX), _dim, fitted=True, narrow=4
    ),
    _Column(
        "size", _SIZE_WIDTH, ">", lambda row: _size(row.bid_qty_e8), _dim, sized=True, fitted=True
    ),
    _Column(
        "bid",
        _PRICE_WIDTH_MIN,
        ">",
        lambda row: _price(row.bid_e9),
        _price_style,
        fitted=True,
        narrow=_PRICE_WIDTH_MIN,
    ),
    _Column(
        "ask",
        _PRICE_WIDTH_MIN,
        ">",
        lambda row: _price(row.ask_e9),
        _price_style,
        fitted=True,
        narrow=_PRICE_WIDTH_MIN,
    ),
    _Column(
        "size", _SIZE_WIDTH, ">", lambda row: _size(row.ask_qty_e8), _dim, sized=True, fitted=True
    ),
    _Column("spread", _PRICE_WIDTH_MIN, ">", _spread, _price_style, spared=True, fitted=True),
    _Column(
        "state",
        21,
        "<",
        _state,
        _state_style,
        narrow=_NARROW_STATE,
        brief=lambda row: "polled" if row.state == "live_poll" else row.state,
    ),
    _Column("age", 6, ">", lambda row: shown_duration(row.evidence_age_ns), _dim),
    _Column("upd/s", 5, ">", lambda row: shown_rate(row.rate), _dim, spared=True),
)


def _columns(width: int, books: Sequence[BookRow], *, several: bool) -> tuple[list[_Column], int]:
    """The columns that fit, and what the name of a market has of the rest."""
    if width < _WIDTH_MIN:
        chosen = [
            c._replace(width=c.narrow, cell=c.brief or c.cell).fit(books)
            for c in _COLUMNS
            if c.narrow is not None
        ]
        return chosen, max(width - 1 - sum(column.width + 1 for column in chosen), 1)
    chosen = [column.fit(books) for column in _COLUMNS if width >= _WIDE or not column.sized]
    if several and width < _VERY_WIDE:
        chosen = [column for column in chosen if not column.spared]
    if several or width >= _VERY_WIDE:
        chosen.insert(0, _VENUE)
    left = width - 1 - sum(column.width + 1 for column in chosen)
    longest = max((cells(row.market) for row in books), default=0)
    # Numbers stay near the names they belong to, however wide the terminal is.
    return chosen, min(left, max(longest, _NAME_WIDTH_MIN))


def _hidden(books: Sequence[BookRow], shown: Sequence[BookRow]) -> Line:
    hidden = len(books) - len(shown)
    wrong = sum(row.state != "live" for row in books) - sum(row.state != "live" for row in shown)
    state = f", {wrong} of them not live" if wrong else ", all live"
    return (Span(f" and {hidden} more{state}", "warn" if wrong else "dim"),)


def _latency_lines(screen: Screen, width: int) -> list[Line]:
    names = ("p50", "p99", "p99.9", "max")
    # What is narrow has room for two of them.
    places = range(4) if width >= _WIDTH_MIN else (1, 3)
    title = f" {'latency':<15}" + "".join(f"{names[at]:>9}" for at in places)
    lines: list[Line] = [(Span(title, "dim"),)]
    for row in screen.latencies:
        shown = (row.p50_ns, row.p99_ns, row.p999_ns, row.max_ns)
        values = "".join(f"{shown_duration(shown[at]):>9}" for at in places)
        lines.append((Span(f" {row.name:<15}"), Span(values)))
    if listed := _trouble(screen, width - columns(lines[0]) - 3):
        lines[0] = (*lines[0], Span(f"   {listed}", "dim"))
    return lines


def _trouble(screen: Screen, width: int) -> str:
    """What was counted of what is worth a word, as much of it as fits."""
    listed = ""
    for name, count in screen.counters:
        more = f"{listed}  {name} {count:,}" if listed else f"{name} {count:,}"
        if count and len(more) <= width:
            listed = more
    return listed


def _trouble_lines(screen: Screen, width: int) -> list[Line]:
    """The same in the place of latencies, where there is no room for them."""
    listed = _trouble(screen, width - 1)
    return [(Span(f" {listed}", "dim"),)] if listed else [()]


def _signal_counts(screen: Screen) -> Line:
    open_now = f"{screen.signals_open} open"
    return (
        Span(" signals ", "dim"),
        Span(f" {open_now}", "good" if screen.signals_open else "dim"),
        Span(f"  {screen.signals_opened:,} in all", "dim"),
    )
