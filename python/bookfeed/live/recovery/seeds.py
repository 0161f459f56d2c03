"""Begins and recovers books by REST, where a stream has numbered updates and no whole books.

A whole book is asked for when the first message about it is there, so that the answer is not older
than the stream: earlier ones would have to be asked for again. The engine keeps what the stream
says meanwhile. A book that was lost (a gap, an answer that was too old, the end of what is known of
it) is asked for on the same connection, which goes on serving its neighbours; no book is worth a
new connection, unless the stream says nothing of a book that the venue changes, or has told what is
in none of several answers: then its time stamps are wrong. A book whose
silence is odd is compared, when none is to be asked for: the number at which the venue's stands
says whether the stream has told everything. After them come books of which the engine wants a whole
one beside the stream (``Engine.probes``), before the price leaves what is known of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.live.http import RestClient, RestError
from bookfeed.live.pacing import TokenBucket
from bookfeed.live.recovery.base import Connections, Mender
from bookfeed.live.recovery.plan import ResyncPolicy
from bookfeed.live.recovery.question import Outcome, Question
from bookfeed.live.recovery.roll import Roll
from bookfeed.live.recovery.suspects import Suspects
from bookfeed.live.shard import Shard
from bookfeed.venues.base import RestRequest, RestSeeds

# How long the first message about a book is waited for: its market may be quiet.
UNHEARD_NS: Final = 5 * NS_PER_S
# How long a stream may take to come to a book that was fetched because it was silent.
LATE_NS: Final = 5 * NS_PER_S
# How many answers in a row may lack what the stream told before their time.
DENIED_MAX: Final = 3
# How often it is looked whose silence is odd: as often as may be asked, within these bounds.
LOOK_NS: Final = NS_PER_S
LOOK_MIN_NS: Final = NS_PER_S // 10

# What a book is lost to if its stream says nothing of it that the venue knows.
_SILENT: Final = ("silence", "withheld")

# What an answer says that knows no such book; others say that there is no answer now.
_UNKNOWN_SYMBOL: Final = frozenset((400, 404, 410))
# Why a book is wanted that begins: by REST alone, so that no other connection is any better.
_BEGINS: Final = "resync"
# What the engine counts for a book of which the stream speaks before there is a whole one.
_HEARD: Final = "before_snapshot"


@dataclass(slots=True)
class Line:
    """One connection: who comes and goes, and who was not spoken of yet."""

    roll: Roll
    unheard: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By instrument: what was counted before, and when waiting ends."""


