"""Faults: what can go wrong between a simulated venue and a client, on a schedule.

A fault hits the first frame that fits it at or after its place; from then on the client's
books and the truth may differ, and the log says when, where and how. The truth never
changes: faults happen to the delivery, not to the market. What each kind does, and which
there are, is the affair of each venue.
"""

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from bookfeed.sim.beside import BESIDE
from bookfeed.sim.chance import seeded

LATER_FRAMES: Final = 5
"""How many frames on a copy or an overtaken frame comes."""

CLOSE_CODES: Final = ("1001", "1000", "1006", "1008", "1011", "1012", "1013")
"""With what a venue ends a connection in an orderly way, the usual code first; 1006 stands for
none, when the socket ends without a close frame."""

ODD_PONG: Final = b' "pong"\n'
"""A sign of life that does not look like one."""
_OFF_BY_MS: Final = (300, 2_000, 60_000, 3_600_000)
"""By how much a clock can be wrong."""

OF_ANY: Final[dict[Any, tuple[str, ...]]] = {
    "reset-behind-data": ("",),
    "pong": ("none", "odd"),
    "broadcast": ("surrogate", "foreign", "broken", "blank", "words"),
    "absent": ("asset",),
    "stamp": ("ahead", "back", "seconds", "micros", "text", "negative"),
    "late": ("2", "5", "20"),
}
"""
reset-behind-data  the connection is torn down (TCP RST) while the frame is still unread
pong               from then on the venue gives no sign of life, or one that looks odd
broadcast          what concerns no subscribed book comes first: a title cut inside an emoji, a
                   market nobody asked for, what is no JSON, a blank text, bare words
absent             from the next connection on the venue has no book of an asset
stamp              from then on time stamps are wrong, and so are hashes that contain them
late               the connection falls behind in order, up to so many seconds

What can happen with either prediction market.
"""
BROKEN: Final = ('"Up\nor down"}', '"Up or down","line":NaN}', '"Up or do')
"""What a title of ``broadcast`` and all after it can be that is no JSON: a raw line feed in it, a
number that is none, nothing more."""
BARE_TEXTS: Final = {"blank": b" \n", "words": b"SLOW DOWN"}
"""Texts of ``broadcast`` that are no messages at all, by variant."""

F = TypeVar("F", bound="Mishap")
P = TypeVar("P")


def lasting(rng: Random, kind: str) -> float | None:
    """How many seconds a fault of stamps or delays lasts in a schedule; ``None`` for ever."""
    if kind == "stamp":
        # One frame, a while, or for good.
        return (0.0, 1 + 5 * rng.random(), None)[int(rng.random() * 3)]
    return 3 + 5 * rng.random() if kind == "late" else None


@dataclass(frozen=True, slots=True)
class Mishap:
    """One thing that will go wrong on any venue, and when; ``KNOWN`` are its kinds there.

    ``ValueError`` if the parts do not fit together.
    """

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {}

    kind: str
    at_frame: int | None = None
    """Not before this frame of the connection."""
    at_s: float | None = None
    """Not before this many seconds after the start. With neither, at once."""
    asset: str | None = None
    """Only a frame that speaks of this asset; for ``freeze``, only its part of the stream."""
    conn: int | None = None
    """Only on this connection; connections are numbered in the order they come."""
    variant: str = ""
    """One of ``KNOWN[kind]``."""
    duration_s: float | None = None
    """How long a freeze lasts (for ever by default), or until a lost stream reconnects."""
    count: int = 1
    """How many REST answers are ghosts."""

    def __post_init__(self) -> None:
        allowed = self.KNOWN.get(self.kind)
        if allowed is None:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(self.KNOWN)}")
        if self.variant and self.variant not in allowed:
            raise ValueError(f"fault {self.kind} has no variant {self.variant!r}; known: {allowed}")
        if not self.variant:
            object.__setattr__(self, "variant", allowed[0])
        if self.kind not in BESIDE:
            return
        if self.at_frame is not None:
            raise ValueError(f"fault {self.kind} strikes no frame: say when in seconds (at_s)")
        if self.conn is not None:
            raise ValueError(f"fault {self.kind} strikes every connection, not number {self.conn}")


class FaultEvent(NamedTuple):
    """What a fault did: the log entry."""

    fault: Mishap
    ts_ns: int
    conn: int
    """-1 for REST."""
    frame: int
    assets: tuple[str, ...]
    """The assets whose books at the client it may have spoiled; empty means all of them."""
    detail: str
    sid: int = 0
    """The subscription it hit, where the venue numbers them and it hit one alone."""
    duty: str = ""
    """What a right client owes those books now, where the venue's faults say so."""


