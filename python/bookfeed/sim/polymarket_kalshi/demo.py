"""What a client has to configure to follow these simulators, made from their ready line.

The markets are invented, and so are the facts that decide them: who judges, by what, until when.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from bookfeed.sim import BOTH

Table = dict[str, Any]

ALONE: Final = "polymarket"
"""The simulator that serves where the other venue's needs cannot be met."""

BTC: Final = "btc"
"""The variant of the world of one price."""

_REFERENCE: Final = "rtds:crypto_prices_chainlink/update:btc/usd"
# As for the real ones, whose sides are decided by two references: about so many dollars apart.
_REFERENCE_SD: Final = "5"
# Chosen so that each rule has something to say.
_RULES: Final = {
    "spread": {"open": "0.12", "close": "0.08"},
    "complement": {"min_edge": "0.001", "max_skew_ms": 5_000},
}
# What both venues say of a market decides it, but for one pair, which is a basis and shown as one.
_ORACLE: Final = "the official record"
_OTHER_ORACLE: Final = "UMA vote"


def served(which: str = "") -> tuple[tuple[str, ...], str]:
    """The simulator to start, with its arguments, and what is to be said if it is not the whole
    demo. ``which`` is ``BTC``, or nothing for markets of all kinds.
    """
    if which == BTC and not missing():
        return (BOTH, "--variant", BTC), ""
    if find_spec("cryptography") is None:
        return (ALONE,), (
            "the demo shows Polymarket alone: Kalshi needs the package cryptography "
            "(pip install 'bookfeed[kalshi]')"
        )
    if told := missing():
        return (BOTH,), f"the demo has no rolling windows: it {told}"
    return (BOTH, "--variant", "windows"), ""


def missing() -> str:
    """What has to be done before all that both venues list can be served; empty if nothing."""
    for package, extra in (("aiohttp", "rest"), ("cryptography", "kalshi")):
        if find_spec(package) is None:
            return f"needs the package {package}: pip install 'bookfeed[{extra}]'"
    return ""


def configuration(listing: Mapping[str, Any]) -> Table:
    """Sections of a configuration for the simulator whose ready line is ``listing``."""
    if listing.get("variant") == BTC:
        return _one_price(listing)
    both = ALONE in listing
    there = listing[ALONE] if both else listing
    # The two sides of a pair go by one name, which is short.
    names = {pair["market"]: pair["name"] for pair in listing.get("pairs", ())}
    table: Table = {
        # On loopback there is time for it, and complements are vouched for by hashes.
        # And it trades at all hours.
        "engine": {"hash_check": "always", "calendar": False},
        "polymarket": {"ws_url": there["ws"], "rest_url": there["rest"] or ""},
        "rules": _RULES,
        "market": [_polymarket(market, names) for market in there["markets"]],
    }
    if both:
        _add_kalshi(table, listing)
    return table


def _one_price(listing: Mapping[str, Any]) -> Table:
    """For the world of one price: spot books, the reference, and a pair of series."""
    table: Table = {
        "engine": {"hash_check": "always", "calendar": False},
        "relays": {"rtds_url": listing["relay"], "topics": [_REFERENCE]},
        "rules": {
            "complement": {"min_edge": "0.001", "max_skew_ms": 5_000},
            "fair_value": {"min_edge": "0.02"},
            "delay": {"min_edge": "0.01"},
        },
        "market": [_polymarket(market, {}) for market in listing[ALONE]["markets"]],
        "pair": [
            {"name": "btc quarter", "series": listing["series"], "reference_sd": _REFERENCE_SD}
        ],
    }
    for name in (ALONE, "kalshi"):
        table[name] = {"ws_url": listing[name]["ws"], "rest_url": listing[name]["rest"] or ""}
    table["kalshi"]["indices"] = [listing["index"]]
    constituents: list[str] = []
    for name, there in listing["spot"].items():
        table[name] = {"ws_url": there["ws"]}
        if there["rest"]:
            table[name]["rest_url"] = there["rest"]
        for market in there["markets"]:
            table["market"].append({"venue": name, "symbol": market["symbol"]})
            # Another currency is no part of an index in dollars.
            if market["quote"] == "USD":
                constituents.append(f"{name} {market['venue_symbol']}")
    table["index"] = [{"name": BTC, "asset": "BTC", "constituents": constituents}]
    return table


def take_keys(listing: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The variables in which a client expects each venue's key; the listing is rid of them."""
    if "kalshi" not in listing:
        return {}
    here = listing["kalshi"]
    return {
        "kalshi": {
            "KALSHI_API_KEY_ID": here.pop("key_id"),
            "KALSHI_PRIVATE_KEY": here.pop("private_key"),
        }
    }


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
