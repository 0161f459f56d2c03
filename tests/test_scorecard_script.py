"""The page of the scorecard is made of what is kept, and of what was published before."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "scorecard.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scorecard_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name: str, tier: str, figure: str) -> dict[str, Any]:
    return {"id": name, "tier": tier, "figure": figure, "build": "b"}


def test_what_was_published_stays_until_it_is_measured_again(
    script: ModuleType, tmp_path: Path
) -> None:
    kept, rows = tmp_path / "kept", tmp_path / "rows.json"
    script.remember(kept, rows)  # there is nothing yet
    assert not list(kept.iterdir())
    for one in (row("A1", "full", "old"), row("A2", "quick", "old")):
        (kept / f"{one['id']}.{one['tier']}.json").write_text(json.dumps(one))
    script.publish(kept, rows)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "A1.full.json").write_text(json.dumps(row("A1", "full", "new")))
    script.remember(elsewhere, rows)
    script.publish(elsewhere, rows)
    told = {one["id"]: one["figure"] for one in json.loads(rows.read_text())}
    assert told == {"A1": "new", "A2": "old"}
