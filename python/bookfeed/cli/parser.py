"""Reads the command line: which subcommand, which of its arguments, and what was meant by a word
that is none.
"""

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any, Final

from bookfeed.cli.commands import EVERY
from bookfeed.cli.options import HELP_COLUMNS, Commands

_OPTION: Final = re.compile(r"--[a-z-]+")


class _Version(argparse.Action):
    """``--version``; the number is looked up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        import bookfeed

        print(f"bookfeed {bookfeed.__version__}")
        parser.exit()


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command; ends the process for help, the version, and what is wrong.

    Without any argument, and for ``help``, it shows help.
    """
    parser, commands = build()
    if not argv or argv[0] == "help":
        argv = [*argv[1:2], "--help"]
    name = next((each for each in argv if not each.startswith("-")), None)
    if name is not None and name not in commands:
        parser.error(f"no such command: {name!r}{_meant(name, commands)}")
    if argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"):
        where = f"bookfeed {name or 'COMMAND'} {argv[0]}"
        parser.error(f"{argv[0]} stands behind a command: {where}")
    args, left = parser.parse_known_args(argv)
    if left and name is not None:
        option, known = left[0].partition("=")[0], _OPTION.findall(commands[name].format_help())
        hint = _meant(option, known) if option.startswith("-") else ": it is one too many"
        commands[name].error(f"no such argument: {left[0]!r}{hint}")
    return args


def _meant(text: str, known: Iterable[str]) -> str:
    """What may have been meant by a word that is not known."""
    close = difflib.get_close_matches(text, known, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if ":" in text:
        return f"; did you mean `bookfeed run {text}`?"
    return "; `bookfeed help` lists what there is"


def build() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser of the whole command line, and those of commands by their names."""
    parser = argparse.ArgumentParser(
        prog="bookfeed",
        description=fill(
            "Live order books of prediction markets and spot venues. Every book says whether it "
            "may be believed, and why; signals come only from books that may be.",
            HELP_COLUMNS,
        ),
        epilog="start here:\n  bookfeed run --demo\n\n"
        "`bookfeed COMMAND --help` lists every option, an example and the exit codes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = Commands(parser)
    for add in EVERY:
        add(commands)
    return parser, commands.parsers
