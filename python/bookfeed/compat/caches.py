"""``PriceCache`` and ``DataCache``: what is remembered for a while, and forgotten in time."""

import threading
import time
from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.market import Market
from bookfeed.sync.feed import Feed

Amount = str | int | float | Decimal
_Key = tuple[str, str]


class Price(NamedTuple):
    """What both outcomes of a market cost on a platform, in dollars, and how old that is."""

    yes: Decimal
    no: Decimal
    age_s: float


class _Told(NamedTuple):
    yes: Decimal
    no: Decimal
    at_s: float


class PriceCache:
    """Prices of both outcomes by platform and market; older ones than ``ttl_s`` are not told.

    Markets that it ``follow``s are read from their books at every question, and told only while
    those may be believed. Safe from any thread.
    """

    def __init__(self, ttl_s: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s: Final = ttl_s
        self._clock: Final = clock
        self._prices: Final[dict[_Key, _Told]] = {}
        self._followed: Final[dict[_Key, tuple[Feed, Market]]] = {}
        self._lock: Final = threading.Lock()

    def update_price(self, platform: str, market: str, yes: Amount, no: Amount) -> None:
        """Remember what YES and NO cost to buy; ``ValueError`` unless both are from 0 to 1."""
        told = _Told(Decimal(str(yes)), Decimal(str(no)), self._clock())
        if not (0 <= told.yes <= 1 and 0 <= told.no <= 1):
            raise ValueError(f"prices are from 0 to 1 dollar, not {yes} and {no}")
        with self._lock:
            self._prices[platform, market] = told

    def follow(self, feed: Feed, market: Market, *, named: str | None = None) -> None:
        """Read the prices of a market of an open feed from its books from now on.

        It is called ``named`` here, by default by its name. A market of one outcome has its other
        side in the same book.
        """
        called = named or market.name or market.market or market.symbols[0]
        with self._lock:
            self._followed[market.venue, called] = (feed, market)

    def forget(self, platform: str, market: str) -> None:
        """Remember and follow a market no more; nothing happens if it is not known."""
        with self._lock:
            self._prices.pop((platform, market), None)
            self._followed.pop((platform, market), None)

    def get_price(self, platform: str, market: str) -> Price | None:
        """Return a price that is young enough, or of books that may be believed, else ``None``."""
        return self._price((platform, market), self._clock())

    def get_arbitrage_signals(self, min_edge: Amount = 0) -> list[dict[str, Any]]:
        """Return where YES on one platform and NO on another cost less than a dollar together.

        The best first; ``edge`` is before fees and says nothing of size: rules of a feed
        (``Pair``) walk both books and know the fees. Two markets are the same if they are called
        so. Raises ``ValueError`` for an edge that is no number.
        """
        least = Decimal(str(min_edge))
        now_s = self._clock()
        with self._lock:
            keys = list(self._prices.keys() | self._followed.keys())
        priced = {key: price for key in keys if (price := self._price(key, now_s)) is not None}
        found = [
            {
                "market": market,
                "buy_yes": platform,
                "buy_no": other,
                "yes": one.yes,
                "no": another.no,
                "edge": 1 - one.yes - another.no,
            }
            for (platform, market), one in priced.items()
            for (other, its), another in priced.items()
            if market == its and platform != other and 1 - one.yes - another.no > least
        ]
        return sorted(found, key=lambda each: (-each["edge"], each["market"], each["buy_yes"]))

    def _price(self, key: _Key, now_s: float) -> Price | None:
        with self._lock:
            followed, told = self._followed.get(key), self._prices.get(key)
        if followed is not None:
            return _of_books(*followed)
        age_s = 0.0 if told is None else now_s - told.at_s
        return None if told is None or age_s > self._ttl_s else Price(told.yes, told.no, age_s)


def _of_books(feed: Feed, market: Market) -> Price | None:
    """What both outcomes cost now; ``None`` unless both books may be believed and offer."""
    try:
        first = feed.book(market.symbols[0])
        other = feed.book(market.symbols[1]) if len(market.symbols) > 1 else first.complement
    except KeyError:  # it is followed there no more
        return None
    asks = (first.ask_e9, other.ask_e9)
    if asks[0] is None or asks[1] is None or not (first.live and other.live):
        return None
    yes, no = (Decimal(ask).scaleb(-9) for ask in asks if ask is not None)
    return Price(yes, no, 0.0)


class DataCache:
    """Anything by key, each for ``ttl_s`` seconds, at most ``max_items``: the oldest goes first.

    Safe from any thread.
    """

    def __init__(
        self,
        ttl_s: float = 300.0,
        max_items: int = 10_000,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_items < 1:
            raise ValueError(f"max_items must be at least 1, not {max_items}")
        self._ttl_s: Final = ttl_s
        self._max_items: Final = max_items
        self._clock: Final = clock
        self._items: Final[dict[Hashable, tuple[Any, float]]] = {}
        self._lock: Final = threading.Lock()
        self._hits = self._misses = 0

    def set(self, key: Hashable, value: Any, ttl_s: float | None = None) -> None:
        """Remember ``value``, for ``ttl_s`` seconds if given."""
        until_s = self._clock() + (self._ttl_s if ttl_s is None else ttl_s)
        with self._lock:
            self._items.pop(key, None)
            if len(self._items) == self._max_items:
                del self._items[next(iter(self._items))]
            self._items[key] = (value, until_s)

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return what is remembered, ``default`` if that is nothing, or too old."""
        with self._lock:
            value, until_s = self._items.get(key, (default, -1.0))
            if until_s < self._clock():
                self._misses += 1
                self._items.pop(key, None)
                return default
            self._hits += 1
            return value

    def delete(self, key: Hashable) -> None:
        """Remember it no more; nothing happens if it is not known."""
        with self._lock:
            self._items.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()

    def stats(self) -> dict[str, int]:
        """Return how many items there are, and how often ``get`` found one or not."""
        with self._lock:
            return {"items": len(self._items), "hits": self._hits, "misses": self._misses}
