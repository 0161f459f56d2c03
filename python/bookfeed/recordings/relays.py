"""The one door into relays: every call that changes them, done and recorded in the same breath.

Beside ``EngineInput``, and like it: a replay feeds the records back through ``apply``. Records of
relays have kinds of their own, so that readers that follow books alone skip them.
"""

from collections.abc import Callable
from typing import Final

from bookfeed._bookfeed import RelayBatch, Relays
from bookfeed.recordings.kinds import RELAY_KINDS, Kind

# (kind, ts, conn, payload, epoch)
Record = Callable[[Kind, int, int, bytes, int], None]


class RelayInput:
    """Performs the changing calls of ``relays`` and records each; times in Unix nanoseconds."""

    __slots__ = ("_epochs", "_record", "_relays", "door", "used")

    def __init__(self, record: Record) -> None:
        self._relays: Final = Relays()
        self._record: Final = record
        self._epochs: Final[dict[int, int]] = {}
        self.door: Final = None
        """Frames of relays are few: they all pass Python."""
        self.used = False
        """Whether there was ever a connection to a relay."""

    @property
    def relays(self) -> Relays:
        """The relays, for reading."""
        return self._relays

    def epoch(self, conn: int) -> int:
        """Which attempt of a connection it is."""
        return self._epochs.get(conn, 0)

    def ingest(self, conn: int, payload: bytes, ts: int) -> int:
        """Take one frame; returns the records pending."""
        self._record(Kind.RELAY_FRAME, ts, conn, payload, self.epoch(conn))
        return self._relays.ingest(conn, payload, ts)

    def connected(self, conn: int, venue: str, ts: int, *, mode: str = "") -> None:
        """A connection to the relay called ``venue`` is open; its epoch begins."""
        self.used = True
        self._epochs[conn] = self.epoch(conn) + 1
        self._record(Kind.RELAY_CONNECTED, ts, conn, venue.encode(), self.epoch(conn))
        self._relays.connected(conn, venue)

    def disconnected(self, conn: int, reason: str, ts: int) -> None:
        """A connection is gone."""
        self._record(Kind.RELAY_DISCONNECTED, ts, conn, reason.encode(), self.epoch(conn))
        self._relays.disconnected(conn)

    def invalidate(self, conn: int, cause: str, ts: int) -> None:
        """A connection is given up: what it told stands, what is missing shows on the next one."""

    def drain(self) -> RelayBatch:
        """Hand over what waits."""
        return self._relays.drain()

    def apply(self, kind: int, ts: int, conn: int, payload: bytes) -> bool:
        """Feed one record back; says whether it was one of relays. Raises on a bad one."""
        if kind not in RELAY_KINDS:
            return False
        if kind == Kind.RELAY_FRAME:
            self.ingest(conn, payload, ts)
        elif kind == Kind.RELAY_CONNECTED:
            self.connected(conn, payload.decode(), ts)
        else:
            self.disconnected(conn, payload.decode(errors="replace"), ts)
        return True
