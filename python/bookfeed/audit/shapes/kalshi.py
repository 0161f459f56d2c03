"""Messages of Kalshi's WebSocket, as its documents of autumn 2026 and recordings have them."""

from typing import Final

from bookfeed.audit.drift import Shape, Shapes

_FRAME: Final[Shape] = {"type": "s", "id": "n", "sid": "n", "seq": "n", "sending_ts_ms": "n"}


def _with(**members: str) -> Shape:
    """A message with these members of ``msg``."""
    return {**_FRAME, **{f"msg.{name}": letters for name, letters in members.items()}}


_NEWS: Final[Shape] = {
    **_with(
        event_type="s",
        market_ticker="s",
        exchange_index="n",
        open_ts="n",
        close_ts="n",
        is_deactivated="b",
        result="s",
        determination_ts="n",
        settlement_value="s",
        settled_ts="n",
        price_level_structure="s",
        floor_strike="n0",
        cap_strike="n0",
        strike_type="s",
        custom_strike="-",
        yes_sub_title="s",
        fractional_trading_enabled="b",
    ),
    **{f"msg.price_ranges[].{name}": "s" for name in ("start", "end", "step")},
    "msg.additional_metadata.*": "-",
    "msg.additional_metadata.custom_strike.*": "-",
    "msg.custom_strike.*": "-",
}
_AVERAGES: Final[Shape] = {
    f"msg.{average}.{name}": letters
    for average in ("avg_60s_data", "last_60s_windowed_average_15min")
    for name, letters in (
        ("value", "s"),
        ("window_size", "n"),
        ("window_start_ts_ms", "n"),
        ("window_end_ts_exclusive", "n"),
    )
}
_INDEX: Final[Shape] = {
    **_with(index_id="s", received_at="n", data="s", value_usd="s", source_ts_ms="n"),
    **_AVERAGES,
}

_KNOWN: Final[dict[str, Shape]] = {
    "subscribed": _with(channel="s", sid="n"),
    "unsubscribed": _FRAME,
    "ok": {
        **_FRAME,
        **{f"msg.{names}[]": "s" for names in ("market_tickers", "market_ids", "index_ids")},
        "market_tickers[]": "s",
        "msg[].channel": "s",
        "msg[].sid": "n",
        "msg": "0e",
    },
    "error": {**_with(code="n", msg="s", market_ticker="s"), "msg.market_tickers[]": "s"},
    "orderbook_snapshot": {
        **_with(market_ticker="s", market_id="s"),
        "msg.yes_dollars_fp[][]": "s",
        "msg.no_dollars_fp[][]": "s",
    },
    "orderbook_delta": _with(
        market_ticker="s",
        market_id="s",
        price_dollars="s",
        delta_fp="s",
        side="s",
        ts="s",
        ts_ms="n",
        client_order_id="s",
        subaccount="n",
    ),
    "ticker": _with(
        market_id="s",
        market_ticker="s",
        price_dollars="s",
        yes_bid_dollars="s",
        yes_ask_dollars="s",
        yes_bid_size_fp="s",
        yes_ask_size_fp="s",
        last_trade_size_fp="s",
        volume_fp="s",
        open_interest_fp="s",
        dollar_volume="n",
        dollar_open_interest="n",
        ts="n",
        ts_ms="n",
        time="s",
    ),
    "trade": _with(
        trade_id="s",
        market_ticker="s",
        yes_price_dollars="s",
        no_price_dollars="s",
        count_fp="s",
        taker_side="s",
        taker_outcome_side="s",
        taker_book_side="s",
        is_block_trade="b",
        ts="n",
        ts_ms="n",
    ),
    "market_lifecycle_v2": _NEWS,
    "multivariate_market_lifecycle": _NEWS,
    "event_lifecycle": _with(
        event_ticker="s",
        exchange_index="n",
        title="s",
        subtitle="s",
        collateral_return_type="s",
        series_ticker="s",
        strike_date="n",
        strike_period="s",
    ),
    "event_fee_update": _with(
        event_ticker="s", fee_type_override="s0", fee_multiplier_override="n0"
    ),
    "cfbenchmarks_value": _INDEX,
    "cfbenchmarks_value_5hz": _INDEX,
}

SHAPES: Final = Shapes(
    split=lambda frame: [frame], kind=lambda message: str(message.get("type")), known=_KNOWN
)
