"""Filters: which records pass, and when, on a clock of the test."""

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import pytest
from record_bytes import (
    BID_E9,
    append_to,
    batch,
    dispatcher,
    named,
    signal_batch,
    signal_bytes,
    update_bytes,
)

from bookfeed import ABSENT, UPDATE_KINDS, Signal, Update
from bookfeed.dispatch.dispatcher import Dispatcher
from bookfeed.dispatch.filters import exact_e9

MS = 1_000_000
TICK = 10_000_000


@dataclass
class Call:
    due_ns: int
    call: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Clock:
    """A time that passes when a test says so."""

    ns: int = 0
    calls: list[Call] = field(default_factory=list)

    def now_ns(self) -> int:
        return self.ns

    def call_at(self, due_ns: int, call: Callable[[], object]) -> Call:
        self.calls.append(Call(due_ns, call))
        return self.calls[-1]

    def pass_ms(self, ms: float) -> None:
        until = self.ns + round(ms * MS)
        while due := sorted((c for c in self.calls if c.due_ns <= until), key=lambda c: c.due_ns):
            self.ns = due[0].due_ns
            self.calls.remove(due[0])
            if not due[0].cancelled:
                due[0].call()
        self.ns = until


class Heard:
    """What one listener with filters got: ``(time in ms, instrument, seq)``."""

    def __init__(self, clock: Clock | None = None, **filters: Any) -> None:
        self.clock = clock or Clock()
        self.hub: Dispatcher = dispatcher(names=named(), timers=self.clock)
        self.got: list[tuple[float, int, int]] = []
        self.listener = self.hub.on_update(self._note, **filters)

    def _note(self, update: Update) -> None:
        self.got.append((self.clock.ns / MS, update.instrument, update.seq))

    def say(
        self,
        seq: int,
        instrument: int = 1,
        kind: str = "book",
        *,
        bid_e9: int = BID_E9,
        ask_e9: int = ABSENT,
    ) -> None:
        told = update_bytes(seq, instrument, kind, bid_e9=bid_e9, ask_e9=ask_e9)
        self.hub.dispatch(batch(told))

    @property
    def seqs(self) -> list[int]:
        return [seq for _, _, seq in self.got]


# Symbols.


@pytest.mark.parametrize("symbols", [["b"], {2}, "b", 2, ("b", "nobody"), iter(["b", 2])])
def test_symbols_and_numbers_choose_books(symbols: Any) -> None:
    heard = Heard(symbols=symbols)
    for seq, kind in enumerate(UPDATE_KINDS):
        heard.say(seq, 1, kind)
        heard.say(100 + seq, 2, kind)
    assert heard.seqs == [100 + seq for seq in range(len(UPDATE_KINDS))]


def test_one_who_wants_all_gets_all_beside_one_who_does_not() -> None:
    heard = Heard(symbols=["b"])
    heard.say(1)
    everything: list[int] = []
    with heard.hub.on_update(lambda update: everything.append(update.seq)):
        heard.say(2, 1)
        heard.say(3, 2)
    heard.say(4, 1)
    assert (heard.seqs, everything) == ([3], [2, 3])


def test_a_book_that_nobody_wants_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard(symbols=["b"])
    stream = heard.hub.updates(symbols=[2])
    decoded: list[int] = []
    decode = Update.from_bytes

    def noted(data: bytes, offset: int, names: Any) -> Update:
        update = decode(data, offset, names)
        decoded.append(update.seq)
        return update

    monkeypatch.setattr(Update, "from_bytes", noted)
    heard.say(1, 1)
    heard.say(2, 2)
    assert decoded == heard.seqs == [update.seq for update in stream.drain()] == [2]


def test_what_is_no_symbol_is_refused() -> None:
    with pytest.raises(TypeError, match="symbols"):
        Heard(symbols=[1.5])


# The least change.


def test_a_small_move_of_the_touch_does_not_pass_and_moves_add_up() -> None:
    heard = Heard(min_change="0.02")
    for seq, moved in enumerate((0, 1, 1, 2, 3, 4, 3, 2, 1, 0)):
        heard.say(seq, bid_e9=BID_E9 + moved * TICK)
    assert heard.seqs == [0, 3, 5, 7, 9]
    heard.say(20, bid_e9=BID_E9, ask_e9=BID_E9 + 9 * TICK)
    heard.say(21, bid_e9=BID_E9, ask_e9=BID_E9 + 10 * TICK)
    heard.say(22, bid_e9=BID_E9, ask_e9=BID_E9 + 11 * TICK)
    heard.say(23, bid_e9=ABSENT, ask_e9=BID_E9 + 11 * TICK)
    heard.say(24, bid_e9=ABSENT, ask_e9=BID_E9 + 11 * TICK)
    assert heard.seqs[5:] == [20, 22, 23]


