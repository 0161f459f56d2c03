"""The journal's crash contract: kills, failing and stalling disks, power loss.

``BOOKFEED_KILL_REPS`` and ``BOOKFEED_POWER_LOSS_STATES`` raise the number of repetitions.
"""

import errno
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_S, wait_until

from bookfeed._bookfeed import JournalEncoder, JournalReader
from bookfeed.recordings import segments
from bookfeed.recordings.kinds import Kind, RecordTuple
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.segments import SegmentFiles
from bookfeed.recordings.writer import JournalWriter

KILL_REPS = int(os.environ.get("BOOKFEED_KILL_REPS", "40"))
POWER_LOSS_STATES = int(os.environ.get("BOOKFEED_POWER_LOSS_STATES", "400"))

# Forks one recording process per line read: forking is quick where starting Python is not.
ZYGOTE = """
import mmap, os, sys
from bookfeed.recordings.writer import JournalWriter

def record(directory):
    with open(directory + "/acknowledged", "r+b") as file:
        shared = mmap.mmap(file.fileno(), 16)
    writer = JournalWriter(directory, flush_interval_s=0.001, sync_interval_s=0.004,
                           rotate_bytes=100_000)
    i = 0
    while True:
        writer.append(1, i, 0, 0, b"%d:" % i + b"x" * (i * 7919 % 300))
        i += 1
        if i % 16 == 0:
            writer.poll(i * 100_000)
            status = writer.status()
            shared[8:16] = status.records_synced.to_bytes(8, "little")
            shared[0:8] = status.records_written.to_bytes(8, "little")

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        record(line.strip())
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


def numbered(i: int) -> RecordTuple:
    """Record ``i``: incompressible, so that files have their full length."""
    return (Kind.FRAME, i, 0, 0, i.to_bytes(4, "little") + random.Random(i).randbytes(400))


@pytest.mark.slow
def test_kill_at_random_instants_loses_nothing_written(tmp_path: Path) -> None:
    """kill -9: everything the process had been told is written is there, in order, undamaged."""
    noise = random.Random(20261121)
    total = 0
    zygote = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert zygote.stdin and zygote.stdout
    with zygote:
        for rep in range(KILL_REPS):
            directory = tmp_path / str(rep)
            directory.mkdir()
            acknowledged = directory / "acknowledged"
            acknowledged.write_bytes(bytes(16))
            zygote.stdin.write(f"{directory}\n")
            pid = int(zygote.stdout.readline())
            # Now and then before anything was done.
            some = noise.randrange(2_000) if rep % 8 else 0
            wait_until(lambda: told(acknowledged)[0] >= some)  # noqa: B023 - called at once
            os.kill(pid, signal.SIGKILL)
            assert zygote.stdout.readline() == "gone\n"
            total += check_killed(directory)
        zygote.stdin.close()
    assert total > 500 * KILL_REPS


def told(acknowledged: Path) -> tuple[int, int]:
    """How many records a recorder says are written, and how many synced."""
    written, synced = struct.unpack("<QQ", acknowledged.read_bytes())
    return written, synced


def check_killed(directory: Path) -> int:
    """Asserts the contract for one killed recorder; the number of records found."""
    written, synced = told(directory / "acknowledged")
    if not list(directory.glob("*.bfj")):
        assert written == synced == 0
        return 0
    journal = Journal(directory)
    got = [(ts, payload) for _, ts, _, _, payload in journal]
    assert got == [(i, b"%d:" % i + b"x" * (i * 7919 % 300)) for i in range(len(got))]
    assert len(got) >= written >= synced
    for hole in journal.report().missing:
        assert hole.segment == journal.segments[-1] and "cut short" in hole.reason
    return len(got)


class FaultyOs:
    """Stands in for ``os`` in ``bookfeed.recordings.segments``: real calls, some made to fail."""

    def __init__(self, fault: Callable[[str, int], Any]) -> None:
        """``fault(name, number)`` raises, returns "short", or returns None to do nothing."""
        self.fault = fault
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _call(self, name: str, *args: Any) -> Any:
        self.calls += 1
        if self.fault(name, self.calls) == "short":
            args = (args[0], bytes(args[1])[: max(1, len(args[1]) // 3)])
        return getattr(os, name)(*args)

    def open(self, *args: Any) -> Any:
        return self._call("open", *args)

    def write(self, *args: Any) -> Any:
        return self._call("write", *args)

    def fsync(self, *args: Any) -> Any:
        return self._call("fsync", *args)

    def close(self, *args: Any) -> Any:
        return self._call("close", *args)


def failure(code: int) -> OSError:
    """The exception Python makes of an errno."""
    return OSError(code, os.strerror(code))


def run_with_fault(directory: Path, fault: FaultyOs, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Records 60 blocks of 10 records with rotation and syncs under ``fault``; the status."""
    writer = JournalWriter(directory, rotate_bytes=50_000, sync_interval_s=0.0)
    monkeypatch.setattr(segments, "os", fault)
    for i in range(600):
        writer.append(*numbered(i))
        if i % 10 == 9:
            writer.flush()
        if i % 100 == 99:
            time.sleep(0.001)
    status = writer.close()
    monkeypatch.undo()
    return status


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["EIO", "ENOSPC", "EINTR", "short"])
def test_any_single_failure_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The n-th open, write, fsync or close fails, for every n: all records, once, in order."""
    expected = [numbered(i) for i in range(600)]
    number, made = 0, 1
    while number < min(made, 60):
        number += 1

        def fault(name: str, call: int, target: int = number) -> Any:
            if call != target:
                return None
            if kind == "short":
                return "short" if name == "write" else None
            raise failure(getattr(errno, kind))

        faulty = FaultyOs(fault)
        directory = tmp_path / f"{number}"
        status = run_with_fault(directory, faulty, monkeypatch)
        made = faulty.calls
        assert status.records_dropped == 0 and status.error is None
        if kind in ("EINTR", "short"):
            assert status.tainted == 0, "an interrupted call is repeated, a short one continued"
        assert status.records_synced == status.records_appended == 600, f"call {number}"
        journal = Journal(directory)
        assert list(journal) == expected, f"call {number}"
        assert journal.report().clean
        assert journal.report().records == 600
    assert number > 20, "too few calls to have tested anything"


def test_after_a_failed_fsync_that_file_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not synced before goes into a new segment, which names the old one."""
    writer = JournalWriter(tmp_path, sync_interval_s=3600)
    for i in range(10):
        writer.append(*numbered(i))
    assert writer.sync(PATIENCE_S)
    first = writer.status().segment
    assert first is not None

    failing = iter([True])

    def fault(name: str, _call: int) -> None:
        if name == "fsync" and next(failing, False):
            raise failure(errno.EIO)

    for i in range(10, 20):
        writer.append(*numbered(i))
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    assert writer.sync(PATIENCE_S), "made good by a second segment"
    status = writer.status()
    assert (status.tainted, status.segments, status.error) == (1, 2, None)
    assert status.segment not in (first, None)
    writer.close()

    # As after a power failure: of the old file only what was synced is left.
    second = JournalReader(Journal(tmp_path).segments[1].read_bytes())
    tainted = json.loads(second.metadata)
    assert tainted["previous"] == first.name
    assert "error" in tainted["tainted"]
    os.truncate(first, tainted["tainted"]["synced_bytes"])
    assert list(Journal(tmp_path)) == [numbered(i) for i in range(20)]
    assert Journal(tmp_path).report().clean


