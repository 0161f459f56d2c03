"""The life of one connection, decided without sockets, clocks or threads.

``ConnectionLogic`` is told what happened and when, and answers with what to do: connect, send,
close, wait. It draws randomness only from the generator it was given, so that whole campaigns of
faults run under a virtual clock. The rules:

* The subscription is sent at once when the connection opens; ``PING`` follows after each interval
  and never before the subscription.
* A connection is given up when no *data* came for too long, or when nothing at all came for as long
  as a PONG may take. Data proves more than a PONG does; a PONG is not data.
* The backoff grows with every end of a connection and is reset by data, not by connecting. A
  close with 1008 counts several times, for longer. Whatever data says, a token bucket bounds how
  often one connection may be attempted.
* A stream that proves nothing is asked for a sign of life, where the venue has such a question.
  Where it has none, nothing is expected before the first market opens. Where the books have a
  stream of their own, only that one counts: it can freeze while others of the connection go on.
* A handshake that was refused because of who we are (401, 403) is tried again much more rarely;
  so is a connection that was closed for such a reason, where the venue has a code for it.
* Where the venue ends every connection at some age, it is replaced a little before, each at a time
  of its own.
* A connection of which nothing is to be expected any more, because somebody's error ended it, is
  begun again like one that was lost.
* A market may just be quiet. When a reconnect because of silence brought nothing but the initial
  books, the next silence is borne twice as long.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from bookfeed.clock import NS_PER_S
from bookfeed.live.framing import CloseCode
from bookfeed.live.pacing import Backoff, Stagger, TokenBucket
from bookfeed.venues.secret import Secret

# Far beyond any session, and small enough for every timer.
_NEVER_NS: Final = 366 * 24 * 3600 * NS_PER_S
# Later than any time there is.
_UNPLANNED_NS: Final = 1 << 62
# The share of a connection's lifetime within which it is replaced.
_LIFETIME_SPREAD: Final = 0.05

# Actions


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection; ``attempt`` counts from 1."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send one text frame; a ``Secret`` one is not shown."""

    text: str | Secret


@dataclass(frozen=True, slots=True)
class Close:
    """Stop listening, send a close frame; the books of the connection are lost now."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Drop the socket without waiting for the peer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until_ns``; then say ``Tick``. Replaces any earlier wait."""

    until_ns: int


Action = Connect | Send | Close | Abort | Wait

# Events


