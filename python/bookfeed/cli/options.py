"""What several subcommands have in common: their exit codes, and the options that they share."""

import argparse
from collections.abc import Mapping
from textwrap import fill
from typing import Any, Final

from bookfeed.cli.arguments import path, within
from bookfeed.sim import BOTH

# Exit codes of commands that go on until told to end, and of those that have an end.
SERVICE: Final = {
    0: "done, also when ended by Ctrl-C or SIGTERM",
    1: "failed (network, permissions, no space, the simulator)",
    2: "wrong arguments or configuration",
}
WORK: Final = {
    0: "done",
    1: "failed (nothing there, permissions, no space)",
    2: "wrong arguments",
    130: "interrupted before the end",
    143: "terminated before the end",
}
WORK_ON_DATA: Final = dict(sorted({**WORK, 3: "damaged or malformed data"}.items()))

# What help is wrapped at, as argparse does in a terminal of 80 columns.
HELP_COLUMNS: Final = 78


class Commands:
    """The subcommands of a parser; ``parsers`` has them by name."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._commands: Final = parser.add_subparsers(
            dest="command", metavar="COMMAND", required=True
        )
        self._shared: Final = _shared()
        self.parsers: Final[dict[str, argparse.ArgumentParser]] = {}

    def add(
        self,
        name: str,
        text: str,
        *,
        more: str,
        example: str,
        codes: Mapping[int, str],
        module: str = "",
    ) -> argparse.ArgumentParser:
        """A subcommand that ``bookfeed.cli.<module>`` executes; by default of the same name.

        ``text`` says what it is for, in the list of all commands too; ``more`` goes on from there.
        """
        meanings = (f"  {code:<4} {meaning}" for code, meaning in codes.items())
        parser = self._commands.add_parser(
            name,
            help=text,
            description=fill(f"{text[0].upper()}{text[1:]}. {more}", HELP_COLUMNS),
            epilog="\n".join(["example:", f"  bookfeed {example}", "", "exit codes:", *meanings]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[self._shared],
        )
        parser.set_defaults(module=module or name)
        self.parsers[name] = parser
        return parser


def _shared() -> argparse.ArgumentParser:
    """What every subcommand understands."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("logging (standard error)")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="more log lines; -vv for all"
    )
    group.add_argument(
        "-q", "--quiet", action="count", default=0, help="fewer log lines; -qq for the fewest"
    )
    group.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="log lines for people or for programs (default: %(default)s)",
    )
    return parser


def output(parser: argparse.ArgumentParser, default: str = "table") -> None:
    """In which form it is told."""
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "ndjson"),
        help="a table for people, one JSON object at the end, or one JSON object a line as "
        f"things happen (default: {default})",
    )


def child(parser: argparse.ArgumentParser) -> None:
    """Whether it ends with the process that began it."""
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="end when standard input is closed"
    )


def paper(parser: argparse.ArgumentParser) -> None:
    """What the signals would have brought."""
    group = parser.add_argument_group("paper trading")
    group.add_argument(
        "--paper",
        action="store_true",
        help="count what each signal would have brought, had it been ordered when it opened; at "
        "the end for orders that arrive 50, 250 and 1,000 ms later",
    )
    group.add_argument(
        "--paper-latency-ms",
        type=within(int, 0, 60_000),
        metavar="N",
        help="an order arrives N ms after its signal (default: 250); implies --paper",
    )


def why(parser: argparse.ArgumentParser) -> None:
    """What was refused, and why."""
    parser.add_argument(
        "--why", action="store_true", help="show what each rule refused to signal, and why"
    )


_MANY: Final = 10**9


def wanted(parser: argparse.ArgumentParser) -> None:
    """Which signals are shown."""
    parser.add_argument(
        "--only",
        type=lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        default=(),
        metavar="RULE,…",
        help="show signals of these rules alone, by kind or by name",
    )
    for name, what in (("edge", "a net edge of X USD a share"), ("profit", "X USD after fees")):
        parser.add_argument(
            f"--min-{name}",
            type=within(float, -_MANY, _MANY),
            default=float(-_MANY),
            metavar="X",
            help=f"show opportunities of at least {what} (default: all)",
        )


# What --demo and --sim serve unless told otherwise.
SIMULATED: Final[dict[str, Any]] = {"markets": 4, "rate": 400.0, "seed": 1}


