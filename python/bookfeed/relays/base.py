"""What a relay is to those who talk to it: its frames, its limits, how long silence is borne."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bookfeed.relays.topic import Topic
from bookfeed.venues.base import Venue

if TYPE_CHECKING:
    from bookfeed.venues.secret import Secret


@dataclass(frozen=True, slots=True)
class Relay:
    """How to talk to a relay; durations in seconds."""

    venue: Venue
    """Its address, its heartbeat."""
    subscribe: Callable[[Topic, str], str]
    """(topic, rid): asks for one topic, and for no other in the same frame."""
    unsubscribe: Callable[[Topic, str], str]
    """(topic, rid): gives it up."""
    patience_s: Callable[[Topic], float | None]
    """How long a topic may say nothing; ``None`` where nothing may be to be said."""
    needs_key: Callable[[Topic], bool]
    """Whether a topic is told to those alone who have a key."""
    authenticate: "Callable[[Any, str], Secret] | None"
    """(credentials, rid): the frame that shows the key, which nobody else is to see."""
    topics_max: int
    """The most topics on a connection."""
    frames_burst: int
    """How many frames may be sent at once."""
    frame_interval_s: float
    """Least time between two frames beyond those."""
    silence_s: float
    """How long a connection may bring nothing of topics that are never quiet."""
    denied_codes: frozenset[int] = frozenset()
    """Close codes after which coming back soon is wrong."""
    draining_codes: frozenset[int] = frozenset()
    """Close codes after which everybody is to come back, each at a time of its own."""
    backoff_max_s: float = 30.0
    """Longest wait before an attempt to reconnect."""
