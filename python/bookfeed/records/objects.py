"""Records and books as plain objects, for JSON: the one place that says what their keys are.

Numbers are exact: prices, sizes and money are decimals in text, times Unix nanoseconds, what is
absent ``None``, codes words. Every sink and the server write these, so that whoever has read one
of them can read all. ``record`` says what an object is; ``docs/sinks.md`` lists the keys.
"""

from collections.abc import Container
from typing import Any, Final, Literal

from bookfeed._bookfeed import BookView, format_price, format_qty
from bookfeed.names import Name
from bookfeed.records.levels import LevelChanges
from bookfeed.records.signal import Leg, Signal
from bookfeed.records.update import Update
from bookfeed.words import State

BELIEVED: Final[frozenset[State]] = frozenset({"live", "live_poll"})
"""States of books whose prices are told to others unless they choose."""


def update_object(update: Update, name: Name) -> dict[str, Any]:
    """An update."""
    return {
        "record": "update",
        "kind": update.kind,
        "ts_recv": update.ts_recv,
        "ts_event": update.ts_event,
        "ts_evidence": update.ts_evidence,
        "seq": update.seq,
        "venue": name.venue,
        "market": name.market,
        "outcome": name.outcome,
        "symbol": update.symbol,
        "instrument": update.instrument,
        "conn": update.conn,
        "epoch": update.epoch,
        "state": update.state,
        "cause": update.cause,
        "bid": _price(update.bid_e9),
        "bid_qty": _qty(update.bid_qty_e8),
        "ask": _price(update.ask_e9),
        "ask_qty": _qty(update.ask_qty_e8),
        "price": _price(update.price_e9),
        "qty": _qty(update.qty_e8),
        "aggressor": update.aggressor,
        "off_book": update.off_book,
        "touch_changed": update.touch_changed,
        "hash_verified": update.hash_verified,
        "gap": update.gap,
    }


def book_object(
    book: BookView, name: Name, depth: int, told: Container[State] = BELIEVED
) -> dict[str, Any]:
    """A book as it stands, with at most ``depth`` levels a side, the best first.

    A book in a state that is not among those ``told`` has its state and cause and no price at all,
    so that nobody who leaves the state unread can act on one. ``book`` should be frozen, or its
    sides may be of two moments.
    """
    seen = book.state in told
    bids = _levels(book, "bid", depth) if seen else []
    asks = _levels(book, "ask", depth) if seen else []
    bid, bid_qty = bids[0] if bids else (None, None)
    ask, ask_qty = asks[0] if asks else (None, None)
    return {
        "record": "book",
        "ts_recv": book.ts_recv,
        "ts_event": book.ts_event,
        "ts_evidence": book.ts_evidence,
        "venue": name.venue,
        "market": name.market,
        "outcome": name.outcome,
        "symbol": name.symbol,
        "instrument": book.instrument,
        "epoch": book.epoch,
        "state": book.state,
        "cause": book.cause,
        "bid": bid,
        "bid_qty": bid_qty,
        "ask": ask,
        "ask_qty": ask_qty,
        "bids": bids[:depth],
        "asks": asks[:depth],
    }


def _levels(book: BookView, side: Literal["bid", "ask"], depth: int) -> list[list[str]]:
    """At least the best one, which is wanted whatever the depth."""
    levels = book.levels_exact(side, max(depth, 1)).tolist()
    return [[format_price(price_e9), format_qty(qty_e8)] for price_e9, qty_e8 in levels]


def levels_object(changes: LevelChanges, name: Name) -> dict[str, Any]:
    """What one message did to the levels of one book."""
    return {
        "record": "levels",
        "ts_recv": changes.ts_recv,
        "venue": name.venue,
        "market": name.market,
        "outcome": name.outcome,
        "symbol": changes.symbol,
        "instrument": changes.instrument,
        "state": changes.state,
        "cause": changes.cause,
        "whole": changes.whole,
        "changes": [
            {
                "side": change.side,
                "price": format_price(change.price_e9),
                "old_qty": format_qty(change.old_qty_e8),
                "new_qty": format_qty(change.new_qty_e8),
            }
            for change in changes.changes
        ],
    }


def signal_object(signal: Signal) -> dict[str, Any]:
    """A signal with its legs."""
    return {
        "record": "signal",
        "phase": signal.phase,
        "reason": signal.reason,
        "ts_recv": signal.ts_recv,
        "ts_open": signal.ts_open,
        "seq": signal.seq,
        "id": signal.id,
        "rule": signal.rule,
        "rule_id": signal.rule_id,
        "name": signal.name,
        "direction": signal.direction,
        "qty": _qty(signal.qty_e8),
        "gross_edge": _price(signal.gross_edge_e9),
        "net_edge": _price(signal.net_edge_e9),
        "maker_edge": _price(signal.maker_edge_e9),
        "peak_edge": _price(signal.peak_edge_e9),
        "value": _price(signal.value_e9),
        "fee": _price(signal.fee_e9),
        "capital": _price(signal.capital_e9),
        "qty_open": _qty(signal.qty_open_e8),
        "skew_ns": signal.skew_ns,
        "lag_ns": signal.lag_ns,
        "both_lose": signal.both_lose,
        "both_win": signal.both_win,
        "legs": [_leg_object(leg) for leg in signal.legs],
    }


def _leg_object(leg: Leg) -> dict[str, Any]:
    """A leg of a signal."""
    return {
        "venue": leg.venue,
        "market": leg.market,
        "outcome": leg.outcome,
        "symbol": leg.symbol,
        "instrument": leg.instrument,
        "epoch": leg.epoch,
        "state": leg.state,
        "side": leg.side,
        "view": leg.view,
        "qty": _qty(leg.qty_e8),
        "avg_price": _price(leg.avg_price_e9),
        "worst_price": _price(leg.worst_price_e9),
        "fee": _price(leg.fee_e9),
        "maker_fee": _price(leg.maker_fee_e9),
        "age_ns": leg.age_ns,
    }


def _price(value_e9: int | None) -> str | None:
    return None if value_e9 is None else format_price(value_e9)


def _qty(value_e8: int | None) -> str | None:
    return None if value_e8 is None else format_qty(value_e8)
