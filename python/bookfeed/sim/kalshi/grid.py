"""Price grids of the simulated Kalshi: bands with a step each, and the units of its numbers.

Prices are integer pips of 1e-4 dollar, sizes integers of 0.01 contract. A grid lists every price
an order may have, strictly between 0 and 1; it is the same for YES and for NO, since the bands of
every named structure are symmetrical.
"""

from functools import cache
from typing import Final, NamedTuple

PIPS: Final = 10_000
"""Pips in a dollar."""
PRICE_E9_PER_PIP: Final = 100_000
LOTS: Final = 100
"""Size units (0.01 contract) in one contract."""
QTY_E8_PER_LOT: Final = 1_000_000


class Band(NamedTuple):
    """Prices from ``start`` to ``end`` (pips) lie ``step`` apart."""

    start: int
    end: int
    step: int


def _tapered(edge: int, inner: int, width: int = 1000) -> tuple[Band, ...]:
    return (
        Band(0, width, edge),
        Band(width, PIPS - width, inner),
        Band(PIPS - width, PIPS, edge),
    )


STRUCTURES: Final[dict[str, tuple[Band, ...]]] = {
    "linear_cent": (Band(0, PIPS, 100),),
    "deci_cent": (Band(0, PIPS, 10),),
    "tapered_deci_cent": _tapered(10, 100),
    "center_half_edge_half_cent": (Band(0, PIPS, 50),),
    "center_centi_edge_centi_cent": (Band(0, PIPS, 1),),
    "center_deci_edge_centi_cent": _tapered(1, 10, 100),
    "center_whole_edge_half_cent": _tapered(50, 100),
    "center_half_edge_quint_cent": _tapered(20, 50),
}
"""The structures that the simulator can trade in, by name."""


@cache
def grid_of(structure: str) -> tuple[int, ...]:
    """Every price of a structure, ascending; ``KeyError`` if there is none of that name."""
    bands = STRUCTURES[structure]
    prices = {price for band in bands for price in range(band.start, band.end + 1, band.step)}
    return tuple(sorted(prices - {0, PIPS}))


def price_text(pips: int) -> str:
    """A price as the venue prints it: dollars with four decimals."""
    return f"{pips // PIPS}.{pips % PIPS:04d}"


def size_text(lots: int) -> str:
    """A size or a change of size: contracts with two decimals, signed if negative."""
    sign = "-" if lots < 0 else ""
    whole, part = divmod(abs(lots), LOTS)
    return f"{sign}{whole}.{part:02d}"
