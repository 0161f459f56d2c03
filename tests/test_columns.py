"""Columns for research: what is absent is masked, so that no mean ever holds -2**63."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bookfeed
from bookfeed import ABSENT, CAUSES, STATES, UPDATE_DTYPE, UPDATE_KINDS, Batch, columns

DTYPES = (bookfeed.UPDATE_DTYPE, bookfeed.SIGNAL_DTYPE, bookfeed.LEG_DTYPE)
CODES = {"kind": 7, "state": 5, "cause": 20, "rule": 5, "phase": 3, "reason": 11,
         "direction": 3, "side": 2, "view": 2}  # fmt: skip
NUMBERS = st.one_of(st.just(ABSENT), st.integers(-(2**53), 2**53))


@st.composite
def record_arrays(draw: Any) -> npt.NDArray[np.void]:
    dtype = draw(st.sampled_from(DTYPES))
    array = np.zeros(draw(st.integers(0, 6)), dtype)
    for name in dtype.names or ():
        of = NUMBERS if dtype[name] == np.int64 else st.integers(0, CODES.get(name, 100) - 1)
        array[name] = [draw(of) for _ in array]
    return array


@settings(deadline=None)
@given(record_arrays())
def test_no_mean_holds_an_absent_number(array: npt.NDArray[np.void]) -> None:
    for name, column in columns(array).items():
        raw = array[name]
        if raw.dtype != np.int64:
            assert column.tolist() == raw.tolist()
            continue
        assert isinstance(column, np.ma.MaskedArray)
        known = [value for value in raw.tolist() if value != ABSENT]
        shown = column.compressed().tolist()
        assert set(shown) <= set(known) and ABSENT not in np.asarray(column)
        if shown:
            # It is summed in floats: large numbers of both signs leave what they are rounded by.
            rounded = len(shown) * max(map(abs, shown)) * np.finfo(np.float64).eps
            assert column.mean() == pytest.approx(sum(shown) / len(shown), abs=rounded)
        if name not in ("price_e9", "qty_e8"):
            assert shown == known


@settings(deadline=None)
@given(record_arrays())
def test_codes_become_names(array: npt.NDArray[np.void]) -> None:
    shown = columns(array, decode=True)
    names = {"state": STATES, "cause": CAUSES, "kind": UPDATE_KINDS, "rule": bookfeed.RULES,
             "view": ("yes", "no"), "direction": ("", "buy", "sell")}  # fmt: skip
    for name in set(names) & set(shown):
        assert shown[name].tolist() == [names[name][code] for code in array[name]]


def test_numbers_of_messages_are_no_prices() -> None:
    array = np.zeros(2, bookfeed.UPDATE_DTYPE)
    array["kind"], array["cause"] = UPDATE_KINDS.index("state"), CAUSES.index("gap")
    array["kind"][1] = UPDATE_KINDS.index("trade")
    array["price_e9"], array["qty_e8"] = 7, 9
    shown = columns(array, ("qty_e8", "price_e9"))
    assert list(shown) == ["qty_e8", "price_e9"]
    assert [shown[name].tolist() for name in shown] == [[None, 9], [None, 7]]


def test_an_old_name_is_answered_with_the_new_one() -> None:
    array = np.zeros(1, bookfeed.UPDATE_DTYPE)
    for old, new in (("bid_price", "bid_price_e9"), ("ts_recv", "ts_recv_ns"), ("qty", "qty_e8")):
        with pytest.raises(KeyError, match=f"it is now {new}"):
            columns(array, [old])
    with pytest.raises(KeyError, match="there are ts_recv_ns"):
        columns(array, ["nothing"])
    with pytest.raises(TypeError, match="of a batch"):
        columns(np.zeros(1, [("price", "<i8")]))


@pytest.mark.parametrize("given", [None, [], 5, Batch(), np.zeros(3, np.int64)])
def test_what_is_no_array_of_records_is_refused_in_words(given: Any) -> None:
    with pytest.raises(TypeError, match="takes an array: updates, signals, legs or levels"):
        columns(given)


def test_one_column_alone_is_no_list_of_letters() -> None:
    assert list(columns(Batch().updates, "state")) == ["state"]


def test_codes_that_nobody_wrote_are_refused_in_words() -> None:
    made_up = Batch(b"\xff" * UPDATE_DTYPE.itemsize).updates
    with pytest.raises(ValueError, match="column 'kind' has codes without a name"):
        columns(made_up, decode=True)
