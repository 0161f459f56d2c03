"""One connection to the simulated PolyBolt, without its socket: keys, channels, numbers, limits.

Frames of a channel are numbered from 1 on each connection, all symbols together. A subscription is
acknowledged, and the last two minutes follow unless it was there already.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from bookfeed.sim.polymarket.polybolt.touches import Source, Touches, TouchFault, made_up
from bookfeed.sim.relay_prices import Prices, decimal, double

SUBSCRIPTIONS_MAX: Final = 64
FRAMES_PER_S_MAX: Final = 20
AUTHS_MAX: Final = 8
PAST_S: Final = 120
KEY: Final = ("sim-key", "sim-secret", "sim-passphrase")
"""The key that is accepted."""
AUTH: Final = 4001
POLICY: Final = 4008

_COINS: Final = ("btcusd", "ethusd", "solusd", "dogeusd", "xrpusd", "bnbusd")
_SYMBOLS: Final = {
    "price.crypto": _COINS,
    "price.crypto.twap": (*_COINS, "hypeusd", "zecusd"),
    "price.equity": ("aapl", "nvda"),
    "price.equity.twap": ("eurusd", "usdjpy"),
}
_TOUCH: Final = "price.polymarket"
_SOURCES: Final = {"price.crypto": "pyth", "price.equity": "pyth"}


@dataclass(slots=True)
class Faults:
    """What goes wrong: durations in milliseconds since the connection opened."""

    frozen: tuple[tuple[int, int], ...] = ()
    """From when to when nothing is sent, although the socket is open."""
    dropped: tuple[tuple[int, int], ...] = ()
    """From when to when frames are left out, which the next one says."""
    dropped_numbered: bool = False
    """Whether what is left out uses up numbers, too."""
    touches: tuple[tuple[int, int, TouchFault], ...] = ()
    """From when to when what is told of touches is wrong, and how."""
    close: tuple[int, int] | None = None
    """When the connection is closed, and with which code."""


@dataclass(slots=True)
class PolyboltSession:
    """The relay's end of one connection; times in Unix milliseconds."""

    prices: Prices
    opened_ms: int
    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    authed: bool = False
    auths: int = 0
    subscriptions: dict[tuple[str, str], None] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    frame_times: list[int] = field(default_factory=list)
    told_ms: int = 0
    source: Source | None = None
    """What is true of touches; made up if nothing is."""
    closing: int = 0
    """The code with which it is to be closed; 0 while it is not."""

    touches: Touches = field(init=False)

    def __post_init__(self) -> None:
        source = self.source or made_up(self.seed, lambda: self.told_ms)
        self.touches = Touches(source, self.faults.touches)

    def greeting(self) -> list[str]:
        """Nothing."""
        self.told_ms = self.opened_ms
        return []

    def receive(self, text: str, now_ms: int) -> list[str]:
        """What a client says, and the answers."""
        try:
            said = json.loads(text)
            op, rid = said["op"], said.get("rid")
        except (ValueError, KeyError, TypeError):
            return [_error("bad_op", None, None)]
        if op == "ping":
            return [json.dumps({"op": "pong"})]
        if op == "auth":
            return [self._auth(said, rid)]
        if op not in ("subscribe", "unsubscribe"):
            return [_error("bad_op", rid, None)]
        self.frame_times = [at for at in self.frame_times if now_ms - at < 1_000] + [now_ms]
        if len(self.frame_times) > FRAMES_PER_S_MAX:
            self.closing = POLICY
            return [_error("rate_limited", rid, None)]
        items = said.get("subscriptions") or [said]
        return [frame for item in items for frame in self._item(op, item, rid, now_ms)]

    def _auth(self, said: dict[str, Any], rid: Any) -> str:
        self.auths += 1
        if self.auths > AUTHS_MAX:
            self.closing = POLICY
            return _error("auth_attempts", rid, None)
        key = said.get("auth", {})
        given = (key.get("apiKey"), key.get("secret"), key.get("passphrase"))
        self.authed = given == KEY
        return json.dumps({"op": "authed", "rid": rid}) if self.authed else _error(
            "auth_invalid", rid, None
        )  # fmt: skip

    def _item(self, op: str, item: dict[str, Any], rid: Any, now_ms: int) -> list[str]:
        channel, wanted = item.get("channel", ""), item.get("filter") or {}
        if channel != _TOUCH and channel not in _SYMBOLS:
            return [_error("bad_channel", rid, channel)]
        if channel != _TOUCH and not self.authed:
            return [_error("auth_required", rid, channel)]
        symbol = str(wanted.get("asset_id" if channel == _TOUCH else "symbol", "")).lower()
        window = wanted.get("window_seconds")
        if channel.endswith(".twap") and window != 60:
            return [_error("bad_filter", rid, channel)]
        if not symbol or (channel != _TOUCH and symbol not in _SYMBOLS[channel]):
            return [_error("bad_filter", rid, channel)]
        key = (channel, symbol)
        if op == "unsubscribe":
            self.subscriptions.pop(key, None)
            if channel == _TOUCH:
                self.touches.told.pop(symbol, None)
            return [json.dumps({"op": "unsubscribed", "channel": channel, "rid": rid})]
        ack = json.dumps({"op": "subscribed", "channel": channel, "rid": rid})
        if key in self.subscriptions:
            return [ack]
        if len(self.subscriptions) >= SUBSCRIPTIONS_MAX:
            self.closing = POLICY
            return [_error("sub_limit", rid, channel)]
        self.subscriptions[key] = None
        return [ack, self._snapshot(channel, symbol, now_ms)]

    def _snapshot(self, channel: str, symbol: str, now_ms: int) -> str:
        if channel == _TOUCH:
            first = self.touches.begin(symbol, now_ms - self.opened_ms, now_ms)
            return self._numbered(channel, first, now_ms, snapshot=True)
        past = self.prices.last(channel, symbol, now_ms // 1_000, PAST_S)
        payload = self._about(channel, symbol)
        payload["data"] = [_point(second, value) for second, value in past]
        return self._numbered(channel, payload, now_ms, snapshot=True)

    def tick(self, now_ms: int) -> list[str]:
        """What is to be told by ``now_ms``."""
        since_s, until_s = self.told_ms // 1_000, now_ms // 1_000
        self.told_ms = now_ms
        since_ms = now_ms - self.opened_ms
        if self.faults.close is not None and since_ms >= self.faults.close[0]:
            self.closing = self.faults.close[1]
        if _within(self.faults.frozen, since_ms):
            return []
        frames = self._touched(since_ms, now_ms)
        for second in range(since_s, until_s):
            for channel, symbol in self.subscriptions:
                payload = self._payload(channel, symbol, second)
                if payload is None:
                    continue
                if _within(self.faults.dropped, since_ms):
                    self._drop(channel)
                    continue
                frames.append(self._numbered(channel, payload, now_ms))
        return frames

    def _touched(self, since_ms: int, now_ms: int) -> list[str]:
        frames = []
        for payload, left_out in self.touches.news(since_ms, now_ms):
            if _within(self.faults.dropped, since_ms):
                self._drop(_TOUCH)
            elif left_out:
                self.seqs[_TOUCH] = self.seqs.get(_TOUCH, 0) + 1
            else:
                frames.append(self._numbered(_TOUCH, payload, now_ms))
        return frames

    def _drop(self, channel: str) -> None:
        self.left_out[channel] = self.left_out.get(channel, 0) + 1
        if self.faults.dropped_numbered:
            self.seqs[channel] = self.seqs.get(channel, 0) + 1

    def _payload(self, channel: str, symbol: str, second: int) -> dict[str, Any] | None:
        value = None if channel == _TOUCH else self.prices.value(channel, symbol, second)
        return None if value is None else self._about(channel, symbol) | _point(second, value)

    def _about(self, channel: str, symbol: str) -> dict[str, Any]:
        payload: dict[str, Any] = {"symbol": symbol, "source": _SOURCES.get(channel, "chainlink")}
        if channel.endswith(".twap"):
            payload["window_seconds"] = 60
        return payload

    def _numbered(self, channel: str, payload: Any, now_ms: int, *, snapshot: bool = False) -> str:
        seq = self.seqs[channel] = self.seqs.get(channel, 0) + 1
        frame: dict[str, Any] = {"v": 1, "channel": channel, "seq": seq, "ts": now_ms}
        if snapshot:
            frame["snapshot"] = True
        if dropped := self.left_out.pop(channel, 0):
            frame["dropped"] = dropped
        return json.dumps(frame | {"payload": payload}, separators=(",", ":"))


def _point(second: int, value: int) -> dict[str, Any]:
    exact = decimal(value)
    return {"value": double(value), "full_accuracy_value": exact, "timestamp": second * 1_000}


def _error(code: str, rid: Any, channel: str | None) -> str:
    said = {"op": "error", "code": code, "rid": rid, "channel": channel}
    return json.dumps({name: value for name, value in said.items() if value is not None})


def _within(spells: tuple[tuple[int, int], ...], since_ms: int) -> bool:
    return any(start <= since_ms < end for start, end in spells)
