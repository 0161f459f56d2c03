"""Reads fields of what venues list, whichever way they are spelled, and loses none.

Numbers come as numbers or as text, times as RFC 3339 or with a space in place of the ``T``, lists
as lists or as text that holds one; what is absent is ``null``, ``""`` or not there. Numbers stay
exact. What no method has asked for is in ``unread``.
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

from bookfeed.clock import NS_PER_S
from bookfeed.errors import CatalogueError

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,60})?")
_DIGITS_MAX: Final = 60
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?"
    r"(Z|[+-]\d\d(?::\d\d){0,2})?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# How Go prints a time that was never set.
_NEVER: Final = "0001-01-01"
_SHOWN_MAX: Final = 60


class Malformed(CatalogueError):
    """A field that is not what it should be; ``key`` is its name in the venue's object."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key} {problem}" if key else problem)
        self.key: Final = key


def parse(body: bytes) -> Any:
    """JSON with exact numbers; ``Malformed`` for what is none."""
    try:
        return json.loads(body, parse_float=_exact, parse_constant=_no_number)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise Malformed("", f"the answer is not JSON: {_shown(body[:_SHOWN_MAX])}") from error


def _exact(text: str) -> Decimal:
    return Decimal(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


class Fields:
    """The fields of one object; raises ``Malformed`` if it is none."""

    def __init__(self, raw: object, what: str = "") -> None:
        if not isinstance(raw, Mapping):
            raise Malformed(what, f"should be an object, not {_shown(raw)}")
        self._raw: Final = raw
        self._read: set[str] = set()

    @property
    def raw(self) -> Mapping[str, Any]:
        """The object as it came."""
        return self._raw

    def unread(self, keep: Collection[str] = ()) -> dict[str, object]:
        """What nobody has asked for so far, as it came, and ``keep``, of which more is to be told
        than was.
        """
        left = self._raw.keys() - self._read | (self._raw.keys() & set(keep))
        return {key: value for key, value in self._raw.items() if key in left}

    def keep(self, *keys: str) -> None:
        """Count fields as unread although they were looked at: they were not understood."""
        self._read.difference_update(keys)

    def has(self, key: str) -> bool:
        """Whether the object has the field, be it ``null``."""
        return key in self._raw

    def value(self, key: str) -> Any:
        """The field as it came; ``None`` if it is absent."""
        self._read.add(key)
        value = self._raw.get(key)
        return None if value == "" else value

    def text(self, key: str) -> str:
        """Text; empty if it is absent."""
        value = self.value(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not _is_unicode(value):
            self._wrong(key, "text", value)
        return value

    def name(self, key: str) -> str:
        """Text that must be there."""
        text = self.text(key)
        if not text:
            raise Malformed(key, "is missing")
        return text

    def flag(self, key: str) -> bool | None:
        """True or false; ``None`` if it is absent."""
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            self._wrong(key, "true or false", value)
        return value

    def decimal(self, key: str) -> Decimal | None:
        """A number, spelled as one or as text; ``None`` if it is absent."""
        value = self.value(key)
        if value is None:
            return None
        found = exact(value)
        if found is None:
            self._wrong(key, "a number", value)
        return found

    def number(self, key: str) -> Decimal:
        """A number that must be there."""
        found = self.decimal(key)
        if found is None:
            raise Malformed(key, "is missing")
        return found

    def whole(self, key: str) -> int | None:
        """A whole number; ``None`` if it is absent."""
        found = self.decimal(key)
        if found is not None and found != int(found):
            self._wrong(key, "a whole number", found)
        return None if found is None else int(found)

    def time(self, key: str) -> int | None:
        """A time in Unix nanoseconds; ``None`` if it is absent or was never set."""
        text = self.text(key)
        if not text or text.startswith(_NEVER):
            return None
        found = time_ns(text)
        if found is None:
            self._wrong(key, "a time", text)
        return found

    def items(self, key: str) -> list[Any]:
        """A list, or text that holds one; empty if it is absent."""
        value = self.value(key)
        if isinstance(value, str):
            value = parse(self.text(key).encode())
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong(key, "a list", value)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.items(key)
        if not all(isinstance(one, str) and _is_unicode(one) for one in found):
            self._wrong(key, "a list of texts", found)
        return tuple(found)

    def child(self, key: str) -> "Fields | None":
        """An object; ``None`` if it is absent."""
        value = self.value(key)
        return None if value is None else Fields(value, key)

    def children(self, key: str) -> "tuple[Fields, ...]":
        """A list of objects."""
        return tuple(Fields(one, key) for one in self.items(key))

    def _wrong(self, key: str, what: str, value: object) -> NoReturn:
        raise Malformed(key, f"should be {what}, not {_shown(value)}")


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: JSON may spell half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def exact(value: object) -> Decimal | None:
    """A number or its text, exactly; ``None`` for what is neither, or has too many digits."""
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    fits = number.is_finite() and abs(number.adjusted()) < _DIGITS_MAX
    return number if fits and len(number.as_tuple().digits) <= _DIGITS_MAX else None


def plain(number: Decimal) -> str:
    """A number as the engine takes it: digits and a point, nothing else."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def time_ns(text: str) -> int | None:
    """A time of any spelling in Unix nanoseconds, a date as its beginning in UTC.

    ``None`` if it is none. Without an offset it is UTC.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    date, clock, fraction, offset = found.groups()
    offset = "+00:00" if offset in (None, "Z") else offset
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{offset}") - _EPOCH
    except (ValueError, OverflowError):
        return None
    return moment // timedelta(seconds=1) * NS_PER_S + int((fraction or "").ljust(9, "0"))


def time_text(ts: int) -> str:
    """Unix nanoseconds as venues and configurations spell a time: ``2026-11-01T05:30:00Z``.

    What is less than a second is left out.
    """
    return f"{datetime.fromtimestamp(ts // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%S}Z"
