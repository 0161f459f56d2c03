"""The command line as data: commands, their arguments and options, read off the parser itself.

What is written from it, completion for shells and the manual page, cannot say anything else than
`--help` does.
"""

import argparse
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from bookfeed.cli.parser import build

Takes = Literal["nothing", "a word", "a path", "perhaps a word"]
"""What stands behind an option, or in the place of an argument."""

_PATHS: Final = frozenset({"FILE", "DIR", "SOCKET", "CAPTURE", "OUT.bfj", "PLAN.toml", "CA.pem"})
_MARKS: Final = {"*": "[{} ...]", "+": "{} ...", "?": "[{}]"}


class Argument(NamedTuple):
    """An option or an argument without a name of its own."""

    flags: tuple[str, ...]
    """As it is spelled, such as ``-o`` and ``--output``; empty for an argument by place."""
    takes: Takes
    shown: str
    """What stands for its value in help; empty where there is none."""
    choices: tuple[str, ...]
    about: str
    repeated: bool
    """Whether it may be given several times."""


class Group(NamedTuple):
    """Arguments that help lists under one title."""

    title: str
    arguments: tuple[Argument, ...]


class Command(NamedTuple):
    """A subcommand."""

    name: str
    short: str
    """What the list of all commands says of it."""
    usage: str
    about: str
    groups: tuple[Group, ...]
    epilog: str
    """Its example and its exit codes."""

    @property
    def options(self) -> tuple[Argument, ...]:
        """What has a flag."""
        return tuple(each for group in self.groups for each in group.arguments if each.flags)

    @property
    def places(self) -> tuple[Argument, ...]:
        """What has none."""
        return tuple(each for group in self.groups for each in group.arguments if not each.flags)


class Grammar(NamedTuple):
    """All of it."""

    about: str
    epilog: str
    options: tuple[Argument, ...]
    """Those that stand before any command."""
    commands: tuple[Command, ...]


def grammar() -> Grammar:
    """What the parser of this version understands."""
    parser, parsers = build()
    (listed,) = (each for each in _actions(parser) if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001
    # argparse keeps what the list of all commands says of each in actions of their own.
    short = {each.dest: each.help or "" for each in listed._get_subactions()}  # noqa: SLF001
    commands = tuple(_command(name, short[name], each) for name, each in parsers.items())
    own = tuple(_argument(each) for each in _actions(parser) if each.option_strings)
    return Grammar(parser.description or "", parser.epilog or "", own, commands)


def _command(name: str, short: str, parser: argparse.ArgumentParser) -> Command:
    groups = tuple(
        Group(group.title or "", tuple(_argument(each) for each in _actions(group)))
        for group in _groups(parser)
        if _actions(group)
    )
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return Command(name, short, usage, parser.description or "", groups, parser.epilog or "")


# argparse has no public way to its own content.


def _actions(parser: argparse._ActionsContainer) -> Sequence[argparse.Action]:
    if isinstance(parser, argparse._ArgumentGroup):  # noqa: SLF001
        return parser._group_actions  # noqa: SLF001
    return parser._actions  # noqa: SLF001


def _groups(parser: argparse.ArgumentParser) -> Sequence[argparse._ArgumentGroup]:
    return parser._action_groups  # noqa: SLF001


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(map(str, action.choices)) if action.choices else ()
    shown = str(action.metavar or ("|".join(choices) if choices else action.dest.upper()))
    takes: Takes = "a word"
    if action.nargs == 0:
        takes, shown = "nothing", ""
    elif shown in _PATHS:
        takes = "a path"
    elif action.option_strings and action.nargs == "?":
        takes, shown = "perhaps a word", f"[{shown}]"
    if not action.option_strings and isinstance(action.nargs, str):
        shown = _MARKS[action.nargs].format(shown)
    if isinstance(action, argparse._HelpAction):  # noqa: SLF001
        about = "show this help and exit"
    else:
        about = (action.help or "") % {**vars(action), "prog": "bookfeed"}
    several = action.nargs in ("*", "+") or isinstance(
        action,
        (argparse._AppendAction, argparse._CountAction),  # noqa: SLF001
    )
    return Argument(tuple(action.option_strings), takes, shown, choices, about, several)
