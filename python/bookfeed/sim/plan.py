"""A plan of faults, read from a TOML file: what is to go wrong, when, and how often.

    [[fault]]
    kind = "freeze"
    at_s = 5
    duration_s = 2
    every_s = 60
    until_s = 3600

A table has the fields of a venue's faults, ``venue`` if it is meant for one venue alone, and
``every_s`` with ``until_s`` (an hour, if it is absent) if it is to happen again and again.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from bookfeed.sim.faults import Mishap

_UNTIL_S: Final = 3_600.0
_TIMES_MAX: Final = 100_000
"""How often one table may happen: a plan is held in memory."""
_TEXT: Final = (str,)
_WHOLE: Final = (int,)
_SECONDS: Final = (int, float)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "kind": _TEXT,
    "variant": _TEXT,
    "asset": _TEXT,
    "message": _TEXT,
    "venue": _TEXT,
    "at_frame": _WHOLE,
    "conn": _WHOLE,
    "count": _WHOLE,
    "at_s": _SECONDS,
    "duration_s": _SECONDS,
    "every_s": _SECONDS,
    "until_s": _SECONDS,
}
_OWN: Final = frozenset({"venue", "every_s", "until_s"})
"""What is no field of a fault."""

M = TypeVar("M", bound=Mishap)


class PlanError(ValueError):
    """A plan that cannot be used; ``str()`` names the file, the fault by number, and the key."""


@dataclass(frozen=True)
class Plan:
    """The tables of a file, checked in form."""

    path: str
    tables: tuple[Mapping[str, Any], ...]

    def faults_of(self, kind: type[M], venue: str = "") -> tuple[M, ...]:
        """The faults of a venue, whose faults are of ``kind``, in the order of the file.

        ``PlanError`` for what cannot be there.
        """
        found: list[M] = []
        for number, table in enumerate(self.tables, 1):
            if table.get("venue", venue) == venue:
                found += self._each(number, table, kind)
        return tuple(found)

    def _each(self, number: int, table: Mapping[str, Any], kind: type[M]) -> Iterator[M]:
        given = {key: value for key, value in table.items() if key not in _OWN}
        known = {field.name for field in fields(kind)}
        for key in given:
            if key not in known:
                raise PlanError(f"{self.path}: fault {number}: {key}: no such key at this venue")
        try:
            for at_s in _times(table):
                yield kind(**given if at_s is None else {**given, "at_s": at_s})
        except ValueError as error:
            raise PlanError(f"{self.path}: fault {number}: {error}") from error


def read_plan(path: str | Path) -> Plan:
    """The plan in a file. ``PlanError`` if it is none, ``OSError`` if it cannot be read."""
    try:
        told = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise PlanError(f"{path}: {error}") from error
    tables = told.pop("fault", [])
    if told:
        raise PlanError(f"{path}: {next(iter(told))}: a plan has [[fault]] tables and nothing else")
    if not isinstance(tables, list) or not tables:
        raise PlanError(f"{path}: there is no [[fault]] in it")
    for number, table in enumerate(tables, 1):
        problem = _problem(table)
        if problem:
            raise PlanError(f"{path}: fault {number}: {problem}")
    return Plan(str(path), tuple(tables))


def _problem(table: object) -> str:
    """What is wrong with a table, whatever the venue; empty if nothing is."""
    if not isinstance(table, dict):
        return "must be a table"
    if "kind" not in table:
        return "kind: is missing"
    for key, value in table.items():
        types = _TYPES.get(key)
        if types is None:
            return f"{key}: no such key; known: {', '.join(_TYPES)}"
        if not isinstance(value, types) or isinstance(value, bool):
            return f"{key}: must be {'text' if types is _TEXT else 'a number'}"
        if isinstance(value, int | float) and not 0 <= value < 1e9:
            return f"{key}: must be from 0 to a thousand million"
    every_s = table.get("every_s")
    if every_s is None:
        return "until_s: only with every_s" if "until_s" in table else ""
    if "at_frame" in table:
        return "every_s: does not go with at_frame"
    if not every_s or table.get("until_s", _UNTIL_S) / every_s > _TIMES_MAX:
        return f"every_s: more than {_TIMES_MAX} times"
    return ""


def _times(table: Mapping[str, Any]) -> Iterator[float | None]:
    """When it happens, in seconds from the start; ``None`` as its other fields say."""
    every_s = table.get("every_s")
    if every_s is None:
        yield None
        return
    at_s = float(table.get("at_s", every_s))
    while at_s <= table.get("until_s", _UNTIL_S):
        yield at_s
        at_s += every_s
