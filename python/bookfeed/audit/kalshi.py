"""Kalshi's WebSocket, as the auditor reads it: numbered streams, snapshots, signed deltas.

A market is one book in YES terms: bids are the ``yes`` levels, asks one minus the ``no`` levels,
unless the connection asked for YES prices on both sides. Every number ever used on the wire is
read: dollars in strings (or JSON numbers), whole cents and whole contracts of early recordings.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bookfeed.audit.books import Instrument, Side, newest
from bookfeed.audit.fees import KalshiFees
from bookfeed.audit.model import Connection, Effects, Message, Model, Stream, seconds
from bookfeed.audit.numbers import NS_PER_S, ONE, millis, plain, price, read_json

VENUE = "kalshi"

# Errors that end a subscription: channel error, buffer overflow.
_TERMINAL: Final = ("10", "25")
_LIFECYCLES: Final = ("market_lifecycle_v2", "multivariate_market_lifecycle")
_REPLIES: Final = ("subscribed", "unsubscribed", "ok", "error")
_BOOKS: Final = ("orderbook_snapshot", "orderbook_delta")
# Types that state when they happened. Others are told, but not dated.
_TIMED: Final = ("orderbook_delta", "ticker", "trade", "fill")
# Types that say nothing of books, markets or fees.
_OTHERS: Final = frozenset({
    "ticker", "trade", "event_lifecycle", "fill", "market_position", "user_order",
    "order_group_updates", "rfq_created", "rfq_deleted", "quote_created", "quote_accepted",
    "quote_executed", "cfbenchmarks_value", "cfbenchmarks_value_indexlist",
    "cfbenchmarks_value_5hz", "cfbenchmarks_value_5hz_indexlist", "pyth_value",
    "pyth_value_underlying_list",
})  # fmt: skip


class Numbered(NamedTuple):
    """A message and its place in its stream."""

    sid: int | None
    seq: int | None
    requested: bool
    content: Any
    market_id: object = None


def read(model: Model, conn: int, payload: bytes) -> list[Message]:
    """The one message of a frame; what is no JSON object concerns everyone."""
    try:
        document = read_json(payload)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return [Message("broken", everyone=True, body=Numbered(None, None, False, None))]
    kind = str(document.get("type") or "")
    content = document.get("msg")
    sid, seq = _count(document.get("sid")), _count(document.get("seq"))
    if kind == "subscribed" and sid is None and isinstance(content, dict):
        sid = _count(content.get("sid"))
    requested = bool(_count(document.get("id")))
    message = Message(kind, _time(kind, content))
    try:
        content = _content(model.connections[conn], kind, content, placed=bool(sid and seq))
    except ValueError as error:
        message.kind, content = "malformed", (str(error), _ticker(content))
    told = document.get("msg")
    number = model.find(VENUE, _ticker(told))
    message.named = [] if number is None else [number]
    market_id = told.get("market_id") if isinstance(told, dict) else None
    message.body = Numbered(sid, seq, requested, content, market_id)
    second = [one.number for one in model.instruments if market_id and one.market_id == market_id]
    if message.named and kind in _BOOKS and second not in ([], message.named):
        message.kind = "malformed"
    if message.kind == "malformed":
        message.everyone = number is None
        message.named += [each for each in second if each != number]
    return [message]


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and value.isascii() and int(value) > 0:
        return int(value)
    return None


def _ticker(content: object) -> object:
    return content.get("market_ticker") if isinstance(content, dict) else None


def _time(kind: str, content: object) -> int | None:
    """The venue's time of a message, in the newest of the forms it was ever given in."""
    if kind not in _TIMED or not isinstance(content, dict):
        return None
    forms = (millis(content.get("ts_ms")), seconds(content.get("ts")), _rfc3339(content.get("ts")))
    return next((ts for ts in forms if ts is not None), None)


def _rfc3339(value: object) -> int | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS_PER_S + moment.microsecond * 1_000


def _content(connection: Connection, kind: str, content: Any, *, placed: bool) -> Any:
    """What a message of this type holds; ``ValueError`` if it is not that."""
    if kind in ("orderbook_snapshot", "orderbook_delta"):
        if not isinstance(content, dict) or not isinstance(_ticker(content), str):
            raise ValueError("no market_ticker")
        if not placed:
            raise ValueError("no place in a stream")
        if kind == "orderbook_delta":
            return _delta(connection, content)
        return _sides(connection, content)
    return content


