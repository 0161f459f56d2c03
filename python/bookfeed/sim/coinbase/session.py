"""One connection to the simulated Coinbase, without its socket: commands, subscriptions, numbers.

Every message of a connection takes the next number, but for errors. A command is answered with the
whole list of what is subscribed, before or after what it brought: the seed decides, connection by
connection.
"""

import json
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.coinbase import wire
from bookfeed.sim.coinbase.venue import SimCoinbase
from bookfeed.sim.coinbase.wire import BOOKS, CHANNELS, HEARTBEATS, LEVEL2, Message
from bookfeed.sim.spot_faults import Out

COMMANDS_PER_S_MAX: Final = 8


class _Refused(Exception):
    """A command that is answered with an error."""


class CoinbaseSession:
    """The venue's end of one connection."""

    def __init__(self, venue: SimCoinbase, conn: int) -> None:
        self.conn = conn
        self.subscribed: dict[str, dict[str, None]] = {}
        """Symbols by channel, in the order in which they came."""
        self._venue = venue
        self._rng = seeded("coinbase session", venue.config.seed, conn)
        self._number = self._beats = 0
        self._second = (0, 0)
        self._refusing = False
        self.withheld: set[str] = set()
        """Symbols of which nothing more is told, and which take no numbers either."""

    def symbols(self) -> set[str]:
        """The symbols that it is told of."""
        return {symbol for symbols in self.subscribed.values() for symbol in symbols}

    # what the venue says

    def carry(self, message: Message) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        wanted = message.symbol in self.subscribed.get(message.channel, ())
        if message.symbol in self.withheld:
            return None
        return self._numbered(message) if wanted else None

    def heartbeat(self, now_ns: int) -> Out | None:
        """A sign of life, if it is subscribed to such."""
        if HEARTBEATS not in self.subscribed:
            return None
        self._beats += 1
        return self._numbered(Message(HEARTBEATS, wire.heartbeat(self._beats, now_ns), now_ns))

    def _numbered(self, message: Message) -> Out:
        channel = BOOKS if message.channel == LEVEL2 else message.channel
        payload = wire.frame(channel, message.events, self._number, message.at_ns)
        self._number += 1
        is_book, version = message.channel == LEVEL2, message.version
        return Out(payload, channel, message.symbol, version, version, is_book)

    # what the client says

    def refuse(self) -> None:
        """Answers the next command with an error, whatever it asks."""
        self._refusing = True

    def end(self, symbol: str, now_ns: int) -> Out:
        """Ends the subscription to a book without being asked; what is told of it."""
        self.subscribed.get(LEVEL2, {}).pop(symbol, None)
        return self._list(now_ns)

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one command; returns the answers, books included."""
        try:
            return self._act(text, now_ns)
        except _Refused as refusal:
            return [Out(wire.error(str(refusal)), "error")]

    def _act(self, text: bytes | str, now_ns: int) -> list[Out]:
        try:
            command = json.loads(text)
        except ValueError:
            raise _Refused("failure to parse message") from None
        if not isinstance(command, dict):
            raise _Refused("failure to parse message")
        self._count(now_ns)
        if self._refusing:
            self._refusing = False
            raise _Refused("internal error")
        kind, channel = command.get("type"), command.get("channel")
        if kind not in ("subscribe", "unsubscribe"):
            raise _Refused(f"invalid type {kind}")
        if channel not in CHANNELS:
            raise _Refused(f"channel {channel} not supported")
        symbols = self._known(command.get("product_ids"), channel)
        if kind == "unsubscribe":
            self._unsubscribe(channel, symbols)
            return [self._list(now_ns)]
        first = self._rng.random() < 0.5
        self._subscribe(channel, symbols)
        answer = [self._list(now_ns)] if first else []
        answer += [self._begin(channel, symbol, now_ns) for symbol in symbols]
        return answer if first else [*answer, self._list(now_ns)]

    def _count(self, now_ns: int) -> None:
        second, used = self._second
        used = used + 1 if second == now_ns // 10**9 else 1
        self._second = (now_ns // 10**9, used)
        if used > COMMANDS_PER_S_MAX:
            raise _Refused("rate limit exceeded")

    def _known(self, listed: object, channel: str) -> list[str]:
        if channel == HEARTBEATS:
            return []
        if not isinstance(listed, list) or not listed:
            raise _Refused("product_ids missing")
        # What is asked for in USDC is told in USD.
        named = [one[:-1] if str(one).endswith("-USDC") else one for one in listed]
        for symbol in named:
            if symbol not in self._venue.symbols:
                raise _Refused(f"{symbol} is not a valid product")
        return named

    def _subscribe(self, channel: str, symbols: list[str]) -> None:
        self.subscribed.setdefault(channel, {}).update(dict.fromkeys(symbols))

    def _unsubscribe(self, channel: str, symbols: list[str]) -> None:
        left = self.subscribed.get(channel, {})
        for symbol in symbols:
            left.pop(symbol, None)
        if not left:
            self.subscribed.pop(channel, None)

    def _begin(self, channel: str, symbol: str, now_ns: int) -> Out:
        tell = self._venue.snapshot if channel == LEVEL2 else self._venue.last_trades
        return self._numbered(tell(symbol, now_ns))

    def _list(self, now_ns: int) -> Out:
        listed = wire.subscriptions(self.subscribed)
        return self._numbered(Message("subscriptions", listed, now_ns))
