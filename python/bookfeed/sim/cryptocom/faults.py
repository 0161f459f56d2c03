"""What can go wrong between the simulated Crypto.com and a client, frame by frame.

A change says which one it follows, so that whatever is lost, repeated or out of order shows with
the next, and a whole book says where it stands. Another size is just another size.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bookfeed.sim.beside import WITHOUT_REST
from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import Link
from bookfeed.sim.spot_faults import (
    LAG,
    SNAPSHOT,
    Duty,
    Out,
    SpotFault,
    SpotInjector,
    Wording,
    random_faults,
)
from bookfeed.sim.spot_faults import VARIANTS as SHARED
from bookfeed.sim.spot_stamps import pattern, stamps_but

CRYPTOCOM_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    **SHARED,
    **SNAPSHOT,
    **stamps_but("millis", "micros"),
    "corrupt": ("",),
    "chain": ("earlier", "later"),
    "refused": ("",),
}
"""The kinds and the ways each can happen; the first is the default.

corrupt  the size of one level is not what the venue meant
chain    a change says that it follows another message than it does, an earlier one or a later one
refused  the next command after the frame is answered with an error
"""

_WORDING: Final = Wording(
    number=re.compile(rb'\["[0-9.]+","([0-9.]+)","[0-9]+"\]'),
    symbol=re.compile(rb'"instrument_name":"([^"]+)"'),
    unknown=(
        b'{"id":-1,"method":"subscribe","code":0,"result":{"channel":"somethingnew","data":[{}]}}',
        b'{"id":-1,"method":"public/something-new","code":0}',
    ),
    stamps=pattern("t", "tt", "tn"),
)
_BEFORE: Final = re.compile(rb'"pu":([0-9]+)')
_APART: Final = 3


@dataclass(frozen=True, slots=True)
class CryptocomFault(SpotFault):
    """One thing that will go wrong."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**CRYPTOCOM_VARIANTS, **LAG, **WITHOUT_REST}


class CryptocomInjector(SpotInjector):
    """Decides what becomes of every frame of every connection."""

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        has_levels = _WORDING.number.search(out.payload) is not None
        if fault.kind in ("corrupt", "chain") and not has_levels:
            return False
        if fault.kind == "chain" and out.whole:
            return False
        return super()._fits(fault, out)

    def _after(self, fault: SpotFault, out: Out) -> Duty:
        """A whole book that does not come leaves none behind."""
        return "none" if out.whole else super()._after(fault, out)

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        if fault.kind == "corrupt":
            found = _WORDING.number.search(out.payload)
            assert found is not None  # _fits saw to it
            start, end = found.span(1)
            hurt = out.payload[:start] + b"7" + out.payload[start:]
            return out._replace(payload=hurt), f"7 before {out.payload[start:end]!r}", "unprovable"
        found = _BEFORE.search(out.payload)
        assert found is not None  # _fits saw to it
        start, end = found.span(1)
        before = int(found.group(1)) + (_APART if fault.variant == "later" else -_APART)
        hurt = out.payload[:start] + str(before).encode() + out.payload[end:]
        return out._replace(payload=hurt), f"follows {before}", "prompt"


def random_cryptocom_faults(
    seed: int,
    *,
    count: int,
    frames: int,
    known: Mapping[str, tuple[str, ...]] = CRYPTOCOM_VARIANTS,
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("cryptocom schedule", seed)
    return random_faults(rng, known, CryptocomFault, count=count, frames=frames)
