"""Rows E: what can be read off the source, and fuzzing."""

import re
import tomllib
from typing import Any, Final

from bookfeed.scorecard.held import held
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row
from bookfeed.scorecard.tree import program, root, run, said

UNSAFE_MAX: Final = 10
_FUZZ_S: Final = 20
_CASTS: Final = ("cast_possible_truncation", "cast_sign_loss", "cast_possible_wrap")
_PANICS: Final = ("unwrap_used", "expect_used", "panic")


def _manifest() -> dict[str, Any]:
    return tomllib.loads((root() / "Cargo.toml").read_text())


def _unlinted(names: tuple[str, ...]) -> list[str]:
    lints = _manifest()["workspace"]["lints"]["clippy"]
    return [f"clippy::{name} is not a lint here" for name in names if lints.get(name) != "warn"]


def _clippy(*more: str) -> tuple[int, str]:
    """How much clippy finds in the core with lints besides, and its last words if it failed."""
    flags = [flag for lint in more for flag in ("-W", lint)]
    command = [program("cargo"), "clippy", "--locked", "--quiet", "--package", "bookfeed-core"]
    done = run([*command, "--lib", "--", *flags])
    if done.returncode:
        return 0, said(done)
    return len(re.findall(r"^warning: (?!`|\d)", done.stderr, re.MULTILINE)), ""


def unsafe(effort: Effort) -> Figure:
    """EU."""
    figure = held("unsafe_code_is_in_the_bindings_only_and_says_why")(effort)
    sources = sorted((root() / "rust" / "bookfeed-py" / "src").rglob("*.rs"))
    blocks = sum(len(re.findall(r"\bunsafe \{", path.read_text())) for path in sources)
    problems = list(figure.problems)
    if blocks > UNSAFE_MAX:
        problems.append(f"{blocks} unsafe blocks, at most {UNSAFE_MAX} are wanted")
    return Figure(f"{blocks} blocks in the bindings, 0 in the core", tuple(problems))


def arithmetic(effort: Effort) -> Figure:
    """EO."""
    problems = _unlinted(_CASTS)
    if not _manifest()["profile"]["release"].get("overflow-checks"):
        problems.append("overflow-checks are off in release")
    if effort.tier == "quick":
        return Figure("checked in release, narrowing casts are lints", tuple(problems))
    found, failure = _clippy()
    problems += [failure] if failure else []
    problems += [f"clippy warns {found} times"] if found else []
    return Figure(f"checked in release, {found} narrowing casts", tuple(problems))


def panics(effort: Effort) -> Figure:
    """EP."""
    problems = _unlinted(_PANICS)
    if effort.tier == "quick":
        return Figure("unwrap, expect and panic are lints", tuple(problems))
    found, failure = _clippy("clippy::indexing_slicing")
    problems += [failure] if failure else []
    problems += [f"{found} places index or slice unchecked"] if found else []
    return Figure(f"0 unwrap, expect, panic; {found} places index or slice", tuple(problems))


def fuzzed(_: Effort) -> Figure:
    """EQ."""
    program("cargo")
    done = run([str(root() / "scripts" / "fuzz"), str(_FUZZ_S)])
    targets = len(re.findall(r"^fuzz \w+ for", done.stdout, re.MULTILINE))
    units = sum(map(int, re.findall(r"executed_units: *(\d+)", done.stdout)))
    bad = (said(done),) if done.returncode else ()
    return Figure(f"{targets} targets, {units:.2g} runs", bad)


def _miri(_: Effort) -> Figure:
    raise NotMeasuredError("Miri needs a nightly toolchain; `make memory` runs valgrind instead")


def _release_fuzz(_: Effort) -> Figure:
    raise NotMeasuredError("hours: `make fuzz SECONDS=1800`")


ROWS: Final = (
    Row("EQ", "fuzzing, 20 s a target", "0 findings", fuzzed, long=True),
    Row("EN", "fuzzing, 30 min a target", "0 findings, coverage >= 95 %", _release_fuzz),
    Row("EM", "Miri on the core", "0 undefined behaviour", _miri),
    Row("EU", "unsafe code", "0 in the core, <= 10 blocks, each with its reason", unsafe),
    Row("EO", "arithmetic", "overflow checked in release, 0 narrowing casts", arithmetic),
    Row("EP", "panics", "none where input can reach", panics),
)
