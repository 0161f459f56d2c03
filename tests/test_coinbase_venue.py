"""Coinbase's configuration, frames and commands."""

import tomllib

import orjson
import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import VENUES
from bookfeed.venues.base import Resubscription
from bookfeed.venues.coinbase import REST_URL, coinbase

MARKET = '[[market]]\nvenue = "coinbase"\nsymbol = "BTC-USD"\n'
BOTH = ["BTC-USD", "ETH-USD"]


def load(text: str, **environ: str) -> Config:
    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def test_a_pair_is_spelled_as_the_venue_spells_it() -> None:
    (market,) = load(MARKET + 'name = "Bitcoin"').markets()
    assert (market.venue, market.market, market.name) == ("coinbase", "BTC-USD", "Bitcoin")
    assert (market.base, market.quote) == ("BTC", "USD")
    assert market.outcomes == (Outcome("spot", "BTC-USD"),)


def test_a_target_is_a_market() -> None:
    loaded = config.load(None, {}, targets=["coinbase:ETH-EUR", "kraken:ETH-EUR"])
    assert [market.symbols for market in loaded.markets()] == [("ETH-EUR",), ("ETH/EUR",)]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MARKET.replace("BTC-USD", "BTC/USD"), "market[0].symbol", "a pair of currencies"),
        (MARKET.replace("BTC-USD", "BTC-USDC"), "market[0].symbol", "BTC-USD, which has the same"),
        (MARKET + MARKET, "market[1].symbol", "already in market[0]"),
        ("[coinbase]\nsymbols_per_connection = 101", "coinbase.symbols_per_connection", "1 to 100"),
        ('[coinbase]\nrest_url = "ws://a"', "coinbase.rest_url", "http"),
    ],
)
def test_what_cannot_be_is_refused_by_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_books_trades_and_signs_of_life_are_subscribed_a_channel_a_frame() -> None:
    section = load("", BOOKFEED_COINBASE__PROBE_INTERVAL_S="5").sections["coinbase"]
    endpoint = section.endpoint("test")
    assert (endpoint.url, endpoint.rest_url) == ("wss://advanced-trade-ws.coinbase.com", REST_URL)
    assert endpoint.venue.depth is None and endpoint.venue.probe_interval_s == 5
    frames = [orjson.loads(frame) for frame in endpoint.venue.subscription(BOTH)]
    assert frames == [
        {"type": "subscribe", "product_ids": BOTH, "channel": "level2"},
        {"type": "subscribe", "product_ids": BOTH, "channel": "market_trades"},
        {"type": "subscribe", "channel": "heartbeats"},
    ]


def test_commands_of_an_open_connection() -> None:
    recovery = coinbase().recovery
    assert isinstance(recovery, Resubscription) and not recovery.confirms
    assert recovery.hello is not None
    told = [recovery.leave(7, "BTC-USD"), recovery.join(8, "BTC-USD"), recovery.hello(9)]
    assert [orjson.loads(text) for text in told] == [
        {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "subscribe", "channel": "heartbeats"},
    ]
    witness = coinbase().witness
    assert witness is not None
    path = "/api/v3/brokerage/market/product_book?product_id=BTC-USD&limit=250"
    assert witness.request("BTC-USD").path == path
    gone = [orjson.loads(text) for text in recovery.members.leave(10, BOTH)]
    assert [(one["type"], one["channel"]) for one in gone] == [
        ("unsubscribe", "level2"),
        ("unsubscribe", "market_trades"),
    ]
    assert recovery.is_busy("Rate limit exceeded") and not recovery.is_busy("internal error")


def test_the_registry_has_it() -> None:
    row = VENUES["coinbase"]
    assert row.target("BTC-USD") == {"venue": "coinbase", "symbol": "BTC-USD"}
    assert row.legs is None and row.credentials is None
    assert row.simulator == "bookfeed.sim.coinbase"
