"""One simulated market: two outcome tokens, their book or books, and the messages they cause.

A mirrored market has one book: the bids of either outcome are the asks of the other, and every
change is told for both. An unmirrored market has a book of its own for each outcome, so that
buying both can really cost less than 1, with both hashes valid, for as long as a dislocation
lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final, Literal, NamedTuple

from bookfeed.sim.polymarket import wire
from bookfeed.sim.polymarket.dynamics import Crowd, Op, Plan, Trade
from bookfeed.sim.polymarket.ladder import PIPS, PRICE_TEXT, Ladder
from bookfeed.sim.polymarket.wire import Asset, Change, Message, Terms

_BOOK_APART_MS_MAX: Final = 7
_PRINT_LATE_MS_MAX: Final = 90
_TICK_BOOK_EARLY_MS: Final = 7
_DISLOCATED_MS: Final = (30, 400)
_DISLOCATION_PAST_FEES: Final = 0.7
_DISLOCATED_LEVELS_MAX: Final = 12
_BATCH_FRAMES_MAX: Final = 4


class Late(NamedTuple):
    """A message that goes out ``delay_ms`` after the others of its step."""

    delay_ms: int
    message: Message


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """What a market is, as its listing would say; prices and rates as printed."""

    index: int
    condition_id: str
    asset_ids: tuple[str, str]
    question: str
    outcomes: tuple[str, str] = ("Yes", "No")
    tick: int = 100
    """Pips."""
    levels: int = 30
    """Levels a side the crowd keeps."""
    fair: int = 5000
    """Where the first outcome's price starts, pips."""
    min_order_size: str = "5"
    neg_risk: bool = False
    fee_rate: str = "0.07"
    fee_exponent: int = 1
    mirrored: bool = True
    one_sided: bool = False


@dataclass(slots=True)
class _Pair:
    """Two facing ladders and the assets that show them."""

    ladders: tuple[Ladder, Ladder]
    crowd: Crowd
    faces: tuple[Asset, ...]
    displaced: tuple[Op, ...] = ()
    """The order a dislocation placed, then the levels it took."""


