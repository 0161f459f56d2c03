"""Time stamps of a simulated spot venue that are wrong: by how much, in which form, for how long.

Every stamp of a message is wrong alike, in whatever form the venue writes it: text of RFC 3339, or
a number of seconds or of parts of one, quoted or not. Nothing else of the message changes, and what
it tells is true.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

STAMPS: Final = (
    "ahead", "back", "behind", "slip", "seconds", "millis", "micros", "nanos", "zero", "negative",
    "absent",
)  # fmt: skip
"""
ahead     a day ahead
back      a day back
behind    two seconds back
slip      two seconds back, for four messages about books
seconds   numbers of that unit, and so millis, micros and nanos
zero      0, or the first moment of its calendar
negative  below 0
absent    the member is not there
"""

SLIP_MESSAGES: Final = 4
_DAY_NS: Final = 86_400 * 10**9
_OFF_NS: Final = {
    "ahead": _DAY_NS, "back": -_DAY_NS, "behind": -2 * 10**9, "slip": -2 * 10**9,
}  # fmt: skip
_UNITS_NS: Final = {"seconds": 10**9, "millis": 10**6, "micros": 10**3, "nanos": 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = "0001-01-01T00:00:00Z"


def stamps_but(*own: str) -> dict[str, tuple[str, ...]]:
    """The kind ``stamp`` of a venue whose own units these are."""
    return {"stamp": tuple(one for one in STAMPS if one not in own)}


def pattern(*names: str) -> re.Pattern[bytes]:
    """Finds the stamps of a venue, the members of these names."""
    name = "|".join(names)
    value = r'(?P<quote>"?)(?P<text>[^",{}\[\]]+)"?'
    # One comma belongs to a member, the one before it or else the one behind it.
    text = rf'(?P<lead>,)?(?P<name>"(?:{name})":){value}(?(lead)|(?P<trail>,)?)'
    return re.compile(text.encode())


@dataclass(slots=True)
class WrongStamps:
    """How the stamps of a connection are wrong, and until when."""

    variant: str
    until_ns: int | None
    """Unix ns; ``None`` for as long as the connection lasts."""
    messages: int | None
    """How many more messages about books it is wrong in; ``None`` for any number."""

    def over(self, now_ns: int) -> bool:
        """Whether stamps are right again."""
        return self.messages == 0 or (self.until_ns is not None and now_ns > self.until_ns)

    def put(self, stamps: re.Pattern[bytes], payload: bytes) -> bytes:
        """A message with its stamps as they are now."""
        return stamps.sub(self._instead, payload)

    def _instead(self, found: re.Match[bytes]) -> bytes:
        lead, trail = found["lead"] or b"", found["trail"] or b""
        if self.variant == "absent":
            return b""
        stamp = found["text"].decode()
        number = stamp.isdigit()
        text = self._number(stamp) if number else self._text(stamp)
        # Where a venue writes text, another unit is a number.
        quote = b"" if not number and self.variant in _UNITS_NS else found["quote"]
        return lead + found["name"] + quote + text.encode() + quote + trail

    def _number(self, stamp: str) -> str:
        unit_ns = _unit_ns(stamp)
        match self.variant:
            case "zero":
                return "0"
            case "negative":
                return f"-{stamp}"
            case unit if unit in _UNITS_NS:
                return str(int(stamp) * unit_ns // _UNITS_NS[unit])
            case _:
                return str(int(stamp) + _OFF_NS[self.variant] // unit_ns)

    def _text(self, stamp: str) -> str:
        match self.variant:
            case "zero":
                return _ZERO
            case "negative":
                return f"-{stamp}"
        whole, _, fraction = stamp.removesuffix("Z").partition(".")
        at = datetime.fromisoformat(whole).replace(tzinfo=UTC)
        if self.variant in _UNITS_NS:
            seconds = (at - _EPOCH) // timedelta(seconds=1)
            at_ns = seconds * 10**9 + int(fraction.ljust(9, "0")[:9])
            return str(at_ns // _UNITS_NS[self.variant])
        moved = at + timedelta(seconds=_OFF_NS[self.variant] // 10**9)
        return f"{moved:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}Z" if fraction else "Z")


def _unit_ns(stamp: str) -> int:
    """The unit of a number, by its digits: those of this century have ten of seconds."""
    return int(10 ** (9 - 3 * ((len(stamp) - 10) // 3)))
