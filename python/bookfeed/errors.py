"""Every error bookfeed raises on purpose, in one tree, and what it means to a shell.

``BookfeedError`` is the root: ``except bookfeed.BookfeedError`` catches everything below and
nothing else. Errors of the compiled engine (``EngineError``, ``DecimalError``,
``JournalError``) are defined there and only gathered here. Messages say where (file, key,
line, byte offset) and what to do.
"""

from enum import IntEnum
from typing import Final

from bookfeed._bookfeed import BookfeedError, DecimalError, EngineError, JournalError

__all__ = [
    "BookfeedError",
    "CaptureError",
    "CatalogueError",
    "ConfigError",
    "DecimalError",
    "EngineError",
    "ExitCode",
    "JournalError",
    "RecordingError",
    "SessionError",
    "SimulatorError",
    "exit_code",
]


class ConfigError(BookfeedError, ValueError):
    """A configuration that cannot be used.

    ``source`` is the file or environment variable it came from, ``key`` the dotted key inside
    it (empty when the file as a whole is meant), ``line`` where it stands in a file (``None``
    where that is not known). ``str()`` names them, and what is allowed.
    """

    def __init__(self, source: str, key: str, problem: str, line: int | None = None) -> None:
        super().__init__(source, key, problem, line)
        self.source: Final = source
        self.key: Final = key
        self.problem: Final = problem
        self.line: Final = line

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (where, self.key, self.problem) if part)


class SessionError(BookfeedError):
    """A live session that cannot start or go on; a lost connection alone is not one."""


class CaptureError(BookfeedError, ValueError):
    """A capture that is not of the documented form; the message names file and line."""


class RecordingError(BookfeedError):
    """A file that is neither a journal nor a capture, or cannot be read at all."""


class SimulatorError(BookfeedError):
    """The simulator process did not start, or died."""


class CatalogueError(BookfeedError):
    """A market, event or series that a venue does not list, or did not tell of as it should."""


class ExitCode(IntEnum):
    """What a bookfeed command returns to the shell."""

    OK = 0
    """It did what was asked; for ``run`` and ``record`` also when ended by Ctrl-C."""
    FAILURE = 1
    """It could not: network, a path, the disk, the simulator, an answer that did not compare."""
    USAGE = 2
    """Wrong arguments or configuration; nothing was started."""
    DATA = 3
    """Damaged or malformed data: a journal with holes, a bad capture."""
    INTERRUPTED = 130
    """Ended by Ctrl-C before it was done, in commands that have an end of their own."""
    TERMINATED = 143
    """The same by SIGTERM."""


def exit_code(error: BaseException) -> ExitCode:
    """The exit code that tells a shell what ``error`` was about."""
    if isinstance(error, ConfigError):
        return ExitCode.USAGE
    if isinstance(error.__cause__, OSError):
        return ExitCode.FAILURE  # the path or the disk, and nothing that was read
    if isinstance(error, JournalError | CaptureError | RecordingError):
        return ExitCode.DATA
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.FAILURE
