"""Writes docs/scorecard.md from what ``bookfeed score --keep DIR`` has kept, and the README's three
figures from that page: ``python scripts/scorecard.py DIR``.
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "scorecard.md"
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


def main() -> int:
    """Plays nothing: it tells what is kept."""
    (kept,) = sys.argv[1:]
    command = [sys.executable, "-m", "bookfeed", "score", "--tell", "--keep", kept]
    done = subprocess.run(  # noqa: S603 (our own program)
        [*command, "-o", "markdown"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if not done.stdout:
        print(done.stderr, file=sys.stderr)
        return 2
    README.write_text(stated(README.read_text(), done.stdout))
    PAGE.write_text(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
