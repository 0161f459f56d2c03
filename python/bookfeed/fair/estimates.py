"""``FairValues``: what every listed market about a price is worth, second by second.

    async with Feed(...) as feed:
        fair = FairValues(feed)
        ...
        for one in fair.markets():
            print(one.question.title, fair.value(one))

References are prices that relays tell, and indexes of the spot books that the feed has: only live
ones, and an estimate of our own, never an administrator's value. Where the feed estimates the index
of an asset (``IndexEstimate``), its values count; else one is estimated here, once a second.
It works the same on a replay.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from bookfeed._bookfeed import (
    BookView,
    FairValue,
    SettlementWindow,
    SpotIndex,
    Volatility,
    fair_value,
)
from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S
from bookfeed.fair.question import INDEX, Bounds, Question, bounds_of, question_of
from bookfeed.fair.scores import DEFAULT_TAILS, Tails
from bookfeed.feed.source import BookSource
from bookfeed.records.indices import IndexTick
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
_SECOND_MS: Final = 1_000
_FRESH_NS: Final = 5 * NS_PER_S
"""With an older tick nothing is said: the reference was not there."""


class Volatilities(NamedTuple):
    """How much a reference moves is measured over steps of at least ``step_s``, of which those
    before ``half_life_s`` count half.
    """

    half_life_s: float = 300.0
    step_s: float = 10.0


HASTY: Final = Volatilities(20.0, 1.0)
"""Windows that are played for two minutes give no time for a volatility of many."""


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

    ``tails`` is the shape of moves, ``volatility`` how those of a reference are measured: by
    default ``Volatilities()``, and ``HASTY`` where windows are simulated in haste.
    It listens from the moment it is made.
    """

    def __init__(
        self,
        source: BookSource,
        *,
        tails: Tails = DEFAULT_TAILS,
        volatility: Volatilities | None = None,
    ) -> None:
        self.why_not: Final[dict[tuple[str, str], str]] = {}
        """Why markets have no fair value, by venue and the venue's id."""
        self.indexes: Final[dict[str, float | None]] = {}
        """The newest value of each index by asset, ``None`` where no book was left."""
        self._source: Final = source
        self._tails: Final = tails
        self._volatility: Final = volatility
        self._references: Final[dict[str, Reference]] = {}
        self._calculated: Final[dict[str, SpotIndex]] = {}
        self._told: Final[dict[str, IndexTick]] = {}
        self._asked: Final[dict[tuple[str, str], Asked]] = {}
        self._open: Final[dict[tuple[str, str], Asked]] = {}
        self._listed: Final[dict[tuple[str, str], Listing]] = {}
        self._listeners: Final = (
            source.on_price(self._price),
            source.on_index(self._estimated),
            source.every(1.0, self._second),
        )

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
        if asset in self._told:
            return self._told[asset].standings
        index = self._calculated.get(asset)
        standings: Mapping[str, str] = {} if index is None else index.standings
        return standings

    def reference(self, name: str) -> Reference:
        """A price over time; without any value if nobody told one."""
        if name not in self._references:
            by = self._volatility or (HASTY if self._source.pace else Volatilities())
            self._references[name] = Reference(Volatility(by.half_life_s, step_s=by.step_s))
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

    def _clock(self, question: Question, ts: int) -> int:
        """What the clock of a market's window shows at a time."""
        pace = self._source.pace
        return ts if pace is None else pace.shown_of(question.end_ts - question.start_ts, ts)

    def left_ns(self, one: Asked, ts: int) -> int:
        """How long a market's window still lasts at a time; below 0 if it is over."""
        question, pace = one.question, self._source.pace
        if pace is None:
            return question.end_ts - ts
        return pace.left_ns(question.end_ts - question.start_ts, question.end_ts, ts)

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

    def _estimated(self, tick: IndexTick) -> None:
        """The feed's own index of an asset, the first of several."""
        asset = self._source.names.indices[tick.number].asset
        if self._number(asset) != tick.number:
            return
        self._told[asset], self.indexes[asset] = tick, tick.value
        if tick.whole_second and tick.value_e9 is not None:
            self._tick(f"{INDEX}{asset}", tick.ts, tick.value_e9 * _E9)

    def _number(self, asset: str) -> int | None:
        """Which of the feed's indices has a value of an asset each second."""
        told = self._source.names.indices.items()
        fits = (number for number, one in told if one.asset == asset and one.tick_ms <= _SECOND_MS)
        return min(fits, default=None)

    def _index(self, reference: str, asset: str, ts: int) -> None:
        if self._number(asset) is not None:
            return
        if asset not in self._calculated:
            self._calculated[asset] = SpotIndex(_ASSETS[asset])
        pair = f"{asset}-USD"
        books: dict[str, BookView] = {
            view.venue: view
            for view in self._source.books()
            if view.venue in CONSTITUENTS and pair in (view.market, view.symbol)
        }
        value = self._calculated[asset].tick(ts, dict(books)) if books else None
        self.indexes[asset] = None if value is None else value.value
        if value is not None:
            self._tick(reference, ts, value.value_e9 * _E9)
