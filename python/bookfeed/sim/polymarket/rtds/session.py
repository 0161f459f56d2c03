"""One connection to the simulated RTDS, without its socket: subscriptions, values, its faults.

A topic and a type are the key. One unknown topic in a frame silences every topic of that frame; the
answer alone shows it. A filter with a blank in it gets the past and never an update. Without a
``PING`` for six minutes nothing more is told, and the socket stays open.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from bookfeed.sim.chance import seeded
from bookfeed.sim.relay_prices import Prices, decimal, double

SILENT_AFTER_MS: Final = 360_000
PAST_S: Final = 59
"""How many seconds of the past come with a subscription of one symbol; of Binance's, 120."""
PAST_S_BINANCE: Final = 120
LATE: Final = (
    (0.0, 885), (0.05, 1_174), (0.25, 1_413), (0.5, 1_636), (0.75, 1_864), (0.95, 2_230),
    (0.99, 2_506), (1.0, 2_926),
)  # fmt: skip
"""How late Chainlink's values were received through the relay on 2026-07-24, in milliseconds: of so
many at most so late. The last one is that of 999 in 1,000: longer waits are faults.
"""
SYMBOLS: Final = ("btc", "eth", "sol", "xrp", "doge", "bnb", "hype", "zec")
SYMBOLS_BINANCE: Final = SYMBOLS[:6]
EQUITIES: Final = ("aapl", "nvda")

_BINANCE: Final = "crypto_prices"
_CHAINLINK: Final = "crypto_prices_chainlink"
_MEANS: Final = {"crypto_prices_twap_thirty": 30, "crypto_prices_twap_sixty": 60}
_EQUITY: Final = "equity_prices"
PRICES: Final = (_BINANCE, _CHAINLINK, *_MEANS, _EQUITY)
_TYPES: Final = {
    "activity": ("trades", "orders_matched", "*"),
    "comments": ("comment_created", "comment_removed", "reaction_created", "*"),
    "rfq": ("request_created", "quote_created", "*"),
} | dict.fromkeys(PRICES, ("update", "*"))


@dataclass(slots=True)
class Faults:
    """What goes wrong: durations in milliseconds since the connection opened."""

    frozen: tuple[tuple[int, int], ...] = ()
    """From when to when nothing is sent, although the socket is open."""
    frozen_topic: str = ""
    """Only this topic, if one is named."""
    doubled_one_in: int = 0
    """Of so many frames one comes twice."""
    lost_one_in: int = 0
    """Of so many frames one does not come."""
    broken_one_in: int = 0
    """Of so many frames one is cut."""


@dataclass(slots=True)
class _Subscription:
    topic: str
    of_type: str
    symbol: str
    updates: bool
    """Whether updates come: not for a filter with a blank in it."""


