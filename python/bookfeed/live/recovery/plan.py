"""Which books to fetch anew and when: the plan, without I/O.

A book that left ``live`` on evidence is to be recovered. Its whole book is fetched, many at once,
by REST or by a command on the connection (``base.py``); where that does not help, or neither is
there, its connection is replaced. Both have budgets: a token bucket over all, and a backoff for
every book. A book that the venue does not give is no reason to replace a connection on which there
are others: it is set apart (``apart.py``). What a book has cost is forgotten only after it was
live for a while.
"""

import random
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from bookfeed.clock import seconds_ns
from bookfeed.live.pacing import Backoff, TokenBucket

# Causes of ``stale`` that a fresh book does not cure, or that a reconnect in progress will. What
# has expired is the user's, or polled.
NOT_RESYNCED: Final = frozenset(
    (
        "none",
        "disconnected",
        "resolved",
        "unsubscribed",
        "poisoned",
        "transport",
        "absent",
        "expired",
    )
)

# Why a book is wanted that never came.
NO_SNAPSHOT: Final = "no_snapshot"


@dataclass(frozen=True, slots=True)
class ResyncPolicy:
    """Budgets for fetching books anew; durations in seconds. The defaults suit every venue."""

    fetch_burst: int = 4
    """How many books may be fetched at once."""
    fetch_interval_s: float = 0.5
    """After a burst, how often one more may be fetched."""
    fetch_backoff_min_s: float = 1.0
    """How long one book waits after its first fetch until the next one; it doubles from there."""
    fetch_backoff_max_s: float = 60.0
    """The longest that one book waits from fetch to fetch."""
    fetches_max: int = 3
    """After how many fetches that did not help the book's connection is replaced."""
    reconnect_interval_s: float = 30.0
    """How often one connection may be replaced for the sake of its books."""
    reconnect_backoff_min_s: float = 30.0
    """How long one book waits after the first replacement until the next; it doubles from there."""
    reconnect_backoff_max_s: float = 3600.0
    """The longest that one book waits from replacement to replacement."""
    forgiven_s: float = 60.0
    """How long a book has to be live until what it has cost is forgotten."""


@dataclass(slots=True)
class Resync:
    """One book that is to be recovered, and what it has cost so far."""

    cause: str
    fetching: bool = False
    fetches: int = 0
    # How many of them were answered without it.
    not_given: int = 0
    reconnects: int = 0
    fetch_ns: int = 0
    reconnect_ns: int = 0
    settled_ns: int = 0

    def due(self, now_ns: int) -> bool:
        """Whether it may be fetched now, if it is wanted."""
        return not self.fetching and self.fetch_ns <= now_ns


