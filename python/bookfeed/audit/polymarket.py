"""Polymarket's market channel, as the auditor reads it: messages, and what they do to its books."""

from decimal import Decimal
from typing import Any, NamedTuple

from bookfeed.audit.books import Instrument, Level, Side, newest
from bookfeed.audit.model import Effects, Message, Model, Peek
from bookfeed.audit.numbers import ONE, millis, plain, price, read_json

VENUE = "polymarket"

_BARE = (b"PONG", b"NO NEW ASSETS", b"INVALID OPERATION")
_SIDES: dict[str, Side] = {"BUY": "bid", "SELL": "ask"}


class Change(NamedTuple):
    """One entry of a ``price_change``; ``number`` is ``None`` for an asset nobody subscribed."""

    number: int | None
    side: Side
    price: Decimal
    qty: Decimal
    hash: str


class Whole(NamedTuple):
    """A whole book."""

    number: int | None
    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]


def read(model: Model, payload: bytes, *, rest: bool = False) -> list[Message]:
    """The messages of a frame, in order; a frame that is no JSON concerns everyone."""
    if payload.strip().upper() in _BARE:
        return []
    try:
        document = read_json(payload)
    except ValueError:
        return [Message("broken", everyone=not rest)]
    elements = document if isinstance(document, list) else [document]
    return [_message(model, element, rest=rest) for element in elements]


def _message(model: Model, element: Any, *, rest: bool) -> Message:
    if not isinstance(element, dict):
        return Message("malformed", everyone=True)
    kind = element.get("event_type")
    if kind in (None, ""):
        levels = any(key in element for key in ("bids", "asks", "price_changes", "changes"))
        if rest and "bids" in element and "asks" in element:
            kind = "book"
        elif levels:
            return _malformed(model, element)
        else:
            return Message("nothing")
    ts_event = millis(element.get("timestamp"))
    try:
        message = _known(model, str(kind), element)
    except ValueError:
        message = _malformed(model, element)
    message.ts_event = ts_event
    return message


def _known(model: Model, kind: str, element: dict[str, Any]) -> Message:
    """A message of a known type; ``ValueError`` if it is not what its type should be."""
    number = model.find(VENUE, element.get("asset_id"))
    named = [] if number is None else [number]
    if kind == "book":
        sides = (_levels(element.get(key)) for key in ("bids", "asks"))
        return Message(kind, named=named, body=Whole(number, *sides))
    if kind == "price_change":
        return _price_change(model, element)
    if kind in ("last_trade_price", "tick_size_change", "best_bid_ask"):
        return Message(kind, named=named)
    if kind == "market_resolved":
        listed = element.get("assets_ids")
        ids = [model.find(VENUE, asset) for asset in listed] if isinstance(listed, list) else []
        return Message(kind, named=[each for each in ids if each is not None])
    return Message("nothing")


def _malformed(model: Model, element: dict[str, Any]) -> Message:
    """Every book it may have been about."""
    entries = element.get("price_changes")
    assets = [each.get("asset_id") for each in entries or [] if isinstance(each, dict)]
    assets += [element["asset_id"]] if element.get("asset_id") else []
    numbers = [model.find(VENUE, asset) for asset in assets]
    if not numbers or None in numbers:
        numbers += model.of_market(VENUE, element.get("market"))
    named = sorted({each for each in numbers if each is not None})
    return Message("malformed", named=named, everyone=not named)


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


def _price_change(model: Model, element: dict[str, Any]) -> Message:
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
    message = Message("price_change", body=[])
    for entry in listed:
        if not isinstance(entry, dict):
            raise ValueError("a change is not an object")
        name = entry.get("asset_id") if asset is None else asset
        if not isinstance(name, str) or not name:
            raise ValueError("a change without an asset_id")
        number = model.find(VENUE, name)
        side = _SIDES.get(str(entry.get("side")).upper())
        if side is None:
            raise ValueError("a change without a side")
        hash_ = str(entry.get("hash") or "")
        at, qty = price(entry.get("price")), plain(entry.get("size"), 8)
        message.body.append(Change(number, side, at, qty, hash_))
        if number is not None:
            message.named += [] if number in message.named else [number]
            message.claims[number] = _claims(entry)
    return message


