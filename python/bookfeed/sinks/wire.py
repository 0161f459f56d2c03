"""How a feed and a process beside it talk over a local socket: frames, each a head and a body.

A frame is ``<length of the body, kind>`` (five bytes, little endian) and the body. Records are
packed as the engine hands them out, so that neither side decodes what nobody looks at; names and
the standing of the feed are JSON. From feed to reader go ``HELLO``, then ``NAMES``, ``TOUCHES``,
``BATCH``, ``PIECE`` and ``ANSWER`` in the order in which they became true; from reader to feed only
``QUESTION``.
"""

from collections.abc import Iterator
from struct import Struct
from struct import error as StructError
from typing import Any, Final, NamedTuple

import orjson

from bookfeed._bookfeed import Batch
from bookfeed.errors import SessionError
from bookfeed.records import LEG_BYTES, SIGNAL_BYTES, UPDATE_BYTES
from bookfeed.records.levels import LEVEL_BYTES

PROTOCOL: Final = 1

HELLO: Final = ord("H")
"""JSON: who speaks, and how large records are."""
NAMES: Final = ord("N")
"""JSON: what instruments and rules are called, ahead of the records that carry their numbers."""
TOUCHES: Final = ord("T")
"""Updates that no message caused: how books stand at a moment, for who has just come."""
BATCH: Final = ord("B")
"""Records as they came."""
PIECE: Final = ord("P")
"""JSON: a part of how the feed is doing."""
ANSWER: Final = ord("A")
"""JSON: one book, for who asked."""
QUESTION: Final = ord("Q")
"""A ``Question``."""

HEAD: Final = Struct("<IB")
_BATCH: Final = Struct("<QQIIII")
_QUESTION: Final = Struct("<III")

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""A longer body is no frame of ours."""
RECORD_SIZES: Final = [UPDATE_BYTES, SIGNAL_BYTES, LEG_BYTES, LEVEL_BYTES]
DEPTH_MAX: Final = 1_000
"""Levels a side that one answer has at most."""


class WireError(SessionError):
    """What came over the socket is not what this version of bookfeed says there."""


class Question(NamedTuple):
    """A reader wants to see a book: ``depth`` levels a side."""

    number: int
    """The reader's own, for the answer."""
    instrument: int
    depth: int


class Left(NamedTuple):
    """What a reader has not had, counted since it came."""

    conflated: int
    """Book updates left out for newer ones of the same book."""
    dropped: int
    """Records lost."""


def framed(kind: int, body: bytes) -> bytes:
    """A whole frame."""
    return HEAD.pack(len(body), kind) + body


def json_frame(kind: int, content: object) -> bytes:
    """A frame whose body is JSON."""
    return framed(kind, orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS))


def batch_frame(batch: Batch, left: Left) -> bytes:
    """A batch, and what was left out before it."""
    parts = (batch.update_bytes, batch.signal_bytes, batch.leg_bytes, batch.level_bytes)
    return framed(BATCH, b"".join((_BATCH.pack(*left, *map(len, parts)), *parts)))


def batch_of(body: bytes) -> tuple[Batch, Left]:
    """The other way; raises ``WireError`` for what is no batch."""
    try:
        conflated, dropped, *lengths = _BATCH.unpack_from(body)
        parts, at = [], _BATCH.size
        for length in lengths:
            parts.append(body[at : at + length])
            at += length
        if at != len(body):
            raise ValueError(f"{len(body)} bytes, {at} announced")
        return Batch(*parts), Left(conflated, dropped)
    except (ValueError, StructError) as error:
        raise WireError(f"a batch that is none: {error}") from error


def question_frame(question: Question) -> bytes:
    """A question."""
    return framed(QUESTION, _QUESTION.pack(*question))


def question_of(body: bytes) -> Question:
    """The other way; raises ``WireError`` for what is no question."""
    if len(body) != _QUESTION.size:
        raise WireError(f"a question has {_QUESTION.size} bytes, not {len(body)}")
    return Question(*_QUESTION.unpack(body))


class Frames:
    """Bytes as they come, cut into frames."""

    def __init__(self, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._max: Final = body_bytes_max
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Every frame that is whole by now; raises ``WireError`` for one that is too long."""
        self._bytes += data
        at = 0
        try:
            while len(self._bytes) - at >= HEAD.size:
                length, kind = HEAD.unpack_from(self._bytes, at)
                if length > self._max:
                    raise WireError(f"a frame of {length} bytes; at most {self._max} are taken")
                end = at + HEAD.size + length
                if len(self._bytes) < end:
                    return
                body = bytes(memoryview(self._bytes)[at + HEAD.size : end])
                at = end
                yield kind, body
        finally:
            del self._bytes[:at]


def hello(version: str, source: str, pid: int) -> dict[str, Any]:
    """What a feed says first."""
    return {
        "protocol": PROTOCOL,
        "version": version,
        "records": RECORD_SIZES,
        "source": source,
        "pid": pid,
    }


def check_hello(said: dict[str, Any]) -> None:
    """Raises ``WireError`` for a feed whose records this process cannot read."""
    if said.get("protocol") != PROTOCOL or said.get("records") != RECORD_SIZES:
        raise WireError(
            f"the feed speaks for bookfeed {said.get('version', '?')}, whose records are laid out "
            "otherwise: run the same version on both sides"
        )
