"""Where keys stand in a TOML file, and what is wrong with one that is none, for people.

``tomllib`` gives values and forgets their lines. ``lines_of`` goes through a text that ``tomllib``
has accepted, so it has nothing to refuse: what it does not follow, it leaves out. Keys are dotted
as errors have them: ``market[0].outcomes[1].asset``.
"""

import re
from typing import Final

_BLANK: Final = re.compile(r"(?:\s|#[^\n]*)*")
_KEY: Final = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*""")
_VALUE: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")'
    r"|'''.*?'''(?!')"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|[^,\]}#\n]+",
    re.DOTALL,
)


# What ``tomllib`` adds to a message, and what some of its messages mean.
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_BACKSLASH: Final = "in double quotes a backslash is written \\\\; single quotes take it as it is"
_LINES: Final = "each line is key = value, [table] or [[table]]"
_MEANINGS: Final = (
    ("Invalid value", "text stands in quotes; numbers, true and false without"),
    ("Illegal character '\\n'", "a string is not closed on its line"),
    ("Cannot overwrite a value", "this key is there already"),
    ("Duplicate inline table key", "this key is there already"),
    ("Cannot mutate immutable namespace", "this table is there already"),
    ("Unescaped", _BACKSLASH),
    ("Invalid hex value", _BACKSLASH),
    ("Expected '=' after a key", _LINES),
    ("Invalid statement", _LINES),
    ("Expected newline or end of document", "a line has one value; text stands in quotes"),
    ("Invalid initial character for a key", "{ … } stands on one line; keys are A-Z a-z 0-9 _ -"),
    ("Invalid date or datetime", "there is no such day or time"),
)
_UNCLOSED: Final = "a bracket, brace or quote is not closed"
_TWICE: Final = re.compile(r"Cannot declare \((.+?),?\) twice")


def told(problem: str, text: str, arrays: tuple[str, ...]) -> tuple[str, int | None]:
    """What ``tomllib`` said of ``text``, in words that say what to do, and the line.

    ``arrays`` are the tables that may be there several times.
    """
    found = _PLACE.search(problem)
    if found is None:
        return "not valid TOML: a number is too long", None
    line = int(found[1]) if found[1] else text.count("\n") + 1
    problem = problem[: found.start()]
    if twice := _TWICE.match(problem):
        name = ".".join(part.strip(" '") for part in twice[1].split(","))
        array = name.split(".")[0] in arrays
        do = f"write [[{name}]] for each" if array else "put its keys under the first"
        return f"[{name}] is there twice: {do}", line
    meanings = (words for start, words in _MEANINGS if problem.startswith(start))
    meaning = next(meanings, "") if found[1] else _UNCLOSED
    return f"not valid TOML: {problem}{f' ({meaning})' if meaning else ''}", line


def lines_of(text: str) -> dict[str, int]:
    """Lines, counted from 1, by dotted key; of a table that of its first header."""
    # As `tomllib` does.
    return _Scan(text.replace("\r\n", "\n")).lines


class _Lost(Exception):
    """The text is not what was expected."""


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self.lines: Final[dict[str, int]] = {}
        self._text: Final = text
        self._at = 0
        self._line = 1
        self._line_at = 0
        self._table = ""
        self._elements: dict[str, int] = {}
        """How many tables each array of tables has so far."""
        try:
            while self._skip() < len(text):
                self._statement()
        except (_Lost, RecursionError):
            return

    def _statement(self) -> None:
        if self._take("[["):
            self._begin(self._keys(), element=True)
            self._want("]]")
        elif self._take("["):
            self._begin(self._keys(), element=False)
            self._want("]")
        else:
            self._pair(self._table)

    def _begin(self, keys: list[str], *, element: bool) -> None:
        """A header: ``[a.b]``, or ``[[a.b]]``, which begins an ``element``."""
        table = ""
        for key in keys[:-1]:
            table = _join(table, key)
            self._note(table)
            table = self._newest(table)
        table = _join(table, keys[-1])
        self._note(table)
        if element:
            self._elements[table] = self._elements.get(table, 0) + 1
        self._table = self._newest(table)
        self._note(self._table)

    def _newest(self, table: str) -> str:
        """The table itself, or of an array the element that is being written."""
        count = self._elements.get(table)
        return table if count is None else f"{table}[{count - 1}]"

    def _pair(self, table: str) -> None:
        for key in self._keys():
            table = _join(table, key)
            self._note(table)
        self._want("=")
        self._value(table)

    def _keys(self) -> list[str]:
        keys = []
        while found := _KEY.match(self._text, self._at):
            self._at = found.end()
            key = found[1]
            keys.append((key[1:-1] or '""') if key[0] in "\"'" else key)
            if not self._take("."):
                break
        if not keys:
            raise _Lost
        return keys

    def _value(self, key: str) -> None:
        self._skip()
        if self._take("["):
            index = 0
            while self._skip() < len(self._text) and not self._take("]"):
                self._note(f"{key}[{index}]")
                self._value(f"{key}[{index}]")
                index += 1
                self._skip()
                self._take(",")
        elif self._take("{"):
            while self._skip() < len(self._text) and not self._take("}"):
                self._pair(key)
                self._skip()
                self._take(",")
        elif found := _VALUE.match(self._text, self._at):
            self._at = found.end()
        else:
            raise _Lost

    def _skip(self) -> int:
        """Goes past blanks and comments; where it stands then."""
        found = _BLANK.match(self._text, self._at)
        self._at = self._at if found is None else found.end()
        return self._at

    def _take(self, token: str) -> bool:
        taken = self._text.startswith(token, self._at)
        self._at += len(token) if taken else 0
        return taken

    def _want(self, token: str) -> None:
        self._skip()
        if not self._take(token):
            raise _Lost

    def _note(self, key: str) -> None:
        self._line += self._text.count("\n", self._line_at, self._at)
        self._line_at = self._at
        self.lines.setdefault(key, self._line)


def _join(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key
