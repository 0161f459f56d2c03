"""One connection to the simulated Coinbase Exchange, without its socket: whole books, and what
changed since by the twentieth of a second. Nothing is numbered.

A command is answered with the whole list of what is subscribed, before or after what it brought:
the seed decides. Of a level that changed twice in a batch both changes are told, in order, or the
last.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.coinbase import wire
from bookfeed.sim.coinbase.faults import COINBASE_VARIANTS
from bookfeed.sim.coinbase.venue import SimCoinbase
from bookfeed.sim.coinbase.wire import LEVEL2, Message
from bookfeed.sim.faults import Link
from bookfeed.sim.spot import Change, SpotSpec, price_text
from bookfeed.sim.spot_faults import Duty, Out, SpotFault, SpotInjector, Wording
from bookfeed.sim.spot_stamps import pattern

BATCHES: Final = "level2_batch"
HEARTBEAT: Final = "heartbeat"
CHANNELS: Final = (BATCHES, HEARTBEAT)
BATCH_NS: Final = 50_000_000

_WORDING: Final = Wording(
    number=re.compile(rb'\["[0-9a-z.]+"(?:,"[0-9.]+")?,"([0-9.]+)"\]'),
    symbol=re.compile(rb'"product_id":"([^"]+)"'),
    unknown=(b'{"type":"something_new","product_id":"BTC-USD"}', b'{"something":"new"}'),
    stamps=pattern("time"),
)


class ExchangeInjector(SpotInjector):
    """Decides what becomes of every frame of every connection: the same kinds as beside it."""

    KINDS: Final = COINBASE_VARIANTS

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        found = self._wording.number.search(out.payload)
        if found is None:
            return out, "nothing to hurt", "none"
        start, end = found.span(1)
        hurt = out.payload[:start] + b"7" + out.payload[start:]
        return out._replace(payload=hurt), f"7 before {out.payload[start:end]!r}", "none"


class _Refused(Exception):
    """A command that is answered with an error."""


class ExchangeSession:
    """The venue's end of one connection."""

    def __init__(self, venue: SimCoinbase, conn: int) -> None:
        self.conn = conn
        self.subscribed: dict[str, dict[str, None]] = {}
        """Symbols by channel, in the order in which they came."""
        self._venue = venue
        self._rng = seeded("coinbase exchange", venue.config.seed, conn)
        self._changes: dict[str, list[Change]] = {}
        """What is yet to be told, by symbol."""
        self._versions: dict[str, tuple[int, int]] = {}
        """First and last version of that."""
        self._told_ns = 0
        self._refusing = False

    def symbols(self) -> set[str]:
        """The symbols that it is told of."""
        return {symbol for symbols in self.subscribed.values() for symbol in symbols}

    # what the venue says

    def carry(self, message: Message) -> Out | None:
        """Takes note of what a message of the venue tells; nothing is said at once."""
        wanted = message.symbol in self.subscribed.get(BATCHES, ())
        if wanted and message.channel == LEVEL2:
            self._changes.setdefault(message.symbol, []).extend(message.changes)
            first = self._versions.get(message.symbol, (message.version, 0))[0]
            self._versions[message.symbol] = (first, message.version)
        return None

    def batches(self, now_ns: int) -> list[Out]:
        """What has changed since the last batches, if they are due."""
        if now_ns - self._told_ns < BATCH_NS:
            return []
        self._told_ns = now_ns
        changed, self._changes = self._changes, {}
        outs = []
        for symbol, changes in changed.items():
            first, last = self._versions.pop(symbol)
            text = update(self._venue.listed[symbol], self._told(changes), now_ns)
            outs.append(Out(text, BATCHES, symbol, first, last, is_book=True))
        return outs

    def _told(self, changes: Sequence[Change]) -> Sequence[Change]:
        if self._rng.random() < 0.5:
            return changes
        return list({(one.is_bid, one.price): one for one in changes}.values())

    def heartbeats(self, now_ns: int) -> list[Out]:
        """Signs of life of each symbol that is subscribed to such."""
        named = self.subscribed.get(HEARTBEAT, {})
        return [Out(heartbeat(symbol, now_ns), HEARTBEAT, symbol) for symbol in named]

    # what the client says

    def refuse(self) -> None:
        """Answers the next command with an error, whatever it asks."""
        self._refusing = True

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one command; returns the answers, books included."""
        try:
            return self._act(text, now_ns)
        except _Refused as refused:
            return [Out(refusal(str(refused)), "error")]

    def _act(self, text: bytes | str, now_ns: int) -> list[Out]:
        try:
            command = json.loads(text)
        except ValueError:
            raise _Refused("malformed JSON") from None
        if self._refusing:
            self._refusing = False
            raise _Refused("internal error")
        kind, channels = command.get("type"), self._channels(command)
        if kind not in ("subscribe", "unsubscribe"):
            raise _Refused(f"type {kind} is not supported")
        outs = []
        for channel, symbols in channels.items():
            here = self.subscribed.setdefault(channel, {})
            for symbol in symbols:
                if kind == "unsubscribe":
                    here.pop(symbol, None)
                elif symbol not in here and channel == BATCHES:
                    outs.append(self._begin(symbol, now_ns))
                if kind == "subscribe":
                    here[symbol] = None
        listed = [Out(subscriptions(self.subscribed), "subscriptions")]
        return listed + outs if self._rng.random() < 0.5 else outs + listed

    def _channels(self, command: dict[str, Any]) -> dict[str, list[str]]:
        """Symbols by channel: of each its own, or those of the command."""
        shared, named = command.get("product_ids", []), {}
        for one in command.get("channels", []):
            channel = one.get("name") if isinstance(one, dict) else one
            if channel not in CHANNELS:
                raise _Refused(f"{channel} is not a valid channel")
            named[channel] = one.get("product_ids", shared) if isinstance(one, dict) else shared
        for symbol in (symbol for symbols in named.values() for symbol in symbols):
            if symbol not in self._venue.symbols:
                raise _Refused(f"{symbol} is not a valid product")
        return named

    def _begin(self, symbol: str, now_ns: int) -> Out:
        """The whole book; what is yet to be told of it is in it."""
        self._changes.pop(symbol, None)
        self._versions.pop(symbol, None)
        version, bids, asks = self._venue.whole(symbol)
        spec = self._venue.listed[symbol]
        told = {
            "type": "snapshot",
            "product_id": symbol,
            "bids": [[price_text(spec, at), _size_text(spec, size)] for at, size in bids],
            "asks": [[price_text(spec, at), _size_text(spec, size)] for at, size in asks],
            "time": wire.stamp(now_ns, 6),
        }
        payload = wire.dump(told).encode()
        return Out(payload, BATCHES, symbol, version, version, is_book=True)


# Its messages, as they are printed.


def update(spec: SpotSpec, changes: Sequence[Change], at_ns: int) -> bytes:
    """New sizes of levels."""
    told = [
        ["buy" if one.is_bid else "sell", price_text(spec, one.price), _size_text(spec, one.size)]
        for one in changes
    ]
    time = wire.stamp(at_ns, 6)
    return wire.dump(
        {"type": "l2update", "product_id": spec.name, "changes": told, "time": time}
    ).encode()


def heartbeat(symbol: str, at_ns: int) -> bytes:
    """A sign of life; its numbers are of other channels."""
    told = {"type": "heartbeat", "last_trade_id": 1, "product_id": symbol, "sequence": 1}
    return wire.dump({**told, "time": wire.stamp(at_ns, 6)}).encode()


def refusal(why: str) -> bytes:
    """An answer to a command that was not carried out."""
    return wire.dump({"type": "error", "message": "Failed to subscribe", "reason": why}).encode()


def subscriptions(channels: dict[str, dict[str, None]]) -> bytes:
    """What a connection is subscribed to."""
    listed = [{"name": name, "product_ids": list(named)} for name, named in channels.items()]
    return wire.dump({"type": "subscriptions", "channels": listed}).encode()


def _size_text(spec: SpotSpec, lots: int) -> str:
    """A size with all its decimals."""
    units = lots * spec.lot_e8
    return f"{units // 10**8}.{units % 10**8:08}"