def _claims(entry: dict[str, Any]) -> tuple[Decimal | None, Decimal | None] | None:
    bid, ask = entry.get("best_bid"), entry.get("best_ask")
    if bid in (None, "") or ask in (None, ""):
        return None
    best_bid, best_ask = plain(bid, 9), plain(ask, 9)
    return best_bid or None, None if best_ask in (0, ONE) else best_ask


def apply(model: Model, conn: int, message: Message, peek: Peek) -> Effects:
    """What a message of the stream does to the books."""
    effects = Effects()
    if message.kind not in ("nothing", "broken"):
        connection = model.connections[conn]
        connection.ts_venue = newest(connection.ts_venue, message.ts_event)
    if message.kind == "price_change":
        seen: set[int] = set()
        for change in message.body:
            if change.number is not None:
                one = model.instruments[change.number]
                _change(one, message.ts_event, change, seen, peek, effects)
        for number in seen:
            _newer(model.instruments[number], message.ts_event)
    elif message.kind == "book" and message.body.number is not None:
        _whole(model.instruments[message.body.number], message.ts_event, message.body)
    return effects


def _change(
    one: Instrument,
    ts_event: int | None,
    change: Change,
    seen: set[int],
    peek: Peek,
    effects: Effects,
) -> None:
    one.ts_seen = newest(one.ts_seen, ts_event)
    if not one.running:
        one.ts_discarded = newest(one.ts_discarded, ts_event)
        if one.awaited is not None:
            one.awaited.changes.append((ts_event, change.side, change.price, change.qty))
        return
    if ts_event is not None and one.ts_event is not None and ts_event <= one.ts_event:
        older = ts_event < one.ts_event
        again = one.number not in seen and (ts_event, *change) in one.recent
        if older or again:
            # Told again, or overtaken: whether it still counts is for hashes to say.
            effects.overtaken += 1
            if peek(one.number, change.side, change.price) != change.qty:
                return
    one.book.set(change.side, change.price, change.qty)
    one.recent.add((ts_event, *change))
    seen.add(one.number)


def _newer(one: Instrument, ts_event: int | None) -> None:
    """The book is as new as ``ts_event``; changes of earlier times are told by their time."""
    if ts_event is not None and (one.ts_event is None or ts_event > one.ts_event):
        one.ts_event = ts_event
        one.recent = {each for each in one.recent if each[0] == ts_event}


def _whole(one: Instrument, ts_event: int | None, whole: Whole) -> None:
    if one.over:
        return
    if ts_event is not None:
        discarded = None if one.running else one.ts_discarded
        if discarded is not None and ts_event < discarded:
            return  # a newer change overtook it, and is lost
        one.ts_seen = newest(one.ts_seen, ts_event)
        if one.running and one.ts_event is not None and ts_event < one.ts_event:
            return
    _load(one, ts_event, whole)
    one.awaited = None


def _load(one: Instrument, ts_event: int | None, whole: Whole) -> None:
    one.book.load(whole.bids, whole.asks)
    one.ts_event = ts_event


def apply_rest(model: Model, message: Message) -> None:
    """What a REST answer does: a whole book, and on it what the stream said meanwhile."""
    if message.kind != "book" or message.body.number is None:
        return
    one = model.instruments[message.body.number]
    awaited, one.awaited = one.awaited, None
    ts_event = message.ts_event
    if awaited is None or ts_event is None:
        return
    if awaited.ts_begin is not None and ts_event < awaited.ts_begin:
        return
    _load(one, ts_event, message.body)
    for ts_change, side, at, qty in awaited.changes:
        if ts_change is not None and ts_change >= ts_event:
            one.book.set(side, at, qty)
            one.ts_event = newest(one.ts_event, ts_change)


def mirrored(a: Instrument, b: Instrument) -> bool:
    """Whether two outcomes of a market mirror each other at their touches."""

    def flip(at: Decimal | None, qty: Decimal | None) -> Level | None:
        return None if at is None or qty is None else (ONE - at, qty)

    first, second = a.book.touch, b.book.touch
    return flip(second.ask, second.ask_qty) == (None if first.bid is None else first[:2]) and flip(
        second.bid, second.bid_qty
    ) == (None if first.ask is None else first[2:])
