"""How much of the time outside faults books are live, and how late a live book may be."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from bookfeed._bookfeed import BookView
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.sim.faults import FaultEvent

RECOVERY_NS: Final = 3_000_000_000
"""How long after the beginning, or after a fault, its books may be away."""
AWAY: Final = frozenset({"disconnect", "reset", "reset-behind-data", "restart", "shutdown"})
LASTING: Final = AWAY | {"freeze", "zombie", "deltas-stop", "stamp", "late", "hash"}
"""What goes on until it says, or until the connection is replaced."""
UNREADABLE: Final = ("numbers", "2^63")
"""Numbers that are none any more go on, too: a new connection counts anew."""
FOR_GOOD: Final = frozenset({"hash"})
"""What no new connection ends."""
NEVER: Final = 1 << 62
FLOOR_NS: Final = 1_000_000_000
"""How far clocks may be apart, for all that a connection shows that is late from the first on."""

_STAMP: Final = re.compile(rb'"(?:timestamp|ts_ms)":"?([^",}]*)')


class Calm:
    """Adds up how long books were there, and live, while nothing was wrong with their stream."""

    def __init__(
        self,
        report: Report,
        log: Sequence[FaultEvent],
        views: Mapping[str, BookView],
        books_of: Callable[[FaultEvent], Iterable[str]],
    ) -> None:
        self._report = report
        self._log = log
        self._views = views
        self._books_of = books_of
        """The books that a fault may cost something."""
        self._until_ns: dict[str, int] = {}
        self._gone: set[str] = set()
        """What the venue has no more."""
        self._lasting: dict[int, list[FaultEvent]] = {}
        self._seen = self._now_ns = 0

    def pass_time(self, ts_ns: int) -> None:
        """Time passes from the last item to one at ``ts_ns``, which is not taken in yet."""
        for event in self._log[self._seen :]:
            self._strike(event)
        self._seen = len(self._log)
        since_ns, self._now_ns = self._now_ns, ts_ns
        if since_ns == 0:
            self._until_ns |= dict.fromkeys(self._views, ts_ns + RECOVERY_NS)
            return
        for name, view in self._views.items():
            over = view.cause == "resolved" or name in self._gone
            if not over and since_ns >= self._until_ns[name]:
                self._report.calm_ns += ts_ns - since_ns
                self._report.calm_live_ns += (ts_ns - since_ns) * view.live

    def connected(self, conn: int, ts_ns: int) -> None:
        """A new connection ends what went on; its books are given time to come."""
        events = self._lasting.pop(conn, [])
        lasting = [event for event in events if event.fault.kind in FOR_GOOD]
        if lasting:
            self._lasting[conn] = lasting
        for event in events:
            for name in self._books_of(event):
                self._until_ns[name] = NEVER if lasting else ts_ns + RECOVERY_NS

    def _strike(self, event: FaultEvent) -> None:
        fault = event.fault
        lasts_s = fault.duration_s
        if fault.kind == "absent":
            self._gone.update(event.assets)
            return
        lasting = fault.kind in LASTING or (fault.kind, fault.variant) == UNREADABLE
        if lasting and (lasts_s is None or fault.kind in AWAY):
            self._lasting.setdefault(event.conn, []).append(event)
            return self._cost(event, NEVER)
        # What fell behind takes as long again to catch up.
        late_s = float(fault.variant) if fault.kind == "late" else 0.0
        ends_ns = event.ts_ns + int(((lasts_s or 0) + late_s) * 1e9)
        self._cost(event, ends_ns + RECOVERY_NS)

    def _cost(self, event: FaultEvent, until_ns: int) -> None:
        for name in self._books_of(event):
            self._until_ns[name] = max(self._until_ns[name], until_ns)


class Books(Protocol):
    """The books of a client, by symbol, and the connections they are on."""

    views: dict[str, BookView]
    conn_of: dict[str, int]


class Delivery:
    """Whether books of a connection are live although it is known to deliver too late."""

    def __init__(
        self, conn: int, books: Books, log: Sequence[FaultEvent], *, max_ns: int, grace_ns: int
    ) -> None:
        self._conn = conn
        self._books = books
        self._log = log
        self._max_ns = max_ns
        self._grace_ns = grace_ns
        self._late_since_ns: int | None = None

    def problems(self, sent_ns: int, ts_ns: int) -> Iterator[str]:
        """After a frame that was sent, by its stamp, at ``sent_ns``."""
        late = self._too_late(ts_ns - sent_ns, ts_ns)
        # Of one whose stamps were falsified nobody can know.
        if not late or any(e.fault.kind == "stamp" and e.conn == self._conn for e in self._log):
            return
        for symbol, view in self._books.views.items():
            if view.live and self._books.conn_of[symbol] == self._conn:
                late_ms = (ts_ns - sent_ns) / 1e6
                yield f"{symbol} live at {ts_ns}, on a frame {late_ms:.0f} ms late"

    def _too_late(self, delay_ns: int, ts_ns: int) -> bool:
        """Whether delay has lasted, after a frame so late, for longer than is borne."""
        over_ns = delay_ns - FLOOR_NS
        if over_ns <= self._max_ns:
            self._late_since_ns = None
            return False
        if self._late_since_ns is None:
            self._late_since_ns = ts_ns
        return over_ns > 2 * self._max_ns or ts_ns - self._late_since_ns > self._grace_ns


def stamped_readably(payload: bytes) -> bool:
    """Whether all of a frame's time stamps are numbers of milliseconds, or seconds."""
    return all(stamp.isdigit() and len(stamp) <= 13 for stamp in _STAMP.findall(payload))