@dataclass(frozen=True, slots=True)
class Start:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The WebSocket handshake is complete."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt to connect failed. ``retry_after_ns`` is what the server asked for, or 0.

    ``denied`` means that the server did not accept who we are.
    """

    reason: str
    retry_after_ns: int = 0
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Market data arrived."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The venue said something that is no data: it answered a ping, or pinged, or spoke."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket is gone. ``code`` is the peer's close code, 1006 if it sent none."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Somebody wants a fresh connection: give this one up."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Revive:
    """Nothing is pending that could go on: begin again."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The wait is over."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End for good."""


Event = Start | Opened | Failed | Data | Heard | Closed | Reconnect | Revive | Tick | Stop


class Phase(Enum):
    """Where a connection is in its life."""

    IDLE = auto()
    WAITING = auto()
    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()
    STOPPING = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """The numbers of ``ConnectionLogic``; durations in nanoseconds.

    ``silence_ns`` 0 means that silence alone never ends a connection, ``probe_interval_ns`` 0
    that no sign of life is asked for, ``lifetime_ns`` 0 that a connection may grow old. Without
    ``reconnect`` one attempt is made, and what ends the connection ends it for good.
    """

    ping_text: str | None = None
    ping_interval_ns: int = 10 * NS_PER_S
    pong_timeout_ns: int = 30 * NS_PER_S
    probe_interval_ns: int = 0
    lifetime_ns: int = 0
    # How long after opening the venue is first spoken to.
    subscribe_after_ns: int = 0
    silence_ns: int = 30 * NS_PER_S
    silence_ns_max: int = 15 * 60 * NS_PER_S
    # Data later than this after opening is more than the initial books.
    settle_ns: int = 5 * NS_PER_S
    backoff: Backoff = field(default_factory=Backoff)
    # Never sooner than after 30 s, jitter included.
    denied_backoff: Backoff = field(default_factory=lambda: Backoff(60 * NS_PER_S, 600 * NS_PER_S))
    refusal_failures: int = 3
    refusal_forgiven_ns: int = 60 * NS_PER_S
    retry_after_ns_max: int = 600 * NS_PER_S
    close_timeout_ns: int = NS_PER_S // 2
    attempts_burst: int = 6
    attempt_interval_ns: int = 10 * NS_PER_S
    # Close codes that say as much as 401 does, and those by which a server sends everybody away
    # at once: then each comes back at a time of its own.
    denied_codes: frozenset[int] = frozenset()
    draining_codes: frozenset[int] = frozenset()
    draining_ns_max: int = 10 * NS_PER_S
    reconnect: bool = True


class ConnectionLogic:
    """Decides for one connection; ``handle`` is the only way in.

    It asks its owner five things: ``subscription``, the frames to send when the connection has
    opened; ``probe``, a frame that is answered, or ``None``; ``proof_ns``, when the books' own
    stream was last proved alive, ``None`` where any data is proof; ``vouched_ns``, when a witness
    beside the stream last said that nothing is missing, 0 without one; ``quiet_until_ns``, before
    which nothing is expected.
    """

    __slots__ = (
        "_attempts",
        "_connect_ns",
        "_data_ns",
        "_deadline_ns",
        "_denials",
        "_end_ns",
        "_failures",
        "_heard_ns",
        "_opened_ns",
        "_ping_ns",
        "_policy",
        "_probe",
        "_probe_ns",
        "_proof_ns",
        "_quiet_streak",
        "_quiet_until_ns",
        "_refusals",
        "_reserved",
        "_rng",
        "_stagger",
        "_subscribe_ns",
        "_subscription",
        "_vouched_ns",
        "attempt",
        "phase",
    )

    def __init__(
        self,
        policy: ConnectionPolicy,
        subscription: Callable[[], tuple[str | Secret, ...]],
        *,
        rng: random.Random,
        stagger: Stagger,
        probe: Callable[[], str | None] = lambda: None,
        proof_ns: Callable[[], int | None] = lambda: None,
        vouched_ns: Callable[[], int] = lambda: 0,
        quiet_until_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._policy = policy
        self._subscription = subscription
        self._probe = probe
        self._proof_ns = proof_ns
        self._vouched_ns = vouched_ns
        self._quiet_until_ns = quiet_until_ns
        self._rng = rng
        self._stagger = stagger
        self._attempts = TokenBucket(policy.attempts_burst, policy.attempt_interval_ns)
        self.phase = Phase.IDLE
        self.attempt = 0
        self._failures = 0
        self._denials = 0
        self._refusals = 0
        self._quiet_streak = 0
        self._connect_ns = 0
        self._reserved = False
        self._deadline_ns = 0
        self._opened_ns = 0
        self._end_ns = _NEVER_NS
        # When the subscription is to be sent; far away once it was.
        self._subscribe_ns = 0
        self._data_ns = 0
        self._heard_ns = 0
        self._ping_ns = 0
        # When the connection was last asked for a sign of life, or opened.
        self._probe_ns = 0

    @property
    def ends_ns(self) -> int:
        """When the open connection is replaced for its age; far away otherwise."""
        return self._end_ns if self.phase is Phase.OPEN else _UNPLANNED_NS

    @property
    def reconnects(self) -> bool:
        """Whether a lost connection is made again."""
        return self._policy.reconnect

    def handle(self, now_ns: int, event: Event) -> tuple[Action, ...]:
        """Take one event at ``now_ns`` and return what to do, in order."""
        if self.phase in (Phase.STOPPING, Phase.STOPPED):
            return self._handle_stopping(now_ns, event)
        match event:
            case Start() if self.phase is Phase.IDLE:
                return self._schedule(now_ns, now_ns)
            case Tick():
                return self._tick(now_ns)
            case Opened() if self.phase is Phase.CONNECTING:
                return self._opened(now_ns)
            case Data() if self.phase is Phase.OPEN:
                self._data(now_ns)
            case Heard() if self.phase is Phase.OPEN:
                self._heard_ns = max(self._heard_ns, now_ns)
            case Failed(_, retry_after_ns, denied) if self.phase is Phase.CONNECTING:
                asked_ns = min(retry_after_ns, self._policy.retry_after_ns_max)
                return self._again(now_ns, max(asked_ns, self._denied_ns() if denied else 0))
            case Closed(code):
                return self._closed(now_ns, code)
            case Reconnect(code, reason) if self.phase is Phase.OPEN:
                return self._close(now_ns, code, reason)
            case Revive() if self.phase is not Phase.IDLE:
                return self._again(now_ns, 0)
            case Stop():
                return self._stop(now_ns)
            case _:
                # An event that came too late for its phase: the answer has been given already.
                pass
        return ()

    def _schedule(self, now_ns: int, at_ns: int) -> tuple[Action, ...]:
        self.phase = Phase.WAITING
        self._reserved = False
        self._connect_ns = at_ns
        return self._tick(now_ns)

    def _tick(self, now_ns: int) -> tuple[Action, ...]:
        if self.phase is Phase.OPEN:
            return self._watch(now_ns)
        if self.phase is Phase.CLOSING:
            return self._abort_when_due(now_ns)
        if self.phase is not Phase.WAITING:
            return ()
        if now_ns < self._connect_ns:
            return (Wait(self._connect_ns),)
        if not self._reserved:
            ready_ns = self._attempts.ready_ns(now_ns)
            if ready_ns > now_ns:
                self._connect_ns = ready_ns
                return (Wait(ready_ns),)
            self._reserved = True
            self._connect_ns = self._stagger.reserve(now_ns)
            if self._connect_ns > now_ns:
                return (Wait(self._connect_ns),)
        self._attempts.take(now_ns)
        self.phase = Phase.CONNECTING
        self.attempt += 1
        return (Connect(self.attempt),)

    def _opened(self, now_ns: int) -> tuple[Action, ...]:
        self.phase = Phase.OPEN
        if not self._policy.denied_codes:
            self._denials = 0
        # Nothing is expected before it is asked for.
        self._subscribe_ns = begin_ns = now_ns + self._policy.subscribe_after_ns
        self._opened_ns = self._data_ns = self._heard_ns = self._probe_ns = begin_ns
        self._ping_ns = now_ns + self._policy.ping_interval_ns
        self._end_ns = now_ns + self._lifetime_ns()
        return (*self._subscribes(now_ns), Wait(self._next_deadline_ns(now_ns)))

    def _subscribes(self, now_ns: int) -> tuple[Action, ...]:
        if now_ns < self._subscribe_ns:
            return ()
        self._subscribe_ns = now_ns + _NEVER_NS
        return tuple(Send(text) for text in self._subscription())

    def _lifetime_ns(self) -> int:
        """How old the connection may become: a little less than the venue lets it, at random, so
        that those which were opened together do not end together.
        """
        if self._policy.lifetime_ns == 0 or not self._policy.reconnect:
            return _NEVER_NS
        return round(self._policy.lifetime_ns * (1.0 - _LIFETIME_SPREAD * self._rng.random()))

    def _data(self, now_ns: int) -> None:
        self._data_ns = max(self._data_ns, now_ns)
        self._failures = 0
        if now_ns - self._opened_ns > self._policy.settle_ns:
            self._quiet_streak = 0
        if now_ns - self._opened_ns > self._policy.refusal_forgiven_ns:
            self._refusals = self._denials = 0

    def _silence_ns(self) -> int:
        if self._policy.silence_ns == 0:
            return _NEVER_NS
        # The shift is bounded so that a year of quiet does not grow an integer.
        patience_ns = self._policy.silence_ns << min(self._quiet_streak, 16)
        return min(patience_ns, max(self._policy.silence_ns, self._policy.silence_ns_max))

    def _proved_ns(self) -> int:
        proof_ns = self._proof_ns()
        if proof_ns is None:
            return max(self._data_ns, self._vouched_ns())
        return max(proof_ns, self._opened_ns)

    def _silent_since_ns(self) -> int:
        if self._policy.probe_interval_ns:
            # Questions are answered whether markets are open or not.
            return self._proved_ns()
        return max(self._proved_ns(), self._quiet_until_ns())

    def _probe_due_ns(self) -> int:
        return max(self._proved_ns(), self._probe_ns) + self._policy.probe_interval_ns

    def _answer_due_ns(self) -> int:
        return max(self._heard_ns, self._data_ns) + self._policy.pong_timeout_ns

    def _next_deadline_ns(self, now_ns: int) -> int:
        # Looked at again after the shortest patience, since data may end a longer one.
        again_ns = now_ns + (self._policy.silence_ns or _NEVER_NS)
        deadline_ns = min(self._silent_since_ns() + self._silence_ns(), again_ns, self._end_ns)
        deadline_ns = min(deadline_ns, self._subscribe_ns)
        if self._policy.probe_interval_ns:
            deadline_ns = min(deadline_ns, self._probe_due_ns())
        if self._policy.ping_text is None:
            return deadline_ns
        return min(deadline_ns, self._ping_ns, self._answer_due_ns())

    def _watch(self, now_ns: int) -> tuple[Action, ...]:
        if now_ns - self._silent_since_ns() >= self._silence_ns():
            self._quiet_streak += 1
            return self._close(now_ns, CloseCode.NORMAL, "no data")
        if now_ns >= self._end_ns:
            return self._close(now_ns, CloseCode.NORMAL, "old")
        sends = (*self._subscribes(now_ns), *self._probes(now_ns))
        if self._policy.ping_text is not None:
            if now_ns >= self._answer_due_ns():
                return self._close(now_ns, CloseCode.NORMAL, "no answer to ping")
            if now_ns >= self._ping_ns:
                sends = (*sends, Send(self._policy.ping_text))
                self._ping_ns = now_ns + self._policy.ping_interval_ns
        return (*sends, Wait(self._next_deadline_ns(now_ns)))

    def _probes(self, now_ns: int) -> tuple[Action, ...]:
        if not self._policy.probe_interval_ns or now_ns < self._probe_due_ns():
            return ()
        self._probe_ns = now_ns
        text = self._probe()
        return () if text is None else (Send(text),)

    def _close(self, now_ns: int, code: int, reason: str) -> tuple[Action, ...]:
        self.phase = Phase.CLOSING
        # The delay runs from the decision, not from when the peer gets round to closing.
        self._connect_ns = now_ns + self._delay_ns()
        self._deadline_ns = now_ns + self._policy.close_timeout_ns
        return (Close(code, reason), Wait(self._deadline_ns))

    def _closed(self, now_ns: int, code: int) -> tuple[Action, ...]:
        if self.phase is Phase.CLOSING:
            return self._retry(now_ns, self._connect_ns)
        if self.phase not in (Phase.OPEN, Phase.CONNECTING):
            return ()
        if code == CloseCode.POLICY_VIOLATION:
            self._refusals += 1
        if code in self._policy.draining_codes:
            delay_ns = round(self._rng.random() * self._policy.draining_ns_max)
            return self._retry(now_ns, now_ns + delay_ns)
        return self._again(now_ns, self._denied_ns() if code in self._policy.denied_codes else 0)

    def _again(self, now_ns: int, at_least_ns: int) -> tuple[Action, ...]:
        return self._retry(now_ns, now_ns + max(at_least_ns, self._delay_ns()))

    def _retry(self, now_ns: int, at_ns: int) -> tuple[Action, ...]:
        if not self._policy.reconnect:
            self.phase = Phase.STOPPED
            return ()
        return self._schedule(now_ns, at_ns)

    def _delay_ns(self) -> int:
        failures = self._failures + self._refusals * self._policy.refusal_failures
        self._failures += 1
        return self._policy.backoff.delay_ns(failures, self._rng)

    def _denied_ns(self) -> int:
        self._denials += 1
        return self._policy.denied_backoff.delay_ns(self._denials - 1, self._rng)

    def _stop(self, now_ns: int) -> tuple[Action, ...]:
        if self.phase is Phase.OPEN:
            self.phase = Phase.STOPPING
            self._deadline_ns = now_ns + self._policy.close_timeout_ns
            return (Close(CloseCode.NORMAL, "bye"), Wait(self._deadline_ns))
        if self.phase is Phase.CLOSING:
            self.phase = Phase.STOPPING
            return (Wait(self._deadline_ns),)
        connecting = self.phase is Phase.CONNECTING
        self.phase = Phase.STOPPED
        return (Abort(),) if connecting else ()

    def _handle_stopping(self, now_ns: int, event: Event) -> tuple[Action, ...]:
        if self.phase is Phase.STOPPED:
            return ()
        if isinstance(event, Closed):
            self.phase = Phase.STOPPED
        elif isinstance(event, Tick):
            return self._abort_when_due(now_ns)
        return ()

    def _abort_when_due(self, now_ns: int) -> tuple[Action, ...]:
        if now_ns < self._deadline_ns:
            return (Wait(self._deadline_ns),)
        self._deadline_ns = now_ns + self._policy.close_timeout_ns
        return (Abort(), Wait(self._deadline_ns))
