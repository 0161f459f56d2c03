"""Where a live command gets its frames from: a configured venue, or a simulator of its own."""

import argparse
import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from bookfeed import config
from bookfeed.cli.demo import demo_config, demo_keys, demo_simulator
from bookfeed.cli.targets import expanded, is_symbol, looked_up
from bookfeed.config import Config
from bookfeed.errors import ConfigError, SimulatorError
from bookfeed.venues import VENUES

_NO_KEYS: Final[Mapping[str, Any]] = {}
_READY_S_MAX: Final = 20.0
_END_S_MAX: Final = 1.0

_log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A name for people, what to follow, and with which keys, by venue, if not the user's."""

    name: str
    config: Config
    keys: Mapping[str, Any] = _NO_KEYS


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Source]:
    """The source that the arguments ask for; a demo's simulator lives as long as the context.

    Raises ``ConfigError`` for a configuration that cannot be used, ``SimulatorError`` if the
    simulator does not start.
    """
    if args.demo:
        if args.targets:
            raise ConfigError("--demo", args.targets[0], "the demo follows markets of its own")
        venue, said = demo_simulator()
        if said:
            _log.warning("%s", said)
        with _simulator(args, venue) as listing:
            keys = demo_keys(listing)
            yield Source(f"demo seed {args.seed}", demo_config(listing), keys)
        return
    yield _configured(args.config, args.targets, args.url)


def _configured(path: str | None, given: Sequence[str], urls: Sequence[str]) -> Source:
    """A file's markets, those named by the command line, or both together."""
    targets = expanded(given)
    if path is None and not targets:
        problem = "nothing to follow: give --config, --demo, or targets such as"
        example = next(iter(VENUES.values()))
        raise ConfigError("", "", f"{problem} {example.name}:SYMBOL")
    names = [target for target in targets if not is_symbol(target)]
    found = looked_up(names, urls) if names else []
    loaded = config.load(path, targets=list(filter(is_symbol, targets)), found=found)
    if not loaded.market:
        raise ConfigError(str(path), "market", "nothing to follow: add a [[market]]")
    return Source(path or ", ".join(targets), loaded)


@contextmanager
def _simulator(args: argparse.Namespace, venue: str) -> Iterator[dict[str, Any]]:
    """A simulator in a process of its own, and its ready line; it never outlives the context."""
    command = [sys.executable, "-m", "bookfeed", "sim", "-q", "--exit-with-parent"]
    command += ["--venue", venue]
    command += ["--markets", str(args.markets), "--rate", str(args.rate), "--seed", str(args.seed)]
    # A third of the markets trades both outcomes by themselves, so that complements happen.
    command += ["--unmirrored", str(args.markets // 3)]
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
