"""What can go wrong between a simulated spot venue and a client, whatever the venue.

Messages of one book are numbered or summed before a fault strikes: what is dropped is missing,
what is delivered twice or late comes out of order. Frames are counted for each connection from 0,
replies and first books included. Each entry of the log says what a right client owes its books.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final, Literal, NamedTuple
from zlib import crc32

from bookfeed.sim.faults import (
    CLOSE_CODES,
    Behind,
    Delay,
    FaultEvent,
    Injector,
    Link,
    Mishap,
    lasting,
)
from bookfeed.sim.spot_stamps import SLIP_MESSAGES, STAMPS, WrongStamps

VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "drop": ("",),
    "duplicate": ("at_once", "later"),
    "swap": ("",),
    "delay": ("", "growing"),
    "malformed": ("truncated", "bad_number", "invalid_utf8", "unattributable"),
    "bit_flip": ("",),
    "unknown": ("type", "member"),
    "foreign": ("",),
    "freeze": ("connection", "symbol", "data"),
    "stamp": STAMPS,
    "disconnect": CLOSE_CODES,
    "reset": ("",),
    "restart": ("",),
}
"""The kinds that every spot venue can have, and the ways each can happen; the first is the default.

drop        the frame is never delivered
duplicate   it is delivered again: at once or later
swap        it arrives after the next one of its book
delay       it and all that follows on its connection arrive late, in order; at once as late as it
            gets, or each later than the one before
malformed   it is not the message it should be
bit_flip    one bit of it is another
unknown     a message of a type nobody has heard of comes before it, or a member is added to it
foreign     a message about a symbol that was not asked for comes before it
freeze      nothing more of a connection, of the book of one symbol, or but signs of life
stamp       from then on the time stamps of its connection are wrong, as ``spot_stamps`` says
disconnect  the connection is closed in an orderly way with that close code
reset       the connection is torn down without a close frame (TCP RST)
restart     the server is torn down within a frame: all connections at once
"""

LAG: Final[dict[str, tuple[str, ...]]] = {"lag": ("",)}
"""
lag         what is said of one symbol arrives later and later, while that of others does not

Not drawn at random, and none where one count runs through all symbols of a connection.
"""

SNAPSHOT: Final[dict[str, tuple[str, ...]]] = {
    "snapshot": ("lost", "late", "foreign", "again"),
}
"""
snapshot    a whole book is not as it should be: it does not come; it comes after the first change
            that rests on it; one of a symbol that was not asked for comes instead; or it comes once
            more, when it is old

None where whole books are asked for by REST.
"""

Duty = Literal["none", "prompt", "resync", "silence", "reconnect", "unprovable"]
"""
What a right client owes the books that a fault names (all of them, if it names none).

none        nothing: they stay as they are
prompt      they are out of ``live`` with the very frame, until a fresh book has come
resync      from the next message about them on they are right, or out of ``live``
silence     they are out of ``live`` once nothing was heard for as long as is allowed
reconnect   they are out of ``live`` at once, until there is a connection and a fresh book
unprovable  no message gives it away: nothing can be asked but what chance and a witness find
"""

End = Literal["", "disconnect", "reset", "restart", "shutdown", "stumble"]
"""A connection is closed, torn down, torn down with all others, or closed after a warning; or the
venue itself stumbles after the frame, in its own way.
"""

# How a message says that it tells a whole book, where it says so.
_SNAPSHOT: Final = re.compile(rb'"type":"snapshot"')
# What a freeze holds back that leaves signs of life alone; other numbers stand for one book.
_DATA: Final = -2
_ENDS: Final[dict[str, End]] = {
    "disconnect": "disconnect", "reset": "reset", "restart": "restart", "shutdown": "shutdown",
    "gap": "stumble",
    "refused": "stumble",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpotFault(Mishap):
    """One thing that will go wrong; ``asset`` is the venue's symbol here.

    ``message`` is the kind of frame it waits for, by default one that speaks of a book.
    """

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = VARIANTS

    message: str | None = None


class Out(NamedTuple):
    """One frame for the client, and what a fault must know about it."""

    payload: bytes
    kind: str
    """What it is, in the venue's own word for the channel."""
    symbol: str = ""
    """The symbol it speaks of, where it is one."""
    first: int = 0
    last: int = 0
    """First and last version of the book that it tells; both the same for a whole book."""
    is_book: bool = False
    """Whether a book is changed or told by it."""
    edge: tuple[str, str] = ("", "")
    """The worst bid and ask that a sum over the best levels covers, where there is one."""
    whole: bool = False
    """Whether it tells all of a book, which nothing in it says."""


