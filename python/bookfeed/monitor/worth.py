"""What listed markets about a price are worth beside what their books say, as lines and as objects.

An index is an estimate of our own, and is called one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bookfeed._bookfeed import BookView
from bookfeed.fair.estimates import Asked, FairValues
from bookfeed.feed.source import BookSource
from bookfeed.monitor.text import Line, Span, Style, clip, columns, pad, shown_duration

_E9: Final = 10**9
_E18: Final = 10**18
_ROWS_MAX: Final = 8
_ROWS_MIN: Final = 2
_KEPT_NS: Final = -5 * 10**9
"""So long after its end a market is still shown."""
_NAME_WIDTH: Final = 30
_NAME_WIDTH_MIN: Final = 16


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


def worth_of(fair: FairValues, source: BookSource, ts: int) -> Worth | None:
    """What is known now; ``None`` where there is no market whose reference was heard of."""
    asked = [
        one for one in fair.open_markets() if fair.left_ns(one, ts) > _KEPT_NS and fair.heard(one)
    ]
    if not asked:
        return None
    asked.sort(key=lambda one: (fair.left_ns(one, ts), one.question.key))
    # Two venues may call their books alike.
    views = {(view.venue, view.symbol): view for view in source.books()}
    window_ts = ts if source.pace is None else source.pace.shown(ts)
    rows = [
        _row(fair, one, views.get((one.question.key[0], one.question.symbol)), ts) for one in asked
    ]
    return Worth(ts, window_ts, [_index(fair, asset, views) for asset in fair.indexes], rows)


def worth_lines(worth: Worth, width: int, lines_max: int) -> list[Line]:
    """As lines of at most ``width`` columns, if possible not more than ``lines_max``: those of the
    markets that end first, at least a few.
    """
    lines = [_index_line(one, width) for one in worth.indexes]
    rows = max(lines_max - len(lines) - 2, _ROWS_MIN)
    if lines_max > 2 * _ROWS_MIN:
        lines.insert(0, _clock_line(worth, width))
    chosen, name_width = _columns(width)
    titles = "".join(f" {one.title:>{one.width}}" for one in chosen)
    lines.append((Span(f" {pad('price markets', name_width)}{titles}", "dim"),))
    shown = worth.markets[: min(rows, _ROWS_MAX)]
    lines += [_market_line(one, chosen, name_width) for one in shown]
    return [clip(line, width) for line in lines]


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
    value = fair.value(one, ts)
    venue, _ = one.question.key
    return WorthRow(
        venue=venue,
        market=one.question.title,
        left_ns=fair.left_ns(one, ts),
        strike=fair.strike(one),
        expected=None if value is None else value.expected_e18 / _E18,
        fair=None if value is None else value.price,
        low=None if value is None else value.low_e9 / _E9,
        high=None if value is None else value.high_e9 / _E9,
        bid=None if view is None else view.bid,
        ask=None if view is None else view.ask,
    )


def _index(fair: FairValues, asset: str, views: Mapping[tuple[str, str], BookView]) -> IndexRow:
    value = fair.indexes[asset]
    mids = {view.venue: view.mid for view in views.values() if view.market == f"{asset}-USD"}
    venues = []
    for name, standing in fair.standings(asset).items():
        mid = mids.get(name)
        basis = None if value is None or mid is None else mid - value
        venues.append((name, basis, "" if standing == "included" else standing))
    return IndexRow(asset, value, venues)


def _clock_line(worth: Worth, width: int) -> Line:
    shown = f" clock {_time(worth.ts)} UTC"
    if abs(worth.window_ts - worth.ts) > _E9:
        shown += f"   windows' clock {_time(worth.window_ts)}"
        if len(shown) > width:
            shown = f" {_time(worth.ts)} UTC, windows' {_time(worth.window_ts)}"
    return (Span(shown, "dim"),)


def _index_line(one: IndexRow, width: int) -> Line:
    """The index and how far each venue is from it, to the cent or to the dollar; where there is no
    room for that, how many venues are in it.
    """
    value = Span("-" if one.value is None else f"{one.value:,.2f}", "bold")
    name = Span(f" {one.asset} index, estimated ")
    wholes: list[Line] = [
        (name, value, *_venues(one, ".2f")),
        (Span(f" {one.asset} estimated "), value, *_venues(one, ".0f")),
    ]
    for whole in wholes:
        if columns(whole) <= width:
            return whole
    count = len([standing for *_, standing in one.venues if not standing])
    of = Span(f"  {count} of {len(one.venues)} in", "" if count == len(one.venues) else "warn")
    return (Span(f" {one.asset} estimated "), value, of)


def _venues(one: IndexRow, form: str) -> Iterator[Span]:
    for name, basis, standing in one.venues:
        if standing:
            yield Span(f"  {name} {standing}", "warn")
        else:
            yield Span(f"  {name} {'-' if basis is None else f'{basis:+{form}}'}")


class _Column(NamedTuple):
    """A column of the markets: its title, how wide it is, what it shows and how."""

    title: str
    width: int
    cell: Callable[[WorthRow], str]
    style: Callable[[WorthRow], Style]


def _plain(_: WorthRow) -> Style:
    return ""


def _bold(_: WorthRow) -> Style:
    return "bold"


def _apart(one: WorthRow) -> Style:
    """Where the book stands apart from what it is worth, whichever way."""
    if one.fair is None or one.bid is None or one.ask is None:
        return ""
    return "good" if one.bid > one.fair or one.ask < one.fair else ""


_COLUMNS: Final = (
    _Column("left", 7, lambda one: shown_duration(max(one.left_ns, 0)), _plain),
    _Column("strike", 11, lambda one: _dollars(one.strike), _plain),
    _Column("price", 11, lambda one: _dollars(one.expected), _plain),
    _Column("fair", 6, lambda one: _cents(one.fair), _bold),
    _Column("low", 6, lambda one: _cents(one.low), _bold),
    _Column("high", 6, lambda one: _cents(one.high), _bold),
    _Column("bid", 6, lambda one: _cents(one.bid), _apart),
    _Column("ask", 6, lambda one: _cents(one.ask), _apart),
)
# What is left out first where there is no room.
_SPARED: Final = (("low", "high"), ("price",), ("strike",), ("left",))


def _columns(width: int) -> tuple[list[_Column], int]:
    """The columns that fit, and what the name of a market has of the rest."""
    chosen = list(_COLUMNS)
    for spared in _SPARED:
        if _left(chosen, width) >= _NAME_WIDTH_MIN:
            break
        chosen = [one for one in chosen if one.title not in spared]
    return chosen, min(max(_left(chosen, width), 1), _NAME_WIDTH)


def _left(chosen: Sequence[_Column], width: int) -> int:
    return width - 1 - sum(one.width + 1 for one in chosen)


def _market_line(one: WorthRow, chosen: Sequence[_Column], name_width: int) -> Line:
    name = pad(f"{one.venue} {one.market}", name_width)
    cells = (Span(f" {each.cell(one):>{each.width}}", each.style(one)) for each in chosen)
    return (Span(f" {name}"), *cells)


def _dollars(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _cents(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _time(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / _E9, UTC):%H:%M:%S}"
