"""Columns of record arrays for research: absent numbers masked, codes as their names.

``Batch.updates`` and its like are raw: an absent number in them is ``ABSENT`` (-2**63). Every
table, frame or export made from records goes through ``columns``, so that no mean ever holds one.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

import bookfeed._bookfeed as extension
from bookfeed._bookfeed import ABSENT, CAUSES, CLOSE_REASONS, RULES, SIGNAL_PHASES, STATES
from bookfeed._bookfeed import UPDATE_KINDS as KINDS

Column: TypeAlias = npt.NDArray[np.generic]

_SIDES: Final = {"LEG_DTYPE": ("buy", "sell"), "LEVEL_DTYPE": ("bid", "ask")}
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "kind": KINDS,
    "state": STATES,
    "cause": CAUSES,
    "rule": RULES,
    "phase": SIGNAL_PHASES,
    "reason": CLOSE_REASONS,
    "direction": ("", "buy", "sell"),
    "view": ("yes", "no"),
}
# Columns once carried no unit.
_UNITS: Final = ("_ns", "_e9", "_e8")

_GAP: Final = CAUSES.index("gap")
_STATE: Final = KINDS.index("state")


@cache
def _kinds() -> dict[np.dtype[np.void], str]:
    """The layouts of records, and what they are called."""
    names = [name for name in dir(extension) if name.endswith("_DTYPE")]
    return {np.dtype(getattr(extension, name)): name for name in names}


def columns(
    records: npt.NDArray[np.void], names: Iterable[str] | None = None, *, decode: bool = False
) -> dict[str, Column]:
    """Return the columns of ``records`` (``batch.updates``, ``.signals``, …) by name.

    Numbers that may be absent are masked arrays (``numpy.ma``), masked where they are; all others
    are views. ``price_e9`` and ``qty_e8`` are masked, too, in the records of a book lost to
    a hole in its stream, where they hold numbers of messages. With ``decode`` codes become their
    names, as arrays of text. All arrays have shape ``(n,)``; units are in the names.

    ``names`` chooses columns, and their order; one alone is taken as well. Raises ``KeyError`` for
    one that there is not, ``TypeError`` for anything but an array of records, ``ValueError`` for
    codes that have no name.
    """
    kind = _kinds().get(records.dtype) if isinstance(records, np.ndarray | np.void) else None
    if kind is None:
        raise TypeError("columns() takes an array: updates, signals, legs or levels of a batch")
    known = records.dtype.names or ()
    chosen = known if names is None else (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in known:
            raise KeyError(_unknown(name, known))
    return {name: _column(records, name, kind, decode) for name in chosen}


def _column(records: npt.NDArray[np.void], name: str, kind: str, decode: bool) -> Column:
    values = records[name]
    if values.dtype == np.int64:
        absent = values == ABSENT
        if kind == "UPDATE_DTYPE" and name in ("price_e9", "qty_e8"):
            absent |= (records["kind"] == _STATE) & (records["cause"] == _GAP)
        # Whoever drops the mask finds a zero, not a number that would spoil every sum.
        return np.ma.masked_array(np.where(absent, 0, values), absent)
    words = _SIDES.get(kind) if name == "side" else _NAMES.get(name)
    if decode and words is not None:
        if values.size and values.max() >= len(words):
            raise ValueError(f"column {name!r} has codes without a name: these are no records")
        values = np.array(words)[values]
    column: Column = values
    return column


def _unknown(name: str, known: tuple[str, ...]) -> str:
    new = [name + unit for unit in _UNITS if name + unit in known]
    hint = f"it is now {new[0]}" if new else f"there are {', '.join(known)}"
    return f"no column {name!r}: {hint}"
