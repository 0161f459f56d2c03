"""One seed of a row of the scorecard: it can fail by it, and is refused where it says nothing."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bookfeed.cli import main
from bookfeed.scorecard.held import Held, HeldByRust, Play, named_tests
from bookfeed.scorecard.index_worlds.readings import PROXIES
from bookfeed.scorecard.index_worlds.windows import OURS, WindowErrors
from bookfeed.scorecard.row import Effort, Row
from bookfeed.scorecard.rows import ROWS, campaign, index, matrix

ALONE = Effort("quick", seed=3)
BY_ID = {one.id: one for one in ROWS}


class Asked(Exception):
    """A row has asked which seeds it is to play."""


class Asking:
    """An effort that says so."""

    tier, workers, tests = "quick", 1, None

    def of(self, quick: int, _full: int) -> int:
        return quick

    def seeds(self, _quick: int, _full: int) -> range:
        raise Asked

    @property
    def seed(self) -> int | None:
        raise Asked


@pytest.mark.parametrize("one", [row for row in ROWS if row.seeded], ids=lambda one: one.id)
def test_a_row_that_takes_a_seed_asks_for_it(one: Row) -> None:
    assert one.play is not None
    with pytest.raises(Asked):
        one.play(Asking())  # type: ignore[arg-type]


def test_rows_of_tests_alone_take_no_seed() -> None:
    tests = [one for one in ROWS if isinstance(one.play, Held | HeldByRust)]
    assert len(tests) > 20 and not any(one.seeded for one in tests)
    assert all(list(named_tests(one.play)) for one in tests)


@pytest.mark.parametrize("name", ["A4", "A8", "G2", "G8", "G9", "V2", "F03", "C1", "A"])
def test_a_seed_is_refused_where_none_is_played_alone(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookfeed.cli.score.played", _never)
    assert main(["score", name, "--seed", "3"]) == 2
    told = capsys.readouterr().err
    assert "no seed is played alone in" in told
    assert name in told or (name == "A" and "A4, A8" in told)


def _never(*_: object) -> Any:
    raise AssertionError("a row was played")


def _found_by(play: Play | None) -> tuple[tuple[str, ...], int | None]:
    assert play is not None
    figure = play(ALONE)
    return figure.problems, figure.seed


def test_a_scenario_that_fails_does_so_alone_in_both_of_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = SimpleNamespace(
        seed=3, problems=["a false signal"], traps=Counter(), refused=Counter(), owed=1, misses=[],
        fallen_for=0, opened=SimpleNamespace(total=lambda: 1),
    )  # fmt: skip
    monkeypatch.setattr(matrix, "_scenarios", lambda _effort: (report,))
    for name in ("F40", "F41"):
        assert _found_by(BY_ID[name].play) == (("seed 3: a false signal",), 3)
    # One scenario has no duty to set every trap: all of the tier have.
    report.problems = []
    assert _found_by(matrix.refusals) == ((), None)
    told = matrix.refusals(Effort("quick")).problems
    assert "the trap frozen was never set" in told and "nothing was refused for lag" in told


def test_a_window_that_is_misread_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def window(distance: float) -> Callable[[int], WindowErrors]:
        errors = dict.fromkeys((OURS, *PROXIES), 1.0)
        return lambda seed: WindowErrors(seed, errors, distance, 5)

    monkeypatch.setattr(index, "_window", window(0.5))
    problems, seed = _found_by(index.damaged)
    assert seed == 3 and problems == ("the engine's index is $0.5000 off a slow reading",)
    # All are as far off as the short cuts: of many windows that is a failure, of none by itself.
    monkeypatch.setattr(index, "_window", window(0.0))
    assert _found_by(index.damaged) == ((), None)
    figure = index.damaged(Effort("quick"))
    assert figure.seed is None and "times as far off" in figure.problems[0]


def test_of_pieces_that_were_live_too_little_the_worst_is_played_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def piece(seed: int) -> campaign.Played:
        live_ns = {4: 70, 8: 60}.get(seed, 100)
        return campaign.Played(seed, "one", 1, 1, live_ns, 100, 0, (), "", 0)

    monkeypatch.setattr(campaign, "scheduled", piece)
    figure = campaign.availability(Effort("quick"))
    assert figure.problems and figure.seed == 8


def test_of_a_cell_that_comes_back_too_late_the_worst_run_is_played_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def strike(task: tuple[matrix.Cell, int]) -> matrix.Struck:
        cell, seed = task
        return matrix.Struck(cell, seed, "", 100, {2: 90, 3: 95}.get(seed, 100), ())

    monkeypatch.setattr(matrix, "strike", strike)
    matrix.struck.cache_clear()
    figure = matrix.Cells("F20")(Effort("quick"))
    matrix.struck.cache_clear()
    assert "live 95.0% after recovery" in figure.problems[0] and figure.seed == 2


def test_another_cpython_plays_the_same_seeds_where_one_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "root", lambda: tmp_path)
    own = campaign.processes()
    assert [one.python for one in own] == [sys.executable] * 3
    (beside := tmp_path / "target" / "another-cpython" / "bin").mkdir(parents=True)
    (beside / "python").symlink_to(sys.executable)
    (beside.parent / ".installed").touch()
    *same, other = campaign.processes()
    assert same == own and other.python == str(beside / "python")
    assert other.version == "{}.{}".format(*sys.version_info)
    # It takes the package from the tree: none is installed there.
    told = other.says("import os; print(os.environ['PYTHONPATH'])").stdout.strip()
    assert told == str(tmp_path / "python")


def test_records_that_differ_in_another_cpython_are_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, other = campaign.Elsewhere(sys.executable, "0"), campaign.Elsewhere("another", "0")
    monkeypatch.setattr(campaign, "processes", lambda: [own, other])
    monkeypatch.setattr(campaign.Elsewhere, "version", property(lambda one: one.python[-7:]))

    def digests(task: tuple[int, int, campaign.Elsewhere]) -> list[str]:
        first, count, process = task
        wrong = 4 if process is other else None
        return ["wrong" if seed == wrong else str(seed) for seed in range(first, first + count)]

    monkeypatch.setattr(campaign, "_elsewhere", digests)
    figure = campaign.determinism(Effort("quick"))
    assert figure.seed == 4 and len(figure.problems) == 1
    assert figure.text.startswith("9 of 10 seeds alike in 2 processes, CPython ")
    assert "another" in figure.text and "alone" not in figure.text
    monkeypatch.setattr(campaign, "processes", lambda: [own])
    assert campaign.determinism(Effort("quick")).text.endswith(" alone")
