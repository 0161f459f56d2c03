"""The paper ledgers anew: what orders for signals would have got of the auditor's own books, had
they arrived a latency later.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from bookfeed.audit.books import Level
from bookfeed.audit.bundle import ladder
from bookfeed.audit.lives import Standing
from bookfeed.audit.model import Model
from bookfeed.audit.numbers import PRICE_UNITS, QTY_UNITS, USD_UNITS, exactly, units
from bookfeed.audit.rule import LegRef
from bookfeed.audit.walk import Order

if TYPE_CHECKING:
    from bookfeed.records import Signal

Standings = Callable[[int], Standing]


class Filled(NamedTuple):
    """What became of an order; sizes in 1e-8, money in 1e-9 USD, times in Unix nanoseconds."""

    signal: int
    ts: int
    captured: int
    unhedged: int
    net: int


@dataclass(frozen=True, slots=True)
class _Sent:
    """An order on its way, as the signal stated it."""

    signal: int
    due: int
    qty: Decimal
    payout: Decimal
    sell: bool
    legs: Sequence[tuple[LegRef, Decimal]]
    """What each leg takes, and the worst price at which it does."""


class Papers:
    """The ledgers of an audit, by how long their orders take to arrive. ``undecided`` says of which
    books it is not known here what they hold.
    """

    def __init__(self, model: Model, undecided: Callable[[int], bool]) -> None:
        self._model: Final = model
        self._undecided: Final = undecided
        self._sent: Final[dict[int, deque[_Sent]]] = {}
        self._expected: Final[dict[int, deque[Filled | None]]] = {}
        self._passed_over: Final[set[int]] = set()

    def follow(self, latencies_ns: Sequence[int]) -> None:
        """There are such ledgers from the beginning on."""
        for latency_ns in latencies_ns:
            self._sent.setdefault(latency_ns, deque())
            self._expected.setdefault(latency_ns, deque())

    def send(self, signal: "Signal", payout: Decimal, now: int) -> None:
        """A signal opened: an order for its size at each leg's worst price."""
        qty, legs = signal.qty_e8, []
        if qty is None:
            return
        for leg in signal.legs:
            if leg.worst_price_e9 is None:
                return
            worst = Decimal(leg.worst_price_e9) / PRICE_UNITS
            legs.append((LegRef(leg.instrument, leg.view == "no"), worst))
        size, sell = Decimal(qty) / QTY_UNITS, signal.direction == "sell"
        for latency_ns, sent in self._sent.items():
            sent.append(_Sent(signal.id, now + latency_ns, size, payout, sell, legs))

    def pass_over(self, signal: "Signal") -> None:
        """A signal that is not known here: what becomes of it is not, either."""
        self._passed_over.add(signal.id)

    def settle(self, now: int, standings: Standings) -> None:
        """Orders that have arrived by now take what the books offer as they are."""
        for latency_ns, sent in self._sent.items():
            while sent and sent[0].due <= now:
                order = sent.popleft()
                unknown = any(self._undecided(leg.instrument) for leg, _ in order.legs)
                filled = None if unknown else self._filled(order, standings)
                self._expected[latency_ns].append(filled)

    def compare(self, latency_ns: int, fills: Sequence[Filled]) -> Iterator[str | None]:
        """``None`` for each of the engine's that agrees, else what differs."""
        expected = self._expected[latency_ns]
        for theirs in fills:
            if theirs.signal in self._passed_over:
                continue
            if not expected:
                yield f"after {latency_ns} ns: {theirs} only there"
                continue
            mine = expected.popleft()
            if mine is not None:
                different = f"after {latency_ns} ns: {mine} here, {theirs} there"
                yield None if mine == theirs else different

    def missing(self) -> Iterator[str]:
        """What should have arrived, and did not."""
        for latency_ns, expected in self._expected.items():
            while expected:
                mine = expected.popleft()
                if mine is not None:
                    yield f"after {latency_ns} ns: {mine} only here"

    @exactly
    def _filled(self, sent: _Sent, standings: Standings) -> Filled:
        offers = [self._offered(leg, worst, standings, sell=sent.sell) for leg, worst in sent.legs]
        got = [min(sum((qty for _, qty in levels), Decimal(0)), sent.qty) for levels in offers]
        captured = min(got)
        return Filled(
            sent.signal,
            sent.due,
            units(captured, QTY_UNITS),
            units(max(got) - captured, QTY_UNITS),
            self._net(sent, offers, captured) if captured else 0,
        )

    def _offered(
        self, leg: LegRef, worst: Decimal, standings: Standings, *, sell: bool
    ) -> list[Level]:
        """What others offer at that price or better, the best first."""
        one = self._model.instruments[leg.instrument]
        if one.gone or not (standings(one.number).live or one.state == "live_poll"):
            return []
        levels = ladder(one, leg, sell=sell, others=True)
        return [
            (price, qty) for price, qty in levels if (price >= worst if sell else price <= worst)
        ]

    def _net(self, sent: _Sent, offers: Sequence[list[Level]], qty: Decimal) -> int:
        """What that size pays, less what it costs, fees and all; towards zero. 0 where a fee is not
        known.
        """
        paid = sent.payout * qty
        net = -paid if sent.sell else paid
        for (leg, _), levels in zip(sent.legs, offers, strict=True):
            fees = self._model.instruments[leg.instrument].fees
            if fees is None or not fees.computable:
                return 0
            order, left = Order(fees), qty
            for price, there in levels:
                here = min(there, left)
                if here:
                    order.take(price, here)
                left -= here
            net += order.notional if sent.sell else -order.notional
            net -= order.fee(sell=sent.sell)
        return int(net * USD_UNITS)
