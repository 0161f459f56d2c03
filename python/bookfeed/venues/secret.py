"""Secrets: text that must not be seen, and files that nobody but their owner may read.

``Secret`` shows its text to nobody but who asks for it by name. Errors name the file or variable
and what to do, never a byte of what was in it.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, final

from bookfeed.errors import ConfigError

# No key is longer; a file that is was meant for something else.
KEY_FILE_BYTES_MAX: Final = 64 * 1024

LINE_ENDS: Final = re.compile(r"(?:\\+r)?\\+n")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@final
class Secret:
    """Text that is not to be shown; ``reveal`` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for whoever is to have it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not copied or pickled")


def plain(text: str) -> str:
    """What was meant, without the mark, the blanks and the quotes that files and shells leave."""
    text = text.strip().removeprefix("\ufeff").strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def without_ends(text: str) -> str:
    """The same, without line ends that are written out."""
    return plain(LINE_ENDS.sub("\n", plain(text)))


def found_in(environ: Mapping[str, str], names: Sequence[str]) -> tuple[str, Secret | None]:
    """The first of some variables that is set, and what it holds; each may end in ``_FILE``.

    Without one of them the first name and ``None``. A file must be one that nobody else may read.
    Raises ``ConfigError`` for two of them, and for a file that cannot be used.
    """
    given = [one for name in names for one in (name, f"{name}_FILE") if environ.get(one)]
    if not given:
        return names[0], None
    variable, *others = given
    if others:
        raise ConfigError(variable, "", f"{others[0]} is set as well; one of them is enough")
    if not variable.endswith("_FILE"):
        return variable, Secret(without_ends(environ[variable]))
    path = Path(plain(environ[variable])).expanduser()
    data = private_bytes(path, variable)
    if len(data) > KEY_FILE_BYTES_MAX:
        raise ConfigError(variable, "", f"{path}: too long to be what is wanted")
    try:
        return variable, Secret(without_ends(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise ConfigError(variable, "", f"{path}: not text in UTF-8") from None


def others_may_replace(directory: Path) -> bool:
    """Whether others may put a file of theirs in place of one in ``directory``."""
    mode = directory.stat().st_mode
    return bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not mode & stat.S_ISVTX


def private_bytes(path: Path, source: str, key: str = "") -> bytes:
    """What is in a file, after a look at who else could have written or read it.

    At most one byte more than ``KEY_FILE_BYTES_MAX``. Raises ``ConfigError``, in which ``source``
    and ``key`` say where the path came from.
    """

    def refuse(problem: str) -> NoReturn:
        raise ConfigError(source, key, f"{path}: {problem}")

    try:
        link = path.lstat()
        # Not to hang on a pipe; what was opened is what is looked at, whatever the name says next.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        refuse(f"cannot read ({error.strerror})")
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            refuse("not a file")
        if stat.S_ISLNK(link.st_mode) and link.st_uid not in (os.geteuid(), 0):
            refuse("a symbolic link that belongs to another user; name the file itself")
        if found.st_uid != os.geteuid():
            refuse(f"belongs to another user; it must be yours: chown {os.geteuid()} {path}")
        if found.st_mode & _OTHERS:
            mode = stat.S_IMODE(found.st_mode)
            refuse(f"others may use it (mode {mode:04o}): chmod 600 {path.resolve()}")
        place = path.resolve().parent
        if others_may_replace(place):
            refuse(f"others may replace it: chmod go-w {place}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(KEY_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
