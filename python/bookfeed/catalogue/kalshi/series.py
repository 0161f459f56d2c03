"""How Kalshi names the windows of its rolling series: by their close, in New York's time.

Quarters of an hour have one market each; the ladders of an hour have one for each strike, which
only a listing tells. Two quarters close at the same time by the clock when it is put back an hour,
and one ticker then stands for both.
"""

import re
from collections.abc import Callable
from typing import Final

from bookfeed.catalogue.windows import MONTHS, Grammar, Span, eastern_moments, eastern_time
from bookfeed.venues.kalshi import NAME

_QUARTERS: Final = re.compile(r"KX([A-Z0-9]+)15M")
# Ladders of strikes and of ranges; no other series of the venue is known to be cut into hours.
_LADDERS: Final = {"KXBTCD": "btc", "KXBTC": "btc", "KXETHD": "eth", "KXETH": "eth"}

_SHORT_MONTHS: Final = tuple(month[:3].upper() for month in MONTHS)
_CLOSE: Final = re.compile(
    rf"([0-9]{{2}})({'|'.join(_SHORT_MONTHS)})([0-9]{{2}})([0-9]{{2}})([0-9]{{2}})?(?:-[0-9]{{2}})?"
)
_CENTURY: Final = 2000


def grammar(series: str) -> Grammar | None:
    """How windows of a series are spelled; ``None`` if it is not known to be a rolling one."""
    quarters = _QUARTERS.fullmatch(series)
    if quarters is not None:
        return _quarters(series, quarters[1].lower())
    if series in _LADDERS:
        return _ladder(series, _LADDERS[series])
    return None


def of_asset(asset: str) -> str:
    """The series of quarters of an hour of an asset, which may not be listed."""
    return f"KX{asset.upper()}15M"


def _quarters(series: str, asset: str) -> Grammar:
    def event(span: Span) -> str:
        return f"{series}-{_stamp(span.end_s)}{eastern_time(span.end_s):%M}"

    def market(span: Span) -> str:
        return f"{event(span)}-{eastern_time(span.end_s):%M}"

    return Grammar(NAME, series, asset, "15m", event, market, _moments(series))


def _ladder(series: str, asset: str) -> Grammar:
    def event(span: Span) -> str:
        return f"{series}-{_stamp(span.end_s)}"

    return Grammar(NAME, series, asset, "1h", event, lambda _span: None, _moments(series))


def _stamp(close_s: int) -> str:
    """``26NOV2817``: year, month, day and hour of a close."""
    close = eastern_time(close_s)
    return f"{close:%y}{_SHORT_MONTHS[close.month - 1]}{close:%d%H}"


def _moments(series: str) -> Callable[[str], tuple[int, ...]]:
    def moments(name: str) -> tuple[int, ...]:
        found = _CLOSE.fullmatch(name.removeprefix(f"{series}-"))
        if found is None:
            return ()
        year, month, day, hour, minute = found.groups(default="0")
        closes = eastern_moments(
            _CENTURY + int(year), _SHORT_MONTHS.index(month) + 1, int(day), int(hour), int(minute)
        )
        # The close itself belongs to the next window.
        return tuple(close_s - 1 for close_s in closes)

    return moments
