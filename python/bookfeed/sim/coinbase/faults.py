"""What can go wrong between the simulated Coinbase and a client, frame by frame.

Every message of a connection has a number, so that whatever is lost, repeated or out of order shows
with the next frame, to every book of the connection. What a message says wrongly shows to nobody.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bookfeed.sim.beside import WITHOUT_REST
from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import Link
from bookfeed.sim.numbers import NUMBERS, moved_by
from bookfeed.sim.spot_faults import (
    SNAPSHOT,
    Duty,
    Out,
    SpotDelivery,
    SpotFault,
    SpotInjector,
    Wording,
    random_faults,
)
from bookfeed.sim.spot_faults import VARIANTS as SHARED
from bookfeed.sim.spot_stamps import pattern

COINBASE_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    **{kind: ways for kind, ways in SHARED.items() if kind not in ("unknown", "foreign")},
    **SNAPSHOT,
    "unknown": ("member", "type"),
    "numbers": NUMBERS,
    "corrupt": ("",),
    "refused": ("",),
}
"""The kinds and the ways each can happen; the first is the default.

numbers   from then on those of the connection are 10 or 10^6 higher, count from 0 or 1 on, or come
          to 2^53 or 2^63 and beyond
corrupt   the size of one level is not what the venue meant
refused   the next command after the frame is answered with an error
"""

_WORDING: Final = Wording(
    number=re.compile(rb'"new_quantity":"([0-9.]+)"'),
    symbol=re.compile(rb'"product_id":"([^"]+)"'),
    # Of no channel: a message of any takes a number.
    unknown=(b'{"type":"something_new","product_id":"BTC-USD"}', b'{"something":"new"}'),
    stamps=pattern("timestamp", "event_time", "time"),
)


_WHOLE: Final = b'"type":"snapshot"'
_NUMBER: Final = re.compile(rb'"sequence_num":([0-9]+)')


@dataclass(frozen=True, slots=True)
class CoinbaseFault(SpotFault):
    """One thing that will go wrong."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {
        **COINBASE_VARIANTS,
        **SNAPSHOT,
        **WITHOUT_REST,
    }


class CoinbaseInjector(SpotInjector):
    """Decides what becomes of every frame of every connection."""

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)
        self._moved: dict[int, int] = {}
        """By how much the numbers of a connection are off."""

    def connected(self, conn: int) -> None:
        """A new connection counts anew."""
        super().connected(conn)
        self._moved.pop(conn, None)

    def deliver(self, conn: int, out: Out, now_ns: int) -> SpotDelivery:
        """What ``conn`` gets of ``out``, as it is counted by now."""
        return super().deliver(conn, _renumbered(out, self._moved.get(conn, 0)), now_ns)

    def _inflict(
        self, fault: SpotFault, link: Link[Out], out: Out, conn: int, now_ns: int
    ) -> SpotDelivery:
        if fault.kind == "numbers":
            off = moved_by(fault.variant, _number(out))
            self._moved[conn] = self._moved.get(conn, 0) + off
        return super()._inflict(fault, link, out, conn, now_ns)

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        if fault.kind == "numbers" and moved_by(fault.variant, _number(out)) == 0:
            return False
        has_size = self._wording.number.search(out.payload) is not None
        return super()._fits(fault, out) and (has_size or fault.kind != "corrupt")

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        if fault.kind == "numbers":
            off = moved_by(fault.variant, _number(out))
            # What is missing before a whole book is of no interest to it.
            duty: Duty = "none" if _WHOLE in out.payload else "prompt"
            return _renumbered(out, off), f"its number is {_number(out) + off}", duty
        found = self._wording.number.search(out.payload)
        assert found is not None  # _fits saw to it
        start, end = found.span(1)
        hurt = out.payload[:start] + b"7" + out.payload[start:]
        return out._replace(payload=hurt), f"7 before {out.payload[start:end]!r}", "unprovable"


def _number(out: Out) -> int:
    """The number of a message; -1 where it has none."""
    found = _NUMBER.search(out.payload)
    return int(found.group(1)) if found else -1


def _renumbered(out: Out, off: int) -> Out:
    """A message whose number, if it has one, is off by so much."""
    if not off or _number(out) < 0:
        return out
    number = b'"sequence_num":%d' % (_number(out) + off)
    return out._replace(payload=_NUMBER.sub(number, out.payload, count=1))


def random_coinbase_faults(
    seed: int, *, count: int, frames: int, known: Mapping[str, tuple[str, ...]] = COINBASE_VARIANTS
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("coinbase schedule", seed)
    return random_faults(rng, known, CoinbaseFault, count=count, frames=frames)
