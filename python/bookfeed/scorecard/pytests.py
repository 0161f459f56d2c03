"""Python tests, run by pytest, or as an earlier run of it told."""

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from bookfeed.scorecard.build import PARTS
from bookfeed.scorecard.row import NotMeasuredError
from bookfeed.scorecard.runs import Runs, Told
from bookfeed.scorecard.tree import root, run, said

# Parameters, and the group in which pytest-xdist keeps tests together.
_PARAMETERS: Final = re.compile(r"[\[@].*\Z", re.DOTALL)
_WORDS_MAX: Final = 200


class Tests(Runs):
    """Tests by their nodes. ``env`` is set for all of them, ``workers`` share them out; those that
    ``report`` has, which pytest wrote of this tree, are not run again.
    """

    def __init__(self, env: Mapping[str, str], workers: int, report: Path | None = None) -> None:
        super().__init__()
        self._env: Final = env
        self._workers: Final = workers
        self._report: Final = report
        self._earlier: Final = {} if report is None else _read(report)

    def told_by(self, nodes: Sequence[str]) -> Path | None:
        """The report that has all of these."""
        return self._report if set(_by_node(nodes, self._earlier)) == set(nodes) else None

    def play(self, names: Sequence[str]) -> Mapping[str, Told]:
        """See ``Runs``."""
        told = dict(_by_node(names, self._earlier))
        new = [node for node in names if node not in told]
        if not new:
            return told
        if find_spec("pytest") is None:
            raise NotMeasuredError("needs pytest, which is not here")
        several = self._workers > 1 and len(new) > 1 and find_spec("xdist") is not None
        shared = ["-n", str(self._workers), "--dist", "loadgroup"] if several else []
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "told.xml"
            command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={path}", *shared, *new]
            done = run(command, env=self._env)
            missing = {node: Told(failed=(f"{node} was not run: {said(done)}",)) for node in new}
            return {**missing, **_by_node(new, _read(path) if path.exists() else {}), **told}


def younger(report: Path) -> Iterator[Path]:
    """What of the package and its tests is younger than a report, compiled part and all."""
    written_ns = report.stat().st_mtime_ns
    for place in (root() / "python" / "bookfeed", root() / "tests"):
        for path in (path for part in PARTS for path in place.rglob(part)):
            if path.stat().st_mtime_ns > written_ns:
                yield path


def _by_node(nodes: Sequence[str], told: Mapping[str, Told]) -> dict[str, Told]:
    """What a report has of these."""
    found = {}
    for node in nodes:
        file, *classes, name = re.split(":+", node)
        module = ".".join([file.removesuffix(".py").replace("/", "."), *classes])
        if (one := told.get(f"{module}::{name}")) is not None:
            found[node] = one
    return found


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
