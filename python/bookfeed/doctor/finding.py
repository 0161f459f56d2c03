"""One line of a diagnosis: what was looked at, what was found, and what to do about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Grade = Literal["ok", "warn", "bad", "skip"]
"""``warn``: it works, and could work better; ``bad``: it does not; ``skip``: not looked at."""

MACHINE: Final = "machine"
"""Where what is about no venue is found."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to. ``advice`` says what to do; only what is ``ok`` may have none."""

    where: str
    """The name of a venue, or ``MACHINE``."""
    check: str
    grade: Grade
    found: str
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs; durations in seconds."""

    def __post_init__(self) -> None:
        assert self.advice or self.grade == "ok", f"{self.check}: what is to be done?"

    def to_dict(self) -> dict[str, Any]:
        """The finding for programs."""
        return {
            "where": self.where,
            "check": self.check,
            "grade": self.grade,
            "found": self.found,
            "advice": self.advice,
            **self.facts,
        }


Tell = Callable[[Finding], None]
"""Takes a finding as soon as it is there."""