@dataclass(slots=True)
class ResyncPlan:
    """Decides about all books; ``shard`` below is the number of a book's connection.

    ``can_fetch`` says whether there is a way to fetch books at all. Times are in nanoseconds.
    """

    policy: ResyncPolicy
    rng: random.Random
    can_fetch: bool
    _resyncs: dict[int, Resync] = field(default_factory=dict)
    _wanted: dict[int, Resync] = field(default_factory=dict)
    """Those of them that are to be recovered: few of many, and looked at at every beat."""
    _fetches: TokenBucket = field(init=False)
    _reconnects: dict[int, TokenBucket] = field(default_factory=dict)
    _fetch_backoff: Backoff = field(init=False)
    _reconnect_backoff: Backoff = field(init=False)
    _forgiven_ns: int = field(init=False)
    _hold_ns: int = 0

    def __post_init__(self) -> None:
        policy = self.policy
        self._fetches = TokenBucket(policy.fetch_burst, seconds_ns(policy.fetch_interval_s))
        self._fetch_backoff = Backoff(
            seconds_ns(policy.fetch_backoff_min_s), seconds_ns(policy.fetch_backoff_max_s)
        )
        self._reconnect_backoff = Backoff(
            seconds_ns(policy.reconnect_backoff_min_s), seconds_ns(policy.reconnect_backoff_max_s)
        )
        self._forgiven_ns = seconds_ns(policy.forgiven_s)

    def wanted(self) -> int:
        """Return how many books are to be recovered."""
        return len(self._wanted)

    def want(self, instrument: int, cause: str, now_ns: int) -> None:
        """A book is to be recovered; does nothing if that is known."""
        if instrument in self._wanted:
            return
        resync = self._resyncs.get(instrument)
        if resync is None or now_ns - resync.settled_ns >= self._forgiven_ns:
            resync = self._resyncs[instrument] = Resync(cause)
        resync.cause = cause
        self._wanted[instrument] = resync

    def settled(self, instrument: int, now_ns: int) -> None:
        """A book is live, or not wanted any more."""
        resync = self._wanted.pop(instrument, None)
        if resync is not None:
            resync.fetching = False
            resync.settled_ns = now_ns

    def cause(self, instrument: int) -> str:
        """Return why a book was last wanted; ``"none"`` if it never was."""
        resync = self._resyncs.get(instrument)
        return "none" if resync is None else resync.cause

    def forget(self, instrument: int) -> None:
        """A book is gone; what it has cost is gone with it."""
        self._resyncs.pop(instrument, None)
        self._wanted.pop(instrument, None)

    def attempts(self, instrument: int) -> int:
        """Return how many fetches did not bring a book back that is wanted; 0 if it is not."""
        resync = self._wanted.get(instrument)
        return 0 if resync is None else resync.fetches

    def wanted_of(self, candidates: Iterable[int]) -> list[int]:
        """Return those of ``candidates`` that are wanted back, whatever is under way for them."""
        return [i for i in candidates if i in self._wanted]

    def due(self, candidates: Iterable[int], now_ns: int) -> list[int]:
        """Return those of ``candidates`` that may be fetched now, budgets aside."""
        return [i for i in candidates if (t := self._wanted.get(i)) is not None and t.due(now_ns)]

    def adopt(self, instruments: Iterable[int]) -> None:
        """Books that are wanted come with a fetch that is under way for others anyway."""
        for instrument in self.wanted_of(instruments):
            self._resyncs[instrument].fetching = True

    def release(self, instruments: Iterable[int]) -> None:
        """What was asked for them was refused unseen: they may be fetched again, at no cost."""
        for instrument in self.wanted_of(instruments):
            self._resyncs[instrument].fetching = False

    def take_fetch(self, candidates: Iterable[int], most: int, now_ns: int) -> list[int]:
        """Return the books to fetch now, at most ``most`` of ``candidates``, in their order.

        Every book returned must be reported by ``fetched`` or ``settled``.
        """
        if not self.may_ask(now_ns):
            return []
        due: list[int] = []
        for instrument in candidates:
            resync = self._wanted.get(instrument)
            if resync is not None and resync.due(now_ns):
                due.append(instrument)
                if len(due) == most:
                    break
        if not due or not self._fetches.take(now_ns):
            return []
        for instrument in due:
            self._resyncs[instrument].fetching = True
        return due

    def take_request(self, now_ns: int) -> bool:
        """Whether a request may be made that mends nothing; it counts as those that do."""
        return self.may_ask(now_ns) and self._fetches.take(now_ns)

    def may_ask(self, now_ns: int) -> bool:
        """Whether the server may be asked at all, budgets aside."""
        return self.can_fetch and now_ns >= self._hold_ns

    def fetched(self, instrument: int, now_ns: int, *, given: bool = True) -> None:
        """A fetch is over and the book is not live: it is tried again, later and later.

        ``given`` is ``False`` where the venue answered, and without the book.
        """
        resync = self._resyncs.get(instrument)
        if resync is None or not resync.fetching:
            return
        resync.fetching = False
        resync.fetch_ns = now_ns + self._fetch_backoff.delay_ns(resync.fetches, self.rng)
        resync.fetches += 1
        resync.not_given += not given

    def not_given(self, instrument: int) -> bool:
        """Whether the venue was asked for a book as often as is worth it, and does not give it."""
        resync = self._wanted.get(instrument)
        if resync is None:
            return False
        if not self.can_fetch:
            return resync.cause == NO_SNAPSHOT
        return resync.not_given >= self.policy.fetches_max

    def lone(self, candidates: Container[int]) -> list[int]:
        """Return those of ``candidates`` that only a connection of their own may yet bring."""
        return [
            i
            for i, resync in self._wanted.items()
            if i in candidates
            and (
                self.not_given(i)
                or (resync.fetches >= self.policy.fetches_max and resync.cause == NO_SNAPSHOT)
            )
        ]

    def hold(self, until_ns: int) -> None:
        """The server asked not to be asked before ``until_ns``."""
        self._hold_ns = max(self._hold_ns, until_ns)

    def take_reconnect(self, shard: int, instruments: Iterable[int], now_ns: int) -> list[int]:
        """Return the books of connection ``shard``, which carries ``instruments``, for whose sake
        it is to be replaced now; none if it is not.
        """
        asking = {
            instrument: resync
            for instrument in instruments
            if (resync := self._wanted.get(instrument)) is not None
            and (not self.can_fetch or resync.fetches >= self.policy.fetches_max)
        }
        # All that ask pay for it: fifty that cannot be had are no reason for fifty times as many.
        due = any(now_ns >= resync.reconnect_ns for resync in asking.values())
        if not due or not self._budget(shard).take(now_ns):
            return []
        for resync in asking.values():
            delay_ns = self._reconnect_backoff.delay_ns(resync.reconnects, self.rng)
            resync.reconnects += 1
            resync.reconnect_ns = now_ns + delay_ns
        return list(asking)

    def take_reconnect_now(self, shard: int, now_ns: int) -> bool:
        """Whether ``shard`` may be replaced for a reason of its own (a frozen stream)."""
        return self._budget(shard).take(now_ns)

    def _budget(self, shard: int) -> TokenBucket:
        budget = self._reconnects.get(shard)
        if budget is None:
            budget = TokenBucket(1, seconds_ns(self.policy.reconnect_interval_s))
            self._reconnects[shard] = budget
        return budget
