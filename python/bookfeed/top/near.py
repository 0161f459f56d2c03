"""Where ``Top`` has its feed from: a socket beside another process, or ``Near``, its own process.

Near the feed nothing may cost it much: records are gathered as they come, and taken in a few times
a second, all of them at once.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from bookfeed import log
from bookfeed._bookfeed import Batch
from bookfeed.clock import Clock
from bookfeed.feed.feed import Feed
from bookfeed.feed.outside import Outside
from bookfeed.sinks.remote import RemoteFeed
from bookfeed.top.desk import Desk

_TAKE_S: Final = 0.1
_PIECES_EVERY: Final = 10
# So many bytes of updates are not left to wait.
_GATHERED_MAX: Final = 1 << 20


class Followed(Protocol):
    """A feed, from wherever it is followed; as ``RemoteFeed``."""

    @property
    def path(self) -> str:
        """Where it is, for people."""
        ...

    @property
    def attached(self) -> bool:
        """Whether it is there."""
        ...

    @property
    def heard(self) -> bool:
        """Whether what is known is as new as its own."""
        ...

    @property
    def dropped(self) -> int:
        """Records that were missed."""
        ...

    async def run(self) -> None:
        """Follow it until cancelled."""

    async def book(self, instrument: int, depth: int) -> Mapping[str, Any] | None:
        """A book with levels; raises ``SessionError`` if it cannot be had."""
        ...


def far(desk: Desk, path: str | None) -> RemoteFeed:
    """The feed that listens at ``path`` (by default the user's own), for ``desk``."""
    remote = RemoteFeed(
        path,
        on_batch=desk.take,
        on_piece=desk.take_piece,
        on_begin=lambda: desk.begin(remote.names),
        on_lost=lambda: desk.when_lost(),
    )
    return remote


class Near:
    """The feed of this process; ``on_batch`` is handed what it hands out."""

    dropped = 0

    def __init__(self, desk: Desk, feed: Feed, clock: Clock, name: str) -> None:
        self.path: Final = name
        self._desk: Final = desk
        self._feed: Final = feed
        self._outside: Final = Outside(feed, clock)
        self._updates: list[bytes] = []
        self._bytes = 0
        desk.begin(feed.names)

    @property
    def attached(self) -> bool:
        """Always: it is here."""
        return True

    @property
    def heard(self) -> bool:
        """Unless it has failed."""
        return self._feed.failure is None

    def on_batch(self, batch: Batch) -> None:
        """Keep what the feed handed out."""
        data = batch.update_bytes
        self._updates.append(data)
        self._bytes += len(data)
        if batch.signal_bytes:
            self._desk.take(Batch(b"", batch.signal_bytes, batch.leg_bytes, b""))
        if self._bytes > _GATHERED_MAX:
            self.take()

    def take(self) -> None:
        """Take in what was kept."""
        if self._updates:
            data = b"".join(self._updates)
            self._updates.clear()
            self._bytes = 0
            self._desk.take(Batch(data, b"", b"", b""))

    async def run(self) -> None:
        """Follow until cancelled."""
        for part in self._outside.touches():
            self._desk.take(Batch(part, b"", b"", b""))
        times = 0
        while True:
            if times % _PIECES_EVERY == 0:
                for piece in self._outside.pieces(whole=times == 0):
                    self._desk.take_piece(piece)
                    await asyncio.sleep(0)
            self.take()
            times += 1
            await asyncio.sleep(_TAKE_S)

    async def book(self, instrument: int, depth: int) -> Mapping[str, Any] | None:
        """A book with levels as it is now; ``None`` if there is none."""
        return self._outside.book(instrument, depth)


class _Noting(logging.Handler):
    """Log lines become lines of the list of what changed."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk: Final = desk

    def emit(self, record: logging.LogRecord) -> None:
        """Note one."""
        bad = record.levelno >= logging.ERROR
        self._desk.note(record.getMessage(), "bad" if bad else "warn")


@contextmanager
def noted(desk: Desk) -> Iterator[None]:
    """Log lines do not run across what is drawn."""
    logger = logging.getLogger(log.ROOT)
    before = logger.handlers
    logger.handlers = [_Noting(desk)]
    try:
        yield
    finally:
        logger.handlers = before
