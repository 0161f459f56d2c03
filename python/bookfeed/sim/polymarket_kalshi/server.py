"""Both simulated venues on loopback, in one process, with markets that belong together.

Every market of the simulated Polymarket is quoted on the simulated Kalshi, too, by makers who
follow it; besides there are a basket of exclusive markets and a ladder of strikes. Now and then
quotes stand apart by more than all fees, so that opportunities come and go::

    server = await serve(PairedConfig(markets=3))
    server.polymarket, server.kalshi  # a SimServer and a KalshiSimServer
    server.kalshi.makers  # who quotes what, and when they stood apart
    await server.close()
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from bookfeed.sim import kalshi, polymarket
from bookfeed.sim.chance import seeded
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi.events import Event
from bookfeed.sim.polymarket import SimConfig, SimServer
from bookfeed.sim.polymarket.market import Market as PolymarketMarket
from bookfeed.sim.polymarket_kalshi.listing import basket, ladder, pair
from bookfeed.sim.polymarket_kalshi.makers import BasketMakers, LadderMakers, Makers, PairMakers
from bookfeed.sim.polymarket_kalshi.quotes import KalshiQuoted
from bookfeed.sim.polymarket_kalshi.schedule import COINS
from bookfeed.sim.server import NS_PER_MS, either, started

if TYPE_CHECKING:
    from bookfeed.sim.polymarket_kalshi.windows import Windows

_CLOSE_AFTER_MS: Final = 86_400_000
_OPEN_BEFORE_MS: Final = 3_600_000
_BASKET_MARKETS: Final = 3
_LADDER_MARKETS: Final = 3
# Baskets and ladders are one each, and stand apart less often than any one pair.
_RARER: Final = 2.0
_WANDERS: Final = 0.1
# So that two venues can be seen to agree from the first moves on: close to one half a price and
# its opposite look the same.
_OFF_HALF: Final = 1_500


@dataclass(frozen=True, slots=True)
class PairedConfig:
    """What is traded on both, and how fast. ``ValueError`` for what cannot be."""

    markets: int = 4
    """Markets of Polymarket, each of them with a counterpart on Kalshi."""
    unmirrored: int = 0
    """How many of Polymarket's, the last ones, have a book of their own for each outcome."""
    windows: int = 0
    """Windows of each of Polymarket's rolling series, one after the other (``windows.py``)."""
    seed: int = 1
    rate: float = 1000.0
    """Frames a second on either venue; 0 as fast as the clients read."""
    apart_every_s: float = 4.0
    """Mean quiet time until the quotes of a pair stand apart again, seconds."""
    rest: bool = True
    """Whether to serve REST, if aiohttp is installed."""

    def __post_init__(self) -> None:
        if self.apart_every_s <= 0:
            raise ValueError("apart_every_s must be above 0")
        self.polymarket()

    def polymarket(self) -> SimConfig:
        """Polymarket's part."""
        return SimConfig(
            markets=self.markets,
            unmirrored=self.unmirrored,
            windows=self.windows * len(COINS),
            seed=self.seed,
            rate=self.rate,
            rest=self.rest,
            off_half=_OFF_HALF,
        )

    def kalshi(self) -> KalshiSimConfig:
        """Kalshi's part, but for its events."""
        return KalshiSimConfig(seed=self.seed, rate=self.rate, rest=self.rest, indices=())


class QuotedKalshiServer(KalshiSimServer):
    """A simulated Kalshi whose markets are quoted by makers instead of a crowd."""

    def __init__(
        self, config: PairedConfig, elsewhere: Sequence[PolymarketMarket], now_ms: int
    ) -> None:
        self._rng = seeded("paired", config.seed)
        listing = _listing(elsewhere, now_ms, self._rng)
        super().__init__(config.kalshi(), listing)
        self.makers = self._engaged(listing, elsewhere, config.apart_every_s)
        self._maker_of = {
            quoted.market.spec.ticker: (makers, quoted)
            for makers in self.makers
            for quoted in makers.quoted
        }
        for _, quoted in self._maker_of.values():
            quoted.quote(now_ms)
            self.truth.start(quoted.market.spec.ticker, quoted.market.levels())

    def _engaged(
        self, listing: Sequence[Event], elsewhere: Sequence[PolymarketMarket], every_s: float
    ) -> tuple[Makers, ...]:
        rng = self._rng
        quoted = [
            [KalshiQuoted(rng, self.venue.by_ticker[m.ticker], m.fair) for m in event.markets]
            for event in listing
        ]
        *pairs, in_basket, on_ladder = quoted
        *titles, basket_title, ladder_title = (event.title for event in listing)
        of_pairs = (
            PairMakers(title, one, rng, every_s, market)
            for title, (one,), market in zip(titles, pairs, elsewhere, strict=True)
        )
        return (
            *of_pairs,
            BasketMakers(basket_title, in_basket, rng, _RARER * every_s),
            LadderMakers(ladder_title, on_ladder, rng, _RARER * every_s),
        )

    def _due(self, now_ms: int) -> int:
        sent = super()._due(now_ms)
        for makers in self.makers:
            sent += self._publish(makers.turn(now_ms))
        return sent

    def _step(self, now_ms: int) -> int:
        """Something ordinary happens in a market that somebody follows."""
        if not self.followed:
            return 0
        market = self.followed[int(self._rng.random() * len(self.followed))]
        makers, quoted = self._maker_of[market.spec.ticker]
        if not makers.apart and self._rng.random() < _WANDERS:
            makers.wander()
            return self._publish(makers.turn(now_ms))
        return self._publish(quoted.flicker(now_ms))


