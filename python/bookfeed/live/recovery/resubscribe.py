"""Recovers books by subscribing again, where a whole book comes with every subscription.

One symbol at a time and only its book: unsubscribe, wait for the confirmation (where the venue
gives one), subscribe, wait for the book. Neighbours on the connection notice nothing. Whatever is
refused or not answered is begun again from the start, later and later; a new connection is had only
when no book of the old one can be.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from bookfeed._bookfeed import Notice
from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.live.pacing import Backoff
from bookfeed.live.recovery.base import Connections, Mender
from bookfeed.live.recovery.plan import NO_SNAPSHOT
from bookfeed.live.recovery.roll import Roll
from bookfeed.live.recovery.witness import Witness
from bookfeed.live.shard import Shard
from bookfeed.venues.base import Resubscription

# How long each of the two answers may take, and the books of a new connection.
ANSWER_NS: Final = 5 * NS_PER_S
# The number of no command, not even of one whose answer names none.
NO_ID: Final = -1


class Stage(Enum):
    """Where a book is on its way back."""

    LEAVING = auto()
    """To be given up: the confirmation is awaited."""
    LEFT = auto()
    """Given up: its turn to be subscribed has yet to come."""
    JOINING = auto()
    """Subscribed: the whole book is awaited."""


@dataclass(slots=True)
class Attempt:
    """A book on its way back; ``id`` is the number of the command that awaits an answer."""

    stage: Stage
    id: int
    until_ns: int


@dataclass(slots=True)
class Line:
    """The commands of one connection, and the books that are on their way back."""

    roll: Roll
    attempts: dict[int, Attempt] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)
    """Books that came since the connection opened."""
    joining_until_ns: int = 0
    """Until when the others are on their way by themselves."""
    busy: int = 0

    def attempt_of(self, id_: int) -> int | None:
        """Return the instrument for which a command was sent that is not answered yet."""
        return next((i for i, attempt in self.attempts.items() if attempt.id == id_), None)


class ResubscribeMender(Mender):
    """Walks every lost book through its resubscription."""

    can_fetch = True
    prompt = True

    def __init__(
        self,
        connections: Connections,
        commands: Resubscription,
        rng: random.Random,
        witness: Witness | None = None,
    ) -> None:
        super().__init__(connections)
        self._commands = commands
        self._witness = witness
        self._rng = rng
        self._lines: dict[int, Line] = {}
        self._hold = Backoff()
        self.can_probe = commands.hello is not None

    def roll(self, shard: Shard) -> Roll:
        """Who is to come onto a connection and to leave it."""
        return self._line(shard).roll

    def _line(self, shard: Shard) -> Line:
        line = self._lines.get(shard.conn)
        if line is None:
            line = self._lines[shard.conn] = Line(Roll(self._commands.members))
        return line

    # What happens.

    def opened(self, shard: Shard, now_ns: int) -> None:
        """The subscription is on its way: nothing is asked for again before it had its time."""
        line = self._line(shard)
        line.roll.opened(now_ns)
        self.connections.plan.release(line.attempts)
        if self._witness is not None and shard.session.counters.reconnects:
            self._witness.reopened(shard)
        line.attempts.clear()
        line.joined.clear()
        line.joining_until_ns = now_ns + ANSWER_NS

    def live(self, instrument: int) -> None:
        """A book is live."""
        shard = self.connections.shard_of(instrument)
        if shard is not None:
            line = self._line(shard)
            line.joined.add(instrument)
            line.busy = 0
            if line.attempts.pop(instrument, None) is not None:
                self.resyncs += 1

    def added(self, shard: Shard, instruments: Sequence[int]) -> None:
        """Subscribe on the open connection; one that is not open will with its next opening."""
        if shard.session.open:
            self._line(shard).roll.add([shard.instruments[i] for i in instruments])

    def removed(self, shard: Shard, symbols: Sequence[str]) -> None:
        """Unsubscribe on the open connection."""
        line = self._line(shard)
        if shard.session.open:
            line.roll.remove(symbols)
        for instrument in line.attempts.keys() - shard.instruments.keys():
            del line.attempts[instrument]
        line.joined &= shard.instruments.keys()

    def gone(self, shard: Shard) -> None:
        """A connection is given up for good."""
        self._lines.pop(shard.conn, None)

    def probe(self, shard: Shard) -> str | None:
        """Ask anything: whatever comes shows that the connection lives."""
        hello = self._commands.hello
        return None if hello is None else hello(self._line(shard).roll.take_id())

    def may_replace(self, shard: Shard) -> bool:
        """Only where there is no neighbour to lose anything."""
        return len(self.connections.plan.wanted_of(shard.instruments)) == len(shard.instruments)

    def check_changeable(self) -> None:
        """Markets can come and go."""

    # What is due.

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Do what is due for the books of the open connections ``up``."""
        for shard in up:
            line = self._line(shard)
            for instrument, attempt in list(line.attempts.items()):
                if attempt.until_ns <= now_ns:
                    self._failed(line, instrument, now_ns)
                elif attempt.stage is Stage.LEFT:
                    self._join(shard, line, instrument, now_ns)
            for frame in line.roll.due(now_ns):
                shard.session.send(frame)
            self._begin(shard, line, now_ns)
        if self._witness is not None:
            self._witness.look(up, now_ns)

    def halt(self) -> None:
        """Cancel what is being asked."""
        if self._witness is not None:
            self._witness.halt()

    async def close(self) -> None:
        """Let go of what is asked."""
        if self._witness is not None:
            await self._witness.close()

    def _begin(self, shard: Shard, line: Line, now_ns: int) -> None:
        plan = self.connections.plan
        joining = now_ns < line.joining_until_ns
        for instrument in plan.due(shard.instruments, now_ns):
            if joining and instrument not in line.joined:
                continue
            if not line.roll.ready(now_ns) or not plan.take_fetch((instrument,), 1, now_ns):
                return
            line.roll.take(now_ns)
            try:
                self.connections.inputs.resync_begin(instrument, now_ns)
            except EngineError as error:
                self.connections.fail(error)
                return
            id_ = line.roll.take_id()
            line.attempts[instrument] = Attempt(Stage.LEAVING, id_, now_ns + ANSWER_NS)
            shard.session.send(self._commands.leave(id_, shard.instruments[instrument]))
            if not self._commands.confirms:
                self._left(shard, line, instrument, now_ns)
            self.connections.flush()

    def _join(self, shard: Shard, line: Line, instrument: int, now_ns: int) -> None:
        if not line.roll.take(now_ns):
            return
        id_ = line.roll.take_id()
        line.attempts[instrument] = Attempt(Stage.JOINING, id_, now_ns + ANSWER_NS)
        shard.session.send(self._commands.join(id_, shard.instruments[instrument]))

    def _failed(self, line: Line, instrument: int, now_ns: int) -> None:
        del line.attempts[instrument]
        self.resync_failures += 1
        plan = self.connections.plan
        plan.fetched(instrument, now_ns, given=plan.cause(instrument) != NO_SNAPSHOT)

    # What the venue answers.

    def hear(self, shard: Shard) -> None:
        """Take the confirmations and refusals decoded since the last time."""
        notices = self.connections.engine.notices(shard.conn)
        if not notices:
            return
        line, now_ns = self._line(shard), self.connections.clock.now_ns()
        for notice in notices:
            if notice.kind == "asks":
                self._answer(shard, notice)
                continue
            instrument = line.attempt_of(notice.id)
            if notice.kind == "error":
                self._refused(shard, line, instrument, notice, now_ns)
            elif instrument is not None and notice.kind == "unsubscribed":
                self._left(shard, line, instrument, now_ns)

    def _answer(self, shard: Shard, notice: Notice) -> None:
        """The venue asks whether anybody is there, and hangs up on who does not say so."""
        if self._commands.answer is not None:
            shard.session.send(self._commands.answer(notice.id))

    def _left(self, shard: Shard, line: Line, instrument: int, now_ns: int) -> None:
        line.attempts[instrument] = Attempt(Stage.LEFT, NO_ID, now_ns + ANSWER_NS)
        self._join(shard, line, instrument, now_ns)

    def _refused(
        self, shard: Shard, line: Line, instrument: int | None, notice: Notice, now_ns: int
    ) -> None:
        self.say(shard, notice)
        if self._commands.is_busy(notice.text):
            # Nothing was done; it is asked for again later, at no cost to the book.
            line.roll.hold(now_ns + self._hold.delay_ns(line.busy, self._rng))
            line.busy += 1
            if instrument is not None:
                del line.attempts[instrument]
                self.connections.plan.release((instrument,))
        elif instrument is not None and line.attempts[instrument].stage is Stage.LEAVING:
            # It may not be there to be given up, which is as good.
            self._left(shard, line, instrument, now_ns)
        elif instrument is not None:
            # It is subscribed already, or cannot be: either way no whole book comes.
            self._failed(line, instrument, now_ns)
