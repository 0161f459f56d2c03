"""Both venues with nothing but rolling series, for as long as a run lasts: by default a day.

Windows are listed, begin, get their strikes, end and are settled as the venues' pages say, seconds
to minutes late, by whatever clock the process has. Some are odd: named otherwise than their series
wants, listed hardly a minute before they begin, known to the order books later than they are
listed, or never settled::

    server = await started(RollingServer(RollingConfig(hours=2)))
    server.slots  # every window, and which of them are odd
    await server.close()
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from bookfeed.sim.chance import seeded
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi.events import Event, Series
from bookfeed.sim.kalshi.market import MarketSpec as KalshiSpec
from bookfeed.sim.polymarket import SimConfig, SimServer
from bookfeed.sim.polymarket.data_api import DataApi
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, rolled
from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket_kalshi.schedule import (
    EIGHT,
    HOUR_S,
    Slot,
    days,
    price,
    utc_text,
)
from bookfeed.sim.server import either

_MS: Final = 1_000
_HOST: Final = "127.0.0.1"
_STRIKES: Final = 3
_STRIKE_STEP: Final = 100
_LEVELS: Final = 12
# A price to beat is told so long after a window began, and a result so long after it ended.
_STRIKE_AFTER_S: Final = (25, 60)
_SETTLED_AFTER_S: Final = {"15m": (20, 90), "4h": (20, 90), "1h": (720, 780), "1d": (720, 780)}
# Odd windows come in turn, of so many; the longer series have none.
_ODD_OF: Final = 10
_LATE_S: Final = 50
# Few frames a second need no closer look at the clock.
_IDLE_S: Final = 0.5
_UNKNOWN_S: Final = 30

Odd = Literal["", "misnamed", "late", "unknown", "unsettled"]
"""
misnamed   listed under a name that its series does not give it
late       listed 50 s before it begins
unknown    not known to the order books until 30 s before it begins
unsettled  never settled
"""
_ODD: Final[dict[int, Odd]] = {3: "misnamed", 5: "late", 7: "unknown", 9: "unsettled"}


@dataclass(frozen=True, slots=True)
class RollingConfig:
    """How long, and how fast it moves."""

    hours: float = 24.0
    seed: int = 1
    rate: float = 4.0
    """Frames a second on either venue."""
    odd: bool = True
    """Whether some windows are odd."""


class RollingSlot(NamedTuple):
    """A window, what is odd about it, and the venue's symbols of its books."""

    slot: Slot
    odd: Odd
    symbols: tuple[str, ...]


