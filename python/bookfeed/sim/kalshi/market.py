"""One simulated Kalshi market: its book, its life, and the messages they cause.

A market is ``initialized`` until its opening, which is told to nobody, ``active`` until its
close, which is not told either, then ``closed``, ``determined`` and ``finalized``. While it is
``inactive`` (paused) its book stands still. All chance comes from the generator it is given.
"""

from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal
from uuid import UUID

from bookfeed.sim.kalshi import wire
from bookfeed.sim.kalshi.crowd import Crowd, Fill, Plan
from bookfeed.sim.kalshi.grid import LOTS, PIPS, grid_of, price_text, size_text
from bookfeed.sim.kalshi.wire import SIDES, Change, Identity, Levels, Message, TickerState
from bookfeed.sim.ladder import Rungs

Status = Literal["initialized", "active", "inactive", "closed", "determined", "finalized"]

_TRADE_AFTER: Final = 0.96
_EMPTIED_BY_SNAPSHOT: Final = 0.5
_START_VOLUME: Final = 500_000


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """What a market is, as its listing would say; times in Unix ms, prices in pips."""

    index: int
    ticker: str
    market_id: str
    event_ticker: str
    series_ticker: str
    title: str
    yes_sub_title: str
    open_ms: int
    close_ms: int
    structure: str
    result: Literal["yes", "no"]
    """How it will be determined."""
    strike_type: str = "custom"
    floor_strike: float | None = None
    fair: int = 5_000
    levels: int = 15
    exchange_index: int = 0
    listed_ms: int = 0
    """When the market is created; 0 for one that has always been there."""
    strike_at_open: bool = False
    """Whether the strike is published around the opening only."""
    rules: str = ""
    """What decides it, in words; by default chance."""
    decided_by: str = ""
    """The value that decides it, told when it is determined."""


