"""``bookfeed man``: the manual page, in roff, made from the parser as help is."""

import argparse
import sys
from collections.abc import Iterator

from bookfeed._bookfeed import __version__
from bookfeed.cli.grammar import Argument, Command, Grammar, grammar
from bookfeed.errors import ExitCode


def execute(args: argparse.Namespace) -> ExitCode:
    """Prints the page."""
    sys.stdout.write(page(grammar(), __version__))
    return ExitCode.OK


def page(known: Grammar, version: str) -> str:
    """The page of section 1 in the macros of ``man(7)``."""
    lines = [
        f'.TH BOOKFEED 1 "" "bookfeed {_plain(version)}" "The command line"',
        ".nh",
        ".SH NAME",
        r"bookfeed \- order books that say whether they may be believed",
        ".SH SYNOPSIS",
        r".B bookfeed",
        r".I COMMAND",
        r"[\fIARGUMENT\fR ...]",
        ".SH DESCRIPTION",
        *_prose(known.about),
        ".PP",
        "Data goes to standard output, everything else to standard error.",
        ".SH OPTIONS",
        *_arguments(known.options),
        ".SH COMMANDS",
    ]
    for command in known.commands:
        lines += _command(command)
    lines += [
        ".SH ENVIRONMENT",
        "Each setting of a configuration can be given as",
        r"\fBBOOKFEED_\fISECTION\fB__\fIKEY\fR;",
        r"\fBNO_COLOR\fR switches colours off.",
        ".SH FILES",
        r"\fIbookfeed.toml\fR, the configuration of a folder, and \fI.env\fR beside it.",
    ]
    return "\n".join(lines) + "\n"


def _command(command: Command) -> Iterator[str]:
    yield f".SS bookfeed {_plain(command.name)}"
    yield from _prose(command.about)
    yield ".PP"
    yield _plain(command.usage)
    for group in command.groups:
        # Every command has those; they stand once, with the first that has them.
        if group.title.startswith("logging") and command.name != "run":
            continue
        yield ".PP"
        yield f"{_plain(group.title.capitalize())}:"
        yield from _arguments(group.arguments)
    yield ".PP"
    yield ".nf"
    yield from (_plain(line) for line in command.epilog.splitlines())
    yield ".fi"


def _arguments(arguments: tuple[Argument, ...]) -> Iterator[str]:
    for each in arguments:
        flags = ", ".join(rf"\fB{_plain(flag)}\fR" for flag in each.flags)
        shown = rf"\fI{_plain(each.shown)}\fR" if each.shown else ""
        yield ".TP"
        yield " ".join(part for part in (flags, shown) if part)
        yield _plain(each.about)


def _prose(text: str) -> Iterator[str]:
    yield _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    """A text that means nothing to roff."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("…", "...")
    text = text.replace("'", r"\(aq").replace("`", r"\(ga")
    return rf"\&{text}" if text.startswith(".") else text
