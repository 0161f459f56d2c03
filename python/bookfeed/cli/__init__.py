"""The ``bookfeed`` command: reads arguments, starts one subcommand, turns errors into exit codes.

Each subcommand is a module of this package with ``execute(args) -> ExitCode``, imported when
it is asked for, so that ``bookfeed --version`` and ``--help`` start at once. Data goes to
standard output, logs and progress to standard error.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from bookfeed.cli.parser import parse
from bookfeed.errors import BookfeedError, ExitCode, exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line ``argv`` (the process's own) and returns its exit code."""
    _open_standard_streams()
    args = parse(sys.argv[1:] if argv is None else argv)
    try:
        from bookfeed import log  # not before: `--help` and `--version` start at once

        log.configure(verbosity=args.verbose - args.quiet, log_format=args.log_format)
        if os.path.isfile(".env"):  # noqa: PTH113 (help and the version do without pathlib)
            importlib.import_module("bookfeed.cli.env").read_here()
        with _simulator_begun(args):
            command = importlib.import_module(f"bookfeed.cli.{args.module}")
            code: ExitCode = command.execute(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`). Nothing more can be said to it, and the
        # interpreter must not try again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILURE
    except KeyboardInterrupt as interrupt:
        return exit_code(interrupt)
    except (BookfeedError, OSError) as error:
        from bookfeed.log import printable  # help and the version need no logging

        # Files and what they say may come from anywhere: they neither steer the terminal nor
        # begin a line of their own.
        text = printable(str(error)).replace("\n", "\\n")
        print(f"bookfeed {args.command}: {text}", file=sys.stderr)
        return exit_code(error)
    return code


def _simulator_begun(args: argparse.Namespace) -> AbstractContextManager[None]:
    """What ``--sim`` asks for starts before the command is imported, which takes as long."""
    if not getattr(args, "sim", False):
        return nullcontext()
    from bookfeed.cli.simulator import begun

    return begun(args)


def _open_standard_streams() -> None:
    """Opens what whoever started us closed (``>&-``), to nothing.

    Otherwise a socket gets the number of a standard stream, and what is printed goes there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given out, so this is it.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
