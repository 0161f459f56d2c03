"""What can go wrong between the simulated Kalshi and a client, frame by frame.

Numbers are given out before a fault strikes, as the venue's are: a frame that is dropped leaves
a gap in its subscription, one that is delivered twice or late a step back. Frames are counted for
each connection from 0, replies and snapshots included.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

from bookfeed.sim.beside import BESIDE, BesideKind
from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import (
    BARE_TEXTS,
    BROKEN,
    CLOSE_CODES,
    OF_ANY,
    FaultEvent,
    Injector,
    Link,
    Mishap,
    lasting,
)
from bookfeed.sim.kalshi import wire
from bookfeed.sim.kalshi.session import KalshiSession, Out
from bookfeed.sim.kalshi.wire import BOOK_KINDS, envelope
from bookfeed.sim.numbers import NUMBERS, moved_by

KalshiFaultKind = Literal[
    "drop",
    "duplicate",
    "swap",
    "malformed",
    "corrupt",
    "numbers",
    "freeze",
    "zombie",
    "disconnect",
    "reset",
    "terminal",
    "deltas-stop",
    "snapshot",
    "lifecycle",
    "pause",
    "reset-behind-data",
    "pong",
    "broadcast",
    "absent",
    "stamp",
    "late",
]
"""
drop          the frame is never delivered, and its number is missing
duplicate     it is delivered again: at once or later
swap          it arrives after the next one of its subscription
malformed     it is not the message it should be
corrupt       one member of it is not what the venue meant, all else is in order
numbers       from then on those of the subscription are 10 or 10^6 higher, count from 0 or 1 on, or
              come to 2^53 or 2^63 and beyond
freeze        nothing more of a connection, not even heartbeats, or of one subscription
zombie        nothing more of a connection but heartbeats
disconnect    the connection is closed in an orderly way with a close code
reset         the connection is torn down without a close frame (TCP RST)
terminal      the subscription ends with an error, the connection stays
deltas-stop   changes are kept back without a number, of all its markets or of one, while
              commands are still answered in order
snapshot      a whole book is lost, is late by a message of its subscription, is of a market that
              nobody asked for, or comes once more when it is old
lifecycle     news of a market is lost, cannot be read, or its subscription is refused
pause         the exchange as a whole stops trading, which no message says

