"""``Wanted``: which signals are worth being listed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bookfeed.records import Signal


@dataclass(frozen=True, slots=True)
class Wanted:
    """Signals of some rules, with an edge (USD a share) and a profit (USD) of at least so much.

    What has no edge since nothing is taken, as a spread, is judged by its rule alone.
    """

    rules: Sequence[str] = ()
    """Kinds or names of rules; empty: all."""
    min_edge: float = -math.inf
    min_profit: float = -math.inf

    def __call__(self, signal: Signal) -> bool:
        """Whether a signal is."""
        if self.rules and signal.rule not in self.rules and signal.name not in self.rules:
            return False
        edge, usd = signal.net_edge, signal.net_total
        return (edge is None or edge >= self.min_edge) and (usd is None or usd >= self.min_profit)


ALL: Final = Wanted()
