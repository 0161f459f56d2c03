"""The connections of a feed to one relay: which topics are on which, and what they tell.

Each is a ``Session`` as those of venues are; what is asked on it is decided by its ``LinePlan``.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from bookfeed.clock import NS_PER_S, Clock, seconds_ns
from bookfeed.errors import SessionError
from bookfeed.live.connection import ConnectionLogic, ConnectionPolicy
from bookfeed.live.options import SessionOptions
from bookfeed.live.pacing import Backoff, Stagger
from bookfeed.live.session import Session
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.relays import RelayInput
from bookfeed.records.told import RelayEvent
from bookfeed.relays.plan import LinePlan
from bookfeed.relays.status import TopicStatus
from bookfeed.status import ConnectionStatus
from bookfeed.venues.base import Endpoint
from bookfeed.venues.relay import Relay, Topic

LINES_MAX: Final = 8
# After a silence that a new connection did not end, the next is borne no longer than this.
SILENCE_NS_MAX: Final = 60 * NS_PER_S

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.relays"))


@dataclass(frozen=True, slots=True)
class RelayOutlet:
    """Where lines hand over, and say what happened."""

    flush: Callable[[], object]
    """Hand over whatever waits, of any relay."""
    failed: Callable[[BaseException], object]
    """The relays failed of this."""
    status_changed: Callable[[ConnectionStatus], object]
    """The state of a connection is another, or its cause."""


@dataclass(slots=True)
class Line:
    """One connection and its plan."""

    plan: LinePlan
    session: Session
    apart: bool
    """Whether it is for topics that were silent elsewhere."""


class RelayLines:
    """All connections to one relay; the host of their sessions."""

    def __init__(
        self,
        relay: Relay,
        url: str,
        *,
        inputs: RelayInput,
        outlet: RelayOutlet,
        clock: Clock,
        rng: random.Random,
        options: SessionOptions,
        conns: Iterator[int],
        credentials: Any = None,
    ) -> None:
        self.relay: Final = relay
        self._endpoint: Final = Endpoint(relay.venue, url)
        self._inputs: Final = inputs
        self._outlet: Final = outlet
        self._clock: Final = clock
        self._rng: Final = rng
        self._options: Final = options
        self._conns: Final = conns
        self._credentials: Final = credentials
        self._stagger: Final = Stagger(seconds_ns(relay.venue.connect_stagger_s))
        self._lines: Final[dict[int, Line]] = {}
        self._leaving: Final[set[asyncio.Task[None]]] = set()
        self._retired: Final[Counter[str]] = Counter()
        self._failed = False

    # Which topics are on which connection.

    def add(self, topics: Iterable[Topic]) -> None:
        """Ask for topics from now on; those that are asked for already are passed over.

        Raises ``SessionError`` if so many connections would be needed.
        """
        for topic in topics:
            if any(topic in line.plan for line in self._lines.values()):
                continue
            self._place(topic)
        self.beat(self._clock.now_ns())

    def remove(self, topics: Iterable[Topic]) -> None:
        """Give topics up; connections left without any are closed."""
        for topic in topics:
            for line in list(self._lines.values()):
                if topic in line.plan:
                    line.plan.remove(topic)
                    self._retire_if_empty(line)
        self.beat(self._clock.now_ns())

    def _place(self, topic: Topic, *, apart: bool = False, but: Line | None = None) -> None:
        lines = [one for one in self._lines.values() if one.apart is apart and one is not but]
        room = (line for line in lines if len(line.plan) < line.plan.topics_max)
        line = next(room, None) or self._open(apart=apart)
        line.plan.add(topic)

    def _open(self, *, apart: bool) -> Line:
        if len(self._lines) >= LINES_MAX:
            raise SessionError(
                f"{LINES_MAX} connections to {self.relay.venue.name} are full: follow fewer topics"
            )
        plan = LinePlan(self.relay, self._credentials)
        session = Session(
            next(self._conns),
            endpoint=self._endpoint,
            logic=ConnectionLogic(
                self._policy(),
                tuple,
                rng=self._rng,
                stagger=self._stagger,
                proof_ns=plan.proof_ns,
                quiet_until_ns=plan.quiet_until_ns,
            ),
            inputs=self._inputs,
            clock=self._clock,
            host=self,
            frame_bytes_max=self._options.frame_bytes_max,
            native=False,
        )
        line = Line(plan, session, apart)
        self._lines[session.conn] = line
        session.start()
        return line

    def _policy(self) -> ConnectionPolicy:
        relay, options = self.relay, self._options
        return ConnectionPolicy(
            ping_text=relay.venue.ping_text,
            ping_interval_ns=seconds_ns(relay.venue.ping_interval_s),
            pong_timeout_ns=seconds_ns(relay.venue.pong_timeout_s),
            silence_ns=seconds_ns(relay.silence_s),
            silence_ns_max=SILENCE_NS_MAX,
            backoff=Backoff(seconds_ns(options.backoff_min_s), seconds_ns(relay.backoff_max_s)),
            denied_codes=relay.denied_codes,
            draining_codes=relay.draining_codes,
            reconnect=options.reconnect,
        )

    def _retire_if_empty(self, line: Line) -> None:
        if len(line.plan):
            return
        del self._lines[line.session.conn]
        task = asyncio.get_running_loop().create_task(line.session.stop())
        self._leaving.add(task)

        def gone(task: asyncio.Task[None]) -> None:
            self._leaving.discard(task)
            self._retired.update(asdict(line.session.counters))

        task.add_done_callback(gone)

    # What sessions ask for.

    def flush(self, conn: int | None = None) -> None:
        """Hand over what was told; then send what is due on ``conn``."""
        self._outlet.flush()
        line = None if conn is None else self._lines.get(conn)
        if line is not None:
            self._send(line, self._clock.now_ns())

    def opened(self, session: Session) -> None:
        """A connection is open: its topics are asked for."""
        line = self._lines.get(session.conn)
        if line is not None:
            now_ns = self._clock.now_ns()
            line.plan.opened(now_ns)
            self._send(line, now_ns)

    def fail(self, error: BaseException) -> None:
        """The relays failed: nothing more will come of them. Books are not concerned."""
        if not self._failed:
            self._failed = True
            self._outlet.failed(error)

    def status_changed(self, session: Session) -> None:
        """The state of a connection is another, or its cause."""
        line = self._lines.get(session.conn)
        if line is not None and session.state != "connected":
            line.plan.closed()
        self._outlet.status_changed(self.status(session))

    def _send(self, line: Line, now_ns: int) -> None:
        if line.session.open:
            for frame in line.plan.frames(now_ns):
                line.session.send(frame)

    # What was told.

    def __contains__(self, conn: int) -> bool:
        return conn in self._lines

    def heard(self, conn: int, topic: str, symbol: str, now_ns: int) -> None:
        """Values of a topic came: it lives."""
        line = self._lines.get(conn)
        if line is not None:
            line.plan.heard(topic, symbol, now_ns)

    def take(self, event: RelayEvent) -> bool:
        """An event came; says whether it is for users, and not only about a connection."""
        line = self._lines.get(event.conn)
        if event.kind == "refused":
            self._refused(line, event)
        elif event.kind == "lost":
            self._lost(line, event)
        elif event.kind == "acknowledged":
            if line is not None and event.type == "authed":
                line.plan.accepted()
            return False
        elif line is not None:
            symbol = event.fields.get("asset", "") if event.kind == "touch" else ""
            line.plan.heard(event.topic, symbol, event.ts_recv)
        return True

    def _refused(self, line: Line | None, event: RelayEvent) -> None:
        fields = event.fields
        code, said = fields.get("code") or "", fields.get("message") or ""
        why = f"{self.relay.venue.name} refuses it: {' '.join(filter(None, (code, said)))}"
        _log.warning(
            f"refused {event.topic} {code}",
            "connection %d: %s%s",
            event.conn,
            f"{event.topic}: " if event.topic else "",
            why,
        )
        if line is None:
            return
        if code in ("auth_invalid", "auth_unavailable", "auth_attempts", "auth_expired"):
            line.plan.key_refused(why, event.ts_recv, later=code == "auth_unavailable")
            return
        if code == "sub_limit":
            line.plan.slower()
        line.plan.refused(event.topic, event.type, fields.get("rid") or "", why, event.ts_recv)

    def _lost(self, line: Line | None, event: RelayEvent) -> None:
        name, dropped = event.topic or "some topic", event.fields.get("dropped")
        told = f"{dropped} frames were left out, we are too slow" if dropped else event.type
        _log.warning(f"lost {name}", "connection %d: %s: frames lost: %s", event.conn, name, told)
        if line is None:
            return
        if dropped:
            line.plan.slower()
        line.plan.lost(event.topic, event.ts_recv)

    # Time.

    def beat(self, now_ns: int) -> None:
        """Time has passed: do what is due by now."""
        self._outlet.flush()
        for line in list(self._lines.values()):
            line.session.look(now_ns)
            self._send(line, now_ns)
            reason = line.plan.replace_reason(now_ns)
            if reason:
                line.session.reconnect(reason)
            self._move(line)

    def _move(self, line: Line) -> None:
        """Topics beyond what a connection may have, or that are silent on it, go elsewhere."""
        moves = [(topic, False) for topic in line.plan.excess()]
        if not line.apart:
            moves += [(topic, True) for topic in line.plan.hopeless()]
        for topic, apart in moves:
            if topic not in line.plan:
                continue
            try:
                self._place(topic, apart=apart, but=line)
            except SessionError as error:
                conn = line.session.conn
                _log.warning("move", "%s stays on connection %d: %s", topic, conn, error)
                return
            line.plan.remove(topic)
        self._retire_if_empty(line)

    # How they are.

    @property
    def sessions(self) -> list[Session]:
        """The connections."""
        return [line.session for line in self._lines.values()]

    def counts(self) -> Counter[str]:
        """What all connections counted, those that are no more included."""
        counts = self._retired.copy()
        for session in self.sessions:
            counts.update(asdict(session.counters))
        return counts

    def topics(self) -> list[TopicStatus]:
        """How each topic is."""
        found = []
        for conn, line in self._lines.items():
            for topic in line.plan.topics:
                state, cause, heard_ns = line.plan.status(topic)
                found.append(TopicStatus(topic, state, cause, heard_ns, conn))
        return found

    def status(self, session: Session) -> ConnectionStatus:
        """What is to be said of a connection now."""
        return ConnectionStatus(
            venue=self.relay.venue.name,
            conn=session.conn,
            state=session.state,
            cause=session.cause,
            since_ns=session.since_ns,
            books=0,
            live=0,
            delay_s=None,
            reconnects=session.counters.reconnects,
            clock_ahead_s=session.clock_ahead_s,
        )

    async def stop(self) -> None:
        """Close every connection; returns within about a second."""
        await asyncio.gather(*(session.stop() for session in self.sessions))
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def abandon(self) -> None:
        """Drop whatever is left without waiting for anybody; harmless after ``stop``."""
        for session in self.sessions:
            session.abandon()
