"""What can go wrong between the simulated Bitstamp and a client, on its channels and over REST.

Messages have times and no numbers: nothing in them shows that one was lost. The channel of the
best levels does, as far as it goes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bookfeed.sim.beside import BESIDE
from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import Link
from bookfeed.sim.spot_faults import LAG, Duty, Out, SpotFault, Wording, random_faults
from bookfeed.sim.spot_faults import VARIANTS as SHARED
from bookfeed.sim.spot_rest_faults import REST_VARIANTS, RestInjector
from bookfeed.sim.spot_stamps import pattern, stamps_but

BITSTAMP_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    **SHARED,
    **stamps_but("micros"),
    "corrupt": ("",),
    "shutdown": ("",),
    "refused": ("",),
    **REST_VARIANTS,
}
"""The kinds and the ways each can happen; the first is the default.

corrupt   the size of one level is not what the venue meant
shutdown  the venue asks the client to connect anew, and soon ends the connection
refused   the next command after the frame is answered with an error
"""

REST_ERRORS: Final = {
    429: '{"code":"429","reason":"Rate limit exceeded"}',
    418: '{"code":"418","reason":"Banned"}',
    500: "<html><title>500 Internal Server Error</title></html>",
}
"""Bodies of the answers that are errors, by status."""
STALE_US: Final = 2_000_000
POSSIBLE: Final = frozenset({"behind", "slip"})
"""Wrong stamps that some delivery explains."""

_WORDING: Final = Wording(
    number=re.compile(rb'\["[0-9.]+","([0-9.]+)"\]'),
    symbol=re.compile(rb'"channel":"[a-z_]+_([a-z0-9]+)"'),
    unknown=(
        b'{"event":"something_new","channel":"live_news_btcusd","data":{}}',
        b'{"event":"something_new"}',
    ),
    stamps=pattern("timestamp", "microtimestamp"),
)


@dataclass(frozen=True, slots=True)
class BitstampFault(SpotFault):
    """One thing that will go wrong."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**BITSTAMP_VARIANTS, **LAG, **BESIDE}


class BitstampInjector(RestInjector):
    """Decides what becomes of every frame of every connection, and of every REST answer."""

    SHORT_DUTY: Duty = "unprovable"  # an answer does not say how deep it is

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        has_size = _WORDING.number.search(out.payload) is not None
        return super()._fits(fault, out) and (has_size or fault.kind != "corrupt")

    def _after(self, fault: SpotFault, out: Out) -> Duty:
        if fault.kind == "stamp":
            # No message says that its time is another, unless none can be like that.
            return "none" if fault.variant in POSSIBLE else "prompt"
        return "unprovable"

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        found = _WORDING.number.search(out.payload)
        assert found is not None  # _fits saw to it
        start, end = found.span(1)
        hurt = out.payload[:start] + b"7" + out.payload[start:]
        return out._replace(payload=hurt), f"7 before {out.payload[start:end]!r}", "unprovable"


def random_bitstamp_faults(
    seed: int, *, count: int, frames: int, known: Mapping[str, tuple[str, ...]] = BITSTAMP_VARIANTS
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("bitstamp schedule", seed)
    return random_faults(rng, known, BitstampFault, count=count, frames=frames)
