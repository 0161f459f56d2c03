"""The source tree, where a row needs it: its tests, and the programs that are run in it."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from bookfeed.scorecard.row import NotMeasuredError

_TIMEOUT_S: Final = 3_600
_TAIL: Final = 3
"""Lines of a program's output that are told when it fails."""


@cache
def root() -> Path:
    """The checkout that this is run in; ``NotMeasuredError`` for an installed package alone."""
    for place in (Path.cwd(), *Path(__file__).parents):
        if (place / "rust" / "bookfeed-core").is_dir() and (place / "tests").is_dir():
            return place
    raise NotMeasuredError("needs the source tree: run it there")


def program(name: str) -> str:
    """Where a program is; ``NotMeasuredError`` if it is not here."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise NotMeasuredError(f"needs {name}, which is not here")
    return found


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    at: Path | None = None,
    within_s: float = _TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """A program run to its end in the source tree, or ``at`` another place, whatever comes of it.

    ``subprocess.TimeoutExpired`` if it does not come to its end.
    """
    return subprocess.run(  # noqa: S603 (our own programs)
        command,
        cwd=at or root(),
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=within_s,
        check=False,
    )


def campaign(module: str, *arguments: str) -> dict[str, Any]:
    """The figures of a campaign that needs a process of its own, because it has its own clock."""
    done = run([sys.executable, "-m", module, *arguments])
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise RuntimeError(said(done))
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The last words of a program."""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return " | ".join(line.strip() for line in lines[-_TAIL:])


def python_tests(name: str) -> tuple[str, ...]:
    """The Python tests of that name (without ``test_``), as pytest takes them.

    ``LookupError`` if there is none.
    """
    found = _python().get(f"test_{name}", ())
    if not found:
        raise LookupError(f"there is no Python test {name}")
    return found


def rust_tests(name: str) -> tuple[tuple[str, ...], ...]:
    """The programs that hold a Rust test of that name, as arguments of ``cargo test``.

    ``LookupError`` if there is none.
    """
    found = _rust().get(name, ())
    if not found:
        raise LookupError(f"there is no Rust test {name}")
    return tuple(_target(path.relative_to(root()).parts) for path in found)


def _target(parts: tuple[str, ...]) -> tuple[str, ...]:
    if "tests" not in parts:
        return ("--lib",)
    return ("--test", parts[parts.index("tests") + 1].removesuffix(".rs"))


@cache
def _python() -> Mapping[str, tuple[str, ...]]:
    """Every Python test, as pytest takes it."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((root() / "tests").glob("test_*.py")):
        place = str(path.relative_to(root()))
        for node in ast.parse(path.read_text()).body:
            inside = node.body if isinstance(node, ast.ClassDef) else [node]
            scope = f"{place}::{node.name}" if isinstance(node, ast.ClassDef) else place
            for one in inside:
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                    found[one.name] = (*found.get(one.name, ()), f"{scope}::{one.name}")
    return found


@cache
def _rust() -> Mapping[str, tuple[Path, ...]]:
    """The files in which each function of Rust is defined."""
    found: dict[str, tuple[Path, ...]] = {}
    for folder in (*root().glob("rust/*/src"), *root().glob("rust/*/tests")):
        for path in sorted(folder.rglob("*.rs")):
            for name in re.findall(r"\bfn (\w+)\s*\(", path.read_text()):
                found[name] = (*found.get(name, ()), path)
    return found
