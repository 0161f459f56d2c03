"""Mutants of what keeps a book right: each patch fits the source as it is, and those that cost
little are killed. ``make mutants`` tries all of them.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from bookfeed.scorecard import mutants
from bookfeed.scorecard.mutants import Bench, Fate, Mutant
from bookfeed.scorecard.tree import root

pytestmark = pytest.mark.xdist_group("mutants")
MUTANTS: Final = mutants.mutants()
Patched = Callable[..., Mutant]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if shutil.which("git") is None:
        pytest.skip("git is not here: it puts patches on")
    place = tmp_path_factory.mktemp("mutants")
    bench = Bench(place / "tree", place / "built")
    # No suite here needs its fixtures, and what they import is most of what a run costs.
    (place / "tree/tests/conftest.py").unlink()
    (place / "tree/tests/test_answer.py").write_text(
        "from bookfeed.clock import seconds_ns\ndef test_it(): assert seconds_ns(1) == 10**9\n"
    )
    (place / "tree/tests/test_always_wrong.py").write_text("def test_it(): assert False\n")
    return bench


@pytest.fixture
def patched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patched:
    """A mutant of one line of ``clock.py``, which nothing but the suites named is tried for."""
    monkeypatch.setattr(mutants, "_EVERYTHING", ())

    def patch(old: str, new: str, *suites: str) -> Mutant:
        file = "python/bookfeed/clock.py"
        lines = (root() / file).read_text().splitlines()
        at = lines.index(old)
        path = tmp_path / "99-wrong.patch"
        path.write_text(
            f"Something is wrong.\nSuites: {' '.join(suites)}\n\n--- a/{file}\n+++ b/{file}\n"
            f"@@ -{at},3 +{at},3 @@\n {lines[at - 1]}\n-{old}\n+{new}\n {lines[at + 1]}\n"
        )
        return Mutant.read(path)

    return patch


# The patches.


def test_there_are_thirty_with_numbers_of_their_own() -> None:
    assert [one.number for one in MUTANTS] == list(range(1, 31))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_patch_fits_the_source_as_it_is(bench: Bench, mutant: Mutant) -> None:
    assert bench.fits(mutant) == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_names_suites_that_are_there(mutant: Mutant) -> None:
    for suite in mutant.suites:
        kind, name = suite.split(":")
        file = {
            "rust": f"rust/bookfeed-core/tests/all/{name}.rs",
            "pytest": f"tests/{name}.py",
            "campaign": f"python/bookfeed/scorecard/campaigns/{name.split('/')[0]}.py",
        }
        assert (root() / file[kind]).is_file()
    assert mutant.suites


@pytest.mark.slow
@pytest.mark.parametrize("number", [6])
def test_a_mutant_is_killed(bench: Bench, number: int) -> None:
    (mutant,) = mutants.mutants([number])
    assert bench.fate(mutant).killed_by


# What becomes of a mutant.

SECOND: Final = "NS_PER_S: Final = 1_000_000_000"
WRONG: Final = "NS_PER_S: Final = 1_000_000"


def test_a_suite_that_fails_kills(bench: Bench, patched: Patched) -> None:
    mutant = patched(SECOND, WRONG, "pytest:test_answer")
    assert bench.fate(mutant).killed_by == "pytest:test_answer"
    assert bench.fits(mutant) == "", "the copy is as it was"


def test_what_no_suite_notices_lives(bench: Bench, patched: Patched) -> None:
    fate = bench.fate(patched(SECOND, f"{SECOND}  # a second", "pytest:test_answer"))
    assert (fate.killed_by, fate.trouble) == ("", "")
    figure = mutants.figure([fate, fate._replace(killed_by="pytest:test_answer")])
    assert figure.text.startswith("1 of 2 killed") and figure.seed == 99
    (told,) = figure.problems
    assert "LIVES" in told and "Something is wrong." in told


def test_a_suite_that_fails_by_itself_kills_nothing(bench: Bench, patched: Patched) -> None:
    assert not bench.passes("pytest:test_always_wrong")
    suites = ("pytest:test_always_wrong", "pytest:test_answer")
    assert bench.fate(patched(SECOND, WRONG, *suites)).killed_by == "pytest:test_answer"
    assert bench.fate(patched(SECOND, WRONG, suites[0])).killed_by == ""


def test_suites_of_another_kind_are_left_out(tmp_path: Path, patched: Patched) -> None:
    bench = Bench(tmp_path / "tree", tmp_path / "built", kind="campaign")
    fate = bench.fate(patched(SECOND, WRONG, "pytest:test_clock", "rust:kalshi"))
    assert (fate.killed_by, fate.trouble) == ("", "")


@pytest.mark.parametrize(
    ("new", "suite"), [("NS_PER_S: Final =", "test_answer"), (WRONG, "test_that_nobody_wrote")]
)
def test_what_cannot_be_tried_is_not_killed(
    bench: Bench, patched: Patched, new: str, suite: str
) -> None:
    mutant = patched(SECOND, new, f"pytest:{suite}")
    fate: Fate = bench.fate(mutant)
    assert fate.trouble and not fate.killed_by
    assert bench.fits(mutant) == "", "the copy is as it was"


def test_a_patch_of_other_source_is_trouble(bench: Bench, patched: Patched) -> None:
    mutant = patched(SECOND, WRONG, "pytest:test_answer")
    text = mutant.patch.read_text()
    mutant.patch.write_text(text.replace(f"-{SECOND}", "-SECONDS = 1"))
    assert "does not apply" in bench.fate(mutant).trouble
    assert bench.fits(mutant)


def test_a_patch_says_what_it_breaks(tmp_path: Path) -> None:
    (tmp_path / "31-mute.patch").write_text("--- a/x.py\n+++ b/x.py\n")
    with pytest.raises(ValueError, match="31-mute"):
        Mutant.read(tmp_path / "31-mute.patch")


def test_a_mutant_that_is_not_there_is_an_error() -> None:
    with pytest.raises(LookupError, match="no mutant 31"):
        mutants.mutants([1, 31])
