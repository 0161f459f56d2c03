"""Where the instructions of a frame go, from the call in Python to the records in hand.

``python -m benches.spent VENUE`` prints them stage by stage, counted by callgrind over the corpus
of ``ingest.py``. It plays that twice, one time with more frames: what comes before the first of
them is the same both times and cancels out. It needs valgrind, and an extension with its symbols,
as ``cargo build`` makes it and ``make setup`` does not. It is no row set of the report: ``make
instructions`` holds the core's own counts, and ``where.py`` has times.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from benches import binance, kalshi, ours
from benches.corpus import Spec, load
from benches.frames import Recording
from bookfeed import Engine

FEW, MANY = 4_000, 12_000
"""Frames of the two plays. The first whole books are among the few."""
ENTRIES: Final = ("*__pymethod_ingest__*", "*__pymethod_drain__*")
"""Counting goes on inside these alone."""
INGEST, CORE = "::__pymethod_ingest__", "bookfeed_core::engine::Engine::ingest"
DRAIN, RULES = "::__pymethod_drain__", ("Rules::ask", "Signals::evaluate_waiting")
FUNCTION = re.compile(r"c?fn=\((\d+)\)(?: (.*))?")
COST = re.compile(r"[+\-*\d]\S* (\d+)")


def scene(venue: str, frames: int = 20_000) -> tuple[Recording, Engine]:
    """A venue's corpus, and the engine of its row in ``ingest.py``, hashes off."""
    if venue == "polymarket":
        corpus = load(Spec(frames=frames, hashes="valid"))
        return corpus, ours.build_engine(corpus, "off")
    if venue == "kalshi":
        deltas = kalshi.load(kalshi.Spec(frames=frames))
        return deltas, ours.build_kalshi_engine(deltas)
    spot = binance.load(binance.Spec(frames=frames))
    return spot, ours.build_binance_engine(spot)


def play(venue: str, frames: int) -> None:
    """Feeds so many frames, drained as in ``ingest.py``."""
    corpus, engine = scene(venue)
    stack = ours.BookfeedStack(engine, drain_every=ours.DRAIN_EVERY)
    for at in range(0, frames, ours.DRAIN_EVERY):
        part = slice(at, min(at + ours.DRAIN_EVERY, frames))
        stack.take(corpus.frames[part], corpus.ts_recv[part], read=False)


def inclusive(lines: Iterable[str]) -> Counter[str]:
    """Instructions of each function with all that it calls, from callgrind's own format."""
    names: dict[str, str] = {}
    spent: Counter[str] = Counter()
    called, inside = "", False
    for line in lines:
        if found := FUNCTION.match(line):
            number, name = found.groups()
            names.setdefault(number, name or "")
            called = number if line.startswith("c") else called
        elif line.startswith("calls="):
            inside = True
        elif inside and (cost := COST.match(line)):
            spent[names[called]] += int(cost[1])
            inside = False
    return spent


def counted(venue: str, frames: int) -> Counter[str]:
    """Instructions of each function while so many frames are played."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        toggles = [f"--toggle-collect={entry}" for entry in ENTRIES]
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *toggles]
        python = [sys.executable, "-m", "benches.spent", venue, "--play", str(frames)]
        subprocess.run([*valgrind, *python], check=True, capture_output=True)
        return inclusive(out.read_text().splitlines())


def stages(spent: Counter[str], venue: str) -> dict[str, int]:
    """Instructions by stage. Raises ``ValueError`` where the extension has no symbols."""

    def of(wanted: Callable[[str], bool]) -> int:
        return sum(cost for name, cost in spent.items() if wanted(name))

    call = of(lambda name: name.endswith(INGEST))
    core = of(lambda name: name == CORE)
    decode = of(lambda name: name == f"bookfeed_core::venue::{venue}::decode")
    rules = of(lambda name: name.endswith(RULES))
    if not (call and core and decode):
        raise ValueError("the extension has no symbols: `cargo build --release` leaves them in")
    return {
        "call": call - core,
        "decode": decode,
        "engine": core - decode - rules,
        "rules": rules,
        "drain": of(lambda name: name.endswith(DRAIN)),
    }


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.spent", description=__doc__)
    parser.add_argument("venue", choices=("polymarket", "kalshi", "binance"))
    parser.add_argument("--play", type=int, metavar="FRAMES", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.play:
        play(options.venue, options.play)
        return 0
    scene(options.venue)
    few, many = (stages(counted(options.venue, n), options.venue) for n in (FEW, MANY))
    each = {stage: round((many[stage] - few[stage]) / (MANY - FEW)) for stage in many}
    for stage, count in (each | {"together": sum(each.values())}).items():
        print(f"{stage:<10} {count:>7,}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
