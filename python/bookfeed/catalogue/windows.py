"""Windows of rolling series: where one begins and ends, in any venue's way of cutting time.

A series is traded in one window after the other: quarters of an hour, hours, days from noon to
noon. Here is the arithmetic alone, with daylight saving time by ``zoneinfo``; how a venue spells
the name of a window is in the venue's own module beside this one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError

Cadence = Literal["5m", "15m", "1h", "4h", "1d"]
CADENCES: Final[tuple[Cadence, ...]] = ("5m", "15m", "1h", "4h", "1d")

MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
"""Months as names spell them, whatever the machine's language is."""

_EASTERN: Final = "America/New_York"
_HOUR_S: Final = 3_600
_STEPS_S: Final = {"5m": 300, "15m": 900, "1h": _HOUR_S}
_NOON_H: Final = 12


class Span(NamedTuple):
    """From when to when, in Unix seconds; the end belongs to the next one."""

    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a series, and what its venue calls it.

    ``start_ts`` and ``end_ts`` are Unix nanoseconds. A market may be listed and traded before its
    window starts. Two windows may have one name, in the hour that comes twice: they differ by
    ``end_ts``.
    """

    series: str
    """Name of the series."""
    event: str
    """The venue's name of the event: a slug, an event ticker."""
    market: str | None
    """The venue's name of its market; ``None`` where it has several, which only a listing tells."""
    start_ts: int
    end_ts: int
    doubtful: bool = False
    """Whether clocks change in it or its name is another window's, too: what the venue does then is
    not known, so its listing decides."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a venue cuts one series into windows, and spells their names.

    ``event`` and ``market`` spell the names of a span. ``moments`` reads such a name: Unix seconds
    within each window that may be meant, which need not really be called so.
    """

    venue: str
    series: str
    asset: str
    """What the series is about, in lower case: ``"btc"``."""
    cadence: Cadence
    event: Callable[[Span], str]
    market: Callable[[Span], str | None]
    moments: Callable[[str], tuple[int, ...]]


@cache
def eastern() -> ZoneInfo:
    """The time zone of New York; ``CatalogueError`` where no time zone data are installed."""
    try:
        return ZoneInfo(_EASTERN)
    except ZoneInfoNotFoundError as error:
        raise CatalogueError(
            f"no data of the time zone {_EASTERN}, by which venues name their markets: "
            "install the system's tzdata, or pip install tzdata"
        ) from error


def eastern_time(at_s: int) -> datetime:
    """The time in New York at a moment in Unix seconds."""
    return datetime.fromtimestamp(at_s, eastern())


def eastern_moments(year: int, month: int, day: int, hour: int, minute: int = 0) -> tuple[int, ...]:
    """The Unix seconds at which clocks in New York show a time: two in the hour that comes twice.

    A time that clocks skip gives moments at which they show another one. ``ValueError`` for a date
    that is none.
    """
    shown = datetime(year, month, day, hour, minute, tzinfo=eastern())
    both = {int(shown.replace(fold=fold).timestamp()) for fold in (0, 1)}
    return tuple(sorted(both))


def span_at(cadence: Cadence, at_s: int) -> Span:
    """The span of a cadence that holds a moment in Unix seconds.

    5 minutes, 15 minutes and hours begin at multiples of themselves. 4 hours begin at 0, 4, … 20
    o'clock in New York, days at noon there; with a change of clocks within it, such a span is an
    hour longer or shorter.
    """
    step_s = _STEPS_S.get(cadence)
    if step_s is not None:
        start_s = at_s // step_s * step_s
        return Span(start_s, start_s + step_s)
    local = eastern_time(at_s)
    if cadence == "4h":
        start = local.replace(hour=local.hour // 4 * 4, minute=0, second=0, fold=0)
        return _span(start, timedelta(hours=4))
    start = local.replace(hour=_NOON_H, minute=0, second=0, fold=0)
    if local.hour < _NOON_H:
        start -= timedelta(days=1)
    return _span(start, timedelta(days=1))


def _span(start: datetime, length: timedelta) -> Span:
    # With a zone of its own, a time is added to as clocks show it, not as time passes.
    return Span(int(start.timestamp()), int((start + length).timestamp()))


def window_at(grammar: Grammar, at_s: int) -> Window:
    """The window of a series that holds a moment in Unix seconds."""
    return _window(grammar, span_at(grammar.cadence, at_s))


def windows_named(grammar: Grammar, name: str) -> tuple[Window, ...]:
    """Every window of a series that has this name, of its event or its market; none if none has."""
    return tuple(_window(grammar, span) for span in _spans_named(grammar, name))


def _window(grammar: Grammar, span: Span) -> Window:
    event = grammar.event(span)
    return Window(
        series=grammar.series,
        event=event,
        market=grammar.market(span),
        start_ts=span.start_s * NS_PER_S,
        end_ts=span.end_s * NS_PER_S,
        doubtful=_near_change(span) and _is_doubtful(grammar, span, event),
    )


def _near_change(span: Span) -> bool:
    """Whether clocks change within an hour of a span; elsewhere all is plain, and told quickly."""
    before, after = eastern_time(span.start_s - _HOUR_S), eastern_time(span.end_s + _HOUR_S)
    return before.utcoffset() != after.utcoffset()


def _is_doubtful(grammar: Grammar, span: Span, event: str) -> bool:
    odd_length = grammar.cadence == "4h" and span.end_s - span.start_s != 4 * _HOUR_S
    return odd_length or len(_spans_named(grammar, event)) > 1


def _spans_named(grammar: Grammar, name: str) -> list[Span]:
    try:
        found = {span_at(grammar.cadence, at_s) for at_s in grammar.moments(name)}
    except (ValueError, OverflowError, OSError):
        return []  # digits that are no date, or one that is out of all ranges
    return sorted(span for span in found if name in (grammar.event(span), grammar.market(span)))
