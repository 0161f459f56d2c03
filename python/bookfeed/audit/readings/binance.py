"""Binance spot, as the auditor reads it: diffs of depth, stitched to a REST book by update ids.

Every change of a book has an update id. A diff says which ids it spans, first and last; a REST
book at which id it stands. A book is one REST book and every diff behind it without a hole. Sizes
are absolute. ``bookTicker`` states the touch at an id of the same kind: where a book stands at
that very id, it must agree. Frames are raw or in the envelope of a combined stream. A REST book
that comes beside a running one may make it known deeper: levels behind its last ones are added.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument, OwnBook, Side, Touch, newest
from bookfeed.audit.fills import Named, named
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    NS_PER_S,
    count,
    is_text,
    is_too_high,
    millis,
    plain,
    positive_price,
    read_json,
)
from bookfeed.audit.reading import Effects, Message, Reading, Trade

# How long the stream says nothing of a book before one by polling may stand in for it.
SILENT_NS: Final = 5 * NS_PER_S
# Diffs kept for a book that waits for its REST book: more than half an hour of them.
HELD_MAX: Final = 20_000
# Diffs of a running book that an answer of a moment ago may need.
RECENT_MAX: Final = 2_000
# Touches kept that a book has yet to reach.
CLAIMS_MAX: Final = 1_000

_MILLIS_DIGITS: Final = 13
# Messages of trades, and what their ids are called.
_TRADES: Final = {"trade": "t", "aggTrade": "a"}
_NS_PER_US: Final = 1_000


class Diff(NamedTuple):
    """What changed in the ids ``first`` to ``last``; sizes are absolute, zero removes."""

    first: int
    last: int
    changes: list[tuple[Side, Decimal, Decimal]]
    ts_event: int | None = None


class Whole(NamedTuple):
    """A REST book as of an id."""

    last: int
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


class Claim(NamedTuple):
    """The venue's own touch at an id."""

    last: int
    touch: Touch


@dataclass(slots=True)
class Ids:
    """Where a book stands, and what waits for it."""

    last: int = 0
    """The id it stands at, while it is based."""
    newest: int | None = None
    """Last id of the newest diff, whether or not there was a book to apply it to."""
    heard_ns: int = 0
    """When that came."""
    held: deque[Diff] = field(default_factory=lambda: deque(maxlen=HELD_MAX))
    """Diffs that came without a basis."""
    claims: dict[int, Touch] = field(default_factory=dict)
    """Touches at ids that it has yet to reach."""
    ends: dict[Side, Decimal] = field(default_factory=dict)
    """Where the whole book that it rests on ended."""
    recent: deque[Diff] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))
    """Diffs that were applied."""
    beside: Whole | None = None
    """A REST book that came while it ran, and that it has yet to reach."""

    def known(self, diff: Diff) -> list[tuple[Side, Decimal, Decimal]]:
        """Its changes, but for those behind where the whole book ended."""
        return [
            (side, at, qty)
            for side, at, qty in diff.changes
            if (end := self.ends.get(side)) is None or (at >= end if side == "bid" else at <= end)
        ]


