"""What the Rust side may be built from: each thing that ``deny.toml`` forbids is found."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PATH = ROOT / "scripts" / "crates.py"
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


@pytest.fixture(scope="module")
def crates() -> Any:
    spec = importlib.util.spec_from_file_location("crates", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rules() -> Any:
    return tomllib.loads((ROOT / "deny.toml").read_text())


def crate(name: str, *, version: str = "1.0.0", **changed: Any) -> dict[str, Any]:
    told = {"id": f"{name} {version}", "name": name, "version": version, "license": "MIT"}
    return told | {"source": CRATES_IO, "dependencies": []} | changed


def resolved(*crates: dict[str, Any], uses: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """What cargo tells of these; who uses whom by their ids."""
    nodes = [
        {"id": each["id"], "dependencies": (uses or {}).get(each["id"], [])} for each in crates
    ]
    return {"packages": list(crates), "resolve": {"nodes": nodes}}


def test_what_may_be_used_is_no_problem(crates: Any, rules: Any) -> None:
    ours = crate(
        "bookfeed-py", source=None, dependencies=[{"name": "core", "req": "*", "path": ""}]
    )
    uses = {"bookfeed-py 1.0.0": ["pyo3 1.0.0"]}
    assert crates.problems(rules, resolved(ours, crate("pyo3"), uses=uses)) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"license": "GPL-3.0-only"}, "which is not allowed"),
        ({"license": "MIT AND GPL-3.0-only"}, "which is not allowed"),
        ({"license": None}, "not stated"),
        ({"license": "MIT OR"}, "not understood"),
        ({"source": "git+https://example.com/x"}, "comes from git"),
        ({"source": "registry+https://example.com/index"}, "comes from registry"),
        ({"dependencies": [{"name": "y", "req": "*"}]}, "any version of y"),
        ({"name": "tokio"}, "may not be used"),
    ],
)
def test_what_may_not_is_found(changed: dict[str, Any], told: str, crates: Any, rules: Any) -> None:
    (problem,) = crates.problems(rules, resolved(crate("x") | changed))
    assert told in problem


def test_two_versions_of_a_crate_are_found(crates: Any, rules: Any) -> None:
    told = resolved(crate("x"), crate("x", version="2.0.0"))
    assert crates.problems(rules, told) == ["x: is here in more than one version: 1.0.0, 2.0.0"]


def test_a_crate_that_only_some_may_use_is_not_for_others(crates: Any, rules: Any) -> None:
    uses = {"bookfeed-core 1.0.0": ["pyo3 1.0.0"], "bookfeed-py 1.0.0": ["pyo3 1.0.0"]}
    told = resolved(crate("bookfeed-core"), crate("bookfeed-py"), crate("pyo3"), uses=uses)
    assert crates.problems(rules, told) == ["pyo3: may not be used, but is by bookfeed-core"]


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("GPL-2.0 OR MIT", True),
        ("GPL-2.0/MIT", True),
        ("MIT AND GPL-2.0 OR Zlib", True),
        ("MIT AND (GPL-2.0 OR BSD)", False),
        ("(MIT OR BSD) AND Zlib", True),
        ("Zlib WITH exception", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("mit", False),
    ],
)
def test_licences_are_read_as_they_are_meant(expression: str, met: bool, crates: Any) -> None:
    allowed = frozenset({"MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"})
    assert crates.licensed(expression, allowed) is met


@pytest.mark.parametrize("expression", ["", "(MIT", "MIT)", "MIT MIT", "OR MIT", "MIT WITH", "AND"])
def test_what_is_no_licence_is_an_error(expression: str, crates: Any) -> None:
    with pytest.raises(ValueError, match=r"no licence|bracket|out of place"):
        crates.licensed(expression, frozenset({"MIT"}))


@pytest.mark.parametrize(
    ("table", "changed"),
    [
        ("bans", {"multiple-versions": "allow"}),
        ("bans", {"skip": ["x"]}),
        ("bans", {"deny": [{"crate": "x", "version": "1"}]}),
        ("licenses", {"exceptions": []}),
        ("licenses", {"allow": None}),
        ("advisories", {"ignore": []}),
    ],
)
def test_a_setting_that_is_not_held_is_said(
    table: str, changed: dict[str, Any], crates: Any, rules: Any
) -> None:
    problems = crates.problems(rules | {table: rules.get(table, {}) | changed}, resolved())
    assert len(problems) == 1 and problems[0].startswith("deny.toml: ")
