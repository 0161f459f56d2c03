"""What a soak is judged by: books held against the truth by time, and whose fault a stall is."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bookfeed.scorecard.campaigns.stalls import Stalls
from bookfeed.scorecard.campaigns.true_books import (
    OLD_S,
    SETTLE_S,
    BookLog,
    best_of,
    digest_of,
    entries,
    judged,
    record,
)
from bookfeed.sim.spot_truth import SpotTruth, Told

S = 1_000_000_000
A, B, C, NEVER = 1, 2, 3, 9


class Logs:
    """A log of the truth, one of what was shown, and a clock that is set by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 0
        monkeypatch.setattr(time, "time_ns", lambda: self.now_ns)
        self.paths = folder / "shown", folder / "true"
        self.shown, self.true = map(BookLog, self.paths)

    def at(self, seconds: float, *, true: int = 0, shown: int = 0) -> None:
        self.now_ns = int(seconds * S)
        if true:
            self.true.put("X", true)
        if shown:
            self.shown.put("sim X", shown)

    def judged(self, kept_back_s: float | None = None) -> tuple[list[str], int, float, float]:
        self.shown.close()
        self.true.close()
        kept_back = {} if kept_back_s is None else {"sim": [kept_back_s]}
        told = judged(self.paths[0], {"sim": self.paths[1]}, kept_back)
        return told.wrong, told.never, told.old_s_max, told.mistaken_s_max


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logs:
    return Logs(tmp_path, monkeypatch)


def test_a_book_is_as_old_as_the_change_that_ended_it(logs: Logs) -> None:
    logs.at(1, true=A)
    logs.at(9, shown=A)
    logs.at(10, true=B)
    logs.at(12, shown=A)
    logs.at(13, true=A)
    logs.at(14, shown=A)
    assert logs.judged() == ([], 0, 2.0, 0.0)


def test_a_live_book_beyond_the_age_is_wrong(logs: Logs) -> None:
    logs.at(1, true=A)
    logs.at(10, true=B)
    logs.at(10 + OLD_S, shown=A)
    logs.at(11 + OLD_S, shown=A)
    wrong, never, old_s_max, _ = logs.judged()
    assert len(wrong) == 1 and "62.0 s old" in wrong[0]
    assert (never, old_s_max) == (0, OLD_S + 1)


def test_a_book_that_never_was_is_borne_until_the_true_one_has_moved_on(logs: Logs) -> None:
    logs.at(1, true=A)
    logs.at(2, shown=NEVER)
    logs.at(80, shown=NEVER)  # nothing was told of it since
    logs.at(81, true=B)
    logs.at(81 + SETTLE_S, shown=NEVER)
    logs.at(82 + SETTLE_S, shown=NEVER)
    wrong, never, _, mistaken_s_max = logs.judged()
    assert len(wrong) == 1 and "never was" in wrong[0]
    assert (never, mistaken_s_max) == (4, SETTLE_S + 1)


@pytest.mark.parametrize(("kept_back_s", "wrong"), [(9, 1), (40, 2), (None, 2)])
def test_changes_that_are_kept_back_are_borne_until_a_comparison(
    logs: Logs, kept_back_s: float | None, wrong: int
) -> None:
    logs.at(1, true=A)
    logs.at(11, shown=NEVER)
    logs.at(12, true=B)
    logs.at(12 + OLD_S - 1, shown=NEVER)
    logs.at(12 + OLD_S + 1, shown=NEVER)
    assert len(logs.judged(kept_back_s)[0]) == wrong


def test_a_mistake_that_was_mended_begins_anew(logs: Logs) -> None:
    logs.at(1, true=A)
    logs.at(2, shown=NEVER)
    logs.at(3, true=B)
    logs.at(4, shown=B)
    logs.at(20, true=C)
    logs.at(21, shown=NEVER)
    assert logs.judged() == ([], 2, 0.0, 0.0)


def test_what_is_yet_to_be_true_is_a_mistake(logs: Logs) -> None:
    logs.at(1, true=A)
    logs.at(2, shown=B)
    logs.at(3, true=B)
    assert logs.judged()[1] == 1


def test_every_version_of_a_book_is_written_down(tmp_path: Path) -> None:
    truth = SpotTruth()
    truth.start("X", 1, {10: 5, 9: 6}, {12: 7})
    log = record(truth, tmp_path / "true")
    truth.apply("X", 2, [Told(True, 11, 3)])
    log.close()
    books = [([(10, 5), (9, 6)], [(12, 7)]), ([(11, 3), (10, 5), (9, 6)], [(12, 7)])]
    told = [(name, digest) for name, _, digest in entries(tmp_path / "true")]
    assert told == [("X", digest_of(*book)) for book in books]


class View:
    """A book that is known down to one bid and up to one ask."""

    def __init__(self, bid_end: float | None, ask_end: float | None) -> None:
        self._ends = {"bid": bid_end, "ask": ask_end}

    def levels_exact(self, side: str, _depth: int) -> Any:
        prices = (7.0, 6.0, 5.0) if side == "bid" else (8.0, 9.0)
        return np.array([[int(price * 1e9), 1] for price in prices])

    def depth_known(self, side: str) -> float | None:
        return self._ends[side]


@pytest.mark.parametrize(
    ("bid_end", "ask_end", "known"),
    [(None, None, True), (5.0, 9.0, True), (5.5, None, False), (None, 8.5, False)],
)
def test_levels_beyond_what_is_known_are_not_compared(
    bid_end: float | None, ask_end: float | None, known: bool
) -> None:
    best = best_of(View(bid_end, ask_end))  # type: ignore[arg-type]
    assert (best is not None) == known


async def test_work_and_blocking_are_stalls_of_the_loop_s_own_doing() -> None:
    for stand_still in (time.sleep, work):
        async with Stalls() as stalls:
            await asyncio.sleep(0.02)
            stand_still(0.15)
            await asyncio.sleep(0.02)
        assert stalls.own_longest_s >= 0.14
        assert stalls.longest_s >= stalls.own_longest_s


@pytest.mark.skipif(sys.platform != "linux", reason="reads how long threads wait from /proc")
async def test_waiting_for_a_core_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = iter([0.0, 0.2])
    monkeypatch.setattr(
        "bookfeed.scorecard.campaigns.stalls.Waited.now_s", lambda _: next(waits, 0.2)
    )
    async with Stalls() as stalls:
        await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251 - as a thread without a core
        await asyncio.sleep(0.02)
    assert stalls.longest_s >= 0.14
    assert stalls.own_longest_s < 0.05


def work(seconds: float) -> None:
    """Keeps the thread busy for so long by its own time."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass
