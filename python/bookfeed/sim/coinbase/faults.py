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
from bookfeed.sim.spot_faults import (
    SNAPSHOT,
    Duty,
    Out,
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
    "corrupt": ("",),
    "refused": ("",),
}
"""The kinds and the ways each can happen; the first is the default.

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

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        has_size = self._wording.number.search(out.payload) is not None
        return super()._fits(fault, out) and (has_size or fault.kind != "corrupt")

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        found = self._wording.number.search(out.payload)
        assert found is not None  # _fits saw to it
        start, end = found.span(1)
        hurt = out.payload[:start] + b"7" + out.payload[start:]
        return out._replace(payload=hurt), f"7 before {out.payload[start:end]!r}", "unprovable"


def random_coinbase_faults(
    seed: int, *, count: int, frames: int, known: Mapping[str, tuple[str, ...]] = COINBASE_VARIANTS
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("coinbase schedule", seed)
    return random_faults(rng, known, CoinbaseFault, count=count, frames=frames)
