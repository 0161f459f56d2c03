"""Pairs of rolling series: the two windows that begin and end together are watched as a pair.

Two such windows are hardly ever one contract: each venue has its own price, and with it its own
strike. What both say of it is shown as the basis that it is (``Pair.basis``), and told anew as soon
as a strike is known, which is some time after a window began.
"""

import contextlib
import logging
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from bookfeed.catalogue.claims import claim
from bookfeed.catalogue.fields import plain, time_text
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.series import check_pair
from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError
from bookfeed.feed.feed import Feed
from bookfeed.feed.windows import Followed, Held
from bookfeed.rules.pairs import Pair, PairLeg, SeriesPair
from bookfeed.venues import VENUES

# A strike is asked for from so long after the start of a window on, and as often.
STRIKE_S: Final = 5.0
NOT_KNOWN: Final = "not known yet"
"""What stands for a strike until its venue has told it."""

_FACT_MAX: Final = 500
_AGREEING: Final = ("up", "yes")

_log: Final = logging.getLogger("bookfeed.feed.rolling")


class _Watched(NamedTuple):
    """A rule, the pair that it was told to be about, and of which listings that was made."""

    number: int
    pair: Pair
    made_of: tuple[Listing, ...]


class SeriesPairs:
    """Keeps a rule for each pair of windows of ``series`` that are both followed."""

    def __init__(
        self, feed: Feed, series: Sequence[Followed], wanted: Iterable[SeriesPair]
    ) -> None:
        self._feed: Final = feed
        self._of: Final = {one.series.name: one for one in series}
        self._wanted: Final = list(wanted)
        self._watched: Final[dict[tuple[str, int], _Watched]] = {}
        self._refused: Final[dict[tuple[str, int], None]] = {}
        self._warned: Final[set[str]] = set()
        for pair in self._wanted:
            check_pair(pair.series)
            for name in pair.series:
                if name not in self._of:
                    raise CatalogueError(f"pair {pair.name}: series {name} is not followed")

    def without_strike(self, one: Followed, now_ns: int) -> Iterator[Held]:
        """The paired windows of a series that have begun and whose strike is to be asked for."""
        if not any(one.series.name in pair.series for pair in self._wanted):
            return
        wait_ns = round(STRIKE_S * NS_PER_S)
        for held in list(one.windows.values()):
            due_ns = max(held.window.start_ts, held.asked_ns) + wait_ns
            if not held.strike_known and due_ns <= now_ns < held.window.end_ts:
                yield held

    async def look(self) -> None:
        """Have those watched that are there now, as they are listed now."""
        found: dict[tuple[str, int], tuple[SeriesPair, Held, Held]] = {}
        for wanted in self._wanted:
            a, b = (self._of[name].windows for name in wanted.series)
            for end_ts in a.keys() & b.keys():
                if a[end_ts].window.start_ts == b[end_ts].window.start_ts:
                    found[wanted.name, end_ts] = wanted, a[end_ts], b[end_ts]
        for key in self._watched.keys() - found.keys():
            with contextlib.suppress(KeyError):  # somebody else may have removed it
                await self._feed.remove_rule(self._watched.pop(key).number)
        for key in self._refused.keys() - found.keys():
            del self._refused[key]
        for key, (wanted, one, other) in sorted(found.items()):
            if key not in self._refused:
                await self._watch(key, wanted, one, other)

    async def _watch(
        self, key: tuple[str, int], wanted: SeriesPair, one: Held, other: Held
    ) -> None:
        watched, made_of = self._watched.get(key), one.listings + other.listings
        if watched is not None and all(map(operator.is_, watched.made_of, made_of)):
            return
        try:
            legs = leg(one), leg(other)
            if wanted.reference_sd is not None and NOT_KNOWN in (each.strike for each in legs):
                return  # a gap is watched as soon as both strikes are known
            self._warn_of_references(wanted, legs)
            pair = wanted.pair(legs)
        except CatalogueError as error:
            self._refused[key] = None
            _log.warning("pair %s: not watched: %s", wanted.name, error)
            return
        if watched is not None and watched.pair.rule().params != pair.rule().params:
            with contextlib.suppress(KeyError):
                await self._feed.remove_rule(watched.number)
            watched = None
        if watched is None:
            self._watched[key] = _Watched(await self._feed.add_pair(pair), pair, made_of)
            return
        self._watched[key] = watched._replace(pair=pair, made_of=made_of)
        if watched.pair != pair:
            with contextlib.suppress(KeyError):
                await self._feed.describe_rule(watched.number, pair.rule().about)

    def _warn_of_references(self, wanted: SeriesPair, legs: tuple[PairLeg, PairLeg]) -> None:
        """Say, once, that a pair is watched as one contract and is none."""
        one, other = (each.oracle for each in legs)
        if wanted.reference_sd is not None or one == other or wanted.name in self._warned:
            return
        self._warned.add(wanted.name)
        _log.warning(
            "pair %s: one side is decided by %s, the other by %s: both may lose, and a box counts "
            "as if one of them always paid; state reference_sd, so that it is watched as a gap",
            wanted.name, one, other,
        )  # fmt: skip


def leg(held: Held) -> PairLeg:
    """The side of a pair that a window is: that it goes up, and what decides that.

    ``CatalogueError`` if its listing is not of one market about that.
    """
    if len(held.listings) != 1:
        names = ", ".join(one.slug for one in held.listings)
        raise CatalogueError(f"{held.window.event} has {len(held.listings)} markets: {names}")
    (listing,) = held.listings
    if claim(listing).direction != "up":
        raise CatalogueError(f"{listing.slug} is not about going up: {listing.title}")
    first, legs = listing.outcomes[0], VENUES[listing.venue].legs
    lower = legs is not None and bool(legs.outcomes)
    name = first.name.lower() if lower else first.name
    return PairLeg(
        venue=listing.venue,
        symbol=first.symbol,
        outcome=name,
        polarity="same" if first.name.casefold() in _AGREEING else "inverted",
        oracle=str(listing.regime)[:_FACT_MAX],
        strike=_strike(listing),
        cut_off=time_text(held.window.end_ts),
    )


def _strike(listing: Listing) -> str:
    strike = None if listing.strike is None else listing.strike.floor
    return NOT_KNOWN if strike is None else plain(strike)
