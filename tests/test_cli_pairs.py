"""``bookfeed pairs suggest``: side by side for people, and nothing accepted that nobody accepts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from listed_venues import listed_world

from bookfeed import config
from bookfeed.cli import main
from bookfeed.cli.sides import Row, side_by_side
from bookfeed.rules.pairs import Pair


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[str, ...]]:
    with listed_world() as urls:
        yield urls


def suggested(
    world: tuple[str, ...], capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> list[Any]:
    assert main(["pairs", "suggest", *arguments, *world, "-o", "json"]) == code
    found: list[Any] = json.loads(capsys.readouterr().out)["candidates"]
    return found


def test_each_candidate_names_its_relation(
    world: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found = suggested(world, capsys, "--top", "20")
    relations = [one["relation"] for one in found]
    assert [one["number"] for one in found] == list(range(1, len(found) + 1))
    assert {"same", "complement", "implies", "implied", "other reference", "alike"} == set(
        relations
    )
    windows = [one for one in found if one["relation"] == "other reference"]
    assert {one["markets"][1]["name"].split("-")[0] for one in windows} == {"btc", "eth"}
    # Strikes of windows are told a while after they begin, and are as apart as their indices.
    assert all(one["differs"] in (["oracle"], ["oracle", "strike"]) for one in windows)
    assert all(one["would_be"] == "same" for one in windows)
    for one in found:
        assert [market["venue"] for market in one["markets"]] == ["kalshi", "polymarket"]
        assert all(market["rules"] for market in one["markets"])


def test_a_text_narrows_it(world: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    found = suggested(world, capsys, "bitcoin", "--top", "20")
    assert found and all("itcoin" in one["markets"][1]["title"] for one in found)
    assert suggested(world, capsys, "snow in summer", code=1) == []


def test_side_by_side_for_people(
    world: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pairs", "suggest", "bitcoin", "--top", "1", *world]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("1. same ")
    heads = [line[:10].strip() for line in lines if line[:10].strip()]
    assert heads[:7] == ["venue", "title", "name", "= oracle", "= strike", "= cut-off", "rules"]
    assert max(map(len, lines)) <= 100


def test_what_is_accepted_is_a_configuration_that_runs(
    world: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = suggested(world, capsys, "--top", "20")
    wanted: dict[str, int] = {}
    for one in found:
        wanted.setdefault(one["relation"], one["number"])
    path = tmp_path / "pairs.toml"
    names = ("same", "complement", "implies", "other reference", "alike")
    named = {one["number"]: one["markets"][1]["name"] for one in found}
    accepted = [f"--accept={wanted[name]}:{named[wanted[name]]}" for name in names]
    arguments = ["--top", "20", *accepted, "--to", str(path), *world]
    assert main(["pairs", "suggest", *arguments]) == 0
    assert capsys.readouterr().err.count(": added to ") == len(names)
    made = config.load(path, {})
    kinds = [rule.kind for rule in made.signal_rules()]
    assert (kinds.count("box"), kinds.count("ladder")) == (4, 1)
    pairs = [pair for pair in made.pair if isinstance(pair, Pair)]
    inverted = [pair for pair in pairs if pair.leg[1].polarity == "inverted"]
    assert len(inverted) == 1
    basis = [line for pair in pairs for line in pair.basis()]
    assert any("oracle" in line for line in basis), "what differs is a basis, and shown as one"
    assert path.read_text().count("# same: ") == 1
    # Markets that are there already are not written again.
    one = [f"--accept={wanted['same']}", "--to", str(path), "--top", "20", *world]
    assert main(["pairs", "suggest", *one]) == 2
    assert "is already pair[" in capsys.readouterr().err
    assert config.load(path, {}) == made


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--accept", "1"], "goes with --to"),
        (["--to", "FILE"], "goes with --to"),
        (["--accept", "900", "--to", "FILE"], "there is no candidate 900"),
        (["--accept", "1:market-900", "--to", "FILE"], "by now, not market-900: look again"),
    ],
)
def test_what_cannot_be_accepted(
    world: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    said: str,
) -> None:
    path = tmp_path / "pairs.toml"
    given = [str(path) if one == "FILE" else one for one in arguments]
    assert main(["pairs", "suggest", *given, *world]) == 2
    assert said in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize("columns", [20, 40, 66, 100, 200])
def test_rows_fit_any_width(columns: int) -> None:
    left, right = "one two three " * 12, f"{'x' * 90}\n\nend\x1b[2J"
    lines = side_by_side([Row("rules", left, right, "≠"), Row("name", "a", "b")], columns)
    assert max(map(len, lines)) <= max(columns, 34)
    told = " ".join(lines)
    assert told.startswith("≠ rules") and "\x1b" not in told
    assert sum(line.count("x") for line in lines) == 90 and told.count("three") == 12


@pytest.mark.parametrize("number", ["0", "x", "", "-1", "1.5", "99999", "\u0663"])
def test_a_number_that_is_none(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pairs", "suggest", f"--accept={number}", "--to", "x"])
    assert ended.value.code == 2 and "must be such as 3 or 3:NAME" in capsys.readouterr().err
