"""Reads tables of text and TOML values into frozen dataclasses, strictly.

The dataclass is the schema: field names are the keys, defaults are the defaults, types say
what is allowed, and ``Annotated`` adds the rest (``Range``, ``Text``, ``DecimalText``).
Unknown keys, missing keys and wrong values are ``ConfigError``s that name source, key and what
is allowed. A class attribute ``HINTS`` says what to write instead of names, separated by spaces,
that are often tried.

It reads what configuration needs and no more: bool, int, float, str, Literal, optional,
nested dataclasses, one of several dataclasses (``Tag``, ``Having``), tuples of those and of texts,
and dataclasses by name (``Sections``).
"""

import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlsplit

from bookfeed.errors import ConfigError
from bookfeed.hints import (
    closest,
    of_decimal,
    of_text,
    one_of,
    shown_value,
    suggestion,
    without_quotes,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, both inclusive."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class Text:
    """What a string must look like: a pattern for all of it, and the same in words.

    A ``hidden`` one is not repeated in errors, whatever was given by mistake; ``address`` says what
    to write in place of the address of a page.
    """

    pattern: str
    words: str
    hidden: bool = False
    address: str = ""

    def fits(self, text: str) -> bool:
        """Whether it looks so."""
        return re.fullmatch(self.pattern, text) is not None


@dataclass(frozen=True, slots=True)
class Url:
    """An address of one of the schemes, with a host; ``optional``: or empty, for none.

    What may be a secret in one is not repeated in errors.
    """

    schemes: tuple[str, ...]
    optional: bool = False

    def __str__(self) -> str:
        schemes = " or ".join(f"{scheme}://" for scheme in self.schemes)
        none = ', or "" for none' if self.optional else ""
        return f"an address that begins with {schemes}, with a host{none}"

    def allows(self, text: str) -> bool:
        """Whether it is one."""
        try:
            parts = urlsplit(text)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port beyond 65535, a bracket that is not closed
            return False
        blank = any(c.isspace() for c in text) or "#" in text
        return (not text and self.optional) or (
            usable and not blank and parts.scheme in self.schemes
        )


@dataclass(frozen=True, slots=True)
class DecimalText:
    """A string holding a plain decimal within inclusive bounds, kept as text to stay exact.

    ``places`` is how many decimals it may have, so that the engine can hold it.
    """

    low: str
    high: str
    places: int = 9

    def __str__(self) -> str:
        return f'a decimal in quotes, {self.low} to {self.high}, such as "0.05"'


@dataclass(frozen=True, slots=True)
class OneOf:
    """Strings that are allowed, where they are not known to the type."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many tables an array may have, in words; the dataclass around it counts them."""

    words: str


@dataclass(frozen=True, slots=True)
class Tag:
    """Which of several dataclasses a table is: decided by the value of its key ``field``.

    Without a value it is the first.
    """

    field: str
    kinds: Mapping[str, type[Any]]

    def why(self, raw: Mapping[str, Any]) -> str:
        """What makes a table the kind that it is."""
        if self.field not in raw:
            return f' while {self.field} is left out ("{next(iter(self.kinds))}")'
        return f" with {self.field} = {shown_value(raw[self.field])}"

    def others(self, name: str, kind: type[Any]) -> list[str]:
        """Values with which a table would have the key ``name``, which ``kind`` has not."""
        have = (v for v, one in self.kinds.items() if name in {f.name for f in fields(one)})
        return [f'"{value}"' for value in have if self.kinds[value] is not kind]


@dataclass(frozen=True, slots=True)
class Having:
    """A table that has the key ``field`` is a ``kind``, and not what its type says."""

    field: str
    kind: type[Any]


@dataclass(frozen=True, slots=True)
class Sections:
    """A field that holds tables by name, which stand beside the other keys, not in one of its own.

    ``kinds`` has the dataclass of each.
    """

    kinds: Mapping[str, type[Any]]


DirectoryPath = Annotated[
    str, Text(r"[^\x00]+", 'the path of a directory; "." is where the command was started')
]


class Value(NamedTuple):
    """A value and where it came from, if not from the source of the table around it."""

    raw: object
    source: str


_NUMBER: Final = re.compile(r"(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})", re.ASCII)
_DECIMAL: Final = re.compile(r"(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?|\.\d{1,18}", re.ASCII)
_NONE: Final[Mapping[str, str]] = {}
_INDEX: Final = re.compile(r"\[\d+\]")
_INT: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_BOOLS: Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


class Reader:
    """Reads one value; ``from_text`` marks values that could only be given as text.

    ``moved`` says where keys are by now, ``places`` in which table a key of such a name belongs.
    """

    def __init__(
        self,
        source: str,
        key: str,
        *,
        from_text: bool = False,
        moved: Mapping[str, str] = _NONE,
        places: Mapping[str, str] = _NONE,
    ) -> None:
        self.source: Final = source
        self.key: Final = key
        self.from_text: Final = from_text
        self.moved: Final = moved
        self.places: Final = places

    def fail(self, problem: str) -> NoReturn:
        """Raises the error for this key."""
        raise ConfigError(self.source, self.key, problem)

    def expected(self, what: str, found: object, hint: str = "") -> NoReturn:
        """Raises: what was wanted, what was found."""
        problem = f"must be {what}, not {shown_value(found)}{hint}"
        raise ConfigError(_origin(found) or self.source, self.key, problem)

    def missing(self, kind: Any) -> NoReturn:
        """Raises: a value of type ``kind`` is not there."""
        wanted = _wanted(kind, _INDEX.sub("", self.key))
        self.fail(f"is required{f': {wanted}' if wanted else ''}")

    def at(self, name: str) -> "Reader":
        """The reader of a key inside this one."""
        name = name or '""'
        return self._reader(f"{self.key}.{name}" if self.key else name)

    def _reader(self, key: str) -> "Reader":
        return Reader(self.source, key, moved=self.moved, places=self.places)

    def read(self, kind: Any, raw: object) -> Any:
        """``raw`` as a value of type ``kind``."""
        if isinstance(raw, Value):
            return Reader(raw.source, self.key, from_text=True).read(kind, raw.raw)
        extras: tuple[object, ...] = ()
        if typing.get_origin(kind) is Annotated:
            kind, *rest = typing.get_args(kind)
            extras = tuple(rest)
        for extra in extras:
            if isinstance(extra, Tag):
                return self._tagged(extra, raw)
            if isinstance(extra, Having) and isinstance(raw, Mapping) and extra.field in raw:
                return self.table(extra.kind, raw)
        if any(isinstance(extra, Having) for extra in extras):
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            (kind,) = (k for k in typing.get_args(kind) if k is not types.NoneType)
            return self.read(Annotated[kind, *extras] if extras else kind, raw)
        if typing.get_origin(kind) is Literal:
            return self._choice(typing.get_args(kind), raw)
        if typing.get_origin(kind) is tuple:
            return self._tables(typing.get_args(kind)[0], raw)
        if is_dataclass(kind):
            return self.table(typing.cast("type[Any]", kind), raw)
        scalar: Callable[[object, tuple[object, ...]], Any] = {
            bool: self._bool,
            int: self._int,
            float: self._float,
            str: self._str,
        }[kind]
        return scalar(raw, extras)

    def table(self, kind: type[T], raw: object, tag: Tag | None = None) -> T:
        """A dataclass from a table; every complaint names the key inside it.

        ``tag`` is by what it was told from other kinds of tables.
        """
        raw = self._mapping(raw, kind)
        kinds = typing.get_type_hints(kind, include_extras=True)
        known = fields(typing.cast("Any", kind))
        sections = {field.name: s for field in known if (s := _sections(kinds[field.name]))}
        names = [field.name for field in known if field.name not in sections]
        known_names = [*names, *(n for s in sections.values() for n in s.kinds)]
        self._refuse_unknown(raw, known_names, kind, tag)
        values: dict[str, Any] = {}
        for field in known:
            if field.name in sections:
                values[field.name] = {
                    name: self.at(name).table(one, raw.get(name, {}))
                    for name, one in sections[field.name].kinds.items()
                }
            elif field.name in raw:
                values[field.name] = self.at(field.name).read(kinds[field.name], raw[field.name])
            elif _required(field):
                self.at(field.name).missing(kinds[field.name])
        try:
            return kind(**values)
        except ConfigError as error:
            # Raised by `__post_init__`, which sees fields that are wrong together and no source.
            self.at(error.key).fail(error.problem)

    def _mapping(self, raw: object, kind: type[Any]) -> Mapping[str, Any]:
        if isinstance(raw, list) and raw and all(isinstance(each, Mapping) for each in raw):
            self.fail(f"must be one table: write [{self.key}] in place of [[{self.key}]]")
        if not isinstance(raw, Mapping):
            self.expected(f"a table of {', '.join(one.name for one in fields(kind))}", raw)
        return raw

    def _tagged(self, tag: Tag, raw: object) -> Any:
        raw = self._mapping(raw, next(iter(tag.kinds.values())))
        values = tuple(tag.kinds)
        value = self.at(tag.field).read(
            Annotated[str, OneOf(values)], raw.get(tag.field, values[0])
        )
        return self.table(tag.kinds[value], raw, tag)

    def _tables(self, kind: Any, raw: object) -> tuple[Any, ...]:
        if _plain(kind) is str and not isinstance(raw, list):
            self.expected('texts in brackets, such as ["a", "b"]', raw)
        if isinstance(raw, Mapping):
            header = _INDEX.sub("", self.key)
            self.fail(f"must be an array of tables: write [[{header}]] for each, not [{header}]")
        if not isinstance(raw, list):
            self.expected("an array of tables", raw)
        return tuple(
            self._reader(f"{self.key}[{index}]").read(kind, item) for index, item in enumerate(raw)
        )

    def _refuse_unknown(
        self, raw: Mapping[str, object], known: list[str], kind: type[Any], tag: Tag | None
    ) -> None:
        for name, value in raw.items():
            if name in known:
                continue
            source = value.source if isinstance(value, Value) else self.source
            key = self.at(name).key
            hints: Mapping[str, str] = getattr(kind, "HINTS", _NONE)
            hint = next((hint for names, hint in hints.items() if name in names.split()), None)
            others = [] if tag is None else tag.others(name, kind)
            if key in self.moved:
                problem = f"has moved: it is {self.moved[key]} now"
            elif hint is not None:
                problem = f"no such key: {hint}"
            elif others and tag is not None:
                wanted = " or ".join(f"{tag.field} = {value}" for value in others)
                problem = f"no such key{tag.why(raw)}; it needs {wanted}"
            elif name in self.places:
                problem = f"no such key here: it belongs in {self.places[name]}"
            else:
                problem = f"no such key; {suggestion(name, known)}"
            raise ConfigError(source, key, problem)

    def _choice(self, allowed: tuple[str, ...], raw: object) -> str:
        if isinstance(raw, str) and raw in allowed:
            return raw
        self.expected(one_of(allowed), raw, closest(raw, allowed))

    def _bool(self, raw: object, _extras: tuple[object, ...]) -> bool:
        if isinstance(raw, bool):
            return raw
        if self.from_text and isinstance(raw, str) and raw.lower() in _BOOLS:
            return _BOOLS[raw.lower()]
        self.expected("true or false", raw, without_quotes(raw, raw in ("true", "false")))

    def _int(self, raw: object, extras: tuple[object, ...]) -> int:
        what = " ".join(["a whole number", *_bounds(extras)])
        if self.from_text and isinstance(raw, str) and _INT.fullmatch(raw):
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int) or not _within(raw, extras):
            self.expected(what, raw, without_quotes(raw, _INT.fullmatch(str(raw))))
        return raw

    def _float(self, raw: object, extras: tuple[object, ...]) -> float:
        what = " ".join(["a number", *_bounds(extras)])
        if self.from_text and isinstance(raw, str) and _NUMBER.fullmatch(raw):
            raw = float(raw)
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            self.expected(what, raw, without_quotes(raw, _NUMBER.fullmatch(str(raw))))
        if not math.isfinite(raw) or not _within(raw, extras):
            self.expected(what, raw)
        return float(raw)

    def _str(self, raw: object, extras: tuple[object, ...]) -> str:
        for extra in extras:
            if isinstance(extra, OneOf):
                return self._choice(extra.values, raw)
            if isinstance(extra, DecimalText):
                return self._decimal(extra, raw)
            if isinstance(extra, Url) and isinstance(raw, str) and not extra.allows(raw):
                self.expected(str(extra), "…" if "@" in raw or "?" in raw else raw)
            if isinstance(extra, Text) and not (isinstance(raw, str) and extra.fits(raw)):
                shown = "…" if extra.hidden else raw
                self.expected(extra.words, shown, of_text(shown, extra.fits, extra.address))
        if not isinstance(raw, str):
            self.expected("a string", raw, of_text(raw, lambda _text: True))
        return raw

    def _decimal(self, rule: DecimalText, raw: object) -> str:
        text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
        if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
            finite = not isinstance(raw, float) or math.isfinite(raw)
            self.expected(str(rule), raw, of_decimal(raw, _DECIMAL.fullmatch) if finite else "")
        if exceeds(rule.low, text) or exceeds(text, rule.high):
            self.expected(str(rule), raw)
        if len(text.partition(".")[2]) > rule.places:
            self.expected(f"{rule}, with at most {rule.places} decimals", raw)
        return text


