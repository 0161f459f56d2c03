"""What can go wrong between the simulated Binance and a client, on its streams and over REST."""

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

STREAM_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    **SHARED,
    **stamps_but("millis", "micros"),
    "gap": ("",),
    "rewind": ("",),
    "corrupt": ("size", "price"),
    "shutdown": ("",),
}
"""
gap       the venue leaves ids out after the frame, on all connections and over REST
rewind    the ids of the frame, and of no other, are those of long ago
corrupt   a size or a price is not what the venue meant, all else is in order
shutdown  the venue says that it will end the connection, and soon does
"""

BINANCE_VARIANTS: Final = {**STREAM_VARIANTS, **REST_VARIANTS}
"""The kinds and the ways each can happen; the first is the default."""

REST_ERRORS: Final = {
    429: '{"code":-1003,"msg":"Too many requests."}',
    418: '{"code":-1003,"msg":"Way too much request weight used; IP banned."}',
    500: '{"code":-1000,"msg":"An unknown error occurred while processing the request."}',
}
"""Bodies of the answers that are errors, by status."""
STALE_UPDATES: Final = 400
_LONG_AGO: Final = 7_000
_WORDING: Final = Wording(
    number=re.compile(rb'\["[0-9.]+","([0-9.]+)"\]'),
    symbol=re.compile(rb'"s":"([A-Z0-9]+)"'),
    unknown=(
        b'{"e":"somethingNew","E":1790000000000,"s":"BTCUSDT","x":[["1","2"]]}',
        b'{"stream":"btcusdt@somethingNew","data":{"e":"somethingNew","s":"BTCUSDT"}}',
    ),
    stamps=pattern("E", "T"),
)
_PRICE: Final = re.compile(rb'\["([0-9]+\.[0-9]+)",')
_IDS: Final = re.compile(rb'"U":([0-9]+),"u":([0-9]+)')


@dataclass(frozen=True, slots=True)
class BinanceFault(SpotFault):
    """One thing that will go wrong."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**BINANCE_VARIANTS, **LAG, **BESIDE}


class BinanceInjector(RestInjector):
    """Decides what becomes of every frame of every connection, and of every REST answer."""

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        if fault.kind == "corrupt":
            pattern = _PRICE if fault.variant == "price" else _WORDING.number
            return super()._fits(fault, out) and pattern.search(out.payload) is not None
        return super()._fits(fault, out)

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        data = out.payload
        if fault.kind == "corrupt":
            pattern = _PRICE if fault.variant == "price" else _WORDING.number
            found = pattern.search(data)
            assert found is not None  # _fits saw to it
            start, end = found.span(1)
            new = _another(found.group(1))
            change = f"{fault.variant} {found.group(1)!r} became {new!r}"
            return out._replace(payload=data[:start] + new + data[end:]), change, "unprovable"
        first, last = out.first - _LONG_AGO, out.last - _LONG_AGO
        renumbered = _IDS.sub(f'"U":{first},"u":{last}'.encode(), data, count=1)
        hurt = out._replace(payload=renumbered, first=first, last=last)
        return hurt, f"ids of {_LONG_AGO} before", "resync"


def _another(old: bytes) -> bytes:
    """Another number in the same form."""
    whole, _, part = old.partition(b".")
    return str(int(whole) + 7).encode() + b"." + part


def random_binance_faults(
    seed: int, *, count: int, frames: int, known: Mapping[str, tuple[str, ...]] = BINANCE_VARIANTS
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("binance schedule", seed)
    return random_faults(rng, known, BinanceFault, count=count, frames=frames)
