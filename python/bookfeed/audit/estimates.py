"""Indices that an engine estimates as time passes, computed anew from the auditor's own books.

Who counts is judged at every effective time. The value takes long where books are deep: there it is
computed once in as many milliseconds as they have levels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

from bookfeed.audit.books import Instrument
from bookfeed.audit.index import Entry, Method, Oracle, Seen
from bookfeed.audit.lives import Standing
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import NS_PER_MS, QTY_UNITS, plain, units
from bookfeed.audit.terms import Made

if TYPE_CHECKING:
    from bookfeed.records.indices import IndexTick

# How far off a value may be, 1e-9: where both have one cap, and where rounding parts the caps.
VALUE_OFF_MAX: Final = 2
VALUE_OFF_OTHER_CAP_MAX: Final = 100_000
# Until some later time nobody is heard of, so that it does not matter when.
_NEVER: Final = -(2**63)

_STEPS: Final = {"BTC": 1, "ETH": 25, "SOL": 100, "XRP": 10_000}
_HALF_SPREADS: Final = {"BTC": Fraction(5, 1000)}
_ERRONEOUS: Final = {"XRP": Fraction(10, 100)}


@dataclass(slots=True)
class Expected:
    """What is expected of an index at one effective time."""

    number: int
    at: int
    standings: dict[str, str]
    books: Mapping[str, Seen] | None
    """The books as they stood; ``None`` if its value is not computed."""
    made: Made
    """What it is made of."""


@dataclass(slots=True)
class Followed:
    """An index, and when its next effective time is."""

    name: str
    constituents: dict[str, str]
    oracle: Oracle
    tick: int
    next: int
    computed_at: int = _NEVER
    expected: deque[Expected] = field(default_factory=deque)
    made: dict[int, Made] = field(default_factory=dict)
    """What its values of this record are made of, by time."""


class Estimates:
    """All indices of a journal. ``standing`` says how a book stands before the record in hand,
    ``undecided`` of which books it is not known here what they hold.
    """

    def __init__(
        self,
        model: Model,
        standing: Callable[[int], Standing],
        undecided: Callable[[int], bool],
    ) -> None:
        self._model: Final = model
        self._standing: Final = standing
        self._undecided: Final = undecided
        self._all: Final[list[Followed]] = []

    def add(self, name: str, params: Mapping[str, Any], ts: int) -> None:
        """An index is estimated from here on."""
        tick = units(plain(str(params.get("tick_ms", 200)), 6), NS_PER_MS)
        parts = [part.split() for part in str(params["constituents"]).split(";") if part.strip()]
        constituents = {venue: symbol for venue, symbol in parts}
        following = (ts // tick + 1) * tick
        self._all.append(Followed(name, constituents, Oracle(method(params)), tick, following))

    def pass_time(self, ts: int) -> None:
        """Time passes until ``ts``, before anything of that time is done: what is expected."""
        for number, one in enumerate(self._all):
            while one.next <= ts:
                expected = self._expect(number, one)
                one.expected.append(expected)
                one.next += one.tick
                if all(standing == "delayed" for standing in expected.standings.values()):
                    one.next = max(one.next, ts // one.tick * one.tick)

    def _expect(self, number: int, one: Followed) -> Expected:
        at, found = one.next, {}
        for venue, symbol in one.constituents.items():
            book = self._model.find(venue, symbol)
            found[venue] = None if book is None else self._model.instruments[book]
        touches = {venue: self._seen(each, whole=False) for venue, each in found.items()}
        one.oracle.screen(at, touches)
        there = [each for each in found.values() if each is not None]
        levels = sum(each.book.size for each in there)
        known = not any(self._undecided(each.number) for each in there)
        books = None
        if known and at - one.computed_at >= levels * NS_PER_MS:
            one.computed_at = at
            books = {venue: self._seen(each, whole=True) for venue, each in found.items()}
        standings = dict(one.oracle.standing)
        included = [venue for venue, standing in standings.items() if standing == "included"]
        age = max((at - touches[venue].retrieved for venue in included), default=0)
        return Expected(number, at, standings, books, Made(tuple(sorted(included)), max(age, 0)))

    def _seen(self, one: Instrument | None, *, whole: bool) -> Seen:
        if one is None:
            return Seen([], [], _NEVER, believed=False)
        standing = self._standing(one.number)
        heard = _NEVER if standing.ts_evidence is None else standing.ts_evidence
        bids, asks = _sides(one) if whole else _touch(one)
        return Seen(bids, asks, heard, standing.live)

    def compare(self, ticks: Sequence["IndexTick"]) -> Iterator[str | None]:
        """Holds values that were told against those expected: what differs of each, or ``None``."""
        for each in self._all:
            each.made.clear()
        for tick in ticks:
            one = self._all[tick.number] if tick.number < len(self._all) else None
            if one is None or not one.expected:
                yield f"index {tick.number} at {tick.ts} only there"
                continue
            expected = one.expected.popleft()
            one.made[expected.at] = expected.made
            yield _difference(expected, tick, one.oracle)

    def made(self, number: int, at: int) -> Made:
        """What a value that was compared last is made of."""
        return self._all[number].made.get(at, Made())

    @property
    def due(self) -> list[str]:
        """The names of the indices of which a value is expected."""
        return [one.name for one in self._all if one.expected]

    def missing(self) -> Iterator[str]:
        """Values that were expected and are not told by now."""
        for one in self._all:
            for expected in one.expected:
                yield f"index {expected.number} at {expected.at} only here"
            one.expected.clear()


def method(params: Mapping[str, Any]) -> Method:
    """The method by the parameters of a journal record."""
    usual = Method()
    asset = str(params["asset"])

    def share(name: str, default: Fraction) -> Fraction:
        return Fraction(int(params[name]), 10**6) if name in params else default

    spacing = str(params.get("spacing", "integral"))
    if spacing == "published":
        step: Any = _STEPS[asset] * QTY_UNITS
    elif spacing in ("integral", "hundredth"):
        step = spacing
    else:
        step = units(plain(spacing, 8), QTY_UNITS)
    kind, count = str(params.get("sample", "at_least 50")).split()
    lag = units(plain(str(params.get("lag_max_ms", 10_000)), 6), NS_PER_MS)
    return Method(
        lag_max=lag,
        erroneous=share("erroneous_ppm", _ERRONEOUS.get(asset, usual.erroneous)),
        half_spread=share("half_spread_ppm", _HALF_SPREADS.get(asset, Fraction(1, 100))),
        spacing=step,
        sample=cast(Any, (kind, int(count))),
        order=cast(Any, params.get("order", "level")),
        crossed=cast(Any, params.get("crossed", "kept")),
        median=cast(Any, params.get("median", "valid")),
    )


def _sides(one: Instrument) -> tuple[list[Entry], list[Entry]]:
    bids, asks = ([(p, q) for p, q in one.book.in_units(side)] for side in ("bid", "ask"))
    return bids, asks


def _touch(one: Instrument) -> tuple[list[Entry], list[Entry]]:
    bid, bid_qty, ask, ask_qty = one.book.touch.in_units()
    bids = [] if bid is None or bid_qty is None else [(bid, bid_qty)]
    asks = [] if ask is None or ask_qty is None else [(ask, ask_qty)]
    return bids, asks


def _difference(expected: Expected, tick: "IndexTick", oracle: Oracle) -> str | None:
    """What of a value is not as expected; ``None`` if all is."""
    called = f"index {tick.name or tick.number} at {expected.at}"
    if tick.ts != expected.at:
        return f"{called}: {tick.ts} there"
    if dict(tick.standings) != expected.standings:
        return f"{called}: {expected.standings} here, {dict(tick.standings)} there"
    if expected.books is None:
        none_left = "included" not in expected.standings.values()
        return f"{called}: {tick.value_e9} there" if none_left and tick.value_e9 else None
    wanted = oracle.value(expected.books, expected.standings)
    if wanted is None or tick.value_e9 is None:
        both = wanted is None and tick.value_e9 is None
        return None if both else f"{called}: {wanted} here, {tick.value_e9} there"
    value, depth, cap = wanted
    same = tick.cap_e8 == cap
    off = abs(tick.value_e9 - value)
    depth_off = abs((tick.utilised_depth_e8 or 0) - depth)
    if (
        abs((tick.cap_e8 or 0) - cap) > 1
        or off > (VALUE_OFF_MAX if same else VALUE_OFF_OTHER_CAP_MAX)
        or (same and depth_off > 0)
    ):
        told = (tick.value_e9, tick.utilised_depth_e8, tick.cap_e8)
        return f"{called}: {(value, depth, cap)} here, {told} there"
    return None
