"""A simulated account of Polymarket's: the user channel's messages and the REST calls beside it.

Trades are settled on a chain: matched, mined, confirmed, with retries, and some fail. Sizes are
millionths of a share.
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from bookfeed.sim.account import SimAccount, SimOrder, SimPart, SimTrade
from bookfeed.sim.chance import seeded

_OTHER = "00000000-0000-4000-8000-00000000beef"
_OTHER_WALLET = "0x" + "bb" * 20
_PAGE = 7
_NEXT = {
    "MATCHED": ("MINED", "MINED", "MINED", "RETRYING"),
    "RETRYING": ("MINED", "FAILED"),
    "MINED": ("CONFIRMED",),
}
_ENDS = ("CANCELED", "CANCELED", "CANCELED_EXPIRED_ORDER", "CANCELED_MARKET_RESOLVED")


def text_of(value: int, places: int) -> str:
    """An integer of ``10 ** -places`` as the venue prints it."""
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")


class PolymarketAccount(SimAccount):
    """One account; ``owner`` is its API key and ``wallet`` what holds its money."""

    UNIT: ClassVar[int] = 10_000
    NETS: ClassVar[bool] = False

    def __init__(self, seed: int, *, owner: str, wallet: str, symbols: int = 4) -> None:
        self.owner, self.wallet = owner, wallet
        self._words = seeded("polymarket words", seed)
        super().__init__(seed, symbols=symbols)

    def _symbol(self, index: int) -> tuple[str, str]:
        return f"0x{index // 2 + 0xC0DE:064x}", str(10**70 + index)

    def _more_actions(self) -> list[Callable[[], Iterable[str]]]:
        open_trades = [trade for trade in self.trades if trade.status in _NEXT]
        return [self._settle] * min(4, len(open_trades))

    def _settle(self) -> Iterable[str]:
        trade = self.rng.choice([trade for trade in self.trades if trade.status in _NEXT])
        trade.status = self.rng.choice(_NEXT[trade.status])
        trade.updated_ms = self.now_ms
        if trade.status == "MINED":
            trade.transaction = f"0x{self.rng.getrandbits(256):064x}"
        yield from self._told_trade(trade)

    def _together(self) -> bool:
        return self.rng.random() < 0.3

    def _told_trade(self, trade: SimTrade) -> Iterable[str]:
        trade.status = trade.status or "MATCHED"
        yield json.dumps({"event_type": "trade", "type": "TRADE"} | self.trade_object(trade))

    def _told_order(self, order: SimOrder, what: str) -> Iterable[str]:
        message = {"event_type": "order", "type": what} | self.order_object(order)
        unit = self._words.choice((1, 1000))
        message["timestamp"] = str(order.updated_ms * unit // 1000)
        if unit == 1:
            # In seconds it does not tell what came first; filled sizes and ends do.
            message["timestamp"] = str(order.updated_ms // 1000)
        yield json.dumps(message)

    # Objects.

    def order_object(self, order: SimOrder) -> dict[str, Any]:
        """An order as REST has it."""
        status = "LIVE"
        if order.ended == "executed":
            status = "MATCHED"
        elif order.ended:
            status = seeded(order.order_id).choice(_ENDS)
        return {
            "id": order.order_id,
            "owner": self.owner,
            "order_owner": self.owner,
            "market": order.market,
            "asset_id": order.symbol,
            "side": "BUY" if order.buys else "SELL",
            "original_size": text_of(order.size, 6),
            "size_matched": text_of(order.filled, 6),
            "price": text_of(order.price, 4),
            "outcome": "Yes",
            "associate_trades": None,
            "created_at": str(order.created_ms // 1000),
            "expiration": "0",
            "order_type": order.kind,
            "status": status,
            "maker_address": self.wallet,
        }

    def trade_object(self, trade: SimTrade) -> dict[str, Any]:
        """A trade as REST has it, from the taker's point of view as all of them are."""
        own = [
            self._maker(part.order.order_id, self.owner, self.wallet, part) for part in trade.parts
        ]
        first = trade.parts[0]
        size = sum(part.size for part in trade.parts)
        if trade.takes:
            # Others rested: they are told of, and none of the user's business.
            makers = [self._maker("0xother1", _OTHER, _OTHER_WALLET, first, turned=True)]
            side, taker, role = first.order.buys, first.order.order_id, "TAKER"
        else:
            makers = [*own, self._maker("0xother2", _OTHER, _OTHER_WALLET, first)]
            side, taker, role = not first.order.buys, "0xothertaker", "MAKER"
        prefix = self._words.choice(("", "TRADE_STATUS_"))
        body = {
            "id": trade.trade_id,
            "taker_order_id": taker,
            "market": trade.market,
            "asset_id": trade.symbol,
            "side": "BUY" if side else "SELL",
            "size": text_of(size, 6),
            "price": text_of(first.price, 4),
            "fee_rate_bps": self._words.choice(("0", "")),
            "status": prefix + trade.status,
            "last_update": str(trade.updated_ms // 1000),
            "outcome": "Yes",
            "owner": self.owner if trade.takes else _OTHER,
            "maker_address": self.wallet if trade.takes else _OTHER_WALLET,
            "transaction_hash": trade.transaction,
            "bucket_index": 0,
            "trader_side": role,
            "maker_orders": makers,
        }
        body[self._words.choice(("match_time", "matchtime"))] = str(trade.ms // 1000)
        if trade.takes and self._words.random() < 0.3:
            del body["trader_side"]
        return body

    def _maker(
        self, order_id: str, owner: str, wallet: str, part: SimPart, *, turned: bool = False
    ) -> dict[str, Any]:
        return {
            "order_id": order_id,
            "owner": owner,
            "maker_address": wallet,
            "matched_amount": text_of(part.size, 6),
            "price": text_of(part.price, 4),
            "fee_rate_bps": "0",
            "asset_id": part.order.symbol,
            "outcome": "Yes",
            "outcome_index": 0,
            "side": "BUY" if part.order.buys != turned else "SELL",
        }

    def _place(self, trade: SimTrade) -> tuple[int, str]:
        # The venue prints whole seconds.
        return trade.ms // 1000, trade.trade_id

    # REST.

    def answer(self, target: str) -> tuple[int, str]:
        """Status and body of a GET of ``target``, a path with its query."""
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/auth/api-keys":
            return 200, json.dumps({"apiKeys": [self.owner]})
        if parts.path.startswith("/data/order/"):
            order = self.orders.get(parts.path.rpartition("/")[2])
            found = None if order is None else self.order_object(order)
            return (404, "null") if found is None else (200, json.dumps(found))
        if parts.path == "/data/orders":
            rows = [self.order_object(order) for order in self.orders.values() if order.rests]
            return _page(rows, query)
        if parts.path == "/data/trades":
            after = int(query.get("after", "0"))
            found_trades = [trade for trade in self.trades if trade.ms // 1000 >= after]
            return _page([self.trade_object(trade) for trade in reversed(found_trades)], query)
        return 404, '{"error":"not found"}'


def _page(rows: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, str]:
    """One page; the cursor is where the next one begins, in base64."""
    cursor = query.get("next_cursor", "MA==")
    if cursor == "LTE=":
        return 400, '{"error":"invalid cursor"}'
    start = int(base64.b64decode(cursor))
    after = start + _PAGE
    following = base64.b64encode(str(after).encode()).decode() if after < len(rows) else "LTE="
    page = rows[start:after]
    body = {"limit": _PAGE, "count": len(page), "next_cursor": following, "data": page}
    return 200, json.dumps(body)
