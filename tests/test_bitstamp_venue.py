"""Bitstamp's configuration, frames and requests."""

import tomllib

import orjson
import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import VENUES
from bookfeed.venues.base import RestRequest, RestSeeds
from bookfeed.venues.bitstamp import CHANNELS_MAX, NAMES, bitstamp

MARKET = '[[market]]\nvenue = "bitstamp"\nsymbol = "BTC-USD"\n'


def load(text: str, **environ: str) -> Config:
    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def test_a_pair_is_spelled_the_venues_way_at_its_edge_only() -> None:
    (market,) = load(MARKET + 'name = "Bitcoin"').markets()
    assert (market.venue, market.market, market.name) == ("bitstamp", "BTC-USD", "Bitcoin")
    assert (market.base, market.quote) == ("BTC", "USD")
    assert market.outcomes == (Outcome("spot", "btcusd"),)


def test_a_target_is_a_market() -> None:
    loaded = config.load(None, {}, targets=["bitstamp:ETH-EUR", "binance:ETH-EUR"])
    assert [market.symbols for market in loaded.markets()] == [("etheur",), ("ETHEUR",)]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MARKET.replace("BTC-USD", "btcusd"), "market[0].symbol", "a pair of currencies"),
        (MARKET + MARKET, "market[1].symbol", "already in market[0]"),
        ("[bitstamp]\nsymbols_per_connection = 342", "bitstamp.symbols_per_connection", "1 to 341"),
        ("[bitstamp]\ndepth = 100", "bitstamp.depth", "no such key"),
    ],
)
def test_what_cannot_be_is_refused_by_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_three_channels_a_pair_a_frame_each() -> None:
    section = load("", BOOKFEED_BITSTAMP__WS_URL="ws://127.0.0.1:9").sections["bitstamp"]
    endpoint = section.endpoint("test")
    assert (endpoint.url, endpoint.rest_url) == ("ws://127.0.0.1:9", "https://www.bitstamp.net")
    frames = [orjson.loads(frame) for frame in endpoint.venue.subscription(["btcusd", "ethusd"])]
    assert {frame["event"] for frame in frames} == {"bts:subscribe"}
    assert [frame["data"]["channel"] for frame in frames] == [
        f"{name}_{pair}" for pair in ("btcusd", "ethusd") for name in NAMES
    ]
    most = bitstamp().symbols_per_connection_max
    assert CHANNELS_MAX - len(NAMES) < most * len(NAMES) <= CHANNELS_MAX


def test_books_come_by_rest_within_its_limit() -> None:
    seeds = bitstamp().recovery
    assert isinstance(seeds, RestSeeds)
    asked = RestRequest("GET", "/api/v2/order_book/btcusd/?group=1")
    assert seeds.request("btcusd") == asked
    assert seeds.burst + 600 / seeds.interval_s < 10_000
    told = [orjson.loads(text)["event"] for text in seeds.members.leave(7, ["btcusd"])]
    assert told == ["bts:unsubscribe"] * 3


def test_a_heartbeat_is_answered_and_a_book_is_none() -> None:
    venue = bitstamp()
    assert venue.ping_text == '{"event":"bts:heartbeat"}'
    assert venue.is_pong(b'{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}')
    assert not venue.is_pong(b'{"data":{},"channel":"order_book_btcusd","event":"data"}')
    assert not venue.is_pong(b'{"event":"bts:heartbeat",' + b" " * 300 + b"}")


def test_the_registry_has_it() -> None:
    row = VENUES["bitstamp"]
    assert row.target("BTC-USD") == {"venue": "bitstamp", "symbol": "BTC-USD"}
    assert row.legs is None and row.credentials is None
    assert row.simulator == "bookfeed.sim.bitstamp"
