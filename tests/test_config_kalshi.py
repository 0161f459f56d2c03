"""Configuration of Kalshi: the section, its markets, and what must never be told."""

from pathlib import Path

import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import KalshiFee
from bookfeed.venues.kalshi import KalshiSection

S = 1_000_000_000
TICKER = "KXBTCD-26OCT0117-T84999.99"
MARKET = f'[[market]]\nvenue = "kalshi"\nticker = "{TICKER}"\n'


def load(text: str, **environ: str) -> Config:
    import tomllib

    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def test_a_market_becomes_one_the_feed_knows() -> None:
    loaded = load(
        MARKET
        + 'event = "KXBTCD-26OCT0117"\n'
        + 'name = "Bitcoin above 85,000?"\n'
        + 'open_time = "2026-10-01T20:00:00Z"\n'
        + 'close_time = "2026-10-01T17:00:00.25-04:00"\n'
        + 'fee_type = "quadratic"\nfee_multiplier = "0.5"\n'
        + '[kalshi]\nmembership = "direct"\n'
    )
    (market,) = loaded.markets()
    assert (market.market, market.venue, market.event) == (TICKER, "kalshi", "KXBTCD-26OCT0117")
    assert market.outcomes == (Outcome("Yes", TICKER),)
    assert market.open_ts == 1_790_884_800 * S
    assert market.close_ts == 1_790_888_400 * S + S // 4
    assert market.fee == KalshiFee("quadratic", "0.5", "direct")
    assert loaded.venues() == ["kalshi"]


def test_what_is_not_said_is_the_dearer_or_unknown() -> None:
    (market,) = load(MARKET + 'fee_type = "quadratic"').markets()
    assert market.fee == KalshiFee("quadratic", "1", "non_direct")
    (market,) = load(MARKET).markets()
    assert (market.fee, market.event, market.open_ts, market.close_ts) == (None, None, None, None)


def test_markets_of_both_venues_in_one_file() -> None:
    text = MARKET + '[[market]]\nmarket = "0xabc"\noutcomes = [{ name = "Yes", asset = "71" }]\n'
    assert [m.venue for m in load(text).markets()] == ["kalshi", "polymarket"]
    assert load(text).venues() == ["kalshi", "polymarket"]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ('[[market]]\nvenue = "kalshy"', "market[0].venue", ['"kalshi"', "did you mean"]),
        ('[[market]]\nvenue = "kalshi"', "market[0].ticker", ["is required"]),
        ('[[market]]\nvenue = "kalshi"\nticker = "kx btc"', "market[0].ticker", ["such as KX"]),
        (MARKET + "outcomes = []", "market[0].outcomes", ["no such key", "leave it out"]),
        (MARKET + 'open_time = "soon"', "market[0].open_time", ["offset", "soon"]),
        (
            MARKET + 'open_time = "2026-10-01T20:00:00"',
            "market[0].open_time",
            ["with its offset"],
        ),
        (MARKET + 'close_time = "2026-02-30T20:00:00Z"', "market[0].close_time", ["no such time"]),
        (
            MARKET + 'open_time = "2026-10-01T20:00:00Z"\nclose_time = "2026-10-01T20:00:00Z"',
            "market[0].close_time",
            ["later than open_time"],
        ),
        (MARKET + "fee_multiplier = 0.5", "market[0].fee_multiplier", ['write "0.5"']),
        (MARKET + 'fee_multiplier = "1"', "market[0].fee_type", ["is required with"]),
        (MARKET + MARKET, "market[1].ticker", [TICKER, "is already in market[0]"]),
        ('[kalshi]\nenvironment = "test"', "kalshi.environment", ['"prod", "demo"']),
        ('[kalshi]\nmembership = "all"', "kalshi.membership", ['"direct"', '"non_direct"']),
        ("[kalshi]\nmarkets_per_connection = 2001", "kalshi.markets_per_connection", ["1 to 2000"]),
        ('[kalshi]\nws_url = "https://x"', "kalshi.ws_url", ["ws:// or wss://"]),
        ("market = [3]", "market[0]", ["a table", "not 3"]),
    ],
)
def test_a_wrong_file_is_told_where_and_what(text: str, key: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert (caught.value.source, caught.value.key) == ("bookfeed.toml", key)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("key", ["private_key_file", "api_key_id"])
def test_a_key_given_in_place_of_its_name_is_not_repeated(key: str) -> None:
    text = f'[kalshi]\n{key} = """-----BEGIN PRIVATE KEY-----\nCANARY\n-----END"""'
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert "CANARY" not in str(caught.value)
    assert "BEGIN" not in str(caught.value)


def test_whose_key_it_is_is_neither_shown_nor_in_the_fingerprint(tmp_path: Path) -> None:
    given = load('[kalshi]\napi_key_id = "CANARY-ID"\nprivate_key_file = "/CANARY"')
    assert "CANARY" not in repr(given)
    assert given.fingerprint() == Config().fingerprint()
    assert load('[kalshi]\nenvironment = "demo"').fingerprint() != Config().fingerprint()


def test_variables_override_the_section() -> None:
    loaded = load("", BOOKFEED_KALSHI__ENVIRONMENT="demo", BOOKFEED_KALSHI__API_KEY_ID="abc")
    assert loaded.sections["kalshi"] == KalshiSection(environment="demo", api_key_id="abc")
