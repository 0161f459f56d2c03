"""The tool that keeps the public face explained and typed: what it finds, what it writes."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATH = Path(__file__).parent.parent / "scripts" / "face.py"


@pytest.fixture(scope="module")
def face() -> Any:
    spec = importlib.util.spec_from_file_location("face", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Shown:
    """Has ``named`` and what is below it."""

    named: int
    below: int
    """Said below."""
    bare: int

    @property
    def silent(self) -> int:
        return 1

    def told(self, depth: int) -> int:
        """Something."""
        return depth

    def vague(self, depth):  # type: ignore[no-untyped-def]
        """Says no types."""


def test_the_face_is_explained_and_typed(face: Any) -> None:
    assert face.main() == 0


def test_what_is_not_said_is_found(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "OURS", __name__)
    assert list(face.unexplained(Shown)) == ["Shown.bare", "Shown.silent"]
    found = [
        bare for name, member in face.members(Shown) for bare in face.untyped(f"S.{name}", member)
    ]
    assert found == ["S.vague(depth)", "S.vague(return)"]


def test_the_stub_gets_the_words_of_the_run_time(face: Any) -> None:
    source = (PATH.parent.parent / "python/bookfeed/_bookfeed.pyi").read_text()
    assert face.rewritten(source) == source and face.differing(source) == []
    spoilt = source.replace("Best bid; ``None``", "Worst bid; ``None``")
    assert [one.name for one, _ in face.differing(spoilt)] == ["bid"]
    assert face.rewritten(spoilt) == source
    assert list(face.stub_without_types(face.ast.parse("def f(a, b: int): ..."))) == [
        "_bookfeed.pyi: f(a)",
        "_bookfeed.pyi: f(return)",
    ]
