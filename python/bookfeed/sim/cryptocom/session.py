"""One connection to the simulated Crypto.com, without its socket: commands, subscriptions, answers.

A command to subscribe is acknowledged, once or for each channel, and whole books follow; or, by the
seed, the first of them is the answer. A channel that cannot be is refused, and costs the others
nothing. Commands of a connection's first second are counted by how much of it has passed. Who does
not answer the venue's question in time is hung up on.
"""

import json
from collections.abc import Sequence
from typing import Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.cryptocom import wire
from bookfeed.sim.cryptocom.venue import SimCryptocom
from bookfeed.sim.cryptocom.wire import BOOK, DEPTHS, TRADES, Message
from bookfeed.sim.spot_faults import Out

COMMANDS_PER_S_MAX: Final = 100
ASKS_EVERY_NS: Final = 30_000_000_000
ANSWER_NS: Final = 5_000_000_000

_NS_PER_S: Final = 1_000_000_000


class _Refused(Exception):
    """A command that is answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class CryptocomSession:
    """The venue's end of one connection, which was opened at ``now_ns``."""

    def __init__(self, venue: SimCryptocom, conn: int, now_ns: int) -> None:
        self.conn = conn
        self.channels: dict[str, None] = {}
        """What is subscribed to, in order."""
        self.over = False
        """Whether the venue hangs up."""
        self._venue = venue
        self._rng = seeded("cryptocom session", venue.config.seed, conn)
        self._opened_ns = self._asked_ns = now_ns
        self._question = 0
        """The number of the question that waits for its answer; 0 for none."""
        self._second = (now_ns // _NS_PER_S, 0)
        self._refusing = False

    def symbols(self) -> set[str]:
        """The symbols that it is told of."""
        return {channel.split(".")[1] for channel in self.channels}

    # what the venue says

    def carry(self, message: Message) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        return _out(message) if message.channel in self.channels else None

    def ask(self, now_ns: int) -> Out | None:
        """The venue's question, when it is due; who left the last one unanswered is done with."""
        if self._question and now_ns - self._asked_ns >= ANSWER_NS:
            self.over = True
        if self._question or now_ns - self._asked_ns < ASKS_EVERY_NS:
            return None
        self._asked_ns = now_ns
        self._question = now_ns // 1_000_000
        return Out(wire.question(self._question), "heartbeat")

    # what the client says

    def refuse(self) -> None:
        """Answers the next command with an error, whatever it asks."""
        self._refusing = True

    def end(self, symbol: str) -> None:
        """Ends the subscriptions to a book without a word."""
        for depth in DEPTHS:
            self.channels.pop(wire.book_channel(symbol, depth), None)

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one command; returns the answers, books included."""
        try:
            command = json.loads(text)
        except ValueError:
            command = None
        if not isinstance(command, dict):
            return [_reply(wire.reply(-1, "", 40001, message="Malformed request"))]
        id_, method = command.get("id"), str(command.get("method"))
        if method == "public/respond-heartbeat":
            self._question = 0 if id_ == self._question else self._question
            return []
        try:
            self._count(now_ns)
            if self._refusing:
                self._refusing = False
                raise _Refused(50001, "Internal error")
            if method not in ("subscribe", "unsubscribe"):
                raise _Refused(40003, f"Unknown method {method}")
            if not isinstance(id_, int) or not isinstance(command.get("nonce"), int):
                raise _Refused(40004, "id or nonce missing")
            return self._act(method, id_, command.get("params"), now_ns)
        except _Refused as refusal:
            told = {"message": str(refusal), "original": json.dumps(command)}
            return [_reply(wire.reply(id_, method, refusal.code, **told))]

    def _count(self, now_ns: int) -> None:
        second, used = self._second
        used = used + 1 if second == now_ns // _NS_PER_S else 1
        self._second = (now_ns // _NS_PER_S, used)
        passed = min(1.0, (now_ns - self._opened_ns) / _NS_PER_S)
        if used > COMMANDS_PER_S_MAX * passed:
            raise _Refused(42901, "TOO_MANY_REQUESTS")

    def _act(self, method: str, id_: int, params: object, now_ns: int) -> list[Out]:
        params = params if isinstance(params, dict) else {}
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise _Refused(40003, "channels missing")
        if method == "unsubscribe":
            for channel in channels:
                self.channels.pop(channel, None)
            return [_reply(wire.reply(id_, method))]
        if params.get("book_subscription_type") != "SNAPSHOT_AND_UPDATE":
            raise _Refused(40003, "Only changes are told every 10 ms")
        taken, refused = self._sort(channels)
        outs = [
            _reply(wire.reply(id_, method, refusal.code, channel=channel, message=str(refusal)))
            for channel, refusal in refused
        ]
        self.channels.update(dict.fromkeys(taken))
        books = [(symbol, depth) for symbol, depth in taken.values() if depth]
        how = self._rng.choice(("once", "each", "book"))
        answers = how == "book" and bool(books)
        if taken and how == "each":
            outs += [_reply(wire.reply(id_, method, channel=channel)) for channel in taken]
        elif taken and not answers:
            outs.append(_reply(wire.reply(id_, method)))
        for number, (symbol, depth) in enumerate(books):
            answer = id_ if answers and not number else wire.UNASKED
            outs.append(_out(self._venue.whole(symbol, depth, now_ns, answer)))
        return outs

    def _sort(
        self, channels: Sequence[object]
    ) -> tuple[dict[str, tuple[str, int]], list[tuple[object, _Refused]]]:
        """The channels that there are, each with its symbol and depth; and those that are none."""
        taken: dict[str, tuple[str, int]] = {}
        refused: list[tuple[object, _Refused]] = []
        for channel in channels:
            try:
                taken[str(channel)] = self._known(channel)
            except _Refused as refusal:
                refused.append((channel, refusal))
        return taken, refused

    def _known(self, channel: object) -> tuple[str, int]:
        """The symbol of a channel, and the depth of a book; 0 for trades."""
        kind, _, rest = str(channel).partition(".")
        symbol, _, depth = rest.partition(".")
        if symbol not in self._venue.symbols:
            raise _Refused(40003, f"Unknown symbol {symbol}")
        if kind == TRADES and not depth:
            return symbol, 0
        if kind == BOOK and depth in map(str, DEPTHS):
            return symbol, int(depth)
        raise _Refused(40003, f"Unknown channel {channel}")


def _out(message: Message) -> Out:
    return Out(
        message.payload,
        message.kind,
        message.symbol,
        message.first,
        message.last,
        message.kind == BOOK,
        whole=message.whole,
    )


def _reply(payload: bytes) -> Out:
    return Out(payload, "reply")
