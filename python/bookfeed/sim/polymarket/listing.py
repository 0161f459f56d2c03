"""What the simulated Gamma lists, as objects: the markets of a simulated venue, rolling windows.

Numbers and times are spelled in the ways in which the venue spells them, which are several; keys
whose value is null are left out.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bookfeed.sim.eastern import eastern
from bookfeed.sim.polymarket.ladder import PRICE_TEXT
from bookfeed.sim.polymarket.market import MarketSpec
from bookfeed.sim.polymarket.venue import SimVenue

_MS: Final = 1_000
_DAY_S: Final = 86_400
_UP_OR_DOWN: Final = {"id": "102127", "slug": "up-or-down", "label": "Up or Down"}
_NAMES: Final = {"btc": "Bitcoin", "eth": "Ethereum", "sol": "Solana"}


def listed(venue: SimVenue, now_ms: int) -> list[dict[str, Any]]:
    """An event for each market of a venue, which closes in 30 days."""
    return [
        event_of([market.spec], f"market-{market.spec.index + 1}", now_ms // _MS)
        for market in venue.markets
    ]


def event_of(specs: Sequence[MarketSpec], slug: str, now_s: int) -> dict[str, Any]:
    """An event that has been traded for a day and goes on for 30."""
    end_s = now_s + 30 * _DAY_S
    one = len(specs) == 1
    markets = [
        market_object(spec, slug if one else f"{slug}-{spec.index + 1}", now_s - _DAY_S, end_s)
        for spec in specs
    ]
    return {
        "id": str(20_000 + specs[0].index),
        "slug": slug,
        "ticker": slug,
        "title": specs[0].question if one else slug.replace("-", " "),
        "startDate": _fraction(now_s - _DAY_S),
        "endDate": _zulu(end_s),
        "active": True,
        "closed": False,
        "volume": sum(market["volumeNum"] for market in markets),
        "volume24hr": sum(market["volume24hr"] for market in markets),
        "openInterest": 0,
        "negRisk": specs[0].neg_risk,
        "enableNegRisk": specs[0].neg_risk,
        "negRiskAugmented": False,
        "tags": [{"id": "1", "slug": "weather", "label": "Weather"}],
        "markets": markets,
    }


def market_object(spec: MarketSpec, slug: str, since_s: int, end_s: int) -> dict[str, Any]:
    """One market; its amounts follow from its number, each in another order, to check sorting."""
    volume, volume_24h, liquidity = (
        unit * (spec.index * step % 10 + 1) for unit, step in ((1_000.25, 7), (90.25, 3), (10.5, 9))
    )
    return {
        "id": str(500_000 + spec.index),
        "question": spec.question,
        "conditionId": spec.condition_id,
        "slug": slug,
        "description": f"This market resolves as chance decides: {spec.question}",
        "resolutionSource": "",
        "endDate": _zulu(end_s),
        "startDate": _fraction(since_s),
        "createdAt": _fraction(since_s),
        "acceptingOrdersTimestamp": _zulu(since_s),
        "outcomes": json.dumps(spec.outcomes),
        "outcomePrices": json.dumps([_price(spec.fair), _price(10_000 - spec.fair)]),
        "clobTokenIds": json.dumps(spec.asset_ids),
        "active": True,
        "closed": False,
        "acceptingOrders": True,
        "enableOrderBook": True,
        "volume": str(volume),
        "volumeNum": volume,
        "volume24hr": volume_24h,
        "liquidity": str(liquidity),
        "liquidityNum": liquidity,
        "orderPriceMinTickSize": float(PRICE_TEXT[spec.tick]),
        "orderMinSize": int(spec.min_order_size),
        "negRisk": spec.neg_risk,
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "feesEnabled": True,
        "feeType": "crypto_fees_v2",
        "feeSchedule": {
            "exponent": spec.fee_exponent,
            "rate": float(spec.fee_rate),
            "takerOnly": True,
            "rebateRate": 0.2,
        },
        "rewardsMinSize": 50,
        "rewardsMaxSpread": 4.5,
        "version": "v1",
    }


def window(spec: MarketSpec, asset: str, minutes: int, start_s: int) -> dict[str, Any]:
    """The event of one window of a rolling series, with its only market."""
    slug, title = f"{asset}-updown-{minutes}m-{start_s}", _window_title(asset, start_s, minutes)
    return rolled(spec, asset, f"{minutes}m", (start_s, start_s + minutes * 60), slug, title)


def rolled(
    spec: MarketSpec, asset: str, length: str, span: tuple[int, int], slug: str, title: str
) -> dict[str, Any]:
    """The same of any length (``"15m"``, ``"1d"``), under any name; ``span`` in Unix seconds."""
    start_s, end_s = span
    event = event_of([spec], slug, start_s)
    market = event["markets"][0] | {
        "question": title,
        "description": _rules(asset, length),
        "outcomes": json.dumps(["Up", "Down"]),
        "endDate": _zulu(end_s),
        "eventStartTime": _zulu(start_s),
        **_decided_by(asset, length),
    }
    return event | {
        "title": title,
        "endDate": _zulu(end_s),
        "startTime": _zulu(start_s),
        "seriesSlug": f"{asset}-up-or-down-{length}",
        "tags": [_UP_OR_DOWN],
        "markets": [market],
    }


def _rules(asset: str, length: str) -> str:
    pair = f"{asset.upper()}/USDT"
    if length == "1h":
        return f"Up if the close of the {pair} 1 hour candle is not below its open; Down otherwise."
    if length == "1d":
        return (
            f"Up if the close of the {pair} 1 minute candle of noon is above that of the day "
            "before, Down if it is below; 50-50 if they are equal."
        )
    return (
        f"Up if {_NAMES[asset]} is not lower when the window ends than when it began; "
        "Down otherwise."
    )


def _decided_by(asset: str, length: str) -> dict[str, Any]:
    """A mean of 60 seconds; of hours and days a candle."""
    if length in ("1h", "1d"):
        return {"resolutionSource": f"https://www.binance.com/en/trade/{asset.upper()}_USDT"}
    config = f"{asset}-{length}-twap-60"
    return {
        "resolutionSource": f"https://data.chain.link/streams/{asset}-usd-twap-60s-streams",
        "cryptoMarketConfigId": config,
        "cryptoMarketConfig": {
            "id": config,
            "asset": asset,
            "duration": length,
            "twapEnabled": True,
            "twapLookbackSeconds": 60,
        },
    }


def _window_title(asset: str, start_s: int, minutes: int) -> str:
    start, end = (eastern(at_s * _MS) for at_s in (start_s, start_s + minutes * 60))
    first, last = (f"{at.hour % 12 or 12}:{at:%M%p}" for at in (start, end))
    return f"{_NAMES[asset]} Up or Down - {start:%B} {start.day}, {first}-{last} ET"


def close(event: dict[str, Any], winner: int, at_s: int) -> None:
    """Ends the only market of an event: ``winner`` is the index of what came true."""
    market = event["markets"][0]
    prices = ["0", "0"]
    prices[winner] = "1"
    event.update(closed=True, closedTime=_zulu(at_s))
    market.update(
        closed=True,
        acceptingOrders=False,
        outcomePrices=json.dumps(prices),
        umaResolutionStatus="resolved",
        closedTime=f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}+00",
    )


def _price(pips: int) -> str:
    return f"{pips / 10_000:.4f}".rstrip("0")


def _zulu(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}Z"


def _fraction(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%S}.827458Z"
