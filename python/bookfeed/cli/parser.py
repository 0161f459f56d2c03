"""Arguments of every subcommand, with their help; nothing here does any work."""

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any, Final

from bookfeed.cli.arguments import duration_s, path, within
from bookfeed.sim import BOTH
from bookfeed.sim import names as simulators

# Exit codes of commands that go on until told to end, and of those that have an end.
_SERVICE: Final = {
    0: "done, also when ended by Ctrl-C or SIGTERM",
    1: "failed (network, permissions, no space, the simulator)",
    2: "wrong arguments or configuration",
}
_WORK: Final = {
    0: "done",
    1: "failed (nothing there, permissions, no space)",
    2: "wrong arguments",
    130: "interrupted before the end",
    143: "terminated before the end",
}
_WORK_ON_DATA: Final = dict(sorted({**_WORK, 3: "damaged or malformed data"}.items()))

_PORT_MAX: Final = 65_535
_OPTION: Final = re.compile(r"--[a-z-]+")
# What help is wrapped at, as argparse does in a terminal of 80 columns.
_HELP_COLUMNS: Final = 78


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


class _Commands:
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
            description=fill(f"{text[0].upper()}{text[1:]}. {more}", _HELP_COLUMNS),
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


def _output(parser: argparse.ArgumentParser, default: str = "table") -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "json", "ndjson"),
        help="a table for people, one JSON object at the end, or one JSON object a line as "
        f"things happen (default: {default})",
    )


def _paper(parser: argparse.ArgumentParser) -> None:
    """What the signals would have brought."""
    group = parser.add_argument_group("paper trading")
    group.add_argument(
        "--paper",
        action="store_true",
        help="count what each signal would have brought, had it been ordered when it opened",
    )
    group.add_argument(
        "--paper-latency-ms",
        type=within(int, 0, 60_000),
        metavar="N",
        help="an order arrives N ms after its signal (default: 250); implies --paper",
    )


def _why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--why", action="store_true", help="show what each rule refused to signal, and why"
    )


def _simulated(parser: argparse._ActionsContainer, *, markets: int, rate: float) -> None:
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


def _recording(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=path,
        metavar="FILE",
        help="a journal (a segment, a directory of segments, or the beginning of their names) "
        "or a capture",
    )


def _source(parser: argparse.ArgumentParser) -> None:
    """Where live frames come from."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="what to follow, in addition to the markets of --config: VENUE:SYMBOL in the venue's "
        "spelling; the address of a page, a slug, a ticker, an event, a rolling series, which are "
        "looked up; or @FILE with one a line",
    )
    _addresses(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--demo", action="store_true", help="follow two simulated venues")
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
    _simulated(parser.add_argument_group("with --demo"), markets=4, rate=400)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command; ends the process for help, the version, and what is wrong.

    Without any argument, and for ``help``, it shows help.
    """
    parser, commands = _build()
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


