"""One connection to the simulated Gemini, without its socket: subscriptions, and how books begin.

The query of the address says whether books begin at all (``snapshot=-1``: whole; a number: with so
many levels; else not). A symbol begins once a connection: who gives it up and subscribes to it
again is told changes alone, since the venue does not say otherwise. In version 2 every subscription
begins with the whole book; beside the fast WebSocket it is served at a path of its own.
"""

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from bookfeed.sim.gemini import wire
from bookfeed.sim.gemini.venue import SimGemini
from bookfeed.sim.gemini.wire import DEPTH, L2, L2_TRADES, STREAMS, Api, Message
from bookfeed.sim.spot_faults import Out

WHOLE: Final = "/?snapshot=-1"
"""The path of a connection whose books begin whole."""
PATH_OF_VERSION_2: Final = "/v2/marketdata"


class _Refused(Exception):
    """A command that is answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class GeminiSession:
    """The venue's end of one connection; ``path`` is that of the handshake, query included."""

    def __init__(self, venue: SimGemini, conn: int, path: str = WHOLE) -> None:
        self.conn = conn
        self.streams: dict[str, None] = {}
        """What is subscribed to, in order."""
        self.venue = venue
        self._begun: set[str] = set()
        levels = parse_qs(path.partition("?")[2]).get("snapshot", ["0"])[0]
        self._levels = int(levels) if levels.lstrip("-").isdigit() else 0
        self._refusing = False
        self.withheld: set[str] = set()
        """Symbols of which nothing more is told."""
        self._is_version_2 = venue.config.api == "v2" or path.startswith(PATH_OF_VERSION_2)
        self._beside = self._is_version_2 and venue.config.api == "fast"
        venue.tells_both |= self._beside

    def _listed_as(self, symbol: str) -> str:
        """What the venue lists a symbol as that is spelled as this interface does."""
        return symbol.lower() if self._beside else symbol

    def symbols(self) -> set[str]:
        """The symbols that it is told of, as the venue lists them."""
        return {self._listed_as(stream.partition("@")[0]) for stream in self.streams}

    # what the venue says

    def carry(self, message: Message) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        kind = L2 if message.kind == L2_TRADES else message.kind
        if message.symbol in self.withheld:
            return None
        return _out(message) if f"{message.symbol}@{kind}" in self.streams else None

    def heartbeat(self, now_ns: int) -> Out | None:
        """A sign of life with the time, which version 2 alone gives."""
        return Out(wire.heartbeat(now_ns), "heartbeat") if self._is_version_2 else None

    def _begin(self, symbols: Iterable[str], now_ns: int) -> list[Out]:
        """How the books of symbols begin that were not told on this connection before."""
        outs = []
        for symbol in symbols:
            if self._is_version_2 or (symbol not in self._begun and self._levels):
                api: Api = "v2" if self._is_version_2 else "fast"
                message = self.venue.whole(self._listed_as(symbol), now_ns, api)
                outs.append(_out(_cut(message, self._levels)))
            self._begun.add(symbol)
        return outs

    # what the client says

    def refuse(self) -> None:
        """Answers the next command with an error, whatever it asks."""
        self._refusing = True

    def end(self, symbol: str) -> None:
        """Ends the subscription to a book without a word."""
        for kind in (DEPTH, L2):
            self.streams.pop(f"{symbol}@{kind}", None)

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one command; returns the answer and what it brought."""
        try:
            command = json.loads(text)
        except ValueError:
            command = None
        if not isinstance(command, dict):
            return [_failed(None, _Refused(-1100, "Malformed request."))]
        try:
            if self._refusing:
                self._refusing = False
                raise _Refused(-1000, "Something went wrong.")
            if self._is_version_2:
                return self._act_2(command, now_ns)
            return self._act(command, now_ns)
        except _Refused as refusal:
            return [_failed(command.get("id"), refusal)]

    def _act(self, command: dict[str, Any], now_ns: int) -> list[Out]:
        method, id_ = command.get("method"), command.get("id")
        if method in ("ping", "time", "conninfo", "list_subscriptions"):
            result = list(self.streams) if method == "list_subscriptions" else {}
            return [Out(wire.reply(id_, status=200, result=result), "reply")]
        if method not in ("subscribe", "unsubscribe", "SUBSCRIBE", "UNSUBSCRIBE"):
            raise _Refused(-1020, f"Unsupported method {method}")
        params = command.get("params")
        if not isinstance(params, list) or not params:
            raise _Refused(-1102, "params missing")
        for stream in params:
            symbol, _, kind = str(stream).partition("@")
            if symbol not in self.venue.symbols or kind not in STREAMS:
                raise _Refused(-1121, f"Invalid stream {stream}")
        answer = Out(wire.reply(id_, status=200, result={}), "reply")
        if method.lower() == "unsubscribe":
            for stream in params:
                self.streams.pop(stream, None)
            return [answer]
        self.streams.update(dict.fromkeys(params))
        books = [stream.partition("@")[0] for stream in params if stream.endswith(f"@{DEPTH}")]
        return [answer, *self._begin(books, now_ns)]

    def _act_2(self, command: dict[str, Any], now_ns: int) -> list[Out]:
        """Version 2 answers with what it has to tell, and a subscription that ends with nothing."""
        kind, listed = command.get("type"), command.get("subscriptions")
        if kind not in ("subscribe", "unsubscribe") or not isinstance(listed, list):
            raise _Refused(-1020, "Malformed subscription")
        symbols = [symbol for one in listed for symbol in one.get("symbols", ())]
        for symbol in symbols:
            if self._listed_as(symbol) not in self.venue.symbols:
                raise _Refused(-1121, f"Invalid symbol {symbol}")
        if kind == "unsubscribe":
            for symbol in symbols:
                self.streams.pop(f"{symbol}@{L2}", None)
            return []
        self.streams.update((f"{symbol}@{L2}", None) for symbol in symbols)
        return self._begin(symbols, now_ns)


def _out(message: Message) -> Out:
    kind, symbol, payload, first, last, whole = message
    is_book = kind in (DEPTH, L2)
    return Out(payload, kind, symbol, first, last, is_book, whole=whole)


def _cut(message: Message, levels: int) -> Message:
    """A whole book, or its best levels where so many were asked for."""
    if levels <= 0:
        return message
    body = json.loads(message.payload)
    body["b"], body["a"] = body["b"][:levels], body["a"][:levels]
    return message._replace(payload=wire.dump(body))


def _failed(id_: object, refusal: _Refused) -> Out:
    told = {"code": refusal.code, "msg": str(refusal)}
    return Out(wire.reply(id_, status=400, error=told), "error")
