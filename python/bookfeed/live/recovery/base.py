"""How books are recovered: what every way has in common.

``Mender`` fetches nothing by itself, so that the supervisor replaces connections;
``WitnessedMender`` (``witness.py``) has REST asked first whether that is needed. ``RestMender``
(``rest.py``) asks the venue's REST address for whole books, ``SeedMender`` (``seeds.py``) for those
that a stream's numbered updates follow. ``CommandMender`` (``commands.py``) has books sent on the
connection, ``ResubscribeMender`` (``resubscribe.py``) by subscribing again. Which of them a venue
gets is decided by what it offers; how often anything may be done, by ``ResyncPlan``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bookfeed._bookfeed import Engine, Notice
from bookfeed.clock import Clock
from bookfeed.errors import SessionError
from bookfeed.live.recovery.plan import ResyncPlan, ResyncPolicy
from bookfeed.live.recovery.roll import Roll
from bookfeed.live.shard import Shard
from bookfeed.log import RateLimitedLog
from bookfeed.recordings.inputs import EngineInput
from bookfeed.venues.base import Membership


class Connections(Protocol):
    """What a mender needs of who owns the connections."""

    @property
    def engine(self) -> Engine:
        """The engine, for reading."""

    @property
    def inputs(self) -> EngineInput:
        """The door into the engine."""

    @property
    def plan(self) -> ResyncPlan:
        """Which books are wanted, and the budgets."""

    @property
    def symbols_max(self) -> int:
        """How many symbols a connection carries."""

    @property
    def can_replace(self) -> bool:
        """Whether a connection may be replaced by a fresh one."""

    @property
    def clock(self) -> Clock:
        """The clock of the session."""

    @property
    def log(self) -> RateLimitedLog:
        """Where to say what went wrong."""

    def shard_of(self, instrument: int) -> Shard | None:
        """The connection of a book."""

    def flush(self) -> None:
        """Drain the engine and hand the records over."""

    def fail(self, error: BaseException) -> None:
        """The engine failed."""

    def relieve(self, shard: Shard, reason: str) -> None:
        """A connection is going to end: another one carries its books meanwhile."""

    def replace(self, shard: Shard, reason: str) -> None:
        """Give a connection up for a fresh one."""

    def others_live(self, shard: Shard, instruments: Sequence[int]) -> bool:
        """Whether a connection has books that are live besides these."""

    def part(self, shard: Shard, instruments: Sequence[int], reason: str) -> None:
        """Have a fresh connection for books; not at the cost of others on theirs that are live."""

    def move(
        self, shard: Shard, instruments: Sequence[int], reason: str, *, onto: Shard | None = None
    ) -> Shard | None:
        """Put books on a connection of their own, or ``onto`` another; ``None`` if none may be."""


class Mender:
    """Mends nothing by itself; the base of those that do. Counts what it did."""

    can_fetch = False
    # Whether the books of a connection can be asked for soon after it opened, or only waited for.
    prompt = False
    # Whether books never come by themselves: they are asked for when the stream speaks of them.
    asks_first = False
    # Whether a stream that says nothing can be asked for a sign of life on its connection.
    can_probe = False
    # Whether somebody other than the stream says if a silent market is merely quiet.
    has_witness = False
    # After how many fetches that did not help a connection is replaced; None: as the policy says.
    attempts_max: int | None = None

    def __init__(self, connections: Connections, members: Membership | None = None) -> None:
        self.connections = connections
        self.resyncs = 0
        self.resync_failures = 0
        self._members = members
        self._rolls: dict[int, Roll] = {}

    def roll(self, shard: Shard) -> Roll | None:
        """Who is to come onto a connection and to leave it; ``None`` if that is not told so."""
        roll = self._rolls.get(shard.conn)
        if roll is None and self._members is not None:
            roll = self._rolls[shard.conn] = Roll(self._members)
        return roll

    def policy(self, policy: ResyncPolicy) -> ResyncPolicy:
        """The budgets that suit this way, given those of the session."""
        if self.attempts_max is None:
            return policy
        return replace(policy, fetches_max=min(policy.fetches_max, self.attempts_max))

    def opened(self, shard: Shard, now_ns: int) -> None:
        """A connection is open and its subscription on its way."""
        if (roll := self.roll(shard)) is not None:
            roll.opened(now_ns)

    def live(self, instrument: int) -> None:
        """A book is live."""

    def mend(self, up: Sequence[Shard], now_ns: int) -> None:
        """Do what is due for the books of the open connections ``up``."""
        for shard in up:
            if (roll := self.roll(shard)) is not None:
                for frame in roll.due(now_ns):
                    shard.session.send(frame)

    def hear(self, shard: Shard) -> None:
        """Take what the venue answered to commands on a connection, or said of it."""
        for notice in self.connections.engine.notices(shard.conn):
            if notice.kind == "ending":
                self.connections.relieve(shard, "the venue is going to end it")
            elif notice.kind == "error":
                self.say(shard, notice)

    def say(self, shard: Shard, notice: Notice) -> None:
        """Log an error of the venue's, each text by itself so that none holds another back."""
        text = shard.session.quoted(notice.text)
        self.connections.log.warning(
            f"error {text}", "connection %d: the venue says %s", shard.conn, text
        )

    def may_replace(self, shard: Shard) -> bool:
        """Whether a connection may be given up for books that could not be recovered on it."""
        return True

    def probe(self, shard: Shard) -> str | None:
        """Return a question that proves a stream alive, if there is one."""
        return None

    def proof_ns(self, shard: Shard) -> int | None:
        """When the books' own stream was last proved alive; ``None`` if they have none."""
        return None

    def vouched_ns(self, shard: Shard) -> int:
        """When something last vouched for a book of a connection, where REST is asked about books
        whose stream is silent: what it finds to have moved has the connection replaced at once, so
        that silence alone says no more than that the market is quiet. Else 0.
        """
        if not self.has_witness:
            return 0
        book = self.connections.engine.book
        return max((book(i).ts_evidence or 0 for i in shard.instruments), default=0)

    def added(self, shard: Shard, instruments: Sequence[int]) -> None:
        """Subscribe on a connection that is open; one that is not will with its next opening."""
        if shard.session.open and (roll := self.roll(shard)) is not None:
            roll.add([shard.instruments[i] for i in instruments])

    def removed(self, shard: Shard, symbols: Sequence[str]) -> None:
        """Unsubscribe on a connection, if it is open."""
        if shard.session.open and (roll := self.roll(shard)) is not None:
            roll.remove(symbols)

    def gone(self, shard: Shard) -> None:
        """A connection is given up for good."""
        self._rolls.pop(shard.conn, None)

    def forget(self, instrument: int) -> None:
        """A book is gone, and its number means nothing any more."""

    def check_changeable(self) -> None:
        """Raise ``SessionError`` if markets cannot come and go on open connections."""
        if self._members is None:
            raise SessionError("markets of this venue cannot be changed while a feed is open")

    def halt(self) -> None:
        """Begin nothing more."""

    async def close(self) -> None:
        """Let go of what is open."""
