"""A short tier of the spot venues' campaign; ``make campaign`` runs 1,000 seeds of each."""

import pytest

from bookfeed.scorecard.campaigns import binance_kraken as spot_campaign
from bookfeed.scorecard.campaigns.bitstamp import BitstampReferee
from bookfeed.scorecard.campaigns.coinbase import CoinbaseReferee
from bookfeed.scorecard.campaigns.cryptocom import CryptocomReferee
from bookfeed.scorecard.campaigns.gemini import GeminiReferee

pytestmark = pytest.mark.slow

SEEDS = range(1, 31)
VENUES = tuple(spot_campaign.PLAYS)


@pytest.mark.parametrize("venue", VENUES)
def test_no_live_book_is_wrong_where_it_says_it_stands(venue: str) -> None:
    frames = faults = checks = calm_ns = live_ns = 0
    for seed in SEEDS:
        report = spot_campaign.run(seed, venue=venue, items=600)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        frames += report.frames
        checks += report.checks
        faults += sum(report.faults.values())
        calm_ns, live_ns = calm_ns + report.calm_ns, live_ns + report.calm_live_ns
    assert frames > 400 * len(SEEDS) and checks > 300 * len(SEEDS)
    assert faults > 3 * len(SEEDS)
    assert live_ns > 0.99 * calm_ns > 0


@pytest.mark.parametrize(
    ("venue", "seed"), [("binance", 14), ("binance", 1070), ("kraken", 28), ("kraken", 1001)]
)
def test_seeds_that_once_failed(venue: str, seed: int) -> None:
    assert spot_campaign.run(seed, venue=venue).problems == []


@pytest.mark.parametrize("venue", VENUES)
def test_clean_runs_change_no_state(venue: str) -> None:
    # A client of one says nothing in its first second.
    items = 900 if venue == "cryptocom" else 500
    for seed in range(1, 16):
        report = spot_campaign.run(seed, venue=venue, items=items, clean=True)
        assert report.problems == [], f"seed {seed}: {report.problems}"
        assert report.live_ns > 0.9 * report.total_ns


def test_the_referee_notices_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no message shows stays wrong: the referees must object once they forgive nothing."""
    monkeypatch.setattr(spot_campaign.KrakenReferee, "hides", lambda _referee, _event: False)
    monkeypatch.setattr(spot_campaign.BinanceReferee, "hides", lambda _referee, _event: False)
    monkeypatch.setattr(BitstampReferee, "hides", lambda _referee, _event: False)
    monkeypatch.setattr(CoinbaseReferee, "hides", lambda _referee, _event: False)
    monkeypatch.setattr(GeminiReferee, "hides", lambda _referee, _event: False)
    monkeypatch.setattr(CryptocomReferee, "hides", lambda _referee, _event: False)
    monkeypatch.setattr(spot_campaign, "SPARED", frozenset())
    for venue in VENUES:
        reports = [spot_campaign.run(seed, venue=venue, items=600) for seed in SEEDS]
        wrong = [report for report in reports if any("wrong" in p for p in report.problems)]
        assert len(wrong) > len(SEEDS) // 20, venue
