"""Opportunities as lines of the live table: what is open, what it is made of, what was refused.

A signal is a line of its own; where there is room, what would be traded on each leg and what it
comes to follow below. The taker's edge and the maker's are never one number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookfeed.monitor.text import (
    Line,
    Span,
    cut,
    printable,
    shown_duration,
    shown_price,
    shown_qty,
)

_NAME_WIDTH: Final = 20
# What a line of a signal has before its name, and besides it.
_BEFORE_NAME: Final = 21
_BESIDES_NAME: Final = 60
_SIGNAL_NAME_WIDTH_MIN: Final = 12
_INDENT: Final = " " * 10
# Below this only what an opportunity is, what it brings, and whether it is open is shown.
_WIDTH_MIN: Final = 72
_NARROW_BESIDES_NAME: Final = 26


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


def signal_titles(rows: Sequence[SignalRow], width: int, taken: int) -> Span:
    """Titles of the columns of ``signal_lines``, for a line of which ``taken`` columns are taken.

    Empty where there is nothing below them, or no room for them.
    """
    if width < _WIDTH_MIN:
        return Span("")
    gap = _BEFORE_NAME + _name_width(rows, width) + 1 - taken
    titles = f"{'':<{gap}}{'':<14} {'edge':>7} {'lasted':>7}"
    return Span(titles if rows and gap > 0 else "", "dim")


def signal_lines(rows: Sequence[SignalRow], width: int, spare: int) -> list[Line]:
    """A line for each signal, and details of the first ones in at most ``spare`` lines more."""
    if width < _WIDTH_MIN:
        return [_narrow_signal(row, width) for row in rows]
    lines: list[Line] = []
    name_width = _name_width(rows, width)
    for row in rows:
        lines.append(_signal(row, name_width))
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


def _name_width(rows: Sequence[SignalRow], width: int) -> int:
    """As wide as the longest name, as far as there is room: numbers stay near their names."""
    longest = max((len(row.market) for row in rows), default=0)
    return max(min(width - _BESIDES_NAME, longest), _SIGNAL_NAME_WIDTH_MIN)


def _signal(row: SignalRow, name_width: int) -> Line:
    edge = shown_price(row.net_edge_e9 if row.direction else row.value_e9)
    lasted = shown_duration(row.lasted_ns)
    what = f"{row.direction} {shown_qty(row.qty_e8)}" if row.direction else "spread"
    return (
        Span(f" {row.opened} ", "dim"),
        Span(f"{row.rule:<11}"),
        Span(f"{cut(row.market, name_width):<{name_width}} "),
        Span(f"{what:<14} "),
        Span(f"{edge:>7} ", "" if row.closed else "bold"),
        Span(f"{lasted:>7} ", "dim"),
        Span(row.closed or "open", "dim" if row.closed else "good"),
    )


def _narrow_signal(row: SignalRow, width: int) -> Line:
    edge = shown_price(row.net_edge_e9 if row.direction else row.value_e9)
    name_width = max(width - _NARROW_BESIDES_NAME, 1)
    return (
        Span(f" {cut(row.rule, 10):<10} "),
        Span(f"{cut(row.market, name_width):<{name_width}}"),
        Span(f" {edge:>7} ", "" if row.closed else "bold"),
        Span(row.closed or "open", "dim" if row.closed else "good"),
    )


def _leg(leg: LegRow, width: int) -> Line:
    what = f"{leg.side} {cut(leg.outcome, 8)} {leg.venue}"
    numbers = f"{shown_qty(leg.qty_e8)} @ {shown_price(leg.avg_price_e9)}, fee {_money(leg.fee_e9)}"
    room = max(width - 12 - len(what) - len(numbers), 8)
    return (Span(f"{_INDENT}{what} {cut(leg.market, room)} {numbers}", "dim"),)


def _refusal(row: RefusalRow) -> Line:
    name = cut(row.rule, _NAME_WIDTH)
    return (
        Span(f" {name:<{_NAME_WIDTH}} "),
        Span(f"{row.reason:<11} "),
        Span(f"{row.count:>9,}  "),
        Span(printable(row.text), "dim"),
    )