The others are those ``OF_ANY`` venue.
"""

KALSHI_VARIANTS: Final[dict[KalshiFaultKind, tuple[str, ...]]] = {
    "drop": ("",),
    "duplicate": ("at_once", "later"),
    "swap": ("",),
    "malformed": ("truncated", "bad_number", "invalid_utf8", "unattributable"),
    "corrupt": ("size", "price", "side", "seq", "ticker"),
    "numbers": NUMBERS,
    "freeze": ("connection", "subscription"),
    "zombie": ("",),
    "disconnect": CLOSE_CODES,
    "reset": ("",),
    "terminal": ("25", "10"),
    "deltas-stop": ("subscription", "market"),
    "snapshot": ("lost", "late", "foreign", "again"),
    "lifecycle": ("lost", "malformed", "refused"),
    "pause": ("",),
    **OF_ANY,
}
"""The ways each kind can happen; the first is the default."""

NEWS_KINDS: Final[tuple[KalshiFaultKind, ...]] = ("lifecycle", "pause")
"""The kinds that concern trading and no book."""

DRAWN_KINDS: Final = tuple(
    kind for kind in KALSHI_VARIANTS if kind not in OF_ANY and kind not in NEWS_KINDS
)
"""The kinds that a random schedule draws from, unless told otherwise."""

UNDETECTABLE: Final = frozenset({"size", "price", "side"})
"""Variants of ``corrupt`` that no number gives away; only a REST witness or luck finds them."""

_LASTING: Final = frozenset({"freeze", "zombie", "deltas-stop", "pause"})
HEARTBEAT: Final = b"heartbeat"
"""What pings of the venue say."""
_FRAME_KINDS: Final = frozenset(
    {"drop", "duplicate", "swap", "malformed", "corrupt", "numbers", "broadcast",
     "reset-behind-data", "stamp", "late", "pause"}
)  # fmt: skip
_NEWS_CHANNEL: Final = "market_lifecycle_v2"
# News that concern no market of any subscriber, by variant of ``broadcast``.
_FOREIGN: Final = {
    "surrogate": '{"event_type":"created","market_ticker":"KXCUT-1","title":"Up or down \\ud83d"}',
    "foreign": '{"event_type":"deactivated","market_ticker":"KXFOREIGN-1","is_deactivated":"?"}',
    "broken": '{"event_type":"created","market_ticker":"KXBROKEN-1","title":',
}
_STAMP: Final = re.compile(rb'(?P<before>"(?:sending_)?ts_ms":(?P<quote>))(?P<ms>[0-9]+)')
_NEWS: Final = (_NEWS_CHANNEL, "event_fee_update")
_REFUSED: Final = 8
_ID: Final = re.compile(rb'"id":([0-9]+)')
# What of news makes it unreadable: a flag, a time, a multiplier.
_UNREADABLE: Final = re.compile(
    rb'("is_deactivated":|"close_ts":|"fee_multiplier_override":)(?:true|false|null|[0-9.]+)'
)
_SIZE: Final = re.compile(rb'(?:"delta_fp":|\["[0-9.]+",)"-?([0-9.]+)"')
_PRICE: Final = re.compile(rb'(?:"price_dollars":|\[)"(0\.[0-9]{4})"')
_SIDE: Final = re.compile(rb'"side":"(yes|no)"')
_SEQ: Final = re.compile(rb'"seq":([0-9]+)')
_TICKER: Final = re.compile(rb'"market_ticker":"([^"]+)"')
_TICKER_END: Final = re.compile(rb'"market_ticker":"[^"]+"')


@dataclass(frozen=True, slots=True)
class KalshiFault(Mishap):
    """One thing that will go wrong; ``asset`` is a market ticker here.

    ``message`` is the type of frame it waits for (``"trade"``, ``"ok"``), by default any that
    speaks of a book.
    """

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**KALSHI_VARIANTS, **BESIDE}

    kind: KalshiFaultKind | BesideKind
    message: str | None = None


End = Literal["", "disconnect", "reset", "reset-behind-data", "terminal", "pause"]


class KalshiDelivery(NamedTuple):
    """What becomes of one frame, and of the connection or the subscription after it."""

    frames: tuple[Out, ...]
    end: End = ""
    fault: KalshiFault | None = None
    late_ns: int = 0
    """How much later than usual the frames come, in order with the others."""


@dataclass(slots=True)
class _Stop:
    """Changes that are kept back of one subscription."""

    sid: int
    ticker: str | None
    """Those of one market; ``None`` for all."""
    until_ns: int | None
    kept: int = 0
    """How many; the numbers of all later frames are lower by that."""

    def keeps(self, out: Out, now_ns: int) -> bool:
        """Whether a frame is kept back."""
        over = self.until_ns is not None and now_ns >= self.until_ns
        concerned = out.sid == self.sid and self.ticker in (None, *out.tickers)
        return out.kind == "orderbook_delta" and concerned and not over

    def renumber(self, out: Out) -> Out:
        """A frame with the number it has if what was kept back never was."""
        return _renumbered(out, -self.kept) if out.sid == self.sid else out


class KalshiInjector(Injector[KalshiFault, Out]):
    """Decides what becomes of every frame of every connection."""

    def __init__(self, faults: Sequence[KalshiFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns)
        self._stops: dict[int, list[_Stop]] = {}
        self._moved: dict[int, dict[int, int]] = {}
        """By connection and subscription: by how much its numbers are off."""

    def connected(self, conn: int) -> None:
        """Forgets what was under way on ``conn``, changes kept back among it."""
        super().connected(conn)
        self._stops.pop(conn, None)
        self._moved.pop(conn, None)

    def deliver(self, conn: int, out: Out, session: KalshiSession, now_ns: int) -> KalshiDelivery:
        """What ``conn``, whose subscriptions are those of ``session``, gets of ``out``."""
        for stop in self._stops.get(conn, ()):
            if stop.keeps(out, now_ns):
                stop.kept += 1
                return KalshiDelivery(())
            out = stop.renumber(out)
        out = _renumbered(out, self._moved.get(conn, {}).get(out.sid, 0))
        link = self._next_frame(conn)
        if not self._waiting and not link.busy:
            return KalshiDelivery((out,))
        if _held_back(link, out, now_ns):
            return KalshiDelivery(())
        fault = self._take(conn, link.frame, now_ns, lambda one: _fits(one, out))
        if fault and fault.kind == "stamp":
            link.stamp_wrongly(fault, now_ns, self._off_by_ms())
        out = _said(link, out, now_ns)
        if fault is None:
            delivery = KalshiDelivery(link.with_waiting(out.sid, out))
        else:
            delivery = self._inflict(fault, link, out, session, now_ns)
        return delivery._replace(late_ns=link.late_ns(now_ns))

    def heartbeat(self, conn: int, now_ns: int) -> bytes | None:
        """What a heartbeat of now says, ``None`` if none gets through."""
        link = self._links.get(conn)
        frozen = link.thaw(now_ns) if link else []
        if any(fault.kind == "freeze" and not sid for fault, sid in frozen):
            return None
        return self.pong(conn, HEARTBEAT, now_ns)

    def _inflict(
        self,
        fault: KalshiFault,
        link: Link[Out],
        out: Out,
        session: KalshiSession,
        now_ns: int,
    ) -> KalshiDelivery:
        frames: tuple[Out, ...] = ()
        end: End = ""
        spoiled, sid = out.tickers, out.sid
        detail = f"{out.kind} {out.seq}"
        match fault.kind:
            case "drop":
                pass
            case "duplicate":
                frames = link.with_waiting(sid, out)
                if fault.variant == "at_once":
                    frames = (*frames, out)
                else:
                    link.repeat_later(out)
            case "swap":
                link.held = (sid, out)
            case "snapshot":
                frames = _snapshot(fault.variant, link, out)
            case "malformed" | "corrupt":
                data, change = self._damage(fault, out.payload)
                frames = link.with_waiting(sid, out._replace(payload=data))
                detail = f"{detail}: {change}"
                spoiled = () if fault.variant == "unattributable" else spoiled
            case "numbers":
                off = moved_by(fault.variant, out.seq)
                moved = self._moved.setdefault(session.conn, {})
                moved[sid] = moved.get(sid, 0) + off
                frames, spoiled = link.with_waiting(sid, _renumbered(out, off)), _books_of(session)
            case "stamp":
                off_by_ms = link.clock.off_by_ms if link.clock else 0
                frames, spoiled = link.with_waiting(sid, out), ()
                detail = f"{fault.variant}, ahead or back by {off_by_ms} ms"
            case "late":
                link.fall_behind(fault, now_ns)
                frames, spoiled = link.with_waiting(sid, out), ()
            case "freeze" | "zombie":
                sid = sid if fault.variant == "subscription" else 0
                spoiled = _books_of(session) if sid else ()
                link.freeze(fault, now_ns, sid)
            case "terminal":
                # An overflow has lost something already; any other end comes after the frame.
                frames = () if fault.variant == "25" else (out,)
                end = "terminal"
                spoiled = _books_of(session)
                detail = f"error {fault.variant} after {out.seq}"
            case "broadcast":
                broken = self._rng.choice(BROKEN) if fault.variant == "broken" else ""
                frames = _broadcast(fault.variant, session, broken)
                frames += link.with_waiting(sid, out)
                spoiled, sid = (), 0
            case "reset-behind-data":
                frames, end = link.with_waiting(sid, out), "reset-behind-data"
                spoiled, sid = (), 0
            case "deltas-stop":
                spoiled = out.tickers if fault.variant == "market" else _books_of(session)
                self._stop(fault, session.conn, out, now_ns)
            case "lifecycle":
                frames, spoiled = _spoil_news(fault.variant, out, session, now_ns), ()
            case "pause":
                frames, end = link.with_waiting(sid, out), "pause"
                spoiled, sid = (), 0
            case "disconnect" | "reset":
                end = "reset" if fault.kind == "reset" else "disconnect"
                spoiled, sid = (), 0
        event = FaultEvent(fault, now_ns, session.conn, link.frame, spoiled, detail, sid)
        self.log.append(event)
        return KalshiDelivery(frames, end, fault)

    def _stop(self, fault: KalshiFault, conn: int, out: Out, now_ns: int) -> None:
        lasts_s = fault.duration_s
        until_ns = None if lasts_s is None else now_ns + int(lasts_s * 1e9)
        ticker = out.tickers[0] if fault.variant == "market" else None
        self._stops.setdefault(conn, []).append(_Stop(out.sid, ticker, until_ns, kept=1))

    def _damage(self, fault: KalshiFault, data: bytes) -> tuple[bytes, str]:
        """The frame after a fault of content, and what was done to it."""
        if fault.kind == "malformed":
            return _malform(data, fault.variant), fault.variant
        pattern, change = _CORRUPTIONS[fault.variant]
        found = pattern.search(data)
        if found is None:
            return data, f"no {fault.variant} to corrupt"
        group = found.lastindex or 0
        old = found.group(group)
        new = change(old)
        start, end = found.span(group)
        return data[:start] + new + data[end:], f"{fault.variant} {old!r} became {new!r}"


def _renumbered(out: Out, off: int) -> Out:
    """A frame whose number, if it has one, is off by so much."""
    if not off or not out.seq:
        return out
    seq = out.seq + off
    return out._replace(payload=_SEQ.sub(b'"seq":%d' % seq, out.payload, count=1), seq=seq)


def _snapshot(variant: str, link: Link[Out], out: Out) -> tuple[Out, ...]:
    """What comes of a whole book at its place."""
    if variant == "late":
        link.held = (out.sid, out)
    elif variant == "again":
        link.repeat_later(out)
        return link.with_waiting(out.sid, out)
    elif variant == "foreign":
        pattern, change = _CORRUPTIONS["ticker"]
        other = pattern.sub(lambda found: found[0].replace(found[1], change(found[1])), out.payload)
        return link.with_waiting(out.sid, out._replace(payload=other, tickers=()))
    return ()


def _books_of(session: KalshiSession) -> tuple[str, ...]:
    return tuple(sorted(session.tickers()))


def _broadcast(variant: str, session: KalshiSession, broken: str) -> tuple[Out, ...]:
    """Something that concerns no book of the connection; ``broken`` is how its text ends."""
    if variant in BARE_TEXTS:
        return (Out(BARE_TEXTS[variant], "text"),)
    news = session.subscriptions.get(_NEWS_CHANNEL)
    if not broken:
        payload = envelope(_NEWS_CHANNEL, sid=news.sid if news else 0, msg=_FOREIGN[variant])
        return (Out(payload, _NEWS_CHANNEL),)
    if news is None:
        return ()
    # What its stream lost cannot be told unless it has a number.
    seq = news.next_seq()
    payload = envelope(_NEWS_CHANNEL, sid=news.sid, seq=seq, msg=_FOREIGN[variant] + broken)
    return (Out(payload, _NEWS_CHANNEL, news.sid, seq),)


def _said(link: Link[Out], out: Out, now_ns: int) -> Out:
    """The frame as the venue makes it by its clock, which may be wrong."""
    clock = link.wrong_clock(now_ns)
    return out._replace(payload=_STAMP.sub(clock.stamp, out.payload)) if clock else out


def _spoil_news(variant: str, out: Out, session: KalshiSession, now_ns: int) -> tuple[Out, ...]:
    """What is left of news, or of the reply to the subscription to it."""
    if variant == "lost":
        return ()
    if variant == "malformed":
        return (out._replace(payload=_UNREADABLE.sub(rb'\1"?"', out.payload, count=1)),)
    session.subscriptions.pop(_NEWS_CHANNEL, None)
    command = _ID.search(out.payload)
    error = wire.error(int(command[1]) if command else 0, _REFUSED, now_ns // 1_000_000)
    return (Out(error, "error"),)


def _fits_news(fault: KalshiFault, out: Out) -> bool:
    """Whether news, or the reply to the subscription to it, can be spoilt in that way."""
    if fault.variant == "refused":
        return out.kind == "subscribed" and _NEWS_CHANNEL.encode() in out.payload
    readable = fault.variant == "lost" or _UNREADABLE.search(out.payload) is not None
    return out.kind in _NEWS and readable


def _held_back(link: Link[Out], out: Out, now_ns: int) -> bool:
    """Whether a freeze keeps the frame; ends those that are over."""
    return any(not sid or sid == out.sid for _, sid in link.thaw(now_ns))


def _fits(fault: KalshiFault, out: Out) -> bool:
    """Whether the fault could happen to this frame."""
    if fault.kind in ("absent", "pong"):
        return False
    if fault.kind == "lifecycle":
        return _fits_news(fault, out)
    narrow = fault.kind in _FRAME_KINDS or fault.kind == "terminal"
    if fault.variant == "subscription" or narrow or fault.message is not None:
        if fault.message is None and out.kind not in BOOK_KINDS:
            return False
        if fault.message is not None and out.kind != fault.message:
            return False
    if fault.kind == "numbers" and (not out.seq or moved_by(fault.variant, out.seq) == 0):
        return False
    if fault.kind == "deltas-stop" and out.kind != "orderbook_delta":
        return False
    if fault.kind == "snapshot" and out.kind != "orderbook_snapshot":
        return False
    if fault.kind == "corrupt" and not _CORRUPTIONS[fault.variant][0].search(out.payload):
        return False
    return fault.asset is None or fault.asset in out.tickers


def _another_size(old: bytes) -> bytes:
    whole, _, part = old.partition(b".")
    return str(int(whole) * 10 + 7).encode() + b"." + part


def _another_price(old: bytes) -> bytes:
    """Another price in the same form, a cent away."""
    pips = int(old.replace(b".", b""))
    return f"0.{pips + 100 if pips < 5000 else pips - 100:04d}".encode()


_CORRUPTIONS: Final[dict[str, tuple[re.Pattern[bytes], Callable[[bytes], bytes]]]] = {
    "size": (_SIZE, _another_size),
    "price": (_PRICE, _another_price),
    "side": (_SIDE, lambda old: b"no" if old == b"yes" else b"yes"),
    "seq": (_SEQ, lambda old: str(int(old) + 3).encode()),
    "ticker": (_TICKER, lambda old: old + b"X"),
}


def _malform(data: bytes, variant: str) -> bytes:
    if variant == "truncated":
        named = _TICKER_END.search(data)
        start = named.end() if named else 0
        return data[: start + (len(data) - start) * 6 // 10]
    if variant == "bad_number":
        return _SIZE.sub(lambda found: found.group(0)[:-1] + b'e1"', data, count=1)
    if variant == "invalid_utf8":
        return _TICKER.sub(lambda found: found.group(0)[:-3] + b'\xff\xc0"', data, count=1)
    return b'{"type":"orderbook_'


def random_kalshi_faults(
    seed: int, *, count: int, frames: int, kinds: Sequence[KalshiFaultKind] = DRAWN_KINDS
) -> tuple[KalshiFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order.

    Freezes last at most ten seconds, so that more can happen after them.
    """
    rng = seeded("kalshi schedule", seed)
    faults = []
    for at_frame in sorted(int(rng.random() * frames) for _ in range(count)):
        kind = kinds[int(rng.random() * len(kinds))]
        variant = KALSHI_VARIANTS[kind][int(rng.random() * len(KALSHI_VARIANTS[kind]))]
        lasts_s = 1 + 9 * rng.random() if kind in _LASTING else lasting(rng, kind)
        faults.append(KalshiFault(kind, at_frame=at_frame, variant=variant, duration_s=lasts_s))
    return tuple(faults)
