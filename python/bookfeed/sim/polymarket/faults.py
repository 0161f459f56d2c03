"""What can go wrong between the simulated Polymarket and a client, frame by frame.

Frames are counted for each connection over what the venue meant to send it after the initial
books, from 0; frames that a fault swallowed are counted too.
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
from bookfeed.sim.polymarket.damage import (
    HASH,
    SIZE,
    could_do_nothing,
    foreign,
    malform,
    without_effect,
)
from bookfeed.sim.polymarket.fills import Copies
from bookfeed.sim.polymarket.wire import Message, book_hash

FaultKind = Literal[
    "drop",
    "drop+noop",
    "duplicate",
    "freeze",
    "disconnect",
    "reset",
    "wrong_hash",
    "hash",
    "malformed",
    "lifecycle",
    "swap",
    "corrupt_size",
    "stamp",
    "late",
    "ghost",
    "sibling-ghost",
    "fill",
    "first-book",
    "reset-behind-data",
    "pong",
    "broadcast",
    "absent",
]
"""
drop          the frame is never delivered
drop+noop     in its place comes one with its hash, which sets levels to what they are
duplicate     it is delivered again: at once, reversed or later
freeze        nothing more of a connection, or of one asset, while PONG keeps coming
disconnect    the connection is closed in an orderly way with a close code
reset         the connection is torn down without a close frame (TCP RST)
wrong_hash    the book hash in the frame is not that of the book
hash          from then on the hashes of changes are not those of books at all
malformed     the frame is not the message it should be
lifecycle     a change of the price grid, or the end of a market, cannot be read
swap          the frame arrives after the next one of the same market
corrupt_size  a size in the frame is not the one the venue meant
ghost         REST answers with a stale book of 0.01 bid and 0.99 ask
sibling-ghost a book of 0.01 and 0.99 with a fresh time and a hash that fits it, of one outcome of a
              market whose outcomes mirror each other, in the stream or by REST
fill          two fills of one transaction that are alike; or only a copy of a trade, behind newer
              changes of its book or anew on the next connection
first-book    the initial books of the next connection come behind the first changes of them, with
              their time stamps or without; they do not come, are of other assets, or come again

The others are those ``OF_ANY`` venue.
"""

VARIANTS: Final[dict[FaultKind, tuple[str, ...]]] = {
    "drop": ("",),
    "drop+noop": ("",),
    "duplicate": ("at_once", "reversed", "later"),
    "freeze": ("",),
    "disconnect": CLOSE_CODES,
    "reset": ("",),
    "wrong_hash": ("one", "all"),
    "hash": ("foreign",),
    "malformed": ("truncated", "bad_number", "invalid_utf8", "unattributable"),
    "lifecycle": ("malformed",),
    "swap": ("",),
    "corrupt_size": ("one", "all"),
    "ghost": ("",),
    "sibling-ghost": ("stream", "rest"),
    "fill": ("twice", "again", "anew"),
    "first-book": ("late", "unstamped", "lost", "foreign", "again"),
    **OF_ANY,
}
"""The ways each kind can happen; the first is the default.

``one`` touches the first entry of the frame, so that the two outcomes no longer agree; ``all``
touches every entry alike. A ``truncated`` frame still names its asset, an ``unattributable``
one names nothing.
"""

_NO_FRAMES: Final = ("ghost", "absent", "pong", "first-book")
STREAM_KINDS: Final = tuple(kind for kind in VARIANTS if kind not in _NO_FRAMES)
"""The kinds that hit the frames of the market channel, initial books apart."""

DRAWN_KINDS: Final = tuple(
    kind for kind in STREAM_KINDS if kind not in ("drop+noop", "hash", "lifecycle", "fill", *OF_ANY)
)
"""The kinds that a random schedule draws from, unless told otherwise."""

_CONTENT_KINDS: Final = frozenset(STREAM_KINDS) - {"freeze", "disconnect", "reset"}
# What concerns no book of any subscriber, by variant of ``broadcast``.
_FOREIGN: Final = {
    "surrogate": (
        b'{"id":"2900001", "question":"Up or down \\ud83d", "market":"0xf0", "slug":"cut-title", '
        b'"assets_ids":["71","72"], "outcomes":["Yes","No \\ude00"], '
        b'"event_message":{"id":"3900001", "title":"\\ud83d\\ud83d"}, '
        b'"timestamp":"1790000000000", "event_type":"new_market"}'
    ),
    "foreign": (
        b'{"id":"2900002", "market":"0xf1", "assets_ids":"[73, 74]", "winning_asset_id":73, '
        b'"winning_outcome":null, "timestamp":"1790000000000", "event_type":"market_resolved"}'
    ),
    "broken": (
        b'{"event_type":"new_market", "id":"2900003", "market":"0xf2", "assets_ids":["75","76"], '
        b'"timestamp":"1790000000000", "question":'
    ),
    **BARE_TEXTS,
}
_BOOK_KINDS: Final = frozenset({"book", "price_change"})
_NEWS_KINDS: Final = frozenset({"tick_size_change", "market_resolved"})
_NEWS_VALUE: Final = re.compile(rb'"(new_tick_size|winning_asset_id)":"[^"]*"')
# What a fault of content hits where that is no message of a book.
_KINDS_HIT: Final = {"lifecycle": _NEWS_KINDS, "fill": frozenset({"last_trade_price"})}
_STAMP: Final = re.compile(rb'(?P<before>"timestamp":(?P<quote>"))(?P<ms>[0-9]+)')
_TRANSACTION: Final = re.compile(rb'"transaction_hash":"(\w+)"')
_ASSET: Final = re.compile(rb'"asset_id":"')
_WHOLE_STAMP: Final = re.compile(rb'"timestamp":"[0-9]*"')


@dataclass(frozen=True, slots=True)
class Fault(Mishap):
    """One thing that will go wrong on Polymarket."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**VARIANTS, **BESIDE}

    kind: FaultKind | BesideKind


