"""What a feed says of itself: its connections, its books, and whether it runs.

``Feed.status()`` asks for all of it at any time; ``Feed.on_status`` hears a ``ConnectionStatus``
whenever a connection's state or cause changes.
"""

from dataclasses import dataclass
from typing import Final, Literal

from bookfeed._bookfeed import BookView
from bookfeed.words import Cause, Freshness, State

ConnectionState = Literal["idle", "connecting", "connected", "reconnecting", "polling", "down"]
"""``polling``: nothing streams, and its books are kept by REST (``live_poll``)."""

UP: Final = frozenset[ConnectionState]({"connected", "polling"})
"""In these a connection brings what it is there for: one that polls has nothing to connect to."""


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """One connection of a feed, at one moment."""

    venue: str
    """Whose connection it is."""
    conn: int
    """Its number, the same through all reconnects; the engine and recordings use it, too."""
    state: ConnectionState
    """``idle`` before the feed is open; ``connecting`` until the first connection is made,
    ``reconnecting`` after one was lost; ``down``: no more attempts are made, because reconnecting
    is switched off, or the feed was closed or has failed."""
    cause: str
    """Why, in words (``"connection lost"``, ``"closed by the venue: 1006"``); empty if nothing
    went wrong. Keys and headers are never in it."""
    since_ns: int
    """Since when the state holds, in Unix nanoseconds; 0 while ``idle``."""
    books: int
    """How many books it carries."""
    live: int
    """How many of them may be believed."""
    delay_s: float | None
    """Receive time less venue time of its newest message that states one, in seconds; negative
    where the receiver's clock is behind, ``None`` before there was one."""
    reconnects: int
    """How many connections were made after the first."""
    polled: int = 0
    """How many of its books are kept by polling (``live_poll``)."""
    clock_ahead_s: int | None = None
    """How many whole seconds the receiver's clock was ahead of the venue's when it connected,
    negative if behind; ``None`` where the venue did not say."""
    freshness: Freshness = "none"
    """What is thought of its silence, by what it says of markets; one of ``FRESHNESS``."""
    delay_grows: bool = False
    """Whether what it brings is later and later, so that it waits in a queue somewhere."""


@dataclass(frozen=True, slots=True)
class BookStatus:
    """One book of a feed, at one moment."""

    venue: str
    """Name of the venue."""
    symbol: str
    """The venue's string for the instrument."""
    market: str | None
    """The venue's id of the market; ``None`` where it is not known."""
    outcome: str | None
    """Which outcome of the market it is; ``None`` where it is not known."""
    instrument: int
    """The engine's number of the book, which records carry."""
    state: State
    """One of ``STATES``."""
    cause: Cause
    """One of ``CAUSES``: why the book is in that state."""
    live: bool
    """Whether it may be believed."""
    polled: bool
    """Whether it is kept by polling, since nothing streams."""
    evidence_age_s: float | None
    """Seconds since the venue last vouched for it; ``None`` if it never did."""
    conn: int | None
    """The number of its connection; ``None`` for a book that the user pushes."""
    freshness: Freshness = "none"
    """What is thought of its silence; one of ``FRESHNESS``."""
    delay_grows: bool = False
    """Whether it falls behind its siblings: what is said of it is later and later."""


def book_status(book: BookView, conn: int | None, now_ns: int) -> BookStatus:
    """How a book is at ``now_ns``, Unix nanoseconds, on connection ``conn``."""
    proved_ns = book.ts_evidence
    return BookStatus(
        venue=book.venue,
        symbol=book.symbol,
        market=book.market,
        outcome=book.outcome,
        instrument=book.instrument,
        state=book.state,
        cause=book.cause,
        live=book.live,
        polled=book.polled,
        evidence_age_s=None if proved_ns is None else (now_ns - proved_ns) / 1e9,
        conn=conn,
        freshness=book.freshness,
        delay_grows=book.delay_grows,
    )


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed, at one moment; what ``Feed.status()`` returns."""

    running: bool
    """Whether it is open and has not failed."""
    failure: BaseException | None
    """What ended it; ``None`` if nothing did. A lost connection does not."""
    connections: tuple[ConnectionStatus, ...]
    """In the order of their numbers."""
    books: tuple[BookStatus, ...]
    """In the order of their instrument numbers."""
