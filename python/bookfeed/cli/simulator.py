"""A simulator in a process of its own, for commands that need venues and no network."""

import argparse
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from bookfeed.errors import SimulatorError

_READY_S_MAX: Final = 20.0
_END_S_MAX: Final = 1.0


@contextmanager
def simulator(args: argparse.Namespace, venue: str, *more: str) -> Iterator[dict[str, Any]]:
    """The simulator of a venue, with what ``args`` say of its markets and ``more`` arguments, and
    what its ready line tells; it never outlives the context.

    Raises ``SimulatorError`` if it does not start.
    """
    command = [sys.executable, "-m", "bookfeed", "sim", "-q", "--exit-with-parent"]
    command += ["--venue", venue, *more]
    command += ["--markets", str(args.markets), "--rate", str(args.rate), "--seed", str(args.seed)]
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and numbers)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for us: we close our connections first, then end the simulator.
        start_new_session=True,
    )
    try:
        yield _ready_line(process)
    finally:
        _end(process)


def _ready_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    if process.stdout is None:
        raise SimulatorError("the simulator has no standard output")
    line = b""
    deadline_s = time.monotonic() + _READY_S_MAX
    while not line.endswith(b"\n"):
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not select.select([process.stdout], [], [], left_s)[0]:
            raise SimulatorError(f"the simulator was not ready within {_READY_S_MAX:.0f} s")
        data = os.read(process.stdout.fileno(), 65_536)
        if not data:
            raise SimulatorError(f"the simulator ended at once (exit code {process.wait()})")
        line += data
    listing: dict[str, Any] = json.loads(line)
    return listing


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes its standard input, which tells it to end; what does not listen is killed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
