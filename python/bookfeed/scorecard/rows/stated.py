"""Rows W: the three figures by which a reader knows what the warranty is worth. They look at runs
that other rows play: each fault by itself, random mixes, clean streams.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from bookfeed.scorecard.row import Effort, Figure, Row
from bookfeed.scorecard.rows.campaign import clean_runs, mixed_runs
from bookfeed.scorecard.rows.matrix import ROWS as MATRIX
from bookfeed.scorecard.rows.matrix import cells, struck

_MS: Final = 1_000_000
_DAY_NS: Final = 86_400_000_000_000
WRONG: Final = "live and wrong"
"""How campaigns call a book that is live and differs from the truth."""


def until_seen(effort: Effort) -> Figure:
    """W1."""
    at_once: list[str] = []
    later: dict[str, float] = {}
    unseen: list[str] = []
    for row in MATRIX:
        if not any(cells(row.id)):
            continue
        times = [one.after_ns for run in struck(row.id, effort) for one in run.seen]
        known = [after_ns for after_ns in times if after_ns is not None]
        longest_ms = max(known, default=0) / _MS
        if not known:
            unseen.append(row.id)
        elif longest_ms == 0:
            at_once.append(row.id)
        else:
            later[row.id] = longest_ms
    text = f"{len(at_once)} of {len(at_once) + len(later)} classes of fault with the message"
    if later:
        longest = sorted(later.items(), key=lambda item: item[1])
        text += f", the others within {longest[-1][1] / 1e3:.1f} s: "
        text += ", ".join(f"{name} {ms:.0f} ms" for name, ms in longest)
    if unseen:
        text += f"; no book is lost to {', '.join(unseen)}"
    return Figure(text)


def false_alarms(effort: Effort) -> Figure:
    """W2."""
    runs = clean_runs(effort)
    days = sum(one.calm_ns for one in runs) / _DAY_NS
    bad = [one for one in runs if one.problems]
    problems = tuple(f"seed {one.seed}, {one.world}: {one.problems[0]}" for one in bad)
    alarms = sum(len(one.problems) for one in runs)
    text = f"{alarms} in {days:.1f} market-days"
    return Figure(text, problems, bad[0].seed if bad else None)


def undetected(effort: Effort) -> Figure:
    """W3."""
    runs = mixed_runs(effort)
    bad = [one for one in runs if any(_wrong(one.problems))]
    wrong = sum(1 for one in runs for _ in _wrong(one.problems))
    millions = sum(one.frames for one in runs) / 1e6
    problems = tuple(f"seed {one.seed}, {one.world}: {next(_wrong(one.problems))}" for one in bad)
    text = f"{wrong} in {millions:.2f} million updates"
    return Figure(text, problems, bad[0].seed if bad else None)


def _wrong(problems: Iterable[str]) -> Iterator[str]:
    return (problem for problem in problems if WRONG in problem)


ROWS: Final = (
    Row("W1", "how long until each class of fault is seen, where silence may last 2 or 3 s",
        "as the rows of the matrix ask", until_seen, seeded=True),
    Row("W2", "false alarms a market-day on clean streams", "0", false_alarms,
        seeded=True),
    Row("W3", "undetected divergence a million updates, with faults", "0", undetected,
        seeded=True),
)  # fmt: skip
