"""Makers of the simulated Kalshi who know what a market is worth elsewhere, or beside others.

They hold the quotes of an event where they belong, and now and then let them stand apart for a
while, by more than all fees: then there really is something to be earned. Each turn says what has
to be told. All chance comes from the generator they are given, time from the caller.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Final, Literal, NamedTuple

from bookfeed.sim.kalshi.wire import Message
from bookfeed.sim.polymarket.ladder import PIPS
from bookfeed.sim.polymarket.market import Market as PolymarketMarket
from bookfeed.sim.polymarket_kalshi.quotes import HALF_SPREAD, TICK, KalshiQuoted

Shape = Literal["pair", "basket", "ladder"]

# Kalshi's fee of a contract where it is highest, at one half.
_FEE_MAX: Final = 175
# What an opportunity leaves after fees, at the least, and by how much more it may be.
_MARGIN: Final = 100
_MARGINS: Final = 3
_LASTS_S: Final = (0.3, 2.0)
# Two prices that move together look like opposites close to one half. Before a pair stands
# apart it has been seen to agree, this often and this far away from there.
_TELLING: Final = 600
_AGREED_MIN: Final = 8
# No mid is followed closer to 0 or 1, and nothing stands apart there by choice.
_EDGE: Final = 500
# As far as quotes go that stand apart from a price that moves on.
_LAST: Final = 200
_BASKET_FAIR_MIN: Final = 1_200
_LADDER_FAIR: Final = (1_800, 8_500)


class Apart(NamedTuple):
    """A time in which quotes stood apart; Unix ms."""

    name: str
    start_ms: int
    end_ms: int


class Makers(ABC):
    """Those who quote all markets of one event."""

    shape: Shape

    def __init__(
        self, name: str, quoted: Sequence[KalshiQuoted], rng: Random, every_s: float
    ) -> None:
        self.name = name
        self.quoted = tuple(quoted)
        self.history: list[Apart] = []
        """The times in which they stood apart, those that are over."""
        self._rng = rng
        self._every_s = every_s
        self._since_ms: int | None = None
        """Since when they stand apart."""
        self._next_ms: int | None = None
        """When that begins or ends next; not known before the first turn."""

    @property
    def apart(self) -> bool:
        """Whether they stand apart now."""
        return self._since_ms is not None

    def turn(self, now_ms: int) -> list[Message]:
        """Brings every quote to where it belongs now."""
        if self._next_ms is None:
            self._next_ms = now_ms + self._quiet_ms()
        if now_ms >= self._next_ms and (self.apart or self._ready):
            self._toggle(now_ms)
        fairs = self._aside() if self.apart else self._home()
        messages = []
        for quoted, fair in zip(self.quoted, fairs, strict=True):
            if fair != quoted.fair:
                quoted.fair = fair
                messages += quoted.quote(now_ms)
        return messages

    def _toggle(self, now_ms: int) -> None:
        if self._since_ms is not None:
            self.history.append(Apart(self.name, self._since_ms, now_ms))
            self._since_ms = None
            self._next_ms = now_ms + self._quiet_ms()
            return
        self._since_ms = now_ms
        low_s, high_s = _LASTS_S
        self._next_ms = now_ms + int((low_s + self._rng.random() * (high_s - low_s)) * 1000)
        self._stand_apart(_MARGIN + TICK * int(self._rng.random() * _MARGINS))

    def _quiet_ms(self) -> int:
        return int((0.5 + self._rng.random()) * self._every_s * 1000)

    @property
    def _ready(self) -> bool:
        """Whether they may stand apart by now."""
        return True

    @abstractmethod
    def wander(self) -> None:
        """What the markets are worth changes a little, if that is for these makers to say."""

    @abstractmethod
    def _stand_apart(self, margin: int) -> None:
        """Decides how to stand apart, leaving ``margin`` after fees."""

    @abstractmethod
    def _home(self) -> Sequence[int]:
        """Where each quote belongs."""

    @abstractmethod
    def _aside(self) -> Sequence[int]:
        """Where each quote is while they stand apart."""


class PairMakers(Makers):
    """They follow a market of Polymarket's."""

    shape = "pair"

    def __init__(
        self,
        name: str,
        quoted: KalshiQuoted,
        rng: Random,
        every_s: float,
        market: PolymarketMarket,
    ) -> None:
        super().__init__(name, (quoted,), rng, every_s)
        self.market = market
        self._agreed = 0
        self._margin = 0
        self._up = False
        theirs = int(Decimal(market.spec.fee_rate) * PIPS / 4)
        self._fees = _FEE_MAX + theirs
        self._touch = (quoted.fair, quoted.fair)
        """Bid and ask there, as last seen with both."""
        self._home()
        quoted.fair = self._mid

    @property
    def _mid(self) -> int:
        return min(max(sum(self._touch) // 2, _EDGE), PIPS - _EDGE)

    @property
    def _ready(self) -> bool:
        return self._agreed >= _AGREED_MIN

    def _home(self) -> Sequence[int]:
        asset = self.market.assets[0]
        touch = asset.best_bid, asset.best_ask
        if touch != self._touch and touch[0] and touch[1] < PIPS:
            self._touch = touch
            self._agreed += abs(2 * self._mid - PIPS) >= 2 * _TELLING
        return (self._mid,)

    def wander(self) -> None:
        """The price is made elsewhere."""

    def _stand_apart(self, margin: int) -> None:
        self._margin = margin
        bid, ask = self._touch
        away = self._fees + margin
        # Away from one half where there is room: towards it the sides would begin to look like
        # opposites.
        room_above = ask + away <= PIPS - 2 * _EDGE
        room_below = bid - away >= 2 * _EDGE
        self._up = room_above if self._mid > PIPS // 2 else not room_below

    def _aside(self) -> Sequence[int]:
        self._home()
        bid, ask = self._touch
        away = self._fees + self._margin
        if self._up:
            return (min(-(-(ask + away) // TICK) * TICK + HALF_SPREAD, PIPS - _LAST),)
        return (max((bid - away) // TICK * TICK - HALF_SPREAD, _LAST),)


class BasketMakers(Makers):
    """They hold markets of which one must win at prices that add up to 1."""

    shape = "basket"

    def __init__(
        self, name: str, quoted: Sequence[KalshiQuoted], rng: Random, every_s: float
    ) -> None:
        super().__init__(name, quoted, rng, every_s)
        self._fairs = [one.fair for one in quoted]
        self._by = (0, 0)
        """Which market stands apart, and by how much."""

    def wander(self) -> None:
        """A cent moves from one market to another."""
        gains, loses = self._rng.sample(range(len(self._fairs)), 2)
        if self._fairs[loses] - TICK >= _BASKET_FAIR_MIN:
            self._fairs[gains] += TICK
            self._fairs[loses] -= TICK

    def _stand_apart(self, margin: int) -> None:
        count = len(self._fairs)
        by = -(-(count * (HALF_SPREAD + _FEE_MAX) + margin) // TICK) * TICK
        up = self._rng.random() < 0.5
        # The cheapest has the most room above, the dearest below.
        fair = min(self._fairs) if up else max(self._fairs)
        self._by = (self._fairs.index(fair), by if up else -by)

    def _home(self) -> Sequence[int]:
        return self._fairs

    def _aside(self) -> Sequence[int]:
        index, by = self._by
        return [fair + by if at == index else fair for at, fair in enumerate(self._fairs)]


class LadderMakers(Makers):
    """They hold strikes on one price, the higher the cheaper."""

    shape = "ladder"

    def __init__(
        self, name: str, quoted: Sequence[KalshiQuoted], rng: Random, every_s: float
    ) -> None:
        super().__init__(name, quoted, rng, every_s)
        self._fairs = [one.fair for one in quoted]
        self._low = 0
        """The strike that stands apart."""
        self._margin = 0

    def wander(self) -> None:
        """The price that all strikes are about moves."""
        up = TICK if self._rng.random() < 0.5 else -TICK
        low, high = _LADDER_FAIR
        if self._fairs[-1] + up >= low and self._fairs[0] + up <= high:
            self._fairs = [fair + up for fair in self._fairs]

    def _stand_apart(self, margin: int) -> None:
        self._margin = margin
        self._low = int(self._rng.random() * (len(self._fairs) - 1))

    def _home(self) -> Sequence[int]:
        return self._fairs

    def _aside(self) -> Sequence[int]:
        """The lower strike is cheaper than the one above it."""
        away = -(-(2 * (HALF_SPREAD + _FEE_MAX) + self._margin) // TICK) * TICK
        fairs = list(self._fairs)
        fairs[self._low] = fairs[self._low + 1] - away
        return fairs
