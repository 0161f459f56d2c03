"""Windows of rolling series as both venues cut and name them, and the prices that decide them.

Quarters of an hour, hours, four hours of New York's clock, days from noon to noon there; and the
ladders that Kalshi has of each hour. Where clocks are put back and a name would stand twice, the
second window is called otherwise, since what a venue does then is not known.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from bookfeed.sim.chance import seeded
from bookfeed.sim.eastern import eastern

Cadence = Literal["15m", "1h", "4h", "1d"]

QUARTER_S: Final = 900
HOUR_S: Final = 3_600
COINS: Final = {"btc": "Bitcoin", "eth": "Ethereum"}
_BASES: Final = {"btc": 85_000, "eth": 3_000}
_SPREAD: Final = 0.002
_APART: Final = 0.0001
_LONGEST_S: Final = 26 * HOUR_S
_STARTS: Final[dict[Cadence, Callable[[datetime], bool]]] = {
    "15m": lambda at: at.minute % 15 == 0,
    "1h": lambda at: at.minute == 0,
    "4h": lambda at: at.minute == 0 and at.hour % 4 == 0,
    "1d": lambda at: at.minute == 0 and at.hour == 12,
}


@dataclass(frozen=True, slots=True)
class Rolled:
    """A rolling series: of which coin, in windows of which length, on which venue."""

    venue: Literal["polymarket", "kalshi"]
    coin: str
    cadence: Cadence

    @property
    def name(self) -> str:
        """What the venue calls it, or what its windows' names begin with."""
        if self.venue == "kalshi":
            return f"KX{self.coin.upper()}{'15M' if self.cadence == '15m' else 'D'}"
        if self.cadence in ("15m", "4h"):
            return f"{self.coin}-updown-{self.cadence}"
        of_days = "-on" if self.cadence == "1d" else ""
        return f"{COINS[self.coin].lower()}-up-or-down{of_days}"


EIGHT: Final = (
    Rolled("polymarket", "btc", "15m"),
    Rolled("polymarket", "eth", "15m"),
    Rolled("polymarket", "btc", "1h"),
    Rolled("polymarket", "btc", "4h"),
    Rolled("polymarket", "btc", "1d"),
    Rolled("kalshi", "btc", "15m"),
    Rolled("kalshi", "eth", "15m"),
    Rolled("kalshi", "btc", "1h"),
)
"""All shapes of windows that there are."""


class Slot(NamedTuple):
    """One window; times in Unix seconds."""

    series: Rolled
    start_s: int
    end_s: int
    name: str
    """The venue's name of its event."""
    title: str


def slots(series: Rolled, from_s: int, to_s: int) -> list[Slot]:
    """The windows of a series from the one that is on at ``from_s`` to the one at ``to_s``."""
    starts = _starts(series.cadence, from_s - _LONGEST_S, to_s + _LONGEST_S)
    spans = pairwise(starts)
    found: list[Slot] = []
    named: set[str] = set()
    for start_s, end_s in spans:
        if end_s <= from_s or start_s > to_s:
            continue
        name = _name(series, start_s, end_s)
        if name in named:
            name += "X" if series.venue == "kalshi" else "-again"
        named.add(name)
        found.append(Slot(series, start_s, end_s, name, _title(series, start_s, end_s)))
    return found


def _starts(cadence: Cadence, from_s: int, to_s: int) -> list[int]:
    begins, first = _STARTS[cadence], from_s // QUARTER_S * QUARTER_S
    return [at_s for at_s in range(first, to_s, QUARTER_S) if begins(eastern(at_s * 1_000))]


def _name(series: Rolled, start_s: int, end_s: int) -> str:
    start, end = eastern(start_s * 1_000), eastern(end_s * 1_000)
    if series.venue == "kalshi":
        form = "%y%b%d%H%M" if series.cadence == "15m" else "%y%b%d%H"
        return f"{series.name}-{end.strftime(form).upper()}"
    if series.cadence in ("15m", "4h"):
        return f"{series.name}-{start_s}"
    if series.cadence == "1h":
        return f"{series.name}-{_day(start)}-{start.hour % 12 or 12}{start:%p}-et".lower()
    return f"{series.name}-{_day(end)}".lower()


def _day(at: datetime) -> str:
    return f"{at:%B}-{at.day}-{at.year}"


def _title(series: Rolled, start_s: int, end_s: int) -> str:
    start, end = eastern(start_s * 1_000), eastern(end_s * 1_000)
    coin = COINS[series.coin]
    if series.venue == "kalshi":
        if series.cadence == "15m":
            return f"{series.coin.upper()} price up in next 15 mins?"
        return f"{coin} price on {end:%b} {end.day}, {end.year} at {_clock(end)}?"
    if series.cadence == "1d":
        return f"{coin} Up or Down on {end:%B} {end.day}?"
    when = _clock(start) if series.cadence == "1h" else f"{_clock(start)}-{_clock(end)}"
    return f"{coin} Up or Down - {start:%B} {start.day}, {when} ET"


def _clock(at: datetime) -> str:
    minutes = f":{at:%M}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes}{at:%p}"


def price(seed: int, venue: str, coin: str, at_s: int) -> float:
    """What a venue's price of a coin is at a time, in dollars; the venues' are a little apart."""
    middle = _BASES[coin] * (1 + _SPREAD * (seeded(f"price {coin}", seed, at_s).random() - 0.5))
    apart = _APART * (seeded(f"price {coin} {venue}", seed, at_s).random() - 0.5)
    return round(middle * (1 + apart), 2)


def utc_text(at_s: int) -> str:
    """Unix seconds as RFC 3339."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}Z"


def days(rolled: tuple[Rolled, ...], from_s: int, to_s: int) -> Iterator[Slot]:
    """The windows of several series, series by series."""
    for series in rolled:
        yield from slots(series, from_s, to_s)
