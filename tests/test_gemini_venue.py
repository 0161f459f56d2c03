"""Gemini's configuration and frames."""

import tomllib

import orjson
import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import VENUES
from bookfeed.venues.gemini import gemini

MARKET = '[[market]]\nvenue = "gemini"\nsymbol = "BTC-USD"\n'


def load(text: str, **environ: str) -> Config:
    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def test_a_pair_is_spelled_the_interfaces_way_at_its_edge_only() -> None:
    (market,) = load(MARKET + 'name = "Bitcoin"').markets()
    assert (market.venue, market.market, market.name) == ("gemini", "BTC-USD", "Bitcoin")
    assert (market.base, market.quote) == ("BTC", "USD")
    assert market.outcomes == (Outcome("spot", "btcusd"),)
    (market,) = load('[gemini]\napi = "v2"\n' + MARKET).markets()
    assert market.outcomes == (Outcome("spot", "BTCUSD"),)


def test_a_target_is_a_market() -> None:
    loaded = config.load(None, {}, targets=["gemini:ETH-EUR"])
    assert [market.symbols for market in loaded.markets()] == [("etheur",)]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MARKET.replace("BTC-USD", "btcusd"), "market[0].symbol", "a pair of currencies"),
        (MARKET + MARKET, "market[1].symbol", "already in market[0]"),
        ("[gemini]\nsymbols_per_connection = 101", "gemini.symbols_per_connection", "1 to 100"),
        ('[gemini]\napi = "v1"', "gemini.api", "v2"),
        ('[gemini]\nrest_url = "ftp://x"', "gemini.rest_url", "https://"),
    ],
)
def test_what_cannot_be_is_refused_by_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_books_are_asked_to_begin_whole_wherever_the_venue_is() -> None:
    assert gemini().ws_url == "wss://ws.gemini.com/?snapshot=-1"
    section = load("", BOOKFEED_GEMINI__WS_URL="ws://127.0.0.1:9/").sections["gemini"]
    assert section.endpoint("test").url == "ws://127.0.0.1:9/?snapshot=-1"


def test_rest_is_asked_about_silent_books_unless_told_otherwise() -> None:
    endpoint = load("").sections["gemini"].endpoint("test")
    assert endpoint.rest_url == "https://api.gemini.com"
    witness = endpoint.venue.witness
    assert witness is not None
    path = "/v1/book/btcusd?limit_bids=100&limit_asks=100"
    assert {witness.request(symbol).path for symbol in ("btcusd", "BTCUSD")} == {path}
    assert 60 / witness.interval_s <= 120, "so many requests a minute are allowed"
    without = load('[gemini]\nrest_url = ""').sections["gemini"].endpoint("test")
    assert without.rest_url is None


def test_three_streams_a_pair() -> None:
    (frame,) = gemini().subscription(["btcusd", "ethusd"])
    assert orjson.loads(frame) == {
        "id": "1",
        "method": "subscribe",
        "params": [
            f"{pair}@{name}"
            for pair in ("btcusd", "ethusd")
            for name in ("depth@100ms", "trade", "bookTicker")
        ],
    }
    assert len(gemini().subscription([f"x{n}usd" for n in range(51)])) == 2


def test_version_2_is_another_address_and_other_frames() -> None:
    section = load('[gemini]\napi = "v2"').sections["gemini"]
    endpoint = section.endpoint("test")
    assert endpoint.url == "wss://api.gemini.com/v2/marketdata"
    (frame,) = endpoint.venue.subscription(["BTCUSD"])
    listed = [{"name": "l2", "symbols": ["BTCUSD"]}]
    assert orjson.loads(frame) == {"type": "subscribe", "subscriptions": listed}


def test_each_book_has_a_connection_of_its_own_unless_told_otherwise() -> None:
    venue = gemini()
    assert venue.recovery is None, "a lost book costs all of its connection"
    assert (venue.symbols_per_connection, venue.symbols_per_connection_max) == (1, 100)
    assert venue.members is not None
    told = [orjson.loads(text) for text in venue.members.leave(7, ["btcusd"])]
    assert [(one["method"], one["id"]) for one in told] == [("unsubscribe", "7")]


def test_the_registry_has_it() -> None:
    row = VENUES["gemini"]
    assert row.target("BTC-USD") == {"venue": "gemini", "symbol": "BTC-USD"}
    assert row.legs is None and row.credentials is None
    assert row.simulator == "bookfeed.sim.gemini"
