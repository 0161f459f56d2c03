"""How deep, tight and busy the spot books of simulated worlds are: what recordings showed.

``python scripts/spot_profile.py FOLDER`` printed these figures of five recordings; the recordings
are no part of the project. Bitcoin in dollars was recorded of Coinbase and Gemini (2026), in USDT
of Binance (2024). Of Bitstamp it was ether (2022): sizes are converted at equal value, and its
spread, then 6.6 basis points, is assumed to be 1. Of Kraken it was a pair of francs that hardly
anybody trades: half of Coinbase's size on as many levels is assumed.
"""

from dataclasses import dataclass
from typing import Final

BANDS_BPS: Final = (1, 2, 5, 10, 25, 50)
"""Distances from the middle, in basis points, within which sizes and levels were counted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A venue's book, a mean of both sides; sizes in the base."""

    number: int
    venue: str
    tick_e9: int
    spread_bps: float
    size_within: tuple[float, ...]
    """By ``BANDS_BPS``."""
    levels_within: tuple[int, ...]
    dust_share: float
    """Of all levels, how many have next to nothing."""
    spread_of_log_size: float
    """How unequal the others are."""
    changes_a_second: float
    """Levels that change, of both sides."""
    lean: float
    """Deviation of the logarithm of bids over asks, within the last band."""
    behind_s: float
    """How long after the price moved the book does; assumed."""


_CENT_E9: Final = 10_000_000
# Within fifty basis points the recordings leant by -0.04, -0.39, -0.02, -0.28 and 0.54.
_LEAN: Final = 0.3

VENUES: Final = (
    Figures(
        0, "binance", _CENT_E9, 0.002, (4.929, 6.309, 25.142, 51.772, 109.879, 131.064),
        (17, 34, 114, 265, 680, 875), 0.37, 1.85, 571.0, _LEAN, 0.05,
    ),
    Figures(
        1, "coinbase", _CENT_E9, 0.002, (4.838, 9.693, 22.563, 40.098, 123.370, 217.250),
        (21, 40, 93, 172, 277, 434), 0.44, 1.8, 80.6, _LEAN, 0.05,
    ),
    Figures(
        2, "kraken", 10 * _CENT_E9, 0.02, (2.419, 4.846, 11.281, 20.049, 61.685, 108.625),
        (21, 40, 93, 172, 277, 434), 0.44, 1.8, 80.6, _LEAN, 0.15,
    ),
    Figures(
        3, "bitstamp", 100 * _CENT_E9, 1.0, (0.45, 0.9, 2.252, 4.044, 12.181, 21.004),
        (1, 2, 6, 14, 26, 35), 0.03, 1.47, 21.5, _LEAN, 0.3,
    ),
    Figures(
        4, "gemini", _CENT_E9, 0.002, (2.329, 4.036, 7.137, 16.598, 36.087, 41.752),
        (4, 5, 10, 17, 32, 51), 0.25, 1.89, 16.6, _LEAN, 0.3,
    ),
)  # fmt: skip
"""All venues of a world."""

CONSTITUENTS: Final = ("coinbase", "kraken", "bitstamp", "gemini")
"""Whose books the index is made of."""
THREE: Final = ("binance", "coinbase", "kraken")
"""Whose mids are averaged by those who take the shortest way; one of them is no constituent."""
SHORTER: Final = ("kraken", "bitstamp")
"""Whose books have but the best hundred levels where their shorter channels are taken."""