def test_close_makes_good_a_last_failed_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very last sync fails once: the records are synced in a second segment all the same."""
    failing = iter([True])

    def fault(name: str, _call: int) -> None:
        if name == "fsync" and next(failing, False):
            raise failure(errno.EIO)

    writer = JournalWriter(tmp_path, sync_interval_s=3600)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    writer.append(*numbered(0))
    status = writer.close()
    assert (status.records_synced, status.tainted, status.error) == (1, 1, None)
    assert list(Journal(tmp_path)) == [numbered(0)]


def test_while_fsync_keeps_failing_nothing_is_called_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No false promise, no storm of files, and all is well once the disk is."""
    broken = True

    def fault(name: str, _call: int) -> None:
        if name == "fsync" and broken:
            raise failure(errno.EIO)

    writer = JournalWriter(tmp_path, sync_interval_s=0.0)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    begun_s = time.monotonic()
    for i in range(200):
        writer.append(*numbered(i))
        writer.flush()
        time.sleep(0.002)
    assert not writer.sync(0.1)
    # Written, for a killed process, all the same.
    wait_until(lambda: writer.status().records_written == 200)
    status = writer.status()
    assert status.records_synced == 0 and status.error is not None
    # A new file at once, then after a quarter of a second, and each time after twice as long.
    assert 1 <= status.tainted <= 2 + math.log2(1 + 4 * (time.monotonic() - begun_s))
    assert len(list(tmp_path.glob("*.bfj"))) == 1, "abandoned files without synced blocks go"
    assert list(Journal(tmp_path)) == [numbered(i) for i in range(200)]
    broken = False
    assert writer.sync(PATIENCE_S)
    assert writer.close().error is None
    assert list(Journal(tmp_path)) == [numbered(i) for i in range(200)]


