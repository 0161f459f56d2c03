"""Rows that tests hold, wherever these stand: they are named as functions are."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError
from bookfeed.scorecard.tree import program, python_tests, run, rust_tests, said

Play = Callable[[Effort], Figure]
_COUNTED: Final = re.compile(r"\b(\d+) (passed|failed|skipped|error)")


@dataclass(frozen=True)
class Held:
    """By Python tests of these names, without their ``test_``."""

    names: tuple[str, ...]
    env: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What is set for them in the quick tier, and in the full one."""

    def __call__(self, effort: Effort) -> Figure:
        nodes = sorted(node for name in self.names for node in python_tests(name))
        given = {key: values[effort.of(0, 1)] for key, values in self.env.items()}
        done = run([sys.executable, "-m", "pytest", *nodes], env=given)
        if "No module named pytest" in done.stderr:
            raise NotMeasuredError("needs pytest, which is not here")
        counts = {word: int(number) for number, word in _COUNTED.findall(done.stdout)}
        passed = counts.get("passed", 0)
        skipped = f", {counts['skipped']} skipped" if "skipped" in counts else ""
        bad = () if done.returncode == 0 and passed else (said(done),)
        return Figure(f"{passed} tests pass{skipped}", bad)


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


def held(*names: str, env: Mapping[str, tuple[str, str]] | None = None) -> Held:
    """See ``Held``."""
    return Held(names, env or {})


def held_by_rust(*names: str, long: Sequence[str] = ()) -> HeldByRust:
    """See ``HeldByRust``."""
    return HeldByRust(names, tuple(long))


def both(*plays: Play) -> Both:
    """See ``Both``."""
    return Both(plays)


def named_tests(play: Play | None) -> Iterator[tuple[str, bool]]:
    """The tests that a row names, and whether they are Rust's."""
    match play:
        case Both(plays):
            for each in plays:
                yield from named_tests(each)
        case Held(names):
            yield from ((name, False) for name in names)
        case HeldByRust(names, long):
            yield from ((name, True) for name in (*names, *long))
        case _:
            return
