"""Polymarket's market channel, as the auditor reads it: messages, and what they do to its books."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument, Side, newest
from bookfeed.audit.broadcasts import Broken
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import ONE, is_text, millis, plain, price, read_json
from bookfeed.audit.reading import Effects, Message, Reading, Trade
from bookfeed.audit.times import Awaited, TimedChange, Times, Way, believed

_BARE: Final = (b"PONG", b"NO NEW ASSETS", b"INVALID OPERATION")
_LISTS: Final = ("assets_ids", "asset_ids", "clob_token_ids")
# Members of messages about books, which no broadcast has.
_OF_A_BOOK: Final = ("asset_id", "bids", "asks", "price_changes", "changes")
_SIDES: Final[dict[str, Side]] = {"BUY": "bid", "SELL": "ask"}
_TAKERS: Final = {"BUY": "buy", "SELL": "sell"}


class Change(NamedTuple):
    """One entry of a ``price_change``; ``number`` is ``None`` for an asset nobody subscribed."""

    number: int | None
    side: Side
    price: Decimal
    qty: Decimal
    hash: str
    asset: str


class Whole(NamedTuple):
    """A whole book, and what it is of."""

    asset: object
    market: object
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]
    min_order_size: Decimal | None


class Fill(NamedTuple):
    """A trade, and the transaction it is of; nothing where that is not said."""

    trade: Trade
    transaction: str


class PolymarketReading(Reading):
    """See ``Reading``. Messages have no numbers: the standing of books is taken as given."""

    venue = "polymarket"
    lower_case = True
    qty_step = Decimal("0.01")
    digests = True
    judges = False

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._times: Final[dict[int, Times]] = {}
        self._ways: Final[defaultdict[int, Way]] = defaultdict(Way)
        """By connection."""
        self._strangers: Final[defaultdict[str, list[TimedChange]]] = defaultdict(list)
        """Changes of assets that nobody subscribed, of which a book may come yet."""

    def _of(self, one: Instrument) -> Times:
        return self._times.setdefault(one.number, Times())

    def renewed(self, conn: int) -> None:
        """See ``Reading``."""
        self._ways.pop(conn, None)

    def forget(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._of(one).fills.renewed()

    def resync(self, one: Instrument) -> None:
        """See ``Reading``."""
        times = self._of(one)
        times.awaited = Awaited(times.ts_seen)

    def state_changed(self, one: Instrument) -> None:
        """See ``Reading``."""
        times, standing = self._of(one), (one.state, one.cause)
        if one.state == "live" and one.cause != "evidence":
            times.ts_discarded = None
        if one.state in ("syncing", "stale"):
            times.recent.clear()
            times.early.clear()
            if standing != ("syncing", "resync"):
                times.awaited = None
        if standing == ("syncing", "subscribed"):
            times.ts_seen = times.ts_discarded = None

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The messages of a frame, in order; a frame that is no JSON concerns everyone."""
        del conn
        if payload.strip().upper() in _BARE:
            return []
        return self._documents(payload, rest=False)

    def read_rest(
        self, body: bytes, instrument: int | None, stands_at: int | None
    ) -> list[Message]:
        """Books name themselves; where one was asked for, the others are left alone."""
        del stands_at
        messages = self._documents(body, rest=True)
        if instrument is None:
            return messages
        return [each for each in messages if instrument in each.named]

    def read_poll(self, body: bytes, instrument: int | None) -> list[Message]:
        """See ``Reading``."""
        del instrument
        books = [each for each in self._documents(body, rest=True) if each.kind == "book"]
        for each in books:
            each.body = each.body.bids, each.body.asks
        return [each for each in books if each.named]

    def _documents(self, payload: bytes, *, rest: bool) -> list[Message]:
        try:
            document = read_json(payload)
        except ValueError:
            nobody = rest or self._is_broadcast_of_others(Broken(payload))
            return [Message("broken", everyone=not nobody)]
        elements = document if isinstance(document, list) else [document]
        return [self._message(element, rest=rest) for element in elements]

    def _is_broadcast_of_others(self, broken: Broken) -> bool:
        """Whether a frame that is no JSON tells everybody of a market that is not ours."""
        if broken.has_any(_OF_A_BOOK) or not broken.is_one_object():
            return False
        kind = broken.name("event_type")
        if kind != "new_market" and not (kind == "market_resolved" and _tells_whose(broken)):
            return False
        ours = [each for each in self.model.instruments if each.venue == self.venue]
        return not broken.names_any(name for each in ours for name in (each.symbol, each.market))

    def _message(self, element: Any, *, rest: bool) -> Message:
        if not isinstance(element, dict):
            return Message("malformed", everyone=True)
        kind = element.get("event_type")
        if kind in (None, ""):
            levels = any(key in element for key in ("bids", "asks", "price_changes", "changes"))
            if rest and "bids" in element and "asks" in element:
                kind = "book"
            elif levels:
                return self._malformed(element)
            else:
                return Message("nothing")
        stated = millis(element.get("timestamp"))
        ts_event = believed(stated, self.model.now, whole=kind == "book")
        try:
            message = self._known(str(kind), element)
        except ValueError:
            message = self._malformed(element)
        message.ts_event = ts_event
        return message

    def _known(self, kind: str, element: dict[str, Any]) -> Message:
        """A message of a known type; ``ValueError`` if it is not what its type should be."""
        number = self.model.find(self.venue, element.get("asset_id"))
        named = [] if number is None else [number]
        if kind == "book":
            bids, asks = (_levels(element.get(key)) for key in ("bids", "asks"))
            least = element.get("min_order_size")
            smallest = None if least is None else plain(str(least), 8)
            whole = Whole(element.get("asset_id"), element.get("market"), bids, asks, smallest)
            return Message(kind, named=named, levels=True, whole=True, body=whole)
        if kind == "price_change":
            return self._price_change(element)
        if kind == "last_trade_price":
            return Message(kind, named=named, body=_printed(number, element))
        if kind in ("tick_size_change", "best_bid_ask"):
            return Message(kind, named=named)
        if kind == "market_resolved":
            return self._resolved(element)
        return Message("nothing")

    def _resolved(self, element: dict[str, Any]) -> Message:
        """The end of a market, told to everybody; unreadable, it costs the books it names."""
        assets = _assets(element)
        market = element.get("market") or element.get("condition_id")
        named = list(self.model.of_market(self.venue, market))
        for number in (self.model.find(self.venue, asset) for asset in assets or []):
            named += [] if number is None or number in named else [number]
        winner = element.get("winning_asset_id")
        if winner in (None, ""):
            return Message("market_resolved", named=named)
        readable = isinstance(winner, str)  # numbers are read as the texts they were printed in
        number = self.model.find(self.venue, winner)
        if number is not None:
            readable = number in named
        elif assets:
            readable = readable and str(winner) in assets
        else:
            readable = readable and str(winner).isdecimal()
        return Message("market_resolved" if readable else "malformed", named=named)

    def _malformed(self, element: dict[str, Any]) -> Message:
        """Every book it may have been about."""
        entries = element.get("price_changes")
        listed = entries if isinstance(entries, list) else []
        assets = [each.get("asset_id") for each in listed if isinstance(each, dict)]
        assets += [element["asset_id"]] if element.get("asset_id") else []
        numbers = [self.model.find(self.venue, asset) for asset in assets]
        if not numbers or None in numbers:
            numbers += self.model.of_market(self.venue, element.get("market"))
        named = sorted({each for each in numbers if each is not None})
        return Message("malformed", named=named, everyone=not named)

    def _price_change(self, element: dict[str, Any]) -> Message:
        """Today's layout, and the two of older recordings."""
        if "price_changes" in element:
            listed, asset = element["price_changes"], None
        else:
            asset = element.get("asset_id")
            listed = element.get("changes", [element])
            if not isinstance(asset, str):
                raise ValueError("changes without an asset_id")
        if not isinstance(listed, list):
            raise ValueError("changes are not an array")
        message = Message("price_change", levels=True, body=[])
        for entry in listed:
            if not isinstance(entry, dict):
                raise ValueError("a change is not an object")
            name = entry.get("asset_id") if asset is None else asset
            if not isinstance(name, str) or not name:
                raise ValueError("a change without an asset_id")
            number = self.model.find(self.venue, name)
            side = _SIDES.get(str(entry.get("side")).upper())
            if side is None:
                raise ValueError("a change without a side")
            hash_ = str(entry.get("hash") or "")
            at, qty = price(entry.get("price")), plain(entry.get("size"), 8)
            message.body.append(Change(number, side, at, qty, hash_, name))
            if number is not None:
                message.named += [] if number in message.named else [number]
                message.claims[number] = _claims(entry)
        return message

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.levels or message.kind == "best_bid_ask":
            self.model.connections[conn].heard.hear(message.ts_event, self.model.now)
            if not message.whole:
                self._ways[conn].hear(message.ts_event, self.model.now)
        if message.kind == "price_change":
            seen: set[int] = set()
            for change in message.body:
                number = change.number
                if number is None and self.model.meets:
                    # An earlier message of the same frame may have made it known.
                    number = self.model.find(self.venue, change.asset)
                if number is not None:
                    self._change(message.ts_event, change._replace(number=number), seen, effects)
                elif self.model.meets:
                    timed = (message.ts_event, change.side, change.price, change.qty)
                    self._strangers[change.asset].append(timed)
            for number in seen:
                self._newer(self.model.instruments[number], message.ts_event)
        elif message.kind == "book":
            whole: Whole = message.body
            met = self.model.meet(conn, self.venue, whole.asset, whole.market)
            known = self.model.find(self.venue, whole.asset) if self.model.meets else None
            message.named = message.named or ([] if known is None else [known])
            for number in met:
                early = self._strangers.pop(str(whole.asset), [])
                self._of(self.model.instruments[number]).early = early
            for number in message.named:
                self._whole(message.ts_event, self.model.instruments[number], whole)
        elif message.kind == "last_trade_price":
            message.trades = self._trades(message.ts_event, message.body)
        return effects

    def _trades(self, ts_event: int | None, printed: Fill | None) -> list[Trade]:
        """The trade that a message tells, unless it was told before."""
        if printed is None:
            return []
        times = self._of(self.model.instruments[printed.trade.instrument])
        fill = (ts_event, *printed)
        latest = newest(times.ts_seen, ts_event) or 0
        return [printed.trade] if not printed.transaction or times.fills.take(fill, latest) else []

    def _change(
        self, ts_event: int | None, change: Change, seen: set[int], effects: Effects
    ) -> None:
        assert change.number is not None
        one = self.model.instruments[change.number]
        times = self._of(one)
        times.ts_seen = newest(times.ts_seen, ts_event)
        if not one.running:
            timed = (ts_event, change.side, change.price, change.qty)
            if (one.state, one.cause) == ("syncing", "subscribed"):
                times.early.append(timed)
                return
            times.ts_discarded = newest(times.ts_discarded, ts_event)
            if times.awaited is not None:
                times.awaited.changes.append(timed)
            return
        older = False
        if ts_event is not None and one.ts_event is not None and ts_event < one.ts_event:
            older = True
            self._is_overtaken(one, times, ts_event)
        if ts_event is None or one.ts_event is None or ts_event <= one.ts_event:
            again = one.number not in seen and (ts_event, *change) in times.recent
            if older or again:
                # Told again, or overtaken: whether it still counts is for hashes to say.
                effects.overtaken += 1
                if self.model.peek(one.number, change.side, change.price) != change.qty:
                    return
        one.book.set(change.side, change.price, change.qty)
        times.recent.add((ts_event, *change))
        seen.add(one.number)

    def _is_overtaken(self, one: Instrument, times: Times, ts_event: int) -> bool:
        """Whether a message is history that is older than its book; if not, the order that stamps
        gave the book is forgotten.
        """
        assert one.ts_event is not None
        heard, answered = self.heard(one).ts, times.ts_answered
        awaited = answered is not None and heard is not None and heard < answered
        if awaited and heard is not None and heard - ts_event <= self.model.batch_ns:
            return True  # the stream runs forward, is late, and has not come to the answer
        # A stamp is a claim: one that is of the future orders nothing.
        future = self._ways[one.conn].is_future(one.ts_event, self.model.now)
        if not future and times.is_overtaken(ts_event, self.model.now, self.model.batch_ns):
            return True
        one.ts_event = times.ts_seen = times.ts_discarded = times.older_from = None
        return False

    def _newer(self, one: Instrument, ts_event: int | None) -> None:
        """The book is as new as ``ts_event``; changes of earlier times are told by their time."""
        if ts_event is not None and (one.ts_event is None or ts_event > one.ts_event):
            times, one.ts_event = self._of(one), ts_event
            times.older_from = None
            times.recent = {each for each in times.recent if each[0] == ts_event}

    def _whole(self, ts_event: int | None, one: Instrument, whole: Whole) -> None:
        times = self._of(one)
        if one.over:
            return
        if ts_event is not None:
            discarded = None if one.running else times.ts_discarded
            if discarded is not None and ts_event < discarded:
                return  # a newer change overtook it, and is lost
            times.ts_seen = newest(times.ts_seen, ts_event)
            older = one.running and one.ts_event is not None and ts_event < one.ts_event
            if older and self._is_overtaken(one, times, ts_event):
                return
        times.older_from = times.ts_answered = None
        _load(one, ts_event, whole)
        _put_on(one, ts_event, times.early)
        times.awaited = None
        times.early.clear()

    def apply_rest(self, message: Message) -> Effects:
        """A whole book, and on it what the stream said meanwhile."""
        effects = Effects()
        if message.kind != "book" or not message.named:
            return effects
        one = self.model.instruments[message.named[0]]
        times = self._of(one)
        awaited, times.awaited = times.awaited, None
        ts_event = message.ts_event
        if awaited is None or ts_event is None:
            return effects
        begun = awaited.ts_begin
        # A stamp of the future says nothing of how old the answer is.
        future = begun is not None and self._ways[one.conn].is_future(begun, self.model.now)
        if begun is not None and not future and ts_event < begun:
            return effects
        times.older_from, times.ts_answered = None, ts_event
        _load(one, ts_event, message.body)
        _put_on(one, ts_event, awaited.changes)
        return effects


