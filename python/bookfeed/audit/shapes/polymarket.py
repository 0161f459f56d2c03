"""Messages of Polymarket's market channel, as its page of autumn 2026 and recordings have them."""

from typing import Any, Final

from bookfeed.audit.drift import Shape, Shapes

_HEAD: Final[Shape] = {"event_type": "s", "market": "s", "timestamp": "s"}
_OF_ASSET: Final[Shape] = {**_HEAD, "asset_id": "s"}
_MARKET: Final[Shape] = {
    **_HEAD,
    "id": "s",
    "question": "s",
    "slug": "s",
    "description": "s",
    "assets_ids[]": "s",
    "outcomes[]": "s",
    "tags[]": "s",
    "event_message.*": "s",
}

_KNOWN: Final[dict[str, Shape]] = {
    "book": {
        **_OF_ASSET,
        "hash": "s",
        "tick_size": "s",
        "last_trade_price": "s",
        "min_order_size": "s",
        "neg_risk": "b",
        **{f"{side}[].{name}": "s" for side in ("bids", "asks") for name in ("price", "size")},
    },
    "price_change": {
        **_HEAD,
        **{
            f"price_changes[].{name}": "s"
            for name in ("asset_id", "price", "size", "side", "hash", "best_bid", "best_ask")
        },
    },
    "last_trade_price": {
        **_OF_ASSET,
        "price": "s",
        "size": "s",
        "side": "s",
        "fee_rate_bps": "s",
        "transaction_hash": "s",
    },
    "best_bid_ask": {**_OF_ASSET, "best_bid": "s", "best_ask": "s", "spread": "s"},
    "tick_size_change": {**_OF_ASSET, "old_tick_size": "s", "new_tick_size": "s"},
    "new_market": {
        **_MARKET,
        "condition_id": "s",
        "active": "b",
        "clob_token_ids[]": "s",
        "sports_market_type": "s",
        "line": "s",
        "game_start_time": "s",
        "order_price_min_tick_size": "s",
        "group_item_title": "s",
        "taker_base_fee": "s",
        "fees_enabled": "b",
        "fee_schedule.exponent": "sn",
        "fee_schedule.rate": "sn",
        "fee_schedule.taker_only": "b",
        "fee_schedule.rebate_rate": "sn",
    },
    "market_resolved": {**_MARKET, "winning_asset_id": "s", "winning_outcome": "s"},
}


def _split(frame: Any) -> list[Any]:
    return frame if isinstance(frame, list) else [frame]


SHAPES: Final = Shapes(
    split=_split,
    kind=lambda message: str(message.get("event_type")),
    known=_KNOWN,
    bare=(b"PONG", b"NO NEW ASSETS", b"INVALID OPERATION", b""),
)
