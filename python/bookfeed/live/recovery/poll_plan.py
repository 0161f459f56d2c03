"""Which books to poll and when: the plan, without I/O.

Every book is asked for again after the same interval, those that waited longest first, as many in a
request as the venue takes. Whatever an answer leaves out is asked for once more among others that
were left out: if one of them comes, the answer was clamped, else they are not given, and asked for
ever more rarely. A request that is refused as it is may be so for the sake of one symbol: it is
asked again in halves. A venue that asks for quiet, or is not there, is left alone for a while.
"""

import random
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.live.pacing import Backoff, TokenBucket

# The longest that a book, or a venue, is left alone unless it asks for longer.
BACKOFF_NS_MAX: Final = 30 * NS_PER_S

# What is said of a request, and not of the venue or of us.
REFUSED_AS_IT_IS: Final = frozenset((400, 404, 413, 414, 422))


@dataclass(slots=True)
class PollPlan:
    """Decides about the books of one venue, by instrument number; times are in nanoseconds."""

    interval_ns: int
    """How often a book is asked for."""
    symbols_max: int
    """How many a request may name."""
    requests: TokenBucket
    """How many requests there may be."""
    rng: random.Random
    _due_ns: dict[int, int] = field(default_factory=dict)
    # How often a book was asked for and not given.
    _misses: dict[int, int] = field(default_factory=dict)
    _left_out: set[int] = field(default_factory=set)
    _halves: deque[list[int]] = field(default_factory=deque)
    _failures: int = 0
    _hold_ns: int = 0

    @property
    def _backoff(self) -> Backoff:
        return Backoff(self.interval_ns, max(self.interval_ns, BACKOFF_NS_MAX))

    def take(self, candidates: Collection[int], now_ns: int) -> list[int]:
        """Return the books to ask for now, of ``candidates``; none if it is not time.

        Those returned must be reported by ``answered``, ``refused`` or ``failed``.
        """
        if now_ns < self._hold_ns:
            return []
        batch = self._next(candidates, now_ns)
        if not batch or not self.requests.take(now_ns):
            return []
        if self._halves:
            self._halves.popleft()
        return batch

    def _next(self, candidates: Collection[int], now_ns: int) -> list[int]:
        while self._halves:
            half = [i for i in self._halves[0] if i in candidates]
            if half:
                return half
            self._halves.popleft()
        left_out = [i for i in candidates if i in self._left_out]
        due = left_out or [i for i in candidates if self._due_ns.get(i, 0) <= now_ns]
        due.sort(key=lambda i: self._due_ns.get(i, 0))
        return due[: self.symbols_max]

    def answered(
        self, asked: Sequence[int], given: Collection[int], asked_ns: int, now_ns: int
    ) -> None:
        """Books were asked for at ``asked_ns``, and ``given`` of them came."""
        self._failures = 0
        for instrument in given:
            self._due_ns[instrument] = asked_ns + self.interval_ns
            self._misses.pop(instrument, None)
        missing = [i for i in asked if i not in given]
        self._left_out.difference_update(asked)
        if given:
            self._left_out.update(missing)
        else:
            self._miss(missing, now_ns)

    def _miss(self, instruments: Iterable[int], now_ns: int) -> None:
        for instrument in instruments:
            misses = self._misses.get(instrument, 0)
            self._misses[instrument] = misses + 1
            self._due_ns[instrument] = now_ns + self._backoff.delay_ns(misses, self.rng)

    def refused(self, asked: Sequence[int], now_ns: int) -> None:
        """A request was refused as it is: one of its symbols may be to blame."""
        self._failures = 0
        self._left_out.difference_update(asked)
        if len(asked) == 1:
            self._miss(asked, now_ns)
            return
        middle = len(asked) // 2
        self._halves.extendleft((list(asked[middle:]), list(asked[:middle])))

    def failed(self, now_ns: int, retry_after_ns: int = 0) -> None:
        """Nothing came of a request, for a reason that is not in it."""
        delay_ns = max(retry_after_ns, self._backoff.delay_ns(self._failures, self.rng))
        self._failures += 1
        self._hold_ns = now_ns + delay_ns

    def forget(self, instrument: int) -> None:
        """A book is gone."""
        self._due_ns.pop(instrument, None)
        self._misses.pop(instrument, None)
        self._left_out.discard(instrument)