def _load(one: Instrument, ts_event: int | None, whole: Whole) -> None:
    one.book.load(whole.bids, whole.asks)
    one.ts_event = ts_event
    if whole.min_order_size is not None:
        one.min_order_size = whole.min_order_size


def _put_on(one: Instrument, ts_event: int | None, changes: Sequence[TimedChange]) -> None:
    """What the stream said of a book before it was there, as far as it does not hold it."""
    for ts_change, side, at, qty in changes:
        if ts_change is None or ts_event is None or ts_change >= ts_event:
            one.book.set(side, at, qty)
            one.ts_event = newest(one.ts_event, ts_change)


def _tells_whose(broken: Broken) -> bool:
    """Whether the market that is over, and all its assets, can be read."""
    listed = {name: broken.member(name) for name in _LISTS}
    assets = _assets(listed) or []
    digits = all(asset.isascii() and asset.isdigit() for asset in assets)
    return bool(broken.name("market") or broken.name("condition_id")) and bool(assets) and digits


def _printed(number: int | None, element: dict[str, Any]) -> Fill | None:
    """The trade of a ``last_trade_price``; ``None`` if it is unreadable, or of no instrument."""
    try:
        at, qty = price(element.get("price")), plain(element.get("size"), 8)
    except ValueError:
        return None
    if number is None or not is_text(element.get("asset_id")):
        return None
    side = _TAKERS.get(str(element.get("side")).upper())
    return Fill(Trade(number, side, at, qty), str(element.get("transaction_hash") or ""))


