"""A client of Kalshi's stream that knows only the protocol: books of decimals, counted numbers.

It shares no code with the simulator and none with the engine.
"""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

Side = dict[Decimal, Decimal]


class KalshiReader:
    """Books by ticker, each side in its own terms, and what was out of order on the way."""

    def __init__(self, *, use_yes_price: bool) -> None:
        self.use_yes_price = use_yes_price
        self.books: dict[str, dict[str, Side]] = {}
        self.last_seq: dict[int, int] = {}
        self.gaps: list[tuple[int, int, int]] = []
        """Subscription, number expected, number that came."""
        self.kinds: Counter[str] = Counter()
        self.negative: list[str] = []

    def take(self, payload: bytes) -> dict[str, Any]:
        """Applies one frame; returns it decoded."""
        frame: dict[str, Any] = json.loads(payload)
        self.kinds[frame["type"]] += 1
        if "seq" in frame:
            sid, seq = frame["sid"], frame["seq"]
            expected = self.last_seq.get(sid, 0) + 1
            if seq != expected:
                self.gaps.append((sid, expected, seq))
            self.last_seq[sid] = seq
        if frame["type"] == "orderbook_snapshot":
            msg = frame["msg"]
            self.books[msg["market_ticker"]] = {
                side: {
                    self._price(side, price): Decimal(size)
                    for price, size in msg.get(f"{side}_dollars_fp", [])
                }
                for side in ("yes", "no")
            }
        elif frame["type"] == "orderbook_delta":
            self._change(frame["msg"])
        return frame

    def _change(self, msg: dict[str, Any]) -> None:
        side = self.books[msg["market_ticker"]][msg["side"]]
        price = self._price(msg["side"], msg["price_dollars"])
        side[price] = side.get(price, Decimal(0)) + Decimal(msg["delta_fp"])
        if side[price] < 0:
            self.negative.append(msg["market_ticker"])
        if not side[price]:
            del side[price]

    def _price(self, side: str, text: str) -> Decimal:
        return 1 - Decimal(text) if side == "no" and self.use_yes_price else Decimal(text)

    def sides(self, ticker: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Bids and asks of YES, best first."""
        book = self.books[ticker]
        asks = [(1 - price, size) for price, size in book["no"].items()]
        return sorted(book["yes"].items(), reverse=True), sorted(asks)
