"""The cases that other clients are played, and how they are judged. The others are not needed."""

import json
import logging
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from benches.versus import cases, judge, report
from benches.versus.clients import ours
from benches.versus.judge import Case, Levels, Verdict

CLEAN = {make.__name__: partial(make, cases.NONE) for make in cases.MADE}


@cache
def made(venue: str, fault: str, seed: int, folder: Path) -> Case:
    """A case as a client reads it."""
    make = next(make for make in cases.MADE if make.__name__ == venue)
    make(fault, seed).write(folder)
    (path,) = folder.glob(f"{venue}-{fault.replace(':', '_')}-{seed}.jsonl")
    return judge.read(path)


def verdict(client: Callable[[Case], judge.Client], case: Case) -> Verdict:
    return judge.play(client(case), case, judge.Warnings())


class Blind:
    """Shows the book that is true after one step, and nothing else ever."""

    def __init__(self, case: Case, step: int = 0, word: str = "") -> None:
        told = [step for step in case.steps if "bids" in step]
        self._book = told[step]["bids"], told[step]["asks"]
        self._word = word

    def connected(self, ts_ns: int) -> None: ...
    def disconnected(self, ts_ns: int) -> None: ...
    def rest(self, payload: bytes, ts_ns: int) -> None: ...

    def frame(self, payload: bytes, ts_ns: int) -> None:
        if self._word:
            raise ValueError(self._word)

    def book(self) -> tuple[Levels, Levels]:
        return self._book

    def said(self) -> str:
        return ""


@pytest.mark.parametrize("venue", CLEAN)
def test_of_clean_streams_ours_is_right_and_says_nothing(venue: str, tmp_path: Path) -> None:
    told = verdict(ours.Client, made(venue, cases.NONE, 1, tmp_path))
    assert (told.grade, told.wrong, told.word) == ("right", 0, "")


@pytest.mark.parametrize(
    ("venue", "fault"),
    [("kalshi", "drop"), ("binance", "gap"), ("kraken", "checksum"),
     ("polymarket", "malformed:truncated"), ("coinbase", "drop"), ("bitstamp", "swap")],
)  # fmt: skip
def test_ours_sees_what_the_bytes_show_before_it_is_wrong(
    venue: str, fault: str, tmp_path: Path
) -> None:
    told = verdict(ours.Client, made(venue, fault, 1, tmp_path))
    assert (told.grade, told.wrong) == ("caught", 0)
    assert told.word.startswith("stale")


def test_who_shows_an_old_book_is_wrong_and_who_comes_right_is_healed(tmp_path: Path) -> None:
    case = made("kraken", cases.NONE, 1, tmp_path)
    first, last = verdict(Blind, case), verdict(partial(Blind, step=-1), case)
    assert (first.grade, last.grade) == ("wrong", "healed")
    assert first.wrong > 400 and last.wrong > 400


def test_what_is_raised_or_logged_is_a_word_and_ends_the_case(tmp_path: Path) -> None:
    case = made("kraken", cases.NONE, 1, tmp_path)
    raised = verdict(partial(Blind, word="no"), case)
    assert (raised.grade, raised.wrong, raised.word) == ("caught", 0, "ValueError: no")
    warnings = judge.Warnings()
    client = Blind(case)
    client.connected = lambda ts_ns: warnings.emit(  # type: ignore[method-assign]
        logging.LogRecord("x", logging.WARNING, "", 0, "a %s", ("hole",), None)
    )
    assert judge.play(client, case, warnings).word == "a hole"


def test_the_same_seed_is_the_same_case(tmp_path: Path) -> None:
    make = next(iter(cases.MADE))
    assert make("drop", 3) == make("drop", 3) != make("drop", 4)


def test_a_table_counts_seeds_by_what_became_of_them() -> None:
    each = [("caught", 0), ("caught", 7), ("wrong", 500)]
    verdicts = [
        Verdict("kalshi", "drop", seed, grade, wrong, "")._asdict()
        for seed, (grade, wrong) in enumerate(each)
    ]
    told = report.Told("a client", "1.0", verdicts)
    lines = list(report.table("kalshi", ["drop"], [told, report.Told("another", "2", [])]))
    assert "| fault | a client 1.0 |" in lines
    assert "| drop | caught 2 (7), wrong 1 (500) |" in lines


def test_clients_are_pinned() -> None:
    """So that the page can be made anew."""
    text = (report.ROOT / "pyproject.toml").read_text()
    group = text.partition("\nversus = [")[2].partition("]\n\n")[0]
    assert json.dumps("pykalshi==2.0.0") in group
    assert all("==" in line for line in group.splitlines() if line.strip().startswith('"'))