def _sides(connection: Connection, content: Mapping[str, Any]) -> list[dict[Decimal, Decimal]]:
    """Both sides, in the newest spelling of which there is any; an omitted side is empty."""
    spelt = [
        suffix
        for suffix in ("_dollars_fp", "_dollars", "")
        if any(content.get(f"{side}{suffix}") is not None for side in ("yes", "no"))
    ]
    best, others = (spelt[0], spelt[1:]) if spelt else ("", [])
    for side in ("yes", "no"):
        left_out = content.get(f"{side}{best}") is None
        if left_out and any(content.get(f"{side}{suffix}") for suffix in others):
            raise ValueError("sides in different spellings")
    return [_side(connection, content, side, best) for side in ("yes", "no")]


def _side(
    connection: Connection, content: Mapping[str, Any], side: str, suffix: str
) -> dict[Decimal, Decimal]:
    name = f"{side}{suffix}"
    listed, cents = content.get(name), not suffix
    if listed is None:
        return {}
    if not isinstance(listed, list):
        raise ValueError("levels are not an array")
    levels: dict[Decimal, Decimal] = {}
    for pair in listed:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("a level is not a pair")
        at, qty = _price(connection, side, pair[0], cents=cents), plain(pair[1], 8)
        if qty and at in levels:
            raise ValueError("a price stands twice in one side")
        if qty:
            levels[at] = qty
    return levels


def _price(connection: Connection, side: str, value: object, *, cents: bool) -> Decimal:
    """A level's price in YES terms."""
    at = price(format(plain(value, 0) / 100, "f") if cents else value)
    return ONE - at if side == "no" and not connection.yes_prices else at


def _delta(connection: Connection, content: Mapping[str, Any]) -> tuple[Side, Decimal, Decimal]:
    side = content.get("side")
    if side not in ("yes", "no"):
        raise ValueError("a delta without a side")
    if content.get("price_dollars") is not None:
        at = _price(connection, side, content["price_dollars"], cents=False)
    elif content.get("delta_fp") is not None:
        raise ValueError("size in one spelling, price in another")
    else:
        at = _price(connection, side, content.get("price"), cents=True)
    change = content.get("delta_fp")
    change = content.get("delta") if change is None else change
    return ("bid" if side == "yes" else "ask"), at, plain(change, 8, signed=True)


def apply(model: Model, conn: int, message: Message) -> Effects:
    """What a message does to the books, and which of them it breaks."""
    effects = Effects()
    if message.kind == "broken":
        _break_all(model, conn, "not JSON", effects)
        return effects
    connection = model.connections[conn]
    body: Numbered = message.body
    connection.ts_venue = newest(connection.ts_venue, message.ts_event)
    current = _advance(model, conn, message, effects)
    if message.kind in _BOOKS and not (current and _here(model, conn, message)):
        return effects
    if message.kind == "malformed":
        _malformed(model, conn, message, effects)
    elif message.kind in _REPLIES:
        _reply(model, conn, message, effects)
    elif message.kind == "orderbook_snapshot":
        _snapshot(model, conn, message, effects)
    elif message.kind == "orderbook_delta":
        _apply_delta(model, conn, message, effects)
    elif message.kind in _LIFECYCLES:
        _lifecycle(model, message, effects)
    elif message.kind == "event_fee_update":
        _fee_update(model, body.content, effects)
    elif message.kind not in _OTHERS and body.seq is not None:
        _break_stream(model, conn, body.sid, "unknown type", effects)
    return effects


def _advance(model: Model, conn: int, message: Message, effects: Effects) -> bool:
    """Every number of a stream counts, whatever the message is about; false if it came before."""
    sid, seq, requested = message.body[:3]
    if sid is None or seq is None:
        return True
    stream = model.connections[conn].streams.setdefault(sid, Stream())
    if stream.ended:
        return False
    last = stream.seq
    if last is not None and seq <= last:
        # An answer to a request may repeat the newest number: it is a book as of that number.
        if not (message.kind == "orderbook_snapshot" and requested and seq == last):
            _break_stream(model, conn, sid, f"out_of_order: {last} then {seq}", effects)
            return False
    elif last is not None and seq > last + 1:
        _break_stream(model, conn, sid, f"gap: {last} then {seq}", effects)
    stream.seq = seq
    stream.ts_venue = newest(stream.ts_venue, message.ts_event)
    return True