class SpotDelivery(NamedTuple):
    """What becomes of one frame: frames now, frames by the time they come, an end."""

    frames: tuple[Out, ...]
    end: End = ""
    fault: SpotFault | None = None
    late_ns: int = 0
    """How much later than usual these frames come, in order with the others."""


class Wording(NamedTuple):
    """How a venue writes the things that faults damage."""

    number: re.Pattern[bytes]
    """A price or size; the first group is its digits."""
    symbol: re.Pattern[bytes]
    """The symbol; the first group is its text."""
    unknown: tuple[bytes, ...]
    """Messages of a type that nobody has heard of."""
    stamps: re.Pattern[bytes]
    """The time stamps of a message, as ``spot_stamps.pattern`` finds them."""


class SpotInjector(Injector[SpotFault, Out]):
    """Decides what becomes of every frame of every connection; venues add kinds of their own."""

    def __init__(
        self, faults: Sequence[SpotFault], seed: int, start_ns: int, wording: Wording
    ) -> None:
        super().__init__(faults, seed, start_ns)
        self._wording = wording
        self._stamps: dict[int, WrongStamps] = {}
        """Connections whose time stamps are wrong."""

    def connected(self, conn: int) -> None:
        """A new connection starts sound."""
        super().connected(conn)
        self._stamps.pop(conn, None)

    def deliver(self, conn: int, out: Out, now_ns: int) -> SpotDelivery:
        """What ``conn`` gets of ``out``."""
        link = self._next_frame(conn)
        arrived = link.behind.arrived(now_ns) if link.behind else ()
        done = self._deliver(conn, link, out, now_ns)
        return done._replace(frames=(*arrived, *done.frames)) if arrived else done

    def _deliver(self, conn: int, link: Link[Out], out: Out, now_ns: int) -> SpotDelivery:
        late_ns, right = link.late_ns(now_ns), out
        out = self._stamped(conn, right, now_ns)
        if _held_back(link, out, now_ns) or _kept_behind(link, out, now_ns):
            return SpotDelivery((), late_ns=late_ns)
        fault = self._take(conn, link.frame, now_ns, lambda one: self._fits(one, right))
        if fault is not None and fault.kind == "stamp":
            self._stamp_wrongly(fault, conn, now_ns)
            out = self._stamped(conn, right, now_ns)
        if fault is None:
            return SpotDelivery(link.with_waiting(_key(out), out), late_ns=late_ns)
        done = self._inflict(fault, link, out, conn, now_ns)
        return done._replace(late_ns=link.late_ns(now_ns))

    def alive(self, conn: int, now_ns: int) -> bool:
        """Whether signs of life (pings, heartbeats) get through."""
        link = self._links.get(conn)
        frozen = link.thaw(now_ns) if link else []
        return not any(fault.variant == "connection" for fault, _ in frozen)

    # for the venues

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        """Whether the fault could happen to this frame."""
        if fault.asset is not None and fault.asset != out.symbol:
            return False
        if fault.message is not None:
            return out.kind == fault.message
        if fault.kind == "snapshot":
            return out.is_book and (out.whole or _SNAPSHOT.search(out.payload) is not None)
        has_stamp = fault.kind != "stamp" or self._wording.stamps.search(out.payload) is not None
        return out.is_book and has_stamp

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        """The frame after a kind of the venue's own, what was done to it, and what is owed."""
        raise NotImplementedError(fault.kind)

    def _after(self, fault: SpotFault, out: Out) -> Duty:
        """What is owed after a book lost, repeated or had out of order one of its messages."""
        return "none" if fault.kind in ("duplicate", "stamp") else "resync"

    # what happens

    def _inflict(
        self, fault: SpotFault, link: Link[Out], out: Out, conn: int, now_ns: int
    ) -> SpotDelivery:
        spoiled: tuple[str, ...] = (out.symbol,) if out.symbol else ()
        detail = f"{out.kind} {out.first}..{out.last}"
        duty: Duty = self._after(fault, out) if out.is_book else "none"
        frames: tuple[Out, ...] = ()
        match fault.kind:
            case "drop":
                pass
            case "duplicate":
                frames = link.with_waiting(_key(out), out)
                if fault.variant == "at_once":
                    frames = (*frames, out)
                else:
                    link.repeat_later(out)
            case "swap":
                link.held = (_key(out), out)
            case "delay":
                lasts_s = fault.duration_s or 1.0
                until_ns, grows = now_ns + int(2 * lasts_s * 1e9), fault.variant == "growing"
                link.delay = Delay(int(lasts_s * 1e9), now_ns, until_ns, slowly=grows)
                frames, spoiled, duty = link.with_waiting(_key(out), out), (), "none"
            case "lag":
                lasts_s = fault.duration_s or 60.0
                until_ns = now_ns + int(lasts_s * 1e9)
                lag = Delay(int(lasts_s * 1e9), now_ns, until_ns, slowly=True)
                link.behind = Behind(out.symbol, lag)
                frames, spoiled, duty = link.with_waiting(_key(out), out), (), "none"
            case "freeze":
                duty = "silence"
                spoiled = spoiled if fault.variant == "symbol" else ()
                held = {"connection": 0, "data": _DATA, "symbol": _key(out)}
                link.freeze(fault, now_ns, held[fault.variant])
            case "disconnect" | "reset" | "restart":
                spoiled, duty = (), "reconnect"
            case "stamp":
                frames = link.with_waiting(_key(out), out)
            case "shutdown":
                frames, spoiled, duty = link.with_waiting(_key(out), out), (), "none"
            case "gap":
                frames = link.with_waiting(_key(out), out)
            case "refused":
                frames, spoiled, duty = link.with_waiting(_key(out), out), (), "none"
            case "snapshot":
                frames, duty = self._snapshot(fault, link, out)
            case "unknown" | "foreign":
                frames, duty = self._besides(fault, link, out), "none"
            case "malformed" | "bit_flip":
                hurt, change = self._damage(fault, out)
                frames, duty = link.with_waiting(_key(out), hurt), _owed(fault, out)
                detail = f"{detail}: {change}"
                spoiled = () if fault.variant == "unattributable" else spoiled
            case _:
                hurt, change, duty = self._own(fault, link, out)
                frames = link.with_waiting(_key(out), hurt)
                detail = f"{detail}: {change}"
        self.log.append(FaultEvent(fault, now_ns, conn, link.frame, spoiled, detail, duty=duty))
        return SpotDelivery(frames, _ENDS.get(fault.kind, ""), fault)

    def _stamp_wrongly(self, fault: SpotFault, conn: int, now_ns: int) -> None:
        """Has the stamps of a connection be wrong from now on."""
        until_ns = None if fault.duration_s is None else now_ns + int(fault.duration_s * 1e9)
        messages = SLIP_MESSAGES if fault.variant == "slip" else None
        self._stamps[conn] = WrongStamps(fault.variant, until_ns, messages)

    def _stamped(self, conn: int, out: Out, now_ns: int) -> Out:
        """The frame as the venue stamps it."""
        wrong = self._stamps.get(conn)
        if wrong is None:
            return out
        if wrong.over(now_ns):
            del self._stamps[conn]
            return out
        if wrong.messages is not None:
            wrong.messages -= out.is_book
        return out._replace(payload=wrong.put(self._wording.stamps, out.payload))

    def _snapshot(
        self, fault: SpotFault, link: Link[Out], out: Out
    ) -> tuple[tuple[Out, ...], Duty]:
        """What comes of a whole book; one that is not there, or not yet, makes no book live."""
        if fault.variant == "again":
            link.repeat_later(out)
            return link.with_waiting(_key(out), out), self._after(fault, out)
        if fault.variant == "late":
            link.held = (_key(out), out)
            return (), self._after(fault, out)
        frames = (_of_a_stranger(out),) if fault.variant == "foreign" else ()
        return frames, self._after(fault, out)

    def _besides(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, ...]:
        """The frame with something beside it that means nothing to its reader."""
        if fault.kind == "foreign":
            return (_of_a_stranger(out), *link.with_waiting(_key(out), out))
        if fault.variant == "member":
            grown = out.payload[:1] + b'"unheard_of":[1,{"of":null}],' + out.payload[1:]
            return link.with_waiting(_key(out), out._replace(payload=grown))
        stranger = self._rng.choice(self._wording.unknown)
        return (Out(stranger, "unknown"), *link.with_waiting(_key(out), out))

    def _damage(self, fault: SpotFault, out: Out) -> tuple[Out, str]:
        """The frame after damage, and what was done to it."""
        data = out.payload
        if fault.kind == "bit_flip":
            data, change = _flipped(data, self._rng)
            return out._replace(payload=data), change
        change = fault.variant
        symbol, number = self._wording.symbol.search(data), self._wording.number.search(data)
        if fault.variant == "truncated":
            start = symbol.end() if symbol else 0
            data = data[: start + (len(data) - start) * 6 // 10]
        elif fault.variant == "bad_number":
            data = _spliced(data, number, number.group(1) + b"e1") if number else data[:-1]
        elif fault.variant == "invalid_utf8":
            data = _spliced(data, symbol, symbol.group(1) + b"\xff\xc0") if symbol else b"\xff"
        else:
            data = data[:6]
        return out._replace(payload=data), change


def _of_a_stranger(out: Out) -> Out:
    """The frame as if it were about a symbol that nobody asked for."""
    other = out.payload
    for name in (out.symbol.encode(), out.symbol.lower().encode()):
        other = other.replace(name, name[:1] * 3 + name)
    return Out(other, "foreign")


def _key(out: Out) -> int:
    """A number for what frames overtake each other within: one channel of one symbol."""
    return crc32(f"{out.symbol} {out.kind}".encode()) or 1


def _kept_behind(link: Link[Out], out: Out, now_ns: int) -> bool:
    """Whether the frame is of a symbol that falls behind."""
    behind = link.behind
    return behind is not None and behind.key == out.symbol and behind.keeps(out, now_ns)


def _held_back(link: Link[Out], out: Out, now_ns: int) -> bool:
    """Whether a freeze keeps the frame; ends those that are over."""
    mine = (0, _key(out), _DATA) if out.symbol else (0, _key(out))
    return any(key in mine for _, key in link.thaw(now_ns))


def _owed(fault: SpotFault, out: Out) -> Duty:
    """After damage: a frame that cannot be read is noticed, a bit may make another number."""
    if not out.is_book:
        return "none"
    return "unprovable" if fault.kind == "bit_flip" else "prompt"


def _spliced(data: bytes, found: re.Match[bytes], new: bytes) -> bytes:
    """``data`` with the first group of ``found`` replaced."""
    start, end = found.span(1)
    return data[:start] + new + data[end:]


def _flipped(data: bytes, rng: Random) -> tuple[bytes, str]:
    at, bit = int(rng.random() * len(data)), int(rng.random() * 8)
    flipped = data[at] ^ 1 << bit
    return data[:at] + bytes((flipped,)) + data[at + 1 :], f"byte {at}, bit {bit}"


def random_faults(
    rng: Random,
    known: Mapping[str, tuple[str, ...]],
    make: Callable[..., SpotFault],
    *,
    count: int,
    frames: int,
) -> tuple[SpotFault, ...]:
    """``count`` faults over the first ``frames`` frames, in order; freezes and delays end, and some
    wrong stamps.
    """
    kinds = tuple(known)
    faults = []
    for at_frame in sorted(int(rng.random() * frames) for _ in range(count)):
        kind = kinds[int(rng.random() * len(kinds))]
        variant = known[kind][int(rng.random() * len(known[kind]))]
        lasts_s = 1 + 9 * rng.random() if kind == "freeze" else None
        if kind == "delay":
            lasts_s = 0.2 + 2 * rng.random()
        if kind == "stamp":
            lasts_s = lasting(rng, kind)
        faults.append(make(kind, at_frame=at_frame, variant=variant, duration_s=lasts_s))
    return tuple(faults)
