"""Strikes that relays tell at the very start of a window, by the market's own rule."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

import orjson
import pytest
from test_deciding import END_NS, MARKET

from bookfeed._bookfeed import Relays
from bookfeed.catalogue.deciding import Decision
from bookfeed.catalogue.listing import Listing, Strike
from bookfeed.catalogue.regime import Regime
from bookfeed.clock import NS_PER_S
from bookfeed.feed import boundaries
from bookfeed.feed.boundaries import BoundaryPrices
from bookfeed.records.points import points

START_NS: Final = END_NS - END_NS % (900 * NS_PER_S)
STREAMS: Final = "https://data.chain.link/streams/"
E18: Final = "83884316394759920653871"
EXACTLY: Final = Decimal("83884.316394759920653871")


def market(source: str, kind: str = "mean", seconds: int | None = 60) -> Listing:
    regime = Regime(kind, seconds, source)  # type: ignore[arg-type]
    return replace(MARKET, start_ts=START_NS, regime=regime)


SIXTY: Final = market(f"{STREAMS}btc-usd-twap-60s-streams")


def told(topic: str, symbol: str, ts: int = START_NS, **payload: object) -> bytes:
    """A frame of the relay with one value."""
    whole = {"symbol": symbol, "timestamp": ts // 1_000_000, "value": float(EXACTLY)}
    whole |= {"full_accuracy_value": E18} | payload
    frame = {"topic": topic, "type": "update", "timestamp": ts // 1_000_000 + 900}
    return orjson.dumps(frame | {"payload": whole})


def heard(*frames: bytes) -> BoundaryPrices:
    """What comes of frames, through the decoder."""
    relays, prices = Relays(), BoundaryPrices()
    relays.connected(1, "rtds")
    for frame in frames:
        relays.ingest(1, frame, START_NS + 3_600 * NS_PER_S)
        for point in points(relays.drain().point_bytes, relays.symbol):
            prices.heard(point)
    return prices


THIRTY_FRAME: Final = told("crypto_prices_twap_thirty", "btc/usd", window_s=30)
SIXTY_FRAME: Final = told("crypto_prices_twap_sixty", "btc/usd", window_s=60)
PLAIN_FRAME: Final = told("crypto_prices_chainlink", "btc/usd")


@pytest.mark.parametrize(
    ("listing", "frame"),
    [
        (SIXTY, SIXTY_FRAME),
        (market(f"{STREAMS}btc-usd-twap-30s-streams", seconds=30), THIRTY_FRAME),
        (market(f"{STREAMS}btc-usd", "price", None), PLAIN_FRAME),
    ],
)
def test_the_price_that_the_market_names_is_its_strike(listing: Listing, frame: bytes) -> None:
    assert heard(frame)(listing) == EXACTLY
    others = {SIXTY_FRAME, THIRTY_FRAME, PLAIN_FRAME} - {frame}
    assert heard(*others)(listing) is None, "another price is none of its"


@pytest.mark.parametrize(
    "listing",
    [
        market("https://www.binance.com/en/trade/BTC_USDT", "candle", None),
        market("CF Benchmarks"),
        market(""),
        market(f"{STREAMS}btc-usd-twap-60s-streams", "unknown", None),
        market(f"{STREAMS}btc-usd-twap-60s-streams", "mean", 30),
        market(f"{STREAMS}eth-usd-twap-60s-streams"),
        replace(SIXTY, start_ts=START_NS + 300 * NS_PER_S),
        replace(SIXTY, start_ts=None),
    ],
)
def test_a_market_that_is_decided_otherwise_has_none_here(listing: Listing) -> None:
    assert heard(SIXTY_FRAME, THIRTY_FRAME, PLAIN_FRAME)(listing) is None


@pytest.mark.parametrize("seconds", [-1, 1])
def test_a_second_beside_the_start_does_not_count(seconds: int) -> None:
    ts = START_NS + seconds * NS_PER_S
    assert heard(told("crypto_prices_twap_sixty", "btc/usd", ts, window_s=60))(SIXTY) is None


def test_what_is_printed_of_a_double_does_not_count() -> None:
    frame = told("crypto_prices_twap_sixty", "btc/usd", window_s=60, full_accuracy_value=None)
    assert heard(frame)(SIXTY) is None


def test_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundaries, "KEPT_MAX", 2)
    quarters = [START_NS + at * 900 * NS_PER_S for at in range(3)]
    frames = (told("crypto_prices_twap_sixty", "btc/usd", ts, window_s=60) for ts in quarters)
    prices = heard(*frames)
    known = [prices(replace(SIXTY, start_ts=ts)) is not None for ts in quarters]
    assert known == [False, True, True]


def test_the_double_that_the_venue_prints_of_it_is_no_disagreement() -> None:
    """It confirms what was told exactly; what differs by more than a double can tell is at odds."""
    exactly = Strike("greater_or_equal", EXACTLY, None)
    printed = Strike("greater_or_equal", Decimal("83884.31639475992"), None)
    decision = Decision(SIXTY)
    assert [one.provisional for one in decision.strike(exactly, "index", final=False)] == [True]
    news = decision.strike(printed, "listing", final=True)
    assert [(one.kind, one.provisional) for one in news] == [("strike", False)]
    assert decision.listing.strike == printed
    other = Strike("greater_or_equal", Decimal("83884.31639476"), None)
    (odd,) = decision.strike(other, "index", final=False)
    assert odd.kind == "disagreement"
