"""Opportunities as lines of the live table: what is open, what it is made of, what was refused.

A signal is a line of its own; where there is room, what would be traded on each leg and what it
comes to follow below. The taker's edge and the maker's are never one number. Spreads, which nobody
can take, are lines apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from bookfeed.monitor.text import (
    Line,
    Span,
    Style,
    cells,
    cut,
    pad,
    printable,
    shown_duration,
    shown_price,
    shown_qty,
)

_NAME_WIDTH: Final = 20
_SIGNAL_NAME_WIDTH_MIN: Final = 8
_INDENT: Final = " " * 10
# Below this only what an opportunity is, what it brings, and whether it is open is shown.
_WIDTH_MIN: Final = 72
# From here on it is said when a signal opened, and why it closed.
_WIDE: Final = 100


@dataclass(frozen=True, slots=True)
class LegRow:
    """One leg of an opportunity. Prices 1e-9 USD a share, quantities 1e-8, fees 1e-9 USD."""

    side: str
    outcome: str
    venue: str
    market: str
    qty_e8: int | None
    avg_price_e9: int | None
    fee_e9: int | None


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One opportunity, open or over. Edges are 1e-9 USD a share; money is 1e-9 USD."""

    opened: str
    rule: str
    market: str
    """Its pair, basket or ladder, or what its books are about."""
    direction: str
    qty_e8: int | None
    net_edge_e9: int | None
    value_e9: int | None
    lasted_ns: int
    closed: str
    """Why it closed; empty while it is open."""
    legs: Sequence[LegRow] = ()
    gross_edge_e9: int | None = None
    maker_edge_e9: int | None = None
    fee_e9: int | None = None
    capital_e9: int | None = None
    age_ns: int | None = None
    """Age of the oldest evidence it rested on."""
    net_e9: int | None = None
    """What its whole size leaves after fees."""
    roi: float | None = None
    """That by the capital that it binds."""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """How often a rule refused for a reason, and the reason in words."""

    rule: str
    reason: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class PaperRow:
    """What of the signals would have been had; money 1e-9 USD."""

    signals: int
    whole: int
    partial: int
    gone: int
    unhedged: int
    pending: int
    net_claimed_e9: int
    net_captured_e9: int
    latency_ns: int
    """How long orders take to arrive."""


class _Column(NamedTuple):
    """A column of signals: title, what it has, how it looks, from which width on it is shown."""

    title: str
    cell: Callable[[SignalRow], str]
    style: Callable[[SignalRow], Style] = lambda _: ""
    align: Literal["<", ">"] = ">"
    width_min: int = 0
    """Of the terminal."""


def _state(row: SignalRow, width: int) -> str:
    if not row.closed:
        return "open"
    return f"closed: {row.closed}" if width >= _WIDE else "closed"


def _strong(row: SignalRow) -> Style:
    return "" if row.closed else "bold"


def _dim(_row: SignalRow) -> Style:
    return "dim"


_NAME: Final = _Column("market", lambda row: row.market, align="<")
_LASTED: Final = _Column("lasted", lambda r: shown_duration(r.lasted_ns), _dim, ">", _WIDTH_MIN)
_TAKEN: Final = (
    _Column("opened", lambda row: row.opened, _dim, "<", _WIDE),
    _Column("rule", lambda row: row.rule, align="<", width_min=_WIDTH_MIN),
    _NAME,
    _Column("take", lambda r: f"{r.direction} {shown_qty(r.qty_e8)}", align="<",
            width_min=_WIDTH_MIN),
    _Column("edge", lambda row: shown_price(row.net_edge_e9), _strong),
    _Column("dollars", lambda r: "-" if r.net_e9 is None else _cents(r.net_e9), _strong),
    _Column("return", lambda r: "-" if r.roi is None else f"{100 * r.roi:.2f}%", _strong, ">",
            _WIDTH_MIN),
    _LASTED,
)  # fmt: skip
_APART: Final = (
    _Column("opened", lambda row: row.opened, _dim, "<", _WIDE),
    _NAME,
    _Column("spread", lambda row: shown_price(row.value_e9), _strong),
    _LASTED,
)


class SignalTable:
    """Signals as a table of a terminal: a title over every column, numbers beside their names."""

    def __init__(self, rows: Sequence[SignalRow], width: int, *, taken: bool) -> None:
        self._rows: Final = rows
        self._width: Final = width
        columns = _TAKEN if taken else _APART
        self._chosen: Final = [one for one in columns if width >= one.width_min]
        self._widths: Final = {
            one.title: max([len(one.title), *(cells(printable(one.cell(row))) for row in rows)])
            for one in self._chosen
        }
        state = max([len("state"), *(len(_state(row, width)) for row in rows)])
        others = sum(each + 1 for title, each in self._widths.items() if title != _NAME.title)
        left = width - others - state - 2
        longest = self._widths[_NAME.title]
        self._widths[_NAME.title] = max(min(left, longest), _SIGNAL_NAME_WIDTH_MIN)

    def titles(self) -> Line:
        """The line above them."""
        spans = [Span(f" {o.title:{o.align}{self._widths[o.title]}}", "dim") for o in self._chosen]
        return (*spans, Span(" state", "dim"))

    def line(self, row: SignalRow) -> Line:
        """One signal."""
        texts = [(one, pad(one.cell(row), self._widths[one.title], one.align))
                 for one in self._chosen]  # fmt: skip
        spans = [Span(f" {text}", one.style(row)) for one, text in texts]
        return (*spans, Span(f" {_state(row, self._width)}", "dim" if row.closed else "good"))


