"""One connection to the simulated Kraken, without its socket: requests, subscriptions, answers.

Every symbol of a request is acknowledged by itself. Where the documents leave an order open (all
acknowledgements first, or each before its book), the seed decides, connection by connection.
"""

import json
from typing import Any, Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.kraken import wire
from bookfeed.sim.kraken.venue import SimKraken
from bookfeed.sim.kraken.wire import BOOK, CHANNELS, DEPTH_DEFAULT, DEPTHS, INSTRUMENT, Message
from bookfeed.sim.spot_faults import Out

REQUESTS_PER_S_MAX: Final = 50
_UNDER_WAY_NS: Final = 40_000
"""From ``time_in`` to ``time_out``."""


class _Refused(Exception):
    """A request, or its part for one symbol, that is answered with an error."""


class KrakenSession:
    """The venue's end of one connection."""

    def __init__(self, venue: SimKraken, conn: int) -> None:
        self.conn = conn
        self.books: dict[str, int] = {}
        """Depth by symbol."""
        self.others: set[tuple[str, str]] = set()
        """Channel and symbol of what else is subscribed to; no symbol for the instruments."""
        self._venue = venue
        self._rng = seeded("kraken session", venue.config.seed, conn)
        self._second = (0, 0)
        self._refusing = False

    @property
    def subscribed(self) -> bool:
        """Whether it is sent anything at all, heartbeats included."""
        return bool(self.books or self.others)

    def symbols(self) -> set[str]:
        """The symbols that it is told of."""
        return set(self.books) | {symbol for _, symbol in self.others if symbol}

    # what the venue says

    def greeting(self) -> Out:
        """What it is told first."""
        return Out(wire.status(self._rng.getrandbits(63)).encode(), "status")

    def carry(self, message: Message) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        if message.channel == BOOK:
            wanted = self.books.get(message.symbol) == message.depth
        else:
            wanted = (message.channel, message.symbol) in self.others
        return _out(message) if wanted else None

    # what the client says

    def refuse(self) -> None:
        """Answers the next request with an error, whatever it asks."""
        self._refusing = True

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one request; returns the answers, books included."""
        try:
            request = json.loads(text)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            return [_reply({"error": "Malformed request", "success": False}, now_ns)]
        method, req_id = request.get("method"), request.get("req_id")
        answer: dict[str, Any] = {"method": method}
        if isinstance(req_id, int):
            answer["req_id"] = req_id
        try:
            self._count(now_ns)
            if self._refusing:
                self._refusing = False
                raise _Refused("Internal error")
            if method == "ping":
                return [_reply(answer | {"method": "pong"}, now_ns)]
            if method not in ("subscribe", "unsubscribe"):
                raise _Refused(f"Unsupported method {method}")
            params = request.get("params")
            if not isinstance(params, dict) or params.get("channel") not in CHANNELS:
                raise _Refused("Unsupported channel")
            return self._each(answer, params, now_ns)
        except _Refused as refusal:
            return [_reply(answer | {"success": False, "error": str(refusal)}, now_ns)]

    def _count(self, now_ns: int) -> None:
        second, used = self._second
        used = used + 1 if second == now_ns // 10**9 else 1
        self._second = (now_ns // 10**9, used)
        if used > REQUESTS_PER_S_MAX:
            raise _Refused("Exceeded msg rate")

    def _each(self, answer: dict[str, Any], params: dict[str, Any], now_ns: int) -> list[Out]:
        """What is answered about each symbol, and first data."""
        channel = params["channel"]
        symbols = [""] if channel == INSTRUMENT else params.get("symbol")
        if not isinstance(symbols, list) or not symbols:
            raise _Refused("Symbol(s) missing")
        acts = {"subscribe": self._subscribe, "unsubscribe": self._unsubscribe}
        acks: list[Out] = []
        firsts: list[Out | None] = []
        for symbol in symbols:
            try:
                result, first = acts[answer["method"]](channel, symbol, params, now_ns)
            except _Refused as refusal:
                refused = {"success": False, "error": str(refusal), "symbol": symbol}
                acks.append(_reply(answer | refused, now_ns))
                firsts.append(None)
                continue
            acks.append(_reply(answer | {"result": result, "success": True}, now_ns))
            firsts.append(first)
        if self._rng.random() < 0.5:
            return [*acks, *(first for first in firsts if first)]
        return [out for pair in zip(acks, firsts, strict=True) for out in pair if out]

    def _subscribe(
        self, channel: str, symbol: object, params: dict[str, Any], now_ns: int
    ) -> tuple[dict[str, Any], Out | None]:
        result: dict[str, Any] = {"channel": channel}
        wants = params.get("snapshot", channel != wire.TRADE)
        if channel == INSTRUMENT:
            self.others.add((INSTRUMENT, ""))
            listing = Out(wire.instruments(self._venue.specs).encode(), INSTRUMENT)
            return result | {"snapshot": wants}, listing if wants else None
        name = self._known(symbol)
        result["symbol"] = name
        if channel == BOOK:
            depth = params.get("depth", DEPTH_DEFAULT)
            if depth not in DEPTHS or isinstance(depth, bool):
                raise _Refused("Subscription depth not supported")
            if name in self.books:
                raise _Refused("Already subscribed")
            self.books[name] = depth
            first = _out(self._venue.snapshot(name, depth, now_ns))
            return result | {"depth": depth, "snapshot": wants}, first if wants else None
        if (channel, name) in self.others:
            raise _Refused("Already subscribed")
        self.others.add((channel, name))
        first = _out(self._venue.last_trades(name))
        return result | {"snapshot": wants}, first if wants else None

    def _unsubscribe(
        self, channel: str, symbol: object, params: dict[str, Any], now_ns: int
    ) -> tuple[dict[str, Any], None]:
        result: dict[str, Any] = {"channel": channel}
        name = "" if channel == INSTRUMENT else self._known(symbol)
        if name:
            result["symbol"] = name
        if channel == BOOK:
            depth = params.get("depth", DEPTH_DEFAULT)
            if self.books.get(name) != depth:
                raise _Refused("Subscription Not Found")
            del self.books[name]
            return result | {"depth": depth}, None
        if (channel, name) not in self.others:
            raise _Refused("Subscription Not Found")
        self.others.discard((channel, name))
        return result, None

    def _known(self, symbol: object) -> str:
        if not isinstance(symbol, str) or symbol not in self._venue.symbols:
            raise _Refused(f"Currency pair not supported {symbol}")
        return symbol


def heartbeat() -> Out:
    """What is said when nothing else is."""
    return Out(wire.HEARTBEAT.encode(), "heartbeat")


def _out(message: Message) -> Out:
    is_book = message.channel == BOOK
    version = message.version
    return Out(
        message.text.encode(),
        message.channel,
        message.symbol,
        version,
        version,
        is_book,
        message.edge,
    )


def _reply(body: dict[str, Any], now_ns: int) -> Out:
    times = {"time_in": wire.stamp(now_ns), "time_out": wire.stamp(now_ns + _UNDER_WAY_NS)}
    return Out(wire.dump(body | times).encode(), "reply")
