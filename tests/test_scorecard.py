"""The scorecard: its rows, what becomes of them, and the command."""

import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from lengths import TIMES

from bookfeed.cli import main
from bookfeed.scorecard import cargo, kept, pytests, tree
from bookfeed.scorecard.campaigns.world import World, found, worlds
from bookfeed.scorecard.held import both, held, named_tests, prepare
from bookfeed.scorecard.kept import Kept
from bookfeed.scorecard.play import NOT_BUILT, played, shared_out
from bookfeed.scorecard.row import Effort, Figure, NotMeasuredError, Row
from bookfeed.scorecard.rows import ROWS, campaign, matrix, stated
from bookfeed.scorecard.runs import Runs, Told
from bookfeed.scorecard.told import below, counted, line, page

FEW = """
import pytest
@pytest.mark.parametrize("n", [1, 2])
def test_twice(n): assert n
@pytest.mark.skip(reason="no")
def test_never(): pass
def test_wrong(): raise AssertionError("two")
class TestClass:
    def test_in_it(self): pass
"""
ALONE = Effort("quick", seed=3)


def row(play: Callable[[Effort], Figure] | None) -> Row:
    return Row("X1", "a thing", "is there", play, seeded=True)


def raising(error: Exception) -> Callable[[Effort], Figure]:
    def play(_: Effort) -> Figure:
        raise error

    return play


# Rows.


def test_every_row_has_an_id_of_its_own() -> None:
    ids = [one.id for one in ROWS]
    assert len(ids) == len(set(ids)) > 80
    assert all(one.what and one.target for one in ROWS)


@pytest.mark.xdist_group("names")  # all tests there are are read once
@pytest.mark.parametrize("one", ROWS, ids=lambda one: one.id)
def test_the_tests_that_hold_a_row_are_there(one: Row) -> None:
    for name, rust in named_tests(one.play):
        assert tree.rust_tests(name) if rust else tree.python_tests(name)


def test_a_test_that_is_not_there_is_an_error_and_no_pass() -> None:
    assert played(row(held("of_a_name_that_nobody_gave")), ALONE).grade == "fail"


def test_tests_are_told_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_few.py").write_text(FEW)
    monkeypatch.setattr(pytests, "run", partial(subprocess.run, cwd=tmp_path, capture_output=True,
                                                text=True, check=False))  # fmt: skip
    told = pytests.Tests(os.environ, 1)
    file = "tests/test_few.py"
    names = ("test_twice", "TestClass::test_in_it", "test_never", "test_wrong")
    told.ahead(f"{file}::{name}" for name in names)
    assert told.of([f"{file}::test_twice", f"{file}::TestClass::test_in_it"])[:3] == (3, 0, ())
    assert told.of([f"{file}::test_never"])[:3] == (0, 1, ())
    (said,) = told.of([f"{file}::test_wrong"]).failed
    assert "test_wrong" in said and "two" in said
    (said,) = told.of([f"{file}::test_absent"]).failed
    assert "was not run" in said


def test_every_cell_of_the_matrix_has_a_row() -> None:
    told = {one.id for one in matrix.ROWS}
    assert {name for world in worlds() for name in world.cells} <= told


# What becomes of them.


def test_a_figure_without_problems_passes_and_one_with_some_fails() -> None:
    assert played(row(lambda _: Figure("3 of 3")), ALONE).grade == "pass"
    result = played(row(lambda _: Figure("2 of 3", ("the third",), 7)), ALONE)
    assert (result.grade, result.again) == ("fail", "bookfeed score X1 --seed 7")
    assert below(result) == ["     the third", "     again: bookfeed score X1 --seed 7"]


def test_a_failure_is_played_again_as_it_failed() -> None:
    failing = row(lambda _: Figure("2 of 3", ("the third",), 7))
    full = played(failing, Effort("full"))
    assert full.again == "bookfeed score X1 --full --seed 7"
    assert replace(full, row=replace(failing, seeded=False)).again == "bookfeed score X1 --full"
    assert replace(full, seed=None).again == "bookfeed score X1 --full"


def test_what_cannot_be_measured_is_amber_with_its_reason_and_never_green() -> None:
    result = played(row(raising(NotMeasuredError("no such machine"))), ALONE)
    assert (result.grade, result.reason) == ("amber", "no such machine")
    assert played(row(None), ALONE).reason == NOT_BUILT


def test_an_error_fails_its_row() -> None:
    result = played(row(raising(RuntimeError("broken"))), ALONE)
    assert (result.grade, result.problems) == ("fail", ("RuntimeError: broken",))


