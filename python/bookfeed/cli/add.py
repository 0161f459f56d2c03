"""``bookfeed add``: writes what is followed by name as ``[[market]]`` blocks of a configuration."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Final

from bookfeed import config
from bookfeed.cli.blocks import append, block
from bookfeed.cli.places import places
from bookfeed.cli.targets import expanded, is_series, looked_up
from bookfeed.errors import ExitCode

_log: Final = logging.getLogger(__name__)


def execute(args: argparse.Namespace) -> ExitCode:
    """Looks up, and prints the blocks or puts them at the end of a file that stays whole."""
    targets = expanded(args.targets)
    with places(args) as there:
        found = looked_up(targets, there.lookup)
    for name in filter(is_series, targets):
        _log.warning("%s: its present window is written, and none of the next", name)
    blocks = "\n".join(block("market", one.table, one.name) for one in found)
    if args.to is None:
        print(blocks, end="")
        return ExitCode.OK
    path = Path(args.to)
    if path.exists():
        # What cannot be used together is refused before anything is written.
        config.load(path, {}, found=found)
    append(path, blocks)
    print(f"{len(found)} added to {path}", file=sys.stderr)
    return ExitCode.OK
