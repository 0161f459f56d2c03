"""The user's own quotes in the registry and in configurations: nothing to connect to."""

import pytest

from bookfeed import UserFee, config
from bookfeed.errors import ConfigError
from bookfeed.feed.settings import endpoints
from bookfeed.live.endpoints import endpoints_of
from bookfeed.market import Market, Outcome
from bookfeed.venues import VENUES

MARKET = {"venue": "user", "symbol": "my-fair", "name": "mine", "fee_a_share": "0.01"}


def test_a_market_is_one_contract_of_the_users() -> None:
    loaded = config.parse({"market": [MARKET]})
    (market,) = loaded.markets()
    outcomes = (Outcome("yes", "my-fair"),)
    assert market == Market("", outcomes, "mine", venue="user", fee=UserFee("0.01"))
    assert market.fee is not None and market.fee.text() == "user:0.01"
    assert endpoints(loaded, "test") == {}
    assert endpoints_of([market], None, None, None, None) == {}


def test_it_may_be_a_leg_of_a_pair() -> None:
    facts = {"oracle": "mine", "strike": "1", "cut_off": "2026-12-31T00:00:00Z"}
    legs = [
        {"venue": "user", "symbol": "my-fair", "outcome": "yes", "polarity": "same", **facts},
        {"venue": "kalshi", "symbol": "KX-1", "outcome": "yes", "polarity": "same", **facts},
    ]
    followed = [MARKET, {"venue": "kalshi", "ticker": "KX-1"}]
    table = {"market": followed, "pair": [{"name": "mine against KX-1", "leg": legs}]}
    (rule,) = config.parse(table).signal_rules()
    assert rule.params["a"] == "user my-fair yes"
    assert rule.params["b"] == "kalshi KX-1 yes"


@pytest.mark.parametrize("symbol", ["", "two words", "a;b", 'a"b', "a\\b", "a\nb", "x" * 201])
def test_symbols_that_neither_rules_nor_quotes_could_say(symbol: str) -> None:
    with pytest.raises(ConfigError, match="symbol"):
        config.parse({"market": [MARKET | {"symbol": symbol}]})


def test_there_is_nothing_to_follow_and_no_section() -> None:
    assert VENUES["user"].section is None
    with pytest.raises(ConfigError, match="states these quotes itself"):
        config.load(None, {}, targets=["user:my-fair"])
    with pytest.raises(ConfigError, match="user"):
        config.parse({"user": {"ws_url": "ws://127.0.0.1:1/"}})


@pytest.mark.parametrize("a_share", ["", ".", "1.", "-1", "1e-2", "0,1", "x", "٣"])
def test_fees_are_plain_decimals(a_share: str) -> None:
    with pytest.raises(ValueError, match="a_share must be decimal text"):
        UserFee(a_share)
