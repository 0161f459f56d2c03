"""Bitstamp spot, as the auditor reads it: changes with times, put on a REST book that has one too.

Nothing numbers the changes of a book. They come in the order of their times, and a REST book says
of when it is: it is a basis if a change from before it, or of its time, was heard; what is newer
than it is put on it. What is not must be in it, every level as it was told last; else a time is
wrong, or the book. Sizes are absolute. ``order_book`` tells the best levels in a rhythm of its
own: a difference that three comparisons in a row find, each of a time that the changes have left
behind before the next, is a change that was lost; so is one that stays while nothing changes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.beside import Beside, Pace
from bookfeed.audit.books import Instrument, Side, newest
from bookfeed.audit.fills import Named, named
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    count,
    is_text,
    is_too_high,
    plain,
    positive_price,
    read_json,
)
from bookfeed.audit.reading import Effects, Message, Reading, Trade

_NS_PER_US: Final = 1_000
# How far times must run back to show that the venue's clock was set.
_CLOCK_SET_US: Final = 1_000_000

_DIFF: Final = "diff_order_book_"
_TOP: Final = "order_book_"
_TRADES: Final = "live_trades_"
_NO_NEWS: Final = frozenset(
    {"bts:subscription_succeeded", "bts:heartbeat", "bts:error", "bts:request_reconnect"}
)
_TAKERS: Final = {0: "buy", 1: "sell"}

Changes = list[tuple[Side, Decimal, Decimal]]


class Diff(NamedTuple):
    """Levels that have new sizes; zero removes."""

    micros: int
    changes: Changes


class Whole(NamedTuple):
    """Levels as of a time."""

    micros: int
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


@dataclass(slots=True)
class Times:
    """Where a book stands in time, and what waits for it."""

    seed: int | None = None
    """The time of its REST book, while it rests on one."""
    newest: int | None = None
    """The time of the newest change heard."""
    since: int | None = None
    """From when on all changes are held, without a REST book."""
    held: list[Diff] = field(default_factory=list)
    told: dict[tuple[Side, Decimal], Decimal] = field(default_factory=dict)
    """What was told of levels, by its time before the REST book, and not since."""
    denied: bool = False
    """Whether a REST book that came beside it differed."""
    beside: Beside = field(default_factory=Beside)

    @property
    def stands_at(self) -> int | None:
        """The time it stands at."""
        return None if self.seed is None else max(self.newest or 0, self.seed)

    def miss(self) -> None:
        """A message was lost, nobody knows of when: what is held has a hole."""
        self.lose()
        self.since, self.held = None, []

    def lose(self) -> None:
        """The book is no basis any more: what comes from now on is held for the next."""
        if self.seed is not None:
            self.seed, self.since, self.held = None, self.newest, []
        self.beside, self.told = Beside(), {}

    def caught_up(self) -> bool:
        """Whether its changes have come to the REST book."""
        return self.seed is not None and self.newest is not None and self.newest >= self.seed


class BitstampReading(Reading):
    """See ``Reading``."""

    venue = "bitstamp"
    payout = None
    shows = ("withheld",)

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.tops_agreed = 0
        """Comparisons with the best levels that found no difference."""
        self._times: Final[dict[int, Times]] = {}
        self._paces: Final[dict[int, Pace]] = {}
        self._told: Final[defaultdict[int, Named]] = defaultdict(Named)

    def _of(self, one: Instrument) -> Times:
        times = self._times.setdefault(one.number, Times())
        if times.seed is not None and not one.based:
            times.lose()
        return times

    def renewed(self, conn: int) -> None:
        """See ``Reading``."""
        self._paces.pop(conn, None)

    def forget(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._times[one.number] = Times()

    def resync(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._of(one)

    def state_changed(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._of(one)

    # Frames.

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The one message of a frame."""
        del conn
        try:
            document = read_json(payload)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return [Message("broken", everyone=True)]
        channel = document.get("channel")
        kind, pair = _kind(document, str(channel) if is_text(channel) else "")
        number = self.model.find(self.venue, pair) if pair else None
        message = Message(kind, named=[] if number is None else [number])
        data = document.get("data")
        try:
            self._content(message, data if isinstance(data, dict) else {}, pair)
        except ValueError:
            message.kind = "malformed" if kind == "diff" else "nothing"
        if message.kind == "malformed":
            message.levels, message.everyone = False, not message.named
        return [message]

    def _content(self, message: Message, data: dict[str, Any], pair: str) -> None:
        """What a message of this type holds; ``ValueError`` if it is not that."""
        if message.kind in ("diff", "top"):
            if not pair:
                raise ValueError("a channel without a pair")
            micros = _micros(data)
            if message.kind == "diff":
                message.body = Diff(micros, list(_changes(data)))
                message.levels = True
            else:
                message.body = Whole(micros, *_sides(data))
            message.ts_event = micros * _NS_PER_US
        elif message.kind == "trade":
            at, qty = positive_price(data.get("price_str")), plain(data.get("amount_str"), 8)
            with suppress(ValueError):
                message.ts_event = _micros(data) * _NS_PER_US
            kind = count(data.get("type"))
            side = None if kind is None else _TAKERS.get(kind)
            message.trades = [
                Trade(number, side, at, qty, message.ts_event, named(data.get("id")))
                for number in message.named
                if self._told[number].take(data.get("id"), (message.ts_event, side, at, qty))
            ]

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.everyone:
            for one in self.model.on(conn):
                self._miss(one, message.kind, effects)
        fits = True
        if message.kind in ("diff", "top"):
            fits = self._fits(conn, message)
            if fits:
                self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
        for number in message.named:
            one = self.model.instruments[number]
            if one.conn != conn or one.over:
                continue
            if message.kind == "diff" and not fits:
                self._miss(one, "malformed: a time that no delivery explains", effects)
            elif message.kind == "diff":
                self._apply_diff(one, message.body, effects)
            elif message.kind == "top" and fits:
                self._compare(one, message.body, effects)
            elif message.kind == "malformed":
                self._miss(one, message.kind, effects)
            elif message.kind == "ended":
                effects.breaks(one, message.kind)
            self._of(one)
        return effects

    def _miss(self, one: Instrument, why: str, effects: Effects) -> None:
        effects.breaks(one, why)
        self._of(one).miss()

    def _fits(self, conn: int, message: Message) -> bool:
        """Whether the time of a message may be its own. That of a whole book may be of long ago."""
        assert message.ts_event is not None
        delay = self.model.now - message.ts_event
        pace = self._paces.setdefault(conn, Pace())
        fits = pace.fits_whole if message.kind == "top" else pace.fits
        return fits(delay, self.model.now)

    def _apply_diff(self, one: Instrument, diff: Diff, effects: Effects) -> None:
        times = self._of(one)
        stands_at, before, waits = times.stands_at, times.newest, not times.caught_up()
        times.beside.before = stands_at or 0
        times.beside.changed = {(side, at) for side, at, _ in diff.changes}
        times.newest = diff.micros if before is None else max(before, diff.micros)
        if stands_at is None:
            times.since = diff.micros if times.since is None else times.since
            times.held.append(diff)
        elif before is not None and diff.micros < before:
            effects.breaks(one, f"out_of_order: {before} then {diff.micros}")
            if before - diff.micros > _CLOCK_SET_US:
                self._of(one).miss()
        elif times.seed is not None and diff.micros > times.seed:
            self._put(one, diff)
            self._join(one, effects)
        elif waits:
            times.told |= {(side, at): qty for side, at, qty in diff.changes}

    def _join(self, one: Instrument, effects: Effects) -> None:
        """The changes have gone beyond the REST book, which has what was told before."""
        times = self._of(one)
        lacks = [each for each, qty in times.told.items() if one.book.qty(*each) != qty]
        times.told = {}
        if lacks:
            effects.breaks(one, f"withheld: not in the book by REST: {sorted(lacks)[:2]}")

    def _put(self, one: Instrument, diff: Diff) -> None:
        for side, at, qty in diff.changes:
            one.book.set(side, at, qty)
            self._of(one).told.pop((side, at), None)
        one.ts_event = newest(one.ts_event, diff.micros * _NS_PER_US)

    def _compare(self, one: Instrument, top: Whole, effects: Effects) -> None:
        """Holds the best levels against the book."""
        times = self._of(one)
        beside, stands_at = times.beside, times.stands_at
        if not one.running or stands_at is None:
            return
        found = beside.compare(one, top.bids, top.asks, top.micros, stands_at, self.model.now)
        self.tops_agreed += found == "same"
        if found == "missing":
            effects.breaks(one, f"withheld: {sorted(beside.differences)[:2]}")

    # REST.

    def read_rest(
        self, body: bytes, instrument: int | None, stands_at: int | None
    ) -> list[Message]:
        """A book that does not name its symbol: whose it is was said by who asked for it."""
        del stands_at
        if instrument is None:
            return []
        message = Message("book", named=[instrument], levels=True, whole=True)
        try:
            document = read_json(body)
            if not isinstance(document, dict):
                raise ValueError("no book")
            message.body = Whole(_micros(document), *_sides(document))
            message.ts_event = message.body.micros * _NS_PER_US
        except ValueError:
            message.kind, message.levels, message.whole = "malformed", False, False
        return [message]

    def apply_rest(self, message: Message) -> Effects:
        """A whole book, and on it the changes that came meanwhile and are newer."""
        effects = Effects()
        one = self.model.instruments[message.named[0]]
        if message.kind != "book" or one.over or one.state == "idle":
            return effects
        times, whole = self._of(one), message.body
        if one.running:
            told: dict[Side, dict[Decimal, Decimal]] = {"bid": whole.bids, "ask": whole.asks}
            times.denied = any(dict(one.book.levels(side)) != told[side] for side in told)
            return effects
        if times.seed is not None:
            fits = whole.micros >= max(times.newest or 0, times.seed)
        else:
            fits = times.since is not None and times.since <= whole.micros
        if not fits:
            return effects
        held, times.held = times.held, []
        times.newest = max((diff.micros for diff in held), default=times.newest)
        one.book.load(whole.bids, whole.asks)
        one.ts_event = message.ts_event
        one.based, times.seed, times.denied = True, whole.micros, False
        at = None
        for diff in held:
            if at is not None and diff.micros < at:
                # They came out of order: nobody knows what is newer.
                one.based, self._times[one.number] = False, Times()
                return effects
            at = diff.micros
            if at > whole.micros:
                self._put(one, diff)
            else:
                times.told |= {(side, price): qty for side, price, qty in diff.changes}
        if at is not None and at > whole.micros:
            self._join(one, effects)
        return effects

    def denied(self, one: Instrument) -> bool:
        """See ``Reading``."""
        return self._of(one).denied