def simulated(parser: argparse._ActionsContainer, *, markets: int, rate: float) -> None:
    """What can be said about simulated markets."""
    parser.add_argument(
        "--markets",
        type=within(int, 1, 100_000),
        default=markets,
        metavar="N",
        help="number of simulated markets (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=within(float, 0, 10_000_000),
        default=rate,
        metavar="N",
        help="frames a second from each venue; 0: as many as possible (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=within(int, 0, 2**63 - 1),
        default=1,
        metavar="N",
        help="number that the markets are made from; the same seed makes the same markets "
        "(default: %(default)s)",
    )


def recording(parser: argparse.ArgumentParser) -> None:
    """Which recording is read."""
    parser.add_argument(
        "file",
        type=path,
        metavar="FILE",
        help="a journal (a segment, a directory of segments, or the beginning of their names) "
        "or a capture",
    )


def source(parser: argparse.ArgumentParser) -> None:
    """Where live frames come from."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="what to follow, in addition to the markets of --config: VENUE:SYMBOL in the venue's "
        "spelling; the address of a page, a slug, a ticker, an event, a rolling series, which are "
        "looked up; or @FILE with one a line",
    )
    addresses(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--demo",
        nargs="?",
        const=BOTH,
        metavar="btc",
        help="follow two simulated venues; with btc a world about one price: spot venues, their "
        "index, and windows that are decided by it",
    )
    group.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="follow the markets of this TOML file, with its settings",
    )
    parser.add_argument(
        "--seconds",
        type=within(float, 0.1, 10**9),
        metavar="N",
        help="end after N seconds (default: run until Ctrl-C)",
    )
    simulated(parser.add_argument_group("with --demo or --sim"), markets=4, rate=400)


def outlets(parser: argparse.ArgumentParser) -> None:
    """Where it goes besides."""
    parser.add_argument(
        "--serve",
        action="store_true",
        help="begin `bookfeed serve` beside it: dashboard, WebSockets and HTTP at "
        "http://127.0.0.1:8700/, or as [server] of the file says",
    )
    parser.add_argument(
        "--sink",
        action="append",
        default=[],
        metavar="KIND,KEY=VALUE,…",
        help="write records into this sink, too, with keys as in a [[sink]] of the file, such as "
        "sqlite,path=feed.sqlite; may be given several times",
    )


def hash_check(parser: argparse.ArgumentParser) -> None:
    """How often hashes are checked."""
    parser.add_argument(
        "--hash-check",
        choices=("always", "sampled", "off"),
        help="how often a book is checked against the venue's hash of it "
        "(default: as recorded; always for captures)",
    )


def mode(parser: argparse.ArgumentParser) -> None:
    """How the venue of a capture spoke."""
    parser.add_argument(
        "--mode",
        help="how the venue of a capture was asked to speak, such as use_yes_price; '' for what it "
        "does unasked (default: as the capture states it, else as its frames show it)",
    )


def target(parser: argparse.ArgumentParser) -> None:
    """Which market is meant, and where it is looked up."""
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="one market: the address of its page, a slug, a ticker, an id, a rolling series (its "
        "present window), or VENUE:SYMBOL in the venue's spelling",
    )
    addresses(parser)


def one_book(parser: argparse.ArgumentParser) -> None:
    """Which book is meant, and how it is followed."""
    target(parser)
    parser.add_argument(
        "--outcome", metavar="NAME", help="of this outcome (default: the market's first)"
    )
    parser.add_argument(
        "--wait",
        type=within(float, 0.1, 3_600),
        default=10.0,
        metavar="N",
        help="wait at most N seconds for the book to be live (default: %(default)g)",
    )
    parser.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="with the settings and keys of this TOML file; its markets are not followed",
    )


def addresses(parser: argparse.ArgumentParser) -> None:
    """Where names are looked up."""
    parser.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="VENUE.WHAT=URL",
        help="look names up at another address than the venue's own (WHAT: listings, books, "
        "trades), such as a simulator's; may be given several times",
    )
    parser.add_argument(
        "--sim",
        action="store_true",
        help="ask and follow simulated venues on this machine in place of the real ones: no "
        "account, no key, no network",
    )
    parser.add_argument(
        "--no-keys",
        action="store_true",
        help="with --sim: as somebody without an account; where one is needed, books are polled",
    )
    parser.add_argument(
        "--catalogue",
        metavar="FILE",
        help="remember what is found in FILE, '-' for nowhere (default: catalogue.sqlite in "
        "$XDG_DATA_HOME/bookfeed, or in ~/.local/share/bookfeed; with --url or --sim nowhere)",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="look names up in that file alone; venues are not asked what they list",
    )
    parser.set_defaults(**SIMULATED)
