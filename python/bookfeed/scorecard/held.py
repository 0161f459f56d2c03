"""Rows that tests hold, wherever these stand: they are named as functions are."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from bookfeed.scorecard.pytests import Tests
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row
from bookfeed.scorecard.tree import program, python_tests, run, rust_tests, said

Play = Callable[[Effort], Figure]
HOW_OFTEN: Final[Mapping[str, tuple[str, str]]] = {
    "BOOKFEED_KILL_REPS": ("20", "500"),
    "BOOKFEED_POWER_LOSS_STATES": ("500", "10000"),
    "BOOKFEED_CYCLES": ("40", "1000"),
}
"""How often tests repeat what they do, in the quick tier and in the full one."""


@dataclass(frozen=True)
class Held:
    """By Python tests of these names, without their ``test_``."""

    names: tuple[str, ...]

    def nodes(self) -> list[str]:
        """The tests, as pytest takes them."""
        return [node for name in self.names for node in python_tests(name)]

    def __call__(self, effort: Effort) -> Figure:
        told = tests_of(effort).of(self.nodes())
        skipped = f", {told.skipped} skipped" if told.skipped else ""
        bad = told.failed if told.passed or told.failed else ("every test was skipped",)
        return Figure(f"{told.passed} tests pass{skipped} ({told.seconds:.0f} s)", bad)


@cache
def tests_of(effort: Effort) -> Tests:
    """The tests of an effort: those that hold several rows are run once."""
    env = {name: values[effort.of(0, 1)] for name, values in HOW_OFTEN.items()}
    return Tests(env, effort.workers)


def prepare(rows: Iterable[Row], effort: Effort) -> None:
    """Runs all Python tests that hold any of these rows, in one go."""
    nodes: set[str] = set()
    for row in rows:
        for one in _parts(row.play):
            if isinstance(one, Held):
                nodes.update(one.nodes())
    tests_of(effort).run(nodes)


def _parts(play: Play | None) -> Iterator[Play]:
    """What a row is held by."""
    if isinstance(play, Both):
        for each in play.plays:
            yield from _parts(each)
    elif play is not None:
        yield play


@dataclass(frozen=True)
class HeldByRust:
    """By tests of the Rust part; in the full tier by those besides that take ``long``."""

    names: tuple[str, ...]
    long: tuple[str, ...] = ()

    def __call__(self, effort: Effort) -> Figure:
        figures = [_cargo(self.names, "--test-threads=2")]
        if self.long and effort.tier == "full":
            figures.append(_cargo(self.long, "--ignored", "--release"))
        passed = sum(count for count, _ in figures)
        return Figure(f"{passed} tests pass", tuple(one for _, bad in figures for one in bad))


def _cargo(names: Sequence[str], *flags: str) -> tuple[int, list[str]]:
    """How many of these pass, and what is wrong with the others."""
    cargo, passed, bad = program("cargo"), 0, []
    profile = [flag for flag in flags if flag == "--release"]
    more = [flag for flag in flags if flag != "--release"]
    targets: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        for target in rust_tests(name):
            targets.setdefault(target, []).append(name)
    for target, wanted in targets.items():
        command = [cargo, "test", "--locked", "--quiet", *profile, *target, "--", *more, *wanted]
        done = run(command)
        count = sum(map(int, re.findall(r"(\d+) passed", done.stdout)))
        passed += count
        if done.returncode or count < len(wanted):
            bad.append(f"{', '.join(wanted)}: {said(done)}")
    return passed, bad


@dataclass(frozen=True)
class Both:
    """By several things. What cannot be measured here is said, if anything else can."""

    plays: tuple[Play, ...]

    def __call__(self, effort: Effort) -> Figure:
        texts: list[str] = []
        problems: list[str] = []
        seed: int | None = None
        reasons: list[str] = []
        for play in self.plays:
            try:
                figure = play(effort)
            except NotMeasuredError as error:
                reasons.append(str(error))
                continue
            texts.append(figure.text)
            problems += figure.problems
            seed = figure.seed if seed is None else seed
        if not texts:
            raise NotMeasuredError(reasons[0])
        said = "".join(f"; part not measured: {reason}" for reason in reasons)
        return Figure("; ".join(texts) + said, tuple(problems), seed)


def held(*names: str) -> Held:
    """See ``Held``."""
    return Held(names)


def held_by_rust(*names: str, long: Sequence[str] = ()) -> HeldByRust:
    """See ``HeldByRust``."""
    return HeldByRust(names, tuple(long))


def both(*plays: Play) -> Both:
    """See ``Both``."""
    return Both(plays)


def named_tests(play: Play | None) -> Iterator[tuple[str, bool]]:
    """The tests that a row names, and whether they are Rust's."""
    for one in _parts(play):
        if isinstance(one, Held):
            yield from ((name, False) for name in one.names)
        elif isinstance(one, HeldByRust):
            yield from ((name, True) for name in (*one.names, *one.long))
