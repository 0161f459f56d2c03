"""What can go wrong between the simulated Gemini and a client, frame by frame.

Changes are numbered, so that whatever is lost, repeated or out of order shows with the next. The
whole book that comes first is not marked: if it is lost, what comes next looks like one. Only the
best prices give that away. In version 2 nothing is numbered.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bookfeed.sim.beside import WITHOUT_REST
from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import Link
from bookfeed.sim.gemini.wire import L2, dump
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

GEMINI_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    **SHARED,
    **SNAPSHOT,
    **stamps_but("nanos"),
    "corrupt": ("",),
    "gap": ("",),
    "part": ("best", "deep"),
}
"""The kinds and the ways each can happen; the first is the default.

corrupt  the size of one level is not what the venue meant
gap      numbers are left out after it, as if something had happened that nobody is told
part     a whole book lacks its best levels, or all but the best
"""

_LEFT: Final = 3
"""How many levels a side ``part`` takes away, or leaves."""

_WORDING: Final = Wording(
    number=re.compile(rb'\[(?:"buy",|"sell",)?"[0-9.]+","([0-9.]+)"\]'),
    symbol=re.compile(rb'"s(?:ymbol)?":"([^"]+)"'),
    unknown=(b'{"e":"somethingNew","s":"btcusd"}', b'{"something":"new"}'),
    stamps=pattern("E", "timestamp"),
)


@dataclass(frozen=True, slots=True)
class GeminiFault(SpotFault):
    """One thing that will go wrong."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**GEMINI_VARIANTS, **LAG, **WITHOUT_REST}


class GeminiInjector(SpotInjector):
    """Decides what becomes of every frame of every connection."""

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        if fault.kind == "part" and not out.whole:
            return False
        if fault.kind == "stamp" and out.symbol and fault.asset in (None, out.symbol):
            # Changes of version 2 have none: trades do, and the whole book for those it lists.
            return _WORDING.stamps.search(out.payload) is not None
        has_size = _WORDING.number.search(out.payload) is not None
        return super()._fits(fault, out) and (has_size or fault.kind != "corrupt")

    def _after(self, fault: SpotFault, out: Out) -> Duty:
        if out.whole and fault.kind == "duplicate":
            return "none"
        return "unprovable" if out.whole or out.kind == L2 else super()._after(fault, out)

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        if fault.kind == "part":
            body = json.loads(out.payload)
            for side in ("b", "a"):
                levels = body.get(side, [])
                body[side] = levels[_LEFT:] if fault.variant == "best" else levels[:_LEFT]
            return out._replace(payload=dump(body), whole=False), fault.variant, "unprovable"
        found = _WORDING.number.search(out.payload)
        assert found is not None  # _fits saw to it
        start, end = found.span(1)
        hurt = out.payload[:start] + b"7" + out.payload[start:]
        return out._replace(payload=hurt), f"7 before {out.payload[start:end]!r}", "unprovable"


def random_gemini_faults(
    seed: int, *, count: int, frames: int, known: Mapping[str, tuple[str, ...]] = GEMINI_VARIANTS
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("gemini schedule", seed)
    return random_faults(rng, known, GeminiFault, count=count, frames=frames)