def test_each_book_has_its_own_last_touch_and_every_other_record_tells_it() -> None:
    heard = Heard(min_change="0.02")
    heard.say(1, 1)
    heard.say(2, 2, bid_e9=BID_E9 + TICK)
    heard.say(3, 1, bid_e9=BID_E9 + TICK)
    heard.say(4, 1, "trade", bid_e9=BID_E9 + TICK)
    heard.say(5, 1, bid_e9=BID_E9 + 2 * TICK)
    heard.say(6, 1, bid_e9=BID_E9 + 3 * TICK)
    assert heard.seqs == [1, 2, 4, 6]


@pytest.mark.parametrize("amount", ["0.02", 0.02, Decimal("0.02")])
def test_the_least_change_is_exact_in_every_form(amount: Any) -> None:
    heard = Heard(min_change=amount)
    heard.say(1)
    heard.say(2, bid_e9=BID_E9 + 2 * TICK - 1)
    assert heard.seqs == [1]
    heard.say(3, bid_e9=BID_E9 + 2 * TICK)
    assert heard.seqs == [1, 3]


@pytest.mark.parametrize("amount", [0, -1, "x", "nan", "inf", float("nan")])
def test_numbers_that_make_no_sense_are_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match="min_change"):
        Heard(min_change=amount)
    with pytest.raises(ValueError, match="min_edge"):
        dispatcher().on_signal(print, min_edge=amount)
    if not isinstance(amount, str):
        with pytest.raises(ValueError, match="max_rate"):
            Heard(max_rate=amount)


# The highest rate.


def test_the_newest_of_what_came_too_early_comes_when_its_time_is_up() -> None:
    heard = Heard(max_rate=10)
    heard.say(1)
    for seq in (2, 3, 4):
        heard.clock.pass_ms(10)
        heard.say(seq)
    heard.clock.pass_ms(69.9)
    assert heard.got == [(0, 1, 1)]
    heard.clock.pass_ms(0.1)
    assert heard.got == [(0, 1, 1), (100, 1, 4)]
    heard.clock.pass_ms(50)
    heard.say(5)
    heard.clock.pass_ms(500)
    assert heard.got[2:] == [(200, 1, 5)]
    heard.say(6)
    assert heard.got[3:] == [(650, 1, 6)]
    assert not [call for call in heard.clock.calls if not call.cancelled]


def test_each_book_has_a_rate_of_its_own() -> None:
    heard = Heard(max_rate=10)
    for seq, instrument in enumerate((1, 2, 1, 2)):
        heard.say(seq, instrument)
        heard.clock.pass_ms(10)
    heard.clock.pass_ms(1_000)
    assert heard.got == [(0, 1, 0), (10, 2, 1), (100, 1, 2), (110, 2, 3)]


@pytest.mark.parametrize("kind", [kind for kind in UPDATE_KINDS if kind != "book"])
def test_all_but_books_pass_at_once_and_make_what_is_held_back_out_of_date(kind: str) -> None:
    heard = Heard(max_rate=10, min_change="0.02")
    heard.say(1)
    heard.say(2, bid_e9=BID_E9 + 5 * TICK)
    heard.say(3, kind=kind, bid_e9=BID_E9 + 5 * TICK)
    heard.say(4, kind=kind, bid_e9=BID_E9 + 5 * TICK)
    heard.clock.pass_ms(1_000)
    assert heard.seqs == [1, 3, 4]


def test_a_touch_that_came_back_in_the_meantime_is_no_news() -> None:
    heard = Heard(max_rate=10, min_change="0.02")
    heard.say(1)
    heard.say(2, bid_e9=BID_E9 + 5 * TICK)
    heard.say(3, bid_e9=BID_E9 + TICK)
    heard.clock.pass_ms(1_000)
    assert heard.seqs == [1]
    heard.say(4, bid_e9=BID_E9 + 2 * TICK)
    heard.say(5, bid_e9=BID_E9 + 5 * TICK)
    heard.say(6, bid_e9=BID_E9 + 7 * TICK)
    heard.clock.pass_ms(1_000)
    assert heard.got[1:] == [(1_000, 1, 4), (1_100, 1, 6)]


@pytest.mark.parametrize("leave", ["listener", "feed"])
async def test_nothing_held_back_comes_after_the_end(leave: str) -> None:
    heard = Heard(max_rate=10)
    stream = heard.hub.updates(max_rate=10)
    heard.say(1)
    heard.say(2)
    if leave == "listener":
        heard.listener.close()
        stream.close()
    else:
        await heard.hub.finish(0.1)
    heard.clock.pass_ms(1_000)
    heard.say(3)
    heard.clock.pass_ms(1_000)
    assert heard.seqs == [1]
    assert [update.seq for update in stream.drain()] == ([] if leave == "listener" else [1])


