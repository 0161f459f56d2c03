"""What a user may choose of a session: how often, how long, how many."""

from dataclasses import dataclass, field

from bookfeed.clock import seconds_ns
from bookfeed.errors import SessionError
from bookfeed.live.connection import ConnectionPolicy
from bookfeed.live.pacing import Backoff
from bookfeed.live.recovery.plan import ResyncPolicy
from bookfeed.venues.base import Venue


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The numbers of a session; durations in seconds. The defaults suit every venue.

    ``silence_s`` is how long a connection may bring no data before it is replaced where there
    is no REST client to ask whether the market is merely quiet; with one, ``silence_rest_s``
    without data and without a book by REST that agrees.
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
    poll_interval_s: float | None = None
    """Where nothing streams, how often a book is asked for; 0 for never, ``None``: as the venue has
    it."""
    poll_after_s: float = 5.0
    """How long nothing may stream before books are asked for."""
    advance_s: float = 0.1
    """How often the engine is told the time, whatever comes."""
    reconnect: bool = True
    lines: int = 1
    """Connections for the same books, 1 or 2: with two, what one loses the other brings."""
    native: bool = True
    """Whether ordinary frames may go into the engine without Python for each of them."""
    resync: ResyncPolicy = field(default_factory=ResyncPolicy)
    """Budgets for fetching books anew."""

    def size(self, venue: Venue) -> int:
        """How many symbols a connection to ``venue`` carries; ``SessionError`` if it may not."""
        size = self.symbols_per_connection or venue.symbols_per_connection
        if not 1 <= size <= venue.symbols_per_connection_max:
            raise SessionError(
                f"symbols per connection must be 1 to {venue.symbols_per_connection_max} "
                f"on {venue.name}, not {size}"
            )
        return size

    def connection_policy(
        self, venue: Venue, *, can_probe: bool, has_witness: bool
    ) -> ConnectionPolicy:
        """What decides the life of a connection to ``venue``.

        ``can_probe`` says that it can be asked for a sign of life, ``has_witness`` that silence can
        be told from a quiet market.
        """
        silence_s = self.silence_rest_s if has_witness else self.silence_s
        return ConnectionPolicy(
            ping_text=venue.ping_text,
            ping_interval_ns=seconds_ns(venue.ping_interval_s),
            pong_timeout_ns=seconds_ns(venue.pong_timeout_s),
            probe_interval_ns=seconds_ns(venue.probe_interval_s) if can_probe else 0,
            lifetime_ns=seconds_ns(venue.lifetime_s),
            subscribe_after_ns=seconds_ns(venue.subscribe_after_s),
            silence_ns=seconds_ns(silence_s),
            backoff=Backoff(seconds_ns(self.backoff_min_s), seconds_ns(self.backoff_max_s)),
            reconnect=self.reconnect,
        )
