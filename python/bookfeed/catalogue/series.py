"""Rolling series by name: which window is on, which comes next, what each is called.

This is arithmetic: nothing is asked of a venue, and whether a window is listed is not known here.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from bookfeed.catalogue import VENUES, part
from bookfeed.catalogue.windows import Cadence, Grammar, Window, window_at, windows_named
from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError

_EXAMPLES: Final = ("btc-updown-15m", "bitcoin-up-or-down", "bitcoin-up-or-down-on", "KXBTC15M")


@dataclass(frozen=True, slots=True)
class Series:
    """A rolling series, by the name its venue gives it: ``Series("KXBTC15M")``.

    Times are Unix nanoseconds; where none is given, the present by the wall clock. Raises
    ``CatalogueError`` for a name of which no windows are known.
    """

    name: str
    """The venue's name of the series, or what the names of its windows begin with."""
    _grammar: Grammar = field(init=False, repr=False, compare=False)
    """How its windows are spelled."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"a series is named by text such as 'KXBTC15M', not {self.name!r}")
        found = _find(self.name)
        if found is None:
            raise CatalogueError(_unknown(self.name))
        object.__setattr__(self, "_grammar", found)

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self._grammar.venue

    @property
    def asset(self) -> str:
        """What it is about, in lower case, the same on all venues: ``"btc"``."""
        return self._grammar.asset

    @property
    def cadence(self) -> Cadence:
        """How long a window is; one with a change of clocks in it may differ by an hour."""
        return self._grammar.cadence

    def window(self, ts: int | None = None) -> Window:
        """The window that is on at ``ts``."""
        at = time.time_ns() if ts is None else ts
        return window_at(self._grammar, at // NS_PER_S)

    def after(self, window: Window) -> Window:
        """The window that begins when this one ends."""
        return self.window(window.end_ts)

    def upcoming(self, count: int, ts: int | None = None) -> tuple[Window, ...]:
        """The window that is on at ``ts`` and those after it, ``count`` together."""
        windows: list[Window] = []
        for _ in range(count):
            windows.append(self.after(windows[-1]) if windows else self.window(ts))
        return tuple(windows)

    def named(self, name: str) -> tuple[Window, ...]:
        """The windows that have this name, earliest first: none, one, or two.

        Two where clocks are put back and the name says no more than the hour; which one is meant
        its close tells.
        """
        return windows_named(self._grammar, name)


def check_pair(names: Sequence[str]) -> None:
    """``CatalogueError`` unless the names are of series of one asset and one length, with one
    market a window.
    """
    series = [Series(name) for name in names]
    if len({(one.asset, one.cadence) for one in series}) > 1:
        told = " and ".join(f"{one.name} ({one.asset}, {one.cadence})" for one in series)
        raise CatalogueError(f"a pair is of series of one asset and one length, not {told}")
    for one in series:
        if one.window().market is None:
            problem = "has several markets a window; a pair is of one on each side"
            raise CatalogueError(f"{one.name} {problem}")


def _find(name: str) -> Grammar | None:
    found = (part(venue, "series").grammar(name) for venue in VENUES)
    return next((grammar for grammar in found if grammar is not None), None)


def _unknown(name: str) -> str:
    problem = f"no windows are known of a series called {name!r}"
    near = [known for text in (name.lower(), name.upper()) if _find(known := text) is not None]
    near = near or get_close_matches(name, _EXAMPLES, 1, 0.7)
    if near:
        return f"{problem}; did you mean {near[0]!r}?"
    return f"{problem}; it should be one such as {', '.join(map(repr, _EXAMPLES))}"
