"""Arrays of records as Arrow columns: absent numbers are nulls, times UTC, codes are words.

Integers of records go into a column as they are, or as decimals, without ever being floats.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bookfeed._bookfeed import ABSENT

Prices: TypeAlias = Literal["decimal", "scaled"]
"""``"decimal"``: exact decimals in dollars and shares. ``"scaled"``: the integers of records, of
1e-9 (``_e9``) and 1e-8 (``_e8``)."""
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

TIME: Final = pa.timestamp("ns", "UTC")
WORD: Final = pa.dictionary(pa.int32(), pa.string())

# As many digits as the integers have.
_DIGITS: Final = 19
PRICE_PLACES: Final = 9
QTY_PLACES: Final = 8


def number_field(name: str, places: int, prices: Prices) -> Any:
    """The field of a price, size or sum of money with so many decimal places."""
    if prices == "scaled":
        return pa.field(f"{name}_e{places}", pa.int64())
    return pa.field(name, pa.decimal128(_DIGITS, places))


def number(values: Ints, of: Any, absent: Mask | None = None) -> Any:
    """Integers as a column of the type ``of``; null where they are absent."""
    absent = values == ABSENT if absent is None else absent
    if not pa.types.is_decimal(of):
        return _array(of, np.ascontiguousarray(values), absent)
    wide = np.empty((len(values), 2), np.int64)
    wide[:, 0] = values
    wide[:, 1] = wide[:, 0] >> 63
    return _array(of, wide, absent, length=len(values))


def times(values: Ints) -> Any:
    """Unix nanoseconds as UTC times; null where they are absent."""
    return _array(TIME, np.ascontiguousarray(values), values == ABSENT)


def words(codes: npt.NDArray[Any], called: Any, absent: Mask | None = None) -> Any:
    """Codes as the words of the array ``called``; null where there is none."""
    indices = _array(pa.int32(), codes.astype(np.int32), absent)
    return pa.DictionaryArray.from_arrays(indices, called, safe=False)


def named(codes: npt.NDArray[Any], called: Sequence[str | None]) -> Any:
    """The same where ``None`` and empty words among those ``called`` stand for nothing."""
    table = pa.array([word or "" for word in called], pa.string())
    none = np.array([not word for word in called], bool)
    return words(codes, table, none[codes] if none.any() else None)


def flags(values: Mask) -> Any:
    """Truths."""
    data = pa.py_buffer(np.packbits(values, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, data])


def plain(values: npt.NDArray[Any], of: Any) -> Any:
    """Numbers that are always there."""
    return _array(of, np.ascontiguousarray(values), None)


def _array(
    of: Any, values: npt.NDArray[Any], absent: Mask | None, length: int | None = None
) -> Any:
    """A column over the memory of ``values``."""
    length = len(values) if length is None else length
    valid = None
    if absent is not None and absent.any():
        valid = pa.py_buffer(np.packbits(~absent, bitorder="little").tobytes())
    return pa.Array.from_buffers(of, length, [valid, pa.py_buffer(values)])