def _assets(element: Mapping[str, Any]) -> list[str] | None:
    """The ids that a message lists, in an array or a text that is one; ``None`` if unreadable."""
    listed = next((element[name] for name in _LISTS if element.get(name) is not None), None)
    if isinstance(listed, str):
        try:
            listed = read_json(listed.encode())
        except ValueError:
            return None
    if not isinstance(listed, list):
        return None
    return listed if all(isinstance(each, str) for each in listed) else None


def _levels(listed: object) -> dict[Decimal, Decimal]:
    if not isinstance(listed, list):
        raise ValueError("levels are not an array")
    levels: dict[Decimal, Decimal] = {}
    for each in listed:
        if not isinstance(each, dict):
            raise ValueError("a level is not an object")
        at, qty = price(each.get("price")), plain(each.get("size"), 8)
        if qty and at in levels:
            raise ValueError("a price stands twice in one side")
        if qty:
            levels[at] = qty
    return levels


def _claims(entry: dict[str, Any]) -> tuple[Decimal | None, Decimal | None] | None:
    bid, ask = entry.get("best_bid"), entry.get("best_ask")
    if bid in (None, "") or ask in (None, ""):
        return None
    best_bid, best_ask = plain(bid, 9), plain(ask, 9)
    return best_bid or None, None if best_ask in (0, ONE) else best_ask


READING = PolymarketReading
