"""Both simulated venues with all that they list, for who begins with a word or an address.

Besides books there are Gamma and the record of trades for Polymarket, and for Kalshi its public
calls; and an account on each, by its private channel. Some markets are on both venues: windows of
rolling series, which begin and end when their names say, questions, and strikes on one price. What
looks alike is not always the same::

    server = await serve(ListedConfig())
    ready(server)["lookup"]  # where a client asks for what
    await server.close()
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from uuid import UUID

from bookfeed.sim.chance import seeded
from bookfeed.sim.eastern import eastern
from bookfeed.sim.kalshi import KalshiSimConfig, KalshiSimServer
from bookfeed.sim.kalshi import wire as kalshi_wire
from bookfeed.sim.kalshi.events import Event, Listing
from bookfeed.sim.kalshi.grid import LOTS
from bookfeed.sim.kalshi.market import Market as KalshiMarket
from bookfeed.sim.polymarket import SimConfig, SimServer
from bookfeed.sim.polymarket import wire as polymarket_wire
from bookfeed.sim.polymarket.ladder import PIPS
from bookfeed.sim.polymarket.listing import close, event_of, window
from bookfeed.sim.polymarket.market import Market as PolymarketMarket
from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket_kalshi.listing import pair
from bookfeed.sim.server import NS_PER_MS, either, started

_COINS: Final = ("btc", "eth")
_QUARTER_S: Final = 900
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
# Windows of each series: an hour and more, the present one included.
_WINDOWS: Final = 6
_STRIKES: Final = 3
_LEVELS: Final = 20
# How long Polymarket's questions stand, and how much shorter Kalshi asks some of them.
_QUESTION_DAYS: Final = 30
_EARLIER_DAYS: Final = 10
_MS: Final = 1_000
# So many trades of each market are remembered from before it began, in so much time.
_TRADES: Final = 30
_PAST_MS: Final = 1_200_000
_AWAY: Final = 3
_CENT: Final = 100
_RESOLVED_AFTER_S: Final = 2.0
# When a window's strike is told, and how far the venues' indices are apart, dollars.
_STRIKE_AFTER_S: Final = 30.0
_BASIS: Final = 20.0
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ListedConfig:
    """What is listed, and how fast it moves. ``ValueError`` for what cannot be."""

    questions: int = 4
    """Markets of one question each, on both venues."""
    seed: int = 1
    rate: float = 400.0
    """Frames a second on either venue; 0 as fast as the clients read."""

    def __post_init__(self) -> None:
        self.polymarket()

    def polymarket(self) -> SimConfig:
        """Polymarket's part: the questions, the strikes, then the windows of each coin."""
        markets = self.questions + _STRIKES + _WINDOWS * len(_COINS)
        return SimConfig(markets=markets, seed=self.seed, rate=self.rate)

    def kalshi(self, now_s: int) -> KalshiSimConfig:
        """Kalshi's part, whose windows begin and end at whole quarters of an hour."""
        return KalshiSimConfig(
            seed=self.seed,
            rate=self.rate,
            quarters=len(_COINS),
            windows=_WINDOWS,
            gap_s=0,
            elapsed_s=now_s % _QUARTER_S,
            long_s=_HOUR_S - now_s % _HOUR_S,
        )