class WrongClock(NamedTuple):
    """How the time stamps of a connection are wrong, and until when."""

    variant: str
    """That of the fault ``stamp``."""
    off_by_ms: int
    """How far ahead or back it is."""
    until_ns: int | None

    def stamp(self, found: re.Match[bytes]) -> bytes:
        """The stamp in place of the one that is the group ``ms`` of ``found``."""
        ms, quoted = int(found["ms"]), found["quote"] == b'"'
        match self.variant:
            case "ahead":
                text = str(ms + self.off_by_ms)
            case "back":
                text = str(ms - self.off_by_ms)
            case "seconds":
                text = str(ms // 1_000)
            case "micros":
                text = str(ms * 1_000)
            case "negative":
                text = str(-ms)
            case _:
                text = datetime.fromtimestamp(ms / 1_000, UTC).isoformat()
                text = text if quoted else f'"{text}"'
        return found["before"] + text.encode()


class Delay(NamedTuple):
    """How late a connection delivers, from one time to another."""

    by_ns: int
    begun_ns: int
    until_ns: int
    slowly: bool = False
    """Whether it falls behind little by little, at half its speed."""

    def at(self, now_ns: int) -> int:
        """By how much a frame is late that is sent now."""
        if now_ns >= self.until_ns:
            return 0
        return min(self.by_ns, now_ns - self.begun_ns) if self.slowly else self.by_ns


class Behind(Generic[P]):
    """One market that falls behind the others of its connection, and what of it is on its way."""

    def __init__(self, key: str, delay: Delay) -> None:
        self.key = key
        self._delay = delay
        self._waiting: deque[tuple[int, P]] = deque()

    def arrived(self, now_ns: int) -> tuple[P, ...]:
        """What has arrived by now, in order."""
        arrived = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            arrived.append(self._waiting.popleft()[1])
        return tuple(arrived)

    def keeps(self, data: P, now_ns: int) -> bool:
        """Whether what is sent now arrives later, or after what does."""
        late_ns = self._delay.at(now_ns)
        if late_ns or self._waiting:
            # Nothing overtakes.
            before_ns = self._waiting[-1][0] if self._waiting else 0
            self._waiting.append((max(now_ns + late_ns, before_ns), data))
        return bool(self._waiting)


class Link(Generic[P]):
    """What faults have under way on one connection."""

    __slots__ = ("behind", "clock", "delay", "frame", "frozen", "held", "later")

    def __init__(self) -> None:
        self.frame = -1
        self.frozen: list[tuple[Mishap, int | None, int]] = []
        """Freezes with the time they end, Unix ns, and the one subscription they hit, or 0."""
        self.held: tuple[int, P] | None = None
        """A frame that waits for the next one of its market or subscription to overtake it."""
        self.later: list[tuple[int, P]] = []
        """Copies to deliver, by frame."""
        self.clock: WrongClock | None = None
        self.delay: Delay | None = None
        self.behind: Behind[P] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        waits = self.held or self.later or self.behind
        return bool(self.frozen or waits or self.clock or self.delay)

    def clear(self) -> None:
        """Forgets what was under way: a new connection starts sound."""
        self.frozen.clear()
        self.held = None
        self.later.clear()
        self.clock = self.delay = self.behind = None

    def stamp_wrongly(self, fault: Mishap, now_ns: int, off_by_ms: int) -> None:
        """Has stamps go wrong from now on, for as long as ``fault`` says."""
        until_ns = None if fault.duration_s is None else now_ns + int(fault.duration_s * 1e9)
        self.clock = WrongClock(fault.variant, off_by_ms, until_ns)

    def wrong_clock(self, now_ns: int) -> WrongClock | None:
        """The clock that stamps go by now, if it is wrong."""
        clock = self.clock
        if clock and clock.until_ns is not None and now_ns > clock.until_ns:
            clock = self.clock = None
        return clock

    def fall_behind(self, fault: Mishap, now_ns: int) -> None:
        """Delivers ever later, up to the seconds that are the variant of ``fault``."""
        lasts_s = 3_600.0 if fault.duration_s is None else fault.duration_s
        by_ns, until_ns = int(fault.variant) * 10**9, now_ns + int(lasts_s * 1e9)
        self.delay = Delay(by_ns, now_ns, until_ns, slowly=True)

    def late_ns(self, now_ns: int) -> int:
        """By how much a frame is late that is sent now."""
        late_ns = self.delay.at(now_ns) if self.delay else 0
        if self.delay and now_ns >= self.delay.until_ns:
            self.delay = None
        return late_ns

    def freeze(self, fault: Mishap, now_ns: int, sid: int = 0) -> None:
        """Holds back what ``fault`` says from now on, for as long as it says."""
        lasts_s = fault.duration_s
        self.frozen.append((fault, None if lasts_s is None else now_ns + int(lasts_s * 1e9), sid))

    def thaw(self, now_ns: int) -> list[tuple[Mishap, int]]:
        """Ends the freezes that are over; returns the others with their subscriptions."""
        self.frozen = [held for held in self.frozen if held[1] is None or now_ns < held[1]]
        return [(fault, sid) for fault, _, sid in self.frozen]

    def with_waiting(self, key: int, data: P) -> tuple[P, ...]:
        """``data``, then what waited for something of ``key`` to pass."""
        payloads = [data]
        if self.held and self.held[0] == key:
            payloads.append(self.held[1])
            self.held = None
        if self.later:
            payloads += [copy for frame, copy in self.later if frame <= self.frame]
            self.later = [entry for entry in self.later if entry[0] > self.frame]
        return tuple(payloads)

    def repeat_later(self, data: P) -> None:
        """Delivers ``data`` once more, some frames on."""
        self.later.append((self.frame + LATER_FRAMES, data))


class Injector(Generic[F, P]):
    """The schedule, the connections and the log; what a fault does is the venue's affair.

    ``start_ns`` is the zero of ``Mishap.at_s``.
    """

    def __init__(self, faults: Sequence[F], seed: int, start_ns: int) -> None:
        self._waiting = [fault for fault in faults if fault.kind not in BESIDE]
        self._beside = [fault for fault in faults if fault.kind in BESIDE]
        self._begun: set[int] = set()
        """Those of them that have struck, by identity."""
        self._barred: dict[Any, str] = {}
        """Kinds that cannot strike here, and why."""
        self._rng = seeded("faults", seed)
        self._start_ns = start_ns
        self._links: dict[int, Link[P]] = {}
        self._pongs: dict[int, bytes | None] = {}
        """Signs of life that are not as usual, by connection."""
        self.log: list[FaultEvent] = []

    def add(self, fault: F) -> None:
        """Schedules one more fault; ``ValueError`` if it cannot strike here."""
        self._check(fault)
        (self._beside if fault.kind in BESIDE else self._waiting).append(fault)

    def only_frames(self) -> None:
        """``ValueError`` if a fault needs sockets: there are none in process."""
        self.bar(BESIDE, "needs a server: there is no socket in process")

    def bar(self, kinds: Collection[Any], why: str) -> None:
        """``ValueError``, now and later, for faults of these kinds: they cannot strike here."""
        self._barred |= dict.fromkeys(kinds, why)
        for fault in self._beside:
            self._check(fault)

    def _check(self, fault: F) -> None:
        if fault.kind in self._barred:
            raise ValueError(f"fault {fault.kind} {self._barred[fault.kind]}")

    def has(self, kinds: Collection[Any]) -> bool:
        """Whether a fault of these kinds is scheduled beside the frames."""
        return any(fault.kind in kinds for fault in self._beside)

    def end_beside(self) -> None:
        """Ends all faults beside frames, and forgets those that were to come."""
        self._beside.clear()

    def beside(self, kinds: Collection[Any], now_ns: int) -> list[F]:
        """The faults of these kinds that last now, beside the frames of any connection."""
        found = []
        for fault in self._beside:
            begins_ns = self._start_ns + int((fault.at_s or 0.0) * 1e9)
            ends_ns = begins_ns + int((fault.duration_s or 0.0) * 1e9)
            over = fault.duration_s is not None and now_ns >= ends_ns
            if fault.kind in kinds and now_ns >= begins_ns and not over:
                found.append(fault)
                if id(fault) not in self._begun:
                    self._begun.add(id(fault))
                    self.log.append(FaultEvent(fault, now_ns, -1, -1, (), fault.variant))
        return found

    def connected(self, conn: int) -> None:
        """Forgets what was under way on ``conn``: a new connection starts sound."""
        self._links.setdefault(conn, Link()).clear()
        self._pongs.pop(conn, None)

    def absent(self, conn: int, first: str, now_ns: int) -> list[str]:
        """The assets of which the venue has no book from this connection on: those of the faults
        ``absent`` that are due, ``first`` where they name none.
        """
        gone: list[str] = []
        frame = self._links[conn].frame
        while fault := self._take(conn, frame, now_ns, lambda one: one.kind == "absent"):
            asset = fault.asset or first
            gone.append(asset)
            self.log.append(FaultEvent(fault, now_ns, conn, frame, (asset,), "no such book"))
        return gone

    def pong(self, conn: int, usual: bytes, now_ns: int) -> bytes | None:
        """What the venue says as a sign of life where it ``usual`` says something else."""
        link = self._links.setdefault(conn, Link())
        fault = self._take(conn, link.frame, now_ns, lambda one: one.kind == "pong")
        if fault is not None:
            self._pongs[conn] = None if fault.variant == "none" else ODD_PONG
            self.log.append(FaultEvent(fault, now_ns, conn, link.frame, (), fault.variant))
        return self._pongs.get(conn, usual)

    def _next_frame(self, conn: int) -> Link[P]:
        """The connection, with the frame that is about to be looked at counted."""
        link = self._links.get(conn)
        if link is None:
            link = self._links[conn] = Link()
        link.frame += 1
        return link

    def _take(self, conn: int, frame: int, now_ns: int, fits: Callable[[F], bool]) -> F | None:
        """The first fault whose time and place this is, no longer waiting."""
        for index, fault in enumerate(self._waiting):
            if fault.conn not in (None, conn) or not fits(fault):
                continue
            if fault.at_frame is not None and frame < fault.at_frame:
                continue
            if self._due(fault, now_ns):
                del self._waiting[index]
                return fault
        return None

    def _off_by_ms(self) -> int:
        """By how much a clock is wrong this time."""
        return self._rng.choice(_OFF_BY_MS)

    def _due(self, fault: F, now_ns: int) -> bool:
        return fault.at_s is None or now_ns - self._start_ns >= fault.at_s * 1e9
