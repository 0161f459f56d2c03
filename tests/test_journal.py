"""The journal end to end: what is appended is read back, wherever files end or are damaged."""

import json
import os
import re
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_S, wait_until

from bookfeed._bookfeed import JournalEncoder, JournalReader
from bookfeed.errors import JournalError
from bookfeed.recordings import segments
from bookfeed.recordings.kinds import Kind, RecordTuple
from bookfeed.recordings.reader import Journal
from bookfeed.recordings.writer import JournalWriter, write_journal

START = 1_790_658_661_234_000_000


def frame(i: int, size: int = 100) -> RecordTuple:
    """Record ``i`` of a recording: recognisable, and not too compressible."""
    payload = f"{i}:".encode() + (i * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "little") * (
        size // 8
    )
    return (Kind.FRAME, START + i * 1_000_003, i % 3, i // 100, payload)


def record(writer: JournalWriter, count: int, first: int = 0) -> list[RecordTuple]:
    """Appends ``count`` records and returns them."""
    records = [frame(i) for i in range(first, first + count)]
    for each in records:
        writer.append(*each)
    return records


class TestCodec:
    """The compiled encoder and reader, as Python sees them."""

    def test_payload_types_and_extreme_fields(self) -> None:
        """Any contiguous or strided bytes-like payload comes back as bytes."""
        encoder = JournalEncoder()
        header = encoder.header(b'{"a":1}')
        payloads: list[Any] = [
            b"plain",
            bytearray(b"array"),
            memoryview(b"view"),
            memoryview(b"s-t-r")[::2],
        ]
        for payload in payloads:
            assert encoder.append(255, -(2**63), 2**32 - 1, 2**32 - 1, payload) == encoder.pending
        assert encoder.take_block(partial=False) == b""
        reader = JournalReader(header + encoder.take_block())
        assert encoder.take_block() == b"" and encoder.pending == 0
        assert reader.metadata == b'{"a":1}'
        assert list(reader) == [(255, -(2**63), 2**32 - 1, 2**32 - 1, bytes(p)) for p in payloads]

    def test_wrong_values_raise_and_add_nothing(self) -> None:
        """Out-of-range numbers, payloads that are not bytes, oversize, no header."""
        encoder = JournalEncoder()
        wrong: list[tuple[Any, ...]] = [
            (256, 0, 0, 0, b""),
            (-1, 0, 0, 0, b""),
            (1, 2**63, 0, 0, b""),
            (1, 0, -1, 0, b""),
            (1, 0, 0, 2**32, b""),
        ]
        for fields in wrong:
            with pytest.raises(OverflowError):
                encoder.append(*fields)
        with pytest.raises((TypeError, BufferError)):
            encoder.append(1, 0, 0, 0, "text")  # type: ignore[arg-type]
        with pytest.raises(JournalError, match="longer than"):
            encoder.append(1, 0, 0, 0, bytes(32 * 1024 * 1024))
        assert encoder.pending == 0
        encoder.append(1, 0, 0, 0, b"")
        with pytest.raises(JournalError, match="header"):
            encoder.take_block()

    def test_reader_refuses_what_is_no_journal(self) -> None:
        """Foreign bytes are an error; a header cut short is not, it holds nothing."""
        with pytest.raises(JournalError, match="not a journal"):
            JournalReader(b'{"capture": 1, "venue": "kalshi"}\n')
        for cut in (0, 7, 20, 29):
            reader = JournalReader(JournalEncoder().header(b"{}")[:cut])
            assert list(reader) == [] and not reader.report()["clean"]

    def test_append_while_another_thread_takes_blocks(self) -> None:
        """The writer's two threads: nothing lost, nothing out of order."""
        encoder = JournalEncoder()
        blocks = [encoder.header(b"{}")]
        done = threading.Event()

        def take() -> None:
            while not done.is_set() or encoder.pending:
                blocks.append(encoder.take_block(partial=done.is_set()))

        thread = threading.Thread(target=take)
        thread.start()
        for i in range(20_000):
            encoder.append(*frame(i))
        done.set()
        thread.join()
        reader = JournalReader(b"".join(blocks))
        assert list(reader) == [frame(i) for i in range(20_000)]
        assert reader.report()["clean"]


class TestWriter:
    """JournalWriter on a healthy disk."""

    def test_round_trip_and_header(self, tmp_path: Path) -> None:
        """Everything appended comes back; the header says what wrote it, when, from what."""
        before = time.time_ns()
        with JournalWriter(tmp_path, config_hash="ab12", notes={"venue": "polymarket"}) as writer:
            records = record(writer, 5000)
        journal = Journal(tmp_path)
        assert list(journal) == records
        report = journal.report()
        assert report.clean and report.records == 5000
        assert report.valid_bytes == report.total_bytes == journal.segments[0].stat().st_size
        metadata = journal.metadata
        assert metadata["software"].startswith("bookfeed ")
        assert metadata["config_hash"] == "ab12"
        assert metadata["notes"] == {"venue": "polymarket"}
        assert before <= metadata["created_ns"] <= time.time_ns()
        assert metadata["monotonic_ns"] <= time.monotonic_ns()
        status = writer.status()
        assert status.records_appended == status.records_written == status.records_synced == 5000
        assert status.error is None and status.segment is None

    def test_poll_flushes_after_the_interval_only(self, tmp_path: Path) -> None:
        """By the clock handed in: 50 ms later the records are written, not before."""
        with JournalWriter(tmp_path, flush_interval_s=0.05) as writer:
            writer.poll(START)
            record(writer, 3)
            writer.poll(START + 49_999_999)
            time.sleep(0.05)
            assert writer.status().records_written == 0
            writer.poll(START + 50_000_000)
            wait_until(lambda: writer.status().records_written == 3)
            assert list(Journal(tmp_path)) == [frame(i) for i in range(3)]
            record(writer, 1, first=3)
            writer.poll(START - 10_000_000_000)  # a clock that went back must not stop flushing
            wait_until(lambda: writer.status().records_written == 4)

    def test_a_full_block_is_written_without_poll(self, tmp_path: Path) -> None:
        """64 KiB do not wait for anybody."""
        with JournalWriter(tmp_path, flush_interval_s=3600) as writer:
            record(writer, 2000)
            wait_until(lambda: writer.status().bytes_pending < 64 * 1024)
            assert 0 < writer.status().records_written < 2000

    @pytest.mark.parametrize("interval_s", [0.15, 0.0])
    def test_sync_interval(self, tmp_path: Path, interval_s: float) -> None:
        """Written records are synced when the interval is up, with 0 at once."""
        with JournalWriter(tmp_path, sync_interval_s=interval_s) as writer:
            started = time.monotonic()
            record(writer, 1)
            writer.flush()
            wait_until(lambda: writer.status().records_synced == 1)
            assert time.monotonic() - started >= interval_s * 0.9

    def test_rotation(self, tmp_path: Path) -> None:
        """Segments stay below the limit, are numbered, and read as one recording."""
        with JournalWriter(tmp_path, prefix="rot", rotate_bytes=60_000) as writer:
            records: list[RecordTuple] = []
            for first in range(0, 40_000, 2000):
                records += record(writer, 2000, first)
                assert writer.sync(PATIENCE_S)
        journal = Journal(tmp_path)
        assert list(journal) == records and journal.report().clean
        assert len(journal.segments) == writer.status().segments > 3
        pattern = re.compile(r"rot-\d{8}T\d{6}Z-(\d{4})\.bfj")
        matches = [pattern.fullmatch(path.name) for path in journal.segments]
        assert [int(m[1]) for m in matches if m] == list(range(1, len(matches) + 1))
        assert all(path.stat().st_size <= 60_000 for path in journal.segments)
        one, two = (Journal(path).metadata for path in journal.segments[:2])
        assert two["previous"] == journal.segments[0].name
        assert two["recording"] == one["recording"]

    def test_private_files_and_directories(self, tmp_path: Path) -> None:
        """0600 and 0700, whatever the umask; a directory that exists keeps its mode."""
        tmp_path.chmod(0o755)
        umask = os.umask(0)
        try:
            JournalWriter(tmp_path / "a" / "b").close()
        finally:
            os.umask(umask)
        for directory in (tmp_path / "a", tmp_path / "a" / "b"):
            assert directory.stat().st_mode & 0o777 == 0o700
        [file] = (tmp_path / "a" / "b").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert tmp_path.stat().st_mode & 0o777 == 0o755

    @pytest.mark.parametrize(("mode", "named"), [(0o777, True), (0o1777, False), (0o755, False)])
    def test_a_directory_that_anybody_may_write_is_named(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, named: bool
    ) -> None:
        tmp_path.chmod(mode)
        JournalWriter(tmp_path).close()
        assert (f"chmod o-w {tmp_path}" in caplog.text) == named

    def test_never_writes_into_what_is_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Existing files and planted symlinks are passed over, two recorders never collide."""

        class Fixed:
            @staticmethod
            def now(_zone: object) -> str:
                return Fixed()  # type: ignore[return-value]

            def __format__(self, _spec: str) -> str:
                return "20260101T000000Z"

        monkeypatch.setattr(segments, "datetime", Fixed)
        victim = tmp_path / "victim"
        (tmp_path / "bookfeed-20260101T000000Z-0001.bfj").symlink_to(victim)
        (tmp_path / "bookfeed-20260101T000000Z-0002.bfj").write_bytes(b"mine")
        with JournalWriter(tmp_path) as one, JournalWriter(tmp_path) as two:
            names = [path.name for path in (one.status().segment, two.status().segment) if path]
        assert names == [f"bookfeed-20260101T000000Z-{n:04d}.bfj" for n in (3, 4)]
        assert not victim.exists()
        assert (tmp_path / "bookfeed-20260101T000000Z-0002.bfj").read_bytes() == b"mine"

    def test_a_directory_that_cannot_be_used_is_an_error_at_once(self, tmp_path: Path) -> None:
        """The constructor raises; no thread is left behind."""
        (tmp_path / "file").write_bytes(b"")
        threads = threading.active_count()
        with pytest.raises(JournalError, match="cannot record to"):
            JournalWriter(tmp_path / "file" / "below")
        with pytest.raises(JournalError, match="prefix"):
            JournalWriter(tmp_path, prefix="../x")
        with pytest.raises(JournalError, match="metadata"):
            JournalWriter(tmp_path, notes={"x": "y" * 2_000_000})
        assert threading.active_count() == threads
        assert not list(tmp_path.glob("*.bfj"))

    def test_close_twice_and_append_after_close(self, tmp_path: Path) -> None:
        """Late records are counted as dropped, not raised about."""
        writer = JournalWriter(tmp_path)
        record(writer, 2)
        assert writer.close() == writer.close()
        record(writer, 1)
        assert writer.status().records_dropped == 1
        assert len(list(Journal(tmp_path))) == 2

    def test_an_oversize_record_is_dropped_and_noted(self, tmp_path: Path) -> None:
        """The feed does not hear of it; the journal says so at that place."""
        with JournalWriter(tmp_path) as writer:
            record(writer, 1)
            writer.append(Kind.FRAME, START, 0, 0, bytes(32 * 1024 * 1024))
            record(writer, 1, first=1)
        got = list(Journal(tmp_path))
        assert [r[0] for r in got] == [Kind.FRAME, Kind.DROPPED, Kind.FRAME]
        assert json.loads(got[1][4]) == {"records": 1}


class TestJournal:
    """Reading several segments, damaged or not."""

    @pytest.fixture
    def recorded(self, tmp_path: Path) -> list[RecordTuple]:
        """A recording of four or more segments in ``tmp_path``."""
        with JournalWriter(tmp_path, rotate_bytes=30_000) as writer:
            records: list[RecordTuple] = []
            for first in range(0, 10_000, 500):
                records += record(writer, 500, first)
                assert writer.sync(PATIENCE_S)
        assert len(Journal(tmp_path).segments) >= 4
        return records

    def test_path_forms(self, tmp_path: Path, recorded: list[RecordTuple]) -> None:
        """A file, a directory, the beginning of a name; nothing there is an error."""
        files = Journal(tmp_path).segments
        assert Journal(files[1]).segments == [files[1]]
        assert Journal(tmp_path / files[0].name[:20]).segments == files
        for nothing in (tmp_path / "none", tmp_path / "no" / "dir"):
            with pytest.raises(JournalError, match="no journal at"):
                Journal(nothing)
        assert list(Journal(files[0])) == recorded[: len(list(Journal(files[0])))]

    def test_numbers_beyond_four_digits_sort_by_value(self, tmp_path: Path) -> None:
        """Segment 10000 follows 9999."""
        for number in ("9999", "10000", "0002"):
            write_journal(tmp_path / f"x-20260101T000000Z-{number}.bfj", [])
        names = [path.stem[-5:] for path in Journal(tmp_path).segments]
        assert names == ["-0002", "-9999", "10000"]

    def test_damage_ends_the_strict_prefix_and_recovery_goes_on(
        self, tmp_path: Path, recorded: list[RecordTuple]
    ) -> None:
        """One flipped bit in the second segment."""
        victim = Journal(tmp_path).segments[1]
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 4
        victim.write_bytes(data)
        strict, recovering = Journal(tmp_path), Journal(tmp_path, recover=True)
        prefix, rest = list(strict), list(recovering)
        assert prefix == recorded[: len(prefix)] and len(prefix) < len(recorded)
        kept = set(rest)
        lost = [each for each in recorded if each not in kept]
        assert 0 < len(lost) <= 500 and rest == [each for each in recorded if each in kept]
        assert recorded.index(lost[0]) == len(prefix)
        report = strict.report()
        assert not report.clean and report.missing[0].segment == victim
        assert report.records == len(prefix)
        assert report.records_behind == len(recorded) - len(prefix) - len(lost)
        assert recovering.report().missing == report.missing
        assert recovering.report().records == len(rest)
        assert Journal(tmp_path).report() == report, "also without having iterated"

    def test_an_absent_segment_is_noticed(
        self, tmp_path: Path, recorded: list[RecordTuple]
    ) -> None:
        """Block numbers run on across files, so a lost file shows."""
        files = Journal(tmp_path).segments
        count = len(list(Journal(files[0])))
        files[1].unlink()
        journal = Journal(tmp_path)
        assert list(journal) == recorded[:count]
        assert "absent" in journal.report().missing[0].reason
        recovered = list(Journal(tmp_path, recover=True))
        assert recovered[:count] == recorded[:count]
        assert recovered[-1] == recorded[-1] and len(recovered) > count

    def test_a_torn_tail_made_good_by_the_next_segment_is_no_damage(self, tmp_path: Path) -> None:
        """Blocks written again after a failure are read once."""
        encoder = JournalEncoder()
        metadata = json.dumps({"recording": "r"}).encode()
        header, blocks = encoder.header(metadata), []
        for i in range(6):
            encoder.append(*frame(i))
            blocks.append(encoder.take_block())
        end = encoder.end_block()
        for tail in (blocks[3][:-7], bytes(len(blocks[3])), blocks[3], b""):
            (tmp_path / "t-0001.bfj").write_bytes(header + b"".join(blocks[:3]) + tail)
            (tmp_path / "t-0002.bfj").write_bytes(header + b"".join([*blocks[2:], end]))
            for recover in (False, True):
                journal = Journal(tmp_path, recover=recover)
                assert list(journal) == [frame(i) for i in range(6)]
                assert journal.report().clean
        # Block 3 lost, 4 still there, and the next segment has both: recovery must prefer it.
        hole = b"".join([*blocks[:3], bytes(len(blocks[3])), blocks[4]])
        (tmp_path / "t-0001.bfj").write_bytes(header + hole)
        assert list(Journal(tmp_path, recover=True)) == [frame(i) for i in range(6)]

    def test_damage_in_one_recording_does_not_end_the_next(self, tmp_path: Path) -> None:
        """Killed, restarted into the same directory: both prefixes are read."""
        write_journal(tmp_path / "a-1.bfj", [frame(0), frame(1)])
        whole = (tmp_path / "a-1.bfj").read_bytes()
        (tmp_path / "a-1.bfj").write_bytes(whole + whole[-40:])
        write_journal(tmp_path / "a-2.bfj", [frame(2)])
        journal = Journal(tmp_path)
        assert list(journal) == [frame(0), frame(1), frame(2)]
        assert [hole.segment.name for hole in journal.report().missing] == ["a-1.bfj"]

    def test_unreadable_and_foreign_files(self, tmp_path: Path) -> None:
        """Alone they are an error that names the file, among segments they are missing."""
        (tmp_path / "x-2.bfj").write_bytes(bytes(5000))
        with pytest.raises(JournalError, match=r"x-2\.bfj: not a journal"):
            Journal(tmp_path / "x-2.bfj")
        write_journal(tmp_path / "x-1.bfj", [frame(0)])
        journal = Journal(tmp_path)
        assert list(journal) == [frame(0)]
        [missing] = journal.report().missing
        assert (missing.segment.name, missing.bytes) == ("x-2.bfj", 5000)

    def test_metadata_that_is_not_json_is_no_obstacle(self, tmp_path: Path) -> None:
        """The records do not depend on it."""
        encoder = JournalEncoder()
        header = encoder.header(b"\xff not json")
        encoder.append(*frame(0))
        (tmp_path / "m.bfj").write_bytes(header + encoder.take_block())
        journal = Journal(tmp_path)
        assert journal.metadata == {} and list(journal) == [frame(0)]


class TestWriteJournal:
    """The one-file writer of imports."""

    def test_round_trip(self, tmp_path: Path) -> None:
        """Count, content, mode."""
        target = tmp_path / "out.bfj"
        assert write_journal(target, (frame(i) for i in range(3000))) == 3000
        assert list(Journal(target)) == [frame(i) for i in range(3000)]
        assert target.stat().st_mode & 0o777 == 0o600

    def test_leaves_nothing_behind_on_failure(self, tmp_path: Path) -> None:
        """Neither when the source raises nor over an existing file."""

        def broken() -> Iterator[RecordTuple]:
            yield frame(0)
            raise ValueError("bad line")

        with pytest.raises(ValueError, match="bad line"):
            write_journal(tmp_path / "out.bfj", broken())
        assert not list(tmp_path.iterdir())
        (tmp_path / "out.bfj").write_bytes(b"mine")
        with pytest.raises(JournalError, match="cannot write"):
            write_journal(tmp_path / "out.bfj", [])
        assert (tmp_path / "out.bfj").read_bytes() == b"mine"


def test_block_layout_known_to_python_matches(tmp_path: Path) -> None:
    """The writer reads a block's record count where docs/journal.md says it is."""
    encoder = JournalEncoder()
    encoder.header(b"{}")
    for i in range(7):
        encoder.append(*frame(i))
    block = encoder.take_block()
    magic, codec, reserved, _stream, seq, ts, records = struct.unpack_from("<4sHHQQqI", block)
    assert (magic, reserved, seq, ts, records) == (b"\xf5BK\xb1", 0, 0, START, 7)
    assert codec in (0, 1)


def test_the_reader_that_knows_no_bookfeed_works(tmp_path: Path) -> None:
    """docs/journal.md is enough to read a journal without bookfeed."""
    pytest.importorskip("zstandard", reason="the example needs a zstd package")
    example = Path(__file__).parents[1] / "examples" / "read_journal.py"
    assert not re.search(r"^\s*(import|from) bookfeed", example.read_text(), re.MULTILINE)
    records = [*(frame(i) for i in range(2000)), (Kind.NOTE, -1, 2**32 - 1, 7, b"")]
    write_journal(tmp_path / "x.bfj", records)
    command = [sys.executable, str(example), str(tmp_path / "x.bfj")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = [f"{int(k)} {ts} {conn} {epoch} {data!r}" for k, ts, conn, epoch, data in records]
    assert printed.splitlines() == expected
