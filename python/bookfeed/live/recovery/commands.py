"""Mending books by commands, where a venue numbers its streams and sends a book when asked.

The ladder, from gentle to rough, for the books of one connection:

1. whole books for all that are wanted, in their place in the stream (``snapshot``);
2. the stream ended and begun anew, if they are not live within seconds and nothing else on it is,
   and at once where the stream is known to be dead;
3. a new connection, which the supervisor sees to when two attempts did not help: for them alone
   where others are live.

A book that never was on the stream is subscribed again, never just asked for: the venue would send
it once and no change of it after, which looks live and is wrong.

A venue that says we are too slow, or that a stream has too many markets, gets some of them on a
further connection. Nothing here knows a socket: frames go to ``Session.send``, answers come as the
engine's notices.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from bookfeed._bookfeed import Notice
from bookfeed.clock import NS_PER_S
from bookfeed.errors import EngineError
from bookfeed.live.pacing import Backoff, TokenBucket
from bookfeed.live.recovery.base import Connections, Mender
from bookfeed.live.recovery.plan import NO_SNAPSHOT
from bookfeed.live.recovery.suspects import Suspects
from bookfeed.live.shard import Shard
from bookfeed.venues.base import Commands, Fault

# How long an answer may take before the next rung is tried.
ANSWER_NS: Final = 3 * NS_PER_S
# The same for all the books of a stream that was begun anew.
JOIN_NS: Final = 5 * NS_PER_S
# Every book of a stream is compared with a whole one this often, a few in each step.
COMPARE_NS: Final = 60 * NS_PER_S
COMPARE_STEP_NS: Final = 3 * NS_PER_S
# How often it is looked whose silence is odd.
LOOK_NS: Final = NS_PER_S
# How often a channel without books is subscribed again that was refused, or dies again and again.
CHANNEL_AGAIN: Final = Backoff(5 * NS_PER_S, 600 * NS_PER_S)
# Commands whose markets are remembered, in case the venue refuses them.
SENT_MAX: Final = 64
# Error texts that were said; beyond it, no more are.
SAID_MAX: Final = 64

# Causes that a book in its place in the stream does not cure, because it has no place there.
_OFF_STREAM: Final = frozenset(("channel", NO_SNAPSHOT))


class Stage(Enum):
    """What is going on with the stream of books as a whole."""

    STEADY = auto()
    LEAVING = auto()
    JOINING = auto()


@dataclass(slots=True)
class Missing:
    """A channel without books that is not there: when it is subscribed again."""

    due_ns: int
    tries: int = 0


@dataclass(slots=True)
class Line:
    """The commands of one connection: what is awaited, and the budgets."""

    next_id: int
    stage: Stage = Stage.JOINING
    stage_ns: int = 0
    leave_id: int = 0
    # Streams the venue has ended; the engine hears it in the same message, but not from us.
    dead: set[int] = field(default_factory=set)
    # Books that were live by the stream itself since it began, so that changes of them come.
    joined: set[int] = field(default_factory=set)
    # Books asked for, and until when they may take.
    asked: dict[int, int] = field(default_factory=dict)
    # Symbols by the number of the command that was to bring them onto the stream.
    sent: dict[int, tuple[str, ...]] = field(default_factory=dict)
    # Channels by the number of their stream: an error names the number alone.
    channel_of: dict[int, str] = field(default_factory=dict)
    # Channels without books that died, were refused or not answered, or were so lately.
    missing: dict[str, Missing] = field(default_factory=dict)
    overflows: int = 0
    busy: int = 0
    hold_ns: int = 0
    probes: int = 0
    # Books in the order in which they are compared, and when the next of them are.
    compared: list[int] = field(default_factory=list)
    compare_ns: int = 0
    # Those whose silence is odd are compared at once; and when that is looked at again.
    suspects: Suspects = field(default_factory=Suspects)
    look_ns: int = 0
    # Books asked for over and over: a stream in that state is better replaced.
    rounds: TokenBucket = field(default_factory=lambda: TokenBucket(20, 3 * NS_PER_S))
    joins: TokenBucket = field(default_factory=lambda: TokenBucket(3, 20 * NS_PER_S))

    def take_id(self) -> int:
        """Return the number of the next command."""
        self.next_id += 1
        return self.next_id

    def remember(self, id_: int, symbols: Sequence[str]) -> None:
        """Keep what a command was about."""
        self.sent[id_] = tuple(symbols)
        while len(self.sent) > SENT_MAX:
            del self.sent[next(iter(self.sent))]

    def begin(self, now_ns: int) -> None:
        """The connection is fresh; budgets and the count of overflows are not."""
        self.stage, self.stage_ns = Stage.JOINING, now_ns + JOIN_NS
        self.compare_ns = now_ns + COMPARE_STEP_NS
        self.dead.clear()
        self.joined.clear()
        self.asked.clear()
        self.sent.clear()
        self.channel_of.clear()
        self.missing.clear()


class CommandMender(Mender):
    """Walks the ladder for every connection of a venue with ``commands``."""

    can_fetch = True
    prompt = True
    can_probe = True
    # A connection is replaced after a request and a fresh stream.
    attempts_max = 2

    def __init__(self, connections: Connections, commands: Commands, rng: random.Random) -> None:
        super().__init__(connections)
        self._engine = connections.engine
        self._commands = commands
        self._rng = rng
        self._lines: dict[int, Line] = {}
        self._splits = TokenBucket(4, 30 * NS_PER_S)
        self._hold = Backoff()
        self._said: set[str] = set()

    def _line(self, shard: Shard) -> Line:
        line = self._lines.get(shard.conn)
        if line is None:
            line = self._lines[shard.conn] = Line(self._commands.first_id)
        return line

    def _sid(self, shard: Shard, channel: str | None = None) -> int | None:
        """The live stream of a channel, by default the books'."""
        sid = self._engine.sid(shard.conn, channel or self._commands.channels[0])
        return None if sid in self._line(shard).dead else sid

    # What happens.

    def opened(self, shard: Shard, now_ns: int) -> None:
        """The subscription is on its way: nothing is mended before it had its time."""
        self._line(shard).begin(now_ns)

    def live(self, instrument: int) -> None:
        """A book is live: it was asked for, or the stream brought it by itself."""
        shard = self.connections.shard_of(instrument)
        if shard is not None:
            line = self._line(shard)
            line.joined.add(instrument)
            line.busy = 0
            if line.stage is Stage.JOINING and line.joined >= shard.instruments.keys():
                line.stage = Stage.STEADY
            if line.asked.pop(instrument, None) is not None and not line.asked:
                self.resyncs += 1

    def probe(self, shard: Shard) -> str | None:
        """Ask for a book that has its place in the stream, one after the other."""
        line, sid = self._line(shard), self._sid(shard)
        line.probes += 1
        joined = sorted(line.joined)
        if sid is None or not joined:
            return self._commands.hello(line.take_id())
        symbol = shard.instruments[joined[line.probes % len(joined)]]
        return self._commands.snapshot(line.take_id(), sid, (symbol,))

    def proof_ns(self, shard: Shard) -> int | None:
        """When the books' stream last said something in order; until it has books, anything is."""
        books = (self._engine.book(i) for i in self._line(shard).joined)
        return max((book.ts_evidence or 0 for book in books), default=None)

    def added(self, shard: Shard, instruments: Sequence[int]) -> None:
        """Subscribe on the open connection; one that is not open will with its next opening."""
        symbols = [shard.instruments[i] for i in instruments]
        for channel in self._commands.channels if shard.session.open else ():
            self._join(shard, channel, symbols)

    def removed(self, shard: Shard, symbols: Sequence[str]) -> None:
        """Unsubscribe on the open connection.

        Without a stream there is nothing to take them from; if they come with the stream that is
        on its way, the engine knows them no more and drops them.
        """
        line = self._line(shard)
        for instrument in (line.joined | line.asked.keys()) - shard.instruments.keys():
            line.joined.discard(instrument)
            line.asked.pop(instrument, None)
        for channel in self._commands.channels:
            sid = self._sid(shard, channel)
            if sid is not None and symbols:
                shard.session.send(self._commands.delete(line.take_id(), sid, symbols))

    def gone(self, shard: Shard) -> None:
        """A connection is given up for good."""
        self._lines.pop(shard.conn, None)

    def check_changeable(self) -> None:
        """Markets can come and go."""

    # The ladder.

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Do what is due for the books of the open connections ``up``."""
        wanted = self.connections.plan.wanted() > 0
        for shard in up:
            line = self._line(shard)
            self._expire(shard, line, now_ns)
            if self._replace_withheld(shard, now_ns) or now_ns < line.hold_ns:
                continue
            self._rejoin(shard, line, now_ns)
            if wanted and line.stage is not Stage.LEAVING:
                self._ask(shard, line, now_ns)
            if line.stage is Stage.STEADY and now_ns >= line.compare_ns:
                line.compare_ns = now_ns + COMPARE_STEP_NS
                self._compare(shard, line)
            if line.stage is Stage.STEADY and now_ns >= line.look_ns:
                line.look_ns = now_ns + LOOK_NS
                self._compare_suspects(shard, line, now_ns)

    def _replace_withheld(self, shard: Shard, now_ns: int) -> bool:
        """A stream that kept changes back will do so again: says whether that is so."""
        plan = self.connections.plan
        wanted = plan.wanted_of(shard.instruments)
        if not any(plan.cause(instrument) == "withheld" for instrument in wanted):
            return False
        if plan.take_reconnect_now(shard.conn, now_ns):
            self.connections.replace(shard, "the stream kept changes back")
        return True

    def _compare(self, shard: Shard, line: Line) -> None:
        """Ask for whole books of the markets whose turn it is."""
        line.compared = [i for i in line.compared if i in line.joined]
        line.compared += sorted(line.joined.difference(line.compared))
        steps = COMPARE_NS // COMPARE_STEP_NS
        count = min(-(-len(line.compared) // steps), self._commands.snapshot_symbols_max)
        due, later = line.compared[:count], line.compared[count:]
        line.compared = later + due
        self._ask_whole(shard, line, due)

    def _compare_suspects(self, shard: Shard, line: Line, now_ns: int) -> None:
        """The same for those whose silence is odd."""
        silent = [i for i in self._engine.suspects(shard.conn) if i in line.joined]
        due = line.suspects.due(silent, now_ns)[: self._commands.snapshot_symbols_max]
        line.suspects.asked(due, now_ns)
        self._ask_whole(shard, line, due)

    def _ask_whole(self, shard: Shard, line: Line, instruments: Iterable[int]) -> None:
        """Ask for whole books of those that are live: the engine compares them and convicts."""
        sid = self._sid(shard)
        live = [i for i in instruments if self._engine.book(i).live]
        if sid is not None and live:
            symbols = [shard.instruments[i] for i in live]
            shard.session.send(self._commands.snapshot(line.take_id(), sid, symbols))

    def _expire(self, shard: Shard, line: Line, now_ns: int) -> None:
        plan = self.connections.plan
        if line.stage is not Stage.STEADY:
            if not plan.wanted_of(shard.instruments):
                line.stage = Stage.STEADY
            elif now_ns >= line.stage_ns:
                line.stage = Stage.STEADY
                plan.adopt(shard.instruments)
                self._failed(plan.wanted_of(shard.instruments), now_ns)
        late = [i for i, deadline_ns in line.asked.items() if deadline_ns <= now_ns]
        for instrument in late:
            del line.asked[instrument]
        self._failed(late, now_ns)

    def _failed(self, instruments: Sequence[int], now_ns: int) -> None:
        self.resync_failures += bool(instruments)
        for instrument in instruments:
            plan = self.connections.plan
            plan.fetched(instrument, now_ns, given=plan.cause(instrument) != NO_SNAPSHOT)

    def _rejoin(self, shard: Shard, line: Line, now_ns: int) -> None:
        """Channels without books that are not there are begun anew by themselves."""
        for channel in self._commands.beside(shard.symbols):
            missing = line.missing.get(channel)
            if self._sid(shard, channel) is not None:
                if missing is not None and now_ns >= missing.due_ns:
                    del line.missing[channel]
            elif missing is None:
                line.missing[channel] = Missing(now_ns + ANSWER_NS)
            elif now_ns >= missing.due_ns:
                missing.due_ns = now_ns + CHANNEL_AGAIN.delay_ns(missing.tries, self._rng)
                missing.tries += 1
                self._join(shard, channel, shard.symbols)

    def _ask(self, shard: Shard, line: Line, now_ns: int) -> None:
        plan = self.connections.plan
        due = plan.due(shard.instruments, now_ns)
        if line.stage is Stage.JOINING:
            # The others are on their way.
            due = [i for i in due if i in line.joined]
        if not due:
            return
        sid = self._sid(shard)
        placed = [i for i in due if i in line.joined and plan.cause(i) not in _OFF_STREAM]
        # The stream is begun anew once, and where no other book would be lost with it; after that a
        # book is asked for until it gets a connection that is new.
        failed = any(plan.attempts(i) == 1 for i in placed)
        if sid is None or (failed and not self.connections.others_live(shard, due)):
            if line.stage is Stage.STEADY:
                self._resubscribe(shard, line, sid, now_ns)
            return
        missing = [i for i in due if i not in placed]
        if missing and plan.take_fetch(missing, len(missing), now_ns):
            self._expect(line, missing, now_ns)
            self._join(shard, self._commands.channels[0], [shard.instruments[i] for i in missing])
        if placed:
            self._snapshots(shard, line, sid, placed, now_ns)

    def _snapshots(
        self, shard: Shard, line: Line, sid: int, placed: Sequence[int], now_ns: int
    ) -> None:
        connections, plan = self.connections, self.connections.plan
        if not line.asked and not line.rounds.take(now_ns):
            if plan.take_reconnect_now(shard.conn, now_ns):
                connections.part(shard, placed, "books lost over and over")
            return
        while due := plan.take_fetch(placed, self._commands.snapshot_symbols_max, now_ns):
            try:
                for instrument in due:
                    connections.inputs.resync_begin(instrument, now_ns)
            except EngineError as error:
                connections.fail(error)
                return
            self._expect(line, due, now_ns)
            symbols = [shard.instruments[i] for i in due]
            shard.session.send(self._commands.snapshot(line.take_id(), sid, symbols))
        connections.flush()

    def _expect(self, line: Line, instruments: Iterable[int], now_ns: int) -> None:
        line.asked.update(dict.fromkeys(instruments, now_ns + ANSWER_NS))

    def _resubscribe(self, shard: Shard, line: Line, sid: int | None, now_ns: int) -> None:
        """End the stream of books, if it lives, and begin it anew when its end is confirmed."""
        plan = self.connections.plan
        if line.joins.ready_ns(now_ns) > now_ns:
            return
        if not plan.take_fetch(shard.instruments, len(shard.instruments), now_ns):
            return
        line.joins.take(now_ns)
        line.asked.clear()
        plan.adopt(shard.instruments)
        if sid is None:
            self._begin_stream(shard, line, now_ns)
            return
        line.stage, line.stage_ns = Stage.LEAVING, now_ns + ANSWER_NS
        line.leave_id = line.take_id()
        shard.session.send(self._commands.unsubscribe(line.leave_id, sid))

    def _begin_stream(self, shard: Shard, line: Line, now_ns: int) -> None:
        line.stage, line.stage_ns = Stage.JOINING, now_ns + JOIN_NS
        line.joined.clear()
        self._join(shard, self._commands.channels[0], shard.symbols)

    def _join(self, shard: Shard, channel: str, symbols: Sequence[str]) -> None:
        """Bring symbols onto a channel's stream, or begin the stream with them."""
        line, sid = self._line(shard), self._sid(shard, channel)
        id_ = line.take_id()
        line.remember(id_, symbols)
        if sid is None:
            shard.session.send(self._commands.subscribe(id_, channel, symbols))
        else:
            shard.session.send(self._commands.add(id_, sid, symbols))

    # What the venue answers.

    def hear(self, shard: Shard) -> None:
        """Take the replies and errors decoded since the last time."""
        notices = self._engine.notices(shard.conn)
        if not notices:
            return
        line, now_ns = self._line(shard), self.connections.clock.now_ns()
        for notice in notices:
            if notice.kind == "subscribed":
                line.channel_of[notice.sid] = notice.channel
                # The venue may give the number of a dead stream to the next.
                line.dead.discard(notice.sid)
            elif notice.kind == "error":
                self._error(shard, line, notice, now_ns)
            elif notice.kind == "unsubscribed" and notice.sid:
                line.dead.add(notice.sid)
                if line.stage is Stage.LEAVING and notice.id == line.leave_id:
                    self._begin_stream(shard, line, now_ns)

    def _error(self, shard: Shard, line: Line, notice: Notice, now_ns: int) -> None:
        match self._commands.faults.get(notice.code):
            case Fault.DEAD | Fault.OVERFLOW if not notice.sid:
                if self.connections.plan.take_reconnect_now(shard.conn, now_ns):
                    self.connections.replace(shard, "the venue ended a stream, not saying which")
            case Fault.DEAD:
                self._died(line, notice, now_ns)
            case Fault.OVERFLOW:
                self._overflowed(shard, line, notice, now_ns)
            case Fault.FULL:
                self._full(shard, line, notice, now_ns)
            case Fault.BUSY:
                self._refused(shard, line, now_ns)
            case None if line.stage is Stage.LEAVING and notice.id == line.leave_id:
                # The stream is not there to be ended; what the engine thinks it is, is no more.
                line.dead.add(self._sid(shard) or 0)
                self._begin_stream(shard, line, now_ns)
        self._say(shard, notice)

    def _say(self, shard: Shard, notice: Notice) -> None:
        """Every text once for all connections: the venue repeats itself."""
        text = f"error {notice.code}: {shard.session.quoted(notice.text)}"
        if text not in self._said and len(self._said) < SAID_MAX:
            self._said.add(text)
            # A key of its own, so that no other line holds this one back.
            self.connections.log.warning(
                f"error {text}", "connection %d: the venue says %s", shard.conn, text
            )

    def _died(self, line: Line, notice: Notice, now_ns: int) -> bool:
        """A stream is dead; says whether it was the books'."""
        line.dead.add(notice.sid)
        books = self._commands.channels[0]
        channel = line.channel_of.pop(notice.sid, "") or notice.channel or books
        if channel != books:
            line.missing.setdefault(channel, Missing(now_ns))
            return False
        line.stage = Stage.STEADY
        return True

    def _overflowed(self, shard: Shard, line: Line, notice: Notice, now_ns: int) -> None:
        if not self._died(line, notice, now_ns):
            return
        # The venue is behind with us already; begin again a moment later.
        line.hold_ns = now_ns + self._hold.delay_ns(line.overflows, self._rng)
        line.overflows += 1
        if line.overflows >= 2:
            self._split(shard, line, _second_half(shard), "too slow for all of its markets", now_ns)

    def _refused(self, shard: Shard, line: Line, now_ns: int) -> None:
        """Too many commands: what was asked is asked again later, at no cost."""
        line.hold_ns = now_ns + self._hold.delay_ns(line.busy, self._rng)
        line.busy += 1
        line.asked.clear()
        line.stage = Stage.STEADY
        self.connections.plan.release(shard.instruments)

    def _full(self, shard: Shard, line: Line, notice: Notice, now_ns: int) -> None:
        symbols = set(line.sent.pop(notice.id, ()))
        refused = [i for i, symbol in shard.instruments.items() if symbol in symbols]
        if not refused or len(refused) == len(shard.instruments):
            refused = _second_half(shard)
        moved = self._split(shard, line, refused, "more markets than a stream may have", now_ns)
        if moved and self._sid(shard) is None:
            # The rest was refused with them: there was no stream before.
            self._begin_stream(shard, line, now_ns)

    def _split(
        self, shard: Shard, line: Line, instruments: Sequence[int], reason: str, now_ns: int
    ) -> bool:
        if not instruments or not self._splits.take(now_ns):
            return False
        if self.connections.move(shard, instruments, reason) is None:
            return False
        line.overflows = 0
        return True


def _second_half(shard: Shard) -> list[int]:
    """The books of the second half of the markets; none where there is one market."""
    markets = shard.markets
    return shard.of_markets(markets[(len(markets) + 1) // 2 :])