def test_of_two_things_the_one_that_cannot_be_measured_is_said() -> None:
    absent = raising(NotMeasuredError("no sockets"))
    figure = both(lambda _: Figure("4 cells"), absent)(ALONE)
    assert figure.text == "4 cells; part not measured: no sockets"
    with pytest.raises(NotMeasuredError):
        both(absent, absent)(ALONE)


def test_what_is_not_built_is_counted_apart() -> None:
    results = [played(row(play), ALONE) for play in (None, raising(NotMeasuredError("x")))]
    assert counted(results) == {"pass": 0, "fail": 0, "amber": 1, "not built": 1}


def test_a_page_has_a_line_for_each_row() -> None:
    result = played(row(lambda _: Figure("a | b")), ALONE)
    page_of_it = page([result], "bookfeed score")
    assert "| X1 | a thing | is there | a / b | quick | pass |" in page_of_it
    assert line(result).startswith("X1   pass")


def test_seeds_are_shared_out_and_come_back_in_order() -> None:
    effort = replace(ALONE, workers=2)
    assert list(shared_out(abs, [-3, 2, -1, 4], effort, chunk=1)) == [3, 2, 1, 4]


# Results that are kept.


def test_a_kept_result_is_that_of_its_build_and_tier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = played(row(lambda _: Figure("2 of 3", ("the third",), 7)), ALONE)
    here = Kept(tmp_path)
    here.put(result)
    assert here.result(result.row, "quick") == here.best(result.row) == result
    assert here.result(result.row, "full") is None
    full = replace(result, tier="full", figure="30 of 30")
    here.put(full)
    assert here.result(result.row, "quick") == result and here.best(result.row) == full
    assert here.best(replace(result.row, id="X2")) is None
    monkeypatch.setattr(kept, "build", lambda: "another")
    assert here.result(result.row, "quick") is None and here.best(result.row) == full


def test_kept_rows_are_not_played_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(10))
    counting = replace(row(lambda _: Figure(f"time {next(times)}")), id="A1")
    monkeypatch.setattr("bookfeed.cli.score.ROWS", (counting,))
    for ids, told in (([], 0), (["A1"], 0), ([], 1)):
        if told:
            (tmp_path / "A1.quick.json").unlink()
        assert main(["score", *ids, "--keep", str(tmp_path)]) == 0
        assert f"time {told} " in capsys.readouterr().out
    assert main(["score", "--keep", str(tmp_path), "-o", "markdown"]) == 0
    assert "| time 1 | quick | pass |\n" in capsys.readouterr().out
    assert main(["score", "A1", "--seed", "3", "--keep", str(tmp_path)]) == 2
    assert "leave --seed out" in capsys.readouterr().err


def test_what_is_kept_is_told_whatever_its_tier_and_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(replace(row(lambda _: Figure("new")), id=name) for name in ("A1", "A2", "A7"))
    monkeypatch.setattr("bookfeed.cli.score.ROWS", rows)
    quick, full = (replace(played(one, ALONE), figure="old") for one in rows[:2])
    Kept(tmp_path).put(replace(quick, build="abcdef12"))
    Kept(tmp_path).put(replace(full, tier="full", build="12345678"))
    assert main(["score", "--tell", "--keep", str(tmp_path), "-o", "markdown"]) == 0
    told = capsys.readouterr().out
    assert "| old | quick, abcdef | pass |\n" in told and "| old | full, 123456 | pass |\n" in told
    assert "| not measured yet | quick, " in told and "1 rows are of the full tier" in told
    assert main(["score", "--tell"]) == 2
    assert "--keep DIR" in capsys.readouterr().err


def _came_to(text: str, _: Effort) -> Figure:
    return Figure(text)