class ListedServer:
    """Both venues, running; made by ``serve``."""

    def __init__(self, config: ListedConfig) -> None:
        from bookfeed.sim.polymarket.data_api import DataApi
        from bookfeed.sim.polymarket.gamma import Gamma
        from bookfeed.sim.polymarket_kalshi.accounts import Accounts

        now_s = int(time.time())
        self._ends: asyncio.Task[None] | None = None
        self._rng = rng = seeded("listed", config.seed)
        self.polymarket = SimServer(config.polymarket())
        here = [market.spec for market in self.polymarket.venue.markets]
        questions, strikes = here[: config.questions], here[config.questions :][:_STRIKES]
        windows = here[config.questions + _STRIKES :]
        there = config.kalshi(now_s)
        listed = Listing(there, rng, now_s * _MS).draw()
        self._strikes = _priced(listed, windows, seeded("strikes", config.seed))
        (ladder,) = (event for event in listed if event.ticker.startswith("KXBTCD"))
        strikes = _worded(strikes, ladder)
        asked = [_question(number, spec, now_s, rng) for number, spec in enumerate(questions)]
        self.kalshi = KalshiSimServer(there, [*listed, *asked])
        self.gamma = Gamma(
            [
                *(event_of([s], f"market-{s.index + 1}", now_s) for s in questions),
                _strike_event(strikes, ladder, now_s),
                *_windows(windows, now_s),
            ]
        )
        specs = {spec.condition_id: spec for spec in (*questions, *strikes, *windows)}
        self.data = DataApi(self.polymarket.trades, specs)
        tickers = [market.ticker for event in asked for market in event.markets]
        assert self.kalshi.key is not None, "it was given none"
        self.accounts = Accounts(questions, tickers, self.kalshi.key, config.seed)

    async def start(self) -> None:
        """Remembers a past, then listens; ``OSError`` if a port cannot be had."""
        now_ms = time.time_ns() // NS_PER_MS
        self.polymarket.trades.extend(_past(self.polymarket.venue.markets, now_ms, self._rng))
        trading = [market for market in self.kalshi.venue.markets if market.trading]
        self.kalshi.trades.extend(_past_of_kalshi(trading, now_ms, self._rng))
        for server in (self.polymarket, self.kalshi):
            await server.start()
        self._tell_touches()
        for rest in (self.gamma, self.data):
            await rest.start(_HOST, 0, None)
        await self.accounts.start()
        self._ends = asyncio.create_task(self._live_windows())

    def _tell_touches(self) -> None:
        """Gamma's prices are of when it was started: nobody trades by them."""
        first = {
            market.spec.condition_id: market.assets[0] for market in self.polymarket.venue.markets
        }
        for event in self.gamma.events:
            for market in event["markets"]:
                asset = first[market["conditionId"]]
                market |= {"bestBid": asset.best_bid / PIPS, "bestAsk": asset.best_ask / PIPS}

    async def _live_windows(self) -> None:
        """Tells strikes and ends markets of windows as their time comes."""
        markets = {m.spec.condition_id: m for m in self.polymarket.venue.markets}
        due: list[tuple[float, bool, int, dict[str, Any]]] = []
        for at, event in enumerate(self.gamma.events):
            if "seriesSlug" in event:
                due.append((_unix_s(event["startTime"]) + _STRIKE_AFTER_S, False, at, event))
                due.append((_unix_s(event["endDate"]) + _RESOLVED_AFTER_S, True, at, event))
        for at_s, over, _, event in sorted(due, key=lambda one: one[:3]):
            await asyncio.sleep(max(0.0, at_s - time.time()))
            condition = event["markets"][0]["conditionId"]
            if not over:
                event["eventMetadata"] = {"priceToBeat": self._strikes[condition]}
                continue
            self.polymarket.resolve(markets[condition])
            winner = markets[condition].winner or 0
            close(event, winner, _unix_s(event["endDate"]))
            paid = [1_000_000 if at == winner else 0 for at in range(2)]
            self.data.resolve(condition, paid, event["closedTime"])

    async def close(self) -> None:
        """Closes every connection (1001) and stops listening."""
        if self._ends is not None:
            self._ends.cancel()
        for service in (self.accounts, self.kalshi, self.polymarket, self.gamma, self.data):
            await service.close()

    async def wait(self) -> None:
        """Returns when the markets of either venue stop, or raises what broke them."""
        await either(self.polymarket, self.kalshi)


