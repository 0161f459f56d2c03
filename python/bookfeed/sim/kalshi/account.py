"""A simulated account of Kalshi's: messages of the private channels, and its portfolio by REST.

The portfolio's answers are of the moment when it was last brought up to date, which
``user_data_timestamp`` tells; ``lag_steps`` is how many steps that may be ago. Sizes are hundredths
of a contract.
"""

import copy
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from bookfeed.sim.account import Held, SimAccount, SimOrder, SimPart, SimTrade
from bookfeed.sim.chance import seeded

_PAGE = 7
CHANNEL_OF = {
    "fill": "fill",
    "user_order": "user_orders",
    "market_position": "market_positions",
    "order_group_updates": "order_group_updates",
}


def _dollars(value: int, places: int) -> str:
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**places)
    return f"{sign}{whole}.{part:0{places}d}"


def _money(value: Any) -> str:
    """Money in 1e-6 USD, of an amount in 1e-6 (a price of 1e-4 times a size of 1e-2)."""
    return _dollars(int(value), 6)


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class KalshiAccount(SimAccount):
    """One account, whose messages are ``(type, msg)`` as JSON, without the numbers of streams."""

    UNIT: ClassVar[int] = 100

    def __init__(self, seed: int, *, symbols: int = 4, lag_steps: int = 0) -> None:
        super().__init__(seed, symbols=symbols)
        self._words = seeded("kalshi words", seed)
        self._lag_steps = lag_steps
        self._seen: KalshiAccount | None = None
        self._age = 0

    def _symbol(self, index: int) -> tuple[str, str]:
        ticker = f"KXBTCD-26DEC0117-T{84_999 + index * 250}.99"
        return ticker, ticker

    def step(self) -> list[str]:
        """As every account's; the portfolio comes to know of it some steps later."""
        messages = super().step()
        self._age += 1
        return messages

    def _more_actions(self) -> list[Callable[[], Iterable[str]]]:
        rests = any(order.rests for order in self.orders.values())
        return [self._amend] if rests else []

    def _amend(self) -> Iterable[str]:
        order = self.rng.choice([order for order in self.orders.values() if order.rests])
        more = self.rng.randint(1, 50) * self.UNIT
        order.size = order.filled + more
        order.price = self.rng.randint(1, 99) * 100
        order.updated_ms = self.now_ms
        yield from self._told_order(order, "AMEND")

    def _fee(self) -> int:
        return self.rng.randint(0, 9_999)

    def _told_order(self, order: SimOrder, what: str) -> Iterable[str]:
        body = self.order_object(order)
        body["last_updated_ts_ms"] = order.updated_ms
        body["created_ts_ms"] = order.created_ms
        yield json.dumps(["user_order", body])

    def _told_trade(self, trade: SimTrade) -> Iterable[str]:
        for part in trade.parts:
            body = self.fill_object(trade, part) | {
                "market_ticker": trade.symbol,
                "post_position_fp": _dollars(trade.post.get(trade.symbol, 0), 2),
                "ts": trade.ms // 1000,
                "ts_ms": trade.ms,
            }
            del body["ticker"], body["created_time"]
            yield json.dumps(["fill", body])
        yield json.dumps(["market_position", self.position_object(trade.symbol)])

    def group_message(self, what: str) -> str:
        """News of an order group."""
        body = {"event_type": what, "order_group_id": "group-1", "ts_ms": self.now_ms}
        if what in ("created", "limit_updated"):
            body["contracts_limit_fp"] = "500.00"
        return json.dumps(["order_group_updates", body])

    # Objects.

    def order_object(self, order: SimOrder) -> dict[str, Any]:
        """An order as REST has it."""
        status = "resting" if order.rests else order.ended
        return {
            "order_id": order.order_id,
            "user_id": "user-1",
            "client_order_id": f"mine-{order.order_id}",
            "ticker": order.symbol,
            "exchange_index": 2,
            "status": status,
            "side": "yes" if order.buys else "no",
            "action": "buy",
            "outcome_side": "yes" if order.buys else "no",
            "book_side": "bid" if order.buys else "ask",
            "yes_price_dollars": _dollars(order.price, 4),
            "no_price_dollars": _dollars(10_000 - order.price, 4),
            "initial_count_fp": _dollars(order.size, 2),
            "fill_count_fp": _dollars(order.filled, 2),
            "remaining_count_fp": _dollars(order.remaining, 2),
            "type": "limit",
            "created_time": _time(order.created_ms),
            "last_update_time": _time(order.updated_ms),
        }

    def fill_object(self, trade: SimTrade, part: SimPart) -> dict[str, Any]:
        """A fill as REST has it."""
        return {
            "trade_id": trade.trade_id,
            "order_id": part.order.order_id,
            "ticker": trade.symbol,
            "exchange_index": 2,
            "is_taker": trade.takes,
            "side": "yes" if part.order.buys else "no",
            "action": "buy",
            "outcome_side": "yes" if part.order.buys else "no",
            "book_side": "bid" if part.order.buys else "ask",
            "yes_price_dollars": _dollars(part.price, 4),
            "count_fp": _dollars(part.size, 2),
            "fee_cost": _dollars(part.fee, 6),
            "created_time": _time(trade.ms),
        }

    def fees(self, symbol: str) -> int:
        """Fees paid so far, in millionths of a USD."""
        return sum(
            part.fee for trade in self.trades for part in trade.parts if trade.symbol == symbol
        )

    def position_object(self, symbol: str) -> dict[str, Any]:
        """A position as its channel has it."""
        held = self._held.get(symbol, Held())
        parts = [part for trade in self.trades for part in trade.parts if trade.symbol == symbol]
        return {
            "user_id": "user-1",
            "market_ticker": symbol,
            "position_fp": _dollars(held.size, 2),
            "position_cost_dollars": _money(held.cost),
            "realized_pnl_dollars": _money(held.realised),
            "fees_paid_dollars": _dollars(self.fees(symbol), 6),
            "position_fee_cost_dollars": "0.000000",
            "volume_fp": _dollars(sum(part.size for part in parts), 2),
        }

    def _row(self, symbol: str) -> dict[str, Any]:
        row = self.position_object(symbol)
        parts = [part for trade in self.trades for part in trade.parts if trade.symbol == symbol]
        return {
            "ticker": symbol,
            "position_fp": row["position_fp"],
            "market_exposure_dollars": row["position_cost_dollars"],
            "realized_pnl_dollars": row["realized_pnl_dollars"],
            "fees_paid_dollars": row["fees_paid_dollars"],
            "total_traded_dollars": _money(sum(part.size * part.price for part in parts)),
            "settlement_status": "unsettled",
        }

    # REST.

    def answer(self, target: str) -> tuple[int, str]:
        """Status and body of a GET of ``target``, a path below the API's root with its query."""
        if not self._lag_steps:
            return self._answered(target)
        if self._seen is None or self._age > self._lag_steps:
            self._seen, self._age = None, 0
            self._seen = copy.deepcopy(self)
        return self._seen._answered(target)  # noqa: SLF001  # it is of this class

    def _answered(self, target: str) -> tuple[int, str]:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/exchange/user_data_timestamp":
            return 200, json.dumps({"as_of_time": _time(self.now_ms)})
        if parts.path == "/portfolio/positions":
            symbols = sorted({trade.symbol for trade in self.trades})
            return _page("market_positions", [self._row(one) for one in symbols], query)
        if parts.path == "/portfolio/fills":
            since = int(query.get("min_ts", "0"))
            rows = [
                self.fill_object(trade, part)
                for trade in reversed(self.trades)
                for part in trade.parts
                if trade.ms // 1000 >= since
            ]
            return _page("fills", rows, query)
        if parts.path == "/portfolio/orders":
            rests = query.get("status") == "resting"
            found = [order for order in self.orders.values() if order.rests or not rests]
            return _page("orders", [self.order_object(order) for order in found], query)
        order = self.orders.get(parts.path.rpartition("/")[2])
        if parts.path.startswith("/portfolio/orders/") and order is not None:
            return 200, json.dumps({"order": self.order_object(order)})
        return 404, '{"error":{"code":"not_found","message":"not found"}}'


def _page(key: str, rows: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, str]:
    """One page; the cursor is where the next one begins, and empty at the end."""
    start = int(query.get("cursor") or "0")
    after = start + min(_PAGE, int(query.get("limit", "100")))
    cursor = str(after) if after < len(rows) else ""
    return 200, json.dumps({key: rows[start:after], "cursor": cursor})
