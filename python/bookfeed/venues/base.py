"""What a venue is to the session: addresses, frames to send, limits.

A venue is two code files: its decoder in the core, which reads market data, and one module beside
this one, which fills in a ``Venue``. Nothing here reads market data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One HTTP request, relative to the venue's REST address; ``body`` is JSON."""

    method: str
    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class HandshakeRefusal:
    """A handshake that was answered with 401 or 403.

    ``code`` is the error code in the answer's body, ``skew_s`` how many seconds our clock is
    ahead of the server's; ``None`` where the answer did not say.
    """

    status: int
    code: str | None = None
    skew_s: int | None = None


class Fault(Enum):
    """What an error of a venue means for a connection."""

    DEAD = auto()
    """The stream has ended; it has to be subscribed again."""
    OVERFLOW = auto()
    """The same, because we read too slowly or asked for too much."""
    FULL = auto()
    """More markets than a stream may have."""
    BUSY = auto()
    """Too many commands."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Frames for an open connection, where the venue numbers its streams.

    In the calls, the first argument is the number that the venue's reply will carry, ``sid``
    the number the venue gave to a stream. ``channels`` are those that carry markets, the one
    with the books first. Numbers below ``first_id`` are used by ``Venue.subscription``.
    """

    channels: tuple[str, ...]
    subscribe: Callable[[int, str, Sequence[str]], str]
    """(id, channel, symbols): begins the stream, or adds to it if there is one."""
    unsubscribe: Callable[[int, int], str]
    """(id, sid): ends the stream."""
    add: Callable[[int, int, Sequence[str]], str]
    """(id, sid, symbols)"""
    delete: Callable[[int, int, Sequence[str]], str]
    """(id, sid, symbols)"""
    snapshot: Callable[[int, int, Sequence[str]], str]
    """(id, sid, symbols): whole books, in their place in the stream."""
    hello: Callable[[int], str]
    """(id): anything that is always answered."""
    faults: Mapping[int, Fault] = field(default_factory=dict)
    snapshot_symbols_max: int = 100
    first_id: int = 100


def _never_pong(_text: bytes) -> bool:
    return False


def _refused(refusal: HandshakeRefusal) -> str:
    return f"refused with HTTP {refusal.status}"


@dataclass(frozen=True, slots=True)
class Venue:
    """How to talk to a venue. Times in seconds, sizes in bytes.

    ``subscription`` returns the frames to send at once when a connection opens.
    ``books_request`` asks for whole books of at most ``rest_symbols_max`` symbols, in a body the
    engine's ``ingest_rest`` understands; ``None`` where the venue has no such call. ``commands``
    is there where books are mended on the connection itself, and a stream that says nothing is
    asked for a sign of life after ``probe_interval_s`` (0: never).

    ``handshake_headers`` is called with the wall clock's milliseconds for every attempt to
    connect; ``explain_refusal`` says what to do when they were refused. ``check_url`` raises
    ``ConfigError`` for an address the venue cannot be used at as it is.
    """

    name: str
    ws_url: str
    rest_url: str | None
    subscription: Callable[[Sequence[str]], tuple[str, ...]]
    books_request: Callable[[Sequence[str]], RestRequest] | None = None
    rest_symbols_max: int = 1
    ping_text: str | None = None
    is_pong: Callable[[bytes], bool] = field(default=_never_pong)
    ping_interval_s: float = 10.0
    pong_timeout_s: float = 30.0
    symbols_per_connection: int = 200
    symbols_per_connection_max: int = 450
    connections_max: int | None = None
    connect_stagger_s: float = 0.1
    frame_bytes_max: int = 16 * 1024 * 1024
    commands: Commands | None = None
    probe_interval_s: float = 0.0
    use_yes_price: bool = False
    handshake_headers: Callable[[int], Mapping[str, str]] | None = None
    explain_refusal: Callable[[HandshakeRefusal], str] = field(default=_refused)
    check_url: Callable[[str], None] | None = None
