"""What waits for a sink: bounded, in order, and nothing lost without being counted."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_records import BOOK, TRADE, Records, level_numbers, seqs
from waiting import wait_until

from bookfeed import Batch
from bookfeed.sinks import batches, policies
from bookfeed.sinks.base import Full, SinkOptions
from bookfeed.sinks.policies import Queue, Spill, WouldBlock, queue_for
from bookfeed.sinks.spill import SpillFile


def drained(queue: Queue) -> list[Batch]:
    """Everything that waits."""
    taken = []
    while (batch := queue.take()) is not None:
        taken.append(batch)
    return taken


# Batches put together and cut.


def test_joined_signals_find_their_legs() -> None:
    records = Records()
    first = records.batch([(BOOK, 1), (-1, 3), (-1, 1)])
    second = records.batch([(-1, 2), (TRADE, 1)])
    assert seqs(batches.join([first, second])) == [1, 2, 3, 4, 5]
    assert batches.join([first]) is first


def test_of_an_instruments_books_the_newest_is_left() -> None:
    records = Records()
    left = batches.conflated(
        [
            records.batch([(BOOK, 1), (TRADE, 1), (BOOK, 2), (BOOK, 1), (-1, 2)]),
            records.batch([(BOOK, 1), (BOOK, 3)]),
        ]
    )
    assert seqs(left.books) == [3, 6, 7]
    assert seqs(left.others) == [2, 5]
    assert left.left_out == 2
    assert seqs(batches.merged([left.others, left.books])) == [2, 3, 5, 6, 7]


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_a_cut_goes_through_no_signal(seed: int, count: int) -> None:
    batch = Records(seed).any_batch(30)
    assert seqs(batches.without_oldest(batch, count)) == seqs(batch)[count:]


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_a_cut_goes_through_no_message(seed: int, count: int) -> None:
    """Level changes go first."""
    batch = Records(seed).any_batch(10, levels=True)
    rest = batches.without_oldest(batch, count)
    levels = level_numbers(batch)
    kept = level_numbers(rest)
    assert kept == levels[len(levels) - len(kept) :]
    assert max(len(levels) - count - 2, 0) <= len(kept) <= max(len(levels) - count, 0)
    assert seqs(rest) == seqs(batch)[max(count - len(levels), 0) :]


# The policies.


@given(
    seed=st.integers(0, 1 << 30),
    full=st.sampled_from(["conflate", "drop_oldest"]),
    queue_max=st.integers(1, 60),
    steps=st.lists(st.booleans(), max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_written_dropped_conflated_or_waits(
    seed: int, full: Full, queue_max: int, steps: list[bool]
) -> None:
    records = Records(seed)
    queue = queue_for(SinkOptions(full=full, queue_max=queue_max), "mine")
    levels = records.rng.random() < 0.5
    had: list[Batch] = []
    received = 0
    for take in steps:
        if take:
            had += [batch] if (batch := queue.take()) else []
        else:
            received += len(batch := records.any_batch(levels=levels))
            queue.put(batch)
        assert queue.waiting <= queue_max
        assert queue.received == received
    waiting = queue.waiting
    rest = drained(queue)
    assert sum(map(len, rest)) == waiting
    assert received == sum(map(len, had + rest)) + queue.dropped + queue.conflated
    taken = [seq for batch in had for seq in seqs(batch)]
    left = [seq for batch in rest for seq in seqs(batch)]
    assert taken + left == sorted({*taken, *left}), "in order, each once"
    numbers = [number for batch in had + rest for number in level_numbers(batch)]
    assert numbers == sorted(set(numbers))
    if full == "drop_oldest" and not levels:
        assert queue.conflated == 0
        lost = set(records.kinds) - {*taken, *left}
        assert not left or not lost or max(lost) < min(left), "the oldest were dropped"


@given(st.integers(0, 1 << 30), st.integers(8, 64), st.integers(1, 80))
@settings(deadline=None)
def test_a_conflating_queue_has_the_newest_book_of_each_instrument(
    seed: int, queue_max: int, count: int
) -> None:
    records = Records(seed)
    queue = queue_for(SinkOptions(queue_max=queue_max), "mine")
    for _ in range(count):
        queue.put(records.any_batch())
    left = {seq for batch in drained(queue) for seq in seqs(batch)}
    newest = {number: seq for seq, (kind, number) in records.kinds.items() if kind == BOOK}
    assert set(newest.values()) <= left


def test_nothing_is_left_out_while_there_is_room() -> None:
    for full in ("conflate", "drop_oldest", "spill"):
        records = Records()
        queue = queue_for(SinkOptions(full=full, queue_max=100), "mine")
        for _ in range(25):
            queue.put(records.books(1, 1, 1, 1))
        assert [seq for batch in drained(queue) for seq in seqs(batch)] == list(range(1, 101))


def test_only_books_are_conflated_and_then_the_oldest_of_the_rest_go() -> None:
    records = Records()
    queue = queue_for(SinkOptions(queue_max=10), "mine")
    for _ in range(30):
        queue.put(records.batch([(TRADE, 1), (BOOK, 1)]))
    left = [seq for batch in drained(queue) for seq in seqs(batch)]
    assert left[-1] == 60
    trades = [seq for seq in left if records.kinds[seq][0] == TRADE]
    assert trades == list(range(61 - 2 * len(trades), 61, 2))
    assert len(trades) >= 6
    assert queue.conflated + queue.dropped + len(left) == 60
    assert queue.dropped == 30 - len(trades)


def test_the_oldest_of_one_large_batch_are_dropped() -> None:
    records = Records()
    queue = queue_for(SinkOptions(full="drop_oldest", queue_max=10), "mine")
    queue.put(records.batch([(BOOK, 1)] * 15 + [(-1, 3)] * 10))
    (batch,) = drained(queue)
    assert seqs(batch) == list(range(16, 26))
    assert queue.dropped == 15


def test_a_full_queue_does_not_work_with_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes room is done for many records at once, or it would cost the loop every time."""
    calls = 0
    real = batches.conflated

    def counted(given: list[Batch]) -> batches.Conflated:
        nonlocal calls
        calls += 1
        return real(given)

    monkeypatch.setattr(policies, "conflated", counted)
    records = Records(instruments=20)
    queue = queue_for(SinkOptions(queue_max=8_192), "mine")
    for _ in range(20_000):
        queue.put(records.books(1, 2))
    assert queue.conflated > 30_000
    assert calls < 100


