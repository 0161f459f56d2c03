"""Second lines: beside each connection of a venue another one, subscribed to the same books.

The engine takes what comes first, on either, and lets the books rest on the line that lost nothing.
Here a second line is opened, kept up, told of markets that come and go by a new connection, and
replaced where it is of no use: because it is silent while the other is not, or does not come into
step. What a line loses costs no book its ``live`` while the other is in step, so none of this does.

Where there is one line, a second one *relieves* it before a planned end: it is opened, comes into
step, carries the books while the first begins anew, and ends when that is in step again.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bookfeed._bookfeed import VENUES, Engine
from bookfeed.clock import NS_PER_S
from bookfeed.live.session import Session
from bookfeed.live.shard import Shard
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput

# How long a line may be out of step with books that the other carries, before it begins again.
STEP_NS: Final = 30 * NS_PER_S
# A line is not replaced for that sooner than so long after it was replaced last.
AGAIN_NS: Final = 300 * NS_PER_S
# So long before the planned end of a connection it is relieved.
RELIEF_NS: Final = 60 * NS_PER_S
# How long a line that says nothing is open before it may carry what neither line speaks of: it is
# subscribed by then.
SETTLED_NS: Final = 2 * NS_PER_S
# How often that is looked at.
LOOK_NS: Final = NS_PER_S

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.live.lines"))


@dataclass(slots=True)
class Line:
    """A second line, and since when either of the two is of no use."""

    shard: Shard
    session: Session
    out_since_ns: dict[int, int] = field(default_factory=dict)
    """By connection."""
    replaced_ns: dict[int, int] = field(default_factory=dict)
    relieves: str = ""
    """Why the other is going to end, if it is there for that alone."""
    connects: int = 0
    """How often the other had been connected by then."""

    @property
    def both(self) -> tuple[Session, Session]:
        """The sessions of the two lines."""
        return self.shard.session, self.session


class Lines:
    """The second lines of one venue; none, if they are not wanted.

    ``make`` makes the session of a connection number that carries what a shard does, ``stop`` stops
    one later.
    """

    def __init__(
        self,
        inputs: EngineInput,
        conns: Iterator[int],
        make: Callable[[Shard, int], Session],
        stop: Callable[[Session], object],
        *,
        wanted: bool,
        silence_ns: int,
    ) -> None:
        self._inputs: Final = inputs
        self._engine: Final[Engine] = inputs.engine
        self._conns: Final = conns
        self._make: Final = make
        self._stop: Final = stop
        self._wanted: Final = wanted
        self._silence_ns: Final = silence_ns
        self._lines: Final[dict[int, Line]] = {}
        """By the connection of the shard."""
        self._shard_of: Final[dict[int, Shard]] = {}
        self._looked_ns = 0

    @property
    def sessions(self) -> list[Session]:
        """The sessions of all second lines."""
        return [line.session for line in self._lines.values()]

    def shard_of(self, conn: int) -> Shard | None:
        """Whose books a second line carries."""
        return self._shard_of.get(conn)

    def add(self, shard: Shard, now_ns: int) -> None:
        """Put a second line beside a connection, before either is open."""
        if self._wanted and _can_be_told_apart(shard):
            self._add(shard, now_ns)

    def _add(self, shard: Shard, now_ns: int) -> Line:
        conn = next(self._conns)
        self._inputs.add_line(conn, shard.conn, now_ns)
        self._shard_of[conn] = shard
        self._lines[shard.conn] = line = Line(shard, self._make(shard, conn))
        return line

    def relieve(self, shard: Shard, reason: str, now_ns: int) -> bool:
        """The connection of a shard is going to end: another one carries its books meanwhile, if
        there may be one.
        """
        if not _can_be_told_apart(shard):
            return False
        if shard.conn not in self._lines and shard.session.open:
            line = self._add(shard, now_ns)
            line.relieves, line.connects = reason, shard.session.counters.connects
            line.session.start()
        return True

    def start(self, shard: Shard) -> None:
        """Begin connecting."""
        if (line := self._lines.get(shard.conn)) is not None:
            line.session.start()

    def changed(self, shard: Shard) -> None:
        """Markets came or went: the second line begins anew, with those there are."""
        if (line := self._lines.get(shard.conn)) is not None and shard.instruments:
            line.session.reconnect("its markets changed")

    def retire(self, shard: Shard) -> Session | None:
        """A connection is given up: its second line, to be stopped as well."""
        line = self._lines.pop(shard.conn, None)
        if line is None:
            return None
        del self._shard_of[line.session.conn]
        return line.session

    def look(self, shards: Iterable[Shard], now_ns: int) -> None:
        """Replace lines that are of no use, relieve connections that are going to end; and let the
        sessions look after themselves.
        """
        for line in self._lines.values():
            line.session.look(now_ns)
        for line in [line for line in self._lines.values() if line.relieves]:
            self._relieve(line, now_ns)
        if now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        for shard in shards:
            if shard.session.ends_ns - now_ns <= RELIEF_NS:
                self.relieve(shard, "replaced before its end", now_ns)
        for line in self._lines.values():
            self._hear(line, now_ns)
            if line.relieves:
                continue
            if all(session.open for session in line.both):
                self._weigh(line, now_ns)
            else:
                line.out_since_ns.clear()

    def _hear(self, line: Line, now_ns: int) -> None:
        """What the venue refuses a second line, it is asked for again on a new connection."""
        for notice in self._engine.notices(line.session.conn):
            if notice.kind == "error":
                said = line.session.quoted(notice.text)
                self._replace(line, line.session, f"the venue says {said}", now_ns)

    def _relieve(self, line: Line, now_ns: int) -> None:
        own, relief = line.both
        if own.counters.connects == line.connects:
            if own.open and _settled(relief, now_ns) and self._in_step(line, relief, own):
                own.reconnect(line.relieves)
        elif _settled(own, now_ns) and self._in_step(line, own, relief):
            self._inputs.end_line(relief.conn, now_ns)
            self.retire(line.shard)
            self._stop(relief)

    def _weigh(self, line: Line, now_ns: int) -> None:
        newest_ns = max(session.data_ns for session in line.both)
        for session, other in (line.both, line.both[::-1]):
            silent = self._silence_ns > 0 and newest_ns - session.data_ns >= self._silence_ns
            if silent:
                self._replace(line, session, "silent while its other line is not", now_ns)
                return
            if self._in_step(line, session, other):
                line.out_since_ns.pop(session.conn, None)
                continue
            since_ns = line.out_since_ns.setdefault(session.conn, now_ns)
            if now_ns - since_ns >= STEP_NS:
                self._replace(line, session, "not in step with its other line", now_ns)
                return

    def _in_step(self, line: Line, session: Session, other: Session) -> bool:
        """Whether a line could carry every book that the other carries."""
        in_step = self._engine.in_step
        return all(
            in_step(session.conn, instrument)
            for instrument in line.shard.instruments
            if self._engine.book(instrument).live and in_step(other.conn, instrument)
        )

    def _replace(self, line: Line, session: Session, reason: str, now_ns: int) -> None:
        last_ns = line.replaced_ns.get(session.conn)
        if last_ns is not None and now_ns - last_ns < AGAIN_NS:
            return
        line.replaced_ns[session.conn] = now_ns
        line.out_since_ns.pop(session.conn, None)
        _log.warning("line", "connection %d: replaced: %s", session.conn, reason)
        session.reconnect(reason)


def _settled(session: Session, now_ns: int) -> bool:
    spoke = session.data_ns > session.since_ns
    return session.open and (spoke or now_ns - session.since_ns >= SETTLED_NS)


def _can_be_told_apart(shard: Shard) -> bool:
    """Whether a venue's messages say enough of themselves that copies are known."""
    return bool(VENUES[shard.venue.name]["lines"])