def _listing(elsewhere: Sequence[PolymarketMarket], now_ms: int, rng: Random) -> list[Event]:
    """Kalshi's events: a pair for each market elsewhere, a basket, a ladder."""
    events = []
    for number, market in enumerate(elsewhere):
        event = pair(number, now_ms, _CLOSE_AFTER_MS, rng)
        events.append(_titled(event, [market.spec.question], now_ms, title=_short(market)))
    names = [f"candidate {at + 1} wins" for at in range(_BASKET_MARKETS)]
    winner = basket(0, _BASKET_MARKETS, now_ms, rng, True)
    events.append(_titled(winner, names, now_ms, title="who wins"))
    strikes = ladder(0, _LADDER_MARKETS, now_ms, rng)
    names = [f"index above {spec.floor_strike:.2f}" for spec in strikes.markets]
    events.append(_titled(strikes, names, now_ms, title="index above"))
    return events


def _short(market: PolymarketMarket) -> str:
    """What a market is about in a few words: its question without the asking."""
    return market.spec.question.removeprefix("Will it be that ").replace("?", "")


def _titled(event: Event, titles: Sequence[str], now_ms: int, *, title: str) -> Event:
    """The event under names for people, open since an hour ago."""
    event.title = title
    event.markets = [
        replace(spec, title=name, open_ms=now_ms - _OPEN_BEFORE_MS)
        for spec, name in zip(event.markets, titles, strict=True)
    ]
    return event


class PairedServer:
    """Both venues, running; made by ``serve``."""

    def __init__(self, config: PairedConfig) -> None:
        self.polymarket = SimServer(config.polymarket())
        now_ms = time.time_ns() // NS_PER_MS
        markets = self.polymarket.venue.markets
        self.paired = markets[: config.markets]
        """Polymarket's markets that have a counterpart on Kalshi."""
        self.kalshi = QuotedKalshiServer(config, self.paired, now_ms)
        self.windows: Windows | None = None
        """Polymarket's windows of rolling series, if there are any."""
        if config.windows:
            # Not before: their listings need aiohttp.
            from bookfeed.sim.polymarket_kalshi import windows

            rolling = markets[config.markets :]
            self.windows = windows.Windows(self.polymarket, rolling, config.seed)

    async def start(self) -> None:
        """Listens and starts the markets; ``OSError`` if a port cannot be had."""
        await self.polymarket.start()
        await self.kalshi.start()
        if self.windows is not None:
            await self.windows.start()

    async def close(self) -> None:
        """Closes every connection (1001) and stops listening."""
        if self.windows is not None:
            await self.windows.close()
        await self.kalshi.close()
        await self.polymarket.close()

    async def wait(self) -> None:
        """Returns when the markets of either venue stop, or raises what broke them."""
        await either(self.polymarket, self.kalshi)


async def serve(config: PairedConfig) -> PairedServer:
    """Starts both venues in the running event loop.

    ``OSError`` if they cannot listen, ``ModuleNotFoundError`` without the ``cryptography`` package,
    or with windows without aiohttp.
    """
    return await started(PairedServer(config))


def ready(server: PairedServer) -> dict[str, Any]:
    """What a client needs to know: where both venues are, their markets, what belongs together.

    Windows of rolling series are no markets of these, but what is looked up where ``lookup`` says.
    """
    found: dict[str, list[dict[str, Any]]] = {"pair": [], "basket": [], "ladder": []}
    for makers in server.kalshi.makers:
        specs = [quoted.market.spec for quoted in makers.quoted]
        told: dict[str, Any] = {"name": makers.name, "event": specs[0].event_ticker}
        if isinstance(makers, PairMakers):
            told["market"] = makers.market.spec.condition_id
        if makers.shape == "basket":
            told["exhaustive"] = server.kalshi.venue.events[told["event"]].exhaustive
        told["tickers"] = [spec.ticker for spec in specs]
        found[makers.shape].append(told)
    here = polymarket.ready(server.polymarket)
    here["markets"] = here["markets"][: len(server.paired)]
    rolling = {} if server.windows is None else _rolling(server, server.windows)
    return {
        "venue": "both",
        "polymarket": here,
        "kalshi": kalshi.ready(server.kalshi),
        "pairs": found["pair"],
        "baskets": found["basket"],
        "ladders": found["ladder"],
        **rolling,
    }


def _rolling(server: PairedServer, windows: "Windows") -> dict[str, Any]:
    """Where windows are looked up, and how far their clock is ahead."""
    lookup = {
        "polymarket.listings": windows.gamma.url,
        "polymarket.books": server.polymarket.rest_url,
        "polymarket.trades": windows.data.url,
    }
    return {"series": list(windows.series), "ahead_s": windows.ahead_s, "lookup": lookup}
