"""How much of a recording is taken into memory at once, and which times are any.

A recording may come from anywhere, and a small file may unpack to a large one. So records are
taken in chunks counted in bytes, JSON is read only where its tree stays small, and the number of
books depends on the size of the file.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

Record = TypeVar("Record", bound=tuple[Any, ...])

# Unix nanoseconds of the year 2116: times have room to be added to.
TS_MAX: Final = 2**62
# Payload bytes of a chunk; a larger record is a chunk of its own.
CHUNK_BYTES_MAX: Final = 4 * 1024 * 1024
# Values of one JSON text, which take up to about 100 bytes each as Python objects.
JSON_VALUES_MAX: Final = 500_000
# Bytes of a control record; it names one book, or one rule.
CONTROL_BYTES_MAX: Final = 1024 * 1024
# Books of a recording: so many, and one more for each so many bytes of it.
_BOOKS: Final = 4_096
_BYTES_PER_BOOK: Final = 64


def chunks(
    records: Iterable[Record], count_max: int, bytes_max: int = CHUNK_BYTES_MAX
) -> Iterator[list[Record]]:
    """Records, whose last member is the payload, in lists of at most so many, and so many bytes."""
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record[-1])
        if len(chunk) >= count_max or size >= bytes_max:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def refuse_many_values(text: bytes) -> None:
    """``ValueError`` if a JSON text holds so many values that they should not be made."""
    values = text.count(b",") + text.count(b"[") + text.count(b"{")
    if values > JSON_VALUES_MAX:
        raise ValueError(f"about {values} values; at most {JSON_VALUES_MAX} are read")


def control_object(payload: bytes) -> dict[str, Any]:
    """The JSON object of a control record; ``ValueError`` if it is none, or unreasonably large."""
    if len(payload) > CONTROL_BYTES_MAX:
        raise ValueError(f"{len(payload)} bytes; at most {CONTROL_BYTES_MAX} are read")
    try:
        value = json.loads(payload)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {type(value).__name__}")
    return value


def books_max(files: Iterable[Path]) -> int:
    """How many books a recording of these files can be expected to have at most."""
    return _BOOKS + sum(path.stat().st_size for path in files) // _BYTES_PER_BOOK
