"""What a sink is: three methods, a bound, and what happens to records for which there is no room.

A sink is any object with ``open``, ``write`` and ``close``; ``docs/sinks.md`` shows one being
written, and says what two methods more are for (``BookReading``, ``Beating``). Sinks that can be
configured have a file each beside this one, with a ``SinkSection`` (its ``[[sink]]``) and a row in
``sinks/__init__.py``.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol, get_args, runtime_checkable

from bookfeed._bookfeed import Batch, BookView
from bookfeed.names import Names
from bookfeed.schema import DirectoryPath, Range, Text

QUEUE_MAX: Final = 65_536
QUEUE_MAX_MAX: Final = 16_777_216
SPILL_BYTES_MAX: Final = 1 << 30
CLOSE_TIMEOUT_S: Final = 1.0
CLOSE_TIMEOUT_S_MAX: Final = 60.0

_NAME: Final = r"[a-z][a-z0-9_]{0,31}"
_NAME_WORDS: Final = "1 to 32 of a-z 0-9 _, a letter first"

Full = Literal["conflate", "drop_oldest", "spill"]
SinkState = Literal["opening", "running", "failing", "closed", "abandoned"]


class NotTaken(Exception):
    """What ``write`` raises if the same batch is to come again, after a moment, and not be lost.

    Nothing of the batch may have been taken, or the sink must know how much. Newer records wait
    in the queue, whose bound and policy are as ever.
    """


class Sink(Protocol):
    """Where records go when they leave the feed: three methods, all plain or all ``async def``.

    A plain sink has a thread of its own, in which all three are called; it may block. An
    ``async def`` one is a task on the feed's loop, and must not. Neither can hold up the feed:
    what it cannot take waits in a bounded queue (``SinkOptions``).
    """

    def open(self, names: Names, /) -> Awaitable[None] | None:
        """Get ready; called once, before the first ``write``.

        ``names`` says what instruments and rules are called, and grows as markets come. An error
        raised here ends ``Feed.open`` with a ``SessionError``: a wrong password is seen at once.
        """
        ...

    def write(self, batch: Batch, /) -> Awaitable[None] | None:
        """Take the records that came since the last call, several socket reads' at once.

        The batch is never empty and may be kept: its bytes do not change. An error raised here is
        counted and logged, the records of this batch are counted as dropped, and the next batch
        comes as if nothing had happened; after some failures in a row, a little later. After
        ``NotTaken`` the same batch comes again.
        """
        ...

    def close(self) -> Awaitable[None] | None:
        """Write out what is left and let go; called once, if ``open`` has returned."""
        ...


Books = Callable[[int], BookView | None]
"""A copy of a book as it stands now, by instrument number; ``None`` if it is gone.