def _kind(document: dict[str, Any], channel: str) -> tuple[str, str]:
    """What a frame is, and the pair its channel names."""
    prefix = next((p for p in (_DIFF, _TOP, _TRADES) if channel.startswith(p)), "")
    pair = channel[len(prefix) :] if prefix else ""
    event = document.get("event")
    event = event if is_text(event) else ""
    if event == "data" and prefix in (_DIFF, _TOP):
        return ("diff" if prefix == _DIFF else "top"), pair
    if event == "trade" and prefix == _TRADES:
        return "trade", pair
    if event == "bts:unsubscription_succeeded":
        return ("ended" if prefix == _DIFF else "nothing"), pair
    if event == "data" and channel.startswith("detail_order_book_"):
        return "nothing", pair
    holds = isinstance(document.get("data"), (dict, list)) and document["data"]
    if event == "data" or (not event and (channel or holds)):
        return "malformed", pair
    if event in _NO_NEWS:
        return "nothing", pair
    return ("malformed" if prefix == _DIFF else "nothing"), pair


def _micros(data: Mapping[str, Any]) -> int:
    micros = count(data.get("microtimestamp"))
    if not micros or micros >= 2**63 // _NS_PER_US:
        raise ValueError("no time in microseconds")
    return micros


def _changes(data: Mapping[str, Any]) -> Iterator[tuple[Side, Decimal, Decimal]]:
    sides: tuple[tuple[Side, str], ...] = (("bid", "bids"), ("ask", "asks"))
    for side, key in sides:
        listed = data.get(key)
        if not isinstance(listed, list):
            raise ValueError("levels are not an array")
        for each in listed:
            if not isinstance(each, list) or len(each) < 2:
                raise ValueError("a level is not a pair")
            qty = plain(each[1], 8)
            if side == "bid" or not is_too_high(each[0]):
                yield side, positive_price(each[0]), qty


def _sides(data: Mapping[str, Any]) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
    """Both sides of a whole book, or of the best of one; no price stands twice."""
    sides: dict[Side, dict[Decimal, Decimal]] = {"bid": {}, "ask": {}}
    for side, at, qty in _changes(data):
        if not qty:
            continue
        if at in sides[side]:
            raise ValueError("a price stands twice in one side")
        sides[side][at] = qty
    return sides["bid"], sides["ask"]


READING = BitstampReading
