"""Tests that are run in one go for all rows that they hold, and asked for one by one."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from bookfeed.scorecard.spent import Spent, so_far


class Told(NamedTuple):
    """What became of one test function, with all its parameters."""

    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    seconds: float = 0.0


class Runs(ABC):
    """What was run so far, and what was spent ahead of rows that have yet to claim it."""

    def __init__(self) -> None:
        self._told: Final[dict[str, Told]] = {}
        self._spent: Final[dict[str, Spent]] = {}

    @abstractmethod
    def play(self, names: Sequence[str]) -> Mapping[str, Told]:
        """Runs these, and says of each what became of it."""

    def ahead(self, names: Iterable[str]) -> None:
        """Runs those that were not run yet; ``NotMeasuredError`` where that cannot be done."""
        begun = so_far()
        told = self._run(names)
        spent = begun.since()
        all_s = sum(one.seconds for one in told.values())
        for name, one in told.items():
            self._spent[name] = spent.times(one.seconds / all_s if all_s else 1 / len(told))

    def of(self, names: Sequence[str]) -> Told:
        """What became of these, run now if they were not; together."""
        self._run(names)
        each = [self._told[name] for name in names]
        return Told(
            sum(one.passed for one in each),
            sum(one.skipped for one in each),
            tuple(text for one in each for text in one.failed),
            sum(one.seconds for one in each),
        )

    def claim(self, names: Iterable[str]) -> Spent:
        """What was spent on these ahead, as far as no row has claimed it before."""
        spent = Spent()
        for name in names:
            spent = spent.plus(self._spent.pop(name, Spent()))
        return spent

    def _run(self, names: Iterable[str]) -> Mapping[str, Told]:
        new = sorted(set(names) - self._told.keys())
        told = self.play(new) if new else {}
        self._told.update(told)
        return told
