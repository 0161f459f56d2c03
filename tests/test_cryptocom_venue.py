"""Crypto.com's configuration and frames."""

import tomllib
from typing import Any

import orjson
import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import VENUES
from bookfeed.venues.base import Resubscription
from bookfeed.venues.cryptocom import cryptocom

MARKET = '[[market]]\nvenue = "cryptocom"\nsymbol = "BTC-USD"\n'


def load(text: str, **environ: str) -> Config:
    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def said(frame: str) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(frame)
    return told


def test_a_pair_is_spelled_the_venues_way_at_its_edge_only() -> None:
    (market,) = load(MARKET + 'name = "Bitcoin"').markets()
    assert (market.venue, market.market, market.name) == ("cryptocom", "BTC-USD", "Bitcoin")
    assert (market.base, market.quote) == ("BTC", "USD")
    assert market.outcomes == (Outcome("spot", "BTC_USD"),)


def test_a_target_is_a_market() -> None:
    loaded = config.load(None, {}, targets=["cryptocom:ETH-USDT"])
    assert [market.symbols for market in loaded.markets()] == [("ETH_USDT",)]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MARKET.replace("BTC-USD", "BTC_USD"), "market[0].symbol", "a pair of currencies"),
        (MARKET + MARKET, "market[1].symbol", "already in market[0]"),
        ("[cryptocom]\nsymbols_per_connection = 201", "cryptocom.symbols_per_connection", "200"),
        ("[cryptocom]\ndepth = 20", "cryptocom.depth", "10 or 50"),
        ("[cryptocom]\nrest_url = ''", "cryptocom.rest_url", "no such key"),
    ],
)
def test_what_cannot_be_is_refused_by_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_where_the_venue_is() -> None:
    section = load("", BOOKFEED_CRYPTOCOM__WS_URL="ws://127.0.0.1:9/x").sections["cryptocom"]
    endpoint = section.endpoint("test")
    assert (endpoint.url, endpoint.rest_url) == ("ws://127.0.0.1:9/x", None)


def test_a_book_and_trades_of_each_pair() -> None:
    (frame,) = cryptocom(depth=10).subscription(["BTC_USD", "ETH_USD"])
    told = said(frame)
    assert told.pop("nonce") > 1_700_000_000_000
    assert told == {
        "id": 1,
        "method": "subscribe",
        "params": {
            "channels": ["book.BTC_USD.10", "book.ETH_USD.10", "trade.BTC_USD", "trade.ETH_USD"],
            "book_subscription_type": "SNAPSHOT_AND_UPDATE",
            "book_update_frequency": 10,
        },
    }
    assert len(cryptocom().subscription([f"X{n}_USD" for n in range(51)])) == 2


def test_a_lost_book_is_subscribed_anew_and_its_trades_are_not() -> None:
    venue = cryptocom()
    recovery = venue.recovery
    assert isinstance(recovery, Resubscription) and recovery.answer is not None
    assert (venue.subscribe_after_s, venue.depth, recovery.hello) == (1.0, 50, None)
    for frame, method in (
        (recovery.leave(7, "BTC_USD"), "unsubscribe"),
        (recovery.join(7, "BTC_USD"), "subscribe"),
    ):
        told = said(frame)
        assert (told["id"], told["method"]) == (7, method)
        assert told["params"]["channels"] == ["book.BTC_USD.50"]
    assert said(recovery.answer(12)) == {"id": 12, "method": "public/respond-heartbeat"}
    assert recovery.is_busy("TOO_MANY_REQUESTS") and not recovery.is_busy("Unknown symbol")


def test_the_registry_has_it() -> None:
    row = VENUES["cryptocom"]
    assert row.target("BTC-USD") == {"venue": "cryptocom", "symbol": "BTC-USD"}
    assert row.legs is None and row.credentials is None
    assert row.simulator == "bookfeed.sim.cryptocom"
