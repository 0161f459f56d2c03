"""Rows W: the three figures by which a reader knows what the warranty is worth. They look at runs
that other rows play: each fault by itself, random mixes, clean streams.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bookfeed.scorecard.campaigns.world import worlds
from bookfeed.scorecard.row import Effort, Figure, Row
from bookfeed.scorecard.rows.bounds import bound_ns, parts, why_unseen
from bookfeed.scorecard.rows.campaign import clean_runs, mixed_runs
from bookfeed.scorecard.rows.matrix import ROWS as MATRIX
from bookfeed.scorecard.rows.matrix import Cell, Struck, cells, struck

_MS: Final = 1_000_000
_DAY_NS: Final = 86_400_000_000_000
WRONG: Final = "live and wrong"
"""How campaigns call a book that is live and differs from the truth."""


def until_seen(effort: Effort) -> Figure:
    """W1."""
    at_once: list[str] = []
    later: dict[str, float] = {}
    unseen: list[str] = []
    problems: list[str] = []
    seed: int | None = None
    for row in MATRIX:
        if not any(cells(row.id)):
            continue
        runs = struck(row.id, effort)
        for told, bad in (
            *_too_late(row.id, runs),
            *(() if effort.seed is not None else _never(runs)),
        ):
            problems.append(f"{row.id} {told}")
            seed = bad if seed is None else seed
        known = [one.after_ns for run in runs for one in run.seen if one.after_ns is not None]
        longest_ms = max(known, default=0) / _MS
        if not known:
            unseen.append(row.id)
        elif longest_ms == 0:
            at_once.append(row.id)
        else:
            later[row.id] = longest_ms
    return Figure(_seen_text(at_once, later, unseen), tuple(problems), seed)


def _seen_text(at_once: list[str], later: dict[str, float], unseen: list[str]) -> str:
    """What the README says up to the colon: with the silence that it was measured with."""
    text = f"{len(at_once)} of {len(at_once) + len(later)} classes of fault with the message"
    if later:
        longest = sorted(later.items(), key=lambda item: item[1])
        text += f", the others within {longest[-1][1] / 1e3:.1f} s {_silences()}: "
        text += ", ".join(f"{name} {ms:.0f} ms" for name, ms in longest)
    if unseen:
        text += f"; no book is lost to {', '.join(unseen)}"
    return text


def _silences() -> str:
    """How long a connection may be silent in these runs."""
    lengths = sorted({world.silence_ns / 1e9 for world in worlds()})
    return f"where silence may last {' or '.join(f'{one:g}' for one in lengths)} s"


def _too_late(row: str, runs: Sequence[Struck]) -> Iterator[tuple[str, int | None]]:
    """Faults that were seen later than their row may be, with their seeds."""
    within_ns = {world.name: bound_ns(row, world) for world in worlds()}
    for run in runs:
        for one in run.seen:
            if one.after_ns is not None and one.after_ns > within_ns[run.cell.venue]:
                told = f"{' '.join(run.cell)}, seed {run.seed}: {one.kind} was seen after "
                told += f"{one.after_ns / _MS:.0f} ms, {within_ns[run.cell.venue] / _MS:.0f} asked"
                yield told, run.seed


def _never(runs: Sequence[Struck]) -> Iterator[tuple[str, int | None]]:
    """Faults that no seed of a tier showed, although nothing says why no book is lost to them."""
    named = {world.name: world for world in worlds()}
    by_cell: dict[Cell, list[Struck]] = {}
    for run in runs:
        by_cell.setdefault(run.cell, []).append(run)
    for cell, mine in by_cell.items():
        seen = {one.kind for run in mine for one in run.seen if one.after_ns is not None}
        for text, kind in parts(cell.fault):
            if kind not in seen and not why_unseen(named[cell.venue], text):
                yield f"{cell.venue} {text} was never seen in {len(mine)} runs", None


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
    Row("W1", "how long until each class of fault is seen",
        "with the message where one shows it, else within the silence of its venue or what its row "
        "says; 0 never seen without a reason", until_seen, seeded=True),
    Row("W2", "false alarms a market-day on clean streams", "0", false_alarms,
        seeded=True),
    Row("W3", "undetected divergence a million updates, with faults", "0", undetected,
        seeded=True),
)  # fmt: skip
