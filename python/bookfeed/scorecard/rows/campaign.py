"""Rows A: whole campaigns of simulated venues, under a clock of their own."""

import sys
from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import chain
from subprocess import CompletedProcess
from typing import Final, NamedTuple

from bookfeed.scorecard.campaigns import quiet_day
from bookfeed.scorecard.campaigns.seeds import Report
from bookfeed.scorecard.campaigns.world import World, worlds
from bookfeed.scorecard.held import both, held
from bookfeed.scorecard.mutants import killed
from bookfeed.scorecard.play import shared_out
from bookfeed.scorecard.row import Effort, Figure, Row
from bookfeed.scorecard.rows.recorder import over_sockets
from bookfeed.scorecard.rows.recorder import played as socket_run
from bookfeed.scorecard.tree import campaign, root, run

ITEMS: Final = 1_000
"""Messages and other things that happen in a seed."""
CLEAN_ITEMS: Final = 10_000
RATE: Final = 60
"""Frames a second of a campaign."""
FAULT_EVERY_S: Final = 30
LIVE_MIN: Final = 0.98
_PIECES: Final = 6 * 3_600 // 120
"""Six hours of a venue are played in pieces, of two minutes where its markets last as long."""
_SEEDS_AT_ONCE: Final = 100
"""Of those that a process of its own plays."""
HASH_SEEDS: Final = ("0", "1", "random")


class Played(NamedTuple):
    """What a run came to, as it is sent between processes."""

    seed: int
    world: str
    frames: int
    faults: int
    live_ns: int
    total_ns: int
    transitions: int
    problems: tuple[str, ...]
    digest: str
    calm_ns: int
    """Time of books outside faults, all added up."""


def of_report(report: Report, world: str) -> Played:
    """The same of a report."""
    return Played(
        report.seed,
        world,
        report.frames,
        sum(report.faults.values()),
        report.live_ns,
        report.total_ns,
        report.transitions,
        tuple(report.problems),
        report.digest,
        report.calm_ns,
    )


def world_of(seed: int) -> World:
    """Seeds are shared among the venues."""
    return worlds()[seed % len(worlds())]


def mixed(seed: int) -> Played:
    """One seed with a random mix of faults."""
    world = world_of(seed)
    return of_report(world.run(seed, items=ITEMS), world.name)


def clean(items: int, seed: int) -> Played:
    """One seed without any fault."""
    world = world_of(seed)
    return of_report(world.run(seed, items=items, clean=True), world.name)


