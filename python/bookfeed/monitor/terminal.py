"""Lines to a file that may be slow, without ever holding up the thread that makes them.

A terminal that was stopped, or a pipe nobody reads, blocks whoever writes to it. Here that is a
thread of its own behind a bounded queue: when it is full, the oldest line goes, and is counted.
It writes to the file descriptor, past Python's buffer, whose lock a thread that is stuck in a
write would hold while the interpreter wants to end.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from bookfeed.threads import begin


class LineWriter:
    """Writes texts to the file descriptor ``fd`` in order, from a thread.

    At most ``lines_max`` texts wait; with 1 the newest replaces the one before, which is what a
    redrawn screen wants. ``dropped_text``, if given, makes the text that tells of lines lost.
    """

    def __init__(
        self,
        fd: int,
        *,
        lines_max: int,
        dropped_text: Callable[[int], str] | None = None,
    ) -> None:
        self._fd: Final = fd
        self._dropped_text: Final = dropped_text
        self._waiting: Final[deque[str]] = deque()
        self._lines_max: Final = lines_max
        self._changed: Final = threading.Condition()
        self._untold = 0
        self._closing = False
        self.dropped = 0
        """Texts that were not written, so far."""
        self.error: OSError | None = None
        """Why nothing is written any more; ``BrokenPipeError`` once the reader has gone."""
        self._thread: Final = begin(self._run, "bookfeed-out")

    @property
    def waiting(self) -> int:
        """Texts that wait to be written."""
        return len(self._waiting)

    def put(self, text: str) -> None:
        """Has ``text`` written soon; never waits."""
        with self._changed:
            if len(self._waiting) >= self._lines_max:
                self._waiting.popleft()
                self.dropped += 1
                self._untold += 1
            self._waiting.append(text)
            self._changed.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Writes what waits and ends the thread; gives up on a file that takes nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (texts := self._taken()) is not None:
            try:
                self._write("".join(texts).encode())
            except OSError as error:
                self.error = error
                return

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:  # somebody who shares the file made it so
                select.select([], [self._fd], [])

    def _taken(self) -> list[str] | None:
        """Everything that waits; ``None`` when there will be no more."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            texts = [*self._waiting]
            self._waiting.clear()
            lost, self._untold = self._untold, 0
        if lost and self._dropped_text is not None:
            texts.insert(0, self._dropped_text(lost))
        return texts
