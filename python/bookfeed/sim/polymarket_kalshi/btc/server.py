"""The world of one price on loopback, in one process: spot venues, a relay of the reference,
windows on both prediction venues, and a ladder::

    server = await started(BtcServer(BtcConfig(seed=1)))
    server.world  # the price, the windows, and what decides them
    await server.close()
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final, Literal
from uuid import UUID

from bookfeed.sim import kalshi, polymarket
from bookfeed.sim.chance import seeded
from bookfeed.sim.eastern import eastern
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.events import Event, Series
from bookfeed.sim.kalshi.market import Market as KalshiMarket
from bookfeed.sim.kalshi.market import MarketSpec as KalshiSpec
from bookfeed.sim.kalshi.venue import SimKalshi, What
from bookfeed.sim.polymarket import SimConfig, SimServer, rtds
from bookfeed.sim.polymarket.data_api import DataApi
from bookfeed.sim.polymarket.gamma import Gamma
from bookfeed.sim.polymarket.listing import close, rolled
from bookfeed.sim.polymarket.market import Market as PolymarketMarket
from bookfeed.sim.polymarket_kalshi.btc.quoting import Maker
from bookfeed.sim.polymarket_kalshi.btc.world import BtcConfig, Slot, WindowClock, World
from bookfeed.sim.polymarket_kalshi.quotes import KalshiQuoted, TokensQuoted
from bookfeed.sim.polymarket_kalshi.schedule import utc_text
from bookfeed.sim.relay_prices import Prices
from bookfeed.sim.relay_server import RelaySimConfig
from bookfeed.sim.server import either, started

SPOT: Final = ("binance", "coinbase", "kraken", "bitstamp", "gemini")
"""The spot venues of this world."""
QUARTERS: Final = "KXBTC15M"
LADDER: Final = "KXBTCD"
UP_DOWN: Final = "btc-updown-15m"
_INDEX: Final = "BRTI"

_MS: Final = 1_000
_HOST: Final = "127.0.0.1"
_COIN: Final = "btc"
_LEVELS: Final = 12
# Where a tick is larger, fewer levels are as deep.
_SPOT_LEVELS: Final = (250, 250, 60, 12, 250)
# How late each spot venue moves, and each prediction venue's makers, seconds.
_BEHIND_S: Final = (0.02, 0.05, 0.1, 0.25, 0.15)
_KALSHI_LATE_S: Final = 0.4
_POLYMARKET_LATE_S: Final = 1.2
_STRIKE_AFTER_S: Final = 5
_SETTLED_AFTER_S: Final = 3
_LADDER_STEPS: Final = (-200, -100, 0, 100, 200)
_LADDER_LASTS_S: Final = 3_600
_IDLE_S: Final = 0.05
# Windows are quoted while they are played, and the next one before that.
_AHEAD: Final = 1


class _WindowedVenue(SimKalshi):
    """Windows open and close when they are played, whatever their listing says."""

    def __init__(
        self,
        config: KalshiVenueConfig,
        now_ms: int,
        events: Sequence[Event] | None,
        slots: dict[str, Slot],
    ) -> None:
        self._slots: Final = slots
        super().__init__(config, now_ms, events)

    def _wait(self, when_ms: int, what: What, market: KalshiMarket | None) -> None:
        slot = None if market is None else self._slots.get(market.spec.ticker)
        if slot is not None and what == "open":
            when_ms = slot.played_from_s * _MS
        elif slot is not None and what == "strike":
            when_ms = slot.played_from_s * _MS + 300
        elif slot is not None and what == "close":
            when_ms = slot.played_to_s * _MS
        super()._wait(when_ms, what, market)


class QuotedKalshi(KalshiSimServer):
    """The venue of contracts, whose windows and ladder are quoted by makers of this world."""

    def __init__(
        self, config: KalshiSimConfig, events: Sequence[Event], slots: dict[str, Slot]
    ) -> None:
        self._slots: Final = slots
        self.makers: list[tuple[str, Maker]] = []
        """Who quotes which ticker."""
        super().__init__(config, events)

    def _made_venue(self, now_ms: int, events: Sequence[Event] | None) -> SimKalshi:
        return _WindowedVenue(self.config, now_ms, events, self._slots)

    def _step(self, now_ms: int) -> int:
        return 0

    def _due(self, now_ms: int) -> int:
        sent = super()._due(now_ms)
        for ticker, maker in self.makers:
            if _quoted_now(self._slots.get(ticker), now_ms / _MS):
                sent += self._publish(maker.turn(now_ms / _MS))
        return sent


class QuotedPolymarket(SimServer):
    """The venue of tokens, whose windows are quoted by makers of this world."""

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self.makers: list[tuple[Slot, PolymarketMarket, Maker]] = []

    def _step(self, now_ms: int) -> int:
        return 0

    def _due(self, now_ms: int) -> int:
        sent = super()._due(now_ms)
        for slot, market, maker in self.makers:
            if market.active and _quoted_now(slot, now_ms / _MS):
                sent += self._publish(maker.turn(now_ms / _MS))
        return sent


class _Reference(Prices):
    """What the relay tells: the price of the world, at each second."""

    def __init__(self, seed: int, world: World) -> None:
        super().__init__(seed)
        self._world: Final = world

    def _made(self, topic: str, symbol: str, second: int) -> int | None:
        if not symbol.startswith(_COIN):
            return super()._made(topic, symbol, second)
        whole = "twap" in topic
        price = self._world.mean(second + 1) if whole else self._world.latent.at(float(second))
        return round(price * 100) * 10**16


def _quoted_now(slot: Slot | None, now_s: float) -> bool:
    if slot is None:
        return True
    played_s = slot.played_to_s - slot.played_from_s
    return slot.played_from_s - _AHEAD * played_s <= now_s < slot.played_to_s


class BtcServer:
    """All of it, running; made with ``started``."""

    def __init__(self, config: BtcConfig) -> None:
        self.config: Final = config
        now_s = int(time.time())
        clock = WindowClock.begun(now_s, config.played_s)
        self.world: Final = World(config.seed, clock, now_s)
        self.slots: Final = [clock.slot(number) for number in range(config.windows)]
        self._rng: Final = seeded("btc world", config.seed)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None
        self.spot: Final = [self._spot(name, at) for at, name in enumerate(SPOT)]
        self.gamma: Final = Gamma([])
        self.data: Final = DataApi((), {})
        self.polymarket: Final = self._polymarket()
        self.kalshi: Final = self._kalshi(now_s)
        self.relay: Final = rtds.made(RelaySimConfig(seed=config.seed, late=True))
        self.relay.prices = _Reference(config.seed, self.world)

    # Spot.

    def _spot(self, name: str, at: int) -> Any:
        module = import_module(f"bookfeed.sim.{name}.server")
        kind = f"{name.capitalize()}SimConfig"
        server = getattr(module, f"{name.capitalize()}SimServer")(
            getattr(module, kind)(
                markets=1, seed=self.config.seed, rate=self.config.rate, levels=_SPOT_LEVELS[at]
            )
        )
        for market in server.venue.markets:
            ticks_a_dollar = 10**9 / market.spec.tick_e9
            market.anchor = partial(self._ticks, _BEHIND_S[at], ticks_a_dollar)
        return server

    def _ticks(self, behind_s: float, ticks_a_dollar: float) -> float:
        return self.world.latent.at(time.time() - behind_s) * ticks_a_dollar

    # Windows of tokens.

    def _polymarket(self) -> QuotedPolymarket:
        config = SimConfig(
            markets=len(self.slots), seed=self.config.seed, rate=40.0, levels_min=_LEVELS,
            levels_max=_LEVELS, new_market_every=0, tick_size="0.01",
        )  # fmt: skip
        server = QuotedPolymarket(config)
        for slot, market in zip(self.slots, server.venue.markets, strict=True):
            spec, span = market.spec, (slot.start_s, slot.end_s)
            start, end = (eastern(at_s * _MS) for at_s in span)
            title = f"Bitcoin Up or Down - {start:%B} {start.day}, {start:%H:%M}-{end:%H:%M} ET"
            event = rolled(spec, _COIN, "15m", span, f"{UP_DOWN}-{slot.start_s}", title)
            self.gamma.events.append(event)
            told = {"eventMetadata": {"priceToBeat": self.world.strike(slot)}}
            self._at(slot.played_from_s + _STRIKE_AFTER_S, partial(event.update, told))
            settle = partial(self._settle, server, market, event, slot)
            self._at(slot.played_to_s + _SETTLED_AFTER_S, settle)
            worth = partial(self.world.worth, self.world.strike(slot), slot.played_to_s)
            rng = seeded("btc maker", self.config.seed, slot.number)
            quoted = TokensQuoted(rng, spec.index, market.assets, 5_000)
            server.makers.append((slot, market, Maker(quoted, worth, _POLYMARKET_LATE_S, rng)))
        return server

    def _settle(
        self, server: SimServer, market: PolymarketMarket, event: dict[str, Any], slot: Slot
    ) -> None:
        last = self.world.mean(slot.played_to_s)
        winner = 0 if last >= self.world.strike(slot) else 1
        server.resolve(market, winner)
        event["eventMetadata"]["finalPrice"] = last
        close(event, winner, slot.end_s)
        listed = event["markets"][0]
        paid = [1_000_000 * (winner == at) for at in range(2)]
        self.data.resolve(listed["conditionId"], paid, listed["closedTime"])

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        self._due.append((at_s, len(self._due), act))

    # Windows and a ladder of contracts.

    def _kalshi(self, now_s: int) -> QuotedKalshi:
        slots: dict[str, Slot] = {}
        worths: dict[str, Any] = {}
        events = []
        for slot in self.slots:
            event = self._quarter(slot, now_s)
            ticker = event.markets[0].ticker
            slots[ticker] = slot
            worths[ticker] = (self.world.strike(slot), slot.played_to_s)
            events.append(event)
        ladder = self._ladder(now_s)
        for spec in ladder.markets:
            worths[spec.ticker] = (spec.floor_strike, spec.close_ms // _MS)
        config = KalshiSimConfig(seed=self.config.seed, rate=40.0, indices=(_INDEX,))
        server = QuotedKalshi(config, [*events, ladder], slots)
        (index,) = server.venue.indices
        index.anchor = lambda now_ms: self.world.latent.at(now_ms / _MS)
        for number, (ticker, (strike, end_s)) in enumerate(worths.items()):
            rng = seeded("btc maker of contracts", self.config.seed, number)
            quoted = KalshiQuoted(rng, server.venue.by_ticker[ticker], 5_000)
            worth = partial(self.world.worth, strike, end_s)
            server.makers.append((ticker, Maker(quoted, worth, _KALSHI_LATE_S, rng)))
        return server

    def _quarter(self, slot: Slot, now_s: int) -> Event:
        end = eastern(slot.end_s * _MS)
        name = f"{QUARTERS}-{end:%y%b%d%H%M}".upper()
        event = Event(name, Series(QUARTERS, QUARTERS, "fifteen_min"), "BTC price up in 15 mins?")
        strike, last = self.world.strike(slot), self.world.mean(slot.played_to_s)
        event.markets.append(
            self._spec(
                event, name + f"-{end:%M}", slot.number, (slot.start_s, slot.end_s), strike, last,
                at_open=slot.played_from_s > now_s,
            )
        )  # fmt: skip
        return event

    def _ladder(self, now_s: int) -> Event:
        """Strikes around the price, of which an hour is played at its real pace."""
        end_s = -(-(now_s + _LADDER_LASTS_S) // _LADDER_LASTS_S) * _LADDER_LASTS_S
        end = eastern(end_s * _MS)
        name = f"{LADDER}-{end:%y%b%d%H}".upper()
        event = Event(name, Series(LADDER, LADDER, "hourly"), "Bitcoin price at the hour?")
        middle = round(self.world.latent.at(now_s) / 100) * 100
        last = self.world.mean(end_s)
        for place, step in enumerate(_LADDER_STEPS):
            strike = middle + step - 0.01
            number = len(self.slots) + place
            spec = self._spec(
                event, f"{name}-T{strike:.2f}", number, (end_s - 2 * _LADDER_LASTS_S, end_s),
                strike, last,
            )  # fmt: skip
            event.markets.append(spec)
        return event

    def _spec(
        self,
        event: Event,
        ticker: str,
        number: int,
        span: tuple[int, int],
        strike: float,
        last: float,
        *,
        at_open: bool = False,
    ) -> KalshiSpec:
        quarter = event.series.ticker == QUARTERS
        result: Literal["yes", "no"] = "yes" if last >= strike else "no"
        start_s, end_s = span
        return KalshiSpec(
            index=number,
            ticker=ticker,
            market_id=str(UUID(int=self._rng.getrandbits(128), version=4)),
            event_ticker=event.ticker,
            series_ticker=event.series.ticker,
            title=event.title,
            yes_sub_title=f"{strike:,.2f} or above",
            open_ms=start_s * _MS,
            close_ms=end_s * _MS,
            structure="linear_cent",
            result=result,
            strike_type="greater_or_equal" if quarter else "greater",
            floor_strike=strike,
            fair=5_000,
            levels=_LEVELS,
            strike_at_open=at_open,
            rules="If the simple average of the sixty seconds of the index before "
            f"{utc_text(end_s)} is at least the strike, then the market resolves to Yes.",
            decided_by=f"{last:.2f}",
        )

    # Life.

    @property
    def _services(self) -> list[Any]:
        return [*self.spot, self.polymarket, self.kalshi, self.relay]

    async def start(self) -> None:
        """Listens; ``OSError`` if a port cannot be had."""
        for server in (self.polymarket, self.kalshi):
            server.idle_s_max = _IDLE_S
        for service in self._services:
            await service.start()
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
        for service in (*self._services, self.gamma, self.data):
            await service.close()

    async def wait(self) -> None:
        """Returns when one of the venues stops, or raises what broke it."""
        await either(*self._services)


async def serve(config: BtcConfig) -> BtcServer:
    """Starts the world in the running event loop.

    ``OSError`` if a port cannot be had, ``ModuleNotFoundError`` without aiohttp or cryptography.
    """
    return await started(BtcServer(config))


def ready(server: BtcServer) -> dict[str, Any]:
    """What a client needs to know: where everything is, and how the clock of windows goes."""
    spot = {name: one.ready() for name, one in zip(SPOT, server.spot, strict=True)}
    contracts = kalshi.ready(server.kalshi)
    tokens = polymarket.ready(server.polymarket)
    clock = server.world.clock
    ladder = next(name for name in server.kalshi.venue.events if name.startswith(f"{LADDER}-"))
    return {
        "venue": "both",
        "variant": "btc",
        "spot": spot,
        # The window that is on, so that there is something to follow from the beginning.
        "polymarket": {
            **{name: tokens[name] for name in ("ws", "rest")},
            "markets": [tokens["markets"][0] | {"question": server.gamma.events[0]["title"]}],
        },
        "kalshi": {name: contracts[name] for name in ("ws", "rest", "key_id", "private_key")},
        "relay": server.relay.url,
        "series": [UP_DOWN, QUARTERS],
        "ladder": ladder,
        "clock": {
            "first_end_s": clock.first_end_s,
            "quarter_end_s": clock.quarter_end_s,
            "played_s": clock.played_s,
        },
        "index": _INDEX,
        "lookup": {
            "polymarket.listings": server.gamma.url,
            "polymarket.books": tokens["rest"],
            "polymarket.trades": server.data.url,
            "kalshi.listings": contracts["rest"],
        },
    }
