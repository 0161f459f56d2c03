"""What a listener or a stream does not want to hear: other books, small moves, too many of them.

``UpdateFilter`` and ``SignalFilter`` stand between the dispatcher and whoever takes the records.
Only ``book`` updates are ever held back, because the next one replaces them. States, trades, tick
sizes and resolutions pass at once; they carry the touch too, so what was held back of their book
is out of date then and is dropped. The records of one book so stay in order.
"""

import asyncio
import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation, Overflow
from typing import Final, Protocol, TypeAlias

from bookfeed._bookfeed import PRICE_SCALE, RELAY_EVENTS
from bookfeed.records import Signal, Update
from bookfeed.records.points import PricePoint
from bookfeed.records.told import RelayEvent

NS_PER_S: Final = 1_000_000_000
# An update in thirty years; less is a mistake.
MAX_RATE_MIN: Final = 1e-9

Symbols: TypeAlias = Iterable[str | int]
"""Which books: the venues' symbols, or instrument numbers; one alone is taken as well."""

Amount: TypeAlias = str | int | float | Decimal
"""A number of a user; a float is read as it prints, so that 0.1 is a tenth."""


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> object:
        """See to it that it does not happen; harmless afterwards."""


class Timers(Protocol):
    """The time by which rates are kept: the event loop's, or a recording's."""

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since any moment."""

    def call_at(self, due_ns: int, call: Callable[[], object]) -> Timer:
        """Have ``call`` called once it is ``due_ns``."""


class LoopTimers:
    """The time of the running event loop."""

    def now_ns(self) -> int:
        """Return the loop's time; it never goes back."""
        return round(asyncio.get_running_loop().time() * NS_PER_S)

    def call_at(self, due_ns: int, call: Callable[[], object]) -> Timer:
        """Have the loop call ``call``."""
        return asyncio.get_running_loop().call_at(due_ns / NS_PER_S, call)


# Rounds only at the end, whatever precision the caller's own context has.
_EXACT: Final = Context(prec=40)


def exact_e9(amount: Amount, what: str) -> int:
    """Return an amount above zero in units of 1e-9, rounded up; ``ValueError`` for any other."""
    try:
        value = _EXACT.multiply(Decimal(str(amount)), PRICE_SCALE)
    except (InvalidOperation, Overflow):
        raise ValueError(f"{what} must be a number, not {amount!r}") from None
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{what} must be above zero, not {amount!r}")
    return int(value.to_integral_value(ROUND_CEILING))


def _interval_ns(max_rate: float) -> int:
    """The time between two updates of a rate; ``ValueError`` for what is no rate."""
    if not isinstance(max_rate, int | float) or not MAX_RATE_MIN <= max_rate < math.inf:
        raise ValueError(
            f"max_rate must be above zero, at least {MAX_RATE_MIN} updates a second, "
            f"not {max_rate!r}"
        )
    return round(NS_PER_S / max_rate)


class Selection:
    """The books that are wanted, by symbol (of any venue) or by instrument number."""

    def __init__(self, symbols: Symbols) -> None:
        wanted = {symbols} if isinstance(symbols, str | int) else set(symbols)
        if not all(isinstance(one, str | int) for one in wanted):
            raise TypeError("symbols must be the venues' symbols or instrument numbers")
        self._wanted: Final[frozenset[Hashable]] = frozenset(wanted)

    def wants(self, instrument: int, symbol: str) -> bool:
        """Say whether the book is one of them."""
        return instrument in self._wanted or symbol in self._wanted


@dataclass(slots=True)
class _Handed:
    """What was last handed over of one book, and what waits for its time."""

    bid_e9: int | None
    ask_e9: int | None
    next_ns: int = 0
    """When the next book update may be handed over."""
    held: Update | None = None
    timer: Timer | None = None


