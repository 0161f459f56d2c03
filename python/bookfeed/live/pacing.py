"""Budgets and backoff: how often the session may do a thing, as pure functions of time.

Everything here takes the time in nanoseconds as an argument and draws randomness only from the
``random.Random`` it was given, so that hours of faults can be simulated in milliseconds.
"""

import random
from dataclasses import dataclass
from typing import Final

from bookfeed.clock import NS_PER_S

# 2**40 times a second is far beyond any cap; the limit keeps the product small.
_EXPONENT_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Backoff:
    """Capped exponential delays with jitter.

    The n-th delay lies between ``1 - jitter`` and 1 times ``min(max_ns, min_ns * 2**n)``. The
    jitter is a share of the delay, so that clients spread out at the cap too.
    """

    min_ns: int = NS_PER_S
    max_ns: int = 60 * NS_PER_S
    jitter: float = 0.5

    def delay_ns(self, failures: int, rng: random.Random) -> int:
        """Return the delay in nanoseconds before the attempt after ``failures`` failures."""
        ceiling_ns = min(self.max_ns, self.min_ns << min(max(failures, 0), _EXPONENT_MAX))
        return round(ceiling_ns * (1.0 - self.jitter * rng.random()))


class TokenBucket:
    """At most ``burst`` at once and one more every ``interval_ns``."""

    __slots__ = ("_burst", "_full_ns", "_interval_ns")

    def __init__(self, burst: int, interval_ns: int) -> None:
        if burst < 1 or interval_ns < 0:
            raise ValueError("a token bucket needs burst >= 1 and interval_ns >= 0")
        self._burst = burst
        self._interval_ns = interval_ns
        # When the bucket is full again; tokens are the distance to it, so nothing accumulates.
        self._full_ns: int | None = None

    def ready_ns(self, now_ns: int) -> int:
        """Return when the next token is there, in nanoseconds; ``now_ns`` if it is."""
        if self._full_ns is None:
            return now_ns
        return max(now_ns, self._full_ns - (self._burst - 1) * self._interval_ns)

    def take(self, now_ns: int) -> bool:
        """Take a token if there is one and say whether there was."""
        if self.ready_ns(now_ns) > now_ns:
            return False
        full_ns = now_ns if self._full_ns is None else max(now_ns, self._full_ns)
        self._full_ns = full_ns + self._interval_ns
        return True


class Stagger:
    """Hands out slots at least ``spacing_ns`` apart, shared by all connections of a venue."""

    __slots__ = ("_next_ns", "_spacing_ns")

    def __init__(self, spacing_ns: int) -> None:
        self._spacing_ns = spacing_ns
        self._next_ns: int | None = None

    def reserve(self, now_ns: int) -> int:
        """Reserve the next slot and return its time in nanoseconds, ``now_ns`` at the earliest."""
        slot_ns = now_ns if self._next_ns is None else max(now_ns, self._next_ns)
        self._next_ns = slot_ns + self._spacing_ns
        return slot_ns
