"""``Takers``: who takes records of one kind, and what of them each one wants."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from bookfeed.filters import Selection, SignalFilter, UpdateFilter
from bookfeed.listeners import Listener
from bookfeed.streams import Queue

T = TypeVar("T")
OwnerT = TypeVar("OwnerT", bound="Listener | Queue[Any]")

Filter: TypeAlias = UpdateFilter | SignalFilter


class Takers(Generic[OwnerT, T]):
    """Those who take records of one kind, in the order in which they came.

    ``takes`` is what to call for each record. It is replaced and never changed, so that whoever
    walks through it is not disturbed. ``selections`` is which books they want to hear of, ``None``
    if one of them wants all.
    """

    def __init__(self) -> None:
        self._takes: Final[dict[OwnerT, Callable[[T], object]]] = {}
        self._filters: Final[dict[OwnerT, Filter]] = {}
        self.takes: tuple[Callable[[T], object], ...] = ()
        self.selections: list[Selection] | None = []

    def __len__(self) -> int:
        return len(self._takes)

    @property
    def owners(self) -> list[OwnerT]:
        """Who they are."""
        return list(self._takes)

    def add(
        self, owner: OwnerT, take: Callable[[T], object], passing: Filter | None = None
    ) -> None:
        """Let ``owner`` take by ``take`` what passes the filter, if there is one."""
        self._takes[owner] = take
        if passing is not None:
            self._takes[owner] = cast("Callable[[T], object]", passing.take)
            self._filters[owner] = passing
        self._changed()

    def remove(self, owner: OwnerT) -> bool:
        """Let ``owner`` take no more; returns whether it was here."""
        if self._takes.pop(owner, None) is None:
            return False
        passing = self._filters.pop(owner, None)
        if passing is not None:
            passing.close()
        self._changed()
        return True

    def hold_nothing_back(self) -> None:
        """Close all filters: what they hold back is dropped, and nothing passes any more."""
        for passing in self._filters.values():
            passing.close()

    def _changed(self) -> None:
        self.takes = tuple(self._takes.values())
        selections: list[Selection] = []
        for owner in self._takes:
            passing = self._filters.get(owner)
            if not isinstance(passing, UpdateFilter) or passing.selection is None:
                self.selections = None
                return
            selections.append(passing.selection)
        self.selections = selections
