"""How long a fault was there before it was seen: until a book it concerns left ``live`` for it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from bookfeed.sim.faults import FaultEvent
from bookfeed.sim.virtual import TRANSIT_NS

APPLIED_ONCE: Final = "what comes twice is not applied twice: the book stays true"
"""Why some venues' books are not lost to messages that come again."""
Change = tuple[int, str, str, str]
"""A change of state: time, symbol, state, cause."""


class Seen(NamedTuple):
    """One fault of a run."""

    kind: str
    after_ns: int | None
    """How long after what it did arrived; ``None`` if it never showed, as where the next message
    healed it."""


def seen(
    log: Sequence[FaultEvent], changes: Sequence[Change], fitting: Mapping[Any, frozenset[str]]
) -> list[Seen]:
    """Each fault of a log with the first change of state after it by a cause that fits it."""
    return [Seen(event.fault.kind, _after_ns(event, changes, fitting)) for event in log]


def _after_ns(
    event: FaultEvent, changes: Sequence[Change], fitting: Mapping[Any, frozenset[str]]
) -> int | None:
    causes = fitting[event.fault.kind]
    for ts_ns, symbol, state, cause in changes:
        concerned = not event.assets or symbol in event.assets
        if ts_ns >= event.ts_ns and concerned and state != "live" and cause in causes:
            return max(ts_ns - event.ts_ns - TRANSIT_NS, 0)
    return None
