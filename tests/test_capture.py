"""Captures: the interchange form read exactly, and every bad line named."""

import gzip
import importlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from bookfeed.errors import CaptureError
from bookfeed.recordings.capture import Capture, CaptureRecord
from bookfeed.recordings.kinds import Kind

CAPTURES = Path(__file__).resolve().parents[1] / ".." / "shared" / "captures"

HEADER = '{"capture": 1, "venue": "polymarket"}'
LINES = [
    HEADER,
    '{"ts_recv": 10, "conn": "polymarket-0", "control": "connected"}',
    '{"ts_recv": 11, "conn": "polymarket-0", "frame": "{\\"a\\": \\"é€\\\\n\\"}"}',
    '{"ts_recv": 9, "conn": "polymarket-7", "frame": ""}',
    '{"ts_recv": 12, "conn": "polymarket-0", "control": "disconnected", "reason": "1006"}',
    '{"ts_recv": 13, "conn": "polymarket-0", "control": "disconnected"}',
]
RECORDS = [
    CaptureRecord(Kind.CONNECTED, 10, 0, b"polymarket"),
    CaptureRecord(Kind.FRAME, 11, 0, '{"a": "é€\\n"}'.encode()),
    # Nothing announced it, so its first frame does.
    CaptureRecord(Kind.CONNECTED, 9, 1, b"polymarket"),
    CaptureRecord(Kind.FRAME, 9, 1, b""),
    CaptureRecord(Kind.DISCONNECTED, 12, 0, b"1006"),
    CaptureRecord(Kind.DISCONNECTED, 13, 0, b""),
]


def written(path: Path, lines: list[str]) -> Path:
    """A plain capture of ``lines``."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_records_of_a_plain_capture(tmp_path: Path) -> None:
    """Kinds, times, numbered connections and payloads; reading twice gives the same."""
    capture = Capture(written(tmp_path / "c.ndjson", LINES))
    assert capture.venue == "polymarket"
    assert list(capture) == RECORDS
    assert list(capture) == RECORDS
    assert capture.conns == {"polymarket-0": 0, "polymarket-7": 1}


def test_empty_lines_and_a_missing_last_newline_are_fine(tmp_path: Path) -> None:
    """Editors and shells leave such files."""
    path = tmp_path / "c.ndjson"
    path.write_text("\r\n\n".join(LINES), encoding="utf-8")
    assert list(Capture(path)) == RECORDS


def test_gzip_by_content_not_by_name(tmp_path: Path) -> None:
    """Also several gzip members, as appending makes them."""
    path = tmp_path / "c.ndjson"
    data = [f"{line}\n".encode() for line in LINES]
    path.write_bytes(gzip.compress(b"".join(data[:3])) + gzip.compress(b"".join(data[3:])))
    assert list(Capture(path)) == RECORDS


def zstd_compress(data: bytes) -> bytes:
    """With whichever package there is."""
    try:
        return bytes(importlib.import_module("compression.zstd").compress(data))
    except ImportError:
        zstandard = pytest.importorskip("zstandard", reason="no zstd package to write one with")
        return bytes(zstandard.ZstdCompressor().compress(data))


def test_zstd(tmp_path: Path) -> None:
    """Several frames, far larger than a read; damage and truncation are noticed."""
    noise = random.Random(1)
    frames = [json.dumps({"n": i, "x": noise.randbytes(60).hex()}) for i in range(3000)]
    lines = [HEADER] + [json.dumps({"ts_recv": 1, "conn": "c", "frame": f}) for f in frames]
    data = [f"{line}\n".encode() for line in lines]
    halves = [zstd_compress(b"".join(data[:1500])), zstd_compress(b"".join(data[1500:]))]
    path = tmp_path / "c"
    path.write_bytes(b"".join(halves))
    assert [r.payload.decode() for r in Capture(path)] == ["polymarket", *frames]
    path.write_bytes(b"".join(halves)[:-100])
    with pytest.raises(CaptureError, match="damaged or cut short"):
        list(Capture(path))
    path.write_bytes(halves[0] + b"garbage" * 10)
    with pytest.raises(CaptureError, match=r"c:1501: .*damaged or cut short"):
        list(Capture(path))


def test_zstd_without_a_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file and the way out."""
    path = tmp_path / "c.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(CaptureError, match=r"c\.zst: .*install|c\.zst: .*`zstandard`"):
        Capture(path)


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_a_cut_gzip_names_file_and_line(tmp_path: Path, cut: int) -> None:
    """What comes before the cut is read, then it is said."""
    path = tmp_path / "c.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode())[:-cut])
    with pytest.raises(CaptureError, match=r"c\.gz:\d+: compressed data is damaged or cut short"):
        list(Capture(path))