def _unix_s(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _priced(
    events: Sequence[Event], windows: Sequence[MarketSpec], rng: Random
) -> dict[str, float]:
    """Lets the windows of both venues begin at one price; returns what Polymarket's index makes of
    each strike, by condition id.
    """
    strikes = {}
    of_windows = (event for event in events if event.series.ticker.endswith("15M"))
    for event, there in zip(of_windows, windows, strict=True):
        event.markets = [replace(spec, fair=there.fair) for spec in event.markets]
        strike = event.markets[0].floor_strike or 0.0
        strikes[there.condition_id] = round(strike + _BASIS * (rng.random() - 0.5), 8)
    return strikes


def _question(number: int, spec: MarketSpec, now_s: int, rng: Random) -> Event:
    """The question of a market of Polymarket's, asked on Kalshi; each second one for less long."""
    days = _QUESTION_DAYS - _EARLIER_DAYS * (number % 2)
    event = pair(number, now_s * _MS, days * _DAY_S * _MS, rng)
    event.title = event.series.title = spec.question
    opens_ms = (now_s - _DAY_S) * _MS
    event.markets = [
        replace(one, title=spec.question, fair=spec.fair, levels=_LEVELS, open_ms=opens_ms)
        for one in event.markets
    ]
    return event


def _worded(specs: Sequence[MarketSpec], ladder: Event) -> list[MarketSpec]:
    """Questions on the price of a ladder: its second strike, one between strikes, and that the
    price is below its third.
    """
    close = eastern(ladder.markets[0].close_ms)
    when = f"{close:%B} {close.day}, {close:%I%p} ET?"
    second, third = (round(spec.floor_strike or 0) for spec in ladder.markets[1:3])
    wordings = (f"above ${second:,}", f"above ${(second + third) // 2:,}", f"below ${third:,}")
    return [
        replace(spec, question=f"Will the price of Bitcoin be {wording} on {when}")
        for spec, wording in zip(specs, wordings, strict=True)
    ]


def _strike_event(specs: Sequence[MarketSpec], ladder: Event, now_s: int) -> dict[str, Any]:
    """Questions on one price as one event, which closes with the ladder."""
    event = event_of(specs, "bitcoin-above-this-hour", now_s)
    close = datetime.fromtimestamp(ladder.markets[0].close_ms // _MS, UTC)
    end = {"endDate": f"{close:%Y-%m-%dT%H:%M:%S}Z"}
    # The same that Kalshi's ladder states.
    source = {"resolutionSource": "chance"}
    markets = [market | end | source for market in event["markets"]]
    return event | end | {"title": "Bitcoin above this hour", "markets": markets}


def _windows(specs: Sequence[MarketSpec], now_s: int) -> list[dict[str, Any]]:
    """The windows of every coin, the present one first."""
    start_s = now_s // _QUARTER_S * _QUARTER_S
    return [
        window(spec, _COINS[at // _WINDOWS], _QUARTER_S // 60, start_s + at % _WINDOWS * _QUARTER_S)
        for at, spec in enumerate(specs)
    ]


def _past(
    markets: Sequence[PolymarketMarket], now_ms: int, rng: Random
) -> list[polymarket_wire.Message]:
    """Prints from before anybody looked, oldest first; nothing of them is in the books."""
    prints = []
    for market in markets:
        for _ in range(_TRADES):
            asset = rng.choice(market.assets)
            price = _near(market.spec.fair, market.spec.tick, rng)
            print_ = polymarket_wire.last_trade_price(
                market.spec.index,
                asset,
                now_ms - rng.randrange(1, _PAST_MS),
                price=PIPS - price if asset.index else price,
                size=rng.randrange(5, 500) * 1_000_000,
                side=rng.choice(("BUY", "SELL")),
                tx=rng.getrandbits(256),
            )
            prints.append(print_)
    return sorted(prints, key=lambda one: one.ts_ms)


def _past_of_kalshi(
    markets: Sequence[KalshiMarket], now_ms: int, rng: Random
) -> list[kalshi_wire.Message]:
    """The same of Kalshi's markets."""
    prints = []
    for market in markets:
        for _ in range(_TRADES):
            print_ = kalshi_wire.trade(
                market.identity,
                str(UUID(int=rng.getrandbits(128), version=4)),
                now_ms - rng.randrange(1, _PAST_MS),
                yes_price=_near(market.spec.fair, _CENT, rng),
                lots=rng.randrange(1, 500) * LOTS,
                taker=rng.choice(kalshi_wire.SIDES),
            )
            prints.append(print_)
    return sorted(prints, key=lambda one: one.ts_ms)


def _near(fair: int, tick: int, rng: Random) -> int:
    """A price some ticks from a fair one, within what a contract costs."""
    price = fair // tick * tick + tick * rng.randint(-_AWAY, _AWAY)
    return min(max(price, tick), PIPS - tick)


async def serve(config: ListedConfig) -> ListedServer:
    """Starts both venues in the running event loop.

    ``OSError`` if they cannot listen, ``ModuleNotFoundError`` without aiohttp or cryptography.
    """
    return await started(ListedServer(config))


def ready(server: ListedServer) -> dict[str, Any]:
    """What a client needs to know: where names are looked up (``lookup``, by ``VENUE.WHAT``), what
    it has to configure, the variables that hold the key to sign with, by venue, and where the
    private channels are (``own``).

    All keys are of the simulator's own making; they open nothing else.
    """
    key = server.kalshi.key
    assert key is not None
    books, listings = server.polymarket.rest_url, server.kalshi.rest_url
    return {
        "venue": "both",
        "lookup": {
            "polymarket.listings": server.gamma.url,
            "polymarket.books": books,
            "polymarket.trades": server.data.url,
            "kalshi.listings": listings,
        },
        "configuration": {
            # It trades at all hours.
            "engine": {"calendar": False},
            "polymarket": {"ws_url": server.polymarket.url, "rest_url": books},
            "kalshi": {"ws_url": server.kalshi.url, "rest_url": listings},
        },
        "keys": {
            "kalshi": {
                "KALSHI_API_KEY_ID": key.key_id,
                "KALSHI_PRIVATE_KEY": key.private_pem,
            }
        },
        "own": server.accounts.ready(),
    }
