"""The levels of an engine's book, in the form in which simulators have the true ones."""

from typing import Final, Literal

from bookfeed._bookfeed import BookView

Levels = list[tuple[int, int]]
"""(price 1e-9, size 1e-8), best first."""
Side = Literal["bid", "ask"]
SIDES: Final[tuple[Side, Side]] = ("bid", "ask")


def sides_of(view: BookView) -> tuple[Levels, Levels]:
    """Bids and asks."""
    bids, asks = (
        [(price, size) for price, size in view.levels_exact(side).tolist()] for side in SIDES
    )
    return bids, asks
