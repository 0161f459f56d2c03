"""Frames that are no JSON, as the auditor reads them: broadcasts about nobody who is subscribed.

What is not certain is ``None``, or named: then the frame may be about any book.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from bookfeed.audit.numbers import Printed

_NAME: Final = re.compile(r"[A-Za-z0-9._:/-]+", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_READER: Final = json.JSONDecoder(
    parse_float=Printed, parse_int=Printed, parse_constant=_no_constant
)


class Broken:
    """A frame that is no JSON, read as far as it goes."""

    def __init__(self, payload: bytes) -> None:
        self._text: Final = payload.decode(errors="replace").removeprefix("\ufeff").strip()

    def is_one_object(self) -> bool:
        """Whether it begins as an object, and nothing follows that."""
        if not self._text.startswith("{"):
            return False
        try:
            end = _READER.raw_decode(self._text)[1]
        except (ValueError, RecursionError):
            return True
        return end == len(self._text)

    def member(self, name: str) -> Any:
        """The value of a member that stands in it once; ``None`` if it cannot be read."""
        found = self._keys(name)
        if len(found) != 1:
            return None
        try:
            return _READER.raw_decode(self._text, found[0].end())[0]
        except (ValueError, RecursionError):
            return None

    def name(self, name: str) -> str | None:
        """The text of such a member, if it can be the name of something."""
        value = self.member(name)
        readable = type(value) is str and _NAME.fullmatch(value)
        return value if readable and f'"{value}"' in self._text else None

    def has_any(self, names: Iterable[str]) -> bool:
        """Whether a member of any of these names stands in it."""
        return any(self._keys(name) for name in names)

    def names_any(self, names: Iterable[object]) -> bool:
        """Whether a word of it is one of these names: in any case, escapes resolved or not."""
        resolved = _ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else e[2], self._text)
        said = {
            word.lower()
            for text in (self._text, resolved)
            for kind in (_NAME, _WORD)
            for word in kind.findall(text)
        }
        return any(isinstance(name, str) and name.lower() in said for name in names)

    def _keys(self, name: str) -> list[re.Match[str]]:
        return list(re.finditer(rf'"{name}"[ \t\n\f\r]*:[ \t\n\r]*', self._text))
