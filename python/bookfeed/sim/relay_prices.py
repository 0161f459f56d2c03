"""The true values of references: each second one, for each symbol, in whole 1e-18.

They follow from the seed alone, so that a test can ask for any second. Some seconds have none, as
on the real relays.
"""

from decimal import Decimal
from typing import Final

from bookfeed.sim.chance import seeded

E18: Final = 10**18
MISSING_ONE_IN: Final = 11
"""Of so many seconds one has no value."""

_STARTS: Final = {"btc": 79_696, "eth": 2_695, "sol": 118, "xrp": 2, "doge": 1, "bnb": 770}
_START_ELSE: Final = 87
_KNOWN_MAX: Final = 100_000
_STEP: Final = 10_000
"""A value is within one part of so many of where it began, and has digits to the last place."""


class Prices:
    """The truth of a run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[tuple[str, str, int], int | None] = {}

    def value(self, topic: str, symbol: str, second: int) -> int | None:
        """The value of a symbol at a Unix second, in 1e-18; ``None`` where there is none."""
        key = (topic, symbol, second)
        if key not in self._known:
            if len(self._known) > _KNOWN_MAX:
                self._known.clear()
            self._known[key] = self._made(*key)
        return self._known[key]

    def _made(self, topic: str, symbol: str, second: int) -> int | None:
        rng = seeded(f"relay price {topic} {symbol}", self._seed, second)
        if rng.randrange(MISSING_ONE_IN) == 0:
            return None
        start = next((v for name, v in _STARTS.items() if symbol.startswith(name)), _START_ELSE)
        span = start * E18 // _STEP
        return start * E18 + rng.randrange(-span, span)

    def last(self, topic: str, symbol: str, second: int, count: int) -> list[tuple[int, int]]:
        """Second and value of the ``count`` seconds before one, where there is a value."""
        values = ((s, self.value(topic, symbol, s)) for s in range(second - count, second))
        return [(s, value) for s, value in values if value is not None]


def double(value: int) -> float:
    """What is left of a value in a double."""
    return float(Decimal(value).scaleb(-18))


def decimal(value: int) -> str:
    """A value as a decimal, to the last place."""
    return f"{Decimal(value).scaleb(-18):f}"
