"""``Takers``: who takes records of one kind, and what of them each one wants."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from bookfeed.dispatch.filters import Selection, SignalFilter, UpdateFilter
from bookfeed.dispatch.listeners import Listener
from bookfeed.dispatch.streams import Queue

T = TypeVar("T")

Owner: TypeAlias = "Listener | Queue[Any]"
Filter: TypeAlias = UpdateFilter | SignalFilter


class Takers(Generic[T]):
    """Those who take records of one kind, in the order in which they came.

    ``takes`` is what to call for each record. It is replaced and never changed, so that whoever
    walks through it is not disturbed. ``selections`` is which books they want to hear of, ``None``
    if one of them wants all.
    """

    def __init__(self) -> None:
        self._takes: Final[dict[Owner, Callable[[T], object]]] = {}
        self._filters: Final[dict[Owner, Filter]] = {}
        self.takes: tuple[Callable[[T], object], ...] = ()
        self.selections: list[Selection] | None = []

    def __len__(self) -> int:
        return len(self._takes)

    @property
    def listeners(self) -> list[Listener]:
        """Those that are callbacks."""
        return [owner for owner in self._takes if isinstance(owner, Listener)]

    @property
    def queues(self) -> list[Queue[Any]]:
        """Those that are queues of streams."""
        return [owner for owner in self._takes if isinstance(owner, Queue)]

    def add(self, owner: Owner, take: Callable[[T], object], passing: Filter | None = None) -> None:
        """Let ``owner`` take by ``take`` what passes the filter, if there is one."""
        self._takes[owner] = take
        if passing is not None:
            self._takes[owner] = cast("Callable[[T], object]", passing.take)
            self._filters[owner] = passing
        self._changed()

    def remove(self, owner: Owner) -> bool:
        """Let ``owner`` take no more; returns whether it was here."""
        if self._takes.pop(owner, None) is None:
            return False
        passing = self._filters.pop(owner, None)
        if passing is not None:
            passing.close()
        self._changed()
        return True

    def end(self, error: BaseException | None) -> None:
        """End the streams; what was held back for them is dropped, and nothing passes any more."""
        for queue in self.queues:
            if queue in self._filters:
                self._filters[queue].close()
            queue.end(error)

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
