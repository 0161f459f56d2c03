"""The native listener under valgrind: it may read no byte that is not a frame's.

``python tests/memory.py --seeds N`` plays the cases of ``frame_cases.py`` and N random wires, cut
into reads of several lengths, and says which errors the extension makes. Beside that, a process of
its own reads a frame whose buffer is gone: valgrind has to see that one. What is shipped has no
names of functions, so they are told apart by the process.
"""

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from frame_cases import CASES, books, hear, random_wire
from picows import WSListener

from bookfeed._bookfeed import FrameIntake
from bookfeed.live.trial import Conversation

OURS: Final = "_bookfeed.abi3.so"
# It has errors of its own, which are not ours although we call it.
PICOWS: Final = "picows.cpython"


class Keeping(WSListener):
    """Keeps a frame beyond its callback."""

    frame: Any = None

    def on_ws_frame(self, transport: object, frame: object) -> None:
        self.frame = frame


def play(seeds: int) -> None:
    """What valgrind watches."""
    taken = 0
    for wire in (*CASES.values(), *map(random_wire, range(seeds))):
        for read_bytes in (13, 1_000_000):
            taken += hear(books(2) + wire + books(2), read_bytes, native=True)[1]
    print(f"{taken} frames were taken natively", flush=True)


def read_what_is_gone() -> None:
    """What valgrind has to see."""
    listener = Keeping()
    conversation = Conversation(listener, [])
    conversation.hear(books(1))
    del conversation
    gc.collect()
    FrameIntake.agrees(listener.frame)


def watched(report: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Has valgrind watch this program, with Python's own allocator out of the way."""
    command = [
        "valgrind", "--quiet", "--xml=yes", f"--xml-file={report}", "--num-callers=40",
        sys.executable, __file__, *arguments,
    ]  # fmt: skip
    return subprocess.Popen(command, env=os.environ | {"PYTHONMALLOC": "malloc"})


def stacks(report: Path) -> list[list[str]]:
    """The stack of each error that is ours, innermost first; objects where names are missing."""
    found = []
    for error in ElementTree.parse(report).getroot().iter("error"):
        if error.findtext("kind", "").startswith("Leak"):
            continue  # In XML it looks for them whatever it is told; Python keeps its types.
        frames = list(error.iterfind("stack[1]/frame"))
        paths = [frame.findtext("obj", "") for frame in frames]
        nearest = next((path for path in paths if OURS in path or PICOWS in path), "")
        if OURS in nearest:
            found.append(
                [frame.findtext("fn") or path for frame, path in zip(frames, paths, strict=True)]
            )
    return found


def main() -> int:
    """1 if a byte was read that is nobody's, or if valgrind did not see the one that is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--wrong", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play or options.wrong:
        read_what_is_gone() if options.wrong else play(options.seeds)
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not on PATH: it watches the memory", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        played, gone = Path(directory) / "played.xml", Path(directory) / "gone.xml"
        both = [watched(played, "--play", "--seeds", str(options.seeds)), watched(gone, "--wrong")]
        if any([process.wait() for process in both]):
            print("what was to be watched failed", file=sys.stderr)
            return 1
        wrong, seen = stacks(played), stacks(gone)
    for stack in wrong:
        print("\n  ".join(["wrong:", *stack]))
    print(f"{len(wrong)} errors; the one on purpose was {'seen' if seen else 'NOT seen'}")
    return 1 if wrong or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
