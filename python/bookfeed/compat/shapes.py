"""What the classes of this room answer with: dictionaries of plain values, for JSON and the like.

Prices and sizes are floats, times Unix nanoseconds, absent is ``None``. ``source`` says where an
answer is from: ``"live"``, the book may be believed now; ``"rest"``, it is what the venue said when
it was asked, at ``ts_evidence``; ``"none"``, nothing may be believed, and ``reason`` says why:
there are no prices in it then.
"""

from typing import Any, Final, Literal, NamedTuple

from bookfeed._bookfeed import BookView, Fill
from bookfeed.records import Signal, Update
from bookfeed.status import UP, FeedStatus

Source = Literal["live", "rest", "none"]

LEVELS_WEIGHED: Final = 5
"""So many levels a side are in an imbalance and in the depth of metrics."""
TRADES_S: Final = 60.0
"""Volume and flow are of so many seconds."""


class Answer(NamedTuple):
    """A book, and where it is from."""

    book: BookView
    source: Source
    reason: str
    """Why there is no better answer; empty where the book is live."""


def source_of(book: BookView) -> Source:
    """Where a book is from, by its own state."""
    return "live" if book.live else "rest" if book.polled else "none"


def answer(book: BookView, reason: str = "") -> Answer:
    """A book as it stands, with its state as the reason where it is not live."""
    told = "" if book.live else reason or f"{book.state}: {book.cause}"
    return Answer(book, source_of(book), told)


def orderbook(found: Answer, depth: int | None = None) -> dict[str, Any]:
    """``BookView.to_dict`` with ``source`` and ``reason``; no levels where it is ``"none"``."""
    told = found.book.to_dict(depth)
    if found.source == "none":
        told |= {"bids": [], "asks": []}
    return told | {"source": found.source, "reason": found.reason}


def metrics(found: Answer) -> dict[str, Any]:
    """Best prices, spread, mids, imbalance and depth of five levels, trades of a minute."""
    book = found.book
    bids, asks = (book.depth(side, LEVELS_WEIGHED) for side in ("bid", "ask"))
    trades = book.trades(TRADES_S)
    return {
        "venue": book.venue,
        "symbol": book.symbol,
        "source": found.source,
        "reason": found.reason,
        "best_bid": book.bid,
        "best_ask": book.ask,
        "best_bid_size": book.bid_qty,
        "best_ask_size": book.ask_qty,
        "mid_price": book.mid,
        "weighted_mid_price": book.weighted_mid,
        "spread": book.spread,
        "spread_bps": book.spread_bps,
        "imbalance": book.imbalance(LEVELS_WEIGHED),
        "bid_depth": None if bids is None else bids.qty,
        "ask_depth": None if asks is None else asks.qty,
        "bid_notional": None if bids is None else bids.notional,
        "ask_notional": None if asks is None else asks.notional,
        "last_price": book.last_price,
        "volume_60s": trades.volume,
        "flow_60s": trades.signed_flow,
        "ts_evidence": book.ts_evidence,
    }


def vwap(found: Answer, side: Literal["buy", "sell"], fill: Fill | None) -> dict[str, Any]:
    """What taking out of a book would execute; without prices where nothing would."""
    return {
        "venue": found.book.venue,
        "symbol": found.book.symbol,
        "source": found.source,
        "reason": found.reason,
        "side": side,
        "vwap": None if fill is None else fill.avg_price,
        "worst_price": None if fill is None else fill.worst_price,
        "shares": 0.0 if fill is None else fill.qty,
        "usd": 0.0 if fill is None else fill.notional,
        "fee": None if fill is None else fill.fee,
        "slippage_bps": None if fill is None else fill.slippage_bps,
        "complete": fill is not None and fill.complete,
    }


def stats(
    status: FeedStatus, counters: dict[str, int], mean_ns: float | None, p95_ns: int | None
) -> dict[str, Any]:
    """A feed in numbers; latencies from a frame's receipt to its records, in milliseconds."""
    up = [one for one in status.connections if one.state in UP]
    return {
        "connected": bool(up) and len(up) == len(status.connections),
        "connections": len(status.connections),
        "connections_up": len(up),
        "causes": [one.cause for one in status.connections if one.cause],
        "books": len(status.books),
        "books_live": sum(one.live for one in status.books),
        "messages": counters["frames"],
        "reconnects": counters["reconnects"],
        "resyncs": counters["resyncs"],
        "latency_avg_ms": None if mean_ns is None else mean_ns / 1e6,
        "latency_p95_ms": None if p95_ns is None else p95_ns / 1e6,
    }


def event(update: Update) -> dict[str, Any]:
    """One update of a book or one trade, as streams of messages hand it over."""
    told = {
        "kind": update.kind,
        "symbol": update.symbol,
        "live": update.live,
        "state": update.state,
        "cause": update.cause,
        "bid": update.bid if update.live else None,
        "ask": update.ask if update.live else None,
        "ts_event": update.ts_event,
        "ts_recv": update.ts_recv,
    }
    if update.kind == "trade":
        told |= {"price": update.price, "size": update.qty, "side": update.aggressor}
    return told


def opportunity(signal: Signal) -> dict[str, Any]:
    """A signal in a few words: what is traded where, for how much, and what is left of it."""
    return {
        "id": signal.id,
        "rule": signal.rule,
        "phase": signal.phase,
        "size": signal.qty,
        "net_edge": signal.net_edge,
        "net_usd": signal.net_total,
        "legs": [
            {
                "venue": leg.venue,
                "symbol": leg.symbol,
                "outcome": leg.outcome,
                "side": leg.side,
                "price": leg.avg_price,
                "fee": leg.fee,
            }
            for leg in signal.legs
        ],
    }
