"""Records as bytes, made by hand, and a dispatcher to hand them over."""

import struct
from collections.abc import Callable

from bookfeed import ABSENT, CAUSES, RULES, SIGNAL_PHASES, STATES, UPDATE_KINDS, Batch, Engine
from bookfeed.dispatch.dispatcher import Dispatcher, OnState
from bookfeed.dispatch.filters import Timers
from bookfeed.names import Names
from bookfeed.recordings.inputs import EngineInput

UPDATE = struct.Struct("<qqqQqqqqqqIIIBBBB")
SIGNAL = struct.Struct("<qqQQqqqqqqqqqIIBBBBB27x")
LEG = struct.Struct("<IIqqqqqBBB13x")

BID_E9 = 400_000_000


def update_bytes(
    seq: int,
    instrument: int = 0,
    kind: str = "book",
    state: str = "live",
    cause: str = "snapshot",
    *,
    bid_e9: int = BID_E9,
    ask_e9: int = ABSENT,
) -> bytes:
    """One update; its receive time is 1,000 ns and ``seq`` more."""
    return UPDATE.pack(
        1_000 + seq, ABSENT, 900, seq, bid_e9, 5 * 10**8, ask_e9, ABSENT, ABSENT, ABSENT,
        instrument, 3, 7, UPDATE_KINDS.index(kind), STATES.index(state), CAUSES.index(cause), 1,
    )  # fmt: skip


def signal_bytes(
    ident: int = 9,
    *,
    rule: str = "complement",
    rule_id: int = 2,
    phase: str = "open",
    net_edge_e9: int = 20,
    leg_start: int = 1,
) -> bytes:
    """One signal of two legs."""
    return SIGNAL.pack(
        50, 40, 1, ident, 200, 30, net_edge_e9, 10, 7, 21, 100, ABSENT, 5, rule_id, leg_start,
        RULES.index(rule), SIGNAL_PHASES.index(phase), 0, 1, 2,
    )  # fmt: skip


def batch(*updates: bytes) -> Batch:
    """A batch of updates."""
    return Batch(b"".join(updates))


def signal_batch(*signals: bytes) -> Batch:
    """A batch of signals whose legs are those of instruments 1 and 2; of one, if none is given."""
    legs = b"".join(LEG.pack(n, 4, 10 * n, 11 * n, 200, 5, ABSENT, 2, n % 2, 0) for n in range(3))
    return Batch(b"", b"".join(signals or (signal_bytes(),)), legs)


def named() -> Names:
    """Two books and a rule."""
    names = Names()
    names.learn(1, venue="kalshi", symbol="a", market="K", outcome="Yes", title="Rain?")
    names.learn(2, venue="polymarket", symbol="b", market="0x1", outcome="No", title="")
    names.learn_rule(2, "rain")
    return names


def dispatcher(
    on_state: OnState | None = None, *, names: Names | None = None, timers: Timers | None = None
) -> Dispatcher:
    """A dispatcher of an engine that knows ``names``."""
    inputs = EngineInput(Engine())
    if names is not None:
        inputs.names = names
    return Dispatcher(inputs, on_state=on_state, timers=timers)


def append_to(order: list[str], word: str) -> Callable[[object], None]:
    """A callback that notes that it was called."""
    return lambda _record: order.append(word)
