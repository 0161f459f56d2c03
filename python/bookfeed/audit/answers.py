"""Records of a journal that hold the body of a REST answer (``docs/journal.md``)."""

from typing import Final, NamedTuple

from bookfeed.recordings.bounds import control_object
from bookfeed.recordings.kinds import Kind

ANSWERS: Final = (Kind.REST, Kind.REST_BOOK, Kind.POLL)


class RestBook(NamedTuple):
    """The body of a REST answer, and what is known of it beside the body."""

    instrument: int
    """The book it is of."""
    stands_at: int | None
    """The update id it stands at; ``None`` if the body says so itself, or nobody does."""
    body: bytes


def rest_book(payload: bytes) -> RestBook:
    """The payload of a REST_BOOK record: a line of JSON, then the body. ``ValueError`` if not."""
    line, newline, body = payload.partition(b"\n")
    about = control_object(line)
    if not newline:
        raise ValueError("no line of JSON before the body of a REST book")
    instrument, stands_at = about.get("instrument"), about.get("stands_at")
    if type(instrument) is not int or not (stands_at is None or type(stands_at) is int):
        raise ValueError(f"a REST book of instrument {instrument!r} at {stands_at!r}")
    return RestBook(instrument, stands_at, body)


class Poll(NamedTuple):
    """The body of the answer to a poll, and since when it may be true, Unix ns."""

    asked: int
    body: bytes
    instrument: int | None = None
    """Which book it is, where the body does not say so."""


def poll(payload: bytes) -> Poll:
    """The payload of a POLL record: a line of JSON, then the body. ``ValueError`` if not."""
    line, newline, body = payload.partition(b"\n")
    head = control_object(line)
    asked, instrument = head.get("asked"), head.get("instrument")
    if not newline or type(asked) is not int:
        raise ValueError("a poll that does not say when it was asked for")
    return Poll(asked, body, instrument if type(instrument) is int else None)
