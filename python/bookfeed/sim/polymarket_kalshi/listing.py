"""The Kalshi events of a two-venue scenario, and the combinations that would pay for certain."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import combinations as choose
from random import Random
from typing import Final
from uuid import UUID

from bookfeed.sim.kalshi.events import Event, Series
from bookfeed.sim.kalshi.market import MarketSpec
from bookfeed.sim.polymarket_kalshi.quotes import PolymarketQuoted
from bookfeed.sim.polymarket_kalshi.truth import Combination, Leg

DEFAULT_CLOSE_S: Final = 86_400.0
_ONE: Final = Decimal(1)


def _event(
    ticker: str, fairs: list[int], close_ms: int, rng: Random, *, exclusive: bool = False,
    strikes: bool = False,
) -> Event:  # fmt: skip
    series = Series(ticker.partition("-")[0], ticker, "custom")
    event = Event(ticker, series, ticker, exclusive)
    for at, fair in enumerate(fairs):
        strike = 80_000 + 500 * at - 0.01 if strikes else None
        suffix = f"-T{strike:.2f}" if strikes else f"-M{at}" if len(fairs) > 1 else ""
        event.markets.append(
            MarketSpec(
                # Numbers of markets only seed their crowds, who have nothing to do here.
                index=at,
                ticker=ticker + suffix,
                market_id=str(UUID(int=rng.getrandbits(128), version=4)),
                event_ticker=ticker,
                series_ticker=series.ticker,
                title=ticker + suffix,
                yes_sub_title=suffix.lstrip("-") or "Yes",
                open_ms=0,
                close_ms=close_ms,
                structure="linear_cent",
                result="yes" if at == 0 else "no",
                strike_type="greater" if strikes else "custom",
                floor_strike=strike,
                fair=fair,
                levels=0,
            )
        )
    return event


def pair(number: int, start_ms: int, close_after_ms: int, rng: Random) -> Event:
    """One market that is also quoted elsewhere."""
    fair = 3_000 + 100 * int(rng.random() * 41)
    return _event(f"KXPAIR{number}-26", [fair], start_ms + close_after_ms, rng)


def basket(number: int, markets: int, start_ms: int, rng: Random, exhaustive: bool) -> Event:
    """Markets of which at most one wins; if not ``exhaustive``, perhaps none."""
    total = 10_000 if exhaustive else 7_500
    fairs = [total // markets // 100 * 100] * markets
    fairs[0] += total - sum(fairs)
    close_ms = start_ms + int(DEFAULT_CLOSE_S * 1000)
    event = _event(f"KXBASKET{number}-26", fairs, close_ms, rng, exclusive=True)
    event.exhaustive = exhaustive
    return event


def ladder(number: int, markets: int, start_ms: int, rng: Random) -> Event:
    """Strikes on one price, the higher the cheaper."""
    step = 6_000 // markets // 100 * 100
    fairs = [8_000 - step * at for at in range(markets)]
    close_ms = start_ms + int(DEFAULT_CLOSE_S * 1000)
    return _event(f"KXLADDER{number}-26", fairs, close_ms, rng, strikes=True)


def combinations(
    events: Mapping[str, Event],
    tokens: Mapping[str, PolymarketQuoted],
    is_inverted: Callable[[str], bool],
) -> dict[str, list[Combination]]:
    """Everything that pays a fixed sum, by the name of its pair, basket or ladder."""
    found: dict[str, list[Combination]] = {}
    for name, event in events.items():
        tickers = [spec.ticker for spec in event.markets]
        if name in tokens:
            found[name] = _boxes(name, tokens[name], tickers[0], is_inverted(name))
        elif event.mutually_exclusive:
            found[name] = _sets(name, tickers, event.exhaustive)
        else:
            found[name] = [
                Combination(
                    f"{name}:{low}+{high}",
                    (Leg("kalshi", tickers[low]), Leg("kalshi", tickers[high], "no")),
                    _ONE,
                )
                for low, high in choose(range(len(tickers)), 2)
            ]
    return found


def _boxes(name: str, token: PolymarketQuoted, ticker: str, inverted: bool) -> list[Combination]:
    """YES on one venue and NO on the other, both ways round."""
    first, second = (asset.asset_id for asset in token.assets)
    yes, no = (second, first) if inverted else (first, second)
    return [
        Combination(
            f"{name}:polymarket-yes+kalshi-no",
            (Leg("polymarket", yes), Leg("kalshi", ticker, "no")),
            _ONE,
        ),
        Combination(
            f"{name}:kalshi-yes+polymarket-no",
            (Leg("kalshi", ticker), Leg("polymarket", no, "no")),
            _ONE,
        ),
    ]


def _sets(name: str, tickers: list[str], exhaustive: bool) -> list[Combination]:
    """All YES, where one of them must win; all NO, of which at most one loses."""
    legs = [(Leg("kalshi", ticker), Leg("kalshi", ticker, "no")) for ticker in tickers]
    sets = [
        Combination(f"{name}:no", tuple(no for _, no in legs), Decimal(len(tickers) - 1)),
    ]
    if exhaustive:
        sets.insert(0, Combination(f"{name}:yes", tuple(yes for yes, _ in legs), _ONE))
    return sets
