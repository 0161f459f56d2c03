"""Relays under a virtual clock: a plan, the life of its connection, the core, the other side.

What is told is compared with the truth at once; what is missing can be asked for at the end.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from bookfeed._bookfeed import Relays
from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.live.connection import (
    Abort,
    Action,
    Close,
    Closed,
    Connect,
    ConnectionLogic,
    ConnectionPolicy,
    Data,
    Event,
    Opened,
    Send,
    Start,
    Tick,
)
from bookfeed.live.pacing import Stagger
from bookfeed.records.points import PricePoint, points
from bookfeed.records.told import RelayEvent, told
from bookfeed.relays.plan import LinePlan
from bookfeed.sim.relay_prices import Prices, double
from bookfeed.venues.relay import Relay, Topic
from bookfeed.venues.secret import Secret

START_MS = 1_790_000_000_000
STEP_MS = 250


class Peer(Protocol):
    """A simulated connection."""

    def greeting(self) -> list[str]: ...
    def receive(self, text: str, now_ms: int) -> list[str]: ...
    def tick(self, now_ms: int) -> list[str]: ...


@dataclass
class World:
    """One connection to a relay, from start to end; ``peer`` makes each attempt's other side."""

    relay: Relay
    peer: Callable[[int, int], Peer]
    """(attempt, from 0; when it opened): the other side."""
    prices: Prices
    seed: int = 1
    credentials: Any = None
    now_ms: int = START_MS
    points: list[PricePoint] = field(default_factory=list)
    events: list[RelayEvent] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    attempts: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = LinePlan(self.relay, self.credentials)
        self.core = Relays()
        self._rng = random.Random(self.seed)
        venue, relay = self.relay.venue, self.relay
        policy = ConnectionPolicy(
            ping_text=venue.ping_text,
            ping_interval_ns=seconds_ns(venue.ping_interval_s),
            pong_timeout_ns=seconds_ns(venue.pong_timeout_s),
            silence_ns=seconds_ns(relay.silence_s),
            silence_ns_max=60 * NS_PER_S,
            denied_codes=relay.denied_codes,
            draining_codes=relay.draining_codes,
        )
        self.logic = ConnectionLogic(
            policy,
            tuple,
            rng=self._rng,
            stagger=Stagger(0),
            proof_ns=self.plan.proof_ns,
            quiet_until_ns=self.plan.quiet_until_ns,
        )
        self.other: Peer | None = None
        self.closes: list[str] = []
        self._begun = False

    @property
    def now_ns(self) -> int:
        """The time."""
        return self.now_ms * 1_000_000

    def run(self, seconds: float) -> None:
        """Let time pass."""
        if not self._begun:
            self._begun = True
            self._handle(Start())
        for _ in range(round(seconds * 1_000 / STEP_MS)):
            self.now_ms += STEP_MS
            if self.other is not None:
                self._hear(self.other.tick(self.now_ms))
                code = getattr(self.other, "closing", 0)
                if code:
                    self._end(code)
            if self.other is not None:
                for frame in self.plan.frames(self.now_ns):
                    self._say(frame.reveal() if isinstance(frame, Secret) else frame)
                reason = self.plan.replace_reason(self.now_ns)
                if reason:
                    self.closes.append(reason)
                    self._end(1000)
            self._handle(Tick())

    def drop(self, code: int = 1006) -> None:
        """The connection is lost."""
        if self.other is not None:
            self._end(code)

    def _end(self, code: int) -> None:
        self.other = None
        self.plan.closed()
        self.core.disconnected(0)
        self._handle(Closed(code))

    def _say(self, text: str) -> None:
        assert self.other is not None
        self.sent.append(text)
        self._hear(self.other.receive(text, self.now_ms))

    def _handle(self, event: Event) -> None:
        for action in self.logic.handle(self.now_ns, event):
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Connect():
                self.other = self.peer(self.attempts, self.now_ms)
                self.attempts += 1
                self.core.connected(0, self.relay.venue.name)
                self.plan.opened(self.now_ns)
                self._handle(Opened())
                self._hear(self.other.greeting())
            case Send(text):
                assert isinstance(text, str)
                self._say(text)
            case Close(_, reason):
                self.closes.append(reason)
                self._end(1000)
            case Abort():
                self.drop()

    def _hear(self, frames: list[str]) -> None:
        for frame in frames:
            self.core.ingest(0, frame.encode(), self.now_ns)
            if len(frame) > 64:
                self.logic.handle(self.now_ns, Data())
        batch = self.core.drain()
        for point in points(batch.point_bytes, self.core.symbol):
            self._check(point)
            self.points.append(point)
        for _, topic, symbol in batch.heard:
            self.plan.heard(topic, symbol, self.now_ns)
        for event in told(batch.events):
            self.events.append(event)
            self._take(event)

    def _take(self, event: RelayEvent) -> None:
        fields = event.fields
        if event.kind == "acknowledged" and event.type == "authed":
            self.plan.accepted()
        elif event.kind == "refused" and str(fields["code"]).startswith("auth_"):
            self.plan.key_refused(fields["code"], self.now_ns, later=False)
        elif event.kind == "refused":
            rid = fields["rid"] or ""
            self.plan.refused(event.topic, event.type, rid, "refused", self.now_ns)
        elif event.kind == "lost":
            self.plan.lost(event.topic, self.now_ns)
        elif event.kind != "acknowledged":
            self.plan.heard(event.topic, fields.get("asset", ""), self.now_ns)

    def _check(self, point: PricePoint) -> None:
        truth = self.prices.value(point.topic, point.symbol, point.ts_event // NS_PER_S)
        same = truth == point.value_e18 if point.exact else double(truth or 0) == float(point.value)
        if truth is None or point.ts_event % NS_PER_S:
            self.wrong.append(f"nothing was told of {point}")
        elif not same:
            self.wrong.append(f"{truth} is not {point}")
        if point.revised:
            self.wrong.append(f"nothing is revised: {point}")

    def missing(self, topic: Topic, since_ms: int, until_ms: int) -> list[int]:
        """The seconds of a topic that have a value and were never told of."""
        heard = {p.ts_event // NS_PER_S for p in self.points if topic.covers(p.topic, p.symbol)}
        seconds = range(since_ms // 1_000, until_ms // 1_000)
        symbol = topic.symbol.lower()
        true = {s for s in seconds if self.prices.value(topic.name, symbol, s) is not None}
        return sorted(true - heard)

    def heard_again_after(self, topic: Topic, ms: int) -> int | None:
        """When a topic was first heard after ``ms``, in milliseconds."""
        found = (
            p.ts_recv // 1_000_000
            for p in self.points
            if topic.covers(p.topic, p.symbol) and not p.backfill
        )
        return next((at for at in found if at >= ms), None)
