"""The outside of a session: what it needs of its owner, what it counts, how it bears errors."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from bookfeed._bookfeed import FrameDoor
    from bookfeed.live.session import Session

_P = ParamSpec("_P")


class Bearer(Protocol):
    """Somebody whose handlers may fail without an end to everything."""

    def bear(self, error: Exception) -> None:
        """A handler failed: it is said and counted, and whoever it was goes on."""


_S = TypeVar("_S", bound=Bearer)


def borne(
    handler: Callable[Concatenate[_S, _P], None],
) -> Callable[Concatenate[_S, _P], None]:
    """A handler whose errors are the session's to bear: the socket layer and the loop know none."""

    @functools.wraps(handler)
    def bearing(session: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            handler(session, *args, **kwargs)
        except Exception as error:
            session.bear(error)

    return bearing


class Intake(Protocol):
    """Where the frames of a session go, and who is told of its life; times in Unix nanoseconds.

    ``EngineInput`` is one, for books.
    """

    @property
    def door(self) -> "FrameDoor | None":
        """The way of ordinary frames past Python; ``None`` where there is none."""

    @property
    def ingest(self) -> Callable[[int, bytes, int], int]:
        """(conn, payload, ts_recv): takes a text; returns how many records wait."""

    def epoch(self, conn: int) -> int:
        """Which attempt of a connection it is."""

    def connected(self, conn: int, venue: str, ts: int, *, mode: str = "") -> None:
        """The connection is open."""

    def disconnected(self, conn: int, reason: str, ts: int) -> None:
        """The connection is of no use any more."""

    def invalidate(self, conn: int, cause: str, ts: int) -> None:
        """What it said last is not to be believed."""


class Host(Protocol):
    """What a session needs from whoever owns it."""

    def flush(self, conn: int | None = None) -> None:
        """Drain the engine and hand the records over, and what was answered on ``conn``."""

    def opened(self, session: "Session") -> None:
        """The connection is open and subscribed."""

    def fail(self, error: BaseException) -> None:
        """The engine itself failed; nothing can go on."""

    def status_changed(self, session: "Session") -> None:
        """The state of the connection is another, or its cause."""


@dataclass(slots=True)
class SessionCounters:
    """What happened on one connection since the start."""

    connects: int = 0
    reconnects: int = 0
    connect_failures: int = 0
    disconnects: int = 0
    protocol_violations: int = 0
    listener_errors: int = 0
    handler_errors: int = 0
    revivals: int = 0
    resets: int = 0
    pings: int = 0
    pongs: int = 0
    notices: int = 0
    commands: int = 0
    handshakes_denied: int = 0
    python_listeners: int = 0