@dataclass(slots=True)
class RtdsSession:
    """The relay's end of one connection; times in Unix milliseconds."""

    prices: Prices
    opened_ms: int
    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    pinged_ms: int = 0
    told_ms: int = 0
    trades: int = 0
    late: bool = False
    """Whether values are as late as they were seen to be (``LATE``)."""
    _next_s: int = 0
    """The next second of which values are to be told."""

    def greeting(self) -> list[str]:
        """One empty text."""
        self.pinged_ms = self.told_ms = self.opened_ms
        self._next_s = self.opened_ms // 1_000
        return [""]

    def receive(self, text: str, now_ms: int) -> list[str]:
        """What a client says, and the answers."""
        if text.lower() == "ping":
            self.pinged_ms = now_ms
            return [""]
        try:
            said = json.loads(text)
            action, asked = said["action"], said["subscriptions"]
            wanted = [(one["topic"], one["type"], one.get("filters", "")) for one in asked]
        except (ValueError, KeyError, TypeError):
            return [json.dumps({"message": "Invalid request body"})]
        for topic, of_type, _ in wanted:
            if of_type not in _TYPES.get(topic, ()):
                return [_poisoned(topic, of_type)]
        answers: list[str] = []
        for topic, of_type, filters in wanted:
            key = f"{topic} {of_type} {filters}"
            if action == "unsubscribe":
                self.subscriptions.pop(key, None)
            elif action == "subscribe":
                symbol = str(json.loads(filters).get("symbol", "")).lower() if filters else ""
                exact = " " not in filters
                self.subscriptions[key] = _Subscription(topic, of_type, symbol, exact)
                if topic in PRICES and symbol:
                    answers += self._past(topic, symbol, now_ms)
        return self._spoiled(answers, now_ms)

    def tick(self, now_ms: int) -> list[str]:
        """What is to be told by ``now_ms``: a second's values when it is over, or later."""
        self.told_ms = now_ms
        frames: list[str] = []
        while self._due_ms(self._next_s) <= now_ms:
            second = self._next_s
            self._next_s += 1
            for one in self.subscriptions.values():
                if one.updates and not self._frozen(one.topic, now_ms):
                    frames += self._second(one, second, now_ms)
        if now_ms - self.pinged_ms >= SILENT_AFTER_MS:
            return []
        return self._spoiled(frames, now_ms)

    def _due_ms(self, second: int) -> int:
        """When the values of a second are told; none before those of the second before it."""
        if not self.late:
            return (second + 1) * 1_000
        drawn = seeded("relay delay", self.seed, second).random()
        after = next(at for at, (share, _) in enumerate(LATE) if drawn < share)
        (low, least), (high, most) = LATE[after - 1], LATE[after]
        return second * 1_000 + round(least + (most - least) * (drawn - low) / (high - low))

    def _second(self, one: _Subscription, second: int, now_ms: int) -> Iterator[str]:
        if one.topic == "activity":
            yield self._trade(one, second, now_ms)
        if one.topic not in PRICES:
            return
        for symbol in [one.symbol] if one.symbol else _symbols(one.topic):
            value = self.prices.value(one.topic, symbol, second)
            if value is None or symbol not in _symbols(one.topic):
                continue
            payload = _point(one.topic, second, value) | {"symbol": symbol}
            if one.topic in _MEANS:
                payload["window_s"] = _MEANS[one.topic]
            frame = {
                "connection_id": "sim", "payload": payload, "timestamp": now_ms,
                "topic": one.topic, "type": "update",
            }  # fmt: skip
            yield json.dumps(frame, separators=(",", ":"))

    def _past(self, topic: str, symbol: str, now_ms: int) -> list[str]:
        if symbol not in _symbols(topic):
            return []
        count = PAST_S_BINANCE if topic == _BINANCE else PAST_S
        points = []
        for second, value in self.prices.last(topic, symbol, now_ms // 1_000, count):
            point = _point(topic, second, value)
            if topic not in _MEANS:
                del point["full_accuracy_value"]
            points.append(point)
        payload: dict[str, Any] = {"data": points, "symbol": symbol}
        if topic in _MEANS:
            payload["window_s"] = _MEANS[topic]
        # The relay gives Chainlink's past under the name of Binance's topic.
        label = _BINANCE if topic == _CHAINLINK else topic
        frame = {"payload": payload, "timestamp": now_ms, "topic": label, "type": "subscribe"}
        return [json.dumps(frame, separators=(",", ":"))]

    def _trade(self, one: _Subscription, second: int, now_ms: int) -> str:
        rng = seeded("relay trade", self.seed, second)
        payload = {
            "asset": str(rng.getrandbits(250)), "conditionId": f"0x{rng.getrandbits(256):064x}",
            "eventSlug": "e", "slug": "s", "title": "Will it?", "outcome": "Up", "outcomeIndex": 0,
            "price": rng.randrange(1, 100) / 100, "size": rng.randrange(1, 10_000) / 100,
            "side": rng.choice(("BUY", "SELL")), "timestamp": second,
            "transactionHash": f"0x{rng.getrandbits(256):064x}", "proxyWallet": "0x1",
            "name": "", "pseudonym": "P", "bio": "", "profileImage": "", "icon": "",
        }  # fmt: skip
        of_type = "trades" if one.of_type == "*" else one.of_type
        frame = {"payload": payload, "timestamp": now_ms, "topic": one.topic, "type": of_type}
        return json.dumps(frame, separators=(",", ":"))

    def _frozen(self, topic: str, now_ms: int) -> bool:
        since_ms = now_ms - self.opened_ms
        named = self.faults.frozen_topic in ("", topic)
        return named and any(start <= since_ms < end for start, end in self.faults.frozen)

    def _spoiled(self, frames: list[str], now_ms: int) -> list[str]:
        rng = seeded("relay fault", self.seed, now_ms, len(frames))
        out: list[str] = []
        for frame in frames:
            hit = {
                what: bool(one_in) and rng.randrange(one_in) == 0
                for what, one_in in (
                    ("lost", self.faults.lost_one_in),
                    ("broken", self.faults.broken_one_in),
                    ("doubled", self.faults.doubled_one_in),
                )
            }
            if hit["lost"]:
                continue
            out.append(frame[: len(frame) // 2] if hit["broken"] else frame)
            if hit["doubled"]:
                out.append(frame)
        return out


def _symbols(topic: str) -> list[str]:
    if topic == _BINANCE:
        return [f"{name}usdt" for name in SYMBOLS_BINANCE]
    if topic == _EQUITY:
        return list(EQUITIES)
    return [f"{name}/usd" for name in SYMBOLS]


def _point(topic: str, second: int, value: int) -> dict[str, Any]:
    """A value as its topic spells it."""
    whole = topic == _CHAINLINK or topic in _MEANS
    exact = str(value) if whole else decimal(value)
    return {"full_accuracy_value": exact, "timestamp": second * 1_000, "value": double(value)}


def _poisoned(topic: str, of_type: str) -> str:
    what = f"topic: {topic} and type: {of_type} not found"
    said = f"leger GetTopics error: rpc error: code = NotFound desc = {what}, status: {what}"
    return json.dumps({"body": {"message": said}, "statusCode": 401})
