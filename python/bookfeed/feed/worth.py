"""What contracts are worth on an open feed: indices to estimate, terms, strikes and references.

A base of ``Feed``. Everything here is recorded, so that a replay comes to the same.
"""

import asyncio
from typing import Final

from bookfeed.feed.books import LiveBooks
from bookfeed.rules.estimate import IndexEstimate
from bookfeed.rules.terms import SettlementTerms
from bookfeed.rules.why import REFERENCED, warn_without_terms

E18_MAX: Final = 10**30
"""No value of a reference is as great, in 1e-18."""
TERMS_AFTER_S: Final = 10.0
"""So long a program may take to state terms before a rule that needs them is warned of."""


class WorthFace(LiveBooks):
    """What a user says of references, and of the contracts on them."""

    # Runs once there is a rule that finds nothing without terms.
    _terms_timer: asyncio.TimerHandle | None = None

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
        self._inputs.add_terms(self._instrument(key), terms, self._clock.now_ns())
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
