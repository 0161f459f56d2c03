"""What a recording does not know: when books could not be believed and why, gaps, what is missing.

Seconds are of receive time. A minute in which a book was not ``live`` for any time is degraded; its
neighbours are told together with it. A market that is over is not: nothing is to be known of it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from bookfeed._bookfeed import CAUSES, STATES, Batch
from bookfeed.clock import NS_PER_S
from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.kinds import Kind
from bookfeed.records.update import KIND_STATE
from bookfeed.tables.passing import Pass
from bookfeed.tables.slices import Slice

GAPS_MAX: Final = 1_000
"""So many gaps of a book are listed; ``gap_count`` counts them all."""

_MINUTE_NS: Final = 60 * NS_PER_S
_OVER: Final = "resolved"
_GAP: Final = CAUSES.index("gap")


@dataclass(slots=True)
class _Run:
    """Minutes that follow one another, all of them degraded."""

    first: int
    last: int
    causes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Standing:
    """How one book stands, and how it has stood."""

    since: int
    state: str
    cause: str
    live_ns: int = 0
    over_ns: int = 0
    runs: list[_Run] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    gap_count: int = 0

    def until(self, ts: int, wanted: Slice) -> None:
        """Count how it stood until ``ts``, as far as that lies in the slice."""
        start, end = self.since, max(ts, self.since)
        self.since = end
        start = start if wanted.start_ns is None else max(start, wanted.start_ns)
        end = end if wanted.end_ns is None else min(end, wanted.end_ns)
        if end <= start:
            return
        if self.state == "live":
            self.live_ns += end - start
        elif self.cause == _OVER:
            self.over_ns += end - start
        else:
            self._degraded(start, end)

    def _degraded(self, start: int, end: int) -> None:
        first, last = start // _MINUTE_NS, (end - 1) // _MINUTE_NS
        if not self.runs or first > self.runs[-1].last + 1:
            self.runs.append(_Run(first, last))
        run = self.runs[-1]
        run.last = max(run.last, last)
        run.causes[f"{self.state}:{self.cause}"] += end - start


class Coverage:
    """Takes note of how books stood during a pass."""

    schema: Final = None

    def __init__(self, run: Pass) -> None:
        self._run: Final = run
        self._books: Final[dict[int, _Standing]] = {}
        self._dropped = self._disconnections = 0
        self._first_ts: int | None = None

    def take(self, batch: Batch) -> None:
        """Take the changes of state."""
        updates = batch.updates
        if self._first_ts is None and len(updates):
            self._first_ts = int(updates["ts_recv_ns"][0])
        for record in updates[updates["kind"] == KIND_STATE]:
            ts, state = int(record["ts_recv_ns"]), STATES[record["state"]]
            book = self._books.setdefault(int(record["instrument"]), _Standing(ts, "", ""))
            book.until(ts, self._run.wanted)
            book.state, book.cause = state, CAUSES[record["cause"]]
            if record["cause"] == _GAP and self._run.wanted.has(ts):
                book.gap_count += 1
                if len(book.gaps) < GAPS_MAX:
                    numbers = {"expected": int(record["price_e9"]), "got": int(record["qty_e8"])}
                    book.gaps.append({"at": moment(ts), **numbers})

    def control(self, kind: int, ts: int, conn: int, payload: bytes) -> None:
        """Take note of lost connections, and of records that were dropped."""
        if kind == Kind.DISCONNECTED:
            self._disconnections += self._run.wanted.has(ts)
        elif kind == Kind.DROPPED:
            try:
                self._dropped += int(control_object(payload)["records"])
            except (ValueError, TypeError, KeyError):
                self._dropped += 1

    def ready(self, *, end: bool = False) -> Iterator[Any]:
        """It has no rows."""
        return iter(())

    def told(self) -> dict[str, Any]:
        """All of it as an object, at the end of the pass."""
        run = self._run
        problems = run.problems()
        return {
            "from": moment(self._first_ts),
            "until": moment(run.last_ts),
            "complete": not problems and not self._dropped,
            "problems": problems,
            "dropped_records": self._dropped,
            "disconnections": self._disconnections,
            "books": [self._book(number) for number in sorted(self._books) if self._has(number)],
        }

    def _has(self, instrument: int) -> bool:
        return not self._run.wanted.of_books or bool(self._run.of_books()[instrument])

    def _book(self, instrument: int) -> dict[str, Any]:
        book, name = self._books[instrument], self._run.words.name(instrument)
        book.until(self._run.last_ts or 0, self._run.wanted)
        causes: Counter[str] = Counter()
        for one in book.runs:
            causes.update(one.causes)
        return {
            "venue": getattr(name, "venue", None),
            "market": getattr(name, "market", None),
            "outcome": getattr(name, "outcome", None),
            "symbol": getattr(name, "symbol", None),
            "instrument": instrument,
            "live_s": book.live_ns / NS_PER_S,
            "over_s": book.over_ns / NS_PER_S,
            "degraded_s": _seconds(causes),
            "degraded_minutes": [
                {
                    "from": moment(one.first * _MINUTE_NS),
                    "minutes": one.last - one.first + 1,
                    "causes_s": _seconds(one.causes),
                }
                for one in book.runs
            ],
            "gap_count": book.gap_count,
            "gaps": book.gaps,
        }


def _seconds(causes: Counter[str]) -> dict[str, float]:
    return {cause: ns / NS_PER_S for cause, ns in sorted(causes.items())}


def moment(ts: int | None) -> str | None:
    """Unix nanoseconds as text of ISO 8601, nothing lost."""
    if ts is None:
        return None
    seconds, ns = divmod(ts, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
