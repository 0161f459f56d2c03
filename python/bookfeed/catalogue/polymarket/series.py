"""How Polymarket names the windows of its rolling crypto series.

5 minutes, 15 minutes and 4 hours carry the Unix second of their start; hours and days are spelled
out in New York's time. There is one market a window, with the slug of its event.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, cast

from bookfeed.catalogue.windows import (
    MONTHS,
    Cadence,
    Grammar,
    Span,
    eastern_moments,
    eastern_time,
)
from bookfeed.venues.polymarket import NAME

# The word for each asset where a slug spells it out; of one there are no hours and days.
_WORDS: Final = {
    "btc": "bitcoin",
    "eth": "ethereum",
    "sol": "solana",
    "xrp": "xrp",
    "doge": "dogecoin",
    "bnb": "bnb",
    "hype": "hype",
}
ASSETS: Final = (*_WORDS, "zec")

_STAMPED: Final = re.compile(r"([a-z0-9]+)-updown-(5m|15m|4h)")
_MONTH: Final = "|".join(MONTHS)
_HOUR: Final = re.compile(rf"({_MONTH})-([0-9]{{1,2}})-([0-9]{{4}})-([0-9]{{1,2}})(am|pm)-et")
_DAY: Final = re.compile(rf"({_MONTH})-([0-9]{{1,2}})-([0-9]{{4}})")


def grammar(series: str) -> Grammar | None:
    """How windows of a series are spelled; ``None`` if it is no series of this venue.

    Its name is what the slugs of its windows begin with: ``btc-updown-15m``,
    ``bitcoin-up-or-down`` (hours), ``bitcoin-up-or-down-on`` (days).
    """
    stamped = _STAMPED.fullmatch(series)
    if stamped is not None and stamped[1] in ASSETS:
        return _stamped(series, stamped[1], cast(Cadence, stamped[2]))
    for asset, word in _WORDS.items():
        if series == f"{word}-up-or-down":
            return _spelled(series, asset, "1h", _hour, _hour_moments)
        if series == f"{word}-up-or-down-on":
            return _spelled(series, asset, "1d", _day, _day_moments)
    return None


def of_asset(asset: str) -> str:
    """The series of quarters of an hour of an asset, which may not be listed."""
    return f"{asset}-updown-15m"


def _stamped(series: str, asset: str, cadence: Cadence) -> Grammar:
    def slug(span: Span) -> str:
        return f"{series}-{span.start_s}"

    def moments(name: str) -> tuple[int, ...]:
        prefix, _, digits = name.rpartition("-")
        known = prefix == series and digits.isascii() and digits.isdigit()
        return (int(digits[:12]),) if known else ()

    return Grammar(NAME, series, asset, cadence, slug, slug, moments)


def _spelled(
    series: str,
    asset: str,
    cadence: Cadence,
    spell: Callable[[Span], str],
    read: Callable[[str], tuple[int, ...]],
) -> Grammar:
    def slug(span: Span) -> str:
        return f"{series}-{spell(span)}"

    def moments(name: str) -> tuple[int, ...]:
        return read(name.removeprefix(f"{series}-"))

    return Grammar(NAME, series, asset, cadence, slug, slug, moments)


def _hour(span: Span) -> str:
    """``november-28-2026-6am-et``: the hour in which it starts."""
    start = eastern_time(span.start_s)
    half = "am" if start.hour < 12 else "pm"
    return f"{_date(start.date())}-{start.hour % 12 or 12}{half}-et"


def _hour_moments(text: str) -> tuple[int, ...]:
    found = _HOUR.fullmatch(text)
    if found is None:
        return ()
    month, day, year, hour, half = found.groups()
    of_day = int(hour) % 12 + (12 if half == "pm" else 0)
    return eastern_moments(int(year), MONTHS.index(month) + 1, int(day), of_day)


def _day(span: Span) -> str:
    """``november-28-2026``: the day at whose noon it ends."""
    return _date(eastern_time(span.end_s).date())


def _day_moments(text: str) -> tuple[int, ...]:
    found = _DAY.fullmatch(text)
    if found is None:
        return ()
    month, day, year = found.groups()
    before = date(int(year), MONTHS.index(month) + 1, int(day)) - timedelta(days=1)
    return eastern_moments(before.year, before.month, before.day, 12)


def _date(day: date) -> str:
    return f"{MONTHS[day.month - 1]}-{day.day}-{day.year}"
