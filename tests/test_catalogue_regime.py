"""Regimes: what decides a market, as listings of both venues state it, never their names."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookfeed.catalogue.fields import parse
from bookfeed.catalogue.kalshi import listings as kalshi
from bookfeed.catalogue.listing import Listing
from bookfeed.catalogue.polymarket import listings as polymarket
from bookfeed.catalogue.regime import Regime

CAPTURES = Path(__file__).parents[2] / "shared" / "captures"
STREAMS = "https://data.chain.link/streams"
TWAP = f"{STREAMS}/btc-usd-twap-60s-streams"
MEAN = "If the simple average of the sixty seconds of the index before 1:45 PM is at least 85000."


def config(seconds: int) -> dict[str, Any]:
    return {
        "cryptoMarketConfig": {
            "id": "btc", "asset": "btc", "twapEnabled": True, "twapLookbackSeconds": seconds
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "kind", "seconds"),
    [
        ({"resolutionSource": TWAP}, "mean", 60),
        (config(30), "mean", 30),
        (config(60) | {"resolutionSource": TWAP}, "mean", 60),
        ({"resolutionSource": f"{STREAMS}/btc-usd"}, "price", None),
        ({"resolutionSource": "https://www.binance.com/en/trade/BTC_USDT"}, "candle", None),
        ({"description": "By the close of the BTC/USDT 1 hour candle."}, "candle", None),
        # Two regimes in one listing are none.
        (config(30) | {"resolutionSource": TWAP}, "unknown", None),
        ({"description": "Whoever wins.", "slug": "btc-updown-15m-1790616600"}, "unknown", None),
    ],
)
def test_what_a_listing_of_polymarket_states(
    fields: dict[str, Any], kind: str, seconds: int | None
) -> None:
    found = polymarket.listing({"slug": "s"} | fields).regime
    assert (found.kind, found.seconds) == (kind, seconds)
    assert found.source == fields.get("resolutionSource", "")


@pytest.mark.parametrize(
    ("rules", "kind", "seconds"),
    [
        (MEAN, "mean", 60),
        ("The mean of 60 one-second values of the index decides.", "mean", 60),
        ("By the close price of the 1-minute candlestick at 6 PM.", "candle", None),
        ("By the average of its members. It has 60.", "unknown", None),
        ("", "unknown", None),
    ],
)
def test_what_rules_of_kalshi_state(rules: str, kind: str, seconds: int | None) -> None:
    found = kalshi.listing({"ticker": "KXBTC15M-26NOV291445-45", "rules_primary": rules}).regime
    assert (found.kind, found.seconds) == (kind, seconds)


def test_it_is_told_in_words() -> None:
    assert str(Regime("mean", 60, "BRTI")) == "mean of 60 s, BRTI"
    assert str(Regime()) == "regime not stated"


def windows_of_july() -> Iterator[Listing]:
    with gzip.open(CAPTURES / "polymarket" / "gamma-btc-5m-markets-2026-07-24.jsonl.gz") as lines:
        for line in lines:
            yield polymarket.listing(parse(line)["raw"])


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the project")
def test_stored_listings_of_both_venues() -> None:
    july = [one.regime.kind for one in windows_of_july()]
    assert july == ["price"] * 292, "before means decided these"
    sample = CAPTURES / "polymarket/samples/gamma_event_btc_15m_twap_resolved_2026-09-28.json"
    event = polymarket.event(parse(sample.read_bytes())["response"])
    assert str(event.markets[0].regime) == f"mean of 60 s, {TWAP}"
    gold = sorted((CAPTURES / "kalshi" / "events").iterdir())
    events = [kalshi.event(parse(path.read_bytes())["response"]) for path in gold]
    assert {one.regime.kind for event in events for one in event.markets} == {"candle"}
