"""Makers who quote around what a contract is worth, as of a little while ago.

A maker who is late stands in the way of everybody who has seen the price move: that is what there
is to be earned in this world. How late one is wanders, and now and then one sleeps for seconds.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from bookfeed.sim.polymarket.ladder import PIPS
from bookfeed.sim.polymarket_kalshi.quotes import Quoted

Worth = Callable[[float], float]
"""The probability that a contract pays, as of a time in Unix seconds."""

_EDGE: Final = 300
"""No quote stands nearer to 0 or 1, in pips."""
_STEP: Final = 50
_LOOKS_EVERY_S: Final = 0.25
_SLEEPS_ONE_IN: Final = 240
_SLEEPS_S: Final = (2.0, 6.0)


class Maker:
    """Keeps one market's quotes where they belong."""

    def __init__(self, quoted: Quoted[Any], worth: Worth, late_s: float, rng: Random) -> None:
        self.quoted: Final = quoted
        self._worth: Final = worth
        self._late_s: Final = late_s
        self._rng: Final = rng
        self._due_s = 0.0

    def turn(self, now_s: float) -> list[Any]:
        """What the venue says of new quotes, if it is time for them."""
        if now_s < self._due_s:
            return []
        self._due_s = now_s + _LOOKS_EVERY_S * (0.5 + self._rng.random())
        if self._rng.randrange(_SLEEPS_ONE_IN) == 0:
            low, high = _SLEEPS_S
            self._due_s += low + self._rng.random() * (high - low)
        late_s = self._late_s * (0.5 + self._rng.random())
        pips = round(self._worth(now_s - late_s) * PIPS / _STEP) * _STEP
        fair = min(max(pips, _EDGE), PIPS - _EDGE)
        if fair == self.quoted.fair:
            return self.quoted.flicker(int(now_s * 1_000))
        self.quoted.fair = fair
        return self.quoted.quote(int(now_s * 1_000))
