"""Kalshi's WebSocket, as the auditor reads it: numbered streams, snapshots, signed deltas.

A market is one book in YES terms: bids are the ``yes`` levels, asks one minus the ``no`` levels,
unless the connection asked for YES prices on both sides. Every number ever used on the wire is
read: dollars in strings (or JSON numbers), whole cents and whole contracts of early recordings.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bookfeed.audit import kalshi_news
from bookfeed.audit.books import Instrument, Side
from bookfeed.audit.broadcasts import Broken
from bookfeed.audit.kalshi_index import index_tick
from bookfeed.audit.kalshi_levels import delta, sides, speaks_of_a_book
from bookfeed.audit.kalshi_news import KalshiNews, Listed
from bookfeed.audit.kalshi_streams import Names, Numbered, Restart, Stream
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import (
    Printed,
    count,
    is_text,
    millis,
    plain,
    read_json,
    rfc3339,
    seconds,
)
from bookfeed.audit.reading import Effects, Heard, Message, Proof, Reading

# Mode of a connection: NO prices are stated as prices of YES.
_YES_PRICES: Final = "use_yes_price"

# Errors that end a subscription: channel error, buffer overflow.
_TERMINAL: Final = (10, 25)
# All there are: an error of a subscription with another may end it.
_CODES: Final = range(1, 29)
_LIFECYCLES: Final = ("market_lifecycle_v2", "multivariate_market_lifecycle")
_NEWS: Final = (*_LIFECYCLES, "event_fee_update")
# News that changes nothing here.
_HARMLESS: Final = (
    "created", "metadata_updated", "price_level_structure_updated", "fractional_trading_updated",
)  # fmt: skip
# Errors that no subscription to news can meet with.
_NOT_OF_NEWS: Final = (4, 7, *range(12, 17), *range(19, 25), 26, 28)
_REPLIES: Final = ("subscribed", "unsubscribed", "ok", "error")
_BOOKS: Final = ("orderbook_snapshot", "orderbook_delta")
_UNTYPED: Final = "untyped"
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


class KalshiReading(Reading):
    """See ``Reading``."""

    venue = "kalshi"
    qty_step = Decimal("0.01")
    shows = ("withheld",)

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._streams: Final[dict[int, dict[int, Stream]]] = {}
        self._names: Final[dict[int, Names]] = {}
        self._news: Final = KalshiNews(model, model.calendar, model.unheard_ns)

    def _of(self, one: Instrument) -> Names:
        return self._names.setdefault(one.number, Names())

    def pauses(self, one: Instrument, now: int) -> bool:
        """See ``Reading``."""
        return self._news.pauses(one, now)

    def added(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._news.of(one)

    def pass_time(self, now: int) -> None:
        """See ``Reading``."""
        self._news.pass_time(now)

    def listed(self, one: Instrument, *, new_fees: bool, news_came: bool) -> None:
        """See ``Reading``."""
        self._news.listed(one, new_fees=new_fees, missed=news_came and not self.hears(one))

    def renewed(self, conn: int) -> None:
        """See ``Reading``."""
        streams, self._streams[conn] = self._streams.get(conn, {}), {}
        if any(stream.news for stream in streams.values()):
            # Nothing comes before they are subscribed again.
            for one in self.model.on(conn):
                self._news.doubt(one, fees=True, heard=False)
        elif streams:
            # They may come on the next connection, without what was said until then.
            for one in self.model.on(conn):
                self._news.of(one).cut_off = True

    def forget(self, one: Instrument) -> None:
        """See ``Reading``."""
        self._of(one).sid = None

    def heard(self, one: Instrument) -> Heard:
        """See ``Reading``."""
        sid = self._of(one).sid
        if sid is None:
            return super().heard(one)
        stream = self._streams.get(one.conn, {}).get(sid)
        return Heard() if stream is None else stream.heard

    def proved(self, one: Instrument) -> Proof:
        """See ``Reading``."""
        sid = self._of(one).sid
        return super().proved(one) if sid is None else Proof((one.conn, sid), self.heard(one).ts)

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The one message of a frame; what is no JSON object concerns everyone."""
        try:
            document = read_json(payload)
        except ValueError:
            document = None
            if (news := self._news_of_others(Broken(payload))) is not None:
                return [news]
        if not isinstance(document, dict):
            return [Message("broken", everyone=True, body=Numbered(None, None, False, None))]
        kind = document["type"] if is_text(document.get("type")) else _UNTYPED
        msg = document.get("msg")
        sid, seq = _sid(document.get("sid")), _count(document.get("seq"))
        if kind == "subscribed" and sid is None and isinstance(msg, dict):
            sid = _sid(msg.get("sid"))
        message = Message(kind, _time(kind, msg))
        yes_prices = self.model.connections[conn].mode == _YES_PRICES
        try:
            content = _content(kind, msg, placed=bool(sid and seq), yes_prices=yes_prices)
        except ValueError as error:
            message.kind, content = "malformed", (str(error), _ticker(msg))
        message.levels, message.whole = kind in _BOOKS, kind == _BOOKS[0]
        requested = bool(_count(document.get("id")))
        market_id = msg.get("market_id") if isinstance(msg, dict) else None
        ticker = _ticker(msg)
        message.body = Numbered(sid, seq, requested, content, market_id, ticker)
        self._name(message, ticker)
        return [message]

    def read_index(self, payload: bytes) -> tuple[str, int, int] | None:
        """See ``Reading``."""
        return index_tick(payload)

    def _news_of_others(self, broken: Broken) -> Message | None:
        """News of a market that is not ours, in a frame that is no JSON: it takes its number."""
        kind, ticker = broken.name("type"), broken.name("market_ticker")
        if kind not in _LIFECYCLES or ticker is None or not broken.is_one_object():
            return None
        sid, seq = (broken.member(name) for name in ("sid", "seq"))
        numbers = isinstance(sid, Printed) and isinstance(seq, Printed)
        sid, seq = _sid(sid), _count(seq)
        ours = [each for each in self.model.instruments if each.venue == self.venue]
        names = ((each.symbol, each.market, self._of(each).market_id) for each in ours)
        if not (numbers and sid and seq) or broken.names_any(n for each in names for n in each):
            return None
        return Message(kind, body=Numbered(sid, seq, False, {"market_ticker": ticker}))

    def _name(self, message: Message, ticker: object) -> None:
        """Which books it is about; two names of different books make it malformed."""
        number, market_id = self.model.find(self.venue, ticker), message.body.market_id
        message.named = [] if number is None else [number]
        known = self._names.items() if market_id else ()
        # One that was let go of may have come again under its own name, as another instrument.
        here = self.model.present
        second = [n for n, names in known if names.market_id == market_id and n in here]
        if message.named and message.kind in _BOOKS and second not in ([], message.named):
            message.kind = "malformed"
        if message.kind == "malformed":
            message.whole = False
            message.everyone = number is None
            message.named += [each for each in second if each != number]

    def apply(self, conn: int, message: Message) -> Effects:
        """See ``Reading``."""
        effects = Effects()
        if message.kind == "broken":
            self._break_all(conn, "not JSON", effects)
            return effects
        connection = self.model.connections[conn]
        body: Numbered = message.body
        connection.heard.hear(message.ts_event, self.model.now)
        current = self._advance(conn, message, effects)
        if message.kind in _BOOKS and not (current and self._here(conn, message)):
            return effects
        if message.kind == "malformed":
            self._malformed(conn, message, effects)
        elif message.kind in _REPLIES:
            self._reply(conn, message, effects)
        elif message.kind == "orderbook_snapshot":
            self._snapshot(conn, message, effects)
        elif message.kind == "orderbook_delta":
            self._apply_delta(conn, message, effects)
        elif message.kind in _LIFECYCLES:
            self._lifecycle(conn, message, effects)
        elif message.kind == "event_fee_update":
            self._fee_update(conn, body.content, effects)
        elif message.kind not in _OTHERS and body.seq is not None:
            self._break_stream(conn, body.sid, "unknown type", effects)
        return effects

    def _advance(self, conn: int, message: Message, effects: Effects) -> bool:
        """Every number of a stream counts, whatever it is about; false if it came before."""
        sid, seq, requested = message.body[:3]
        if sid is None or seq is None:
            return True
        stream = self._streams.setdefault(conn, {}).setdefault(sid, Stream())
        if stream.ended:
            return False
        if message.kind in _NEWS and not stream.news:
            stream.news = True
            self._news.begin(self.model.on(conn))
        last = stream.seq
        if last is not None and seq <= last:
            # An answer to a request may repeat the newest number: it is a book as of that number.
            if not (message.kind == "orderbook_snapshot" and requested and seq == last):
                return self._again(conn, message, stream, effects)
        elif seq > (0 if last is None and stream.news and stream.channel else last or seq) + 1:
            self._break_stream(conn, sid, f"gap: {last} then {seq}", effects)
            self._lose_news(conn, effects, of=stream)
        stream.seq = seq
        stream.heard.hear(message.ts_event, self.model.now)
        return True

    def _again(self, conn: int, message: Message, stream: Stream, effects: Effects) -> bool:
        """A number that came before. In a row, and up to something later than all that was heard,
        numbers began anew: true if that is known now.
        """
        sid, seq = message.body[:2]
        run, stream.restart = stream.restart, None
        if run is not None and not (run.above == stream.seq and seq == run.seq + 1):
            run = None
        timeless = message.kind == "orderbook_snapshot" or message.kind in _REPLIES
        ts, newest = message.ts_event, stream.heard.ts
        later = ts is not None and (newest is None or ts > newest)
        if run is not None and later and not timeless:
            stream.seq, stream.withholds = seq, False
            stream.heard.hear(ts, self.model.now)
            for number, whole in run.whole.items():
                if not self.model.instruments[number].running:
                    self._load(conn, whole)
            return True
        if timeless and stream.seq is not None:
            run = run or Restart(stream.seq, seq)
            run.seq, stream.restart = seq, run
            ones = [self.model.instruments[number] for number in message.named]
            if message.kind == "orderbook_snapshot" and self._here(conn, message):
                # Those of this stream are about to be stale.
                free = [one for one in ones if not one.running or self._of(one).sid == sid]
                run.whole |= {one.number: message for one in free}
        self._break_stream(conn, sid, f"out_of_order: {stream.seq} then {seq}", effects)
        self._lose_news(conn, effects, of=stream)
        return False

    def _here(self, conn: int, message: Message) -> bool:
        """Whether its instrument is subscribed on this connection, and not on another by now."""
        return all(self.model.instruments[number].conn == conn for number in message.named)

    def _snapshot(self, conn: int, message: Message, effects: Effects) -> None:
        if not message.named:
            known, ticker = self._second_name(conn, message), message.body.ticker
            if known is not None:
                effects.breaks(known, "market_id under another name")
            else:
                message.named = self.model.meet(conn, self.venue, ticker, ticker)
        sid = message.body.sid
        stream = self._streams.get(conn, {}).get(sid, Stream())
        for number in message.named:
            one = self.model.instruments[number]
            stands = one.based and one.running and self._of(one).sid == sid
            if message.body.requested and stands and not _same(one, message.body.content):
                self._break_stream(conn, sid, "withheld: a whole book differs", effects)
                stream.withholds = True
        if not stream.withholds:
            self._load(conn, message)

    def _load(self, conn: int, message: Message) -> None:
        """A whole book is the basis of what follows on its stream."""
        for number in message.named:
            one = self.model.instruments[number]
            if one.over or one.state == "idle" or one.conn != conn:
                continue
            one.book.load(*message.body.content)
            one.based, names = True, self._of(one)
            names.sid = message.body.sid
            names.market_id = names.market_id or message.body.market_id

    def _second_name(self, conn: int, message: Message) -> Instrument | None:
        """The book of the connection that has the second name this message states."""
        wanted = message.body.market_id
        on = self.model.on(conn) if wanted else []
        return next((one for one in on if self._of(one).market_id == wanted), None)

    def _apply_delta(self, conn: int, message: Message, effects: Effects) -> None:
        sid = message.body.sid
        if not message.named:
            known = self._second_name(conn, message)
            if known is not None:
                effects.breaks(known, "market_id under another name")
            elif not (self.model.meets and message.body.market_id):
                self._break_stream(conn, sid, "delta of an unknown market", effects)
            return
        side, at, change = message.body.content
        one = self.model.instruments[message.named[0]]
        if not one.based:
            if (stream := self._streams.get(conn, {}).get(sid)) is not None:
                stream.withholds = False
            return
        left = one.book.qty(side, at) + change
        if self._of(one).sid != sid:
            effects.breaks(one, "delta on another stream")
        elif left < 0:
            effects.breaks(one, "underflow")
        else:
            one.book.set(side, at, left)

    def _malformed(self, conn: int, message: Message, effects: Effects) -> None:
        """The books it names; all of the connection if it names none by its ticker."""
        for number in message.named:
            effects.breaks(self.model.instruments[number], "malformed")
        if message.everyone:
            self._break_all(conn, "malformed", effects)

    def _reply(self, conn: int, message: Message, effects: Effects) -> None:
        """A subscription that ended takes its books along, until its number is given out again."""
        content, sid = message.body.content, message.body.sid
        code = _count(content.get("code")) if isinstance(content, dict) else None
        failed = message.kind == "error"
        fatal = code in _TERMINAL or (sid is not None and code not in _CODES)
        ended = message.kind == "unsubscribed" or (failed and fatal)
        streams = self._streams.setdefault(conn, {})
        if ended and sid is None:
            self._lose_news(conn, effects)
            self._break_all(conn, "a subscription ended", effects)
        elif ended and sid in streams:
            self._break_stream(conn, sid, "the subscription ended", effects)
            streams[sid].ended = True
            self._lose_news(conn, effects, of=streams[sid])
        elif sid is None and failed and code not in _NOT_OF_NEWS:
            for one in self.model.on(conn):
                if not self.hears(one):
                    self._doubt(one, effects)
        elif sid is not None and isinstance(content, dict) and (of := content.get("channel")):
            stream = streams.setdefault(sid, Stream())
            streams[sid] = stream = Stream() if stream.ended else stream
            stream.channel = of
            if of in _LIFECYCLES:
                stream.news = True
                self._news.begin(one for one in self.model.on(conn) if _channel(one) == of)

    def hears(self, one: Instrument) -> bool:
        """See ``Reading``."""
        streams = self._streams.get(one.conn, {}).values()
        return any(
            each.news and not each.ended and each.channel in ("", _channel(one)) for each in streams
        )

    def _lose_news(self, conn: int, effects: Effects, of: Stream | None = None) -> None:
        """Nothing is known any more of what news may have changed; ``of`` is where it was lost."""
        if of is None or of.news:
            for one in self.model.on(conn):
                self._doubt(one, effects)

    def _doubt(self, one: Instrument, effects: Effects, *, fees: bool = True) -> None:
        self._news.doubt(one, fees=fees, heard=self.hears(one))
        effects.repriced.add(one.number)

    def read_rest(
        self, body: bytes, instrument: int | None, stands_at: int | None
    ) -> list[Message]:
        """What REST says besides books: those prove nothing where messages are numbered."""
        del instrument, stands_at
        answers = kalshi_news.read(body)
        messages = []
        for answer in answers:
            message = Message("answer", body=answer, everyone=True)
            if isinstance(answer, Listed):
                number = self.model.find(self.venue, answer.ticker)
                message.named = [] if number is None else [number]
            messages.append(message)
        return messages

    def read_poll(self, body: bytes, instrument: int | None) -> list[Message]:
        """See ``Reading``. NO prices are of NO here, however the stream was asked to speak."""
        del instrument
        try:
            document = read_json(body)
        except ValueError:
            return []
        listed = document.get("orderbooks") if isinstance(document, dict) else None
        messages = []
        for each in listed if isinstance(listed, list) else []:
            if not isinstance(each, dict):
                continue
            number = self.model.find(self.venue, each.get("ticker"))
            sides = each.get("orderbook_fp")
            if number is not None and isinstance(sides, dict):
                book = _polled(sides)
                messages.append(Message("poll", named=[number], levels=True, whole=True, body=book))
        return messages

    def apply_rest(self, message: Message) -> Effects:
        """See ``Reading``."""
        ones = [self.model.instruments[number] for number in message.named]
        self._news.take(message.body, heard=any(self.hears(one) for one in ones))
        return Effects()

    def _lifecycle(self, conn: int, message: Message, effects: Effects) -> None:
        content = message.body.content
        content = content if isinstance(content, dict) else {}
        event, flag = content.get("event_type"), content.get("is_deactivated")
        if event in _HARMLESS and flag is None:
            return
        ticker = _ticker(content)
        if not isinstance(ticker, str) or not ticker:
            self._lose_news(conn, effects)
        for number in message.named:
            self._take_news(self.model.instruments[number], content, effects)

    def _take_news(self, one: Instrument, content: Mapping[str, Any], effects: Effects) -> None:
        """What one of our markets is said to do; what cannot be read leaves it unknown."""
        event, flag = content.get("event_type"), content.get("is_deactivated")
        if event == "close_date_updated":
            closes = seconds(content.get("close_ts")) or rfc3339(content.get("close_ts"))
            if closes is None:
                self._doubt(one, effects, fees=False)
                return
            one.close_ts = closes
            one.unheard.discard("close")
        elif event in ("determined", "settled"):
            one.determined = True
        elif (event or None) is None or not (flag is None or isinstance(flag, bool)):
            self._doubt(one, effects, fees=False)
            return
        elif flag is not None or event in ("activated", "deactivated"):
            one.paused = flag is True or event == "deactivated"
            one.unheard.discard("pause")
        else:
            return
        self._news.spoke(one, confirmed=True)
        effects.repriced.add(one.number)

    def _fee_update(self, conn: int, content: Any, effects: Effects) -> None:
        """An override of an event's fees; what is null is as the series has it.

        What the series has is unknown where the listing may have been an older override's. An
        update that cannot be read leaves the fees of its event unknown, or those of all.
        """
        event = content.get("event_ticker") if isinstance(content, dict) else None
        if not isinstance(event, str) or not is_text(event):
            self._lose_news(conn, effects)
            return
        if not kalshi_news.fees_stated(content):
            for one in self.model.instruments:
                if one.event == event:
                    self._news.doubt(one, trading=False, fees=True, heard=self.hears(one))
                    effects.repriced.add(one.number)
            return
        kind, multiplier = (content.get(f"fee_{what}_override") for what in ("type", "multiplier"))
        factor = None if multiplier is None else plain(multiplier, 9)
        for one in self.model.instruments:
            if one.event == event:
                self._news.spoke(one)
                self._news.set_fees(one, kind or None, factor)
                effects.repriced.add(one.number)

    def _break_stream(self, conn: int, sid: int | None, why: str, effects: Effects) -> None:
        for one in self.model.on(conn):
            if self._of(one).sid == sid:
                effects.breaks(one, why)

    def _break_all(self, conn: int, why: str, effects: Effects) -> None:
        for one in self.model.on(conn):
            effects.breaks(one, why)