class Market:
    """The state of one market; every method that changes it returns what the venue would send.

    All randomness comes from ``rng``, time from the caller in Unix milliseconds. With
    ``valid_hashes`` false, hashes are random digits: cheaper, and wrong.
    """

    def __init__(self, spec: MarketSpec, rng: Random, now_ms: int, *, valid_hashes: bool) -> None:
        self.spec = spec
        self.active = True
        self.winner: int | None = None
        """Which outcome came true, once it is decided."""
        self.terms = Terms(spec.min_order_size, spec.tick, spec.neg_risk)
        self._rng = rng
        self._valid_hashes = valid_hashes
        self._clock_ms = now_ms
        self._pairs = self._build()
        assets = {asset.index: asset for pair in self._pairs for asset in pair.faces}
        self.assets: tuple[Asset, Asset] = (assets[0], assets[1])
        self._set_last_trade(spec.fair, now_ms)
        for asset in self.assets:
            asset.shown_touch = (asset.best_bid, asset.best_ask)

    def _build(self) -> tuple[_Pair, ...]:
        spec, rng = self.spec, self._rng
        one, two = (Ladder(), Ladder()), (Ladder(), Ladder())
        if spec.mirrored:
            crowd = Crowd(rng, one, spec.tick, spec.levels)
            crowd.populate(spec.fair, one_sided=spec.one_sided)
            return (_Pair(one, crowd, (self._asset(0, *one), self._asset(1, *one[::-1]))),)
        leader = Crowd(rng, one, spec.tick, spec.levels, twin=two)
        leader.populate(spec.fair)
        follower = Crowd(rng, two, spec.tick, spec.levels, twin=one, follows=True)
        follower.populate(PIPS - spec.fair)
        return (
            _Pair(one, leader, (self._asset(0, *one),)),
            _Pair(two, follower, (self._asset(1, *two),)),
        )

    def _asset(self, index: int, bids: Ladder, asks: Ladder) -> Asset:
        return Asset(self.spec.condition_id, self.spec.asset_ids[index], index, bids, asks)

    def _stamp(self, asset: Asset, ts_ms: int) -> None:
        hash_value = None if self._valid_hashes else f"{self._rng.getrandbits(160):040x}"
        asset.stamp(ts_ms, hash_value)

    def _set_last_trade(self, price: int, ts_ms: int) -> None:
        """Both books carry the same last trade price, in the terms it was printed in."""
        self.terms.last_trade_price = wire.last_trade_text(price)
        self._refresh_terms(ts_ms)

    def _refresh_terms(self, ts_ms: int) -> None:
        for asset in self.assets:
            asset.set_terms(self.terms)
            self._stamp(asset, ts_ms)

    def _now(self, now_ms: int) -> int:
        self._clock_ms = max(self._clock_ms, now_ms)
        return self._clock_ms

    def step(self, now_ms: int) -> tuple[list[Message], Late | None]:
        """Lets the crowd act once; returns the messages in order, and one that comes late."""
        pairs = self._pairs
        pair = pairs[0] if len(pairs) == 1 or self._rng.random() < 0.5 else pairs[1]
        return self._carry_out(pair, pair.crowd.next(), now_ms)

    def _carry_out(self, pair: _Pair, plan: Plan, now_ms: int) -> tuple[list[Message], Late | None]:
        ts_ms = self._now(now_ms)
        for side, price, size in plan.ops:
            pair.ladders[side].put(price, size)
        late = None
        before: list[Message] = []
        after: list[Message] = []
        if plan.trade:
            late = self._print_trade(pair, plan.trade, ts_ms, before, after)
        else:
            for asset in pair.faces:
                self._stamp(asset, ts_ms)
        messages = self._announce(pair, plan, ts_ms)
        if plan.trade:
            messages += before
            messages += self._trade_books(pair, ts_ms)
            messages += after
        for asset in pair.faces:
            touch = (asset.best_bid, asset.best_ask)
            if touch != asset.shown_touch:
                asset.shown_touch = touch
                messages.append(wire.best_bid_ask(self.spec.index, asset, self._clock_ms))
        return messages, late

    def _announce(self, pair: _Pair, plan: Plan, ts_ms: int) -> list[Message]:
        market, market_id = self.spec.index, self.spec.condition_id
        if plan.announce == "books":
            return []
        if plan.announce == "frame":
            changes = [change for op in plan.ops for change in self._changes(pair, op)]
            return [wire.price_change(market, market_id, ts_ms, changes)]
        last = len(plan.ops) - 1
        return [
            wire.price_change(
                market, market_id, ts_ms, self._changes(pair, op), torn=number != last
            )
            for number, op in enumerate(plan.ops)
        ]

    def _changes(self, pair: _Pair, op: Op) -> list[Change]:
        """The op as each face of the book sees it, the asset it was made on first."""
        side, price, size = op
        ladder = pair.ladders[side]
        changes = [
            Change(asset, True, price, size)
            if asset.bids is ladder
            else Change(asset, False, PIPS - price, size)
            for asset in pair.faces
        ]
        if len(changes) > 1 and self._rng.random() < 0.5:
            changes.reverse()
        return changes

    def _trade_books(self, pair: _Pair, ts_ms: int) -> list[Message]:
        faces: Sequence[Asset] = pair.faces
        if len(faces) > 1 and self._rng.random() < 0.5:
            faces = faces[::-1]
        messages = [wire.trade_book(self.spec.index, faces[0])]
        for asset in faces[1:]:
            if self._rng.random() < 0.25:
                ts_ms = self._now(ts_ms + 1 + int(self._rng.random() * _BOOK_APART_MS_MAX))
                self._stamp(asset, ts_ms)
            messages.append(wire.trade_book(self.spec.index, asset))
        return messages

    def _print_trade(
        self, pair: _Pair, trade: Trade, ts_ms: int, before: list[Message], after: list[Message]
    ) -> Late | None:
        """Prints the trade on one asset, before the books, after them or late."""
        rng = self._rng
        asset = pair.faces[trade.side if self.spec.mirrored else 0]
        if self.spec.mirrored and rng.random() < 0.5:
            asset = self.assets[1 - asset.index]
        sold = asset.bids is pair.ladders[trade.side]
        price = trade.price if sold else PIPS - trade.price
        self._set_last_trade(price, ts_ms)
        when = rng.random()
        delay_ms = 1 + int(rng.random() * _PRINT_LATE_MS_MAX) if when >= 0.7 else 0
        message = wire.last_trade_price(
            self.spec.index,
            asset,
            ts_ms + delay_ms,
            price=price,
            size=trade.size,
            side="SELL" if sold else "BUY",
            tx=rng.getrandbits(256),
        )
        if delay_ms:
            return Late(delay_ms, message)
        (before if when < 0.4 else after).append(message)
        return None

    def change_tick(self, now_ms: int) -> list[Message]:
        """Moves to the finer or the coarser of 0.01 and 0.001, with fresh books.

        When the grid gets coarser the books come first and the notice 7 ms later; when it gets
        finer the notice comes first. Levels off the new grid are gone.
        """
        old = self.terms.tick
        new = 10 if old > 10 else 100
        ts_ms = self._now(now_ms)
        for pair in self._pairs:
            pair.crowd.tick = new
            for ladder in pair.ladders:
                for price in [price for price in ladder.prices if price % new]:
                    ladder.put(price, 0)
            if new > old:
                self._thicken(pair, new)
        self.terms.tick = new
        self._refresh_terms(ts_ms)
        books = [wire.trade_book(self.spec.index, asset) for asset in self.assets]
        notice_ms = self._now(ts_ms + _TICK_BOOK_EARLY_MS) if new > old else ts_ms
        notices = [
            wire.tick_size_change(self.spec.index, asset, notice_ms, old=old, new=new)
            for asset in self.assets
        ]
        for asset in self.assets:
            asset.shown_touch = (asset.best_bid, asset.best_ask)
        return books + notices if new > old else notices + books

    def _thicken(self, pair: _Pair, tick: int) -> None:
        """Brings ladders that the coarser grid has emptied back to life, below their touch."""
        for ladder, other in (pair.ladders, pair.ladders[::-1]):
            top = ladder.best or PIPS - other.best - 2 * tick
            top -= top % tick
            for price in range(top, max(0, top - 8 * tick), -tick):
                if not ladder.size_at(price):
                    ladder.put(price, pair.crowd.size())

    def resolve(self, now_ms: int, winner: int | None = None) -> list[Message]:
        """Ends the market, by chance unless a ``winner`` is given; nothing more comes from it."""
        self.active = False
        if winner is None:
            winner = 0 if self._rng.random() < 0.5 else 1
        self.winner = winner
        spec = self.spec
        ts_ms = self._now(now_ms)
        return [wire.market_resolved(spec.index, self.assets, spec.outcomes, ts_ms, winner)]

    def dislocate(self, now_ms: int) -> tuple[list[Message], Late | None, int]:
        """Tears the second outcome's book of an unmirrored market away from the first's.

        Returns the messages, a late one, and how many ms until ``restore`` is due; 0 and no
        messages when the books leave no room for it.
        """
        rng = self._rng
        first, second = self._pairs
        side = 0 if rng.random() < 0.5 else 1
        # Side 0 makes the two asks sum to less than 1, side 1 the two bids to more.
        limit = first.ladders[1 - side].best - self._edge()
        limit -= limit % self.terms.tick
        ladder = second.ladders[side]
        swept = [price for price in ladder.prices if price >= limit]
        if limit <= 0 or len(swept) > min(_DISLOCATED_LEVELS_MAX, len(ladder) - 1):
            return [], None, 0
        total = sum(ladder.size_at(price) for price in swept)
        rest = Op(1 - side, PIPS - limit, second.crowd.size())
        second.displaced = (rest, *(Op(side, price, ladder.size_at(price)) for price in swept))
        ops = (rest, *(Op(side, price, 0) for price in reversed(swept)))
        trade = Trade(side, swept[0], total) if swept else None
        messages, late = self._carry_out(second, Plan(ops, _telling(ops), trade), now_ms)
        low, high = _DISLOCATED_MS
        return messages, late, low + int(rng.random() * (high - low))

    def _edge(self) -> int:
        """How far to overshoot, pips: most times more than both taker fees, else less."""
        tick = self.terms.tick
        touch = self.assets[0].best_ask
        rate = int(Decimal(self.spec.fee_rate) * PIPS)
        fees = 2 * rate * touch * (PIPS - touch) // PIPS**2
        if self._rng.random() < _DISLOCATION_PAST_FEES:
            return fees + tick * (1 + int(self._rng.random() * 3))
        return tick

    def restore(self, now_ms: int) -> tuple[list[Message], Late | None]:
        """Puts the second book back to where the last dislocation found it, where it may."""
        pair = self._pairs[1]
        if not pair.displaced:
            return [], None
        rest, *swept = pair.displaced
        pair.displaced = ()
        facing = pair.ladders[rest.side]
        ops = []
        if facing.size_at(rest.price):
            ops.append(rest._replace(size=0))
        left = [price for price in facing.prices if price != rest.price]
        best = left[-1] if left else 0
        leader = self._pairs[0].ladders
        ops += [
            op for op in swept if op.price + best < PIPS and op.price + leader[op.side].best <= PIPS
        ]
        if not ops:
            return [], None
        return self._carry_out(pair, Plan(tuple(ops), _telling(ops)), now_ms)

    @property
    def dislocated(self) -> bool:
        """Whether a dislocation waits to be undone."""
        return any(pair.displaced for pair in self._pairs)

    @property
    def tick_text(self) -> str:
        """The present tick size as printed."""
        return PRICE_TEXT[self.terms.tick]


def _telling(ops: Sequence[Op]) -> Literal["frame", "frames"]:
    """A batch of frames while it is short, one frame of many entries beyond that."""
    return "frames" if len(ops) <= _BATCH_FRAMES_MAX else "frame"
