"""``socket``: a local socket over which other processes follow the feed.

Whoever attaches hears first how every book stands, then every record, and once a second how the
feed is doing; and may ask for the levels of a book. Only processes of the same user can attach. A
reader that does not read is left behind: its records are conflated, and after a while it is cut.
``remote.py`` is the other side, ``wire.py`` what is said.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from bookfeed._bookfeed import Batch, __version__
from bookfeed.log import RateLimitedLog
from bookfeed.names import Names
from bookfeed.schema import Text
from bookfeed.sinks import wire
from bookfeed.sinks.base import SinkSection, Source
from bookfeed.sinks.open_signals import OpenSignals
from bookfeed.sinks.policies import Conflate

READERS_MAX: Final = 16
"""So many may be attached at once."""
QUESTIONS_A_SECOND: Final = 200
"""So many books are shown to one reader; what it asks beyond is not answered."""
EVERY_S: Final = 1.0
"""How often readers hear how the feed is doing, if only that it goes on."""
STALLED_S: Final = 10.0
"""How long a reader may read nothing before it is cut."""
_BUFFER_BYTES_MAX: Final = 512 * 1024
_WAITING_MAX: Final = 65_536
_PATH_BYTES_MAX: Final = 100
_NAMES_AT_ONCE: Final = 512

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.sinks.socket"))


def default_path() -> str:
    """Where a feed of this user listens unless it is told otherwise."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return str(Path(runtime) / "bookfeed.sock")
    return str(Path(tempfile.gettempdir()) / f"bookfeed-{os.getuid()}" / "feed.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSection(SinkSection):
    """``[[sink]]`` with ``kind = "socket"``: other processes of this user."""

    kind: Literal["socket"]
    path: Annotated[str | None, Text(r"[^\x00]+", "the path of a socket")] = None

    @property
    def file(self) -> str | None:
        """Where it listens, however it was spelled."""
        return os.path.realpath(self.path or default_path())

    def sink(self) -> "SocketSink":
        """The sink itself, not open yet."""
        return SocketSink(self.path)


class SocketSink:
    """Listens at ``path`` (by default ``default_path()``) for processes of the same user.

    ``open`` raises ``OSError`` if somebody listens there already, or the path cannot be used.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path: Final = str(path) if path is not None else default_path()
        self._source: Source | None = None
        self._names = Names()
        self._names_seen = 0
        self._told_names: dict[int, Any] = {}
        self._told_rules: dict[int, str] = {}
        self._readers: Final[set[_Reader]] = set()
        self._open: Final = OpenSignals()
        self._server: asyncio.AbstractServer | None = None
        self._telling: asyncio.Task[None] | None = None
        self._whole = False
        self._inode: tuple[int, int] | None = None

    def attach(self, source: Source) -> None:
        """Ask this feed how it is."""
        self._source = source

    @property
    def readers(self) -> int:
        """How many processes are attached."""
        return len(self._readers)

    async def open(self, names: Names) -> None:
        """Listen."""
        self._names = names
        listening = _listening(self.path)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Reader(self), sock=listening)
        self._inode = _inode(self.path)
        self._telling = asyncio.create_task(self._tell(), name="bookfeed-socket")

    async def write(self, batch: Batch) -> None:
        """Hand a batch to every reader; never waits for one."""
        self._open.take(batch)
        if not self._readers:
            return
        self._tell_names()
        frame = None
        for reader in tuple(self._readers):
            frame = reader.take(batch, frame)

    async def close(self) -> None:
        """Let go of every reader, and of the path."""
        if self._telling is not None:
            self._telling.cancel()
        if self._server is not None:
            self._server.close()
        for reader in tuple(self._readers):
            reader.end()
        # Another feed may have taken the path over meanwhile.
        if self._inode and _inode(self.path) == self._inode:
            _unlink(self.path)

    # What readers are told.

    def begin(self, reader: "_Reader") -> bool:
        """A reader has come; false if there are too many."""
        if len(self._readers) >= READERS_MAX:
            _log.warning("many", "%d readers are attached; one more was refused", READERS_MAX)
            return False
        self._tell_names()
        self._readers.add(reader)
        hello = wire.hello(__version__, self.path, os.getpid())
        reader.say(wire.json_frame(wire.HELLO, hello))
        for frame in self._names_frames(self._told_names, self._told_rules):
            reader.say(frame)
        self._whole = True
        return True

    def gone(self, reader: "_Reader") -> None:
        """A reader has left."""
        self._readers.discard(reader)

    def touches(self) -> Any:
        """How every book stands, a part at a time."""
        return () if self._source is None else self._source.touches()

    def open_signals(self) -> Batch | None:
        """The signals that are open; ``None`` if none is."""
        return self._open.batch()

    def answer(self, question: wire.Question) -> bytes:
        """The frame that answers a question."""
        book = None
        if self._source is not None:
            depth = min(question.depth, wire.DEPTH_MAX)
            book = self._source.book(question.instrument, depth)
        return wire.json_frame(wire.ANSWER, {"number": question.number, "book": book})

    def _tell_names(self) -> None:
        """Tell every reader what is called otherwise than it has heard."""
        if self._names.changes == self._names_seen:
            return
        self._names_seen = self._names.changes
        names = {i: n for i, n in self._names.items() if self._told_names.get(i) is not n}
        rules = {i: n for i, n in self._names.rules.items() if self._told_rules.get(i) != n}
        for gone in self._told_names.keys() - self._names.keys():
            del self._told_names[gone]
        self._told_names.update(names)
        self._told_rules.update(rules)
        for frame in self._names_frames(names, rules):
            for reader in self._readers:
                reader.say(frame)

    def _names_frames(self, names: dict[int, Any], rules: dict[int, str]) -> list[bytes]:
        rows = [[i, n.venue, n.market, n.outcome, n.symbol, n.title] for i, n in names.items()]
        parts = [rows[at : at + _NAMES_AT_ONCE] for at in range(0, len(rows), _NAMES_AT_ONCE)]
        return [
            wire.json_frame(wire.NAMES, {"names": part, "rules": {} if n else rules})
            for n, part in enumerate(parts or [[]])
        ]

    async def _tell(self) -> None:
        """Every second how the feed is doing, a piece at a time."""
        while True:
            if self._readers and self._source is not None:
                self._tell_names()
                whole, self._whole = self._whole, False
                for piece in self._source.pieces(whole=whole):
                    frame = wire.json_frame(wire.PIECE, piece)
                    for reader in tuple(self._readers):
                        reader.say(frame, droppable=True)
                    await asyncio.sleep(0)
            for reader in tuple(self._readers):
                reader.look()
            for _ in range(10):
                await asyncio.sleep(EVERY_S / 10)
                if self._whole:
                    break


class _Reader(asyncio.Protocol):
    """One process that is attached: what waits for it, and what it asks."""

    def __init__(self, sink: SocketSink) -> None:
        self._sink: Final = sink
        self._transport: asyncio.Transport | None = None
        self._frames: Final = wire.Frames(body_bytes_max=1_024)
        self._queue: Final = Conflate(_WAITING_MAX)
        # What must not be left out waits here: names. Each is told at most once.
        self._owed: Final[list[bytes]] = []
        self._paused_s: float | None = None
        self._reads: Final = asyncio.Event()
        self._reads.set()
        self._greeting: asyncio.Task[None] | None = None
        self._asked_s = 0.0
        self._asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        # Not asked whether it is one: uvloop's are no subclass of asyncio's.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=_BUFFER_BYTES_MAX)
        if not self._sink.begin(self):
            transport.abort()
            return
        self._greeting = asyncio.get_running_loop().create_task(self._greet())

    async def _greet(self) -> None:
        """How every book stands; records that come meanwhile are newer, and go between."""
        for part in self._sink.touches():
            await self._reads.wait()
            self.say(wire.framed(wire.TOUCHES, part))
            await asyncio.sleep(0)
        signals = self._sink.open_signals()
        if signals is not None:
            self.say(wire.batch_frame(signals, self._left()))
        self.say(wire.framed(wire.TOUCHES, b""))

    def connection_lost(self, error: Exception | None) -> None:
        """It has left."""
        if self._greeting is not None:
            self._greeting.cancel()
        self._queue.close()
        self._owed.clear()
        self._sink.gone(self)
        self._transport = None

    def end(self) -> None:
        """Let go of it, after what waits in the buffer."""
        if self._transport is not None:
            self._transport.close()

    def say(self, frame: bytes, *, droppable: bool = False) -> None:
        """One frame; what is droppable is left out while it does not read."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._paused_s is None:
            self._transport.write(frame)
        elif not droppable:
            self._owed.append(frame)

    def take(self, batch: Batch, frame: bytes | None) -> bytes | None:
        """A batch; returns the frame, which readers that have missed nothing can share."""
        if self._transport is None or self._transport.is_closing():
            return frame
        if self._paused_s is not None:
            self._queue.put(batch)
            return frame
        left = self._left()
        if any(left):
            self._transport.write(wire.batch_frame(batch, left))
            return frame
        frame = wire.batch_frame(batch, left) if frame is None else frame
        self._transport.write(frame)
        return frame

    def _left(self) -> wire.Left:
        return wire.Left(self._queue.conflated, self._queue.dropped)

    def look(self) -> None:
        """Cut it if it has not read for too long."""
        now_s = asyncio.get_running_loop().time()
        if self._paused_s is not None and now_s - self._paused_s > STALLED_S:
            _log.warning("stalled", "a reader has read nothing for %g s and is cut", STALLED_S)
            if self._transport is not None:
                self._transport.abort()

    def pause_writing(self) -> None:
        """It does not read as fast as records come."""
        self._paused_s = asyncio.get_running_loop().time()
        self._reads.clear()

    def resume_writing(self) -> None:
        """It has read what waited in the buffer."""
        self._paused_s = None
        while self._owed and self._paused_s is None:
            self.say(self._owed.pop(0))
        while self._paused_s is None and self._transport is not None:
            batch = self._queue.take()
            if batch is None:
                self._reads.set()
                return
            self._transport.write(wire.batch_frame(batch, self._left()))

    def data_received(self, data: bytes) -> None:
        """It asks."""
        try:
            for kind, body in self._frames.feed(data):
                if kind == wire.QUESTION and self._may_ask():
                    self.say(self._sink.answer(wire.question_of(body)), droppable=True)
        except wire.WireError as error:
            _log.warning("wire", "a reader is cut: %s", error)
            if self._transport is not None:
                self._transport.abort()

    def _may_ask(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._asked_s >= 1.0:
            self._asked_s, self._asked = now_s, 0
        self._asked += 1
        return self._asked <= QUESTIONS_A_SECOND


def _listening(path: str) -> socket.socket:
    """A socket that listens at ``path``, for this user alone."""
    if len(os.fsencode(path)) > _PATH_BYTES_MAX:
        raise OSError(f"{path}: the path of a socket has at most {_PATH_BYTES_MAX} bytes")
    directory = Path(path).parent
    if path == default_path() and not directory.exists():
        directory.mkdir(mode=0o700)
    if (
        path == default_path()
        and (found := directory.stat())
        and (found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022)
    ):
        raise PermissionError(f"{directory}: others may write there; name another path")
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Between `bind` and `chmod` nobody can be let in: it does not listen yet.
        listening.bind(path)
        Path(path).chmod(0o600)
        listening.listen(READERS_MAX)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _inode(path: str) -> tuple[int, int] | None:
    """Which file is at ``path``; ``None`` if there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        Path(path).unlink()


def _clear(path: str) -> None:
    """Remove what a feed that was killed left behind; ``OSError`` if somebody is there."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise FileExistsError(f"{path} is there already, and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(f"another feed listens at {path}; give this one another path")