def _same(one: Instrument, content: Sequence[Mapping[Decimal, Decimal]]) -> bool:
    """Whether a whole book has the levels of ours."""
    sides: tuple[Side, Side] = ("bid", "ask")
    ours = (dict(one.book.levels(side)) for side in sides)
    return all(mine == theirs for mine, theirs in zip(ours, content, strict=True))


def _count(value: object) -> int | None:
    return count(value) or None


def _sid(value: object) -> int | None:
    """The number of a stream, of 32 bits; ``None`` if it is no such number."""
    number = _count(value)
    return number if number is not None and number < 2**32 else None


def _ticker(content: object) -> object:
    return content.get("market_ticker") if isinstance(content, dict) else None


def _time(kind: str, content: object) -> int | None:
    """The venue's time of a message, in the newest of the forms it was ever given in."""
    if kind not in _TIMED or not isinstance(content, dict):
        return None
    forms = (millis(content.get("ts_ms")), seconds(content.get("ts")), rfc3339(content.get("ts")))
    return next((ts for ts in forms if ts is not None), None)


def _content(kind: str, content: Any, *, placed: bool, yes_prices: bool) -> Any:
    """What a message of this type holds; ``ValueError`` if it is not that."""
    if kind in _BOOKS:
        if not isinstance(content, dict) or not isinstance(_ticker(content), str):
            raise ValueError("no market_ticker")
        if not placed:
            raise ValueError("no place in a stream")
        if kind == "orderbook_delta":
            return delta(content, yes_prices=yes_prices)
        return sides(content, yes_prices=yes_prices)
    if kind == _UNTYPED and isinstance(content, dict) and speaks_of_a_book(content):
        raise ValueError("levels without a type")
    return content


def _channel(one: Instrument) -> str:
    """Where the news of a market come: combos have a channel of their own."""
    return _LIFECYCLES[one.symbol.startswith("KXMVE")]


def _polled(sides: Mapping[str, Any]) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
    """Bids and asks of YES in a REST book; what cannot be read is left out, and will differ."""
    found: list[dict[Decimal, Decimal]] = []
    for name in ("yes_dollars", "no_dollars"):
        listed = sides.get(name)
        levels = listed if isinstance(listed, list) else []
        found.append({plain(str(at), 9): plain(str(qty), 8) for at, qty in levels})
    yes, no = found
    return yes, {1 - at: qty for at, qty in no.items()}


READING = KalshiReading