# Spilling.


@pytest.fixture
def spill() -> Iterator[Queue]:
    queue = queue_for(SinkOptions(full="spill", queue_max=100), "mine")
    queue.open()
    yield queue
    queue.close()


def test_what_is_spilled_comes_back_in_order(spill: Queue) -> None:
    records = Records(7)
    for _ in range(500):
        batch = records.any_batch(levels=True)
        wait_until(lambda: spill.in_memory <= 60)
        spill.put(batch)
        assert spill.in_memory <= 100
    assert spill.spilled > 1_000
    assert spill.spill_bytes > 0
    left = drained(spill)
    assert [seq for batch in left for seq in seqs(batch)] == list(records.kinds)
    levels = [number for batch in left for number in level_numbers(batch)]
    assert levels == list(range(records.levels))
    assert (spill.dropped, spill.spill_bytes, spill.waiting) == (0, 0, 0)


@given(st.integers(0, 1 << 30), st.lists(st.integers(0, 3), max_size=80), st.integers(0, 30_000))
@settings(max_examples=60, deadline=None)
def test_a_spilling_queue_keeps_order_and_counts(
    seed: int, steps: list[int], bytes_max: int
) -> None:
    options = SinkOptions(full="spill", queue_max=20, spill_bytes_max=bytes_max)
    queue = queue_for(options, "mine")
    queue.open()
    records = Records(seed)
    taken: list[int] = []
    for step in steps:
        if step:
            queue.put(records.any_batch())
        elif batch := queue.take():
            taken += seqs(batch)
        assert queue.in_memory <= 20
        assert queue.spill_bytes <= bytes_max
    waiting = queue.waiting
    left = [seq for batch in drained(queue) for seq in seqs(batch)]
    queue.close()
    assert len(left) == waiting
    assert queue.received == len(taken) + len(left) + queue.dropped
    assert taken + left == sorted(taken + left)


def test_the_spill_file_is_private_and_has_no_name(tmp_path: Path) -> None:
    file = SpillFile(tmp_path / "spill", 1 << 20)
    assert file.write(Records().books(1, 2, 3))
    status = os.fstat(file.fd)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_nlink == 0
    assert list((tmp_path / "spill").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "spill").stat().st_mode) == 0o700
    file.close()


def test_the_spill_file_is_a_ring(tmp_path: Path) -> None:
    file = SpillFile(tmp_path, 96 * 10)
    records = Records(3)
    expected = 1
    for _ in range(50):
        while file.write(records.books(1, 2, 3)):
            assert file.bytes <= 96 * 10
        # The last batch did not fit: its numbers are used up.
        batch = file.read()
        assert batch is not None
        assert seqs(batch)[0] >= expected
        expected = seqs(batch)[-1] + 1
    assert os.fstat(file.fd).st_size <= 96 * 10
    file.close()


def test_what_was_drained_gives_its_space_back(tmp_path: Path) -> None:
    file = SpillFile(tmp_path, 1 << 30)
    for _ in range(30):
        assert file.write(Records().books(*[1] * 1_000))
    assert os.fstat(file.fd).st_size == 30 * 96_000
    while file.read():
        pass
    assert (os.fstat(file.fd).st_size, file.records, file.bytes) == (0, 0, 0)
    file.close()


