"""``OwnState``: orders and positions of one account, from whatever was heard of them.

No sockets, no clock: claims go in, and what they changed comes out. Channels lose messages, repeat
them and mix their order, and REST answers overlap with both. So nothing here depends on order:

* A fill is known by what is unique about it (``FillKey``). Its status only goes forward.
* Of two claims about an order the one that is further along stands: ended, then more filled, then
  later. An answer by REST that was asked for long after an end was told may undo it.
* Positions are computed from fills, in the venue's order of them, whenever they are asked for.
* An order that is filled further than the fills that are known, or a position that is another
  than the fills give, is a doubt; so are messages that contradict each other.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.own.events import (
    SETTLED,
    FillKey,
    FillStatus,
    OrderStatus,
    OwnClaim,
    OwnEvent,
    OwnFill,
    OwnGroup,
    OwnOrder,
    OwnPosition,
)
from bookfeed.own.position import NOTHING, Anchor, walk

# How far an answer by REST may lag behind the channel.
REST_LAG_NS: Final = 5 * NS_PER_S
# How long REST has to leave a gap before it is taken for what it is.
ACCEPT_NS: Final = 30 * NS_PER_S

_FILL_RANK: Final[Mapping[FillStatus, int]] = {
    "matched": 0,
    "retrying": 1,
    "mined": 2,
    "confirmed": 3,
    "failed": 3,
}
_ORDER_RANK: Final[Mapping[OrderStatus, int]] = {
    "unknown": 0,
    "delayed": 1,
    "open": 2,
    "canceled": 3,
    "invalid": 3,
    "filled": 4,
}


class OwnState:
    """What is known of one account on ``venue``.

    ``nets`` says that the venue turns a sale of more than is held into shares of the other side.
    """

    def __init__(self, venue: str, *, nets: bool) -> None:
        self.venue: Final = venue
        self._nets: Final = nets
        self._orders: Final[dict[str, OwnOrder]] = {}
        self._fills: Final[dict[FillKey, OwnFill]] = {}
        self._by_symbol: Final[dict[str, dict[FillKey, OwnFill]]] = {}
        self._filled_e8: Final[dict[str, int]] = {}
        # How far an order was filled by fills that nobody told, as REST left it.
        self._untold_e8: Final[dict[str, int]] = {}
        self._anchors: Final[dict[str, Anchor]] = {}
        # The fills that are in the anchors already.
        self._anchored: frozenset[FillKey] = frozenset()
        self._market_of: Final[dict[str, str]] = {}
        # Before it everything was condensed.
        self._horizon_ns = 0
        self._claims: Final[dict[str, int]] = {}
        self._positions: Final[dict[str, OwnPosition]] = {}
        self._doubts: Final[dict[str, int]] = {}
        self.order_changes = 0
        """How often an order became another; what rests is the same while this is."""
        self.duplicates = 0
        """Claims that said nothing new."""
        self.contradictions = 0
        """Claims that cannot both be true."""

    # What is asked.

    def order(self, order_id: str) -> OwnOrder | None:
        """An order that was heard of, ended ones included."""
        return self._orders.get(order_id)

    def open_orders(self) -> tuple[OwnOrder, ...]:
        """The orders that have not ended, in the order in which they were heard of."""
        return tuple(order for order in self._orders.values() if not order.ended)

    def fills(self) -> tuple[OwnFill, ...]:
        """Every fill that was told, by the venue's time."""
        return tuple(sorted(self._fills.values(), key=_when))

    def positions(self) -> tuple[OwnPosition, ...]:
        """What is held or was traded, by symbol."""
        symbols = sorted(self._by_symbol.keys() | self._anchors.keys())
        return tuple(self.position(symbol) for symbol in symbols)

    def position(self, symbol: str) -> OwnPosition:
        """What is held of one book; nothing, where nothing was heard of it."""
        found = self._positions.get(symbol)
        if found is None:
            fills = sorted(self._by_symbol.get(symbol, {}).values(), key=_when)
            fresh = (fill for fill in fills if fill.key not in self._anchored)
            found = self._positions[symbol] = self._walk(symbol, fresh)
        return found

    def resting_e8(self) -> dict[str, dict[tuple[str, int], int]]:
        """What rests by symbol: in 1e-8 shares by side and price in 1e-9."""
        found: dict[str, dict[tuple[str, int], int]] = {}
        for order in self._orders.values():
            if order.status == "open" and order.price_e9 is not None and order.remaining_e8 > 0:
                place = ("bid" if order.side == "buy" else "ask", order.price_e9)
                sizes = found.setdefault(order.symbol, {})
                sizes[place] = sizes.get(place, 0) + order.remaining_e8
        return found

    def doubts(self, before_ns: int) -> tuple[str, ...]:
        """What has not fitted together since ``before_ns`` or earlier, in words."""
        return tuple(what for what, since_ns in self._doubts.items() if since_ns <= before_ns)

    @property
    def unsettled_since_ns(self) -> int | None:
        """The venue's time of the oldest fill of which more may become; ``None`` without one."""
        times = (f.ts_event for f in self._fills.values() if f.status not in SETTLED)
        return min((ts for ts in times if ts is not None), default=None)

    @property
    def newest_ns(self) -> int:
        """The newest time that the venue stated of an order or a fill; 0 before there was one."""
        orders = (order.ts_event or 0 for order in self._orders.values())
        fills = (fill.ts_event or 0 for fill in self._fills.values())
        return max((*orders, *fills), default=0)

    def knows(self, key: FillKey) -> bool:
        """Whether a fill was told."""
        return key in self._fills

    def keys(self) -> frozenset[FillKey]:
        """The fills that were told."""
        return frozenset(self._fills)

    def disagreeing(self, since_ns: int) -> str | None:
        """A book whose position is another than the venue stated with its last fill, if there was
        one since ``since_ns``, by the venue's time; ``None`` if there is no such book.
        """
        for symbol, fills in self._by_symbol.items():
            last = max(fills.values(), key=_when, default=None)
            if last is None or last.post_position_e8 is None or (last.ts_event or 0) < since_ns:
                continue
            alone = sum(fill.ts_event == last.ts_event for fill in fills.values()) == 1
            if alone and last.post_position_e8 != self.position(symbol).qty_e8:
                return symbol
        return None

    # What is told.

    def apply(self, event: OwnEvent, *, asked_ns: int | None = None) -> OwnEvent | None:
        """Take what was told; returns it as it stands now, ``None`` if it says nothing new.

        ``asked_ns`` is when an answer by REST was asked for.
        """
        match event:
            case OwnFill():
                return self._apply_fill(event)
            case OwnOrder():
                return self._apply_order(event, asked_ns)
            case OwnClaim():
                return self._apply_claim(event)
            case OwnGroup():
                return event
            case _:
                raise TypeError(f"{type(event).__name__} is not told by a venue")

    def _apply_fill(self, fill: OwnFill) -> OwnFill | None:
        known = self._fills.get(fill.key)
        if known is None and self._is_old(fill.ts_event):
            self.duplicates += 1
            return None
        self._market_of.setdefault(fill.symbol, fill.market)
        if known is None:
            self._filled_e8[fill.key.order_id] = (
                self._filled_e8.get(fill.key.order_id, 0) + fill.qty_e8
            )
        else:
            newer = self._later_fill(known, fill)
            if newer is None:
                self.duplicates += 1
                return None
            fill = newer
        self._fills[fill.key] = fill
        self._by_symbol.setdefault(fill.symbol, {})[fill.key] = fill
        self._positions.pop(fill.symbol, None)
        self._weigh_order(fill.key.order_id, fill.ts_recv)
        self._weigh_position(fill.symbol, fill.ts_recv)
        return fill

    def _later_fill(self, known: OwnFill, told: OwnFill) -> OwnFill | None:
        """What to make of a fill that is told again; ``None`` if nothing."""
        same = (known.symbol, known.side, known.price_e9, known.qty_e8) == (
            told.symbol,
            told.side,
            told.price_e9,
            told.qty_e8,
        )
        ends = {known.status, told.status} == {"confirmed", "failed"}
        if not same or ends:
            self.contradictions += 1
            if not same:
                self._doubts.setdefault(f"trade {told.key.trade_id} was told twice", told.ts_recv)
            # Of two words about one thing that cannot both be true, that of REST counts.
            return told if same and told.source == "rest" else None
        if _FILL_RANK[told.status] <= _FILL_RANK[known.status]:
            return None
        return replace(
            told,
            fee_e9=known.fee_e9 if told.fee_e9 is None else told.fee_e9,
            transaction=told.transaction or known.transaction,
            post_position_e8=known.post_position_e8
            if told.post_position_e8 is None
            else told.post_position_e8,
            ts_event=told.ts_event if known.ts_event is None else known.ts_event,
        )

    def _apply_order(self, order: OwnOrder, asked_ns: int | None) -> OwnOrder | None:
        known = self._orders.get(order.order_id)
        if known is None and asked_ns is None and self._is_old(order.ts_event):
            self.duplicates += 1
            return None
        if known is not None:
            reopens = (
                known.ended
                and not order.ended
                and asked_ns is not None
                and known.ts_recv < asked_ns - REST_LAG_NS
            )
            if not reopens and _progress(order) <= _progress(known):
                self.duplicates += 1
                return None
            order = replace(
                order,
                filled_e8=max(order.filled_e8, known.filled_e8),
                ts_created=order.ts_created or known.ts_created,
                client_order_id=order.client_order_id or known.client_order_id,
                group=order.group or known.group,
            )
        self._orders[order.order_id] = order
        self.order_changes += 1
        self._weigh_order(order.order_id, order.ts_recv)
        return order

    def _apply_claim(self, claim: OwnClaim) -> OwnClaim | None:
        known = self._claims.get(claim.symbol)
        self._claims[claim.symbol] = claim.qty_e8
        self._weigh_position(claim.symbol, claim.ts_recv)
        if known == claim.qty_e8:
            self.duplicates += 1
            return None
        return claim

    # Doubts.

    def _weigh_order(self, order_id: str, now_ns: int) -> None:
        order = self._orders.get(order_id)
        if order is None:
            return
        told = self._filled_e8.get(order_id, 0) + self._untold_e8.get(order_id, 0)
        self._doubt(_doubt_of(order_id), order.filled_e8 > told, now_ns)

    def _weigh_position(self, symbol: str, now_ns: int) -> None:
        claimed = self._claims.get(symbol)
        if claimed is not None:
            differs = claimed != self.position(symbol).qty_e8
            self._doubt(f"the position in {symbol} is another than its fills", differs, now_ns)

    def _doubt(self, what: str, doubtful: bool, now_ns: int) -> None:
        if doubtful:
            self._doubts.setdefault(what, now_ns)
        else:
            self._doubts.pop(what, None)

    def doubt(self, what: str, now_ns: int) -> None:
        """Something else does not fit, such as a number that is missing in a stream."""
        self._doubts.setdefault(what, now_ns)

    # What REST settles.

    def anchor(self, rows: Iterable[OwnClaim], included: Collection[FillKey]) -> None:
        """Take the venue's own positions, which contain the fills ``included``.

        Books of which there is no row are not held.
        """
        self._anchored = frozenset(included)
        self._anchors.clear()
        for row in rows:
            self._anchors[row.symbol] = Anchor(
                row.qty_e8, row.cost_e17, row.realised_e17, row.fees_e9
            )
        self._claims.clear()
        self._positions.clear()

    def settle(self, now_ns: int) -> tuple[str, ...]:
        """REST has told all it has: what could be mended is, and what was not is accepted in time.

        Fills of orders that are older than what is known of fills are nobody's fault where
        positions come from the venue. Elsewhere a gap that REST has left for ``ACCEPT_NS`` is
        taken for what it is; returned are those, in words.
        """
        accepted = []
        for order_id, order in self._orders.items():
            gap_e8 = order.filled_e8 - self._filled_e8.get(order_id, 0)
            doubt = _doubt_of(order_id)
            since_ns = self._doubts.get(doubt, now_ns)
            if gap_e8 <= self._untold_e8.get(order_id, 0):
                continue
            if self._nets or since_ns <= now_ns - ACCEPT_NS:
                self._untold_e8[order_id] = gap_e8
                if not self._nets:
                    accepted.append(doubt)
        self._doubts.clear()
        for order_id in self._orders:
            self._weigh_order(order_id, now_ns)
        return tuple(accepted)

    def forget(self, before_ns: int) -> None:
        """Condense what was settled before ``before_ns``, by the venue's time, into positions.

        What is told of it again from here on is taken for a repetition.
        """
        self._horizon_ns = before_ns
        for symbol, fills in self._by_symbol.items():
            old = []
            for fill in sorted(fills.values(), key=_when):
                if (fill.ts_event or 0) >= before_ns or fill.status not in SETTLED:
                    break
                old.append(fill)
            if not old:
                continue
            kept = [fill for fill in old if fill.key not in self._anchored]
            after = self._walk(symbol, kept)
            self._anchors[symbol] = Anchor(
                after.qty_e8, after.cost_e17, after.realised_e17, after.fees_e9
            )
            for fill in old:
                del fills[fill.key], self._fills[fill.key]
        for order in list(self._orders.values()):
            if order.ended and (order.ts_event or 0) < before_ns:
                for known in (self._orders, self._filled_e8, self._untold_e8):
                    known.pop(order.order_id, None)
                self._doubts.pop(_doubt_of(order.order_id), None)
        self._positions.clear()

    def _walk(self, symbol: str, fills: Iterable[OwnFill]) -> OwnPosition:
        return walk(
            self._anchors.get(symbol, NOTHING),
            fills,
            venue=self.venue,
            market=self._market_of.get(symbol, symbol),
            symbol=symbol,
            nets=self._nets,
        )

    def _is_old(self, ts_event: int | None) -> bool:
        return ts_event is not None and ts_event < self._horizon_ns


def _when(fill: OwnFill) -> tuple[int, FillKey]:
    return fill.ts_event or 0, fill.key


def _progress(order: OwnOrder) -> tuple[bool, int, int, int]:
    return order.ended, order.filled_e8, order.ts_event or 0, _ORDER_RANK[order.status]


def _doubt_of(order_id: str) -> str:
    return f"order {order_id} is filled further than its fills"
