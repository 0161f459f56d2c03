"""What becomes of segments that are finished: handed to a command, and removed after some days.

A thread of its own does it, so that neither the feed nor the recorder waits for a command. A
segment is marked by an empty file beside it, ``NAME.bfj.done``, once the command has taken it: what
a kill has left over is handed to it when somebody records there again. A recording that still
runs is not cut, since no part of it can be replayed without its beginning.
"""

import logging
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bookfeed.threads import begin

SUFFIX: Final = ".bfj"
DONE: Final = ".done"
# How often it is looked for what is left over or too old, and for how long a command may work.
LOOK_S: Final = 60.0
COMMAND_S: Final = 600.0
# When recording ends: how long what is not handed over yet is waited for.
END_S: Final = 30.0
# A segment that nobody has written to for so long is finished, whoever wrote it.
LEFT_S: Final = 3_600.0
# How long a command that failed is left alone, doubled each time.
RETRY_MIN_S: Final = 5.0
RETRY_MAX_S: Final = 600.0

_S_PER_DAY: Final = 86_400.0
_log: Final = logging.getLogger("bookfeed.journal")


class Upkeep:
    """Looks after the segments in ``directory`` that begin with ``prefix``.

    ``command`` is run with the path of each that is finished; a segment that it has not taken (exit
    code 0) is never removed. Recordings that have ended are removed ``keep_days`` after they were
    last written to; 0 keeps them.
    """

    def __init__(
        self, directory: Path, prefix: str, *, command: Sequence[str] = (), keep_days: float = 0.0
    ) -> None:
        self._directory: Final = directory
        self._prefix: Final = prefix
        self._command: Final = tuple(command)
        self._keep_s: Final = keep_days * _S_PER_DAY
        self._running = ""
        self._finished: Final[set[Path]] = set()
        self._retry_at, self._retry_s = 0.0, RETRY_MIN_S
        self._wake: Final = threading.Event()
        self._end_at: float | None = None
        self.handed_over = 0
        self.failed = 0
        self._thread: threading.Thread | None = None

    def begun(self, path: Path) -> None:
        """A recording begins, or goes on, in the segment at ``path``."""
        self._running = recording_of(path)
        if self._thread is None and (self._command or self._keep_s):
            self._thread = begin(self._run, "bookfeed-upkeep")

    def finished(self, path: Path) -> None:
        """Nothing more will be written to the segment at ``path``."""
        self._finished.add(path)
        self._wake.set()

    def close(self) -> None:
        """The recording has ended: what is finished is handed over first, if that is soon."""
        self._running = ""
        self._end_at = time.monotonic() + END_S
        self._wake.set()
        if self._thread is not None:
            self._thread.join(END_S + 1)
            if self._thread.is_alive():
                _log.warning("%s still works on a segment", self._command[0])

    def _run(self) -> None:
        while True:
            self._wake.wait(LOOK_S if self._end_at is None else RETRY_MIN_S)
            self._wake.clear()
            ending = self._end_at is not None
            try:
                left = self._hand_over()
                self._remove_old()
            except OSError as error:
                left = True
                _log.warning("segments in %s: %s", self._directory, error)
            if ending and (not left or time.monotonic() > (self._end_at or 0)):
                return

    def _hand_over(self) -> bool:
        """Run the command for each segment that is finished; whether some are left."""
        if not self._command:
            return False
        for path in self._segments():
            mine = path in self._finished
            if done(path) or not (mine or time.time() - path.stat().st_mtime > LEFT_S):
                continue
            # When the end is near what failed is tried once more, and no longer waited for.
            if time.monotonic() < self._retry_at and self._end_at is None:
                return True
            if not self._take(path):
                return True
        return False

    def _take(self, path: Path) -> bool:
        try:
            run = subprocess.run(  # noqa: S603 - the user's own command
                [*self._command, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                timeout=COMMAND_S,
            )
            problem = f"exit code {run.returncode}" if run.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if not problem:
            marker(path).touch(mode=0o600)
            self._finished.discard(path)
            self.handed_over += 1
            self._retry_s = RETRY_MIN_S
            return True
        self.failed += 1
        self._retry_at = time.monotonic() + self._retry_s
        _log.error("%s %s: %s; again in %g s", self._command[0], path, problem, self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_MAX_S)
        return False

    def _remove_old(self) -> None:
        """Remove recordings that ended long ago, whole ones alone."""
        if not self._keep_s:
            return
        recordings: dict[str, list[Path]] = {}
        for path in self._segments():
            recordings.setdefault(recording_of(path), []).append(path)
        recordings.pop(self._running, None)
        for paths in recordings.values():
            newest = max(path.stat().st_mtime for path in paths)
            taken = not self._command or all(map(done, paths))
            if taken and time.time() - newest > self._keep_s:
                # From its end on: a kill in between leaves a beginning, which can be replayed.
                for path in reversed(paths):
                    path.unlink()
                    marker(path).unlink(missing_ok=True)

    def _segments(self) -> list[Path]:
        return sorted(self._directory.glob(f"{self._prefix}-*{SUFFIX}"))


def recording_of(path: Path) -> str:
    """What the names of all segments of one recording begin with."""
    return path.name.removesuffix(SUFFIX).rpartition("-")[0]


def marker(path: Path) -> Path:
    """The file that says that a segment was taken."""
    return path.with_name(path.name + DONE)


def done(path: Path) -> bool:
    """Whether a segment was taken."""
    return marker(path).exists()