def spread_lines(rows: Sequence[SignalRow], width: int) -> list[Line]:
    """Spreads under their titles."""
    table = SignalTable(rows, width, taken=False)
    return [table.titles(), *(table.line(row) for row in rows)]


def signal_lines(rows: Sequence[SignalRow], width: int, spare: int) -> list[Line]:
    """A line for each signal, and details of the first ones in at most ``spare`` lines more."""
    table = SignalTable(rows, width, taken=True)
    lines: list[Line] = []
    for row in rows:
        lines.append(table.line(row))
        details = detail_lines(row, width)
        if len(details) <= spare:
            lines += details
            spare -= len(details)
    return lines


def detail_lines(row: SignalRow, width: int) -> list[Line]:
    """What would be traded on each leg, and what that comes to; none for a mere spread."""
    if not (row.direction and row.legs) or width < _WIDTH_MIN:
        return []
    net, maker = shown_price(row.net_edge_e9), shown_price(row.maker_edge_e9)
    edges = f"a share: gross {shown_price(row.gross_edge_e9)}, net {net} taking, {maker} making"
    sums = f"fees {_money(row.fee_e9)}, capital {_money(row.capital_e9)}"
    rest = f"in all: {sums}; age {shown_duration(row.age_ns)}"
    whole = f"{edges}; {rest}"
    lines = [whole] if len(_INDENT) + len(whole) <= width else [f"{edges};", rest]
    return [
        *(_leg(leg, width) for leg in row.legs),
        *((Span(f"{_INDENT}{text}", "dim"),) for text in lines),
    ]


def refusal_lines(rows: Sequence[RefusalRow], count: int) -> list[Line]:
    """A title and the ``count`` most frequent refusals, in the order of the rules."""
    lines: list[Line] = [(Span(" not signalled, and why", "dim"),)]
    if not rows:
        lines.append((Span("  nothing was refused", "dim"),))
    most = sorted(sorted(range(len(rows)), key=lambda i: -rows[i].count)[:count])
    return lines + [_refusal(rows[i]) for i in most]


def paper_line(row: PaperRow, width: int) -> Line:
    """The ledger's sums in one line."""
    counts = {
        "whole": row.whole,
        "in part": row.partial,
        "gone": row.gone,
        "unhedged": row.unhedged,
        "under way": row.pending,
    }
    listed = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "-"
    claimed, captured = _money(row.net_claimed_e9), _money(row.net_captured_e9)
    if width < _WIDTH_MIN:
        return Span(" paper ", "dim"), Span(f"claimed {claimed}, captured {captured}")
    return (
        Span(" paper   ", "dim"),
        Span(f" net claimed {claimed}, captured {captured}"),
        Span(f"  of {row.signals:,}: {listed}", "dim"),
    )


def ledger_lines(rows: Sequence[PaperRow], width: int) -> list[Line]:
    """What orders would have kept of what signals claimed, a line for each time that they take to
    arrive.
    """
    titles = f" {'paper after':<11} {'claimed':>10} {'captured':>10} {'kept':>5}"
    wide = width >= _WIDTH_MIN
    if wide:
        titles += f" {'whole':>7} {'in part':>7} {'gone':>7} {'unhedged':>8}"
    lines: list[Line] = [(Span(titles, "dim"),)]
    for row in sorted(rows, key=lambda row: row.latency_ns):
        claimed, captured = _cents(row.net_claimed_e9), _cents(row.net_captured_e9)
        sums = f" {shown_duration(row.latency_ns):<11} {claimed:>10} {captured:>10} {_kept(row):>5}"
        counts = ""
        if wide:
            counts = f" {row.whole:>7,} {row.partial:>7,} {row.gone:>7,} {row.unhedged:>8,}"
        lines.append((Span(sums), Span(counts, "dim")))
    return lines


def _kept(row: PaperRow) -> str:
    if row.net_claimed_e9 <= 0:
        return "-"
    return f"{100 * row.net_captured_e9 / row.net_claimed_e9:.0f}%"


def _cents(value_e9: int) -> str:
    return f"${value_e9 / 1e9:,.2f}".replace("$-", "-$")


def _money(value: int | None) -> str:
    return "-" if value is None else f"${shown_price(value)}".replace("$-", "-$")


def _leg(leg: LegRow, width: int) -> Line:
    what = f"{leg.side} {cut(leg.outcome, 8)} {leg.venue}"
    numbers = f"{shown_qty(leg.qty_e8)} @ {shown_price(leg.avg_price_e9)}, fee {_money(leg.fee_e9)}"
    room = max(width - 12 - cells(what) - len(numbers), 8)
    return (Span(f"{_INDENT}{what} {cut(leg.market, room)} {numbers}", "dim"),)


def _refusal(row: RefusalRow) -> Line:
    return (
        Span(f" {pad(row.rule, _NAME_WIDTH)} "),
        Span(f"{row.reason:<11} "),
        Span(f"{row.count:>9,}  "),
        Span(printable(row.text), "dim"),
    )