class SeedMender(Mender):
    """Fetches whole books by REST, one request at a time, each for one book."""

    can_fetch = True
    asks_first = True
    has_witness = True

    def __init__(self, connections: Connections, client: RestClient, seeds: RestSeeds) -> None:
        super().__init__(connections)
        self._seeds = seeds
        self._question = Question(connections, client, take=self._take, over=self._over)
        self._lines: dict[int, Line] = {}
        # Books that were silent and are ahead of their stream, and until when it may come to them.
        self._late: dict[int, int] = {}
        # How many answers were taken for books that were withheld, since they were live.
        self._denied: Counter[int] = Counter()
        self._suspects = Suspects()
        self._probes = Suspects()
        self._look_ns = 0
        # Whether the question under way is about a whole book.
        self._whole = True
        witness = seeds.witness
        self._compare: Final = seeds.request if witness is None else witness.request
        interval_ns = seconds_ns(seeds.interval_s if witness is None else witness.interval_s)
        self._look_every_ns: Final = min(max(interval_ns // 4, LOOK_MIN_NS), LOOK_NS)
        # Where a comparison is a request as any other, it is one of the plan.
        self._budget: Final = None if witness is None else TokenBucket(2, interval_ns)

    def policy(self, policy: ResyncPolicy) -> ResyncPolicy:
        """Requests as often as the venue lets them be, and no oftener than the session does."""
        interval_s = max(policy.fetch_interval_s, self._seeds.interval_s)
        return replace(policy, fetch_burst=self._seeds.burst, fetch_interval_s=interval_s)

    def roll(self, shard: Shard) -> Roll:
        """Who is to come onto a connection and to leave it."""
        return self._line(shard).roll

    def _line(self, shard: Shard) -> Line:
        line = self._lines.get(shard.conn)
        if line is None:
            line = self._lines[shard.conn] = Line(Roll(self._seeds.members))
        return line

    # What happens.

    def opened(self, shard: Shard, now_ns: int) -> None:
        """All of its books are to be fetched, each when it is spoken of."""
        line = self._line(shard)
        line.roll.opened(now_ns)
        line.unheard.clear()
        self._listen_for(line, shard.instruments, now_ns)
        if shard.session.counters.reconnects:
            self._question.reopened(shard)

    def live(self, instrument: int) -> None:
        """A book is live."""
        self._late.pop(instrument, None)
        self._denied.pop(instrument, None)

    def added(self, shard: Shard, instruments: Sequence[int]) -> None:
        """Subscribe on the open connection; one that is not open will with its next opening."""
        if shard.session.open:
            line = self._line(shard)
            line.roll.add([shard.instruments[i] for i in instruments])
            self._listen_for(line, instruments, self.connections.clock.now_ns())

    def removed(self, shard: Shard, symbols: Sequence[str]) -> None:
        """Unsubscribe on the open connection."""
        line = self._line(shard)
        if shard.session.open:
            line.roll.remove(symbols)
        for instrument in line.unheard.keys() - shard.instruments.keys():
            del line.unheard[instrument]

    def forget(self, instrument: int) -> None:
        """A book is gone."""
        self._late.pop(instrument, None)
        self._denied.pop(instrument, None)

    def gone(self, shard: Shard) -> None:
        """A connection is given up for good."""
        self._lines.pop(shard.conn, None)

    def may_replace(self, shard: Shard) -> bool:
        """A new connection brings no whole books, and costs the others theirs."""
        return False

    def check_changeable(self) -> None:
        """Markets can come and go."""

    def _listen_for(self, line: Line, instruments: Iterable[int], now_ns: int) -> None:
        for instrument in instruments:
            line.unheard[instrument] = (self._heard(instrument), now_ns + UNHEARD_NS)

    def _heard(self, instrument: int) -> int:
        return self.connections.engine.book(instrument).evidence.get(_HEARD, 0)

    # What is due.

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Say who comes and goes; begin a request if a book is due and none is under way."""
        plan = self.connections.plan
        candidates: list[int] = []
        for shard in up:
            line = self._line(shard)
            for frame in line.roll.due(now_ns):
                shard.session.send(frame)
            for instrument, (before, until_ns) in list(line.unheard.items()):
                if self._heard(instrument) > before or now_ns >= until_ns:
                    del line.unheard[instrument]
                    plan.want(instrument, _BEGINS, now_ns)
            candidates += (i for i in shard.instruments if i not in line.unheard)
            self._replace_frozen(shard, now_ns)
        if self._question.pending:
            return
        for instrument in plan.take_fetch(candidates, 1, now_ns):
            self._begin(instrument, self._seeds.request)
        if not self._question.pending and now_ns >= self._look_ns:
            self._look_ns = now_ns + self._look_every_ns
            self._look(up, now_ns)

    def _look(self, up: Sequence[Shard], now_ns: int) -> None:
        """Ask about a silent book; if there is none that is due, about one of which more is wanted.

        What is wanted of a silent book that more is wanted of is a whole one.
        """
        engine = self.connections.engine
        silent = [i for shard in up for i in engine.suspects(shard.conn)]
        wanted = [i for shard in up for i in engine.probes(shard.conn)]
        for instrument in self._suspects.due(silent, now_ns)[:1]:
            deep = instrument in wanted
            if self._may_compare(now_ns, deep=deep):
                self._suspects.asked((instrument,), now_ns)
                self._begin(instrument, self._seeds.request if deep else self._compare)
                return
        for instrument in self._probes.due(wanted, now_ns)[:1]:
            if self.connections.plan.take_request(now_ns):
                self._probes.asked((instrument,), now_ns)
                self._begin(instrument, self._seeds.request)
                # Many may be wanted at once, and each answer takes a moment.
                self._look_ns = now_ns

    def _may_compare(self, now_ns: int, *, deep: bool) -> bool:
        """Whether a silent book may be asked about; a ``deep`` one costs what a whole book does."""
        plan = self.connections.plan
        if deep or self._budget is None:
            return plan.take_request(now_ns)
        return plan.may_ask(now_ns) and self._budget.take(now_ns)

    def _begin(self, instrument: int, request: Callable[[str], RestRequest]) -> None:
        """Begin a request for a book, to recover it or to compare it."""
        shard = self.connections.shard_of(instrument)
        if shard is not None:
            self._whole = request is self._seeds.request
            self._question.ask(shard, instrument, request)

    def _replace_frozen(self, shard: Shard, now_ns: int) -> None:
        """The venue changed a book, and the stream that should say so does not, or the stream tells
        of changes, again and again, at times that cannot be.
        """
        late = [i for i in shard.instruments if self._late.get(i, now_ns + 1) <= now_ns]
        for instrument in late:
            del self._late[instrument]
        denied = [i for i in shard.instruments if self._denied[i] > DENIED_MAX]
        if denied and self.connections.plan.take_reconnect_now(shard.conn, now_ns):
            for instrument in denied:
                del self._denied[instrument]
            self.connections.part(shard, denied, "what it tells is in no book by REST")
        elif late and self.connections.plan.take_reconnect_now(shard.conn, now_ns):
            self.connections.part(shard, late, "silent while the market moved")

    def halt(self) -> None:
        """Cancel the request under way."""
        self._question.halt()

    async def close(self) -> None:
        """Wait for the end of the request and close its connections."""
        await self._question.close()

    def _over(self, instrument: int, outcome: Outcome | RestError) -> None:
        connections, plan = self.connections, self.connections.plan
        given = True
        if outcome is Outcome.OUTLIVED:
            # Nobody could look at an answer: that says nothing against the book.
            plan.release((instrument,))
        elif isinstance(outcome, RestError):
            self.resync_failures += 1
            given = outcome.status not in _UNKNOWN_SYMBOL
            connections.log.warning("fetch", "cannot fetch a book: %s", outcome)
            if outcome.retry_after_ns:
                plan.hold(connections.clock.now_ns() + outcome.retry_after_ns)
        # Of a book that is not wanted any more this says nothing.
        plan.fetched(instrument, connections.clock.now_ns(), given=given)

    def _take(self, shard: Shard, instrument: int, body: bytes) -> None:
        connections = self.connections
        now_ns = connections.clock.now_ns()
        cause = connections.plan.cause(instrument)
        self._denied[instrument] += cause == "withheld"
        if not connections.engine.book(instrument).live:
            if not self._whole:
                return  # It was lost meanwhile: it is to begin anew as deep as it was.
            connections.inputs.resync_begin(instrument, now_ns)
        connections.inputs.ingest_rest_book(shard.conn, instrument, body, now_ns)
        self.resyncs += 1
        connections.flush()
        view = connections.engine.book(instrument)
        if view.state == "syncing" and view.update_id is not None:
            # Ahead of its stream, which will come to it.
            connections.plan.settled(instrument, now_ns)
            if cause in _SILENT:
                self._late[instrument] = now_ns + LATE_NS
