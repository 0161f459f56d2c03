"""One side of a simulated book: levels in order, nothing printed.

Prices and sizes are integers; what one unit is worth is the affair of each venue.
"""

from bisect import bisect_left


class Rungs:
    """The levels of one side, worst first: integer prices and sizes, nothing printed.

    ``prices`` (ascending) and ``sizes`` (never 0) run in parallel. To be read by anyone,
    changed only through ``put``.
    """

    __slots__ = ("prices", "sizes")

    def __init__(self) -> None:
        self.prices: list[int] = []
        self.sizes: list[int] = []

    def __len__(self) -> int:
        return len(self.prices)

    @property
    def best(self) -> int:
        """The highest price in pips; 0 when the ladder is empty."""
        return self.prices[-1] if self.prices else 0

    def size_at(self, price: int) -> int:
        """The size at ``price``, 0 if there is no such level."""
        index = bisect_left(self.prices, price)
        if index < len(self.prices) and self.prices[index] == price:
            return self.sizes[index]
        return 0

    def put(self, price: int, size: int) -> None:
        """Sets the level at ``price`` to ``size``; 0 removes it, if it is there."""
        index = bisect_left(self.prices, price)
        found = index < len(self.prices) and self.prices[index] == price
        if not size:
            if found:
                del self.prices[index], self.sizes[index]
        elif found:
            self.sizes[index] = size
        else:
            self.prices.insert(index, price)
            self.sizes.insert(index, size)

    def levels(self) -> dict[int, int]:
        """A copy: size by price."""
        return dict(zip(self.prices, self.sizes, strict=True))
