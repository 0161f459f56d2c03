"""One connection of a feed and the markets on it; how markets are spread over connections."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.live.session import Session
from bookfeed.market import Market
from bookfeed.venues.base import Venue

# Later than any session.
NEVER_NS: Final = (1 << 62) // NS_PER_S * NS_PER_S


@dataclass(slots=True, eq=False)
class Shard:
    """One connection and the books on it, by instrument number."""

    venue: Venue
    conn: int
    instruments: dict[int, str] = field(default_factory=dict)
    market_of: dict[int, Market] = field(default_factory=dict)
    # Whether none of the books was ever given: there is nothing to be heard then.
    apart: bool = False
    # Whether its books are asked for again and again, since nothing streams.
    polled: bool = False
    # When the arrival of a book is to be checked, by instrument.
    due_ns: dict[int, int] = field(default_factory=dict)
    session: Session = field(init=False)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of all books, in the order of their instrument numbers."""
        return tuple(self.instruments.values())

    @property
    def markets(self) -> list[Market]:
        """The markets, each once, in order."""
        return list(dict.fromkeys(self.market_of.values()))

    def of_markets(self, markets: Iterable[Market]) -> list[int]:
        """The instruments that ``markets`` have here."""
        wanted = set(markets)
        return [i for i, market in self.market_of.items() if market in wanted]

    def add(self, instrument: int, symbol: str, market: Market) -> None:
        """A book comes onto this connection."""
        self.instruments[instrument] = symbol
        self.market_of[instrument] = market

    def remove(self, instrument: int) -> None:
        """A book leaves this connection."""
        del self.instruments[instrument], self.market_of[instrument]
        self.due_ns.pop(instrument, None)

    def expect(self, instruments: Iterable[int], now_ns: int, patience_ns: int) -> None:
        """Their books are due: from now, or from when their market opens."""
        for instrument in instruments:
            open_ns = self.market_of[instrument].open_ts or 0
            self.due_ns[instrument] = max(now_ns, open_ns) + patience_ns

    def take_due(self, now_ns: int) -> list[int]:
        """Return the books that should be there by now, each once."""
        due = [i for i, due_ns in self.due_ns.items() if due_ns <= now_ns]
        for instrument in due:
            del self.due_ns[instrument]
        return due

    def opens_later(self, instrument: int, now_ns: int) -> bool:
        """Whether the market of a book has not opened yet."""
        market = self.market_of.get(instrument)
        return market is not None and (market.open_ts or 0) > now_ns

    def quiet_until_ns(self) -> int:
        """Return when the first of the markets opens; before, nothing is expected."""
        if self.apart:
            return NEVER_NS
        return min((market.open_ts or 0 for market in self.market_of.values()), default=0)


def shard_markets(markets: Sequence[Market], symbols_max: int) -> list[list[Market]]:
    """Spread markets over connections of at most ``symbols_max`` books each, in order.

    A market is never split. Raises ``ValueError`` if one alone has more outcomes than that.
    """
    shards: list[list[Market]] = []
    room = 0
    for market in markets:
        size = len(market.outcomes)
        if size > symbols_max:
            raise ValueError(f"market {market.market!r} has more than {symbols_max} outcomes")
        if size > room:
            shards.append([])
            room = symbols_max
        shards[-1].append(market)
        room -= size
    return shards
