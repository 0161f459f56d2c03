"""``bookfeed completion``: a script by which a shell completes the command line."""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Final

from bookfeed.cli import shells
from bookfeed.cli.grammar import Grammar, grammar
from bookfeed.errors import ExitCode

_SCRIPTS: Final[Mapping[str, Callable[[Grammar], str]]] = {
    "bash": shells.bash,
    "zsh": shells.zsh,
    "fish": shells.fish,
}


def execute(args: argparse.Namespace) -> ExitCode:
    """Prints the script of ``args.shell``."""
    sys.stdout.write(_SCRIPTS[args.shell](grammar()))
    return ExitCode.OK
