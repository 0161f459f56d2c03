"""``bookfeed add``: writes what is followed by name as ``[[market]]`` blocks of a configuration."""

import argparse
import sys
from pathlib import Path

from bookfeed import config
from bookfeed.cli.blocks import append, block
from bookfeed.cli.places import places
from bookfeed.cli.targets import expanded, looked_up
from bookfeed.errors import ExitCode


def execute(args: argparse.Namespace) -> ExitCode:
    """Looks up, and prints the blocks or puts them at the end of a file that stays whole."""
    with places(args) as there:
        found = looked_up(expanded(args.targets), there.urls)
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
