"""Where alerts go: a bell, a program, or a service such as Telegram, Slack or mail (apprise).

The address of a service has a key in it. It is read from a variable or a file when it is used, and
neither logged nor shown: what is named is the variable or the file.
"""

import contextlib
import logging
import os
import queue
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final, NamedTuple

from bookfeed.errors import BookfeedError, ConfigError
from bookfeed.threads import begin
from bookfeed.venues.secret import KEY_FILE_BYTES_MAX, Secret, plain

QUEUE_MAX: Final = 256
"""So many messages may wait to be sent; beyond that the oldest is dropped."""
COMMAND_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 3.0

_log: Final = logging.getLogger("bookfeed.alerts")


class AlertError(BookfeedError):
    """A message that could not be sent; it says to which target and why."""


class _Hush(logging.Filter):
    """Drops what the HTTP client logs while something is sent: the address is in it.

    Services send on threads of their own, so it is not asked which one.
    """

    def __init__(self) -> None:
        super().__init__()
        # A number could be lost between two threads.
        self.sending: Final[set[object]] = set()

    def filter(self, _record: logging.LogRecord) -> bool:
        """Whether a line may be logged."""
        return not self.sending


_hush: Final = _Hush()


class Message(NamedTuple):
    """What is sent where."""

    targets: tuple[str, ...]
    title: str
    text: str


def check(targets: Iterable[str], environ: Mapping[str, str] | None = None) -> None:
    """Raise ``ConfigError`` for a target that cannot be used: nothing is sent."""
    for target in targets:
        _sender(target, os.environ if environ is None else environ)


def send(target: str, title: str, text: str, environ: Mapping[str, str] | None = None) -> None:
    """Send one message, and wait for it; ``AlertError`` if it did not arrive, ``ConfigError`` for
    a target that cannot be used.
    """
    _sender(target, os.environ if environ is None else environ)(title, text)


def _sender(target: str, environ: Mapping[str, str]) -> Callable[[str, str], None]:
    kind, _, rest = target.partition(":")
    if kind == "bell":
        return _ring
    if kind == "command":
        return _command(rest)
    return _service(target, _address(target, kind, rest, environ))


def _ring(_title: str, _text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\a")
        sys.stderr.flush()


def _command(line: str) -> Callable[[str, str], None]:
    try:
        program = shlex.split(line)
    except ValueError as error:
        raise ConfigError("alert", "to", f"this command cannot be read: {error}") from error
    if not program:
        raise ConfigError("alert", "to", "command: is followed by a program")

    def run(title: str, text: str) -> None:
        try:
            # The user's own program, without a shell; what venues say comes on its input alone.
            subprocess.run(  # noqa: S603
                program,
                input=f"{title}\n{text}\n".encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_TIMEOUT_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise AlertError(f"command {program[0]}: {why}") from error

    return run


def _address(target: str, kind: str, name: str, environ: Mapping[str, str]) -> Secret:
    if kind == "env":
        text = environ.get(name, "")
        if not text:
            raise ConfigError("alert", "to", f"the variable {name} is not set: export it")
        return Secret(plain(text))
    try:
        with Path(name).open("rb") as file:
            text = file.read(KEY_FILE_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError("alert", "to", f"cannot read {target} ({why})") from error
    return Secret(plain(text))


def _service(target: str, address: Secret) -> Callable[[str, str], None]:
    if util.find_spec("apprise") is None:
        raise ConfigError("alert", "to", "services need apprise: pip install 'bookfeed[alerts]'")
    # Whatever it says may show the address; and its plugins use what Python is about to drop.
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        apprise: Any = import_module("apprise")
        # It logs what it sends, and to whom.
        logging.getLogger("apprise").disabled = True
        logging.getLogger("urllib3.connectionpool").addFilter(_hush)
        service = apprise.Apprise()
        service.add(address.reveal())
    if not len(service):
        problem = f"{target} holds no address that apprise knows, such as tgram://…"
        raise ConfigError("alert", "to", problem)

    def notify(title: str, text: str) -> None:
        this = object()
        _hush.sending.add(this)
        try:
            arrived = service.notify(title=title, body=text)
        except Exception:  # as above
            arrived = False
        finally:
            _hush.sending.discard(this)
        if not arrived:
            raise AlertError(f"{target}: the service did not take it")

    return notify


class Outbox:
    """Sends messages one after another on a thread of its own; nobody waits for it."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ: Final = environ
        self._waiting: Final[queue.Queue[Message | None]] = queue.Queue(QUEUE_MAX)
        self.sent = self.failed = self.dropped = 0

    def begin(self) -> None:
        """Start the thread; ``OSError`` if the system gives none."""
        self._thread = begin(self._run, "bookfeed-alerts")

    def put(self, message: Message) -> None:
        """Have a message sent; never waits. Where too many wait, the oldest is dropped."""
        while True:
            try:
                self._waiting.put_nowait(message)
                return
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
                    self.dropped += 1

    def close(self) -> None:
        """Send what waits, for three seconds at most."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_TIMEOUT_S)
        self._thread.join(CLOSE_TIMEOUT_S)
        self.dropped += self._waiting.qsize()

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None:
            for target in message.targets:
                try:
                    send(target, message.title, message.text, self._environ)
                    self.sent += 1
                except BookfeedError as error:
                    self.failed += 1
                    _log.warning("an alert was not sent: %s", error)
                except Exception:
                    self.failed += 1
                    _log.exception("an alert was not sent")
