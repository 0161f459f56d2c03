"""What a user may choose of a session: how often, how long, how many."""

from dataclasses import dataclass, field

from bookfeed.live.recovery.plan import ResyncPolicy


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The numbers of a session; durations in seconds. The defaults suit every venue.

    ``silence_s`` is how long a connection may bring no data before it is replaced where there
    is no REST client to ask whether the market is merely quiet; with one, ``silence_rest_s``.
    0 switches either off.
    ``snapshot_s`` is how long a book may take to arrive after its connection opened.
    Without ``reconnect`` each connection is tried once; a lost one stays down, its books stale.
    """

    symbols_per_connection: int | None = None
    """How many symbols a connection carries; ``None``: as the venue has it."""
    connect_stagger_s: float | None = None
    """Least time between two attempts to connect; ``None``: as the venue has it."""
    frame_bytes_max: int | None = None
    """Longest message that is taken, in bytes; ``None``: as the venue has it (64 MiB)."""
    backoff_min_s: float = 1.0
    """Wait before the first attempt to reconnect; it doubles from there."""
    backoff_max_s: float = 60.0
    """Longest wait before an attempt to reconnect."""
    silence_s: float = 30.0
    silence_rest_s: float = 300.0
    snapshot_s: float = 30.0
    snapshot_rest_s: float = 5.0
    """How long a book may take before it is fetched by REST."""
    advance_s: float = 0.1
    """How often the engine is told the time, whatever comes."""
    reconnect: bool = True
    native: bool = True
    """Whether ordinary frames may go into the engine without Python for each of them."""
    resync: ResyncPolicy = field(default_factory=ResyncPolicy)
    """Budgets for fetching books anew."""
