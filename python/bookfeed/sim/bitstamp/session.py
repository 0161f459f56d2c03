"""One connection to the simulated Bitstamp, without its socket: channels, commands, their limit."""

import json
from typing import Any, Final

from bookfeed.sim.bitstamp import wire
from bookfeed.sim.bitstamp.venue import SimBitstamp
from bookfeed.sim.bitstamp.wire import CHANNELS, DIFF, Message
from bookfeed.sim.spot_faults import Out

CHANNELS_MAX: Final = 1_024


class BitstampSession:
    """The venue's end of one connection."""

    def __init__(self, venue: SimBitstamp, conn: int) -> None:
        self.conn = conn
        self.channels: dict[str, None] = {}
        """What is subscribed to, in order."""
        self.over = False
        """Whether it is closed without a word: it has asked for more than a connection may have."""
        self._venue = venue
        self._refusing = False

    def symbols(self) -> set[str]:
        """The symbols that it is told of."""
        return {channel.rpartition("_")[2] for channel in self.channels}

    # what the venue says

    def carry(self, message: Message) -> Out | None:
        """The frame that this connection gets for a message of the venue, if any."""
        if message.channel not in self.channels:
            return None
        is_book = message.kind == DIFF
        kind, symbol, first, last = message.kind, message.symbol, message.first, message.last
        return Out(message.payload, kind, symbol, first, last, is_book)

    def warning(self) -> Out:
        """The venue wants the client to connect anew."""
        return Out(wire.reply("bts:request_reconnect"), "warning")

    # what the client says

    def refuse(self) -> None:
        """Answers the next command with an error, whatever it asks."""
        self._refusing = True

    def end(self, symbol: str) -> Out:
        """Ends the subscription to the changes of a book without being asked."""
        self.channels.pop(f"{DIFF}_{symbol}", None)
        return Out(wire.reply("bts:unsubscription_succeeded", f"{DIFF}_{symbol}"), "reply")

    def receive(self, text: bytes | str, now_ns: int) -> list[Out]:
        """Acts on one command; returns the answer, whatever time it is."""
        del now_ns
        try:
            command = json.loads(text)
        except ValueError:
            return [_error("Invalid JSON.")]
        if not isinstance(command, dict):
            return [_error("Bad message.")]
        event = command.get("event")
        if event == "bts:heartbeat":
            return [Out(wire.reply("bts:heartbeat", "", {"status": "success"}), "heartbeat")]
        if self._refusing:
            self._refusing = False
            return [_error("Something went wrong.")]
        data = command.get("data")
        channel = data.get("channel") if isinstance(data, dict) else None
        if event == "bts:subscribe":
            return [self._subscribe(channel)]
        if event == "bts:unsubscribe":
            if not isinstance(channel, str) or channel not in self.channels:
                return [_error("Not subscribed.")]
            del self.channels[channel]
            return [Out(wire.reply("bts:unsubscription_succeeded", channel), "reply")]
        return [_error("Bad message.")]

    def _subscribe(self, channel: Any) -> Out:
        name, _, symbol = channel.rpartition("_") if isinstance(channel, str) else ("", "", "")
        if name not in CHANNELS or symbol not in self._venue.symbols:
            return _error("Bad subscription string.")
        self.channels[channel] = None
        self.over = len(self.channels) > CHANNELS_MAX
        return Out(wire.reply("bts:subscription_succeeded", channel), "reply")


def _error(text: str) -> Out:
    return Out(wire.reply("bts:error", "", {"code": None, "message": text}), "error")
