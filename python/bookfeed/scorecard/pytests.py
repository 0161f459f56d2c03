"""Python tests, run in one go for all rows that they hold, and asked for one by one."""

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

from bookfeed.scorecard.row import NotMeasuredError
from bookfeed.scorecard.tree import run, said

_PARAMETERS: Final = re.compile(r"\[.*\Z", re.DOTALL)
_WORDS_MAX: Final = 200


class Told(NamedTuple):
    """What became of one test function, with all its parameters."""

    passed: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    seconds: float = 0.0


class Tests:
    """What was run so far. ``env`` is set for all of them, ``workers`` share them out."""

    def __init__(self, env: Mapping[str, str], workers: int) -> None:
        self._env: Final = env
        self._workers: Final = workers
        self._told: Final[dict[str, Told]] = {}

    def run(self, nodes: Iterable[str]) -> None:
        """Runs those that were not run yet; ``NotMeasuredError`` without pytest."""
        new = sorted(set(nodes) - self._told.keys())
        if not new:
            return
        if find_spec("pytest") is None:
            raise NotMeasuredError("needs pytest, which is not here")
        several = self._workers > 1 and len(new) > 1 and find_spec("xdist") is not None
        shared = ["-n", str(self._workers), "--dist", "loadgroup"] if several else []
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "told.xml"
            command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={path}", *shared, *new]
            done = run(command, env=self._env)
            told = _read(path) if path.exists() else {}
        for node in new:
            file, *classes, name = re.split(":+", node)
            module = ".".join([file.removesuffix(".py").replace("/", "."), *classes])
            missing = Told(failed=(f"{node} was not run: {said(done)}",))
            self._told[node] = told.get(f"{module}::{name}", missing)

    def of(self, nodes: Iterable[str]) -> Told:
        """What became of these, run now if they were not; together."""
        wanted = list(nodes)
        self.run(wanted)
        each = [self._told[node] for node in wanted]
        return Told(
            sum(one.passed for one in each),
            sum(one.skipped for one in each),
            tuple(text for one in each for text in one.failed),
            sum(one.seconds for one in each),
        )


def _read(path: Path) -> dict[str, Told]:
    """By module and function: what a report says of each."""
    found: dict[str, Told] = {}
    for case in ElementTree.parse(path).iter("testcase"):  # noqa: S314 (as above)
        scope, name = case.get("classname", ""), case.get("name", "")
        key = f"{scope}::{_PARAMETERS.sub('', name)}"
        before = found.get(key, Told())
        bad = [each for kind in ("failure", "error") for each in case.findall(kind)]
        skipped = case.find("skipped") is not None
        words = tuple(f"{name}: {each.get('message', '')[:_WORDS_MAX]}" for each in bad)
        found[key] = Told(
            before.passed + (not bad and not skipped),
            before.skipped + skipped,
            (*before.failed, *words),
            before.seconds + float(case.get("time", "0")),
        )
    return found
