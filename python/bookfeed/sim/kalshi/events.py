"""What the simulated Kalshi lists: series, events and their markets, drawn from the seed.

Three shapes of event: short windows with one market each, one after the other in a series;
baskets of mutually exclusive markets; ladders of strikes on one price at one time.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import UUID

from bookfeed.sim.eastern import eastern
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.market import MarketSpec

_COINS: Final = ("BTC", "ETH", "SOL", "XRP", "DOGE", "LTC", "ADA", "BNB")
_CRYPTO_SHARD: Final = 2
_LISTED_WINDOWS: Final = 2


@dataclass(slots=True)
class Series:
    """A series and its fees."""

    ticker: str
    title: str
    frequency: str
    fee_type: str = "quadratic"
    fee_multiplier: float = 1
    exchange_index: int = 0


@dataclass(slots=True)
class Event:
    """An event and what overrides the fees of its series, if anything."""

    ticker: str
    series: Series
    title: str
    mutually_exclusive: bool = False
    exhaustive: bool = True
    """Whether one of mutually exclusive markets must win; no listing says so."""
    markets: list[MarketSpec] = field(default_factory=list)
    fee_type_override: str | None = None
    fee_multiplier_override: float | None = None

    @property
    def fee_type(self) -> str:
        """The fee type that holds now."""
        return self.fee_type_override or self.series.fee_type

    @property
    def fee_multiplier(self) -> float:
        """The multiplier that holds now."""
        override = self.fee_multiplier_override
        return self.series.fee_multiplier if override is None else override


def _stamp(ms: int, form: str) -> str:
    return eastern(ms).strftime(form).upper()


class Listing:
    """Draws everything there is to trade."""

    def __init__(self, config: KalshiVenueConfig, rng: Random, now_ms: int) -> None:
        self._config = config
        self._rng = rng
        self._now_ms = now_ms
        self._count = 0

    def draw(self) -> list[Event]:
        """Every event, in the order in which their markets are numbered."""
        config = self._config
        events = []
        for number in range(config.quarters):
            events += self._windows(number)
        events += [self._basket(number) for number in range(config.baskets)]
        events += [self._ladder(number) for number in range(config.ladders)]
        return events

    def _windows(self, number: int) -> list[Event]:
        """The windows of one series; those beyond the second are announced later."""
        config, rng = self._config, self._rng
        coin = f"{_COINS[number % len(_COINS)]}{number // len(_COINS) or ''}"
        series = Series(
            f"KX{coin}15M", f"{coin} up or down", "fifteen_min", exchange_index=_CRYPTO_SHARD
        )
        window_ms, gap_ms = int(config.window_s * 1000), int(config.gap_s * 1000)
        open_ms = self._now_ms - int(config.elapsed_s * 1000)
        closes: list[int] = []
        events = []
        for at in range(config.windows):
            close_ms = open_ms + window_ms
            form = "%y%b%d%H%M" if window_ms % 60_000 == 0 else "%y%b%d%H%M%S"
            event = Event(f"{series.ticker}-{_stamp(close_ms, form)}", series, series.title)
            strike = round(80_000 + rng.random() * 8_000, 2)
            self._add(
                event,
                f"-{eastern(close_ms):%M}",
                title=f"{coin} price up in next {round(config.window_s / 60)} mins?",
                sub_title=f"Target Price: ${strike:,.2f}",
                fair=3_000 + int(rng.random() * 4_000),
                structure=config.structure or "tapered_deci_cent",
                times=(open_ms, close_ms),
                strike=("greater_or_equal", strike),
                listed_ms=closes[at - _LISTED_WINDOWS] if at >= _LISTED_WINDOWS else 0,
            )
            events.append(event)
            closes.append(close_ms)
            open_ms = close_ms + gap_ms
        return events

    def _basket(self, number: int) -> Event:
        """Mutually exclusive markets whose fair prices add up to 1."""
        config, rng = self._config, self._rng
        series = Series(
            f"KXWINNER{number}", "Who wins", "custom", fee_type="quadratic_with_maker_fees"
        )
        close_ms = self._now_ms + int(config.long_s * 1000)
        event = Event(f"{series.ticker}-{_stamp(close_ms, '%y%b%d')}", series, "Who wins", True)
        weights = [0.3 + rng.random() for _ in range(config.basket_markets)]
        winner = int(rng.random() * config.basket_markets)
        for at, weight in enumerate(weights):
            self._add(
                event,
                f"-C{at + 1}",
                title=f"candidate {at + 1} wins",
                sub_title=f"Candidate {at + 1}",
                fair=int(10_000 * weight / sum(weights)),
                structure=config.structure or "linear_cent",
                times=(self._now_ms - 3_600_000, close_ms),
                strike=("structured", None),
                wins=at == winner,
            )
        return event

    def _ladder(self, number: int) -> Event:
        """One price at one time, above this strike or that: the higher the cheaper."""
        config, rng = self._config, self._rng
        series = Series(f"KXBTCD{number or ''}", "Bitcoin above", "daily",
                        exchange_index=_CRYPTO_SHARD)  # fmt: skip
        close_ms = self._now_ms + int(config.long_s * 1000)
        event = Event(f"{series.ticker}-{_stamp(close_ms, '%y%b%d%H')}", series, "Bitcoin above")
        base = 80_000 + 1_000 * int(rng.random() * 5)
        reached = int(rng.random() * (config.ladder_markets + 1))
        step = 8_000 // config.ladder_markets
        for at in range(config.ladder_markets):
            strike = base + 500 * at - 0.01
            self._add(
                event,
                f"-T{strike:.2f}",
                title=f"Bitcoin above {strike:.2f}",
                sub_title=f"${strike + 0.01:,.0f} or above",
                fair=9_000 - step * at - int(rng.random() * step / 2),
                structure=config.structure or "linear_cent",
                times=(self._now_ms - 3_600_000, close_ms),
                strike=("greater", strike),
                wins=at < reached,
            )
        return event

    def _add(
        self,
        event: Event,
        suffix: str,
        *,
        title: str,
        sub_title: str,
        fair: int,
        structure: str,
        times: tuple[int, int],
        strike: tuple[str, float | None],
        wins: bool | None = None,
        listed_ms: int = 0,
    ) -> None:
        config, rng = self._config, self._rng
        if wins is None:
            wins = rng.random() < 0.5
        spread = config.levels_max - config.levels_min
        event.markets.append(
            MarketSpec(
                index=self._count,
                ticker=event.ticker + suffix,
                market_id=str(UUID(int=rng.getrandbits(128), version=4)),
                event_ticker=event.ticker,
                series_ticker=event.series.ticker,
                title=title,
                yes_sub_title=sub_title,
                open_ms=times[0],
                close_ms=times[1],
                structure=structure,
                result="yes" if wins else "no",
                strike_type=strike[0],
                floor_strike=strike[1],
                fair=min(9_500, max(500, fair)),
                levels=config.levels_min + int(spread * rng.random() ** 2),
                exchange_index=event.series.exchange_index,
                listed_ms=listed_ms,
                strike_at_open=strike[0] == "greater_or_equal" and times[0] > self._now_ms,
            )
        )
        self._count += 1
