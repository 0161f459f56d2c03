"""What listed markets about a price are worth beside what their books say, as lines and as objects.

An index is an estimate of our own, and is called one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bookfeed._bookfeed import BookView
from bookfeed.fair.estimates import Asked, FairValues
from bookfeed.feed.source import BookSource
from bookfeed.monitor.text import Line, Span, Style, cut, shown_duration

_E9: Final = 10**9
_E18: Final = 10**18
_ROWS_MAX: Final = 8
_KEPT_NS: Final = -5 * 10**9
"""So long after its end a market is still shown."""
_NAME_WIDTH: Final = 30


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An index of spot books, and how its venues stand."""

    asset: str
    value: float | None
    venues: Sequence[tuple[str, float | None, str]]
    """Name, how far its mid is from the index, and its standing where it is not included."""


@dataclass(frozen=True, slots=True)
class WorthRow:
    """A market about a price. Prices of the reference in dollars, of contracts from 0 to 1."""

    venue: str
    market: str
    left_ns: int
    strike: float | None
    expected: float | None
    fair: float | None
    low: float | None
    high: float | None
    bid: float | None
    ask: float | None


@dataclass(frozen=True, slots=True)
class Worth:
    """All of it at one moment; times in Unix nanoseconds."""

    ts: int
    window_ts: int
    """What the clock of windows shows; ``ts`` unless they are simulated in haste."""
    indexes: Sequence[IndexRow]
    markets: Sequence[WorthRow]


def worth_of(fair: FairValues, source: BookSource, ts: int, window_ts: int) -> Worth | None:
    """What is known now; ``None`` where there is no market whose reference was heard of."""
    asked = [
        one for one in fair.open_markets() if fair.left_ns(one, ts) > _KEPT_NS and fair.heard(one)
    ]
    if not asked:
        return None
    asked.sort(key=lambda one: (fair.left_ns(one, ts), one.question.key))
    views = {view.symbol: view for view in source.books()}
    rows = [_row(fair, one, views.get(one.question.symbol), ts) for one in asked]
    return Worth(ts, window_ts, [_index(fair, asset, views) for asset in fair.indexes], rows)


def worth_lines(worth: Worth, width: int) -> list[Line]:
    """As lines of at most ``width`` columns."""
    lines = [_clock_line(worth)]
    lines += [_index_line(one) for one in worth.indexes]
    title = f" {'price markets':<{_NAME_WIDTH}} {'left':>7} {'strike':>11} {'price':>11}"
    title += f" {'fair':>6} {'low':>6} {'high':>6} {'bid':>6} {'ask':>6}"
    lines.append((Span(title, "dim"),))
    lines += [_market_line(one) for one in worth.markets[:_ROWS_MAX]]
    return [tuple(_fit(line, width)) for line in lines]


def worth_object(worth: Worth) -> dict[str, Any]:
    """As an object for programs."""
    return {
        "ts": worth.ts,
        "window_ts": worth.window_ts,
        "indexes": [
            {
                "asset": one.asset,
                "estimate": one.value,
                "venues": [
                    {"venue": name, "basis": basis, "standing": standing}
                    for name, basis, standing in one.venues
                ],
            }
            for one in worth.indexes
        ],
        "markets": [
            {
                "venue": one.venue,
                "market": one.market,
                "left_s": round(one.left_ns / _E9, 3),
                "strike": one.strike,
                "expected": one.expected,
                "fair_value": one.fair,
                "low": one.low,
                "high": one.high,
                "bid": one.bid,
                "ask": one.ask,
            }
            for one in worth.markets
        ],
    }


def _row(fair: FairValues, one: Asked, view: BookView | None, ts: int) -> WorthRow:
    value, bounds = fair.value(one, ts), one.bounds
    at_least = None if bounds is None else bounds.at_least_e18
    venue, _ = one.question.key
    return WorthRow(
        venue=venue,
        market=one.question.title,
        left_ns=fair.left_ns(one, ts),
        strike=None if at_least is None else at_least / _E18,
        expected=None if value is None else value.expected_e18 / _E18,
        fair=None if value is None else value.price,
        low=None if value is None else value.low_e9 / _E9,
        high=None if value is None else value.high_e9 / _E9,
        bid=None if view is None else view.bid,
        ask=None if view is None else view.ask,
    )


def _index(fair: FairValues, asset: str, views: dict[str, BookView]) -> IndexRow:
    value = fair.indexes[asset]
    mids = {view.venue: view.mid for view in views.values() if view.market == f"{asset}-USD"}
    venues = []
    for name, standing in fair.standings(asset).items():
        mid = mids.get(name)
        basis = None if value is None or mid is None else mid - value.value
        venues.append((name, basis, "" if standing == "included" else standing))
    return IndexRow(asset, None if value is None else value.value, venues)


def _clock_line(worth: Worth) -> Line:
    shown = f" clock {_time(worth.ts)} UTC"
    if abs(worth.window_ts - worth.ts) > _E9:
        shown += f"   windows' clock {_time(worth.window_ts)}"
    return (Span(shown, "dim"),)


def _index_line(one: IndexRow) -> Line:
    value = "-" if one.value is None else f"{one.value:,.2f}"
    spans = [Span(f" {one.asset} index, estimated "), Span(value, "bold")]
    for name, basis, standing in one.venues:
        if standing:
            spans.append(Span(f"  {name} {standing}", "warn"))
        else:
            spans.append(Span(f"  {name} {'-' if basis is None else f'{basis:+.2f}'}"))
    return tuple(spans)


def _market_line(one: WorthRow) -> Line:
    name = cut(f"{one.venue} {one.market}", _NAME_WIDTH)
    style: Style = ""
    if one.fair is not None and one.bid is not None and one.ask is not None:
        # Where the book stands apart from what it is worth, whichever way.
        style = "good" if one.bid > one.fair or one.ask < one.fair else ""
    left = shown_duration(max(one.left_ns, 0))
    reference = f" {left:>7} {_dollars(one.strike):>11} {_dollars(one.expected):>11}"
    values = "".join(f" {_cents(each):>6}" for each in (one.fair, one.low, one.high))
    book = f" {_cents(one.bid):>6} {_cents(one.ask):>6}"
    return (Span(f" {name:<{_NAME_WIDTH}}{reference}"), Span(values, "bold"), Span(book, style))


def _fit(line: Line, width: int) -> list[Span]:
    spans, left = [], width
    for span in line:
        spans.append(Span(span.text[:left], span.style))
        left -= len(spans[-1].text)
    return spans


def _dollars(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _cents(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _time(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / _E9, UTC):%H:%M:%S}"