class UpdateFilter:
    """Passes the updates that are wanted on to ``take``.

    ``min_change``: how far bid or ask must have moved, in price units, since the update of that
    book that was handed over last; a side that comes or goes has moved. ``max_rate``: book updates
    a second for each book; the newest of those that came too early is handed over when its time has
    come, if it still is as far from the last one.
    Raises ``ValueError`` for numbers that are not above zero.
    """

    def __init__(
        self,
        take: Callable[[Update], object],
        *,
        symbols: Symbols | None = None,
        min_change: Amount | None = None,
        max_rate: float | None = None,
        timers: Timers | None = None,
    ) -> None:
        self._take: Final = take
        self.selection: Final = None if symbols is None else Selection(symbols)
        self._least_e9: Final = 0 if min_change is None else exact_e9(min_change, "min_change")
        self._interval_ns: Final = 0 if max_rate is None else _interval_ns(max_rate)
        self._timers: Final[Timers] = LoopTimers() if timers is None else timers
        self._handed: Final[dict[int, _Handed]] = {}
        self._closed = False

    def take(self, update: Update) -> None:
        """Pass an update on, hold it back, or drop it."""
        if self._closed:
            return
        if self.selection and not self.selection.wants(update.instrument, update.symbol):
            return
        if not self._least_e9 and not self._interval_ns:
            self._take(update)
            return
        handed = self._handed.get(update.instrument)
        if update.kind != "book":
            self._pass_at_once(update, handed)
        elif handed is None:
            handed = self._handed[update.instrument] = _Handed(None, None)
            self._hand_over(update, handed)
        elif handed.held is not None:
            handed.held = update
        elif self._moved(update, handed):
            self._take_or_hold(update, handed)

    def close(self) -> None:
        """Drop what is held back; nothing is handed over from now on."""
        self._closed = True
        for handed in self._handed.values():
            _let_go(handed)
        self._handed.clear()

    def _pass_at_once(self, update: Update, handed: _Handed | None) -> None:
        if handed is None:
            handed = self._handed[update.instrument] = _Handed(None, None)
        _let_go(handed)
        handed.bid_e9, handed.ask_e9 = update.bid_e9, update.ask_e9
        if update.cause == "unsubscribed":
            del self._handed[update.instrument]
        self._take(update)

    def _take_or_hold(self, update: Update, handed: _Handed) -> None:
        if not self._interval_ns or self._timers.now_ns() >= handed.next_ns:
            self._hand_over(update, handed)
            return
        handed.held = update
        handed.timer = self._timers.call_at(handed.next_ns, lambda: self._due(handed))

    def _hand_over(self, update: Update, handed: _Handed) -> None:
        handed.bid_e9, handed.ask_e9 = update.bid_e9, update.ask_e9
        if self._interval_ns:
            handed.next_ns = self._timers.now_ns() + self._interval_ns
        self._take(update)

    def _due(self, handed: _Handed) -> None:
        update = handed.held
        _let_go(handed)
        if update is not None and self._moved(update, handed):
            self._hand_over(update, handed)

    def _moved(self, update: Update, handed: _Handed) -> bool:
        least = self._least_e9
        return (
            not least
            or _apart(update.bid_e9, handed.bid_e9, least)
            or _apart(update.ask_e9, handed.ask_e9, least)
        )


def _apart(price: int | None, before: int | None, least: int) -> bool:
    if price is None or before is None:
        return price is not before
    return abs(price - before) >= least


def _let_go(handed: _Handed) -> None:
    if handed.timer is not None:
        handed.timer.cancel()
    handed.held = handed.timer = None


class SignalFilter:
    """Passes the signals that are wanted on to ``take``.

    ``rule`` is the rule's name, kind or number. ``min_edge`` is the least net edge, in USD a share;
    signals without a net edge do not have it. An opportunity of which one signal was handed over is
    handed over to its end, whatever becomes of its edge; so the first of it may be an ``update``.
    """

    def __init__(
        self,
        take: Callable[[Signal], object],
        *,
        rule: str | int | None = None,
        min_edge: Amount | None = None,
    ) -> None:
        self._take: Final = take
        self._rule: Final = rule
        self._least_e9: Final = None if min_edge is None else exact_e9(min_edge, "min_edge")
        self._lives: Final[set[int]] = set()
        self._closed = False

    def take(self, signal: Signal) -> None:
        """Pass a signal on, or drop it."""
        if self._closed:
            return
        if signal.id in self._lives:
            if signal.phase == "close":
                self._lives.discard(signal.id)
        elif signal.phase == "close" or not self._wants(signal):
            return
        else:
            self._lives.add(signal.id)
        self._take(signal)

    def close(self) -> None:
        """Hand nothing over from now on."""
        self._closed = True
        self._lives.clear()

    def _wants(self, signal: Signal) -> bool:
        if self._rule is not None and self._rule not in (
            signal.rule_id,
            signal.rule,
            signal.name,
        ):
            return False
        edge_e9 = signal.net_edge_e9
        return self._least_e9 is None or (edge_e9 is not None and edge_e9 >= self._least_e9)


def price_filter(
    take: Callable[[PricePoint], object], topic: str | None, symbol: str | None
) -> Callable[[PricePoint], object]:
    """Hands over values of a topic or symbol alone, where one is named."""
    if topic is symbol is None:
        return take
    wanted = None if symbol is None else symbol.lower()

    def passing(point: PricePoint) -> None:
        if topic in (None, point.topic) and wanted in (None, point.symbol):
            take(point)

    return passing


def event_filter(
    take: Callable[[RelayEvent], object], kind: str | None
) -> Callable[[RelayEvent], object]:
    """Hands over events of a kind alone, where one is named; ``ValueError`` if there is none."""
    if kind is None:
        return take
    if kind not in RELAY_EVENTS:
        raise ValueError(f"no kind {kind!r} of event: there are {', '.join(RELAY_EVENTS)}")

    def passing(event: RelayEvent) -> None:
        if event.kind == kind:
            take(event)

    return passing
