"""Results that are kept in a folder, so that a scorecard of hours can be measured in pieces.

A row is a file there. It counts for the build and the tier of which it was measured, and for no
other: a row of another build would say of this one what nobody measured.
"""

import json
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import bookfeed
from bookfeed.scorecard.row import Result, Row, Tier

_PARTS: Final = ("*.py", "*.so", "*.pyd")
_FIELDS: Final = ("grade", "figure", "reason", "problems", "seed", "seconds", "day")


@cache
def build() -> str:
    """A digest of the package as it is installed here, compiled part and all."""
    digest = sha256()
    root = Path(bookfeed.__file__).parent
    for path in sorted(path for part in _PARTS for path in root.rglob(part)):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


class Kept:
    """The results in one folder. ``OSError`` if it cannot be read or written."""

    def __init__(self, folder: Path, tier: Tier) -> None:
        self._folder = folder
        self._tier = tier
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, result: Result) -> None:
        """Keeps a result, in place of an older one of its row."""
        told: dict[str, Any] = {name: getattr(result, name) for name in _FIELDS}
        told |= {"id": result.row.id, "tier": self._tier, "build": build()}
        path = self._folder / f"{result.row.id}.json"
        waiting = path.with_suffix(".new")
        waiting.write_text(json.dumps(told, indent=1) + "\n")
        waiting.replace(path)

    def result(self, row: Row) -> Result | None:
        """What is kept of a row; ``None`` if nothing is that was measured of this build."""
        path = self._folder / f"{row.id}.json"
        if not path.exists():
            return None
        told = json.loads(path.read_text())
        if (told["tier"], told["build"]) != (self._tier, build()):
            return None
        blank = Result(row, "amber", "", "", (), None, 0.0)
        found = replace(blank, **{name: told[name] for name in _FIELDS})
        return replace(found, problems=tuple(told["problems"]))
