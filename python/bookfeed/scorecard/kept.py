"""Results that are kept in a folder, so that a scorecard of hours can be measured in pieces.

A row is a file there for each tier. It counts for the build of which it was measured, and for no
other: a row of another build would say of this one what nobody measured. A page of what is kept
may have rows of several builds, and says so.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bookfeed.scorecard.build import build
from bookfeed.scorecard.row import Result, Row, Tier
from bookfeed.scorecard.spent import Spent

_FIELDS: Final = ("grade", "figure", "reason", "problems", "seed", "build", "day", "struck")


class Kept:
    """The results in one folder. ``OSError`` if it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, result: Result) -> None:
        """Keeps a result, in place of an older one of its row and tier."""
        told: dict[str, Any] = {name: getattr(result, name) for name in _FIELDS}
        told |= {"id": result.row.id, "tier": result.tier, "spent": result.spent}
        path = self._path(result.row, result.tier)
        waiting = path.with_suffix(".new")
        waiting.write_text(json.dumps(told, indent=1) + "\n")
        waiting.replace(path)

    def result(self, row: Row, tier: Tier) -> Result | None:
        """What is kept of a row; ``None`` if nothing is that was measured of this build."""
        found = self._read(row, tier)
        return found if found is not None and found.build == build() else None

    def best(self, row: Row) -> Result | None:
        """What is kept of a row of any build, of the full tier if that was measured."""
        return self._read(row, "full") or self._read(row, "quick")

    def _path(self, row: Row, tier: Tier) -> Path:
        return self._folder / f"{row.id}.{tier}.json"

    def _read(self, row: Row, tier: Tier) -> Result | None:
        path = self._path(row, tier)
        if not path.exists():
            return None
        told = json.loads(path.read_text())
        blank = Result(row, "amber", "", "", (), None, Spent(), tier)
        found = replace(blank, **{name: told[name] for name in _FIELDS if name in told})
        return replace(found, problems=tuple(told["problems"]), spent=Spent(*told["spent"]))
