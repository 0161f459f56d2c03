"""A faulty line between a simulated account and an ``OwnState``: loses, repeats, mixes, comes back.

Walks by REST are answered by the account, while it goes on trading. Nothing waits: a thousand seeds
take seconds.
"""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bookfeed.own.channel import Channel, NotYet
from bookfeed.own.events import OwnEvent, OwnStatus
from bookfeed.own.kalshi import KalshiChannel
from bookfeed.own.polymarket import PolymarketChannel
from bookfeed.own.state import OwnState
from bookfeed.sim.account import SimAccount
from bookfeed.sim.kalshi.account import CHANNEL_OF, KalshiAccount
from bookfeed.sim.polymarket.account import PolymarketAccount
from bookfeed.venues.polymarket_keys import ClobCredentials
from bookfeed.venues.secret import Secret

OWNER = "11111111-2222-4333-8444-555555555555"
WALLET = "0x" + "aa" * 20
CREDENTIALS = ClobCredentials(
    Secret(OWNER), Secret("c2VjcmV0LWtleS1vZi10ZXN0cw=="), Secret("passphrase"), Secret(WALLET)
)
MS = 1_000_000
S_MS = 1_000


@dataclass(slots=True)
class Rates:
    """How often a message is lost, told twice or late; shares of one."""

    lost: float = 0.2
    doubled: float = 0.2
    late: float = 0.3


@dataclass
class Line:
    """One account, followed over a line with faults."""

    account: SimAccount
    channel: Channel
    rng: Random
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        self.state = OwnState(
            "kalshi" if self.channel.nets else "polymarket", nets=self.channel.nets
        )
        self.events: list[OwnEvent] = []
        self.doubts: list[str] = []
        self.losses: list[str] = []
        self.confirmed: set[str] = set()
        self.up = False
        self.since_ns = 0
        self._waiting: list[tuple[int, bytes]] = []
        self._steps = 0
        self._seqs: dict[str, int] = {}

    # What the channel tells.

    def take(self, event: OwnEvent, *, asked_ns: int | None = None) -> None:
        assert not isinstance(event, OwnStatus)
        found = self.state.apply(event, asked_ns=asked_ns)
        if found is not None:
            self.events.append(found)

    def doubt(self, what: str) -> None:
        self.doubts.append(what)
        self.state.doubt(what, self.now_ns())

    def acknowledged(self, channel: str) -> None:
        self.confirmed.add(channel)

    def lost(self, reason: str) -> None:
        self.losses.append(reason)

    def now_ns(self) -> int:
        return self.account.now_ms * MS

    # What happens.

    def connect(self) -> None:
        self.up = True
        self._waiting.clear()
        self._seqs.clear()
        self.channel.reconnected()
        self.channel.subscription()

    def disconnect(self) -> None:
        self.up = False
        self._waiting.clear()

    def run(self, steps: int, rates: Rates | None = None) -> None:
        """Let the account trade, and what it says come through."""
        rates = rates or self.rates
        for _ in range(steps):
            self._steps += 1
            for message in self.account.step():
                if not self.up or self.rng.random() < rates.lost:
                    continue
                for _copy in range(1 + (self.rng.random() < rates.doubled)):
                    delay = self.rng.randint(1, 12) if self.rng.random() < rates.late else 0
                    self._waiting.append((self._steps + delay, self._framed(message)))
            self._deliver(self._steps)

    def quiet(self) -> None:
        """What is on its way arrives."""
        self._deliver(self._steps + 1_000)

    def _deliver(self, until: int) -> None:
        due = [payload for step, payload in self._waiting if step <= until]
        self._waiting = [one for one in self._waiting if one[0] > until]
        self.rng.shuffle(due)
        for payload in due:
            self.channel.read(payload, self.now_ns(), self)

    def _framed(self, message: str) -> bytes:
        if not self.channel.nets:
            return message.encode() if self.rng.random() < 0.5 else f"[{message}]".encode()
        kind, body = json.loads(message)
        frame: dict[str, Any] = {"type": kind, "sid": list(CHANNEL_OF).index(kind) + 1, "msg": body}
        return json.dumps(frame).encode()

    def walk(self, *, trades: bool = True) -> int:
        """Ask by REST until the answers fit together, while the account goes on; returns how often
        it was begun.
        """
        for attempt in range(1, 200):
            began_ns = self.now_ns()
            steps = self.channel.walk(self.state, self, self.now_ns, self.since_ns)
            try:
                request = next(steps)
                while True:
                    if trades and self.rng.random() < 0.15:
                        self.run(1, Rates(0, self.rates.doubled, self.rates.late))
                    status, body = self.account.answer(request.path)  # type: ignore[attr-defined]
                    assert status in request.answers, (status, request.path)
                    request = steps.send((status, body.encode()))
            except StopIteration:
                self.state.settle(self.now_ns())
                self.since_ns = began_ns
                return attempt
            except NotYet:
                self.run(2, Rates(0, 0, 0))
        raise AssertionError("REST never agreed")


def polymarket_line(seed: int) -> Line:
    account = PolymarketAccount(seed, owner=OWNER, wallet=WALLET)
    return Line(account, PolymarketChannel(CREDENTIALS), Random(f"line {seed}"))


class _NoKey:
    """Stands for an API key where nothing is signed."""

    key_id = "key"


def kalshi_line(seed: int) -> Line:
    rng = Random(f"line {seed}")
    account = KalshiAccount(seed, lag_steps=rng.choice((0, 0, 1, 4)))
    return Line(account, KalshiChannel(_NoKey()), rng)  # type: ignore[arg-type]


def orders(line: Line) -> dict[str, tuple[int, int]]:
    """Open orders as the simulator counts them."""
    unit = 10**8 // (100 if line.channel.nets else 10**6)
    return {
        order.order_id: (order.filled_e8 // unit, order.remaining_e8 // unit)
        for order in line.state.open_orders()
    }


def holdings(line: Line) -> dict[str, int]:
    """Positions that are not nothing, as the simulator counts them."""
    unit = 10**8 // (100 if line.channel.nets else 10**6)
    return {p.symbol: p.qty_e8 // unit for p in line.state.positions() if p.qty_e8}


def true_holdings(line: Line) -> dict[str, int]:
    return {symbol: held.size for symbol, held in line.account.held().items() if held.size}
