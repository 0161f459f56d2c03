"""Listings, and news of them, as text and back, nothing lost: for the disk and for recordings.

A listing is one JSON object with the names of its fields; what is absent or has its default is left
out, numbers are exact. What a later version adds is passed over, what it left out is the default.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from bookfeed.catalogue import VENUES, part
from bookfeed.catalogue.fields import Malformed, exact, parse
from bookfeed.catalogue.listing import ListedEvent, Listing
from bookfeed.catalogue.news import MarketNews
from bookfeed.market import Fee

T = TypeVar("T")

_FEE: Final = "fee"
_MORE: Final = "more"


def listing_text(listing: Listing) -> str:
    """A listing as one line of JSON; ``RecursionError`` where ``more`` is nested too deep."""
    return _text(_plain(listing))


def event_text(event: ListedEvent) -> str:
    """The same of an event, without its markets."""
    told = _plain(event)
    told.pop("markets", None)
    told.pop("skipped", None)
    return _text(told)


def news_text(news: MarketNews) -> str:
    """News of a market as one line of JSON."""
    return _text(_plain(news))


def news_of(text: bytes | str) -> MarketNews:
    """The news that a text says; raises ``Malformed``, which names the field."""
    return _object(MarketNews, _parsed(text))


def listing_of(text: bytes | str) -> Listing:
    """The listing that a text says; raises ``Malformed``, which names the field."""
    return _object(Listing, _parsed(text))


def event_of(text: bytes | str) -> ListedEvent:
    """The event that a text says, without markets; raises ``Malformed``."""
    return _object(ListedEvent, _parsed(text))


def _parsed(text: bytes | str) -> Mapping[str, Any]:
    raw = parse(text.encode() if isinstance(text, str) else text)
    if not isinstance(raw, Mapping):
        raise Malformed("", "a listing should be an object")
    return raw


class _Shape(NamedTuple):
    """The fields of a kind by name, in their order."""

    defaults: Mapping[str, Any]
    """``MISSING`` where a field has none."""
    kinds: Mapping[str, Any]


_SHAPES: Final[dict[Any, _Shape]] = {}


def _shape(kind: Any) -> _Shape:
    """The shape of a dataclass or of a named tuple, looked at once."""
    if (known := _SHAPES.get(kind)) is not None:
        return known
    if is_dataclass(kind):
        defaults = {
            one.name: one.default if one.default_factory is MISSING else one.default_factory()
            for one in fields(kind)
        }
    else:
        defaults = {name: kind._field_defaults.get(name, MISSING) for name in kind._fields}
    return _SHAPES.setdefault(kind, _Shape(defaults, get_type_hints(kind)))


# Out.


def _plain(one: Any) -> dict[str, Any]:
    """The fields of a dataclass or a named tuple that are not as they are by default."""
    told: dict[str, Any] = {}
    for name, default in _shape(type(one)).defaults.items():
        value = getattr(one, name)
        if value == default and name != _MORE:
            continue
        if name == _MORE:
            if value:
                told[name] = value
        else:
            told[name] = _told(value)
    return told


def _told(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value) or hasattr(value, "_fields"):
        return _plain(value)
    if isinstance(value, tuple):
        return [_told(one) for one in value]
    return value


def _text(value: Any) -> str:
    """JSON with exact numbers, which the library's writer cannot do."""
    if isinstance(value, Mapping):
        members = (f"{json.dumps(str(key))}:{_text(one)}" for key, one in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


# In.


def _object(kind: type[T], raw: Mapping[str, Any]) -> T:
    shape = _shape(kind)
    given = {}
    for name, default in shape.defaults.items():
        if name not in raw:
            if default is MISSING:
                raise Malformed(name, "is missing")
            continue
        if name == _FEE:
            given[name] = _fee(raw)
        else:
            given[name] = _read(name, shape.kinds[name], raw[name])
    return kind(**given)


def _fee(raw: Mapping[str, Any]) -> Fee:
    """What trading costs, in the terms of the venue."""
    venue, terms = raw.get("venue"), raw[_FEE]
    if venue not in VENUES or not isinstance(terms, Mapping):
        raise Malformed(_FEE, "should be the terms of a known venue")
    kind: type[Fee] = part(str(venue), "source").SOURCE.fee
    try:
        return _object(kind, terms)
    except TypeError as error:
        raise Malformed(_FEE, str(error)) from error


def _read(name: str, kind: Any, value: Any) -> Any:
    """A value of the kind that a field is of."""
    if isinstance(kind, UnionType):
        return _read_one_of(name, get_args(kind), value)
    if get_origin(kind) is tuple:
        return tuple(_read(name, get_args(kind)[0], one) for one in _is(name, list, value))
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise Malformed(name, f"should be one of {', '.join(get_args(kind))}")
        return value
    if kind is Decimal:
        found = _number(value)
        if found is None:
            raise Malformed(name, "should be a number")
        return found
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _object(kind, _is(name, Mapping, value))
    return _is(name, get_origin(kind) or kind, value)


def _read_one_of(name: str, kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and NoneType in kinds:
        return None
    (kind,) = (one for one in kinds if one is not NoneType)
    return _read(name, kind, value)


def _number(value: Any) -> Decimal | None:
    """A number; one that has an exponent in its text is one, too."""
    if not isinstance(value, str):
        return exact(value)
    try:
        found = Decimal(value)
    except ArithmeticError:
        return None
    return found if found.is_finite() else None


def _is(name: str, kind: Any, value: Any) -> Any:
    fits = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if not fits:
        raise Malformed(name, f"should be {kind.__name__}, not {type(value).__name__}")
    return value