class BinanceReading(Reading):
    """See ``Reading``."""

    venue = "binance"
    payout = None

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.touches_agreed = 0
        """Touches that the venue stated at the very id at which a book stood."""
        self._ids: Final[dict[int, Ids]] = {}
        self._told: Final[defaultdict[int, Named]] = defaultdict(Named)

    def _of(self, one: Instrument) -> Ids:
        return self._ids.setdefault(one.number, Ids())

    def stands_at(self, one: Instrument) -> int | None:
        """The update id at which a book stands; ``None`` while it has no basis."""
        return self._of(one).last if one.based else None

    def forget(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._ids[one.number] = Ids()

    # Frames.

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The one message of a frame."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
        if isinstance(document, dict) and isinstance(document.get("data"), dict):
            document = document["data"]
        if not isinstance(document, dict):
            return [Message("broken", everyone=True)]
        kind = _kind(document)
        if kind not in ("depthUpdate", "bookTicker", *_TRADES, "untyped"):
            return [Message("nothing")]
        message = Message(kind, _stamp(document.get("E")), levels=kind == "depthUpdate")
        number = self.model.find(self.venue, document.get("s"))
        message.named = [] if number is None else [number]
        try:
            self._content(message, document)
        except ValueError:
            of_a_book = kind in ("depthUpdate", "untyped")
            message.kind, message.levels = "malformed" if of_a_book else "nothing", False
            message.everyone = of_a_book and not message.named
        return [message]

    def _content(self, message: Message, document: dict[str, Any]) -> None:
        """What a message of this type holds; ``ValueError`` if it is not that."""
        if message.kind == "depthUpdate":
            message.body = _diff(document, message.ts_event)
        elif message.kind == "bookTicker":
            message.body = _claim(document)
        elif message.kind == "untyped":
            if any(isinstance(document.get(key), list) for key in ("b", "a", "bids", "asks")):
                raise ValueError("levels without a type")
        else:
            at, qty = positive_price(document.get("p")), plain(document.get("q"), 8)
            maker_bought = document.get("m")
            known = isinstance(maker_bought, bool)
            side = ("sell" if maker_bought else "buy") if known else None
            traded, name = _stamp(document.get("T")), document.get(_TRADES[message.kind])
            ts = message.ts_event if traded is None else traded
            message.trades = [
                Trade(number, side, at, qty, ts, named(name))
                for number in message.named
                if self._told[number].take(name, (ts, side, at, qty))
            ]

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.everyone:
            for one in self.model.on(conn):
                effects.breaks(one, message.kind)
        if message.levels or message.kind == "bookTicker":
            self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn:
                continue
            if message.kind == "depthUpdate":
                self._apply_diff(one, message.body, effects)
            elif message.kind == "bookTicker":
                self._hear_claim(one, message.body, effects)
            elif message.kind == "malformed":
                effects.breaks(one, "malformed")
        return effects

    def _apply_diff(self, one: Instrument, diff: Diff, effects: Effects) -> None:
        ids = self._of(one)
        ids.heard_ns = self.model.now
        if ids.newest is not None and diff.last <= ids.newest:
            if diff.last == ids.newest:
                # The newest once more, as far as the book is known.
                if one.based and ids.last == diff.last and not one.book.holds(ids.known(diff)):
                    effects.breaks(one, f"out_of_order: {diff.last} again, with other sizes")
                return
            # A connection keeps its order: the venue has set its numbers back.
            effects.breaks(one, f"out_of_order: {ids.newest} then {diff.last}")
            ids.held.clear()
        ids.newest = diff.last
        if one.based and diff.first > ids.last + 1:
            effects.breaks(one, f"gap: {ids.last} then {diff.first}")
        if not one.based:
            ids.held.append(diff)
        elif diff.last > ids.last:
            self._advance(one, diff)
            self._judge_claims(one, effects)

    def _advance(self, one: Instrument, diff: Diff) -> None:
        ids = self._of(one)
        for side, at, qty in diff.changes:
            one.book.set(side, at, qty)
            if one.deeper is not None:
                one.deeper.set(side, at, qty)
        ids.last = diff.last
        ids.recent.append(diff)
        one.ts_event = newest(one.ts_event, diff.ts_event)
        self._deepen(one)

    def _deepen(self, one: Instrument) -> None:
        """What the book would be with the levels that a REST book beside it has behind its own."""
        ids = self._of(one)
        whole = ids.beside
        if whole is None or whole.last > ids.last:
            return
        ids.beside = None
        since = [diff for diff in ids.recent if diff.last > whole.last]
        if (since[0].first if since else ids.last + 1) > whole.last + 1:
            return  # what came behind it is not at hand any more
        told = OwnBook()
        told.load(whole.bids, whole.asks)
        for side, at, qty in (change for diff in since for change in diff.changes):
            told.set(side, at, qty)
        one.deeper = one.book.copy()
        for side, end in ids.ends.items():
            for at, qty in told.levels(side):
                if at < end if side == "bid" else at > end:
                    one.deeper.set(side, at, qty)

    def _hear_claim(self, one: Instrument, claim: Claim, effects: Effects) -> None:
        ids = self._of(one)
        if not one.based or claim.last >= ids.last:
            ids.claims[claim.last] = claim.touch
            if len(ids.claims) > CLAIMS_MAX:
                del ids.claims[next(iter(ids.claims))]
        if one.based:
            self._judge_claims(one, effects)

    def _judge_claims(self, one: Instrument, effects: Effects) -> None:
        """The touch at the very id at which the book stands; those before it are of no use now."""
        ids = self._of(one)
        claimed = ids.claims.get(ids.last)
        if claimed is not None and claimed != one.book.touch:
            effects.breaks(one, f"bbo_mismatch at {ids.last}: {one.book.touch}, claimed {claimed}")
        self.touches_agreed += claimed is not None and claimed == one.book.touch
        ids.claims = {last: touch for last, touch in ids.claims.items() if last > ids.last}

    # REST.

    def read_rest(
        self, body: bytes, instrument: int | None, stands_at: int | None
    ) -> list[Message]:
        """A book that does not name its symbol: whose it is was said by who asked for it."""
        if instrument is None:
            return []
        message = Message("depth", named=[instrument], levels=True, whole=True)
        try:
            message.body = _whole(read_json(body), stands_at)
        except ValueError:
            message.kind, message.levels, message.whole = "malformed", False, False
        return [message]

    def read_poll(self, body: bytes, instrument: int | None) -> list[Message]:
        """See ``Reading``."""
        if instrument is None:
            return []
        try:
            whole = _whole(read_json(body), None)
        except ValueError:
            return []
        return [Message("poll", named=[instrument], levels=True, whole=True, body=whole)]

    def take_poll(self, one: Instrument, message: Message, asked: int) -> str:
        """A book at an id, which waits for its stream; that must have said nothing for a while."""
        ids, connection = self._of(one), self.model.connections.get(one.conn)
        follows = self._rest_on(one, message.body, Effects())
        opened = connection is not None and connection.opened
        if opened and asked - ids.heard_ns < SILENT_NS:
            return "is polled while its stream speaks"
        return "" if follows else "is polled, and what the stream said does not follow that"

    def apply_rest(self, message: Message) -> Effects:
        """A whole book, and on it the diffs that came meanwhile, as far as they follow it."""
        effects = Effects()
        one = self.model.instruments[message.named[0]]
        if message.kind != "depth" or one.over or one.state == "idle":
            return effects
        ids, whole = self._of(one), message.body
        if one.based:
            ids.beside = whole
            self._deepen(one)
        else:
            self._rest_on(one, whole, effects)
        return effects

    def _rest_on(self, one: Instrument, whole: Whole, effects: Effects) -> bool:
        """A book is a whole one with the diffs behind it; ``False`` if those do not follow it."""
        ids = self._of(one)
        held = [diff for diff in ids.held if diff.last > whole.last]
        at = whole.last
        for diff in held:
            if diff.first > at + 1:
                return False  # too old a book: a newer one has to be fetched
            at = diff.last
        one.book.load(whole.bids, whole.asks)
        one.based, ids.last, one.deeper = True, whole.last, None
        ids.ends = _ends(whole)
        ids.held.clear()
        ids.recent.clear()
        for diff in held:
            self._advance(one, diff)
        self._judge_claims(one, effects)
        return True


def _ends(whole: Whole) -> dict[Side, Decimal]:
    """The last level of each side that has any."""
    ends: dict[Side, Decimal] = {}
    if whole.bids:
        ends["bid"] = min(whole.bids)
    if whole.asks:
        ends["ask"] = max(whole.asks)
    return ends


def _kind(document: dict[str, Any]) -> str:
    """The type of a message. Touches, books of a few levels and replies do not say theirs."""
    kind, given = document.get("e"), {key for key, value in document.items() if value is not None}
    if is_text(kind):
        return str(kind)
    if kind is None and given >= {"u", "B", "A"}:
        return "bookTicker"
    other = given & {"lastUpdateId", "code", "msg"} or "result" in document
    return "nothing" if kind is None and other else "untyped"


def _diff(document: dict[str, Any], ts_event: int | None) -> Diff:
    first, last = count(document.get("U")), count(document.get("u"))
    if not is_text(document.get("s")):
        raise ValueError("a diff without a symbol")
    if not first or last is None or first > last:
        raise ValueError("a diff that does not say which ids it spans")
    changes: list[tuple[Side, Decimal, Decimal]] = []
    sides: tuple[tuple[Side, str], ...] = (("bid", "b"), ("ask", "a"))
    for side, key in sides:
        changes += [(side, at, qty) for at, qty in _pairs(document.get(key), side)]
    return Diff(first, last, changes, ts_event)


def _whole(document: Any, stands_at: int | None) -> Whole:
    if not isinstance(document, dict):
        raise ValueError("no book")
    last = count(document.get("lastUpdateId"))
    if last is None or stands_at not in (None, last):
        raise ValueError(f"a book at {last}, asked for as one at {stands_at}")
    sides = []
    whole: tuple[tuple[Side, str], ...] = (("bid", "bids"), ("ask", "asks"))
    for side, key in whole:
        pairs = _pairs(document.get(key), side)
        levels = {at: qty for at, qty in pairs if qty}
        if len(levels) < len([qty for _, qty in pairs if qty]):
            raise ValueError("a price stands twice in one side")
        sides.append(levels)
    return Whole(last, *sides)


def _pairs(listed: object, side: Side) -> list[tuple[Decimal, Decimal]]:
    if not isinstance(listed, list):
        raise ValueError("levels are not an array")
    pairs = []
    for each in listed:
        if not isinstance(each, list) or len(each) < 2:
            raise ValueError("a level is not a pair")
        qty = plain(each[1], 8)
        if side == "bid" or not is_too_high(each[0]):
            pairs.append((positive_price(each[0]), qty))
    return pairs


def _claim(document: dict[str, Any]) -> Claim:
    last = count(document.get("u"))
    if not last:
        raise ValueError("a touch without an id")
    sides: list[Decimal | None] = []
    for price_key, qty_key in (("b", "B"), ("a", "A")):
        at, qty = plain(document.get(price_key), 9), plain(document.get(qty_key), 8)
        sides += [at, qty] if at else [None, None]
    return Claim(last, Touch(*sides))


def _stamp(value: object) -> int | None:
    """Milliseconds, or microseconds where the connection asked for them, as Unix nanoseconds."""
    if isinstance(value, str) and len(value) > _MILLIS_DIGITS:
        micros = count(value)
        return None if micros is None or micros >= 2**53 else micros * _NS_PER_US
    return millis(value)


READING = BinanceReading
