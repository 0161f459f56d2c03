"""What contracts are worth on an open feed: indices to estimate, terms, strikes and references.

A base of ``Feed``. Terms come from listings by themselves (``settling.py``), or from the user.
Everything here is recorded, so that a replay comes to the same.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from bookfeed._bookfeed import FairValue
from bookfeed.catalogue.listing import Listing
from bookfeed.feed.books import LiveBooks
from bookfeed.feed.question import Question, mean_of
from bookfeed.feed.settling import Settling
from bookfeed.live.supervisor import Supervisor
from bookfeed.market import Market
from bookfeed.names import Names
from bookfeed.records.points import PricePoint
from bookfeed.rules.estimate import IndexEstimate
from bookfeed.rules.terms import SettlementTerms
from bookfeed.rules.why import REFERENCED, warn_without_terms

E18_MAX: Final = 10**30
"""No value of a reference is as great, in 1e-18."""
TERMS_AFTER_S: Final = 10.0
"""So long terms may take to be there before a rule that needs them is warned of."""
CONSTITUENTS: Final = ("coinbase", "kraken", "bitstamp", "gemini", "cryptocom")
"""Venues whose books an index is made of that nobody configured, as far as the feed has them."""
OF_LISTINGS: Final = "listed"
"""What the name of such an index begins with."""
STREAMED: Final = "chainlink"
"""Who states the prices that go by their symbol alone."""
_SECOND_MS: Final = 1_000


def index_number(names: Names, asset: str) -> int | None:
    """Which estimated index has a value of an asset each second, the first of several."""
    told = names.indices.items()
    fits = (number for number, one in told if one.asset == asset and one.tick_ms <= _SECOND_MS)
    return min(fits, default=None)


def reference_ts(value: FairValue) -> int:
    """When the reference was heard last that a value rests on, Unix nanoseconds."""
    return value.ts - value.reference_age_ns


def reference_of(point: PricePoint) -> str:
    """What a price is called in questions: ``"btcusd"`` if Chainlink states it, whose streams
    contracts are decided by, and ``"pyth:btcusd"`` if somebody else does. They differ.
    """
    symbol = point.symbol.replace("/", "")
    name = symbol if point.origin == STREAMED else f"{point.origin}:{symbol}"
    return name if point.window_s is None else mean_of(name, point.window_s)


class WorthFace(LiveBooks):
    """What a user says of references, and of the contracts on them."""

    # Runs once there is a rule that finds nothing without terms.
    _terms_timer: asyncio.TimerHandle | None = None
    # What states the terms that listings have; ``None`` if the user wants none of them.
    _settling: Settling | None = None
    # What is followed, the user's own quotes included.
    _markets: list[Market]

    async def add_index(self, index: IndexEstimate) -> int:
        """Have an index estimated from now on, from books that come later as well.

        Returns its number. Raises ``SessionError`` if the feed is not open, ``EngineError`` for an
        index that is none, or whose name another one has.
        """
        self._check_open()
        number = self._inputs.add_index(index, self._clock.now_ns())
        self._rescheduled()
        return number

    def add_terms(self, key: int | str, terms: SettlementTerms) -> None:
        """Say what the contract of a book settles on: from now on its ``fair_value`` is renewed at
        every tick of that reference. What was said before is forgotten. Never waits.

        Raises ``SessionError`` if the feed is not open, ``KeyError`` if there is no such book,
        ``EngineError`` for terms that make no sense.
        """
        self._check_open()
        instrument = self._instrument(key)
        self._inputs.add_terms(instrument, terms, self._clock.now_ns())
        if self._settling is not None:
            self._settling.leave(instrument)
        self._flush_soon()

    def tell_strike(self, key: int | str, strike_e18: int) -> None:
        """Say the strike of a contract, in 1e-18, as its venue states it. Never waits.

        Raises as ``add_terms`` does, and ``EngineError`` if the contract has no terms.
        """
        self._check_open()
        self._inputs.tell_strike(self._instrument(key), strike_e18, self._clock.now_ns())
        self._flush_soon()

    def tell_reference(self, name: str, ts_event: int, value_e18: int) -> None:
        """Tell a value of the reference ``"told NAME"``, in 1e-18, and the time it is of, Unix
        nanoseconds. Never waits.

        Raises ``SessionError`` if the feed is not open, ``ValueError`` for a value beyond 1e12.
        """
        if not -E18_MAX < value_e18 < E18_MAX:
            raise ValueError(f"a reference is below 10**30 in units of 1e-18, not {value_e18}")
        self._check_open()
        self._inputs.tell_reference(name, ts_event, value_e18, self._clock.now_ns())
        self._flush_soon()

    # Terms that come by themselves.

    def _settle(self, params: Mapping[str, object]) -> None:
        """Have terms stated as listings have them, from here on."""
        self._settling = Settling(
            self._inputs,
            self._clock.now_ns,
            book=self._book_of,
            index=self._index_of,
            pace=lambda: self.pace,
            params=params,
            trades=self._trades_of,
        )
        self.on_listing.append(self._listed)

    @property
    def settling(self) -> Settling | None:
        """What states terms as listings have them; ``None`` if the user wants none of that."""
        return self._settling

    def _listed(self, listing: Listing) -> None:
        if self._settling is not None and self._opened and not self._closed:
            self._settling.look(listing)
            self._flush_soon()

    def _added(self, symbols: Mapping[int, str], supervisor: Supervisor | None = None) -> None:
        super()._added(symbols, supervisor)
        if self._settling is None:
            return
        names = (self.names[instrument] for instrument in symbols)
        for key in dict.fromkeys((name.venue, name.market or name.symbol) for name in names):
            listing = self._listings.get(key)
            if listing is not None:
                self._settling.look(listing)
        self._settling.look_again()

    def _gone(self, instruments: Iterable[int]) -> None:
        """Books are followed no more."""
        if self._settling is not None:
            self._settling.gone(instruments)

    def _heard_price(self, point: PricePoint) -> None:
        # Means have a name of their own beside what they are made of: some decide.
        if self._settling is None or self._closed or point.carried:
            return
        self._settling.hear(reference_of(point), point.ts_event, point.value_e18)
        self._flush_soon()

    def _book_of(self, question: Question) -> int | None:
        venue, _ = question.key
        instrument = self._engine.instrument(venue, question.symbol)
        return instrument if instrument is not None and self._has(instrument) else None

    def _trades_of(self, name: str) -> str | None:
        """The reference that is made of the trades of a pair at a venue, if its book is here."""
        venue, _, pair = name.partition(":")
        here = (market for market in self._markets if market.venue == venue)
        symbols = (symbol for market in here for symbol in market.symbols)
        found = next((symbol for symbol in symbols if symbol.lower() == pair), None)
        return None if found is None else f"trades {venue} {found}"

    def _index_of(self, asset: str) -> str | None:
        """The feed's index of an asset, the first of several; else one of the spot books here."""
        number = index_number(self.names, asset)
        if number is None:
            books = {
                market.venue: market.symbols[0]
                for market in self._markets
                if market.venue in CONSTITUENTS and (market.base, market.quote) == (asset, "USD")
            }
            if not books:
                return None
            estimate = IndexEstimate(f"{OF_LISTINGS}-{asset.lower()}", asset, books)
            number = self._inputs.add_index(estimate, self._clock.now_ns())
            self._rescheduled()
        return f"index {self.names.indices[number].name}"

    def _await_terms(self) -> None:
        """Say so, once, if there is a rule that needs terms and in a while still none are told."""
        rules = self._inputs.rules.values()
        if self._terms_timer is None and any(rule.kind in REFERENCED for rule in rules):
            loop = asyncio.get_running_loop()
            self._terms_timer = loop.call_later(TERMS_AFTER_S, self._miss_terms)

    def _miss_terms(self) -> None:
        warn_without_terms(self._inputs.rules.values(), told=self._inputs.terms_told)

    def _end_terms(self) -> None:
        """The feed ends: what was not said yet is said now."""
        timer = self._terms_timer
        if timer is not None and timer.when() > asyncio.get_running_loop().time():
            timer.cancel()
            self._miss_terms()

    def _flush_soon(self) -> None:
        """Whoever calls may be hearing of records: what came of it is handed over after them."""
        if self._engine.pending:
            asyncio.get_running_loop().call_soon(self._flush)
