"""What a campaign can play: a simulated venue with its referee, and the faults that it can make.

A module beside this one that names ``WORLDS`` offers some. What else is played is found in the
same way, so that nothing here lists venues.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import ModuleInfo, iter_modules
from typing import Any, Final

from bookfeed.scorecard import campaigns
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.sim.faults import Mishap

_EARLIEST: Final = 60
"""The frame from which on a fault that is alone may strike."""
_SPREAD: Final = 40


@dataclass(frozen=True)
class World:
    """One simulated venue, played and judged frame by frame under a clock of its own."""

    name: str
    run: Callable[..., Report]
    """``run(seed, items=, clean=, schedule=)``."""
    fault: Callable[..., Mishap]
    draw: Callable[[int, int, int], tuple[Mishap, ...]]
    """Random faults of a seed: so many, over so many frames."""
    cells: Mapping[str, tuple[str, ...]]
    """By the row of the fault matrix that they belong to: faults as ``kind`` or ``kind:variant``,
    with ``&`` between two that strike one after the other.
    """

    silence_ns: int
    """How long a connection may say nothing here before its books are not believed."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Why no book is lost to some of its faults, as ``kind`` or ``kind:variant``."""
    form_of: str = ""
    """The venue that this is another version of; empty for the venue itself."""
    lasts_s: int = 120
    """How long a run may be in which faults are drawn: its markets are there for so long."""

    def alone(self, text: str, seed: int, *, items: int) -> Report:
        """A run with the faults of one cell alone. That one never struck is a problem."""
        at_frame = _EARLIEST + seed % _SPREAD
        faults = tuple(
            self.fault(kind, at_frame=at_frame, variant=variant)
            for kind, _, variant in (each.partition(":") for each in text.split(" & "))
        )
        report = self.run(seed, items=items, schedule=faults)
        for fault in faults:
            if not report.faults[fault.kind]:
                report.problems.append(f"the fault {fault.kind} never struck")
        return report


@cache
def found(name: str) -> tuple[Any, ...]:
    """What the modules here call by that name."""
    modules = (import_module(f"{campaigns.__name__}.{one.name}") for one in _modules())
    return tuple(getattr(module, name) for module in modules if hasattr(module, name))


@cache
def worlds() -> tuple[World, ...]:
    """All there are, in the order of their names."""
    each = (world for offered in found("WORLDS") for world in offered)
    return tuple(sorted(each, key=lambda world: world.name))


def venues() -> tuple[World, ...]:
    """The same, each venue once: for what follows them all at once."""
    return tuple(world for world in worlds() if not world.form_of)


def _modules() -> Iterator[ModuleInfo]:
    return iter_modules(campaigns.__path__)