def _build() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser of the whole command line, and those of commands."""
    parser = argparse.ArgumentParser(
        prog="bookfeed",
        description=fill(
            "Live order books of prediction markets and spot venues. Every book says whether it "
            "may be believed, and why; signals come only from books that may be.",
            _HELP_COLUMNS,
        ),
        epilog="start here:\n  bookfeed run --demo\n\n"
        "`bookfeed COMMAND --help` lists every option, an example and the exit codes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = _Commands(parser)
    for add in (
        _add_run,
        _add_record,
        _add_replay,
        _add_audit,
        _add_import,
        _add_markets,
        _add_add,
        _add_sim,
        _add_bench,
    ):
        add(commands)
    return parser, commands.parsers


def _add_run(commands: _Commands) -> None:
    run = commands.add(
        "run",
        "follow markets, and show their books and signals as they change",
        more="Name the markets on the command line, in a file, or take --demo, which needs no "
        "account and no network. On a terminal it draws a live table; into a pipe or a file it "
        "writes a line of JSON for each thing that happens.",
        example="run --demo --seconds 30",
        codes=_SERVICE,
    )
    _source(run)
    _why(run)
    _paper(run)
    _output(run, "table on a terminal, else ndjson")


def _add_replay(commands: _Commands) -> None:
    replay = commands.add(
        "replay",
        "run a recording through the engine, and report on it",
        more="The engine gives the same books and signals as it gave live; the digest it prints "
        "proves it. Use it for research, back-tests and regression tests.",
        example="replay recordings --books -o json",
        codes=_WORK_ON_DATA,
    )
    _recording(replay)
    replay.add_argument(
        "--frames",
        type=within(int, 0, 2**63 - 1),
        metavar="N",
        help="stop after N frames (default: all)",
    )
    replay.add_argument(
        "--books", action="store_true", help="report every level of the books at the end"
    )
    replay.add_argument(
        "--hash-check",
        choices=("always", "sampled", "off"),
        help="how often a book is checked against the venue's hash of it "
        "(default: as recorded; always for captures)",
    )
    _mode(replay)
    _why(replay)
    _paper(replay)
    _output(replay)


def _mode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode",
        help="how the venue of a capture was asked to speak, such as use_yes_price; '' for what it "
        "does unasked (default: as the capture states it, else as its frames show it)",
    )


def _add_audit(commands: _Commands) -> None:
    audit = commands.add(
        "audit",
        "check a recording: compute every book and signal again, independently",
        more="It reads the frames in plain Python, with none of the engine's code, and compares "
        "what it finds with what the engine makes of them. It is slow on purpose.",
        example="audit recordings -o json",
        codes={**_WORK_ON_DATA, 1: "something did not agree, or failed (nothing there)"},
    )
    _recording(audit)
    _mode(audit)
    _output(audit)


def _add_record(commands: _Commands) -> None:
    record = commands.add(
        "record",
        "follow markets as `run` does, and write every frame into a journal",
        more="`bookfeed replay` gives the same books and signals from it, bit for bit, and "
        "`bookfeed audit` checks them.",
        example="record --config bookfeed.toml --directory recordings",
        codes=_SERVICE,
    )
    _source(record)
    record.add_argument(
        "--directory",
        type=path,
        metavar="DIR",
        help="where to write (default: directory in [record] of the file, else recordings)",
    )
    _output(record, "table on a terminal, else ndjson")


def _add_import(commands: _Commands) -> None:
    importing = commands.add(
        "import",
        "turn a capture (JSON lines) into a journal",
        more="A journal is checksummed and compressed.",
        example="import capture.ndjson.gz capture.bfj",
        codes=_WORK_ON_DATA,
        module="importing",
    )
    importing.add_argument(
        "capture", type=path, metavar="CAPTURE", help="JSON lines, plain, gzip or zstd"
    )
    importing.add_argument(
        "journal", type=path, metavar="OUT.bfj", help="journal to write; it must not exist"
    )
    _mode(importing)
    _output(importing)


def _add_markets(commands: _Commands) -> None:
    markets = commands.add(
        "markets",
        "list markets of the venues, by a text, by name, or the foremost",
        more="Each has the name to paste. No key is needed.",
        example="markets bitcoin --ending 1d",
        codes={**_WORK, 1: "failed (nothing of that name, no answer)"},
    )
    markets.add_argument(
        "text",
        nargs="*",
        metavar="TEXT",
        help="words of a title; or one name: the address of a page, a slug, a ticker, an id, a "
        "rolling series (default: the markets with the highest volume)",
    )
    markets.add_argument("--venue", metavar="NAME", help="of one venue only (default: of all)")
    markets.add_argument(
        "--ending",
        type=duration_s,
        metavar="TIME",
        help="only what closes within 30m, 1h, 2d, … from now",
    )
    markets.add_argument(
        "--top",
        type=within(int, 1, 1_000),
        default=20,
        metavar="N",
        help="at most N markets (default: %(default)s)",
    )
    _addresses(markets)
    _output(markets)


def _add_add(commands: _Commands) -> None:
    add = commands.add(
        "add",
        "look markets up, and write them as a configuration has them",
        more="The blocks are printed, or put at the end of a file, which stays as it was if they "
        "do not go together.",
        example="add ADDRESS-OF-A-PAGE --to bookfeed.toml",
        codes={**_WORK, 2: "wrong arguments, or blocks that do not go with the file"},
    )
    add.add_argument(
        "targets",
        nargs="+",
        metavar="NAME",
        help="the address of a page, a slug, a ticker, an event, an id, a rolling series (its "
        "present window), or @FILE with one a line",
    )
    add.add_argument("--to", type=path, metavar="FILE", help="add to this file (default: print)")
    _addresses(add)


def _addresses(parser: argparse.ArgumentParser) -> None:
    """Where names are looked up."""
    parser.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="VENUE.WHAT=URL",
        help="look names up at another address than the venue's own (WHAT: listings, books), such "
        "as a simulator's; may be given several times",
    )


def _add_sim(commands: _Commands) -> None:
    sim = commands.add(
        "sim",
        "serve a simulated venue on this machine, to try and to test a client",
        more="It speaks the venue's protocol on loopback, knows the true books, and makes faults "
        "on demand. The first line it prints is JSON: where it listens, and its markets.",
        example="sim --markets 20 --rate 1000 --fault disconnect@5s",
        codes=_SERVICE,
    )
    _simulated(sim, markets=10, rate=500)
    sim.add_argument(
        "--venue",
        choices=(*simulators(), BOTH),
        help="whose protocol to speak; both: two venues whose markets belong together "
        "(default: the venue of a [[market]] that names none)",
    )
    sim.add_argument(
        "--variant",
        default="",
        metavar="NAME",
        help="another form of the venue, where it has one, such as another country's site",
    )
    port = within(int, 0, _PORT_MAX)
    sim.add_argument(
        "--port", type=port, default=0, metavar="N", help="WebSocket port (default: any free one)"
    )
    sim.add_argument(
        "--rest-port", type=port, default=0, metavar="N", help="REST port (default: any free one)"
    )
    sim.add_argument(
        "--unmirrored",
        type=within(int, 0, 100_000),
        default=0,
        metavar="N",
        help="let N markets trade their outcomes apart, so that YES and NO together sometimes "
        "cost less than 1 (default: 0)",
    )
    sim.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND@WHEN",
        help="make a fault after so many frames (drop@500) or seconds (freeze@2.5s); may be "
        "given several times",
    )
    sim.add_argument(
        "--exit-with-parent", action="store_true", help="end when standard input is closed"
    )


def _add_bench(commands: _Commands) -> None:
    bench = commands.add(
        "bench",
        "measure what a frame costs on this machine, beside a plain Python client",
        more="Every answer is compared with the simulator's truth before any clock starts.",
        example="bench --quick",
        codes=_WORK,
    )
    bench.add_argument(
        "--quick", action="store_true", help="take a few seconds instead of a minute"
    )
    _output(bench)
