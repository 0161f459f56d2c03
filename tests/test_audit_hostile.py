"""Frames that are not as they should be: the auditor and the engine read them alike.

One frame of a recording is mutated, and the audit must find nothing: neither that a book is live
which the frame broke, nor that it left ``live`` for what no frame shows.
"""

import random
from collections.abc import Sequence

import hostile
import pytest
from audit_journals import Records, audited
from hostile_bases import Base, bases
from lengths import seeds

from bookfeed.recordings.kinds import Kind

# A number where the name of an event was due.
FAILED_ONCE = (55_517,)
# Frames before and after the one that is mutated.
BEFORE, AFTER = 60, 8


def with_one_mutated(rng: random.Random, base: Base) -> tuple[Records, bytes]:
    """The beginning of a recording, one of its last frames mutated, and that frame."""
    setup, rest = base.about(min(3, len(base.symbols)))
    first = next(i for i, record in enumerate(rest) if record[0] == Kind.FRAME)
    rest = rest[: max(rng.randint(AFTER, BEFORE), first + 1)]
    at = rng.choice([i for i, record in enumerate(rest) if record[0] == Kind.FRAME][-AFTER:])
    kind, ts, conn, epoch, payload = rest[at]
    mutated = hostile.mutated_payload(rng, payload)
    return [*setup, *rest[:at], (kind, ts, conn, epoch, mutated), *rest[at + 1 :]], mutated


@pytest.mark.parametrize("numbers", [seeds(150, first=0), FAILED_ONCE], ids=["seeds", "failed"])
def test_a_mutated_frame_is_read_alike(numbers: Sequence[int]) -> None:
    for seed in numbers:
        rng = random.Random(seed)
        base = rng.choice(bases())
        records, mutated = with_one_mutated(rng, base)
        findings = audited(records, base.engine).findings
        assert not findings, (seed, base.venues, mutated, findings[:3])
