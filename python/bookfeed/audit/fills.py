"""Which trades are new, and which were told before, as the auditor counts them."""

from collections.abc import Hashable
from typing import Final

LAST: Final = 256
"""How many trades of an outcome are remembered, the equal ones as one."""


def named(id_: object) -> str:
    """The id of a trade as text; empty where it has none."""
    return "" if id_ is None else str(id_)


class Named:
    """The newest trades of one instrument, where each has an id of its own."""

    def __init__(self) -> None:
        self._known: Final[dict[Hashable, None]] = {}

    def take(self, id_: object, trade: Hashable) -> bool:
        """Whether a trade is a new one; without an id it is."""
        if id_ is None or id_ == "":
            return True
        told = (str(id_), trade)
        if told in self._known:
            return False
        if len(self._known) == LAST:
            del self._known[next(iter(self._known))]
        self._known[told] = None
        return True


class Fills:
    """The newest trades of one outcome, where they have no id of their own.

    Fills of one order may be alike in all that is told of them. A connection tells them before
    anything newer about the outcome, so that its second one is the second of every connection;
    whatever it tells again after that is a copy.
    """

    def __init__(self) -> None:
        self._known: Final[dict[Hashable, int]] = {}
        """How many are alike, by what is told of them, in the order of the first."""
        self._heard: Final[dict[Hashable, int]] = {}
        """How many of them the present connection has told."""
        self._fresh: set[Hashable] = set()
        """Those that it told since anything newer came."""
        self._newest = 0

    def take(self, fill: Hashable, newest: int) -> bool:
        """Whether a trade is a new one; ``newest`` is the later time, of it or of its book."""
        if newest > self._newest:
            self._newest = newest
            self._fresh.clear()
        heard = self._heard.get(fill, 0)
        if heard and fill not in self._fresh:
            return False
        self._fresh.add(fill)
        self._heard[fill] = heard + 1
        if heard < self._known.get(fill, 0):
            return False
        if fill not in self._known and len(self._known) == LAST:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._heard.pop(oldest, None)
        self._known[fill] = heard + 1
        return True

    def renewed(self) -> None:
        """Another connection begins, which has told none of them."""
        self._heard.clear()
        self._fresh.clear()
