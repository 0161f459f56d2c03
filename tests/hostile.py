"""Mutated recordings: whatever is in a file, reading it ends in records or in a ``BookfeedError``.

``python tests/hostile.py --seeds 1000000`` mutates so many journals and captures, and replays,
audits and imports each of them as the commands do. It exits with 1 if one of them raised anything
else, or took longer than a second. A failure prints its seed, which fails again the same way.
"""

import argparse
import contextlib
import copy
import gc
import gzip
import io
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard
from audit_journals import Records
from hostile_bases import Base, bases, chosen

from bookfeed import cli, replay
from bookfeed._bookfeed import JournalEncoder
from bookfeed.cli import parser as cli_parser
from bookfeed.errors import BookfeedError, ExitCode
from bookfeed.recordings.kinds import Kind

SECONDS_MAX: Final = 1.0
# What a number or a text may be replaced with.
TOKENS: Final = (
    b"0", b"-1", b"1e999", b"-0", b"0.0000000001", b"9" * 30, b"1" + b"0" * 400, b"NaN", b"null",
    b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"true", b'""', b"[]",
    b"{}", b"[" * 2_000, b'{"a":' * 500, b'"\\ud800"', b'"\\u0000"', b'"' + b"x" * 600 + b'"',
    b"\xff", b"\n" * 99, b"\x1b[2J", b'"\\u001b]0;x\\u0007"', b'"a\\nERROR b"',
)  # fmt: skip
TIMES: Final = (0, -1, 1, 2**63 - 1, -(2**63), 2**62, -(2**62))
# What a capture has a line for.
CAPTURED: Final = (Kind.FRAME, Kind.CONNECTED, Kind.DISCONNECTED)
FORMS: Final = ("table", "json", "ndjson")
CONNS: Final = (0, 1, 65_535, 65_536, 2**32 - 1)


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bytes of it are others, more, fewer, or a token that readers stumble over."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, size = rng.randint(0, len(out)), rng.choice((0, 1, 1, 4, 30))
        byte, again = bytes([rng.randrange(256)]), bytes(out[at : at + 40])
        out[at : at + size] = rng.choice((b"", byte, again, rng.choice(TOKENS)))
    return bytes(out)