def exceeds(a: str, b: str) -> bool:
    """Whether the plain decimal ``a`` is greater than ``b``, exactly."""
    return _scaled(a) > _scaled(b)


def _scaled(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole or "0") * 10**18 + int(fraction.ljust(18, "0"))


def _origin(found: object) -> str:
    """The variable that has a key inside what is no table; empty if none has."""
    while isinstance(found, Mapping) and found:
        found = next(iter(found.values()))
    return found.source if isinstance(found, Value) else ""


def _sections(kind: Any) -> Sections | None:
    return next((extra for extra in typing.get_args(kind) if isinstance(extra, Sections)), None)


def _wanted(kind: Any, key: str) -> str:
    """What a value of type ``kind`` must be, where that can be said in few words.

    ``key`` is where it belongs; an array of tables has a header of that name.
    """
    if typing.get_origin(kind) is Literal:
        return one_of(typing.get_args(kind))
    if kind is bool:
        return "true or false"
    for extra in typing.get_args(kind):
        if isinstance(extra, OneOf):
            return one_of(extra.values)
        if isinstance(extra, Text):
            return extra.words
        if isinstance(extra, DecimalText):
            return str(extra)
        if isinstance(extra, Count):
            (one, _), *_ = map(typing.get_args, typing.get_args(kind))
            if not is_dataclass(one):
                return f'{extra.words}, such as {key} = ["…", "…"]'
            keys = ", ".join(field.name for field in fields(one) if _required(field))
            return f"{extra.words}, a [[{key}]] for each, with {keys}"
    return ""


def _plain(kind: Any) -> Any:
    """A type without what is annotated to it."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _bounds(extras: tuple[object, ...]) -> list[str]:
    return [f"from {extra}" for extra in extras if isinstance(extra, Range)]


def _within(value: float, extras: tuple[object, ...]) -> bool:
    return all(e.low <= value <= e.high for e in extras if isinstance(e, Range))
