"""Books whose silence is odd: which of them a witness is asked about now.

Which they are the engine says, by the rhythm of each (``Engine.suspects``). Each is asked about at
once, and again as long as no answer vouched for it, each time after twice as long. No socket and no
clock is here.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bookfeed.clock import NS_PER_S

# How long the first answer is waited for, and the longest until a book is asked about again.
AGAIN_MIN_NS: Final = 3 * NS_PER_S
AGAIN_MAX_NS: Final = 24 * NS_PER_S


class Asked(NamedTuple):
    """When a book is asked about again, and after how long once more."""

    due_ns: int
    again_ns: int


class Suspects:
    """Who of the silent is asked about, and when again."""

    def __init__(self) -> None:
        self._asked: dict[int, Asked] = {}

    def due(self, suspects: Sequence[int], now_ns: int) -> list[int]:
        """Return those of ``suspects`` to ask about now, in their order.

        One that is no suspect any more is forgotten: its next silence is another one.
        """
        self._asked = {i: asked for i in suspects if (asked := self._asked.get(i)) is not None}
        return [i for i in suspects if i not in self._asked or self._asked[i].due_ns <= now_ns]

    def asked(self, instruments: Iterable[int], now_ns: int) -> None:
        """These are asked about now."""
        for instrument in instruments:
            before = self._asked.get(instrument)
            again_ns = AGAIN_MIN_NS if before is None else before.again_ns
            later_ns = min(2 * again_ns, AGAIN_MAX_NS)
            self._asked[instrument] = Asked(now_ns + again_ns, later_ns)
