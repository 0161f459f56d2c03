"""``FairValues``: what every listed market about a price is worth, second by second.

    async with Feed(...) as feed:
        fair = FairValues(feed)
        ...
        for one in fair.markets():
            print(one.question.title, fair.value(one))

Values are an engine's, by the terms that follow from listings (``feed/settling.py``): those of the
feed itself, or, on a replay and for other tails or volatilities than the feed's, of an engine that
is kept beside it (``apart.py``). References are prices that relays tell, and indexes of the spot
books: only live ones, and an estimate of our own, never an administrator's value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bookfeed._bookfeed import FairValue
from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S
from bookfeed.fair.apart import Apart
from bookfeed.fair.scores import DEFAULT_TAILS, Tails
from bookfeed.feed.question import INDEX, Bounds, Question, bounds_of, question_of
from bookfeed.feed.source import BookSource
from bookfeed.feed.worth import index_number
from bookfeed.records.indices import IndexTick

_AFTER_NS: Final = 60 * NS_PER_S
"""So long after its end a window still hears of its last second."""
_E18: Final = 10**18
_FRESH_NS: Final = 5 * NS_PER_S
"""With an older tick nothing is said: the reference was not there."""


class Volatilities(NamedTuple):
    """How much a reference moves is measured over steps of at least ``step_s``, of which those
    before ``half_life_s`` count half.
    """

    half_life_s: float = 300.0
    step_s: float = 10.0


@dataclass
class Asked:
    """A market about a price, and its window."""

    question: Question
    listing: Listing
    """As it is known by now."""
    outcome: str = "open"
    """Who has won by the window's own question, as ``WindowStanding.outcome`` says."""


class FairValues:
    """The markets that ``source`` (``Feed`` or ``Replay``) knows listings of.

    ``tails`` is the shape of moves, ``volatility`` how those of a reference are measured; without
    either they are those of the feed's own terms, on a replay the usual ones.
    It listens from the moment it is made.
    """

    def __init__(
        self,
        source: BookSource,
        *,
        tails: Tails | None = None,
        volatility: Volatilities | None = None,
    ) -> None:
        self.why_not: Final[dict[tuple[str, str], str]] = {}
        """Why markets have no fair value, by venue and the venue's id."""
        self.indexes: Final[dict[str, float | None]] = {}
        """The newest value of each index by asset, ``None`` where no book was left."""
        self._source: Final = source
        self._told: Final[dict[str, IndexTick]] = {}
        self._asked: Final[dict[tuple[str, str], Asked]] = {}
        self._open: Final[dict[tuple[str, str], Asked]] = {}
        settling = source.settling if tails is None and volatility is None else None
        params = _params(DEFAULT_TAILS if tails is None else tails, volatility)
        self._apart: Final = Apart(source, params) if settling is None else None
        if self._apart is not None:
            self._settling, self._engine = self._apart.settling, self._apart.engine
        elif settling is not None:
            self._settling, self._engine = settling, source.engine
        self._listeners: Final = (
            source.on_index(self._estimated),
            source.every(1.0, self._second),
        )
        source.on_listing.append(self._listed)
        for listing in source.listings.values():
            self._listed(listing)

    def close(self) -> None:
        """Hears no more."""
        for listener in self._listeners:
            listener.close()
        self._source.on_listing.remove(self._listed)
        if self._apart is not None:
            self._apart.close()

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
        return {} if self._apart is None else self._apart.standings(asset)

    def value(self, one: Asked, ts: int) -> FairValue | None:
        """What a market was worth when its reference last ticked; ``None`` if that is more than 5 s
        before ``ts``, Unix nanoseconds, or something else that it takes is not known.
        """
        stated = self._settling.stated.get(one.question.key)
        value = None if stated is None else self._engine.fair_value(stated.instrument)
        return None if value is None or ts - value.ts > _FRESH_NS else value

    def bounds(self, one: Asked) -> Bounds | None:
        """What the price is compared with: as it is told, else what the window began at."""
        told = bounds_of(one.listing)
        stated = self._settling.stated.get(one.question.key)
        if told is not None or not one.question.own or stated is None:
            return told
        window = self._engine.window(stated.instrument)
        strike = None if window is None else window.strike_e18
        return None if strike is None else Bounds(strike, None)

    def strike(self, one: Asked) -> float | None:
        """The strike as its venue states it, else what its window began at."""
        stated = one.listing.strike
        if stated is not None and stated.floor is not None:
            return float(stated.floor)
        bounds = self.bounds(one)
        at_least = None if bounds is None else bounds.at_least_e18
        return None if at_least is None else at_least / _E18

    def heard(self, one: Asked) -> bool:
        """Whether anything was ever told of the reference of a market."""
        name = one.question.reference
        if name.startswith(INDEX):
            return name.removeprefix(INDEX) in self.indexes
        return self._settling.heard(name)

    def left_ns(self, one: Asked, ts: int) -> int:
        """How long a market's window still lasts at a time; below 0 if it is over."""
        question, pace = one.question, self._source.pace
        if pace is None:
            return question.end_ts - ts
        return pace.left_ns(question.end_ts - question.start_ts, question.end_ts, ts)

    def look(self) -> None:
        """Takes note of how windows stand by now; every second does."""
        for one in self._open.values():
            stated = self._settling.stated.get(one.question.key)
            window = None if stated is None else self._engine.window(stated.instrument)
            if window is not None:
                one.outcome = window.outcome

    def _listed(self, listing: Listing) -> None:
        key = (listing.venue, listing.market or listing.slug)
        if key in self._asked:
            self._asked[key].listing = listing
        else:
            question = question_of(listing)
            if isinstance(question, str):
                self.why_not[key] = question
                return
            self.why_not.pop(key, None)
            self._asked[key] = self._open[key] = Asked(question, listing)
        if self._apart is not None:
            self._apart.settling.look(listing)

    def _second(self, ts: int) -> None:
        self.look()
        for one in self.open_markets():
            if self.left_ns(one, ts) < -_AFTER_NS - one.question.after_ns:
                del self._open[one.question.key]
                if self._apart is not None:
                    self._apart.forget(one.question)
        if self._apart is None:
            return
        references = {one.question.reference for one in self._open.values()}
        for name in sorted(name for name in references if name.startswith(INDEX)):
            asset = name.removeprefix(INDEX)
            if index_number(self._source.names, asset) is None:
                self.indexes[asset] = self._apart.estimate(asset, ts)

    def _estimated(self, tick: IndexTick) -> None:
        """The source's own index of an asset, the first of several."""
        asset = self._source.names.indices[tick.number].asset
        if index_number(self._source.names, asset) != tick.number:
            return
        self._told[asset], self.indexes[asset] = tick, tick.value
        if self._apart is not None and tick.whole_second and tick.value_e9 is not None:
            self._apart.tell(asset, tick.ts, tick.value_e9, tick.standings)


def _params(tails: Tails, volatility: Volatilities | None) -> dict[str, object]:
    """As terms have them; a volatility that nobody states is left to the terms."""
    params: dict[str, object] = {"freedom": tails.freedom or 0, "scale": f"{tails.scale:.6f}"}
    if volatility is not None:
        params["half_life_ms"] = round(volatility.half_life_s * 1_000)
        params["step_ms"] = round(volatility.step_s * 1_000)
    return params