def test_a_full_disk_drops_counts_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC for a while: bounded memory, an exact count at the right place, no exception."""
    full = False

    def fault(name: str, _call: int) -> None:
        if name == "write" and full:
            raise failure(errno.ENOSPC)

    writer = JournalWriter(tmp_path, buffer_bytes_max=200_000)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    accepted = 0
    full = True
    for i in range(3000):
        writer.append(*numbered(i))
        assert writer.status().bytes_pending < 201_000
    wait_until(lambda: writer.status().error is not None)
    status = writer.status()
    assert status.records_dropped > 1000 and status.segment is None
    full = False
    wait_until(lambda: writer.status().segment is not None)
    assert writer.sync(PATIENCE_S)
    dropped = writer.status().records_dropped
    for i in range(3000, 3010):
        writer.append(*numbered(i))
    writer.close()
    journal = list(Journal(tmp_path))
    accepted = 3000 - dropped
    assert journal[:accepted] == [numbered(i) for i in range(accepted)]
    assert journal[accepted][0] == Kind.DROPPED
    assert json.loads(journal[accepted][4]) == {"records": dropped}
    assert journal[accepted + 1 :] == [numbered(i) for i in range(3000, 3010)]
    assert Journal(tmp_path).report().clean


def test_what_a_full_disk_cost_at_the_end_is_said_once_and_adds_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever was accepted or refused is either readable or counted as lost."""
    full = False

    def fault(name: str, _call: int) -> None:
        if name in ("write", "open") and full:
            raise failure(errno.ENOSPC)

    with JournalWriter(tmp_path, buffer_bytes_max=200_000) as writer:
        for i in range(100):
            writer.append(*numbered(i))
        assert writer.sync(PATIENCE_S)
        monkeypatch.setattr(segments, "os", FaultyOs(fault))
        full = True
        for i in range(100, 3000):
            writer.append(*numbered(i))
        wait_until(lambda: writer.status().error is not None)
        status = writer.close()
    readable = len(list(Journal(tmp_path)))
    assert readable == status.records_written == status.records_synced == 100
    assert status.records_dropped == 3000 - readable
    assert status == writer.close()
    lost = [r.getMessage() for r in caplog.records if "lost" in r.getMessage()]
    (said,) = lost
    assert said.startswith("2900 records are lost, and 0 of 100")
    assert f"({tmp_path}: No space left on device)" in said


def test_too_much_unsynced_holds_writing_back_until_a_sync_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays bounded while fsync fails; nobody has to call to get it going again."""
    broken = True

    def fault(name: str, _call: int) -> None:
        if name == "fsync" and broken:
            raise failure(errno.EIO)

    monkeypatch.setattr(segments, "UNSYNCED_BYTES_MAX", 100_000)
    writer = JournalWriter(tmp_path, buffer_bytes_max=500_000, sync_interval_s=3600)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    for i in range(5000):
        writer.append(*numbered(i))
    wait_until(lambda: writer.status().tainted >= 1)
    status = writer.status()
    assert status.records_written * 400 < 200_000 and status.records_dropped > 3000
    broken = False
    wait_until(lambda: writer.status().bytes_pending < 70_000)
    assert writer.close().error is None
    journal = list(Journal(tmp_path))
    accepted = 5000 - status.records_dropped
    assert journal[:accepted] == [numbered(i) for i in range(accepted)]
    assert json.loads(journal[accepted][4]) == {"records": status.records_dropped}


def test_records_dropped_at_the_end_are_noted_by_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing while the buffer is full still leaves the count."""
    stalled = threading.Event()

    def fault(name: str, _call: int) -> None:
        if name == "write":
            assert stalled.wait(PATIENCE_S)

    writer = JournalWriter(tmp_path, buffer_bytes_max=100_000)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    for i in range(2000):
        writer.append(*numbered(i))
    threading.Timer(0.05, stalled.set).start()
    dropped = writer.close().records_dropped
    assert dropped > 1000
    journal = list(Journal(tmp_path))
    notes = [
        json.loads(payload)["records"] for kind, *_, payload in journal if kind == Kind.DROPPED
    ]
    assert journal[-1][0] == Kind.DROPPED and sum(notes) == dropped
    assert len(journal) - len(notes) == 2000 - dropped


