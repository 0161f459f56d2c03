"""Which faults strike each simulated venue over sockets, in which order, and which of them did.

Every cell of the matrix that a venue has is struck in turn, shuffled by a seed, so that a run that
is too short for all of them has some of each kind. The venues write down what struck them.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from bookfeed.scorecard.campaigns.world import World
from bookfeed.sim.chance import seeded
from bookfeed.sim.faults import Mishap

FAULT_S: Final = 2
"""How long a fault goes on that would go on for ever."""
SEED: Final = 1
"""Of the order in which cells are struck, unless another is asked for."""
UNSTRUCK: Final[Mapping[tuple[str, str], str]] = {}
"""Cells that real sockets cannot strike, as venue and fault, and why."""

Strike = tuple[str, float]
"""A cell, and when it is due, in seconds from the plan's beginning."""
_BEGIN: Final = signal.SIGUSR1
_DIGITS: Final = 3
"""Of seconds, in which strikes are told apart."""


def cells_of(world: World) -> list[str]:
    """All faults of a venue, each once."""
    return list(dict.fromkeys(cell for faults in world.cells.values() for cell in faults))


def schedule(world: World, seconds: float, every_s: float, seed: int = SEED) -> list[Strike]:
    """For so many seconds one cell after the other, none again before all others were struck."""
    rng = seeded(f"sockets {world.name}", seed)
    due: list[str] = []
    count = int(seconds / every_s)
    while len(due) < count:
        once = [one for one in cells_of(world) if (world.name, one) not in UNSTRUCK]
        rng.shuffle(once)
        due += once
    times = (round(every_s * (number + 0.5), _DIGITS) for number in range(count))
    return list(zip(due, times, strict=False))


def plan_of(faults: Sequence[Strike]) -> str:
    """The same as a plan."""
    tables = []
    for cell, at_s in faults:
        for text in cell.split(" & "):
            kind, _, variant = text.partition(":")
            tables.append(
                f'[[fault]]\nkind = "{kind}"\nvariant = "{variant}"\nat_s = {at_s}\n'
                f"duration_s = {FAULT_S}\n"
            )
    return "\n".join(tables)


class Told(NamedTuple):
    """A fault that struck."""

    due_s: float
    """When its plan had it, in seconds from the plan's beginning."""
    kind: str
    variant: str
    struck_s: float
    """When it struck, in seconds from the venue's beginning."""


class Strikes:
    """The plan of a venue that is a process of its own: it begins when it is told so, and not
    before books are live. To be made in the venue's loop, at its beginning.
    """

    def __init__(self, server: Any, plan: Sequence[Mishap]) -> None:
        self._server = server
        self._plan = plan
        self.begun_s = time.time()
        self._plan_s = 0.0
        asyncio.get_running_loop().add_signal_handler(_BEGIN, self._begin)

    def _begin(self) -> None:
        self._plan_s = time.time() - self.begun_s
        for fault in self._plan:
            self._server.inject(replace(fault, at_s=(fault.at_s or 0.0) + self._plan_s))

    def write(self, path: Path) -> None:
        """Writes down what struck so far, a line each."""
        lines = []
        for event in self._server.fault_log:
            fault, struck_s = event.fault, event.ts_ns / 1e9 - self.begun_s
            due_s = round((fault.at_s or 0.0) - self._plan_s, _DIGITS)
            lines.append(f"{due_s}\t{fault.kind}\t{fault.variant}\t{struck_s}\n")
        path.write_text("".join(lines))


def begin(pids: Iterable[int]) -> None:
    """Has the plans of these processes begin."""
    for pid in pids:
        os.kill(pid, _BEGIN)


def read_struck(path: Path) -> list[Told]:
    """What was written down."""
    lines = (line.split("\t") for line in path.read_text().splitlines())
    return [Told(float(due), kind, variant, float(struck)) for due, kind, variant, struck in lines]


class Struck(NamedTuple):
    """What became of the cells of a run."""

    matrix: dict[str, dict[str, int]]
    """By fault and venue: how often it struck, of the venues that have it."""
    missed: list[str]
    """Cells that never struck, without a reason that is stated."""

    @property
    def cells(self) -> int:
        """How many there are."""
        return sum(len(venues) for venues in self.matrix.values())

    @property
    def struck(self) -> int:
        """How many of them struck."""
        return sum(count > 0 for venues in self.matrix.values() for count in venues.values())

    def figures(self) -> dict[str, Any]:
        """As figures of a run."""
        return {
            "cells": self.cells,
            "cells_struck": self.struck,
            "cells_missed": self.missed,
            "struck": self.matrix,
        }


def struck_of(
    worlds: Sequence[World],
    due: Mapping[str, Sequence[Strike]],
    told: Mapping[str, Sequence[Told]],
) -> Struck:
    """What of that which was due at each venue is told to have struck there: all parts of it."""
    matrix: dict[str, dict[str, int]] = {}
    missed = []
    for world in worlds:
        name = world.name
        known = {(one.due_s, one.kind, one.variant) for one in told[name]}
        counts = Counter(cell for cell, at_s in due[name] if _parts(world, cell, at_s) <= known)
        for cell in cells_of(world):
            matrix.setdefault(cell, {})[name] = counts[cell]
            if not counts[cell] and (name, cell) not in UNSTRUCK:
                missed.append(f"{name} {cell}")
    return Struck(dict(sorted(matrix.items())), missed)


def _parts(world: World, cell: str, at_s: float) -> set[tuple[float, str, str]]:
    """What strikes in a cell, as venues write it down: the first variant where none is named."""
    each = (text.partition(":") for text in cell.split(" & "))
    faults = (world.fault(kind, at_s=at_s, variant=variant) for kind, _, variant in each)
    return {(at_s, fault.kind, fault.variant) for fault in faults}
