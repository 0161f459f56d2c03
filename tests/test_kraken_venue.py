"""Kraken's configuration, frames and commands."""

import tomllib

import orjson
import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import VENUES
from bookfeed.venues.base import Resubscription, Venue
from bookfeed.venues.kraken import DEPTHS, REST_URL, SYMBOLS_A_FRAME, kraken

MARKET = '[[market]]\nvenue = "kraken"\nsymbol = "BTC-USD"\n'


def load(text: str, **environ: str) -> Config:
    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def recovery_of(venue: Venue) -> Resubscription:
    assert isinstance(venue.recovery, Resubscription)
    return venue.recovery


def test_a_pair_is_spelled_the_venues_way_at_its_edge_only() -> None:
    (market,) = load(MARKET + 'name = "Bitcoin"').markets()
    assert (market.venue, market.market, market.name) == ("kraken", "BTC-USD", "Bitcoin")
    assert (market.base, market.quote) == ("BTC", "USD")
    assert market.outcomes == (Outcome("spot", "BTC/USD"),)


def test_a_target_is_a_market() -> None:
    loaded = config.load(None, {}, targets=["kraken:ETH-EUR", "binance:ETH-USDT"])
    assert [market.symbols for market in loaded.markets()] == [("ETH/EUR",), ("ETHUSDT",)]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MARKET.replace("BTC-USD", "BTC/USD"), "market[0].symbol", "a pair of currencies"),
        (MARKET + MARKET, "market[1].symbol", "already in market[0]"),
        ("[kraken]\ndepth = 50", "kraken.depth", "one of 10, 25, 100, 500, 1000, not 50"),
        ("[kraken]\ndepth = 5000", "kraken.depth", "10 to 1000"),
        ('[kraken]\nrest_url = "ws://a"', "kraken.rest_url", "http"),
    ],
)
def test_what_cannot_be_is_refused_by_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert words in str(caught.value)


@pytest.mark.parametrize("depth", DEPTHS)
def test_how_deep_books_are_is_said_when_they_are_asked_for(depth: int) -> None:
    section = load("", BOOKFEED_KRAKEN__DEPTH=str(depth)).sections["kraken"]
    endpoint = section.endpoint("test")
    assert (endpoint.url, endpoint.rest_url) == ("wss://ws.kraken.com/v2", REST_URL)
    assert endpoint.venue.depth == depth
    books, trades = map(orjson.loads, endpoint.venue.subscription(("BTC/USD", "ETH/USD")))
    assert books == {
        "method": "subscribe",
        "params": {
            "channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": depth, "snapshot": True,
        },
        "req_id": 1,
    }  # fmt: skip
    assert trades["params"] == {
        "channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": False,
    }  # fmt: skip


def test_a_full_connection_asks_for_every_symbol_once() -> None:
    venue = kraken()
    symbols = [f"X{number}/USD" for number in range(venue.symbols_per_connection_max)]
    frames = [orjson.loads(frame)["params"] for frame in venue.subscription(symbols)]
    for channel in ("book", "trade"):
        asked = [frame["symbol"] for frame in frames if frame["channel"] == channel]
        assert [symbol for group in asked for symbol in group] == symbols
        assert max(map(len, asked)) == SYMBOLS_A_FRAME


def test_commands_of_an_open_connection() -> None:
    recovery = recovery_of(kraken(depth=25))
    leave, join = recovery.leave(7, "BTC/USD"), recovery.join(8, "BTC/USD")
    assert orjson.loads(leave) == {
        "method": "unsubscribe",
        "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 25},
        "req_id": 7,
    }
    assert orjson.loads(join)["params"] == {
        "channel": "book", "symbol": ["BTC/USD"], "depth": 25, "snapshot": True,
    }  # fmt: skip
    assert recovery.hello is not None
    assert orjson.loads(recovery.hello(9)) == {"method": "ping", "req_id": 9}
    witness = kraken().witness
    assert witness is not None
    asked = {symbol: witness.request(symbol).path for symbol in ("BTC/USD", "ETH/EUR")}
    assert asked == {
        "BTC/USD": "/0/public/Depth?pair=XBTUSD&count=500",
        "ETH/EUR": "/0/public/Depth?pair=ETHEUR&count=500",
    }
    books, trades = map(orjson.loads, recovery.members.leave(10, ["BTC/USD"]))
    assert (books["params"]["channel"], trades["params"]["channel"]) == ("book", "trade")
    assert trades["params"] == {"channel": "trade", "symbol": ["BTC/USD"]}
    assert recovery.is_busy("Exceeded msg rate") and not recovery.is_busy("Already subscribed")


def test_the_registry_has_it() -> None:
    row = VENUES["kraken"]
    assert row.target("BTC-USD") == {"venue": "kraken", "symbol": "BTC-USD"}
    assert row.legs is None and row.credentials is None
    assert row.simulator == "bookfeed.sim.kraken"
