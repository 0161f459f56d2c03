"""Seeded journals of two venues for the auditor's tests: events on Kalshi and on Polymarket.

Frames are written out here from plain dictionaries, so that nothing of the reader is needed to
make what it reads. ``trouble`` mixes in everything that breaks a numbered stream.
"""

import json
import random
from decimal import Decimal
from typing import Any, Final

from bookfeed.recordings.kinds import Kind

T0: Final = 1_790_000_000_000_000_000
MS: Final = 1_000_000
SECOND: Final = 1_000 * MS
KALSHI: Final = 0
POLYMARKET: Final = 1
TICK: Final = Decimal("0.01")

Records = list[tuple[int, int, int, int, bytes]]
Ladders = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]

TROUBLES: Final = (
    "gap", "again", "underflow", "unknown_type", "unknown_market", "not_json", "bad_price",
    "terminal", "reconnect", "pause", "resume", "closes", "fees", "reply", "requested", "lag",
    "locked", "silence",
)  # fmt: skip


def set_level(levels: dict[Decimal, Decimal], price: Decimal, qty: Decimal) -> None:
    """Sets a level's size; zero removes it."""
    if qty:
        levels[price] = qty
    else:
        levels.pop(price, None)


class Markets:
    """Both venues, and the journal of one listener on each."""

    def __init__(self, seed: int, *, events: int = 3, yes_prices: bool, trouble: float) -> None:
        self.rng = random.Random(seed)
        self.crumbs = random.Random(f"crumbs {seed}")
        self.events = events
        self.yes_prices = yes_prices
        self.trouble = trouble
        self.ts = T0
        self.records: Records = []
        self.mids = [Decimal(self.rng.randint(25, 75)) / 100 for _ in range(events)]
        self.kalshi: list[Ladders] = [({}, {}) for _ in range(events)]
        self.polymarket: list[Ladders] = [({}, {}) for _ in range(events)]
        self.sid, self.seq = 0, 0
        self.paused: set[int] = set()
        self.lag_ns = 0
        self.sent_ms = 0

    # The journal.

    def put(self, kind: Kind, conn: int, payload: bytes) -> None:
        self.records.append((int(kind), self.ts, conn, 1, payload))

    def frame(self, conn: int, message: object) -> None:
        self.put(Kind.FRAME, conn, json.dumps(message).encode())

    def begin(self, rules: list[tuple[str, dict[str, Any]]], rounding: str) -> None:
        for kind, params in rules:
            rule = {"kind": kind, "params": params}
            self.put(Kind.RULE, 0, json.dumps(rule).encode())
        for event in range(self.events):
            listing: dict[str, Any] = {
                "venue": "kalshi", "symbol": f"K-{event}", "market": f"K-{event}",
                "event": "K", "fee_type": "quadratic_with_maker_fees", "fee_multiplier": "1",
                "fee_rounding": rounding, "open_ts": T0 + 2 * SECOND, "close_ts": T0 + 40 * SECOND,
            }  # fmt: skip
            self.put(Kind.SUBSCRIBE, KALSHI, json.dumps(listing).encode())
        for event in range(self.events):
            for outcome in "YN":
                listing = {
                    "venue": "polymarket", "symbol": f"{outcome}{event}", "market": f"P-{event}",
                    "outcome": outcome, "fee_rate": "0.04",
                }  # fmt: skip
                if event == 0:
                    listing["min_order_size"] = "5"
                self.put(Kind.SUBSCRIBE, POLYMARKET, json.dumps(listing).encode())
        self.connect_kalshi()
        self.put(Kind.CONNECTED, POLYMARKET, b"polymarket")
        self.whole_polymarket()

    def run(self, steps: int) -> Records:
        next_advance = self.ts
        for _ in range(steps):
            self.ts += self.rng.randint(1, 30) * MS
            if self.ts >= next_advance:
                self.put(Kind.ADVANCE, 0, b"")
                next_advance = self.ts + 100 * MS
            if self.rng.random() < self.trouble:
                getattr(self, self.rng.choice(TROUBLES))()
            self.step()
        return self.records

    def step(self) -> None:
        event = self.rng.randrange(self.events)
        if self.rng.random() < 0.05:
            move = Decimal(self.rng.randint(-3, 3)) / 100
            self.mids[event] = min(max(self.mids[event] + move, Decimal("0.15")), Decimal("0.85"))
        if self.rng.random() < 0.6:
            self.change_kalshi(event)
        else:
            self.change_polymarket(event)

    def moved(self, ladders: Ladders, event: int) -> tuple[int, Decimal, Decimal]:
        """A side, a price and a new size that leave the book uncrossed."""
        bids, asks = ladders
        side = self.rng.randrange(2)
        away = TICK * self.rng.randint(0, 6)
        drift = TICK * self.rng.choice((-4, -1, 0, 0, 0, 1, 4))
        price = self.mids[event] + drift + (away + TICK if side else -away)
        if side == 0 and asks and price >= min(asks):
            side, price = 1, min(asks)
        elif side == 1 and bids and price <= max(bids):
            side, price = 0, max(bids)
        qty = Decimal(self.rng.choice((0, 0, 1, 5, 20, 75, 300)))
        qty += Decimal(self.rng.randint(0, 99)) / 100 if qty else Decimal(0)
        return side, price, qty

    # Kalshi.

    def stamp(self) -> int:
        # What comes later was sent later: a stamp that ran back would be a clock that was set.
        self.sent_ms = max(self.sent_ms, (self.ts - 5 * MS - self.lag_ns) // MS)
        return self.sent_ms

    def numbered(self, kind: str, content: object, **more: object) -> None:
        self.seq += 1
        self.frame(KALSHI, {"type": kind, "sid": self.sid, "seq": self.seq, **more, "msg": content})

    def connect_kalshi(self) -> None:
        self.put(Kind.CONNECTED, KALSHI, b"kalshi use_yes_price" if self.yes_prices else b"kalshi")
        self.subscribe_kalshi()

    def subscribe_kalshi(self) -> None:
        self.sid, self.seq = self.sid + 1, self.rng.choice((0, 40))
        told = {"channel": "orderbook_delta", "sid": self.sid}
        self.frame(KALSHI, {"id": 1, "type": "subscribed", "msg": told})
        for event in range(self.events):
            self.whole_kalshi(event)

    def printed(self, side: int, price: Decimal) -> Decimal:
        return 1 - price if side and not self.yes_prices else price

    def whole_kalshi(self, event: int, **more: object) -> None:
        bids, asks = self.kalshi[event]
        spelling = self.rng.randrange(3)
        whole = all(qty == int(qty) for qty in (*bids.values(), *asks.values()))
        content: dict[str, Any] = {"market_ticker": f"K-{event}", "market_id": f"id-{event}"}
        for side, levels in enumerate((bids, asks)):
            name = ("yes", "no")[side]
            pairs = [(self.printed(side, price), qty) for price, qty in sorted(levels.items())]
            if not pairs and self.rng.random() < 0.5:
                continue
            if spelling == 0 and whole:
                content[name] = [[int(price * 100), int(qty)] for price, qty in pairs]
            elif spelling == 1 and whole:
                content[f"{name}_dollars"] = [[f"{price:.4f}", int(qty)] for price, qty in pairs]
            else:
                content[f"{name}_dollars_fp"] = [[f"{p:.4f}", f"{q:.2f}"] for p, q in pairs]
        self.numbered("orderbook_snapshot", content, **more)

    def change_kalshi(self, event: int) -> None:
        self.kalshi_level(event, *self.moved(self.kalshi[event], event))

    def kalshi_level(self, event: int, side: int, price: Decimal, qty: Decimal) -> None:
        levels = self.kalshi[event][side]
        delta = qty - levels.get(price, Decimal(0))
        set_level(levels, price, qty)
        self.delta(event, side, self.printed(side, price), delta)

    def delta(self, event: int, side: int, price: Decimal, delta: Decimal) -> None:
        content: dict[str, Any] = {
            "market_ticker": f"K-{event}", "market_id": f"id-{event}", "side": ("yes", "no")[side],
        }  # fmt: skip
        spelling = self.rng.randrange(4)
        if spelling == 0 and delta == int(delta):
            content |= {"price": int(price * 100), "delta": int(delta)}
        elif spelling == 1:
            content |= {"price_dollars": float(price), "delta_fp": float(delta)}
        else:
            content |= {"price_dollars": f"{price:.3f}", "delta_fp": f"{delta:.2f}"}
        if self.rng.random() < 0.9:
            content["ts_ms"] = self.stamp()
        self.numbered("orderbook_delta", content)

    # Polymarket.

    def sides(self, event: int, outcome: str) -> Ladders:
        bids, asks = self.polymarket[event]
        if outcome == "Y":
            return bids, asks
        return {1 - p: q for p, q in asks.items()}, {1 - p: q for p, q in bids.items()}

    def whole_polymarket(self) -> None:
        books = []
        for event in range(self.events):
            for outcome in "YN":
                bids, asks = (
                    [{"price": str(p), "size": str(q)} for p, q in side.items()]
                    for side in self.sides(event, outcome)
                )
                books.append({
                    "event_type": "book", "market": f"P-{event}", "asset_id": f"{outcome}{event}",
                    "timestamp": str(self.stamp()), "hash": "", "bids": bids, "asks": asks,
                } | ({"min_order_size": "7.5"} if event == 1 else {}))  # fmt: skip
        self.frame(POLYMARKET, books)

    def change_polymarket(self, event: int) -> None:
        side, price, qty = self.moved(self.polymarket[event], event)
        # What was partly filled is left in millionths of a share.
        left = Decimal(self.crumbs.choice((0, 1, 250_001, 999_999))) / 1_000_000
        self.polymarket_level(event, side, price, qty + left if qty else qty)

    def polymarket_level(self, event: int, side: int, price: Decimal, qty: Decimal) -> None:
        set_level(self.polymarket[event][side], price, qty)
        entries = []
        for outcome in "YN":
            own = outcome == "Y"
            bids, asks = self.sides(event, outcome)
            entries.append({
                "asset_id": f"{outcome}{event}", "price": str(price if own else 1 - price),
                "size": str(qty), "side": "BUY" if (side == 0) == own else "SELL", "hash": "",
                "best_bid": str(max(bids, default=0)), "best_ask": str(min(asks, default=1)),
            })  # fmt: skip
        self.frame(POLYMARKET, {
            "event_type": "price_change", "market": f"P-{event}",
            "timestamp": str(self.stamp()), "price_changes": entries,
        })  # fmt: skip

    # Trouble. Whatever breaks the stream is mended with answers to requests, some time later.

    def any_event(self) -> int:
        return self.rng.randrange(self.events)

    def mend(self) -> None:
        for _ in range(self.rng.randint(0, 5)):
            self.ts += 7 * MS
            self.step()
        for event in range(self.events):
            self.whole_kalshi(event, id=9)

    def gap(self) -> None:
        self.seq += self.rng.randint(1, 4)
        self.change_kalshi(self.any_event())
        self.mend()

    def again(self) -> None:
        self.seq -= 1
        self.delta(self.any_event(), 0, Decimal("0.01"), Decimal(5))
        self.mend()

    def underflow(self) -> None:
        self.delta(self.any_event(), 1, Decimal("0.02"), Decimal(-7))
        self.mend()

    def unknown_type(self) -> None:
        self.numbered("orderbook_news", {})
        self.mend()

    def unknown_market(self) -> None:
        market_id = self.rng.choice(("id-0", "id-elsewhere"))
        content = {"market_ticker": "K-9", "market_id": market_id, "side": "yes"}
        self.numbered("orderbook_delta", content | {"price_dollars": "0.5", "delta_fp": "1.00"})
        self.mend()

    def not_json(self) -> None:
        self.put(Kind.FRAME, KALSHI, b'{"type": "orderbook_delta", "sid"')
        self.mend()

    def bad_price(self) -> None:
        self.delta(self.any_event(), 0, Decimal(2), Decimal(1))
        self.mend()

    def terminal(self) -> None:
        if self.rng.random() < 0.5:
            self.numbered("error", {"code": 25, "msg": "Subscription buffer overflow"})
        else:
            self.numbered("unsubscribed", None)
        self.change_kalshi(self.any_event())
        self.subscribe_kalshi()

    def reconnect(self) -> None:
        self.put(Kind.DISCONNECTED, KALSHI, b"test")
        self.ts += 50 * MS
        self.sid = 0
        self.connect_kalshi()

    def reply(self) -> None:
        self.numbered("ok", {"market_tickers": ["K-0"]}, id=4)

    def requested(self) -> None:
        self.seq -= self.rng.randrange(2)
        self.whole_kalshi(self.any_event(), id=5)

    def lifecycle(self, event: int, **content: object) -> None:
        message = {"market_ticker": f"K-{event}", **content}
        self.frame(KALSHI, {"type": "market_lifecycle_v2", "sid": 77, "msg": message})

    def pause(self) -> None:
        event = self.any_event()
        self.paused.add(event)
        self.lifecycle(event, event_type="deactivated", is_deactivated=True)

    def resume(self) -> None:
        for event in sorted(self.paused):
            self.lifecycle(event, event_type="activated", is_deactivated=False)
        self.paused.clear()

    def closes(self) -> None:
        close_s = self.ts // SECOND + self.rng.choice((1, 3, 60))
        self.lifecycle(self.any_event(), event_type="close_date_updated", close_ts=close_s)

    def fees(self) -> None:
        override = self.rng.choice((
            {"fee_type_override": None, "fee_multiplier_override": None},
            {"fee_type_override": "quadratic", "fee_multiplier_override": 0.5},
            {"fee_type_override": "odd", "fee_multiplier_override": None},
            {"fee_type_override": None, "fee_multiplier_override": 0},
        ))  # fmt: skip
        message = {"event_ticker": "K", **override}
        self.frame(KALSHI, {"type": "event_fee_update", "sid": 77, "msg": message})

    def lag(self) -> None:
        self.lag_ns = self.rng.choice((0, 0, 800 * MS, 1_500 * MS))

    def locked(self) -> None:
        """A bid at the best ask, or above it, for a while, on either venue."""
        event, above = self.any_event(), TICK * self.rng.randrange(2)
        for ladders, change in (
            (self.kalshi[event], self.kalshi_level),
            (self.polymarket[event], self.polymarket_level),
        ):
            bids, asks = ladders
            if asks and self.rng.random() < 0.6:
                price = min(asks) + above
                if price < 1 and price not in bids:
                    change(event, 0, price, Decimal(3))
                    self.ts += self.rng.choice((5, 400)) * MS
                    self.step()
                    change(event, 0, price, Decimal(0))

    def silence(self) -> None:
        """Nothing but the clock for a while."""
        for _ in range(self.rng.randint(2, 12)):
            self.ts += 60 * MS
            self.put(Kind.ADVANCE, 0, b"")
