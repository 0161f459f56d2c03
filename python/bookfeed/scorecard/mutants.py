"""Mutants: each breaks one thing that keeps a book right, and a suite has to notice.

``tests/mutants`` has them as patches. The first line of each says what it breaks, the second which
suites are tried first; if none of those fails, all others are. A mutant is put on a copy of the
source tree, built and tried there. A suite counts only if it passes without any mutant. As a
program it plays all mutants, or those that are named (``--only 07``), and exits with 1 if one of
them lives. With ``--by campaign`` it tries suites of that kind alone, to see how far they reach.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from bookfeed import _bookfeed
from bookfeed.scorecard import campaigns
from bookfeed.scorecard.build import build
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError
from bookfeed.scorecard.tree import program, root, run, said

_SEEDS: Final = 6
"""Of a campaign that is named."""
_SWEEP: Final = (
    "import sys; from bookfeed.scorecard.rows.campaign import failed, mixed; "
    "sys.exit(bool(failed(map(mixed, range(1, 25)))[0]))"
)
"""Row A1 with few seeds: every venue in turn."""
_EVERYTHING: Final = ("rust:*", "campaign:*", "pytest:*")
"""What is tried where no suite that is named has failed."""
_WITHIN_S: Final = 900
_HEAD: Final = "Suites:"
_FAILED: Final = {"rust": (101,), "campaign": (1,), "pytest": (1,)}
"""With what a suite exits of which a test fails; anything else is trouble of its own."""


@dataclass(frozen=True)
class Mutant:
    """One patch."""

    number: int
    name: str
    what: str
    """What it breaks."""
    suites: tuple[str, ...]
    """Those that are tried first."""
    patch: Path
    files: tuple[str, ...]

    @property
    def rust(self) -> bool:
        """Whether something has to be built."""
        return any(file.endswith(".rs") for file in self.files)

    @classmethod
    def read(cls, patch: Path) -> "Mutant":
        """What a patch says of itself; ``ValueError`` if it does not."""
        text = patch.read_text()
        what, suites, *_ = [*text.splitlines(), "", ""]
        files = tuple(re.findall(r"^\+\+\+ b/(\S+)", text, re.MULTILINE))
        number, _, name = patch.stem.partition("-")
        if not (what and suites.startswith(_HEAD) and files and number.isdecimal()):
            raise ValueError(f"{patch.name}: needs what it breaks, its suites, and a patch")
        tried = tuple(suites.removeprefix(_HEAD).split())
        return cls(int(number), name, what, tried, patch, files)


class Fate(NamedTuple):
    """What became of a mutant."""

    mutant: Mutant
    killed_by: str
    """The suite that failed; empty if it lives."""
    trouble: str
    """Why it could not be tried; empty otherwise."""
    seconds: float

    def line(self) -> str:
        """The same for people."""
        how = f"killed by {self.killed_by}" if self.killed_by else self.trouble or "LIVES"
        return f"{self.mutant.number:02} {how} ({self.seconds:.0f} s): {self.mutant.what}"


def mutants(only: Iterable[int] = ()) -> list[Mutant]:
    """All of them in their order, or those of these numbers; ``LookupError`` if one is absent."""
    found = [Mutant.read(patch) for patch in sorted((root() / "tests/mutants").glob("*.patch"))]
    wanted = set(only)
    if absent := wanted - {one.number for one in found}:
        raise LookupError(f"there is no mutant {min(absent)}")
    return [one for one in found if not wanted or one.number in wanted]


class TroubleError(Exception):
    """A mutant could not be tried: what failed has nothing to do with what it breaks."""


class Bench:
    """A copy of the source tree, in which mutants are tried one after the other."""

    def __init__(self, place: Path, built: Path, *, kind: str = "") -> None:
        """Tries suites of that ``kind`` alone, if one is named."""
        self._kind: Final = kind
        self._tree: Final = place
        self._built: Final = built
        self._env: Final = {
            # Not the repository in which the copy lies: patches are for the copy.
            "GIT_CEILING_DIRECTORIES": str(place.parent),
            "CARGO_TARGET_DIR": str(built),
            "PYTHONPATH": str(place / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._passes: Final[dict[str, bool]] = {}
        _copy(place)
        self._put_extension(Path(str(_bookfeed.__file__)))
        where = "import bookfeed; print(bookfeed.__file__)"
        done = self._run([sys.executable, "-c", where])
        if not done.stdout.startswith(str(place)):
            raise TroubleError(f"another package than the copy is imported: {said(done)}")

    def passes(self, suite: str) -> bool:
        """Whether a suite passes without a mutant; only then it can kill one."""
        if suite not in self._passes:
            self._passes[suite] = not self._fails(suite)
        return self._passes[suite]

    def fits(self, mutant: Mutant) -> str:
        """Why a patch cannot be put on the tree; empty if it can."""
        done = self._run([program("git"), "apply", "--check", str(mutant.patch)])
        return said(done) if done.returncode else ""

    def fate(self, mutant: Mutant) -> Fate:
        """Tries suites until one fails that passes without the mutant."""
        begun_s, killed_by, trouble = time.monotonic(), "", ""
        tried: set[str] = set()
        try:
            while not killed_by:
                suite = self._first_to_fail(mutant, tried)
                if suite is None:
                    break
                killed_by = suite if self.passes(suite) else ""
        except TroubleError as error:
            trouble = str(error)
        return Fate(mutant, killed_by, trouble, time.monotonic() - begun_s)

    def _first_to_fail(self, mutant: Mutant, tried: set[str]) -> str | None:
        """The first suite to fail of those that were not tried yet, if any does."""
        suites = [
            suite
            for suite in dict.fromkeys((*mutant.suites, *_EVERYTHING))
            if suite not in tried
            and suite.startswith(self._kind)
            and (mutant.rust or not suite.startswith("rust:"))
            # What fails by itself need not be tried, as far as that is known.
            and self._passes.get(suite, True)
        ]
        if not suites:
            return None
        self._apply(mutant)
        extension = False
        try:
            self._check_python(mutant)
            for suite in suites:
                tried.add(suite)
                if not suite.startswith("rust:") and mutant.rust and not extension:
                    self._build_extension()
                    extension = True
                if self._fails(suite):
                    return suite
            return None
        finally:
            self._apply(mutant, "--reverse")
            if extension:
                self._put_extension(Path(str(_bookfeed.__file__)))

    def _apply(self, mutant: Mutant, *flags: str) -> None:
        done = self._run([program("git"), "apply", *flags, str(mutant.patch)])
        if done.returncode:
            raise TroubleError(f"its patch does not apply: {said(done)}")

    def _check_python(self, mutant: Mutant) -> None:
        """What cannot be read would fail every suite, and prove nothing."""
        for file in mutant.files:
            if file.endswith(".py"):
                try:
                    compile((self._tree / file).read_text(), file, "exec")
                except SyntaxError as error:
                    raise TroubleError(f"it is no Python: {error}") from error

    def _fails(self, suite: str) -> bool:
        kind = suite.partition(":")[0]
        command = _command(suite)
        if kind == "rust":
            self._must([*command, "--no-run"])
        try:
            done = self._run(command)
        except subprocess.TimeoutExpired:
            return True
        if done.returncode and done.returncode not in _FAILED[kind]:
            raise TroubleError(f"{suite} exits with {done.returncode}: {said(done)}")
        return done.returncode != 0

    def _build_extension(self) -> None:
        features = ("--features", "pyo3/extension-module")
        self._must(
            [program("cargo"), "build", "--locked", "--quiet", "-p", "bookfeed-py", *features]
        )
        self._put_extension(self._built / "debug" / "lib_bookfeed.so")

    def _put_extension(self, built: Path) -> None:
        # A file of its own each time: one that is mapped somewhere must not change.
        target = self._tree / "python" / "bookfeed" / Path(str(_bookfeed.__file__)).name
        target.unlink(missing_ok=True)
        shutil.copyfile(built, target)

    def _must(self, command: Sequence[str]) -> None:
        done = self._run(command)
        if done.returncode:
            raise TroubleError(f"it does not build: {said(done)}")

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return run(command, env=self._env, at=self._tree, within_s=_WITHIN_S)


def _command(suite: str) -> list[str]:
    """How a suite is run; ``LookupError`` if there is none of that name."""
    kind, _, name = suite.partition(":")
    if kind == "rust":
        # A file of the one program that has nearly all tests, or every program.
        played = ["*"] if name == "*" else ["all", f"{name}::"]
        core = ["-p", "bookfeed-core", "--test", *played]
        return [program("cargo"), "test", "--locked", "--quiet", *core]
    if suite == "campaign:*":
        return [sys.executable, "-c", _SWEEP]
    if kind == "campaign":
        module, *flags = name.split("/")
        played = [f"{campaigns.__name__}.{module}", f"--seeds={_SEEDS}", *flags]
        return [sys.executable, "-m", *played]
    if kind == "pytest":
        # Those of mutants make copies of their own.
        all_else = ("-m", "not slow", "--ignore", "tests/test_mutants.py")
        which = all_else if name == "*" else (f"tests/{name}.py",)
        return [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *which]
    raise LookupError(f"there is no suite {suite!r}")


def _copy(place: Path) -> None:
    """Everything that git knows of, or would take, as files of now: what was built there before
    from a mutant is built anew."""
    listed = run([program("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    if listed.returncode:
        raise NotMeasuredError("needs a clone: git says which files there are")
    shutil.rmtree(place, ignore_errors=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, target = root() / name, place / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def fates(only: Iterable[int] = (), kind: str = "") -> Iterator[Fate]:
    """What becomes of each mutant. Suites are tried without any first, all at once, since what is
    built for one serves the next.
    """
    wanted = mutants(only)
    place = root() / "target" / "mutants"
    bench = Bench(place / "tree", place / "built", kind=kind)
    for suite in dict.fromkeys(suite for one in wanted for suite in one.suites[:1]):
        if suite.startswith(kind):
            bench.passes(suite)
    yield from map(bench.fate, wanted)


def figure(told: Sequence[Fate]) -> Figure:
    """All fates as one figure."""
    killed = sum(bool(one.killed_by) for one in told)
    alive = [one for one in told if not one.killed_by]
    minutes = sum(one.seconds for one in told) / 60
    text = f"{killed} of {len(told)} killed ({minutes:.0f} min)"
    problems = tuple(one.line() for one in alive)
    return Figure(text, problems, alive[0].mutant.number if alive else None)


def killed(effort: Effort) -> Figure:
    """A7; the number of a mutant takes the place of a seed. What all of them came to for this
    build is not played again.
    """
    program("cargo")
    if effort.seed is not None:
        return figure(list(fates((effort.seed,))))
    told = json.loads(_told().read_text()) if _told().exists() else {}
    if told.get("build") == build():
        return Figure(told["text"], tuple(told["problems"]), told["seed"])
    came = figure(list(fates()))
    _keep(came)
    return came


def _told() -> Path:
    return root() / "target" / "mutants" / "told.json"


def _keep(came: Figure) -> None:
    """What all mutants came to."""
    told = {"build": build(), "text": came.text, "problems": came.problems, "seed": came.seed}
    _told().write_text(json.dumps(told))


def main(args: Sequence[str] | None = None) -> int:
    """Plays them and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", default=(), help="numbers of mutants")
    parser.add_argument("--by", default="", choices=tuple(_FAILED), help="suites of one kind")
    told: list[Fate] = []
    asked = parser.parse_args(args)
    for fate in fates(asked.only, asked.by):
        told.append(fate)
        print(fate.line(), flush=True)
    came = figure(told)
    if not (asked.only or asked.by):
        _keep(came)
    print(came.text)
    return int(bool(came.problems))


if __name__ == "__main__":
    sys.exit(main())
