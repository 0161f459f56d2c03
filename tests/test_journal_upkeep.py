"""What becomes of finished segments: by the hour, handed to a command, removed after some days."""

import os
import time
from pathlib import Path

import pytest
from waiting import wait_until

from bookfeed.recordings import upkeep
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.upkeep import Upkeep, done, marker, recording_of
from bookfeed.recordings.writer import JournalWriter

DAY_S = 86_400.0


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """Where the command puts what it gets."""
    place = tmp_path / "taken"
    place.mkdir()
    return place


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.bfj"))


def aged(path: Path, days: float) -> Path:
    """A segment that was last written to so long ago."""
    path.write_bytes(b"")
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def record(writer: JournalWriter, ts: int) -> None:
    writer.append(5, ts, 0, 0, b"")
    assert writer.sync(30)


def test_a_segment_is_of_one_hour_and_each_is_handed_over(
    tmp_path: Path, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 7_199.0
    monkeypatch.setattr("time.time", lambda: now_s)
    directory = tmp_path / "journals"
    command = ["/bin/sh", "-c", f'cp "$0" {taken}']
    with JournalWriter(directory, rotate_s=3_600.0, upload=command) as writer:
        record(writer, 1)
        record(writer, 2)
        assert len(files(directory)) == 1
        now_s = 7_200.0
        record(writer, 3)
        first, second = files(directory)
        wait_until(lambda: done(directory / first))
        assert files(taken) == [first] and not done(directory / second)
        now_s = 10_799.0
        record(writer, 4)
    assert files(taken) == [first, second], "the last one is waited for"
    assert [ts for _, ts, *_ in Journal(taken)] == [1, 2, 3, 4]
    assert not Journal(taken).report().missing


def test_a_command_that_fails_gets_the_same_segment_again(
    tmp_path: Path, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "RETRY_MIN_S", 0.01)
    monkeypatch.setattr(upkeep, "LOOK_S", 0.02)
    directory = tmp_path / "journals"
    # Twice there is no way, then there is.
    once = f'test -e {tmp_path}/a && test -e {tmp_path}/b && cp "$0" {taken} && exit 0; '
    command = ["/bin/sh", "-c", f"{once} test -e {tmp_path}/a && touch {tmp_path}/b; "
               f"touch {tmp_path}/a; exit 3"]  # fmt: skip
    with JournalWriter(directory, upload=command) as writer:
        record(writer, 1)
    assert files(taken) == files(directory)
    assert done(directory / files(directory)[0])


def test_what_a_kill_has_left_is_handed_over_later_but_not_what_is_written_now(
    tmp_path: Path, taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_S", 0.02)
    left = aged(tmp_path / "bookfeed-20260101T000000Z-0001.bfj", 0.1)
    aged(tmp_path / "bookfeed-20260101T000000Z-0002.bfj", 0.001)
    aged(tmp_path / "other-20260101T000000Z-0001.bfj", 5)
    keeping = Upkeep(tmp_path, "bookfeed", command=["/bin/sh", "-c", f'cp "$0" {taken}'])
    keeping.begun(tmp_path / "bookfeed-20260102T000000Z-0001.bfj")
    wait_until(lambda: files(taken) == [left.name])
    keeping.close()
    assert files(taken) == [left.name] and keeping.handed_over == 1


def test_recordings_go_as_a_whole_when_they_are_old_and_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOOK_S", 0.02)
    old = [aged(tmp_path / f"bookfeed-20260101T000000Z-000{n}.bfj", 9) for n in (1, 2)]
    partly = [
        aged(tmp_path / "bookfeed-20260102T000000Z-0001.bfj", 9),
        aged(tmp_path / "bookfeed-20260102T000000Z-0002.bfj", 1),
    ]
    running = aged(tmp_path / "bookfeed-20260103T000000Z-0001.bfj", 9)
    other = aged(tmp_path / "mine-20260101T000000Z-0001.bfj", 9)
    marker(old[0]).touch()
    keeping = Upkeep(tmp_path, "bookfeed", keep_days=7)
    keeping.begun(running)
    wait_until(lambda: not old[0].exists() and not marker(old[0]).exists())
    assert files(tmp_path) == sorted(path.name for path in (*partly, running, other))
    os.utime(running)  # it has been written to until it ends
    keeping.close()
    # With a command what it has not taken stays, however old it is.
    refused = Upkeep(tmp_path, "bookfeed", command=["/bin/false"], keep_days=0.001)
    monkeypatch.setattr(upkeep, "END_S", 0.1)
    refused.begun(running)
    wait_until(lambda: refused.failed > 0)
    refused.close()
    assert len(files(tmp_path)) == 4


def test_the_name_of_a_recording() -> None:
    assert recording_of(Path("a/my-feed-20260101T000000Z-0012.bfj")) == "my-feed-20260101T000000Z"