def test_a_failure_ends_streams_and_leaves_listeners_their_last_records() -> None:
    heard = Heard(max_rate=10)
    stream = heard.hub.updates(max_rate=10)
    heard.say(1)
    heard.say(2)
    heard.hub.end(RuntimeError("engine"))
    heard.clock.pass_ms(1_000)
    heard.say(3, kind="state")
    assert heard.seqs == [1, 2, 3]
    assert [update.seq for update in stream.drain()] == [1]


def test_a_book_that_is_gone_is_forgotten() -> None:
    heard = Heard(max_rate=10)
    heard.say(1)
    heard.hub.dispatch(batch(update_bytes(2, 1, "state", "stale", "unsubscribed")))
    heard.say(3)
    assert heard.seqs == [1, 2, 3]


def test_rates_hold_order_holds_and_the_newest_always_comes() -> None:
    """At random: never faster than allowed, never out of order, and never the newest left out."""
    rng = random.Random(5)
    heard = Heard(max_rate=100)
    newest: dict[int, int] = {}
    others: list[int] = []
    for seq in range(5_000):
        instrument = rng.randrange(1, 4)
        kind = rng.choice(["book"] * 9 + ["trade", "state"])
        newest[instrument] = seq
        if kind != "book":
            others.append(seq)
        heard.say(seq, instrument, kind)
        heard.clock.pass_ms(rng.random() * 2)
    heard.clock.pass_ms(10)
    kept = set(others)
    assert [seq for seq in heard.seqs if seq in kept] == others
    for instrument, last in newest.items():
        mine = [(round(ms * MS), seq) for ms, number, seq in heard.got if number == instrument]
        assert [seq for _, seq in mine] == sorted(seq for _, seq in mine)
        assert mine[-1][1] == last
        books = [ns for ns, seq in mine if seq not in kept]
        assert min(b - a for a, b in itertools.pairwise(books)) >= 10 * MS


async def test_the_loop_keeps_the_time_by_default() -> None:
    hub = dispatcher()
    stream = hub.updates(max_rate=50)
    hub.dispatch(batch(update_bytes(1), update_bytes(2), update_bytes(3)))
    assert (await anext(stream)).seq == 1
    assert (await anext(stream)).seq == 3


# Signals.


def heard_signals(*signals: bytes, **filters: Any) -> list[tuple[int, str]]:
    hub = dispatcher(names=named())
    seen: list[Signal] = []
    hub.on_signal(seen.append, **filters)
    stream = hub.signals(**filters)
    for signal in signals:
        hub.dispatch(signal_batch(signal))
    assert stream.drain() == seen
    return [(signal.id, signal.phase) for signal in seen]


@pytest.mark.parametrize("rule", ["rain", "complement", 2])
def test_a_rule_is_chosen_by_name_kind_or_number(rule: str | int) -> None:
    signals = signal_bytes(1), signal_bytes(2, rule="box", rule_id=3)
    assert heard_signals(*signals, rule=rule) == [(1, "open")]
    assert heard_signals(*signals) == [(1, "open"), (2, "open")]
    assert heard_signals(*signals, rule="nobody") == []


def test_a_life_is_handed_over_to_its_end_once_it_was_worth_it() -> None:
    edges = [
        (1, "open", 5_000_000), (2, "open", 20_000_000), (1, "update", 10_000_000),
        (2, "update", 1), (1, "update", 2), (3, "open", 1), (3, "close", 50_000_000),
        (2, "close", ABSENT), (1, "close", 0), (4, "open", ABSENT),
    ]  # fmt: skip
    signals = [signal_bytes(i, phase=phase, net_edge_e9=edge) for i, phase, edge in edges]
    assert heard_signals(*signals, min_edge="0.01") == [
        (2, "open"), (1, "update"), (2, "update"), (1, "update"), (2, "close"), (1, "close"),
    ]  # fmt: skip


def test_a_filter_that_is_closed_passes_nothing() -> None:
    hub = dispatcher(names=named())
    order: list[str] = []
    listener = hub.on_signal(append_to(order, "signal"), rule="rain")
    hub.dispatch(signal_batch())
    listener.close()
    hub.dispatch(signal_batch())
    assert order == ["signal"]


@pytest.mark.parametrize("max_rate", ["5", [], 0, -1, math.inf, math.nan, 1e-300])
def test_a_rate_that_is_none_is_refused_in_words(max_rate: Any) -> None:
    with pytest.raises(ValueError, match="max_rate must be above zero"):
        dispatcher().on_update(print, max_rate=max_rate)


def test_a_filter_is_exact_whatever_precision_the_caller_works_with() -> None:
    with localcontext(prec=2):
        assert exact_e9("0.1234567", "min_change") == 123_456_700
    with pytest.raises(ValueError, match="must be a number"):
        exact_e9("1e99999999", "min_change")
