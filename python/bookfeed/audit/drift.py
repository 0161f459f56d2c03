"""Whether what a venue says still looks as it did: fields and types that nobody has seen before.

What is known of each venue's messages is a file of its own, ``shapes/<venue>.py``: for each type of
message the paths of its values, and of which types these may be. A new field harms nobody; it may
be the first sign that another one is about to go.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bookfeed.audit.numbers import Printed, read_json

Shape = Mapping[str, str]
"""Types by path: ``bids[].price`` is ``price`` of each object in the array ``bids``, ``msg.*`` any
member of ``msg``. Types are letters, as ``LETTERS`` has them, or ``-`` for anything at all.
"""

LETTERS: Final = {"s": "text", "n": "number", "b": "true or false", "0": "null", "e": "empty"}
"""Of ``e`` are objects and arrays without content."""

_ANY: Final = "-"
_ODDITIES_MAX: Final = 100
_NAME_MAX: Final = 64


class Shapes(NamedTuple):
    """What is known of a venue's messages."""

    split: Callable[[Any], list[Any]]
    """The messages of a frame, which is read already."""
    kind: Callable[[dict[str, Any]], str]
    """The type of a message, as ``known`` has it."""
    known: Mapping[str, Shape]
    bare: tuple[bytes, ...] = ()
    """Frames that are no JSON, and mean no harm."""


@dataclass(slots=True)
class Oddity:
    """A thing that is not known, and how often it came."""

    kind: str
    path: str
    """Empty for a message of an unknown type, and for a frame that is no JSON."""
    types: set[str] = field(default_factory=set)
    count: int = 0

    def __str__(self) -> str:
        if not self.path:
            return f"unknown type {self.kind!r} ({self.count})"
        told = ", ".join(sorted(self.types))
        return f"{self.kind}: {self.path} is {told} ({self.count})"

    def to_dict(self) -> dict[str, Any]:
        """The oddity for programs."""
        return {
            "message": self.kind,
            "path": self.path,
            "types": sorted(self.types),
            "count": self.count,
        }


class Drift:
    """Hears frames of a venue, and keeps what is not as ``shapes`` have it."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes: Final = shapes
        self._odd: Final[dict[tuple[str, str], Oddity]] = {}
        self.messages = 0

    def hear(self, payload: bytes) -> None:
        """One frame, whatever it is."""
        if payload.strip().upper() in self._shapes.bare:
            return
        try:
            messages = self._shapes.split(read_json(payload))
        except (ValueError, RecursionError):
            self._note("no JSON", "", "")
            return
        for message in messages:
            self.messages += 1
            if not isinstance(message, dict):
                what = "an array" if isinstance(message, list) else LETTERS[_type(message)]
                self._note(f"no object: {what}", "", "")
                continue
            self._hear_message(message)

    def _hear_message(self, message: dict[str, Any]) -> None:
        kind = self._shapes.kind(message)
        shape = self._shapes.known.get(kind)
        if shape is None:
            self._note(kind, "", "")
            return
        # Each path once a message: a book has hundreds of levels.
        for path, letter in dict.fromkeys(_leaves(message, "")):
            allowed = shape.get(path) or shape.get(f"{path.rpartition('.')[0]}.*")
            inner = (f"{path}.", f"{path}[")
            if allowed is None and letter == "e" and any(p.startswith(inner) for p in shape):
                continue  # what would be in it is known
            if allowed is None or (allowed != _ANY and letter not in allowed):
                self._note(kind, path, LETTERS[letter])

    def _note(self, kind: str, path: str, type_: str) -> None:
        kind, path = kind[:_NAME_MAX], path[:_NAME_MAX]
        if (kind, path) not in self._odd and len(self._odd) >= _ODDITIES_MAX:
            kind, path, type_ = "more", "", ""
        odd = self._odd.setdefault((kind, path), Oddity(kind, path))
        odd.count += 1
        if type_:
            odd.types.add(type_)

    def found(self) -> list[Oddity]:
        """What was not known, the commonest first."""
        return sorted(self._odd.values(), key=lambda odd: -odd.count)


def _type(value: Any) -> str:
    if isinstance(value, str):  # numbers come as the texts they were printed in
        return "n" if isinstance(value, Printed) else "s"
    if isinstance(value, bool):
        return "b"
    return "0" if value is None else "e"


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The values in a message, each by its path and the letter of its type."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path, _type(value)