def test_what_is_no_capture_at_all_is_told_how_one_begins(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r'c\.txt:1: .*begins with {"capture": 1, "venue": "…"}'):
        Capture(written(tmp_path / "c.txt", ["hello"]))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("not json", "not valid JSON"),
        ('{"ts_recv": 1, "conn": "c", "frame": "x"', "not valid JSON"),
        ("[1]", "expected a JSON object, found list"),
        ('{"conn": "c", "frame": "x"}', '"ts_recv" must be Unix nanoseconds, found None'),
        ('{"ts_recv": "1", "conn": "c", "frame": "x"}', "found '1'"),
        ('{"ts_recv": 1.5, "conn": "c", "frame": "x"}', "found 1.5"),
        ('{"ts_recv": true, "conn": "c", "frame": "x"}', "found True"),
        ('{"ts_recv": -1, "conn": "c", "frame": "x"}', "found -1"),
        ('{"ts_recv": 9223372036854775808, "conn": "c", "frame": "x"}', "nanoseconds"),
        ('{"ts_recv": 1, "frame": "x"}', '"conn" must be a name'),
        ('{"ts_recv": 1, "conn": "", "frame": "x"}', '"conn" must be a name'),
        ('{"ts_recv": 1, "conn": 3, "frame": "x"}', '"conn" must be a name'),
        ('{"ts_recv": 1, "conn": "c"}', "exactly one of"),
        ('{"ts_recv": 1, "conn": "c", "frame": "x", "control": "connected"}', "exactly one of"),
        ('{"ts_recv": 1, "conn": "c", "frame": {"a": 1}}', '"frame" must be text, found dict'),
        ('{"ts_recv": 1, "conn": "c", "control": "paused"}', '"control" must be'),
        ('{"ts_recv": 1, "conn": "c", "control": "disconnected", "reason": 5}', '"control" must'),
        ('{"ts_recv": 1, "conn": "c", "frame": "\\ud800"}', "not valid JSON"),
    ],
)
def test_bad_lines_name_file_and_line(tmp_path: Path, line: str, problem: str) -> None:
    """The good lines before are yielded first."""
    capture = Capture(written(tmp_path / "c.ndjson", [*LINES[:3], line, *LINES[3:]]))
    got: list[CaptureRecord] = []
    with pytest.raises(CaptureError) as caught:
        got.extend(capture)  # extends record by record
    assert got == RECORDS[:2]
    assert f"{tmp_path / 'c.ndjson'}:4: " in str(caught.value)
    assert problem in str(caught.value)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    """JSON text must be UTF-8."""
    path = tmp_path / "c"
    path.write_bytes(HEADER.encode() + b'\n{"ts_recv": 1, "conn": "c", "frame": "\xff"}\n')
    with pytest.raises(CaptureError, match=r"c:2: not UTF-8 at byte 38"):
        list(Capture(path))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: the file is empty"),
        ("\n\n", ":1: the file is empty"),
        ("{}\n", ":1: not a capture"),
        ('{"capture": 2, "venue": "x"}\n', ":1: capture version 2"),
        ('{"capture": true, "venue": "x"}\n', ":1: not a capture"),
        ('{"capture": 1, "venue": ""}\n', ":1: not a capture"),
        ('\n{"capture": "1", "venue": "x"}\n', ":2: not a capture"),
    ],
)
def test_bad_headers_are_errors_at_once(tmp_path: Path, text: str, problem: str) -> None:
    """Before any record is asked for."""
    path = tmp_path / "c"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaptureError) as caught:
        Capture(path)
    assert f"{path}{problem}" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Absent files and directories."""
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(CaptureError, match="cannot read"):
            Capture(path)


def test_endless_lines_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the longest line there can be."""
    monkeypatch.setattr("bookfeed.recordings.capture.LINE_BYTES_MAX", 1000)
    path = written(tmp_path / "c", [HEADER, '{"x":"' + "y" * 2000 + '"}'])
    with pytest.raises(CaptureError, match=r"c:2: line is longer than 1000 bytes"):
        list(Capture(path))


def test_files_are_closed_when_iteration_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that stops early leaves no descriptor behind."""
    opened: list[Any] = []
    real_open = Path.open

    def tracking(self: Path, *args: Any, **kwargs: Any) -> Any:
        opened.append(real_open(self, *args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(Path, "open", tracking)
    iterator = iter(Capture(written(tmp_path / "c", LINES)))
    assert next(iterator) == RECORDS[0]
    del iterator
    assert opened and all(file.closed for file in opened)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not at ../shared/captures")
def test_real_captures() -> None:
    """Every capture of that form is read to its end, frames as its expectation counts them."""
    files = sorted(CAPTURES.glob("*/*.ndjson.gz"))
    assert files
    for path in files:
        if path.stat().st_size > 1_000_000:
            continue
        expected = json.loads(path.with_suffix("").with_suffix(".expected.json").read_text())
        kinds = [record.kind for record in Capture(path)]
        assert kinds.count(Kind.FRAME) == expected["frames"], path.name
