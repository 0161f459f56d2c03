"""What older recordings say in other words is read in today's."""

from pathlib import Path

import pytest

from bookfeed import Engine, JournalWriter
from bookfeed.errors import RecordingError
from bookfeed.recordings.listing import listing, recorded_engine
from bookfeed.recordings.opened import engine_of, open_source


def test_durations_of_engines_were_nanoseconds() -> None:
    old = {"hash_check": "always", "hash_interval_ns": 100_000_000, "silence_ns": 12_500_000_000}
    assert recorded_engine(old) == {
        "hash_check": "always", "hash_interval_s": 0.1, "silence_s": 12.5
    }  # fmt: skip
    assert recorded_engine({"silence_ns": 2**62}) == {"silence_s": 0.0}
    assert recorded_engine({"silence_ns": "long"}) == {"silence_ns": "long"}
    Engine(**recorded_engine(old))


def test_fees_were_stated_word_by_word() -> None:
    assert listing("polymarket", {"fee_rate": "0.07", "neg_risk": True}) == {
        "fee": "polymarket:0.07;1", "hints": "neg_risk=true"
    }  # fmt: skip
    assert listing("kalshi", {"fee_type": "quadratic"}) == {"fee": "kalshi:quadratic;1;non_direct"}


@pytest.mark.parametrize(
    ("options", "known"), [({"suspect_grace_ns": 900_000_000}, True), ({"grace_ns": 3}, False)]
)
def test_an_older_journal_opens(tmp_path: Path, options: dict[str, object], known: bool) -> None:
    with JournalWriter(tmp_path / "old", notes={"venue": "kalshi", "engine": options}) as writer:
        writer.append(2, 1, 0, 0, b"kalshi")
    recording = open_source(tmp_path / "old")
    if known:
        engine_of(recording, "old")
        return
    with pytest.raises(RecordingError, match="an engine unknown here"):
        engine_of(recording, "old")
