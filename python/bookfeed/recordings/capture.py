"""Captures: the interchange form of recordings, one JSON object a line.

A capture is UTF-8 text, plain, gzip or zstd (told apart by their first bytes)::

    {"capture": 1, "venue": "<venue>"}
    {"ts_recv": 1786398368844000000, "conn": "a", "control": "connected"}
    {"ts_recv": 1786398368844000000, "conn": "a", "frame": "<text of one frame>"}

The first line may say how the venue was asked to speak, where that changes what its frames mean:
``"mode": "use_yes_price"``, or ``"mode": ""`` for what it does unasked. Where it does not, and
nobody else does, the frames have to show it.

``Capture`` reads one as the records a journal would hold, so that importing and replaying
need no second vocabulary. A connection that begins with a frame was connected at its time: the
header says whose frames these are. Times are Unix nanoseconds. Empty lines are skipped; every other
line that is not of this form is a ``CaptureError`` naming the file and the line.
"""

import gzip
import importlib
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, NoReturn, cast

import orjson

from bookfeed._bookfeed import MODES
from bookfeed.errors import CaptureError
from bookfeed.recordings.bounds import TS_MAX, refuse_many_values
from bookfeed.recordings.kinds import JOURNAL_MAGIC, Kind
from bookfeed.recordings.mode import mode_of

CAPTURE_VERSION: Final = 1
_HEADER: Final = '{"capture": 1, "venue": "…"}'
# The longest line: a frame of 500 books of full depth has 13 MiB.
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
# How many times its own size (and two lines more) a compressed file may unpack to.
EXPANSION_MAX: Final = 100
# Empty lines in a row; only a crafted file has many, and each costs as much as a frame.
BLANK_LINES_MAX: Final = 1_000
NAME_MAX: Final = 200

# A capture says nothing of the engine it was made with: every book it holds, every hash checked.
# It may hold few of a connection's markets, so that its silence says nothing of the connection.
CAPTURE_ENGINE: Final[dict[str, Any]] = {
    "auto_subscribe": True,
    "hash_check": "always",
    "silence_s": 0.0,
}

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# What is unpacked at once: a block of 128 KiB may be packed into 4 bytes.
_ZSTD_BITE: Final = 256
# The window that every zstd decoder should support (RFC 8878); one takes as much memory.
_WINDOW_LOG_MAX: Final = 23


class CaptureRecord(NamedTuple):
    """One line of a capture, as the journal record it corresponds to.

    ``ts`` is the receive time in Unix nanoseconds, ``conn`` the number of the connection in
    order of first appearance. ``payload`` is the frame's text in UTF-8 (``Kind.FRAME``), the
    venue's name (``Kind.CONNECTED``) or the reason (``Kind.DISCONNECTED``, empty if none).
    """

    kind: Kind
    ts: int
    conn: int
    payload: bytes


