"""A recording of Kalshi's stream, served as the venue speaks.

A frame goes out as it was received, but for what belongs to a connection: ``sid``, ``seq`` and
``id``. Its subscription gives it a number of its own, so that the client misses none. NO prices are
turned into those that the client asked for, where the recorder had asked for the others.

Channels of one's own orders are not served.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from picows import WSTransport

from bookfeed.sim.kalshi import wire
from bookfeed.sim.kalshi.config import KalshiVenueConfig
from bookfeed.sim.kalshi.grid import PIPS, PRICE_E9_PER_PIP, QTY_E8_PER_LOT
from bookfeed.sim.kalshi.session import BOOK_CHANNEL, KalshiSession, Out, Subscription
from bookfeed.sim.kalshi.signed import HEARTBEAT_S, SignedPeer, SignedServer
from bookfeed.sim.kalshi.venue import SimKalshi
from bookfeed.sim.kalshi.wire import Identity, Levels, Message
from bookfeed.sim.recorded import Listed, Past, RecordedConfig, RecordedPeer, RecordedServer, Step
from bookfeed.sim.server import NS_PER_MS, RestService

YES_PRICES: Final = "use_yes_price"
_CHANNEL: Final = {
    "orderbook_snapshot": BOOK_CHANNEL,
    "orderbook_delta": BOOK_CHANNEL,
    "event_lifecycle": "market_lifecycle_v2",
    "event_fee_update": "market_lifecycle_v2",
}
"""Of messages that are not called as their channel is."""
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"
_SID: Final = re.compile(rb'("sid"\s*:\s*)\d+')
_SEQ: Final = re.compile(rb'("seq"\s*:\s*)\d+')
_ID: Final = re.compile(rb'"id"\s*:\s*\d+\s*,\s*')
_PRICE: Final = re.compile(rb'("price_dollars"\s*:\s*")([^"]*)(")')


class _Recorded(Message):
    """A message as it was received."""

    __slots__ = ("frame", "market_id", "number", "side", "timed", "yes_prices")

    def __init__(self, told: Mapping[str, Any], channel: str, frame: bytes, mode: str) -> None:
        body = told["msg"]
        named = body.get("market_ticker") or body.get("index_id") or ""
        super().__init__(channel, str(told.get("type")), str(named), 0, "")
        self.frame = frame
        self.number = _whole(told.get("sid")), _whole(told.get("seq"))
        """Its subscription and number there; 0 for none."""
        self.side = str(body.get("side", ""))
        self.market_id = str(body.get("market_id") or "")
        self.timed = "sending_ts_ms" in told
        self.yes_prices = YES_PRICES in mode


def read(frame: bytes, mode: str) -> _Recorded | None:
    """The message of a frame; ``None`` for replies, what is nobody else's, and no JSON."""
    try:
        told = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("msg"), dict):
        return None
    kind = str(told.get("type"))
    channel = _CHANNEL.get(kind, kind)
    if channel not in wire.CHANNELS or channel in wire.PRIVATE:
        return None
    return _Recorded(told, channel, frame, mode)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


class Market(NamedTuple):
    """A book that may be believed."""

    identity: Identity
    book: Levels

    def levels(self) -> Levels:
        """As the session asks for them."""
        return self.book