def mutated_value(rng: random.Random, value: Any) -> Any:
    """A JSON value with one value in it replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return value | {key: mutated_value(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], mutated_value(rng, value[at]), *value[at + 1 :]]
    huge = [2**63, -(2**63), 2**64, 10**30, -1, 0, 1e308]
    texts = ["9" * 30, "-1", "", "NaN", "x" * 600, "\x1b[31m"]
    return rng.choice([*huge, *texts, None, True, [], {}, [[[]]]])


def mutated_payload(rng: random.Random, payload: bytes) -> bytes:
    """Its JSON with another value, or its bytes with others."""
    if rng.random() < 0.5:
        try:
            return json.dumps(mutated_value(rng, json.loads(payload))).encode()
        except (ValueError, RecursionError):  # mutated before
            pass
    return mutated_bytes(rng, payload)


def mutated_records(rng: random.Random, records: Records) -> Records:
    """Records with other payloads, times, connections and kinds; out of order, absent, twice."""
    out = list(records)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(out))
        kind, ts, conn, epoch, payload = out[at]
        match rng.randrange(9):
            case 0:
                kind = rng.choice([*map(int, Kind), 0, 99, 255])
            case 1:
                ts = rng.choice(TIMES)
            case 2:
                conn = rng.choice(CONNS)
            case 3:
                out.insert(rng.randrange(len(out)), out[at])
            case 4:
                out[at] = out[rng.randrange(len(out))]
                continue
            case _:
                payload = mutated_payload(rng, payload)
        out[at] = kind, ts, conn, epoch, payload
    return out


def journal(rng: random.Random, base: Base, records: Records) -> bytes:
    """A journal of mutated records, metadata or bytes."""
    where = rng.choice(("records", "records", "records", "metadata", "file"))
    if where == "records":
        records = mutated_records(rng, records)
    notes = {"venues": list(base.venues), "engine": base.engine}
    metadata = json.dumps({"recording": "a", "notes": notes}).encode()
    if where == "metadata":
        metadata = mutated_payload(rng, metadata)
    encoder = JournalEncoder(level=1)
    blocks = [encoder.header(metadata)]
    for record in records:
        encoder.append(*record)
        if rng.random() < 0.1:
            blocks.append(encoder.take_block())
    while block := encoder.take_block():
        blocks.append(block)
    data = b"".join([*blocks, encoder.end_block()])
    return damaged(rng, data) if where == "file" else data


def capture(rng: random.Random, base: Base, records: Records) -> bytes:
    """A capture of mutated lines, as text or compressed."""
    lines = [json.dumps({"capture": 1, "venue": base.venues[0]}).encode()]
    for kind, ts, conn, _, payload in mutated_records(rng, records):
        if kind in CAPTURED:
            text = payload.decode(errors="replace")
            said = {"frame": text} if kind == Kind.FRAME else {"control": Kind(kind).name.lower()}
            lines.append(json.dumps({"ts_recv": ts, "conn": f"c{conn}", **said}).encode())
    at = rng.randrange(len(lines))
    lines[at] = mutated_payload(rng, lines[at])
    data = b"\n".join(lines)
    if rng.random() < 0.8:
        return data
    packed = rng.choice((zstandard.compress, gzip.compress))(data)
    return damaged(rng, packed) if rng.random() < 0.7 else packed


def damaged(rng: random.Random, data: bytes) -> bytes:
    """A file with other bytes, or cut short."""
    return mutated_bytes(rng, data) if rng.random() < 0.5 else data[: rng.randrange(len(data))]


@contextlib.contextmanager
def parsed_once() -> Iterator[None]:
    """Arguments that come again are not parsed again: that takes longer than a small file."""
    parse = cache(cli_parser.parse)

    def known(argv: Sequence[str]) -> argparse.Namespace:
        return copy.copy(parse(tuple(argv)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "parse", known)
        yield


def read(path: Path, target: Path, form: str) -> None:
    """Each command that takes a recording, and Python's own way to it; ``form`` is the output's."""
    source, imported = str(path), str(target)
    commands = (
        ["replay", source, "--books", "--why", "--paper"],
        ["audit", source],
        ["import", source, imported],
    )
    for arguments in commands:
        shown, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            code = cli.main([*arguments, "-o", form])
        target.unlink(missing_ok=True)
        assert code in (ExitCode.OK, ExitCode.FAILURE, ExitCode.DATA), f"exit code {code}"
        for sign in ("Traceback", "cannot be audited"):
            assert sign not in said.getvalue(), said.getvalue()
        for line in (said.getvalue() + shown.getvalue() * (form == "table")).splitlines():
            assert line.isprintable(), f"steers a terminal: {line!r}"
    try:
        replay(path).run()
    except BookfeedError as error:
        assert str(error), "an error without a word"


def run(seed: int, directory: Path) -> str | None:
    """What was wrong with one seed."""
    rng = random.Random(seed)
    path = directory / "recording"
    make: Callable[[random.Random, Base, Records], bytes]
    make = rng.choice((journal, journal, capture))
    path.write_bytes(make(rng, *chosen(rng)))
    begun = time.process_time()  # what others do on this machine is not the file's doing
    try:
        read(path, directory / "imported.bfj", rng.choice(FORMS))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    seconds = time.process_time() - begun
    return f"took {seconds:.1f} s" if seconds > SECONDS_MAX else None


def campaign() -> int:
    """The campaign; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    args = parser.parse_args()
    failed: Counter[str] = Counter()
    bases()
    gc.freeze()  # they stay, and need not be looked through again and again
    with tempfile.TemporaryDirectory() as directory, parsed_once():
        for seed in range(args.first, args.first + args.seeds):
            problem = run(seed, Path(directory))
            if problem is not None:
                failed[problem[:40]] += 1
                print(f"seed {seed}: {problem[:300]}", file=sys.stderr)
    print(json.dumps({"seeds": args.seeds, "failed": failed.total(), "kinds": dict(failed)}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(campaign())
