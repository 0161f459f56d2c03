"""A signal record of the engine beside the step the auditor took: which fields differ."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bookfeed.audit.lives import Step, Watched
from bookfeed.audit.rule import Found, FoundLeg, LegRef

if TYPE_CHECKING:
    from bookfeed.records import Leg, Signal


def key_of(signal: "Signal") -> tuple[object, ...]:
    """What a signal record is about, as ``Watched.key`` has it."""
    legs = tuple(LegRef(leg.instrument, leg.view == "no") for leg in signal.legs)
    if signal.rule == "spread":
        legs = legs[:1]
    return signal.rule_id, signal.direction, legs


def name_of(watched: Watched) -> str:
    """A subject in words."""
    legs = " + ".join(
        f"{leg.instrument}{' no' if leg.complement else ''}" for leg in watched.subject.legs
    )
    return f"{watched.rule.kind} (rule {watched.rule.number}) on {legs}"


def signal_name(signal: "Signal") -> str:
    """A signal record in words."""
    legs = " + ".join(f"{leg.instrument} {leg.side}" for leg in signal.legs)
    return f"{signal.rule} (rule {signal.rule_id}) {signal.phase} of {signal.id} on {legs}"


def differences(step: Step, signal: "Signal") -> list[str]:
    """Every field in which a signal record differs from the step, with both values."""
    return [
        f"{name}: {mine} here, {theirs} there"
        for name, mine, theirs in _pairs(step, signal)
        if mine != theirs
    ]


def _pairs(step: Step, signal: "Signal") -> Iterator[tuple[str, Any, Any]]:
    opened, found = step.opened, step.opened.last
    if opened.id is None:
        opened.id = signal.id
    yield "id", opened.id, signal.id
    yield "rule", step.watched.rule.kind, signal.rule
    yield "reason", step.reason, signal.reason
    yield "ts_open", opened.ts_open, signal.ts_open
    yield "peak_edge", opened.peak_edge, signal.peak_edge_e9
    yield "qty_open", opened.qty_open, signal.qty_open_e8
    yield from _found_pairs(found, signal)
    if step.phase != "close":
        yield "skew_ns", step.skew, signal.skew_ns
        yield "lag_ns", step.lag, signal.lag_ns
        polls = step.watched.rule.gates.allow_poll
        good = ("live", "live_poll") if polls else ("live",)
        yield "legs live", True, all(leg.state in good for leg in signal.legs)
    yield "legs", len(found.legs), len(signal.legs)
    for index, (mine, leg) in enumerate(zip(found.legs, signal.legs, strict=False)):
        for name, here, there in _leg_pairs(mine, leg):
            yield f"leg {index} {name}", here, there


def _found_pairs(found: Found, signal: "Signal") -> Iterator[tuple[str, Any, Any]]:
    yield "direction", found.direction, signal.direction
    yield "value", found.value, signal.value_e9
    yield "qty", found.qty, signal.qty_e8
    yield "gross_edge", found.gross_edge, signal.gross_edge_e9
    yield "net_edge", found.net_edge, signal.net_edge_e9
    yield "fee", found.fee, signal.fee_e9
    yield "capital", found.capital, signal.capital_e9
    yield "maker_edge", found.maker_edge, signal.maker_edge_e9
    yield "both_lose", found.both and found.both[0], signal.both_lose_ppm
    yield "both_win", found.both and found.both[1], signal.both_win_ppm


def _leg_pairs(mine: FoundLeg, leg: "Leg") -> Iterator[tuple[str, Any, Any]]:
    yield "instrument", mine.instrument, leg.instrument
    yield "view", mine.view, leg.view
    yield "side", mine.side, leg.side
    yield "avg_price", mine.avg_price, leg.avg_price_e9
    yield "worst_price", mine.worst_price, leg.worst_price_e9
    yield "qty", mine.qty, leg.qty_e8
    yield "fee", mine.fee, leg.fee_e9
    yield "maker_fee", mine.maker_fee, leg.maker_fee_e9
