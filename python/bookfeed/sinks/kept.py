"""Reads signals that the SQLite sink has kept: each life once, and what a run came to.

It opens the file for reading alone, also while a feed writes it.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bookfeed.errors import SessionError

BUSY_S: Final = 5.0

_QTY_SCALE: Final = 10**8
_ROWS: Final = (
    "SELECT run, id, rule, name, phase, reason, direction, ts_recv_ns, ts_open_ns, qty_e8,"
    " net_edge_e9, peak_edge_e9, capital_e9, signal_json FROM signals"
    # ts_recv_ns besides, which has an index: nothing is received before it opened.
    " WHERE ts_recv_ns >= :since AND ts_open_ns >= :since"
    " AND (:rule IS NULL OR rule = :rule OR name = :rule) ORDER BY run, id, seq"
)
_TOTALS: Final = (
    "SELECT rule, name, count(DISTINCT run || ' ' || id), max(peak_edge_e9) FROM signals"
    " WHERE ts_recv_ns >= :since AND ts_open_ns >= :since GROUP BY rule, name ORDER BY rule, name"
)


@dataclass(frozen=True, slots=True)
class KeptSignal:
    """The life of one signal, as far as it was kept."""

    run: int
    """When the sink that kept it was opened, in Unix nanoseconds."""
    id: int
    """Its number in that run."""
    rule: str
    name: str
    """What the rule is called; empty if it is not."""
    direction: str | None
    ts_open: int
    """When it opened, in Unix nanoseconds."""
    ts_close: int | None
    """When it closed; ``None`` if that was not kept: it is open, or its feed was killed."""
    reason: str
    """Why it closed; ``"none"`` before."""
    peak_edge_e9: int | None
    """Its largest edge after fees, in 1e-9 USD a share."""
    profit_e9: int | None
    """What it would have left at its best moment, after fees, in 1e-9 USD."""
    qty_e8: int | None
    """Size at that moment, in 1e-8."""
    capital_e9: int | None
    """What its legs would have bound then, in 1e-9 USD."""
    legs: Sequence[dict[str, Any]]
    """As ``ndjson`` has them, of the moment at which it opened."""


@dataclass(frozen=True, slots=True)
class KeptTotal:
    """What came of one rule."""

    rule: str
    name: str
    signals: int
    peak_edge_e9: int | None


def kept_signals(
    path: str | Path, *, since_ns: int = 0, rule: str | None = None
) -> list[KeptSignal]:
    """Signals that opened at ``since_ns`` (Unix nanoseconds) or later, the newest first.

    ``rule`` is the kind of a rule or the name of one. Raises ``SessionError`` if the file is not
    there or is not one of the SQLite sink's.
    """
    found = [
        _life(list(rows))
        for _, rows in groupby(
            _asked(path, _ROWS, {"since": since_ns, "rule": rule}), key=lambda row: row[:2]
        )
    ]
    return sorted(found, key=lambda one: (one.ts_open, one.id), reverse=True)


def kept_totals(path: str | Path, *, since_ns: int = 0) -> list[KeptTotal]:
    """How many signals opened since, and the largest edge, of each rule; raises as above."""
    return [KeptTotal(*row) for row in _asked(path, _TOTALS, {"since": since_ns})]


def _asked(path: str | Path, question: str, given: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    if not Path(path).is_file():
        raise SessionError(f"{path}: no such file; a [[sink]] of kind sqlite makes it")
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as base:
            yield from base.execute(question, given)
    except sqlite3.Error as error:
        problem = f"cannot be read as what the sqlite sink keeps ({error})"
        raise SessionError(f"{path}: {problem}") from None


def _life(rows: list[tuple[Any, ...]]) -> KeptSignal:
    """One signal from all that was kept of it, in order."""
    run, ident, rule, name, _, _, direction, _, ts_open, *_, first = rows[0]
    phase, reason, ts_recv = rows[-1][4], rows[-1][5], rows[-1][7]
    moments = [
        (net * qty // _QTY_SCALE, qty, capital)
        for *_, qty, net, _, capital, _ in rows
        if net is not None and qty is not None
    ]
    profit, qty, capital = max(moments, key=lambda one: one[0], default=(None, None, None))
    closed = phase == "close"
    return KeptSignal(
        run=run,
        id=ident,
        rule=rule,
        name=name,
        direction=direction,
        ts_open=ts_open,
        ts_close=ts_recv if closed else None,
        reason=reason,
        peak_edge_e9=max((row[11] for row in rows if row[11] is not None), default=None),
        profit_e9=profit,
        qty_e8=qty,
        capital_e9=capital,
        legs=json.loads(first)["legs"],
    )