class Capture:
    """Iterates the records of one capture file; iterating again starts over.

    ``mode`` is how the venue was asked to speak, whatever the first line says of that: one of
    ``bookfeed._bookfeed.MODES`` of the venue. Raises ``CaptureError`` when the file cannot be read,
    its first line is not a capture's or the venue has no such mode, and, while iterating, at the
    first bad line, or at once if its mode is neither stated nor shown by its frames.
    """

    def __init__(self, path: str | Path, mode: str | None = None) -> None:
        self.path: Final = Path(path)
        self._conns: dict[str, int] = {}
        with closing(self._numbered_lines()) as lines:
            venue, stated = self._header(next(lines, None))
        self.venue: Final = venue
        self._mode = stated if mode is None else mode
        if self._mode is not None and self._mode not in MODES.get(self.venue, ("",)):
            self._fail(1, f'{self.venue} has no mode "{self._mode}": it is {_choices(self.venue)}')

    @property
    def mode(self) -> str:
        """How the venue was asked to speak, as stated, or else as the frames show it.

        Raises ``CaptureError`` if they leave it open, or cannot be read.
        """
        if self._mode is None:
            modes = MODES.get(self.venue, ("",))
            with closing(self._records("")) as records:
                self._mode = mode_of(records, modes, CAPTURE_ENGINE) if len(modes) > 1 else modes[0]
        if self._mode is None:
            self._fail(
                1,
                "its frames can be read in more than one way, and nothing says which is right: "
                f'add "mode" to this line, or give `--mode`: {_choices(self.venue)}',
            )
        return self._mode

    @property
    def conns(self) -> dict[str, int]:
        """Numbers given to the connection names seen so far."""
        return dict(self._conns)

    def __iter__(self) -> Iterator[CaptureRecord]:
        return self._records(self.mode)

    def _records(self, mode: str) -> Generator[CaptureRecord, None, None]:
        venue = f"{self.venue} {mode}".rstrip().encode()
        with closing(self._numbered_lines()) as lines:
            next(lines, None)
            announced: set[int] = set()
            for number, line in lines:
                record = self._record(number, line)
                if record.kind is Kind.CONNECTED:
                    record = record._replace(payload=venue)
                elif record.kind is Kind.FRAME and record.conn not in announced:
                    yield record._replace(kind=Kind.CONNECTED, payload=venue)
                announced.add(record.conn)
                yield record

    def _fail(self, line: int, problem: str) -> NoReturn:
        raise CaptureError(f"{self.path}:{line}: {problem}")

    def _object(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            refuse_many_values(line)
            value = orjson.loads(line)
        except ValueError as error:
            begins = f"; a capture begins with {_HEADER}" if number == 1 else ""
            self._fail(number, _not_json(line, error) + begins)
        if not isinstance(value, dict):
            self._fail(number, f"expected a JSON object, found {type(value).__name__}")
        return value

    def _header(self, first: tuple[int, bytes] | None) -> tuple[str, str | None]:
        """The venue, and the mode if it is stated."""
        if first is None:
            self._fail(1, "the file is empty; a capture starts with a header line")
        number, line = first
        if line.startswith(JOURNAL_MAGIC):
            self._fail(number, "a journal already: `replay` and `audit` take it as it is")
        header = self._object(number, line)
        version, venue = header.get("capture"), header.get("venue")
        if type(version) is not int or not isinstance(venue, str) or not venue:
            self._fail(number, f"not a capture: expected {_HEADER}")
        if version != CAPTURE_VERSION:
            self._fail(number, f"capture version {version} is not supported (expected 1)")
        mode = header.get("mode")
        if mode is not None and not isinstance(mode, str):
            self._fail(number, f'"mode" must be text, found {type(mode).__name__}')
        return venue, mode

    def _record(self, number: int, line: bytes) -> CaptureRecord:
        entry = self._object(number, line)
        ts, name = entry.get("ts_recv"), entry.get("conn")
        # `type(...) is int`, because JSON `true` would pass isinstance.
        if type(ts) is not int or not 0 <= ts <= TS_MAX:
            self._fail(number, f'"ts_recv" must be Unix nanoseconds, found {repr(ts)[:30]}')
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX:
            problem = f'"conn" must be a name of up to {NAME_MAX} characters'
            self._fail(number, f"{problem}, found {str(name)[:NAME_MAX]!r}")
        if ("frame" in entry) == ("control" in entry):
            self._fail(number, 'expected exactly one of "frame" and "control"')
        kind, payload = self._body(number, entry)
        conn = self._conns.setdefault(name, len(self._conns))
        return CaptureRecord(kind, ts, conn, payload)

    def _body(self, number: int, entry: dict[str, Any]) -> tuple[Kind, bytes]:
        if "frame" in entry:
            frame = entry["frame"]
            if not isinstance(frame, str):
                self._fail(number, f'"frame" must be text, found {type(frame).__name__}')
            return Kind.FRAME, frame.encode()
        control, reason = entry["control"], entry.get("reason", "")
        if control == "connected":
            return Kind.CONNECTED, self.venue.encode()
        if control == "disconnected" and isinstance(reason, str):
            return Kind.DISCONNECTED, reason.encode()
        self._fail(number, f'"control" must be "connected" or "disconnected", found {control!r}')

    def _bounded_lines(self, file: IO[bytes]) -> Iterator[bytes]:
        left = self.path.stat().st_size * EXPANSION_MAX + 2 * LINE_BYTES_MAX
        number = blank = 0
        while line := file.readline(LINE_BYTES_MAX + 1):
            number, left = number + 1, left - len(line)
            blank = blank + 1 if line.isspace() else 0
            if len(line) > LINE_BYTES_MAX:
                self._fail(number, f"line is longer than {LINE_BYTES_MAX} bytes")
            if left < 0:
                self._fail(number, f"the file unpacks to more than {EXPANSION_MAX} times its size")
            if blank > BLANK_LINES_MAX:
                self._fail(number, f"more than {BLANK_LINES_MAX} empty lines in a row")
            yield line

    def _numbered_lines(self) -> Generator[tuple[int, bytes], None, None]:
        number = 0
        try:
            with _open(self.path) as file:
                for line in self._bounded_lines(file):
                    number += 1
                    if number == 1:
                        line = line.removeprefix(BOM_UTF8)
                    if line and not line.isspace():
                        yield number, line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._fail(number + 1, f"compressed data is damaged or cut short ({error})")
        except OSError as error:
            problem = f"{self.path}: cannot read ({error.strerror or error})"
            raise CaptureError(problem) from error
        except _ZstdDamage as error:
            self._fail(number + 1, f"compressed data is damaged or cut short ({error})")


def _not_json(line: bytes, error: ValueError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return f"not UTF-8 at byte {wrong.start}; a capture is JSON lines, plain, gzip or zstd"
    return f"not valid JSON ({error})"


def _choices(venue: str) -> str:
    return " or ".join(f'"{mode}"' for mode in MODES.get(venue, ("",)))


class _ZstdDamage(Exception):
    """A zstd stream that does not decompress, whichever package said so."""


class _ZstdReader(io.RawIOBase):
    """Decompresses a zstd file of one or more frames, noticing one that is cut short."""

    def __init__(self, file: IO[bytes], backend: "_ZstdBackend") -> None:
        self._file = file
        self._backend = backend
        self._frame = backend.decompressor()
        self._frame_open = False
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, target: Any) -> int:
        while not self._output:
            if not self._refill():
                return 0
        count = min(len(target), len(self._output))
        target[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _refill(self) -> bool:
        if self._frame.eof:
            self._input = self._frame.unused_data
            self._frame, self._frame_open = self._backend.decompressor(), False
        data = self._input or self._file.read(_ZSTD_BITE)
        self._input = b""
        if not data:
            if self._frame_open:
                raise _ZstdDamage("the last frame is incomplete")
            return False
        self._frame_open = True
        try:
            self._output = memoryview(self._frame.decompress(data))
        except self._backend.error as error:
            raise _ZstdDamage(str(error)) from error
        return True


class _ZstdBackend(NamedTuple):
    decompressor: Callable[[], Any]
    error: type[Exception]


def _zstd_backend(path: Path) -> _ZstdBackend:
    """The first zstd implementation there is: the standard library's, or `zstandard`."""
    try:
        module = importlib.import_module("compression.zstd")
        options = {module.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
        return _ZstdBackend(lambda: module.ZstdDecompressor(options=options), module.ZstdError)
    except ImportError:
        pass
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        raise CaptureError(
            f"{path}: reading zstd needs Python 3.14 or the package `zstandard`; "
            "install it, or decompress the file first"
        ) from None
    window = 1 << _WINDOW_LOG_MAX
    return _ZstdBackend(
        lambda: module.ZstdDecompressor(max_window_size=window).decompressobj(), module.ZstdError
    )


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_GZIP_MAGIC):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if magic == _ZSTD_MAGIC:
        backend = _zstd_backend(path)
        return io.BufferedReader(_ZstdReader(path.open("rb"), backend))
    return path.open("rb")
