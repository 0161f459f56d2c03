"""What every corpus is: frames with receive times, and the answers each row must give."""

import hashlib
import json
import random
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

TS_START_MS = 1_790_000_000_000
TRANSIT_NS = 12_000_000
"""Receive time minus venue time, constant: no corpus has jitter."""
CACHE = Path(__file__).parent / ".cache"


@dataclass(frozen=True)
class Answers:
    """What a row must find.

    ``touch_sum_e8`` adds best bid times best ask (each in 1e-4 USD), after each frame, of each
    asset that the frame's ``book`` or ``price_change`` names. A plain sum would not do: the two
    outcomes mirror each other, and theirs is always 2 USD. ``books_sha256`` digests the final
    books.
    """

    touch_sum_e8: int
    touch_reads: int
    books_sha256: str


@dataclass(frozen=True)
class Recording:
    """Frames, receive times (Unix ns) and the right answers."""

    frames: list[bytes]
    ts_recv: list[int]
    answers: Answers
    touch_moved: int
    """Entries that changed the price or the size of a best level."""
    venue: ClassVar[str] = ""

    @property
    def mean_bytes(self) -> float:
        """Mean length of a frame in bytes."""
        return sum(map(len, self.frames)) / len(self.frames)


class FrameWriter:
    """Where a generator writes its frames, and what a reader of them finds."""

    def __init__(self, seed: int) -> None:
        # Not for secrets: a seeded stream is the point.
        self.rng = random.Random(seed)
        self.ts_ms = TS_START_MS
        self.frames: list[bytes] = []
        self.ts_recv: list[int] = []
        self.touch_sum_e8 = 0
        self.touch_reads = 0
        self.touch_moved = 0

    def tick_clock(self) -> int:
        """Moves venue time on and returns it."""
        self.ts_ms += self.rng.randrange(1, 3)
        return self.ts_ms

    def emit(self, text: str) -> None:
        """Adds a frame, received a constant time after it was sent."""
        self.frames.append(text.encode())
        self.ts_recv.append(self.ts_ms * 1_000_000 + TRANSIT_NS)


def books_sha256(books: dict[str, tuple[dict[int, int], dict[int, int]]]) -> str:
    """Digest of final books: asset id -> (bids, asks), each price 1e-9 -> size 1e-8.

    The text is one line a level, ``<asset id> <B|A> <price_e9> <qty_e8>\\n``: assets in order of
    their id as text, bids before asks, prices ascending.
    """
    digest = hashlib.sha256()
    for asset in sorted(books):
        for letter, side in zip("BA", books[asset], strict=True):
            for price in sorted(side):
                digest.update(f"{asset} {letter} {price} {side[price]}\n".encode())
    return digest.hexdigest()


def decimal_answers(
    books: Mapping[str, Sequence[Mapping[Decimal, Decimal]]], touch_sum: Decimal, touch_reads: int
) -> Answers:
    """What books of decimals come to: asset id -> bids and asks, each price -> size."""
    in_units = {
        asset: (
            {int(p * 10**9): int(s * 10**8) for p, s in bids.items()},
            {int(p * 10**9): int(s * 10**8) for p, s in asks.items()},
        )
        for asset, (bids, asks) in books.items()
    }
    return Answers(int(touch_sum * 10**8), touch_reads, books_sha256(in_units))


def write_frames(frames: Iterable[bytes], path: Path) -> None:
    """Writes each frame as a little-endian u32 length and its bytes."""
    with path.open("wb") as out:
        for frame in frames:
            out.write(struct.pack("<I", len(frame)))
            out.write(frame)


def read_frames(path: Path) -> Iterator[bytes]:
    """Frames of a file written by :func:`write_frames`."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def store(name: str, recording: Recording, markets: Iterable[Any]) -> None:
    """Keeps a corpus in the cache beside this file; ``markets`` are dataclasses."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    write_frames(recording.frames, CACHE / f"{name}.bin")
    facts = {
        "markets": [asdict(m) for m in markets],
        "ts_recv": recording.ts_recv,
        "answers": asdict(recording.answers),
        "touch_moved": recording.touch_moved,
    }
    (CACHE / f"{name}.json").write_text(json.dumps(facts))


def read_stored(name: str) -> tuple[Recording, list[dict[str, Any]]] | None:
    """A corpus from the cache with its markets' fields, if it is there."""
    frames_path, facts_path = CACHE / f"{name}.bin", CACHE / f"{name}.json"
    if not (frames_path.exists() and facts_path.exists()):
        return None
    facts = json.loads(facts_path.read_text())
    answers = Answers(**facts["answers"])
    frames = list(read_frames(frames_path))
    return Recording(frames, facts["ts_recv"], answers, facts["touch_moved"]), facts["markets"]