def test_a_stalled_disk_never_stalls_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that hangs until everything has been appended."""
    stalled = threading.Event()

    def fault(name: str, _call: int) -> None:
        if name in ("write", "fsync"):
            assert stalled.wait(PATIENCE_S)

    writer = JournalWriter(tmp_path, buffer_bytes_max=8_000_000)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    records = [numbered(i) for i in range(5000)]
    for each in records:
        writer.append(*each)
        writer.poll(each[1] * 1_000_000)
    assert writer.status().records_written == 0
    stalled.set()
    status = writer.close()
    assert (status.records_dropped, status.records_synced) == (0, 5000)
    assert list(Journal(tmp_path)) == records


def test_a_hanging_disk_does_not_hang_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """close gives up after its timeout and says what is not safe."""
    released = threading.Event()

    def fault(name: str, _call: int) -> None:
        if name == "fsync":
            released.wait(PATIENCE_S)

    writer = JournalWriter(tmp_path)
    monkeypatch.setattr(segments, "os", FaultyOs(fault))
    writer.append(*numbered(0))
    status = writer.close(timeout_s=0.05)
    assert (status.records_appended, status.records_synced) == (1, 0)
    released.set()
    assert writer.close().records_synced == 1


class Trace(FaultyOs):
    """Keeps, for every file, what was written and how much of it was synced."""

    def __init__(self) -> None:
        super().__init__(lambda name, number: None)
        self.names: dict[int, Path] = {}
        self.written: dict[Path, bytearray] = {}
        self.synced: dict[Path, int] = {}
        self.entries_pending: set[Path] = set()

    def open(self, path: Path, *args: Any) -> Any:
        fd = super().open(path, *args)
        self.names[fd] = path
        if path.suffix == ".bfj":
            self.written[path] = bytearray()
            self.synced[path] = 0
            self.entries_pending.add(path)
        return fd

    def write(self, fd: int, data: Any) -> Any:
        count = super().write(fd, data)
        self.written[self.names[fd]] += bytes(data)[:count]
        return count

    def fsync(self, fd: int) -> Any:
        path = self.names[fd]
        if path in self.written:
            self.synced[path] = len(self.written[path])
        else:
            self.entries_pending = {each for each in self.entries_pending if each.parent != path}

    def crash(self, target: Path, noise: random.Random) -> None:
        """Writes what a power failure might leave: unsynced 4 KiB pages are anybody's guess."""
        for path, written in self.written.items():
            if path in self.entries_pending and noise.random() < 0.5:
                continue
            data, synced = bytearray(written), self.synced[path]
            for start in range(synced - synced % 4096, len(data), 4096):
                low, high = max(start, synced), min(start + 4096, len(data))
                fate = noise.randrange(4)
                if fate == 0:
                    data[low:high] = bytes(high - low)
                elif fate == 1:
                    middle = noise.randint(low, high)
                    data[middle:high] = bytes(high - middle)
                elif fate == 2:
                    source = noise.randrange(0, max(1, len(data) - 4096))
                    data[low:high] = data[source : source + high - low].ljust(high - low, b"\0")
            if noise.random() < 0.5:
                del data[max(synced, noise.randint(0, len(data))) :]
            (target / path.name).write_bytes(data)


@pytest.mark.slow
def test_power_loss_loses_nothing_synced_and_invents_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At random instants, with every unsynced page kept, zeroed, torn, stale or cut off."""
    noise = random.Random(7)
    trace = Trace()
    monkeypatch.setattr(segments, "os", trace)
    encoder = JournalEncoder()
    (tmp_path / "live").mkdir()
    disk = SegmentFiles(
        tmp_path / "live", "p", {"recording": "p"}, encoder.header, rotate_bytes=40_000,
        sync_interval_s=3600,
    )  # fmt: skip
    count = states = 0
    while states < POWER_LOSS_STATES:
        for _ in range(noise.randint(1, 12)):
            for _ in range(noise.randint(1, 10)):
                encoder.append(*numbered(count))
                count += 1
            assert disk.write(encoder.take_block())
        if noise.random() < 0.3:
            assert disk.sync(at_once=True)
        for _ in range(10):
            states += 1
            target = tmp_path / str(states)
            target.mkdir()
            trace.crash(target, noise)
            check_after_power_loss(target, disk.synced, count)
        if count > 1500:
            break
    # Enough states of one run; the rest of the budget goes to its last instant.
    for state in range(states, POWER_LOSS_STATES):
        target = tmp_path / f"late-{state}"
        target.mkdir()
        trace.crash(target, noise)
        check_after_power_loss(target, disk.synced, count)
    disk.close()


def check_after_power_loss(directory: Path, synced: int, count: int) -> None:
    """Asserts the contract for one state of the disk, and cleans it up."""
    if list(directory.glob("*.bfj")):
        got = list(Journal(directory))
        assert synced <= len(got) <= count
        assert got == [numbered(i) for i in range(len(got))]
        recovered = [int.from_bytes(r[4][:4], "little") for r in Journal(directory, recover=True)]
        assert recovered == sorted(set(recovered)) and len(recovered) >= len(got)
    else:
        assert synced == 0
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
