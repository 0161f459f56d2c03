"""Writes docs/scorecard.md from what ``bookfeed score --keep DIR`` has kept, and the README's three
figures from that page: ``python scripts/scorecard.py DIR``.

docs/scorecard.json has the same rows for programs, and for the next time: a row that DIR lacks is
told as it was measured before, with the build of then.
"""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "scorecard.md"
ROWS: Final = ROOT / "docs" / "scorecard.json"
README: Final = ROOT / "README.md"
_WIDTH: Final = 100
_ROW: Final = re.compile(r"^\| (W\d) (?:\| [^|]* ){2}\| ([^|]*) \| [^|]* \| pass \|$", re.M)
_BEGIN: Final = "`bookfeed score` [measures"
"""How the paragraph of the README begins that states them."""


def stated(text: str, page: str) -> str:
    """A README with the figures of a page; ``KeyError`` if one of the three did not pass."""
    rows = dict(_ROW.findall(page))
    seen, alarms, wrong = rows["W1"].partition(":")[0], rows["W2"], rows["W3"]
    told = (
        f"{_BEGIN} how far that goes](docs/scorecard.md). It sees **{seen}**. False alarms: "
        f"**{alarms}**; undetected divergence: **{wrong}**. [Others](docs/versus.md) get the same "
        "faults."
    )
    begin = text.index(_BEGIN)
    end = text.index("\n\n", begin)
    wrapped = textwrap.fill(told, _WIDTH, break_on_hyphens=False, break_long_words=False)
    return text[:begin] + wrapped + text[end:]


def remember(kept: Path, rows: Path) -> None:
    """Put what was measured before where nothing newer is kept."""
    kept.mkdir(parents=True, exist_ok=True)
    for row in json.loads(rows.read_text()) if rows.exists() else ():
        path = kept / f"{row['id']}.{row['tier']}.json"
        if not path.exists():
            path.write_text(json.dumps(row, indent=1) + "\n")


def publish(kept: Path, rows: Path) -> None:
    """Everything that is kept, as one file."""
    told = [json.loads(path.read_text()) for path in sorted(kept.glob("*.*.json"))]
    lines = ",\n".join(json.dumps(one) for one in told)
    rows.write_text(f"[\n{lines}\n]\n")


def main() -> int:
    """Plays nothing: it tells what is kept."""
    (kept,) = sys.argv[1:]
    remember(Path(kept), ROWS)
    command = [sys.executable, "-m", "bookfeed", "score", "--tell", "--keep", kept]
    done = subprocess.run(  # noqa: S603 (our own program)
        [*command, "-o", "markdown"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if not done.stdout:
        print(done.stderr, file=sys.stderr)
        return 2
    README.write_text(stated(README.read_text(), done.stdout))
    PAGE.write_text(done.stdout)
    publish(Path(kept), ROWS)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
