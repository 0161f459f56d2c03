"""The live table: what a feed looks like at one moment, as lines of a terminal.

``render`` is a pure function from a ``Screen`` to lines of styled text, so that what people
see can be tested; ``paint`` turns lines into ANSI text. Nothing here reads a clock, an engine
or the terminal.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from bookfeed._bookfeed import format_price, format_qty

Style = Literal["", "bold", "dim", "good", "warn", "bad"]


class Span(NamedTuple):
    """A piece of a line in one style."""

    text: str
    style: Style = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class BookRow:
    """One book. Prices 1e-9, quantities 1e-8; ``rate`` in updates a second."""

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
class SignalRow:
    """One opportunity, open or over. Edges are 1e-9 USD a share after fees."""

    opened: str
    rule: str
    market: str
    direction: str
    qty_e8: int | None
    net_edge_e9: int | None
    value_e9: int | None
    lasted_ns: int
    closed: str
    """Why it closed; empty while it is open."""


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


_ANSI: Final[dict[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "good": "32",
    "warn": "33",
    "bad": "31",
}
_STATE_STYLE: Final[dict[str, Style]] = {"live": "good", "syncing": "warn", "suspect": "warn"}

# Width from which sizes are shown beside prices.
_WIDE: Final = 100
_SIGNALS_MAX: Final = 8
_WIDTH_MIN: Final = 72
# Lines that are neither books nor signals: header, two blanks, three titles, two latencies.
_FIXED_LINES: Final = 8


def render(screen: Screen, width: int, height: int) -> list[Line]:
    """At most ``height`` lines of at most ``width`` columns, the most important things first."""
    width = max(width, _WIDTH_MIN)
    room = max(height - _FIXED_LINES, 4)
    signal_lines = min(_SIGNALS_MAX, max(len(screen.signals), 3), max(room // 3, 1))
    book_lines = min(len(screen.books), room - signal_lines)
    if book_lines < len(screen.books):
        book_lines = max(book_lines - 1, 1)
    rows = _most_telling(screen.books, book_lines)
    lines = [
        _header(screen),
        _book_title(width),
        *(_book(row, width) for row in rows),
    ]
    if len(rows) < len(screen.books):
        lines.append(_hidden(screen.books, rows))
    lines += [(), *_latency_lines(screen), (), _signal_title(screen)]
    if not screen.signals:
        lines.append((Span("  none yet", "dim"),))
    lines += [_signal(row, width) for row in reversed(screen.signals[-signal_lines:])]
    return [clip(line, width) for line in lines[:height]]


def paint(lines: Iterable[Line], *, colour: bool) -> list[str]:
    """Lines as text, with ANSI colours if wanted."""
    return ["".join(_painted(span, colour) for span in line).rstrip() for line in lines]


def clip(line: Line, width: int) -> Line:
    """The first ``width`` columns of a line; what is cut ends in an ellipsis."""
    if sum(len(span.text) for span in line) <= width:
        return line
    spans: list[Span] = []
    left = width - 1
    for span in line:
        spans.append(Span(span.text[:left], span.style))
        left -= len(span.text)
        if left <= 0:
            break
    return (*spans, Span("…", "dim"))


def printable(text: str) -> str:
    """The text without control characters, which could say anything to a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def shown_duration(ns: int | None) -> str:
    """A duration in three digits or so: ``820ns``, ``12.3µs``, ``1.25ms``, ``45.0s``, ``3m05s``."""
    if ns is None:
        return "-"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    for limit, unit_ns, unit in ((10**3, 1, "ns"), (10**6, 10**3, "µs"), (10**9, 10**6, "ms")):
        if ns < limit:
            return sign + _three_digits(ns / unit_ns, unit)
    if ns < 100 * 10**9:
        return sign + _three_digits(ns / 10**9, "s")
    minutes, seconds = divmod(ns // 10**9, 60)
    return f"{sign}{minutes}m{seconds:02d}s"


def shown_rate(per_s: float) -> str:
    """A rate in four characters or so: ``12``, ``3.4k``, ``120k``, ``1.2M``."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if per_s >= limit:
            value = per_s / limit
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{per_s:.1f}" if 0 < per_s < 10 else f"{per_s:.0f}"


def _three_digits(value: float, unit: str) -> str:
    if unit == "ns" or value >= 100:
        return f"{value:.0f}{unit}"
    return f"{value:.1f}{unit}" if value >= 10 else f"{value:.2f}{unit}"


def _painted(span: Span, colour: bool) -> str:
    code = _ANSI.get(span.style)
    return f"\x1b[{code}m{span.text}\x1b[0m" if colour and code else span.text


def _most_telling(books: Sequence[BookRow], count: int) -> list[BookRow]:
    """``count`` books in their order, those that are not live before those that are."""
    by_state = sorted(range(len(books)), key=lambda i: (books[i].state == "live", i))
    return [books[i] for i in sorted(by_state[:count])]


def _header(screen: Screen) -> Line:
    live = sum(row.state == "live" for row in screen.books)
    minutes, seconds = divmod(int(screen.uptime_s), 60)
    all_live = live == len(screen.books)
    return (
        Span(" bookfeed ", "bold"),
        Span(f" {screen.source} ", "dim"),
        Span(f" {live}/{len(screen.books)} live", "good" if all_live else "warn"),
        Span(f"  {shown_rate(screen.frames_per_s)} frames/s"),
        Span(f"  {shown_rate(screen.bytes_per_s)}B/s"),
        Span(f"  {minutes:02d}:{seconds:02d}", "dim"),
        Span(f"  {screen.hint}" if screen.hint else "", "dim"),
    )


def _price(value: int | None) -> str:
    if value is None:
        return "-"
    # At least cents, so that points stand under points; averages have more digits than a column.
    whole, _, fraction = format_price(abs(value)).partition(".")
    return f"{'-' if value < 0 else ''}{whole}.{fraction[:4]:0<2}"


def _qty(value: int | None) -> str:
    if value is None:
        return "-"
    text = format_qty(value)
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction[:2]}" if fraction else whole


def _spread(row: BookRow) -> str:
    if row.bid_e9 is None or row.ask_e9 is None:
        return "-"
    return _price(row.ask_e9 - row.bid_e9)


class _Column(NamedTuple):
    """A column of the books: its title, width, what it shows and how; ``>`` aligns right."""

    title: str
    width: int
    align: Literal["<", ">"]
    cell: Callable[[BookRow], str]
    style: Callable[[BookRow], Style]
    sized: bool = False
    """Shown only where there is room for sizes."""

    def span(self, row: BookRow) -> Span:
        """The cell of one row, cut to the width, and the gap before it."""
        text = self.cell(row)[: self.width]
        return Span(f" {text:{self.align}{self.width}}", self.style(row))


def _dim(_row: BookRow) -> Style:
    return "dim"


def _price_style(row: BookRow) -> Style:
    # Prices of a book that may not be believed are shown, but not as if they could be.
    return "" if row.state == "live" else "dim"


def _state_style(row: BookRow) -> Style:
    return _STATE_STYLE.get(row.state, "bad")


def _state(row: BookRow) -> str:
    return row.state if row.state == "live" else f"{row.state} {row.cause}"


_COLUMNS: Final = (
    _Column("", 4, "<", lambda row: row.outcome, _dim),
    _Column("size", 10, ">", lambda row: _qty(row.bid_qty_e8), _dim, sized=True),
    _Column("bid", 6, ">", lambda row: _price(row.bid_e9), _price_style),
    _Column("ask", 6, ">", lambda row: _price(row.ask_e9), _price_style),
    _Column("size", 10, ">", lambda row: _qty(row.ask_qty_e8), _dim, sized=True),
    _Column("spread", 6, ">", _spread, _price_style),
    _Column("state", 21, "<", _state, _state_style),
    _Column("age", 6, ">", lambda row: shown_duration(row.evidence_age_ns), _dim),
    _Column("upd/s", 5, ">", lambda row: shown_rate(row.rate), _dim),
)


def _columns(width: int) -> tuple[list[_Column], int]:
    """The columns that fit, and what they leave for the name of the market."""
    columns = [column for column in _COLUMNS if width >= _WIDE or not column.sized]
    return columns, width - 1 - sum(column.width + 1 for column in columns)


def _book_title(width: int) -> Line:
    columns, name_width = _columns(width)
    titles = (f" {column.title:{column.align}{column.width}}" for column in columns)
    return (Span(f" {'book':<{name_width}}{''.join(titles)}", "dim"),)


def _book(row: BookRow, width: int) -> Line:
    columns, name_width = _columns(width)
    name = f" {_cut(row.market, name_width):<{name_width}}"
    return (Span(name), *(column.span(row) for column in columns))


def _cut(text: str, width: int) -> str:
    """The text in ``width`` columns: names of markets differ at their ends as often as not."""
    text = printable(text)
    if len(text) <= width:
        return text
    tail = width // 2 - 1
    return f"{text[: width - tail - 1]}…{text[len(text) - tail :]}"


def _hidden(books: Sequence[BookRow], shown: Sequence[BookRow]) -> Line:
    hidden = len(books) - len(shown)
    wrong = sum(row.state != "live" for row in books) - sum(row.state != "live" for row in shown)
    state = f", {wrong} of them not live" if wrong else ", all live"
    return (Span(f" and {hidden} more{state}", "warn" if wrong else "dim"),)


def _latency_lines(screen: Screen) -> list[Line]:
    title = f" {'latency':<15}" + "".join(f"{name:>9}" for name in ("p50", "p99", "p99.9", "max"))
    lines: list[Line] = [(Span(title, "dim"),)]
    for row in screen.latencies:
        shown = (row.p50_ns, row.p99_ns, row.p999_ns, row.max_ns)
        values = "".join(f"{shown_duration(ns):>9}" for ns in shown)
        lines.append((Span(f" {row.name:<15}"), Span(values)))
    told = "  ".join(f"{name} {count:,}" for name, count in screen.counters if count)
    if told:
        lines[0] = (*lines[0], Span(f"   {told}", "dim"))
    return lines


def _signal_title(screen: Screen) -> Line:
    open_now = f"{screen.signals_open} open"
    return (
        Span(" signals ", "dim"),
        Span(f" {open_now}", "good" if screen.signals_open else "dim"),
        Span(f"  {screen.signals_opened:,} in all", "dim"),
    )


def _signal(row: SignalRow, width: int) -> Line:
    name_width = max(width - 60, 12)
    edge = _price(row.net_edge_e9 if row.direction else row.value_e9)
    lasted = shown_duration(row.lasted_ns)
    what = f"{row.direction} {_qty(row.qty_e8)}" if row.direction else "spread"
    return (
        Span(f" {row.opened} ", "dim"),
        Span(f"{row.rule:<11}"),
        Span(f"{_cut(row.market, name_width):<{name_width}} "),
        Span(f"{what:<14} "),
        Span(f"{edge:>7} ", "" if row.closed else "bold"),
        Span(f"{lasted:>7} ", "dim"),
        Span(row.closed or "open", "dim" if row.closed else "good"),
    )