class _Venue:
    """What a session asks of its venue, answered from the recording."""

    def __init__(self, past: Past, listed: Sequence[Listed]) -> None:
        self.config = KalshiVenueConfig(private_channels=False)
        self.absent: frozenset[str] = frozenset()
        self.indices: tuple[()] = ()
        self.ids: dict[str, str] = {}
        """The market's id by its ticker, as the stream told it."""
        self.sends_time = True
        """Whether frames say when they were sent."""
        self.past = past
        self._listed = [one.symbol for one in listed]

    @property
    def markets(self) -> list[Market]:
        """All there are now."""
        return list(self.known(self._listed))

    @property
    def by_id(self) -> dict[str, Market]:
        """The same by the market's id."""
        return {market.identity.market_id: market for market in self.markets}

    def known(self, tickers: Iterable[str]) -> Iterator[Market]:
        """Those whose books may be believed."""
        for ticker in tickers:
            book = self.past.book("kalshi", ticker)
            if book is not None:
                identity = Identity(ticker, self.ids.get(ticker, _NO_ID))
                yes = {price // PRICE_E9_PER_PIP: qty // QTY_E8_PER_LOT for price, qty in book.bids}
                no = {PIPS - price // PRICE_E9_PER_PIP: qty // QTY_E8_PER_LOT
                      for price, qty in book.asks}  # fmt: skip
                yield Market(identity, Levels(yes, no))


class _Session(KalshiSession):
    """One connection, which hears of books that it has been told the whole of."""

    def __init__(self, venue: _Venue, client: "Client") -> None:
        super().__init__(cast("SimKalshi", venue), client.conn)
        self._recorded = venue
        self._client = client

    def carry(self, message: Message, now_ms: int) -> Out | None:
        """See ``KalshiSession``."""
        if message.channel == BOOK_CHANNEL and message.ticker not in self._client.has:
            return None
        return super().carry(message, now_ms)

    def whole(self, ticker: str, now_ms: int) -> list[Out]:
        """A book that is whole again."""
        sub = self.subscriptions[BOOK_CHANNEL]
        self._now_ms = now_ms
        return self._snapshots(sub, [ticker])

    def _frame(self, sub: Subscription, message: Message, now_ms: int, id: int = 0) -> Out:
        if not isinstance(message, _Recorded):
            return super()._frame(sub, message, now_ms, id)
        turned = message.yes_prices != sub.use_yes_price
        if turned and message.kind == "orderbook_snapshot":
            (market,) = self._recorded.known([message.ticker])
            told = wire.snapshot(market.identity, market.levels(), now_ms)
            return super()._frame(sub, told, now_ms)
        seq = sub.next_seq() if message.number[1] else 0
        head, middle, tail = message.frame.partition(b'"msg"')
        # Where these stand before the message, which may have members of that name.
        if not _SID.search(head):
            head, middle, tail = message.frame, b"", b""
        head = _SID.sub(rb"\g<1>%d" % sub.sid, head, count=1)
        payload = _ID.sub(b"", head, count=1) + middle + tail
        if seq:
            payload = _SEQ.sub(rb"\g<1>%d" % seq, payload, count=1)
        if turned and message.side == "no":
            payload = _PRICE.sub(_complement, payload, count=1)
        return Out(payload, message.kind, sub.sid, seq, (message.ticker,), message)

    def _snapshots(self, sub: Subscription, tickers: Iterable[str], id: int = 0) -> list[Out]:
        names = list(tickers)
        outs = super()._snapshots(sub, names, id)
        told = {ticker for out in outs for ticker in out.tickers}
        followed = told.intersection(sub.names or ())
        self._client.has.difference_update(names)
        self._client.has.update(followed)
        self._client.server.books_sent += len(told)
        return outs

    def _sending(self, now_ms: int) -> int:
        return now_ms if self._recorded.sends_time else 0


def _complement(price: "re.Match[bytes]") -> bytes:
    """The price of the other side, with as many decimals."""
    _, _, decimals = price[2].partition(b".")
    one = 10 ** len(decimals)
    other = one - int(price[2].replace(b".", b""))
    text = f"{other // one}.{other % one:0{len(decimals)}d}" if decimals else str(other)
    return price[1] + text.encode() + price[3]


class Client(SignedPeer, RecordedPeer):
    """The server's end of one connection."""

    def __init__(self, server: "RecordedKalshi") -> None:
        super().__init__(server, HEARTBEAT_S)
        self.server = server
        self.session: _Session

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Takes the connection into service."""
        super().on_ws_connected(transport)
        self.session = _Session(self.server.venue, self)

    def follows(self) -> Iterable[str]:
        """See ``RecordedPeer``."""
        return self.session.tickers()

    def _receive(self, text: bytes) -> None:
        outs = self.session.receive(text, self.server.now_ms)
        self.has.intersection_update(self.session.tickers())
        self.hand_over(outs)
        self.flush()
        self.server.joined(self)

    def hand_over(self, outs: Iterable[Out]) -> int:
        """Queues frames; returns how many there were."""
        count = 0
        for out in outs:
            self._queue(out.payload)
            count += 1
        return count


class RecordedKalshi(SignedServer[Client], RecordedServer[Client]):
    """Serves what was recorded of Kalshi; books by REST, too."""

    VENUE = "kalshi"

    def __init__(self, config: RecordedConfig, past: Past, listed: Sequence[Listed]) -> None:
        super().__init__(config, past, listed)
        self._take_keys({})
        self.venue: Final = _Venue(past, listed)
        self._seqs: dict[tuple[int, int, int], int] = {}
        """The newest number of each recorded subscription."""

    @property
    def now_ms(self) -> int:
        """The time that the recording has reached, Unix ms."""
        return self._past.now_ns // NS_PER_MS

    def ready(self) -> dict[str, Any]:
        """See ``RecordedServer``. The private key opens nothing but this server."""
        return {
            "venue": self.VENUE,
            "ws": self.url,
            "rest": self.rest_url,
            "key_id": self.key.key_id if self.key else None,
            "private_key": self.key.private_pem if self.key else None,
            "markets": [{"ticker": one.symbol, "fee": one.fee} for one in self._listed],
        }

    def _client(self) -> Client:
        return Client(self)

    def _follow(self) -> None:
        super()._follow()
        if any(one.session.subscriptions for one in self._clients.values()):
            self.asked.set()

    def _carry(self, step: Step, frame: bytes) -> int:
        message = read(frame, step.mode)
        if message is None:
            return 0
        self._note(message)
        if self._came_already(step, message):
            return 0
        sent = 0
        for client in list(self._clients.values()):
            out = client.session.carry(message, self.now_ms) if client.open else None
            sent += client.hand_over([out] if out is not None else [])
        return sent

    def _came_already(self, step: Step, message: _Recorded) -> bool:
        """Whether a message is one that was told before, which its own number would hide."""
        if step.news is not None and message.channel == BOOK_CHANNEL:
            return message.ticker not in step.news
        sid, seq = message.number
        stream = step.conn, step.epoch, sid
        if seq and seq <= self._seqs.get(stream, 0):
            return True
        self._seqs[stream] = seq
        return False

    def _note(self, message: _Recorded) -> None:
        if message.channel == BOOK_CHANNEL:
            self.venue.sends_time = message.timed
            if message.market_id:
                self.venue.ids[message.ticker] = message.market_id

    def _tell_whole(self, client: Client, symbol: str) -> None:
        client.hand_over(client.session.whole(symbol, self.now_ms))

    def _make_rest(self) -> RestService:
        from bookfeed.sim.kalshi.recorded_rest import RecordedRest

        return RecordedRest(self.venue.known)


def served(config: RecordedConfig, past: Past, listed: Sequence[Listed]) -> RecordedKalshi:
    """The server of a recording; ``ModuleNotFoundError`` without the ``cryptography`` package."""
    return RecordedKalshi(config, past, listed)