class RollingServer:
    """Both venues, running; made with ``started``."""

    def __init__(self, config: RollingConfig) -> None:
        self.config = config
        now_s = int(time.time())
        self._rng = seeded("rolling", config.seed)
        found = list(days(EIGHT, now_s, now_s + round(config.hours * HOUR_S)))
        odd = list(_odds(found, config.odd))
        here = [(s, o) for s, o in zip(found, odd, strict=True) if s.series.venue == "polymarket"]
        there = [(s, o) for s, o in zip(found, odd, strict=True) if s.series.venue == "kalshi"]
        self.polymarket = SimServer(
            SimConfig(
                markets=len(here), seed=config.seed, rate=config.rate, levels_min=_LEVELS,
                levels_max=_LEVELS, new_market_every=0,
            )
        )  # fmt: skip
        self.gamma = Gamma([])
        self.data = DataApi((), {})
        self.slots: list[RollingSlot] = []
        """Every window, series by series."""
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None
        for (slot, one), market in zip(here, self.polymarket.venue.markets, strict=True):
            self._schedule(slot, one, market.spec, now_s)
        events = [self._event(slot, one) for slot, one in there]
        self.kalshi = KalshiSimServer(
            KalshiSimConfig(seed=config.seed, rate=config.rate, indices=(), quarters=1), events
        )

    # Polymarket's windows.

    def _schedule(self, slot: Slot, odd: Odd, spec: MarketSpec, now_s: int) -> None:
        """What happens to a window, and when."""
        rng, series = self._rng, slot.series
        name = f"{series.coin}-{slot.start_s}" if odd == "misnamed" else slot.name
        event = rolled(
            spec, series.coin, series.cadence, (slot.start_s, slot.end_s), name, slot.title
        )
        self.slots.append(RollingSlot(slot, odd, spec.asset_ids))
        if odd == "late":
            self._at(slot.start_s - _LATE_S, lambda: self.gamma.events.append(event))
        else:
            self.gamma.events.append(event)
        if odd == "unknown" and slot.start_s > now_s:
            unknown, condition = self.polymarket.not_yet, spec.condition_id
            unknown.add(condition)
            self._at(slot.start_s - _UNKNOWN_S, lambda: unknown.discard(condition))
        first, last = (
            price(self.config.seed, "polymarket", series.coin, at_s)
            for at_s in (slot.start_s, slot.end_s)
        )
        told: dict[str, Any] = {"eventMetadata": {"priceToBeat": first}}
        self._at(slot.start_s + rng.randint(*_STRIKE_AFTER_S), lambda: event.update(told))
        if odd != "unsettled":
            settled_s = slot.end_s + rng.randint(*_SETTLED_AFTER_S[series.cadence])
            winner = 0 if last >= first else 1
            self._at(settled_s, lambda: self._settle(spec.index, event, winner, last, settled_s))

    def _settle(
        self, index: int, event: dict[str, Any], winner: int, last: float, at_s: int
    ) -> None:
        self.polymarket.resolve(self.polymarket.venue.markets[index], winner)
        event["eventMetadata"]["finalPrice"] = last
        close(event, winner, at_s)
        market = event["markets"][0]
        paid = [1_000_000 * (winner == 0), 1_000_000 * (winner == 1)]
        self.data.resolve(market["conditionId"], paid, market["closedTime"])

    def _at(self, at_s: int, act: Callable[[], None]) -> None:
        self._due.append((at_s, len(self._due), act))

    # Kalshi's windows.

    def _event(self, slot: Slot, odd: Odd) -> Event:
        """The event of a window; a quarter has one market, an hour a ladder of them."""
        series = slot.series
        quarter = series.cadence == "15m"
        of = Series(series.name, series.name, "fifteen_min" if quarter else "hourly")
        name = f"{slot.name}X" if odd == "misnamed" else slot.name
        event = Event(name, of, slot.title)
        opened, closed = (
            price(self.config.seed, "kalshi", series.coin, at_s)
            for at_s in (slot.start_s, slot.end_s)
        )
        if quarter:
            strikes = [(f"-{name[-2:]}", opened, closed >= opened)]
        else:
            middle = round(opened / _STRIKE_STEP) * _STRIKE_STEP
            steps = [middle + (at - 1) * _STRIKE_STEP - 0.01 for at in range(_STRIKES)]
            strikes = [(f"-T{strike:.2f}", strike, closed > strike) for strike in steps]
        for suffix, strike, wins in strikes:
            event.markets.append(
                self._spec(slot, event, suffix, strike, (wins, closed), late=odd == "late")
            )
        self.slots.append(RollingSlot(slot, odd, tuple(m.ticker for m in event.markets)))
        return event

    def _spec(
        self,
        slot: Slot,
        event: Event,
        suffix: str,
        strike: float,
        outcome: tuple[bool, float],
        *,
        late: bool,
    ) -> KalshiSpec:
        quarter = slot.series.cadence == "15m"
        wins, closed = outcome
        told = f"Target Price: ${strike:,.2f}" if quarter else f"${strike + 0.01:,.0f} or above"
        count = sum(len(one.symbols) for one in self.slots) + len(event.markets)
        return KalshiSpec(
            index=count,
            ticker=event.ticker + suffix,
            market_id=str(UUID(int=self._rng.getrandbits(128), version=4)),
            event_ticker=event.ticker,
            series_ticker=event.series.ticker,
            title=slot.title,
            yes_sub_title=told,
            open_ms=slot.start_s * _MS,
            close_ms=slot.end_s * _MS,
            structure="tapered_deci_cent" if quarter else "linear_cent",
            result="yes" if wins else "no",
            strike_type="greater_or_equal" if quarter else "greater",
            floor_strike=strike,
            fair=3_000 + int(self._rng.random() * 4_000),
            levels=_LEVELS,
            listed_ms=(slot.start_s - _LATE_S) * _MS if late else 0,
            strike_at_open=quarter and slot.start_s > time.time(),
            rules="If the simple average of the sixty seconds of the index before "
            f"{utc_text(slot.end_s)} is at least the strike, then the market resolves to Yes.",
            decided_by=f"{closed:.2f}",
        )

    # Life.

    async def start(self) -> None:
        """Listens; ``OSError`` if a port cannot be had."""
        for server in (self.polymarket, self.kalshi):
            server.idle_s_max = _IDLE_S
            await server.start()
        for rest in (self.gamma, self.data):
            await rest.start(_HOST, 0, None)
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        for at_s, _, act in sorted(self._due, key=lambda one: one[:2]):
            await asyncio.sleep(max(0.0, at_s - time.time()))
            act()

    async def close(self) -> None:
        """Closes every connection and stops listening."""
        if self._task is not None:
            self._task.cancel()
        for service in (self.kalshi, self.polymarket, self.gamma, self.data):
            await service.close()

    async def wait(self) -> None:
        """Returns when the markets of either venue stop, or raises what broke them."""
        await either(self.polymarket, self.kalshi)


def _odds(found: list[Slot], wanted: bool) -> Iterator[Odd]:
    """What is odd about each window, by its place in its series; the first is not."""
    places: dict[object, int] = {}
    for slot in found:
        place = places[slot.series] = places.get(slot.series, -1) + 1
        odd: Odd = _ODD.get(place % _ODD_OF, "") if wanted and slot.series.cadence == "15m" else ""
        # What Kalshi lists is known to its books, and is settled by itself.
        at_kalshi = slot.series.venue == "kalshi" and odd in ("unknown", "unsettled")
        yield "" if at_kalshi else odd
