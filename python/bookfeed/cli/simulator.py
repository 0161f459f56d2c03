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
from importlib import import_module
from typing import Any, Final

from bookfeed.errors import SimulatorError
from bookfeed.sim import BOTH, alone, package

LISTED: Final = ("--variant", "listed")
"""The world in which names can be looked up."""

DEMOS: Final = (BOTH, "btc")
"""What ``--demo`` may stand for: markets of all kinds, or a world of one price."""

_READY_S_MAX: Final = 20.0
_END_S_MAX: Final = 1.0


def venue_of(target: str) -> str:
    """The venue of a target that is ``VENUE:SYMBOL`` and has a simulator of its own; else empty."""
    venue, colon, _ = target.partition(":")
    return venue if colon and venue in alone() else ""


def needs_both(args: argparse.Namespace) -> bool:
    """Whether ``--sim`` needs the world in which names can be looked up."""
    named = getattr(args, "targets", None) or [getattr(args, "target", "")]
    return getattr(args, "config", None) is not None or not all(map(venue_of, named))


def missing() -> str:
    """What has to be done before listings can be simulated; empty if nothing."""
    told: str = import_module(f"{package(BOTH)}.demo").missing()
    return told


def of_demo(args: argparse.Namespace) -> tuple[list[str], str]:
    """The simulator that ``--demo`` follows, with its arguments, and what is to be said if it is
    not the whole demo.
    """
    demo = import_module(f"{package(BOTH)}.demo")
    if args.demo == demo.BTC:
        if told := demo.missing():
            raise SimulatorError(f"--demo {demo.BTC} {told}")
        return list(demo.served(demo.BTC)[0]), ""
    served, said = demo.served()
    # A third of the markets trades both outcomes by themselves, so that complements happen.
    return [*served, "--unmirrored", str(args.markets // 3)], said


@contextmanager
def begun(args: argparse.Namespace) -> Iterator[None]:
    """Has the simulator that ``--sim`` or ``--demo`` asks for start now, while the command is being
    imported.
    """
    wanted = _wanted(args)
    if not wanted:
        yield
        return
    args.begun = _start(_command(args, *wanted))
    try:
        yield
    finally:
        _end(args.begun)


@contextmanager
def simulator(args: argparse.Namespace, venue: str, *more: str) -> Iterator[dict[str, Any]]:
    """The simulator of a venue, with what ``args`` say of its markets and ``more`` arguments, and
    what its ready line tells; it never outlives the context.

    Raises ``SimulatorError`` if it does not start.
    """
    command = _command(args, venue, *more)
    begun: subprocess.Popen[bytes] | None = getattr(args, "begun", None)
    process = begun if begun is not None and begun.args == command else _start(command)
    try:
        yield _ready_line(process)
    finally:
        _end(process)


def _wanted(args: argparse.Namespace) -> list[str]:
    """The simulator that will be asked for, with its arguments; nothing where none will be, or
    what is asked for cannot be.
    """
    demo, sim = getattr(args, "demo", False), getattr(args, "sim", False)
    if demo:
        refused = sim or args.targets or demo not in DEMOS
        return [] if refused else of_demo(args)[0]
    if not sim or args.url:
        return []
    if needs_both(args):
        return [] if missing() else [BOTH, *LISTED]
    return [venue_of((getattr(args, "targets", None) or [args.target])[0])]


def _command(args: argparse.Namespace, venue: str, *more: str) -> list[str]:
    command = [sys.executable, "-m", "bookfeed", "sim", "-q", "--exit-with-parent"]
    command += ["--venue", venue, *more]
    return [
        *command,
        *("--markets", str(args.markets), "--rate", str(args.rate), "--seed", str(args.seed)),
    ]


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (our own interpreter and numbers)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for us: we close our connections first, then end the simulator.
        start_new_session=True,
    )


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