It may be called from any thread, and none of its answers is half of a message.
"""


@runtime_checkable
class BookReading(Protocol):
    """A sink that wants whole books, not only what changed: it has this method as well."""

    def read_books(self, books: Books, /) -> None:
        """Remember how books are read; called once, before ``open``."""
        ...


@runtime_checkable
class Beating(Protocol):
    """A sink that has something to do when no records come: it has this method as well."""

    def beat(self) -> Awaitable[None] | None:
        """Do what is due; called about once a second, between two calls of ``write``.

        It is the feed's loop that has it called: if that hangs no beat comes, so whoever renews
        something with each beat does not renew it for a feed that has stopped. A replay, whose
        time is not that of the clock, calls it never.
        """
        ...


class Source(Protocol):
    """What a sink may ask of the feed whose records it gets; on the feed's loop, and cheaply."""

    def touches(self) -> Iterable[bytes]:
        """How every book stands, as packed updates, some hundred books at a time."""
        ...

    def pieces(self, *, whole: bool) -> Iterable[Mapping[str, Any]]:
        """How the feed is doing, piece by piece: ``part`` says of what, ``key`` of which.

        Unless it shall be the ``whole``, what is as it was may be left out.
        """
        ...

    def book(self, instrument: int, depth: int) -> Mapping[str, Any] | None:
        """One book with ``depth`` levels a side; ``None`` if there is no such book."""
        ...

    def fills(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        """Have ``take`` called on the feed's loop with each fill of the user's own from now on.

        It is told again whenever its status changes. Keys are those of the table ``fills``.
        """
        ...

    def alerts(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        """Have ``take`` called on the feed's loop with each alert that is told from now on.

        Keys are those of the table ``alerts``.
        """
        ...


@runtime_checkable
class Asking(Protocol):
    """A sink that asks its feed besides, and so is told before ``open`` whom to ask."""

    def attach(self, source: Source, /) -> None:
        """Ask ``source`` from now on."""
        ...


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How much may wait for a sink, and what happens to what is too much.

    ``name`` is what its counters and log lines are called; by default the sink's class in small
    letters. ``queue_max`` is how many records may wait in memory: updates (96 bytes), signals (144,
    and 64 for each of their legs) and level changes (48). The default is 6 MiB of book updates; as
    much again may be in the ``write`` that is going on.

    ``full`` says what makes room when more than ``queue_max`` records would wait:

    ``"conflate"``
        of the book updates of an instrument only the newest is kept; all else is kept until it
        alone is too much, then the oldest is dropped;
    ``"drop_oldest"``
        whole records are dropped, the oldest first;
    ``"spill"``
        records wait on disk, in order, in a nameless file of ``spill_dir`` (by default the system's
        directory for temporary files) that nobody else can open, at most ``spill_bytes_max``
        bytes; what comes when that is full, too, is dropped.

    Whatever is dropped is counted. The records of one instrument always come in order. Closing the
    feed waits ``close_timeout_s`` seconds for the sink to write what waits and to close.
    """

    name: str | None = None
    queue_max: int = QUEUE_MAX
    full: Full = "conflate"
    spill_dir: str | Path | None = None
    spill_bytes_max: int = SPILL_BYTES_MAX
    close_timeout_s: float = CLOSE_TIMEOUT_S

    def __post_init__(self) -> None:
        if self.name is not None and not re.fullmatch(_NAME, self.name):
            raise ValueError(f"the name of a sink must be {_NAME_WORDS}, not {self.name!r}")
        if self.full not in get_args(Full):
            allowed = ", ".join(map(repr, get_args(Full)))
            raise ValueError(f"full must be one of {allowed}, not {self.full!r}")
        if not 1 <= self.queue_max <= QUEUE_MAX_MAX:
            raise ValueError(f"queue_max must be from 1 to {QUEUE_MAX_MAX}, not {self.queue_max}")
        if self.spill_bytes_max < 0:
            raise ValueError(f"spill_bytes_max must not be negative ({self.spill_bytes_max})")
        if not 0 <= self.close_timeout_s <= CLOSE_TIMEOUT_S_MAX:
            problem = f"from 0 to {CLOSE_TIMEOUT_S_MAX:g}, not {self.close_timeout_s}"
            raise ValueError(f"close_timeout_s must be {problem}")


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink is doing; every count is of records since the feed was opened.

    ``received`` is always ``written + dropped + conflated + queued``.
    """

    name: str
    """What it is called in counters and messages."""
    state: SinkState
    """``failing``: its last call raised. ``abandoned``: it did not close in time."""
    received: int
    """Records that the feed handed over: updates, signals and level changes."""
    written: int
    """Of these, records of batches for which ``write`` returned."""
    dropped: int
    """Records lost: no room, a ``write`` that raised, a disk that failed, or the end came first."""
    conflated: int
    """Book updates left out because a newer one of the same instrument was waiting."""
    spilled: int
    """Records that went by way of the disk."""
    errors: int
    """Calls that raised, and failures of the disk that records wait on."""
    queued: int
    """Records that wait, in memory, on disk, or in the ``write`` that is going on."""
    lag_s: float
    """For how long the oldest of these waits, in seconds; 0 if none does."""
    spill_bytes: int
    """Bytes that wait on disk."""
    error: str
    """The last error in words; empty if there was none."""


# How a sink is configured.


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSection(ABC):
    """``[[sink]]`` of a configuration: what every kind of sink has."""

    SECRETS: ClassVar[tuple[str, ...]] = ()
    """Fields that say whose key is used: neither shown nor part of a fingerprint."""

    kind: str
    name: Annotated[str | None, Text(_NAME, _NAME_WORDS)] = None
    queue_max: Annotated[int, Range(1, QUEUE_MAX_MAX)] = QUEUE_MAX
    full: Full = "conflate"
    spill_dir: DirectoryPath | None = None
    spill_bytes_max: Annotated[int, Range(0, 1 << 50)] = SPILL_BYTES_MAX
    close_timeout_s: Annotated[float, Range(0, CLOSE_TIMEOUT_S_MAX)] = CLOSE_TIMEOUT_S

    @property
    def stdout(self) -> bool:
        """Whether it writes to standard output."""
        return False

    @property
    def file(self) -> str | None:
        """The file that it writes, however it was spelled; ``None`` if it writes none."""
        return None

    @abstractmethod
    def sink(self) -> Sink:
        """The sink itself, not open yet."""

    @property
    def called(self) -> str:
        """Its name, or else its kind."""
        return self.name or self.kind

    def options(self) -> SinkOptions:
        """The same keys as a feed takes them."""
        return SinkOptions(
            name=self.called,
            queue_max=self.queue_max,
            full=self.full,
            spill_dir=self.spill_dir,
            spill_bytes_max=self.spill_bytes_max,
            close_timeout_s=self.close_timeout_s,
        )
