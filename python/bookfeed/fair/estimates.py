"""``FairValues``: what every listed market about a price is worth, second by second.

    async with Feed(...) as feed:
        fair = FairValues(feed)
        ...
        for one in fair.markets():
            print(one.question.title, fair.value(one))

References are prices that relays tell, and indexes of the spot books that the feed has: only live
ones, and an estimate of our own, never an administrator's value. It works the same on a replay.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bookfeed._bookfeed import (
    BookView,
    FairValue,
    SettlementWindow,
    SpotIndex,
    SpotIndexValue,
    Volatility,
    fair_value,
)
from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S
from bookfeed.fair.question import INDEX, Bounds, Question, bounds_of, question_of
from bookfeed.fair.scores import DEFAULT_TAILS, Tails
from bookfeed.feed.source import BookSource
from bookfeed.records.points import PricePoint

CONSTITUENTS: Final = ("coinbase", "kraken", "bitstamp", "gemini")
"""Venues whose books an index is made of, as far as the feed has them."""

_ASSETS: Final[Mapping[str, Literal["BTC", "ETH", "SOL", "XRP"]]] = {
    "BTC": "BTC", "ETH": "ETH", "SOL": "SOL", "XRP": "XRP",
}  # fmt: skip
_E9: Final = 10**9
_KEPT_NS: Final = 1_200 * NS_PER_S
"""So long ticks are kept for a market that is not known yet."""
_AFTER_NS: Final = 60 * NS_PER_S
"""So long after its end a window still hears of its last second."""
_FRESH_NS: Final = 5 * NS_PER_S
"""With an older tick nothing is said: the reference was not there."""


Clock = Callable[[Question, int], int]
"""What the clock of a market's window shows at a time, Unix nanoseconds. It is the time itself,
unless windows are simulated in haste.
"""


def _real(_: Question, ts: int) -> int:
    return ts


@dataclass
class Reference:
    """A price over time, and how much it moves."""

    volatility: Volatility
    ticks: deque[tuple[int, int]] = field(default_factory=deque)
    """Unix nanoseconds, and a value in 1e-18."""

    def take(self, ts: int, value_e18: int) -> None:
        """The next value."""
        self.ticks.append((ts, value_e18))
        self.volatility.tick(ts, value_e18)
        while self.ticks[0][0] < ts - _KEPT_NS:
            self.ticks.popleft()


@dataclass
class Asked:
    """A market about a price, and its window."""

    question: Question
    window: SettlementWindow
    listing: Listing
    """As it is known by now."""

    @property
    def bounds(self) -> Bounds | None:
        """What the price is compared with: as it is told, else what the window began at."""
        told = bounds_of(self.listing)
        if told is not None or not self.question.own:
            return told
        strike = self.window.strike_e18
        return None if strike is None else Bounds(strike, None)


class FairValues:
    """The markets that ``source`` (``Feed`` or ``Replay``) knows listings of, and their references.

    ``tails`` is the shape of moves; the volatility has a half-life of ``half_life_s``, and is
    measured over steps of at least ``step_s``. ``clock`` is the one that windows end by.
    It listens from the moment it is made.
    """

    def __init__(
        self,
        source: BookSource,
        *,
        tails: Tails = DEFAULT_TAILS,
        half_life_s: float = 300.0,
        step_s: float = 10.0,
        clock: Clock = _real,
    ) -> None:
        self.why_not: Final[dict[tuple[str, str], str]] = {}
        """Why markets have no fair value, by venue and the venue's id."""
        self.indexes: Final[dict[str, SpotIndexValue | None]] = {}
        """The newest value of each index by asset, ``None`` where no book was left."""
        self._source: Final = source
        self._tails: Final = tails
        self._half_life_s: Final = half_life_s
        self._step_s: Final = step_s
        self._clock: Final = clock
        self._references: Final[dict[str, Reference]] = {}
        self._calculated: Final[dict[str, SpotIndex]] = {}
        self._asked: Final[dict[tuple[str, str], Asked]] = {}
        self._open: Final[dict[tuple[str, str], Asked]] = {}
        self._listed: Final[dict[tuple[str, str], Listing]] = {}
        self._listeners: Final = (source.on_price(self._price), source.every(1.0, self._second))

    def close(self) -> None:
        """Hears no more."""
        for listener in self._listeners:
            listener.close()

    def markets(self) -> Sequence[Asked]:
        """All that have a fair value or will have one, in the order in which they became known."""
        return list(self._asked.values())

    def open_markets(self) -> Sequence[Asked]:
        """Those of them that are not over for a minute yet."""
        return list(self._open.values())

    def standings(self, asset: str) -> Mapping[str, str]:
        """How each venue stood in the index of an asset last."""
        index = self._calculated.get(asset)
        standings: Mapping[str, str] = {} if index is None else index.standings
        return standings

    def reference(self, name: str) -> Reference:
        """A price over time; without any value if nobody told one."""
        if name not in self._references:
            volatility = Volatility(self._half_life_s, step_s=self._step_s)
            self._references[name] = Reference(volatility)
        return self._references[name]

    def value(self, one: Asked, ts: int) -> FairValue | None:
        """What a market is worth at a time, Unix nanoseconds; ``None`` while the reference is older
        than 5 s, or something else that it takes is not known.
        """
        reference, bounds = self.reference(one.question.reference), one.bounds
        if bounds is None or not reference.ticks or ts - reference.ticks[-1][0] > _FRESH_NS:
            return None
        return fair_value(
            one.window,
            reference.volatility,
            self._clock(one.question, ts),
            at_least_e18=bounds.at_least_e18,
            below_e18=bounds.below_e18,
            freedom=self._tails.freedom,
            scale=self._tails.scale,
        )

    def heard(self, one: Asked) -> bool:
        """Whether anything was ever told of the reference of a market."""
        return bool(self.reference(one.question.reference).ticks)

    def left_ns(self, one: Asked, ts: int) -> int:
        """How long a market's window still lasts at a time; below 0 if it is over."""
        return one.question.end_ts - self._clock(one.question, ts)

    def look(self) -> None:
        """Takes note of what is known of markets by now; every second does."""
        for key, listing in self._source.listings.items():
            if self._listed.get(key) is listing:
                continue
            self._listed[key] = listing
            if key in self._asked:
                self._asked[key].listing = listing
                continue
            question = question_of(listing)
            if isinstance(question, str):
                self.why_not[key] = question
                continue
            self.why_not.pop(key, None)
            self._begin(question, listing)

    def _begin(self, question: Question, listing: Listing) -> None:
        window = SettlementWindow(
            question.start_ts, question.end_ts, question.measure, question.measure
        )
        for ts, value_e18 in self.reference(question.reference).ticks:
            window.tick(self._clock(question, ts), value_e18)
        self._asked[question.key] = self._open[question.key] = Asked(question, window, listing)

    def _price(self, point: PricePoint) -> None:
        if point.window_s is None and not point.carried:
            self._tick(point.symbol.replace("/", ""), point.ts_event, point.value_e18)

    def _tick(self, reference: str, ts: int, value_e18: int) -> None:
        self.reference(reference).take(ts, value_e18)
        for one in self._open.values():
            if one.question.reference == reference:
                one.window.tick(self._clock(one.question, ts), value_e18)

    def _second(self, ts: int) -> None:
        self.look()
        for one in self.open_markets():
            if self.left_ns(one, ts) < -_AFTER_NS:
                del self._open[one.question.key]
        references = {one.question.reference for one in self._open.values()}
        for name in sorted(name for name in references if name.startswith(INDEX)):
            self._index(name, name.removeprefix(INDEX), ts)

    def _index(self, reference: str, asset: str, ts: int) -> None:
        if asset not in self._calculated:
            self._calculated[asset] = SpotIndex(_ASSETS[asset])
        pair = f"{asset}-USD"
        books: dict[str, BookView] = {
            view.venue: view
            for view in self._source.books()
            if view.venue in CONSTITUENTS and pair in (view.market, view.symbol)
        }
        value = self._calculated[asset].tick(ts, dict(books)) if books else None
        self.indexes[asset] = value
        if value is not None:
            self._tick(reference, ts, value.value_e9 * _E9)
