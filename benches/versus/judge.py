"""Plays the cases to one client and says what became of each. It needs nothing but the client.

A client may say that something is wrong in any way that its user would see: it raises, it logs a
warning, it says that its book is not valid, shows none any more, or asks for a new one. With its
first word a case is over, and what it showed before counts: its user knows, and what he does next
is not its book's.
"""

import argparse
import base64
import json
import logging
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

_WORDS_MAX: Final = 120

Levels = list[tuple[int, int]]
"""Prices in 1e-9 and sizes in 1e-8, best first."""


class Client(Protocol):
    """The book code of somebody, fed with frames."""

    def connected(self, ts_ns: int) -> None:
        """A connection begins."""

    def disconnected(self, ts_ns: int) -> None:
        """It ends."""

    def frame(self, payload: bytes, ts_ns: int) -> None:
        """A frame arrives. Whatever it raises is its word."""

    def rest(self, payload: bytes, ts_ns: int) -> None:
        """A whole book arrives by REST."""

    def book(self) -> tuple[Levels, Levels] | None:
        """Bids and asks; ``None`` where it shows no book as good."""

    def said(self) -> str:
        """What it says is wrong, in any other way; empty if nothing."""


class Case(NamedTuple):
    """One case, as ``cases.py`` writes it."""

    venue: str
    fault: str
    seed: int
    symbols: list[str]
    depth: int
    """Levels a side that are compared."""
    market: dict[str, str]
    steps: list[dict[str, Any]]


class Verdict(NamedTuple):
    """What became of a case."""

    venue: str
    fault: str
    seed: int
    grade: str
    """``right`` to the end, ``caught``, ``healed`` by itself though nothing was said, or
    ``wrong`` at the end with nothing said."""
    wrong: int
    """Frames after which it showed a wrong book and had said nothing."""
    word: str
    """What it said, if it did."""


def read(path: Path) -> Case:
    """A case from its file."""
    about, *steps = map(json.loads, path.read_text().splitlines())
    return Case(**about, steps=steps)


class Warnings(logging.Handler):
    """The first warning of any logger."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        """A warning, or worse."""
        self.first = self.first or record.getMessage()


def play(client: Client, case: Case, warnings: Warnings) -> Verdict:
    """One case."""
    warnings.first = ""
    wrong, word, is_wrong = 0, "", False
    for step in case.steps:
        word = _take(client, step) or warnings.first or client.said()
        if word:
            break
        book = client.book() if "bids" in step else None
        if book is not None:
            shown = [[list(level) for level in side[: case.depth]] for side in book]
            is_wrong = shown != [step["bids"], step["asks"]]
            wrong += is_wrong
    if not word and client.book() is None:
        word = "shows no book"
    if word:
        grade = "caught"
    elif is_wrong:
        grade = "wrong"
    else:
        grade = "healed" if wrong else "right"
    return Verdict(case.venue, case.fault, case.seed, grade, wrong, word[:_WORDS_MAX])


def _take(client: Client, step: dict[str, Any]) -> str:
    payload, ts_ns = base64.b64decode(step["payload"]), step["ts_ns"]
    try:
        match step["kind"]:
            case "connected":
                client.connected(ts_ns)
            case "disconnected":
                client.disconnected(ts_ns)
            case "frame":
                client.frame(payload, ts_ns)
            case "rest":
                client.rest(payload, ts_ns)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def played(module: Any, folder: Path) -> Iterator[Verdict]:
    """All cases of the venues that a client knows."""
    warnings = Warnings()
    logging.basicConfig(handlers=[warnings], level=logging.WARNING, force=True)
    for path in sorted(folder.glob("*.jsonl")):
        case = read(path)
        make = module.CLIENTS.get(case.venue)
        if make is not None:
            yield play(make(case), case, warnings)


def main() -> None:
    """Plays them to the client of a module, and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    module = import_module(f"benches.versus.clients.{given.module}")
    print(json.dumps({"name": module.NAME, "version": module.version()}))
    for verdict in played(module, given.folder):
        print(json.dumps(verdict._asdict()))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
