"""``.env``: variables of a folder, as many tools keep their keys; the environment goes before it.

Only variables that bookfeed knows by the beginnings of their names are taken, so that a file from
elsewhere cannot steer anything else.
"""

import os
import re
import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from bookfeed.config import ENV_PREFIX
from bookfeed.errors import ConfigError
from bookfeed.venues import VENUES

NAME: Final = ".env"

# NAME=VALUE; in quotes the value may have several lines, without them a remark may follow.
_LINE: Final = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"
    r"(?:'(?P<plain>[^']*)'|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<bare>[^'\"\r\n][^\r\n]*?)?)"
    r"[ \t]*(?:(?<=[ \t'\"=])#[^\r\n]*)?\r?$",
    re.MULTILINE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}

# The last two are what clients of a venue's order book call its keys.
_OURS: Final = (ENV_PREFIX, *(f"{name.upper()}_" for name in VENUES), "CLOB_", "POLY_")
_SECRETS: Final = ("PRIVATE_KEY", "SECRET", "PASS")
_PATHS: Final = ("_PATH", "_FILE")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read(path: Path, environ: MutableMapping[str, str]) -> None:
    """Sets what is not set yet from a file of variables.

    ``ConfigError`` for a file that cannot be read, and for one that holds a secret and that others
    may use.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "", "not UTF-8: save it as UTF-8") from error
    for name, value in variables(text).items():
        if not name.startswith(_OURS):
            continue
        if _is_secret(name) and path.stat().st_mode & _OTHERS:
            problem = f"holds a secret, and others may use it: chmod 600 {path}"
            raise ConfigError(str(path), name, problem)
        if value:
            environ.setdefault(name, value)


def variables(text: str) -> dict[str, str]:
    """The variables of a file's text; lines that set none are passed over."""
    found = {}
    for line in _LINE.finditer(text):
        quoted = line["quoted"]
        if quoted is not None:
            value = _ESCAPE.sub(lambda one: _ESCAPED.get(one[1], one[1]), quoted)
        else:
            value = line["plain"] if line["plain"] is not None else _bare(line["bare"] or "")
        found[line["name"]] = value
    return found


def _bare(text: str) -> str:
    """A value without quotes, and without a remark behind it."""
    return re.split(r"(?:^|[ \t])#", text, maxsplit=1)[0].rstrip()


def _is_secret(name: str) -> bool:
    """Whether a variable holds a secret itself, and not the path of one."""
    return any(word in name for word in _SECRETS) and not name.endswith(_PATHS)


def read_here() -> None:
    """The same of the working directory's file, if there is one, for this process."""
    path = Path(NAME)
    if path.is_file():
        read(path, os.environ)
