"""Rows V: how near the index of spot books comes to the true one where venues fail, and whether
fair values are right.
"""

from typing import Final

from bookfeed.scorecard.campaigns.world import found
from bookfeed.scorecard.index_worlds.windows import (
    MEDIAN_MAX,
    OURS,
    P95_MAX,
    TIMES_MIN,
    WindowErrors,
    summary,
    window,
)
from bookfeed.scorecard.play import shared_out
from bookfeed.scorecard.row import Effort, Figure, Row

_DECIMALS_EVERY: Final = 10
"""Of so many windows one is held against the reading by decimals, too, which takes seconds."""


def _window(seed: int) -> WindowErrors:
    return window(seed, decimals=seed % _DECIMALS_EVERY == 1)


def damaged(effort: Effort) -> Figure:
    """V1."""
    windows = list(shared_out(_window, effort.seeds(60, 1_000), effort, chunk=5))
    came_to = summary(windows)
    best = came_to.best_proxy
    text = (
        f"median ${came_to.median[OURS]:.2f}, p95 ${came_to.p95[OURS]:.2f} over "
        f"{came_to.windows} windows; {best} ${came_to.median[best]:.2f}, {came_to.times:.1f} times "
        f"that; engine and slow readings ${came_to.distance:.4f} apart in {came_to.compared} ticks"
    )
    # One window says nothing of medians, and all of how its books are read.
    problems = came_to.problems() if effort.seed is None else came_to.misread()
    misread = (one.seed for one in windows if summary([one]).misread())
    return Figure(text, tuple(problems), next(misread, None))


def calibrated(effort: Effort) -> Figure:
    """V2: one world says little of what is likely, so that no seed is played alone."""
    ((forecasts, came_to),) = found("FAIR")
    seeds = range(1, effort.of(4, 60) + 1)
    worlds = came_to(
        [one for each in shared_out(forecasts, seeds, effort, chunk=1) for one in each]
    )
    furthest = max(abs(one.came_true - one.said) for one in worlds.reliability)
    text = (
        f"Brier {worlds.fair.brier:.4f}, of late makers' mids {worlds.mid.brier:.4f}; log loss "
        f"{worlds.fair.log_loss:.3f}, {worlds.mid.log_loss:.3f}; {worlds.fair.count} forecasts, "
        f"in fifths {furthest:.2f} from what came true at most"
    )
    return Figure(text, tuple(worlds.problems()))


ROWS: Final = (
    Row(
        "V1",
        "the index with a venue frozen, one delayed, one spiking: its mean of 60 s",
        f"median < ${MEDIAN_MAX:g}, p95 < ${P95_MAX:g}, {TIMES_MIN:g} times nearer than the best "
        "short cut, the slow reading to $0.01",
        damaged,
        seeded=True,
    ),
    Row(
        "V2",
        "fair values of simulated worlds, against what came true",
        "right within chance and 0.03, nearer than the mids of late makers",
        calibrated,
    ),
)
