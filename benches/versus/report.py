"""``make versus``: plays the cases to every client, and writes docs/versus.md.

bookfeed is played to by this interpreter, the others by one of an environment of their own, in
which nothing is installed but them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from benches.versus.cases import ITEMS, MADE, RATE, SEEDS, cases

ROOT: Final = Path(__file__).parents[2]
OURS: Final = ("ours", "ours_always")
OTHERS: Final = (
    "nautilus", "polymarket_apis", "ccxt_pro", "kalshi_py", "cryptofeed_books",
)  # fmt: skip
GRADES: Final = ("caught", "right", "healed", "wrong")

HEAD: Final = """# The same faults at others

This page shows what the book code of several clients makes of faults that our simulators know the
truth of. `make versus` plays them anew and writes the page.

A case is {seconds:.0f} seconds of one market with one fault, {seeds} seeds each. Every client gets
the same bytes, and its book is held against the true one after each frame about it.

* **caught**: it said so, in any way that its user sees: it raised, logged a warning, gave the book
  up or asked for another.
* **right**: its book was the true one throughout; the fault did nothing to it.
* **healed**: it showed a wrong book, said nothing, and was right again before the end.
* **wrong**: it showed a wrong book to the end, and said nothing.

In brackets: after how many frames, at most, it was wrong and had said nothing. A number is of
seeds. In the row `none` nothing is wrong: what is caught there is a false alarm.

{date}; {machine}.
"""
NOTES: Final = """## What was not played

* What only the clock can show (silence, frozen markets, delay), and what happens to connections:
  that is no affair of book code. The [scorecard](scorecard.md) has it for bookfeed.
* Gemini and Crypto.com: no case is made of them. ccxt and cryptofeed have books of both; what
  those make of these faults is not known.
* Nobody answers the venue: a client that asks for another book has done its part.
* nautilus_trader: its schemas of Polymarket's messages and its `OrderBook`, without the check of
  integrity that users may call, which refuses books that cross within a batch. Its other adapters
  were not played to.
* ccxt has no WebSocket for Kalshi. It checks Kraken's sums if it is told to: 4.5.90 then raises at
  the first book, so it was not.
* pykalshi: its messages and its `OrderbookManager`. A frame that is no JSON counts as caught; its
  threaded feed logs it, its asynchronous one does not.
* cryptofeed cuts a side to its depth while a message is still being applied. Where a level comes
  before a deletion in one message, as in our simulator, its sum then fails on clean streams.
* Bitstamp's clients are handed what they subscribe to. cryptofeed takes its best 100 levels, whole,
  again and again, which needs no book code, so it was not played to.
* ccxt looks for the change that bears the very time of Bitstamp's whole book. Where that is of a
  moment between two, as our simulator's is by even seeds, it drops what came before the answer.
* Bitstamp tells the best 100 levels again and again, which its changes are held against. The one
  that bookfeed missed was of the 186th: what is lost behind the hundred shows by REST, within a
  minute, which these cases are too short for.
* A size that is wrong in the frame itself is the venue's own word where nothing else speaks of it:
  Binance's, Coinbase's and Kalshi's messages have no sum. bookfeed compares Kalshi's books every
  minute, which these cases are too short for.
"""


class Told(NamedTuple):
    """What one client made of all cases."""

    name: str
    version: str
    verdicts: list[dict[str, object]]


def play(python: str, module: str, folder: Path) -> Told:
    """Plays the cases to a client, by that interpreter."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if module in OURS:
        environment = dict(os.environ)
    done = subprocess.run(
        [python, "-m", "benches.versus.judge", module, str(folder)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    about, *verdicts = map(json.loads, done.stdout.splitlines())
    return Told(about["name"], about["version"], verdicts)


def cell(verdicts: Sequence[dict[str, object]]) -> str:
    """What became of the seeds of one fault."""
    counts = Counter(str(one["grade"]) for one in verdicts)
    parts = []
    for grade in GRADES:
        if counts[grade]:
            frames = max(int(str(one["wrong"])) for one in verdicts if one["grade"] == grade)
            behind = f" ({frames})" if frames else ""
            parts.append(f"{grade} {counts[grade]}{behind}")
    return ", ".join(parts)


def table(venue: str, faults: Sequence[str], told: Sequence[Told]) -> Iterator[str]:
    """The table of a venue: a row for each fault, a column for each client that knows the venue."""
    each = [(one, [v for v in one.verdicts if v["venue"] == venue]) for one in told]
    clients = [(one, mine) for one, mine in each if mine]
    yield f"## {venue.capitalize()}"
    yield ""
    yield "| fault | " + " | ".join(f"{one.name} {one.version}" for one, _ in clients) + " |"
    yield "|---|" + "---|" * len(clients)
    for fault in faults:
        cells = [cell([v for v in mine if v["fault"] == fault]) for _, mine in clients]
        yield f"| {fault} | " + " | ".join(cells) + " |"
    yield ""


def page(told: Sequence[Told]) -> str:
    """The page."""
    machine = f"{platform.machine()}, {platform.system()}, CPython {platform.python_version()}"
    head = HEAD.format(
        seconds=ITEMS / RATE, seeds=len(SEEDS), date=date.today().isoformat(), machine=machine
    )
    lines = [head]
    for make, faults in MADE.items():
        lines += table(make.__name__, faults, told)
    return "\n".join([*lines, NOTES])


def main() -> None:
    """Plays them and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--others", required=True, help="the interpreter that has the others")
    parser.add_argument("--cases", type=Path, required=True, help="a folder for the cases")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "versus.md")
    given = parser.parse_args()
    given.cases.mkdir(parents=True, exist_ok=True)
    for old in given.cases.glob("*.jsonl"):
        old.unlink()
    for case in cases():
        case.write(given.cases)
    told = [play(sys.executable, name, given.cases) for name in OURS]
    told += [play(given.others, name, given.cases) for name in OTHERS]
    given.page.write_text(page(told))


if __name__ == "__main__":
    main()
