"""By when each class of fault has to be seen, and which faults no book is lost to, and why.

A fault is seen when a book that it concerns leaves ``live`` for it. What a message shows is seen
with it. What only a later message or silence can show is seen by the end of the silence that its
venue is allowed, and a step of the timer.
"""

from collections.abc import Iterator
from typing import Final

from bookfeed.scorecard.campaigns.world import World

_MS: Final = 1_000_000
STEP_NS: Final = 100 * _MS
"""Of the timer of campaigns: what time alone shows is seen as much later."""
AT_ONCE: Final = frozenset({"F01", "F02", "F08", "F10", "F11", "F21", "F26", "F39"})
"""Rows all of whose faults are seen with the message, if they are seen at all."""
_WITHIN_NS: Final = {
    # A connection that falls behind at half its speed is late by the limit of one second after two;
    # the row's bound is the three that are the usual limit.
    "F05": 3_000 * _MS,
    # Inside a batch the venue's hash is that of its end: a quarter of a second at most.
    "F20": 250 * _MS,
}
_UNSEEN: Final = (
    ("it concerns no book", ("unknown", "foreign", "broadcast", "fill")),
    ("it concerns trading, and no book", ("pause",)),
    (
        "an answer of no use is asked for again, and takes no book away",
        ("rest_late", "rest_stale", "rest_error", "rest_malformed"),
    ),
    ("a refused request is made again, and takes no book away", ("refused",)),
    (
        "no book is there before its whole one, and an older one changes nothing",
        ("snapshot", "first-book"),
    ),
    ("it is late by one second, and three are borne", ("delay",)),
    ("no order rests on a stamp that is not believed: the book stays true", ("stamp",)),
)
UNSEEN: Final = {kind: why for why, kinds in _UNSEEN for kind in kinds}
"""Why no book is lost to some kinds of faults, at any venue; venues' own reasons are theirs."""


def bound_ns(row: str, world: World) -> int:
    """How long after it arrived a fault of a row may be there before it is seen."""
    if row in AT_ONCE:
        return 0
    return _WITHIN_NS.get(row, world.silence_ns) + STEP_NS


def parts(cell: str) -> Iterator[tuple[str, str]]:
    """The faults of a cell, with their kinds."""
    for text in cell.split(" & "):
        yield text, text.partition(":")[0]


def why_unseen(world: World, text: str) -> str:
    """Why no book of a venue is lost to a fault; empty if one should be."""
    kind = text.partition(":")[0]
    return world.unseen.get(text) or world.unseen.get(kind) or UNSEEN.get(kind, "")