End = Literal["", "disconnect", "reset", "reset-behind-data"]


class Delivery(NamedTuple):
    """What becomes of one frame: payloads in order, then perhaps the end of the connection."""

    payloads: tuple[bytes, ...]
    end: End = ""
    fault: Mishap | None = None
    late_ns: int = 0
    """How much later than usual the payloads come, in order with the others."""


class _Sent(NamedTuple):
    """One frame on its way to one connection."""

    conn: int
    frame: int
    message: Message
    mask: int
    """The outcomes of it that get through; 0 for a broadcast, -1 when nothing does."""
    asset_ids: tuple[str, str]
    now_ns: int

    def named(self, mask: int | None = None) -> tuple[str, ...]:
        """The assets it speaks of, or those of them in ``mask``."""
        kept = max(0, self.mask) & self.message.mask if mask is None else mask
        return tuple(asset for index, asset in enumerate(self.asset_ids) if kept & 1 << index)


class FaultInjector(Injector[Fault, bytes]):
    """Decides what becomes of every frame of Polymarket's, and of its REST answers."""

    def __init__(
        self,
        faults: Sequence[Fault],
        seed: int,
        start_ns: int,
        fresh_ghost: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        super().__init__(faults, seed, start_ns)
        self._foreign: set[int] = set()
        """Connections on which the hashes of changes are not those of books."""
        self._copies: Final = Copies()
        self._ghosts: dict[tuple[str, str | None], int] = {}
        self._fresh_ghost: Final = fresh_ghost
        """A book that is none of the venue's, of an asset; ``None`` where nothing shows that."""

    def connected(self, conn: int) -> None:
        """See ``Injector``."""
        super().connected(conn)
        self._copies.forget(conn)

    def trades_anew(self, asset_ids: Sequence[str]) -> list[bytes]:
        """The trades that a new connection which follows ``asset_ids`` tells again."""
        return self._copies.of_new(asset_ids)

    def first_books(self, conn: int, books: bytes, now_ns: int) -> bytes | None:
        """The initial books of a new connection; ``None`` if they come later or never."""
        link = self._links.setdefault(conn, Link())
        fault = self._take(conn, link.frame, now_ns, lambda one: one.kind == "first-book")
        if fault is None:
            return books
        self.log.append(FaultEvent(fault, now_ns, conn, link.frame, (), fault.variant))
        if fault.variant == "unstamped":
            books = _WHOLE_STAMP.sub(b'"timestamp":""', books)
        if fault.variant in ("late", "unstamped", "again"):
            link.repeat_later(books)
        if fault.variant == "foreign":
            return _ASSET.sub(rb"\g<0>9", books)
        return books if fault.variant == "again" else None

    def deliver(
        self, conn: int, message: Message, mask: int, asset_ids: tuple[str, str], now_ns: int
    ) -> Delivery:
        """What connection ``conn`` gets of ``message``, of which it wants ``mask``."""
        delivery = self._deliver(conn, message, mask, asset_ids, now_ns)
        if late_ns := self._links[conn].late_ns(now_ns):
            delivery = delivery._replace(late_ns=late_ns)
        if conn not in self._foreign:
            return delivery
        return delivery._replace(payloads=tuple(foreign(data) for data in delivery.payloads))

    def _deliver(
        self, conn: int, message: Message, mask: int, asset_ids: tuple[str, str], now_ns: int
    ) -> Delivery:
        link = self._next_frame(conn)
        if not (self._waiting or link.busy or self._copies.waiting):
            return Delivery((message.text(mask),))
        sent = _Sent(conn, link.frame, message, mask, asset_ids, now_ns)
        sent = sent._replace(mask=_thaw(link, sent))
        fault = self._take(conn, link.frame, now_ns, lambda one: self._fits(one, sent))
        if fault is not None:
            return self._inflict(fault, link, sent)
        if sent.mask < 0:
            return Delivery(())
        said = link.with_waiting(message.market, _said(link, sent))
        told = sent.named() if message.kind in _BOOK_KINDS else ()
        return Delivery((*said, *self._copies.due(conn, message, told)))

    def _inflict(self, fault: Fault, link: Link[bytes], sent: _Sent) -> Delivery:
        message, mask = sent.message, sent.mask
        if fault.kind == "stamp":
            link.stamp_wrongly(fault, sent.now_ns, self._off_by_ms())
        data = _said(link, sent) if mask >= 0 else b""
        spoiled = sent.named()
        detail = fault.variant
        payloads: tuple[bytes, ...] = ()
        end: End = ""
        match fault.kind:
            case "drop":
                detail = f"{message.kind} never delivered"
            case "drop+noop":
                data, detail = without_effect(message, data), f"{message.kind} without effect"
                payloads = link.with_waiting(message.market, data)
            case "hash":
                self._foreign.add(sent.conn)
                payloads, spoiled = link.with_waiting(message.market, data), ()
            case "duplicate":
                payloads = _duplicate(fault, link, sent, data)
            case "freeze":
                spoiled = (fault.asset,) if fault.asset else ()
                link.freeze(fault, sent.now_ns)
                left = sent._replace(mask=_thaw(link, sent))
                payloads = (_said(link, left),) if left.mask >= 0 else ()
            case "disconnect" | "reset":
                end = "reset" if fault.kind == "reset" else "disconnect"
                spoiled = ()
            case "reset-behind-data":
                end = "reset-behind-data"
                payloads, spoiled = link.with_waiting(message.market, data), ()
            case "broadcast":
                broken = self._rng.choice(BROKEN) if fault.variant == "broken" else ""
                strange = _FOREIGN[fault.variant] + broken.encode()
                payloads = (strange, *link.with_waiting(message.market, data))
                spoiled = ()
            case "swap":
                link.held = (message.market, data)
            case "stamp":
                off_by_ms = link.clock.off_by_ms if link.clock else 0
                payloads, spoiled = link.with_waiting(message.market, data), ()
                detail = f"{fault.variant}, ahead or back by {off_by_ms} ms"
            case "late":
                link.fall_behind(fault, sent.now_ns)
                payloads, spoiled = link.with_waiting(message.market, data), ()
            case "sibling-ghost":
                asset_id = self._ghost_of(fault, sent) or ""
                ghost = (self._fresh_ghost(asset_id) or "").encode()
                payloads = (*link.with_waiting(message.market, data), ghost)
                spoiled, detail = (asset_id,), f"a book of 0.01 and 0.99 after {message.kind}"
            case "fill":
                payloads, spoiled = self._tell_again(fault, link, sent, data), ()
                transaction = _TRANSACTION.search(data)
                detail += f" {transaction.group(1).decode()}" if transaction else ""
            case "wrong_hash" | "corrupt_size" | "malformed" | "lifecycle":
                data, detail = self._damage(fault, data)
                payloads = link.with_waiting(message.market, data)
                if fault.variant == "unattributable":
                    spoiled = ()
                elif fault.variant == "one":
                    spoiled = sent.named(_first_bit(message, mask))
        log = FaultEvent(fault, sent.now_ns, sent.conn, sent.frame, spoiled, detail)
        self.log.append(log)
        return Delivery(payloads, end, fault)

    def _tell_again(
        self, fault: Fault, link: Link[bytes], sent: _Sent, data: bytes
    ) -> tuple[bytes, ...]:
        (asset_id,) = sent.named()
        if fault.variant == "again":
            self._copies.behind(sent.conn, asset_id, sent.message, data)
        elif fault.variant == "anew":
            self._copies.anew(asset_id, data)
        both = (data,) if fault.variant == "twice" else ()
        return (*link.with_waiting(sent.message.market, data), *both)

    def _damage(self, fault: Fault, data: bytes) -> tuple[bytes, str]:
        """The frame after a fault of content, and what was done to it."""
        if fault.kind == "malformed":
            return malform(data, fault.variant), fault.variant
        if fault.kind == "lifecycle":
            return _NEWS_VALUE.sub(rb'"\1":{}', data), "a value that cannot be read"
        count = 1 if fault.variant == "one" else 0
        if fault.kind == "wrong_hash":
            wrong = f'"hash":"{self._rng.getrandbits(160):040x}"'.encode()
            return HASH.sub(wrong, data, count), f"{fault.variant}: {wrong.decode()}"
        found = SIZE.search(data)
        if found is None:
            return data, "no size to corrupt"
        old = found.group(1)
        new = str(1 + int(old.split(b".")[0]) * 10 + int(self._rng.random() * 9)).encode()
        to = b'"size":"' + new + b'"'
        if fault.variant == "all":
            data = data.replace(found.group(0), to)
        else:
            data = data.replace(found.group(0), to, 1)
        return data, f"{fault.variant}: size {old.decode()} became {new.decode()}"

    def ghost(self, asset_id: str, now_ns: int) -> bool:
        """Whether REST shall answer for this asset with a stale book now."""
        return self._haunts("ghost", asset_id, now_ns)

    def sibling_ghost(self, asset_id: str, now_ns: int) -> str | None:
        """What REST shall answer for this asset now in place of its book, if anything."""
        ghost = self._fresh_ghost(asset_id)
        return ghost if ghost and self._haunts("sibling-ghost", asset_id, now_ns) else None

    def _haunts(self, kind: FaultKind, asset_id: str, now_ns: int) -> bool:
        for fault in self._waiting:
            if fault.kind != kind or not _by_rest(fault) or not self._due(fault, now_ns):
                continue
            if fault.asset in (None, asset_id):
                self._waiting.remove(fault)
                key = (kind, fault.asset)
                self._ghosts[key] = self._ghosts.get(key, 0) + fault.count
                self.log.append(FaultEvent(fault, now_ns, -1, -1, (asset_id,), "stale REST book"))
                break
        for key in ((kind, asset_id), (kind, None)):
            if self._ghosts.get(key):
                self._ghosts[key] -= 1
                return True
        return False

    def _ghost_of(self, fault: Fault, sent: _Sent) -> str | None:
        """The asset of a frame of which a ghost could be told after it."""
        named = [asset for asset in sent.named() if fault.asset in (None, asset)]
        return next((asset for asset in named if self._fresh_ghost(asset)), None)

    def _fits(self, fault: Fault, sent: _Sent) -> bool:
        if fault.kind == "sibling-ghost" and not _by_rest(fault):
            return _fits(fault, sent) and self._ghost_of(fault, sent) is not None
        return _fits(fault, sent)


def _by_rest(fault: Fault) -> bool:
    """Whether a ghost is REST's."""
    return fault.kind == "ghost" or fault.variant == "rest"


def _fits(fault: Fault, sent: _Sent) -> bool:
    """Whether the fault could happen to this frame."""
    if _by_rest(fault):
        return False
    if fault.kind not in _CONTENT_KINDS:
        return fault.kind in STREAM_KINDS
    if sent.mask < 0 or sent.message.kind not in _KINDS_HIT.get(fault.kind, _BOOK_KINDS):
        return False
    if fault.kind == "drop+noop" and not could_do_nothing(sent.message):
        return False
    return fault.asset is None or fault.asset in sent.named()


def _thaw(link: Link[bytes], sent: _Sent) -> int:
    """The part of the frame that no freeze holds back, -1 for none; ends what is over."""
    mask = sent.mask
    for fault, _ in link.thaw(sent.now_ns):
        if fault.asset is None:
            return -1
        if sent.message.mask and fault.asset in sent.asset_ids:
            mask &= ~(1 << sent.asset_ids.index(fault.asset))
    return mask if mask or not sent.message.mask else -1


def _said(link: Link[bytes], sent: _Sent, *, reverse: bool = False) -> bytes:
    """The frame as the venue makes it by its clock, which may be wrong."""
    data = sent.message.text(sent.mask, reverse=reverse)
    clock = link.wrong_clock(sent.now_ns)
    if clock is None:
        return data
    for told, text in sent.message.hashed.items():
        if text:
            data = data.replace(told.encode(), book_hash(_STAMP.sub(clock.stamp, text)).encode())
    return _STAMP.sub(clock.stamp, data)


def _duplicate(fault: Fault, link: Link[bytes], sent: _Sent, data: bytes) -> tuple[bytes, ...]:
    payloads = link.with_waiting(sent.message.market, data)
    if fault.variant == "at_once":
        return (*payloads, data)
    if fault.variant == "reversed":
        return (*payloads, _said(link, sent, reverse=True))
    link.repeat_later(data)
    return payloads


def _first_bit(message: Message, mask: int) -> int:
    for bit, _ in message.entries:
        if bit & mask:
            return bit
    return message.mask & mask


def random_faults(
    seed: int, *, count: int, frames: int, kinds: Sequence[FaultKind] = DRAWN_KINDS
) -> tuple[Fault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("schedule", seed)
    faults = []
    for at_frame in sorted(int(rng.random() * frames) for _ in range(count)):
        kind = kinds[int(rng.random() * len(kinds))]
        variant = VARIANTS[kind][int(rng.random() * len(VARIANTS[kind]))]
        lasts_s = lasting(rng, kind)
        faults.append(Fault(kind, at_frame=at_frame, variant=variant, duration_s=lasts_s))
    return tuple(faults)
