"""Draws the picture of the demo, docs/images/demo.svg: ``python scripts/picture.py FILE``.

Runs ``bookfeed run --demo`` in a terminal of tmux, waits until an opportunity across venues is open
and explained, and has rich draw what the terminal shows, colours and all. Needs tmux.
"""

import io
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

COLUMNS: Final = 110
ROWS: Final = 36
# What was measured in the first seconds is the start and not the run.
SETTLED_S: Final = 10.0
WAIT_S_MAX: Final = 90.0
LOOK_EVERY_S: Final = 0.2
SERVER: Final = ("tmux", "-L", "bookfeed-picture")
DEMO: Final = (sys.executable, "-m", "bookfeed", "run", "--demo", "-o", "table")
# A box that is still open, and the line of its sums a few lines below it.
TELLING: Final = re.compile(r"^ [\d:]{8} box .* open$(\n {10}.*){2}\n {10}a share: ", re.MULTILINE)
# The font is the reader's: a picture that is shown by others loads nothing.
FONT_FACES: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
FONT: Final = "Fira Code, "


def main() -> int:
    """Writes the picture to the file named on the command line."""
    (path,) = (Path(name) for name in sys.argv[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drawn(captured()), encoding="utf-8")
    print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


def captured() -> str:
    """The terminal's content with its colours, once it shows what the picture is about."""
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), *DEMO)
    try:
        time.sleep(SETTLED_S)
        deadline_s = time.monotonic() + WAIT_S_MAX
        while time.monotonic() < deadline_s:
            if TELLING.search(tmux("capture-pane", "-p")):
                # The screen may have been redrawn since.
                screen = tmux("capture-pane", "-e", "-p")
                if TELLING.search(Text.from_ansi(screen).plain):
                    return screen.rstrip()
            time.sleep(LOOK_EVERY_S)
    finally:
        tmux("kill-server")
    raise SystemExit(f"no opportunity across venues was seen within {WAIT_S_MAX:.0f} s")


def drawn(screen: str) -> str:
    """The screen as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(Text.from_ansi(screen), no_wrap=True, crop=True)
    svg = console.export_svg(title="bookfeed run --demo", unique_id="demo")
    return FONT_FACES.sub("", svg).replace(FONT, "")


def tmux(*arguments: str) -> str:
    """Runs a command of tmux on a server of its own; its output."""
    command = (*SERVER, *arguments)
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
