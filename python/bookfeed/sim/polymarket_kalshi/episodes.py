"""What may happen between the two venues, and what of it only looks like an opportunity."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from bookfeed.sim.polymarket_kalshi.truth import Venue

EpisodeKind = Literal[
    "genuine", "lagging", "fee_change", "override", "tiny", "lead_lag", "frozen", "torn", "paused",
    "closed",
]  # fmt: skip
"""
genuine     quotes of one venue really stand apart for a while, by more than fees
lagging     the price moves, and makers of one venue follow that much later, which is as genuine
fee_change  quotes stand apart, until half way the fees of the event rise and eat it up
override    an event trades free of fees, until the override that says so is replaced and then taken
            back: quotes of a basket stand apart by less than the fees of its series
tiny        quotes stand apart, but for less than anyone may trade
lead_lag    both venues move at once, and one of them is heard of ``delay_s`` later
frozen      both venues move, and one connection has nothing but heartbeats any more
torn        an order sweeps through and is gone in the same instant, told piece by piece
paused      Kalshi's market is paused, its book stands, and the other venue moves on
closed      the same, but the market has closed: which its ``close_time`` alone tells
"""

TRAPS: Final = frozenset({"tiny", "lead_lag", "frozen", "torn", "paused", "closed"})
"""Kinds in which there is never anything to be earned; in ``fee_change``, until half way."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Something to happen to ``target`` (``pair0``, ``basket0``, ``ladder0``), and when."""

    kind: EpisodeKind
    target: str
    at_s: float
    """Seconds after the start."""
    lasts_s: float = 1.0
    venue: Venue = "kalshi"
    """Where it happens, or whose frames come late or never."""
    delay_s: float = 0.5
    """How much later frames come, for ``lead_lag``."""


class Label(NamedTuple):
    """An episode that has happened: the log entry."""

    episode: Episode
    start_ns: int
    end_ns: int
