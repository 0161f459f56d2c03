"""What books are called, as columns: venue, market, outcome and symbol by instrument number."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bookfeed.names import Name, Names
from bookfeed.tables.columns import WORD, words

PARTS: Final = ("venue", "market", "outcome", "symbol")
FIELDS: Final = tuple(pa.field(part, WORD) for part in PARTS)

_ROOM_MIN: Final = 64


class _Words:
    """The distinct texts of one part of names, and which of them each book has."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._column = pa.array([], pa.string())
        self.of_book: npt.NDArray[np.int32] = np.full(_ROOM_MIN, -1, np.int32)

    def learn(self, instrument: int, text: str) -> None:
        if instrument >= len(self.of_book):
            room = np.full(2 * instrument, -1, np.int32)
            room[: len(self.of_book)] = self.of_book
            self.of_book = room
        code = self._codes.setdefault(text, len(self._codes)) if text else -1
        self.of_book[instrument] = code

    @property
    def column(self) -> Any:
        """All texts so far: a longer array where there are more, the same one otherwise."""
        if len(self._column) != len(self._codes):
            self._column = pa.array(list(self._codes), pa.string())
        return self._column


class BookWords:
    """Names of books as columns; a name that is not known, or a part of it, is null.

    The words of a column only ever grow in number: what a code meant it goes on to mean.
    """

    def __init__(self, names: Names) -> None:
        self._names: Final = names
        self._seen = -1
        self._known: Final[dict[int, Name]] = {}
        self._parts: Final = {part: _Words() for part in PARTS}

    def learn(self) -> None:
        """Take note of what books are called by now."""
        if self._seen == self._names.changes:
            return
        self._seen = self._names.changes
        for instrument, name in self._names.items():
            if self._known.get(instrument) != name:
                self._known[instrument] = name
                for part, texts in self._parts.items():
                    texts.learn(instrument, getattr(name, part))

    def columns(self, instruments: npt.NDArray[np.uint32]) -> list[Any]:
        """The columns of ``FIELDS`` for books by their numbers, which must have been learnt."""
        found = []
        for texts in self._parts.values():
            codes = texts.of_book[instruments]
            found.append(words(np.maximum(codes, 0), texts.column, codes < 0))
        return found

    @property
    def changes(self) -> int:
        """Grows whenever something was learnt."""
        return self._seen

    def name(self, instrument: int) -> Name | None:
        """What one book is called; ``None`` if that is not known."""
        return self._known.get(instrument)

    def chosen(self, wanted: frozenset[str] | None, *parts: str) -> npt.NDArray[np.bool_]:
        """For each instrument number whether one of the parts of its name is ``wanted``."""
        room = max(self._known, default=-1) + 1
        if wanted is None:
            return np.ones(room, bool)
        found = np.zeros(room, bool)
        for instrument, name in self._known.items():
            found[instrument] = any(getattr(name, part) in wanted for part in parts)
        return found
