"""A row of the scorecard: what is measured, what is asked of it, and what it came to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from bookfeed.scorecard.build import build
from bookfeed.scorecard.spent import Spent

Grade = Literal["pass", "fail", "amber"]
Tier = Literal["quick", "full"]
_NOTHING: Final = Spent()


class NotMeasuredError(Exception):
    """Why a row cannot be measured here, for people."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is to be played."""

    tier: Tier = "quick"
    seed: int | None = None
    """One seed alone, such as one that failed; ``None`` for all of the tier."""
    workers: int = 1
    """Processes that seeds are shared out to."""
    tests: Path | None = None
    """What pytest told of this tree before: tests that are in it are not run again."""

    def of(self, quick: int, full: int) -> int:
        """One of two numbers, by the tier."""
        return quick if self.tier == "quick" else full

    def seeds(self, quick: int, full: int) -> range:
        """The seeds to play: from 1 on so many, or the one that was named."""
        if self.seed is not None:
            return range(self.seed, self.seed + 1)
        return range(1, self.of(quick, full) + 1)


@dataclass(frozen=True, slots=True)
class Figure:
    """What a row came to: good, unless something is among its problems."""

    text: str
    problems: tuple[str, ...] = ()
    seed: int | None = None
    """A seed that fails alone, where seeds are played; ``None`` where all of them together do."""
    struck: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By fault and venue: how often it struck, where that is counted."""
    before: Spent = _NOTHING
    """What was spent on it before it was asked for, such as on tests that hold several rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the scorecard."""

    id: str
    what: str
    target: str
    play: Callable[[Effort], Figure] | None
    """Measures it; raises ``NotMeasuredError`` where it cannot be. ``None``: it is not built."""
    long: bool = False
    """Whether it takes so long that the quick tier leaves it out, unless it is named."""
    seeded: bool = False
    """Whether one seed of it can be played alone, and fails alone as it does among others."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row."""

    row: Row
    grade: Grade
    figure: str
    reason: str
    """Why it is amber; empty otherwise."""
    problems: tuple[str, ...]
    seed: int | None
    spent: Spent
    tier: Tier = "quick"
    struck: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """As of ``Figure``."""
    build: str = field(default_factory=build)
    """Of what it was measured."""
    day: str = field(default_factory=lambda: date.today().isoformat())
    """When it was measured."""

    @property
    def again(self) -> str:
        """The command that plays a failure again; empty where nothing failed."""
        if self.grade != "fail":
            return ""
        seed = f" --seed {self.seed}" if self.seed is not None and self.row.seeded else ""
        return f"bookfeed score {self.row.id}{' --full' if self.tier == 'full' else ''}{seed}"

    def to_dict(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "id": self.row.id,
            "what": self.row.what,
            "figure": self.figure,
            "target": self.row.target,
            "grade": self.grade,
            "reason": self.reason,
            "problems": list(self.problems),
            "seed": self.seed,
            "again": self.again,
            "tier": self.tier,
            "build": self.build,
            "day": self.day,
            **({"struck": self.struck} if self.struck else {}),
            "seconds": round(self.spent.wall_s, 1),
            "cpu_seconds": round(self.spent.cpu_s, 1),
        }
