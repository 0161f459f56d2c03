"""``MarketIntelligence``: a platform's foremost markets, watched, and what to think of each."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

from bookfeed._bookfeed import FairValue
from bookfeed.compat import shapes
from bookfeed.compat.platform import Platform
from bookfeed.feed.worth import reference_ts
from bookfeed.market import Market
from bookfeed.records import Signal, Update
from bookfeed.rules.terms import FAIR_AGE_MAX_NS

TRADES_MAX: Final = 1_000
"""So many of the newest trades are remembered."""


class MarketIntelligence:
    """Watches markets of a ``Platform`` that is open; closed before it. Safe from any thread.

    Signals are those of the platform's rules: ``Platform(…, rules=[Rule("complement", {…})])``.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform: Final = platform
        self._trades: Final[deque[Update]] = deque(maxlen=TRADES_MAX)
        self._open: Final[dict[int, Signal]] = {}
        self._lock: Final = threading.Lock()
        feed = platform.feed
        self._listeners: Final = (feed.on_update(self._update), feed.on_signal(self._signal))

    def close(self) -> None:
        """Listen no more; the platform goes on. Safe to call again."""
        for listener in self._listeners:
            listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start_monitoring(
        self, market_limit: int = 10, *, markets: Iterable[Market] = ()
    ) -> list[str]:
        """Follow ``markets``, by default the ``market_limit`` that are traded most; returns the
        symbols. Does not wait for books. Raises ``CatalogueError`` where the venue does not sort.
        """
        wanted = list(markets) or self._platform.top_markets(market_limit)
        self._platform.follow(wanted)
        return [symbol for market in wanted for symbol in market.symbols]

    def get_live_orderbook(self, symbol: str, depth: int | None = None) -> dict[str, Any]:
        """Return a book as ``Platform.get_orderbook`` does."""
        return self._platform.get_orderbook(symbol, depth)

    def get_live_price(self, symbol: str) -> dict[str, Any]:
        """Return ``bid``, ``ask``, ``mid``, ``source`` and ``reason`` of a book."""
        found = self._platform.answer(symbol)
        book = found.book
        return {
            "symbol": symbol,
            "bid": book.bid,
            "ask": book.ask,
            "mid": book.mid,
            "source": found.source,
            "reason": found.reason,
        }

    def get_recent_trades(
        self, count: int = 20, *, symbol: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest trades that were told while it watches, newest first."""
        with self._lock:
            known = list(self._trades)
        found = [one for one in reversed(known) if symbol in (None, one.symbol)]
        return [shapes.event(one) for one in found[:count]]

    def analyze_market_opportunity(self, symbol: str) -> dict[str, Any]:
        """Return the metrics of a book, whether to believe it, what its contract is worth where
        that is known (``fair_value``), and the signals that are open on it (``signals``).
        """
        found = self._platform.answer(symbol)
        with self._lock:
            signals = [
                one for one in self._open.values() if symbol in {leg.symbol for leg in one.legs}
            ]
        return shapes.metrics(found) | {
            "believed": found.source == "live",
            "fair_value": _worth(self._platform.feed.fair_value(symbol)),
            "signals": [shapes.opportunity(one) for one in signals],
        }

    def _update(self, update: Update) -> None:
        if update.kind == "trade":
            with self._lock:
                self._trades.append(update)

    def _signal(self, signal: Signal) -> None:
        with self._lock:
            if signal.phase == "close":
                self._open.pop(signal.id, None)
            else:
                self._open[signal.id] = signal


def _worth(value: FairValue | None) -> float | None:
    """Nobody knows what a contract is worth whose reference is silent."""
    if value is None or time.time_ns() - reference_ts(value) > FAIR_AGE_MAX_NS:
        return None
    return value.price