def _here(model: Model, conn: int, message: Message) -> bool:
    """Whether its instrument is subscribed on this connection, and not on another by now."""
    return all(model.instruments[number].conn == conn for number in message.named)


def _snapshot(model: Model, conn: int, message: Message, effects: Effects) -> None:
    for number in message.named:
        one = model.instruments[number]
        if one.over or one.state == "idle":
            continue
        one.book.load(*message.body.content)
        one.based, one.sid = True, message.body.sid
        one.market_id = one.market_id or message.body.market_id
    if not message.named and (known := _second_name(model, conn, message)) is not None:
        _break(known, "market_id under another name", effects)


def _second_name(model: Model, conn: int, message: Message) -> Instrument | None:
    """The book of the connection that has the second name this message states."""
    wanted = message.body.market_id
    on = model.on(conn) if wanted else []
    return next((one for one in on if one.market_id == wanted), None)


def _apply_delta(model: Model, conn: int, message: Message, effects: Effects) -> None:
    sid = message.body.sid
    if not message.named:
        known = _second_name(model, conn, message)
        if known is not None:
            _break(known, "market_id under another name", effects)
        else:
            _break_stream(model, conn, sid, "delta of an unknown market", effects)
        return
    side, at, change = message.body.content
    one = model.instruments[message.named[0]]
    if not one.based:
        return
    left = one.book.qty(side, at) + change
    if one.sid != sid:
        _break(one, "delta on another stream", effects)
    elif left < 0:
        _break(one, "underflow", effects)
    else:
        one.book.set(side, at, left)


def _malformed(model: Model, conn: int, message: Message, effects: Effects) -> None:
    """The books it names; all of the connection if it names none by its ticker."""
    for number in message.named:
        _break(model.instruments[number], "malformed", effects)
    if message.everyone:
        _break_all(model, conn, "malformed", effects)


def _reply(model: Model, conn: int, message: Message, effects: Effects) -> None:
    """A subscription that ended takes its books with it, until its number is given out again."""
    content, sid = message.body.content, message.body.sid
    code = content.get("code") if isinstance(content, dict) else None
    ended = message.kind == "unsubscribed" or (message.kind == "error" and code in _TERMINAL)
    streams = model.connections[conn].streams
    if ended and sid is None:
        _break_all(model, conn, "a subscription ended", effects)
    elif ended and sid in streams:
        _break_stream(model, conn, sid, "the subscription ended", effects)
        streams[sid].ended = True
    elif isinstance(content, dict) and content.get("channel") and sid in streams:
        streams[sid] = Stream() if streams[sid].ended else streams[sid]


def _lifecycle(model: Model, message: Message, effects: Effects) -> None:
    content = message.body.content
    for number in message.named:
        one, event = model.instruments[number], content.get("event_type")
        if event in ("activated", "deactivated"):
            paused = content.get("is_deactivated")
            one.paused = paused if isinstance(paused, bool) else event == "deactivated"
        elif event == "close_date_updated" and seconds(content.get("close_ts")) is not None:
            one.close_ts = seconds(content["close_ts"])
        elif event == "determined" and _pays(content):
            one.determined = True
        else:
            continue
        effects.repriced.add(number)


def _pays(content: Mapping[str, Any]) -> bool:
    """Whether the result says what a share pays."""
    return bool(content.get("settlement_value")) or content.get("result") in ("yes", "no")


def _fee_update(model: Model, content: Any, effects: Effects) -> None:
    """An override of an event's fees; what is null is as the series has it."""
    if not isinstance(content, dict):
        return
    multiplier = content.get("fee_multiplier_override")
    for one in model.instruments:
        if one.event is None or one.event != content.get("event_ticker"):
            continue
        if isinstance(one.fees, KalshiFees):
            one.fees = replace(
                one.fees,
                kind_override=content.get("fee_type_override") or None,
                multiplier_override=None if multiplier is None else plain(multiplier, 9),
            )
            effects.repriced.add(one.number)


def _break(one: Instrument, why: str, effects: Effects) -> None:
    if one.based:
        effects.broken[one.number] = why
    one.based = False


def _break_stream(model: Model, conn: int, sid: int | None, why: str, effects: Effects) -> None:
    for one in model.on(conn):
        if one.sid == sid:
            _break(one, why, effects)


def _break_all(model: Model, conn: int, why: str, effects: Effects) -> None:
    for one in model.on(conn):
        _break(one, why, effects)
