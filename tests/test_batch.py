"""Batches made by hand: the records of several put together are a batch like any other."""

import numpy as np
import pytest

from bookfeed import LEG_DTYPE, LEVEL_DTYPE, SIGNAL_DTYPE, UPDATE_DTYPE, Batch


def signal(leg_start: int, legs: int) -> bytes:
    record = np.zeros(1, SIGNAL_DTYPE)
    record["leg_start"], record["legs"] = leg_start, legs
    return record.tobytes()


def test_the_bytes_are_kept_and_counted() -> None:
    updates = np.zeros(3, UPDATE_DTYPE)
    updates["seq"] = [4, 5, 7]
    legs = np.zeros(2, LEG_DTYPE)
    batch = Batch(updates.tobytes(), signal_bytes=signal(0, 2), leg_bytes=legs.tobytes())
    assert len(batch) == 4
    assert batch.updates["seq"].tolist() == [4, 5, 7]
    assert batch.signals["legs"].tolist() == [2]
    assert (len(batch.legs), batch.update_bytes) == (2, updates.tobytes())


def test_level_changes_count_as_records() -> None:
    levels = np.zeros(2, LEVEL_DTYPE)
    levels["price_e9"] = [510_000_000, 500_000_000]
    batch = Batch(level_bytes=levels.tobytes())
    assert LEVEL_DTYPE.itemsize == 48 and len(batch) == 2
    assert batch.levels["price_e9"].tolist() == [510_000_000, 500_000_000]
    assert batch.level_bytes == levels.tobytes()
    with pytest.raises(ValueError, match=r"level_bytes: 47 bytes .* records of 48"):
        Batch(level_bytes=bytes(47))


def test_an_empty_batch() -> None:
    assert len(Batch()) == len(Batch(update_bytes=b"").updates) == len(Batch().levels) == 0


def test_half_a_record_and_missing_legs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"update_bytes: 95 bytes .* records of 96"):
        Batch(bytes(95))
    with pytest.raises(ValueError, match=r"leg_bytes: 1 bytes .* records of 64"):
        Batch(leg_bytes=b"x")
    with pytest.raises(ValueError, match="signal 1 has legs 1 to 2, and leg_bytes has 2"):
        Batch(signal_bytes=signal(0, 2) + signal(1, 2), leg_bytes=bytes(128))
