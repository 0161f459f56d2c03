"""``Settling``: contracts have terms in an engine by themselves, as their listings have them.

From a listing follow the window, how it is measured, the strike and the reference. Terms are stated
as soon as the contract has a book and its reference is there, and stated anew where a listing
changes. What relays tell of a reference is told on, from the first contract on it; what was told
before is kept for it. A contract whose terms the user stated is left alone.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, TypeAlias

from bookfeed.catalogue.fields import plain
from bookfeed.catalogue.listing import Listing
from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.feed.question import (
    INDEX,
    VENUE,
    Bounds,
    Question,
    bounds_of,
    question_of,
)
from bookfeed.recordings.inputs import EngineInput
from bookfeed.recordings.pace import Pace
from bookfeed.rules.terms import SettlementTerms

Key: TypeAlias = tuple[str, str]
"""A venue, and the venue's id of a market."""

HASTY: Final[Mapping[str, object]] = {"half_life_ms": 20_000, "step_ms": 1_000}
"""Windows that are played for two minutes give no time for a volatility of many."""
INDEX_DOUBT_PPM: Final = 100
"""How far an index that is estimated may be off, in millionths of a strike, unless it is stated. So
may a candle be of which a relay tells a price each second.
"""
KEPT_NS: Final = 1_200 * NS_PER_S
"""So long values of relays are kept for a contract that is not known yet."""
VALUES_MAX: Final = 8_192
"""So many of them at the most."""
KEPT_MAX: Final = 64
"""Of so many references, as many as an engine has."""

_NANO: Final = Decimal(1).scaleb(-9)
_E18_MAX: Final = 10**30

_log: Final = logging.getLogger("bookfeed.feed.settling")


@dataclass(slots=True)
class Stated:
    """A contract whose terms are stated."""

    question: Question
    instrument: int
    bounds: Bounds | None
    """What the price is compared with, as far as it was told."""

    @property
    def asks_itself(self) -> bool:
        """Whether it asks for the value that its window begins with, told or not."""
        bounds = self.bounds
        opened = bounds is None or (bounds.at_least_e18 is not None and bounds.below_e18 is None)
        return self.question.own and opened

    def takes_strike_of(self, now: "Stated") -> bool:
        """Whether nothing but the strike is another one now, and can be told."""
        same = (self.question, self.instrument) == (now.question, now.instrument)
        return same and self.asks_itself and now.asks_itself and now.bounds is not None


@dataclass(slots=True)
class _Told:
    """A price that relays tell."""

    heard: bool = False
    used: bool = False
    """Whether a contract rests on it: then every value is told on."""
    kept: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=VALUES_MAX))
    """Until then the newest of them: Unix nanoseconds, 1e-18, and what they were made of."""


