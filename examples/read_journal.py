"""Reads journals without bookfeed: a model for readers in other languages (docs/journal.md).

Run it with segments: ``python examples/read_journal.py rec/*.bfj``. It prints each record: kind,
time, connection, its epoch, payload. It is for intact files, and times that do not wrap.
"""

import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import zstandard

Record = tuple[int, int, int, int, bytes]

HEADER = struct.Struct("<8sHHI8sI")
BLOCK = struct.Struct("<4sHH8sQqIIIII")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The LEB128 number at ``at``, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def records(raw: bytes, count: int, ts: int) -> Iterator[Record]:
    """The records of one block that begins at time ``ts``."""
    at = 0
    for _ in range(count):
        kind, at = raw[at], at + 1
        delta, at = varint(raw, at)
        ts += (delta >> 1) ^ -(delta & 1)
        conn, at = varint(raw, at)
        epoch, at = varint(raw, at)
        size, at = varint(raw, at)
        yield kind, ts, conn, epoch, raw[at : at + size]
        at += size


def segment(data: bytes) -> Iterator[Record]:
    """The records of a whole file."""
    magic, version, flags, length, stream, crc = HEADER.unpack_from(data)
    assert magic == b"\x89BFJ\r\n\x1a\n" and version in (1, 2) and flags == 0
    assert zlib.crc32(data[:24] + data[28 : 28 + length]) == crc
    at, ended = 28 + length, version == 1
    while at < len(data):
        magic, codec, role, of, _, ts, count, size, length, _, crc = BLOCK.unpack_from(data, at)
        payload = data[at + 52 : at + 52 + length]
        assert magic == b"\xf5BK\xb1" and of == stream
        assert zlib.crc32(data[at : at + 48] + payload) == crc
        # Bound what is allocated by the format's limit, not by what the header says.
        assert size <= 32 << 20
        raw = zstandard.decompress(payload, max_output_size=size) if codec else payload
        yield from records(raw, count, ts)
        at += 52 + length
        ended |= role == 1
    if not ended:
        print("no end mark: it goes on in another segment, or was cut off", file=sys.stderr)


if len(sys.argv) == 1:
    print(__doc__)
for path in sys.argv[1:]:
    for record in segment(Path(path).read_bytes()):
        print(*record)
