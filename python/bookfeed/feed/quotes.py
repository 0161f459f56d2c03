"""Quotes that the user pushes into his feed, as frames of a connection that nobody dials.

They go in by the same door as those of venues, so recordings have them. What a quote does to its
book, and when it ends, is the engine's business; this sees to it that time passes in the engine at
the very moment at which a quote expires.
"""

import contextlib
from collections.abc import Sequence
from itertools import count
from typing import Final

from bookfeed.clock import Clock
from bookfeed.errors import EngineError
from bookfeed.market import Market
from bookfeed.recordings.inputs import EngineInput
from bookfeed.venues import user, user_quote
from bookfeed.venues.user_quote import Number


class UserQuotes:
    """The user's own books of one feed, and the connection that stands for him."""

    def __init__(self, inputs: EngineInput, clock: Clock, conns: "count[int]") -> None:
        self._inputs: Final = inputs
        self._clock: Final = clock
        self._conns: Final = conns
        self._conn: int | None = None
        # When the quote of each book ends; 0 before the first one.
        self._until_ns: Final[dict[int, int]] = {}
        self._due_ns: int | None = None

    def __contains__(self, instrument: int) -> bool:
        """Whether a book is one of the user's."""
        return instrument in self._until_ns

    @property
    def instruments(self) -> set[int]:
        """The instrument numbers of his books."""
        return set(self._until_ns)

    @property
    def due_ns(self) -> int | None:
        """When the next quote expires, at the earliest; ``None`` if none does."""
        return self._due_ns

    def subscribe(self, markets: Sequence[Market]) -> dict[int, str]:
        """Make the books of markets; returns symbols by instrument number."""
        for market in markets:
            for symbol in market.symbols:
                user_quote.check_symbol(symbol)
        if not markets:
            return {}
        now_ns = self._clock.now_ns()
        fresh = self._conn is None
        conn = self._conn = next(self._conns) if self._conn is None else self._conn
        symbols = {
            self._inputs.subscribe(market, outcome, conn, now_ns): outcome.symbol
            for market in markets
            for outcome in market.outcomes
        }
        if fresh:
            self._inputs.connected(conn, user.NAME, now_ns)
        self._until_ns.update(dict.fromkeys(symbols, 0))
        return symbols

    def unsubscribe(self, markets: Sequence[Market]) -> list[int]:
        """Remove the books of markets; returns their instrument numbers."""
        symbols = {symbol for market in markets for symbol in market.symbols}
        engine = self._inputs.engine
        removed = [i for i in self._until_ns if engine.book(i).symbol in symbols]
        for instrument in removed:
            now_ns = self._clock.now_ns()
            self._inputs.unsubscribe(instrument, now_ns)
            # Nobody else speaks of it, so nothing of it is on its way.
            self._inputs.forget(instrument, now_ns)
            del self._until_ns[instrument]
        return removed

    def push(
        self,
        instrument: int,
        bid: tuple[Number | None, Number | None],
        ask: tuple[Number | None, Number | None],
        max_age_s: float,
        ts: int | None,
    ) -> None:
        """Put a quote on a book; ``ValueError`` if it is none."""
        if self._conn is None:
            raise KeyError(instrument)
        now_ns = self._clock.now_ns()
        # The clock of the engine is the feed's alone: an older quote holds for so much shorter.
        left_ns = user_quote.max_age_ns(max_age_s) - (0 if ts is None else now_ns - ts)
        if ts is not None and ts > now_ns:
            raise ValueError(f"ts is {(ts - now_ns) / 1e9:.3f} s ahead of the feed's clock")
        if left_ns <= 0:
            raise ValueError("the quote is older than its max_age_s already: it holds no more")
        symbol = self._inputs.engine.book(instrument).symbol
        frame = user_quote.quote_frame(symbol, bid, ask, left_ns)
        self._inputs.ingest(self._conn, frame, now_ns)
        until_ns = self._until_ns[instrument] = now_ns + left_ns
        if self._due_ns is None or until_ns < self._due_ns:
            self._due_ns = until_ns

    def passed(self, now_ns: int) -> None:
        """Time has passed in the engine."""
        if self._due_ns is not None and self._due_ns <= now_ns:
            later = (until_ns for until_ns in self._until_ns.values() if until_ns > now_ns)
            self._due_ns = min(later, default=None)

    def close(self) -> None:
        """The feed ends: none of the books holds any more."""
        if self._conn is not None:
            # An engine that failed shows no book as good anyway.
            with contextlib.suppress(EngineError):
                self._inputs.disconnected(self._conn, "closed", self._clock.now_ns())