def test_the_readme_gets_its_figures_from_the_page() -> None:
    path = tree.root() / "scripts" / "scorecard.py"
    spec = importlib.util.spec_from_file_location("scorecard_page", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    seen = "3 of 4 classes, the others within 3.1 s where silence may last 2 or 3 s: F01 2 ms"
    figures = (seen, "0 in 7 market-days", "0 in 9 million updates")
    rows = [replace(row(partial(_came_to, text)), id=f"W{n}") for n, text in enumerate(figures, 1)]
    told = page([played(one, ALONE) for one in rows], "bookfeed score")
    readme = script.stated((tree.root() / "README.md").read_text(), told)
    words = " ".join(readme.split())
    assert "**0 in 7 market-days**" in words
    # No time without the silence that it was measured with.
    assert f"It sees **{seen.partition(':')[0]}**" in words
    assert script.stated(readme, told) == readme
    failing = told.replace("| 0 in 9 million updates | quick | pass |", "| 1 | quick | fail |")
    with pytest.raises(KeyError):
        script.stated(readme, failing)


# What tests cost and told.


def test_what_is_run_ahead_is_a_part_of_the_first_row_that_it_holds() -> None:
    class Three(Runs):
        def play(self, names: Sequence[str]) -> Mapping[str, Told]:
            time.sleep(0.02)
            return {name: Told(1, seconds=float(name)) for name in names}

    runs = Three()
    runs.ahead(["1", "3"])
    assert runs.of(["1", "3", "2"])[0] == 3
    first, again, alone = runs.claim(["3", "2"]), runs.claim(["3"]), runs.claim(["1"])
    assert 0.015 <= first.wall_s == pytest.approx(3 * alone.wall_s) and again == (0, 0)


def test_what_hangs_among_others_is_a_failure_of_its_own_row_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(pytests.Tests):
        def play(self, names: Sequence[str]) -> Mapping[str, Told]:
            if any("hangs" in name for name in names):
                raise subprocess.TimeoutExpired("pytest", 1.0)
            return {name: Told(1) for name in names}

    runs = Hanging({}, 1)
    monkeypatch.setattr("bookfeed.scorecard.held.tests_of", lambda _effort: runs)
    monkeypatch.setattr("bookfeed.scorecard.held.python_tests", lambda name: [f"a.py::{name}"])
    rows = [row(held(name)) for name in ("hangs", "ends")]
    prepare(rows, ALONE)
    hangs, ends = (played(one, ALONE) for one in rows)
    assert (hangs.grade, ends.grade) == ("fail", "pass")
    assert "timed out" in hangs.problems[0]


def test_tests_of_the_full_tier_are_run_in_some_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them in one would take longer than a go may."""
    goes: list[list[str]] = []

    class Noting(pytests.Tests):
        def play(self, names: Sequence[str]) -> Mapping[str, Told]:
            goes.append(list(names))
            return {name: Told(1) for name in names}

    monkeypatch.setattr("bookfeed.scorecard.held.tests_of", lambda _effort: Noting({}, 1))
    nodes = [f"tests/{file}.py::test_{n}" for file in "abcdefghijklmnop" for n in range(3)]
    monkeypatch.setattr("bookfeed.scorecard.held.python_tests", lambda name: [nodes[int(name)]])
    wanted = [row(held(str(at))) for at in range(len(nodes))]
    prepare(wanted, Effort("full"))
    assert sorted(node for go in goes for node in go) == sorted(nodes) and len(goes) == 8
    files = [{node.partition("::")[0] for node in go} for go in goes]
    assert len(set.union(*files)) == sum(map(len, files)), "a file was torn"
    goes.clear()
    prepare(wanted, ALONE)
    assert [len(go) for go in goes] == [len(nodes)]


def test_rust_tests_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "test a::one ... ok\ntest one_more ... ok\ntest b::two ... ok\ntest two ... FAILED\n"
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 101, said, "")

    monkeypatch.setattr(cargo, "run", run)
    monkeypatch.setattr(cargo, "program", lambda name: name)
    places = {"one": ("--lib",), "two": ("--test", "t"), "three": ("--test", "t")}
    monkeypatch.setattr(cargo, "rust_tests", lambda name: [places[name]])
    tests = cargo.RustTests()
    tests.ahead(["one", "two", "three"])
    assert tests.of(["one"])[:3] == (1, 0, ())
    assert tests.of(["two"])[:3] == (1, 0, ("two failed",))
    (missing,) = tests.of(["three"]).failed
    assert missing.startswith("three was not run")
    (command,) = commands
    assert list(command).count("t") == 1 and "--lib" in command


def test_tests_that_a_report_has_are_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "tests.xml"
    named = ("test_b[1]", "test_b[2]@group", "test_d@group")
    cases = "".join(f'<testcase classname="tests.test_a" name="{n}" time="2"/>' for n in named)
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    told = pytests.Tests({}, 1, report)
    assert told.of(["tests/test_a.py::test_b"])[:2] == (2, 0)
    assert told.of(["tests/test_a.py::test_d"])[:2] == (1, 0)
    assert told.told_by(["tests/test_a.py::test_b"]) == report
    assert told.told_by(["tests/test_a.py::test_b", "tests/test_a.py::test_c"]) is None
    assert main(["score", "A1", "--full", "--tests", str(report)]) == 2
    os.utime(report, (0, 0))
    assert main(["score", "A1", "--tests", str(report)]) == 2
    assert "run the tests again" in capsys.readouterr().err


# Figures that are stated.


def test_how_long_a_fault_was_there_before_it_was_seen() -> None:
    (world,) = (one for one in worlds() if "F14" in one.cells and one.name == "kalshi")
    report = world.alone("drop", 2, items=matrix.ITEMS)
    assert [one.kind for one in report.seen] == ["drop"]
    assert report.seen[0].after_ns is not None and report.seen[0].after_ns < 1_000_000_000
    report = world.alone("malformed:truncated", 2, items=matrix.ITEMS)
    assert [one.after_ns for one in report.seen] == [0]


@pytest.mark.usefixtures("forgotten")
def test_what_was_wrong_while_live_is_counted_as_undetected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = campaign.mixed(3)._replace(problems=("A live and wrong at 1", "a fault was not named"))
    monkeypatch.setattr(campaign, "mixed", lambda seed: bad._replace(seed=seed))
    figure = stated.undetected(ALONE)
    assert figure.text == "1 in 0.00 million updates"
    assert figure.problems == (f"seed 3, {bad.world}: A live and wrong at 1",)


# Campaigns.


def test_a_seed_is_played_alone() -> None:
    figure = campaign.sweep(ALONE)
    assert figure.text.startswith("0 of 1 seeds") and figure.problems == ()


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What was played is played anew, in this test and after it."""
    campaign.mixed_runs.cache_clear()
    yield
    campaign.mixed_runs.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_a_violation_is_told_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = campaign.mixed(3)._replace(problems=("live and wrong",))
    monkeypatch.setattr(campaign, "mixed", lambda seed: bad._replace(seed=seed))
    figure = campaign.sweep(ALONE)
    assert figure.seed == 3 and "live and wrong" in figure.problems[0]


def test_a_cell_of_which_the_fault_never_strikes_is_no_pass() -> None:
    world = next(one for one in worlds() if "F01" in one.cells)
    assert world.alone("reset", 1, items=10).problems == ["the fault reset never struck"]


@pytest.mark.parametrize("world", worlds(), ids=lambda world: world.name)
def test_every_cell_strikes_and_is_recovered_from(world: World) -> None:
    """``make score-quick`` plays all kinds of a fault; the short form here has the first of each
    cell, of every other cell of a world, by turns.
    """
    turn = worlds().index(world)
    for at, (name, faults) in enumerate(world.cells.items()):
        short = faults[:1] if (at + turn) % 2 == 0 else ()
        for fault in faults if TIMES > 1 else short:
            report = world.alone(fault, 2, items=matrix.ITEMS)
            assert report.problems == [], f"{name} {fault}"


def test_the_same_seed_has_the_same_digest() -> None:
    first, again, other = campaign.mixed(5), campaign.mixed(5), campaign.mixed(9)
    assert len(first.digest) == 64 and first.digest == again.digest != other.digest


@pytest.mark.slow
def test_all_venues_over_sockets_that_lose_connections_are_right_by_the_auditor() -> None:
    (sockets,) = found("SOCKETS")
    # Time for the first three: resets and closed connections; more where the machine has none.
    for seconds in (3.5, 12.0, 40.0):
        figures = sockets(seconds, 1.0)
        assert figures["wrong"] == [] and figures["refused"] == figures["callback_errors"] == 0
        assert figures["untrue"] == figures["sinks_lost"] == []
        if figures["shown"] > 200:
            break
    assert figures["shown"] > 200
    assert figures["compared"] > figures["books"] > 50 and figures["connects"] > len(worlds())


# The command.


def test_the_command_tells_rows_as_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "A1", "--seed", "4", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["pass"] == 1
    (one,) = told["rows"]
    assert (one["id"], one["grade"], one["seed"], one["again"]) == ("A1", "pass", None, "")


def test_a_failure_is_in_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = replace(row(lambda _: Figure("", ("bad",), 8)), id="A1")
    monkeypatch.setattr("bookfeed.cli.score.ROWS", (failing,))
    assert main(["score", "A1"]) == 1
    assert "again: bookfeed score A1 --seed 8" in capsys.readouterr().out


def test_a_letter_stands_for_all_of_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "d", "--list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [one.split()[0] for one in told] == ["D1", "D2", "D3", "D4", "D5", "D6"]


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "A99"]) == 2
    assert "no such row" in capsys.readouterr().err
