"""What the records of a journal are. ``docs/journal.md`` says what each of them carries."""

from enum import IntEnum
from typing import Final

# kind, ts (Unix ns), conn, epoch, payload
RecordTuple = tuple[int, int, int, int, bytes]

# How the file of a journal begins.
JOURNAL_MAGIC: Final = b"\x89BFJ"


class Kind(IntEnum):
    """What a journal record is; unknown kinds are to be skipped by readers."""

    FRAME = 1
    CONNECTED = 2
    DISCONNECTED = 3
    SUBSCRIBE = 4
    ADVANCE = 5
    REST = 6
    RESYNC_BEGIN = 7
    INVALIDATE = 8
    UNSUBSCRIBE = 9
    DROPPED = 10
    RULE = 11
    NOTE = 12
    REST_BOOK = 13
    FORGET = 14
    RULE_END = 15
    POLL = 16
    MARKET = 17
    OWN = 18
    LINE = 19
    INDEX = 20
    TERMS = 21
    STRIKE = 22
    REFERENCE = 23
    TOUCH = 24
    # Of relays, beside the books.
    RELAY_FRAME = 32
    RELAY_CONNECTED = 33
    RELAY_DISCONNECTED = 34


RELAY_KINDS: Final = frozenset((Kind.RELAY_FRAME, Kind.RELAY_CONNECTED, Kind.RELAY_DISCONNECTED))
"""Records that change no engine: those of relays."""
