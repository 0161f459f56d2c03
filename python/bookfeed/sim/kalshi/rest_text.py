"""Bodies of the simulated Kalshi's REST answers, which name things otherwise than its stream.

NO prices are always NO prices here, both sides are always there, and times are RFC 3339 text.
"""

import json
from typing import Any

from bookfeed.sim.kalshi.events import Event, Series
from bookfeed.sim.kalshi.grid import PIPS, price_text, size_text
from bookfeed.sim.kalshi.market import Market
from bookfeed.sim.kalshi.wire import (
    Message,
    dump,
    levels_text,
    price_ranges,
    rfc3339,
    rfc3339_seconds,
)
from bookfeed.sim.ladder import Rungs

STATUS_OF_FILTER = {
    "unopened": {"initialized"},
    "open": {"active"},
    "paused": {"inactive"},
    "closed": {"closed", "determined"},
    "settled": {"finalized"},
}
"""Which states of a market a ``status`` filter finds: its words are not the states'."""


SETTLEMENT_SOURCES = [{"name": "chance", "url": ""}]
"""What decides every market here."""


def _side(rungs: Rungs, depth: int) -> str:
    levels = rungs.levels()
    if depth:
        levels = {price: levels[price] for price in sorted(levels)[-depth:]}
    return f"[{levels_text(levels)}]"


def _ladders(market: Market, depth: int) -> str:
    yes, no = (_side(rungs, depth) for rungs in market.book)
    return f'{{"yes_dollars":{yes},"no_dollars":{no}}}'


def orderbook(market: Market, depth: int = 0) -> str:
    """One book, its best ``depth`` levels a side (0 for all), the best last."""
    return f'{{"orderbook_fp":{_ladders(market, depth)}}}'


def orderbooks(markets: list[Market]) -> str:
    """Several books."""
    entries = [
        f'{{"ticker":"{market.spec.ticker}","orderbook_fp":{_ladders(market, 0)}}}'
        for market in markets
    ]
    return f'{{"orderbooks":[{",".join(entries)}]}}'


def market_object(market: Market) -> dict[str, Any]:
    """A market as listed, with the touch of this moment."""
    spec, state = market.spec, market.ticker_state()
    decided = market.status in ("determined", "finalized")
    return {
        "ticker": spec.ticker,
        "event_ticker": spec.event_ticker,
        "market_type": "binary",
        "title": spec.title,
        "yes_sub_title": market.yes_sub_title,
        "no_sub_title": market.yes_sub_title,
        "status": market.status,
        "open_time": rfc3339_seconds(spec.open_ms),
        "close_time": rfc3339_seconds(market.close_ms),
        "expected_expiration_time": rfc3339_seconds(market.close_ms + 300_000),
        "latest_expiration_time": rfc3339_seconds(market.close_ms + 86_400_000),
        "settlement_timer_seconds": 1 if spec.strike_type == "greater_or_equal" else 60,
        "yes_bid_dollars": price_text(state.bid),
        "yes_ask_dollars": price_text(state.ask),
        "no_bid_dollars": price_text(PIPS - state.ask),
        "no_ask_dollars": price_text(PIPS - state.bid),
        "yes_bid_size_fp": size_text(state.bid_lots),
        "yes_ask_size_fp": size_text(state.ask_lots),
        "last_price_dollars": price_text(state.last),
        "volume_fp": size_text(state.volume),
        "volume_24h_fp": size_text(state.volume),
        "open_interest_fp": size_text(state.open_interest),
        "liquidity_dollars": "0.0000",
        "notional_value_dollars": "1.0000",
        "result": spec.result if decided else "",
        "settlement_value_dollars": market.settlement_text if decided else None,
        "settlement_ts": rfc3339_seconds(market.settled_ms) if market.settled_ms else None,
        "expiration_value": spec.decided_by if decided else "",
        "can_close_early": True,
        "strike_type": spec.strike_type,
        "floor_strike": market.floor_strike,
        "cap_strike": None,
        "price_level_structure": market.structure,
        "price_ranges": price_ranges(market.structure),
        "fee_waiver_expiration_time": None,
        "exchange_index": spec.exchange_index,
        "is_provisional": False,
        "rules_primary": market.rules,
        "rules_secondary": "",
    }


def trade_object(message: Message) -> dict[str, Any]:
    """A print of the stream as REST names its fields."""
    told = json.loads(message.body)
    same = (
        "trade_id", "count_fp", "yes_price_dollars", "no_price_dollars", "taker_side",
        "taker_outcome_side", "taker_book_side", "is_block_trade",
    )  # fmt: skip
    return {
        "ticker": message.ticker,
        **{name: told[name] for name in same},
        "created_time": rfc3339(message.ts_ms),
    }


def event_object(event: Event) -> dict[str, Any]:
    """An event with its fee overrides."""
    return {
        "event_ticker": event.ticker,
        "series_ticker": event.series.ticker,
        "title": event.title,
        "sub_title": "",
        "mutually_exclusive": event.mutually_exclusive,
        "collateral_return_type": "MECNET" if event.mutually_exclusive else "",
        "exchange_index": event.series.exchange_index,
        "fee_type_override": event.fee_type_override,
        "fee_multiplier_override": event.fee_multiplier_override,
        "product_metadata": {"cadence": event.series.frequency},
        "settlement_sources": SETTLEMENT_SOURCES,
    }


def series_object(series: Series) -> dict[str, Any]:
    """A series with its fees."""
    return {
        "ticker": series.ticker,
        "title": series.title,
        "frequency": series.frequency,
        "fee_type": series.fee_type,
        "fee_multiplier": series.fee_multiplier,
        "exchange_index": series.exchange_index,
        "settlement_sources": SETTLEMENT_SOURCES,
    }


def exchange_status(active: bool) -> str:
    """Whether trading is on."""
    shard = {"exchange_index": 0, "description": "default", "exchange_active": True}
    return dump(
        {
            "exchange_active": True,
            "trading_active": active,
            "intra_exchange_transfers_active": True,
            "exchange_index_statuses": [shard | {"trading_active": active}],
        }
    )


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

EXCHANGE_SCHEDULE = dump(
    {
        "schedule": {
            "standard_hours": [
                {day: [{"open_time": "00:00", "close_time": "00:00"}] for day in _DAYS}
            ],
            "maintenance_windows": [],
        }
    }
)
"""It trades at all hours."""
