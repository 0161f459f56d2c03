"""What ``--demo`` follows: a configuration for the simulators, made from their ready line.

The markets are invented, and so are the facts that decide them: who judges, by what, until when.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from bookfeed import config
from bookfeed.config import Config
from bookfeed.venues.kalshi import KEY_ID_VARIABLE, KEY_TEXT_VARIABLE, Credentials, credentials

Table = dict[str, Any]

# Chosen so that each rule has something to say.
_RULES: Final = {
    "spread": {"open": "0.12", "close": "0.08"},
    "complement": {"min_edge": "0.001", "max_skew_ms": 5_000},
}
# Sections that say where a venue is.
_SECTIONS: Final = ("POLYMARKET", "KALSHI")
# What both venues say of a market decides it, but for one pair, which is a basis and shown as one.
_ORACLE: Final = "the official record"
_OTHER_ORACLE: Final = "UMA vote"


def demo_config(listing: Mapping[str, Any]) -> Config:
    """Configuration for the simulator whose ready line is ``listing``: Polymarket's, or both.

    ``BOOKFEED_*`` variables count, except those that say where a venue is and with which key.
    """
    both = "polymarket" in listing
    there = listing["polymarket"] if both else listing
    # The two sides of a pair go by one name, which is short.
    names = {pair["market"]: pair["name"] for pair in listing.get("pairs", ())}
    table: Table = {
        # On loopback there is time for it, and complements are vouched for by hashes.
        "engine": {"hash_check": "always"},
        "polymarket": {"ws_url": there["ws"], "rest_url": there["rest"] or ""},
        "rules": _RULES,
        "market": [_polymarket(market, names) for market in there["markets"]],
    }
    if both:
        _add_kalshi(table, listing)
    places = tuple(f"{config.ENV_PREFIX}{name}{config.ENV_SEPARATOR}" for name in _SECTIONS)
    environ = {name: text for name, text in os.environ.items() if not name.startswith(places)}
    return config.parse(table, "demo", environ)


def demo_key(listing: dict[str, Any]) -> Credentials | None:
    """The key that a simulated Kalshi has made for its clients; the listing is rid of it.

    It goes from the simulator's pipe into the key that signs, past disk and environment.
    """
    if "kalshi" not in listing:
        return None
    here = listing["kalshi"]
    given = {
        KEY_ID_VARIABLE: here.pop("key_id"),
        KEY_TEXT_VARIABLE: here.pop("private_key"),
    }
    return credentials(environ=given, source="demo")


def _polymarket(market: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    return {
        "market": market["market"],
        "name": names.get(market["market"], market["question"]),
        "outcomes": market["outcomes"],
        "tick_size": market["tick_size"],
        "min_order_size": market["min_order_size"],
        "neg_risk": market["neg_risk"],
        "fee": {"rate": market["fee_rate"], "exponent": market["fee_exponent"]},
    }


def _add_kalshi(table: Table, listing: Mapping[str, Any]) -> None:
    here = listing["kalshi"]
    table["kalshi"] = {"ws_url": here["ws"], "rest_url": here["rest"] or ""}
    events = {event["event_ticker"]: event for event in here["events"]}
    series = {one["ticker"]: one for one in here["series"]}
    markets = {market["ticker"]: market for market in here["markets"]}
    names = {pair["tickers"][0]: pair["name"] for pair in listing["pairs"]}
    for ticker, market in markets.items():
        event = events[market["event_ticker"]]
        name = names.get(ticker, market["title"])
        table["market"].append(_kalshi(ticker, name, market, series[event["series_ticker"]]))
    tokens = {one["market"]: one["outcomes"] for one in table["market"] if "outcomes" in one}
    table["pair"] = [
        _pair(pair, markets[pair["tickers"][0]], tokens[pair["market"]], basis=number == 0)
        for number, pair in enumerate(listing["pairs"])
    ]
    table["basket"] = [
        {
            "name": basket["name"],
            "exhaustive": basket["exhaustive"],
            "legs": [_leg(ticker) for ticker in basket["tickers"]],
        }
        for basket in listing["baskets"]
    ]
    table["ladder"] = [
        {
            "name": ladder["name"],
            "legs": [
                _leg(ticker) | {"strike": str(markets[ticker]["floor_strike"])}
                for ticker in ladder["tickers"]
            ],
        }
        for ladder in listing["ladders"]
    ]


def _kalshi(ticker: str, name: str, market: Mapping[str, Any], series: Mapping[str, Any]) -> Table:
    return {
        "venue": "kalshi",
        "ticker": ticker,
        "event": market["event_ticker"],
        "name": name,
        "open_time": market["open_time"],
        "close_time": market["close_time"],
        "fee_type": series["fee_type"],
        "fee_multiplier": str(series["fee_multiplier"]),
    }


def _leg(ticker: str) -> Table:
    return {"venue": "kalshi", "symbol": ticker, "outcome": "yes"}


def _pair(
    pair: Mapping[str, Any], market: Mapping[str, Any], outcomes: list[Table], *, basis: bool
) -> Table:
    facts = {
        "polarity": "same",
        "oracle": _ORACLE,
        "strike": "it happens",
        "cut_off": market["close_time"],
    }
    yes = outcomes[0]
    there = {"venue": "polymarket", "symbol": yes["asset"], "outcome": yes["name"]} | facts
    if basis:
        there["oracle"] = _OTHER_ORACLE
    return {"name": pair["name"], "leg": [there, _leg(market["ticker"]) | facts]}
