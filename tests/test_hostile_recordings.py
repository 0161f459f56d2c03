"""Recordings from anywhere: mutated ones end in a ``BookfeedError``, small ones stay small.

The bounds are those a person can rely on who is sent a file: reading one of at most 1 MB takes at
most 128 MiB more than reading a tiny one, and no file makes a command show a traceback.
"""

import gzip
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import hostile
import pytest
import zstandard
from lengths import TIMES, seeds

from bookfeed._bookfeed import JournalEncoder
from bookfeed.cli import main
from bookfeed.errors import CaptureError
from bookfeed.recordings.capture import Capture
from bookfeed.recordings.kinds import Kind
from bookfeed.recordings.reader import NOT_ENDED, Journal
from bookfeed.recordings.writer import JournalWriter

MIB: Final = 1 << 20
TS: Final = 1_790_000_000_000_000_000
Records = Iterable[tuple[int, int, int, int, bytes]]
Way = TypeVar("Way")

SHARE: Final = 1 / 4 if TIMES == 1 else 1
"""What the largest numbers of records are of those that a file of 1 MB can hold; the memory that
they may take is the same part.
"""
COMMANDS: Final = ("replay", "audit")


def by_turns(names: Iterable[str], ways: Sequence[Way]) -> list[tuple[str, Way]]:
    """Each of these in each way; in the short form in one of two, by turns."""
    return [
        (name, way)
        for at, name in enumerate(names)
        for number, way in enumerate(ways)
        if TIMES > 1 or (at + number) % 2 == 0
    ]


# Runs a command in a child and prints its exit code and its peak memory in KiB.
MEASURE: Final = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "bookfeed", *sys.argv[1:]], capture_output=True)
assert b"Traceback" not in done.stderr, done.stderr.decode()
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def frames(count: int, payload: Callable[[int], bytes]) -> Records:
    yield int(Kind.CONNECTED), TS, 0, 1, b"polymarket"
    for i in range(count):
        yield int(Kind.FRAME), TS + i, 0, 1, payload(i)


def book(asset: int, bids: bytes) -> bytes:
    head = b'{"event_type":"book","asset_id":"%d","market":"0x1","timestamp":"1790000000000",'
    return head % asset + b'"hash":"x","bids":[' + bids + b'],"asks":[]}'


def change(asset: int) -> bytes:
    entry = b'{"asset_id":"%d","price":"0.5","size":"1","side":"BUY","hash":"x"}' % asset
    return (
        b'{"event_type":"price_change","market":"0x1","timestamp":"1790000000000",'
        b'"price_changes":[%s]}' % entry
    )


def levels(count: int) -> bytes:
    return b",".join(b'{"price":"0.%09d","size":"1"}' % (i + 1) for i in range(count))


def part(count: int) -> int:
    return round(count * SHARE)


def listed(count: int) -> Records:
    for i in range(count):
        yield int(Kind.SUBSCRIBE), TS, 0, 1, b'{"venue":"kalshi","symbol":"K%d"}' % i


JOURNALS: Final[dict[str, Callable[[], Records]]] = {
    "blank frames": lambda: frames(40, lambda _: b"\n" * (31 * MIB)),
    "frames of empty objects": lambda: frames(20, lambda _: b"[" + b"{}," * (5 * MIB) + b"{}]"),
    "frames of opening brackets": lambda: frames(20, lambda _: b"[" * (16 * MIB)),
    "large books": lambda: frames(20, lambda i: book(i, levels(200_000))),
    "one level, often": lambda: frames(20, lambda i: book(i, levels(1) + b"," + b"0" * 16 * MIB)),
    "long notes": lambda: ((int(Kind.NOTE), TS, 0, 1, b"[" * (16 * MIB)) for _ in range(20)),
    "long symbols": lambda: (
        (
            int(Kind.SUBSCRIBE),
            TS,
            0,
            1,
            b'{"venue":"kalshi","symbol":"%s"}' % (b"K" * MIB + b"%d" % i),
        )
        for i in range(100)
    ),
}
MANY: Final[dict[str, Callable[[], Records]]] = {
    "many small books": lambda: frames(part(60_000), lambda i: book(i, b"")),
    "changes of books that never come": lambda: frames(part(150_000), change),
    "many subscriptions": lambda: listed(part(100_000)),
}
CAPTURE_HEAD: Final = b'{"capture":1,"venue":"polymarket"}\n'
CAPTURES: Final[dict[str, Callable[[], bytes]]] = {
    "blank lines": lambda: CAPTURE_HEAD + b"\n" * (64 * MIB),
    "one long line": lambda: CAPTURE_HEAD + b" " * (200 * MIB),
    "empty arrays": lambda: CAPTURE_HEAD + b"[" + b"[]," * (4 * MIB) + b"[]]",
    "escapes": lambda: (
        CAPTURE_HEAD + b'{"ts_recv":1,"conn":"a","frame":"' + b"\\n" * (7 * MIB) + b'"}\n'
    ),
    "long names": lambda: (
        CAPTURE_HEAD
        + b"".join(
            b'{"ts_recv":1,"conn":"%s%d","frame":""}\n' % (b"n" * 100_000, i) for i in range(300)
        )
    ),
}


def write_journal(path: Path, records: Records, *, bytes_max: int = 1_000_000) -> None:
    """As much of the records as fits into a file of so many bytes."""
    encoder = JournalEncoder(level=3)
    metadata = {
        "recording": "a",
        "notes": {"venues": ["polymarket"], "engine": {"auto_subscribe": True}},
    }
    blocks, size = [encoder.header(json.dumps(metadata).encode())], 0
    for record in records:
        encoder.append(*record)
        while block := encoder.take_block(partial=False):
            blocks.append(block)
            size += len(block)
        if size > bytes_max:
            break
    while block := encoder.take_block():
        blocks.append(block)
    path.write_bytes(b"".join([*blocks, encoder.end_block()]))