class Settling:
    """States terms by ``inputs``, at times that ``now_ns`` tells.

    ``book`` finds the instrument of a contract, ``index`` the reference that is the index of an
    asset (``"index btc"``), ``trades`` that of the trades that candles are made of (``"trades VENUE
    SYMBOL"``); each is ``None`` while there is none. ``pace`` is how windows
    are played in haste, ``params`` are the parameters of all terms (``SettlementTerms.params``).
    """

    def __init__(
        self,
        inputs: EngineInput,
        now_ns: Callable[[], int],
        *,
        book: Callable[[Question], int | None],
        index: Callable[[str], str | None],
        pace: Callable[[], Pace | None],
        params: Mapping[str, object],
        trades: Callable[[str], str | None] = lambda _name: None,
    ) -> None:
        self.why_not: Final[dict[Key, str]] = {}
        """Why markets have no terms, in words."""
        self.stated: Final[dict[Key, Stated]] = {}
        self._inputs: Final = inputs
        self._now_ns: Final = now_ns
        self._book: Final = book
        self._index: Final = index
        self._trades: Final = trades
        self._pace: Final = pace
        self._params: Final = dict(params)
        self._told: Final[dict[str, _Told]] = {}
        self._waiting: Final[dict[Key, Listing]] = {}
        self._left: Final[set[int]] = set()

    # Contracts.

    def look(self, listing: Listing) -> None:
        """State what follows from a listing, as far as that is new."""
        key = (listing.venue, listing.market or listing.slug)
        question = question_of(listing)
        if isinstance(question, str):
            self.why_not[key] = question
            return
        instrument = self._book(question)
        if instrument is None or instrument in self._left:
            return
        try:
            self._settle(key, question, bounds_of(listing), instrument, listing)
        except EngineError as error:
            if self.why_not.get(key) != str(error):
                _log.warning("%s has no terms: %s", question.title, error)
            self.why_not[key] = str(error)

    def _settle(
        self,
        key: Key,
        question: Question,
        bounds: Bounds | None,
        instrument: int,
        listing: Listing,
    ) -> None:
        reference = self._reference(question)
        if reference is None:
            self._waiting[key] = listing
            self.why_not[key] = "its reference is not there: no index, and no spot book of it"
            return
        self._waiting.pop(key, None)
        if bounds is None and not question.own:
            self.why_not[key] = "its strike is not known yet"
            return
        before, now = self.stated.get(key), Stated(question, instrument, bounds)
        if before == now:
            return
        if before is not None and before.takes_strike_of(now):
            self._tell_strike(now)
        else:
            # A symbol may have been another window's before.
            self._drop(lambda one: one.instrument == instrument)
            self._state(now, reference)
        self.stated[key] = now
        self.why_not.pop(key, None)

    def _tell_strike(self, one: Stated) -> None:
        bounds = one.bounds
        if one.asks_itself and bounds is not None and bounds.at_least_e18 is not None:
            self._inputs.tell_strike(one.instrument, bounds.at_least_e18, self._now_ns())

    def _state(self, one: Stated, reference: str) -> None:
        """Terms anew, with the strike if it is told by now."""
        question, bounds = one.question, None if one.asks_itself else one.bounds
        start_ts, end_ts = question.start_ts, question.end_ts
        params, pace, measured = dict(self._params), self._pace(), question.measured
        endpoints = params.pop("endpoints", measured.endpoints)
        if pace is not None:
            start_ts, end_ts = pace.played(start_ts, end_ts)
            params = {**HASTY, **params}
        else:
            start_ts, end_ts = start_ts + question.after_ns, end_ts + question.after_ns
        if measured.kind == "mean":
            params |= {"samples": measured.samples, "endpoints": endpoints}
        if question.mean_name is not None:
            params["decided_by"] = f"told {question.mean_name}"
        second_by_second = reference == f"told {question.reference}" and question.candle
        if (question.reference.startswith(INDEX) or second_by_second) and one.bounds is not None:
            value = one.bounds.at_least_e18 or one.bounds.below_e18 or 0
            params.setdefault("reference_doubt", _text(value * INDEX_DOUBT_PPM // 10**6))
        terms = SettlementTerms(
            reference,
            end_ts=end_ts,
            start_ts=start_ts,
            at_least=None if bounds is None else _text(bounds.at_least_e18),
            below=None if bounds is None else _text(bounds.below_e18),
            opening=measured.opening or measured.kind,
            closing=measured.kind,
            tie=question.tie,
            params=params,
        )
        self._inputs.add_terms(one.instrument, terms, self._now_ns())
        self._tell_strike(one)
        if reference.startswith("told "):
            self._use(question.reference)
        if question.mean_name is not None:
            self._use(question.mean_name)

    def leave(self, instrument: int) -> None:
        """The user states the terms of a contract: they are his from now on."""
        self._left.add(instrument)
        self._drop(lambda one: one.instrument == instrument)

    def look_again(self) -> None:
        """Books were added: contracts may have their reference by now."""
        for listing in list(self._waiting.values()):
            self.look(listing)

    def gone(self, instruments: Iterable[int]) -> None:
        """Books are followed no more, and their terms go with them."""
        numbers = set(instruments)
        self._left.difference_update(numbers)
        self._drop(lambda one: one.instrument in numbers)

    def _drop(self, wanted: Callable[[Stated], bool]) -> None:
        for key in [key for key, one in self.stated.items() if wanted(one)]:
            del self.stated[key]

    # References.

    def _reference(self, question: Question) -> str | None:
        name = question.reference
        if name.startswith(INDEX):
            return self._index(name.removeprefix(INDEX))
        if name.startswith(VENUE):
            return f"venue {name.removeprefix(VENUE)}"
        trades = self._trades(name) if question.candle else None
        return trades or f"told {name}"

    def hear(self, name: str, ts_event: int, value_e18: int, of: int = 0) -> None:
        """A value of a price was told, by its name in questions, and of which constituents it was
        estimated, a bit for each.
        """
        told = self._told.get(name)
        if told is None:
            if len(self._told) == KEPT_MAX:
                return
            told = self._told[name] = _Told()
        if not -_E18_MAX < value_e18 < _E18_MAX:
            return
        told.heard = True
        if told.used:
            self._inputs.tell_reference(name, ts_event, value_e18, self._now_ns(), of=of)
            return
        told.kept.append((ts_event, value_e18, of))
        while told.kept[0][0] < ts_event - KEPT_NS:
            told.kept.popleft()

    def heard(self, name: str) -> bool:
        """Whether anything was ever told of a price."""
        told = self._told.get(name)
        return told is not None and told.heard

    def _use(self, name: str) -> None:
        """A contract rests on a price from now on: what was kept for it is told."""
        told = self._told.setdefault(name, _Told())
        told.used = True
        while told.kept:
            ts_event, value_e18, of = told.kept.popleft()
            self._inputs.tell_reference(name, ts_event, value_e18, self._now_ns(), of=of)


def _text(value_e18: int | None) -> str | None:
    """A value as decimal text, to the nearest 1e-9."""
    if value_e18 is None:
        return None
    value = Decimal(value_e18).scaleb(-18)
    return plain(value.quantize(_NANO, ROUND_HALF_EVEN))