class Market:
    """The state of one market; methods that change it return what the venue says, in order."""

    def __init__(self, spec: MarketSpec, rng: Random, now_ms: int) -> None:
        self.spec = spec
        self.identity = Identity(spec.ticker, spec.market_id)
        self.status: Status = "initialized"
        self.close_ms = spec.close_ms
        self.structure = spec.structure
        self.floor_strike = None if spec.strike_at_open else spec.floor_strike
        self.settled_ms = 0
        self.book = (Rungs(), Rungs())
        self._rng = rng
        self._clock_ms = now_ms
        self._last = (0, 0)
        self._volume = int(rng.random() * _START_VOLUME)
        self._interest = self._volume // 3
        self._position = 0
        self.crowd = Crowd(rng, self.book, grid_of(spec.structure), spec.levels, spec.fair)
        if spec.open_ms <= now_ms:
            self.status = "active"
            for change in self.crowd.populate():
                self._apply(change)
        self._shown = self.ticker_state()

    # what it is now

    @property
    def trading(self) -> bool:
        """Whether orders may be placed."""
        return self.status == "active"

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to its book."""
        return self.status in ("closed", "determined", "finalized")

    def levels(self) -> Levels:
        """A copy of the book."""
        return Levels(self.book[0].levels(), self.book[1].levels())

    def ticker_state(self) -> TickerState:
        """What the ticker shows."""
        yes, no = self.book
        last, last_lots = self._last
        return TickerState(
            last,
            yes.best,
            PIPS - no.best,
            yes.sizes[-1] if yes.prices else 0,
            no.sizes[-1] if no.prices else 0,
            last_lots,
            self._volume,
            self._interest,
        )

    def ticker(self, now_ms: int) -> Message:
        """The ticker as of now, whether or not it has changed."""
        return wire.ticker(self.identity, self.ticker_state(), self._now(now_ms))

    # what happens in it

    def _now(self, now_ms: int) -> int:
        self._clock_ms = max(self._clock_ms, now_ms)
        return self._clock_ms

    def _apply(self, change: Change) -> None:
        rungs = self.book[change.side]
        rungs.put(change.price, rungs.size_at(change.price) + change.delta)

    def step(self, now_ms: int) -> list[Message]:
        """Lets the crowd act once."""
        return self.carry_out(self.crowd.next(), now_ms) if self.trading else []

    def carry_out(self, plan: Plan, now_ms: int, *, own: str = "") -> list[Message]:
        """A plan as messages, one a change, the ticker last; ``own`` is an order id."""
        ts_ms = self._now(now_ms)
        last = len(plan.changes) - 1
        messages = []
        for number, change in enumerate(plan.changes):
            self._apply(change)
            messages.append(wire.delta(self.identity, change, ts_ms, torn=number != last, own=own))
        if plan.fills:
            prints = [self._print(fill, ts_ms) for fill in plan.fills]
            late = self._rng.random() < _TRADE_AFTER
            messages = messages + prints if late else prints + messages
        return messages + self._ticker_if_changed(ts_ms)

    def _ticker_if_changed(self, ts_ms: int) -> list[Message]:
        state = self.ticker_state()
        if state == self._shown:
            return []
        self._shown = state
        return [wire.ticker(self.identity, state, ts_ms)]

    def _uuid(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def _print(self, fill: Fill, ts_ms: int) -> Message:
        """The trade of one level: whoever hits YES bids is left with NO, and the reverse."""
        yes_price = PIPS - fill.price if fill.side else fill.price
        self._last = (yes_price, fill.lots)
        self._volume += fill.lots
        self._interest += fill.lots // 2
        return wire.trade(
            self.identity,
            self._uuid(),
            ts_ms,
            yes_price=yes_price,
            lots=fill.lots,
            taker=SIDES[1 - fill.side],
        )

    def own_fill(self, now_ms: int, lots: int) -> list[Message]:
        """The owner of the connection buys YES at the best NO bid, at most ``lots``.

        Besides what everybody sees come his fill, his order and his position; nothing happens
        if there is nobody to trade with.
        """
        no = self.book[1]
        if not self.trading or not no.prices:
            return []
        fill = Fill(1, no.best, min(lots, no.sizes[-1]))
        order_id, client_id = self._uuid(), self._uuid()
        plan = Plan((Change(1, fill.price, -fill.lots),), (fill,))
        messages = self.carry_out(plan, now_ms, own=client_id)
        self._position += fill.lots
        return messages + self._told_to_owner(fill, order_id, client_id)

    def _told_to_owner(self, fill: Fill, order_id: str, client_id: str) -> list[Message]:
        ts_ms, ticker, price = self._clock_ms, self.spec.ticker, PIPS - fill.price
        cost = _dollars(price * fill.lots)
        fee = _dollars(7 * price * (PIPS - price) * fill.lots // (100 * PIPS))
        side = {"outcome_side": "yes", "book_side": "bid"}
        head = {"trade_id": self._uuid(), "order_id": order_id, "market_ticker": ticker}
        fill_body = head | side | {
            "exchange_index": self.spec.exchange_index, "is_taker": True, "side": "yes",
            "action": "buy", "purchased_side": "yes", "yes_price_dollars": price_text(price),
            "count_fp": size_text(fill.lots), "fee_cost": fee,
            "post_position_fp": size_text(self._position), "client_order_id": client_id,
            "ts": ts_ms // 1000, "ts_ms": ts_ms,
        }  # fmt: skip
        order_body = side | {
            "order_id": order_id, "user_id": _USER_ID, "ticker": ticker, "is_yes": True,
            "exchange_index": self.spec.exchange_index, "status": "executed", "side": "yes",
            "yes_price_dollars": price_text(price), "fill_count_fp": size_text(fill.lots),
            "remaining_count_fp": "0.00", "initial_count_fp": size_text(fill.lots),
            "taker_fill_cost_dollars": cost, "maker_fill_cost_dollars": "0.000000",
            "taker_fees_dollars": fee, "maker_fees_dollars": "0.000000",
            "client_order_id": client_id, "created_time": wire.rfc3339(ts_ms),
            "created_ts_ms": ts_ms, "last_update_reason": "Trade",
        }  # fmt: skip
        position_body = {
            "user_id": _USER_ID, "market_ticker": ticker,
            "position_fp": size_text(self._position), "position_cost_dollars": cost,
            "realized_pnl_dollars": "0.000000", "fees_paid_dollars": fee,
            "position_fee_cost_dollars": fee, "volume_fp": size_text(fill.lots),
        }  # fmt: skip
        return [
            Message("fill", "fill", ticker, ts_ms, wire.dump(fill_body)),
            Message("user_orders", "user_order", ticker, ts_ms, wire.dump(order_body)),
            Message("market_positions", "market_position", ticker, ts_ms, wire.dump(position_body)),
        ]

    # its life

    def created(self, now_ms: int) -> list[Message]:
        """The announcement of the market."""
        spec = self.spec
        metadata: dict[str, Any] = {
            "name": spec.title,
            "title": spec.title,
            "yes_sub_title": self.yes_sub_title,
            "no_sub_title": self.yes_sub_title,
            "rules_primary": self.rules,
            "rules_secondary": "",
            "can_close_early": True,
            "event_ticker": spec.event_ticker,
            "expected_expiration_ts": spec.close_ms // 1000 + 300,
            "strike_type": spec.strike_type,
        }
        if self.floor_strike is not None:
            metadata["floor_strike"] = self.floor_strike
        members = {
            "exchange_index": spec.exchange_index,
            "open_ts": spec.open_ms // 1000,
            "close_ts": self.close_ms // 1000,
            "price_level_structure": self.structure,
            "price_ranges": wire.price_ranges(self.structure),
            "additional_metadata": metadata,
        }
        return [self._lifecycle("created", now_ms, members)]

    @property
    def rules(self) -> str:
        """What decides it, in words."""
        return self.spec.rules or f"Resolves to YES if {self.spec.title}, as chance decides."

    @property
    def yes_sub_title(self) -> str:
        """What YES stands for; a placeholder while the strike is unknown."""
        if self.spec.strike_at_open and self.floor_strike is None:
            return "Target price: TBD"
        return self.spec.yes_sub_title

    def open(self) -> list[Message]:
        """Opens; nobody is told. Orders come one by one."""
        if self.status == "initialized":
            self.status = "active"
        return []

    def publish_strike(self, now_ms: int) -> list[Message]:
        """Tells the strike that was not known before."""
        self.floor_strike = self.spec.floor_strike
        members = {"floor_strike": self.floor_strike, "yes_sub_title": self.spec.yes_sub_title}
        return [self._lifecycle("metadata_updated", now_ms, members)]

    def pause(self, now_ms: int) -> list[Message]:
        """Stops trading for a while."""
        if self.status != "active":
            return []
        self.status = "inactive"
        return [self._lifecycle("deactivated", now_ms, {"is_deactivated": True})]

    def unpause(self, now_ms: int) -> list[Message]:
        """Goes on after a pause; the orders that rested are gone."""
        if self.status != "inactive":
            return []
        emptied = self.empty(now_ms)
        self.status = "active"
        return [*emptied, self._lifecycle("activated", now_ms, {"is_deactivated": False})]

    def cancel(self, now_ms: int) -> list[Message]:
        """Takes a part of one level away, which can be done even while nothing trades."""
        deep = [change for change in self.crowd.cancel_all() if change.delta <= -2]
        if not deep:
            return []
        change = self._rng.choice(deep)
        return self.carry_out(Plan((change._replace(delta=change.delta // 2),)), now_ms)

    def empty(self, now_ms: int) -> list[Message]:
        """Cancels every order, told by changes or by an empty snapshot."""
        if self._rng.random() >= _EMPTIED_BY_SNAPSHOT:
            return self.carry_out(Plan(self.crowd.cancel_all()), now_ms)
        for change in self.crowd.cancel_all():
            self._apply(change)
        ts_ms = self._now(now_ms)
        snapshot = wire.snapshot(self.identity, self.levels(), ts_ms)
        return [snapshot, *self._ticker_if_changed(ts_ms)]

    def move_close(self, now_ms: int) -> list[Message]:
        """Decides to close right now instead of later."""
        self.close_ms = now_ms
        return [self._lifecycle("close_date_updated", now_ms, {"close_ts": now_ms // 1000})]

    def close(self, now_ms: int) -> list[Message]:
        """Closes; only the book shows it."""
        if self.over:
            return []
        self.status = "closed"
        return self.empty(now_ms)

    def determine(self, now_ms: int) -> list[Message]:
        """Announces the result."""
        self.status = "determined"
        members = {
            "result": self.spec.result,
            "determination_ts": now_ms // 1000,
            "settlement_value": self.settlement_text,
        }
        return [self._lifecycle("determined", now_ms, members)]

    def settle(self, now_ms: int) -> list[Message]:
        """Pays out."""
        self.status = "finalized"
        self.settled_ms = now_ms
        return [self._lifecycle("settled", now_ms, {"settled_ts": now_ms // 1000})]

    @property
    def settlement_text(self) -> str:
        """What YES is worth in the end."""
        return price_text(PIPS if self.spec.result == "yes" else 0)

    def restructure(self, structure: str, now_ms: int) -> list[Message]:
        """Changes the price grid; resting orders stay where they are."""
        self.structure = structure
        self.crowd.grid = grid_of(structure)
        members = {
            "price_level_structure": structure,
            "price_ranges": wire.price_ranges(structure),
        }
        return [self._lifecycle("price_level_structure_updated", now_ms, members)]

    def _lifecycle(self, event_type: str, now_ms: int, members: dict[str, Any]) -> Message:
        return wire.lifecycle(event_type, self.spec.ticker, self._now(now_ms), members)


_USER_ID: Final = "7d2f0c1e-5a6b-4c3d-8e9f-0a1b2c3d4e5f"


def _dollars(pips_lots: int) -> str:
    """A sum of price times size (1e-4 dollar times 0.01 contract) with six decimals."""
    scale = PIPS * LOTS
    return f"{pips_lots // scale}.{pips_lots % scale:06d}"
