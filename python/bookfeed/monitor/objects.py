"""What happens on a feed as plain values for programs: prices and money in USD, sizes in shares.

The numbers are floats, for display; exact integers are in the Python API.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from bookfeed._bookfeed import QTY_SCALE, PaperFill
from bookfeed.catalogue.news import MarketNews
from bookfeed.feed.windows import WindowEnd
from bookfeed.records import Leg, Signal, Update
from bookfeed.rules.rule import Rule
from bookfeed.rules.why import Why

_USD_SCALE: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000


def outcome_word(leg: Leg) -> str:
    """What is bought or sold: ``YES``, ``NO``, or what an outcome of another name is called."""
    word = leg.outcome or leg.view
    return word.upper() if word.lower() in ("yes", "no") else word


def state_object(update: Update) -> dict[str, Any]:
    """A change of state; ``gap`` is the number that was due in a numbered stream, and what came."""
    return {
        "type": "state",
        "ts_recv": update.ts_recv,
        "seq": update.seq,
        "symbol": update.symbol,
        "state": update.state,
        "cause": update.cause,
        "gap": update.gap,
        "epoch": update.epoch,
        "conn": update.conn,
    }


def window_object(end: WindowEnd) -> dict[str, Any]:
    """A window of a rolling series that is over; times are Unix nanoseconds."""
    window = end.window
    return {
        "type": "window",
        "venue": end.venue,
        "series": window.series,
        "window": window.event,
        "start_ts": window.start_ts,
        "end_ts": window.end_ts,
        "markets": [
            {
                "title": one.title,
                "strike": _number(one.strike),
                "decided_by": _number(one.decided_by),
                "result": one.result,
            }
            for one in end.markets
        ],
        "following": end.following,
    }


def news_object(news: MarketNews) -> dict[str, Any]:
    """News of a market: what is new, who says so, and what is known of it now."""
    one = news.listing
    return {
        "type": "market",
        "kind": news.kind,
        "venue": one.venue,
        "market": one.market or one.slug,
        "title": one.called,
        "witness": news.witness,
        "provisional": news.provisional,
        "strike": None if one.strike is None else _number(one.strike.floor or one.strike.cap),
        "result": one.result,
        "changes": [change._asdict() for change in news.changes],
        "remark": news.remark,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def signal_object(signal: Signal) -> dict[str, Any]:
    """A signal."""
    return {
        "type": "signal",
        "ts_recv": signal.ts_recv,
        "ts_open": signal.ts_open,
        "seq": signal.seq,
        "id": signal.id,
        "rule": signal.rule,
        "rule_id": signal.rule_id,
        "name": signal.name,
        "phase": signal.phase,
        "reason": signal.reason,
        "direction": signal.direction,
        "qty": signal.qty,
        "value": signal.value,
        "gross_edge": signal.gross_edge,
        "net_edge": signal.net_edge,
        "maker_edge": signal.maker_edge,
        "peak_edge": signal.peak_edge,
        "fee": signal.fee,
        "capital": signal.capital,
        "skew_ns": signal.skew_ns,
        "lag_ns": signal.lag_ns,
        "both_lose": signal.both_lose,
        "both_win": signal.both_win,
        "legs": [_leg_object(leg) for leg in signal.legs],
    }


def _leg_object(leg: Leg) -> dict[str, Any]:
    return {
        "venue": leg.venue,
        "symbol": leg.symbol,
        "side": leg.side,
        "view": leg.view,
        "outcome": outcome_word(leg),
        "qty": leg.qty,
        "avg_price": leg.avg_price,
        "worst_price": leg.worst_price,
        "fee": leg.fee,
        "maker_fee": leg.maker_fee,
        "state": leg.state,
        "epoch": leg.epoch,
        "age_ns": leg.age_ns,
    }


def rule_object(number: int, rule: Rule) -> dict[str, Any]:
    """A rule: its number, what it is called, its legs with the facts that decide them."""
    return {"rule_id": number, "rule": rule.kind, "name": rule.name, **rule.about}


def why_object(why: Why) -> dict[str, Any]:
    """A refusal."""
    return {
        "rule_id": why.rule_id,
        "rule": why.rule,
        "name": why.name,
        "reason": why.reason,
        "count": why.count,
        "text": why.text,
    }


def paper_object(totals: Mapping[str, int]) -> dict[str, Any]:
    """The sums of a paper ledger."""
    counts = ("signals", "whole", "partial", "gone", "unhedged", "pending")
    return {name: totals[name] for name in counts} | {
        "latency_ms": totals["latency_ns"] / _NS_PER_MS,
        "net_claimed": totals["net_claimed_e9"] / _USD_SCALE,
        "net_captured": totals["net_captured_e9"] / _USD_SCALE,
    }


def fill_object(fill: PaperFill, name: str) -> dict[str, Any]:
    """What became of one signal on paper; ``name`` is what its rule is called."""
    return {
        "type": "fill",
        "ts": fill.ts,
        "signal": fill.signal,
        "rule": fill.rule,
        "rule_id": fill.rule_id,
        "name": name,
        "qty": fill.qty_e8 / QTY_SCALE,
        "captured": fill.captured_e8 / QTY_SCALE,
        "unhedged": fill.unhedged_e8 / QTY_SCALE,
        "net_claimed": fill.net_claimed_e9 / _USD_SCALE,
        "net_captured": fill.net_captured_e9 / _USD_SCALE,
    }