def peak_kib(*arguments: str) -> int:
    """Peak memory of a command, which may fail but not with a traceback."""
    command = [sys.executable, "-c", MEASURE, *arguments]
    code, kib = map(int, subprocess.run(command, capture_output=True, check=True).stdout.split())
    assert code in (0, 1, 3)
    return kib


@pytest.fixture(scope="module")
def floor_kib(tmp_path_factory: pytest.TempPathFactory) -> int:
    tiny = tmp_path_factory.mktemp("tiny") / "tiny.bfj"
    write_journal(tiny, frames(1, lambda _: b"[]"))
    return peak_kib("replay", str(tiny))


@pytest.mark.parametrize(("name", "command"), by_turns(JOURNALS, COMMANDS))
def test_a_small_journal_stays_small(
    name: str, command: str, tmp_path: Path, floor_kib: int
) -> None:
    path = tmp_path / "x.bfj"
    write_journal(path, JOURNALS[name]())
    assert peak_kib(command, str(path)) - floor_kib < 128 * 1024


@pytest.mark.parametrize(("name", "command"), by_turns(MANY, COMMANDS))
def test_a_journal_of_many_small_records_stays_small(
    name: str, command: str, tmp_path: Path, floor_kib: int
) -> None:
    path = tmp_path / "x.bfj"
    write_journal(path, MANY[name]())
    assert peak_kib(command, str(path)) - floor_kib < part(128 * 1024)


@pytest.mark.parametrize(("name", "pack"), by_turns(CAPTURES, (gzip.compress, zstandard.compress)))
def test_a_small_capture_stays_small(
    name: str, pack: Callable[[bytes], bytes], tmp_path: Path, floor_kib: int
) -> None:
    path = tmp_path / "x.capture"
    path.write_bytes(pack(CAPTURES[name]()))
    assert path.stat().st_size < 1_000_000
    assert peak_kib("replay", str(path)) - floor_kib < 64 * 1024
    assert peak_kib("import", str(path), str(tmp_path / "out.bfj")) - floor_kib < 64 * 1024


def test_a_large_window_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.zst"
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(packer.compress(CAPTURE_HEAD + b"\n" * 100) + packer.flush())
    with pytest.raises(CaptureError, match="memory"):
        Capture(path)


def test_mutated_recordings_raise_nothing_of_their_own(tmp_path: Path) -> None:
    for seed in seeds(30):
        problem = hostile.run(seed, tmp_path)
        assert problem is None or problem.startswith("took "), f"seed {seed}: {problem}"


@pytest.mark.parametrize(
    "about",
    [
        {"strike": 2**64},
        {"strike": "\ud800"},
        {"\ud800": "strike"},
        {"legs": json.loads("[" * 300 + "]" * 300)},
    ],
)
@pytest.mark.parametrize("form", ["json", "ndjson", "table"])
def test_what_a_rule_is_about_can_be_told_to_programs(
    about: dict[str, object], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {"kind": "spread", "params": {"open": "0.01"}}
    note = {"rule": {"number": 0, "name": "a", "about": about}}
    payloads = ((Kind.RULE, json.dumps(rule).encode()), (Kind.NOTE, json.dumps(note).encode()))
    write_journal(tmp_path / "x.bfj", [(int(kind), TS, 0, 1, text) for kind, text in payloads])
    assert main(["replay", str(tmp_path / "x.bfj"), "-o", form]) == 0
    assert "spread" not in capsys.readouterr().out  # such a note says nothing


def test_what_a_recording_calls_things_does_not_steer_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.capture"
    book = {"event_type": "book", "market": "0x1", "asset_id": "7\u202e", "bids": [], "asks": []}
    books = json.dumps([book | {"timestamp": "1790000000000"}], ensure_ascii=False)
    frames = ('{"event_type":"\\u001b[2J"}', books)
    lines = [json.dumps({"ts_recv": TS, "conn": "a", "frame": frame}).encode() for frame in frames]
    path.write_bytes(CAPTURE_HEAD + b"\n".join(lines))
    assert main(["replay", str(path), "--books"]) == 0
    shown = capsys.readouterr().out
    assert "?[2J" in shown and "7?" in shown
    assert all(line.isprintable() for line in shown.splitlines())


def test_a_recording_cut_between_two_blocks_is_not_whole(tmp_path: Path) -> None:
    with JournalWriter(tmp_path, rotate_bytes=10_000) as writer:
        for i in range(3_000):
            writer.append(Kind.FRAME, TS + i, 0, 1, b"%d" % (i * i * i))
            if i % 100 == 0:
                writer.sync()
    journal = Journal(tmp_path)
    assert journal.report().clean and len(journal.segments) > 1
    last = journal.segments[-1]
    last.write_bytes(last.read_bytes()[:-52])  # the end mark
    (missing,) = Journal(tmp_path).report().missing
    assert (missing.segment, missing.bytes, missing.reason) == (last, 0, NOT_ENDED)
    last.unlink()  # a whole segment of it
    (missing,) = Journal(tmp_path).report().missing
    assert (missing.segment, missing.reason) == (journal.segments[-2], NOT_ENDED)


def test_the_measure_measures() -> None:
    """The child of the child is what is counted."""
    assert peak_kib("replay", __file__) > 5_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 5_000
