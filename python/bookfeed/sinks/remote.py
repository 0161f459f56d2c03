"""``RemoteFeed``: what another process knows of a feed that has a ``socket`` sink.

    remote = RemoteFeed(path, on_batch=world.take, on_lost=world.lost)
    task = asyncio.create_task(remote.run())

It hands over batches as a feed does, with names to go with them, and connects again by itself.
Between two connections, and while the feed says nothing, no book may be believed: ``heard`` says
so. Books stand as of their newest record; levels are asked for (``book``).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from bookfeed._bookfeed import Batch
from bookfeed.errors import SessionError
from bookfeed.log import RateLimitedLog
from bookfeed.names import Names
from bookfeed.records import UPDATE_BYTES
from bookfeed.sinks import wire
from bookfeed.sinks.socket import default_path

SILENT_S: Final = 3.0
"""A feed that is attached says every second that it goes on; after this long it is not believed."""
RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 2.0
ANSWER_TIMEOUT_S: Final = 2.0
_WAITING_MAX: Final = 256
_FLOOR_GROWS: Final = 1_024

_log: Final = RateLimitedLog(logging.getLogger("bookfeed.sinks.remote"))


class RemoteFeed:
    """Follows the feed that listens at ``path`` (by default ``default_path()``).

    ``on_batch(batch)`` is called on the running loop with records as they come, the standing of
    every book first; ``on_piece(piece)`` with how the feed is doing (``Outside.pieces``);
    ``on_begin()`` when a connection was made, before its first batch, and ``on_lost()`` when it
    was lost. ``names`` are those of the feed that is attached now.
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        on_batch: Callable[[Batch], object],
        on_piece: Callable[[Mapping[str, Any]], object] = lambda _: None,
        on_begin: Callable[[], object] = lambda: None,
        on_lost: Callable[[], object] = lambda: None,
    ) -> None:
        self.path: Final = default_path() if path is None else path
        self._on_batch: Final = on_batch
        self._on_piece: Final = on_piece
        self._on_begin: Final = on_begin
        self._on_lost: Final = on_lost
        self.names = Names()
        self.conflated = 0
        """Book updates that the feed left out for this reader, since it is attached."""
        self.dropped = 0
        """Records that the feed dropped for this reader, since it is attached."""
        self.attached = False
        self.attaches = 0
        """How many connections were made."""
        self.complete = False
        """Whether every book that there was has been told of."""
        self._heard_s = 0.0
        self._writer: asyncio.StreamWriter | None = None
        self._asked: Final[dict[int, asyncio.Future[dict[str, Any] | None]]] = {}
        self._number = 0
        # Of each instrument, the time as of which it was told how its book stands.
        self._floor: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._floored = False

    @property
    def heard(self) -> bool:
        """Whether what is known of books is as new as the feed's own: attached, and not silent."""
        loop = asyncio.get_running_loop()
        return self.attached and self.complete and loop.time() - self._heard_s < SILENT_S

    async def run(self) -> None:
        """Follow until cancelled; raises ``WireError`` for a feed of another version."""
        retry_s = RETRY_S_MIN
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self.path)
            except OSError as error:
                _log.warning("attach", "no feed at %s: %s", self.path, error.strerror or error)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)
                continue
            try:
                self._begin(writer)
                await self._read(reader)
            except ConnectionError:
                pass
            finally:
                writer.transport.abort()
                self._end()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            retry_s = RETRY_S_MIN
            await asyncio.sleep(retry_s)

    async def book(self, instrument: int, depth: int) -> dict[str, Any] | None:
        """Return a book with ``depth`` levels a side, as ``records.objects`` has it.

        ``None`` if there is no such book. Raises ``SessionError`` if no feed is attached, too much
        is asked at once, or no answer comes in time.
        """
        if self._writer is None or not self.attached:
            raise SessionError("no feed is attached")
        if len(self._asked) >= _WAITING_MAX:
            raise SessionError("too many books are asked for at once")
        self._number = (self._number + 1) & 0xFFFF_FFFF
        number = self._number
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.Future()
        self._asked[number] = answer
        try:
            self._writer.write(wire.question_frame(wire.Question(number, instrument, depth)))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise SessionError("the feed did not answer in time") from None
        finally:
            self._asked.pop(number, None)

    # What comes.

    def _begin(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.names = Names()
        self.conflated = self.dropped = 0
        self.complete = False
        self._floor = np.zeros(0, np.int64)
        self._floored = False
        self._heard_s = asyncio.get_running_loop().time()

    def _end(self) -> None:
        self._writer = None
        self.complete = False
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(SessionError("the feed is gone"))
        if self.attached:
            self.attached = False
            self._on_lost()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = wire.Frames()
        while data := await reader.read(1 << 18):
            for kind, body in frames.feed(data):
                self._take(kind, body)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == wire.HELLO:
            wire.check_hello(orjson.loads(body))
            self.attached = True
            self.attaches += 1
            self._on_begin()
        elif kind == wire.NAMES:
            self._learn(orjson.loads(body))
        elif kind == wire.TOUCHES:
            self._take_touches(body)
        elif kind == wire.BATCH:
            batch, (self.conflated, self.dropped) = wire.batch_of(body)
            self._on_batch(self._newer(batch))
        elif kind == wire.PIECE:
            self._heard_s = asyncio.get_running_loop().time()
            self._on_piece(orjson.loads(body))
        elif kind == wire.ANSWER:
            told = orjson.loads(body)
            answer = self._asked.get(told["number"])
            if answer is not None and not answer.done():
                answer.set_result(told["book"])

    def _learn(self, told: Mapping[str, Any]) -> None:
        for instrument, venue, market, outcome, symbol, title in told["names"]:
            self.names.learn(
                instrument, venue=venue, symbol=symbol, market=market, outcome=outcome, title=title
            )
        for number, name in told["rules"].items():
            self.names.learn_rule(int(number), name)

    def _take_touches(self, body: bytes) -> None:
        if not body:
            self.complete = True
            return
        batch = Batch(body)
        told = batch.updates
        highest = int(told["instrument"].max())
        if highest >= len(self._floor):
            grown = np.zeros(highest + _FLOOR_GROWS, np.int64)
            grown[: len(self._floor)] = self._floor
            self._floor = grown
        self._floor[told["instrument"]] = told["ts_recv_ns"]
        self._floored = True
        self._on_batch(batch)

    def _newer(self, batch: Batch) -> Batch:
        """Without updates that were emitted before it was told how their books stand.

        They were on their way already: taken as news, they would bring back what is over.
        """
        if not self._floored:
            return batch
        updates = batch.updates
        known = np.minimum(updates["instrument"], len(self._floor) - 1)
        floors = np.where(updates["instrument"] < len(self._floor), self._floor[known], 0)
        late = updates["ts_recv_ns"] < floors
        if not late.any():
            if self.complete and len(updates) and updates["ts_recv_ns"].min() > self._floor.max():
                self._floored = False
            return batch
        rows = np.frombuffer(batch.update_bytes, f"V{UPDATE_BYTES}")[~late]
        return Batch(rows.tobytes(), batch.signal_bytes, batch.leg_bytes, batch.level_bytes)
