"""``TopicStatus``: how a topic of a relay is at one moment."""

from dataclasses import dataclass
from typing import Literal

from bookfeed.venues.relay import Topic

TopicState = Literal["waiting", "live", "silent", "refused", "down"]


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """How a topic is at one moment."""

    topic: Topic
    """The topic."""
    state: TopicState
    """``waiting`` until the first data, ``live`` while they come, ``silent`` when none came for too
    long, ``refused`` when the relay does not give it, ``down`` without a connection."""
    cause: str
    """Why, in words; empty if nothing is wrong."""
    heard_ns: int | None
    """When data last came, in Unix nanoseconds; ``None`` if they never did."""
    conn: int
    """The number of its connection."""
