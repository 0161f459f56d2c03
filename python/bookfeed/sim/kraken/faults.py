"""What can go wrong between the simulated Kraken and a client, frame by frame.

Messages have no numbers. What a lost or spoiled one leaves behind shows in the sum over the best
ten levels, with the next message at the latest; deeper in a book it shows to nobody.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple

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
from bookfeed.sim.spot_stamps import pattern

KRAKEN_VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    **SHARED,
    **SNAPSHOT,
    "checksum": ("",),
    "level": ("top", "deep"),
    "corrupt": ("top", "deep"),
    "refused": ("",),
}
"""The kinds and the ways each can happen; the first is the default.

checksum  the sum in the frame is not that of the book
level     one level of the update is silently not in it
corrupt   the size of one level is not what the venue meant
refused   the next request after the frame is answered with an error

``top`` is a level that the sum covers, ``deep`` one that it does not.
"""

_OWN: Final = frozenset({"level", "corrupt"})
_WORDING: Final = Wording(
    number=re.compile(rb'"qty":([0-9.]+)'),
    symbol=re.compile(rb'"symbol":"([^"]+)"'),
    unknown=(
        b'{"channel":"somethingnew","type":"update","data":[{"symbol":"BTC/USD","price":1.0}]}',
        b'{"method":"something_new","success":true}',
    ),
    stamps=pattern("timestamp"),
)
_CHECKSUM: Final = re.compile(rb'"checksum":([0-9]+)')
_LEVEL: Final = re.compile(rb'\{"price":([0-9.]+),"qty":([0-9.]+)\},?')


@dataclass(frozen=True, slots=True)
class KrakenFault(SpotFault):
    """One thing that will go wrong."""

    KNOWN: ClassVar[Mapping[Any, tuple[str, ...]]] = {**KRAKEN_VARIANTS, **LAG, **WITHOUT_REST}


class _Entry(NamedTuple):
    """A level that an update sets, and where it stands in the text."""

    span: tuple[int, int]
    size_span: tuple[int, int]
    is_top: bool


class KrakenInjector(SpotInjector):
    """Decides what becomes of every frame of every connection."""

    def __init__(self, faults: Sequence[SpotFault], seed: int, start_ns: int) -> None:
        super().__init__(faults, seed, start_ns, _WORDING)

    def _fits(self, fault: SpotFault, out: Out) -> bool:
        if not super()._fits(fault, out):
            return False
        if fault.kind in _OWN:
            return self._entry(fault, out) is not None
        return fault.kind != "checksum" or _CHECKSUM.search(out.payload) is not None

    def _after(self, fault: SpotFault, out: Out) -> Duty:
        """A frame that only speaks of deep levels is missed by nobody; a copy at once is none."""
        if fault.kind == "duplicate" and fault.variant == "at_once":
            return "none"
        tops = [entry for entry in _entries(out) if entry.is_top]
        return "resync" if tops or _is_snapshot(out) else "unprovable"

    def _own(self, fault: SpotFault, link: Link[Out], out: Out) -> tuple[Out, str, Duty]:
        data = out.payload
        if fault.kind == "checksum":
            found = _CHECKSUM.search(data)
            assert found is not None  # _fits saw to it
            wrong = str(int(found.group(1)) ^ 1 << int(self._rng.random() * 32)).encode()
            start, end = found.span(1)
            return out._replace(payload=data[:start] + wrong + data[end:]), "another sum", "prompt"
        entry = self._entry(fault, out)
        assert entry is not None  # _fits saw to it
        duty: Duty = "prompt" if fault.variant == "top" else "unprovable"
        if fault.kind == "level":
            start, end = entry.span
            hurt = re.sub(rb",\]", b"]", data[:start] + data[end:])
            return out._replace(payload=hurt), f"without {data[start:end]!r}", duty
        start, end = entry.size_span
        hurt = data[:start] + b"7" + data[start:]
        return out._replace(payload=hurt), f"7 before {data[start:end]!r}", duty

    def _entry(self, fault: SpotFault, out: Out) -> _Entry | None:
        """The first level of an update that the fault can hit."""
        if _is_snapshot(out):
            return None
        fitting = (one for one in _entries(out) if one.is_top == (fault.variant == "top"))
        return next(fitting, None)


def _is_snapshot(out: Out) -> bool:
    return b'"type":"snapshot"' in out.payload[:60]


def _entries(out: Out) -> list[_Entry]:
    """The levels that a book's frame sets to a size, each price once."""
    prices = [found.group(1) for found in _LEVEL.finditer(out.payload)]
    asks_at = out.payload.find(b'"asks":')
    worst_bid, worst_ask = (Decimal(edge) if edge else None for edge in out.edge)
    entries = []
    for found in _LEVEL.finditer(out.payload):
        if prices.count(found.group(1)) > 1 or not found.group(2).strip(b"0."):
            continue
        price, is_bid = Decimal(found.group(1).decode()), found.start() < asks_at
        if is_bid:
            is_top = worst_bid is None or price >= worst_bid
        else:
            is_top = worst_ask is None or price <= worst_ask
        entries.append(_Entry(found.span(), found.span(2), is_top))
    return entries


def random_kraken_faults(
    seed: int, *, count: int, frames: int, known: Mapping[str, tuple[str, ...]] = KRAKEN_VARIANTS
) -> tuple[SpotFault, ...]:
    """A seeded schedule of ``count`` faults over the first ``frames`` frames, in order."""
    rng = seeded("kraken schedule", seed)
    return random_faults(rng, known, KrakenFault, count=count, frames=frames)
