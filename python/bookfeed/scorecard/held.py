"""Rows that tests hold, wherever these stand: they are named as functions are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from subprocess import TimeoutExpired
from typing import Final

from bookfeed.scorecard.cargo import RustTests
from bookfeed.scorecard.pytests import Tests
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row
from bookfeed.scorecard.spent import Spent
from bookfeed.scorecard.tree import python_tests

Play = Callable[[Effort], Figure]
HOW_OFTEN: Final[Mapping[str, tuple[str, str]]] = {
    "BOOKFEED_TIMES": ("1", "4"),
    "BOOKFEED_KILL_REPS": ("20", "500"),
    "BOOKFEED_POWER_LOSS_STATES": ("500", "10000"),
    "BOOKFEED_CYCLES": ("40", "1000"),
    "BOOKFEED_VENUE_CYCLES": ("12", "1000"),
    "BOOKFEED_NEIGHBOURS_S": ("6", "600"),
    "BOOKFEED_OTHER_BOOK_SEEDS": ("1", "30"),
    "BOOKFEED_SINK_KILLS": ("4", "100"),
    "BOOKFEED_REDIS_PUBLISHES": ("5000", "1000000"),
}
"""How often or how long tests do what they do, in the quick tier and in the full one."""

NONE_RAN: Final = ("every test was skipped",)
"""What is wrong with a row none of whose tests ran."""


_PIECES: Final = 8
"""Goes in which the tests of the full tier are run, which take an hour together and more."""


@dataclass(frozen=True)
class Held:
    """By Python tests of these names, without their ``test_``."""

    names: tuple[str, ...]

    def nodes(self) -> list[str]:
        """The tests, as pytest takes them."""
        return [node for name in self.names for node in python_tests(name)]

    def __call__(self, effort: Effort) -> Figure:
        tests, nodes = tests_of(effort), self.nodes()
        told = tests.of(nodes)
        skipped = f", {told.skipped} skipped" if told.skipped else ""
        report = tests.told_by(nodes)
        earlier = f", as {report} tells" if report else ""
        bad = told.failed if told.passed or told.failed else NONE_RAN
        text = f"{told.passed} tests pass{skipped} ({told.seconds:.0f} s{earlier})"
        return Figure(text, bad, before=tests.claim(nodes))


@cache
def tests_of(effort: Effort) -> Tests:
    """The tests of an effort: those that hold several rows are run once."""
    env = {name: values[effort.of(0, 1)] for name, values in HOW_OFTEN.items()}
    return Tests(env, effort.workers, effort.tests)


@cache
def rust_tests_of(*, long: bool) -> RustTests:
    """Those of the Rust part, likewise."""
    return RustTests(long=long)


def prepare(rows: Sequence[Row], effort: Effort) -> None:
    """Runs all tests that hold any of these rows: Rust's in one go, Python's in some.

    What does not come to its end that way is left to the rows, which ask for theirs alone: one that
    hangs costs the others nothing but what was run beside it.
    """
    parts = [one for row in rows for one in _parts(row.play)]
    by_python = [one for one in parts if isinstance(one, Held)]
    nodes = sorted({node for one in by_python for node in one.nodes()})
    for piece in _pieces(nodes, effort.of(1, _PIECES)):
        with suppress(TimeoutExpired):
            tests_of(effort).ahead(piece)
    by_rust = [one for one in parts if isinstance(one, HeldByRust)]
    with suppress(TimeoutExpired):
        rust_tests_of(long=False).ahead(name for one in by_rust for name in one.names)


def _pieces(nodes: Sequence[str], count: int) -> Iterator[list[str]]:
    """So many parts of about one size; tests of one file stay together."""
    by_file = [list(each) for _, each in groupby(nodes, lambda node: node.split(":", 1)[0])]
    wanted = -(-len(nodes) // count)
    piece: list[str] = []
    for each in by_file:
        piece += each
        if len(piece) >= wanted:
            yield piece
            piece = []
    if piece:
        yield piece


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
        asked = [(rust_tests_of(long=False), self.names)]
        if self.long and effort.tier == "full":
            asked.append((rust_tests_of(long=True), self.long))
        told = [tests.of(names) for tests, names in asked]
        spent = Spent()
        for tests, names in asked:
            spent = spent.plus(tests.claim(names))
        bad = tuple(bad for one in told for bad in one.failed)
        return Figure(f"{sum(one.passed for one in told)} tests pass", bad, before=spent)


@dataclass(frozen=True)
class Both:
    """By several things. What cannot be measured here is said, if anything else can."""

    plays: tuple[Play, ...]

    def __call__(self, effort: Effort) -> Figure:
        texts: list[str] = []
        problems: list[str] = []
        seed: int | None = None
        struck: Mapping[str, Mapping[str, int]] = {}
        before = Spent()
        reasons: list[str] = []
        for play in self.plays:
            try:
                figure = play(effort)
            except NotMeasuredError as error:
                reasons.append(str(error))
                continue
            texts.append(figure.text)
            problems += figure.problems
            before = before.plus(figure.before)
            seed = figure.seed if seed is None else seed
            struck = struck or figure.struck
        if not texts:
            raise NotMeasuredError(reasons[0])
        said = "".join(f"; part not measured: {reason}" for reason in reasons)
        return Figure("; ".join(texts) + said, tuple(problems), seed, struck, before)


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
