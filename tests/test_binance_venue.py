"""Binance's configuration, frames and requests."""

import tomllib

import orjson
import pytest

from bookfeed import config
from bookfeed.config import Config
from bookfeed.errors import ConfigError
from bookfeed.market import Outcome
from bookfeed.venues import VENUES
from bookfeed.venues.base import RestSeeds, Venue
from bookfeed.venues.binance import SYMBOLS_A_FRAME, WEIGHT_A_MINUTE, WEIGHTS, binance

MARKET = '[[market]]\nvenue = "binance"\nsymbol = "BTC-USDT"\n'
STREAMS = ["btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"]


def load(text: str, **environ: str) -> Config:
    return config.parse(tomllib.loads(text), "bookfeed.toml", environ)


def seeds_of(venue: Venue) -> RestSeeds:
    assert isinstance(venue.recovery, RestSeeds)
    return venue.recovery


def test_a_pair_is_spelled_the_venues_way_at_its_edge_only() -> None:
    (market,) = load(MARKET + 'name = "Bitcoin"').markets()
    assert (market.venue, market.market, market.name) == ("binance", "BTC-USDT", "Bitcoin")
    assert (market.base, market.quote, market.depth) == ("BTC", "USDT", None)
    assert market.outcomes == (Outcome("spot", "BTCUSDT"),)


def test_a_target_is_a_market() -> None:
    loaded = config.load(None, {}, targets=["binance:ETH-USDT"])
    assert [market.market for market in loaded.markets()] == ["ETH-USDT"]


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MARKET.replace("BTC-USDT", "BTCUSDT"), "market[0].symbol", '"BTC-USDT"'),
        (MARKET.replace("BTC-USDT", "btc-usdt"), "market[0].symbol", '"BTC-USDT"'),
        (MARKET + MARKET, "market[1].symbol", "already in market[0]"),
        (MARKET + "tick_size = 1", "market[0].tick_size", "no such key"),
        ('[binance]\nsite = "eu"', "binance.site", '"com"'),
        ("[binance]\ndepth = 5001", "binance.depth", "5000"),
    ],
)
def test_what_cannot_be_is_refused_by_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert words in str(caught.value)


def test_a_pair_leg_has_nothing_to_pay_out() -> None:
    legs = (
        'leg = [{ venue = "binance", symbol = "BTCUSDT", outcome = "spot" },'
        '{ venue = "kalshi", symbol = "KXBTCD-26OCT0117-T84999.99", outcome = "yes" }]'
    )
    with pytest.raises(ConfigError, match='not "binance"'):
        load(MARKET + f'[[pair]]\nname = "p"\n{legs}\n')


def test_the_two_sites() -> None:
    com, us = (load(f'[binance]\nsite = "{s}"').sections["binance"] for s in ("com", "us"))
    ends = [section.endpoint("test") for section in (com, us)]
    assert [(end.url, end.rest_url) for end in ends] == [
        ("wss://stream.binance.com:9443/ws", "https://api.binance.com"),
        ("wss://stream.binance.us:9443/ws", "https://api.binance.us"),
    ]
    own = load(MARKET, BOOKFEED_BINANCE__WS_URL="ws://127.0.0.1:9/").sections["binance"]
    assert own.endpoint("test").url == "ws://127.0.0.1:9/ws"


def test_what_is_sent_when_a_connection_opens() -> None:
    (frame,) = binance().subscription(("BTCUSDT",))
    assert orjson.loads(frame) == {"method": "SUBSCRIBE", "params": STREAMS, "id": 1}
    (frame,) = binance(touch=False).subscription(("BTCUSDT",))
    assert orjson.loads(frame)["params"] == STREAMS[:2]


def test_a_full_connection_begins_with_few_frames() -> None:
    venue = binance()
    symbols = [f"X{number}USDT" for number in range(venue.symbols_per_connection_max)]
    frames = [orjson.loads(frame) for frame in venue.subscription(symbols)]
    # Five messages a second are allowed, and a pong is one.
    assert len(frames) <= 4
    params = [stream for frame in frames for stream in frame["params"]]
    assert len(set(params)) == len(params) == 3 * len(symbols) <= 1_024
    assert max(len(frame["params"]) for frame in frames) == 3 * SYMBOLS_A_FRAME
    assert len({frame["id"] for frame in frames}) == len(frames)


def test_commands_of_an_open_connection() -> None:
    members = seeds_of(binance()).members
    (join,), (leave,) = members.join(101, ["BTCUSDT"]), members.leave(102, ["BTCUSDT"])
    assert orjson.loads(join) == {"method": "SUBSCRIBE", "params": STREAMS, "id": 101}
    assert orjson.loads(leave) == {"method": "UNSUBSCRIBE", "params": STREAMS, "id": 102}
    sent_in_a_second = members.burst + 1.0 / members.interval_s
    assert sent_in_a_second + 1 <= 5


@pytest.mark.parametrize("depth", [5, 100, 101, 500, 1_000, 5_000])
def test_books_are_asked_for_within_the_budget(depth: int) -> None:
    seeds = seeds_of(binance(depth=depth))
    request = seeds.request("BTCUSDT")
    assert (request.method, request.body) == ("GET", None)
    assert request.path == f"/api/v3/depth?symbol=BTCUSDT&limit={depth}"
    weight = next(weight for most, weight in WEIGHTS if depth <= most)
    assert seeds.burst >= 1
    assert (seeds.burst + 60.0 / seeds.interval_s) * weight <= WEIGHT_A_MINUTE


def test_the_registry_has_it() -> None:
    row = VENUES["binance"]
    assert row.target("BTC-USDT") == {"venue": "binance", "symbol": "BTC-USDT"}
    assert row.legs is None and row.credentials is None
    assert row.simulator == "bookfeed.sim.binance"