class BrokenFile(SpillFile):
    """A disk that is full, or slow for as long as it is told."""

    def __init__(self) -> None:
        super().__init__(None, 1 << 20)
        self.full = False
        self.gate = threading.Event()
        self.gate.set()
        self.unreadable = 0

    def write(self, batch: Batch) -> bool:
        self.gate.wait()
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(batch)

    def read(self) -> Batch | None:
        if self.unreadable:
            self.unreadable -= 1
            raise OSError(5, "Input/output error")
        return super().read()


@pytest.fixture
def broken() -> Iterator[tuple[Spill, BrokenFile]]:
    file = BrokenFile()
    queue = Spill(100, lambda: file, "mine")
    queue.open()
    yield queue, file
    file.gate.set()
    queue.close()


def test_a_full_disk_is_counted_and_what_does_not_fit_is_dropped(
    broken: tuple[Spill, BrokenFile],
) -> None:
    queue, file = broken
    file.full = True
    records = Records()
    for _ in range(80):
        queue.put(records.books(1, 2))
    wait_until(lambda: queue.disk_errors > 0)
    assert queue.in_memory == 100
    assert queue.dropped == 60
    file.full = False
    wait_until(lambda: queue.spilled > 0)
    left = [seq for batch in drained(queue) for seq in seqs(batch)]
    assert left == list(range(1, 101))


def test_a_disk_that_hangs_is_met_by_nobody_else(broken: tuple[Spill, BrokenFile]) -> None:
    queue, file = broken
    file.gate.clear()
    records = Records()
    for _ in range(80):
        queue.put(records.books(1, 2))
    assert queue.waiting == 100
    assert queue.dropped == 60
    wait_until(lambda: len(queue._fresh) < 50)  # noqa: SLF001 - the thread has taken some
    with pytest.raises(WouldBlock):
        queue.take(block=False)
    file.gate.set()
    left = [seq for batch in drained(queue) for seq in seqs(batch)]
    assert left == list(range(1, 101))


def test_what_the_disk_does_not_give_back_is_counted(broken: tuple[Spill, BrokenFile]) -> None:
    queue, file = broken
    records = Records()
    for _ in range(40):
        queue.put(records.books(1, 2))
    wait_until(lambda: queue.in_memory <= 50)
    file.unreadable = 1
    waiting = queue.waiting
    left = [seq for batch in drained(queue) for seq in seqs(batch)]
    assert queue.disk_errors == 1
    assert len(left) + queue.dropped == waiting == 80
    assert 0 < queue.dropped < 80
    assert left == sorted(left)


def test_a_directory_that_takes_no_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = SinkOptions(full="spill", spill_dir=tmp_path / "file")
    with pytest.raises(OSError):
        queue_for(options, "mine").open()


@pytest.mark.parametrize("full", ["conflate", "drop_oldest", "spill"])
def test_what_comes_after_the_end_is_counted_as_dropped(full: Full) -> None:
    records = Records()
    queue = queue_for(SinkOptions(full=full, queue_max=10), "mine")
    queue.open()
    queue.put(records.books(1, 2))
    queue.close()
    for _ in range(20):
        queue.put(records.books(1, 2))
    assert (queue.received, queue.dropped, queue.take()) == (42, 40, None)


@pytest.mark.parametrize("full", ["conflate", "drop_oldest", "spill"])
def test_since_when_the_oldest_waits(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever way it goes: as it came, folded or cut by the policy, or over the disk."""
    records, now_s = Records(), [0.0]
    monkeypatch.setattr(policies, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=sleep))
    queue = queue_for(SinkOptions(full=full, queue_max=64), "mine")
    queue.open()
    assert queue.oldest_s is None
    trades = [(TRADE, n) for n in range(16)]
    for now_s[0] in range(1, 5):
        queue.put(records.batch(trades))
    assert queue.oldest_s == 1
    if full == "spill":
        wait_until(lambda: queue.spilled > 0)
        assert queue.oldest_s == 1
    now_s[0] = 10
    queue.put(records.batch([(BOOK, 1)]))
    queue.put(records.batch([(BOOK, 1)]))
    # Only who drops the oldest has let go of what came first.
    assert queue.oldest_s == (2 if queue.dropped >= 16 else 1)
    seen: list[float] = []
    while (oldest_s := queue.oldest_s) is not None:
        assert queue.take() is not None and queue.taken_s == oldest_s
        seen.append(oldest_s)
    assert seen == sorted(seen) and queue.waiting == 0
    queue.close()


def test_options_out_of_bounds_are_refused() -> None:
    for wrong in (
        {"queue_max": 0},
        {"full": "wait"},
        {"name": "My Sink"},
        {"close_timeout_s": -1},
        {"close_timeout_s": 1e9},
        {"spill_bytes_max": -1},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SinkOptions(**wrong)