def scheduled(seed: int) -> Played:
    """A piece of some hours, with a fault every so many seconds."""
    world = world_of(seed)
    items = world.lasts_s * RATE
    faults = world.draw(seed, world.lasts_s // FAULT_EVERY_S, items)
    return of_report(world.run(seed, items=items, schedule=faults), world.name)


def failed(runs: Iterable[Played]) -> tuple[tuple[str, ...], int | None]:
    """What is wrong with runs, and the first seed of which something is."""
    bad = [one for one in runs if one.problems]
    problems = tuple(f"seed {one.seed}, {one.world}: {one.problems[0]}" for one in bad)
    return problems, bad[0].seed if bad else None


@cache
def mixed_runs(effort: Effort) -> tuple[Played, ...]:
    """Random mixes of faults; played once for all rows that look at them."""
    return tuple(shared_out(mixed, effort.seeds(400, 10_000), effort))


@cache
def clean_runs(effort: Effort) -> tuple[Played, ...]:
    """Streams without faults; likewise."""
    seeds = effort.seeds(12, 1_000)
    return tuple(shared_out(partial(clean, CLEAN_ITEMS), seeds, effort, chunk=1))


def sweep(effort: Effort) -> Figure:
    """A1."""
    runs = mixed_runs(effort)
    frames, faults = sum(one.frames for one in runs), sum(one.faults for one in runs)
    problems, seed = failed(runs)
    names = ", ".join(sorted({one.world for one in runs}))
    text = f"{len(problems)} of {len(runs)} seeds ({frames} frames, {faults} faults; {names})"
    return Figure(text, problems, seed)


def availability(effort: Effort) -> Figure:
    """A2."""
    venues = len(worlds())
    seeds = effort.seeds(3 * venues, _PIECES * venues)
    runs = list(shared_out(scheduled, seeds, effort, chunk=1))
    problems, seed = failed(runs)
    told: list[str] = []
    for name in sorted({one.world for one in runs}):
        mine = [one for one in runs if one.world == name]
        share = sum(one.live_ns for one in mine) / sum(one.total_ns for one in mine)
        told.append(f"{name} {share:.2%}")
        if share < LIVE_MIN:
            problems = (*problems, f"{name} was live {share:.2%} of the time")
            # No mean is below the least of its parts: that one fails alone, too.
            worst = min(mine, key=lambda one: one.live_ns / one.total_ns)
            seed = worst.seed if seed is None else seed
    hours = sum(one.total_ns for one in runs) / 3.6e12
    return Figure(f"live {', '.join(told)} over {hours:.1f} h", problems, seed)


def no_faults(effort: Effort) -> Figure:
    """A3."""
    runs = clean_runs(effort)
    problems, seed = failed(runs)
    frames = sum(one.frames for one in runs)
    share = sum(one.live_ns for one in runs) / sum(one.total_ns for one in runs)
    return Figure(
        f"{len(problems)} false alarms in {frames} frames, live {share:.2%}", problems, seed
    )


def digests(first: int, count: int) -> Iterator[str]:
    """Of each seed everything that was handed out."""
    return (mixed(seed).digest for seed in range(first, first + count))


class Elsewhere(NamedTuple):
    """A process of another kind that plays the same."""

    python: str
    hash_seed: str

    def says(self, code: str) -> CompletedProcess[str]:
        """What it says to a program; the package that it imports is that of the source tree."""
        env = {"PYTHONHASHSEED": self.hash_seed}
        if self.python != sys.executable:
            env["PYTHONPATH"] = str(root() / "python")
        return run([self.python, "-c", code], env=env)

    @property
    def version(self) -> str:
        """Of its CPython."""
        return self.says("import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()


def processes() -> list[Elsewhere]:
    """All kinds there are: another CPython, too, if `make another-cpython` has put one beside."""
    own = [Elsewhere(sys.executable, one) for one in HASH_SEEDS]
    beside = root() / "target" / "another-cpython"
    if not (beside / ".installed").exists():
        return own
    return [*own, Elsewhere(str(beside / "bin" / "python"), HASH_SEEDS[0])]


def _elsewhere(task: tuple[int, int, Elsewhere]) -> list[str]:
    """The same, by a process of its own."""
    first, count, process = task
    done = process.says(f"from {__name__} import digests; print(*digests({first}, {count}))")
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.split()


def determinism(effort: Effort) -> Figure:
    """A5."""
    seeds = effort.seeds(10, 1_000)
    pieces = [seeds[at : at + _SEEDS_AT_ONCE] for at in range(0, len(seeds), _SEEDS_AT_ONCE)]
    kinds = processes()
    tasks = [(piece[0], len(piece), one) for one in kinds for piece in pieces]
    told = list(shared_out(_elsewhere, tasks, effort, chunk=1))
    runs = [told[at : at + len(pieces)] for at in range(0, len(told), len(pieces))]
    first, *others = (list(chain.from_iterable(run)) for run in runs)
    differ = [
        seed for at, seed in enumerate(seeds) if any(other[at] != first[at] for other in others)
    ]
    problems = tuple(f"seed {seed}: other records in another process" for seed in differ)
    versions = list(dict.fromkeys(one.version for one in kinds))
    text = f"{len(seeds) - len(differ)} of {len(seeds)} seeds alike in {len(kinds)} processes"
    text += f", CPython {' and '.join(versions)}{' alone' if len(versions) == 1 else ''}"
    return Figure(text, problems, differ[0] if differ else None)


def over_real_sockets(effort: Effort) -> Figure:
    """A4: all venues at once, what the auditor reads in the recording, and what was shown. The full
    tier strikes every cell of the matrix, as far as sockets can.
    """
    figures = over_sockets(effort)
    wrong = [str(what) for what in (*figures["wrong"], *figures["untrue"])]
    if figures["refused"]:
        wrong.append(f"the auditor could not read {figures['refused']} records")
    found = figures["untrue_count"] + len(figures["wrong"])
    text = (
        f"{figures['cells_struck']} of {figures['cells']} cells struck, {found} findings in "
        f"{figures['compared']} books compared and {figures['shown']} looked at, "
        f"{socket_run(figures)}, live {figures['live_share']:.1%}"
    )
    if effort.tier == "full" and figures["cells_missed"]:
        wrong.append(f"never struck: {', '.join(figures['cells_missed'])}")
    return Figure(text, tuple(wrong), struck=figures["struck"])


def quiet(effort: Effort) -> Figure:
    """A6."""
    hours, seed = effort.of(2, 24), effort.seeds(1, 1)[0]
    figures = campaign(quiet_day.__name__, "--hours", str(hours), "--seed", str(seed))
    told = [
        f"{name} {one['needless_reconnects']} reconnects, {sum(one['stale'].values())} times stale"
        for name, one in figures["venues"].items()
    ]
    silent_s = max(one["silent_s_max"] for one in figures["venues"].values())
    text = f"{hours} h, silent up to {silent_s / 60:.0f} min: {'; '.join(told)}"
    problems = tuple(figures["problems"])
    return Figure(text, problems, seed if problems else None)


ROWS: Final = (
    Row("A1", "random mixes of faults, every venue", "0 violations", sweep, seeded=True),
    Row(
        "A2",
        "live under one fault each 30 s; 6 h of each venue in the full tier",
        ">= 98 %, never live but wrong",
        availability,
        seeded=True,
    ),
    Row(
        "A3",
        "clean streams (chances that have to be told: F40)",
        "0 false alarms",
        no_faults,
        seeded=True,
    ),
    Row(
        "A4",
        "faults over real sockets, all venues at once, 2 s each; full tier: every cell of the "
        "matrix",
        "every book right by the auditor and by the truth",
        both(
            over_real_sockets,
            held(
                "never_wrong_while_live",
                "books_become_live_and_are_the_truth",
                "a_new_connection_begins_its_books_anew",
            ),
        ),
    ),
    Row(
        "A5", "same seed, same records, whatever the process", "identical", determinism, seeded=True
    ),
    Row(
        "A6",
        "quiet markets",
        "<= 1 needless reconnect a connection-day, 0 stale",
        quiet,
        seeded=True,
    ),
    Row(
        "A7", "mutants of what keeps books right", "30 of 30 killed", killed, long=True, seeded=True
    ),
    Row(
        "A8",
        "manners of reconnecting",
        "<= 300 connects in 5 min, jitter at the cap, backoff reset by data alone",
        held(
            "a_thousand_drops_are_no_storm",
            "jitter_spreads_clients_at_the_cap",
            "backoff_is_reset_by_data_and_not_by_connecting",
            "token_bucket_bounds_every_window",
            "thousands_of_faults_leave_no_connection_stuck",
        ),
    ),
)
